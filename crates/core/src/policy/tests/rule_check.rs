//! Each check of a rule by itself: what passes it and what does not.

use serde_json::{Value, json};

use super::{decide, is_allowed, policies, request, rule};

#[test]
fn get_allows_head_and_no_method_allows_another() {
    let put = json!({"contentLength": 1});
    for (allowed, asked, expected) in [
        ("GET", "GET", true),
        ("GET", "HEAD", true),
        ("GET", "PUT", false),
        ("GET", "DELETE", false),
        ("HEAD", "HEAD", true),
        ("HEAD", "GET", false),
        ("PUT", "PUT", true),
        ("PUT", "GET", false),
        ("PUT", "HEAD", false),
        ("PUT", "DELETE", false),
        ("DELETE", "DELETE", true),
        ("DELETE", "PUT", false),
        ("DELETE", "GET", false),
    ] {
        let set = policies(&[rule(&json!({"methods": [allowed], "maxUploadBytes": 10}))]);
        let put = if asked == "PUT" {
            put.clone()
        } else {
            json!(null)
        };
        let asked_for = request(&json!({"method": asked, "put": put}));
        assert_eq!(
            is_allowed(&decide(&set, &asked_for)),
            expected,
            "{allowed} {asked}"
        );
    }
}

#[test]
fn a_life_beyond_the_rules_is_refused_and_one_left_out_is_not() {
    let set = policies(&[rule(&json!({"maxDuration": "1h"}))]);
    for (duration, expected) in [
        (json!(null), true),
        (json!("1h"), true),
        (json!("60m"), true),
        (json!("3601s"), false),
        (json!("12h"), false),
    ] {
        let asked = request(&json!({"duration": duration}));
        assert_eq!(is_allowed(&decide(&set, &asked)), expected, "{duration}");
    }
}

#[test]
fn an_upload_has_a_size_within_the_rules() {
    for (unsized_put, length, expected) in [
        (json!(null), json!(null), false),
        (json!(false), json!(null), false),
        (json!(true), json!(null), true),
        (json!(null), json!(10), true),
        (json!(null), json!(0), true),
        (json!(null), json!(11), false),
        (json!(true), json!(11), false),
        (json!(true), json!(10), true),
    ] {
        let allow =
            json!({"methods": ["PUT"], "maxUploadBytes": 10, "allowUnsizedPut": unsized_put});
        let asked = request(&json!({"method": "PUT", "put": {"contentLength": length}}));
        assert_eq!(
            is_allowed(&decide(&policies(&[rule(&allow)]), &asked)),
            expected,
            "{unsized_put} {length}"
        );
    }
}

#[test]
fn a_kms_key_is_listed_and_the_default_key_by_its_own_name() {
    let kms = |key: Value| json!({"serverSideEncryption": "aws:kms", "kmsKeyID": key, "contentLength": 1});
    for (keys, put, expected) in [
        (
            json!([]),
            json!({"serverSideEncryption": "AES256", "contentLength": 1}),
            true,
        ),
        (json!([]), kms(json!(null)), false),
        (json!(["aws/s3"]), kms(json!(null)), true),
        (json!(["aws/s3"]), kms(json!("key-1")), false),
        (json!(["key-1"]), kms(json!("key-1")), true),
        (json!(["key-1"]), kms(json!("key-12")), false),
        (json!(["key-1"]), kms(json!(null)), false),
        (json!(["key-1"]), kms(json!("KEY-1")), false),
    ] {
        let allow = json!({"methods": ["PUT"], "maxUploadBytes": 10, "kmsKeys": keys});
        let asked = request(&json!({"method": "PUT", "put": put}));
        assert_eq!(
            is_allowed(&decide(&policies(&[rule(&allow)]), &asked)),
            expected,
            "{keys} {put}"
        );
    }
}

#[test]
fn each_tag_needs_its_key_and_empty_blocks_need_nothing() {
    let put = |put: Value| json!({"methods": ["PUT"], "maxUploadBytes": 10, "tagKeys": put});
    for (keys, tags, expected) in [
        (json!(["a", "b"]), json!({"a": "1", "b": "2"}), true),
        (json!(["a"]), json!({"a": "1", "b": "2"}), false),
        (json!([]), json!({}), true),
        (json!([]), json!({"a": ""}), false),
    ] {
        let asked = request(
            &json!({"method": "PUT", "put": {"contentLength": 1, "metadata": {}, "tagging": tags}}),
        );
        assert_eq!(
            is_allowed(&decide(&policies(&[rule(&put(keys))]), &asked)),
            expected,
            "{tags}"
        );
    }
}

#[test]
fn stores_and_buckets_match_whole_names() {
    for (field, patterns, expected) in [
        ("stores", json!(["mai"]), false),
        ("stores", json!(["main2"]), false),
        ("stores", json!(["other", "m*"]), true),
        ("stores", json!(["*n"]), true),
        ("stores", json!(["m*i*n"]), true),
        ("stores", json!(["ma*ain"]), false),
        ("stores", json!(["main*main"]), false),
        ("stores", json!(["**"]), true),
        ("buckets", json!(["dat"]), false),
        ("buckets", json!(["d*"]), true),
        ("buckets", json!(["*"]), true),
        ("buckets", json!(["data.x"]), false),
    ] {
        let set = policies(&[rule(&json!({field: patterns}))]);
        assert_eq!(
            is_allowed(&decide(&set, &request(&json!({})))),
            expected,
            "{field} {patterns}"
        );
    }
}

#[test]
fn prefixes_match_whole_segments_unless_they_are_raw() {
    for (prefix, key, expected) in [
        ("models/", "models", true),
        ("models/", "models/x", true),
        ("models/", "models/x/y", true),
        ("models/", "models-old/x", false),
        ("models/", "model", false),
        ("models/", "Models/x", false),
        ("models", "models", true),
        ("models", "models/x", true),
        ("models", "models-old/x", false),
        ("models", "modelsx", false),
        ("models*", "models", true),
        ("models*", "models-old/x", true),
        ("models*", "model", false),
        ("models/*", "models/x", true),
        ("models/*", "models", false),
        ("a/b", "a/b/c", true),
        ("a/b", "a/bc", false),
        ("*", "anything/at.all", true),
        ("a/..*", "a/..b", true),
    ] {
        let set = policies(&[rule(&json!({"prefixes": [prefix]}))]);
        let asked = request(&json!({"key": key}));
        assert_eq!(
            is_allowed(&decide(&set, &asked)),
            expected,
            "{prefix} {key}"
        );
    }
}
