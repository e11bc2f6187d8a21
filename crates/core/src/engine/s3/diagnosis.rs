//! What a store's answer means, in words: for the condition `Verified` and for listings.
//!
//! What holds here: the functions are total over what can be answered, and a sentence is made from classes, codes and what was
//! asked, never from a text of the server. Each says what was tried, what is wrong and what to do. Where an answer has two
//! causes that cannot be told apart from outside, both are named.

use super::messages::{Fault, Place, actions, bucket_arn, clocks, object_arn, said, unreached};
use crate::api::Problem;
use crate::api::{ConditionStatus, Reason};
use crate::engine::protocol::{ErrorCode, ListError, S3Response, S3Result};
use crate::policy::{Bucket, Options, Prefix};
use crate::signing::Target;

/// What was tried: a GET of an object's first byte, for a resource with these options.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Tried<'a> {
    /// Where it was asked.
    pub(in crate::engine) target: &'a Target,
    /// The bucket.
    pub(in crate::engine) bucket: &'a Bucket,
    /// The key that was asked for. Of an upload or a removal, which is tried beside its object: the object's key.
    pub(in crate::engine) key: &'a str,
    /// What the resource is for. An upload or a removal is not tried itself.
    pub(in crate::engine) options: &'a Options,
}

/// What was to be listed.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Listable<'a> {
    /// Where it was asked.
    pub(in crate::engine) target: &'a Target,
    /// The bucket.
    pub(in crate::engine) bucket: &'a Bucket,
    /// What the keys begin with.
    pub(in crate::engine) prefix: &'a Prefix,
    /// The most objects that are kept.
    pub(in crate::engine) most: u32,
}

/// What the condition `Verified` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Verdict {
    /// True: S3 gave what was signed. False: it refuses it. Unknown: it cannot be told without writing, or just now.
    pub(in crate::engine) status: ConditionStatus,
    /// One word why.
    pub(in crate::engine) reason: Reason,
    /// The sentence.
    pub(in crate::engine) message: String,
}

impl Verdict {
    /// Whether `verify: Require` may publish: it worked, or nothing that can be seen without writing speaks against it.
    pub(in crate::engine) fn passes(&self) -> bool {
        self.status == ConditionStatus::True || self.reason == Reason::NotTried
    }
}

/// Judges the answer to a try.
pub(in crate::engine) fn verified(asked: &S3Result, tried: &Tried<'_>) -> Verdict {
    let answer = match asked {
        Ok(answer) => answer,
        Err(why) => {
            let (reason, why) = unreached(*why, tried.target, tried.bucket);
            let message = format!("{why}; what was signed was not tried");
            return verdict(ConditionStatus::Unknown, reason, message);
        }
    };
    let what = Place::of(tried.target, tried.bucket);
    let object = format!("{}/{}", tried.bucket, tried.key);
    match meaning(answer) {
        Meaning::Given { empty } => given(tried, &object, empty),
        Meaning::Missing | Meaning::MissingVersion | Meaning::Refused | Meaning::Archived
            if !reads(tried.options) =>
        {
            not_tried(tried, &object)
        }
        Meaning::Missing => verdict(
            ConditionStatus::False,
            Reason::NoSuchKey,
            format!(
                "the store takes the signature, and there is no object {object}: upload it, or name another"
            ),
        ),
        Meaning::MissingVersion => verdict(
            ConditionStatus::False,
            Reason::NoSuchKey,
            format!(
                "the store takes the signature, and the object {object} has no version of this ID: mend spec.get.versionId"
            ),
        ),
        Meaning::Refused => {
            let actions = actions(tried.options);
            let message = format!(
                "the store refuses a GET of {object}: give the signer {actions} on {} (and kms:Decrypt on \
                 its key, where the object is encrypted with KMS), or create the object, for a store answers so for a missing \
                 object too where s3:ListBucket on {} is not granted{}",
                object_arn(&what, tried.key),
                bucket_arn(&what),
                clocks(answer.skew)
            );
            verdict(ConditionStatus::False, Reason::AccessDenied, message)
        }
        Meaning::Archived => verdict(
            ConditionStatus::False,
            Reason::UnexpectedAnswer,
            format!(
                "the store takes the signature, and the object {object} is archived: restore it, and it can be read"
            ),
        ),
        Meaning::Fault(fault) => {
            let (reason, message) = said(fault, answer, &what, &format!("a GET of {object}"));
            let status = match fault {
                Fault::Busy => ConditionStatus::Unknown,
                _ => ConditionStatus::False,
            };
            verdict(status, reason, message)
        }
    }
}

/// Says why a listing failed.
pub(in crate::engine) fn list_trouble(failure: &ListError, order: &Listable<'_>) -> Problem {
    let what = Place::of(order.target, order.bucket);
    let listed = format!("{}/{}", order.bucket, order.prefix);
    let problem = |reason, message, needs_human| Problem {
        reason,
        message,
        needs_human,
    };
    match failure {
        ListError::TooMany => {
            let message = format!(
                "more than {} objects are listed under {listed}: narrow spec.prefix or spec.list, raise \
                 spec.list.maxObjects where it is the limit, or ask an admin for a larger maxObjects in the policy",
                order.most
            );
            problem(Reason::TooManyObjects, message, true)
        }
        ListError::TooLong => {
            let message = format!(
                "there are more keys under {listed} than one listing looks at, and too few of them are wanted: narrow spec.prefix"
            );
            problem(Reason::ListFailed, message, true)
        }
        ListError::Malformed => {
            let message = format!(
                "the answer to a listing of {listed} is none of ListObjectsV2, or its keys are out of order: look for a proxy \
                 between, and whether the server is one of S3"
            );
            problem(Reason::ListFailed, message, false)
        }
        ListError::TransportError(why) => {
            let (reason, why) = unreached(*why, order.target, order.bucket);
            problem(reason, format!("{why}; {listed} was not listed"), false)
        }
        ListError::Refused(answer) => match meaning(answer) {
            Meaning::Refused => {
                let prefix = match order.prefix.as_str() {
                    "" => String::new(),
                    prefix => format!(", for the prefix {prefix} at least"),
                };
                let message = format!(
                    "the store refuses to list {listed}: give the signer s3:ListBucket on {}{prefix}{}",
                    bucket_arn(&what),
                    clocks(answer.skew)
                );
                problem(Reason::ListFailed, message, true)
            }
            Meaning::Fault(fault) => {
                let (reason, message) =
                    said(fault, answer, &what, &format!("a listing of {listed}"));
                let reason = match reason {
                    Reason::UnexpectedAnswer => Reason::ListFailed,
                    other => other,
                };
                problem(reason, message, fault != Fault::Busy)
            }
            _ => {
                let (_, message) =
                    said(Fault::Odd, answer, &what, &format!("a listing of {listed}"));
                problem(Reason::ListFailed, message, false)
            }
        },
    }
}

/// What an answer comes down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// The object was there, and could be read.
    Given {
        empty: bool,
    },
    Missing,
    MissingVersion,
    /// The signature was taken; the signer may not do it, or there is no such object.
    Refused,
    Archived,
    Fault(Fault),
}

/// The one table of answers.
fn meaning(answer: &S3Response) -> Meaning {
    use Meaning::Fault as Is;
    match (answer.status, answer.code) {
        (200 | 206, _) => Meaning::Given { empty: false },
        // An empty object has no first byte.
        (416, _) => Meaning::Given { empty: true },
        (_, Some(ErrorCode::AccessDenied)) => Meaning::Refused,
        (_, Some(ErrorCode::HeadersNotSigned)) => Is(Fault::Unsigned),
        (_, Some(ErrorCode::NoSuchKey)) => Meaning::Missing,
        (_, Some(ErrorCode::NoSuchVersion)) => Meaning::MissingVersion,
        (_, Some(ErrorCode::NoSuchBucket)) => Is(Fault::NoBucket),
        (_, Some(ErrorCode::SignatureDoesNotMatch)) => Is(Fault::Signature),
        (_, Some(ErrorCode::InvalidAccessKeyId)) => Is(Fault::Key),
        (_, Some(ErrorCode::InvalidToken)) => Is(Fault::Token),
        (_, Some(ErrorCode::RequestTimeTooSkewed)) => Is(Fault::Skew),
        (_, Some(ErrorCode::WrongRegion)) => Is(Fault::Region),
        (_, Some(ErrorCode::InvalidObjectState)) => Meaning::Archived,
        (_, Some(ErrorCode::Unavailable)) | (408 | 429 | 500..=599, _) => Is(Fault::Busy),
        (300..=399, _) if answer.region.is_some() => Is(Fault::Region),
        (300..=399, _) => Is(Fault::Redirect),
        (_, Some(ErrorCode::Other) | None) => Is(Fault::Odd),
    }
}

fn given(tried: &Tried<'_>, object: &str, empty: bool) -> Verdict {
    if !reads(tried.options) {
        return not_tried(tried, object);
    }
    let message = if empty {
        format!("a GET of {object} was answered; the object is empty")
    } else {
        format!("a GET of the first byte of {object} was answered")
    };
    verdict(ConditionStatus::True, Reason::Works, message)
}

/// An upload or a removal: all that a GET beside the object shows is that the signature is good.
fn not_tried(tried: &Tried<'_>, object: &str) -> Verdict {
    let (deed, outcome) = match tried.options {
        Options::Delete => ("the removal", "removed"),
        _ => ("the upload", "uploaded"),
    };
    let place = Place::of(tried.target, tried.bucket);
    let message = format!(
        "the store takes the signature of a GET beside {object}; {deed} itself was not tried, since it would change \
         something: whether the signer has {} on {} shows when it is {outcome}",
        actions(tried.options),
        object_arn(&place, tried.key),
    );
    verdict(ConditionStatus::Unknown, Reason::NotTried, message)
}

const fn verdict(status: ConditionStatus, reason: Reason, message: String) -> Verdict {
    Verdict {
        status,
        reason,
        message,
    }
}

const fn reads(options: &Options) -> bool {
    matches!(options, Options::Get(_) | Options::Head(_))
}

#[cfg(test)]
mod tests;
