//! What the Secret holds, and that no value of a tenant's begins a line of it.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::{NOON, at, map};
use crate::api::{Method, SecretTemplate};
use crate::issue::{
    Content, RenderError, ReservedKeys, SECRET_LIMIT, SecretContent, Template, data_hash, render,
};

const URL: &str = "https://s3.example.com/b/k?X-Amz-Signature=s3cr3t";
const HEAD_URL: &str = "https://s3.example.com/b/k?X-Amz-Signature=h34d";

fn content<'a>(
    method: Method,
    headers: &'a [(String, String)],
    template: &'a Template,
) -> Content<'a> {
    Content {
        name: "web",
        method,
        url: URL,
        head_url: None,
        headers,
        expires_at: at(NOON),
        ca_bundle: None,
        template,
    }
}

pub(super) fn headers<const N: usize>(all: [(&str, &str); N]) -> Vec<(String, String)> {
    all.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

fn template<const L: usize, const A: usize>(
    labels: [(&str, &str); L],
    annotations: [(&str, &str); A],
) -> Template {
    let spec = SecretTemplate {
        labels: Some(map(labels)),
        annotations: Some(map(annotations)),
    };
    Template::parse(Some(&spec), &ReservedKeys::default()).unwrap()
}

pub(super) fn file<'a>(secret: &'a SecretContent, key: &str) -> &'a str {
    std::str::from_utf8(secret.data[key].expose()).unwrap()
}

#[test]
fn a_download_as_it_stands_in_the_secret() {
    let template = Template::default();
    let secret = render(&Content {
        head_url: Some(HEAD_URL),
        ca_bundle: Some("-----BEGIN CERTIFICATE-----\n"),
        expires_at: at(NOON) + SignedDuration::from_millis(999),
        ..content(Method::Get, &[], &template)
    })
    .unwrap();
    let keys: Vec<&str> = secret.data.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "action.json",
            "ca.crt",
            "curl.conf",
            "expires-at",
            "head-url",
            "headers",
            "method",
            "url"
        ]
    );
    assert_eq!(file(&secret, "url"), URL);
    assert_eq!(file(&secret, "head-url"), HEAD_URL);
    assert_eq!(file(&secret, "method"), "GET");
    assert_eq!(file(&secret, "expires-at"), "2026-11-21T12:00:00Z");
    assert_eq!(file(&secret, "headers"), "");
    assert_eq!(file(&secret, "ca.crt"), "-----BEGIN CERTIFICATE-----\n");
    assert_eq!(
        file(&secret, "curl.conf"),
        "url = \"https://s3.example.com/b/k?X-Amz-Signature=s3cr3t\"\n\
         request = \"GET\"\n\
         fail\nshow-error\ngloboff\npath-as-is\nretry = 3\n"
    );
    assert_eq!(
        file(&secret, "action.json"),
        "{\"href\":\"https://s3.example.com/b/k?X-Amz-Signature=s3cr3t\",\"method\":\"GET\",\"header\":{},\
         \"expires_at\":\"2026-11-21T12:00:00Z\"}"
    );
    assert_eq!(
        secret.labels,
        map([
            ("presigned.dev/managed-by", "presigned-url-operator"),
            ("velero.io/exclude-from-backup", "true"),
        ])
    );
    assert_eq!(
        secret.annotations,
        map([
            ("presigned.dev/expires-at", "2026-11-21T12:00:00Z"),
            ("presigned.dev/presigned-url", "web"),
            ("reloader.stakater.com/ignore", "true"),
        ])
    );
}

#[test]
fn the_charts_fence_lets_the_operators_own_keys_through_whatever_an_installation_reserves() {
    let template = template([("a", "b")], [("c", "d")]);
    let secret = render(&content(Method::Get, &[], &template)).unwrap();
    let fence = include_str!(
        "../../../../../../charts/presigned-url-operator/templates/admission-policy.yaml"
    );
    let keys = secret.labels.keys().chain(secret.annotations.keys());
    for key in keys.filter(|key| key.contains('/')) {
        assert!(fence.contains(&format!("'{key}'")), "{key}");
    }
}

#[test]
fn an_upload_as_it_stands_in_the_secret() {
    let headers = headers([
        ("content-length", "5"),
        ("content-type", "text/plain"),
        ("x-amz-meta-note", r#"say "hi" \n"#),
    ]);
    let secret = render(&content(Method::Put, &headers, &Template::default())).unwrap();
    let keys: Vec<&str> = secret.data.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "action.json",
            "curl.conf",
            "expires-at",
            "headers",
            "method",
            "url"
        ]
    );
    assert_eq!(
        file(&secret, "headers"),
        "content-length: 5\ncontent-type: text/plain\nx-amz-meta-note: say \"hi\" \\n\n"
    );
    assert_eq!(
        file(&secret, "curl.conf"),
        "url = \"https://s3.example.com/b/k?X-Amz-Signature=s3cr3t\"\n\
         request = \"PUT\"\n\
         header = \"content-type: text/plain\"\n\
         header = \"x-amz-meta-note: say \\\"hi\\\" \\\\n\"\n\
         fail\nshow-error\ngloboff\npath-as-is\nretry = 3\n"
    );
}

#[test]
fn head_and_delete_name_their_method() {
    let template = Template::default();
    let head = render(&content(Method::Head, &[], &template)).unwrap();
    assert!(file(&head, "curl.conf").contains("\nhead\n"));
    assert!(!file(&head, "curl.conf").contains("request"));
    assert_eq!(file(&head, "method"), "HEAD");
    let delete = render(&content(Method::Delete, &[], &template)).unwrap();
    assert!(file(&delete, "curl.conf").contains("request = \"DELETE\"\n"));
}

#[test]
fn the_template_overrules_defaults_and_its_keys_are_remembered() {
    let template = template(
        [("app", "web"), ("velero.io/exclude-from-backup", "false")],
        [("note", "x"), ("reloader.stakater.com/ignore", "false")],
    );
    let secret = render(&content(Method::Get, &[], &template)).unwrap();
    assert_eq!(
        secret.labels,
        map([
            ("app", "web"),
            ("presigned.dev/managed-by", "presigned-url-operator"),
            ("velero.io/exclude-from-backup", "false"),
        ])
    );
    assert_eq!(secret.annotations["reloader.stakater.com/ignore"], "false");
    assert_eq!(secret.annotations["note"], "x");
    assert_eq!(
        secret.annotations["presigned.dev/template-keys"],
        "label=app,label=velero.io/exclude-from-backup,annotation=note,\
         annotation=reloader.stakater.com/ignore"
    );
}

#[test]
fn the_same_content_renders_the_same_bytes_and_another_url_another_hash() {
    let template = Template::default();
    let one = content(Method::Get, &[], &template);
    let secret = render(&one).unwrap();
    assert_eq!(secret, render(&one).unwrap());
    let entries = secret.data.iter().map(|(k, v)| (k.as_str(), v.expose()));
    assert_eq!(secret.data_hash(), data_hash(entries));
    let other = render(&Content {
        url: HEAD_URL,
        ..one
    })
    .unwrap();
    assert_ne!(secret.data_hash(), other.data_hash());
}

#[test]
fn a_header_that_is_not_one_line_is_never_written() {
    for (name, value) in [
        ("x-amz-meta-a", "one\nx-amz-acl: public-read"),
        ("x-amz-meta-a", "one\r\ntwo"),
        ("x-amz-meta-a", "one\rtwo"),
        ("x-amz-meta-a", "nul\0"),
        ("x-amz-meta-a", "tab\t"),
        ("x-amz-meta-a", "ü"),
        ("x-amz-meta-a", "\u{2028}"),
        ("x-amz-meta-a", " around"),
        ("x-amz-meta-a", "around "),
        ("", "v"),
        ("a b", "v"),
        ("a:", "v"),
        ("a\n", "v"),
        ("@/etc/passwd", "v"),
        ("a\"", "v"),
        ("a\\", "v"),
        ("ä", "v"),
    ] {
        let template = Template::default();
        let headers = headers([("x-ok", "1"), (name, value)]);
        let refused = render(&content(Method::Put, &headers, &template));
        assert_eq!(refused, Err(RenderError::Header), "{name:?} {value:?}");
    }
}

#[test]
fn a_url_that_is_none_is_never_written() {
    let template = Template::default();
    for url in [
        "",
        "https://h/a b",
        "https://h/\n",
        "https://h/ä",
        "https://h/\0",
        "\u{7f}",
    ] {
        let one = content(Method::Get, &[], &template);
        assert_eq!(render(&Content { url, ..one }), Err(RenderError::Url));
        let head_url = Some(url);
        assert_eq!(render(&Content { head_url, ..one }), Err(RenderError::Url));
    }
}

#[test]
fn what_does_not_fit_is_refused_with_its_size_and_nothing_is_cut_off() {
    let template = Template::default();
    let one = content(Method::Get, &[], &template);
    let used: usize = render(&one)
        .unwrap()
        .data
        .values()
        .map(|v| v.expose().len())
        .sum();
    let full = "x".repeat(SECRET_LIMIT - used);
    let fits = render(&Content {
        ca_bundle: Some(&full),
        ..one
    })
    .unwrap();
    assert_eq!(file(&fits, "ca.crt"), full);
    let more = format!("{full}x");
    let refused = render(&Content {
        ca_bundle: Some(&more),
        ..one
    })
    .unwrap_err();
    assert_eq!(
        refused,
        RenderError::TooLarge {
            bytes: SECRET_LIMIT + 1
        }
    );
    assert!(
        refused
            .to_string()
            .contains("1048577 bytes, and a Secret holds 1048576")
    );
}

#[test]
fn no_debug_and_no_error_shows_a_url() {
    let template = Template::default();
    let headers = headers([("x-amz-meta-a", "s3cr3t")]);
    let one = Content {
        head_url: Some(HEAD_URL),
        ..content(Method::Get, &headers, &template)
    };
    let secret = render(&one).unwrap();
    let bad = render(&Content {
        url: "s3cr3t\n",
        ..one
    })
    .unwrap_err();
    for shown in [
        format!("{one:?}"),
        format!("{secret:?}"),
        format!("{bad:?} {bad}"),
    ] {
        for hidden in ["s3cr3t", "h34d", "https", "Amz"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
    assert!(format!("{secret:?}").contains("redacted"));
}

/// Reads a line of curl's configuration as its manual says: the option, and the value within quotes.
pub(super) fn read_by_curl(line: &str) -> (String, String) {
    let Some((option, rest)) = line.split_once(" = ") else {
        return (line.to_owned(), String::new());
    };
    let Some(rest) = rest.strip_prefix('"') else {
        return (option.to_owned(), rest.to_owned());
    };
    let (mut value, mut chars) = (String::new(), rest.chars());
    loop {
        match chars.next() {
            Some('\\') => match chars.next().unwrap() {
                't' => value.push('\t'),
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                'v' => value.push('\u{b}'),
                other => value.push(other),
            },
            Some('"') => break,
            other => value.push(other.unwrap()),
        }
    }
    assert_eq!(chars.as_str(), "", "nothing stands after the quotation");
    (option.to_owned(), value)
}

proptest! {
    #[test]
    fn what_curl_reads_is_what_was_signed(
        path in "[!-~]{1,60}",
        values in proptest::collection::vec("[!-~]([ -~]{0,20}[!-~])?", 0..6),
    ) {
        let template = Template::default();
        let headers: Vec<(String, String)> = values.iter().enumerate()
            .map(|(n, value)| (format!("x-amz-meta-{n}"), value.clone())).collect();
        let one = Content { url: &path, ..content(Method::Put, &headers, &template) };
        let secret = render(&one).unwrap();
        let lines: Vec<(String, String)> = file(&secret, "curl.conf").lines().map(read_by_curl).collect();
        let mut expected = vec![("url".to_owned(), path.clone()), ("request".to_owned(), "PUT".to_owned())];
        expected.extend(headers.iter().map(|(name, value)| ("header".to_owned(), format!("{name}: {value}"))));
        prop_assert_eq!(&lines[..expected.len()], &expected[..]);
        prop_assert_eq!(lines.len(), expected.len() + 5);
        let action: serde_json::Value = serde_json::from_str(file(&secret, "action.json")).unwrap();
        prop_assert_eq!(&action["href"], &path);
        prop_assert_eq!(&action["method"], "PUT");
        prop_assert_eq!(action["header"].as_object().unwrap().len(), headers.len());
        for (name, value) in &headers {
            prop_assert_eq!(&action["header"][name], value);
        }
        let text = file(&secret, "headers");
        let read: Vec<(String, String)> = text.lines()
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        prop_assert_eq!(read, headers);
        prop_assert!(text.is_empty() || text.ends_with('\n'));
    }

    #[test]
    fn whatever_a_value_holds_it_makes_no_second_line(value in any::<String>()) {
        let template = Template::default();
        let headers = vec![("x-amz-meta-a".to_owned(), value)];
        if let Ok(secret) = render(&content(Method::Put, &headers, &template)) {
            prop_assert_eq!(file(&secret, "headers").lines().count(), 1);
            prop_assert_eq!(file(&secret, "curl.conf").lines().count(), 8);
        }
    }
}
