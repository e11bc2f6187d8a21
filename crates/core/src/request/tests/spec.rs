//! Requests: what admission refuses is refused here too, with the field and what to do.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{InvalidSpec, Options, RenewBefore, Request};
use super::{limits, with};
use crate::api::{GetOptions, Method};

fn parse(patch: &Value) -> Result<Request, InvalidSpec> {
    let spec = with(json!({"bucket": "data", "key": "a/b"}), patch);
    Request::parse(
        &serde_json::from_value(spec).expect("the spec is one"),
        &limits(),
    )
}

#[test]
fn what_is_left_out_has_its_default() {
    let request = parse(&json!({})).expect("it parses");
    assert_eq!(request.store, "default");
    assert_eq!(request.endpoint, None);
    assert_eq!(request.duration, None);
    assert_eq!(request.renew_before, None);
    assert_eq!(request.method(), Method::Get);
    assert_eq!(request.options, Options::Get(GetOptions::default()));
    let named = parse(&json!({"storeRef": {"kind": "ClusterObjectStore"}})).expect("it parses");
    assert_eq!(named, request);
}

#[test]
fn every_field_arrives() {
    let request = parse(&json!({
        "storeRef": {"name": "main.eu"}, "endpoint": "inside", "method": "HEAD", "duration": "2h",
        "renewBeforePercentage": 50, "get": {"versionID": "null"}, "secretName": "s", "class": "blue",
        "secretTemplate": {}, "suspend": true,
    }))
    .expect("it parses");
    assert_eq!(request.store, "main.eu");
    assert_eq!(request.endpoint.as_deref(), Some("inside"));
    assert_eq!(request.duration, Some(Duration::from_hours(2)));
    assert_eq!(request.renew_before, Some(RenewBefore::Percentage(50)));
    let Options::Head(get) = request.options else {
        panic!("another method: {request:?}")
    };
    assert_eq!(get.version_id.as_deref(), Some("null"));
}

#[test]
fn a_renewal_is_one_of_two_forms() {
    let request = parse(&json!({"duration": "2h", "renewBefore": "1h59m59s"})).expect("it parses");
    assert_eq!(
        request.renew_before,
        Some(RenewBefore::Left(Duration::from_secs(7199)))
    );
    assert!(parse(&json!({"renewBefore": "167h"})).is_ok());
}

#[test]
fn a_renewal_may_not_ask_for_less_than_the_installation_allows() {
    assert!(parse(&json!({"duration": "5m"})).is_ok());
    let mut short = limits();
    short.min_duration = Duration::from_secs(1);
    let spec = |duration: &str| {
        serde_json::from_value(json!({"bucket": "data", "key": "a", "duration": duration}))
            .expect("the spec is one")
    };
    assert!(Request::parse(&spec("1m"), &short).is_ok());
    assert!(
        Request::parse(&spec("59s"), &short).is_err(),
        "a minute is the least in any installation"
    );
}

#[test]
fn bad_input_is_refused_by_field_with_what_to_do() {
    let put = |put: Value| json!({"method": "PUT", "put": put});
    let post = |post: Value| json!({"method": "POST", "post": post});
    let many =
        |n: usize, of: &str| -> Value { (0..n).map(|i| (format!("k{i}"), json!(of))).collect() };
    let cases = [
        (
            json!({"bucket": "arn:aws:s3:::data"}),
            "spec.bucket",
            "is an ARN; give the name",
        ),
        (json!({"bucket": "d--x-s3"}), "spec.bucket", "S3 Express"),
        (json!({"key": "a/../b"}), "spec.key", "give the plain path"),
        (json!({"key": "/a"}), "spec.key", "leave it out"),
        (
            json!({"storeRef": {"name": "Main"}}),
            "spec.storeRef.name",
            "is not a resource's name; give",
        ),
        (
            json!({"storeRef": {"name": ""}}),
            "spec.storeRef.name",
            "is not a resource's name; give",
        ),
        (
            json!({"storeRef": {"name": "a".repeat(254)}}),
            "spec.storeRef.name",
            "at most 253",
        ),
        (
            json!({"endpoint": "in.side"}),
            "spec.endpoint",
            "is not a name; give",
        ),
        (json!({"class": ""}), "spec.class", "is not a name; give"),
        (
            json!({"secretName": "a/b"}),
            "spec.secretName",
            "is not a resource's name; give",
        ),
        (json!({"duration": ""}), "spec.duration", "is empty; write"),
        (
            json!({"duration": "-1h"}),
            "spec.duration",
            "has a sign; write",
        ),
        (
            json!({"duration": "soon"}),
            "spec.duration",
            "is not a duration; write",
        ),
        (
            json!({"duration": "10s"}),
            "spec.duration",
            "is shorter than a renewed URL may live; ask for 5m to 168h",
        ),
        (
            json!({"duration": "4m59s"}),
            "spec.duration",
            "ask for 5m to 168h, or leave it out, or set spec.renew to Never, with which 1m is enough",
        ),
        (
            json!({"duration": "169h"}),
            "spec.duration",
            "is longer than SigV4 allows; ask for 5m to 168h",
        ),
        (
            json!({"renewBefore": "1h", "renewBeforePercentage": 5}),
            "spec.renewBefore",
            "remove one",
        ),
        (
            json!({"renewBefore": "1h", "duration": "1h"}),
            "spec.renewBefore",
            "is not shorter than 1h, the duration; give less",
        ),
        (
            json!({"renewBefore": "168h"}),
            "spec.renewBefore",
            "is not shorter than 168h, the longest life",
        ),
        (
            json!({"renewBefore": "late"}),
            "spec.renewBefore",
            "is not a duration; write",
        ),
        (
            json!({"renewBeforePercentage": 0}),
            "spec.renewBeforePercentage",
            "is not between 1 and 90; give",
        ),
        (
            json!({"renewBeforePercentage": 91}),
            "spec.renewBeforePercentage",
            "is not between 1 and 90; give",
        ),
        (
            json!({"put": {}}),
            "spec.put",
            "goes with method PUT, and the method is GET; remove the block",
        ),
        (
            json!({"method": "HEAD", "put": {}}),
            "spec.put",
            "goes with method PUT",
        ),
        (
            json!({"method": "PUT", "get": {}}),
            "spec.get",
            "goes with method GET or HEAD, and the method is PUT",
        ),
        (
            json!({"method": "DELETE", "get": {}}),
            "spec.get",
            "the method is DELETE; remove the block",
        ),
        (
            json!({"method": "DELETE", "put": {}}),
            "spec.put",
            "the method is DELETE; remove the block",
        ),
        (
            json!({"get": {"versionID": ""}}),
            "spec.get.versionID",
            "is empty; leave the field out",
        ),
        (
            json!({"get": {"versionID": "v".repeat(1025)}}),
            "spec.get.versionID",
            "has 1025 bytes; give at most 1024",
        ),
        (
            json!({"get": {"responseContentType": "a\r\nX: y"}}),
            "spec.get.responseContentType",
            "not printable ASCII",
        ),
        (
            json!({"get": {"responseContentDisposition": "é"}}),
            "spec.get.responseContentDisposition",
            "not printable ASCII",
        ),
        (
            json!({"get": {"responseContentEncoding": "a\u{7f}"}}),
            "spec.get.responseContentEncoding",
            "not printable ASCII",
        ),
        (
            json!({"get": {"responseContentLanguage": " de"}}),
            "spec.get.responseContentLanguage",
            "a space, which clients drop",
        ),
        (
            json!({"get": {"responseCacheControl": "a".repeat(257)}}),
            "spec.get.responseCacheControl",
            "has 257 bytes",
        ),
        (
            put(json!({"contentType": "text/plain\r\nx-amz-acl: public-read"})),
            "spec.put.contentType",
            "leave it out",
        ),
        (
            put(json!({"contentType": "text/plain "})),
            "spec.put.contentType",
            "a space, which clients drop",
        ),
        (
            put(json!({"contentLength": 5_368_709_121_u64})),
            "spec.put.contentLength",
            "give at most 5368709120 (5 GiB)",
        ),
        (
            put(json!({"checksumSHA256": "abc"})),
            "spec.put.checksumSHA256",
            "is not the base64 of 32 bytes; give",
        ),
        (
            put(json!({"checksumSHA256": "A".repeat(44)})),
            "spec.put.checksumSHA256",
            "is not the base64 of 32 bytes",
        ),
        (
            put(json!({"checksumCRC64NVME": "abc"})),
            "spec.put.checksumCRC64NVME",
            "is not the base64 of 8 bytes; give",
        ),
        (
            put(json!({"checksumCRC64NVME": "AAAAAAAAAAA=",
                       "checksumSHA256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="})),
            "spec.put.checksumCRC64NVME",
            "S3 takes one checksum; remove one",
        ),
        (
            put(json!({"ifMatch": "a\nb"})),
            "spec.put.ifMatch",
            "not printable ASCII",
        ),
        (
            put(json!({"ifMatch": "\"e\"", "ifNoneMatch": "*"})),
            "spec.put.ifMatch",
            "no object meets both; remove one",
        ),
        (
            put(json!({"kmsKeyID": "k"})),
            "spec.put.kmsKeyID",
            "without serverSideEncryption: aws:kms; set that",
        ),
        (
            put(json!({"kmsKeyID": "k", "serverSideEncryption": "AES256"})),
            "spec.put.kmsKeyID",
            "without serverSideEncryption",
        ),
        (
            put(json!({"kmsKeyID": "a b", "serverSideEncryption": "aws:kms"})),
            "spec.put.kmsKeyID",
            "give a key ID, an ARN",
        ),
        (
            put(json!({"kmsKeyID": "aws/s3", "serverSideEncryption": "aws:kms"})),
            "spec.put.kmsKeyID",
            "leave kmsKeyID out",
        ),
        (
            put(json!({"storageClass": "Standard"})),
            "spec.put.storageClass",
            "for example STANDARD_IA",
        ),
        (
            put(json!({"storageClass": ""})),
            "spec.put.storageClass",
            "for example STANDARD_IA",
        ),
        (
            put(json!({"acl": "public_read"})),
            "spec.put.acl",
            "give a canned ACL",
        ),
        (
            put(json!({"metadata": {"A": "b"}})),
            "spec.put.metadata",
            "the name \"A\" does not fit in a header; give",
        ),
        (
            put(json!({"metadata": {"": "b"}})),
            "spec.put.metadata",
            "the name \"\" does not fit",
        ),
        (
            put(json!({"metadata": {"-a": "b"}})),
            "spec.put.metadata",
            "begin with a letter or digit",
        ),
        (
            put(json!({"metadata": {"a:b\r\n": "b"}})),
            "spec.put.metadata",
            "does not fit in a header",
        ),
        (
            put(json!({"metadata": {"a": "b\nc"}})),
            "spec.put.metadata[a]",
            "not printable ASCII",
        ),
        (
            put(json!({"metadata": {"a": ""}})),
            "spec.put.metadata[a]",
            "is empty",
        ),
        (
            put(json!({"metadata": many(33, "v")})),
            "spec.put.metadata",
            "33 entries are too many; give at most 32",
        ),
        (
            put(json!({"metadata": many(3, &"v".repeat(1000))})),
            "spec.put.metadata",
            "S3 takes at most 2048",
        ),
        (
            put(json!({"tagging": many(11, "v")})),
            "spec.put.tagging",
            "11 tags are too many; S3 takes at most 10",
        ),
        (
            put(json!({"tagging": {"a&b": "c"}})),
            "spec.put.tagging",
            "the tag \"a&b\" with the value \"c\"",
        ),
        (
            put(json!({"tagging": {"": "c"}})),
            "spec.put.tagging",
            "give a key of 1 to 128",
        ),
        (
            put(json!({"tagging": {"a": "c\n"}})),
            "spec.put.tagging",
            "is not in the form that S3 takes",
        ),
        (
            put(json!({"tagging": {"a": "c".repeat(257)}})),
            "spec.put.tagging",
            "at most 256",
        ),
        (
            json!({"post": {}}),
            "spec.post",
            "goes with method POST, and the method is GET; remove the block",
        ),
        (
            json!({"method": "POST", "put": {}}),
            "spec.put",
            "goes with method PUT, and the method is POST",
        ),
        (
            json!({"method": "POST", "get": {}}),
            "spec.get",
            "the method is POST; remove the block",
        ),
        (
            post(json!({"contentLengthRange": {"max": 5_368_709_121_u64}})),
            "spec.post.contentLengthRange",
            "give at most 5368709120 (5 GiB)",
        ),
        (
            post(json!({"contentLengthRange": {"min": 2, "max": 1}})),
            "spec.post.contentLengthRange",
            "min is 2 and max is 1, so no upload fits; give",
        ),
        (
            post(json!({"contentType": "a\r\nb"})),
            "spec.post.contentType",
            "not printable ASCII",
        ),
        (
            post(json!({"contentType": "a/${filename}"})),
            "spec.post.contentType",
            "holds \"${\", which forms expand; leave it out",
        ),
        (
            post(json!({"contentTypePrefix": "${filename}"})),
            "spec.post.contentTypePrefix",
            "which forms expand",
        ),
        (
            post(json!({"contentType": "a/b", "contentTypePrefix": "a/"})),
            "spec.post.contentTypePrefix",
            "says the same thing; remove one",
        ),
        (
            post(json!({"acl": "public_read"})),
            "spec.post.acl",
            "give a canned ACL",
        ),
        (
            post(json!({"successActionStatus": 302})),
            "spec.post.successActionStatus",
            "302 is no status that S3 answers with; give 200, 201 or 204",
        ),
        (
            post(json!({"successActionStatus": 201, "successActionRedirect": "https://a/"})),
            "spec.post.successActionRedirect",
            "S3 does one of them; remove one",
        ),
        (
            post(json!({"successActionRedirect": "https://a/../b"})),
            "spec.post.successActionRedirect",
            "give the plain path",
        ),
        (
            post(json!({"metadata": {"A": "b"}})),
            "spec.post.metadata",
            "does not fit in a header; give",
        ),
        (
            post(json!({"metadata": {"a": "${filename}"}})),
            "spec.post.metadata[a]",
            "which forms expand",
        ),
    ];
    for (patch, field, words) in cases {
        let error = parse(&patch).expect_err(&patch.to_string());
        assert_eq!(error.field, field, "{error}");
        assert!(error.message.contains(words), "{error}");
        let shown = error.to_string();
        assert!(
            shown.len() <= 512 && !shown.contains(char::is_control),
            "{shown:?}"
        );
    }
}

#[test]
fn every_good_put_option_is_accepted() {
    let request = parse(&json!({"method": "PUT", "put": {
        "contentType": "text/plain; charset=utf-8", "contentLength": 5_368_709_120_u64,
        "checksumSHA256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "ifNoneMatch": "*",
        "serverSideEncryption": "aws:kms", "kmsKeyID": "arn:aws:kms:eu-central-1:1:key/1-2_3",
        "storageClass": "STANDARD_IA", "acl": "bucket-owner-full-control",
        "metadata": {"a": "b c", "0-a": "~"}, "tagging": {"a b+-=._:/@": "", "k": "v v"},
    }}));
    assert_eq!(request.map(|r| r.method()), Ok(Method::Put));
}

#[test]
fn every_good_post_option_is_accepted() {
    for post in [
        json!({
            "contentLengthRange": {"min": 0, "max": 5_368_709_120_u64}, "contentType": "image/png; a=$b{c}",
            "acl": "private", "successActionStatus": 201, "metadata": {"a": "$5 {x}"},
        }),
        json!({
            "contentLengthRange": {"max": 0}, "contentTypePrefix": "image/",
            "successActionRedirect": "https://example.com/done?a=$b",
        }),
    ] {
        let request = parse(&json!({"method": "POST", "post": post}));
        assert_eq!(request.map(|r| r.method()), Ok(Method::Post));
    }
}

#[test]
fn a_block_of_options_does_not_need_to_be_there() {
    for method in ["GET", "HEAD", "PUT", "DELETE", "POST"] {
        let request = parse(&json!({"method": method})).expect("it parses");
        assert_eq!(request.method().as_str(), method);
    }
}

#[test]
fn a_secret_name_is_a_dns_subdomain() {
    let named = |name: &str| parse(&json!({"secretName": name}));
    for wrong in ["", "A", "a_b", "-a", "a.", "a/b", "..", &"a".repeat(254)] {
        assert!(
            named(wrong).is_err_and(|error| error.field == "spec.secretName"),
            "{wrong}"
        );
    }
    let labels = [63, 63, 63, 61].map(|length| "a".repeat(length));
    // Kubernetes bounds the whole name, and no part of it.
    let (long, longest) = ("a".repeat(64) + ".b", "a".repeat(253));
    for good in ["web", "other.name", &labels.join("."), &long, &longest] {
        assert!(named(good).is_ok(), "{good}");
    }
}
