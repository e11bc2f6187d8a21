//! Which objects a spec names: one key, several, or a prefix, and nothing half.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{InvalidSpec, Key, Objects, Prefix, Request};
use super::{limits, with};

fn parse(patch: &Value) -> Result<Objects, InvalidSpec> {
    let spec = with(json!({"bucket": "data"}), patch);
    let spec = serde_json::from_value(spec).expect("the spec is one");
    Request::parse(&spec, &limits()).map(|request| request.objects)
}

fn key(key: &str) -> Key {
    Key::parse(key).expect("it is a key")
}

#[test]
fn keys_stay_in_their_order_and_a_prefix_is_listed_or_posted_to() {
    assert_eq!(
        parse(&json!({"keys": ["b", "a/b", "a"], "method": "DELETE"})),
        Ok(Objects::Keys(vec![key("b"), key("a/b"), key("a")]))
    );
    let most: Vec<String> = (0..2048).map(|n| format!("k{n}")).collect();
    assert!(parse(&json!({"keys": most})).is_ok());
    let heaviest: Vec<String> = (0..448).map(|n| format!("{n:0>1024}")).collect();
    assert!(parse(&json!({"keys": heaviest})).is_ok());
    assert_eq!(
        parse(&json!({"prefix": "in/", "method": "POST"})),
        Ok(Objects::Under(
            Prefix::parse("in/").expect("it is a prefix")
        ))
    );
    let Ok(Objects::List(list)) = parse(&json!({"prefix": ""})) else {
        panic!("the whole bucket can be asked for")
    };
    assert_eq!((list.min_objects, list.max_objects), (1, None));
    assert_eq!(list.refresh_interval, None);
    assert!(list.include.is_empty() && list.exclude.is_empty());
    let Ok(Objects::List(list)) = parse(&json!({"prefix": "a", "method": "GET", "list": {
        "minObjects": 0, "maxObjects": 10_000, "include": ["*"], "exclude": ["b"], "refreshInterval": "1m",
    }})) else {
        panic!("it is a listing")
    };
    assert_eq!((list.min_objects, list.max_objects), (0, Some(10_000)));
    assert_eq!(list.refresh_interval, Some(Duration::from_mins(1)));
}

#[test]
fn what_names_no_objects_is_refused_by_field_with_what_to_do() {
    let list = |list: Value| json!({"prefix": "a/", "list": list});
    let many: Vec<String> = (0..2049).map(|n| format!("k{n}")).collect();
    // 448 keys of 1,024 bytes each, and one byte more than that.
    let heavy: Vec<String> = (0..448)
        .map(|n| format!("{}{n:04}", "é".repeat(510)))
        .chain(["b".to_owned()])
        .collect();
    let globs = vec!["*"; 33];
    for (patch, field, words) in [
        (json!({}), "spec.key", "set exactly one of them"),
        (
            json!({"key": "a", "keys": ["b"]}),
            "spec.keys",
            "beside key; set exactly one",
        ),
        (
            json!({"key": "a", "prefix": "b/"}),
            "spec.prefix",
            "beside key; set exactly one",
        ),
        (
            json!({"keys": ["a"], "prefix": ""}),
            "spec.prefix",
            "beside keys; set exactly one",
        ),
        (
            json!({"key": "a", "keys": [], "prefix": ""}),
            "spec.prefix",
            "set exactly one",
        ),
        (
            json!({"keys": []}),
            "spec.keys",
            "is empty; give at least one",
        ),
        (
            json!({"keys": many}),
            "spec.keys",
            "holds 2049 keys; give at most 2048",
        ),
        (
            json!({"keys": heavy}),
            "spec.keys",
            "have more than 458752 bytes in all, and no Secret could hold their URLs: spread them",
        ),
        (
            json!({"keys": ["a", "b", "a"]}),
            "spec.keys[2]",
            "\"a\" is given twice; remove",
        ),
        (
            json!({"keys": ["a", "a/../b"]}),
            "spec.keys[1]",
            "holds the segment \"..\"",
        ),
        (
            json!({"keys": ["b", "a", "b", "a"]}),
            "spec.keys[2]",
            "\"b\" is given twice",
        ),
        (json!({"keys": ["a", "", "a"]}), "spec.keys[1]", "is empty"),
        (json!({"keys": ["a", ""]}), "spec.keys[1]", "is empty"),
        (json!({"keys": ["${a}"]}), "spec.keys[0]", "holds \"${\""),
        (
            json!({"keys": ["a\u{1b}[2J"]}),
            "spec.keys[0]",
            "a control character",
        ),
        (
            json!({"keys": ["a"], "method": "POST"}),
            "spec.keys",
            "the method is POST; a form is",
        ),
        (
            json!({"prefix": "a/", "method": "PUT"}),
            "spec.prefix",
            "the method is PUT; name the",
        ),
        (
            json!({"prefix": "a/", "method": "HEAD"}),
            "spec.prefix",
            "or POST, and the method",
        ),
        (
            json!({"prefix": "a/", "method": "DELETE"}),
            "spec.prefix",
            "the method is DELETE",
        ),
        (json!({"prefix": "/"}), "spec.prefix", "begins with \"/\""),
        (json!({"prefix": "/a/"}), "spec.prefix", "begins with \"/\""),
        (
            json!({"prefix": "a//"}),
            "spec.prefix",
            "holds an empty segment",
        ),
        (
            json!({"prefix": "a/../"}),
            "spec.prefix",
            "holds the segment \"..\"",
        ),
        (
            json!({"prefix": "a/.."}),
            "spec.prefix",
            "holds the segment \"..\"",
        ),
        (
            json!({"prefix": "./"}),
            "spec.prefix",
            "holds the segment \".\"",
        ),
        (
            json!({"prefix": "a\n"}),
            "spec.prefix",
            "a control character",
        ),
        (
            json!({"prefix": "a/${filename}", "method": "POST"}),
            "spec.prefix",
            "holds \"${\"",
        ),
        (
            json!({"prefix": "a/$", "method": "POST"}),
            "spec.prefix",
            "ends in \"$\"",
        ),
        (
            json!({"prefix": "a".repeat(1025)}),
            "spec.prefix",
            "has 1025 bytes",
        ),
        (
            json!({"prefix": format!("{}/", "a".repeat(1024))}),
            "spec.prefix",
            "has 1025 bytes",
        ),
        (
            json!({"key": "a", "list": {}}),
            "spec.list",
            "remove the block, or set spec.prefix",
        ),
        (
            json!({"keys": ["a"], "list": {}}),
            "spec.list",
            "goes with prefix and method GET",
        ),
        (
            json!({"prefix": "a/", "method": "POST", "list": {}}),
            "spec.list",
            "method GET",
        ),
        (
            list(json!({"minObjects": 10_001})),
            "spec.list.minObjects",
            "is not between 0 and 10000",
        ),
        (
            list(json!({"maxObjects": 0})),
            "spec.list.maxObjects",
            "is not between 1 and 10000",
        ),
        (
            list(json!({"maxObjects": 10_001})),
            "spec.list.maxObjects",
            "is not between 1",
        ),
        (
            list(json!({"minObjects": 3, "maxObjects": 2})),
            "spec.list.minObjects",
            "3 is more than maxObjects, which is 2; give less",
        ),
        (
            list(json!({"include": []})),
            "spec.list.include",
            "holds 0 globs; give 1 to 32",
        ),
        (
            list(json!({"exclude": globs})),
            "spec.list.exclude",
            "holds 33 globs",
        ),
        (
            list(json!({"exclude": ["a", ""]})),
            "spec.list.exclude[1]",
            "matches nothing",
        ),
        (
            list(json!({"refreshInterval": "59s"})),
            "spec.list.refreshInterval",
            "between 1m and",
        ),
        (
            list(json!({"refreshInterval": "169h"})),
            "spec.list.refreshInterval",
            "and 168h; give",
        ),
        (
            list(json!({"refreshInterval": "soon"})),
            "spec.list.refreshInterval",
            "is not a duration",
        ),
    ] {
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

proptest! {
    #[test]
    fn a_key_under_a_prefix_begins_with_it_when_dots_are_resolved(prefix in "[a./]{0,6}", tail in "[a./]{1,6}") {
        let whole = format!("{prefix}{tail}");
        prop_assume!(Prefix::parse(&prefix).is_ok() && Key::parse(&whole).is_ok());
        let plain: Vec<_> = whole.split('/').filter(|s| !matches!(*s, "" | "." | "..")).collect();
        prop_assert!(plain.join("/").starts_with(&prefix));
    }

    #[test]
    fn any_text_is_no_prefix_or_one_as_it_stands(text in any::<String>()) {
        if let Ok(prefix) = Prefix::parse(&text) {
            prop_assert_eq!(prefix.as_str(), &text);
            prop_assert!(!text.starts_with('/') && !text.contains("//") && !text.contains(char::is_control));
        }
    }
}
