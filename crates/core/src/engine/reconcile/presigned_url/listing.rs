//! Listing the objects under a prefix, and which of them get a URL.
//!
//! What holds here:
//! - Each listed key is parsed and evaluated like a key of a spec. A key that cannot be signed safely, or
//!   that no policy allows, is left out and counted.
//! - A listing is never cut off silently: too many objects are an error.
//! - After a change of a policy or the namespace, and after a restart, the prefix is listed again.
//! - A listing waits for its turn, as [`ListingRates`] says, unless a policy or the namespace changed, or what
//!   was listed could not be written.
//!
//! [`ListingRates`]: crate::engine::scheduler::listing_rate::ListingRates

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::{Method, Problem, Reason};
use crate::engine::evaluate::evaluation::Evaluation;
use crate::engine::evaluate::reissue::issued;
use crate::engine::evaluate::sampling::sample;
use crate::engine::evaluate::signing_inputs::SigningInputs;
use crate::engine::protocol::{Cause, ListError, ListRequest, ListResponse, Step};
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::context::Ctx;
use crate::engine::reconcile::presigned_url::credentials::{AT_ONCE, credentials};
use crate::engine::s3::{ListSubject, listing_problem};
use crate::engine::scheduler::listing_rate::{
    Bound, Life, NAMESPACE_BURST, NAMESPACE_INTERVAL, RESOURCE_BURST,
};
use crate::engine::scheduler::retry::RECHECK;
use crate::engine::store::HeldCredentials;
use crate::issue::listed::{FoundObjects, ListedKey};
use crate::issue::{listing_hash, unfit_keys};
use crate::policy::{Grant, Namespace, PolicySet};
use crate::request::{Key, ListSelection, Objects, Options, format_duration};
use crate::time::{later, shifted};

/// How long all pages together may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The hash of the request that a listing is for. If the spec or the store changed before the answer arrived,
/// the answer is dropped.
fn request_hash(inputs: &SigningInputs) -> String {
    format!("{} {}", inputs.authorized.spec_hash, inputs.store_hash)
}

/// The objects under the prefix, if the request lists one. An `Err` is the listing that comes first, or its
/// turn.
pub(super) fn obtain(
    ctx: &mut Ctx<'_>,
    uid: &str,
    inputs: &SigningInputs,
    cause: Cause,
) -> Result<Option<Arc<FoundObjects>>, Action> {
    let Objects::List(list) = &inputs.authorized.request.objects else {
        return Ok(None);
    };
    let record = ctx.cache.resources.get(uid).ok_or(Action::AwaitStore)?;
    match &record.state.listing.found {
        Some(found) if found.is_fresh(ctx.now) => Ok(Some(Arc::clone(found))),
        _ => Err(match queued_until(ctx, uid, inputs) {
            // An admin changed the store, and the URLs may be dead: for that no rate delays the first listing.
            Some(_) if cause == Cause::Store && awaits_first_listing(ctx, uid) => {
                plan(ctx, uid, inputs, list)
            }
            Some((at, bound)) => queued(ctx, uid, inputs, list, (at, bound), cause),
            None => plan(ctx, uid, inputs, list),
        }),
    }
}

/// Whether the prefix was not listed since the rollout of a store's change was due.
fn awaits_first_listing(ctx: &Ctx<'_>, uid: &str) -> bool {
    let record = ctx.cache.resources.get(uid);
    let due = record.and_then(|record| record.state.rollout.due);
    let listed_at = ctx.cache.listing_rates.listed_at(uid);
    due.is_some_and(|due| listed_at.is_none_or(|at| at < due))
}

/// When the prefix may be listed, and why not before; `None` is now.
fn queued_until(
    ctx: &mut Ctx<'_>,
    uid: &str,
    inputs: &SigningInputs,
) -> Option<(Timestamp, Bound)> {
    let record = ctx.cache.resources.get(uid)?;
    let issued = issued(record).filter(|issued| ctx.cache.alive(record, issued, ctx.now));
    let living = issued.map(|issued| Life {
        issued_at: issued.issued_at,
        expires_at: issued.expires_at,
    });
    let interval = inputs.authorized.grant.min_refresh_interval;
    // Who waits for a first URL does not wait for as long as a policy may say.
    let interval = match living {
        Some(_) => interval,
        None => interval.min(RECHECK),
    };
    let of = (&*record.seen.namespace, uid);
    let rates = &mut ctx.cache.listing_rates;
    let queued = rates.queued_until(of, interval, living, ctx.now);
    queued.filter(|_| !record.state.listing.unpaced)
}

/// The listing waits for its turn. The conditions say so if somebody waits for what it finds: a status is
/// written once a renewal, and most listings of renewals wait.
fn queued(
    ctx: &mut Ctx<'_>,
    uid: &str,
    inputs: &SigningInputs,
    list: &ListSelection,
    (at, bound): (Timestamp, Bound),
    cause: Cause,
) -> Action {
    let Some(record) = ctx.cache.resources.get(uid) else {
        return Action::Idle;
    };
    let awaited = match cause {
        Cause::First | Cause::Changed | Cause::Requested | Cause::Drift => true,
        Cause::Shortened | Cause::Due | Cause::Listed | Cause::Store => {
            !issued(record).is_some_and(|issued| ctx.cache.alive(record, &issued, ctx.now))
        }
    };
    if !awaited {
        ctx.requeue.at(at);
        return Action::Idle;
    }
    // What went wrong before says more.
    let problem = record.state.issue.problem.clone();
    let problem = problem.unwrap_or_else(|| Problem {
        reason: Reason::ListingQueued,
        message: queued_message(&record.seen.namespace, inputs, list, at, bound),
        needs_human: false,
    });
    Action::Blocked(problem, Some(at))
}

fn queued_message(
    namespace: &str,
    inputs: &SigningInputs,
    list: &ListSelection,
    at: Timestamp,
    bound: Bound,
) -> String {
    let prefix = list.prefix.as_str().escape_debug();
    let bucket = &inputs.authorized.request.bucket;
    let why = match bound {
        Bound::Resource => format!(
            "the policy allows one resource {RESOURCE_BURST} listings, and then one every {} (minRefreshInterval)",
            format_duration(inputs.authorized.grant.min_refresh_interval)
        ),
        Bound::Namespace => format!(
            "the resources of namespace \"{namespace}\" may list {NAMESPACE_BURST} times, and then once every {}",
            format_duration(NAMESPACE_INTERVAL)
        ),
    };
    format!(
        "the listing of \"{prefix}\" in bucket \"{bucket}\" is queued until {at}: {why}; what is issued stays"
    )
}

fn plan(ctx: &mut Ctx<'_>, uid: &str, inputs: &SigningInputs, list: &ListSelection) -> Action {
    match credentials(ctx, uid, inputs, inputs.list_session.as_ref(), AT_ONCE) {
        Ok(held) => {
            let step = Step::List {
                store: inputs.store.clone(),
                request: Box::new(request(inputs, list, &held, ctx.now)),
            };
            let request_hash = request_hash(inputs);
            Action::start_in_slot(step, InFlight::List { request_hash })
        }
        Err(action) => action,
    }
}

/// Plans a listing for URLs that are issued already, if `refreshInterval` has passed. A listing that changed
/// nothing is forgotten.
pub(super) fn plan_refresh(ctx: &mut Ctx<'_>, uid: &str, inputs: &SigningInputs) -> Option<Action> {
    let Objects::List(list) = &inputs.authorized.request.objects else {
        return None;
    };
    if inputs.authorized.one_shot.is_some() {
        return None;
    }
    let state = ctx.state(uid)?;
    if let Some(found) = state.listing.found.take() {
        state.listing.listed_at = Some(found.at);
        state.listing.sampled_keys = sample(&inputs.authorized.request, Some(&found));
    }
    let due = match (state.listing.listed_at, list.refresh_interval) {
        (None, _) => ctx.now,
        (Some(at), Some(interval)) => later(at, interval),
        (Some(_), None) => return None,
    };
    if due > ctx.now {
        ctx.requeue.at(due);
        return None;
    }
    if let Some((at, _)) = queued_until(ctx, uid, inputs) {
        ctx.requeue.at(at);
        return None;
    }
    Some(match plan(ctx, uid, inputs, list) {
        Action::Blocked(problem, again) => {
            // The issued URLs stay. The conditions report that the objects cannot be listed.
            let again = again.unwrap_or_else(|| later(ctx.now, RECHECK));
            if let Some(state) = ctx.state(uid) {
                state.issue.problem = Some(problem);
            }
            ctx.requeue.at(again);
            Action::Idle
        }
        action => action,
    })
}

/// The prefix was listed, or was not.
pub(super) fn completed(
    ctx: &mut Ctx<'_>,
    uid: &str,
    sent_for: &str,
    result: Result<ListResponse, ListError>,
) {
    let Some(record) = ctx.cache.resources.get(uid) else {
        return;
    };
    // Without a permission the answer has no use. The plan that follows reports the denial.
    let Evaluation::Allowed(inputs) = ctx.evaluate(record) else {
        return;
    };
    let Objects::List(list) = &inputs.authorized.request.objects else {
        return;
    };
    if request_hash(&inputs) != sent_for {
        return;
    }
    let Some(namespace) = ctx.cache.namespace_of(&record.seen.namespace) else {
        return;
    };
    let skew = result.as_ref().map_or_else(skew_of, |found| found.skew);
    let found = match result {
        Ok(found) => select(
            &ctx.cache.policy_set,
            &namespace,
            &inputs,
            list,
            found,
            ctx.now,
        ),
        Err(failure) => {
            let subject = ListSubject {
                target: &inputs.operator_target,
                bucket: &inputs.authorized.request.bucket,
                prefix: &list.prefix,
                most: most(list, &inputs.authorized.grant),
            };
            Err(listing_problem(&failure, &subject))
        }
    };
    ctx.store_clock_read(&inputs.store, skew);
    if let Some(state) = ctx.state(uid) {
        state.listing.failed = found.is_err();
    }
    match found {
        Ok(found) => {
            ctx.cache.budget.grow(uid, found.bytes());
            if let Some(state) = ctx.state(uid) {
                state.listing.found = Some(Arc::new(found));
            }
        }
        Err(problem) => ctx.record_problem(uid, problem),
    }
}

/// The store's clock minus the operator's, from the answer that refused a listing.
const fn skew_of(failure: &ListError) -> Option<SignedDuration> {
    match failure {
        ListError::Refused(answer) => answer.skew,
        ListError::TooMany
        | ListError::TooLarge
        | ListError::TooLong
        | ListError::TransportError(_)
        | ListError::BadPage(_)
        | ListError::NotSigned(_) => None,
    }
}

/// The most objects that a resource may have.
fn most(list: &ListSelection, grant: &Grant) -> u32 {
    list.max_objects
        .map_or(grant.max_objects, |most| most.min(grant.max_objects))
}

/// The request of a listing.
fn request(
    inputs: &SigningInputs,
    list: &ListSelection,
    held: &HeldCredentials,
    now: Timestamp,
) -> ListRequest {
    ListRequest {
        target: inputs.operator_target.clone(),
        bucket: inputs.authorized.request.bucket.clone(),
        wanted: list.clone(),
        most: most(list, &inputs.authorized.grant),
        credentials: held.credentials.clone(),
        request_payer: match &inputs.authorized.grant.options {
            Options::Get(get) => get.request_payer,
            _ => None,
        },
        ca_bundle: inputs.ca_bundle.clone(),
        signed_at: shifted(now, held.skew),
        timeout: TIMEOUT,
    }
}

/// The listed objects that get a URL.
fn select(
    policies: &PolicySet,
    namespace: &Namespace<'_>,
    inputs: &SigningInputs,
    list: &ListSelection,
    listing: ListResponse,
    now: Timestamp,
) -> Result<FoundObjects, Problem> {
    let request = &inputs.authorized.request;
    let all = listing.objects.len();
    let objects: Vec<ListedKey> = listing
        .objects
        .into_iter()
        // `include` or `exclude` of the spec may have changed since the request.
        .filter(|listed| list.keeps(&listed.key))
        .filter_map(|listed| {
            Some(ListedKey {
                key: Key::parse(&listed.key).ok()?,
                listed: Some((listed.size, listed.etag)),
            })
        })
        .collect();
    let keys: Vec<Key> = objects.iter().map(|object| object.key.clone()).collect();
    let listed = policies.decide_listed(namespace, request, &keys);
    if listed.unknown {
        return Err(Problem {
            reason: Reason::PolicyUnknown,
            message: format!(
                "some objects under \"{}\" in bucket \"{}\" may be allowed by a PresignedURLPolicy that cannot be read: an \
                 admin must fix it; until then nothing new is issued and nothing is taken away",
                list.prefix.as_str().escape_debug(),
                request.bucket
            ),
            needs_human: true,
        });
    }
    let objects: Vec<ListedKey> = objects
        .into_iter()
        .zip(listed.allowed)
        .filter_map(|(object, allowed)| allowed.then_some(object))
        .collect();
    let objects = without_unfit(objects, inputs);
    let skipped = u32::try_from(all - objects.len()).unwrap_or(u32::MAX);
    let found = u32::try_from(objects.len()).unwrap_or(u32::MAX);
    if found < list.min_objects {
        return Err(too_few(inputs, list, found, skipped));
    }
    let hash = listing_hash(objects.iter().map(|object| {
        let (size, etag) = object
            .listed
            .as_ref()
            .map_or((None, ""), |(size, etag)| (*size, etag.as_str()));
        (object.key.as_str(), size, etag)
    }));
    // Without an object nothing is signed, and the grant to list is the only one. No URL outlives it.
    let to_list = &*inputs.authorized.grant;
    let grant = listed.grant.unwrap_or_else(|| to_list.clone());
    Ok(FoundObjects {
        objects,
        skipped,
        hash,
        grant: Grant {
            max_duration: grant.max_duration.min(to_list.max_duration),
            ..grant
        },
        at: now,
    })
}

/// Leaves out keys that a file of `spec.formats` cannot hold. If they were an error, anyone who may upload
/// could block the issue.
fn without_unfit(objects: Vec<ListedKey>, inputs: &SigningInputs) -> Vec<ListedKey> {
    let authorized = &inputs.authorized;
    let keys: Vec<&str> = objects.iter().map(|object| object.key.as_str()).collect();
    let unfit: BTreeSet<String> = unfit_keys(&authorized.issuance.formats, Method::Get, &keys)
        .into_iter()
        .map(ToOwned::to_owned)
        .collect();
    objects
        .into_iter()
        .filter(|object| !unfit.contains(object.key.as_str()))
        .collect()
}

fn too_few(inputs: &SigningInputs, list: &ListSelection, found: u32, skipped: u32) -> Problem {
    let left_out = match skipped {
        0 => String::new(),
        n => format!(
            " ({n} more were left out: their keys cannot be signed safely, no policy allows them, or a file of spec.formats cannot \
             hold them)"
        ),
    };
    Problem {
        reason: Reason::TooFewObjects,
        message: format!(
            "{} found under \"{}\" in bucket \"{}\"{left_out}, and spec.list.minObjects asks for {}: upload \
             them, fix spec.prefix or spec.list, or ask for fewer; it is listed again",
            match found {
                1 => "1 object was".to_owned(),
                found => format!("{found} objects were"),
            },
            list.prefix.as_str().escape_debug(),
            inputs.authorized.request.bucket,
            list.min_objects
        ),
        needs_human: false,
    }
}
