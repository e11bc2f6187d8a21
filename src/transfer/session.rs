//! What `fetch` and `push` begin with: the source, the connections and the progress.
//!
//! What holds here: a signal ends whatever is under way, and the temporary files go with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::current::Current;
use super::error::{Error, Kind};
use super::progress::Progress;
use super::source::{SEEN_BY_OTHERS, Source, is_signed};
use crate::clock::Clock;
use crate::http::{Proxies, Streams};

/// What the command line says of both commands.
#[derive(Clone, Debug)]
pub struct Common {
    /// What SOURCE is.
    pub source: String,
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

/// What transfers share.
pub(super) struct Session {
    pub(super) streams: Arc<Streams>,
    pub(super) current: Current,
    pub(super) progress: Arc<Progress>,
    pub(super) retries: u32,
}

/// A session, and the key that the command line or SOURCE names.
///
/// # Errors
/// If the source is not ready in time, or the command line is wrong.
pub(super) async fn begin(
    common: Common,
    clock: Clock,
    progress: Arc<Progress>,
) -> Result<(Arc<Session>, Option<String>), Error> {
    let Common {
        source,
        key,
        parallel: _,
        retries,
        wait,
        silence,
        quiet: _,
        ca,
        kubeconfig,
    } = common;
    if is_signed(&source) {
        progress.line(SEEN_BY_OTHERS);
    }
    let (source, key_of_source) = Source::parse(&source, kubeconfig.as_deref(), || {
        std::io::read_to_string(std::io::stdin())
    })?;
    if key.is_some() && key_of_source.is_some() {
        return Err(Error::usage("SOURCE names a key already: leave out --key"));
    }
    let ca = ca.as_deref().map(authorities).transpose()?;
    let proxies = Proxies::from_env().map_err(|error| Error::usage(error.to_string()))?;
    let current = Current::read(source, ca, clock.clone(), wait).await?;
    let session = Session {
        streams: Streams::new(clock, proxies, silence),
        current,
        progress,
        retries,
    };
    Ok((Arc::new(session), key.or(key_of_source)))
}

/// Does the work, shows its progress, and ends when it is asked to stop.
///
/// # Errors
/// As the work, or that it was stopped.
pub(super) async fn attended(
    progress: &Arc<Progress>,
    stop: CancellationToken,
    work: impl Future<Output = Result<(), Error>>,
) -> Result<(), Error> {
    let showing = tokio::spawn(Arc::clone(progress).keep_showing());
    let done = tokio::select! {
        done = work => done,
        () = stop.cancelled() => {
            let message = "stopped: nothing half-written was kept";
            Err(Error::new(Kind::Stopped, message))
        }
    };
    showing.abort();
    done
}

/// Does all of it, so much at once. The first that fails ends the others.
///
/// # Errors
/// As the first that fails.
pub(super) async fn all<T: Send + 'static, F>(
    work: impl Iterator<Item = F>,
    parallel: usize,
    mut done: impl FnMut(T),
) -> Result<(), Error>
where
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let mut running = JoinSet::new();
    let lost = |_| Err(Error::new(Kind::File, "a transfer ended without a word"));
    for one in work {
        if running.len() >= parallel.max(1)
            && let Some(ended) = running.join_next().await
        {
            done(ended.unwrap_or_else(lost)?);
        }
        running.spawn(one);
    }
    while let Some(ended) = running.join_next().await {
        done(ended.unwrap_or_else(lost)?);
    }
    Ok(())
}

/// Reads a file of authorities.
fn authorities(path: &Path) -> Result<String, Error> {
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
