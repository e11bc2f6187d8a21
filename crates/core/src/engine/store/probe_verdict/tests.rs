//! What each answer to a probe says of the settings.

use super::*;
use crate::api::{ClusterObjectStoreSpec, DefaultCredentials, S3Store, StoreCredentials};
use crate::engine::protocol::{ErrorCode, TransportError, answer};

fn config() -> StoreConfig {
    let s3 = S3Store {
        region: "eu-west-1".to_owned(),
        credentials: StoreCredentials {
            default: Some(DefaultCredentials::default()),
            ..StoreCredentials::default()
        },
        ..S3Store::default()
    };
    StoreConfig::of(&ClusterObjectStoreSpec { s3 }).unwrap()
}

/// What is said of an answer. Each sentence says who answered, and none holds a URL.
fn said(asked: &S3Result, moved: bool) -> ProbeVerdict {
    let said = verdict(asked, &config(), moved, SignedDuration::ZERO);
    if let ProbeVerdict::Rejected(_, message) | ProbeVerdict::Inconclusive(_, message) = &said {
        contains(message, "AWS's endpoint of eu-west-1");
        let hosts = message.replace("https:// instead of http://", "");
        assert!(!hosts.contains("://"), "{message}");
        assert!(!message.contains("  "), "{message}");
        assert!(!message.ends_with('.'), "{message}");
    }
    said
}

fn contains(message: &str, words: &str) {
    assert!(message.contains(words), "{words:?} is not in: {message}");
}

fn rejected(asked: &S3Result, moved: bool, reason: Reason, words: &str) {
    match said(asked, moved) {
        ProbeVerdict::Rejected(given, message) => {
            assert_eq!(given, reason, "{asked:?}");
            contains(&message, words);
        }
        other => panic!("{asked:?}: {other:?}"),
    }
}

fn inconclusive(asked: &S3Result, moved: bool, reason: Reason) {
    match said(asked, moved) {
        ProbeVerdict::Inconclusive(given, _) => assert_eq!(given, reason, "{asked:?}"),
        other => panic!("{asked:?}: {other:?}"),
    }
}

#[test]
fn settings_are_rejected_only_where_the_store_says_that_they_cannot_work() {
    use ErrorCode as Code;
    for moved in [false, true] {
        for (status, code) in [
            (404, Code::NoSuchKey),
            (404, Code::NoSuchVersion),
            (404, Code::NoSuchBucket),
            (403, Code::AccessDenied),
            (403, Code::HeadersNotSigned),
            (403, Code::InvalidObjectState),
            (400, Code::Other),
        ] {
            let asked = Ok(answer(status, Some(code)));
            assert_eq!(said(&asked, moved), ProbeVerdict::Accepted, "{code:?}");
        }
        for (code, words) in [
            (Code::InvalidAccessKeyId, "access key"),
            (Code::InvalidToken, "session token"),
            (Code::SignatureDoesNotMatch, "secret access key"),
        ] {
            let asked = Ok(answer(403, Some(code)));
            rejected(&asked, moved, Reason::CredentialsInvalid, words);
        }
    }
}

#[test]
fn what_another_endpoint_or_region_does_not_serve_is_rejected_and_what_is_in_use_is_not() {
    let mut elsewhere = answer(400, Some(ErrorCode::WrongRegion));
    let silent = Ok(elsewhere.clone());
    elsewhere.region = Some("us-east-2".to_owned());
    let telling = Ok(elsewhere);
    rejected(
        &silent,
        true,
        Reason::WrongRegion,
        "in another region than eu-west-1",
    );
    rejected(
        &telling,
        true,
        Reason::WrongRegion,
        "is in region us-east-2",
    );
    assert_eq!(said(&silent, false), ProbeVerdict::Accepted);
    assert_eq!(said(&telling, false), ProbeVerdict::Accepted);
    // A server of S3 has no object of a name that is made from a hash, and says so by a code.
    for status in [200, 206, 301, 403, 404, 416] {
        let odd = Ok(answer(status, None));
        rejected(&odd, true, Reason::UnexpectedAnswer, "spec.s3.endpoint");
        assert_eq!(said(&odd, false), ProbeVerdict::Accepted, "{status}");
    }
}

#[test]
fn what_any_settings_would_meet_says_nothing_of_these() {
    for moved in [false, true] {
        for (status, code, reason) in [
            (
                403,
                Some(ErrorCode::RequestTimeTooSkewed),
                Reason::ClockSkewed,
            ),
            (503, Some(ErrorCode::Unavailable), Reason::StoreUnavailable),
            (500, None, Reason::StoreUnavailable),
            (500, Some(ErrorCode::Other), Reason::StoreUnavailable),
            (429, None, Reason::StoreUnavailable),
        ] {
            inconclusive(&Ok(answer(status, code)), moved, reason);
        }
        for (why, reason) in [
            (TransportError::Host, Reason::HostNotFound),
            (TransportError::Connection, Reason::ConnectionFailed),
            (TransportError::Tls, Reason::TlsFailed),
            (TransportError::Timeout, Reason::StoreUnavailable),
        ] {
            inconclusive(&Err(why), moved, reason);
        }
    }
}

#[test]
fn a_refusal_of_a_signature_with_a_wrong_date_says_nothing_of_the_rest() {
    use ErrorCode as Code;
    for (code, seconds, wrong_clock) in [
        (Code::AccessDenied, 61, true),
        (Code::RequestTimeTooSkewed, -61, true),
        (Code::Other, 61, true),
        (Code::AccessDenied, 60, false),
        (Code::NoSuchKey, 3600, false),
        (Code::InvalidAccessKeyId, 3600, false),
    ] {
        let offset = SignedDuration::from_mins(10);
        let mut answer = answer(403, Some(code));
        answer.skew = Some(offset + SignedDuration::from_secs(seconds));
        let said = verdict(&Ok(answer), &config(), false, offset);
        assert_eq!(
            said == ProbeVerdict::SignedByWrongClock,
            wrong_clock,
            "{code:?} {seconds}"
        );
    }
}
