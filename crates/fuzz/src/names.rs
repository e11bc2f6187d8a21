//! Names and durations: the parsers accept what an independent statement of the rules accepts.

use presigned_core::request::{Key, Prefix, format_duration, parse_duration};

use crate::is_a_sentence;

pub(super) const SEEDS: &[&str] = &[
    "models/a.bin",
    "a/../b",
    "./a",
    "a//b",
    "/a",
    "a/",
    "${filename}",
    "a\nb",
    "é/\u{2028}",
];

pub(super) fn key(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Key::parse(&text) {
        Ok(key) => {
            assert_eq!(key.as_str(), text);
            assert!((1..=1024).contains(&text.len()));
            assert!(!text.starts_with('/') && !text.ends_with('/') && !text.contains("//"));
            assert!(!text.contains("${") && !text.chars().any(char::is_control));
            let padded = format!("/{text}/");
            assert!(!padded.contains("/./") && !padded.contains("/../"));
            assert_eq!(
                Prefix::parse(&text).unwrap().as_str(),
                text,
                "a key is a prefix"
            );
        }
        Err(refused) => is_a_sentence(&refused.to_string()),
    }
}

pub(super) fn prefix(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Prefix::parse(&text) {
        Ok(prefix) => {
            assert_eq!(prefix.as_str(), text);
            if text.len() < 1024 {
                let key = format!("{text}x");
                assert!(Key::parse(&key).is_ok(), "{key:?} begins with it");
            }
        }
        Err(refused) => is_a_sentence(&refused.to_string()),
    }
}

pub(super) fn duration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match parse_duration(&text) {
        Ok(duration) => {
            let written = format_duration(duration);
            assert_eq!(parse_duration(&written), Ok(duration), "{written}");
        }
        Err(refused) => is_a_sentence(&refused.to_string()),
    }
}
