//! A URL with one difference is refused, whatever the difference, and for the right reason.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod forged_forms;
mod forged_headers;
mod forged_urls;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::api::{
    AddressingStyle, GetOptions, IfNoneMatch, PutOptions, RequestPayer, ServerSideEncryption,
};
use crate::request::{Bucket, Key};
use crate::signing::{Credentials, Endpoint, Operation, Scheme, SecretUrl, Target, presign};

const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const HEX: &str = "abababababababababababababababababababababababababababababababab";

/// One allowed request, signed; tests change one thing of it.
struct Case {
    endpoint: &'static str,
    style: AddressingStyle,
    bucket: Bucket,
    key: Key,
    options: Options,
    session: bool,
}

impl Case {
    fn get() -> Self {
        Self {
            endpoint: "https://s3.example.com:9000",
            style: AddressingStyle::Path,
            bucket: Bucket::parse("team-a").unwrap(),
            key: Key::parse("in/a b.txt").unwrap(),
            options: Options::Get(GetOptions {
                version_id: Some("v1".to_owned()),
                response_content_type: Some("text/plain".to_owned()),
                response_content_disposition: Some("inline".to_owned()),
                response_content_encoding: Some("gzip".to_owned()),
                response_content_language: Some("en".to_owned()),
                response_cache_control: Some("no-store".to_owned()),
                request_payer: Some(RequestPayer::Requester),
            }),
            session: true,
        }
    }

    fn put() -> Self {
        Self {
            options: Options::Put(full_put()),
            session: false,
            ..Self::get()
        }
    }

    fn virtual_host() -> Self {
        Self {
            style: AddressingStyle::VirtualHost,
            ..Self::get()
        }
    }

    fn target(&self) -> Target {
        let endpoint = Endpoint::parse(self.endpoint).unwrap();
        Target::resolve(Some(&endpoint), "eu-west-2", self.style, &self.bucket).unwrap()
    }

    fn signed(&self) -> Presigned {
        let creds = Credentials {
            access_key_id: KEY_ID.to_owned(),
            secret_access_key: "secret".to_owned().into(),
            session_token: self.session.then(|| "token".to_owned().into()),
            expires_at: self.session.then(|| at(100_000)),
        };
        let op = Operation {
            bucket: &self.bucket,
            key: &self.key,
            options: &self.options,
        };
        let life = Duration::from_hours(1);
        presign(&op, &self.target(), &creds, at(0), life).unwrap()
    }

    /// Judges a request against what this case allows, after one change of what is allowed.
    fn judge_by(
        &self,
        signed: &Presigned,
        change: impl Fn(&mut ExpectedUrl<'_>),
    ) -> Result<(), Mismatch> {
        let mut expected = ExpectedUrl {
            key: &self.key,
            method: self.options.method(),
            options: &self.options,
            signature: expected_signature(self.target().style, &self.bucket, self.session),
        };
        change(&mut expected);
        check(signed, &expected)
    }

    fn judge(&self, signed: &Presigned) -> Result<(), Mismatch> {
        self.judge_by(signed, |_| {})
    }

    /// Judges this case's own URL with one piece of text replaced.
    fn forged(&self, from: &str, to: &str) -> Result<(), Mismatch> {
        let mut signed = self.signed();
        let url = signed.url.expose();
        assert_eq!(url.matches(from).count(), 1, "{from} stands once in {url}");
        signed.url = SecretUrl::new(url.replace(from, to));
        self.judge(&signed)
    }
}

/// What every case expects but for its own: of `https://s3.example.com:9000`.
fn expected_signature(style: Style, bucket: &Bucket, session: bool) -> ExpectedSignature<'_> {
    ExpectedSignature {
        scheme: Scheme::Https,
        host: "s3.example.com",
        port: Some(9000),
        path: "",
        style,
        bucket,
        region: "eu-west-2",
        access_key_id: KEY_ID,
        session,
        signed_at: at(0),
        expires_at: at(3600),
        not_after: at(3600),
    }
}

fn at(second: i64) -> Timestamp {
    // 2026-11-22T12:00:00Z
    Timestamp::from_second(1_795_348_800 + second).unwrap()
}

fn full_put() -> PutOptions {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        pairs.iter().map(own).collect()
    };
    PutOptions {
        content_type: Some("text/plain".to_owned()),
        content_length: Some(5),
        checksum_sha256: Some("A".repeat(43) + "="),
        checksum_crc64nvme: Some("A".repeat(11) + "="),
        if_match: Some("\"e\"".to_owned()),
        if_none_match: Some(IfNoneMatch::Any),
        server_side_encryption: Some(ServerSideEncryption::AwsKms),
        kms_key_id: Some("alias/team".to_owned()),
        storage_class: Some("STANDARD_IA".to_owned()),
        acl: Some("private".to_owned()),
        metadata: Some(map(&[("owner", "team a")])),
        tagging: Some(map(&[("a b", "1+1"), ("cost", "x")])),
    }
}

#[test]
fn what_was_allowed_passes() {
    for case in [Case::get(), Case::put(), Case::virtual_host()] {
        assert_eq!(case.judge(&case.signed()), Ok(()));
    }
}

#[test]
fn a_signature_that_cannot_be_one_is_refused() {
    let case = Case::get();
    let replaced = |by: &str| {
        let mut signed = case.signed();
        let url = signed.url.expose();
        let (before, rest) = url.split_once("X-Amz-Signature=").unwrap();
        let url = format!("{before}X-Amz-Signature={by}{}", &rest[64..]);
        signed.url = SecretUrl::new(url);
        case.judge(&signed)
    };
    assert_eq!(replaced(HEX), Ok(()));
    let long = format!("{HEX}ab");
    for bad in [
        "",
        &HEX[1..],
        &long,
        &HEX.to_uppercase(),
        &HEX.replace("ab", "xy"),
    ] {
        assert_eq!(replaced(bad), Err(Mismatch::Signature), "{bad}");
    }
}

#[test]
fn a_bucket_before_the_host_is_compared_like_one_in_the_path() {
    let case = Case::virtual_host();
    for (from, to, mismatch) in [
        ("//team-a.", "//team-b.", Mismatch::Authority),
        ("//team-a.", "//", Mismatch::Authority),
        ("//team-a.", "//x.team-a.", Mismatch::Authority),
        (":9000/", ":9000/team-a/", Mismatch::Key),
        (":9000/", ":9000//", Mismatch::Key),
    ] {
        assert_eq!(case.forged(from, to), Err(mismatch), "{from} -> {to}");
    }
}

#[test]
fn a_token_without_a_session_is_refused() {
    let case = Case {
        session: false,
        ..Case::get()
    };
    let forged = case.forged(
        "SignedHeaders=host",
        "SignedHeaders=host&X-Amz-Security-Token=t",
    );
    assert_eq!(forged, Err(Mismatch::UnexpectedParameter));
}

type Change<'a> = &'a dyn Fn(&mut ExpectedSignature<'_>);

/// What URLs and forms are refused for alike.
fn each_part_of_a_signature_counts(judge: &dyn Fn(Change<'_>) -> Result<(), Mismatch>) {
    use Mismatch as M;
    assert_eq!(judge(&|_| {}), Ok(()));
    assert_eq!(judge(&|e| e.scheme = Scheme::Http), Err(M::Scheme));
    assert_eq!(judge(&|e| e.host = "s3.example.org"), Err(M::Authority));
    assert_eq!(judge(&|e| e.port = None), Err(M::Authority));
    assert_eq!(judge(&|e| e.style = Style::VirtualHost), Err(M::Authority));
    assert_eq!(judge(&|e| e.region = "us-east-1"), Err(M::Region));
    for other in ["AKIA", "AKIAI44QH8DHBEXAMPLE"] {
        assert_eq!(judge(&|e| e.access_key_id = other), Err(M::AccessKey));
    }
    assert_eq!(judge(&|e| e.not_after = at(3599)), Err(M::LivesTooLong));
    assert_eq!(judge(&|e| e.not_after = at(90_000)), Ok(()));
}

#[test]
fn each_part_of_what_was_allowed_counts() {
    use Mismatch as M;
    let case = Case::get();
    let signed = case.signed();
    let other_bucket = Bucket::parse("team-b").unwrap();
    let other_key = Key::parse("in/b.txt").unwrap();
    let (head, delete) = (Options::Head(GetOptions::default()), Options::Delete);
    let unpaid = Options::Get(GetOptions::default());
    let get = Options::Get(GetOptions {
        request_payer: Some(RequestPayer::Requester),
        ..GetOptions::default()
    });
    let judge =
        |change: Change<'_>| case.judge_by(&signed, |expected| change(&mut expected.signature));

    each_part_of_a_signature_counts(&judge);
    assert_eq!(judge(&|e| e.session = false), Err(M::UnexpectedParameter));
    assert_eq!(judge(&|e| e.signed_at = at(1)), Err(M::SignedAt));
    assert_eq!(judge(&|e| e.expires_at = at(3599)), Err(M::Life));
    for method in [Method::Head, Method::Put] {
        let judged = case.judge_by(&signed, |e| e.method = method);
        assert_eq!(judged, Err(M::Method), "{method:?}");
    }

    let with = |case: Case| case.judge(&signed);
    assert_eq!(
        with(Case {
            bucket: other_bucket,
            ..Case::get()
        }),
        Err(M::Bucket)
    );
    assert_eq!(
        with(Case {
            key: other_key,
            ..Case::get()
        }),
        Err(M::Key)
    );
    assert_eq!(
        with(Case {
            options: get,
            ..Case::get()
        }),
        Err(M::UnexpectedParameter)
    );
    assert_eq!(
        with(Case {
            options: unpaid,
            ..Case::get()
        }),
        Err(M::SignedHeaders)
    );
    assert_eq!(
        with(Case {
            options: head,
            ..Case::get()
        }),
        Err(M::Method)
    );
    assert_eq!(
        with(Case {
            options: delete,
            ..Case::get()
        }),
        Err(M::Method)
    );
    assert_eq!(with(Case::put()), Err(M::Method));

    let renamed = Presigned {
        method: Method::Head,
        ..signed.clone()
    };
    let judged = case.judge_by(&renamed, |e| e.method = Method::Head);
    assert_eq!(judged, Err(M::Method), "options of a GET for a HEAD");
}

#[test]
fn a_life_that_sigv4_cannot_express_is_refused() {
    let case = Case::get();
    let signed = case.signed();
    let judge = |end: Timestamp| {
        case.judge_by(&signed, |expected| {
            expected.signature.expires_at = end;
            expected.signature.not_after = at(1_000_000);
        })
    };
    let half = at(3600) + Duration::from_millis(500);
    for end in [at(0), at(-1), at(604_801), half] {
        assert_eq!(judge(end), Err(Mismatch::Life), "{end}");
    }
    assert_eq!(judge(at(3600)), Ok(()));

    // Not even where URL and plan agree.
    for (seconds, verdict) in [
        (0, Err(Mismatch::Life)),
        (1, Ok(())),
        (604_800, Ok(())),
        (604_801, Err(Mismatch::Life)),
    ] {
        let url = signed
            .url
            .expose()
            .replace("Expires=3600", &format!("Expires={seconds}"));
        let agreed = Presigned {
            url: SecretUrl::new(url),
            ..signed.clone()
        };
        let judged = case.judge_by(&agreed, |expected| {
            expected.signature.expires_at = at(seconds);
            expected.signature.not_after = at(1_000_000);
        });
        assert_eq!(judged, verdict, "{seconds} s");
    }
}

#[test]
fn the_head_url_of_a_get_is_its_own() {
    let get = Case::get();
    let Options::Get(options) = get.options.clone() else {
        unreachable!()
    };
    let head = Case {
        options: Options::Head(options),
        ..Case::get()
    };
    assert_eq!(head.judge(&head.signed()), Ok(()));
    let mut swapped = get.signed();
    swapped.method = Method::Head;
    assert_eq!(head.judge(&swapped), Err(Mismatch::UnexpectedParameter));
}

#[test]
fn a_mismatch_tells_nothing_of_the_url() {
    let case = Case::get();
    let refused = case
        .forged("x-id=GetObject", "secret-name=secret-value")
        .unwrap_err();
    let text = format!("{refused} {refused:?}");
    assert!(!text.contains("secret"), "{text}");
}
