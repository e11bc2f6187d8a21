//! `whois`: where a leaked URL came from, by what it says of itself.

mod matching;
mod signed;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use kube::ResourceExt as _;
use presigned_core::api::ClusterObjectStoreSpec;
use serde_json::{Value, json};

use self::matching::{Sure, fits};
use self::signed::SignedUrl;
use super::cluster::Session;
use super::exit::{Exit, Failure};
use super::explain::session_of;
use super::flags::{Flags, Format};
use super::found::{Found, cannot_read};
use super::output::{self, Cell, Colour, Table};
use super::page::store_of;
use super::words::from_now;
use crate::clock::Clock;

/// Find the PresignedURL, the store and the session that a leaked URL came from
///
/// Compares the URL's address, key, date and credential scope with the resources and what their statuses
/// record; no Secret is read. The URL need not be whole: without its signature it is found as well. All
/// namespaces are searched if you may list them, and stores are compared if you may read them.
///
///   pbpaste | kubectl presigned whois -
///
/// A URL as an argument stands in the shell's history and in the list of processes; on stdin (-) it does not.
///
/// certain: its date is that of what the Secret holds now. likely: of an earlier revision. possible: the object
/// fits, and the times do not, or the store is not known.
///
/// Exit codes: 0 one was found; 1 none fits, or it is no URL; 3 the resources cannot be read.
#[derive(Args, Clone, Debug)]
#[command(verbatim_doc_comment)]
pub struct WhoisArgs {
    /// The URL, or - for stdin.
    #[arg(value_name = "URL")]
    url: String,
}

/// A resource that fits.
struct Match {
    found: Found,
    store: String,
    session: Option<String>,
    sure: Sure,
    why: String,
}

impl WhoisArgs {
    /// Runs the command.
    pub async fn run(self, flags: &Flags) -> anyhow::Result<Exit> {
        let url = SignedUrl::read(&self.text()?).map_err(Failure::no)?;
        let session = Session::open(flags).await?;
        let (found, everywhere) = match session.list(None).await {
            Ok((found, _)) => (found, true),
            Err(_) => (session.list(Some(&session.namespace)).await?.0, false),
        };
        let stores = session.stores().await;
        let mut notes = Vec::new();
        if !everywhere {
            notes.push(format!(
                "only namespace {} was searched: you may not list the others",
                session.namespace
            ));
        }
        if let Err(why) = &stores {
            notes.push(format!("stores were not compared: {}", why.message));
        }
        if !url.is_presigned() {
            notes.push(
                "the URL has no X-Amz-Credential and X-Amz-Date, so its address alone was compared"
                    .to_owned(),
            );
        }
        let stores: BTreeMap<String, ClusterObjectStoreSpec> = stores
            .unwrap_or_default()
            .into_iter()
            .filter_map(|store| match serde_json::from_value(store.spec.clone()) {
                Ok(spec) => Some((store.name_any(), spec)),
                Err(why) => {
                    let (name, why) = (store.name_any(), cannot_read(&why.to_string()));
                    notes.push(format!("the store {name} was not compared: {why}"));
                    None
                }
            })
            .collect();
        let mut matches: Vec<Match> = found
            .into_iter()
            .filter_map(|found| fit(&url, found, &stores))
            .collect();
        matches.sort_by_key(|one| std::cmp::Reverse(one.sure));
        let now = Clock::start().wall();
        let text = match flags.output {
            Format::Json => output::json(&value(&url, &matches, &notes))?,
            Format::Yaml => output::yaml(&value(&url, &matches, &notes))?,
            Format::Table | Format::Wide => text(&url, &matches, &notes, now),
        };
        output::print(&text)?;
        Ok(if matches.is_empty() {
            Exit::No
        } else {
            Exit::Done
        })
    }

    fn text(&self) -> anyhow::Result<String> {
        if self.url != "-" {
            if self.url.to_lowercase().contains("x-amz-signature=") {
                eprintln!(
                    "The URL now stands in the shell's history and stood in the list of processes: next time pipe it to \
                     kubectl presigned whois -"
                );
            }
            return Ok(self.url.clone());
        }
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("stdin cannot be read")?;
        Ok(text)
    }
}

fn fit(
    url: &SignedUrl,
    found: Found,
    stores: &BTreeMap<String, ClusterObjectStoreSpec>,
) -> Option<Match> {
    let store = store_of(&found).to_owned();
    let spec = stores.get(&store);
    // If stores can be read, one that is not there signed nothing that can be compared.
    let (sure, why) = fits(url, &found, &store, spec)?;
    Some(Match {
        session: spec.and_then(|spec| session_of(spec, &store, &found)),
        found,
        store,
        sure,
        why,
    })
}

/// Who signed it, as far as the key's ID says.
fn signer(url: &SignedUrl) -> Option<String> {
    let id = url.access_key_id.as_ref()?;
    let kind = match (id.get(..4), url.session) {
        (Some("ASIA"), _) | (_, true) => "a session's",
        (Some("AKIA"), _) => "a key that does not expire by itself",
        _ => "of a server that is not AWS",
    };
    Some(format!("{id} ({kind})"))
}

fn text(url: &SignedUrl, matches: &[Match], notes: &[String], now: Timestamp) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(text, "{name:<12}{}", output::printable(&value));
        }
    };
    line("host", Some(url.host.clone()));
    line("path", Some(url.path.clone()));
    line(
        "signed",
        url.signed_at
            .map(|at| format!("{at} ({})", from_now(at, now))),
    );
    let ended = |end: Timestamp| if end <= now { "expired" } else { "lives" };
    line(
        "until",
        url.expires_at
            .map(|end| format!("{end} ({}, {})", ended(end), from_now(end, now))),
    );
    line("access key", signer(url));
    line("region", url.region.clone());
    line(
        "headers",
        url.headers.clone().filter(|headers| headers != "host"),
    );
    text.push('\n');
    if matches.is_empty() {
        text.push_str(
            "No PresignedURL fits. It may be deleted, or the URL is not of this cluster: look for the access key and the \
             time in the audit log of the S3 side.\n",
        );
    } else {
        let mut table = Table::new(vec!["NAMESPACE", "NAME", "STORE", "SESSION", "SURE", "WHY"]);
        for one in matches {
            let colour = match one.sure {
                Sure::Certain => Colour::Green,
                Sure::Likely => Colour::Yellow,
                Sure::Possible => Colour::Plain,
            };
            table.row(vec![
                one.found.namespace().unwrap_or_default().into(),
                one.found.name_any().into(),
                one.store.clone().into(),
                one.session.clone().unwrap_or_default().into(),
                Cell::coloured(one.sure.word(), colour),
                one.why.clone().into(),
            ]);
        }
        text.push_str(&table.render(output::colours()));
        if let Some(first) = matches.first() {
            let (namespace, name) = (
                first.found.namespace().unwrap_or_default(),
                first.found.name_any(),
            );
            let _ = writeln!(
                text,
                "\nTo end it: kubectl presigned revoke {name} -n {namespace}"
            );
        }
    }
    for note in notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

fn value(url: &SignedUrl, matches: &[Match], notes: &[String]) -> Value {
    let matches: Vec<Value> = matches
        .iter()
        .map(|one| {
            json!({ "namespace": one.found.namespace(), "name": one.found.name_any(), "store": one.store,
                "session": one.session, "sure": one.sure.word(), "why": one.why })
        })
        .collect();
    json!({ "host": url.host, "path": url.path, "signedAt": url.signed_at, "expiresAt": url.expires_at,
        "accessKeyID": url.access_key_id, "region": url.region, "matches": matches, "notes": notes })
}
