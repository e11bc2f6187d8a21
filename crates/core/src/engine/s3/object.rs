//! What the condition `Verified` says of an object that was requested.

use super::diagnosis::{Diagnosis, diagnose};
use super::messages::{actions, bucket_arn, clock_hint, describe, object_arn};
use super::subject::Subject;
use crate::api::{ConditionStatus, Reason};
use crate::engine::protocol::{KmsError, S3Result};
use crate::request::{Bucket, Options};
use crate::signing::Target;
use crate::text::quoted;

/// What was requested: a GET of an object's first byte, for a resource with these options.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct ObjectSubject<'a> {
    /// Where the request went.
    pub(in crate::engine) target: &'a Target,
    /// The bucket.
    pub(in crate::engine) bucket: &'a Bucket,
    /// The key of the object. The GET for an upload or a removal requests another key beside it.
    pub(in crate::engine) key: &'a str,
    /// What the resource is for. An upload or a removal itself is not made.
    pub(in crate::engine) options: &'a Options,
}

/// What the condition `Verified` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct ObjectVerdict {
    /// True: the store gave the object. False: the store refuses. Unknown: only a write would show it, or no
    /// answer came.
    pub(in crate::engine) status: ConditionStatus,
    /// The reason.
    pub(in crate::engine) reason: Reason,
    /// The sentence.
    pub(in crate::engine) message: String,
}

impl ObjectVerdict {
    /// What an answer proves while something else answers in place of the store.
    pub(in crate::engine) fn of_something_else(store: &str) -> Self {
        verdict(
            ConditionStatus::Unknown,
            Reason::UnexpectedResponse,
            format!(
                "a GET was answered, and that proves nothing: what answers at the endpoint of the ClusterObjectStore \
                 \"{store}\" is not an S3 server now; its condition Ready says what it answers"
            ),
        )
    }

    /// Whether `verify: Require` may publish: the GET worked, or nothing that a GET can show speaks against
    /// it.
    pub(in crate::engine) fn passes(&self) -> bool {
        self.status == ConditionStatus::True || self.reason == Reason::NotVerifiable
    }
}

/// Says what an answer means for the resource.
#[allow(
    clippy::too_many_lines,
    reason = "one total match: an arm for each diagnosis"
)]
pub(in crate::engine) fn verify_object(
    result: &S3Result,
    tried: &ObjectSubject<'_>,
) -> ObjectVerdict {
    let &ObjectSubject {
        target: _,
        bucket,
        key,
        options,
    } = tried;
    let object = quoted(&format!("{bucket}/{key}"));
    let diagnosis = diagnose(result);
    match &diagnosis {
        Diagnosis::Readable { .. }
        | Diagnosis::OutOfRange { .. }
        | Diagnosis::NoSuchKey { .. }
        | Diagnosis::NoSuchVersion { .. }
        | Diagnosis::AccessDenied { .. }
        | Diagnosis::Archived { .. }
        | Diagnosis::DeleteMarker { .. }
        | Diagnosis::Deleted { .. }
        | Diagnosis::CustomerKey { .. }
        | Diagnosis::Kms { .. }
            if !matches!(options, Options::Get(_) | Options::Head(_)) =>
        {
            not_tried(tried, &object)
        }
        diagnosis => object_verdict(diagnosis, tried, &object),
    }
}

/// What the answer says of an object that whoever holds the URL reads.
fn object_verdict(diagnosis: &Diagnosis, tried: &ObjectSubject<'_>, object: &str) -> ObjectVerdict {
    let &ObjectSubject {
        target,
        bucket,
        key,
        options,
    } = tried;
    if let Some(verdict) = state_of_object(diagnosis, options, object) {
        return verdict;
    }
    match diagnosis {
        Diagnosis::Readable { empty: true, .. } | Diagnosis::OutOfRange { .. } => verdict(
            ConditionStatus::True,
            Reason::Verified,
            format!("a GET of {object} was answered; the object is empty"),
        ),
        Diagnosis::Readable { empty: false, .. } => verdict(
            ConditionStatus::True,
            Reason::Verified,
            format!("a GET of the first byte of {object} was answered"),
        ),
        Diagnosis::NoSuchKey { .. } => verdict(
            ConditionStatus::False,
            Reason::NoSuchKey,
            format!(
                "the store accepts the signature, and there is no object {object}: upload it, or name another"
            ),
        ),
        Diagnosis::NoSuchVersion { .. } => verdict(
            ConditionStatus::False,
            Reason::NoSuchKey,
            format!(
                "the store accepts the signature, and the object {object} has no version of this ID: fix spec.get.versionID"
            ),
        ),
        Diagnosis::AccessDenied { skew } => {
            let message = format!(
                "the store refuses a GET of {object}: give the signer {} on {} (and kms:Decrypt on its key, if KMS \
                 encrypts the object), or create the object: without s3:ListBucket on {} a store answers the same for a \
                 missing object; a bucket policy, a VPC endpoint, a rule on source addresses or requester pays \
                 (spec.get.requestPayer) may refuse it too{}",
                actions(options),
                object_arn(target, bucket, key),
                bucket_arn(target, bucket),
                clock_hint(*skew)
            );
            verdict(ConditionStatus::False, Reason::AccessDenied, message)
        }
        other => {
            let what = format!("a GET of {object}");
            let subject = Subject::Request {
                target,
                bucket,
                what: &what,
            };
            let (reason, message) = describe(other, &subject);
            match other {
                Diagnosis::Unreachable(_) => verdict(
                    ConditionStatus::Unknown,
                    reason,
                    format!("{message}; what was signed was not tried"),
                ),
                Diagnosis::Unavailable { .. } => verdict(ConditionStatus::Unknown, reason, message),
                _ => verdict(ConditionStatus::False, reason, message),
            }
        }
    }
}

/// What the answer says of the state in which the object is, or its version, or its encryption.
fn state_of_object(
    diagnosis: &Diagnosis,
    options: &Options,
    object: &str,
) -> Option<ObjectVerdict> {
    let verdict = match diagnosis {
        Diagnosis::Archived { .. } => verdict(
            ConditionStatus::False,
            Reason::ObjectArchived,
            format!(
                "the store accepts the signature, and the object {object} is archived: restore it, and it can be read"
            ),
        ),
        Diagnosis::Deleted { .. } => verdict(
            ConditionStatus::False,
            Reason::NoSuchKey,
            format!(
                "the store accepts the signature, and the object {object} was deleted: its newest version is a delete \
                 marker; upload it, remove the marker, or name an older version in spec.get.versionID"
            ),
        ),
        Diagnosis::DeleteMarker { .. } => verdict(
            ConditionStatus::False,
            Reason::NoSuchKey,
            format!(
                "the store accepts the signature, and the version of {object} that spec.get.versionID names is a delete \
                 marker, which has no content: name another version"
            ),
        ),
        Diagnosis::InvalidArgument { .. } if has_version(options) => verdict(
            ConditionStatus::False,
            Reason::NoSuchKey,
            format!(
                "the store refuses an argument of a GET of {object}, most likely the version ID: fix spec.get.versionID"
            ),
        ),
        Diagnosis::CustomerKey { .. } => verdict(
            ConditionStatus::False,
            Reason::EncryptionKeyUnavailable,
            format!(
                "the store accepts the signature, and the object {object} is encrypted with a key that whoever reads it \
                 must send (SSE-C), which a URL cannot do: store the object with SSE-S3 or SSE-KMS"
            ),
        ),
        Diagnosis::Kms { error, .. } => {
            let (state, remedy) = match error {
                KmsError::Disabled => ("is disabled", "enable it"),
                KmsError::InvalidState => (
                    "is pending deletion, or in another state in which it decrypts nothing",
                    "cancel its deletion",
                ),
                KmsError::NotFound => ("does not exist", "restore it, or upload the object again"),
            };
            let message = format!(
                "the store accepts the signature, and the KMS key that encrypts {object} {state}: {remedy}"
            );
            verdict(
                ConditionStatus::False,
                Reason::EncryptionKeyUnavailable,
                message,
            )
        }
        _ => return None,
    };
    Some(verdict)
}

fn has_version(options: &Options) -> bool {
    match options {
        Options::Get(get) | Options::Head(get) => get.version_id.is_some(),
        Options::Put(_) | Options::Delete | Options::Post(_) => false,
    }
}

/// Says what the answers to a GET and to a HEAD of one object mean, for a resource whose URLs are signed for
/// both or for HEAD alone. The answer that refuses a HEAD has no error code: the one to the GET says why.
pub(in crate::engine) fn verify_head(
    get: &S3Result,
    head: &S3Result,
    tried: &ObjectSubject<'_>,
) -> ObjectVerdict {
    let object = quoted(&format!("{}/{}", tried.bucket, tried.key));
    let of_get = verify_object(get, tried);
    let diagnosis = diagnose(head);
    let head_only = matches!(tried.options, Options::Head(_));
    match &diagnosis {
        Diagnosis::Readable { .. } | Diagnosis::OutOfRange { .. } if head_only => verdict(
            ConditionStatus::True,
            Reason::Verified,
            format!("a HEAD of {object} was answered"),
        ),
        _ if of_get.status != ConditionStatus::True => of_get,
        Diagnosis::Readable { .. } | Diagnosis::OutOfRange { .. } => ObjectVerdict {
            message: format!("{}, and so was a HEAD", of_get.message),
            ..of_get
        },
        Diagnosis::Unreachable(_) | Diagnosis::Unavailable { .. } => {
            let what = format!("a HEAD of {object}");
            let subject = Subject::Request {
                target: tried.target,
                bucket: tried.bucket,
                what: &what,
            };
            let (reason, message) = describe(&diagnosis, &subject);
            verdict(ConditionStatus::Unknown, reason, message)
        }
        _ => {
            let status = head.as_ref().map_or(0, |answer| answer.status);
            let urls = if head_only {
                "the URL does not work"
            } else {
                "url works and head-url does not"
            };
            verdict(
                ConditionStatus::False,
                Reason::UnexpectedResponse,
                format!(
                    "the store answers a GET of {object}, and refuses a HEAD of it (status {status}), so {urls}: look for \
                     a proxy that refuses HEAD or turns it into a GET, and read the server's log"
                ),
            )
        }
    }
}

/// An upload or a removal: a GET beside the object only shows that the signature is valid.
fn not_tried(tried: &ObjectSubject<'_>, object: &str) -> ObjectVerdict {
    let (deed, outcome) = match tried.options {
        Options::Delete => ("the removal", "removed"),
        _ => ("the upload", "uploaded"),
    };
    let message = format!(
        "the store accepts the signature of a GET beside {object}; {deed} itself was not tried, since it would change \
         something: whether the signer has {} on {} shows when it is {outcome}",
        actions(tried.options),
        object_arn(tried.target, tried.bucket, tried.key),
    );
    verdict(ConditionStatus::Unknown, Reason::NotVerifiable, message)
}

const fn verdict(status: ConditionStatus, reason: Reason, message: String) -> ObjectVerdict {
    ObjectVerdict {
        status,
        reason,
        message,
    }
}
