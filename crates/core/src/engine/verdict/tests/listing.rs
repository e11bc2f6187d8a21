//! Why there is no listing.

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::engine::ListOrder;
use crate::policy::{ListRequest, Prefix};
use crate::signing::Credentials;

pub(super) fn told(failure: &ListFailure, order: &ListOrder) -> Trouble {
    let listable = Listable {
        target: &order.target,
        bucket: &order.bucket,
        prefix: &order.wanted.prefix,
        most: order.most,
    };
    list_trouble(failure, &listable)
}

pub(super) fn order() -> ListOrder {
    ListOrder {
        target: target(None, "eu-west-1"),
        bucket: bucket(),
        wanted: ListRequest {
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
        ca_bundle: None,
        signed_at: Timestamp::UNIX_EPOCH,
        timeout: Duration::from_secs(30),
    }
}

#[test]
fn each_fault_of_a_listing_is_told_apart() {
    for (failure, reason, stalled, words) in faults() {
        let trouble = told(&failure, &order());
        let given = (trouble.reason, trouble.stalled);
        assert_eq!(given, (reason, stalled), "{failure:?}");
        contains(&trouble.message, &[words]);
    }
}

#[rustfmt::skip]
fn faults() -> Vec<(ListFailure, Reason, bool, &'static str)> {
    use ErrorCode as Code;
    use ListFailure::Unreached as Not;
    let refused = |status, code| ListFailure::Refused(answer(status, code));
    vec![
        (ListFailure::TooMany, Reason::TooManyObjects, true, "more than 1000 objects"),
        (ListFailure::TooLong, Reason::ListFailed, true, "narrow spec.prefix"),
        (ListFailure::Malformed, Reason::ListFailed, false, "ListObjectsV2"),
        (refused(403, Some(Code::AccessDenied)), Reason::ListFailed, true, "s3:ListBucket on arn:aws:s3:::models, "),
        (refused(404, Some(Code::NoSuchBucket)), Reason::NoSuchBucket, true, "no bucket models"),
        (refused(400, Some(Code::WrongRegion)), Reason::WrongRegion, true, "eu-west-1"),
        (refused(403, Some(Code::SignatureDoesNotMatch)), Reason::SignatureDoesNotMatch, true, "listing of models/llama/"),
        (refused(403, Some(Code::InvalidAccessKeyId)), Reason::CredentialsInvalid, true, "access key"),
        (refused(403, Some(Code::RequestTimeTooSkewed)), Reason::ClockSkewed, true, "time of the signature"),
        (refused(503, Some(Code::Unavailable)), Reason::StoreUnavailable, false, "status 503"),
        (refused(404, None), Reason::ListFailed, true, "status 404"),
        (refused(404, Some(Code::NoSuchKey)), Reason::ListFailed, false, "status 404"),
        (refused(416, None), Reason::ListFailed, false, "status 416"),
        (Not(Unreached::Host), Reason::HostNotFound, false, "models.s3.eu-west-1.amazonaws.com"),
        (Not(Unreached::Connection), Reason::ConnectionFailed, false, "was not listed"),
        (Not(Unreached::Tls), Reason::TlsFailed, false, "caBundle"),
        (Not(Unreached::Timeout), Reason::StoreUnavailable, false, "in time"),
    ]
}

#[test]
fn the_right_to_list_is_asked_for_the_prefix_or_for_the_bucket() {
    let denied = ListFailure::Refused(answer(403, Some(ErrorCode::AccessDenied)));
    let mut order = order();
    let ends = |order: &ListOrder, end: &str| {
        let message = told(&denied, order).message;
        assert!(message.ends_with(end), "{message}");
    };
    ends(
        &order,
        "arn:aws:s3:::models, for the prefix llama/ at least",
    );
    order.wanted.prefix = Prefix::parse("").unwrap();
    ends(&order, "arn:aws:s3:::models");
}
