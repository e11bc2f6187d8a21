//! Removing a Secret of a resource that no status records: whoever wrote it died before the status was written.
//!
//! What holds here:
//! - The next write of the same name usually takes it over. It is removed if no such write comes.
//! - A candidate is known by its owner reference alone, and is inspected before it is removed.

use crate::api::SecretRef;
use crate::engine::cache::index::older;
use crate::engine::evaluate::denial::grace_is_over;
use crate::engine::evaluate::evaluation::Evaluation;
use crate::engine::evaluate::reissue::may_issue;
use crate::engine::protocol::SecretAccess;
use crate::engine::reconcile::action::Action;
use crate::engine::reconcile::context::Ctx;
use crate::engine::reconcile::presigned_url::removal;
use crate::issue::issued::Issued;

/// Plans the removal of an orphan, if there is one whose time has come.
pub(super) fn plan(
    ctx: &mut Ctx<'_>,
    uid: &str,
    evaluation: &Evaluation,
    issued: Option<&Issued>,
) -> Option<Action> {
    let candidates = ctx
        .cache
        .orphans
        .of(&ctx.cache.resources.get(uid)?.seen.uid);
    for candidate in candidates {
        let name = &candidate.1;
        let record = ctx.cache.resources.get(uid)?;
        let key = (record.seen.namespace.clone(), name.clone());
        let known = ctx.cache.secrets.get(&key);
        let Some(version) = known.filter(|_| issued.is_none_or(|it| it.secret.name != *name))
        else {
            ctx.cache.orphans.remove(&candidate);
            continue;
        };
        // A status that is newer than the Secret may be on its way, and record it.
        if older(&record.seen.resource_version, &version.resource_version) {
            continue;
        }
        let due = match evaluation {
            // It is taken over by what is issued next.
            Evaluation::Allowed(inputs) => {
                may_issue(record, evaluation, ctx.now).is_none()
                    || inputs.authorized.secret_name != *name
            }
            Evaluation::StoreUnusable { authorized, .. } => authorized.secret_name != *name,
            Evaluation::Undetermined(_) => false,
            Evaluation::Invalid(_) => true,
            Evaluation::Denied(_) => grace_is_over(record, ctx.settings, ctx.now, &mut ctx.requeue),
        };
        if due {
            let orphan = SecretRef {
                name: name.clone(),
                uid: version.uid.clone(),
                resource_version: version.resource_version.clone(),
                data_hash: String::new(),
            };
            ctx.cache.orphans.remove(&candidate);
            let record = ctx.cache.resources.get_mut(uid)?;
            record.state.secret.previous_secret = Some(Box::new(orphan.clone()));
            record.state.removal.in_doubt = ctx.settings.secret_access == SecretAccess::Watch;
            return Some(removal::plan(record, &orphan, ctx.settings));
        }
    }
    None
}
