//! `PresignedURL`: several objects, prefixes, forms and links: what goes together, and what does not.

use serde_json::{Value, json};

use super::{entries, presigned_url};

/// A spec with a prefix in the place of the key, with changes.
fn prefix(changes: Value) -> Value {
    let mut spec = json!({ "key": null, "prefix": "llama/" });
    merged(&mut spec, changes);
    spec
}

/// A form with changes to its block.
fn form(changes: Value) -> Value {
    let mut post = json!({ "contentLengthRange": { "max": 10 } });
    merged(&mut post, changes);
    json!({ "method": "POST", "post": post })
}

/// Lays changes over an object; a null is kept for the patch that it becomes a part of.
fn merged(value: &mut Value, changes: Value) {
    let (Value::Object(value), Value::Object(changes)) = (value, changes) else {
        panic!("objects only");
    };
    value.extend(changes);
}

fn keys(keys: &[&str]) -> Value {
    json!({ "key": null, "keys": keys })
}

#[tokio::test]
async fn objects_are_named_in_one_way_and_with_a_method_that_goes_with_it() {
    let one = &["set exactly one of key, keys and prefix"][..];
    let of_keys = &["keys goes with method GET, HEAD, PUT or DELETE"][..];
    let of_prefix = &["prefix goes with method GET, which lists it, or POST"][..];
    let of_list = &["list goes with prefix and method GET", "remove the block"][..];
    presigned_url()
        .refuses(&[
            ("key and keys", json!({ "keys": ["a"] }), one),
            ("key and prefix", json!({ "prefix": "a/" }), one),
            (
                "keys and prefix",
                json!({ "key": null, "keys": ["a"], "prefix": "a/" }),
                one,
            ),
            ("all three", json!({ "keys": ["a"], "prefix": "a/" }), one),
            (
                "keys with POST",
                json!({ "key": null, "keys": ["a"], "method": "POST" }),
                of_keys,
            ),
            (
                "prefix with HEAD",
                prefix(json!({ "method": "HEAD" })),
                of_prefix,
            ),
            (
                "prefix with PUT",
                prefix(json!({ "method": "PUT" })),
                of_prefix,
            ),
            (
                "prefix with DELETE",
                prefix(json!({ "method": "DELETE" })),
                of_prefix,
            ),
            ("list with key", json!({ "list": {} }), of_list),
            (
                "list with keys",
                json!({ "key": null, "keys": ["a"], "list": {} }),
                of_list,
            ),
            (
                "list with a form",
                prefix(json!({ "method": "POST", "list": {} })),
                of_list,
            ),
        ])
        .await;
    presigned_url()
        .takes(&[
            ("keys", keys(&["a", "a/b", "-o x", "é\u{2028}"])),
            (
                "keys to HEAD",
                json!({ "key": null, "keys": ["a"], "method": "HEAD" }),
            ),
            (
                "keys to PUT",
                json!({ "key": null, "keys": ["a"], "method": "PUT", "put": {} }),
            ),
            (
                "keys to DELETE",
                json!({ "key": null, "keys": ["a"], "method": "DELETE" }),
            ),
            ("a prefix", prefix(json!({}))),
            (
                "a prefix to GET",
                prefix(json!({ "method": "GET", "list": {} })),
            ),
            (
                "a prefix for a form",
                prefix(
                    json!({ "method": "POST", "post": { "contentLengthRange": { "max": 10 } } }),
                ),
            ),
            ("the whole bucket", prefix(json!({ "prefix": "" }))),
            ("a raw prefix", prefix(json!({ "prefix": "llama-" }))),
        ])
        .await;
}

#[tokio::test]
async fn a_list_of_keys_is_bounded_and_holds_each_once() {
    let many: Vec<String> = (0..2049).map(|n| n.to_string()).collect();
    // 448 keys of 1,024 bytes, two for each letter, and then one byte more.
    let heavy: Vec<String> = (0..448)
        .map(|n| format!("{}{n:04}", "é".repeat(510)))
        .chain(["b".to_owned()])
        .collect();
    let segments = &["spec.keys[0]", "without empty, '.' or '..' segments"][..];
    presigned_url()
        .refuses(&[
            (
                "twice",
                keys(&["a", "b", "a"]),
                &["spec.keys[2]", "Duplicate value: \"a\""],
            ),
            ("none", keys(&[]), &["spec.keys", "at least 1"]),
            ("an empty key", keys(&[""]), &["spec.keys[0]", "at least 1"]),
            (
                "a long key",
                keys(&[&"a".repeat(1025)]),
                &["spec.keys[0]", "1024"],
            ),
            (
                "two bytes a letter",
                keys(&["a", &"é".repeat(513)]),
                &["spec.keys[1]", "1,024 bytes"],
            ),
            ("a root", keys(&["/a"]), segments),
            ("a folder", keys(&["a/"]), segments),
            ("an empty segment", keys(&["a//b"]), segments),
            ("a dot", keys(&["a/./b"]), segments),
            ("the folder above", keys(&["a/../b"]), segments),
            ("only dots", keys(&[".."]), segments),
            (
                "two lines",
                keys(&["a\nb"]),
                &["spec.keys[0]", "control characters"],
            ),
            (
                "a variable of forms",
                keys(&["a/${filename}"]),
                &["spec.keys[0]", "control characters and '${'"],
            ),
            (
                "2,049",
                json!({ "key": null, "keys": many }),
                &["spec.keys", "2048"],
            ),
            (
                "a byte too many",
                json!({ "key": null, "keys": heavy }),
                &[
                    "spec.keys",
                    "keys have more than 458752 bytes in all",
                    "spread them over several",
                ],
            ),
        ])
        .await;
    let most = &many[..2048];
    presigned_url()
        .takes(&[
            ("2,048", json!({ "key": null, "keys": most })),
            ("one", keys(&["a"])),
            ("all bytes", json!({ "key": null, "keys": heavy[..448] })),
            ("by letter", keys(&["a", "A", "a "])),
            ("dots", keys(&["...", "a/.b", "a/..b", "a./b", ".a/b.."])),
        ])
        .await;
}

#[tokio::test]
async fn a_listing_that_cannot_be_meant_is_refused() {
    let list = |list: Value| prefix(json!({ "list": list }));
    let life = &["spec.list.refreshInterval", "must be between 1m and 168h"][..];
    let globs: Vec<String> = (0..33).map(|n| n.to_string()).collect();
    presigned_url()
        .refuses(&[
            (
                "more than most",
                list(json!({ "minObjects": 3, "maxObjects": 2 })),
                &["spec.list", "minObjects may not be more than maxObjects"],
            ),
            (
                "no object",
                list(json!({ "maxObjects": 0 })),
                &["spec.list.maxObjects", "greater than or equal to 1"],
            ),
            (
                "too many",
                list(json!({ "maxObjects": 10_001 })),
                &["spec.list.maxObjects", "10000"],
            ),
            (
                "too few",
                list(json!({ "minObjects": -1 })),
                &["spec.list.minObjects", "greater than or equal to 0"],
            ),
            (
                "no globs",
                list(json!({ "include": [] })),
                &["spec.list.include", "at least 1"],
            ),
            (
                "33 globs",
                list(json!({ "exclude": globs })),
                &["spec.list.exclude", "32"],
            ),
            (
                "an empty glob",
                list(json!({ "include": [""] })),
                &["spec.list.include[0]", "at least 1"],
            ),
            ("often", list(json!({ "refreshInterval": "59s" })), life),
            ("seldom", list(json!({ "refreshInterval": "169h" })), life),
            ("no time", list(json!({ "refreshInterval": "often" })), life),
        ])
        .await;
    presigned_url()
        .takes(&[
            (
                "everything",
                list(json!({
                    "minObjects": 2, "maxObjects": 2, "include": ["**/*.csv", "?"], "exclude": ["tmp/**"],
                    "refreshInterval": "1m",
                })),
            ),
            ("none is enough", list(json!({ "minObjects": 0, "maxObjects": 10_000 }))),
        ])
        .await;
}

#[tokio::test]
async fn files_are_for_many_objects_and_for_what_their_reader_can_do() {
    let many = &[
        "formats goes with many objects",
        "one object has its own files already",
    ][..];
    let aria2 = &["aria2.txt goes with method GET: aria2 downloads only"][..];
    let all = json!(["urls.txt", "aria2.txt", "curl.conf"]);
    let put =
        |formats: Value| json!({ "key": null, "keys": ["a"], "method": "PUT", "formats": formats });
    presigned_url()
        .refuses(&[
            ("one key", json!({ "formats": ["urls.txt"] }), many),
            (
                "a form",
                prefix(json!({ "method": "POST", "formats": ["curl.conf"] })),
                many,
            ),
            ("aria2 uploads", put(json!(["aria2.txt"])), aria2),
            (
                "a file that is none",
                prefix(json!({ "formats": ["wget.txt"] })),
                &[
                    "spec.formats[0]",
                    "\"urls.txt\", \"aria2.txt\", \"curl.conf\"",
                ],
            ),
            (
                "twice",
                prefix(json!({ "formats": ["urls.txt", "urls.txt"] })),
                &["spec.formats[1]", "Duplicate value"],
            ),
        ])
        .await;
    presigned_url()
        .takes(&[
            ("all of a prefix", prefix(json!({ "formats": all }))),
            (
                "all of keys",
                json!({ "key": null, "keys": ["a"], "formats": all }),
            ),
            ("uploads", put(json!(["curl.conf", "urls.txt"]))),
            ("none", prefix(json!({ "formats": [] }))),
        ])
        .await;
}

#[tokio::test]
async fn a_form_that_s3_would_refuse_is_refused() {
    let of_post = &["post goes with method POST", "set method: POST"][..];
    let types = &[
        "spec.post",
        "contentType and contentTypePrefix",
        "set at most one",
    ][..];
    let after = &[
        "spec.post",
        "successActionStatus and successActionRedirect",
        "set at most one",
    ][..];
    let redirect = &[
        "spec.post.successActionRedirect",
        "an absolute http or https URL without a fragment",
    ][..];
    let names = &["spec.post.metadata", "1 to 64 lower-case letters"][..];
    let line = &["printable ASCII on one line"][..];
    let sizes = &["method POST needs post.contentLengthRange"][..];
    let range = |range: Value| form(json!({ "contentLengthRange": range }));
    let to = |url: &str| form(json!({ "successActionRedirect": url }));
    presigned_url()
        .refuses(&[
            ("with GET", json!({ "post": {} }), of_post),
            ("with PUT", json!({ "method": "PUT", "post": {} }), of_post),
            (
                "get with POST",
                json!({ "method": "POST", "get": {} }),
                &["get goes with method GET or HEAD"],
            ),
            ("put with POST", json!({ "method": "POST", "put": {} }), &["put goes with method PUT"]),
            ("no block", json!({ "method": "POST" }), sizes),
            ("no sizes", json!({ "method": "POST", "post": { "contentType": "a/b" } }), sizes),
            ("two types", form(json!({ "contentType": "image/png", "contentTypePrefix": "image/" })), types),
            (
                "two ends",
                form(json!({ "successActionStatus": 201, "successActionRedirect": "https://a.example/" })),
                after,
            ),
            (
                "an odd status",
                form(json!({ "successActionStatus": 202 })),
                &["spec.post.successActionStatus", "is 200, 201 or 204"],
            ),
            ("an empty range", range(json!({ "min": 2, "max": 1 })), &["contentLengthRange", "min may not be more than max"]),
            ("no end of it", range(json!({ "min": 2 })), &["contentLengthRange.max", "Required"]),
            ("less than nothing", range(json!({ "max": -1 })), &["contentLengthRange.max", "greater than or equal to 0"]),
            ("over 5 GiB", range(json!({ "max": 5_368_709_121_u64 })), &["contentLengthRange.max", "5368709120"]),
            ("a script", to("javascript:alert(1)"), redirect),
            ("no host", to("https:///x"), redirect),
            ("a user", to("https://a@b.example/"), redirect),
            ("a fragment", to("https://a.example/#x"), redirect),
            ("markup", to("https://a.example/\"><b>"), redirect),
            ("an ACL", form(json!({ "acl": "Public Read" })), &["spec.post.acl"]),
            ("a type of two lines", form(json!({ "contentType": "a\nb" })), line),
            ("a prefix of two lines", form(json!({ "contentTypePrefix": "a\nb" })), line),
            ("metadata of two lines", form(json!({ "metadata": { "a": "b\nc" } })), line),
            ("upper case", form(json!({ "metadata": { "A": "v" } })), names),
            ("33 entries", form(json!({ "metadata": entries(33) })), &["spec.post.metadata", "32"]),
        ])
        .await;
    presigned_url()
        .takes(&[
            ("the least", form(json!({}))),
            ("exactly", range(json!({ "min": 7, "max": 7 }))),
            ("nothing to 5 GiB", range(json!({ "min": 0, "max": 5_368_709_120_u64 }))),
            (
                "every option",
                form(json!({
                    "contentTypePrefix": "image/", "acl": "bucket-owner-full-control",
                    "successActionRedirect": "http://localhost:8080/done?a=b&c=%20",
                    "metadata": { "team": "a, b; c=d" },
                })),
            ),
            ("a type and a status", form(json!({ "contentType": "text/plain; charset=utf-8", "successActionStatus": 200 }))),
        ])
        .await;
}

#[tokio::test]
async fn a_link_is_not_renewed_and_only_a_link_is_deleted_after_its_end() {
    let never = |changes: Value| {
        let mut spec = json!({ "renew": "Never" });
        merged(&mut spec, changes);
        spec
    };
    let renewed = &["renew: Never is never renewed", "remove renewBefore"][..];
    let ttl = &["spec.ttlAfterExpiry", "must be between 0s and 8760h"][..];
    let only = &["ttlAfterExpiry goes with renew: Never"][..];
    presigned_url()
        .refuses(&[
            (
                "a time to renew",
                never(json!({ "renewBefore": "1h" })),
                renewed,
            ),
            (
                "a share to renew",
                never(json!({ "renewBeforePercentage": 50 })),
                renewed,
            ),
            (
                "listed again",
                never(json!({ "key": null, "prefix": "a/", "list": { "refreshInterval": "1h" } })),
                &["renew: Never lists once", "remove list.refreshInterval"],
            ),
            (
                "deleted while renewed",
                json!({ "renew": "Always", "ttlAfterExpiry": "1h" }),
                only,
            ),
            (
                "deleted by default",
                json!({ "ttlAfterExpiry": "1h" }),
                only,
            ),
            (
                "over a year",
                never(json!({ "ttlAfterExpiry": "8761h" })),
                ttl,
            ),
            (
                "before the end",
                never(json!({ "ttlAfterExpiry": "-1h" })),
                ttl,
            ),
            ("no time", never(json!({ "ttlAfterExpiry": "soon" })), ttl),
            (
                "another word",
                json!({ "renew": "Once" }),
                &["spec.renew", "\"Always\", \"Never\""],
            ),
            (
                "another trial",
                json!({ "verify": "Maybe" }),
                &["spec.verify", "\"Report\", \"Require\", \"Never\""],
            ),
        ])
        .await;
    presigned_url()
        .takes(&[
            (
                "a link",
                never(json!({ "duration": "1m", "ttlAfterExpiry": "0s" })),
            ),
            ("a year", never(json!({ "ttlAfterExpiry": "8760h" }))),
            (
                "a link to many",
                never(json!({ "key": null, "prefix": "a/", "list": {}, "formats": ["urls.txt"] })),
            ),
            ("a form once", never(form(json!({})))),
            ("renewed", json!({ "renew": "Always", "renewBefore": "1h" })),
            ("reported", json!({ "verify": "Report" })),
            ("required", json!({ "verify": "Require" })),
            ("not tried", json!({ "verify": "Never" })),
        ])
        .await;
}
