//! Why a listing failed.

use super::messages::{Subject, bucket_arn, clock_hint, describe};
use super::{Diagnosis, diagnose};
use crate::api::{Problem, Reason};
use crate::engine::protocol::ListError;
use crate::request::{Bucket, Prefix};
use crate::signing::Target;

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
    let name = format!("{bucket}/{prefix}");
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
                "more than {most} objects are listed under {name}: narrow spec.prefix or spec.list, raise \
                 spec.list.maxObjects if it is the limit, or ask an admin for a larger maxObjects in the policy"
            );
            return problem(Reason::TooManyObjects, message, true);
        }
        ListError::TooLong => {
            let message = format!(
                "there are more keys under {name} than one listing looks at, and too few of them are wanted: narrow \
                 spec.prefix"
            );
            return problem(Reason::ListFailed, message, true);
        }
        ListError::Malformed => {
            let message = format!(
                "the answer to a listing of {name} is not one of ListObjectsV2, or its keys are out of order: look for \
                 a proxy in between, and check that the server is an S3 server"
            );
            return problem(Reason::ListFailed, message, false);
        }
        ListError::TransportError(error) => Diagnosis::Unreachable(*error),
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
                prefix => format!(", for the prefix {prefix} at least"),
            };
            let message = format!(
                "the store refuses to list {name}: give the signer s3:ListBucket on {}{prefix}{}",
                bucket_arn(target, bucket),
                clock_hint(*skew)
            );
            problem(Reason::ListFailed, message, true)
        }
        // They are answers about one object, so they are none to a listing.
        Diagnosis::Readable { status, .. }
        | Diagnosis::NoSuchKey { status }
        | Diagnosis::NoSuchVersion { status }
        | Diagnosis::Archived { status } => {
            let (_, message) = describe(&Diagnosis::NotS3 { status: *status }, &subject);
            problem(Reason::ListFailed, message, false)
        }
        other => {
            let (reason, message) = describe(other, &subject);
            let reason = match reason {
                Reason::UnexpectedAnswer => Reason::ListFailed,
                reason => reason,
            };
            let passes = matches!(other, Diagnosis::Unavailable { .. });
            problem(reason, message, !passes)
        }
    }
}
