//! `fetch`: all objects of a source become files, and with `--watch` stay in step with it.
//!
//! What holds here: the first object that fails for good ends the first round; what was fetched before stays,
//! and nothing of the others. Later rounds end for nothing but a signal: what fails is tried again in the next
//! one. A file is removed only if this process made it, and only with `--delete`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio_util::sync::CancellationToken;

use super::contents::{Contents, SignedUrl};
use super::download::{Fetched, fetch_one};
use super::error::{Error, Kind};
use super::plan::{Job, find, plan};
use super::progress::Progress;
use super::session::{Common, Session, all, attended, begin};
use crate::clock::Clock;

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// The file or folder.
    pub dest: PathBuf,
    /// How to stay in step; `None` ends after the first round.
    pub watch: Option<Watch>,
    /// The rest.
    pub common: Common,
}

/// How to stay in step.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// How long to wait between two readings of the source.
    pub every: Duration,
    /// Whether files go with their objects.
    pub delete: bool,
}

/// A file that this process made.
struct Known {
    target: PathBuf,
    /// The URL that it was fetched with.
    url: SignedUrl,
    /// The `ETag` that the list had, without quotes.
    listed: Option<String>,
    /// The `ETag` of the answer.
    etag: Option<HeaderValue>,
}

/// Fetches.
///
/// # Errors
/// If one object of the first round cannot be fetched, or `stop` is cancelled in it.
pub async fn fetch(settings: Fetch, stop: CancellationToken) -> Result<(), Error> {
    let Fetch {
        dest,
        watch,
        common,
    } = settings;
    let clock = Clock::start();
    let progress = Progress::new(common.quiet, clock.clone(), "fetched");
    let parallel = common.parallel;
    let mut rounds = None;
    let first = Box::pin(async {
        let (session, key) = begin(common, clock, Arc::clone(&progress)).await?;
        let mut round = Rounds {
            session,
            key,
            dest,
            parallel,
            known: BTreeMap::new(),
        };
        round.first().await?;
        rounds = Some(round);
        Ok(())
    });
    attended(&progress, stop.clone(), first).await?;
    let (Some(watch), Some(mut rounds)) = (watch, rounds) else {
        return Ok(());
    };
    let later = Box::pin(async {
        loop {
            tokio::time::sleep(watch.every).await;
            if let Err(why) = rounds.next(watch.delete).await {
                rounds.session.progress.line(&why.to_string());
            }
        }
    });
    match attended(&progress, stop, later).await {
        // That is how a watch ends.
        Err(why) if why.kind == Kind::Stopped => Ok(()),
        ended => ended,
    }
}

/// One round after another.
struct Rounds {
    session: Arc<Session>,
    key: Option<String>,
    dest: PathBuf,
    parallel: usize,
    known: BTreeMap<String, Known>,
}

impl Rounds {
    async fn first(&mut self) -> Result<(), Error> {
        let contents = self.session.current.contents();
        let jobs = self.plan(&contents)?;
        self.session.progress.begin(jobs.len());
        let work = jobs.into_iter().map(|job| {
            let session = Arc::clone(&self.session);
            async move {
                let fetched = fetch_one(&session, &job, None).await?;
                Ok((job, fetched))
            }
        });
        let known = &mut self.known;
        let contents = &contents;
        all(work, self.parallel, |(job, fetched)| {
            remember(known, contents, job, fetched);
        })
        .await?;
        self.session.progress.end();
        Ok(())
    }

    /// Reads the source again, and fetches what is new or may have changed.
    async fn next(&mut self, delete: bool) -> Result<(), Error> {
        let contents = self.session.current.again().await?;
        let jobs = self.plan(&contents)?;
        self.forget_removed(&jobs, delete);
        let due: Vec<(Job, Option<HeaderValue>)> = jobs
            .into_iter()
            .filter_map(|job| self.due(&contents, job))
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        self.session.progress.begin(due.len());
        let work = due.into_iter().map(|(job, etag)| {
            let session = Arc::clone(&self.session);
            async move {
                let fetched = fetch_one(&session, &job, etag.as_ref()).await;
                Ok((job, fetched))
            }
        });
        let (known, progress) = (&mut self.known, &self.session.progress);
        let contents = &contents;
        all(work, self.parallel, |(job, fetched)| match fetched {
            Ok(fetched) => remember(known, contents, job, fetched),
            Err(why) => progress.line(&why.to_string()),
        })
        .await
    }

    fn plan(&self, contents: &Contents) -> Result<Vec<Job>, Error> {
        let place = self.session.current.place();
        plan(contents, self.key.as_deref(), &self.dest, &place)
    }

    /// A job that has something to do, with the `ETag` of what is there.
    fn due(&self, contents: &Contents, job: Job) -> Option<(Job, Option<HeaderValue>)> {
        let item = find(contents, &job.id)?;
        let Some(known) = self.known.get(&job.id) else {
            return Some((job, None));
        };
        let has_changed = match &item.etag {
            // The list says which version there is.
            Some(listed) => {
                let answered = known.etag.as_ref().and_then(|etag| etag.to_str().ok());
                let answered = answered.map(|etag| etag.trim_matches('"'));
                known.listed.as_ref() != Some(listed) && answered != Some(listed)
            }
            // Nobody says; the server is asked at each renewal.
            None => item.url != known.url,
        };
        has_changed.then(|| (job, known.etag.clone()))
    }

    fn forget_removed(&mut self, jobs: &[Job], delete: bool) {
        let progress = &self.session.progress;
        self.known.retain(|id, known| {
            if jobs.iter().any(|job| job.id == *id) {
                return true;
            }
            let target = known.target.display();
            if !delete {
                progress.line(&format!(
                    "{target} stays: its object is gone from the source"
                ));
                return false;
            }
            match std::fs::remove_file(&known.target) {
                Ok(()) => progress.line(&format!("removed {target}")),
                Err(error) => progress.line(&format!("cannot remove {target}: {error}")),
            }
            false
        });
    }
}

/// Remembers what was fetched; `None` is what is there already, with a newer URL.
fn remember(
    known: &mut BTreeMap<String, Known>,
    contents: &Contents,
    job: Job,
    fetched: Option<Fetched>,
) {
    let Some(item) = find(contents, &job.id) else {
        return;
    };
    let etag = match fetched {
        Some(fetched) => fetched.etag,
        None => known.get(&job.id).and_then(|known| known.etag.clone()),
    };
    let now = Known {
        target: job.target,
        url: item.url.clone(),
        listed: item.etag.clone(),
        etag,
    };
    known.insert(job.id, now);
}
