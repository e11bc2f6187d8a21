//! What the source holds now, for all transfers of a process: read once, and again when it may have been
//! renewed.
//!
//! What holds here: transfers that are refused at the same time cause one reading. What was read and is not
//! whole replaces nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::answer::NO_NEWER_URL;
use super::contents::{Contents, SignedUrl};
use super::error::{Error, Kind};
use super::plan::find;
use super::source::Source;
use crate::clock::Clock;

/// How long to wait before a source is read again that is not ready.
const POLL: Duration = Duration::from_millis(500);

/// The source, and what it holds.
pub(super) struct Current {
    source: Source,
    /// Authorities that the command line adds.
    ca: Option<String>,
    clock: Clock,
    /// How long a source may take to be ready, or to be renewed.
    wait: Duration,
    held: Mutex<Arc<Contents>>,
    reading: tokio::sync::Mutex<()>,
}

impl Current {
    /// Reads the source for the first time, and waits for it if it is not ready.
    ///
    /// # Errors
    /// If it is not ready in time, or wrong.
    pub(super) async fn read(
        source: Source,
        ca: Option<String>,
        clock: Clock,
        wait: Duration,
    ) -> Result<Self, Error> {
        let begun = clock.instant();
        let contents = loop {
            match source.read().await {
                Err(why) if why.kind == Kind::NotReady && !source.is_fixed() => {
                    if clock.since(begun) >= wait {
                        return Err(why);
                    }
                    tokio::time::sleep(POLL.min(wait)).await;
                }
                read => break read?,
            }
        };
        Ok(Self {
            source,
            ca,
            clock,
            wait,
            held: Mutex::new(Arc::new(contents)),
            reading: tokio::sync::Mutex::default(),
        })
    }

    pub(super) fn contents(&self) -> Arc<Contents> {
        Arc::clone(&self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn place(&self) -> String {
        self.source.place()
    }

    /// The authorities that are trusted besides the system's.
    pub(super) fn ca(&self, contents: &Contents) -> Option<String> {
        let all: Vec<&str> = [&self.ca, &contents.ca]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        (!all.is_empty()).then(|| all.join("\n"))
    }

    /// Reads the source again; what it holds now.
    ///
    /// # Errors
    /// If it cannot be read; what was held stays.
    pub(super) async fn again(&self) -> Result<Arc<Contents>, Error> {
        let contents = Arc::new(self.source.read().await?);
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&contents);
        Ok(contents)
    }

    /// Why a URL is of no use, and that there is no other.
    pub(super) fn refused(&self, contents: &Contents, url: &SignedUrl, said: &str) -> Error {
        let expiry = contents.expires_at.map_or_else(String::new, |at| {
            let place = self.place();
            format!(" It was to expire at {at}, and {place} has no newer one.")
        });
        Error::new(
            Kind::Refused,
            format!("{url} answered {said}: {NO_NEWER_URL}.{expiry}"),
        )
    }

    /// Whether the source has another URL than the one that was refused; waits for one as long as it may.
    pub(super) async fn has_newer(&self, id: &str, refused: &SignedUrl) -> bool {
        if self.source.is_fixed() {
            return false;
        }
        let begun = self.clock.instant();
        let is_newer =
            |contents: &Contents| find(contents, id).is_none_or(|item| item.url != *refused);
        loop {
            {
                let _alone = self.reading.lock().await;
                if is_newer(&self.contents()) {
                    return true;
                }
                if let Ok(contents) = self.again().await
                    && is_newer(&contents)
                {
                    return true;
                }
            }
            if self.clock.since(begun) >= self.wait {
                return false;
            }
            tokio::time::sleep(POLL.min(self.wait)).await;
        }
    }
}
