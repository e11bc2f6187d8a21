//! The benchmark's objects in the cluster: CRDs, a store with static keys, a policy, namespaces and
//! resources.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::{Api, Client, CustomResourceExt as _, Resource};
use presigned_core::api::{
    ClusterObjectStore, Condition, ConditionStatus, PresignedUrl, PresignedUrlPolicy,
};
use presigned_testkit::ControlPlane;
use serde_json::{Value, json};

use super::PATIENCE;
use super::counts::{self, Writes};
use crate::process::Usage;

/// The operator's own namespace, which holds the keys.
pub const OWN_NAMESPACE: &str = "presigned-system";
/// Over how many namespaces resources are spread, at least.
const NAMESPACES: usize = 30;
/// The most resources of one namespace, which keeps far below its share of the operator's memory.
const OF_A_NAMESPACE: usize = 1000;

/// Who writes for a resource.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// Resources of the operator's class.
    Bench,
    /// Resources for the bare client, of a class that no operator serves.
    Raw,
}

/// One resource, as far as a write needs it.
#[derive(Debug)]
pub struct Object {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub resource_version: String,
}

/// The cluster.
pub struct World {
    control_plane: ControlPlane,
    concurrency: usize,
    namespaces: usize,
    client: Client,
}

/// What the API server and etcd use.
#[derive(Clone, Copy, Debug)]
pub struct Servers {
    pub apiserver: Usage,
    pub etcd: Usage,
    /// The size of etcd's file, with what it no longer uses.
    pub stored_mib: f64,
}

impl Place {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Bench => "bench",
            Self::Raw => "raw",
        }
    }

    fn namespace(self, at: usize) -> String {
        format!("{}-{at:02}", self.prefix())
    }
}

impl World {
    /// Starts a control plane and makes everything but the resources, of which there will be so many.
    pub async fn make(concurrency: usize, resources: usize) -> Result<Self> {
        let control_plane = ControlPlane::start().await?;
        let namespaces = resources.div_ceil(OF_A_NAMESPACE).max(NAMESPACES);
        let all = [Place::Bench, Place::Raw]
            .into_iter()
            .flat_map(|place| (0..namespaces).map(move |at| place.namespace(at)));
        let all: Vec<_> = all
            .chain([OWN_NAMESPACE.to_owned()])
            .map(|name| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }))
            .collect();
        let keys = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "keys", "namespace": OWN_NAMESPACE },
            "stringData": { "accessKeyID": "AKIAIOSFODNN7EXAMPLE",
                            "secretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" },
        });
        let store = json!({
            "apiVersion": "presigned.dev/v1alpha1", "kind": "ClusterObjectStore", "metadata": { "name": "default" },
            "spec": { "s3": { "region": "eu-central-1", "endpoint": "https://s3.example.com",
                              "credentials": { "secretRef": { "name": "keys" } } } },
        });
        let mut manifests = vec![
            serde_json::to_value(PresignedUrl::crd())?,
            serde_json::to_value(PresignedUrlPolicy::crd())?,
            serde_json::to_value(ClusterObjectStore::crd())?,
        ];
        manifests.extend(all);
        manifests.extend([keys, store, policy("1h")]);
        let world = Self {
            client: control_plane.admin()?,
            control_plane,
            concurrency,
            namespaces,
        };
        world.apply(&manifests).await?;
        Ok(world)
    }

    /// Applies manifests.
    pub async fn apply(&self, manifests: &[Value]) -> Result<()> {
        // Each document is JSON, which is YAML.
        let manifests: Vec<_> = manifests.iter().map(ToString::to_string).collect();
        self.apply_yaml(&manifests.join("\n---\n")).await
    }

    /// Applies manifests.
    pub async fn apply_yaml(&self, manifests: &str) -> Result<()> {
        self.control_plane.apply_yaml(manifests).await.map(drop)
    }

    /// Starts the API server again, with further flags.
    pub async fn restart_api(&self, flags: &[&str]) -> Result<()> {
        self.control_plane.restart_api_with(flags).await
    }

    /// The admin's client.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The admin's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        self.control_plane.kubeconfig()
    }

    /// All writes so far.
    pub async fn writes(&self) -> Result<Writes> {
        Ok(Writes::read(&self.control_plane.metrics().await?))
    }

    /// What the API server and etcd use now.
    pub async fn servers(&self) -> Result<Servers> {
        let metrics = self.control_plane.metrics().await?;
        let stored = counts::gauge(&metrics, "apiserver_storage_size_bytes");
        Ok(Servers {
            apiserver: Usage::of(self.control_plane.pid("kube-apiserver")?)?,
            etcd: Usage::of(self.control_plane.pid("etcd")?)?,
            stored_mib: stored.context("the API server tells no size of etcd")? / 1024.0 / 1024.0,
        })
    }

    /// All objects of a kind.
    pub fn all(&self, kind: &ApiResource) -> Api<DynamicObject> {
        Api::all_with(self.client(), kind)
    }

    /// Creates so many objects of a kind, in the namespaces of the operator's resources; the kind's CRD may
    /// have been applied just now.
    pub async fn create_of(
        &self,
        kind: &ApiResource,
        count: usize,
        spec: impl Fn(&str) -> Value,
    ) -> Result<()> {
        let served = async {
            let one = ListParams::default().limit(1);
            while self.all(kind).list_metadata(&one).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, served)
            .await
            .with_context(|| format!("{} is not served", kind.plural))?;
        stream::iter(0..count)
            .map(|at| {
                let name = format!("object-{at:05}");
                let object = DynamicObject::new(&name, kind).data(json!({ "spec": spec(&name) }));
                let namespace = Place::Bench.namespace(at % self.namespaces);
                let api = Api::namespaced_with(self.client(), &namespace, kind);
                async move {
                    let created = api.create(&PostParams::default(), &object).await;
                    let _: DynamicObject = created.context("create an object")?;
                    anyhow::Ok(())
                }
            })
            .buffer_unordered(self.concurrency)
            .try_collect()
            .await
    }

    /// Creates so many resources.
    pub async fn create(&self, place: Place, count: usize) -> Result<Vec<Object>> {
        stream::iter(0..count)
            .map(|at| self.create_one(place, at))
            .buffer_unordered(self.concurrency)
            .try_collect()
            .await
    }

    /// Creates ordinary resources in all namespaces but the first two.
    pub async fn create_beside(&self, count: usize) -> Result<()> {
        let beside = (0..).filter(|at| at % self.namespaces >= 2).take(count);
        stream::iter(beside)
            .map(|at| self.create_one(Place::Bench, at))
            .buffer_unordered(self.concurrency)
            .try_for_each(|_| async { Ok(()) })
            .await
    }

    /// Creates Secrets that are none of the operator's business, in the namespaces that it serves.
    pub async fn create_secrets(&self, count: usize) -> Result<()> {
        stream::iter(0..count)
            .map(async |at| {
                let api: Api<Secret> =
                    Api::namespaced(self.client(), &Place::Bench.namespace(at % self.namespaces));
                let secret: Secret = serde_json::from_value(json!({
                    "metadata": { "name": format!("other-{at:05}") },
                    "stringData": { "password": "x".repeat(1000) },
                }))?;
                let created = api.create(&PostParams::default(), &secret).await;
                created.context("create a Secret").map(drop)
            })
            .buffer_unordered(self.concurrency)
            .try_for_each(async |()| Ok(()))
            .await
    }

    async fn create_one(&self, place: Place, at: usize) -> Result<Object> {
        let namespace = place.namespace(at % self.namespaces);
        let name = format!("object-{at:05}");
        let class = matches!(place, Place::Raw).then_some("nobody");
        let resource: PresignedUrl = serde_json::from_value(json!({
            "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURL", "metadata": { "name": name },
            "spec": { "bucket": "models", "key": format!("{namespace}/resnet/{name}.bin"),
                      // There is no store to try the URLs on, and the raw bound tries none.
                      "verify": "Never", "class": class },
        }))?;
        let api: Api<PresignedUrl> = Api::namespaced(self.client(), &namespace);
        let created = api.create(&PostParams::default(), &resource).await;
        let meta = created.context("create a PresignedURL")?.metadata;
        Ok(Object {
            namespace,
            name,
            uid: meta.uid.unwrap_or_default(),
            resource_version: meta.resource_version.unwrap_or_default(),
        })
    }

    /// One resource of the operator's that has a status.
    pub async fn any_issued(&self) -> Result<Object> {
        let namespace = Place::Bench.namespace(0);
        let api: Api<PresignedUrl> = Api::namespaced(self.client(), &namespace);
        let list = api.list(&ListParams::default().limit(1)).await?;
        let found = list
            .items
            .into_iter()
            .next()
            .context("nothing was issued")?;
        Ok(Object {
            namespace,
            name: found.metadata.name.unwrap_or_default(),
            uid: found.metadata.uid.unwrap_or_default(),
            resource_version: found.metadata.resource_version.unwrap_or_default(),
        })
    }

    /// How many of the operator's resources are not Ready, or have no URL that lives.
    pub async fn not_ready(&self) -> Result<usize> {
        let mut count = 0;
        for at in 0..self.namespaces {
            let api: Api<PresignedUrl> =
                Api::namespaced(self.client(), &Place::Bench.namespace(at));
            let list = api.list(&ListParams::default()).await?;
            let ready = |condition: &Condition| {
                condition.type_ == "Ready" && condition.status == ConditionStatus::True
            };
            let is_ready = |url: &PresignedUrl| {
                let status = url.status.as_ref();
                let lives = |end| jiff::Timestamp::now() < end;
                status.is_some_and(|status| {
                    status.conditions.iter().any(ready) && status.expiration_time.is_some_and(lives)
                })
            };
            count += list.iter().filter(|url| !is_ready(url)).count();
        }
        Ok(count)
    }

    /// Has the policy allow URLs of this life. A longer one than before changes none that was issued.
    pub async fn allow(&self, longest: &str) -> Result<()> {
        self.apply(&[policy(longest)]).await
    }

    /// Removes the resources of a place, their Secrets and their Events, and waits until they are gone.
    pub async fn empty(&self, place: Place) -> Result<()> {
        let kinds = [
            resource::<PresignedUrl>(),
            resource::<Secret>(),
            resource::<Event>(),
        ];
        self.empty_kinds(place, &kinds).await
    }

    /// Removes the objects of these kinds of a place, and waits until they are gone.
    pub async fn empty_kinds(&self, place: Place, kinds: &[ApiResource]) -> Result<()> {
        tokio::time::timeout(PATIENCE, async {
            for at in 0..self.namespaces {
                let namespace = place.namespace(at);
                self.empty_of(kinds, &namespace).await?;
            }
            anyhow::Ok(())
        })
        .await
        .context("the resources do not go away")??;
        // The garbage collector follows the deletes; its work is not to fall into the next measure.
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok(())
    }

    async fn empty_of(&self, kinds: &[ApiResource], namespace: &str) -> Result<()> {
        for kind in kinds {
            let api: Api<DynamicObject> = Api::namespaced_with(self.client(), namespace, kind);
            loop {
                api.delete_collection(&DeleteParams::default(), &ListParams::default())
                    .await
                    .context("delete what was made")?;
                let left = api.list_metadata(&ListParams::default().limit(1)).await?;
                if left.items.is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }
}

/// A kind, for an API of any kind.
pub fn resource<K: Resource<DynamicType = ()>>() -> ApiResource {
    ApiResource::erase::<K>(&())
}

fn policy(longest: &str) -> Value {
    json!({
        "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURLPolicy", "metadata": { "name": "bench" },
        "spec": {
            "namespaces": { "names": ["bench-*", "raw-*"] },
            "allow": [{ "name": "read-own", "stores": ["default"], "buckets": ["models"], "prefixes": ["{namespace}/"],
                        "methods": ["GET"], "maxDuration": longest, "maxObjects": 2048 }],
        },
    })
}
