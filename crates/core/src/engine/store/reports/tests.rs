//! What the reports of several operators make.

use jiff::Timestamp;

use super::*;
use crate::api::CredentialsSecret;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn ready(status: ConditionStatus, reason: &str, message: &str, since: i64) -> Condition {
    Condition {
        type_: "Ready".into(),
        status,
        observed_generation: Some(1),
        last_transition_time: at(since),
        reason: reason.to_owned().into(),
        message: message.to_owned(),
    }
}

/// What an operator says of a store that accepts what it signs: so many URLs, read from a version of a Secret.
fn good(total: u32, version: &str) -> ClusterObjectStoreStatus {
    ClusterObjectStoreStatus {
        observed_generation: Some(1),
        conditions: vec![ready(
            ConditionStatus::True,
            "CredentialsReady",
            "it does",
            1,
        )],
        credentials_secret: Some(CredentialsSecret {
            name: "s3".to_owned(),
            uid: "u".to_owned(),
            resource_version: version.to_owned(),
        }),
        urls: Some(UrlCounts {
            total,
            on_current_credentials: total,
        }),
        absence_budget: Some("8h".to_owned()),
        ..ClusterObjectStoreStatus::default()
    }
}

/// What an operator says of a store that rejects what it signs.
fn bad(since: i64) -> ClusterObjectStoreStatus {
    ClusterObjectStoreStatus {
        conditions: vec![ready(
            ConditionStatus::False,
            "CredentialsInvalid",
            "it rejects",
            since,
        )],
        absence_budget: Some("40m".to_owned()),
        internal: StoreInternalStatus {
            rejected_credentials: Some("hash".to_owned()),
            proven: Some(true),
        },
        ..good(1, "7")
    }
}

/// A store's status, and the operators that see each version of it.
struct Shared {
    status: ClusterObjectStoreStatus,
    operators: Vec<(&'static str, Reports)>,
}

impl Shared {
    fn of(names: &[&'static str]) -> Self {
        let operators = names.iter().map(|name| (*name, Reports::default()));
        Self {
            status: ClusterObjectStoreStatus::default(),
            operators: operators.collect(),
        }
    }

    /// An operator has something to report. Returns whether it wrote.
    fn report(&mut self, name: &str, own: &ClusterObjectStoreStatus) -> bool {
        let which = self.operators.iter().position(|(known, _)| *known == name);
        let (me, reports) = &mut self.operators[which.unwrap()];
        reports.record(me, self.status.clone());
        let Some(status) = reports.to_write(me, own) else {
            return false;
        };
        reports.wrote(&status);
        reports.record(me, status.clone());
        self.status = status;
        true
    }

    fn names(&self) -> Vec<&str> {
        let operators = self.status.operators.iter();
        operators.map(|report| &*report.name).collect()
    }
}

#[test]
fn the_operator_of_the_default_class_alone_is_the_status() {
    let mut shared = Shared::of(&[SOLE_OPERATOR]);
    assert!(shared.report(SOLE_OPERATOR, &bad(3)));
    assert_eq!(shared.status, bad(3));
    assert!(!shared.report(SOLE_OPERATOR, &bad(3)));
}

#[test]
fn two_operators_sum_up_to_the_same_and_neither_corrects_the_other() {
    let mut shared = Shared::of(&[SOLE_OPERATOR, "class=blue"]);
    shared.report(SOLE_OPERATOR, &good(3, "7"));
    assert!(shared.report("class=blue", &bad(5)));
    for _ in 0..3 {
        assert!(!shared.report(SOLE_OPERATOR, &good(3, "7")));
        assert!(!shared.report("class=blue", &bad(5)));
    }
    assert_eq!(shared.names(), ["class=blue", SOLE_OPERATOR]);
    let status = &shared.status;
    let said = "operator class=blue: it rejects";
    let expected = ready(ConditionStatus::False, "CredentialsInvalid", said, 5);
    assert_eq!(status.conditions, [expected]);
    let urls = UrlCounts {
        total: 4,
        on_current_credentials: 4,
    };
    assert_eq!(status.urls, Some(urls));
    assert_eq!(status.absence_budget.as_deref(), Some("40m"));
    assert_eq!(status.credentials_secret, good(0, "7").credentials_secret);
    // Each finds its own again, with what no other one may read.
    for (me, own) in [(SOLE_OPERATOR, good(3, "7")), ("class=blue", bad(5))] {
        assert_eq!(Reports::default().record(me, status.clone()), own);
    }
    assert_eq!(status.internal, StoreInternalStatus::default());
}

#[test]
fn a_version_of_the_secret_stands_for_all_only_if_all_use_it() {
    let mut shared = Shared::of(&["class=a", "class=b"]);
    shared.report("class=a", &good(1, "8"));
    shared.report("class=b", &good(1, "7"));
    assert_eq!(shared.status.credentials_secret, None);
    shared.report("class=b", &good(1, "8"));
    let secret = shared.status.credentials_secret.clone();
    assert_eq!(secret, good(1, "8").credentials_secret);
    let elsewhere = ClusterObjectStoreStatus {
        credentials_secret: None,
        ..good(1, "8")
    };
    shared.report("class=b", &elsewhere);
    assert_eq!(shared.status.credentials_secret, None);
}

#[test]
fn a_generation_is_observed_once_every_operator_has() {
    let mut shared = Shared::of(&["class=a", "class=b"]);
    shared.report("class=a", &good(1, "7"));
    shared.report("class=b", &good(1, "7"));
    let mut newer = good(1, "7");
    newer.observed_generation = Some(2);
    newer.conditions[0].observed_generation = Some(2);
    shared.report("class=b", &newer);
    let observed = |shared: &Shared| {
        let of_condition = shared.status.conditions[0].observed_generation;
        (shared.status.observed_generation, of_condition)
    };
    assert_eq!(observed(&shared), (Some(1), Some(1)));
    shared.report("class=a", &newer);
    assert_eq!(observed(&shared), (Some(2), Some(2)));
}

#[test]
fn a_condition_is_true_since_the_last_and_false_since_the_first() {
    let mut shared = Shared::of(&["class=a", "class=b", "class=c"]);
    let said = |shared: &Shared| {
        let ready = &shared.status.conditions[0];
        (ready.last_transition_time, ready.message.clone())
    };
    let mut later = good(1, "7");
    later.conditions[0].last_transition_time = at(9);
    shared.report("class=a", &later);
    assert_eq!(said(&shared), (at(9), "it does".to_owned()));
    for name in ["class=b", "class=c"] {
        shared.report(name, &good(1, "7"));
    }
    let all = "each of 3 operators, see status.operators; class=a: it does";
    assert_eq!(said(&shared), (at(9), all.to_owned()));
    shared.report("class=c", &bad(12));
    shared.report("class=b", &bad(11));
    let two = "2 of 3 operators, see status.operators; class=b: it rejects";
    assert_eq!(said(&shared), (at(11), two.to_owned()));
}

#[test]
fn an_operator_that_has_nothing_to_say_leaves_nothing() {
    let mut shared = Shared::of(&[SOLE_OPERATOR, "class=blue"]);
    let nothing = ClusterObjectStoreStatus::default();
    shared.report(SOLE_OPERATOR, &good(3, "7"));
    shared.report("class=blue", &good(1, "7"));
    assert!(shared.report("class=blue", &nothing));
    assert!(!shared.report("class=blue", &nothing));
    assert_eq!(shared.status, good(3, "7"));
    assert!(shared.report(SOLE_OPERATOR, &nothing));
    assert_eq!(shared.status, nothing);
}

#[test]
fn an_operator_supersedes_those_of_its_class_that_served_what_it_serves() {
    const TEAM: &str = "class=default,lease=ns/team";
    const BLUE_TEAM: &str = "class=blue,lease=ns/team";
    for (before, newcomer, superseded) in [
        (SOLE_OPERATOR, TEAM, true),
        (TEAM, SOLE_OPERATOR, true),
        ("class=blue", BLUE_TEAM, true),
        (BLUE_TEAM, "class=blue", true),
        // They may serve other namespaces, and they do serve other classes.
        (TEAM, "class=default,lease=ns/other", false),
        (SOLE_OPERATOR, "class=blue", false),
        (SOLE_OPERATOR, BLUE_TEAM, false),
        (TEAM, BLUE_TEAM, false),
        ("class=blue", "class=red,lease=ns/team", false),
    ] {
        let mut shared = Shared::of(&[before, newcomer]);
        shared.report(before, &good(1, "7"));
        shared.report(newcomer, &good(2, "7"));
        let total = if superseded { 2 } else { 3 };
        assert_eq!(
            shared.status.urls.unwrap().total,
            total,
            "{newcomer} after {before}"
        );
    }
}

#[test]
fn two_that_supersede_each_other_by_mistake_do_so_once() {
    let mut shared = Shared::of(&[SOLE_OPERATOR, "class=default,lease=ns/team"]);
    let mut writes = 0;
    for _ in 0..10 {
        writes += u32::from(shared.report(SOLE_OPERATOR, &good(3, "7")));
        writes += u32::from(shared.report("class=default,lease=ns/team", &good(1, "7")));
    }
    assert_eq!(
        shared.names(),
        [SOLE_OPERATOR, "class=default,lease=ns/team"]
    );
    assert_eq!(writes, 3);
}

#[test]
fn a_sum_in_other_words_is_corrected_once() {
    let mut shared = Shared::of(&["class=a", "class=b"]);
    shared.report("class=a", &good(1, "7"));
    shared.report("class=b", &good(1, "7"));
    let reworded = |shared: &mut Shared| {
        shared.status.conditions[0].message = "in other words".to_owned();
    };
    // The last to write has had its say; the other one has it once.
    reworded(&mut shared);
    assert!(!shared.report("class=b", &good(1, "7")));
    assert!(shared.report("class=a", &good(1, "7")));
    reworded(&mut shared);
    assert!(!shared.report("class=a", &good(1, "7")));
    // A report that somebody removes by hand is missed at once.
    shared.status.operators.remove(1);
    assert!(shared.report("class=a", &good(1, "7")));
    assert_eq!(shared.status.urls.unwrap().total, 1);
}
