//! The sentences that do not depend on what one object's rights are, and the names in all of them.

use jiff::SignedDuration;

use crate::access::{self, Action, Dialect, On, Use};
use crate::api::Reason;
use crate::engine::protocol::{S3Response, TransportError};
use crate::policy::{Bucket, Options, format_duration};
use crate::signing::{Style, Target};

const UNKNOWN_KEY: &str = "the store does not know the access key: it was deleted, or belongs to another service; mend the \
                           credentials of the ClusterObjectStore";
const DEAD_SESSION: &str = "the store does not take the session token: it has ended, or does not belong to the key; renew \
                            the credentials of the ClusterObjectStore";

/// What stands in the way whatever was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Fault {
    NoBucket,
    Signature,
    Key,
    Token,
    Region,
    Skew,
    Unsigned,
    Busy,
    Redirect,
    Odd,
}

/// A bucket and where it was asked for.
pub(in crate::engine) struct Place<'a> {
    pub(in crate::engine) target: &'a Target,
    pub(in crate::engine) bucket: &'a Bucket,
}

impl<'a> Place<'a> {
    pub(in crate::engine) const fn of(target: &'a Target, bucket: &'a Bucket) -> Self {
        Self { target, bucket }
    }
}

/// The sentence of a fault that has nothing to do with one object's rights.
pub(in crate::engine) fn said(
    fault: Fault,
    answer: &S3Response,
    place: &Place<'_>,
    what: &str,
) -> (Reason, String) {
    let Place { target, bucket } = place;
    let region = &target.region;
    match fault {
        Fault::NoBucket => (
            Reason::NoSuchBucket,
            format!(
                "the store answers {what} that it has no bucket {bucket}: create it, or name another; if it exists, mend the \
                 store's endpoint or addressingStyle"
            ),
        ),
        Fault::Signature => (
            Reason::SignatureDoesNotMatch,
            format!(
                "the store computes another signature for {what}: mend the secret access key, the region ({region}) or the endpoint \
                 of the ClusterObjectStore, or look for a proxy that changes the path or the Host header{}",
                clocks(answer.skew)
            ),
        ),
        Fault::Key => (Reason::CredentialsInvalid, UNKNOWN_KEY.to_owned()),
        Fault::Token => (Reason::CredentialsInvalid, DEAD_SESSION.to_owned()),
        Fault::Region => (
            Reason::WrongRegion,
            match &answer.region {
                Some(right) if right == region => format!(
                    "bucket {bucket} is in region {right}, which is what the ClusterObjectStore says, and {} does not serve that \
                     region: mend spec.s3.endpoint",
                    host(target, bucket)
                ),
                Some(right) => format!(
                    "bucket {bucket} is in region {right}, and {what} was signed for {region}: set spec.s3.region of the \
                     ClusterObjectStore to {right}"
                ),
                None => format!(
                    "bucket {bucket} is in another region than {region}, for which {what} was signed, and the store does not say \
                     in which: find it, and set spec.s3.region of the ClusterObjectStore"
                ),
            },
        ),
        Fault::Skew => (Reason::ClockSkewed, skewed(answer.skew)),
        Fault::Unsigned => (
            Reason::UnexpectedAnswer,
            format!(
                "the store says that {what} came with an x-amz header that was not signed: look for a proxy that adds headers"
            ),
        ),
        Fault::Busy => (
            Reason::StoreUnavailable,
            format!(
                "the store is busy or has a fault of its own (status {} to {what}): it is tried again",
                answer.status
            ),
        ),
        Fault::Redirect => (
            Reason::UnexpectedAnswer,
            format!(
                "the store redirects {what} (status {}), and a signature does not follow: give as endpoint what it redirects to, \
                 for example with https:// instead of http://",
                answer.status
            ),
        ),
        Fault::Odd => (
            Reason::UnexpectedAnswer,
            format!(
                "the store answers {what} with status {}, which is none of the answers that the S3 API describes for it: see \
                 whether the endpoint is an S3 server's, and its log",
                answer.status
            ),
        ),
    }
}

/// Why nothing came back.
pub(in crate::engine) fn unreached(
    why: TransportError,
    target: &Target,
    bucket: &Bucket,
) -> (Reason, String) {
    let host = host(target, bucket);
    match why {
        TransportError::Host => (
            Reason::HostNotFound,
            format!(
                "the operator cannot resolve the host name {host}: mend spec.s3.endpoint of the ClusterObjectStore, or the \
                 cluster's DNS"
            ),
        ),
        TransportError::Connection => (
            Reason::ConnectionFailed,
            format!(
                "{host} refused or broke the operator's connection: mend spec.s3.endpoint of the ClusterObjectStore, or the network \
                 between"
            ),
        ),
        TransportError::Tls => (
            Reason::TlsFailed,
            format!(
                "the certificate of {host} is not trusted, or names another host: set spec.s3.caBundle of the ClusterObjectStore, \
                 or mend the certificate"
            ),
        ),
        TransportError::Timeout => (
            Reason::StoreUnavailable,
            format!("{host} did not answer the operator in time: it is tried again"),
        ),
    }
}

fn skewed(skew: Option<SignedDuration>) -> String {
    match skew {
        Some(skew) if skew.unsigned_abs().as_secs() >= 15 => format!(
            "the store refuses the time of the signature: its clock is {} the operator's; set the clock that is wrong",
            apart(skew)
        ),
        Some(_) => "the store refuses the time of the signature, though its clock and the operator's agree now: sign anew, and see \
                    whether all of its servers have the same time"
            .to_owned(),
        None => "the store refuses the time of the signature and does not tell its own: compare its clock with the one of the \
                 operator's node"
            .to_owned(),
    }
}

/// A clock that is wrong explains refusals that seem to have another cause.
pub(in crate::engine) fn clocks(skew: Option<SignedDuration>) -> String {
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

fn host(target: &Target, bucket: &Bucket) -> String {
    let host = target.endpoint.host();
    match target.style {
        Style::Path => host.to_owned(),
        Style::VirtualHost => format!("{bucket}.{host}"),
    }
}

/// What IAM asks on the object of whoever makes such a request.
pub(in crate::engine) fn actions(options: &Options) -> String {
    let needed = access::actions(Use::by(options)).into_iter();
    let on_object = needed.filter(|action| action.on() == On::Object);
    let names: Vec<&str> = on_object.map(Action::as_str).collect();
    names.join(", ")
}

/// The object's name in a policy, for people: nothing is escaped.
pub(in crate::engine) fn object_arn(place: &Place<'_>, key: &str) -> String {
    dialect(place).object_arn(place.bucket, key)
}

/// The bucket's name in a policy.
pub(in crate::engine) fn bucket_arn(place: &Place<'_>) -> String {
    dialect(place).bucket_arn(place.bucket.as_str())
}

fn dialect(place: &Place<'_>) -> Dialect {
    Dialect::of(Some(&place.target.endpoint), &place.target.region)
}
