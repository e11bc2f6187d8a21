//! The table of single differences in a URL, each with the reason for which it is refused.

use super::Mismatch as M;
use super::*;

/// What stands in the URL, what is put in its place, and why it is refused.
const TABLE: &[(&str, &str, Mismatch)] = &[
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
    ("a%20b.txt", "a+20b.txt", M::Malformed),
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

#[test]
fn a_url_with_one_difference_is_refused() {
    for (from, to, mismatch) in TABLE {
        assert_eq!(
            Case::get().forged(from, to),
            Err(*mismatch),
            "{from} -> {to}"
        );
    }
}

#[test]
fn the_path_of_the_endpoint_is_checked_in_urls() {
    let plain = Case::get();
    for style in [AddressingStyle::Path, AddressingStyle::VirtualHost] {
        let case = Case {
            endpoint: "https://s3.example.com:9000/gw/s3",
            style,
            ..Case::get()
        };
        let signed = case.signed();
        let by = |signed: &Presigned, path| {
            case.judge_by(signed, |expected| expected.signature.path = path)
        };
        assert_eq!(by(&signed, "/gw/s3"), Ok(()));
        for other in ["/gw/s3/team-a/x", "/gw/s4", "/gw/s", "/s3", "/GW/s3"] {
            assert_eq!(by(&signed, other), Err(M::Path), "{other}");
        }
        for less in ["", "/gw"] {
            assert!(by(&signed, less).is_err(), "{less:?}");
        }
        for (from, to) in [
            ("/gw/s3/", "/gw/"),
            ("/gw/s3/", "//gw/s3/"),
            ("/gw/s3/", "/gw/../s3/"),
            ("/gw/s3/", "/s3/gw/"),
        ] {
            let url = signed.url.expose().replace(from, to);
            let forged = Presigned {
                url: SecretUrl::new(url),
                ..signed.clone()
            };
            assert_eq!(by(&forged, "/gw/s3"), Err(M::Path), "{to}");
        }
    }
    let of_no_path = plain.judge_by(&plain.signed(), |expected| expected.signature.path = "/gw");
    assert_eq!(of_no_path, Err(M::Path));
}
