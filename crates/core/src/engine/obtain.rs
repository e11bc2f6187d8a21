//! What an issue needs from outside before it is signed: credentials, a listing, a try.
//!
//! What holds here: each is one step, and slow: at most a few of a store are under way at once, and who finds no room stands
//! in line. What a listing or a try is signed with is what the session's scope leaves to it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::ask::{Ask, ListOrder};
use super::index::{Index, Record};
use super::judge::Allowed;
use super::listing::{Found, order};
use super::memory::{Issued, Trouble};
use super::plan::{Purpose, RECHECK, SecretPlan, Wake, issued};
use super::proof;
use super::queue::Priority;
use super::resource::urgency;
use super::sign::SigningJob;
use super::status::says_ready;
use super::step::{CredentialSource, ObjectVersion, Session, Step};
use super::store::{Held, Need, PutLeave, REFRESH_PAUSE, Supply};
use super::time::later;
use crate::api::{Reason, Verify};
use crate::policy::{Key, ListRequest, Objects, Options};

/// The life that credentials for a listing or a try must have left.
const MOMENT: Need = Need::of(Duration::from_mins(5));

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
    /// A try of some objects.
    Prove {
        /// Each with its request.
        tries: Vec<(Key, Ask)>,
        /// The hash of what they are signed for.
        hash: String,
        /// Whether something is published only if it works.
        first: bool,
    },
}

/// Plans a slow step as soon as the store has room for one.
pub(super) fn begin(
    index: &mut Index,
    uid: &str,
    allowed: &Allowed,
    slow: Slow,
    now: Timestamp,
) -> SecretPlan {
    let Some(record) = index.resources.get(uid) else {
        return SecretPlan::Settled;
    };
    // What the status says of a URL that has died is put right before anything slow begins.
    let alive = issued(record).is_some_and(|issued| issued.alive(now));
    if says_ready(&record.seen.status) && !alive {
        return SecretPlan::InLine;
    }
    let urgency = place_in_line(record, now);
    let namespace = &record.seen.namespace;
    if !index
        .slots
        .may_begin(&allowed.store, uid, namespace, urgency)
    {
        return SecretPlan::InLine;
    }
    let store = allowed.store.clone();
    let (step, purpose) = match slow {
        Slow::List(order) => (
            Step::List { store, order },
            Purpose::List(identity(allowed)),
        ),
        Slow::Prove { tries, hash, first } => {
            let (sample, asks) = tries.into_iter().unzip();
            let ca_bundle = allowed.ca_bundle.clone();
            let step = Step::Ask {
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
    SecretPlan::Step(step, purpose)
}

/// The place of a resource in the line of its store. What has made one slow step of an issue makes the next before others
/// begin; what was never issued and fails again and again does not stand before what still lives.
fn place_in_line(record: &Record, now: Timestamp) -> (Priority, i64) {
    let memory = &record.memory;
    let (priority, rank) = urgency(record, now);
    if memory.listing.is_some() {
        (Priority::Urgent, i64::MIN)
    } else if memory.failures > 0 && record.seen.status.issued_at.is_none() {
        (Priority::Routine, i64::MIN)
    } else {
        (priority, rank.max(i64::MIN + 1))
    }
}

/// What a listing is made for: where another is wanted by the time that it comes in, it says nothing.
pub(super) fn identity(allowed: &Allowed) -> String {
    format!("{} {}", allowed.granted.spec_hash, allowed.store_hash)
}

/// All that is needed before anything is signed: what signs, and what is under the prefix where there is one. `living` is
/// the end of what is issued, where the point is to outlive it.
pub(super) fn needs(
    index: &mut Index,
    uid: &str,
    allowed: &Allowed,
    living: Option<Timestamp>,
    now: Timestamp,
) -> Result<(Box<Held>, Option<Arc<Found>>), Halt> {
    let found = found(index, uid, allowed, now)?;
    let need = Need {
        life: allowed.granted.asked().effective(),
        living,
    };
    let held = credentials(index, uid, allowed, allowed.session.as_ref(), need, now);
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
            store.waiting.insert(uid.into());
            Err(Halt::Waiting)
        }
        PutLeave::Refused(reason, message) => {
            store.waiting.insert(uid.into());
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
    need: Need,
    now: Timestamp,
) -> Result<Box<Held>, Halt> {
    // A store that is gone was judged before; its deletion makes the plan anew.
    let store = index.stores.get_mut(&allowed.store).ok_or(Halt::Waiting)?;
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
            let sample = proof::sample(&allowed.granted.request, found);
            let tries = proof::tries(allowed, held, &sample, now);
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
pub(super) fn list_again(
    index: &mut Index,
    uid: &str,
    allowed: &Allowed,
    list: &ListRequest,
    now: Timestamp,
    wake: &mut Wake,
) -> SecretPlan {
    match listing(index, uid, allowed, list, now) {
        Halt::Slow(slow) => begin(index, uid, allowed, *slow, now),
        Halt::Waiting => SecretPlan::Waiting,
        Halt::Trouble(trouble, again) => {
            // What is issued lives on; that its objects are not looked at is told.
            if let Some(record) = index.resources.get_mut(uid) {
                record.memory.trouble = Some(trouble);
            }
            wake.at(again.unwrap_or_else(|| later(now, RECHECK)));
            SecretPlan::Settled
        }
        Halt::MakeRoom(_) | Halt::Inspect | Halt::Sign(_) => SecretPlan::Settled,
    }
}

/// Plans a try of what is issued already, where it can be signed as it was.
pub(super) fn try_issued(
    index: &mut Index,
    uid: &str,
    allowed: &Allowed,
    issued: &Issued,
    now: Timestamp,
    wake: &mut Wake,
) -> SecretPlan {
    let session = allowed.session.as_ref();
    let held = match credentials(index, uid, allowed, session, MOMENT, now) {
        Ok(held) if held.hash == issued.hashes.credential => held,
        Err(Halt::Waiting) => return SecretPlan::Waiting,
        Err(Halt::Slow(slow)) => return begin(index, uid, allowed, *slow, now),
        Err(Halt::Trouble(_, again)) => {
            wake.at(again.unwrap_or_else(|| later(now, RECHECK)));
            return SecretPlan::Settled;
        }
        Ok(_) | Err(_) => return SecretPlan::Settled,
    };
    let Some(record) = index.resources.get(uid) else {
        return SecretPlan::Settled;
    };
    let sample = match &allowed.granted.request.objects {
        Objects::List(_) => record.memory.sample.clone(),
        _ => proof::sample(&allowed.granted.request, None),
    };
    let tries = proof::tries(allowed, &held, &sample, now);
    if tries.is_empty() {
        return SecretPlan::Settled;
    }
    let slow = Slow::Prove {
        tries,
        hash: proof::hash_of(&issued.hashes),
        first: false,
    };
    begin(index, uid, allowed, slow, now)
}
