//! Links: what is issued once, with `renew: Never`.
//!
//! What holds here: once a link was issued its end is fixed to the second, whatever signs it again. The end moves in one
//! case, to an earlier time and for good: where a policy now allows less. After it nothing is issued by itself, and the
//! status keeps the link's times, so that a restart does not begin it anew. That a link was issued is known by a mark on
//! the hash of its spec: a resource that was renewed until now and is a link from now on keeps what it holds.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::{ConditionType, IfNoneMatch, LimitedBy, PutOptions, Reason, Renew, SignedHashes};
use crate::engine::cache::index::Record;
use crate::engine::cache::state::Unrecorded;
use crate::engine::evaluate::evaluation::{Authorized, Evaluation};
use crate::engine::evaluate::reissue::RECHECK;
use crate::engine::protocol::{ApiError, Retry, classify};
use crate::engine::protocol::{ObjectVersion, Step};
use crate::engine::reconcile::presigned_url::status::condition;
use crate::engine::scheduler::wake::RequeueAt;
use crate::engine::{Engine, Observation};
use crate::issue::issued::{Issued, ahead};
use crate::issue::{Fixed, RequestedLife, backoff};
use crate::policy::{IssuanceOptions, Options};
use crate::time::later;

/// What the hash of a link's spec begins with.
const MARK: &str = "once:";
/// How long nothing is deleted by the clock after it was stepped: one step may be followed by its correction.
const DOUBT: Duration = Duration::from_mins(15);
/// By how much the API server's clock may differ before nothing is deleted by the operator's.
const CONTRADICTED: SignedDuration = SignedDuration::from_mins(5);
/// The longest life that a signature of now has, counted from now.
const LONGEST: Duration = Duration::from_secs(604_770);

/// What is said of a spec that was edited past admission.
pub(in crate::engine) const EDITED: &str = "with renew: Never what is signed is fixed for good, and the spec asks for something else than was issued: put it \
     back, or create another PresignedURL; what was issued stays until its end";

/// What a resource is to its link.
#[derive(Debug)]
pub(in crate::engine) struct OneShot {
    /// The one life; `None` before the first issue.
    fixed_life: Option<FixedLife>,
    /// Whether the spec asks for something else than was issued.
    pub(in crate::engine) edited: bool,
}

/// The one life of a link, as a write or the status tells it.
#[derive(Clone, Debug)]
pub(in crate::engine) struct FixedLife {
    pub(in crate::engine) fixed: Fixed,
    pub(in crate::engine) limited_by: Option<LimitedBy>,
    pub(in crate::engine) hashes: SignedHashes,
    pub(in crate::engine) served: Option<String>,
}

/// How long after its end a link's resource goes; `None` keeps it. What cannot be read for sure deletes nothing.
fn ttl(record: &Record) -> Option<Duration> {
    let spec = record.seen.spec.as_ref().ok()?;
    IssuanceOptions::parse(spec).ok()?.ttl_after_expiry
}

/// The hash of a link's spec.
pub(in crate::engine) fn marked(hash: &str) -> String {
    format!("{MARK}{hash}")
}

/// The hash without the mark.
pub(in crate::engine) fn plain(hash: &str) -> &str {
    hash.strip_prefix(MARK).unwrap_or(hash)
}

fn is_marked(hashes: &SignedHashes) -> bool {
    hashes.spec.starts_with(MARK)
}

impl FixedLife {
    fn of(issued: &Issued) -> Self {
        Self {
            fixed: Fixed {
                issued_at: issued.issued_at,
                expires_at: issued.expires_at,
            },
            limited_by: issued.limited_by,
            hashes: issued.hashes.clone(),
            served: issued.served_request.clone(),
        }
    }

    /// What was last issued for a resource, though its Secret may be gone.
    fn last(record: &Record) -> Option<Self> {
        match &record.state.unrecorded {
            Some(Unrecorded::Written(issued) | Unrecorded::Removed(Some(issued))) => {
                return Some(Self::of(issued));
            }
            Some(Unrecorded::Removed(None)) | None => {}
        }
        let status = &record.seen.status;
        Some(Self {
            fixed: Fixed {
                issued_at: status.issued_at?,
                expires_at: status.expires_at?,
            },
            limited_by: status.limited_by,
            hashes: status.hashes.clone()?,
            served: status.last_renew_request.clone(),
        })
    }

    /// The times as the policies leave them: never later, and earlier where they allow less by now. A link that a fast clock
    /// dated into the future counts from now.
    fn bounded(&self, asked: RequestedLife, now: Timestamp) -> Fixed {
        let Fixed {
            issued_at,
            expires_at,
        } = self.fixed;
        let (issued_at, longest) = if ahead(issued_at, now) {
            (now, asked.effective().min(LONGEST))
        } else {
            (issued_at, asked.policy_max)
        };
        Fixed {
            issued_at,
            expires_at: expires_at.min(later(issued_at, longest)),
        }
    }
}

impl OneShot {
    /// What a resource is to its link; `None` where it is renewed. `hash` hashes the request with the given options, since
    /// a policy may add a condition of its own to what the spec asks.
    pub(in crate::engine) fn of(
        record: &Record,
        renew: Renew,
        authorized: &Options,
        asked: &Options,
        hash: impl Fn(&Options) -> String,
    ) -> Option<Self> {
        let once = renew == Renew::Never;
        let last = FixedLife::last(record);
        let was_once = last.as_ref().is_some_and(|last| is_marked(&last.hashes));
        if !once && !was_once {
            return None;
        }
        let Some(last) = last else {
            return Some(Self {
                fixed_life: None,
                edited: false,
            });
        };
        let known = plain(&last.hashes.spec);
        let same = [authorized, asked, &create_only(asked)]
            .into_iter()
            .any(|options| hash(options) == known);
        Some(Self {
            // What was renewed until now and is asked for in another way begins as a link.
            fixed_life: (was_once || same).then_some(last),
            edited: was_once && !(once && same),
        })
    }

    /// The one life, if it has begun. What ended while it was still renewed is none.
    fn fixed_life(&self, now: Timestamp) -> Option<&FixedLife> {
        self.fixed_life
            .as_ref()
            .filter(|fixed_life| is_marked(&fixed_life.hashes) || fixed_life.fixed.expires_at > now)
    }
}

/// The options with the condition that a policy's createOnly adds.
fn create_only(options: &Options) -> Options {
    match options {
        Options::Put(put) => Options::Put(PutOptions {
            if_none_match: Some(IfNoneMatch::Any),
            ..put.clone()
        }),
        other => other.clone(),
    }
}

/// The times that whatever signs a link again must keep; `None` where none were given yet.
pub(in crate::engine) fn fixed(authorized: &Authorized, now: Timestamp) -> Option<Fixed> {
    let fixed_life = authorized.one_shot.as_ref()?.fixed_life(now)?;
    Some(fixed_life.bounded(authorized.asked(), now))
}

/// The one life of a link that is signed again, as the policies leave it; `None` where it has not begun.
pub(in crate::engine) fn fixed_life(
    authorized: &Authorized,
    policy_max: Duration,
    now: Timestamp,
) -> Option<FixedLife> {
    let fixed_life = authorized.one_shot.as_ref()?.fixed_life(now)?;
    let asked = RequestedLife {
        policy_max,
        ..authorized.asked()
    };
    Some(FixedLife {
        fixed: fixed_life.bounded(asked, now),
        ..fixed_life.clone()
    })
}

/// Whether nothing is issued for a link any more.
pub(in crate::engine) fn closed(authorized: &Authorized, now: Timestamp) -> bool {
    let edited = authorized
        .one_shot
        .as_ref()
        .is_some_and(|one_shot| one_shot.edited);
    edited || fixed(authorized, now).is_some_and(|fixed| fixed.expires_at <= now)
}

/// The end of a link that has ended, whatever is asked and allowed by now.
pub(in crate::engine) fn ended(
    record: &Record,
    evaluation: &Evaluation,
    now: Timestamp,
) -> Option<Timestamp> {
    let fixed = match evaluation.authorized() {
        Some(authorized) => fixed(authorized, now)?,
        None => {
            FixedLife::last(record)
                .filter(|fixed_life| is_marked(&fixed_life.hashes))?
                .fixed
        }
    };
    Some(fixed.expires_at).filter(|end| *end <= now)
}

/// What the status keeps of a link whose Secret is gone.
pub(in crate::engine) fn retained(
    record: &Record,
    evaluation: &Evaluation,
    now: Timestamp,
) -> Option<FixedLife> {
    let mut fixed_life =
        FixedLife::last(record).filter(|fixed_life| is_marked(&fixed_life.hashes))?;
    if let Some(end) = ended(record, evaluation, now) {
        fixed_life.fixed.expires_at = end;
    }
    Some(fixed_life)
}

/// The hashes as the status tells them: what is a link from now on is marked.
pub(in crate::engine) fn hashes(evaluation: &Evaluation, issued: &Issued) -> SignedHashes {
    let mut hashes = issued.hashes.clone();
    if let Some(authorized) = evaluation
        .authorized()
        .filter(|authorized| authorized.covers(issued))
    {
        hashes.spec.clone_from(&authorized.spec_hash);
    }
    hashes
}

/// What Ready says of a link that has ended.
pub(in crate::engine) fn expired_message(record: &Record, end: Timestamp) -> String {
    let next = match ttl(record) {
        Some(ttl) => format!("; this resource is deleted at {}", later(end, ttl)),
        None => String::new(),
    };
    format!(
        "the link ended at {end}, as it was issued to, and is never renewed: create another PresignedURL where one is needed{next}"
    )
}

/// What stands in the way of the deletion of a link that has ended.
pub(in crate::engine) fn undeleted(record: &Record) -> Option<(Reason, String)> {
    let what = classify(record.state.undeleted.as_ref()?);
    Some((
        what.reason,
        format!(
            "the resource is to be deleted after spec.ttlAfterExpiry: {}",
            what.sentence
        ),
    ))
}

/// What Renewed says of a link: False where it was asked for what it never does, or where it cannot be signed again.
pub(in crate::engine) fn renewed(record: &Record) -> Option<(bool, Reason, String)> {
    if let Some(problem) = &record.state.problem {
        return Some((false, problem.reason, problem.message.clone()));
    }
    refused(record)
}

/// What Renewed says where a link was asked for what it never does.
pub(in crate::engine) fn refused(record: &Record) -> Option<(bool, Reason, String)> {
    let asked = record.seen.renew_request.as_ref()?;
    let served = FixedLife::last(record)?.served;
    (served.as_ref() != Some(asked)).then(|| {
        let sentence = "the annotation presigned.dev/renew asks for a renewal, and with renew: Never there is none: remove the annotation, and \
             create another PresignedURL where one is needed";
        (false, Reason::NeverRenewed, sentence.to_owned())
    })
}

/// Whether a status says that a link has ended, which is as it should be.
pub(in crate::engine) fn is_over(status: &crate::api::PresignedUrlStatus) -> bool {
    status.hashes.as_ref().is_some_and(is_marked)
        && condition(status, ConditionType::Ready)
            .is_some_and(|ready| ready.reason == Reason::Expired.as_str())
}

/// The deletion of a resource whose link has ended for long enough. Notes the time where it is to be later.
///
/// The end is on record and the Secret gone before it; a clock in doubt deletes nothing.
pub(in crate::engine) fn deletion(
    record: &Record,
    doubted_until: Option<Timestamp>,
    api_clock: Option<SignedDuration>,
    now: Timestamp,
    requeue: &mut RequeueAt,
) -> Option<Step> {
    let seen = &record.seen;
    let end = seen.status.expires_at?;
    if !seen.status.hashes.as_ref().is_some_and(is_marked) {
        return None;
    }
    if end > now {
        // A link whose Secret was removed before its end has no other timer.
        requeue.at(end);
        return None;
    }
    let ttl = ttl(record)?;
    if !is_over(&seen.status) || seen.status.secret_ref.is_some() || contradicted(api_clock) {
        return None;
    }
    let at = [doubted_until, record.state.removal_retry_at]
        .into_iter()
        .flatten()
        .fold(later(end, ttl), Timestamp::max);
    if at > now {
        requeue.at(at);
        return None;
    }
    Some(Step::DeleteResource {
        namespace: seen.namespace.clone(),
        name: seen.name.clone(),
        target: ObjectVersion {
            uid: seen.uid.to_string(),
            resource_version: Some(seen.resource_version.clone()),
        },
    })
}

/// Whether the API server's clock says that the operator's is wrong: by such a clock nothing has ended.
pub(in crate::engine) fn contradicted(api_clock: Option<SignedDuration>) -> bool {
    api_clock.is_some_and(|skew| skew.abs() > CONTRADICTED)
}

/// Until when a clock that was stepped now is in doubt.
pub(in crate::engine) fn doubt(now: Timestamp) -> Timestamp {
    later(now, DOUBT)
}

impl Engine {
    /// What became of a deletion of a resource whose link has ended.
    pub(in crate::engine) fn resource_deleted(
        &mut self,
        uid: &str,
        result: Result<(), ApiError>,
        now: Timestamp,
    ) {
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        let state = &mut record.state;
        // Where it worked, the watch tells that it is gone; a finalizer may keep it for a while.
        let mut pause = RECHECK;
        if let Err(failure) = &result {
            let what = classify(failure);
            state.failures = state.failures.saturating_add(1);
            if let Retry::Immediately | Retry::Backoff | Retry::ThrottleAll(_) = what.retry {
                pause = backoff(state.failures, uid);
            }
            if what.retry != Retry::Immediately {
                self.observations.push(Observation::Failed(what.reason));
            }
            if let Retry::ThrottleAll(asked) = what.retry {
                state.removal_retry_at = Some(later(now, pause));
                return self.pause(asked, now);
            }
        }
        state.removal_retry_at = Some(later(now, pause));
        state.undeleted = result
            .err()
            .filter(|failure| classify(failure).retry != Retry::Immediately);
    }
}
