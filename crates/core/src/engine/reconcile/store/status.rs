//! What the status of a store says.
//!
//! What holds here: it is a function of what is known, and what was not looked at since the start leaves what the status
//! says as it stands. A store is Ready where nothing is known that keeps what it signs from working.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::{
    ClusterObjectStoreStatus, Condition, ConditionStatus, ConditionType, Reason, UrlCounts,
    set_condition,
};
use crate::engine::Engine;
use crate::engine::evaluate::reissue::counts;
use crate::engine::store::{Store, Verdict};
use crate::issue::without_jitter;
use crate::policy::format_duration;
use crate::time::between;

impl Engine {
    /// The status that tells the truth of a store, and whether its URLs could be counted.
    pub(in crate::engine) fn store_status(
        &self,
        store: &Store,
        now: Timestamp,
    ) -> (ClusterObjectStoreStatus, bool) {
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
        put(ConditionType::Ready, ready.into(), reason, message);
        let counted = store.held.is_some();
        let (urls, budget) = if counted {
            self.count(store, now)
        } else {
            (UrlCounts::default(), None)
        };
        if counted {
            let (status, reason, message) = if urls.total == urls.on_current_credentials {
                (
                    ConditionStatus::True,
                    Reason::RolledOut,
                    "every living URL was signed with the current credentials and endpoint",
                )
            } else {
                (
                    ConditionStatus::False,
                    Reason::RollingOut,
                    "living URLs of earlier credentials or another endpoint are being replaced: status.urls counts them",
                )
            };
            put(
                ConditionType::CredentialsRolledOut,
                status,
                reason,
                message.to_owned(),
            );
        }
        let aws = store
            .compiled
            .as_ref()
            .is_ok_and(crate::engine::store::StoreConfig::is_aws);
        if let Some((status, reason, message)) = store.unsigned.condition(aws) {
            put(
                ConditionType::UnsignedHeadersRejected,
                status,
                reason,
                message.to_owned(),
            );
        }
        if let Some((apart, reason, message)) = store.clocks.condition() {
            put(ConditionType::ClockSkewed, apart.into(), reason, message);
        }
        let end = store
            .held
            .as_ref()
            .and_then(|held| held.credentials.expires_at);
        // A new session of the same role is no news while the one that was told still lives.
        let recorded = old
            .credentials_expire_at
            .filter(|recorded| now < *recorded && end.is_some());
        let status = ClusterObjectStoreStatus {
            observed_generation: generation,
            conditions,
            credentials_expire_at: recorded.or(end),
            urls: if counted { Some(urls) } else { old.urls },
            absence_budget: if counted {
                budget.map(rounded)
            } else {
                old.absence_budget.clone()
            },
        };
        (status, counted)
    }

    /// How many living URLs there are, and how long the operator may be away before the first renewed one dies: if it
    /// goes just before the renewal of the one that then has the least left.
    fn count(&self, store: &Store, now: Timestamp) -> (UrlCounts, Option<Duration>) {
        let mut urls = UrlCounts::default();
        let mut budget: Option<Duration> = None;
        let records = self
            .index
            .of_store(&store.seen.name)
            .filter_map(|uid| self.index.resources.get(uid));
        for record in records {
            let Some(current) = counts(&self.index, record, now) else {
                continue;
            };
            urls.total += 1;
            urls.on_current_credentials += u32::from(current);
            let status = &record.seen.status;
            if let (Some(issued), Some(renews), Some(ends), Some(revision)) = (
                status.issued_at,
                status.renew_at,
                status.expires_at,
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
}

/// What Ready says; `None` where nothing was fetched yet and what the status says stands.
fn ready(store: &Store, now: Timestamp) -> Option<(bool, Reason, String)> {
    if let Err(why) = &store.compiled {
        return Some((false, Reason::StoreInvalid, why.clone()));
    }
    if let Some((of_change, reason, why)) = store.trouble() {
        let lives = store
            .held
            .as_ref()
            .is_some_and(|held| held.credentials.expires_at.is_none_or(|end| now < end));
        let and = match (of_change, lives) {
            (true, true) => "; what was used before the change is still used",
            (false, true) => "; the credentials that were fetched before are still used",
            (_, false) => "",
        };
        return Some((false, reason, format!("{why}{and}")));
    }
    store.held.as_ref()?;
    let old = store.seen.status.conditions.iter().find(|condition| {
        condition.type_ == ConditionType::Ready.as_str()
            && condition.observed_generation == Some(store.seen.generation)
    });
    let message = match store.verdict() {
        Some(Verdict::Works) => "the store took a signature of the credentials".to_owned(),
        Some(Verdict::Rejected(reason, why)) => return Some((false, *reason, why.clone())),
        Some(Verdict::TransportError(_, why)) => format!(
            "credentials are at hand, and could not be tried: {why}; a signature needs no answer, so URLs are issued"
        ),
        // Not tried since the start.
        Some(Verdict::Misdated) | None => {
            let recorded =
                |condition: &&Condition| condition.reason == Reason::CredentialsReady.as_str();
            old.filter(recorded).map_or_else(
                || {
                    "credentials are at hand; they are tried when a PresignedURL uses them"
                        .to_owned()
                },
                |condition| condition.message.clone(),
            )
        }
    };
    Some((true, Reason::CredentialsReady, message))
}

/// To the nearest minute, below ten minutes to the nearest ten seconds: what it is reckoned from is good to two seconds,
/// and a figure that trembles would be written again and again.
fn rounded(budget: Duration) -> String {
    let seconds = budget.as_secs();
    let unit = if seconds < 600 { 10 } else { 60 };
    format_duration(Duration::from_secs((seconds + unit / 2) / unit * unit))
}
