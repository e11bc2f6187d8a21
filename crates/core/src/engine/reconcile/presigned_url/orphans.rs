//! Orphans: Secrets that the operator wrote and no status records, because it stopped between the two writes.
//!
//! What holds here:
//! - The next write of the same name takes an orphan over. Without such a write within [`TAKEOVER`], or
//!   before its URLs expire, it is removed.
//! - An orphan that has expired is removed whatever the policies say, as an expired Secret is.
//! - A candidate is known by its owner reference alone, so it is inspected before it is removed.

use std::time::Duration;

use crate::api::WrittenSecret;
use crate::engine::cache::orphans::Candidate;
use crate::engine::cache::version::older;
use crate::engine::evaluate::denial::grace_is_over;
use crate::engine::evaluate::evaluation::Evaluation;
use crate::engine::evaluate::reissue::may_issue;
use crate::engine::protocol::SecretAccess;
use crate::engine::reconcile::action::Action;
use crate::engine::reconcile::context::Ctx;
use crate::engine::reconcile::presigned_url::removal;
use crate::issue::issued::Issued;
use crate::time::later;

/// How long an orphan with the Secret's current name waits for a write that takes it over, while a problem
/// blocks the issue. It is longer than the pause before the problem is checked again.
const TAKEOVER: Duration = Duration::from_mins(6);

/// Plans the removal of one of the candidates, if it is an orphan that is due. None is removed for its expiry
/// while the operator's clock is `doubted`.
pub(super) fn plan(
    ctx: &mut Ctx<'_>,
    uid: &str,
    candidates: Vec<Candidate>,
    evaluation: &Evaluation,
    issued: Option<&Issued>,
    doubted: bool,
) -> Option<Action> {
    for (candidate, expires_at) in candidates {
        let name = &candidate.1;
        let record = ctx.cache.resources.get(uid)?;
        let known = ctx.cache.secrets.get(&record.seen.namespace, name);
        let Some(version) = known.filter(|_| issued.is_none_or(|it| it.secret.name != *name))
        else {
            ctx.cache.orphans.remove(&candidate);
            if let Some(state) = ctx
                .cache
                .resources
                .get_mut(uid)
                .and_then(|record| record.state.any())
            {
                state.secret.orphan_since = None;
                state.secret.found_expiry = None;
            }
            continue;
        };
        let version = version.clone();
        // If the spec names the Secret, the next issue takes it over.
        let (wanted, unusable) = match evaluation {
            Evaluation::Allowed(inputs) => (
                may_issue(record, evaluation, ctx.now).is_some()
                    && inputs.authorized.secret_name == *name,
                false,
            ),
            Evaluation::StoreUnusable { authorized, .. } => (authorized.secret_name == *name, true),
            _ => (false, false),
        };
        // The watch may still report a status that is newer than the Secret and records it.
        let deleting = record.seen.deleting;
        if !wanted && !deleting && older(&record.seen.resource_version, &version.resource_version) {
            continue;
        }
        if let Some(at) = expires_at.filter(|at| *at > ctx.now) {
            ctx.requeue.at(at);
        }
        let expired = !doubted && expires_at.is_some_and(|at| at <= ctx.now);
        let due = match evaluation {
            Evaluation::Allowed(_) | Evaluation::StoreUnusable { .. } if wanted => {
                let now = ctx.now;
                let state = ctx.state(uid)?;
                let end = later(*state.secret.orphan_since.get_or_insert(now), TAKEOVER);
                let end = state
                    .secret
                    .found_expiry
                    .map_or(end, |expiry| end.min(expiry));
                let stuck = unusable || state.issue.problem.is_some();
                if end > now {
                    ctx.requeue.at(end);
                }
                stuck && end <= now
            }
            Evaluation::Allowed(_) | Evaluation::StoreUnusable { .. } | Evaluation::Invalid(_) => {
                true
            }
            Evaluation::Undetermined(_) | Evaluation::Refused(..) => expired,
            Evaluation::Deleting(..) => deleting,
            Evaluation::Denied(_) => {
                grace_is_over(record, ctx.settings, ctx.now, &mut ctx.requeue) || expired
            }
        };
        if due {
            let orphan = WrittenSecret {
                name: name.clone(),
                uid: version.uid.clone(),
                resource_version: version.resource_version.clone(),
                data_hash: Box::default(),
            };
            ctx.cache.orphans.remove(&candidate);
            let record = ctx.cache.resources.get_mut(uid)?;
            record.state.secret.orphan_since = None;
            record.state.secret.found_expiry = None;
            record.state.secret.previous_secret = Some(Box::new(orphan.clone()));
            record.state.removal.in_doubt = ctx.settings.secret_access == SecretAccess::Watch;
            return Some(removal::plan(record, &orphan, ctx.settings));
        }
    }
    None
}
