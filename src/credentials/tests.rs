//! What fetching credentials promises.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod minio;
mod providers;
mod roles;
mod sts_answers;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as Provided;
use aws_credential_types::provider::error::CredentialsError as ProviderError;
use jiff::Timestamp;
use presigned_core::api::Reason;
use presigned_core::engine::CredentialsError;
use presigned_core::issue::SecretBytes;
use presigned_core::signing::Credentials;
use secrecy::ExposeSecret;

use super::{chain, secret};

const NOW: &str = "2026-11-22T12:00:00Z";
const LATER: &str = "2026-11-22T13:00:00Z";
const KEY: &str = "AKIAVALUE";
const SECRET: &str = "wJalrXUtnFEMI/VALUE+x=";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn parse(keys: [Option<&str>; 4], data: &[(&str, &[u8])]) -> Result<Credentials, CredentialsError> {
    let data: BTreeMap<_, _> = data
        .iter()
        .map(|(key, value)| ((*key).to_owned(), SecretBytes::from(value.to_vec())))
        .collect();
    secret::parse("minio", &keys.map(|k| k.map(str::to_owned)), &data, now())
}

const USUAL: [Option<&str>; 4] = [None; 4];

fn says(result: Result<Credentials, CredentialsError>, reason: Reason, words: &[&str]) {
    let failure = result.unwrap_err();
    assert_eq!(failure.reason, reason, "{}", failure.message);
    for word in words {
        assert!(
            failure.message.contains(word),
            "{word} not in: {}",
            failure.message
        );
    }
    for value in ["VALUE", "wJalr"] {
        assert!(
            !failure.message.contains(value),
            "leaks: {}",
            failure.message
        );
    }
}

#[test]
fn a_secret_with_our_names_or_the_aws_tools_names_is_read() {
    for [id, secret, token, end] in [
        [
            "accessKeyID",
            "secretAccessKey",
            "sessionToken",
            "expiration",
        ],
        [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_CREDENTIAL_EXPIRATION",
        ],
    ] {
        let credentials = parse(
            USUAL,
            &[
                (id, KEY.as_bytes()),
                (secret, SECRET.as_bytes()),
                (token, b"tokenVALUE"),
                (end, LATER.as_bytes()),
            ],
        )
        .unwrap();
        assert_eq!(credentials.access_key_id, KEY);
        assert_eq!(credentials.secret_access_key.expose_secret(), SECRET);
        let token = credentials.session_token.unwrap();
        assert_eq!(token.expose_secret(), "tokenVALUE");
        assert_eq!(credentials.expires_at, Some(LATER.parse().unwrap()));
    }
}

#[test]
fn names_that_the_store_gives_are_the_only_ones() {
    let keys = [Some("user"), Some("password"), None, None];
    let data: &[(&str, &[u8])] = &[
        ("user", b"u"),
        ("password", b"p"),
        ("accessKeyID", b"other"),
    ];
    assert_eq!(parse(keys, data).unwrap().access_key_id, "u");
    let data: &[(&str, &[u8])] = &[("accessKeyID", b"u"), ("password", b"p")];
    says(
        parse(keys, data),
        Reason::CredentialsNotFound,
        &["Secret \"minio\" has no key \"user\"", "secretRef.keys"],
    );
}

#[test]
fn the_newline_of_echo_is_forgiven() {
    for end in ["\n", "\r\n"] {
        let (id, secret) = (format!("{KEY}{end}"), format!("{SECRET}{end}"));
        let data: &[(&str, &[u8])] = &[
            ("accessKeyID", id.as_bytes()),
            ("secretAccessKey", secret.as_bytes()),
        ];
        let credentials = parse(USUAL, data).unwrap();
        assert_eq!(credentials.access_key_id, KEY);
        assert_eq!(credentials.secret_access_key.expose_secret(), SECRET);
    }
}

#[test]
fn what_cannot_be_a_key_is_refused_by_its_name() {
    let cases: &[(&[u8], &str)] = &[
        (b"AKIA VALUE", "holds a space"),
        (b"AKIAVALUE\n\n", "a line break"),
        (b"AKIA\tVALUE", "holds a space"),
        (b"AKIA\0VALUE", "a control character"),
        (b" AKIAVALUE", "holds a space"),
        (b"\xff\xfeVALUE", "not UTF-8"),
    ];
    for (value, words) in cases {
        let data: &[(&str, &[u8])] = &[("accessKeyID", value), ("secretAccessKey", b"s")];
        says(
            parse(USUAL, data),
            Reason::CredentialsInvalid,
            &["key \"accessKeyID\" of Secret \"minio\"", words],
        );
    }
}

#[test]
fn a_key_that_was_removed_or_emptied_is_not_found_as_that_of_a_deleted_secret() {
    let not_found = |data: &[(&str, &[u8])], words: &str| {
        says(parse(USUAL, data), Reason::CredentialsNotFound, &[words]);
    };
    let without = "neither the key \"secretAccessKey\" nor \"AWS_SECRET_ACCESS_KEY\"";
    not_found(&[("accessKeyID", b"a")], without);
    not_found(
        &[],
        "neither the key \"accessKeyID\" nor \"AWS_ACCESS_KEY_ID\"",
    );
    for empty in [&b""[..], b"\n", b"\r\n"] {
        let words = "key \"accessKeyID\" of Secret \"minio\" is empty";
        not_found(&[("accessKeyID", empty), ("secretAccessKey", b"s")], words);
        let words = "key \"secretAccessKey\" of Secret \"minio\" is empty";
        not_found(&[("accessKeyID", b"a"), ("secretAccessKey", empty)], words);
    }
    // A token that is emptied is a mistake in a Secret that has its key.
    let token: &[(&str, &[u8])] = &[
        ("accessKeyID", b"a"),
        ("secretAccessKey", b"s"),
        ("sessionToken", b""),
    ];
    says(
        parse(USUAL, token),
        Reason::CredentialsInvalid,
        &["is empty"],
    );
}

#[test]
fn a_session_without_its_end_signs_nothing() {
    let mut data: Vec<(&str, &[u8])> = vec![
        ("accessKeyID", b"AKIAVALUE"),
        ("secretAccessKey", b"VALUE"),
        ("sessionToken", b"VALUE"),
    ];
    says(
        parse(USUAL, &data),
        Reason::CredentialsExpiryUnknown,
        &["Secret \"minio\"", "expiration", "RFC 3339"],
    );
    data.push(("expiration", b"tomorrow"));
    says(
        parse(USUAL, &data),
        Reason::CredentialsInvalid,
        &["key \"expiration\"", "RFC 3339"],
    );
    data.pop();
    data.push(("expiration", NOW.as_bytes()));
    says(
        parse(USUAL, &data),
        Reason::CredentialsExpired,
        &["Secret \"minio\"", NOW],
    );
    data.pop();
    data.push(("expiration", LATER.as_bytes()));
    assert!(parse(USUAL, &data).is_ok());
}

fn provided(session: bool, expiry: Option<SystemTime>) -> Provided {
    let token = session.then(|| "tokenVALUE".to_owned());
    Provided::new(KEY, SECRET, token, expiry, "test")
}

fn convert(
    provided: Result<Provided, ProviderError>,
    environment: &[(&str, &str)],
) -> Result<Credentials, CredentialsError> {
    let variable = |name: &str| {
        let found = environment.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    chain::convert(provided, &variable, now())
}

#[test]
fn the_expiry_that_the_chain_tells_is_kept() {
    let end = SystemTime::from(now()) + Duration::from_hours(1);
    let credentials = convert(Ok(provided(true, Some(end))), &[]).unwrap();
    assert_eq!(credentials.expires_at, Some(LATER.parse().unwrap()));
    assert_eq!(
        convert(Ok(provided(false, None)), &[]).unwrap().expires_at,
        None
    );
    let past = SystemTime::from(now()) - Duration::from_secs(1);
    says(
        convert(Ok(provided(true, Some(past))), &[]),
        Reason::CredentialsExpired,
        &["AWS chain"],
    );
}

#[test]
fn the_environments_expiry_is_read_where_its_keys_are_used() {
    let ours = [
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_CREDENTIAL_EXPIRATION", LATER),
    ];
    let credentials = convert(Ok(provided(true, None)), &ours).unwrap();
    assert_eq!(credentials.expires_at, Some(LATER.parse().unwrap()));

    let other = [
        ("AWS_ACCESS_KEY_ID", "other"),
        ("AWS_CREDENTIAL_EXPIRATION", LATER),
    ];
    for environment in [&other[..], &ours[..1], &[]] {
        let failure = convert(Ok(provided(true, None)), environment).unwrap_err();
        assert_eq!(failure.reason, Reason::CredentialsExpiryUnknown);
        assert!(
            failure.message.contains("AWS_CREDENTIAL_EXPIRATION"),
            "{}",
            failure.message
        );
    }

    let soon = [
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_CREDENTIAL_EXPIRATION", "soon"),
    ];
    says(
        convert(Ok(provided(true, None)), &soon),
        Reason::CredentialsInvalid,
        &["RFC 3339"],
    );
}

#[test]
fn each_failure_of_the_chain_has_its_reason_names_what_was_tried_and_keeps_the_providers_words() {
    let names = [
        "AWS chain of the operator's process",
        "the environment",
        "web identity",
        "Pod Identity",
        "instance metadata",
    ];
    says(
        Err(chain::too_slow()),
        Reason::CredentialsUnavailable,
        &names,
    );
    let words = "https://sts.example/?secret=VALUE";
    for (error, reason) in [
        (
            ProviderError::not_loaded(words),
            Reason::CredentialsNotFound,
        ),
        (
            ProviderError::invalid_configuration(words),
            Reason::CredentialsInvalid,
        ),
        (
            ProviderError::provider_error(words),
            Reason::CredentialsUnavailable,
        ),
        (
            ProviderError::unhandled(words),
            Reason::CredentialsUnavailable,
        ),
        (
            ProviderError::provider_timed_out(Duration::from_secs(1)),
            Reason::CredentialsUnavailable,
        ),
    ] {
        says(convert(Err(error), &[]), reason, &names);
    }
}
