//! What several operators report of one store, and the status that it makes.
//!
//! What holds here:
//! - Each operator has one report and changes no other one. It removes those that it supersedes: they are of
//!   its own class, and it or they serve all namespaces, so an operator that serves the same is gone.
//! - The status beside the reports is a function of the reports and nothing else. So two operators make the
//!   same of them, and neither corrects the other.
//! - The report of the operator of the default class in all namespaces, alone, is the status itself.

use std::time::Duration;

use crate::api::{
    ClusterObjectStoreStatus, Condition, ConditionStatus, StoreInternalStatus, StoreOperatorStatus,
    UrlCounts,
};
use crate::engine::protocol::SOLE_OPERATOR;
use crate::request::parse_duration;

/// The status of a store as the API server has it, seen by one operator.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::engine) struct Reports {
    recorded: ClusterObjectStoreStatus,
    /// Whether this operator has had a report since it started: it supersedes nobody any more. If two that
    /// supersede each other run by mistake, each removes the other's report once.
    took_over: bool,
    /// The reports that this operator has summed up, if it wrote the status for that alone: of two releases
    /// that word a sum differently, each writes its own once.
    summed: Option<Vec<StoreOperatorStatus>>,
}

impl Reports {
    /// The status was seen or written. Returns this operator's own report; the default if it has none.
    pub(in crate::engine) fn record(
        &mut self,
        me: &str,
        status: ClusterObjectStoreStatus,
    ) -> ClusterObjectStoreStatus {
        let reports = reports_of(&status);
        self.recorded = status;
        let own = reports.into_iter().find(|report| report.name == me);
        self.took_over |= own.is_some();
        own.map(into_status).unwrap_or_default()
    }

    /// What a restart leaves.
    pub(in crate::engine) fn restarted(self) -> Self {
        Self {
            recorded: self.recorded,
            ..Self::default()
        }
    }

    /// Whether another operator reports on the store.
    pub(in crate::engine) fn has_others(&self, me: &str) -> bool {
        reports_of(&self.recorded)
            .iter()
            .any(|report| report.name != me)
    }

    /// The status with this as the operator's own report, if it is to be written. The default is no report.
    pub(in crate::engine) fn to_write(
        &self,
        me: &str,
        own: &ClusterObjectStoreStatus,
    ) -> Option<ClusterObjectStoreStatus> {
        let mut reports = reports_of(&self.recorded);
        let before = reports.iter().position(|report| report.name == me);
        let before = before.map(|at| reports.remove(at));
        let own = (*own != ClusterObjectStoreStatus::default()).then(|| into_report(me, own));
        if own.is_none() && before.is_none() {
            return None;
        }
        if own == before && self.summed.as_ref() == Some(&self.recorded.operators) {
            return None;
        }
        if own.is_some() && !self.took_over {
            reports.retain(|other| !supersedes(me, &other.name));
        }
        reports.extend(own);
        let status = sum(reports);
        (status != self.recorded).then_some(status)
    }

    /// This status was written.
    pub(in crate::engine) fn wrote(&mut self, status: &ClusterObjectStoreStatus) {
        self.summed = Some(status.operators.clone());
    }
}

/// The reports that a status holds.
fn reports_of(status: &ClusterObjectStoreStatus) -> Vec<StoreOperatorStatus> {
    if !status.operators.is_empty() {
        return status.operators.clone();
    }
    if *status == ClusterObjectStoreStatus::default() {
        return Vec::new();
    }
    vec![into_report(SOLE_OPERATOR, status)]
}

/// Whether an operator of the first name serves what only a former operator of the other name can have served.
fn supersedes(me: &str, other: &str) -> bool {
    let ((class, all), (others_class, others_all)) = (scope(me), scope(other));
    me != other && class == others_class && (all || others_all)
}

/// The class in the name of an operator, and whether it serves all namespaces.
fn scope(name: &str) -> (&str, bool) {
    match name.split_once(",lease=") {
        Some((class, _)) => (class, false),
        None => (name, true),
    }
}

/// The status that these reports make.
fn sum(mut reports: Vec<StoreOperatorStatus>) -> ClusterObjectStoreStatus {
    reports.sort_by(|one, other| one.name.cmp(&other.name));
    match &*reports {
        [] => return ClusterObjectStoreStatus::default(),
        [sole] if sole.name == SOLE_OPERATOR => return into_status(sole.clone()),
        _ => {}
    }
    let secrets = || reports.iter().map(|report| &report.credentials_secret);
    let secret = secrets()
        .next()
        .filter(|first| secrets().all(|other| other == *first));
    let budgets = reports
        .iter()
        .filter_map(|report| report.absence_budget.as_ref());
    let shortest = budgets.min_by_key(|budget| parse_duration(budget).unwrap_or(Duration::ZERO));
    let times = reports
        .iter()
        .filter_map(|report| report.credentials_expiration_time);
    ClusterObjectStoreStatus {
        observed_generation: reports
            .iter()
            .filter_map(|report| report.observed_generation)
            .min(),
        conditions: conditions(&reports),
        credentials_expiration_time: times.min(),
        credentials_secret: secret.cloned().flatten(),
        urls: reports
            .iter()
            .filter_map(|report| report.urls)
            .reduce(|one, other| UrlCounts {
                total: one.total.saturating_add(other.total),
                on_current_credentials: one
                    .on_current_credentials
                    .saturating_add(other.on_current_credentials),
            }),
        absence_budget: shortest.cloned(),
        internal: StoreInternalStatus::default(),
        operators: reports,
    }
}

/// The worst condition of each type, in the order in which the types come first.
fn conditions(reports: &[StoreOperatorStatus]) -> Vec<Condition> {
    let mut by_type: Vec<Vec<(&str, &Condition)>> = Vec::new();
    for report in reports {
        for condition in &report.conditions {
            let one = (&*report.name, condition);
            let same = |all: &&mut Vec<(&str, &Condition)>| all[0].1.type_ == condition.type_;
            match by_type.iter_mut().find(same) {
                Some(all) => all.push(one),
                None => by_type.push(vec![one]),
            }
        }
    }
    let worst = |all: &Vec<_>| worst(all, reports.len());
    by_type.iter().filter_map(worst).collect()
}

/// The condition that the conditions of one type make, each with its operator, of so many operators.
fn worst(all: &[(&str, &Condition)], operators: usize) -> Option<Condition> {
    let severity = |condition: &Condition| match condition.status {
        ConditionStatus::False => 2,
        ConditionStatus::Unknown => 1,
        ConditionStatus::True => 0,
    };
    let most = all.iter().map(|(_, one)| severity(one)).max()?;
    let mut such = all.iter().filter(|(_, one)| severity(one) == most);
    let since = such.clone().map(|(_, one)| one.last_transition_time);
    // All are True since the last one turned; one is not since the first one turned.
    let since = if most == 0 { since.max() } else { since.min() };
    let (name, first) = such.next()?;
    let more = such.count();
    let said = &first.message;
    let message = match more {
        _ if operators == 1 => said.clone(),
        0 => format!("operator {name}: {said}"),
        _ if more + 1 == operators => {
            format!("each of {operators} operators, see status.operators; {name}: {said}")
        }
        _ => format!(
            "{} of {operators} operators, see status.operators; {name}: {said}",
            more + 1
        ),
    };
    Some(Condition {
        type_: first.type_.clone(),
        status: first.status,
        observed_generation: all
            .iter()
            .filter_map(|(_, one)| one.observed_generation)
            .min(),
        last_transition_time: since?,
        reason: first.reason.clone(),
        message,
    })
}

fn into_report(name: &str, status: &ClusterObjectStoreStatus) -> StoreOperatorStatus {
    let ClusterObjectStoreStatus {
        observed_generation,
        conditions,
        credentials_expiration_time,
        credentials_secret,
        urls,
        absence_budget,
        operators: _,
        internal,
    } = status.clone();
    StoreOperatorStatus {
        name: name.to_owned(),
        observed_generation,
        conditions,
        credentials_expiration_time,
        credentials_secret,
        urls,
        absence_budget,
        internal,
    }
}

fn into_status(report: StoreOperatorStatus) -> ClusterObjectStoreStatus {
    let StoreOperatorStatus {
        name: _,
        observed_generation,
        conditions,
        credentials_expiration_time,
        credentials_secret,
        urls,
        absence_budget,
        internal,
    } = report;
    ClusterObjectStoreStatus {
        observed_generation,
        conditions,
        credentials_expiration_time,
        credentials_secret,
        urls,
        absence_budget,
        operators: Vec::new(),
        internal,
    }
}

#[cfg(test)]
mod tests;
