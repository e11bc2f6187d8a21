//! Why a listing failed.

use super::diagnosis::{Diagnosis, diagnose};
use super::messages::{bucket_arn, clock_hint, describe};
use super::subject::Subject;
use crate::api::{Problem, Reason};
use crate::engine::protocol::{ListError, PageError};
use crate::request::{Bucket, Prefix};
use crate::signing::Target;
use crate::text::quoted;

/// What was to be listed.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct ListSubject<'a> {
    /// Where the request went.
    pub(in crate::engine) target: &'a Target,
    /// The bucket.
    pub(in crate::engine) bucket: &'a Bucket,
    /// What the keys begin with.
    pub(in crate::engine) prefix: &'a Prefix,
    /// The most objects that are kept.
    pub(in crate::engine) most: u32,
}

/// Says why a listing failed.
pub(in crate::engine) fn listing_problem(error: &ListError, listed: &ListSubject<'_>) -> Problem {
    let &ListSubject {
        target,
        bucket,
        prefix,
        most,
    } = listed;
    let name = quoted(&format!("{bucket}/{prefix}"));
    let problem = |reason, message, needs_human| Problem {
        reason,
        message,
        needs_human,
    };
    let subject = Subject::Request {
        target,
        bucket,
        what: &format!("a listing of {name}"),
    };
    let diagnosis = match error {
        ListError::TooMany => {
            let message = format!(
                "more than {} listed under {name}: narrow spec.prefix or spec.list, raise \
                 spec.list.maxObjects if it is the limit, or ask an admin for a larger maxObjects in the policy",
                match most {
                    1 => "1 object is".to_owned(),
                    most => format!("{most} objects are"),
                }
            );
            return problem(Reason::TooManyObjects, message, true);
        }
        ListError::TooLarge => {
            let message = format!(
                "the keys of the objects that are listed under {name} have more than 1 MiB, and no Secret could hold their \
                 URLs: narrow spec.prefix or spec.list"
            );
            return problem(Reason::TooManyObjects, message, true);
        }
        ListError::TooLong => {
            let message = format!(
                "there are more keys under {name} than one listing reads, and too few of them are wanted: narrow \
                 spec.prefix"
            );
            return problem(Reason::ListFailed, message, true);
        }
        ListError::BadPage(error) => {
            let message = format!("{} was not listed: {}", name, bad_page(*error));
            return problem(Reason::ListFailed, message, stays(*error));
        }
        ListError::NotSigned(error) => {
            let message = format!("{name} was not listed: {error}");
            return problem(Reason::CredentialsInvalid, message, true);
        }
        ListError::TransportError(error) => Diagnosis::Unreachable(error.clone()),
        ListError::Refused(response) => diagnose(&Ok(response.clone())),
    };
    match &diagnosis {
        Diagnosis::Unreachable(_) => {
            let (reason, why) = describe(&diagnosis, &subject);
            problem(reason, format!("{why}; {name} was not listed"), false)
        }
        Diagnosis::AccessDenied { skew } => {
            let prefix = match prefix.as_str() {
                "" => String::new(),
                prefix => format!(", for the prefix {} at least", quoted(prefix)),
            };
            let message = format!(
                "the store refuses to list {name}: give the signer s3:ListBucket on {}{prefix}; a bucket policy, a VPC \
                 endpoint, a rule on source addresses or requester pays may refuse it too{}",
                bucket_arn(target, bucket),
                clock_hint(*skew)
            );
            problem(Reason::ListFailed, message, true)
        }
        // They are answers about one object, so they are none to a listing.
        Diagnosis::Readable { .. }
        | Diagnosis::OutOfRange { .. }
        | Diagnosis::NoSuchKey { .. }
        | Diagnosis::NoSuchVersion { .. }
        | Diagnosis::Archived { .. } => {
            let (_, message) = describe(&diagnosis, &subject);
            problem(Reason::ListFailed, message, false)
        }
        other => {
            let (reason, message) = describe(other, &subject);
            let reason = match reason {
                Reason::UnexpectedResponse | Reason::AccessDenied => Reason::ListFailed,
                reason => reason,
            };
            let passes = matches!(other, Diagnosis::Unavailable { .. });
            problem(reason, message, !passes)
        }
    }
}

/// What is wrong with a page, and what to do.
const fn bad_page(error: PageError) -> &'static str {
    match error {
        PageError::NotAListing => {
            "the answer is no XML of ListObjectsV2: look for a proxy in between, and check that \
             spec.s3.endpoint of the ClusterObjectStore is an S3 server's"
        }
        PageError::TooLarge => {
            "a page is larger than 8 MiB, which a thousand keys never are: look for a proxy in between, and read the \
             server's log"
        }
        PageError::NotEncoded => {
            "the store declares that keys are percent-encoded (EncodingType), and writes a key that is not, so no key of \
             the page can be read for certain: update the server, or name the objects in spec.keys"
        }
        PageError::NoEnd => {
            "a page does not say whether more pages follow (IsTruncated), so nobody knows if the listing is whole: \
             update the server, or name the objects in spec.keys"
        }
        PageError::NoToken => {
            "more pages follow, and the store names no NextContinuationToken: it answers in version 1 of the API and the \
             operator asks for ListObjectsV2; update the server, or narrow spec.prefix to fewer than 1000 objects"
        }
        PageError::TokenRepeated => {
            "the store names a NextContinuationToken that led to an earlier page, so the listing does not move on: update \
             the server, or narrow spec.prefix"
        }
        PageError::KeyRepeated => {
            "a key came twice, so the store lost its place and other keys may be missing; it is listed again"
        }
        PageError::KeyOutsidePrefix => {
            "a key came that does not begin with the prefix: the server ignores the prefix, or a proxy changes the query"
        }
        PageError::KeyTooLong => {
            "a key came that is longer than the 1024 bytes that S3 allows: update the server, or narrow spec.prefix"
        }
        PageError::BadObject => {
            "the size or the ETag of an object is none: read the server's log, or name the objects in spec.keys"
        }
    }
}

/// Whether another listing would end in the same way, since the server works so.
const fn stays(error: PageError) -> bool {
    match error {
        PageError::NotEncoded
        | PageError::NoEnd
        | PageError::NoToken
        | PageError::TokenRepeated
        | PageError::KeyOutsidePrefix
        | PageError::KeyTooLong
        | PageError::BadObject => true,
        PageError::NotAListing | PageError::TooLarge | PageError::KeyRepeated => false,
    }
}
