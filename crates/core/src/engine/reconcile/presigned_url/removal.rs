//! Removing a Secret: the current one, or one of an earlier name.
//!
//! What holds here:
//! - The delete names the uid and the resourceVersion that were last known to belong to the resource. If the
//!   Secret has another version, it is inspected first. Without the right to read Secrets, its uid alone is
//!   named then.
//! - A failed removal blocks no write.

use crate::api::WrittenSecret;
use crate::engine::cache::record::Record;
use crate::engine::cache::state::Unrecorded;
use crate::engine::cache::version::SecretVersion;
use crate::engine::evaluate::reissue::{issued, whose};
use crate::engine::protocol::{
    ApiError, ObjectVersion, ObservedSecret, SecretAccess, Settings, Step,
};
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::context::{Ctx, problem_of};
use crate::issue::{Owner, Ownership, told_expiry};

/// Plans the removal of a Secret that belonged to the resource when it was last seen.
pub(super) fn plan(record: &Record, secret: &WrittenSecret, settings: &Settings) -> Action {
    let readable = settings.secret_access == SecretAccess::Watch;
    let in_doubt = record.state.removal.in_doubt;
    if in_doubt && readable {
        let step = Step::InspectSecret {
            namespace: record.seen.namespace.clone(),
            name: secret.name.clone(),
            data: record.state.secret.recreate,
        };
        return Action::start(step, InFlight::InspectRemoval);
    }
    let verified = record.state.secret.verified_version.as_ref();
    let version = verified
        .filter(|version| version.uid == secret.uid)
        .map_or(&secret.resource_version, |version| {
            &version.resource_version
        });
    let resource_version = (!in_doubt).then(|| version.clone());
    let step = Step::DeleteSecret {
        namespace: record.seen.namespace.clone(),
        name: secret.name.clone(),
        owner: Owner::of(record.owner_id()),
        target: ObjectVersion {
            uid: secret.uid.clone(),
            resource_version,
        },
    };
    let name = secret.name.clone();
    Action::start(step, InFlight::Remove { name })
}

/// The Secret was removed, or was not.
pub(super) fn completed(ctx: &mut Ctx<'_>, uid: &str, name: &str, result: Result<(), ApiError>) {
    match result {
        Ok(()) => {
            ctx.cache.forget_secret(uid, name);
            removed(ctx, uid);
        }
        Err(ApiError::Conflict) => {
            let readable = ctx.settings.secret_access == SecretAccess::Watch;
            let Some(state) = ctx.state(uid) else { return };
            // Without the right to read Secrets, the delete names the uid alone now, so a conflict means
            // another Secret.
            if state.removal.in_doubt && !readable {
                removed(ctx, uid);
            } else {
                state.removal.in_doubt = true;
            }
        }
        Err(error) => failed(ctx, uid, &error),
    }
}

/// The Secret was inspected before its removal. It is removed if it still belongs to the resource.
pub(super) fn inspected(
    ctx: &mut Ctx<'_>,
    uid: &str,
    result: Result<Option<ObservedSecret>, ApiError>,
) {
    let found = match result {
        Ok(found) => found,
        Err(error) => return failed(ctx, uid, &error),
    };
    let Some(record) = ctx.cache.resources.get_mut(uid) else {
        return;
    };
    record.state.removal.in_doubt = false;
    let planned = record
        .state
        .secret
        .previous_secret
        .as_deref()
        .cloned()
        .or_else(|| issued(record).map(|issued| issued.secret));
    let Some((planned, found)) = planned.zip(found) else {
        return removed(ctx, uid);
    };
    let whose = whose(record, &found);
    let same = planned.uid == found.uid;
    if same && matches!(whose, Ownership::Owned | Ownership::Disowned) {
        record.state.secret.verified_version = Some(SecretVersion {
            uid: found.uid,
            resource_version: found.resource_version,
        });
        return;
    }
    // It was made anew under this name, and no status tells of it, since the operator stopped before that.
    // The removal of one that the watch does not report yet would be planned by the old version again and
    // again.
    let known = (ctx.cache.secrets).get(&record.seen.namespace, &planned.name);
    let orphan =
        matches!(whose, Ownership::Owned) && known.is_some_and(|known| known.uid == found.uid);
    let expiry = told_expiry(&found.annotations).filter(|_| orphan);
    if orphan {
        ctx.cache
            .orphans
            .put(&record.seen.uid, &planned.name, expiry);
    }
    removed(ctx, uid);
    if let Some(state) = ctx.state(uid) {
        state.secret.found_expiry = expiry;
    }
}

fn removed(ctx: &mut Ctx<'_>, uid: &str) {
    let Some(record) = ctx.cache.resources.get_mut(uid) else {
        return;
    };
    record.state.removal.retry.reset();
    record.state.removal.in_doubt = false;
    // An issue that failed to update this Secret is retried at once.
    record.state.issue.retry.end_pause();
    if record.state.secret.previous_secret.take().is_none() {
        let was = issued(record).map(Box::new);
        record.state.unrecorded = Some(Unrecorded::Removed(was));
        record.state.secret.verified_version = None;
        record.state.secret.no_drift();
    }
}

fn failed(ctx: &mut Ctx<'_>, uid: &str, error: &ApiError) {
    let class = ctx.classify(error);
    let now = ctx.now;
    let Some(state) = ctx.state(uid) else { return };
    state.secret.inspected = None;
    state.removal.retry.record(class.retry, 0, uid, now);
    if let Some(problem) = problem_of(&class) {
        state.issue.problem = Some(problem);
    }
}
