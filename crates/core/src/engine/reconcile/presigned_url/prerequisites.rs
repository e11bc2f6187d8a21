//! What an issue needs from outside before it is signed: credentials, a listing, a try.
//!
//! What holds here: each is one step, and slow: at most a few of a store are under way at once, and who finds no room stands
//! in line. What a listing or a try is signed with is what the session's scope leaves to it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::listing::order;
use crate::api::Problem;
use crate::api::{Reason, Verify};
use crate::engine::cache::index::{Index, Record};
use crate::engine::evaluate::evaluation::SigningInputs;
use crate::engine::evaluate::reissue::{Action, Purpose, RECHECK, issued};
use crate::engine::evaluate::sampling;
use crate::engine::protocol::{CredentialSource, ObjectVersion, Session, Step};
use crate::engine::protocol::{ListRequest, S3Request};
use crate::engine::reconcile::presigned_url::status::says_ready;
use crate::engine::reconcile::presigned_url::urgency;
use crate::engine::scheduler::queue::Priority;
use crate::engine::scheduler::wake::RequeueAt;
use crate::engine::store::{HeldCredentials, Need, PutLeave, REFRESH_PAUSE, Supply};
use crate::issue::SigningJob;
use crate::issue::issued::Issued;
use crate::issue::listed::FoundObjects;
use crate::policy::{Key, ListSelection, Objects, Options};
use crate::time::later;

/// The life that credentials for a listing or a try must have left.
const MOMENT: Need = Need::of(Duration::from_mins(5));

/// Why there is no write.
pub(in crate::engine) enum Halt {
    /// Something stands in the way until this time, or until something that concerns it changes.
    Problem(Problem, Option<Timestamp>),
    /// What has the name goes first.
    MakeRoom(ObjectVersion),
    /// It is to be looked at first.
    Inspect,
    /// Something is asked of the store first, as soon as there is room for a slow step.
    Slow(Box<Slow>),
    /// Many objects are signed by a step of their own.
    Sign(Box<SigningJob>),
    /// Credentials are fetched first, by the store or by another resource.
    Waiting,
}

/// A slow step of a resource.
pub(in crate::engine) enum Slow {
    /// A session, narrowed to what is signed.
    Session(Box<CredentialSource>, Box<Session>),
    /// A listing.
    List(Box<ListRequest>),
    /// A try of some objects.
    Prove {
        /// Each with its request.
        tries: Vec<(Key, S3Request)>,
        /// The hash of what they are signed for.
        hash: String,
        /// Whether something is published only if it works.
        first: bool,
    },
}

/// Plans a slow step as soon as the store has room for one.
pub(in crate::engine) fn begin(
    index: &mut Index,
    uid: &str,
    inputs: &SigningInputs,
    slow: Slow,
    now: Timestamp,
) -> Action {
    let Some(record) = index.resources.get(uid) else {
        return Action::Settled;
    };
    // What the status says of a URL that has died is put right before anything slow begins.
    let alive = issued(record).is_some_and(|issued| issued.alive(now));
    if says_ready(&record.seen.status) && !alive {
        return Action::WaitForSlot;
    }
    let urgency = place_in_line(record, now);
    let namespace = &record.seen.namespace;
    if !index
        .limiter
        .try_acquire(&inputs.store, uid, namespace, urgency)
    {
        return Action::WaitForSlot;
    }
    let store = inputs.store.clone();
    let (step, purpose) = match slow {
        Slow::List(order) => (Step::List { store, order }, Purpose::List(identity(inputs))),
        Slow::Prove { tries, hash, first } => {
            let (sample, asks) = tries.into_iter().unzip();
            let ca_bundle = inputs.ca_bundle.clone();
            let step = Step::SendRequests {
                store,
                asks,
                ca_bundle,
            };
            (step, Purpose::Prove(sample, hash, first))
        }
        Slow::Session(source, session) => {
            if let Some(known) = index.stores.get_mut(&store) {
                known.session_begun(&session, now);
            }
            let step = Step::FetchCredentials {
                store: store.clone(),
                source: source.clone(),
                session: (*session).clone(),
            };
            (step, Purpose::FetchSession(store, source, session))
        }
    };
    Action::Step(step, purpose)
}

/// The place of a resource in the line of its store. What has made one slow step of an issue makes the next before others
/// begin; what was never issued and fails again and again does not stand before what still lives.
fn place_in_line(record: &Record, now: Timestamp) -> (Priority, i64) {
    let state = &record.state;
    let (priority, rank) = urgency(record, now);
    if state.listing.is_some() {
        (Priority::Urgent, i64::MIN)
    } else if state.failures > 0 && record.seen.status.issued_at.is_none() {
        (Priority::Routine, i64::MIN)
    } else {
        (priority, rank.max(i64::MIN + 1))
    }
}

/// What a listing is made for: where another is wanted by the time that it comes in, it says nothing.
pub(in crate::engine) fn identity(inputs: &SigningInputs) -> String {
    format!("{} {}", inputs.authorized.spec_hash, inputs.store_hash)
}

/// All that is needed before anything is signed: what signs, and what is under the prefix where there is one. `living` is
/// the end of what is issued, where the point is to outlive it.
pub(in crate::engine) fn needs(
    index: &mut Index,
    uid: &str,
    inputs: &SigningInputs,
    living: Option<Timestamp>,
    now: Timestamp,
) -> Result<(Box<HeldCredentials>, Option<Arc<FoundObjects>>), Halt> {
    let found = found(index, uid, inputs, now)?;
    let need = Need {
        life: inputs.authorized.asked().effective(),
        living,
    };
    let held = credentials(index, uid, inputs, inputs.session.as_ref(), need, now);
    // Where nothing could sign, the store could not be asked either.
    if matches!(held, Ok(_) | Err(Halt::Slow(_))) {
        may_upload(index, uid, inputs, now)?;
    }
    let held = held?;
    proven(index, uid, inputs, &held, found.as_deref(), now)?;
    Ok((held, found))
}

/// Whether an upload may be signed for the store at all.
fn may_upload(
    index: &mut Index,
    uid: &str,
    inputs: &SigningInputs,
    now: Timestamp,
) -> Result<(), Halt> {
    let store = index.stores.get_mut(&inputs.store).ok_or(Halt::Waiting)?;
    if !matches!(inputs.authorized.grant.options, Options::Put(_)) {
        return Ok(());
    }
    match store.put_leave(inputs.session.is_some(), now) {
        PutLeave::Authorized => Ok(()),
        PutLeave::Wait => {
            store.waiting.insert(uid.into());
            Err(Halt::Waiting)
        }
        PutLeave::Refused(reason, message) => {
            store.waiting.insert(uid.into());
            let problem = Problem {
                needs_human: reason == Reason::UnsignedHeadersAccepted,
                reason,
                message,
            };
            Err(Halt::Problem(problem, None))
        }
    }
}

/// The store's credentials for a life that is wanted now, narrowed to a session where the store narrows them.
fn credentials(
    index: &mut Index,
    uid: &str,
    inputs: &SigningInputs,
    session: Option<&Session>,
    need: Need,
    now: Timestamp,
) -> Result<Box<HeldCredentials>, Halt> {
    // A store that is gone was judged before; its deletion makes the plan anew.
    let store = index.stores.get_mut(&inputs.store).ok_or(Halt::Waiting)?;
    match store.supply(uid, need, session, now) {
        Supply::Ready(held) => Ok(held),
        Supply::Fetch(source) => {
            let session = session.cloned().ok_or(Halt::Waiting)?;
            Err(Halt::Slow(Box::new(Slow::Session(
                source,
                Box::new(session),
            ))))
        }
        Supply::Fetching => {
            store.waiting.insert(uid.into());
            Err(Halt::Waiting)
        }
        Supply::Failed(failure, again) => {
            // The answer to the store's next try ends the wait; where it plans none, having just asked, it is asked again.
            let again = again.or_else(|| store.wake().is_none().then(|| later(now, REFRESH_PAUSE)));
            store.waiting.insert(uid.into());
            let problem = Problem {
                reason: failure.reason,
                message: format!(
                    "the ClusterObjectStore \"{}\": {}",
                    inputs.store, failure.message
                ),
                needs_human: failure.reason != Reason::CredentialsUnavailable,
            };
            Err(Halt::Problem(problem, again))
        }
    }
}

/// What is under the prefix, where the request has one; a listing comes first where none is fresh.
fn found(
    index: &mut Index,
    uid: &str,
    inputs: &SigningInputs,
    now: Timestamp,
) -> Result<Option<Arc<FoundObjects>>, Halt> {
    let Objects::List(list) = &inputs.authorized.request.objects else {
        return Ok(None);
    };
    let record = index.resources.get(uid).ok_or(Halt::Waiting)?;
    match &record.state.listing {
        Some(found) if found.is_fresh(now) => Ok(Some(Arc::clone(found))),
        _ => Err(listing(index, uid, inputs, list, now)),
    }
}

fn listing(
    index: &mut Index,
    uid: &str,
    inputs: &SigningInputs,
    list: &ListSelection,
    now: Timestamp,
) -> Halt {
    match credentials(
        index,
        uid,
        inputs,
        inputs.list_session.as_ref(),
        MOMENT,
        now,
    ) {
        Ok(held) => Halt::Slow(Box::new(Slow::List(Box::new(order(
            inputs, list, &held, now,
        ))))),
        Err(halt) => halt,
    }
}

/// Whether what is to be published was tried, where it must be.
fn proven(
    index: &Index,
    uid: &str,
    inputs: &SigningInputs,
    held: &HeldCredentials,
    found: Option<&FoundObjects>,
    now: Timestamp,
) -> Result<(), Halt> {
    if inputs.authorized.wishes.verify != Verify::Require {
        return Ok(());
    }
    let record = index.resources.get(uid).ok_or(Halt::Waiting)?;
    let hash = sampling::hash_of_next(inputs, held);
    match &record.state.verification {
        Some(verification) if verification.serves(&hash, now) => Ok(()),
        _ => {
            let sample = sampling::sample(&inputs.authorized.request, found);
            let tries = sampling::tries(inputs, held, &sample, now);
            if tries.is_empty() {
                // Nothing can be tried, and nothing speaks against it.
                return Ok(());
            }
            Err(Halt::Slow(Box::new(Slow::Prove {
                tries,
                hash,
                first: true,
            })))
        }
    }
}

/// Plans a look at what is under the prefix, for what is issued already.
pub(in crate::engine) fn list_again(
    index: &mut Index,
    uid: &str,
    inputs: &SigningInputs,
    list: &ListSelection,
    now: Timestamp,
    requeue: &mut RequeueAt,
) -> Action {
    match listing(index, uid, inputs, list, now) {
        Halt::Slow(slow) => begin(index, uid, inputs, *slow, now),
        Halt::Waiting => Action::Waiting,
        Halt::Problem(problem, again) => {
            // What is issued lives on; that its objects are not looked at is told.
            if let Some(record) = index.resources.get_mut(uid) {
                record.state.problem = Some(problem);
            }
            requeue.at(again.unwrap_or_else(|| later(now, RECHECK)));
            Action::Settled
        }
        Halt::MakeRoom(_) | Halt::Inspect | Halt::Sign(_) => Action::Settled,
    }
}

/// Plans a try of what is issued already, where it can be signed as it was.
pub(in crate::engine) fn try_issued(
    index: &mut Index,
    uid: &str,
    inputs: &SigningInputs,
    issued: &Issued,
    now: Timestamp,
    requeue: &mut RequeueAt,
) -> Action {
    let session = inputs.session.as_ref();
    let held = match credentials(index, uid, inputs, session, MOMENT, now) {
        Ok(held) if held.hash == issued.hashes.credential => held,
        Err(Halt::Waiting) => return Action::Waiting,
        Err(Halt::Slow(slow)) => return begin(index, uid, inputs, *slow, now),
        Err(Halt::Problem(_, again)) => {
            requeue.at(again.unwrap_or_else(|| later(now, RECHECK)));
            return Action::Settled;
        }
        Ok(_) | Err(_) => return Action::Settled,
    };
    let Some(record) = index.resources.get(uid) else {
        return Action::Settled;
    };
    let sample = match &inputs.authorized.request.objects {
        Objects::List(_) => record.state.sample.clone(),
        _ => sampling::sample(&inputs.authorized.request, None),
    };
    let tries = sampling::tries(inputs, &held, &sample, now);
    if tries.is_empty() {
        return Action::Settled;
    }
    let slow = Slow::Prove {
        tries,
        hash: sampling::hash_of(&issued.hashes),
        first: false,
    };
    begin(index, uid, inputs, slow, now)
}
