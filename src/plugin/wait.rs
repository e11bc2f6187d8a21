//! Waiting for the operator to do what was asked.
//!
//! What holds here: the wait ends with the answer, with a refusal that only a person can change, or with the
//! time that was given. An API server that is gone or busy for a while does not end it. Each new reason is told
//! once, to people at a terminal.

use std::io::IsTerminal as _;
use std::time::Duration;

use presigned_core::api::Reason;
use presigned_core::text::quoted;

use super::cluster::{Session, failure, name_kind, passes};
use super::exit::Failure;
use super::found::Found;
use super::page::store_of;
use super::words::{self, State};

/// The pauses between two looks.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// How long one look may take.
const ANSWER: Duration = Duration::from_secs(10);

/// What a look at a resource says of the wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// It is as it was asked to be.
    Done,
    /// Not yet, since.
    Wait(String),
    /// It will not be so before somebody changes something.
    Refused(String),
}

impl Look {
    /// The same, with the name of a store that may be meant.
    fn with_nearest(self, store: Option<&str>) -> Self {
        let told = |why: String| match store {
            Some(store) => format!("{why}; did you mean {}?", quoted(store)),
            None => why,
        };
        match self {
            Self::Done => Self::Done,
            Self::Wait(why) => Self::Wait(told(why)),
            Self::Refused(why) => Self::Refused(told(why)),
        }
    }
}

/// Whether it is issued.
#[must_use]
pub fn issued(found: &Found) -> Look {
    match words::state(found) {
        State::Ready => Look::Done,
        State::Not {
            message,
            stalled: true,
            ..
        } => Look::Refused(message),
        state => Look::Wait(state.why_not().unwrap_or_default()),
    }
}

/// Whether there is no store of the name that the spec has.
fn lacks_store(found: &Found) -> bool {
    let missing = Reason::StoreNotFound.as_str();
    matches!(words::state(found), State::Not { reason, .. } if reason == missing)
}

/// Looks again and again until it is done. If there is no store of its name, the nearest is named to those who
/// may read stores.
///
/// # Errors
/// It was refused, it took longer than `timeout`, or the resource is gone.
pub async fn until(
    session: &Session,
    name: &str,
    timeout: Duration,
    look: impl Fn(&Found) -> Look,
) -> Result<Found, Failure> {
    let mut last = "the API server has not answered".to_owned();
    let waited = tokio::time::timeout(timeout, looks(session, name, &look, &mut last)).await;
    waited.unwrap_or_else(|_| {
        let namespace = &session.namespace;
        Err(Failure::timed_out(format!(
            "{namespace}/{name} is not there after {}: {last}; it may still come: kubectl presigned status {name} -n \
             {namespace} shows it, and --timeout waits longer",
            words::span(timeout.try_into().unwrap_or_default()),
        )))
    })
}

async fn looks(
    session: &Session,
    name: &str,
    look: &impl Fn(&Found) -> Look,
    last: &mut String,
) -> Result<Found, Failure> {
    let api = session.presigned_urls(Some(&session.namespace));
    let what = format!(
        "presignedurl {} in namespace {}",
        quoted(name),
        quoted(&session.namespace)
    );
    let mut pause = FIRST_PAUSE;
    let mut nearest_store = None;
    loop {
        let seen = match tokio::time::timeout(ANSWER, api.get(name)).await {
            Ok(Ok(mut found)) => {
                name_kind(&mut found);
                let seen = look(&found);
                if seen == Look::Done {
                    return Ok(found);
                }
                if lacks_store(&found) {
                    if nearest_store.is_none() {
                        nearest_store = Some(session.nearest_store(store_of(&found)).await);
                    }
                    let nearest = nearest_store.as_ref().and_then(Option::as_deref);
                    seen.with_nearest(nearest)
                } else {
                    seen
                }
            }
            Ok(Err(error)) if passes(&error) => Look::Wait(failure(&error, "get", &what).message),
            Ok(Err(error)) => return Err(failure(&error, "get", &what)),
            Err(_) => Look::Wait(format!("the API server does not answer to get {what}")),
        };
        match seen {
            Look::Refused(why) => return Err(Failure::no(why)),
            Look::Wait(why) if why != *last => {
                if std::io::stderr().is_terminal() {
                    eprintln!("{name}: {}", super::output::printable(&why));
                }
                *last = why;
            }
            Look::Wait(_) | Look::Done => {}
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(MAX_PAUSE);
    }
}
