//! The table of `status`, and the line of a change.
//!
//! What holds here: nothing is decided; a cell says what the status or the spec says.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use kube::ResourceExt as _;
use presigned_core::api::{ConditionType, PresignedUrlStatus, condition};

use crate::plugin::found::{Found, FoundStore};
use crate::plugin::output::{self, Cell, Colour, Table};
use crate::plugin::page::{credentials, key, store_of};
use crate::plugin::words;

/// Which columns there are.
pub struct Columns {
    /// Whether the namespace is one.
    pub namespaces: bool,
    /// Whether all are there.
    pub wide: bool,
    /// The stores that their reader may see.
    pub stores: BTreeMap<String, FoundStore>,
}

impl Columns {
    fn head(&self) -> Vec<&'static str> {
        let mut head = vec![
            "NAME", "READY", "REASON", "METHOD", "OBJECT", "EXPIRES", "RENEWS",
        ];
        if self.namespaces {
            head.insert(0, "NAMESPACE");
        }
        if self.wide {
            head.extend(["STORE", "CREDENTIALS", "SECRET", "REVISION", "VERIFIED"]);
        }
        head
    }

    fn row(&self, one: &Found, now: Timestamp) -> Vec<Cell> {
        let status = one.status.clone().unwrap_or_default().into_known();
        let state = words::state(one);
        let (ready, reason, colour) = state.cells();
        let time = |time: Option<Timestamp>| time.map(|time| words::from_now(time, now));
        let mut cells: Vec<Cell> = vec![
            one.name_any().into(),
            Cell::coloured(ready, colour),
            reason.into(),
            words::method(one).into(),
            words::objects(&one.spec).into(),
            Cell::coloured(
                time(status.expiration_time).unwrap_or_default(),
                expiry_colour(&status, now),
            ),
            renewal(one, &status, now).into(),
        ];
        if self.namespaces {
            cells.insert(0, one.namespace().unwrap_or_default().into());
        }
        if self.wide {
            let store = store_of(one);
            let known = self.stores.get(store);
            let verified = condition(&status.conditions, ConditionType::Verified);
            cells.extend::<[Cell; 5]>([
                store.into(),
                known.and_then(credentials).unwrap_or_default().into(),
                status
                    .secret_ref
                    .map(|secret| secret.name.into_string())
                    .unwrap_or_default()
                    .into(),
                status
                    .revision
                    .map(|revision| revision.to_string())
                    .unwrap_or_default()
                    .into(),
                verified
                    .map(|v| v.reason.to_string())
                    .unwrap_or_default()
                    .into(),
            ]);
        }
        cells
    }

    /// What of a row does not change by the hour alone.
    pub fn stable(&self, one: &Found) -> Vec<String> {
        let now = Timestamp::UNIX_EPOCH;
        let mut stable: Vec<String> = self
            .row(one, now)
            .iter()
            .map(|cell| cell.text().to_owned())
            .collect();
        stable.extend(words::troubles(one));
        stable
    }

    /// The table, and why what is not ready is not.
    pub fn text(&self, found: &[Found], now: Timestamp, colours: bool) -> String {
        if found.is_empty() {
            return String::new();
        }
        let mut table = Table::new(self.head());
        for one in found {
            table.row(self.row(one, now));
        }
        let mut text = table.render(colours);
        let troubles = found
            .iter()
            .flat_map(|one| words::troubles(one).into_iter().map(move |why| (one, why)));
        for (at, (one, why)) in troubles.enumerate() {
            if at == 0 {
                text.push('\n');
            }
            let _ = writeln!(text, "{}: {}", self.name(one), output::printable(&why));
        }
        text
    }

    fn name(&self, one: &Found) -> String {
        if self.namespaces {
            key(one)
        } else {
            one.name_any()
        }
    }

    /// One line for a change.
    pub fn change(&self, one: &Found, gone: bool, now: Timestamp, colours: bool) -> String {
        if gone {
            return format!("{}  deleted\n", self.name(one));
        }
        let cells = self.row(one, now);
        let words: Vec<String> = cells.iter().map(|cell| cell.paint(colours)).collect();
        let mut text = words.join("  ") + "\n";
        for why in words::troubles(one) {
            let _ = writeln!(text, "  {}", output::printable(&why));
        }
        text
    }
}

fn expiry_colour(status: &PresignedUrlStatus, now: Timestamp) -> Colour {
    match status.expiration_time {
        Some(end) if end <= now => Colour::Red,
        _ => Colour::Plain,
    }
}

fn renewal(one: &Found, status: &PresignedUrlStatus, now: Timestamp) -> String {
    match status.renewal_time {
        Some(time) => words::from_now(time, now),
        None if words::is_link(&one.spec) => "never".to_owned(),
        None if one.spec["suspend"] == true => "suspended".to_owned(),
        None => String::new(),
    }
}
