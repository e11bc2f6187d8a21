//! `push`: files become objects.
//!
//! What holds here: the first file that fails for good ends the command; what was sent before stays.

use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderValue;
use tokio_util::sync::CancellationToken;

use super::assign::{Assigned, assign};
use super::error::Error;
use super::progress::Progress;
use super::session::{Common, Session, all, attended, begin};
use super::upload::push_one;
use crate::clock::Clock;

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Push {
    /// What is sent.
    pub files: Vec<PathBuf>,
    /// The type of the content, if the Secret does not say.
    pub content_type: Option<HeaderValue>,
    /// The rest.
    pub common: Common,
}

/// Pushes.
///
/// # Errors
/// If one file cannot be sent, or `stop` is cancelled.
pub async fn push(settings: Push, stop: CancellationToken) -> Result<(), Error> {
    let Push {
        files,
        content_type,
        common,
    } = settings;
    let clock = Clock::start();
    let progress = Progress::new(common.quiet, clock.clone(), "pushed");
    let work = Box::pin(async {
        let parallel = common.parallel;
        let (session, key) = begin(common, clock, Arc::clone(&progress)).await?;
        let place = session.current.place();
        let assigned = assign(&session.current.contents(), &files, key.as_deref(), &place)?;
        progress.begin(assigned.len());
        let work = assigned
            .into_iter()
            .map(|file| one(Arc::clone(&session), file, content_type.clone()));
        all(work, parallel, |()| {}).await?;
        progress.end();
        Ok(())
    });
    attended(&progress, stop, work).await
}

async fn one(
    session: Arc<Session>,
    file: Assigned,
    content_type: Option<HeaderValue>,
) -> Result<(), Error> {
    push_one(&session, &file, content_type.as_ref()).await
}
