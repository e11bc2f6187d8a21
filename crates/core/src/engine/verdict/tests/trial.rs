//! The trial of changed settings.

use super::*;

#[test]
fn settings_are_rejected_only_where_the_store_says_that_they_cannot_work() {
    use ErrorCode as Code;
    for (status, code) in [
        (206, None),
        (416, None),
        (404, Some(Code::NoSuchKey)),
        (404, Some(Code::NoSuchVersion)),
        (403, Some(Code::AccessDenied)),
        (403, Some(Code::InvalidObjectState)),
    ] {
        assert_eq!(
            rejects_credentials(&Ok(answer(status, code))),
            Trial::Works,
            "{code:?}"
        );
    }
    for (code, reason, words) in [
        (
            Code::InvalidAccessKeyId,
            Reason::CredentialsInvalid,
            "access key",
        ),
        (
            Code::InvalidToken,
            Reason::CredentialsInvalid,
            "session token",
        ),
        (
            Code::SignatureDoesNotMatch,
            Reason::SignatureDoesNotMatch,
            "secret access key",
        ),
        (Code::WrongRegion, Reason::WrongRegion, "not which is right"),
    ] {
        match rejects_credentials(&Ok(answer(403, Some(code)))) {
            Trial::CannotWork(given, message) => {
                assert_eq!(given, reason);
                contains(&message, &[words]);
            }
            other => panic!("{code:?}: {other:?}"),
        }
    }
    let mut elsewhere = answer(400, Some(Code::WrongRegion));
    elsewhere.region = Some("us-east-2".to_owned());
    let Trial::CannotWork(_, message) = rejects_credentials(&Ok(elsewhere)) else {
        panic!("a wrong region cannot work");
    };
    contains(&message, &["us-east-2"]);

    for (status, code, reason) in [
        (404, Some(Code::NoSuchBucket), Reason::NoSuchBucket),
        (403, Some(Code::RequestTimeTooSkewed), Reason::ClockSkewed),
        (503, Some(Code::Unavailable), Reason::StoreUnavailable),
        (403, Some(Code::HeadersNotSigned), Reason::UnexpectedAnswer),
        (403, None, Reason::UnexpectedAnswer),
        (301, None, Reason::UnexpectedAnswer),
    ] {
        match rejects_credentials(&Ok(answer(status, code))) {
            Trial::Unknown(given, message) => {
                assert_eq!(given, reason);
                contains(&message, &[]);
            }
            other => panic!("{code:?}: {other:?}"),
        }
    }
    for (why, reason) in NOWHERE.into_iter().zip([
        Reason::HostNotFound,
        Reason::ConnectionFailed,
        Reason::TlsFailed,
        Reason::StoreUnavailable,
    ]) {
        match rejects_credentials(&Err(why)) {
            Trial::Unknown(given, message) => {
                assert_eq!(given, reason);
                contains(&message, &[]);
            }
            other => panic!("{why:?}: {other:?}"),
        }
    }
}
