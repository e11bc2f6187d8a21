//! `fetch`: all objects of a source become files.
//!
//! What holds here: the first object that fails for good ends the command; what was fetched before stays, and
//! nothing of the others.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::download::fetch_one;
use super::error::Error;
use super::plan::{Job, plan};
use super::progress::Progress;
use super::session::{Common, Session, all, attended, begin};
use crate::clock::Clock;

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// The file or folder.
    pub dest: PathBuf,
    /// The rest.
    pub common: Common,
}

/// Fetches.
///
/// # Errors
/// If one object cannot be fetched, or `stop` is cancelled.
pub async fn fetch(settings: Fetch, stop: CancellationToken) -> Result<(), Error> {
    let Fetch { dest, common } = settings;
    let clock = Clock::start();
    let progress = Progress::new(common.quiet, clock.clone(), "fetched");
    let work = Box::pin(async {
        let parallel = common.parallel;
        let (session, key) = begin(common, clock, Arc::clone(&progress)).await?;
        let place = session.current.place();
        let jobs = plan(&session.current.contents(), key.as_deref(), &dest, &place)?;
        progress.begin(jobs.len());
        let work = jobs.into_iter().map(|job| one(Arc::clone(&session), job));
        all(work, parallel, |()| {}).await?;
        progress.end();
        Ok(())
    });
    attended(&progress, stop, work).await
}

async fn one(session: Arc<Session>, job: Job) -> Result<(), Error> {
    fetch_one(&session, &job, None).await?;
    Ok(())
}
