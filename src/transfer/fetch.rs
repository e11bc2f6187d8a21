//! `fetch`: all objects of a source become files.
//!
//! What holds here: the first object that fails for good ends the command; what was fetched before stays, and
//! nothing of the others.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::current::Current;
use super::download::{Downloads, Fetched};
use super::error::{Error, Kind};
use super::plan::{Job, plan};
use super::progress::Progress;
use super::source::Source;
use crate::clock::Clock;
use crate::http::{Proxies, Streams};

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// What is fetched.
    pub source: String,
    /// The file or folder.
    pub dest: PathBuf,
    /// One key, or those below one.
    pub key: Option<String>,
    /// How many objects at once.
    pub parallel: usize,
    /// How often a request is sent again without having got any further.
    pub retries: u32,
    /// How long the source may take to be ready or renewed.
    pub wait: Duration,
    /// How long a server may say nothing.
    pub silence: Duration,
    /// No progress.
    pub quiet: bool,
    /// A file of authorities.
    pub ca: Option<PathBuf>,
    /// For `presigned://`.
    pub kubeconfig: Option<PathBuf>,
}

/// Fetches.
///
/// # Errors
/// If one object cannot be fetched, or `stop` is cancelled.
pub async fn fetch(settings: Fetch, stop: CancellationToken) -> Result<(), Error> {
    let Fetch {
        source,
        dest,
        key,
        parallel,
        retries,
        wait,
        silence,
        quiet,
        ca,
        kubeconfig,
    } = settings;
    let clock = Clock::start();
    let (source, key_of_source) = Source::parse(&source, kubeconfig.as_deref(), || {
        std::io::read_to_string(std::io::stdin())
    })?;
    if key.is_some() && key_of_source.is_some() {
        return Err(Error::usage("SOURCE names a key already: leave out --key"));
    }
    let key = key.or(key_of_source);
    let ca = ca.as_deref().map(authorities).transpose()?;
    let proxies = Proxies::from_env().map_err(|error| Error::usage(error.to_string()))?;
    let progress = Progress::new(quiet, clock.clone(), "fetched");
    let work = async {
        let current = Current::read(source, ca, clock.clone(), wait).await?;
        let place = current.place();
        let jobs = plan(&current.contents(), key.as_deref(), &dest, &place)?;
        let downloads = Arc::new(Downloads {
            streams: Streams::new(clock, proxies, silence),
            current,
            progress: Arc::clone(&progress),
            retries,
        });
        progress.begin(jobs.len());
        all(&downloads, jobs, parallel).await?;
        progress.end();
        Ok(())
    };
    let showing = tokio::spawn(Arc::clone(&progress).keep_showing());
    let done = tokio::select! {
        done = work => done,
        () = stop.cancelled() => Err(stopped()),
    };
    showing.abort();
    done
}

/// The process was asked to stop.
pub(super) fn stopped() -> Error {
    Error::new(Kind::Stopped, "stopped: nothing half-written was kept")
}

/// Reads a file of authorities.
pub(super) fn authorities(path: &Path) -> Result<String, Error> {
    let pem = std::fs::read_to_string(path);
    let pem = pem.map_err(|error| Error::file("cannot read the authorities in", path, &error))?;
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        let path = path.display();
        return Err(Error::usage(format!(
            "{path} holds no certificate: give --ca a file of PEM certificates"
        )));
    }
    Ok(pem)
}

/// Fetches each job, so many at once.
async fn all(downloads: &Arc<Downloads>, jobs: Vec<Job>, parallel: usize) -> Result<(), Error> {
    let mut running = JoinSet::new();
    for job in jobs {
        if running.len() >= parallel.max(1)
            && let Some(ended) = running.join_next().await
        {
            result(ended)?;
        }
        let downloads = Arc::clone(downloads);
        running.spawn(async move { downloads.fetch(&job, None).await });
    }
    while let Some(ended) = running.join_next().await {
        result(ended)?;
    }
    Ok(())
}

fn result(
    ended: Result<Result<Option<Fetched>, Error>, JoinError>,
) -> Result<Option<Fetched>, Error> {
    ended.unwrap_or_else(|_| Err(Error::new(Kind::File, "a download ended without a word")))
}
