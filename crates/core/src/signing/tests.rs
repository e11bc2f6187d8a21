//! Goldens of the signer, and what it refuses to sign.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod form;
mod places;
#[path = "../../tests/common/sigv4_verifier.rs"]
mod sigv4_verifier;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use super::query::{Life, sign_url};
use super::*;
use crate::api::{
    AddressingStyle, GetOptions, IfNoneMatch, Method, PutOptions, RequestPayer,
    ServerSideEncryption,
};
use crate::request::{Bucket, Key, Options, Prefix};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "the+session/token=";
const DAY: Duration = Duration::from_hours(24);

fn then() -> Timestamp {
    "2013-05-24T00:00:00Z".parse().unwrap()
}

fn keys() -> Credentials {
    Credentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret_access_key: SECRET.into(),
        session_token: None,
        expires_at: None,
    }
}

fn session() -> Credentials {
    Credentials {
        session_token: Some(TOKEN.into()),
        expires_at: Some(then() + DAY),
        ..keys()
    }
}

fn try_presign(
    key: &str,
    options: &Options,
    creds: &Credentials,
    life: Life,
) -> Result<Presigned, SignError> {
    let bucket = Bucket::parse("examplebucket").unwrap();
    let key = Key::parse(key).unwrap();
    let op = Operation {
        bucket: &bucket,
        key: &key,
        options,
    };
    let target = Target::resolve(None, "us-east-1", AddressingStyle::Auto, &bucket).unwrap();
    presign(&op, &target, creds, life.signed_at, life.expires)
}

/// Signs for a day, with a server's word that it is right.
fn presigned(key: &str, options: &Options, creds: &Credentials) -> Presigned {
    let life = Life {
        signed_at: then(),
        expires: DAY,
    };
    let signed = try_presign(key, options, creds, life).unwrap();
    let url = signed.url.expose();
    let method = signed.method.as_str();
    sigv4_verifier::verify(url, method, &signed.headers, SECRET, then()).unwrap();
    signed
}

fn get() -> Options {
    Options::Get(GetOptions::default())
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
    pairs.iter().map(own).collect()
}

const PUBLISHED: &str = "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

#[test]
fn the_published_example_of_aws_is_reproduced() {
    let (unsigned, _) = PUBLISHED.split_once('?').unwrap();
    let life = Life {
        signed_at: then(),
        expires: DAY,
    };
    let url = sign_url(
        Method::Get,
        unsigned.to_owned(),
        &[],
        "us-east-1",
        &keys(),
        life,
    );
    assert_eq!(url.unwrap(), PUBLISHED);
}

#[test]
fn the_verifier_of_the_tests_knows_the_published_example_and_nothing_beside_it() {
    let verify = |url: &str, method, headers: &[(&str, &str)], now: &str| {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers: Vec<_> = headers.iter().map(own).collect();
        sigv4_verifier::verify(url, method, &headers, SECRET, now.parse().unwrap())
    };
    let (first, last) = ("2013-05-24T00:00:00Z", "2013-05-24T23:59:59Z");
    assert_eq!(verify(PUBLISHED, "GET", &[], first), Ok(()));
    assert_eq!(
        verify(PUBLISHED, "GET", &[("Range", "bytes=0-0")], last),
        Ok(())
    );
    let refused = [
        (PUBLISHED.to_owned(), "HEAD", vec![], first),
        (PUBLISHED.to_owned(), "GET", vec![], "2013-05-25T00:00:00Z"),
        (PUBLISHED.to_owned(), "GET", vec![], "2013-05-23T23:44:59Z"),
        (
            PUBLISHED.to_owned(),
            "GET",
            vec![("x-amz-acl", "private")],
            first,
        ),
        (PUBLISHED.replace("86400", "86401"), "GET", vec![], first),
        (
            PUBLISHED.replace("test.txt", "test.txu"),
            "GET",
            vec![],
            first,
        ),
        (
            PUBLISHED.replace("examplebucket", "examplebuckeu"),
            "GET",
            vec![],
            first,
        ),
        (
            PUBLISHED.replace("us-east-1", "us-east-2"),
            "GET",
            vec![],
            first,
        ),
        (
            PUBLISHED.replace("%2F20130524", "%2F20130523"),
            "GET",
            vec![],
            first,
        ),
        (
            PUBLISHED.replace("=host", "=host%3Bif-match"),
            "GET",
            vec![],
            first,
        ),
        (format!("{PUBLISHED}&acl="), "GET", vec![], first),
    ];
    for (url, method, headers, now) in refused {
        assert!(
            verify(&url, method, &headers, now).is_err(),
            "{method} {url} {now}"
        );
    }
}

#[test]
fn a_get_is_signed_as_it_always_was() {
    insta::assert_snapshot!(presigned("test.txt", &get(), &keys()).url.expose());
}

#[test]
fn keys_with_characters_of_every_kind_are_signed_as_they_always_were() {
    let ascii = "a b+c&d?e#f%g~h/i=j;k:l@m!n$o'p(q)r*s,t[u]v{w}x|y\\z^`\"<>-_.";
    let utf8 = "r\u{e9}sum\u{e9}/\u{65e5}\u{672c}\u{8a9e}/\u{1f431}/e\u{301}";
    for key in [ascii, utf8, "%2e%2e/%2F", "a/b+%20.txt"] {
        insta::assert_snapshot!(presigned(key, &get(), &keys()).url.expose());
    }
}

#[test]
fn the_longest_keys_are_signed_whole() {
    let ascii = "k".repeat(1024);
    let url = presigned(&ascii, &get(), &keys());
    assert!(url.url.expose().contains(&format!("/{ascii}?")));
    let escaped = presigned(&"\u{1f431}".repeat(256), &get(), &session());
    assert!(
        escaped
            .url
            .expose()
            .contains(&format!("/{}?", "%F0%9F%90%B1".repeat(256)))
    );
}

#[test]
fn every_option_of_a_get_is_signed() {
    let options = GetOptions {
        version_id: Some(
            "3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY+MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo".to_owned(),
        ),
        response_content_type: Some("text/plain; charset=utf-8".to_owned()),
        response_content_disposition: Some("attachment; filename=\"a b+c.pdf\"".to_owned()),
        response_content_encoding: Some("gzip".to_owned()),
        response_content_language: Some("de, en".to_owned()),
        response_cache_control: Some("no-cache, max-age=0".to_owned()),
        request_payer: Some(RequestPayer::Requester),
    };
    insta::assert_snapshot!(
        presigned("test.txt", &Options::Get(options.clone()), &session())
            .url
            .expose()
    );
    insta::assert_snapshot!(
        presigned("test.txt", &Options::Head(options), &session())
            .url
            .expose()
    );
}

#[test]
fn every_option_of_a_put_is_a_signed_header() {
    let options = PutOptions {
        content_type: Some("application/json".to_owned()),
        content_length: Some(5_368_709_120),
        checksum_sha256: Some("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=".to_owned()),
        checksum_crc64nvme: Some("AAECAwQFBgc=".to_owned()),
        if_match: Some("\"6805f2cfc46c0f04559748bb039d69ae\"".to_owned()),
        if_none_match: Some(IfNoneMatch::Any),
        server_side_encryption: Some(ServerSideEncryption::AwsKms),
        kms_key_id: Some("arn:aws:kms:us-east-1:111122223333:key/1234abcd".to_owned()),
        storage_class: Some("STANDARD_IA".to_owned()),
        acl: Some("bucket-owner-full-control".to_owned()),
        metadata: Some(map(&[("owner", "team  a, b"), ("run-id", "7")])),
        tagging: Some(map(&[("cost centre", "a+b=c"), ("project", "x/y@z")])),
    };
    let signed = presigned("up/file.json", &Options::Put(options), &keys());
    insta::assert_snapshot!(signed.url.expose());
    insta::assert_debug_snapshot!(signed.headers);
}

#[test]
fn a_put_without_options_and_a_delete_sign_the_host_alone() {
    for options in [Options::Put(PutOptions::default()), Options::Delete] {
        let signed = presigned("test.txt", &options, &keys());
        assert_eq!(signed.headers, []);
        insta::assert_snapshot!(signed.url.expose());
    }
}

#[test]
fn empty_tags_and_metadata_add_no_header() {
    let options = PutOptions {
        metadata: Some(map(&[])),
        tagging: Some(map(&[])),
        ..PutOptions::default()
    };
    assert_eq!(presigned("k", &Options::Put(options), &keys()).headers, []);
}

#[test]
fn the_same_values_give_the_same_url() {
    let once = presigned("test.txt", &get(), &session());
    let again = presigned("test.txt", &get(), &session());
    assert_eq!(once.url.expose(), again.url.expose());
}

#[test]
fn what_cannot_sign_for_the_whole_life_signs_nothing() {
    let table = [
        (
            Credentials {
                access_key_id: String::new(),
                ..keys()
            },
            SignError::AccessKeyId,
        ),
        (
            Credentials {
                access_key_id: "AKIA\n".to_owned(),
                ..keys()
            },
            SignError::AccessKeyId,
        ),
        (
            Credentials {
                access_key_id: "AKIA 1".to_owned(),
                ..keys()
            },
            SignError::AccessKeyId,
        ),
        (
            Credentials {
                access_key_id: "\u{c4}KIA".to_owned(),
                ..keys()
            },
            SignError::AccessKeyId,
        ),
        (
            Credentials {
                secret_access_key: "".into(),
                ..keys()
            },
            SignError::SecretAccessKey,
        ),
        (
            Credentials {
                session_token: Some("".into()),
                ..session()
            },
            SignError::SessionToken,
        ),
        (
            Credentials {
                expires_at: None,
                ..session()
            },
            SignError::ExpiryUnknown,
        ),
        (
            Credentials {
                expires_at: Some(then() + DAY - Duration::from_millis(1)),
                ..session()
            },
            SignError::CredentialsEndFirst,
        ),
        (
            Credentials {
                expires_at: Some(then() - DAY),
                ..keys()
            },
            SignError::CredentialsEndFirst,
        ),
    ];
    let life = Life {
        signed_at: then(),
        expires: DAY,
    };
    for (creds, error) in table {
        let refused = try_presign("test.txt", &get(), &creds, life).unwrap_err();
        assert_eq!(refused, error);
        let text = refused.to_string();
        assert!(!text.contains("AKIA") && !text.contains(SECRET) && !text.contains(TOKEN));
    }
}

#[test]
fn a_life_is_whole_seconds_up_to_seven_days() {
    let week = Duration::from_hours(168);
    let half = Duration::from_millis(500);
    let attempt = |signed_at, expires| {
        let life = Life { signed_at, expires };
        try_presign("test.txt", &get(), &keys(), life).map(|_| ())
    };
    assert_eq!(attempt(then(), week), Ok(()));
    assert_eq!(attempt(then(), Duration::from_secs(1)), Ok(()));
    for (signed_at, expires) in [
        (then(), Duration::ZERO),
        (then(), half),
        (then(), DAY + half),
        (then(), week + Duration::from_secs(1)),
        (then(), Duration::MAX),
        (then() + half, DAY),
    ] {
        assert_eq!(
            attempt(signed_at, expires),
            Err(SignError::Life),
            "{expires:?}"
        );
    }
}

#[test]
fn what_holds_a_secret_prints_none_of_it() {
    let signed = presigned("test.txt", &get(), &session());
    let printed = format!("{:?} {:#?} {} {:?}", signed, signed, signed.url, session());
    for secret in ["AKIA", SECRET, TOKEN, "X-Amz", "amazonaws", "examplebucket"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    assert!(session().is_session() && !keys().is_session());
}

#[test]
fn nothing_of_a_signature_is_logged_at_trace_level() {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        tracing::trace!("the log is heard before");
        presigned("test.txt", &get(), &session());
        tracing::trace!("and after");
    });
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("heard before") && log.contains("and after"),
        "{log}"
    );
    assert_eq!(log.lines().count(), 2, "{log}");
}

#[test]
fn who_pays_is_a_signed_header_of_a_url_and_of_a_listing() {
    let options = GetOptions {
        request_payer: Some(RequestPayer::Requester),
        ..GetOptions::default()
    };
    let header = ("x-amz-request-payer".to_owned(), "requester".to_owned());
    for options in [Options::Get(options.clone()), Options::Head(options)] {
        let signed = presigned("test.txt", &options, &session());
        assert_eq!(signed.headers, std::slice::from_ref(&header));
        let names = "X-Amz-SignedHeaders=host%3Bx-amz-request-payer";
        assert!(signed.url.expose().contains(names));
    }
    let page = |request_payer| {
        let bucket = Bucket::parse("models").unwrap();
        let page = ListPage {
            bucket: &bucket,
            prefix: &Prefix::parse("llama/").unwrap(),
            token: None,
            max_keys: 1_000,
            request_payer,
        };
        let style = AddressingStyle::Auto;
        let target = Target::resolve(None, "eu-west-1", style, &bucket).unwrap();
        let signed = sign_page(&page, &target, &session(), Timestamp::UNIX_EPOCH).unwrap();
        let headers = signed.headers.into_iter();
        headers
            .map(|(name, value)| (name, value.expose_secret().to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    let paid = page(Some(RequestPayer::Requester));
    assert_eq!(paid["x-amz-request-payer"], "requester");
    assert!(
        paid["authorization"].contains(";x-amz-request-payer;"),
        "{paid:?}"
    );
    let free = page(None);
    assert!(!free.contains_key("x-amz-request-payer"));
    assert!(!free["authorization"].contains("payer"));
}
