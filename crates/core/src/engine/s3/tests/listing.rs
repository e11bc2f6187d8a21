//! Why there is no listing.

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::engine::protocol::{ListRequest, PageError};
use crate::request::{ListSelection, Prefix};
use crate::signing::{Credentials, SignError};

pub(super) fn apply(failure: &ListError, request: &ListRequest) -> crate::api::Problem {
    let subject = ListSubject {
        target: &request.target,
        bucket: &request.bucket,
        prefix: &request.wanted.prefix,
        most: request.most,
    };
    listing_problem(failure, &subject)
}

pub(super) fn request() -> ListRequest {
    ListRequest {
        target: target(None, "eu-west-1"),
        bucket: bucket(),
        wanted: ListSelection {
            prefix: Prefix::parse("llama/").unwrap(),
            min_objects: 1,
            max_objects: None,
            include: Vec::new(),
            exclude: Vec::new(),
            refresh_interval: None,
        },
        most: 1_000,
        credentials: Credentials {
            access_key_id: "AKIA".to_owned(),
            secret_access_key: "secret".into(),
            session_token: None,
            expires_at: None,
        },
        request_payer: None,
        ca_bundle: None,
        signed_at: Timestamp::UNIX_EPOCH,
        timeout: Duration::from_secs(30),
    }
}

#[test]
fn each_fault_of_a_listing_is_told_apart() {
    for (failure, reason, needs_human, words) in faults() {
        let problem = apply(&failure, &request());
        let given = (problem.reason, problem.needs_human);
        assert_eq!(given, (reason, needs_human), "{failure:?}");
        contains(&problem.message, &[words]);
    }
}

#[rustfmt::skip]
fn faults() -> Vec<(ListError, Reason, bool, &'static str)> {
    use ErrorCode as Code;
    use ListError::{BadPage as Bad, TransportError as Not};
    let refused = |status, code| ListError::Refused(answer(status, code));
    vec![
        (ListError::TooMany, Reason::TooManyObjects, true, "more than 1000 objects"),
        (ListError::TooLarge, Reason::TooManyObjects, true, "have more than 1 MiB"),
        (ListError::TooLong, Reason::ListFailed, true, "narrow spec.prefix"),
        (Bad(PageError::NotAListing), Reason::ListFailed, false, "no XML of ListObjectsV2"),
        (Bad(PageError::TooLarge), Reason::ListFailed, false, "larger than 8 MiB"),
        (Bad(PageError::NotEncoded), Reason::ListFailed, true, "declares that keys are percent-encoded"),
        (Bad(PageError::NoEnd), Reason::ListFailed, true, "IsTruncated"),
        (Bad(PageError::NoToken), Reason::ListFailed, true, "version 1 of the API"),
        (Bad(PageError::TokenRepeated), Reason::ListFailed, true, "does not move on"),
        (Bad(PageError::KeyRepeated), Reason::ListFailed, false, "a key came twice"),
        (Bad(PageError::KeyOutsidePrefix), Reason::ListFailed, true, "does not begin with the prefix"),
        (Bad(PageError::KeyTooLong), Reason::ListFailed, true, "1024 bytes"),
        (Bad(PageError::BadObject), Reason::ListFailed, true, "the size or the ETag"),
        (ListError::NotSigned(SignError::AccessKeyId), Reason::CredentialsInvalid, true, "the access key ID is empty"),
        (refused(403, Some(Code::AccessDenied)), Reason::ListFailed, true, "s3:ListBucket on arn:aws:s3:::models, "),
        (refused(404, Some(Code::NoSuchBucket)), Reason::NoSuchBucket, true, "no bucket \"models\""),
        (refused(400, Some(Code::WrongRegion)), Reason::WrongRegion, true, "eu-west-1"),
        (refused(403, Some(Code::SignatureDoesNotMatch)), Reason::SignatureDoesNotMatch, true, "listing of \"models/llama/\""),
        (refused(403, Some(Code::InvalidAccessKeyId)), Reason::CredentialsInvalid, true, "access key"),
        (refused(403, Some(Code::RequestTimeTooSkewed)), Reason::ClockSkewed, true, "time of the signature"),
        (refused(503, Some(Code::Unavailable)), Reason::StoreUnavailable, false, "status 503"),
        (refused(404, None), Reason::ListFailed, true, "status 404"),
        (refused(404, Some(Code::NoSuchKey)), Reason::ListFailed, false, "status 404"),
        (refused(416, None), Reason::ListFailed, false, "status 416"),
        (Not(TransportError::Host), Reason::HostNotFound, false, "models.s3.eu-west-1.amazonaws.com"),
        (Not(TransportError::Connection), Reason::ConnectionFailed, false, "was not listed"),
        (Not(TransportError::Tls(TlsError::Other)), Reason::TLSFailed, false, "TLS handshake"),
        (Not(TransportError::Timeout(Duration::from_secs(5))), Reason::StoreUnavailable, false, "in time"),
    ]
}

#[test]
fn the_right_to_list_is_asked_for_the_prefix_or_for_the_bucket() {
    let denied = ListError::Refused(answer(403, Some(ErrorCode::AccessDenied)));
    let mut request = request();
    let ends = |request: &ListRequest, end: &str| {
        let message = apply(&denied, request).message;
        assert!(message.ends_with(end), "{message}");
    };
    ends(
        &request,
        "arn:aws:s3:::models, for the prefix \"llama/\" at least; a bucket policy, a VPC endpoint, a rule on source \
         addresses or requester pays may refuse it too",
    );
    request.wanted.prefix = Prefix::parse("").unwrap();
    ends(
        &request,
        "arn:aws:s3:::models; a bucket policy, a VPC endpoint, a rule on source addresses or requester pays may refuse \
         it too",
    );
}
