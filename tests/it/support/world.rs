//! A world for one test: namespaces, an account with the chart's rights, and its own cluster-scoped objects.
//!
//! What holds here: names are unique, so that tests run side by side; a test ends its world with
//! [`World::finish`], which asserts that no secret leaked, and a test that forgets to call it fails.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client, ResourceExt as _};
use presigned_core::api::{ClusterObjectStore, PresignedUrlPolicy};
use presigned_testkit::control_plane::{Kubeconfig, apply_yaml};
use presigned_testkit::fault_proxy::ApiRequest;
use presigned_testkit::{ControlPlane, FaultProxy, S3Server};
use serde_json::json;

use super::operator::Operator;
use super::rbac;
use super::secret_watcher::{SecretWatcher, leaks};
use crate::cluster::cluster;

/// The bucket that every world's store has.
pub(crate) const BUCKET: &str = "data";

/// What a test sets otherwise than the default.
pub(crate) struct Setup {
    /// The chart's `operator.secretAccess`, and the flag.
    pub(crate) secret_access: &'static str,
    /// Further values of the chart, as `helm --set` takes them.
    pub(crate) values: &'static [&'static str],
    /// Whether the operator's token is bound to a pod, as those are that pods mount.
    pub(crate) in_pod: bool,
    /// A control plane of its own; left out: the shared one.
    pub(crate) plane: Option<&'static ControlPlane>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            secret_access: "watch",
            values: &[],
            in_pod: false,
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
    pub(crate) secrets_seen: SecretWatcher,
    secret_access: &'static str,
    /// The pod that the operator seems to run in; no kubelet runs it.
    pod: Option<ObjectReference>,
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
        let mut world = Self {
            system: format!("{name}-system"),
            tenant: format!("{name}-team"),
            client: plane.admin().expect("the admin's client"),
            plane,
            folder,
            secrets_seen: SecretWatcher::default(),
            secret_access: setup.secret_access,
            pod: None,
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
        let mut values = vec![format!("operator.secretAccess={}", setup.secret_access)];
        values.extend(setup.values.iter().map(|value| (*value).to_owned()));
        let yaml = rbac::render(&world.name, &world.system, &served, &values, &world.folder);
        let yaml = yaml.await.expect("render the chart");
        apply_yaml(&world.client, &yaml)
            .await
            .expect("apply the rights");
        if setup.in_pod {
            world.pod = Some(world.make_pod().await);
        }
        world
            .secrets_seen
            .follow(world.client.clone(), &world.tenant);
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

    /// The identity that the chart gives the operator.
    pub(crate) async fn account(&self) -> Kubeconfig {
        let account = match &self.pod {
            None => self.plane.service_account(&self.system, &self.name).await,
            Some(pod) => {
                self.plane
                    .service_account_in_pod(&self.system, &self.name, pod)
                    .await
            }
        };
        account.expect("a token of the operator's account")
    }

    /// A pod for the operator's token to be bound to.
    async fn make_pod(&self) -> ObjectReference {
        let containers = json!([{ "name": "operator", "image": "operator" }]);
        let pod = json!({ "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": self.name, "namespace": self.system },
            "spec": { "serviceAccountName": self.name, "containers": containers } });
        self.apply(pod).await;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.system);
        let pod = pods.get(&self.name).await.expect("the pod");
        ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: pod.metadata.name,
            uid: pod.metadata.uid,
            ..ObjectReference::default()
        }
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
        let given = |flag: &&&str| flag.starts_with("--kubeconfig=");
        let kubeconfig = match flags.iter().find(given) {
            Some(_) => None,
            None => Some(format!("--kubeconfig={}", kubeconfig.display())),
        };
        let mut all: Vec<String> = kubeconfig.into_iter().collect();
        all.extend([
            format!("--pod-namespace={}", self.system),
            format!("--pod-name={}", self.name),
            format!("--namespaces={}", self.tenant),
            format!("--secret-access={}", self.secret_access),
        ]);
        if let Some(uid) = self.pod.as_ref().and_then(|pod| pod.uid.as_ref()) {
            all.push(format!("--pod-uid={uid}"));
        }
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
        let further = format!("{}-", self.name);
        let ours = |store: &ClusterObjectStore| {
            let name = store.name_any();
            name == self.name || name.starts_with(&further)
        };
        let listed = stores.list(&ListParams::default()).await;
        let our_stores: Vec<_> = listed.expect("list").into_iter().filter(ours).collect();
        for store in &our_stores {
            let name = format!("the store {}", store.name_any());
            all.insert(name, serde_json::to_string(store).unwrap());
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
        let ran = std::mem::take(&mut *self.operators.lock().unwrap());
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
        self.secrets_seen.stop();
        let words = self.secrets_seen.words();
        let mut found = String::new();
        for (place, text) in &all {
            for line in leaks(text, &words) {
                let _ = writeln!(found, "{place}: {line}");
            }
        }
        assert!(found.is_empty(), "a secret leaked:\n{found}");
        // What is cluster-scoped would be watched by every operator that comes later.
        for store in our_stores {
            let gone = DeleteParams::default();
            let _ = stores.delete(&store.name_any(), &gone).await;
        }
        let _ = policies.delete(&self.name, &DeleteParams::default()).await;
        self.finished = true;
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
