//! The files of a Secret: for any keys and headers, either their readers read back exactly these, or no file
//! was written.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use presigned_core::api::{Format, Method};
use presigned_core::issue::{
    BundleContent, Content, Item, RenderError, SecretContent, Template, render, render_bundle,
};

use crate::is_a_sentence;
use crate::readers::{aria2, curl};

const URL: &str = "https://h/b/k?X-Amz-Signature=00ff&x=%20{a,b}[1-3]\"\\";

/// Keys with NUL between, which is the one character that no test of S3 needs.
pub(super) const FILE_SEEDS: &[&str] = &[
    "a\0b/c\0b/d e",
    "a\0a/b",
    "a\0a.aria2",
    "-o x\0\" --output y\0end \0\\\0#\0=",
    "url = \"file:///etc/passwd\"\0\n out=../x\0\r\n",
    "/abs\0..\0a/../b\0\u{2028}",
];
/// Headers: name and value in turns, with NUL between.
pub(super) const HEADER_SEEDS: &[&str] = &[
    "content-type\0text/plain",
    "x-amz-meta-a\0\"\\\" --output x",
    "content-length\0\x35\0x-amz-meta-b\0",
    "x-amz-meta-c\0\\n\r\nurl = x",
];

fn file<'a>(secret: &'a SecretContent, name: &str) -> &'a str {
    std::str::from_utf8(secret.data[name].expose()).expect("text")
}

/// The values of an option of curl.
fn values<'a>(options: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    options
        .iter()
        .filter(|(n, _)| n == name)
        .map(|(_, value)| value.as_str())
        .collect()
}

pub(super) fn headers(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let parts: Vec<&str> = text.split('\0').collect();
    let headers: Vec<(String, String)> = parts
        .chunks_exact(2)
        .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
        .collect();
    let secret = match render(&Content {
        name: "one",
        method: Method::Put,
        url: URL,
        head_url: None,
        headers: &headers,
        expires_at: Timestamp::UNIX_EPOCH,
        ca_bundle: None,
        template: &Template::default(),
    }) {
        Ok(secret) => secret,
        Err(refused) => return is_a_sentence(&refused.to_string()),
    };
    let lines: Vec<String> = headers.iter().map(|(n, v)| format!("{n}: {v}")).collect();
    let shown = file(&secret, "headers");
    assert_eq!(shown.split_terminator('\n').collect::<Vec<_>>(), lines);

    let read = curl(file(&secret, "curl.conf"));
    assert_eq!(values(&read, "url"), [URL]);
    assert_eq!(values(&read, "request"), ["PUT"]);
    let sent: Vec<String> = headers
        .iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"))
        .map(|(name, value)| match value.as_str() {
            "" => format!("{name};"),
            value => format!("{name}: {value}"),
        })
        .collect();
    assert_eq!(values(&read, "header"), sent);
    assert_eq!(read.len(), 2 + sent.len() + 5, "and no option more");
}

/// Whether all can be files below one folder at once, with what a program writes beside each.
fn fit_into_a_folder(keys: &[&str], beside: &str) -> bool {
    let plain = |key: &&str| {
        !key.chars().any(|c| c.is_control() || c == '\\')
            && key
                .split('/')
                .all(|part| !matches!(part, "" | "." | "..") && part.len() <= 255)
            && key.rsplit('/').next().unwrap_or_default().len() + beside.len() <= 255
    };
    let mut taken: BTreeMap<String, bool> = BTreeMap::new();
    let mut files: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
    if !beside.is_empty() {
        files.extend(keys.iter().map(|key| format!("{key}{beside}")));
    }
    keys.iter().all(plain)
        && files.iter().all(|path| {
            let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
            folders
                .into_iter()
                .all(|folder| *taken.entry(folder.to_owned()).or_insert(true))
                && taken.insert(path.clone(), false).is_none()
        })
}

pub(super) fn files(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let keys: Vec<&str> = text.split('\0').collect();
    let items: Vec<Item<'_>> = keys
        .iter()
        .map(|key| Item {
            key,
            url: URL,
            size: Some(1),
            etag: Some(key),
        })
        .collect();
    let rendered = |method, format: Option<Format>| {
        let formats: BTreeSet<Format> = format.into_iter().collect();
        let secret = render_bundle(&BundleContent {
            name: "many",
            method,
            items: &items,
            headers: &[],
            formats: &formats,
            expires_at: Timestamp::UNIX_EPOCH,
            ca_bundle: None,
            template: &Template::default(),
        });
        if let Err(refused) = &secret {
            is_a_sentence(&refused.to_string());
        }
        match secret {
            Ok(secret) => Some(secret),
            Err(RenderError::Names(_)) => None,
            Err(RenderError::TooManyForSecret { objects, fit }) => {
                assert!(fit < objects && objects == items.len());
                None
            }
            Err(other) => panic!("{other}"),
        }
    };
    let small = data.len() < 100_000 && keys.len() < 1000;

    if let Some(secret) = rendered(Method::Get, Some(Format::UrlsTxt)) {
        assert_eq!(
            file(&secret, "urls.txt"),
            format!("{URL}\n").repeat(keys.len())
        );
        let read: Vec<BTreeMap<String, serde_json::Value>> =
            serde_json::from_str(file(&secret, "urls.json")).expect("JSON");
        let read: Vec<_> = read.iter().map(|o| o["key"].as_str().unwrap()).collect();
        assert_eq!(read, keys);
    } else {
        assert!(!small, "urls.json holds any key");
    }

    let paths: Vec<String> = keys.iter().map(|key| format!("./{key}")).collect();
    for (method, option) in [(Method::Get, "output"), (Method::Put, "upload-file")] {
        let secret = rendered(method, Some(Format::CurlConf));
        if small {
            assert_eq!(secret.is_some(), fit_into_a_folder(&keys, ""));
        }
        let Some(secret) = secret else { continue };
        let read = curl(file(&secret, "curl.conf"));
        assert_eq!(values(&read, "url"), vec![URL; keys.len()]);
        assert_eq!(values(&read, option), paths);
        let base = if method == Method::Get { 8 } else { 7 };
        assert_eq!(read.len(), base + 2 * keys.len(), "and no option more");
    }

    let secret = rendered(Method::Get, Some(Format::Aria2Txt));
    if small {
        let kept = keys.iter().all(|key| !key.ends_with(' '));
        assert_eq!(secret.is_some(), kept && fit_into_a_folder(&keys, ".aria2"));
    }
    if let Some(secret) = secret {
        let read = aria2(file(&secret, "aria2.txt"));
        let out: Vec<&str> = read.iter().flat_map(|(_, o)| values(o, "out")).collect();
        assert_eq!(out, paths);
        assert!(read.iter().all(|(urls, o)| *urls == [URL] && o.len() == 5));
    }
}
