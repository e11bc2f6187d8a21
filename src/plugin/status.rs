//! `status`: what was issued, until when, when it is renewed, and why it is not there.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Context as _;
use clap::Args;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{WatchEvent, WatchParams};
use presigned_core::api::{ConditionType, PresignedUrlStatus, condition};
use serde_json::json;

use super::cluster::{Session, failure, name_kind};
use super::exit::{Exit, Failure};
use super::flags::{Flags, Format};
use super::found::{Found, FoundStore};
use super::output::{self, Cell, Colour, Table};
use super::page::{credentials, key, page, store_of};
use super::words;
use crate::clock::Clock;

/// Show what was issued, until when it lives, when it is renewed, and why it is not there
///
/// Without a NAME: a table of the namespace, and below it why each resource that is not Ready is not, and what
/// fails of those that are. With one: all that its status says. -o wide has the store, its credentials, the
/// Secret and the verification besides; the credentials are shown to those who may read ClusterObjectStores. No
/// URL is shown: for that there is get.
///
/// Exit codes: 0 it was shown, whatever it says; 1 there is none of that name; 3 it cannot be read.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  kubectl presigned status
  kubectl presigned status model
  kubectl presigned status -A -o wide
  kubectl presigned status --watch")]
pub struct StatusArgs {
    /// The PresignedURL. Left out: all of the namespace.
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "name")]
    all_namespaces: bool,

    /// After the table, show each change until you stop it.
    #[arg(short = 'w', long)]
    watch: bool,
}

impl StatusArgs {
    /// Runs the command.
    pub async fn run(self, flags: &Flags) -> anyhow::Result<Exit> {
        let session = Session::open(flags).await?;
        let now = Clock::start().wall();
        let colours = output::colours();
        if let (Some(name), false) = (&self.name, self.watch) {
            let found = session.find(name).await?;
            let text = match flags.output {
                Format::Table | Format::Wide => {
                    let store = session.store(store_of(&found)).await;
                    page(&found, &store, now, colours)
                }
                Format::Json => output::json(&found)?,
                Format::Yaml => output::yaml(&found)?,
            };
            output::print(&text)?;
            return Ok(Exit::Done);
        }
        let scope = (!self.all_namespaces).then_some(session.namespace.as_str());
        if let Some(name) = &self.name {
            session.find(name).await?;
        }
        let (mut found, version) = session.list(scope).await?;
        found.retain(|one| self.shows(one));
        let columns = self.columns(&session, flags.output).await;
        match flags.output {
            Format::Table | Format::Wide => output::print(&columns.text(&found, now, colours))?,
            Format::Json => output::print(&output::json(&list(&found))?)?,
            Format::Yaml => output::print(&output::yaml(&list(&found))?)?,
        }
        if found.is_empty() && !self.watch {
            let place = scope.map_or("any namespace".to_owned(), |name| {
                format!("namespace {name}")
            });
            eprintln!("There is no PresignedURL in {place}.");
        }
        if self.watch {
            self.follow(&session, scope, flags, columns, (found, version))
                .await?;
        }
        Ok(Exit::Done)
    }

    fn shows(&self, one: &Found) -> bool {
        self.name
            .as_ref()
            .is_none_or(|name| *name == one.name_any())
    }

    async fn columns(&self, session: &Session, format: Format) -> Columns {
        let wide = format == Format::Wide;
        // Whoever may not read stores sees no credentials, and all else.
        let stores = if wide {
            session.stores().await
        } else {
            Ok(Vec::new())
        };
        let named = stores.unwrap_or_default().into_iter();
        Columns {
            namespaces: self.all_namespaces,
            wide,
            stores: named.map(|store| (store.name_any(), store)).collect(),
        }
    }

    /// Prints each change from a version on.
    async fn follow(
        &self,
        session: &Session,
        scope: Option<&str>,
        flags: &Flags,
        columns: Columns,
        (found, mut version): (Vec<Found>, String),
    ) -> anyhow::Result<()> {
        let api = session.presigned_urls(scope);
        let mut shown: BTreeMap<String, Vec<String>> = found
            .iter()
            .map(|one| (key(one), columns.stable(one)))
            .collect();
        let params = WatchParams::default();
        let failed = |error: &kube::Error| failure(error, "watch", "presignedurls");
        loop {
            let mut changes = match api.watch(&params, &version).await {
                Ok(changes) => Box::pin(changes),
                Err(kube::Error::Api(status)) if status.code == 410 => {
                    version = session.list(scope).await?.1;
                    continue;
                }
                Err(error) => return Err(failed(&error).into()),
            };
            while let Some(event) = changes.try_next().await.map_err(|error| failed(&error))? {
                let (mut one, gone) = match event {
                    WatchEvent::Added(one) | WatchEvent::Modified(one) => (one, false),
                    WatchEvent::Deleted(one) => (one, true),
                    WatchEvent::Bookmark(mark) => {
                        version = mark.metadata.resource_version;
                        continue;
                    }
                    WatchEvent::Error(status) if status.code == 410 => {
                        version = session.list(scope).await?.1;
                        break;
                    }
                    WatchEvent::Error(status) => {
                        return Err(Failure::unknown(format!(
                            "the API server ended the watch: {}",
                            status.message
                        ))
                        .into());
                    }
                };
                version = one.resource_version().unwrap_or(version);
                name_kind(&mut one);
                let stable = columns.stable(&one);
                if !self.shows(&one) || (!gone && shown.get(&key(&one)) == Some(&stable)) {
                    continue;
                }
                let text = match flags.output {
                    Format::Table | Format::Wide => {
                        let now = Clock::start().wall();
                        let text = columns.change(&one, gone, now, output::colours());
                        format!("{} {text}", now.strftime("%H:%M:%SZ"))
                    }
                    Format::Json => serde_json::to_string(&one).context("JSON")? + "\n",
                    Format::Yaml => format!("---\n{}", output::yaml(&one)?),
                };
                output::print(&text)?;
                shown.insert(key(&one), stable);
            }
        }
    }
}

fn list(found: &[Found]) -> serde_json::Value {
    json!({ "apiVersion": "v1", "kind": "List", "items": found })
}

/// Which columns there are.
struct Columns {
    namespaces: bool,
    wide: bool,
    stores: BTreeMap<String, FoundStore>,
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
        let status = one.status.clone().unwrap_or_default();
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
    fn stable(&self, one: &Found) -> Vec<String> {
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
    fn text(&self, found: &[Found], now: Timestamp, colours: bool) -> String {
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
    fn change(&self, one: &Found, gone: bool, now: Timestamp, colours: bool) -> String {
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
