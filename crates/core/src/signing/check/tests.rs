//! A URL with one difference is refused, whatever the difference, and for the right reason.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::api::{AddressingStyle, GetOptions, IfNoneMatch, PutOptions, ServerSideEncryption};
use crate::signing::{Credentials, Endpoint, Operation, SecretUrl, Target, presign};

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
        let life = Duration::from_secs(3600);
        presign(&op, &self.target(), &creds, at(0), life).unwrap()
    }

    /// Judges a request against what this case allows, after one change of what is allowed.
    fn judge_by(
        &self,
        signed: &Presigned,
        change: impl Fn(&mut Expected<'_>),
    ) -> Result<(), Mismatch> {
        let target = self.target();
        let mut expected = Expected {
            scheme: target.endpoint.scheme(),
            host: target.endpoint.host(),
            port: target.endpoint.port(),
            style: target.style,
            bucket: &self.bucket,
            key: &self.key,
            method: self.options.method(),
            options: &self.options,
            region: "eu-west-2",
            access_key_id: KEY_ID,
            session: self.session,
            signed_at: at(0),
            expires_at: at(3600),
            not_after: at(3600),
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
fn a_url_with_one_difference_is_refused() {
    use Mismatch as M;
    let table: &[(&str, &str, Mismatch)] = &[
        // Scheme, host, port.
        ("https://", "http://", M::Scheme),
        ("https://", "HTTPS://", M::Scheme),
        ("https://", "ftp://", M::Scheme),
        ("https://", "", M::Malformed),
        ("s3.example.com", "s3.example.org", M::Authority),
        ("s3.example.com", "S3.example.com", M::Authority),
        ("s3.example.com", "s3.example.com.evil.org", M::Authority),
        ("s3.example.com", "team-a.s3.example.com", M::Authority),
        ("s3.example.com", "user@s3.example.com", M::Authority),
        ("s3.example.com", "s3.example.com%2F", M::Authority),
        (":9000/", ":9001/", M::Authority),
        (":9000/", "/", M::Authority),
        (":9000/", ":09000/", M::Authority),
        (":9000/", ":9000#/", M::Authority),
        (":9000/", ":9000\\/", M::Authority),
        // Bucket and key.
        ("/team-a/", "/team-ab/", M::Bucket),
        ("/team-a/", "/Team-a/", M::Bucket),
        ("/team-a/", "//team-a/", M::Bucket),
        ("/team-a/", "/", M::Bucket),
        ("/team-a/", "/./team-a/", M::Bucket),
        ("/team-a/", "/team-a%2F", M::Malformed),
        ("/team-a/", "/team%2Da/", M::Malformed),
        ("/in/", "//in/", M::Key),
        ("/in/", "/in//", M::Key),
        ("/in/", "/x/../in/", M::Key),
        ("/in/", "/", M::Key),
        ("/in/", "/IN/", M::Key),
        ("/in/", "/in%00/", M::Key),
        ("/in/", "/in%2F", M::Malformed),
        ("/in/", "/in%FF/", M::Malformed),
        ("/in/", "/in%/", M::Malformed),
        ("/in/", "/i\u{e9}n/", M::Malformed),
        ("a%20b.txt", "a+b.txt", M::Malformed),
        ("a%20b.txt", "a b.txt", M::Malformed),
        ("a%20b.txt", "a%20b.tx%74", M::Malformed),
        ("a%20b.txt", "a%2520b.txt", M::Key),
        ("b.txt?", "b.txt/?", M::Key),
        ("b.txt?", "b.txt#?", M::Malformed),
        ("b.txt?", "b.txt&", M::Malformed),
        ("b.txt?", "b.txt??", M::Malformed),
        ("b.txt?", "b.txt?&", M::Malformed),
        // What is asked of the object.
        ("x-id=GetObject", "x-id=PutObject", M::Parameter("x-id")),
        ("x-id=GetObject&", "", M::MissingParameter("x-id")),
        ("x-id=GetObject", "acl=", M::UnexpectedParameter),
        ("x-id=GetObject", "acl", M::Malformed),
        (
            "x-id=GetObject",
            "x-id=GetObject&x-id=GetObject",
            M::RepeatedParameter,
        ),
        ("x-id=GetObject", "X-Id=GetObject", M::UnexpectedParameter),
        ("versionId=v1", "versionId=v2", M::Parameter("versionId")),
        ("versionId=v1", "versionId=", M::Parameter("versionId")),
        ("versionId=v1&", "", M::MissingParameter("versionId")),
        (
            "versionId=v1",
            "versionId=v1&versionId=v2",
            M::RepeatedParameter,
        ),
        (
            "versionId=v1",
            "versionId=v1&uploadId=1",
            M::UnexpectedParameter,
        ),
        (
            "versionId=v1",
            "versionId=v1&partNumber=1",
            M::UnexpectedParameter,
        ),
        (
            "content-type=text%2Fplain",
            "content-type=text%2Fhtml",
            M::Parameter("response-content-type"),
        ),
        (
            "content-type=text%2Fplain",
            "content-type=text/plain",
            M::Malformed,
        ),
        (
            "content-type=text%2Fplain",
            "content-type=text%2fplain",
            M::Malformed,
        ),
        (
            "response-content-type=text%2Fplain&",
            "",
            M::MissingParameter("response-content-type"),
        ),
        (
            "disposition=inline",
            "disposition=attachment",
            M::Parameter("response-content-disposition"),
        ),
        (
            "encoding=gzip",
            "encoding=br",
            M::Parameter("response-content-encoding"),
        ),
        (
            "language=en",
            "language=de",
            M::Parameter("response-content-language"),
        ),
        (
            "control=no-store",
            "control=public",
            M::Parameter("response-cache-control"),
        ),
        (
            "response-cache-control=no-store",
            "response-expires=no-store",
            M::UnexpectedParameter,
        ),
        // The signature's own parameters.
        (
            "Algorithm=AWS4-HMAC-SHA256",
            "Algorithm=AWS4-ECDSA-P256-SHA256",
            M::Parameter("X-Amz-Algorithm"),
        ),
        (KEY_ID, "AKIAI44QH8DHBEXAMPLE", M::AccessKey),
        (KEY_ID, "x%2FAKIAIOSFODNN7EXAMPLE", M::AccessKey),
        (KEY_ID, "", M::AccessKey),
        ("%2F20261122%2F", "%2F20261121%2F", M::ScopeDate),
        ("%2Feu-west-2%2F", "%2Feu-west-1%2F", M::Region),
        ("%2Fs3%2F", "%2Fsts%2F", M::Service),
        ("%2Faws4_request", "%2Faws5_request", M::Service),
        ("%2Faws4_request", "", M::Service),
        (
            "Date=20261122T120000Z",
            "Date=20261122T120001Z",
            M::SignedAt,
        ),
        (
            "Date=20261122T120000Z",
            "Date=20261121T120000Z",
            M::SignedAt,
        ),
        (
            "Date=20261122T120000Z",
            "Date=2026-11-22T12%3A00%3A00Z",
            M::SignedAt,
        ),
        ("Expires=3600", "Expires=3601", M::Life),
        ("Expires=3600", "Expires=3599", M::Life),
        ("Expires=3600", "Expires=03600", M::Life),
        ("Expires=3600", "Expires=%2B3600", M::Life),
        ("Expires=3600", "Expires=", M::Life),
        ("Expires=3600", "Expires=604800", M::Life),
        (
            "Expires=3600&",
            "Expires=3600&X-Amz-Expires=604800&",
            M::RepeatedParameter,
        ),
        (
            "Expires=3600&",
            "Expires=3600&x-amz-expires=604800&",
            M::UnexpectedParameter,
        ),
        (
            "X-Amz-Expires=3600&",
            "",
            M::MissingParameter("X-Amz-Expires"),
        ),
        (
            "SignedHeaders=host",
            "SignedHeaders=host%3Bx-amz-acl",
            M::SignedHeaders,
        ),
        ("SignedHeaders=host", "SignedHeaders=", M::SignedHeaders),
        ("SignedHeaders=host", "SignedHeaders=Host", M::SignedHeaders),
        (
            "Security-Token=token",
            "Security-Token=",
            M::Parameter("X-Amz-Security-Token"),
        ),
        (
            "&X-Amz-Security-Token=token",
            "",
            M::MissingParameter("X-Amz-Security-Token"),
        ),
        (
            "&X-Amz-Signature=",
            "&x-amz-signature=",
            M::UnexpectedParameter,
        ),
    ];
    for (from, to, mismatch) in table {
        assert_eq!(
            Case::get().forged(from, to),
            Err(*mismatch),
            "{from} -> {to}"
        );
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

#[test]
fn a_url_of_a_put_signs_exactly_its_headers() {
    let names = "content-length%3Bcontent-type%3Bhost%3Bif-none-match%3Bx-amz-acl%3B\
                 x-amz-checksum-sha256%3Bx-amz-meta-owner%3Bx-amz-server-side-encryption%3B\
                 x-amz-server-side-encryption-aws-kms-key-id%3Bx-amz-storage-class%3Bx-amz-tagging";
    let case = Case::put();
    let all: Vec<_> = names.split("%3B").collect();
    for left_out in &all {
        let fewer: Vec<_> = all
            .iter()
            .filter(|name| name != &left_out)
            .copied()
            .collect();
        let forged = case.forged(&format!("={names}&"), &format!("={}&", fewer.join("%3B")));
        assert_eq!(forged, Err(Mismatch::SignedHeaders), "without {left_out}");
    }
    for (from, to) in [
        (
            format!("={names}&"),
            format!("={names}%3Bx-amz-grant-read&"),
        ),
        (format!("={names}&"), format!("={names}%3B&")),
        (
            format!("={names}&"),
            format!("={}&", names.replace("%3B", "%2C")),
        ),
        (
            "content-length%3Bcontent-type".to_owned(),
            "content-type%3Bcontent-length".to_owned(),
        ),
    ] {
        assert_eq!(
            case.forged(&from, &to),
            Err(Mismatch::SignedHeaders),
            "{to}"
        );
    }
}

#[test]
fn every_header_of_a_put_is_compared() {
    let case = Case::put();
    let signed = case.signed();
    assert_eq!(signed.headers.len(), 10);
    for at in 0..signed.headers.len() {
        let judge = |change: &dyn Fn(&mut Vec<(String, String)>)| {
            let mut forged = signed.clone();
            change(&mut forged.headers);
            case.judge(&forged)
        };
        let name = &signed.headers[at].0;
        let missing = judge(&|headers| drop(headers.remove(at)));
        assert_eq!(missing, Err(Mismatch::MissingHeader), "without {name}");
        let changed = judge(&|headers| headers[at].1.push('x'));
        assert_eq!(changed, Err(Mismatch::Header), "{name} changed");
        let emptied = judge(&|headers| headers[at].1.clear());
        assert_eq!(emptied, Err(Mismatch::Header), "{name} emptied");
        let injected = judge(&|headers| headers[at].1.push_str("\r\nx-amz-acl: public-read"));
        assert_eq!(injected, Err(Mismatch::Header), "{name} with a line break");
        let renamed = judge(&|headers| headers[at].0.push('s'));
        assert_eq!(renamed, Err(Mismatch::UnexpectedHeader), "{name} renamed");
        let repeated = judge(&|headers| headers.push(headers[at].clone()));
        assert_eq!(repeated, Err(Mismatch::RepeatedHeader), "{name} twice");
        let shouted = judge(&|headers| headers[at].0.make_ascii_uppercase());
        assert_eq!(shouted, Ok(()), "{name} in another case");
    }
}

#[test]
fn a_header_that_nobody_allowed_is_refused() {
    for case in [Case::get(), Case::put()] {
        for name in ["x-amz-copy-source", "Host", "x-amz-meta-other", ""] {
            let mut forged = case.signed();
            forged.headers.push((name.to_owned(), "x".to_owned()));
            assert_eq!(
                case.judge(&forged),
                Err(Mismatch::UnexpectedHeader),
                "{name}"
            );
        }
    }
}

#[test]
fn a_header_that_would_end_its_line_is_refused_even_where_it_was_allowed() {
    for value in [
        "a\r\nx-amz-acl: public-read",
        "a\nb",
        "a\0",
        "caf\u{e9}",
        "tab\t",
    ] {
        let mut case = Case::put();
        let mut signed = case.signed();
        case.options = Options::Put(PutOptions {
            content_type: Some(value.to_owned()),
            ..full_put()
        });
        let header = signed
            .headers
            .iter_mut()
            .find(|(name, _)| name == "Content-Type");
        value.clone_into(&mut header.unwrap().1);
        assert_eq!(
            case.judge(&signed),
            Err(Mismatch::HeaderNotPrintable),
            "{value:?}"
        );
    }
}

#[test]
fn each_part_of_what_was_allowed_counts() {
    use Mismatch as M;
    let case = Case::get();
    let signed = case.signed();
    let other_bucket = Bucket::parse("team-b").unwrap();
    let other_key = Key::parse("in/b.txt").unwrap();
    let (head, delete) = (Options::Head(GetOptions::default()), Options::Delete);
    let get = Options::Get(GetOptions::default());
    let judge = |change: &dyn for<'a> Fn(&mut Expected<'a>)| case.judge_by(&signed, change);

    assert_eq!(judge(&|e| e.scheme = Scheme::Http), Err(M::Scheme));
    assert_eq!(judge(&|e| e.host = "s3.example.org"), Err(M::Authority));
    assert_eq!(judge(&|e| e.port = None), Err(M::Authority));
    assert_eq!(judge(&|e| e.style = Style::VirtualHost), Err(M::Authority));
    assert_eq!(judge(&|e| e.method = Method::Head), Err(M::Method));
    assert_eq!(judge(&|e| e.method = Method::Put), Err(M::Method));
    assert_eq!(judge(&|e| e.region = "us-east-1"), Err(M::Region));
    assert_eq!(
        judge(&|e| e.access_key_id = "AKIAI44QH8DHBEXAMPLE"),
        Err(M::AccessKey)
    );
    assert_eq!(judge(&|e| e.session = false), Err(M::UnexpectedParameter));
    assert_eq!(judge(&|e| e.signed_at = at(1)), Err(M::SignedAt));
    assert_eq!(judge(&|e| e.expires_at = at(3599)), Err(M::Life));
    assert_eq!(judge(&|e| e.not_after = at(3599)), Err(M::LivesTooLong));
    assert_eq!(judge(&|e| e.not_after = at(90_000)), Ok(()));

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
}

#[test]
fn a_life_that_sigv4_cannot_express_is_refused() {
    let case = Case::get();
    let signed = case.signed();
    let judge = |end: Timestamp| {
        case.judge_by(&signed, |expected| {
            expected.expires_at = end;
            expected.not_after = at(1_000_000);
        })
    };
    let half = at(3600) + Duration::from_millis(500);
    for end in [at(0), at(-1), at(604_801), half] {
        assert_eq!(judge(end), Err(Mismatch::Life), "{end}");
    }
    assert_eq!(judge(at(3600)), Ok(()));
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
