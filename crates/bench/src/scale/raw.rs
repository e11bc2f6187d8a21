//! The raw bound: a bare client that makes the operator's two writes, and decides nothing.
//!
//! What holds here: it sends the very bytes that the operator wrote for one resource, but for names, uid and
//! resourceVersion, to the same paths with the same Accept header, over the same client library, with as many
//! calls in flight. It reads nothing, signs nothing and watches nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use http::{Method, Request, header};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use presigned_core::api::PresignedUrl;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::CONCURRENCY;
use super::world::{Object, World};

const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const MANAGER: &str = "fieldManager=presigned-url-operator";

/// What the operator wrote for one resource.
pub struct Payload {
    secret: Value,
    status: Value,
}

impl Payload {
    /// Takes it from a resource that was issued.
    pub async fn sample(world: &World) -> Result<Self> {
        let object = world.any_issued().await?;
        let urls: Api<PresignedUrl> = Api::namespaced(world.client(), &object.namespace);
        let secrets: Api<Secret> = Api::namespaced(world.client(), &object.namespace);
        let resource = urls.get(&object.name).await.context("read a sample")?;
        let secret = secrets.get(&object.name).await.context("read its Secret")?;
        let status = serde_json::to_value(resource.status.context("a sample without status")?)?;
        let meta = &secret.metadata;
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": secret.type_, "data": secret.data,
            "metadata": {
                "labels": meta.labels, "annotations": meta.annotations, "ownerReferences": meta.owner_references,
            },
        });
        Ok(Self { secret, status })
    }

    /// How many bytes the operator put into the Secret.
    pub fn secret_bytes(&self) -> usize {
        let values = self.secret["data"].as_object().into_iter().flatten();
        // Base64 makes four bytes of three.
        let encoded = values.filter_map(|(_, value)| value.as_str().map(str::len));
        encoded.sum::<usize>() / 4 * 3
    }

    /// Writes a Secret and a status for each object.
    pub async fn write(&self, world: &World, objects: Vec<Object>) -> Result<()> {
        let client = world.client();
        let work = Arc::new((objects, AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        for _ in 0..CONCURRENCY {
            let (client, work) = (client.clone(), Arc::clone(&work));
            let payload = Self {
                secret: self.secret.clone(),
                status: self.status.clone(),
            };
            tasks.spawn(async move {
                let (objects, next) = &*work;
                while let Some(object) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                    payload.pair(&client, object).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.context("a task of the bare client broke")??;
        }
        Ok(())
    }

    async fn pair(&self, client: &Client, object: &Object) -> Result<()> {
        let Object {
            namespace,
            name,
            uid,
            resource_version,
        } = object;
        let mut secret = self.secret.clone();
        secret["metadata"]["name"] = json!(name);
        secret["metadata"]["ownerReferences"][0]["name"] = json!(name);
        secret["metadata"]["ownerReferences"][0]["uid"] = json!(uid);
        let path = format!("/api/v1/namespaces/{namespace}/secrets?{MANAGER}");
        send(client, Method::POST, &path, "application/json", &secret).await?;
        let status = json!({
            "metadata": { "uid": uid, "resourceVersion": resource_version }, "status": self.status,
        });
        let path = format!(
            "/apis/presigned.dev/v1alpha1/namespaces/{namespace}/presignedurls/{name}/status?{MANAGER}"
        );
        send(
            client,
            Method::PATCH,
            &path,
            "application/merge-patch+json",
            &status,
        )
        .await
    }
}

async fn send(
    client: &Client,
    method: Method,
    path: &str,
    content_type: &str,
    body: &Value,
) -> Result<()> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::ACCEPT, METADATA_ONLY)
        .header(header::CONTENT_TYPE, content_type)
        .body(serde_json::to_vec(body)?)?;
    client
        .request_text(request)
        .await
        .with_context(|| path.to_owned())?;
    Ok(())
}
