//! Links: what is issued once, with `renew: Never`.
//!
//! What holds here: once a link was issued its end is fixed to the second, whatever signs it again. The end moves in one
//! case, to an earlier time and for good: where a policy now allows less. After it nothing is issued by itself, and the
//! status keeps the link's times, so that a restart does not begin it anew. That a link was issued is known by a mark on
//! the hash of its spec: a resource that was renewed until now and is a link from now on keeps what it holds.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::failure::{ApiFailure, Retry, consequence};
use super::index::Record;
use super::judge::{Granted, Judged};
use super::memory::{Issued, Unsaved, ahead};
use super::plan::{RECHECK, Wake};
use super::status::condition;
use super::step::{ObjectVersion, Step};
use super::time::later;
use super::{Engine, Observation};
use crate::api::{ConditionType, IfNoneMatch, LimitedBy, PutOptions, Reason, Renew, SignedHashes};
use crate::issue::{Asked, Fixed, backoff};
use crate::policy::{Options, Wishes};

/// What the hash of a link's spec begins with.
const MARK: &str = "once:";
/// How long nothing is deleted by the clock after it was stepped: one step may be followed by its correction.
const DOUBT: Duration = Duration::from_mins(15);
/// By how much the API server's clock may differ before nothing is deleted by the operator's.
const CONTRADICTED: SignedDuration = SignedDuration::from_mins(5);
/// The longest life that a signature of now has, counted from now.
const LONGEST: Duration = Duration::from_secs(604_770);

/// What is said of a spec that was edited past admission.
pub(super) const EDITED: &str = "with renew: Never what is signed is fixed for good, and the spec asks for something else than was issued: put it \
     back, or create another PresignedURL; what was issued stays until its end";

/// What a resource is to its link.
#[derive(Debug)]
pub(super) struct Link {
    /// The one life; `None` before the first issue.
    term: Option<Term>,
    /// Whether the spec asks for something else than was issued.
    pub(super) edited: bool,
}

/// The one life of a link, as a write or the status tells it.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub(super) fixed: Fixed,
    pub(super) limited_by: Option<LimitedBy>,
    pub(super) hashes: SignedHashes,
    pub(super) served: Option<String>,
}

/// How long after its end a link's resource goes; `None` keeps it. What cannot be read for sure deletes nothing.
fn ttl(record: &Record) -> Option<Duration> {
    let spec = record.seen.spec.as_ref().ok()?;
    Wishes::parse(spec).ok()?.ttl_after_expiry
}

/// The hash of a link's spec.
pub(super) fn marked(hash: &str) -> String {
    format!("{MARK}{hash}")
}

/// The hash without the mark.
pub(super) fn plain(hash: &str) -> &str {
    hash.strip_prefix(MARK).unwrap_or(hash)
}

fn is_marked(hashes: &SignedHashes) -> bool {
    hashes.spec.starts_with(MARK)
}

impl Term {
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
        match &record.memory.unsaved {
            Some(Unsaved::Written(issued) | Unsaved::Removed(Some(issued))) => {
                return Some(Self::of(issued));
            }
            Some(Unsaved::Removed(None)) | None => {}
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
    fn bounded(&self, asked: Asked, now: Timestamp) -> Fixed {
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

impl Link {
    /// What a resource is to its link; `None` where it is renewed. `hash` hashes the request with the given options, since
    /// a policy may add a condition of its own to what the spec asks.
    pub(super) fn of(
        record: &Record,
        renew: Renew,
        granted: &Options,
        asked: &Options,
        hash: impl Fn(&Options) -> String,
    ) -> Option<Self> {
        let once = renew == Renew::Never;
        let last = Term::last(record);
        let was_once = last.as_ref().is_some_and(|last| is_marked(&last.hashes));
        if !once && !was_once {
            return None;
        }
        let Some(last) = last else {
            return Some(Self {
                term: None,
                edited: false,
            });
        };
        let known = plain(&last.hashes.spec);
        let same = [granted, asked, &create_only(asked)]
            .into_iter()
            .any(|options| hash(options) == known);
        Some(Self {
            // What was renewed until now and is asked for in another way begins as a link.
            term: (was_once || same).then_some(last),
            edited: was_once && !(once && same),
        })
    }

    /// The one life, if it has begun. What ended while it was still renewed is none.
    fn term(&self, now: Timestamp) -> Option<&Term> {
        self.term
            .as_ref()
            .filter(|term| is_marked(&term.hashes) || term.fixed.expires_at > now)
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
pub(super) fn fixed(granted: &Granted, now: Timestamp) -> Option<Fixed> {
    let term = granted.link.as_ref()?.term(now)?;
    Some(term.bounded(granted.asked(), now))
}

/// Why a link cannot be signed to its end.
pub(super) const fn out_of_reach(limited_by: LimitedBy) -> Reason {
    match limited_by {
        LimitedBy::Credentials => Reason::CredentialsExpired,
        LimitedBy::SignatureAge => Reason::StoreInvalid,
        LimitedBy::Duration | LimitedBy::SigV4 => Reason::Progressing,
    }
}

/// The one life of a link that is signed again, as the policies leave it; `None` where it has not begun.
pub(super) fn term(granted: &Granted, policy_max: Duration, now: Timestamp) -> Option<Term> {
    let term = granted.link.as_ref()?.term(now)?;
    let asked = Asked {
        policy_max,
        ..granted.asked()
    };
    Some(Term {
        fixed: term.bounded(asked, now),
        ..term.clone()
    })
}

/// Whether nothing is issued for a link any more.
pub(super) fn closed(granted: &Granted, now: Timestamp) -> bool {
    let edited = granted.link.as_ref().is_some_and(|link| link.edited);
    edited || fixed(granted, now).is_some_and(|fixed| fixed.expires_at <= now)
}

/// The end of a link that has ended, whatever is asked and allowed by now.
pub(super) fn ended(record: &Record, judged: &Judged, now: Timestamp) -> Option<Timestamp> {
    let fixed = match judged.granted() {
        Some(granted) => fixed(granted, now)?,
        None => {
            Term::last(record)
                .filter(|term| is_marked(&term.hashes))?
                .fixed
        }
    };
    Some(fixed.expires_at).filter(|end| *end <= now)
}

/// What the status keeps of a link whose Secret is gone.
pub(super) fn kept(record: &Record, judged: &Judged, now: Timestamp) -> Option<Term> {
    let mut term = Term::last(record).filter(|term| is_marked(&term.hashes))?;
    if let Some(end) = ended(record, judged, now) {
        term.fixed.expires_at = end;
    }
    Some(term)
}

/// The hashes as the status tells them: what is a link from now on is marked.
pub(super) fn hashes(judged: &Judged, issued: &Issued) -> SignedHashes {
    let mut hashes = issued.hashes.clone();
    if let Some(granted) = judged.granted().filter(|granted| granted.covers(issued)) {
        hashes.spec.clone_from(&granted.spec_hash);
    }
    hashes
}

/// What Ready says of a link that has ended.
pub(super) fn farewell(record: &Record, end: Timestamp) -> String {
    let next = match ttl(record) {
        Some(ttl) => format!("; this resource is deleted at {}", later(end, ttl)),
        None => String::new(),
    };
    format!(
        "the link ended at {end}, as it was issued to, and is never renewed: create another PresignedURL where one is needed{next}"
    )
}

/// What stands in the way of the deletion of a link that has ended.
pub(super) fn undeleted(record: &Record) -> Option<(Reason, String)> {
    let what = consequence(record.memory.undeleted.as_ref()?);
    Some((
        what.reason,
        format!(
            "the resource is to be deleted after spec.ttlAfterExpiry: {}",
            what.sentence
        ),
    ))
}

/// What Renewed says of a link: False where it was asked for what it never does, or where it cannot be signed again.
pub(super) fn renewed(record: &Record) -> Option<(bool, Reason, String)> {
    if let Some(trouble) = &record.memory.trouble {
        return Some((false, trouble.reason, trouble.message.clone()));
    }
    refused(record)
}

/// What Renewed says where a link was asked for what it never does.
pub(super) fn refused(record: &Record) -> Option<(bool, Reason, String)> {
    let asked = record.seen.renew_request.as_ref()?;
    let served = Term::last(record)?.served;
    (served.as_ref() != Some(asked)).then(|| {
        let sentence = "the annotation presigned.dev/renew asks for a renewal, and with renew: Never there is none: remove the annotation, and \
             create another PresignedURL where one is needed";
        (false, Reason::NeverRenewed, sentence.to_owned())
    })
}

/// Whether a status says that a link has ended, which is as it should be.
pub(super) fn is_over(status: &crate::api::PresignedUrlStatus) -> bool {
    status.hashes.as_ref().is_some_and(is_marked)
        && condition(status, ConditionType::Ready)
            .is_some_and(|ready| ready.reason == Reason::Expired.as_str())
}

/// The deletion of a resource whose link has ended for long enough. Notes the time where it is to be later.
///
/// The end is on record and the Secret gone before it; a clock in doubt deletes nothing.
pub(super) fn deletion(
    record: &Record,
    doubted_until: Option<Timestamp>,
    api_clock: Option<SignedDuration>,
    now: Timestamp,
    wake: &mut Wake,
) -> Option<Step> {
    let seen = &record.seen;
    let end = seen.status.expires_at?;
    if !seen.status.hashes.as_ref().is_some_and(is_marked) {
        return None;
    }
    if end > now {
        // A link whose Secret was removed before its end has no other timer.
        wake.at(end);
        return None;
    }
    let ttl = ttl(record)?;
    if !is_over(&seen.status) || seen.status.secret_ref.is_some() || contradicted(api_clock) {
        return None;
    }
    let at = [doubted_until, record.memory.removal_retry_at]
        .into_iter()
        .flatten()
        .fold(later(end, ttl), Timestamp::max);
    if at > now {
        wake.at(at);
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
pub(super) fn contradicted(api_clock: Option<SignedDuration>) -> bool {
    api_clock.is_some_and(|skew| skew.abs() > CONTRADICTED)
}

/// Until when a clock that was stepped now is in doubt.
pub(super) fn doubt(now: Timestamp) -> Timestamp {
    later(now, DOUBT)
}

impl Engine {
    /// What became of a deletion of a resource whose link has ended.
    pub(super) fn resource_deleted(
        &mut self,
        uid: &str,
        result: Result<(), ApiFailure>,
        now: Timestamp,
    ) {
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        let memory = &mut record.memory;
        // Where it worked, the watch tells that it is gone; a finalizer may keep it for a while.
        let mut pause = RECHECK;
        if let Err(failure) = &result {
            let what = consequence(failure);
            memory.failures = memory.failures.saturating_add(1);
            if let Retry::Replan | Retry::Backoff | Retry::PauseAll(_) = what.retry {
                pause = backoff(memory.failures, uid);
            }
            if what.retry != Retry::Replan {
                self.observations.push(Observation::Failed(what.reason));
            }
            if let Retry::PauseAll(asked) = what.retry {
                memory.removal_retry_at = Some(later(now, pause));
                return self.pause(asked, now);
            }
        }
        memory.removal_retry_at = Some(later(now, pause));
        memory.undeleted = result
            .err()
            .filter(|failure| consequence(failure).retry != Retry::Replan);
    }
}
