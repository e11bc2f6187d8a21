//! What an issue needs from outside before it is signed: credentials, a listing, a try.
//!
//! What holds here: each is one step, and slow: at most a few of a store are under way at once, and who finds no room stands
//! in line. What a listing or a try is signed with is what the session's scope leaves to it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::ask::{Ask, ListOrder};
use super::index::Index;
use super::judge::Allowed;
use super::listing::{Found, order};
use super::memory::{Issued, Trouble};
use super::plan::{Purpose, SecretPlan};
use super::proof;
use super::queue::Priority;
use super::sign::SigningJob;
use super::step::{CredentialSource, ObjectVersion, Session, Step};
use super::store::{Held, PutLeave, REFRESH_PAUSE, Supply};
use super::time::later;
use super::urgency;
use crate::api::{Reason, Verify};
use crate::policy::{Key, ListRequest, Objects, Options};

/// The life that credentials for a listing or a try must have left.
const MOMENT: Duration = Duration::from_mins(5);

/// Why there is no write.
pub(super) enum Halt {
    /// Something stands in the way until this time, or until something that concerns it changes.
    Trouble(Trouble, Option<Timestamp>),
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
pub(super) enum Slow {
    /// A session, narrowed to what is signed.
    Session(Box<CredentialSource>, Box<Session>),
    /// A listing.
    List(Box<ListOrder>),
    /// A try of some objects, with the hash of what they are signed for.
    Prove(Vec<Key>, Vec<Ask>, String),
}

/// Plans a slow step as soon as the store has room for one.
pub(super) fn begin(
    index: &mut Index,
    uid: &str,
    allowed: &Allowed,
    slow: Slow,
    now: Timestamp,
) -> SecretPlan {
    let urgency = index
        .resources
        .get(uid)
        .map_or((Priority::Routine, 0), |record| urgency(record, now));
    if !index.slots.may_begin(&allowed.store, uid, urgency) {
        return SecretPlan::Waiting;
    }
    let store = allowed.store.clone();
    let (step, purpose) = match slow {
        Slow::List(order) => (Step::List { store, order }, Purpose::List),
        Slow::Prove(sample, asks, hash) => {
            let ca_bundle = allowed.ca_bundle.clone();
            let step = Step::Ask {
                store,
                asks,
                ca_bundle,
            };
            (step, Purpose::Prove(sample, hash))
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
    SecretPlan::Step(step, purpose)
}

/// All that is needed before anything is signed: what signs, and what is under the prefix where there is one.
pub(super) fn needs(
    index: &mut Index,
    uid: &str,
    allowed: &Allowed,
    now: Timestamp,
) -> Result<(Box<Held>, Option<Arc<Found>>), Halt> {
    let found = found(index, uid, allowed, now)?;
    let life = allowed.granted.asked().effective();
    let held = credentials(index, uid, allowed, allowed.session.as_ref(), life, now);
    // Where nothing could sign, the store could not be asked either.
    if matches!(held, Ok(_) | Err(Halt::Slow(_))) {
        may_upload(index, uid, allowed, now)?;
    }
    let held = held?;
    proven(index, uid, allowed, &held, found.as_deref(), now)?;
    Ok((held, found))
}

/// Whether an upload may be signed for the store at all.
fn may_upload(index: &mut Index, uid: &str, allowed: &Allowed, now: Timestamp) -> Result<(), Halt> {
    let store = index.stores.get_mut(&allowed.store).ok_or(Halt::Waiting)?;
    if !matches!(allowed.granted.grant.options, Options::Put(_)) {
        return Ok(());
    }
    match store.put_leave(allowed.session.is_some(), now) {
        PutLeave::Granted => Ok(()),
        PutLeave::Wait => {
            store.waiting.insert(uid.to_owned());
            Err(Halt::Waiting)
        }
        PutLeave::Refused(reason, message) => {
            store.waiting.insert(uid.to_owned());
            let trouble = Trouble {
                stalled: reason == Reason::UnsignedHeadersAccepted,
                reason,
                message,
            };
            Err(Halt::Trouble(trouble, None))
        }
    }
}

/// The store's credentials for a life that is wanted now, narrowed to a session where the store narrows them.
fn credentials(
    index: &mut Index,
    uid: &str,
    allowed: &Allowed,
    session: Option<&Session>,
    life: Duration,
    now: Timestamp,
) -> Result<Box<Held>, Halt> {
    // A store that is gone was judged before; its deletion makes the plan anew.
    let store = index.stores.get_mut(&allowed.store).ok_or(Halt::Waiting)?;
    match store.supply(uid, life, session, now) {
        Supply::Ready(held) => Ok(held),
        Supply::Fetch(source) => {
            let session = session.cloned().ok_or(Halt::Waiting)?;
            Err(Halt::Slow(Box::new(Slow::Session(
                source,
                Box::new(session),
            ))))
        }
        Supply::Fetching => {
            store.waiting.insert(uid.to_owned());
            Err(Halt::Waiting)
        }
        Supply::Failed(failure, again) => {
            // The answer to the store's next try ends the wait; where it plans none, having just asked, it is asked again.
            let again = again.or_else(|| store.wake().is_none().then(|| later(now, REFRESH_PAUSE)));
            store.waiting.insert(uid.to_owned());
            let trouble = Trouble {
                reason: failure.reason,
                message: format!(
                    "the ClusterObjectStore \"{}\": {}",
                    allowed.store, failure.message
                ),
                stalled: failure.reason != Reason::CredentialsUnavailable,
            };
            Err(Halt::Trouble(trouble, again))
        }
    }
}

/// What is under the prefix, where the request has one; a listing comes first where none is fresh.
fn found(
    index: &mut Index,
    uid: &str,
    allowed: &Allowed,
    now: Timestamp,
) -> Result<Option<Arc<Found>>, Halt> {
    let Objects::List(list) = &allowed.granted.request.objects else {
        return Ok(None);
    };
    let record = index.resources.get(uid).ok_or(Halt::Waiting)?;
    match &record.memory.listing {
        Some(found) if found.is_fresh(now) => Ok(Some(Arc::clone(found))),
        _ => Err(listing(index, uid, allowed, list, now)),
    }
}

fn listing(
    index: &mut Index,
    uid: &str,
    allowed: &Allowed,
    list: &ListRequest,
    now: Timestamp,
) -> Halt {
    match credentials(
        index,
        uid,
        allowed,
        allowed.list_session.as_ref(),
        MOMENT,
        now,
    ) {
        Ok(held) => Halt::Slow(Box::new(Slow::List(Box::new(order(
            allowed, list, &held, now,
        ))))),
        Err(halt) => halt,
    }
}

/// Whether what is to be published was tried, where it must be.
fn proven(
    index: &Index,
    uid: &str,
    allowed: &Allowed,
    held: &Held,
    found: Option<&Found>,
    now: Timestamp,
) -> Result<(), Halt> {
    if allowed.granted.wishes.verify != Verify::Require {
        return Ok(());
    }
    let record = index.resources.get(uid).ok_or(Halt::Waiting)?;
    let hash = proof::hash_of_next(allowed, held);
    match &record.memory.proof {
        Some(proof) if proof.serves(&hash, now) => Ok(()),
        _ => {
            let sample = proof::sample(&allowed.granted.request.objects, found);
            let asks = proof::asks(allowed, held, &sample, now);
            Err(Halt::Slow(Box::new(Slow::Prove(sample, asks, hash))))
        }
    }
}

/// Plans a look at what is under the prefix, for what is issued already.
pub(super) fn list_again(
    index: &mut Index,
    uid: &str,
    allowed: &Allowed,
    list: &ListRequest,
    now: Timestamp,
) -> SecretPlan {
    match listing(index, uid, allowed, list, now) {
        Halt::Slow(slow) => begin(index, uid, allowed, *slow, now),
        Halt::Waiting => SecretPlan::Waiting,
        // The store says what is wrong with its credentials; what is issued lives on.
        _ => SecretPlan::Settled,
    }
}

/// Plans a try of what is issued already, where it can be signed as it was.
pub(super) fn try_issued(
    index: &mut Index,
    uid: &str,
    allowed: &Allowed,
    issued: &Issued,
    now: Timestamp,
) -> SecretPlan {
    let session = allowed.session.as_ref();
    let held = match credentials(index, uid, allowed, session, MOMENT, now) {
        Ok(held) if held.hash == issued.hashes.credential => held,
        Err(Halt::Waiting) => return SecretPlan::Waiting,
        Err(Halt::Slow(slow)) => return begin(index, uid, allowed, *slow, now),
        Ok(_) | Err(_) => return SecretPlan::Settled,
    };
    let Some(record) = index.resources.get(uid) else {
        return SecretPlan::Settled;
    };
    let sample = match &allowed.granted.request.objects {
        Objects::List(_) => record.memory.sample.clone(),
        objects => proof::sample(objects, None),
    };
    let asks = proof::asks(allowed, &held, &sample, now);
    if asks.is_empty() {
        return SecretPlan::Settled;
    }
    let hash = proof::hash_of(&issued.hashes);
    begin(index, uid, allowed, Slow::Prove(sample, asks, hash), now)
}
