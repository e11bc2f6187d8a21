//! Every field of a rule and every field of a request is checked.
//!
//! The compiler holds half of it: rules, requests and options are taken apart without `..`. These tests hold
//! the other half: that what was taken apart is also looked at.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{decide, granted, is_allowed, policies, refused, request, rule, with};
use crate::api::{
    AllowRule, ContentLengthRange, GetOptions, IfNoneMatch, ListOptions, PolicyMethod, PostOptions,
    PutOptions, RequestPayer, SecretTemplate, ServerSideEncryption,
};

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
        name: "whole".to_owned(),
        stores: one("main"),
        buckets: one("data"),
        prefixes: one("team-a/"),
        methods: vec![
            PolicyMethod::Get,
            PolicyMethod::Put,
            PolicyMethod::Post,
            PolicyMethod::List,
        ],
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
        allow_requester_pays: Some(true),
        allow_metadata: Some(true),
        create_only: None,
        max_objects: Some(2),
        min_refresh_interval: Some("1h".to_owned()),
        template_keys: one("example.com/*"),
    }
}

#[test]
fn every_field_of_a_rule_decides_something() {
    let get = |get: Value| json!({"get": get});
    let put = |put: Value| json!({"method": "PUT", "put": put});
    let post = |post: Value| json!({"method": "POST", "post": post});
    let sized = json!({"max": 10});
    let list = |list: Value| json!({"key": null, "prefix": "team-a/", "list": list});
    // A field, the same field with less in it, and a request that passes with the first and not with the
    // second.
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
            get(json!({"versionID": "v"})),
        ),
        (
            "allowRequesterPays",
            json!(false),
            get(json!({"requestPayer": "requester"})),
        ),
        (
            "allowMetadata",
            json!(false),
            put(json!({"metadata": {"a": "b"}})),
        ),
        (
            "methods",
            json!(["PUT", "GET", "LIST"]),
            post(json!({"contentLengthRange": sized})),
        ),
        ("methods", json!(["PUT", "GET"]), list(json!({}))),
        ("methods", json!(["PUT", "LIST"]), list(json!({}))),
        (
            "redirects",
            json!(["https://example.com/"]),
            post(
                json!({"contentLengthRange": sized, "successActionRedirect": "https://example.com/done"}),
            ),
        ),
        (
            "maxObjects",
            json!(1),
            json!({"key": null, "keys": ["team-a/x", "team-a/y"]}),
        ),
        ("maxObjects", json!(1), list(json!({"maxObjects": 2}))),
        ("maxObjects", json!(1), list(json!({"minObjects": 2}))),
        (
            "templateKeys",
            json!(["example.org/*"]),
            json!({"secretTemplate": {"labels": {"example.com/team": "a"}}}),
        ),
        (
            "templateKeys",
            json!([]),
            json!({"secretTemplate": {"annotations": {"example.com/team": "a"}}}),
        ),
        (
            "minRefreshInterval",
            json!("61m"),
            list(json!({"refreshInterval": "1h"})),
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
    // createOnly is the one field that takes away: from a PUT that anything is replaced, from a POST all.
    let rule = || policies(std::slice::from_ref(&whole));
    let create_only = policies(&[with(whole.clone(), &json!({"createOnly": true}))]);
    let asked = request(&put(json!({})));
    assert_eq!(granted(decide(&rule(), &asked)).options, asked.options);
    assert_ne!(granted(decide(&create_only, &asked)).options, asked.options);
    let asked = request(&post(json!({"contentLengthRange": {"max": 10}})));
    granted(decide(&rule(), &asked));
    refused(decide(&create_only, &asked));
    seen.insert("createOnly".to_owned());
    // Messages name the rule by it; nothing is allowed or refused by it.
    seen.insert("name".to_owned());
    let whole = AllowRule {
        create_only: Some(true),
        ..whole_rule()
    };
    assert_eq!(seen, fields(&whole));
}

#[test]
fn every_key_of_a_secrets_labels_and_annotations_needs_a_right() {
    let one = |key: &str| Some([(key.to_owned(), "v".to_owned())].into());
    let whole = SecretTemplate {
        labels: one("l"),
        annotations: one("a"),
    };
    let values = serde_json::to_value(&whole).expect("it serializes");
    let decided = |keys: Value, template: Value| {
        let set = policies(&[rule(&json!({"templateKeys": keys}))]);
        is_allowed(&decide(
            &set,
            &request(&json!({"secretTemplate": template})),
        ))
    };
    for field in fields(&whole) {
        let template = json!({&field: values[&field]});
        assert!(!decided(json!([]), template.clone()), "{field}");
        assert!(decided(json!(["*"]), template), "{field}");
    }
    assert!(!decided(json!(["l"]), values.clone()), "each key by itself");
    assert!(decided(json!(["l", "a"]), values));
    assert!(decided(
        json!([]),
        json!({"labels": {}, "annotations": null})
    ));
    for (pattern, key, expected) in [
        ("example.com/*", "example.com/team", true),
        ("example.com/*", "sub.example.com/team", false),
        ("*example.com/*", "sub.example.com/team", true),
        ("team", "Team", false),
        ("Team_1.x-y", "Team_1.x-y", true),
        ("*", "replicator.v1.mittwald.de/replicate-to", true),
        ("team*", "x-team", false),
    ] {
        let template = json!({"annotations": {key: "v"}});
        assert_eq!(
            decided(json!([pattern]), template),
            expected,
            "{pattern} {key}"
        );
    }
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
        request_payer: Some(RequestPayer::Requester),
    };
    let plain = policies(&[rule(&json!({}))]);
    let rights = policies(&[rule(&json!({
        "allowVersions": true, "allowResponseOverrides": true, "allowRequesterPays": true,
    }))]);
    let versions = policies(&[rule(&json!({"allowVersions": true}))]);
    let overrides = policies(&[rule(&json!({"allowResponseOverrides": true}))]);
    for method in ["GET", "HEAD"] {
        for field in fields(&whole) {
            let value = if field == "requestPayer" {
                "requester"
            } else {
                "a"
            };
            let asked = request(&json!({"method": method, "get": {&field: value}}));
            refused(decide(&plain, &asked));
            granted(decide(&rights, &asked));
            let is_version = field == "versionID";
            assert_eq!(
                is_allowed(&decide(&versions, &asked)),
                is_version,
                "{method} {field}"
            );
            assert_eq!(
                is_allowed(&decide(&overrides, &asked)),
                field.starts_with("response"),
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
        checksum_crc64nvme: text("AAAAAAAAAAA="),
        if_match: text("\"e\""),
        if_none_match: Some(IfNoneMatch::Any),
        server_side_encryption: Some(ServerSideEncryption::AwsKms),
        kms_key_id: text("key-1"),
        storage_class: text("STANDARD"),
        acl: text("private"),
        metadata: one(),
        tagging: one(),
    };
    let narrowing = [
        "contentType",
        "checksumSHA256",
        "checksumCRC64NVME",
        "ifMatch",
        "ifNoneMatch",
    ];
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
    // An ETag is of an object that is there, and the upload replaces it.
    let create_only = policies(&[rule(&with(allow, &json!({"createOnly": true})))]);
    let asked = request(&json!({"method": "PUT", "put": {"ifMatch": "\"e\""}}));
    let why = refused(decide(&create_only, &asked));
    assert!(
        why.contains("does not allow put.ifMatch, since it is createOnly"),
        "{why}"
    );
}

#[test]
fn every_option_of_a_post_needs_a_right_or_narrows_the_upload() {
    let text = |text: &str| Some(text.to_owned());
    let whole = PostOptions {
        content_length_range: Some(ContentLengthRange { min: None, max: 11 }),
        content_type: text("a/b"),
        content_type_prefix: text("a/"),
        acl: text("private"),
        success_action_status: Some(201),
        success_action_redirect: text("https://example.com/done"),
        metadata: Some([("t".to_owned(), "v".to_owned())].into()),
    };
    let narrowing = ["contentType", "contentTypePrefix", "successActionStatus"];
    let values = serde_json::to_value(&whole).expect("it serializes");
    let set = policies(&[rule(&json!({"methods": ["POST"], "maxUploadBytes": 10}))]);
    for field in fields(&whole) {
        let sized = json!({"contentLengthRange": {"max": 10}});
        let post = with(sized, &json!({&field: values[&field]}));
        let asked = request(&json!({"method": "POST", "post": post}));
        let expected = narrowing.contains(&field.as_str());
        assert_eq!(is_allowed(&decide(&set, &asked)), expected, "{field}");
    }
}

#[test]
fn every_field_of_a_listing_is_bounded_or_narrows_it() {
    let one = || Some(vec!["*".to_owned()]);
    let whole = ListOptions {
        min_objects: Some(11),
        max_objects: Some(11),
        include: one(),
        exclude: one(),
        refresh_interval: Some("1m".to_owned()),
    };
    let values = serde_json::to_value(&whole).expect("it serializes");
    let set = policies(&[rule(&json!({"methods": ["GET", "LIST"], "maxObjects": 10}))]);
    for field in fields(&whole) {
        let list = json!({&field: values[&field]});
        let asked = request(&json!({"key": null, "prefix": "team-a/", "list": list}));
        let expected = ["include", "exclude"].contains(&field.as_str());
        assert_eq!(is_allowed(&decide(&set, &asked)), expected, "{field}");
    }
}
