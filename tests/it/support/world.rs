//! A world for one test: namespaces, an account with the chart's rights, and its own cluster-scoped objects.
//!
//! What holds here: names are unique, so that tests run side by side; a test ends its world with [`World::finish`], which
//! asserts that nothing secret was told, and a test that forgets to fails.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use presigned_core::api::{ClusterObjectStore, Condition, PresignedUrl, PresignedUrlPolicy};
use presigned_testkit::control_plane::{Kubeconfig, apply_yaml};
use presigned_testkit::fault_proxy::ApiRequest;
use presigned_testkit::{ControlPlane, FaultProxy, S3Server};
use serde_json::{Value, json};

use super::operator::Operator;
use super::witness::{Version, Witness, told};
use super::{eventually, mounted, rights};
use crate::cluster::cluster;

/// The bucket that every world's store has.
pub(crate) const BUCKET: &str = "data";

/// What a test wants to be otherwise.
pub(crate) struct Setup {
    /// The chart's `operator.secretAccess`, and the flag.
    pub(crate) secret_access: &'static str,
    /// A control plane of its own; left out: the shared one.
    pub(crate) plane: Option<&'static ControlPlane>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            secret_access: "watch",
            plane: None,
        }
    }
}

pub(crate) struct World {
    /// The prefix of all that is cluster-scoped, and the name of store, policy and account.
    pub(crate) name: String,
    /// The operator's own namespace.
    pub(crate) system: String,
    /// The namespace that it serves.
    pub(crate) tenant: String,
    pub(crate) client: Client,
    pub(crate) plane: &'static ControlPlane,
    pub(crate) folder: PathBuf,
    pub(crate) witness: Witness,
    secret_access: &'static str,
    operators: Mutex<Vec<Ran>>,
    finished: bool,
}

/// What an operator left to be searched.
struct Ran {
    log: PathBuf,
    metrics: std::net::SocketAddr,
}

impl World {
    pub(crate) async fn new(short: &str) -> Self {
        Self::with(short, Setup::default()).await
    }

    pub(crate) async fn with(short: &str, setup: Setup) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let plane = match setup.plane {
            Some(plane) => plane,
            None => cluster().await,
        };
        let turn = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{short}-{}-{turn}", std::process::id());
        let folder = plane.folder().join(&name);
        std::fs::create_dir_all(&folder).expect("make the test's folder");
        let world = Self {
            system: format!("{name}-system"),
            tenant: format!("{name}-team"),
            client: plane.admin().expect("the admin's client"),
            plane,
            folder,
            witness: Witness::default(),
            secret_access: setup.secret_access,
            operators: Mutex::default(),
            finished: false,
            name,
        };
        for namespace in [&world.system, &world.tenant] {
            let labels = json!({ "test": world.name });
            world
                .apply(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace, "labels": labels } }))
                .await;
        }
        let served = [world.tenant.clone()];
        let yaml = rights::render(
            &world.name,
            &world.system,
            &served,
            setup.secret_access,
            &world.folder,
        );
        let yaml = yaml.await.expect("render the chart");
        apply_yaml(&world.client, &yaml)
            .await
            .expect("apply the rights");
        world.witness.follow(world.client.clone(), &world.tenant);
        world
    }

    /// A world with a store on `s3` and a policy that allows everything in its bucket.
    pub(crate) async fn on(short: &str, s3: &S3Server) -> Self {
        let world = Self::new(short).await;
        world.furnish(s3).await;
        world
    }

    /// Credentials, store and policy.
    pub(crate) async fn furnish(&self, s3: &S3Server) {
        s3.create_bucket(BUCKET).expect("make the bucket");
        self.credentials(&s3.access_key, &s3.secret_key).await;
        self.store(s3, &json!({})).await;
        self.policy(&json!([self.rule(&json!({}))])).await;
    }

    /// The credentials Secret of the store.
    pub(crate) async fn credentials(&self, access_key: &str, secret_key: &str) {
        self.credentials_data(&json!({ "accessKeyID": access_key, "secretAccessKey": secret_key }))
            .await;
    }

    /// Replaces the data of the credentials Secret.
    pub(crate) async fn credentials_data(&self, data: &Value) {
        for key in ["secretAccessKey", "sessionToken"] {
            self.witness.keep(data[key].as_str().unwrap_or_default());
        }
        let secret: Secret = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Secret", "stringData": data,
            "metadata": { "name": "credentials", "namespace": self.system },
        }))
        .expect("a Secret");
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.system);
        if api.get_opt("credentials").await.expect("look").is_some() {
            let clear = json!({ "data": null });
            let patch = Patch::Merge(json!({ "data": clear["data"], "stringData": data }));
            api.patch("credentials", &PatchParams::default(), &patch)
                .await
                .expect("replace the credentials");
        } else {
            api.create(&kube::api::PostParams::default(), &secret)
                .await
                .expect("create the credentials");
        }
    }

    /// The store, with `changes` to `spec.s3`.
    pub(crate) async fn store(&self, s3: &S3Server, changes: &Value) {
        let mut spec = json!({
            "region": s3.region,
            "endpoint": s3.endpoint,
            "credentials": { "secretRef": { "name": "credentials" } },
        });
        merge(&mut spec, changes);
        self.apply(json!({
            "apiVersion": "presigned.dev/v1alpha1", "kind": "ClusterObjectStore",
            "metadata": { "name": self.name }, "spec": { "s3": spec },
        }))
        .await;
    }

    /// A rule that allows everything in the bucket, with changes.
    pub(crate) fn rule(&self, changes: &Value) -> Value {
        let mut rule = json!({
            "stores": [self.name], "buckets": [BUCKET], "prefixes": ["*"],
            "methods": ["GET", "HEAD", "PUT", "DELETE"], "maxDuration": "12h",
            "maxUploadBytes": 1_000_000, "allowUnsizedPut": true, "allowMetadata": true,
            "allowResponseOverrides": true,
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
        self.apply(json!({
            "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURLPolicy",
            "metadata": { "name": name }, "spec": { "namespaces": namespaces, "allow": rules },
        }))
        .await;
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

    pub(crate) fn psus(&self) -> Api<PresignedUrl> {
        Api::namespaced(self.client.clone(), &self.tenant)
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.tenant)
    }

    /// Waits until the PresignedURL is as `wanted` says.
    pub(crate) async fn until(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&PresignedUrl) -> bool,
    ) -> PresignedUrl {
        let psus = self.psus();
        eventually(&format!("{name} {what}"), async || {
            match psus.get_opt(name).await {
                Ok(Some(psu)) if wanted(&psu) => Ok(psu),
                Ok(psu) => Err(psu.map(|psu| (psu.metadata.generation, psu.status))),
                Err(error) => panic!("get {name}: {error}"),
            }
        })
        .await
    }

    /// Waits until Ready is True for the present generation.
    pub(crate) async fn ready(&self, name: &str) -> PresignedUrl {
        self.until(name, "is Ready", |psu| {
            condition(psu, "Ready").is_some_and(|ready| {
                says(Some(ready), "True", "Issued")
                    && ready.observed_generation == psu.metadata.generation
            })
        })
        .await
    }

    /// Waits until Ready is False for this reason and generation; the message.
    pub(crate) async fn unready(&self, name: &str, reason: &str) -> String {
        let psu = self
            .until(name, &format!("is not Ready: {reason}"), |psu| {
                condition(psu, "Ready").is_some_and(|ready| {
                    says(Some(ready), "False", reason)
                        && ready.observed_generation == psu.metadata.generation
                })
            })
            .await;
        condition(&psu, "Ready").expect("Ready").message.clone()
    }

    /// Waits until the store is as `wanted` says.
    pub(crate) async fn until_store(
        &self,
        what: &str,
        wanted: impl Fn(&ClusterObjectStore) -> bool,
    ) -> ClusterObjectStore {
        let stores: Api<ClusterObjectStore> = Api::all(self.client.clone());
        eventually(&format!("the store {what}"), async || {
            let store = stores.get(&self.name).await.expect("get the store");
            if wanted(&store) {
                Ok(store)
            } else {
                Err(store.status)
            }
        })
        .await
    }

    /// Waits until the store's status counts so many living URLs, all on its present credentials: its counts come last.
    pub(crate) async fn rolled_out(&self, urls: u32) {
        self.until_store("counts its URLs", |store| {
            let counts = store.status.as_ref().and_then(|status| status.urls);
            counts
                .is_some_and(|counts| (counts.total, counts.on_current_credentials) == (urls, urls))
        })
        .await;
    }

    pub(crate) async fn secret(&self, name: &str) -> Secret {
        let found = self.secrets().get_opt(name).await.expect("get the Secret");
        found.unwrap_or_else(|| panic!("there is no Secret {name}"))
    }

    /// Waits until the Secret is gone.
    pub(crate) async fn gone(&self, name: &str) {
        let secrets = self.secrets();
        eventually(
            &format!("the Secret {name} is gone"),
            async || match secrets.get_opt(name).await.expect("get the Secret") {
                None => Ok(()),
                Some(secret) => Err(secret.metadata),
            },
        )
        .await;
    }

    /// Waits until the Secret is there and as `wanted` says.
    pub(crate) async fn until_secret(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&Secret) -> bool,
    ) -> Secret {
        let secrets = self.secrets();
        eventually(&format!("the Secret {name} {what}"), async || match secrets
            .get_opt(name)
            .await
            .expect("get the Secret")
        {
            Some(secret) if wanted(&secret) => Ok(secret),
            other => Err(other.map(|secret| secret.metadata)),
        })
        .await
    }

    /// One key of a Secret.
    pub(crate) async fn value(&self, secret: &str, key: &str) -> String {
        text(&self.secret(secret).await, key)
    }

    /// The Secret written as kubelet mounts it.
    pub(crate) async fn mount(&self, secret: &str) -> PathBuf {
        mounted(&self.secret(secret).await, &self.folder)
    }

    /// The versions of a Secret that were seen so far.
    pub(crate) fn versions(&self, secret: &str) -> Vec<Version> {
        self.witness.versions(secret)
    }

    /// The Events that were told of a PresignedURL.
    pub(crate) async fn events(&self, name: &str) -> Vec<Event> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &self.tenant);
        let all = api.list(&ListParams::default()).await.expect("list Events");
        let about = |event: &Event| {
            event
                .regarding
                .as_ref()
                .and_then(|regarding| regarding.name.as_deref())
                == Some(name)
        };
        all.items.into_iter().filter(about).collect()
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

    /// The identity that the chart gives the operator.
    pub(crate) async fn account(&self) -> Kubeconfig {
        self.plane
            .service_account(&self.system, &self.name)
            .await
            .expect("a token of the operator's account")
    }

    /// An operator of this world that is ready.
    pub(crate) async fn operator(&self, flags: &[&str]) -> Operator {
        let mut operator = self.launch(None, &[], flags).await;
        operator.ready().await;
        operator
    }

    /// An operator behind a proxy, ready.
    pub(crate) async fn operator_behind(&self, proxy: &FaultProxy, flags: &[&str]) -> Operator {
        let mut operator = self.launch(Some(proxy), &[], flags).await;
        operator.ready().await;
        operator
    }

    /// Starts an operator with the world's rights and namespaces.
    pub(crate) async fn launch(
        &self,
        proxy: Option<&FaultProxy>,
        env: &[&str],
        flags: &[&str],
    ) -> Operator {
        let account = self.account().await;
        let turn = self.operators.lock().unwrap().len();
        let kubeconfig = self.folder.join(format!("kubeconfig-{turn}"));
        match proxy {
            Some(proxy) => proxy.write_kubeconfig(&account, &kubeconfig),
            None => account.write(&kubeconfig),
        }
        .expect("write the kubeconfig");
        let mut all = vec![
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--pod-namespace={}", self.system),
            format!("--pod-name={}", self.name),
            format!("--namespaces={}", self.tenant),
            format!("--secret-access={}", self.secret_access),
        ];
        if !flags
            .iter()
            .any(|flag| flag.starts_with("--min-renewed-duration"))
        {
            all.push("--min-renewed-duration=1m".to_owned());
        }
        all.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let env: Vec<String> = env.iter().map(|pair| (*pair).to_owned()).collect();
        let operator = Operator::start(&self.folder, turn, &env, &all);
        self.operators.lock().unwrap().push(Ran {
            log: operator.log_file().to_owned(),
            metrics: operator.metrics_address(),
        });
        operator
    }

    /// The writes so far that concern this world. Others' policies are everybody's business, and not counted.
    pub(crate) fn writes(&self, proxy: &FaultProxy) -> Vec<ApiRequest> {
        let ours = |request: &ApiRequest| {
            request.verb.is_write()
                && (request.namespace == self.tenant || request.name.starts_with(&self.name))
        };
        proxy.requests().into_iter().filter(ours).collect()
    }

    /// Ends the world: nothing secret may stand in logs, Events, statuses or metrics.
    pub(crate) async fn finish(mut self) {
        let mut all = BTreeMap::new();
        let psus = self
            .psus()
            .list(&ListParams::default())
            .await
            .expect("list");
        for psu in &psus {
            let status = serde_json::to_string_pretty(&psu.status).expect("JSON");
            all.insert(format!("the status of {}", psu.name_any()), status);
        }
        let stores: Api<ClusterObjectStore> = Api::all(self.client.clone());
        let policies: Api<PresignedUrlPolicy> = Api::all(self.client.clone());
        if let Some(store) = stores.get_opt(&self.name).await.expect("get the store") {
            all.insert("the store".into(), serde_json::to_string(&store).unwrap());
        }
        if let Ok(Some(policy)) = policies.get_opt(&self.name).await {
            all.insert("the policy".into(), serde_json::to_string(&policy).unwrap());
        }
        for namespace in [&self.tenant, &self.system] {
            let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
            let events = events.list(&ListParams::default()).await.expect("list");
            let text = serde_json::to_string_pretty(&events.items).expect("JSON");
            all.insert(format!("Events of {namespace}"), text);
        }
        let ran: Vec<Ran> = std::mem::take(&mut *self.operators.lock().unwrap());
        for Ran { log, metrics } in &ran {
            let text = std::fs::read(log).expect("read the log");
            assert!(
                !text.is_empty(),
                "an operator that logs nothing at trace level"
            );
            let name = log.display().to_string();
            all.insert(name, String::from_utf8_lossy(&text).into_owned());
            if tokio::net::TcpStream::connect(metrics).await.is_ok() {
                let url = format!("http://{metrics}/metrics");
                let answer = super::http("GET", &url, "", &[]).await;
                all.insert(format!("metrics of {}", log.display()), answer.text());
            }
        }
        self.witness.stop();
        let words = self.witness.words();
        let mut found = String::new();
        for (place, text) in &all {
            for line in told(text, &words) {
                let _ = writeln!(found, "{place}: {line}");
            }
        }
        assert!(found.is_empty(), "something secret is told:\n{found}");
        for name in [&self.name] {
            let _ = stores.delete(name, &DeleteParams::default()).await;
            let _ = policies.delete(name, &DeleteParams::default()).await;
        }
        self.finished = true;
        // The logs are searched; what is in them is of no more use.
        *self.operators.lock().unwrap() = Vec::new();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for ran in self.operators.lock().iter().flat_map(|ran| ran.iter()) {
                let text = std::fs::read(&ran.log).unwrap_or_default();
                let text = String::from_utf8_lossy(&text);
                let lines: Vec<&str> = text.lines().collect();
                let tail = lines[lines.len().saturating_sub(25)..].join("\n");
                eprintln!("-- the end of {}\n{tail}", ran.log.display());
            }
        } else {
            assert!(self.finished, "a test must end its world with finish()");
        }
    }
}

/// A condition of a PresignedURL.
pub(crate) fn condition<'a>(psu: &'a PresignedUrl, kind: &str) -> Option<&'a Condition> {
    let status = psu.status.as_ref()?;
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind)
}

/// Whether a condition has this status and reason.
pub(crate) fn says(condition: Option<&Condition>, status: &str, reason: &str) -> bool {
    condition.is_some_and(|condition| {
        format!("{:?}", condition.status) == status && condition.reason == reason
    })
}

/// One key of a Secret, as text.
pub(crate) fn text(secret: &Secret, key: &str) -> String {
    let value = secret.data.as_ref().and_then(|data| data.get(key));
    let value = value.unwrap_or_else(|| panic!("the Secret has no key {key}"));
    String::from_utf8(value.0.clone()).expect("UTF-8")
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
