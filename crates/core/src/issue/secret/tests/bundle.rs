//! The files of many objects: what they are, what they refuse, and that a key is data in each of them.
//!
//! The real curl, aria2c and wget read the same files in the integration tests.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::single::{file, headers, read_by_curl};
use super::{NOON, at};
use crate::api::{Format, Method};
use crate::issue::{
    BundleContent, Item, NameProblem, RenderError, SECRET_LIMIT, SecretContent, Template,
    render_bundle,
};

const URL: &str = "https://h/b/k?X-Amz-Signature=s3cr3t";
const ALL: [Format; 3] = [Format::UrlsTxt, Format::Aria2Txt, Format::CurlConf];

fn items<'a>(keys: &[&'a str]) -> Vec<Item<'a>> {
    keys.iter()
        .map(|key| Item {
            key,
            url: URL,
            size: None,
            etag: None,
        })
        .collect()
}

/// Renders objects that were not listed.
fn rendered(
    method: Method,
    items: &[Item<'_>],
    headers: &[(String, String)],
    formats: &[Format],
) -> Result<SecretContent, RenderError> {
    render_bundle(&BundleContent {
        name: "web",
        method,
        items,
        headers,
        formats: &formats.iter().copied().collect(),
        expires_at: at(NOON),
        ca_bundle: None,
        template: &Template::default(),
    })
}

fn get(keys: &[&str], formats: &[Format]) -> Result<SecretContent, RenderError> {
    rendered(Method::Get, &items(keys), &[], formats)
}

/// Why a key is refused, by the format that it is refused in.
fn refused(keys: &[&str], format: Format) -> Vec<(String, NameProblem)> {
    match get(keys, &[format]) {
        Ok(_) => Vec::new(),
        Err(RenderError::Names(names)) => {
            assert_eq!(names.format, format);
            names
                .first
                .into_iter()
                .map(|bad| (bad.key, bad.problem))
                .collect()
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_listing_as_it_stands_in_the_secret() {
    let items = [
        Item {
            key: "data/a \"b\".bin",
            url: URL,
            size: Some(7),
            etag: Some("\"e\""),
        },
        Item {
            key: "data/c",
            url: "https://h/c",
            size: None,
            etag: None,
        },
    ];
    let secret = rendered(Method::Get, &items, &[], &ALL).unwrap();
    let keys: Vec<&str> = secret.data.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "aria2.txt",
            "curl.conf",
            "expires-at",
            "headers",
            "method",
            "urls.json",
            "urls.txt"
        ]
    );
    assert_eq!(
        file(&secret, "urls.json"),
        format!(
            "[\n{{\"key\":\"data/a \\\"b\\\".bin\",\"url\":\"{URL}\",\"size\":7,\"etag\":\"\\\"e\\\"\"}},\n\
             {{\"key\":\"data/c\",\"url\":\"https://h/c\"}}\n]\n"
        )
    );
    assert_eq!(file(&secret, "urls.txt"), format!("{URL}\nhttps://h/c\n"));
    let options = " allow-overwrite=true\n auto-file-renaming=false\n follow-torrent=false\n follow-metalink=false\n";
    assert_eq!(
        file(&secret, "aria2.txt"),
        format!("{URL}\n out=./data/a \"b\".bin\n{options}https://h/c\n out=./data/c\n{options}")
    );
    assert_eq!(
        file(&secret, "curl.conf"),
        format!(
            "fail\nshow-error\ngloboff\npath-as-is\nretry = 3\nfail-early\ncreate-dirs\nrequest = \"GET\"\n\
             url = \"{URL}\"\noutput = \"./data/a \\\"b\\\".bin\"\nurl = \"https://h/c\"\noutput = \"./data/c\"\n"
        )
    );
    assert_eq!(file(&secret, "method"), "GET");
    assert_eq!(file(&secret, "expires-at"), "2026-11-21T12:00:00Z");
    assert_eq!(
        secret.annotations["presigned.dev/expires-at"],
        "2026-11-21T12:00:00Z"
    );
}

#[test]
fn uploads_send_the_file_of_the_keys_name_with_the_signed_headers() {
    let headers = headers([("content-length", "5"), ("content-type", "text/plain")]);
    let secret = rendered(
        Method::Put,
        &items(&["-k"]),
        &headers,
        &[Format::CurlConf, Format::UrlsTxt],
    )
    .unwrap();
    assert_eq!(
        file(&secret, "curl.conf"),
        format!(
            "fail\nshow-error\ngloboff\npath-as-is\nretry = 3\nfail-early\nrequest = \"PUT\"\n\
             header = \"content-type: text/plain\"\nurl = \"{URL}\"\nupload-file = \"./-k\"\n"
        )
    );
    assert_eq!(
        file(&secret, "headers"),
        "content-length: 5\ncontent-type: text/plain\n"
    );
}

#[test]
fn a_head_and_a_delete_name_no_file_and_so_hold_any_key() {
    for (method, line) in [
        (Method::Head, "head\n"),
        (Method::Delete, "request = \"DELETE\"\n"),
    ] {
        let secret = rendered(method, &items(&["a", "a/b"]), &[], &[Format::CurlConf]).unwrap();
        let conf = file(&secret, "curl.conf");
        assert!(
            conf.ends_with(&format!("{line}url = \"{URL}\"\nurl = \"{URL}\"\n")),
            "{conf}"
        );
    }
}

#[test]
fn urls_json_is_all_that_nobody_asks_for_and_holds_any_key() {
    let keys = [
        "a",
        "a/b",
        "/abs",
        "..",
        "a\nb",
        "\u{2028}",
        "\\",
        "a",
        &"s".repeat(300),
    ];
    let secret = get(&keys, &[]).unwrap();
    assert_eq!(secret.data.len(), 4);
    let read: serde_json::Value = serde_json::from_str(file(&secret, "urls.json")).unwrap();
    let read: Vec<&str> = read
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["key"].as_str().unwrap())
        .collect();
    assert_eq!(read, keys);
    assert!(get(&keys, &[Format::UrlsTxt]).is_ok());
}

#[test]
fn a_file_without_use_for_the_method_is_refused() {
    for (format, method) in [
        (Format::Aria2Txt, Method::Put),
        (Format::Aria2Txt, Method::Head),
        (Format::Aria2Txt, Method::Delete),
        (Format::Aria2Txt, Method::Post),
        (Format::CurlConf, Method::Post),
    ] {
        let error = rendered(method, &items(&["k"]), &[], &[format]).unwrap_err();
        assert_eq!(error, RenderError::Format { format, method });
        let text = error.to_string();
        assert!(
            text.contains(format.as_str()) && text.contains(method.as_str()),
            "{text}"
        );
    }
}

#[test]
fn a_key_that_is_no_file_below_the_folder_is_refused() {
    use NameProblem::{Backslash, Control, NotAPath, TooLong};
    let (most, less) = ("é".repeat(127) + "x", "s".repeat(249));
    for format in [Format::Aria2Txt, Format::CurlConf] {
        for (key, trouble) in [
            ("a\nb", Control),
            ("a\rb", Control),
            ("a\tb", Control),
            ("a\0b", Control),
            ("a\u{85}b", Control),
            ("..\\a", Backslash),
            ("a\\..\\b", Backslash),
            ("C:\\Windows", Backslash),
            ("/etc/passwd", NotAPath),
            ("../a", NotAPath),
            ("a/../b", NotAPath),
            ("a/./b", NotAPath),
            ("a//b", NotAPath),
            ("a/", NotAPath),
            ("", NotAPath),
            (&format!("x{most}/b"), TooLong { max: 255 }),
        ] {
            let found = refused(&["fine", key], format);
            assert_eq!(found.len(), 1, "{key:?}");
            assert_eq!(found[0].1, trouble, "{key:?}");
        }
        assert_eq!(refused(&["a", "a"], format)[0].1, NameProblem::Duplicate);
        assert!(refused(&[&format!("{most}/{less}")], format).is_empty());
    }
    assert_eq!(refused(&[&most], Format::CurlConf), []);
    assert_eq!(
        refused(&[&most], Format::Aria2Txt)[0].1,
        TooLong { max: 249 },
        "aria2 adds .aria2"
    );
}

#[test]
fn a_file_and_a_folder_of_one_name_are_refused_together() {
    for format in [Format::Aria2Txt, Format::CurlConf] {
        for keys in [
            ["a", "a/b", "ab"],
            ["a/b", "a", "ab"],
            ["a-b", "a/b/c/d", "a"],
        ] {
            let found = refused(&keys, format);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].0, "a");
            assert!(matches!(&found[0].1, NameProblem::Folder { of } if of.starts_with("a/b")));
        }
        assert_eq!(refused(&["a", "a-/b", "A/b", "b/a"], format), []);
    }
}

#[test]
fn aria2_is_given_no_key_that_it_would_change_or_write_its_notes_over() {
    let aria2 = |keys: &[&str]| refused(keys, Format::Aria2Txt);
    let notes = |key: &str| {
        vec![(
            key.to_owned(),
            NameProblem::ControlFile {
                of: "a/b".to_owned(),
            },
        )]
    };
    assert_eq!(
        aria2(&["end "]),
        [("end ".to_owned(), NameProblem::TrailingSpace)]
    );
    assert_eq!(aria2(&[" both", "in side", "folder /x"]), []);
    assert_eq!(aria2(&["a/b", "a/b.aria2"]), notes("a/b.aria2"));
    assert_eq!(aria2(&["a/b.aria2/c", "a/b"]), notes("a/b.aria2/c"));
    assert_eq!(aria2(&["a/b.aria2", "a/b.aria"]), []);
    let curl = refused(&["end ", "a", "a.aria2"], Format::CurlConf);
    assert_eq!(curl, [], "curl keeps no notes and drops no space");
}

#[test]
fn a_refusal_names_the_first_keys_and_what_to_do_and_can_not_be_broken_by_a_key() {
    let keys = ["x\ny", "/a", "b", "b/c", "d/", "e"];
    let Err(error) = get(&keys, &[Format::CurlConf]) else {
        panic!("these can't be saved")
    };
    assert_eq!(
        error.to_string(),
        "curl.conf can't hold the key \"x\\ny\", which holds a control character, the key \"/a\", which is no path below \
         a folder, the key \"d/\", which is no path below a folder, and 1 more: leave such objects out, or take the file \
         out of spec.formats; urls.json holds any key"
    );
}

#[test]
fn what_does_not_fit_is_refused_with_how_many_would() {
    let keys: Vec<String> = (0..3000).map(|n| format!("folder/{n:05}")).collect();
    let url = format!("https://h/{}", "u".repeat(600));
    let items: Vec<Item<'_>> = keys
        .iter()
        .map(|key| Item {
            key,
            url: &url,
            size: Some(1),
            etag: Some("e"),
        })
        .collect();
    for formats in [&[][..], &ALL] {
        let refused = rendered(Method::Get, &items, &[], formats).unwrap_err();
        let RenderError::TooManyForSecret { objects: 3000, fit } = refused else {
            panic!("{refused}")
        };
        let text = refused.to_string();
        assert!(
            text.contains("3000 objects") && text.contains(&format!("{fit} of them fit")),
            "{text}"
        );
        let full = rendered(Method::Get, &items[..fit], &[], formats).unwrap();
        let bytes: usize = full.data.values().map(|v| v.expose().len()).sum();
        assert!((SECRET_LIMIT - 4000..=SECRET_LIMIT).contains(&bytes));
        let more = rendered(Method::Get, &items[..=fit], &[], formats).unwrap_err();
        let objects = fit + 1;
        assert_eq!(more, RenderError::TooManyForSecret { objects, fit });
    }
}

#[test]
fn where_not_one_object_fits_the_number_of_objects_is_not_blamed() {
    let items = items(&["a", "b"]);
    let ca = "x".repeat(SECRET_LIMIT);
    let refused = render_bundle(&BundleContent {
        name: "web",
        method: Method::Get,
        items: &items,
        headers: &[],
        formats: &BTreeSet::new(),
        expires_at: at(NOON),
        ca_bundle: Some(&ca),
        template: &Template::default(),
    });
    assert!(
        matches!(refused, Err(RenderError::TooLarge { .. })),
        "{refused:?}"
    );
}

#[test]
fn no_url_or_header_that_is_none_is_written_and_no_debug_shows_one() {
    for url in ["", "https://h/a b", "https://h/\n", "https://h/ä"] {
        let bad = [Item {
            key: "k",
            url,
            size: None,
            etag: None,
        }];
        assert_eq!(rendered(Method::Get, &bad, &[], &[]), Err(RenderError::Url));
    }
    let headers = headers([("x-a", "b\nc")]);
    let one = items(&["k"]);
    assert_eq!(
        rendered(Method::Put, &one, &headers, &[]),
        Err(RenderError::Header)
    );
    let secret = rendered(Method::Get, &one, &[], &ALL).unwrap();
    assert!(!format!("{one:?} {secret:?}").contains("s3cr3t"));
}

/// Reads aria2's input file as its manual says: a URL, and the options that are indented below it; spaces
/// around a line and around an option's name and value do not count.
fn read_by_aria2(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut read: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        if line.starts_with([' ', '\t']) {
            let (name, value) = line.split_once('=').unwrap();
            let options = &mut read.last_mut().unwrap().1;
            let blank = [' ', '\t', '\r'];
            let before = options.insert(
                name.trim_matches(blank).to_owned(),
                value.trim_matches(blank).to_owned(),
            );
            assert_eq!(before, None, "{name} twice");
        } else if !line.starts_with('#') {
            assert!(!line.contains('\t'), "one URL");
            read.push((line.to_owned(), BTreeMap::new()));
        }
    }
    read
}

/// Keys as somebody would make them who wants to break a file, short enough to get in each other's way.
fn hostile_keys() -> impl Strategy<Value = Vec<String>> {
    let part = prop_oneof![
        "[a-c]{1,2}",
        "[ \"'\\\\#=~{}\\[\\]$`%,;:|<>*?!@&+-]{1,4}",
        Just("a.aria2".to_owned()),
        Just("x\" --output y".to_owned()),
        Just("url = \"file:///etc/passwd\"".to_owned()),
        Just(" out=y".to_owned()),
        "\\PC{1,6}",
        any::<String>(),
    ];
    vec(vec(part, 1..4).prop_map(|parts| parts.join("/")), 1..8)
}

proptest! {
    #[test]
    fn what_the_readers_read_is_the_keys_and_the_urls(keys in hostile_keys(), path in "[!-~]{1,40}") {
        let url = format!("https://h/{path}");
        let items: Vec<Item<'_>> = keys.iter().map(|key| Item { key, url: &url, size: None, etag: None }).collect();
        let wanted: Vec<String> = keys.iter().map(|key| format!("./{key}")).collect();
        let below = |path: &str| path.starts_with("./") && path[2..].split('/').all(|s| !matches!(s, "" | "." | ".."));

        let secret = rendered(Method::Get, &items, &[], &[Format::UrlsTxt]).unwrap();
        prop_assert_eq!(file(&secret, "urls.txt"), format!("{url}\n").repeat(keys.len()));

        if let Ok(secret) = rendered(Method::Get, &items, &[], &[Format::Aria2Txt]) {
            let read = read_by_aria2(file(&secret, "aria2.txt"));
            let out: Vec<String> = read.iter().map(|(_, options)| options["out"].clone()).collect();
            prop_assert!(read.iter().all(|(at, options)| *at == url && options.len() == 5));
            prop_assert!(out.iter().all(|path| below(path)));
            prop_assert_eq!(out, wanted.clone());
        }
        for (method, option) in [(Method::Get, "output"), (Method::Put, "upload-file")] {
            if let Ok(secret) = rendered(method, &items, &[], &[Format::CurlConf]) {
                let lines: Vec<(String, String)> = file(&secret, "curl.conf").lines().map(read_by_curl).collect();
                let of = |name: &str| -> Vec<String> {
                    lines.iter().filter(|(n, _)| n == name).map(|(_, value)| value.clone()).collect()
                };
                prop_assert!(of("url").iter().all(|at| *at == url));
                prop_assert!(of(option).iter().all(|path| below(path)));
                prop_assert_eq!(of(option), wanted.clone());
                let head = if method == Method::Get { 8 } else { 7 };
                prop_assert_eq!(lines.len(), head + 2 * keys.len());
            }
        }
    }

    #[test]
    fn what_is_not_refused_can_all_be_saved_in_one_folder(keys in hostile_keys()) {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let in_the_way = keys.iter().enumerate().any(|(at, a)| keys.iter().enumerate().any(|(n, b)| {
            at != n && (a == b || b.strip_prefix(a).is_some_and(|rest| rest.starts_with('/')))
        }));
        let plain = keys.iter().all(|key| {
            !key.chars().any(|c| c.is_control() || c == '\\') && key.split('/').all(|s| !matches!(s, "" | "." | "..") && s.len() <= 255)
        });
        prop_assert_eq!(get(&keys, &[Format::CurlConf]).is_ok(), plain && !in_the_way);
    }
}
