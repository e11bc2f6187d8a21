//! The fixture of a scenario: a namespace, a store with a static key, a policy that allows its folder, and a
//! clock that the scenario moves.

use std::collections::BTreeMap;

use jiff::Timestamp;
use presigned_core::api::{ClusterObjectStoreSpec, Condition, ConditionStatus, PresignedUrlSpec};
use presigned_core::engine::{ObjectKey, SecretAccess, Settings, Step};

use crate::common::at;
use crate::common::cloud::Source;
use crate::common::cluster::{Place, Secret};
use crate::common::specs;
use crate::common::world::{Fault, FaultInjector, StepKind, World};

/// The faults of a scenario.
#[derive(Default)]
pub struct Script {
    /// Faults that were planned, each for the next step of its kind.
    pub planned: Vec<(StepKind, Fault)>,
    /// What happens to each call of the API server, and how many seconds it takes.
    pub outage: Option<(Fault, i64)>,
    /// Seconds that steps of a kind take.
    pub slow: BTreeMap<StepKind, i64>,
    /// By how many seconds the next answers of a kind are late.
    late: Vec<(StepKind, i64)>,
}

impl FaultInjector for Script {
    fn fault(&mut self, _work: &ObjectKey, step: &Step, _now: Timestamp) -> Option<Fault> {
        let kind = StepKind::of(step);
        if let (Some((fault, _)), true) = (&self.outage, kind.calls_the_api_server()) {
            return Some(fault.clone());
        }
        let mut planned = self.planned.iter();
        let at = planned.position(|(planned, _)| *planned == kind)?;
        Some(self.planned.remove(at).1)
    }

    fn latency(&mut self, step: &Step) -> (i64, i64) {
        let kind = StepKind::of(step);
        if let (Some((_, seconds)), true) = (&self.outage, kind.calls_the_api_server()) {
            return (*seconds, 0);
        }
        let late = self.late.iter().position(|(planned, _)| *planned == kind);
        let late = late.map_or(0, |at| self.late.remove(at).1);
        (self.slow.get(&kind).copied().unwrap_or(0), late)
    }
}

pub const NS: &str = "team-a";
/// The endpoint of the store.
pub const HOME: &str = "https://s3.example.test";
/// Another endpoint, which a store may name later.
pub const OTHER: &str = "https://other.example.test";

pub struct Scene(pub World<Script>);

impl Scene {
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    /// Without the right to read Secrets.
    pub fn blind() -> Self {
        Self::with(Settings {
            secret_access: SecretAccess::None,
            ..Settings::default()
        })
    }

    pub fn with(settings: Settings) -> Self {
        let mut world = World::new(settings, Script::default());
        let now = world.now;
        world.cluster.put_namespace(NS, &[("team", "a")], now);
        world.cloud.rotate_static("s3", now);
        world.cluster.touch_own_secret("s3", now);
        let store = specs::store(HOME, Some("s3"));
        world.cluster.put_store("default", Ok(store), now);
        let mut scene = Self(world);
        scene.allow("12h");
        scene
    }

    /// The policy allows the team's folder for so long.
    pub fn allow(&mut self, longest: &str) {
        let now = self.0.now;
        let rule = specs::rule(&["data"], &["{namespace}/"], longest);
        self.0
            .cluster
            .put_policy("base", Ok(specs::policy(&[NS], vec![rule])), now);
    }

    /// The policy allows the team's folder in these buckets.
    pub fn allow_buckets(&mut self, buckets: &[&str]) {
        let now = self.0.now;
        let rule = specs::rule(buckets, &["{namespace}/"], "12h");
        self.0
            .cluster
            .put_policy("base", Ok(specs::policy(&[NS], vec![rule])), now);
    }

    pub fn apply(&mut self, name: &str, edit: impl FnOnce(&mut PresignedUrlSpec)) {
        let mut spec = specs::get("data", "team-a/file.bin");
        let place = (NS.to_owned(), name.to_owned());
        if let Some(seen) = self.0.cluster.resources.get(&place) {
            spec = *seen.spec.clone().unwrap();
        }
        edit(&mut spec);
        let now = self.0.now;
        self.0.cluster.put_resource(NS, name, Ok(spec), now);
    }

    /// An edit of the store.
    pub fn edit_store(&mut self, edit: impl FnOnce(&mut ClusterObjectStoreSpec)) {
        let mut spec = *self.0.cluster.stores["default"].spec.clone().unwrap();
        edit(&mut spec);
        let now = self.0.now;
        self.0.cluster.put_store("default", Ok(spec), now);
    }

    /// What a condition of the store says: its status and its reason.
    pub fn store_says(&self, type_: &str) -> (ConditionStatus, String) {
        let conditions = &self.0.cluster.stores["default"].status.conditions;
        let found = conditions.iter().find(|c| c.type_ == type_);
        let found = found.expect("the status has the condition");
        (found.status, found.reason.to_string())
    }

    /// The key of the store's source is replaced; the old one works for another day.
    pub fn rotate(&mut self) -> String {
        let now = self.0.now;
        let old_until = at(now.as_second() + 86_400);
        self.0.cloud.rotate_static("s3", old_until);
        self.0.cluster.touch_own_secret("s3", now);
        match &self.0.cloud.sources["s3"] {
            Source::Static { key } => key.clone(),
            source => panic!("the source is {source:?}"),
        }
    }

    /// A resource that was issued and is at rest.
    pub fn issued(name: &str) -> Self {
        let mut scene = Self::new();
        scene.apply(name, |_| {});
        scene.run(30);
        assert_eq!(scene.ready(name), (true, "Issued".to_owned()));
        scene
    }

    /// Lets so many seconds pass.
    pub fn run(&mut self, seconds: i64) {
        let end = at(self.0.now.as_second() + seconds);
        loop {
            self.0.second();
            assert_eq!(self.0.violations, Vec::<String>::new());
            assert_eq!(self.0.cluster.violations, Vec::<String>::new());
            match self.0.next_time() {
                Some(next) if next <= end => {
                    self.0.now = next.max(at(self.0.now.as_second() + 1));
                }
                _ => break,
            }
        }
        self.0.now = self.0.now.max(end);
        self.0.second();
    }

    pub fn plan(&mut self, kind: StepKind, fault: Fault) {
        self.0.faults.planned.push((kind, fault));
    }

    /// The next step of this kind is answered so many seconds late.
    pub fn slow(&mut self, kind: StepKind, seconds: i64) {
        self.0.faults.late.push((kind, seconds));
    }

    /// What reached the servers for resources while something was done.
    pub fn steps(&mut self, doing: impl FnOnce(&mut Self)) -> Vec<StepKind> {
        let before = self.0.records.len();
        doing(self);
        self.0.records[before..]
            .iter()
            .filter(|record| matches!(record.key, ObjectKey::Resource(_)))
            .map(|record| record.kind)
            .collect()
    }

    /// Everything that was written while something was done, for stores and policies too.
    pub fn writes(&mut self, doing: impl FnOnce(&mut Self)) -> Vec<StepKind> {
        let before = self.0.records.len();
        doing(self);
        self.0.records[before..]
            .iter()
            .map(|record| record.kind)
            .filter(|kind| kind.writes())
            .collect()
    }

    pub fn place(name: &str) -> Place {
        (NS.to_owned(), name.to_owned())
    }

    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.0.cluster.secrets.get(&Self::place(name))
    }

    pub fn url(&self, name: &str) -> String {
        let secret = self.secret(name).expect("there is a Secret");
        secret.text("url").expect("it holds a URL").to_owned()
    }

    /// Whether a server takes the URL now.
    pub fn works(&self, url: &str) -> bool {
        self.0.cloud.accepts(url, "GET", &[], self.0.now).is_ok()
    }

    pub fn status(&self, name: &str) -> &presigned_core::api::PresignedUrlStatus {
        &self.0.cluster.resources[&Self::place(name)].status
    }

    pub fn condition(&self, name: &str, type_: &str) -> Condition {
        let conditions = &self.status(name).conditions;
        let found = conditions.iter().find(|c| c.type_ == type_);
        found.expect("the status has the condition").clone()
    }

    /// Whether the status has the condition, and it is True.
    pub fn says(&self, name: &str, type_: &str) -> bool {
        let conditions = &self.status(name).conditions;
        let found = conditions.iter().find(|c| c.type_ == type_);
        found.is_some_and(|c| c.status == presigned_core::api::ConditionStatus::True)
    }

    pub fn ready(&self, name: &str) -> (bool, String) {
        let ready = self.condition(name, "Ready");
        let is = ready.status == presigned_core::api::ConditionStatus::True;
        (is, ready.reason.into_owned())
    }

    /// Seconds until the status says that it is renewed.
    pub fn until_renewal(&self, name: &str) -> i64 {
        let at = self.status(name).renewal_time.expect("it is renewed");
        at.as_second() - self.0.now.as_second()
    }

    pub fn restart(&mut self) {
        self.0.crash(0);
    }
}
