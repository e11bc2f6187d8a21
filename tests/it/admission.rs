//! What admission refuses, with which messages, and what it lets through: dry runs against a real API server.

mod links;
mod objects;
mod policies;
mod presigned_urls;
mod stores;
mod unknown_fields;

use kube::Api;
use kube::api::{ApiResource, DynamicObject, PostParams};
use serde_json::{Map, Value, json};

use crate::cluster::cluster;

/// A spec that differs from the kind's plain one, and the words that must be in the refusal.
type Refused<'a> = (&'a str, Value, &'a [&'a str]);

/// A kind and a spec of it that nobody could refuse.
struct Kind {
    name: &'static str,
    plural: &'static str,
    namespaced: bool,
    plain: Value,
}

/// Of one object; tests lay their changes over it.
fn presigned_url() -> Kind {
    Kind {
        name: "PresignedURL",
        plural: "presignedurls",
        namespaced: true,
        plain: json!({ "bucket": "models", "key": "llama/weights.bin" }),
    }
}

/// A map of as many entries.
fn entries(count: usize) -> Map<String, Value> {
    (0..count)
        .map(|at| (format!("k{at}"), json!("v")))
        .collect()
}

impl Kind {
    /// What the API server makes of the plain spec with the changes (JSON merge patch) put in.
    async fn ask(&self, changes: &Value) -> Result<DynamicObject, String> {
        let mut spec = self.plain.clone();
        merge(&mut spec, changes);
        self.ask_as_it_stands(spec).await
    }

    /// What the API server makes of a spec.
    async fn ask_as_it_stands(&self, spec: Value) -> Result<DynamicObject, String> {
        let client = cluster().await.admin().expect("a client");
        let resource = ApiResource {
            group: "presigned.dev".to_owned(),
            version: "v1alpha1".to_owned(),
            api_version: "presigned.dev/v1alpha1".to_owned(),
            kind: self.name.to_owned(),
            plural: self.plural.to_owned(),
        };
        let api: Api<DynamicObject> = if self.namespaced {
            Api::namespaced_with(client, "default", &resource)
        } else {
            Api::all_with(client, &resource)
        };
        let mut object = DynamicObject::new("asked", &resource);
        object.data = json!({ "spec": spec });
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        match api.create(&dry_run, &object).await {
            Ok(object) => Ok(object),
            Err(kube::Error::Api(status)) if status.code == 422 => Err(status.message),
            Err(other) => panic!("{}: neither taken nor refused: {other}", self.name),
        }
    }

    /// Every one is refused, in a sentence that tells what to do, and not by a rule that broke down.
    async fn refuses(&self, table: &[Refused<'_>]) {
        let mut faults = Vec::new();
        for (case, changes, words) in table {
            match self.ask(changes).await {
                Ok(_) => faults.push(format!("{case}: was let through")),
                Err(message) => {
                    let missing = words.iter().any(|words| !message.contains(words));
                    // A rule that fails to evaluate refuses as well, but without our words.
                    if missing || message.contains("should match") || message.contains("evaluat") {
                        faults.push(format!("{case}: {message}\n    wanted: {words:?}"));
                    }
                }
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    /// Every one is let through.
    async fn takes(&self, table: &[(&str, Value)]) {
        let mut faults = Vec::new();
        for (case, changes) in table {
            if let Err(message) = self.ask(changes).await {
                faults.push(format!("{case}: {message}"));
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

/// JSON merge patch (RFC 7386).
fn merge(into: &mut Value, changes: &Value) {
    let Some(changes) = changes.as_object() else {
        *into = changes.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (name, change) in changes {
        if change.is_null() {
            into.as_object_mut().expect("an object").remove(name);
        } else {
            merge(&mut into[name], change);
        }
    }
}
