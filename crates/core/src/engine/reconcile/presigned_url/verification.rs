//! Verifying URLs: before the issue under `verify: Require`, and after it otherwise.
//!
//! What holds here:
//! - Under `verify: Report` the status that records something new waits for its verification, so `Ready` is
//!   true when it is first said. It waits for two seconds at most, so a slow store delays nobody for long.
//! - While something else answers in place of a store, its answers verify nothing.
//! - A failed verification is retried with growing pauses. A success counts until other content is signed.

use std::time::Duration;

use crate::api::condition;
use crate::api::{ConditionStatus, ConditionType, Reason, Verify};
use crate::engine::cache::state::Unrecorded;
use crate::engine::evaluate::evaluation::Evaluation;
use crate::engine::evaluate::reissue::is_current;
use crate::engine::evaluate::sampling;
use crate::engine::evaluate::signing_inputs::SigningInputs;
use crate::engine::protocol::{S3Method, S3Request, S3Result, Step};
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::context::Ctx;
use crate::engine::reconcile::presigned_url::credentials::{AT_ONCE, credentials};
use crate::engine::reconcile::presigned_url::slots;
use crate::engine::s3::ObjectVerdict;
use crate::engine::scheduler::retry::RECHECK;
use crate::engine::store::HeldCredentials;
use crate::issue::backoff;
use crate::issue::issued::Issued;
use crate::issue::listed::FoundObjects;
use crate::request::{Key, Objects};
use crate::time::{between, later};

/// The longest pause after a failed verification.
const MAX_PAUSE: Duration = Duration::from_hours(1);

/// How long the status of something new waits for its verification.
const STATUS_WAIT: Duration = Duration::from_secs(2);

/// Whether the content may be issued, under `verify: Require` only once it is verified. An `Err` verifies it
/// first.
pub(super) fn obtain(
    ctx: &Ctx<'_>,
    uid: &str,
    inputs: &SigningInputs,
    held: &HeldCredentials,
    found: Option<&FoundObjects>,
) -> Result<(), Action> {
    if inputs.authorized.issuance.verify != Verify::Require {
        return Ok(());
    }
    let record = ctx.cache.resources.get(uid).ok_or(Action::AwaitStore)?;
    let hash = sampling::hash_of_next(inputs, held);
    let outcome = record.state.verification.outcome.as_ref();
    if outcome.is_some_and(|outcome| outcome.permits(&hash, ctx.now))
        && !ctx.store_is_replaced(&inputs.store)
    {
        return Ok(());
    }
    let keys = sampling::sample(&inputs.authorized.request, found);
    let requests = sampling::verification_requests(inputs, held, &keys, ctx.now);
    if requests.is_empty() {
        // No request can verify it, so nothing blocks it.
        return Ok(());
    }
    Err(send(inputs, requests, hash, true, None))
}

/// The issued URLs and their inputs, if the spec asks for their verification.
fn wanted<'a>(
    evaluation: &'a Evaluation,
    issued: Option<&'a Issued>,
) -> Option<(&'a SigningInputs, &'a Issued)> {
    let (Evaluation::Allowed(inputs), Some(issued)) = (evaluation, issued) else {
        return None;
    };
    let wanted = inputs.authorized.issuance.verify != Verify::Never;
    wanted.then_some((&**inputs, issued))
}

/// Plans the verification of issued URLs, if it is due.
pub(super) fn plan(
    ctx: &mut Ctx<'_>,
    uid: &str,
    evaluation: &Evaluation,
    issued: Option<&Issued>,
) -> Option<Action> {
    let (inputs, issued) = wanted(evaluation, issued)?;
    let record = ctx.cache.resources.get(uid)?;
    if !is_current(ctx.cache, record, evaluation, issued, ctx.now) {
        return None;
    }
    let hash = sampling::hash_of(&issued.hashes);
    let status = &record.seen.status;
    let recorded = status
        .internal
        .hashes
        .as_ref()
        .and_then(|h| h.verified.as_deref())
        == Some(hash.as_str());
    if recorded {
        let verified = condition(&status.conditions, ConditionType::Verified)?;
        let good = verified.status == ConditionStatus::True
            || verified.reason == Reason::NotVerifiable.as_str();
        if good {
            // The status records it from now on.
            let state = ctx.cache.resources.get_mut(uid)?.state.any()?;
            state.verification.outcome = None;
            return None;
        }
        let due = record.state.verification.retry_at.unwrap_or(ctx.now);
        if due > ctx.now {
            ctx.requeue.at(due);
            return None;
        }
    }
    match of_issued(ctx, uid, inputs, issued, hash, None) {
        Action::Idle => None,
        action => Some(action),
    }
}

/// Plans the verification of what was just written, before the status records it; `None` if the status is not
/// to wait.
pub(super) fn before_status(
    ctx: &mut Ctx<'_>,
    uid: &str,
    evaluation: &Evaluation,
    issued: Option<&Issued>,
) -> Option<Action> {
    let (inputs, issued) = wanted(evaluation, issued)?;
    let record = ctx.cache.resources.get(uid)?;
    let written = matches!(record.state.unrecorded, Some(Unrecorded::Written(_)));
    if !written || ctx.draining || !is_current(ctx.cache, record, evaluation, issued, ctx.now) {
        return None;
    }
    let deadline = later(issued.issued_at, STATUS_WAIT);
    if deadline <= ctx.now {
        return None;
    }
    let hash = sampling::hash_of(&issued.hashes);
    let hashes = record.seen.status.internal.hashes.as_ref();
    let recorded = hashes.and_then(|hashes| hashes.verified.as_deref());
    let outcome = record.state.verification.outcome.as_ref();
    if recorded == Some(hash.as_str()) || outcome.is_some_and(|outcome| outcome.hash == hash) {
        return None;
    }
    let wait = between(ctx.now, deadline);
    let verification = of_issued(ctx, uid, inputs, issued, hash, Some(wait));
    match slots::acquire(ctx, uid, verification) {
        Action::AwaitSlot => {
            ctx.requeue.at(deadline);
            Some(Action::Idle)
        }
        action @ Action::Start(..) => Some(action),
        _ => None,
    }
}

/// The verification of issued URLs, if the credentials that signed them are still in use.
fn of_issued(
    ctx: &mut Ctx<'_>,
    uid: &str,
    inputs: &SigningInputs,
    issued: &Issued,
    hash: String,
    status_waits: Option<Duration>,
) -> Action {
    let held = match credentials(ctx, uid, inputs, inputs.session.as_ref(), AT_ONCE) {
        Ok(held) if held.hash == issued.hashes.credential => held,
        Ok(_) => return Action::Idle,
        // The status does not wait for STS.
        Err(_) if status_waits.is_some() => return Action::Idle,
        Err(Action::Blocked(_, again)) => {
            ctx.requeue
                .at(again.unwrap_or_else(|| later(ctx.now, RECHECK)));
            return Action::Idle;
        }
        Err(action) => return action,
    };
    let Some(record) = ctx.cache.resources.get(uid) else {
        return Action::Idle;
    };
    let keys = match &inputs.authorized.request.objects {
        Objects::List(_) => record.state.listing.sampled_keys.clone(),
        _ => sampling::sample(&inputs.authorized.request, None),
    };
    let requests = sampling::verification_requests(inputs, &held, &keys, ctx.now);
    if requests.is_empty() {
        return Action::Idle;
    }
    send(inputs, requests, hash, false, status_waits)
}

/// The step that sends the requests.
fn send(
    inputs: &SigningInputs,
    requests: Vec<((Key, S3Method), S3Request)>,
    hash: String,
    gates_issue: bool,
    status_waits: Option<Duration>,
) -> Action {
    let (keys, requests) = requests.into_iter().unzip();
    let step = Step::SendRequests {
        store: inputs.store.clone(),
        requests,
        ca_bundle: inputs.ca_bundle.clone(),
        timeout: status_waits,
    };
    let in_flight = InFlight::Verify {
        keys,
        hash,
        gates_issue,
        status_waits: status_waits.is_some(),
    };
    Action::start_in_slot(step, in_flight)
}

/// The objects were requested.
pub(super) fn completed(
    ctx: &mut Ctx<'_>,
    uid: &str,
    keys: &[(Key, S3Method)],
    hash: String,
    gates_issue: bool,
    answers: &[S3Result],
) {
    let Some(record) = ctx.cache.resources.get(uid) else {
        return;
    };
    let Evaluation::Allowed(inputs) = ctx.evaluate(record) else {
        return;
    };
    let mut skews = answers.iter().flatten().filter_map(|answer| answer.skew);
    ctx.store_clock_read(&inputs.store, skews.next_back());
    let now = ctx.now;
    let Some(mut outcome) = sampling::verification(&inputs, keys, answers, hash, now) else {
        return;
    };
    if outcome.is_good() && ctx.store_is_replaced(&inputs.store) {
        outcome.verdict = ObjectVerdict::of_something_else(&inputs.store);
    }
    let Some(state) = ctx.state(uid) else { return };
    let verification = &mut state.verification;
    if outcome.is_good() {
        verification.attempts = 0;
        verification.retry_at = None;
    } else {
        verification.attempts = verification.attempts.saturating_add(1);
        // Half a minute, doubling up to an hour.
        let pause = backoff(1, uid).saturating_mul(6 << verification.attempts.min(8));
        verification.retry_at = Some(later(now, pause.min(MAX_PAUSE)));
    }
    let problem = (gates_issue && !outcome.is_good()).then(|| outcome.problem());
    verification.outcome = Some(Box::new(outcome));
    if let Some(problem) = problem {
        ctx.record_problem(uid, problem);
    }
}
