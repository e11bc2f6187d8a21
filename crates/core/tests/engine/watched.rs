//! A resource that is watched second by second: what is Ready works, and a Secret of somebody else stays as it
//! is.

use presigned_core::api::PresignedUrlSpec;
use presigned_core::engine::ObjectKey;

use crate::common::world::StepKind;
use crate::scene::Scene;

/// A resource named `dl`, beside a Secret of somebody else.
pub struct Watched {
    pub scene: Scene,
    /// The resourceVersion of the other Secret.
    foreign: String,
}

impl Watched {
    /// One that lives for 30 minutes and was issued.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same, after `arrange`.
    pub fn with(arrange: impl FnOnce(&mut Scene)) -> Self {
        let mut watched = Self::begin(arrange);
        watched.issue(|spec| spec.duration = Some("30m".to_owned()));
        watched
    }

    /// A scene without the resource.
    pub fn begin(arrange: impl FnOnce(&mut Scene)) -> Self {
        let mut scene = Scene::new();
        arrange(&mut scene);
        let now = scene.0.now;
        let place = Scene::place("foreign");
        scene.0.cluster.create_foreign_secret(&place, now);
        let foreign = scene.0.cluster.secrets[&place].resource_version.clone();
        Self { scene, foreign }
    }

    /// The resource comes, and is issued.
    pub fn issue(&mut self, edit: impl FnOnce(&mut PresignedUrlSpec)) {
        self.scene.apply("dl", edit);
        self.live(30);
        assert!(self.is_ready());
    }

    /// So many seconds pass, and none shows a dead URL of what is Ready.
    pub fn live(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.scene.run(1);
            let foreign = self.scene.secret("foreign").unwrap();
            assert_eq!(foreign.resource_version, self.foreign);
            if self.is_ready() {
                let url = self.scene.url("dl");
                assert!(self.scene.works(&url), "at {}", self.scene.0.now);
            }
        }
    }

    /// The same, and it is Ready in each of them.
    pub fn live_on(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.live(1);
            assert!(self.is_ready(), "at {}", self.scene.0.now);
        }
    }

    pub fn is_ready(&self) -> bool {
        let place = Scene::place("dl");
        self.scene.0.cluster.resources.contains_key(&place) && self.scene.says("dl", "Ready")
    }

    pub fn until_renewal(&mut self) {
        let wait = self.scene.until_renewal("dl");
        self.live(wait - 1);
    }

    /// The URL is another one than before, and works.
    pub fn is_renewed(&self, before: &str) {
        assert!(self.is_ready());
        assert_ne!(self.scene.url("dl"), before);
        assert!(self.scene.works(&self.scene.url("dl")));
    }

    /// How many writes to the resource and its Secret land within so many seconds.
    pub fn writes_within(&mut self, seconds: i64) -> usize {
        let before = self.scene.0.records.len();
        self.live(seconds);
        self.writes_since(before)
    }

    /// How many writes to the resource and its Secret landed since there were so many records.
    pub fn writes_since(&self, before: usize) -> usize {
        let records = self.scene.0.records[before..].iter();
        let of_resources = records.filter(|record| matches!(record.key, ObjectKey::Resource(_)));
        // An Event says that a renewal works again after it has failed.
        let writes = |kind: StepKind| kind.writes() && kind != StepKind::PublishEvent;
        of_resources
            .filter(|record| writes(record.kind) && record.ok)
            .count()
    }

    /// The operator's clock alone moves: those of the stores and of the API server stay.
    pub fn set_clock(&mut self, by: i64) {
        self.scene.0.step_clock(by);
        self.scene.0.cloud.server(crate::scene::HOME).ahead -= by;
    }
}
