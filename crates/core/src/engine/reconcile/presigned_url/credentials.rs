//! The credentials that sign for a resource: the store's own, or a session that is narrowed to the resource.
//!
//! What holds here:
//! - The store fetches its own credentials; a resource fetches its session in a slow step.
//! - A store that has nothing to give now remembers the resource, which is planned again once it has.

use std::time::Duration;

use crate::api::{Problem, Reason};
use crate::engine::evaluate::signing_inputs::SigningInputs;
use crate::engine::protocol::Observation;
use crate::engine::protocol::{
    CredentialSource, CredentialsError, FetchedCredentials, Session, Step,
};
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::context::Ctx;
use crate::engine::store::{CredentialNeed, HeldCredentials, Lease, REFRESH_PAUSE};
use crate::time::later;

/// The need of a listing or a verification: its requests are sent at once.
pub(super) const AT_ONCE: CredentialNeed = CredentialNeed::of(Duration::from_mins(5));

/// The store's credentials for a life that begins now, or those of a narrowed `session`. An `Err` is what
/// comes first.
pub(super) fn credentials(
    ctx: &mut Ctx<'_>,
    uid: &str,
    inputs: &SigningInputs,
    session: Option<&Session>,
    need: CredentialNeed,
) -> Result<Box<HeldCredentials>, Action> {
    let now = ctx.now;
    // The store was there when the resource was evaluated. Its deletion makes a new plan.
    let store = ctx
        .cache
        .stores
        .get_mut(&inputs.store)
        .ok_or(Action::AwaitStore)?;
    match store.lease(uid, need, session, now) {
        Lease::Ready(held) => Ok(held),
        Lease::Fetch(source) => {
            let session = session.cloned().ok_or(Action::AwaitStore)?;
            let store = inputs.store.clone();
            let step = Step::FetchCredentials {
                store: store.clone(),
                source: source.clone(),
                session: session.clone(),
            };
            let in_flight = InFlight::FetchSession {
                store,
                source,
                session: Box::new(session),
            };
            Err(Action::start_in_slot(step, in_flight))
        }
        Lease::Wait => {
            store.waiting.insert(uid.into());
            Err(Action::AwaitStore)
        }
        Lease::Failed(failure, again) => {
            // The store's next fetch ends the wait. If it plans none, because it has just fetched, a retry
            // does.
            let again = again.or_else(|| {
                store
                    .next_fetch_at()
                    .is_none()
                    .then(|| later(now, REFRESH_PAUSE))
            });
            store.waiting.insert(uid.into());
            let problem = Problem {
                reason: failure.reason,
                message: format!(
                    "the ClusterObjectStore \"{}\": {}",
                    inputs.store, failure.message
                ),
                needs_human: failure.reason != Reason::CredentialsUnavailable,
            };
            Err(Action::Blocked(problem, again))
        }
    }
}

/// The fetch of a session got its slot and starts now.
pub(super) fn session_fetch_started(ctx: &mut Ctx<'_>, store: &str, session: &Session) {
    if let Some(known) = ctx.cache.stores.get_mut(store) {
        known.begin_session_fetch(session, ctx.now);
    }
}

/// A session was fetched, or was not; `None` if the step was not run. The resources that wait for it are
/// planned again.
pub(super) fn session_fetched(
    ctx: &mut Ctx<'_>,
    store: &str,
    source: &CredentialSource,
    session: &Session,
    result: Option<Result<FetchedCredentials, CredentialsError>>,
) {
    if let Some(Err(failure)) = &result {
        ctx.observations.push(Observation::Failed(failure.reason));
    }
    if let Some(store) = ctx.cache.stores.get_mut(store) {
        let waiting = store.complete_session_fetch(session, source, result, ctx.now);
        ctx.requeue_waiting(waiting);
    }
}
