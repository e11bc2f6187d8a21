//! The status of a store: this operator's report in it.
//!
//! What holds here:
//! - It is a function of what this operator knows, and counts the resources that it serves. If nothing was
//!   probed since the start, the status stays as it is.
//! - A store is Ready unless something is known that keeps what it signs from working. If a probe was
//!   inconclusive, `Ready` is Unknown.
//! - Counts are written at most every ten seconds, and a resync that finds nothing new writes nothing.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::{
    ClusterObjectStoreStatus, ConditionStatus, ConditionType, CredentialsSecret, Reason,
    StoreInternalStatus, UrlCounts, condition, set_condition,
};
use crate::engine::cache::version::{replaces, take_newer};
use crate::engine::evaluate::reissue::counts_as_current;
use crate::engine::protocol::{
    ApiError, EventRecord, EventSubject, ObjectKey, ObjectVersion, Step,
};
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::cluster_events::{self, About};
use crate::engine::reconcile::context::Ctx;
use crate::engine::store::{ProbeVerdict, STILL_USED, Store};
use crate::issue::without_jitter;
use crate::request::format_duration;
use crate::time::{between, later};

/// The least time between two writes of a store's counts.
const COUNT_PAUSE: Duration = Duration::from_secs(10);

/// Plans the write of the status, if it differs from what is recorded.
pub(super) fn plan(ctx: &mut Ctx<'_>, name: &str) -> Action {
    let now = ctx.now;
    let Some(store) = ctx.cache.stores.get(name) else {
        return Action::Idle;
    };
    let (desired, counted) = desired(ctx, store);
    let old = &store.seen.status;
    let me = ctx.reports_as;
    let Some(status) = store.reports.to_write(me, &desired) else {
        return Action::Idle;
    };
    let key = ObjectKey::Store(name.to_owned());
    if let Some(at) = ctx.status_paused_until(&key) {
        ctx.requeue.at(at);
        return Action::Idle;
    }
    // Counts and dates alone can wait a little; conditions cannot.
    let said = |status: &ClusterObjectStoreStatus| {
        status
            .conditions
            .iter()
            .map(|c| (c.type_.clone(), c.status, c.reason.clone()))
            .collect::<Vec<_>>()
    };
    if counted
        && said(&desired) == said(old)
        && let Some(at) = store.status_written_at
        && later(at, COUNT_PAUSE) > now
    {
        ctx.requeue.at(later(at, COUNT_PAUSE));
        return Action::Idle;
    }
    let about = About {
        subject: EventSubject::Store,
        name,
        uid: &store.seen.uid,
        resource_version: &store.seen.resource_version,
    };
    let event = cluster_events::of_transition(&about, &old.conditions, &desired.conditions, now);
    if let Some(store) = ctx.cache.stores.get_mut(name) {
        store.status_written_at = Some(now);
    }
    write(ctx, name, status, event)
}

/// Plans the removal of this operator's report, if there is one: it has nothing more to say of the store.
pub(super) fn plan_withdrawal(ctx: &mut Ctx<'_>, name: &str) -> Action {
    let Some(store) = ctx.cache.stores.get(name) else {
        return Action::Idle;
    };
    let me = ctx.reports_as;
    let none = ClusterObjectStoreStatus::default();
    let key = ObjectKey::Store(name.to_owned());
    match store.reports.to_write(me, &none) {
        Some(_) if let Some(at) = ctx.status_paused_until(&key) => {
            ctx.requeue.at(at);
            Action::Idle
        }
        Some(status) => write(ctx, name, status, None),
        None => cluster_events::plan(ctx, &key),
    }
}

fn write(
    ctx: &Ctx<'_>,
    name: &str,
    status: ClusterObjectStoreStatus,
    event: Option<Box<EventRecord>>,
) -> Action {
    let Some(store) = ctx.cache.stores.get(name) else {
        return Action::Idle;
    };
    let step = Step::WriteStoreStatus {
        name: name.to_owned(),
        target: ObjectVersion {
            uid: store.seen.uid.clone(),
            resource_version: Some(store.seen.resource_version.clone()),
        },
        status: Box::new(status.clone()),
    };
    Action::start(step, InFlight::WriteStoreStatus(Box::new(status), event))
}

/// Completes a write of the status. Returns whether the store is planned again at once.
pub(super) fn completed(
    ctx: &mut Ctx<'_>,
    name: &str,
    (status, event): (ClusterObjectStoreStatus, Option<Box<EventRecord>>),
    result: Result<ObjectVersion, ApiError>,
    dirty: bool,
) -> bool {
    let key = ObjectKey::Store(name.to_owned());
    match result {
        Ok(version) => {
            ctx.cache.status_retries.remove(&key);
            let me = ctx.reports_as;
            if let Some(store) = ctx.cache.stores.get_mut(name)
                && store.seen.uid == version.uid
            {
                store.reports.wrote(&status);
                if replaces(&version, &store.seen.resource_version) {
                    store.seen.status = store.reports.record(me, status);
                }
                take_newer(&mut store.seen.resource_version, version);
                cluster_events::recorded(ctx, &key, event);
            }
            true
        }
        Err(error) => ctx.status_failed(key, &error, dirty),
    }
}

/// The status as it should be, and whether the store's URLs could be counted.
fn desired(ctx: &Ctx<'_>, store: &Store) -> (ClusterObjectStoreStatus, bool) {
    let now = ctx.now;
    let old = &store.seen.status;
    let Some((ready, reason, message)) = ready(store, now) else {
        return (old.clone(), false);
    };
    let generation = Some(store.seen.generation);
    let mut conditions = old.conditions.clone();
    let mut put = |type_, status, reason, message| {
        set_condition(
            &mut conditions,
            type_,
            status,
            (reason, message),
            generation,
            now,
        );
    };
    put(ConditionType::Ready, ready, reason, message);
    let counted = store.credentials().is_some();
    let (urls, budget) = if counted {
        count(ctx, store)
    } else {
        (UrlCounts::default(), None)
    };
    if let Some((status, reason, message)) = rolled_out(store, urls) {
        put(ConditionType::CredentialsRolledOut, status, reason, message);
    }
    if !store.is_moving() {
        put_place(store, put);
    }
    let end = store
        .credentials()
        .and_then(|held| held.credentials.expires_at);
    // A new session of the same role changes nothing while the one that was reported has not expired.
    let recorded = old
        .credentials_expiration_time
        .filter(|recorded| now < *recorded && end.is_some());
    let status = ClusterObjectStoreStatus {
        observed_generation: generation,
        conditions,
        credentials_expiration_time: recorded.or(end),
        credentials_secret: match store.credentials() {
            Some(held) => held.secret.clone(),
            None => old.credentials_secret.clone(),
        },
        urls: if counted { Some(urls) } else { old.urls },
        operators: Vec::new(),
        absence_budget: if counted {
            budget.map(rounded)
        } else {
            old.absence_budget.clone()
        },
        internal: StoreInternalStatus {
            rejected_credentials: store.rejected_credentials(),
            proven: store.is_proven().then_some(true),
        },
    };
    (status, counted)
}

/// Puts what is known of the place in use: what it does with unsigned headers, and its clock. While another
/// place is on trial, these conditions keep the generation of the spec that they speak of.
fn put_place(store: &Store, mut put: impl FnMut(ConditionType, ConditionStatus, Reason, String)) {
    let aws = store
        .config()
        .is_ok_and(crate::engine::store::StoreConfig::is_aws);
    if let Some((status, reason, message)) = store.unsigned_headers().condition(aws) {
        put(
            ConditionType::UnsignedHeadersRejected,
            status,
            reason,
            message.to_owned(),
        );
    }
    match store.clock_skew().condition() {
        Some((agree, reason, message)) => {
            put(ConditionType::ClockInSync, agree.into(), reason, message);
        }
        // The condition of before the start is kept. A difference may have been the API server's, so it is
        // kept only until anything is measured.
        None if clock_was_read(store) => {}
        None => put(
            ConditionType::ClockInSync,
            ConditionStatus::Unknown,
            Reason::ClockUnknown,
            "the store's clock was not read: a probe reads it once a PresignedURL uses the store and the store can be \
             reached"
                .to_owned(),
        ),
    }
}

/// How many URLs have not expired, and how long the operator may be away before the first renewed one
/// expires: if it goes just before the renewal of the one that then has the least left.
fn count(ctx: &Ctx<'_>, store: &Store) -> (UrlCounts, Option<Duration>) {
    let now = ctx.now;
    let mut urls = UrlCounts::default();
    let mut budget: Option<Duration> = None;
    for record in ctx.served_of_store(&store.seen.name) {
        let Some(current) = counts_as_current(ctx.cache, record, now) else {
            continue;
        };
        urls.total += 1;
        urls.on_current_credentials += u32::from(current);
        let status = &record.seen.status;
        if let (Some(issued), Some(renews), Some(ends), Some(revision)) = (
            status.issue_time,
            status.renewal_time,
            status.expiration_time,
            status.revision,
        ) && now < ends
        {
            // The jitter differs with each renewal, and only ever leaves more.
            let latest = without_jitter(issued, renews, &record.seen.uid, revision);
            let left = between(latest, ends);
            budget = Some(budget.map_or(left, |least| least.min(left)));
        }
    }
    (urls, budget)
}

/// What `CredentialsRolledOut` says, and of which credentials; `None` if nothing was fetched yet.
fn rolled_out(store: &Store, urls: UrlCounts) -> Option<(ConditionStatus, Reason, String)> {
    if store.has_candidate() {
        let message = "a change of the store or of its credentials is not in use: Ready says why";
        let reason = match store.problem() {
            Some((true, reason, _)) => reason,
            _ => Reason::RollingOut,
        };
        return Some((ConditionStatus::False, reason, message.to_owned()));
    }
    let held = store.credentials()?;
    let of = held.secret.as_ref().map_or_else(String::new, |secret| {
        let CredentialsSecret {
            name,
            resource_version,
            ..
        } = secret;
        format!(" of the Secret \"{name}\" (resourceVersion {resource_version})")
    });
    Some(if urls.total == urls.on_current_credentials {
        (
            ConditionStatus::True,
            Reason::RolledOut,
            format!(
                "every URL that has not expired was signed with the current endpoint and credentials{of}"
            ),
        )
    } else {
        (
            ConditionStatus::False,
            Reason::RollingOut,
            format!(
                "URLs of earlier credentials or another endpoint are being replaced by those of the current \
                 credentials{of}: status.urls counts them"
            ),
        )
    })
}

/// Whether the status says of this generation what the store's clock showed.
fn clock_was_read(store: &Store) -> bool {
    let recorded = condition(&store.seen.status.conditions, ConditionType::ClockInSync);
    recorded.is_some_and(|recorded| {
        let current = match recorded.status {
            ConditionStatus::True => true,
            ConditionStatus::False => store.clock_skew().is_unmeasured(),
            ConditionStatus::Unknown => false,
        };
        current && recorded.observed_generation == Some(store.seen.generation)
    })
}

/// What `Ready` says; `None` if nothing was fetched yet, and the status stays as it is.
fn ready(store: &Store, now: Timestamp) -> Option<(ConditionStatus, Reason, String)> {
    use ConditionStatus::{False, True, Unknown};
    if let Err(why) = store.config() {
        return Some((False, Reason::StoreInvalid, why.to_owned()));
    }
    if let Some((of_change, reason, why)) = store.problem() {
        let and = match (of_change, store.has_living_credentials(now)) {
            (false, _) if store.missing_secret().is_some() => {
                "; nothing new is signed, and what was issued stays"
            }
            (true, true) => STILL_USED,
            (false, true) => "; the credentials that were fetched before are still used",
            (_, false) => "",
        };
        return Some((False, reason, format!("{why}{and}")));
    }
    if let Some(why) = store.lost_bundle() {
        let kept = "the certificates that it held before are used until the operator restarts";
        return Some((False, Reason::StoreInvalid, format!("{why}; {kept}")));
    }
    store.credentials()?;
    match store.verdict() {
        Some(ProbeVerdict::Accepted) => Some((
            True,
            Reason::CredentialsReady,
            "the store accepts what the credentials sign".to_owned(),
        )),
        Some(ProbeVerdict::Rejected(reason, why)) => Some((False, *reason, why.clone())),
        Some(ProbeVerdict::Inconclusive(reason, why) | ProbeVerdict::Undecided(reason, why)) => {
            let message = format!(
                "{why}; credentials are at hand and could not be tested, and a signature needs no answer, so URLs are \
                 issued"
            );
            Some((Unknown, *reason, message))
        }
        Some(ProbeVerdict::SignedByWrongClock) | None => Some(recorded(store).unwrap_or((
            True,
            Reason::NotProbed,
            "credentials are at hand; the operator probes the store when a PresignedURL uses it".to_owned(),
        ))),
    }
}

/// What an earlier probe left in the status of this generation.
fn recorded(store: &Store) -> Option<(ConditionStatus, Reason, String)> {
    let ready = condition(&store.seen.status.conditions, ConditionType::Ready)?;
    let reason = Reason::named(&ready.reason)?;
    let secret = store.credentials().and_then(|held| held.secret.as_ref());
    let probed = ready.observed_generation == Some(store.seen.generation)
        && store.seen.status.credentials_secret.as_ref() == secret
        && match ready.status {
            ConditionStatus::True => reason == Reason::CredentialsReady,
            ConditionStatus::Unknown => true,
            ConditionStatus::False => false,
        };
    probed.then(|| (ready.status, reason, ready.message.clone()))
}

/// To the nearest minute, below ten minutes to the nearest ten seconds: the inputs are exact to two seconds,
/// and a figure that changes all the time would be written all the time.
fn rounded(budget: Duration) -> String {
    let seconds = budget.as_secs();
    let unit = if seconds < 600 { 10 } else { 60 };
    format_duration(Duration::from_secs((seconds + unit / 2) / unit * unit))
}
