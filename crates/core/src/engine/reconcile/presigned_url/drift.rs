//! Drift: a Secret whose version is not the one that was written.
//!
//! What holds here:
//! - Another resourceVersion is a suspicion. Only an inspection of the Secret confirms drift.
//! - A problem that blocks a renewal does not block the inspection, since drift sets `Ready` to False.

use crate::engine::cache::record::Record;
use crate::engine::evaluate::reissue::{intact, issued};
use crate::engine::protocol::{ApiError, ObservedSecret, Step};
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::context::Ctx;
use crate::issue::issued::Issued;

/// Plans the inspection of the Secret.
pub(super) fn plan(record: &Record, issued: &Issued) -> Action {
    let name = issued.secret.name.clone();
    let step = Step::InspectSecret {
        namespace: record.seen.namespace.clone(),
        name: name.clone(),
        data: true,
    };
    Action::start(step, InFlight::InspectDrift { name })
}

/// The Secret was inspected, or was not.
pub(super) fn completed(
    ctx: &mut Ctx<'_>,
    uid: &str,
    name: &str,
    result: Result<Option<ObservedSecret>, ApiError>,
) {
    if let Some(state) = ctx.state(uid) {
        state.secret.inspection_failed = result.is_err();
    }
    let found = match result {
        Ok(found) => found,
        Err(error) => return ctx.record_failure(uid, &error),
    };
    let Some(record) = ctx.cache.resources.get_mut(uid) else {
        return;
    };
    let Some(issued) = issued(record) else { return };
    let key = (record.seen.namespace.clone(), name.to_owned());
    if let Some(version) = intact(record, &issued, found.as_ref()) {
        record.state.secret.verified_version = Some(version.clone());
        // If the watch reported a newer version meanwhile, that one stays known and is inspected next.
        ctx.cache.secret_answered(uid, (&key.0, &key.1), version);
        return;
    }
    record.state.secret.drifted = true;
    if found.is_none() {
        ctx.cache.secrets.remove(&key);
    }
}
