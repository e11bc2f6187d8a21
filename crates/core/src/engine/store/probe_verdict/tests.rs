//! What each answer to a probe says of the settings.

use super::*;
use crate::api::{ClusterObjectStoreSpec, DefaultCredentials, S3Store, StoreCredentials};
use std::time::Duration;

use crate::engine::protocol::{ErrorCode, TlsError, TransportError, answer};

fn s3() -> S3Store {
    S3Store {
        region: "eu-west-1".to_owned(),
        credentials: StoreCredentials {
            default: Some(DefaultCredentials::default()),
            ..StoreCredentials::default()
        },
        ..S3Store::default()
    }
}

fn config() -> StoreConfig {
    StoreConfig::of(&ClusterObjectStoreSpec { s3: s3() }, None).unwrap()
}

const LOCATIONS: [Location; 3] = [Location::New, Location::Moved, Location::Proven];

fn other_store() -> StoreConfig {
    let s3 = S3Store {
        endpoint: Some("https://s3.example.test".to_owned()),
        ..s3()
    };
    StoreConfig::of(&ClusterObjectStoreSpec { s3 }, None).unwrap()
}

/// What is said of an answer. Each sentence says who answered, or what was connected to, and none holds another
/// URL.
fn said(asked: &S3Result, location: Location) -> ProbeVerdict {
    let said = verdict(asked, &config(), location, SignedDuration::ZERO);
    if let ProbeVerdict::Rejected(_, message)
    | ProbeVerdict::Inconclusive(_, message)
    | ProbeVerdict::Undecided(_, message) = &said
    {
        let address = "https://s3.eu-west-1.amazonaws.com:443";
        let who = match asked {
            Ok(_) => "AWS's endpoint of eu-west-1",
            Err(_) => address,
        };
        contains(message, who);
        let hosts = message
            .replace("https:// instead of http://", "")
            .replace(address, "");
        assert!(!hosts.contains("://"), "{message}");
        assert!(!message.contains("  "), "{message}");
        assert!(!message.ends_with('.'), "{message}");
    }
    said
}

fn contains(message: &str, words: &str) {
    assert!(message.contains(words), "{words:?} is not in: {message}");
}

fn rejected(said: ProbeVerdict, reason: Reason, words: &str) {
    match said {
        ProbeVerdict::Rejected(given, message) => {
            assert_eq!(given, reason, "{message}");
            contains(&message, words);
        }
        other => panic!("{other:?}"),
    }
}

fn inconclusive(said: &ProbeVerdict, reason: Reason) {
    let is = matches!(said, ProbeVerdict::Inconclusive(given, _) if *given == reason);
    assert!(is, "{said:?}");
}

fn undecided(said: &ProbeVerdict, reason: Reason) {
    let is = matches!(said, ProbeVerdict::Undecided(given, _) if *given == reason);
    assert!(is, "{said:?}");
}

#[test]
fn a_version_is_accepted_only_where_the_answer_shows_that_the_signature_was_checked() {
    use ErrorCode as Code;
    for location in LOCATIONS {
        for (status, code) in [
            (404, Code::NoSuchKey),
            (404, Code::NoSuchVersion),
            (403, Code::AccessDenied),
            (403, Code::InvalidObjectState),
        ] {
            let asked = Ok(answer(status, Some(code)));
            assert_eq!(said(&asked, location), ProbeVerdict::Accepted, "{code:?}");
        }
        for (status, code, reason) in [
            (404, Code::NoSuchBucket, Reason::NoSuchBucket),
            (403, Code::HeadersNotSigned, Reason::UnexpectedResponse),
            (400, Code::Other(None), Reason::UnexpectedResponse),
        ] {
            let asked = Ok(answer(status, Some(code)));
            undecided(&said(&asked, location), reason);
        }
        for (code, words) in [
            (Code::InvalidAccessKeyId, "access key"),
            (Code::InvalidToken, "session token"),
            (Code::SignatureDoesNotMatch, "secret access key"),
            (Code::CredentialsRefused(None), "refuses the credentials"),
            (Code::SignatureRefused(None), "signature version 4"),
        ] {
            let asked = Ok(answer(403, Some(code)));
            rejected(said(&asked, location), Reason::CredentialsInvalid, words);
        }
    }
}

#[test]
fn a_region_that_a_server_does_not_serve_is_rejected_at_the_first_probe_and_on_a_change() {
    let mut elsewhere = answer(400, Some(ErrorCode::WrongRegion));
    let silent = Ok(elsewhere.clone());
    elsewhere.region = Some("us-east-2".to_owned());
    let telling = Ok(elsewhere);
    let moved = Location::Moved;
    let words = "in another region than \"eu-west-1\"";
    rejected(said(&silent, moved), Reason::WrongRegion, words);
    let words = "is in region \"us-east-2\"";
    rejected(said(&telling, moved), Reason::WrongRegion, words);
    for asked in [&silent, &telling] {
        // Of AWS's endpoint the bucket alone can be in another region.
        undecided(&said(asked, Location::New), Reason::WrongRegion);
        undecided(&said(asked, Location::Proven), Reason::WrongRegion);
        let other = |location| verdict(asked, &other_store(), location, SignedDuration::ZERO);
        for location in [Location::New, Location::Moved] {
            rejected(other(location), Reason::WrongRegion, "region");
        }
        undecided(&other(Location::Proven), Reason::WrongRegion);
    }
}

#[test]
fn what_is_no_s3_server_is_rejected_unless_one_answered_there_before() {
    // A server of S3 has no object of a name that is made from a hash, and says so by a code.
    for status in [200, 206, 301, 403, 404, 416] {
        let odd = Ok(answer(status, None));
        for location in [Location::New, Location::Moved] {
            let reason = Reason::UnexpectedResponse;
            rejected(said(&odd, location), reason, "spec.s3.endpoint");
        }
        inconclusive(&said(&odd, Location::Proven), Reason::UnexpectedResponse);
    }
}

#[test]
fn what_any_settings_would_meet_says_nothing_of_these() {
    for location in LOCATIONS {
        for (status, code, reason) in [
            (
                403,
                Some(ErrorCode::RequestTimeTooSkewed),
                Reason::ClockSkewed,
            ),
            (503, Some(ErrorCode::Unavailable), Reason::StoreUnavailable),
            (500, None, Reason::StoreUnavailable),
            (500, Some(ErrorCode::Other(None)), Reason::StoreUnavailable),
            (429, None, Reason::StoreUnavailable),
        ] {
            inconclusive(&said(&Ok(answer(status, code)), location), reason);
        }
        for (why, reason) in [
            (TransportError::Host, Reason::HostNotFound),
            (TransportError::Connection, Reason::ConnectionFailed),
            (TransportError::Tls(TlsError::Other), Reason::TLSFailed),
            (
                TransportError::Timeout(Duration::from_secs(5)),
                Reason::StoreUnavailable,
            ),
        ] {
            inconclusive(&said(&Err(why), location), reason);
        }
    }
}

#[test]
fn a_refusal_of_a_signature_with_a_wrong_date_says_nothing_of_the_rest() {
    use ErrorCode as Code;
    for (code, seconds, wrong_clock) in [
        (Code::AccessDenied, 61, true),
        (Code::RequestTimeTooSkewed, -61, true),
        (Code::Other(None), 61, true),
        (Code::SignatureRefused(None), 61, true),
        (Code::AccessDenied, 60, false),
        (Code::NoSuchKey, 3600, false),
        (Code::InvalidAccessKeyId, 3600, false),
    ] {
        let offset = SignedDuration::from_mins(10);
        let mut answer = answer(403, Some(code));
        answer.skew = Some(offset + SignedDuration::from_secs(seconds));
        let said = verdict(&Ok(answer), &config(), Location::New, offset);
        assert_eq!(
            said == ProbeVerdict::SignedByWrongClock,
            wrong_clock,
            "{code:?} {seconds}"
        );
    }
}
