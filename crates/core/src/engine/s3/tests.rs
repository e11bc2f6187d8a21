//! Each answer and its sentence.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;

use super::*;
use crate::api::{
    AddressingStyle, ConditionStatus, GetOptions, IfNoneMatch, PostOptions, PutOptions, Reason,
};
use crate::engine::protocol::{
    CodeName, ErrorCode, KmsError, ListError, ProxyError, S3Result, TlsError, TransportError,
    answer,
};
use crate::request::{Bucket, Options};
use crate::signing::{Endpoint, Target};

mod head;
mod listing;
mod unreachable;
mod uploads;

const KEY: &str = "llama/weights.bin";

fn bucket() -> Bucket {
    Bucket::parse("models").unwrap()
}

fn target(endpoint: Option<&str>, region: &str) -> Target {
    let endpoint = endpoint.map(|text| Endpoint::parse(text).unwrap());
    Target::resolve(endpoint.as_ref(), region, AddressingStyle::Auto, &bucket()).unwrap()
}

fn get() -> Options {
    Options::Get(GetOptions::default())
}

fn put() -> Options {
    Options::Put(PutOptions::default())
}

fn on(asked: &S3Result, options: &Options) -> ObjectVerdict {
    let tried = ObjectSubject {
        target: &target(None, "eu-west-1"),
        bucket: &bucket(),
        key: KEY,
        options,
    };
    verify_object(asked, &tried)
}

fn says(verdict: &ObjectVerdict, status: ConditionStatus, reason: Reason, words: &[&str]) {
    let message = &verdict.message;
    assert_eq!(
        (verdict.status, verdict.reason),
        (status, reason),
        "{message}"
    );
    contains(message, words);
}

fn contains(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
    assert!(!message.contains("  "), "{message}");
    assert!(!message.ends_with('.'), "{message}");
}

const ALL: [ErrorCode; 28] = [
    ErrorCode::AccessDenied,
    ErrorCode::HeadersNotSigned,
    ErrorCode::NoSuchKey,
    ErrorCode::NoSuchVersion,
    ErrorCode::NoSuchBucket,
    ErrorCode::SignatureDoesNotMatch,
    ErrorCode::InvalidAccessKeyId,
    ErrorCode::InvalidToken,
    ErrorCode::CredentialsRefused(None),
    ErrorCode::SignatureRefused(None),
    ErrorCode::RequestTimeTooSkewed,
    ErrorCode::WrongRegion,
    ErrorCode::InvalidObjectState,
    ErrorCode::Unavailable,
    ErrorCode::DeleteMarker,
    ErrorCode::Deleted,
    ErrorCode::InvalidArgument,
    ErrorCode::CustomerKey,
    ErrorCode::Kms(KmsError::Disabled),
    ErrorCode::Kms(KmsError::InvalidState),
    ErrorCode::Kms(KmsError::NotFound),
    ErrorCode::AccountProblem,
    ErrorCode::CapExceeded,
    ErrorCode::RequesterPays,
    ErrorCode::NotImplemented,
    ErrorCode::KeyTooLong,
    ErrorCode::InvalidBucketName,
    ErrorCode::Other(None),
];
const NOWHERE: [TransportError; 4] = [
    TransportError::Host,
    TransportError::Connection,
    TransportError::Tls(TlsError::Other),
    TransportError::Timeout(Duration::from_secs(5)),
];

#[test]
fn a_download_that_is_answered_works_and_so_does_an_empty_one() {
    use ConditionStatus::True;
    for status in [200, 206] {
        says(
            &on(&Ok(answer(status, None)), &get()),
            True,
            Reason::Verified,
            &["first byte of \"models/llama/weights.bin\""],
        );
    }
    for code in [None, Some(ErrorCode::Other(None))] {
        says(
            &on(&Ok(answer(416, code)), &get()),
            True,
            Reason::Verified,
            &["is empty"],
        );
    }
}

#[test]
fn a_refused_download_names_the_right_and_the_object_that_may_be_missing() {
    let denied = Ok(answer(403, Some(ErrorCode::AccessDenied)));
    says(
        &on(&denied, &get()),
        ConditionStatus::False,
        Reason::AccessDenied,
        &[
            "s3:GetObject on arn:aws:s3:::models/llama/weights.bin (",
            "create the object",
            "without s3:ListBucket on arn:aws:s3:::models a store",
            "kms:Decrypt",
            "a bucket policy, a VPC endpoint, a rule on source addresses or requester pays (spec.get.requestPayer)",
        ],
    );
    let version = Options::Head(GetOptions {
        version_id: Some("v1".to_owned()),
        ..GetOptions::default()
    });
    contains(
        &on(&denied, &version).message,
        &["s3:GetObjectVersion on arn:aws:s3:::models/llama/weights.bin"],
    );
}

#[test]
fn the_partition_of_an_arn_is_the_stores() {
    for (endpoint, region, arn) in [
        (None, "cn-north-1", "arn:aws-cn:s3:::models/"),
        (None, "us-gov-west-1", "arn:aws-us-gov:s3:::models/"),
        (
            Some("https://s3.example.com"),
            "us-gov-west-1",
            "arn:aws:s3:::models/",
        ),
    ] {
        let tried = ObjectSubject {
            target: &target(endpoint, region),
            bucket: &bucket(),
            key: KEY,
            options: &get(),
        };
        let denied = Ok(answer(403, Some(ErrorCode::AccessDenied)));
        contains(&verify_object(&denied, &tried).message, &[arn]);
    }
}

#[test]
fn each_fault_of_a_download_is_told_apart() {
    for &(status, code, expected, reason, words) in FAULTS_OF_A_DOWNLOAD {
        let verdict = on(&Ok(answer(status, code)), &get());
        says(&verdict, expected, reason, &[words]);
        assert!(!verdict.passes());
    }
}

type Row = (
    u16,
    Option<ErrorCode>,
    ConditionStatus,
    Reason,
    &'static str,
);

#[rustfmt::skip]
const FAULTS_OF_A_DOWNLOAD: &[Row] = {
    use ConditionStatus::{False, Unknown};
    use ErrorCode as Code;
    &[
        (404, Some(Code::NoSuchKey), False, Reason::NoSuchKey, "upload it"),
        (404, Some(Code::NoSuchVersion), False, Reason::NoSuchKey, "spec.get.versionID"),
        (404, Some(Code::NoSuchBucket), False, Reason::NoSuchBucket, "no bucket \"models\""),
        (403, Some(Code::SignatureDoesNotMatch), False, Reason::SignatureDoesNotMatch, "region (eu-west-1)"),
        (403, Some(Code::InvalidAccessKeyId), False, Reason::CredentialsInvalid, "not know the access key"),
        (400, Some(Code::InvalidToken), False, Reason::CredentialsInvalid, "session token"),
        (401, Some(Code::CredentialsRefused(None)), False, Reason::CredentialsInvalid, "refuses the credentials"),
        (401, Some(Code::Other(None)), False, Reason::CredentialsInvalid, "refuses the credentials"),
        (400, Some(Code::SignatureRefused(None)), False, Reason::SignatureDoesNotMatch, "signature version 4"),
        (403, Some(Code::HeadersNotSigned), False, Reason::UnexpectedResponse, "proxy that adds headers"),
        (403, Some(Code::InvalidObjectState), False, Reason::ObjectArchived, "archived"),
        (405, Some(Code::DeleteMarker), False, Reason::NoSuchKey, "is a delete marker, which has no content"),
        (404, Some(Code::Deleted), False, Reason::NoSuchKey, "its newest version is a delete marker"),
        (400, Some(Code::InvalidArgument), False, Reason::UnexpectedResponse, "the error InvalidArgument"),
        (400, Some(Code::CustomerKey), False, Reason::EncryptionKeyUnavailable, "SSE-C"),
        (400, Some(Code::Kms(KmsError::Disabled)), False, Reason::EncryptionKeyUnavailable, "is disabled: enable it"),
        (400, Some(Code::Kms(KmsError::InvalidState)), False, Reason::EncryptionKeyUnavailable, "is pending deletion"),
        (400, Some(Code::Kms(KmsError::NotFound)), False, Reason::EncryptionKeyUnavailable, "does not exist"),
        (403, Some(Code::AccountProblem), False, Reason::AccountProblem, "an unpaid bill"),
        (403, Some(Code::CapExceeded), False, Reason::AccountProblem, "a cap of the account is exceeded"),
        (400, Some(Code::RequesterPays), False, Reason::AccessDenied, "the requester pays for bucket \"models\""),
        (501, Some(Code::NotImplemented), False, Reason::UnexpectedResponse, "does not implement"),
        (501, None, False, Reason::UnexpectedResponse, "does not implement"),
        (400, Some(Code::KeyTooLong), False, Reason::UnexpectedResponse, "shorten the key"),
        (400, Some(Code::InvalidBucketName), False, Reason::NoSuchBucket, "fix spec.bucket"),
        (400, Some(Code::WrongRegion), False, Reason::WrongRegion, "another region than \"eu-west-1\""),
        (503, Some(Code::Unavailable), Unknown, Reason::StoreUnavailable, "status 503"),
        (503, None, Unknown, Reason::StoreUnavailable, "busy"),
        (500, Some(Code::Other(None)), Unknown, Reason::StoreUnavailable, "status 500"),
        (429, None, Unknown, Reason::StoreUnavailable, "status 429"),
        (301, None, False, Reason::UnexpectedResponse, "https:// instead of http://"),
        (404, None, False, Reason::UnexpectedResponse, "status 404"),
        (403, None, False, Reason::UnexpectedResponse, "status 403"),
        (403, Some(Code::Other(None)), False, Reason::UnexpectedResponse, "an error whose code cannot be shown (status 403)"),
        (204, None, False, Reason::UnexpectedResponse, "status 204"),
    ]
};

#[test]
fn an_error_document_is_always_one_of_the_answers_that_s3_describes() {
    for code in ALL {
        for status in [400, 401, 403, 404, 405, 409, 416, 418] {
            for options in [&get(), &put()] {
                let message = on(&Ok(answer(status, Some(code))), options).message;
                assert!(!message.contains("not an answer"), "{code:?}: {message}");
            }
            let refused = ListError::Refused(answer(status, Some(code)));
            let message = listing::apply(&refused, &listing::request()).message;
            assert!(!message.contains("not an answer"), "{code:?}: {message}");
            let probe = Subject::Store {
                host: "s3.example.test",
                address: "https://s3.example.test:443",
                region: "eu-west-1",
            };
            let (_, message) = describe(&diagnose(&Ok(answer(status, Some(code)))), &probe);
            assert!(!message.contains("not an answer"), "{code:?}: {message}");
        }
    }
}

#[test]
fn an_argument_that_is_refused_is_the_version_if_there_is_one() {
    let version = Options::Get(GetOptions {
        version_id: Some("v1".to_owned()),
        ..GetOptions::default()
    });
    let refused = Ok(answer(400, Some(ErrorCode::InvalidArgument)));
    says(
        &on(&refused, &version),
        ConditionStatus::False,
        Reason::NoSuchKey,
        &["fix spec.get.versionID"],
    );
}

#[test]
fn the_name_of_a_code_is_shown_only_if_it_is_plain_and_short() {
    let teapot = ErrorCode::Other(CodeName::parse("Teapot.Short"));
    says(
        &on(&Ok(answer(418, Some(teapot))), &get()),
        ConditionStatus::False,
        Reason::UnexpectedResponse,
        &["the error Teapot.Short (status 418)"],
    );
    for name in ["Teapot", "KMS.DisabledException", &"a".repeat(64)] {
        assert_eq!(CodeName::parse(name).unwrap().as_str(), name);
    }
    for name in ["", "a b", "a-b", "<b>", "ü", "a\n", &"a".repeat(65)] {
        assert_eq!(CodeName::parse(name), None, "{name}");
    }
}

#[test]
fn the_right_region_is_named() {
    let elsewhere = |status, code, region: &str| {
        let mut answer = answer(status, code);
        answer.region = Some(region.to_owned());
        on(&Ok(answer), &get())
    };
    for verdict in [
        elsewhere(400, Some(ErrorCode::WrongRegion), "us-east-2"),
        elsewhere(301, None, "us-east-2"),
    ] {
        says(
            &verdict,
            ConditionStatus::False,
            Reason::WrongRegion,
            &["is in region \"us-east-2\"", "spec.s3.region", "eu-west-1"],
        );
    }
    // The settings name the bucket's region, and an endpoint of another one.
    let here = elsewhere(301, Some(ErrorCode::WrongRegion), "eu-west-1");
    contains(
        &here.message,
        &[
            "models.s3.eu-west-1.amazonaws.com does not serve",
            "spec.s3.endpoint",
        ],
    );
    // A region that comes with another fault is none.
    let denied = elsewhere(403, Some(ErrorCode::AccessDenied), "us-east-2");
    assert_eq!(denied.reason, Reason::AccessDenied);
}

#[test]
fn a_skewed_clock_is_told_with_the_measured_difference() {
    let skewed = |seconds: Option<i64>, code| {
        let mut answer = answer(403, Some(code));
        answer.skew = seconds.map(SignedDuration::from_secs);
        on(&Ok(answer), &get())
    };
    let code = ErrorCode::RequestTimeTooSkewed;
    for (seconds, words) in [
        (Some(1_200), "20m ahead of the operator's"),
        (Some(-432), "7m12s behind the operator's"),
        (Some(2), "agree now"),
        (None, "does not say its own"),
    ] {
        says(
            &skewed(seconds, code),
            ConditionStatus::False,
            Reason::ClockSkewed,
            &[words],
        );
    }
    for code in [ErrorCode::AccessDenied, ErrorCode::SignatureDoesNotMatch] {
        contains(
            &skewed(Some(-60), code).message,
            &["; its clock is 1m behind the operator's"],
        );
        assert!(!skewed(Some(15), code).message.contains("clock"));
    }
}

#[test]
fn no_key_reorders_a_sentence() {
    for options in [get(), put(), Options::Delete] {
        for asked in [
            Ok(answer(206, None)),
            Ok(answer(403, Some(ErrorCode::AccessDenied))),
            Ok(answer(404, Some(ErrorCode::NoSuchKey))),
            Ok(answer(503, None)),
        ] {
            let tried = ObjectSubject {
                target: &target(None, "eu-west-1"),
                bucket: &bucket(),
                key: "llama/\u{202e}nib.x",
                options: &options,
            };
            let message = verify_object(&asked, &tried).message;
            assert!(!message.contains('\u{202e}'), "{message}");
            assert!(message.contains("llama/\\u{202e}nib.x"), "{message}");
        }
    }
}

#[test]
fn no_sentence_holds_a_url() {
    let statuses = [200, 204, 301, 400, 403, 404, 416, 500, 503];
    let codes = ALL.into_iter().map(Some).chain([None]);
    let answers = codes.flat_map(|code| statuses.map(|status| Ok(answer(status, code))));
    for asked in answers.chain(NOWHERE.into_iter().map(Err)) {
        let mut messages = vec![on(&asked, &get()).message, on(&asked, &put()).message];
        let failure = match &asked {
            Ok(answer) => ListError::Refused(answer.clone()),
            Err(why) => ListError::TransportError(why.clone()),
        };
        messages.push(listing::apply(&failure, &listing::request()).message);
        for message in messages {
            // Endpoints have a scheme, a host and a port, and nothing after them.
            let after = message.split("://models.").skip(1);
            let paths = after.filter(|rest| {
                rest.split([' ', ':'])
                    .next()
                    .is_some_and(|host| host.contains(['/', '?']))
            });
            assert_eq!(paths.count(), 0, "{message}");
            contains(&message, &[]);
        }
    }
}
