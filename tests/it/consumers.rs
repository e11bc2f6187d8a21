//! The users of a Secret, by example: what is published is run, with the real program or by its published
//! contract.
//!
//! What holds here: manifests, commands and scripts are those of `examples/` and of the docs. Names of
//! namespaces, stores and buckets differ, and images are programs of this machine.

mod argo;
mod cron;
mod endpoints;
mod kubevirt;
mod models;
mod pod;
mod published;

use std::path::{Path, PathBuf};

use presigned_testkit::S3Server;
use presigned_testkit::control_plane::documents;
use presigned_testkit::s3::StrictS3;
use serde_json::{Value, json};

use crate::support::{Operator, World, tool};

pub(super) const BUCKET: &str = "data";

/// A server as strict as AWS, and an operator whose store is there and whose policy allows all.
pub(super) struct Scene {
    pub(super) s3: S3Server,
    pub(super) strict: StrictS3,
    pub(super) world: World,
    operator: Operator,
}

impl Scene {
    pub(super) async fn new(short: &str) -> Self {
        let s3 = S3Server::versitygw().await.expect("a server");
        let strict = StrictS3::before(&s3).expect("a proxy");
        let world = World::on(short, &s3).await;
        let endpoint = json!({ "endpoint": strict.endpoint });
        world.store(&s3, &endpoint).await;
        world
            .allow_all(&json!({ "maxUploadBytes": 1_u64 << 30 }))
            .await;
        let operator = world.operator(&[]).await;
        Self {
            s3,
            strict,
            world,
            operator,
        }
    }

    /// The documents of an example, with the tenant's namespace for `team-a`.
    pub(super) fn example(&self, file: &str) -> Vec<Value> {
        example(file, &self.world.tenant)
    }

    /// Makes what an example asks for, and waits for it; all else that the example holds.
    pub(super) async fn issued(&self, file: &str) -> Vec<Value> {
        issued(&self.world, file).await
    }

    /// Puts an object that an example names.
    pub(super) fn put(&self, key: &str, body: impl AsRef<[u8]>) {
        let key = key.replace("team-a", &self.world.tenant);
        self.s3.put_object(BUCKET, &key, body).expect("put");
    }

    /// The object that an example names.
    pub(super) fn object(&self, key: &str) -> Option<Vec<u8>> {
        let key = key.replace("team-a", &self.world.tenant);
        self.s3.object_bytes(BUCKET, &key).expect("read")
    }

    /// The keys below a prefix.
    pub(super) async fn keys(&self, prefix: &str) -> Vec<String> {
        let mut keys = self.s3.object_keys(BUCKET).await.expect("a listing");
        keys.retain(|key| key.starts_with(prefix));
        keys
    }

    pub(super) async fn finish(self) {
        self.world.finish().await;
        self.operator.kill();
    }
}

/// The documents of an example, in the namespace of a tenant.
pub(super) fn example(file: &str, tenant: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(file);
    let text = std::fs::read_to_string(path).expect("an example");
    let all = documents(&text.replace("team-a", tenant)).expect("YAML");
    let all = all.into_iter();
    all.map(|object| serde_json::to_value(object).expect("JSON"))
        .collect()
}

/// Makes each `PresignedURL` of an example in a world, and waits until it is there; what else it holds.
pub(super) async fn issued(world: &World, file: &str) -> Vec<Value> {
    let (requests, others): (Vec<Value>, Vec<Value>) = example(file, &world.tenant)
        .into_iter()
        .partition(|object| object["kind"] == "PresignedURL");
    assert!(!requests.is_empty(), "{file} asks for nothing");
    for request in &requests {
        let mut spec = request["spec"].clone();
        spec["bucket"] = json!(BUCKET);
        if spec.get("key").is_none() {
            spec["key"] = Value::Null;
        }
        world.psu(name(request), &spec).await;
    }
    for request in &requests {
        world.ready(name(request)).await;
    }
    others
}

pub(super) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().expect("a name")
}

/// The one block of shell on a page that holds these words, as it stands.
pub(crate) fn script(page: &str, words: &str) -> String {
    let blocks = page.split("```sh\n").skip(1);
    let blocks = blocks.filter_map(|block| block.split("```").next());
    let mut found = blocks.filter(|block| block.contains(words));
    let script = found.next().unwrap_or_else(|| panic!("no {words}"));
    assert_eq!(found.next(), None, "{words}: two blocks");
    script.to_owned()
}

/// A folder for `PATH` with kubectl and its plugin, as a person has them.
pub(crate) async fn programs(world: &World) -> PathBuf {
    let folder = world.folder.join("programs");
    std::fs::create_dir_all(&folder).expect("a folder");
    let plugin = Path::new(env!("CARGO_BIN_EXE_kubectl-presigned"));
    let kubectl = tool("kubectl").await;
    for (name, program) in [
        ("kubectl", kubectl.as_path()),
        ("kubectl-presigned", plugin),
    ] {
        std::os::unix::fs::symlink(program, folder.join(name)).expect("a link");
    }
    folder
}

/// Runs a script of the docs as the admin of the cluster, with these programs before those of the machine and
/// these variables; what it printed.
pub(crate) async fn shell(
    world: &World,
    programs: &Path,
    variables: &[(&str, &str)],
    script: &str,
) -> String {
    let path = std::env::var("PATH").expect("a PATH");
    let output = tokio::process::Command::new("sh")
        .args(["-ec", script])
        .env_clear()
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("HOME", &world.folder)
        .env("KUBECONFIG", world.plane.kubeconfig())
        .envs(variables.iter().copied())
        .current_dir(&world.folder)
        .kill_on_drop(true)
        .output()
        .await
        .expect("sh");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{said}");
    assert!(!said.contains("X-Amz-"), "a URL in a message");
    String::from_utf8(output.stdout).expect("UTF-8")
}
