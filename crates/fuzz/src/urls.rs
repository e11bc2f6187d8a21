//! Presigned URLs: a signed URL passes the check, names its object and no other, and fails the check after an
//! edit.

use std::time::Duration;

use jiff::Timestamp;
use presigned_core::api::{AddressingStyle, GetOptions};
use presigned_core::request::{Bucket, Key, Options};
use presigned_core::signing::{
    Credentials, Endpoint, ExpectedSignature, ExpectedUrl, Operation, Presigned, SecretUrl, Target,
    check, presign,
};

const REGION: &str = "eu-central-1";
const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const LIFE: Duration = Duration::from_hours(1);
/// 2026-11-21T12:00:00Z
const NOON: i64 = 1_795_262_400;

/// A key, and an edit of its URL: where, and what to put there instead of as much.
pub(super) const SEEDS: &[&str] = &[
    "models/a b.bin\n20\n%2e%2e/",
    "%41/é\n60\n&X-Amz-Expires=604800",
    "~!'()*\n30\n#",
    "a+b=c&d\n9\n:443",
    "k\n300\n0",
];

pub(super) fn url(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(3, '\n');
    let (key, place, edit) = (lines.next(), lines.next(), lines.next());
    let Ok(key) = Key::parse(key.unwrap_or_default()) else {
        return;
    };
    let bucket = Bucket::parse("models").unwrap();
    for style in [AddressingStyle::Path, AddressingStyle::VirtualHost] {
        let endpoint = Endpoint::parse("https://s3.example.com").unwrap();
        let target = Target::resolve(Some(&endpoint), REGION, style, &bucket).unwrap();
        let credentials = Credentials {
            access_key_id: ACCESS_KEY.to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
            expires_at: None,
        };
        let options = Options::Get(GetOptions::default());
        let operation = Operation {
            bucket: &bucket,
            key: &key,
            options: &options,
        };
        let signed_at = Timestamp::from_second(NOON).unwrap();
        let expires_at = signed_at.checked_add(LIFE).unwrap();
        let signed = presign(&operation, &target, &credentials, signed_at, LIFE).unwrap();
        let expected = ExpectedUrl {
            key: &key,
            method: options.method(),
            options: &options,
            signature: ExpectedSignature {
                scheme: target.endpoint.scheme(),
                host: target.endpoint.host(),
                port: target.endpoint.port(),
                path: target.endpoint.path(),
                style: target.style,
                bucket: &bucket,
                region: REGION,
                access_key_id: ACCESS_KEY,
                session: false,
                signed_at,
                expires_at,
                not_after: expires_at,
            },
        };
        assert_eq!(check(&signed, &expected), Ok(()));

        let url = signed.url.expose().to_owned();
        let (host, path) = match style {
            AddressingStyle::VirtualHost => ("models.s3.example.com", ""),
            _ => ("s3.example.com", "models/"),
        };
        let rest = url.strip_prefix(&format!("https://{host}/")).unwrap();
        let (encoded, _) = rest.split_once('?').unwrap();
        assert_eq!(
            decoded(encoded),
            format!("{path}{}", key.as_str()).into_bytes()
        );

        let (place, edit) = (place.and_then(|n| n.parse().ok()), edit.unwrap_or_default());
        let Some(edited) = place.and_then(|place| edited(&url, place, edit)) else {
            continue;
        };
        // The check takes any signature: the server verifies it.
        let unsigned = |url: &str| url.split("X-Amz-Signature=").next().map(str::to_owned);
        if unsigned(&edited) != unsigned(&url) {
            let forged = Presigned {
                url: SecretUrl::new(edited.clone()),
                ..signed
            };
            assert!(check(&forged, &expected).is_err(), "{edited}\n{url}");
        }
    }
}

/// The URL with something else in one place; `None` if that is the same URL.
fn edited(url: &str, place: usize, edit: &str) -> Option<String> {
    let end = (place + edit.len()).min(url.len());
    let edited = format!("{}{edit}{}", url.get(..place)?, url.get(end..)?);
    (edited != url).then_some(edited)
}

/// `%XX` undone, once.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let mut byte = *first;
        if byte == b'%' {
            let digits = std::str::from_utf8(&tail[..2]).unwrap();
            byte = u8::from_str_radix(digits, 16).unwrap();
            rest = &tail[2..];
        }
        bytes.push(byte);
    }
    bytes
}
