//! `status --watch`: each change, until its reader stops it.
//!
//! What holds here: what happens while nobody answers is not lost. A watch begins again from the version that
//! it has come to. If the API server does not have that version any more, all are listed once, and what differs
//! from what was shown is printed, deletions among it.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use anyhow::Context as _;
use futures::TryStreamExt as _;
use kube::ResourceExt as _;
use kube::api::{WatchEvent, WatchParams};
use tokio::time::timeout;

use super::columns::Columns;
use crate::clock::Clock;
use crate::plugin::cluster::{Session, failure, name_kind, passes};
use crate::plugin::flags::Format;
use crate::plugin::found::Found;
use crate::plugin::output;
use crate::plugin::page::key;

/// The pauses before a watch begins again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// How long a list, and the beginning of a watch, may take.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a watch may say nothing: the API server is asked to end it after 290 seconds.
const SILENCE: Duration = Duration::from_mins(5);

/// A watch, and what it has shown.
pub struct Follow<'a> {
    /// The one resource that is watched; `None` for all.
    name: Option<&'a str>,
    session: &'a Session,
    scope: Option<&'a str>,
    format: Format,
    columns: Columns,
    /// Each resource as it was shown, and what of it does not change by the hour alone.
    shown: BTreeMap<String, (Found, Vec<String>)>,
    /// The version to go on from; `None` if all must be listed first.
    version: Option<String>,
    /// Whether something came since the last break.
    heard: bool,
}

impl<'a> Follow<'a> {
    /// Begins with what a list has shown.
    pub fn new(
        name: Option<&'a str>,
        session: &'a Session,
        scope: Option<&'a str>,
        format: Format,
        columns: Columns,
        (found, version): (Vec<Found>, String),
    ) -> Self {
        let shown = found.into_iter();
        let shown = shown.map(|one| (key(&one), (columns.stable(&one), one)));
        Self {
            name,
            session,
            scope,
            format,
            shown: shown
                .map(|(key, (stable, one))| (key, (one, stable)))
                .collect(),
            columns,
            version: Some(version),
            heard: false,
        }
    }

    /// Prints each change, for ever.
    ///
    /// # Errors
    /// If the API server refuses, or stdout cannot be written. What passes by itself is waited for.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let mut pause = FIRST_PAUSE;
        let mut is_told = false;
        loop {
            let ended = self.step().await;
            if ended.is_ok() || std::mem::take(&mut self.heard) {
                (pause, is_told) = (FIRST_PAUSE, false);
            }
            if let Err(error) = ended {
                let error = error.downcast::<kube::Error>()?;
                let why = failure(&error, "watch", "presignedurls");
                if !passes(&error) {
                    return Err(why.into());
                }
                if !is_told {
                    eprintln!("{why}; it is tried again until you stop it");
                    is_told = true;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// Lists if that is needed, and watches until the watch ends.
    async fn step(&mut self) -> anyhow::Result<()> {
        let version = match self.version.take() {
            Some(version) => version,
            None => self.catch_up().await?,
        };
        match self.watch(version).await {
            Err(error) if is_expired(&error) => {
                self.version = None;
                Ok(())
            }
            ended => ended,
        }
    }

    /// Lists all, and prints what differs: the version of the list.
    async fn catch_up(&mut self) -> anyhow::Result<String> {
        let (found, version) = answer(self.session.list_once(self.scope)).await?;
        let uids: BTreeMap<String, Option<String>> =
            found.iter().map(|one| (key(one), one.uid())).collect();
        let is_gone = |(key, (one, _)): &(&String, &(Found, Vec<String>))| {
            uids.get(*key).is_none_or(|uid| *uid != one.uid())
        };
        let gone = self.shown.iter().filter(is_gone);
        let gone: Vec<Found> = gone.map(|(_, (one, _))| one.clone()).collect();
        for one in gone {
            self.tell(one, true)?;
        }
        for one in found {
            self.tell(one, false)?;
        }
        Ok(version)
    }

    /// Prints each change from a version on. The version moves on with them, whatever ends the watch.
    async fn watch(&mut self, version: String) -> anyhow::Result<()> {
        let api = self.session.presigned_urls(self.scope);
        let params = WatchParams::default();
        let from = self.version.insert(version).clone();
        let changes = answer(api.watch(&params, &from)).await?;
        let mut changes = Box::pin(changes);
        loop {
            let event = timeout(SILENCE, changes.try_next()).await;
            let Some(event) = event.unwrap_or_else(|_| Err(silence()))? else {
                return Ok(());
            };
            let (mut one, is_gone) = match event {
                WatchEvent::Added(one) | WatchEvent::Modified(one) => (one, false),
                WatchEvent::Deleted(one) => (one, true),
                WatchEvent::Bookmark(mark) => {
                    self.heard = true;
                    self.version = Some(mark.metadata.resource_version);
                    continue;
                }
                WatchEvent::Error(status) => return Err(kube::Error::Api(status).into()),
            };
            self.heard = true;
            if let Some(version) = one.resource_version() {
                self.version = Some(version);
            }
            name_kind(&mut one);
            self.tell(one, is_gone)?;
        }
    }

    /// Prints a change, if it is one.
    fn tell(&mut self, one: Found, is_gone: bool) -> anyhow::Result<()> {
        let (key, stable) = (key(&one), self.columns.stable(&one));
        let known = self.shown.get(&key);
        let is_known = !is_gone && known.is_some_and(|(_, before)| *before == stable);
        let is_other = self.name.is_some_and(|name| name != one.name_any());
        if is_known || is_other {
            return Ok(());
        }
        output::print(&match self.format {
            Format::Table | Format::Wide => {
                let now = Clock::start().wall();
                let text = self.columns.change(&one, is_gone, now, output::colours());
                format!("{} {text}", now.strftime("%H:%M:%SZ"))
            }
            Format::Json => serde_json::to_string(&one).context("JSON")? + "\n",
            Format::Yaml => format!("---\n{}", output::yaml(&one)?),
        })?;
        if is_gone {
            self.shown.remove(&key);
        } else {
            self.shown.insert(key, (one, stable));
        }
        Ok(())
    }
}

/// Whether the API server does not have the version any more.
fn is_expired(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<kube::Error>();
    matches!(error, Some(kube::Error::Api(status)) if status.code == 410)
}

/// An answer, or that none came.
async fn answer<T>(asked: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    let answered = timeout(ANSWER, asked).await;
    answered.unwrap_or_else(|_| Err(silence()))
}

fn silence() -> kube::Error {
    kube::Error::ReadEvents(io::Error::new(io::ErrorKind::TimedOut, "it says nothing"))
}
