//! Two operators in one cluster, by class or by namespaces: what each writes of the stores and the policies that
//! they share, and that they come to rest.
//!
//! What holds here: each operator has a world of its own, with its own credentials and its own network. There is
//! one cluster, which is in the world of the operator that acts.

use std::collections::BTreeSet;

use jiff::Timestamp;
use presigned_core::api::{
    ClusterObjectStoreStatus, Condition, ConditionStatus, StoreOperatorStatus,
};
use presigned_core::engine::{
    Change, Event, ListScope, ObjectKey, SOLE_OPERATOR, Settings, UnreadablePolicy,
};

use crate::common::at;
use crate::common::cloud::Source;
use crate::common::cluster::Cluster;
use crate::common::specs;
use crate::common::world::{FaultInjector, World};
use crate::scene::{HOME, NS};

const OTHER_NS: &str = "team-b";

/// What an operator sees of the cluster.
#[derive(Default)]
struct View {
    /// The only namespace that it watches.
    namespace: Option<String>,
    /// It is of a release that cannot read the policies.
    old: bool,
}

impl View {
    /// The change as a watch of the one namespace has it.
    fn of<T>(&self, change: Change<T>, place: impl Fn(&T) -> &str) -> Option<Change<T>> {
        let Some(only) = &self.namespace else {
            return Some(change);
        };
        let scope = ListScope::Namespace(only.clone());
        match change {
            Change::Init { .. } => Some(Change::Init { scope }),
            Change::InitDone { version, .. } => Some(Change::InitDone { scope, version }),
            Change::InitApply(one) => (place(&one) == only).then_some(Change::InitApply(one)),
            Change::Apply(one) => (place(&one) == only).then_some(Change::Apply(one)),
            Change::Delete(one) => (place(&one) == only).then_some(Change::Delete(one)),
        }
    }
}

impl FaultInjector for View {
    fn filter_event(&mut self, event: Event) -> Option<Event> {
        Some(match event {
            Event::Resource(change) => Event::Resource(self.of(change, |seen| &seen.namespace)?),
            Event::Secret(change) => Event::Secret(self.of(change, |seen| &seen.namespace)?),
            Event::Namespace(change) => Event::Namespace(self.of(change, |seen| &seen.name)?),
            Event::Policy(Change::InitApply(mut seen) | Change::Apply(mut seen)) if self.old => {
                seen.spec = Err(UnreadablePolicy {
                    why: "unknown field `later`".to_owned(),
                    namespaces: presigned_core::policy::SelectableNamespaces::default(),
                });
                Event::Policy(Change::Apply(seen))
            }
            event => event,
        })
    }
}

struct Shards {
    now: Timestamp,
    cluster: Cluster,
    operators: Vec<World<View>>,
}

impl Shards {
    /// Operators of these settings, each with the same key for the one store.
    fn of(settings: impl IntoIterator<Item = Settings>) -> Self {
        let operators = settings.into_iter().map(|settings| {
            let only = settings.namespaces.as_ref();
            let view = View {
                namespace: only.and_then(|only| only.first().cloned()),
                old: false,
            };
            let mut operator = World::new(settings, view);
            operator.cloud.rotate_static("s3", operator.now);
            operator
        });
        let operators: Vec<World<View>> = operators.collect();
        let now = operators[0].now;
        let mut cluster = Cluster::default();
        for (namespace, team) in [(NS, "a"), (OTHER_NS, "b")] {
            cluster.put_namespace(namespace, &[("team", team)], now);
        }
        cluster.touch_own_secret("s3", now);
        cluster.put_store("default", Ok(specs::store(HOME, Some("s3"))), now);
        let rule = specs::rule(&["data"], &["*"], "12h");
        let policy = specs::policy(&[NS, OTHER_NS], vec![rule]);
        cluster.put_policy("base", Ok(policy), now);
        Self {
            now,
            cluster,
            operators,
        }
    }

    /// The operator of the default class, and the one of class `blue`.
    fn of_classes() -> Self {
        Self::of([None, Some("blue")].map(|class| Settings {
            class: class.map(str::to_owned),
            ..Settings::default()
        }))
    }

    fn apply(&mut self, namespace: &str, name: &str, class: Option<&str>) {
        let mut spec = specs::get("data", "file.bin");
        spec.class = class.map(str::to_owned);
        let now = self.now;
        self.cluster.put_resource(namespace, name, Ok(spec), now);
    }

    fn delete(&mut self, name: &str) {
        let now = self.now;
        self.cluster.delete_resource(NS, name, now);
    }

    /// An operator acts on the cluster.
    fn turn<T>(&mut self, which: usize, act: impl FnOnce(&mut World<View>) -> T) -> T {
        let operator = &mut self.operators[which];
        operator.now = self.now;
        std::mem::swap(&mut operator.cluster, &mut self.cluster);
        let done = act(operator);
        std::mem::swap(&mut operator.cluster, &mut self.cluster);
        assert_eq!(operator.violations, Vec::<String>::new());
        done
    }

    fn next_time(&mut self) -> Option<Timestamp> {
        let all = 0..self.operators.len();
        all.filter_map(|which| self.turn(which, |operator| operator.next_time()))
            .min()
    }

    /// Lets so many seconds pass.
    fn run(&mut self, seconds: i64) {
        let end = at(self.now.as_second() + seconds);
        loop {
            let mut rounds = 0;
            while self.next_time().is_some_and(|next| next <= self.now) {
                for which in 0..self.operators.len() {
                    self.turn(which, World::second);
                }
                rounds += 1;
                assert!(rounds < 20, "they answer each other within one second");
            }
            assert_eq!(self.cluster.violations, Vec::<String>::new());
            match self.next_time() {
                Some(next) if next <= end => self.now = next.max(self.now),
                _ => break,
            }
        }
        self.now = end;
    }

    /// The objects that were written while so many seconds passed, with the operator that wrote.
    fn writes(&mut self, seconds: i64) -> Vec<(usize, ObjectKey)> {
        let before: Vec<usize> = self.operators.iter().map(|one| one.records.len()).collect();
        self.run(seconds);
        let since = self.operators.iter().zip(before).enumerate();
        let writes = since.flat_map(|(which, (one, before))| {
            let records = one.records[before..].iter();
            let written = records.filter(|record| record.kind.writes());
            written.map(move |record| (which, record.key.clone()))
        });
        writes.collect()
    }

    /// What an operator has written so far, but for Events.
    fn places(&self, which: usize) -> BTreeSet<String> {
        let records = self.operators[which].records.iter();
        let written = records.filter(|record| record.kind.writes());
        let places = written.filter_map(|record| record.place.clone());
        places.map(|(_, name)| name).collect()
    }

    fn ready(&self, namespace: &str, name: &str) -> (ConditionStatus, &str) {
        let place = (namespace.to_owned(), name.to_owned());
        ready(&self.cluster.resources[&place].status.conditions)
    }

    fn store(&self) -> &ClusterObjectStoreStatus {
        &self.cluster.stores["default"].status
    }

    fn reports(&self) -> Vec<&str> {
        let operators = self.store().operators.iter();
        operators.map(|report| &*report.name).collect()
    }

    fn report(&self, name: &str) -> &StoreOperatorStatus {
        let mut operators = self.store().operators.iter();
        operators.find(|report| report.name == name).unwrap()
    }

    fn policy(&self) -> (ConditionStatus, &str) {
        ready(&self.cluster.policies["base"].status.conditions)
    }

    /// The numbers of URLs that the store's status counts, and that each report does.
    fn urls(&self) -> (u32, Vec<u32>) {
        let each = self.store().operators.iter();
        let each = each.map(|report| report.urls.unwrap().total);
        (self.store().urls.unwrap().total, each.collect())
    }
}

fn ready(conditions: &[Condition]) -> (ConditionStatus, &str) {
    let ready = conditions.iter().find(|one| one.type_ == "Ready");
    let ready = ready.expect("it is told");
    (ready.status, &ready.reason)
}

const ACCEPTED: (ConditionStatus, &str) = (ConditionStatus::True, "Accepted");
const ISSUED: (ConditionStatus, &str) = (ConditionStatus::True, "Issued");
const WORKS: (ConditionStatus, &str) = (ConditionStatus::True, "CredentialsReady");
const NO_CREDENTIALS: (ConditionStatus, &str) = (ConditionStatus::False, "CredentialsNotFound");

#[test]
fn operators_of_two_classes_share_a_store_and_write_nothing_once_each_has_reported() {
    let mut shards = Shards::of_classes();
    shards.apply(NS, "plain", None);
    shards.apply(NS, "of-blue", Some("blue"));
    shards.apply(OTHER_NS, "also-blue", Some("blue"));
    shards.run(60);
    assert_eq!(shards.ready(NS, "plain"), ISSUED);
    assert_eq!(shards.ready(NS, "of-blue"), ISSUED);
    assert_eq!(shards.reports(), ["class=blue", SOLE_OPERATOR]);
    assert_eq!(shards.urls(), (3, vec![2, 1]));
    assert_eq!(ready(&shards.store().conditions), WORKS);
    assert_eq!(shards.policy(), ACCEPTED);
    // Each probes every hour, and both see whatever the other one writes.
    assert_eq!(shards.writes(2 * 3600), []);
    for operator in 0..2 {
        shards.turn(operator, |operator| operator.crash(0));
    }
    assert_eq!(shards.writes(600), [], "after a restart");
    assert_eq!(shards.places(0), ["plain".to_owned()].into());
    let blue = ["of-blue", "also-blue"].map(str::to_owned);
    assert_eq!(shards.places(1), blue.into());
}

#[test]
fn operators_of_two_namespaces_share_a_store_and_write_nothing_once_each_has_reported() {
    let mut shards = Shards::of([NS, OTHER_NS].map(|namespace| Settings {
        namespaces: Some([namespace.to_owned()].into()),
        lease_name: format!("of-{namespace}"),
        ..Settings::default()
    }));
    shards.apply(NS, "one", None);
    shards.apply(NS, "two", None);
    shards.apply(OTHER_NS, "three", None);
    shards.run(60);
    for (namespace, name) in [(NS, "one"), (NS, "two"), (OTHER_NS, "three")] {
        assert_eq!(shards.ready(namespace, name), ISSUED, "{name}");
    }
    let names =
        [NS, OTHER_NS].map(|name| format!("class=default,lease=presigned-url-operator/of-{name}"));
    assert_eq!(shards.reports(), names);
    assert_eq!(shards.urls(), (3, vec![2, 1]));
    assert_eq!(shards.writes(2 * 3600), []);
    assert_eq!(shards.places(0), ["one", "two"].map(str::to_owned).into());
    assert_eq!(shards.places(1), ["three".to_owned()].into());
}

#[test]
fn each_operator_reports_its_own_credentials_and_the_sum_is_the_worst() {
    let mut shards = Shards::of_classes();
    shards.apply(NS, "plain", None);
    shards.apply(NS, "of-blue", Some("blue"));
    shards.run(60);
    let key = shards.operators[1].cloud.sources.remove("s3").unwrap();
    let now = shards.now;
    shards.cluster.touch_own_secret("s3", now);
    shards.run(60);
    assert_eq!(
        ready(&shards.report("class=blue").conditions),
        NO_CREDENTIALS
    );
    assert_eq!(ready(&shards.report(SOLE_OPERATOR).conditions), WORKS);
    assert_eq!(ready(&shards.store().conditions), NO_CREDENTIALS);
    let message = &shards.store().conditions[0].message;
    assert!(message.starts_with("operator class=blue: "), "{message}");
    // One reads the newer version of the Secret, the other the older one.
    assert_eq!(shards.store().credentials_secret, None);
    assert_eq!(shards.writes(3600), [], "each retries, and they differ");
    assert_eq!(shards.ready(NS, "plain"), ISSUED);

    shards.operators[1]
        .cloud
        .sources
        .insert("s3".to_owned(), key);
    let now = shards.now;
    shards.cluster.touch_own_secret("s3", now);
    shards.run(60);
    assert_eq!(ready(&shards.store().conditions), WORKS);
    let secret = shards.store().credentials_secret.as_ref().unwrap();
    let version = &shards.cluster.own_secrets["s3"].resource_version;
    assert_eq!(&secret.resource_version, version);
}

#[test]
fn a_key_of_another_operator_is_no_change_of_ones_own() {
    let mut shards = Shards::of_classes();
    let now = shards.now;
    // Another account's.
    let own = &mut shards.operators[1].cloud;
    own.rotate_static("s3", now);
    own.rotate_static("s3", now);
    shards.apply(NS, "plain", None);
    shards.apply(NS, "of-blue", Some("blue"));
    shards.run(60);
    let keys = shards.operators.iter().map(|one| &one.cloud.sources["s3"]);
    let keys: Vec<&Source> = keys.collect();
    assert_ne!(format!("{:?}", keys[0]), format!("{:?}", keys[1]));
    for report in &shards.store().operators {
        let urls = report.urls.unwrap();
        assert_eq!((urls.total, urls.on_current_credentials), (1, 1));
    }
    for operator in 0..2 {
        shards.turn(operator, |operator| operator.crash(0));
    }
    assert_eq!(shards.writes(3600), []);
}

#[test]
fn a_report_ends_with_the_last_resource_that_its_operator_serves() {
    let mut shards = Shards::of_classes();
    shards.run(30);
    let unused = (ConditionStatus::True, "NotProbed");
    assert_eq!(ready(&shards.store().conditions), unused);
    assert_eq!(shards.reports(), [""; 0], "nobody uses the store");
    shards.apply(NS, "of-blue", Some("blue"));
    shards.run(30);
    assert_eq!(shards.reports(), ["class=blue"]);
    assert_eq!(ready(&shards.store().conditions), WORKS);
    shards.apply(NS, "plain", None);
    shards.run(30);
    assert_eq!(shards.reports(), ["class=blue", SOLE_OPERATOR]);
    shards.delete("of-blue");
    shards.run(30);
    assert_eq!(shards.reports(), [""; 0], "one operator is left");
    assert_eq!(shards.store().urls.unwrap().total, 1);
    assert_eq!(shards.writes(3600), []);
    shards.delete("plain");
    shards.run(30);
    assert_eq!(shards.store().urls.unwrap().total, 0);
    assert_eq!(shards.writes(3600), []);
}

#[test]
fn operators_that_read_a_policy_differently_each_say_so_once() {
    let mut shards = Shards::of_classes();
    shards.operators[1].faults.old = true;
    let writes = shards.writes(60);
    let policy = ObjectKey::Policy("base".to_owned());
    let writes = writes.iter().filter(|(_, key)| *key == policy);
    assert!(writes.count() <= 4, "a status and an Event of each");
    assert_eq!(shards.writes(3600), []);
    let rule = specs::rule(&["data"], &["*"], "6h");
    let now = shards.now;
    let edited = specs::policy(&[NS, OTHER_NS], vec![rule]);
    shards.cluster.put_policy("base", Ok(edited), now);
    let writes = shards.writes(60);
    assert!(!writes.is_empty(), "the new generation is reported");
    assert_eq!(shards.writes(3600), []);
    assert_eq!(
        shards.cluster.policies["base"].status.observed_generation,
        Some(2)
    );
}

#[test]
fn the_figures_count_what_an_operator_serves() {
    let mut shards = Shards::of_classes();
    shards.apply(NS, "plain", None);
    shards.apply(NS, "of-blue", Some("blue"));
    shards.apply(OTHER_NS, "also-blue", Some("blue"));
    shards.run(60);
    let figures = |one: &mut World<View>| one.engine().figures().count();
    let counts: Vec<usize> = shards.operators.iter_mut().map(figures).collect();
    assert_eq!(counts, [1, 2]);
}
