//! Tables, properties and goldens of lives, schedules, hashes, owners and templates.

#![allow(clippy::unwrap_used, clippy::panic)]

mod hash;
mod life;
mod local;
mod merge;
mod ownership;
mod schedule;
mod template;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

/// 2026-11-21T12:00:00Z
pub(super) const NOON: i64 = 1_795_262_400;

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn hours(n: u64) -> Duration {
    secs(n * 3600)
}

pub(super) fn map<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
    entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
