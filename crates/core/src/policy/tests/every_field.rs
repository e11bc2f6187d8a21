//! No field of a rule and no field of a request is without a gate.
//!
//! The compiler holds half of it: rules, requests and options are taken apart without `..`. These tests hold the other
//! half: that what was taken apart is also looked at.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{decide, granted, is_allowed, policies, refused, request, rule, with};
use crate::api::{AllowRule, GetOptions, IfNoneMatch, PutOptions, ServerSideEncryption};

/// Every field of a value that has them all.
fn fields(value: &impl serde::Serialize) -> BTreeSet<String> {
    let value = serde_json::to_value(value).expect("it serializes");
    value
        .as_object()
        .expect("it has fields")
        .keys()
        .cloned()
        .collect()
}

/// A rule with every field; one more field in the API, and this does not compile.
fn whole_rule() -> AllowRule {
    let one = |text: &str| vec![text.to_owned()];
    AllowRule {
        stores: one("main"),
        buckets: one("data"),
        prefixes: one("team-a/"),
        methods: vec![crate::api::PolicyMethod::Get, crate::api::PolicyMethod::Put],
        max_duration: "12h".to_owned(),
        max_upload_bytes: Some(10),
        allow_unsized_put: Some(true),
        acls: one("private"),
        storage_classes: one("STANDARD"),
        kms_keys: one("key-1"),
        tag_keys: one("t"),
        redirects: one("https://example.com/done"),
        endpoints: one("inside"),
        allow_response_overrides: Some(true),
        allow_versions: Some(true),
        allow_metadata: Some(true),
        create_only: Some(true),
        max_objects: Some(10),
        min_refresh_interval: Some("1h".to_owned()),
    }
}

#[test]
fn every_field_of_a_rule_decides_something() {
    let get = |get: Value| json!({"get": get});
    let put = |put: Value| json!({"method": "PUT", "put": put});
    // A field, the same field with less in it, and a request that passes with the first and not with the second.
    let table = [
        ("stores", json!(["x"]), get(json!({}))),
        ("buckets", json!(["xxx"]), get(json!({}))),
        ("prefixes", json!(["x/"]), get(json!({}))),
        ("methods", json!(["PUT"]), get(json!({}))),
        ("maxDuration", json!("11h"), json!({"duration": "12h"})),
        (
            "maxUploadBytes",
            json!(9),
            put(json!({"contentLength": 10})),
        ),
        ("allowUnsizedPut", json!(false), put(json!({}))),
        ("acls", json!([]), put(json!({"acl": "private"}))),
        (
            "storageClasses",
            json!([]),
            put(json!({"storageClass": "STANDARD"})),
        ),
        (
            "kmsKeys",
            json!([]),
            put(json!({"serverSideEncryption": "aws:kms", "kmsKeyID": "key-1"})),
        ),
        ("tagKeys", json!([]), put(json!({"tagging": {"t": "v"}}))),
        ("endpoints", json!([]), json!({"endpoint": "inside"})),
        (
            "allowResponseOverrides",
            json!(false),
            get(json!({"responseContentType": "a/b"})),
        ),
        (
            "allowVersions",
            json!(false),
            get(json!({"versionId": "v"})),
        ),
        (
            "allowMetadata",
            json!(false),
            put(json!({"metadata": {"a": "b"}})),
        ),
    ];
    let whole = serde_json::to_value(whole_rule()).expect("it serializes");
    let mut seen: BTreeSet<String> = table
        .iter()
        .map(|(field, ..)| (*field).to_owned())
        .collect();
    for (field, less, patch) in table {
        let asked = request(&patch);
        granted(decide(&policies(std::slice::from_ref(&whole)), &asked));
        refused(decide(
            &policies(&[with(whole.clone(), &json!({field: less}))]),
            &asked,
        ));
    }
    // createOnly refuses nothing: it adds to what is signed.
    let asked = request(&put(json!({})));
    assert_ne!(
        granted(decide(&policies(std::slice::from_ref(&whole)), &asked)).options,
        asked.options
    );
    let without = with(whole, &json!({"createOnly": null}));
    assert_eq!(
        granted(decide(&policies(&[without]), &asked)).options,
        asked.options
    );
    seen.insert("createOnly".to_owned());
    assert_eq!(seen, fields(&whole_rule()));
}

#[test]
fn every_option_of_a_get_needs_a_right() {
    let text = || Some("a".to_owned());
    let whole = GetOptions {
        version_id: text(),
        response_content_type: text(),
        response_content_disposition: text(),
        response_content_encoding: text(),
        response_content_language: text(),
        response_cache_control: text(),
    };
    let plain = policies(&[rule(&json!({}))]);
    let rights = policies(&[rule(
        &json!({"allowVersions": true, "allowResponseOverrides": true}),
    )]);
    let versions = policies(&[rule(&json!({"allowVersions": true}))]);
    let overrides = policies(&[rule(&json!({"allowResponseOverrides": true}))]);
    for method in ["GET", "HEAD"] {
        for field in fields(&whole) {
            let asked = request(&json!({"method": method, "get": {&field: "a"}}));
            refused(decide(&plain, &asked));
            granted(decide(&rights, &asked));
            let is_version = field == "versionId";
            assert_eq!(
                is_allowed(&decide(&versions, &asked)),
                is_version,
                "{method} {field}"
            );
            assert_eq!(
                is_allowed(&decide(&overrides, &asked)),
                !is_version,
                "{method} {field}"
            );
        }
    }
}

#[test]
fn every_option_of_a_put_needs_a_right_or_narrows_the_upload() {
    let text = |text: &str| Some(text.to_owned());
    let one = || Some([("t".to_owned(), "v".to_owned())].into());
    let whole = PutOptions {
        content_type: text("a/b"),
        content_length: Some(11),
        checksum_sha256: text("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        if_none_match: Some(IfNoneMatch::Any),
        server_side_encryption: Some(ServerSideEncryption::AwsKms),
        kms_key_id: text("key-1"),
        storage_class: text("STANDARD"),
        acl: text("private"),
        metadata: one(),
        tagging: one(),
    };
    let narrowing = ["contentType", "checksumSHA256", "ifNoneMatch"];
    let values = serde_json::to_value(&whole).expect("it serializes");
    let allow = json!({"methods": ["PUT"], "maxUploadBytes": 10, "allowUnsizedPut": true});
    let set = policies(&[rule(&allow)]);
    // The request with a size, for the size alone is asked for beyond the limit.
    for field in fields(&whole) {
        let mut put = json!({&field: values[&field]});
        if field == "kmsKeyID" {
            put = with(put, &json!({"serverSideEncryption": "aws:kms"}));
        }
        let asked = request(&json!({"method": "PUT", "put": put}));
        let expected = narrowing.contains(&field.as_str());
        assert_eq!(is_allowed(&decide(&set, &asked)), expected, "{field}");
    }
}
