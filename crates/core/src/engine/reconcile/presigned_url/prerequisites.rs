//! What an issue needs before it is signed: credentials, permission to upload, a listing, a verification.
//!
//! What holds here:
//! - Each is one step and slow, so it needs a slot of its store.
//! - A listing or a verification is signed with what the session's scope leaves to it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::{Problem, Reason, is_ready};
use crate::engine::cache::index::Record;
use crate::engine::evaluate::evaluation::SigningInputs;
use crate::engine::evaluate::reissue::issued;
use crate::engine::protocol::Observation;
use crate::engine::protocol::{CredentialSource, CredentialsError, Session, Step};
use crate::engine::reconcile::action::{Action, InFlight, SlowStep};
use crate::engine::reconcile::context::{Ctx, priority};
use crate::engine::reconcile::presigned_url::{listing, verification};
use crate::engine::scheduler::queue::Priority;
use crate::engine::store::{
    CredentialNeed, HeldCredentials, Lease, REFRESH_PAUSE, UploadPermission,
};
use crate::issue::listed::FoundObjects;
use crate::request::Options;
use crate::signing::Credentials;
use crate::time::later;

/// The life that credentials for a listing or a verification must have left.
pub(super) const MOMENT: CredentialNeed = CredentialNeed::of(Duration::from_mins(5));

/// All that is needed before anything is signed: what signs, and the objects under the prefix if there is
/// one. `living` is the end of what is issued, if the point is to outlive it. An `Err` is what comes first.
pub(super) fn obtain(
    ctx: &mut Ctx<'_>,
    uid: &str,
    inputs: &SigningInputs,
    living: Option<Timestamp>,
) -> Result<(Box<HeldCredentials>, Option<Arc<FoundObjects>>), Action> {
    let found = listing::obtain(ctx, uid, inputs)?;
    let need = CredentialNeed {
        life: inputs.authorized.requested_life().effective(),
        living,
    };
    let held = credentials(ctx, uid, inputs, inputs.session.as_ref(), need);
    // If nothing could sign, the store could not be probed either.
    if matches!(held, Ok(_) | Err(Action::AcquireSlot(_))) {
        permission_to_upload(ctx, uid, inputs)?;
    }
    let held = held?;
    verification::obtain(ctx, uid, inputs, &held, found.as_deref())?;
    Ok((held, found))
}

/// Whether an upload may be signed for the store at all.
fn permission_to_upload(
    ctx: &mut Ctx<'_>,
    uid: &str,
    inputs: &SigningInputs,
) -> Result<(), Action> {
    let store = ctx
        .cache
        .stores
        .get_mut(&inputs.store)
        .ok_or(Action::AwaitStore)?;
    if !matches!(inputs.authorized.grant.options, Options::Put(_)) {
        return Ok(());
    }
    match store.upload_permission(inputs.session.is_some(), ctx.now) {
        UploadPermission::Allowed => Ok(()),
        UploadPermission::Wait => {
            store.waiting.insert(uid.into());
            Err(Action::AwaitStore)
        }
        UploadPermission::Refused(reason, message) => {
            store.waiting.insert(uid.into());
            let problem = Problem {
                needs_human: reason == Reason::UnsignedHeadersAccepted,
                reason,
                message,
            };
            Err(Action::Blocked(problem, None))
        }
    }
}

/// The store's credentials for a life that is wanted now, narrowed to a session if the store narrows them.
pub(super) fn credentials(
    ctx: &mut Ctx<'_>,
    uid: &str,
    inputs: &SigningInputs,
    session: Option<&Session>,
    need: CredentialNeed,
) -> Result<Box<HeldCredentials>, Action> {
    let now = ctx.now;
    // A store that is gone was evaluated before. Its deletion makes a new plan.
    let store = ctx
        .cache
        .stores
        .get_mut(&inputs.store)
        .ok_or(Action::AwaitStore)?;
    match store.lease(uid, need, session, now) {
        Lease::Ready(held) => Ok(held),
        Lease::Fetch(source) => {
            let session = session.cloned().ok_or(Action::AwaitStore)?;
            let fetch = SlowStep::FetchSession(source, Box::new(session));
            Err(Action::AcquireSlot(Box::new(fetch)))
        }
        Lease::Wait => {
            store.waiting.insert(uid.into());
            Err(Action::AwaitStore)
        }
        Lease::Failed(failure, again) => {
            // The answer to the store's next fetch ends the wait. If it plans none, having just fetched, it
            // is asked again.
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

/// Starts a slow step if the store has a slot for it.
pub(super) fn acquire_slot(
    ctx: &mut Ctx<'_>,
    uid: &str,
    inputs: &SigningInputs,
    slow: SlowStep,
) -> Action {
    let Some(record) = ctx.cache.resources.get(uid) else {
        return Action::Idle;
    };
    // What the status says of a URL that has expired is corrected before anything slow starts.
    let alive = issued(record).is_some_and(|issued| issued.alive(ctx.now));
    if is_ready(&record.seen.status.conditions) && !alive {
        return Action::AwaitSlot;
    }
    let urgency = slot_priority(record, ctx.now);
    let namespace = &record.seen.namespace;
    let store = inputs.store.clone();
    if !ctx
        .cache
        .limiter
        .try_acquire(&store, uid, namespace, urgency)
    {
        return Action::AwaitSlot;
    }
    match slow {
        SlowStep::List(request) => {
            let identity = listing::identity(inputs);
            Action::start(Step::List { store, request }, InFlight::List { identity })
        }
        SlowStep::Verify {
            requests,
            hash,
            gates_issue,
        } => {
            let (keys, requests) = requests.into_iter().unzip();
            let step = Step::SendRequests {
                store,
                requests,
                ca_bundle: inputs.ca_bundle.clone(),
            };
            let in_flight = InFlight::Verify {
                keys,
                hash,
                gates_issue,
            };
            Action::start(step, in_flight)
        }
        SlowStep::FetchSession(source, session) => {
            if let Some(known) = ctx.cache.stores.get_mut(&store) {
                known.begin_session_fetch(&session, ctx.now);
            }
            let step = Step::FetchCredentials {
                store: store.clone(),
                source: source.clone(),
                session: (*session).clone(),
            };
            let in_flight = InFlight::FetchSession {
                store,
                source,
                session,
            };
            Action::start(step, in_flight)
        }
    }
}

/// A session was fetched, or was not; `None` if the step was not run. Those that waited for it go on.
pub(super) fn session_fetched(
    ctx: &mut Ctx<'_>,
    store: &str,
    source: &CredentialSource,
    session: &Session,
    result: Option<Result<Credentials, CredentialsError>>,
) {
    if let Some(Err(failure)) = &result {
        ctx.observations.push(Observation::Failed(failure.reason));
    }
    if let Some(store) = ctx.cache.stores.get_mut(store) {
        let waited = store.complete_session_fetch(session, source, result, ctx.now);
        ctx.wake(waited);
    }
}

/// The priority of a resource among those that wait for a slot. A resource that has made one slow step of an
/// issue makes the next before others start; one that was never issued and fails again and again does not
/// precede what still works.
fn slot_priority(record: &Record, now: Timestamp) -> (Priority, i64) {
    let state = &record.state;
    let (priority, rank) = priority(record, now);
    if state.listing.found.is_some() {
        (Priority::Urgent, i64::MIN)
    } else if state.issue.retry.failures > 0 && record.seen.status.issued_at.is_none() {
        (Priority::Routine, i64::MIN)
    } else {
        (priority, rank.max(i64::MIN + 1))
    }
}
