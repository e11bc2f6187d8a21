//! Events: what happened to a resource, for `kubectl describe`.
//!
//! What holds here: an Event's name is a hash of what it says, so that publishing it twice publishes it once;
//! its time is when it was decided; and a failed Event is counted by its call and stops nothing. An Event of
//! a store or a policy, which no namespace holds, is in the namespace `default`: the API server takes it
//! nowhere else.

use http::Method;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Resource as _;
use kube::core::PartialObjectMeta;
use presigned_core::api::{API_VERSION, ClusterObjectStore, KIND, MANAGER, PresignedUrlPolicy};
use presigned_core::engine::{EventRecord, EventSubject};
use sha2::{Digest, Sha256};

use super::call::{Target, Verb};
use super::cluster::Cluster;
use super::http::{METADATA_ONLY, managed, request, segment};
use super::text::cut;

/// The longest note that the API takes, in bytes.
const NOTE_LIMIT: usize = 1024;
/// Where Events of cluster-scoped objects are.
const DEFAULT: &str = "default";
/// The longest name of an object.
const NAME_LIMIT: usize = 253;

impl Cluster {
    /// Publishes an Event. A failure is counted and has no other effect.
    pub async fn publish(&self, record: &EventRecord) {
        let event = event(record, &self.instance);
        let namespace = record.namespace.as_deref().unwrap_or(DEFAULT);
        let (Ok(namespace), Ok(body)) = (segment(namespace), serde_json::to_vec(&event)) else {
            return;
        };
        let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
        let future = self.parsed::<PartialObjectMeta<Event>>(request(
            Method::POST,
            &managed(&path),
            METADATA_ONLY,
            body,
        ));
        // Counted by the call; AlreadyExists means that it was published before.
        let _ = self
            .calls
            .call(Verb::Create, Target("events"), future)
            .await;
    }
}

pub(super) fn event(record: &EventRecord, instance: &str) -> Event {
    let EventRecord {
        subject,
        namespace,
        name,
        uid,
        version: _,
        warning,
        reason,
        action,
        note,
        at,
    } = record;
    Event {
        metadata: ObjectMeta {
            namespace: Some(namespace.as_deref().unwrap_or(DEFAULT).to_owned()),
            name: Some(event_name(record)),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(*at)),
        type_: Some(if *warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(reason.as_str().to_owned()),
        action: Some((*action).to_owned()),
        note: Some(cut(note, NOTE_LIMIT).to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some(API_VERSION.to_owned()),
            kind: Some(event_kind(*subject)),
            namespace: namespace.clone(),
            name: Some(name.clone()),
            uid: Some(uid.clone()),
            ..ObjectReference::default()
        }),
        reporting_controller: Some(MANAGER.to_owned()),
        reporting_instance: Some(cut(instance, 128).to_owned()),
        ..Event::default()
    }
}

/// The kind of what an Event is about, as the API names it.
#[must_use]
pub fn event_kind(subject: EventSubject) -> String {
    match subject {
        EventSubject::PresignedUrl => KIND.to_owned(),
        EventSubject::Store => ClusterObjectStore::kind(&()).into_owned(),
        EventSubject::Policy => PresignedUrlPolicy::kind(&()).into_owned(),
    }
}

/// The resource's name, cut to the limit of a name, and a hash of what the Event says.
fn event_name(record: &EventRecord) -> String {
    let mut hash = Sha256::new();
    for field in [
        &record.uid,
        &record.version,
        record.reason.as_str(),
        &record.note,
    ] {
        hash.update(field.len().to_be_bytes());
        hash.update(field);
    }
    hash.update(record.at.as_microsecond().to_be_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize()[..8]);
    let hash = format!("{:016x}", u64::from_be_bytes(first));
    let name = cut(&record.name, NAME_LIMIT - hash.len() - 1).trim_end_matches(['-', '.']);
    format!("{name}.{hash}")
}
