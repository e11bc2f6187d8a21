//! Sentences from a diagnosis and its subject.
//!
//! What holds here:
//! - the match is total, and there is one set of words for all subjects;
//! - the sentence on a store names no bucket, since its status is read by more people than the bucket's
//!   owner;
//! - the sentence on a store holds no measured time, since a status is written whenever its sentence changes.

use jiff::SignedDuration;

use super::diagnosis::Diagnosis;
use super::subject::Subject;
use super::unreachable::unreachable;
use crate::access::{self, Action, Dialect, RequestKind, ResourceKind};
use crate::api::Reason;
use crate::engine::protocol::KmsError;
use crate::request::{Bucket, Options, format_duration};
use crate::signing::Target;
use crate::text::visible;

/// The reason and the sentence. Object rights have their own sentences, beside their subjects.
#[allow(
    clippy::too_many_lines,
    reason = "one total match: an arm for each diagnosis"
)]
pub(in crate::engine) fn describe(
    diagnosis: &Diagnosis,
    subject: &Subject<'_>,
) -> (Reason, String) {
    let (server, what) = (subject.server(), subject.what());
    match diagnosis {
        Diagnosis::Unreachable(error) => unreachable(error, subject),
        Diagnosis::WrongRegion { region } => (
            Reason::WrongRegion,
            wrong_region(region.as_deref(), subject),
        ),
        Diagnosis::ClockSkewed { skew } => (Reason::ClockSkewed, clock_skewed(*skew, subject)),
        Diagnosis::NoSuchBucket => (
            Reason::NoSuchBucket,
            format!(
                "{server} answers {what} that it has no {}: create it, or name another; if it exists, fix the store's \
                 endpoint or addressingStyle",
                subject.bucket()
            ),
        ),
        Diagnosis::SignatureMismatch { skew } => (
            Reason::SignatureDoesNotMatch,
            format!(
                "{server} computes another signature for {what}: fix the secret access key, the region ({}) or the \
                 endpoint of the ClusterObjectStore, or look for a proxy that changes the path or the Host header{}",
                subject.region(),
                match subject {
                    Subject::Request { .. } => clock_hint(*skew),
                    Subject::Store { .. } => String::new(),
                }
            ),
        ),
        Diagnosis::UnknownAccessKey => (
            Reason::CredentialsInvalid,
            format!(
                "{server} does not know the access key ID: it was deleted, or belongs to another service; fix the \
                 credentials of the ClusterObjectStore, or create the key there"
            ),
        ),
        Diagnosis::InvalidToken => (
            Reason::CredentialsInvalid,
            format!(
                "{server} refuses the session token: it has expired, or does not belong to the key; renew the credentials \
                 of the ClusterObjectStore"
            ),
        ),
        Diagnosis::CredentialsRefused { .. } => {
            let (error, status) = named_error(diagnosis);
            let message = format!(
                "{server} refuses the credentials that sign {what} ({error}, status {status}): fix the credentials of the \
                 ClusterObjectStore, or check that they are this service's"
            );
            (Reason::CredentialsInvalid, message)
        }
        Diagnosis::SignatureRefused { .. } => {
            let (error, status) = named_error(diagnosis);
            let message = format!(
                "{server} refuses the kind or the form of the signature of {what} ({error}, status {status}): check that it \
                 takes presigned URLs of signature version 4 (AWS4-HMAC-SHA256), and look for a proxy that changes the \
                 query"
            );
            (Reason::SignatureDoesNotMatch, message)
        }
        Diagnosis::HeadersNotSigned => (
            Reason::UnexpectedResponse,
            format!(
                "{server} says that {what} came with an x-amz header that was not signed: look for a proxy that adds \
                 headers"
            ),
        ),
        Diagnosis::Unavailable { status } => (
            Reason::StoreUnavailable,
            format!(
                "{server} is busy or has a fault of its own (status {status} to {what}): the operator retries"
            ),
        ),
        Diagnosis::Redirected { status } => (
            Reason::UnexpectedResponse,
            format!(
                "{server} redirects {what} (status {status}), and a signature does not follow: set spec.s3.endpoint of the \
                 ClusterObjectStore to what it redirects to, for example with https:// instead of http://"
            ),
        ),
        Diagnosis::AccessDenied { .. } => (
            Reason::AccessDenied,
            format!("{server} accepts the signature of {what}, and the signer may not do this"),
        ),
        Diagnosis::AccountProblem
        | Diagnosis::CapExceeded
        | Diagnosis::RequesterPays
        | Diagnosis::NotImplemented { .. }
        | Diagnosis::KeyTooLong
        | Diagnosis::InvalidBucketName
        | Diagnosis::NoSuchKey { .. }
        | Diagnosis::NoSuchVersion { .. }
        | Diagnosis::Archived { .. }
        | Diagnosis::DeleteMarker { .. }
        | Diagnosis::Deleted { .. }
        | Diagnosis::InvalidArgument { .. }
        | Diagnosis::CustomerKey { .. }
        | Diagnosis::Kms { .. }
        | Diagnosis::OutOfRange { .. }
        | Diagnosis::OtherError { .. } => refused(diagnosis, subject),
        Diagnosis::Readable { status, .. } | Diagnosis::NotS3 { status } => (
            Reason::UnexpectedResponse,
            format!(
                "{server} answers {what} with status {status}, which is not an answer that the S3 API describes for it: \
                 check that spec.s3.endpoint of the ClusterObjectStore is an S3 server's, and read the server's log"
            ),
        ),
    }
}

/// The sentence on an error document of S3 about an account, an operation, a name or an object.
fn refused(diagnosis: &Diagnosis, subject: &Subject<'_>) -> (Reason, String) {
    let (server, what) = (subject.server(), subject.what());
    match diagnosis {
        Diagnosis::AccountProblem => (
            Reason::AccountProblem,
            format!(
                "{server} says that the account behind {} or the signer's has a problem, for example an unpaid bill: look \
                 at the account there",
                subject.bucket()
            ),
        ),
        Diagnosis::CapExceeded => (
            Reason::AccountProblem,
            format!(
                "{server} refuses {what} since a cap of the account is exceeded: raise the cap there, or wait until it is \
                 counted anew"
            ),
        ),
        Diagnosis::RequesterPays => (
            Reason::AccessDenied,
            format!(
                "{server} refuses {what} since the requester pays for {}, and the request does not say that it does: set \
                 spec.get.requestPayer, which a policy must allow (allowRequesterPays)",
                subject.bucket()
            ),
        ),
        Diagnosis::NotImplemented { status } => (
            Reason::UnexpectedResponse,
            format!(
                "{server} does not implement {what} (status {status}): update the server, or check that spec.s3.endpoint of \
                 the ClusterObjectStore is an S3 server's"
            ),
        ),
        Diagnosis::KeyTooLong => (
            Reason::UnexpectedResponse,
            format!("{server} takes no key as long as that of {what}: shorten the key"),
        ),
        Diagnosis::InvalidBucketName => (
            Reason::NoSuchBucket,
            format!(
                "{server} takes no bucket of the name that {what} has: fix spec.bucket, or the addressingStyle of the \
                 ClusterObjectStore"
            ),
        ),
        other => {
            let (error, status) = named_error(other);
            let message = format!(
                "{server} answers {what} with {error} (status {status}): read what the S3 API reference or the server's \
                 own documentation says of it, and the server's log"
            );
            (Reason::UnexpectedResponse, message)
        }
    }
}

/// The error of an answer by the name of its code, and its status.
fn named_error(diagnosis: &Diagnosis) -> (String, u16) {
    let (name, status) = match diagnosis {
        Diagnosis::OtherError { code, status }
        | Diagnosis::OutOfRange { code, status }
        | Diagnosis::CredentialsRefused { code, status }
        | Diagnosis::SignatureRefused { code, status } => match code {
            Some(code) => (code.as_str(), status),
            None => return ("an error whose code cannot be shown".to_owned(), *status),
        },
        Diagnosis::NoSuchKey { status } | Diagnosis::Deleted { status } => ("NoSuchKey", status),
        Diagnosis::NoSuchVersion { status } => ("NoSuchVersion", status),
        Diagnosis::Archived { status } => ("InvalidObjectState", status),
        Diagnosis::DeleteMarker { status } => ("MethodNotAllowed", status),
        Diagnosis::InvalidArgument { status } => ("InvalidArgument", status),
        Diagnosis::Kms { error, status } => {
            let name = match error {
                KmsError::Disabled => "KMS.DisabledException",
                KmsError::InvalidState => "KMS.KMSInvalidStateException",
                KmsError::NotFound => "KMS.NotFoundException",
            };
            (name, status)
        }
        Diagnosis::CustomerKey { status } => ("InvalidRequest", status),
        _ => return ("an error".to_owned(), 400),
    };
    (format!("the error {name}"), *status)
}

fn wrong_region(right: Option<&str>, subject: &Subject<'_>) -> String {
    let (server, what, bucket) = (subject.server(), subject.what(), subject.bucket());
    let region = subject.region();
    match right {
        Some(right) if right == region => format!(
            "{server} says that {bucket} is in region \"{right}\", which is what the ClusterObjectStore says, and {} does not \
             serve that region: fix spec.s3.endpoint",
            subject.host()
        ),
        Some(right) => format!(
            "{server} says that {bucket} is in region \"{right}\", and {what} was signed for \"{region}\": set spec.s3.region of \
             the ClusterObjectStore to \"{right}\""
        ),
        None => format!(
            "{server} says that {bucket} is in another region than \"{region}\", for which {what} was signed, and does not \
             say in which: find it, and set spec.s3.region of the ClusterObjectStore"
        ),
    }
}

fn clock_skewed(skew: Option<SignedDuration>, subject: &Subject<'_>) -> String {
    let server = subject.server();
    if matches!(subject, Subject::Store { .. }) {
        return format!(
            "{server} refuses the time of the signature: its clock differs too much from the operator's"
        );
    }
    match skew {
        Some(skew) if skew.unsigned_abs().as_secs() >= 15 => format!(
            "{server} refuses the time of the signature: its clock is {} the operator's; set the clock that is wrong",
            apart(skew)
        ),
        Some(_) => format!(
            "{server} refuses the time of the signature, though its clock and the operator's agree now: sign anew, and \
             check that all of its servers have the same time"
        ),
        None => format!(
            "{server} refuses the time of the signature and does not say its own: compare its clock with the one of the \
             operator's node"
        ),
    }
}

/// A clock that is wrong explains refusals that seem to have another cause.
pub(super) fn clock_hint(skew: Option<SignedDuration>) -> String {
    match skew {
        Some(skew) if skew.unsigned_abs().as_secs() > 15 => format!(
            "; its clock is {} the operator's, which may be the cause: set the clock that is wrong",
            apart(skew)
        ),
        _ => String::new(),
    }
}

fn apart(skew: SignedDuration) -> String {
    let difference = format_duration(skew.unsigned_abs());
    let way = if skew.is_negative() {
        "behind"
    } else {
        "ahead of"
    };
    format!("{difference} {way}")
}

/// The rights on the object that IAM asks of the signer of such a request.
pub(super) fn actions(options: &Options) -> String {
    let needed = access::actions(RequestKind::by(options)).into_iter();
    let on_object = needed.filter(|action| action.on() == ResourceKind::Object);
    let names: Vec<&str> = on_object.map(Action::as_str).collect();
    names.join(", ")
}

/// The object's name in an IAM policy, for people: only what cannot be seen is escaped.
pub(super) fn object_arn(target: &Target, bucket: &Bucket, key: &str) -> String {
    visible(&dialect(target).object_arn(bucket, key))
}

/// The bucket's name in an IAM policy.
pub(super) fn bucket_arn(target: &Target, bucket: &Bucket) -> String {
    dialect(target).bucket_arn(bucket.as_str())
}

fn dialect(target: &Target) -> Dialect {
    Dialect::of(Some(&target.endpoint), &target.region)
}
