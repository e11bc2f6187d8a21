//! The actions of admins and tenants in a world.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use presigned_testkit::S3Server;
use presigned_testkit::control_plane::apply_yaml;
use serde_json::{Value, json};

use super::world::{BUCKET, World};

impl World {
    /// The credentials Secret of the store.
    pub(crate) async fn credentials(&self, access_key: &str, secret_key: &str) {
        self.credentials_data(&json!({ "accessKeyID": access_key, "secretAccessKey": secret_key }))
            .await;
    }

    /// Replaces the data of the credentials Secret.
    pub(crate) async fn credentials_data(&self, data: &Value) {
        self.credentials_named("credentials", data).await;
    }

    /// A credentials Secret of another name, for a store that says so.
    pub(crate) async fn credentials_named(&self, name: &str, data: &Value) {
        for key in ["secretAccessKey", "sessionToken"] {
            self.secrets_seen
                .keep(data[key].as_str().unwrap_or_default());
        }
        let secret: Secret = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Secret", "stringData": data,
            "metadata": { "name": name, "namespace": self.system },
        }))
        .expect("a Secret");
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.system);
        if api.get_opt(name).await.expect("look").is_some() {
            let patch = Patch::Merge(json!({ "data": null, "stringData": data }));
            api.patch(name, &PatchParams::default(), &patch)
                .await
                .expect("replace the credentials");
        } else {
            api.create(&PostParams::default(), &secret)
                .await
                .expect("create the credentials");
        }
    }

    /// The store, with `changes` to `spec.s3`.
    pub(crate) async fn store(&self, s3: &S3Server, changes: &Value) {
        self.apply_store(&self.name, s3, changes).await;
    }

    /// A further store, with `changes` to `spec.s3`; its whole name.
    pub(crate) async fn another_store(
        &self,
        s3: &S3Server,
        suffix: &str,
        changes: &Value,
    ) -> String {
        let name = format!("{}-{suffix}", self.name);
        self.apply_store(&name, s3, changes).await;
        name
    }

    async fn apply_store(&self, name: &str, s3: &S3Server, changes: &Value) {
        let mut spec = json!({
            "region": s3.region,
            "endpoint": s3.endpoint,
            "credentials": { "secretRef": { "name": "credentials" } },
        });
        merge(&mut spec, changes);
        self.apply(json!({
            "apiVersion": "presigned.dev/v1alpha1", "kind": "ClusterObjectStore",
            "metadata": { "name": name }, "spec": { "s3": spec },
        }))
        .await;
    }

    /// Allows every method in the bucket, with changes to the rule, for all stores of this world.
    pub(crate) async fn allow_all(&self, changes: &Value) {
        let mut rule = self.rule(&json!({
            "stores": [self.name, format!("{}-*", self.name)],
            "methods": ["GET", "HEAD", "PUT", "DELETE", "POST", "LIST"],
        }));
        merge(&mut rule, changes);
        self.policy(&json!([rule])).await;
    }

    /// A rule that allows everything in the bucket, with changes.
    pub(crate) fn rule(&self, changes: &Value) -> Value {
        let mut rule = json!({
            "stores": [self.name], "buckets": [BUCKET], "prefixes": ["*"],
            "methods": ["GET", "HEAD", "PUT", "DELETE"], "maxDuration": "12h",
            "maxUploadBytes": 1_000_000, "allowUnsizedPut": true, "allowMetadata": true,
            "allowResponseOverrides": true, "templateKeys": ["*"],
        });
        merge(&mut rule, changes);
        rule
    }

    /// The policy of this world for its tenant, with these rules.
    pub(crate) async fn policy(&self, rules: &Value) {
        let names = json!({ "names": [self.tenant] });
        self.policy_named(&self.name, &names, rules).await;
    }

    pub(crate) async fn policy_named(&self, name: &str, namespaces: &Value, rules: &Value) {
        let mut rules = rules.clone();
        // A rule without a name is named by its place.
        for (at, rule) in rules.as_array_mut().into_iter().flatten().enumerate() {
            if rule.get("name").is_none() {
                rule["name"] = format!("r{at}").into();
            }
        }
        self.apply(json!({
            "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURLPolicy",
            "metadata": { "name": name }, "spec": { "namespaces": namespaces, "allow": rules },
        }))
        .await;
    }

    /// Creates a Secret of the tenant's own that is none of the operator's business.
    pub(crate) async fn foreign_secret(&self, name: &str) -> Secret {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "stringData": { "password": "theirs" },
            "metadata": { "name": name, "namespace": self.tenant } });
        let secret = serde_json::from_value(secret).unwrap();
        self.secrets()
            .create(&PostParams::default(), &secret)
            .await
            .unwrap()
    }

    /// Applies an object as the admin.
    pub(crate) async fn apply(&self, object: Value) {
        apply_yaml(&self.client, &object.to_string())
            .await
            .unwrap_or_else(|error| panic!("apply {object:#}: {error:#}"));
    }

    /// A PresignedURL of this world's store, with `spec` on top of bucket and store.
    pub(crate) async fn psu(&self, name: &str, spec: &Value) {
        let mut whole = json!({ "storeRef": { "name": self.name }, "bucket": BUCKET, "key": name });
        merge(&mut whole, spec);
        self.apply(json!({
            "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURL",
            "metadata": { "name": name, "namespace": self.tenant }, "spec": whole,
        }))
        .await;
    }

    /// Merge-patches a PresignedURL as the tenant would.
    pub(crate) async fn edit(&self, name: &str, patch: Value) {
        self.psus()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .expect("patch the PresignedURL");
    }

    /// Merge-patches a Secret by hand.
    pub(crate) async fn edit_secret(&self, name: &str, patch: Value) -> Secret {
        self.secrets()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .expect("patch the Secret")
    }

    pub(crate) async fn delete_secret(&self, name: &str) {
        self.secrets()
            .delete(name, &DeleteParams::default())
            .await
            .expect("delete the Secret");
    }

    pub(crate) async fn label_namespace(&self, labels: Value) {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let patch = Patch::Merge(json!({ "metadata": { "labels": labels } }));
        api.patch(&self.tenant, &PatchParams::default(), &patch)
            .await
            .expect("label the namespace");
    }
}

/// Lays `changes` over `value`: objects are merged, null removes.
pub(crate) fn merge(value: &mut Value, changes: &Value) {
    match (value, changes) {
        (Value::Object(value), Value::Object(changes)) => {
            for (key, change) in changes {
                if change.is_null() {
                    value.remove(key);
                } else {
                    merge(value.entry(key.clone()).or_insert(Value::Null), change);
                }
            }
        }
        (value, changes) => *value = changes.clone(),
    }
}
