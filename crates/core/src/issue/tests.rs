//! Tables, properties and goldens of this room. The file for curl is proven by the real curl in `tests/curl_conf.rs`
//! and, that for a form, by `tests/form_uploads.rs`.

#![allow(clippy::unwrap_used, clippy::panic)]

mod hash;
mod life;
mod many;
mod merge;
mod ownership;
mod render;
mod render_form;
mod schedule;
mod template;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

/// 2026-11-21T12:00:00Z
const NOON: i64 = 1_795_262_400;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn hours(n: u64) -> Duration {
    secs(n * 3600)
}

fn map<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
    entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
