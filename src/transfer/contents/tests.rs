//! What the files of a Secret say, whole, cut off and wrong.

use super::*;

fn files(files: &[(&str, &str)]) -> Files {
    let files = files.iter();
    files
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
        .collect()
}

fn read(of: &[(&str, &str)]) -> Result<Contents, Error> {
    Contents::of_secret(&files(of), "/presigned")
}

const URL: &str = "https://data.example.com/models/a.gguf?X-Amz-Signature=5ec7e7";

#[test]
fn a_secret_is_read_whole() {
    let contents = read(&[
        ("url", URL),
        ("method", "PUT"),
        ("headers", "Content-Length: 5\nx-amz-meta-owner: a: b\n"),
        ("expires-at", "2026-11-28T12:00:00Z"),
        ("ca.crt", "-----BEGIN CERTIFICATE-----"),
        ("curl.conf", "url = \"x\""),
    ])
    .unwrap();
    assert_eq!(contents.items.len(), 1);
    assert_eq!(contents.items[0].url.file_name(), "a.gguf");
    assert_eq!(contents.method.as_deref(), Some("PUT"));
    assert_eq!(contents.headers.len(), 2);
    assert_eq!(contents.headers[1].1, "a: b");
    assert!(contents.expires_at.is_some() && contents.ca.is_some() && !contents.many);

    let form = read(&[
        ("url", URL),
        ("fields.json", r#"{"key":"k","policy":"p","a":"1"}"#),
    ]);
    let names: Vec<String> = form
        .unwrap()
        .fields
        .into_iter()
        .map(|field| field.name)
        .collect();
    assert_eq!(names, ["key", "policy", "a"]);

    let json = r#"[
{"key":"a","url":"https://h/a?s","size":3,"etag":"\"e\""},
{"key":"b","url":"https://h/b?s"}
]"#;
    let many = read(&[("urls.json", json), ("urls.txt", "")]).unwrap();
    assert!(many.many);
    assert_eq!(many.items[0].etag.as_deref(), Some("e"));
    assert_eq!((many.items[0].size, many.items[1].size), (Some(3), None));
    let lines = read(&[("urls.txt", "https://h/a?s\nhttps://h/b?s\n")]).unwrap();
    assert_eq!(lines.items.len(), 2);
}

#[test]
fn what_may_be_whole_later_is_told_apart_from_what_is_wrong() {
    for unfinished in [
        &[][..],
        &[("method", "GET")],
        &[("url", "")],
        &[("url", " \n")],
        &[("urls.json", "")],
        &[("urls.json", "[\n{\"key\":\"a\",\"url\":\"https://h/a\"},")],
        &[("urls.json", "[{\"key\":\"a")],
        &[("url", URL), ("fields.json", "{\"key\":")],
        &[("curl.conf", "url = \"https://h/\"")],
    ] {
        let error = read(unfinished).unwrap_err();
        assert_eq!(error.kind, Kind::NotReady, "{unfinished:?}: {error}");
        assert!(error.to_string().contains("--wait"), "{error}");
    }
    for wrong in [
        &[("url", "ftp://h/x")][..],
        &[("url", "not a url")],
        &[("url", "https:///x")],
        &[("url", "https://user:pass@h/x")],
        &[("urls.json", "{}")],
        &[("urls.json", "[1]")],
        &[("urls.json", "[{\"key\":\"a\",\"url\":\"x\"}]")],
        &[("url", URL), ("headers", "no header\n")],
        &[("url", URL), ("fields.json", "[]")],
        &[("url", URL), ("fields.json", "{\"a\":1}")],
    ] {
        let error = read(wrong).unwrap_err();
        assert_eq!(error.kind, Kind::Usage, "{wrong:?}: {error}");
        assert!(!error.to_string().contains("pass"), "{error}");
    }
}

#[test]
fn no_debug_text_and_no_message_holds_a_query_or_a_field() {
    let contents = read(&[("url", URL), ("fields.json", r#"{"policy":"5ec7e7"}"#)]).unwrap();
    let shown = format!("{contents:?} {}", contents.items[0].url);
    assert!(!shown.contains("5ec7e7"), "{shown}");
    assert!(shown.contains("data.example.com/models/a.gguf"), "{shown}");
    let error = Contents::of_text("https://h/x?5ec7e7 y\n", "standard input").unwrap_err();
    assert!(!error.to_string().contains("5ec7e7"), "{error}");
}
