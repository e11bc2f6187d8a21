//! Each namespace's share of what is kept in memory.
//!
//! What holds here:
//! - The PresignedURLs of a namespace are kept in the order of their creation, as many as its share takes. A
//!   restart sees them in another order and finds the same ones within.
//! - What lies beyond is counted and not kept, so one namespace takes what it may and a little for each
//!   resource, whatever its tenants make.
//! - A change looks at the resources that it moves across the border, and at no others.

use std::collections::BTreeMap;

use crate::engine::protocol::{PresignedUrlSeen, Uid};

/// What is kept of an ordinary resource beside its spec, in bytes: `tests/memory.rs` measures it.
const BESIDE_THE_SPEC: usize = 3 * 1024;

/// The shares of all namespaces.
#[derive(Debug)]
pub(in crate::engine) struct Shares {
    most: usize,
    namespaces: BTreeMap<String, Share>,
}

/// When a resource was created, and what distinguishes it from others of that second.
type Age = (i64, Uid);

/// Who is kept of one namespace.
#[derive(Debug, Default)]
struct Share {
    within: BTreeMap<Age, usize>,
    /// Each of them is younger than all within.
    beyond: BTreeMap<Age, usize>,
    /// Of those within.
    bytes: usize,
}

impl Default for Shares {
    fn default() -> Self {
        Self::of(usize::MAX)
    }
}

impl Shares {
    /// No resource is known; each namespace may take so many bytes.
    pub(in crate::engine) const fn of(most: usize) -> Self {
        Self {
            most,
            namespaces: BTreeMap::new(),
        }
    }

    /// Counts a resource, or counts it anew. Returns those that it moved across the border.
    pub(in crate::engine) fn put(&mut self, seen: &PresignedUrlSeen) -> Vec<Uid> {
        let age = (seen.created_at, seen.uid.clone());
        let share = self.namespaces.entry(seen.namespace.clone()).or_default();
        share.take(&age);
        let first_beyond = share.beyond.first_key_value();
        if first_beyond.is_some_and(|(first, _)| *first < age) {
            share.beyond.insert(age, kept(seen));
        } else {
            let bytes = kept(seen);
            share.bytes = share.bytes.saturating_add(bytes);
            share.within.insert(age, bytes);
        }
        share.settle(self.most)
    }

    /// A resource is gone. Returns those that are within now.
    pub(in crate::engine) fn remove(&mut self, seen: &PresignedUrlSeen) -> Vec<Uid> {
        let Some(share) = self.namespaces.get_mut(&seen.namespace) else {
            return Vec::new();
        };
        share.take(&(seen.created_at, seen.uid.clone()));
        let moved = share.settle(self.most);
        if share.within.is_empty() && share.beyond.is_empty() {
            self.namespaces.remove(&seen.namespace);
        }
        moved
    }

    /// Whether a resource lies beyond the share of its namespace.
    pub(in crate::engine) fn is_beyond(&self, seen: &PresignedUrlSeen) -> bool {
        self.namespaces
            .get(&seen.namespace)
            .filter(|share| !share.beyond.is_empty())
            .is_some_and(|share| {
                let age = (seen.created_at, seen.uid.clone());
                share.beyond.contains_key(&age)
            })
    }
}

impl Share {
    fn take(&mut self, age: &Age) {
        if let Some(bytes) = self.within.remove(age) {
            self.bytes -= bytes;
        }
        self.beyond.remove(age);
    }

    /// Moves the border to where it belongs. Returns the resources that it passed.
    fn settle(&mut self, most: usize) -> Vec<Uid> {
        let mut moved = Vec::new();
        while self.bytes > most
            && let Some((age, bytes)) = self.within.pop_last()
        {
            self.bytes -= bytes;
            moved.push(age.1.clone());
            self.beyond.insert(age, bytes);
        }
        while let Some(first) = self.beyond.first_entry()
            && self.bytes.saturating_add(*first.get()) <= most
        {
            let (age, bytes) = first.remove_entry();
            self.bytes += bytes;
            moved.push(age.1.clone());
            self.within.insert(age, bytes);
        }
        moved
    }
}

/// About what a resource takes while it is kept: its spec as JSON has about as many bytes as in memory.
fn kept(seen: &PresignedUrlSeen) -> usize {
    let mut counter = Counter(0);
    if let Ok(spec) = &seen.spec {
        // A spec always serializes, and the counter takes everything.
        let _ = serde_json::to_writer(&mut counter, spec);
    }
    BESIDE_THE_SPEC + counter.0
}

/// Counts what is written.
struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    //! Who lies within.

    use super::*;

    /// A resource of this second and name whose key has so many bytes.
    fn seen(second: i64, name: &str, bytes: usize) -> PresignedUrlSeen {
        let spec = serde_json::json!({ "bucket": "models", "key": "x".repeat(bytes) });
        PresignedUrlSeen {
            uid: name.into(),
            namespace: "team-a".to_owned(),
            name: name.to_owned(),
            resource_version: "1".to_owned(),
            created_at: second,
            generation: 1,
            deleting: false,
            renew_request: None,
            spec: serde_json::from_value(spec).map_err(|error| error.to_string()),
            status: Box::default(),
        }
    }

    fn names(uids: &[Uid]) -> Vec<String> {
        uids.iter().map(ToString::to_string).collect()
    }

    const MIB: usize = 1024 * 1024;

    #[test]
    fn the_oldest_are_within_in_whatever_order_they_are_seen() {
        let all = [
            seen(1, "a", MIB),
            seen(2, "b", MIB),
            seen(3, "c", MIB),
            seen(3, "d", 10),
        ];
        for first in 0..all.len() {
            let mut shares = Shares::of(3 * MIB);
            for at in 0..all.len() {
                shares.put(&all[(first + at) % all.len()]);
            }
            let beyond = all.iter().filter(|seen| shares.is_beyond(seen));
            let beyond: Vec<_> = beyond.map(|seen| seen.name.as_str()).collect();
            assert_eq!(beyond, ["c", "d"], "seen from {first} on");
        }
    }

    #[test]
    fn who_goes_or_grows_moves_the_border_by_those_that_are_named() {
        let mut shares = Shares::of(3 * MIB);
        let [a, b, c] = [seen(1, "a", MIB), seen(2, "b", MIB), seen(3, "c", MIB / 2)];
        for one in [&a, &b, &c] {
            assert_eq!(shares.put(one), []);
        }
        assert_eq!(names(&shares.put(&seen(1, "a", 2 * MIB))), ["c", "b"]);
        assert!(shares.is_beyond(&b) && shares.is_beyond(&c));
        assert_eq!(names(&shares.put(&seen(1, "a", MIB + 3 * MIB / 4))), ["b"]);
        assert_eq!(names(&shares.remove(&a)), ["c"]);
        for one in [&b, &c] {
            assert!(!shares.is_beyond(one));
            shares.remove(one);
        }
        assert!(shares.namespaces.is_empty());
    }

    #[test]
    fn what_fills_the_share_to_the_last_byte_lies_within() {
        let [a, b] = [seen(1, "a", MIB), seen(2, "b", MIB)];
        for (most, beyond) in [
            (kept(&a) + kept(&b), false),
            (kept(&a) + kept(&b) - 1, true),
        ] {
            let mut shares = Shares::of(most);
            for one in [&a, &b] {
                shares.put(one);
            }
            assert!(!shares.is_beyond(&a));
            assert_eq!(shares.is_beyond(&b), beyond);
        }
    }

    #[test]
    fn a_namespace_takes_nothing_from_another() {
        let mut shares = Shares::of(2 * MIB);
        shares.put(&seen(1, "a", 4 * MIB));
        let other = PresignedUrlSeen {
            namespace: "team-b".to_owned(),
            ..seen(2, "b", MIB)
        };
        assert_eq!(shares.put(&other), []);
        assert!(!shares.is_beyond(&other));
    }

    #[test]
    fn a_resource_counts_at_least_what_is_kept_of_each() {
        let mut shares = Shares::of(BESIDE_THE_SPEC * 10);
        for at in 0..20 {
            shares.put(&seen(at, &format!("r{at:02}"), 1));
        }
        let share = &shares.namespaces["team-a"];
        assert_eq!((share.within.len(), share.beyond.len()), (9, 11));
    }
}
