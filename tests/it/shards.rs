//! Two operators in one cluster, by class or by namespaces: each serves its own resources, and what both report
//! on the store and the policy that they share comes to rest.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use presigned_core::api::{ClusterObjectStore, PresignedUrlPolicy, StoreOperatorStatus, UrlCounts};
use presigned_testkit::control_plane::apply_yaml;
use presigned_testkit::fault_proxy::ApiRequest;
use presigned_testkit::{FaultProxy, S3Server};
use serde_json::json;
use tokio::process::Command;

use crate::support::{
    Operator, World, eventually, render, says, store_condition, store_says, tool,
};

/// An operator that elects itself leader, behind a proxy that counts what it writes.
struct Shard {
    operator: Operator,
    proxy: FaultProxy,
    /// Its name in the statuses of stores.
    name: String,
}

impl Shard {
    /// The operator of a world.
    async fn of(world: &World) -> Self {
        let proxy = FaultProxy::start(world.plane.api()).unwrap();
        let lease = format!("--lease-name={}", world.name);
        let operator = world
            .operator_behind(&proxy, &["--leader-elect", &lease])
            .await;
        Self {
            operator,
            proxy,
            name: format!("class=default,lease={}/{}", world.system, world.name),
        }
    }

    /// The operator of a second release of the chart in the namespace of a world's operator.
    async fn of_class(world: &World, class: &str) -> Self {
        let release = format!("{}-{class}", world.name);
        let served = [world.tenant.clone()];
        let values = [format!("operator.class={class}")];
        let yaml = render(&release, &world.system, &served, &values, &world.folder);
        let yaml = yaml.await.expect("render the chart");
        apply_yaml(&world.client, &yaml).await.unwrap();
        let account = world.plane.service_account(&world.system, &release);
        let account = account.await.unwrap();
        let proxy = FaultProxy::start(world.plane.api()).unwrap();
        let kubeconfig = world.folder.join(format!("kubeconfig-of-{class}"));
        proxy.write_kubeconfig(&account, &kubeconfig).unwrap();
        let flags = [
            format!("--kubeconfig={}", kubeconfig.display()),
            "--leader-elect".to_owned(),
            format!("--lease-name={release}"),
            format!("--class={class}"),
        ];
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let operator = world.operator(&flags).await;
        Self {
            operator,
            proxy,
            name: format!("class={class},lease={}/{release}", world.system),
        }
    }

    /// What it has written to the store and the policy of a world.
    fn shared_writes(&self, world: &World) -> Vec<ApiRequest> {
        let kinds = ["clusterobjectstores", "presignedurlpolicies"];
        let shared = |request: &ApiRequest| {
            request.verb.is_write()
                && request.name == world.name
                && kinds.contains(&&*request.resource)
        };
        self.proxy.requests().into_iter().filter(shared).collect()
    }

    /// What it has written in the namespace of a world's tenant, as the resource that it was for.
    fn served(&self, world: &World) -> Vec<String> {
        let all = self.proxy.requests().into_iter();
        let writes = all.filter(|one| one.verb.is_write() && one.namespace == world.tenant);
        // The name of an Event has a hash behind it.
        let names = writes.filter_map(|one| Some(one.name.split('.').next()?.to_owned()));
        let mut names: Vec<String> = names.collect();
        names.sort();
        names.dedup();
        names
    }

    /// Whether its metrics count so many resources, all of them Ready.
    async fn counts(&self, ready: usize) {
        let line = format!("presigned_resources{{ready=\"true\"}} {ready}");
        eventually(&line, async || {
            let text = self.operator.get("/metrics").await.text();
            if text.lines().any(|one| one == line) {
                Ok(())
            } else {
                Err(text)
            }
        })
        .await;
    }
}

/// Both see a change of the store and of the policy that means nothing, and write nothing.
async fn at_rest(world: &World, shards: [&Shard; 2]) {
    for shard in shards {
        shard.operator.idle().await;
    }
    let before = shards.map(|shard| shard.shared_writes(world).len());
    let stores: Api<ClusterObjectStore> = Api::all(world.client.clone());
    let policies: Api<PresignedUrlPolicy> = Api::all(world.client.clone());
    let look = Patch::Merge(json!({ "metadata": { "annotations": {
        "example.com/looked-at": jiff::Timestamp::now().to_string() } } }));
    let params = PatchParams::default();
    let store = stores.patch(&world.name, &params, &look).await.unwrap();
    let policy = policies.patch(&world.name, &params, &look).await.unwrap();
    for shard in shards {
        shard.operator.idle().await;
    }
    let after = shards.map(|shard| shard.shared_writes(world));
    assert_eq!(after.each_ref().map(Vec::len), before, "{after:#?}");
    let now = stores.get(&world.name).await.unwrap();
    assert_eq!(now.resource_version(), store.resource_version());
    let now = policies.get(&world.name).await.unwrap();
    assert_eq!(now.resource_version(), policy.resource_version());
    let ready = now.status.unwrap().conditions.into_iter().next();
    assert!(says(ready.as_ref(), "True", "Accepted"), "{ready:?}");
}

/// What a shard reports on a store.
fn report<'a>(store: &'a ClusterObjectStore, shard: &Shard) -> Option<&'a StoreOperatorStatus> {
    let mut reports = store.status.as_ref()?.operators.iter();
    reports.find(|report| report.name == shard.name)
}

/// Whether each shard reports so many URLs, all on its present credentials, and the status their sum.
fn counts(store: &ClusterObjectStore, expected: &[(&Shard, u32)]) -> bool {
    let counted = |urls: Option<UrlCounts>, expected: u32| {
        urls.is_some_and(|urls| (urls.total, urls.on_current_credentials) == (expected, expected))
    };
    let status = store.status.clone().unwrap_or_default();
    status.operators.len() == expected.len()
        && expected.iter().all(|(shard, urls)| {
            report(store, shard).is_some_and(|report| counted(report.urls, *urls))
        })
        && counted(status.urls, expected.iter().map(|(_, urls)| urls).sum())
}

#[tokio::test]
async fn two_releases_of_two_classes_share_a_namespace_a_store_and_a_policy() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("classes", &s3).await;
    let [plain, blue] = [
        Shard::of(&world).await,
        Shard::of_class(&world, "blue").await,
    ];
    world.psu("plain", &json!({})).await;
    for name in ["blue-1", "blue-2"] {
        world.psu(name, &json!({ "class": "blue" })).await;
    }
    for name in ["plain", "blue-1", "blue-2"] {
        world.ready(name).await;
    }
    let expected = [(&plain, 1), (&blue, 2)];
    let store = world
        .until_store("has two reports", |store| counts(store, &expected))
        .await;
    assert!(store_says(&store, "Ready", "True", "CredentialsReady"));
    at_rest(&world, [&plain, &blue]).await;

    // Both read one Secret: the status has its version once both use it.
    world.credentials(&s3.access_key, &s3.secret_key).await;
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.system);
    let note = Patch::Merge(json!({ "metadata": { "annotations": { "example.com/note": "x" } } }));
    let params = PatchParams::default();
    let touched = secrets.patch("credentials", &params, &note).await;
    let version = touched.unwrap().resource_version();
    world
        .until_store("has the version of the Secret", |store| {
            let status = store.status.clone().unwrap_or_default();
            let versions = status.operators.iter().map(|one| &one.credentials_secret);
            let used = |secret: &Option<presigned_core::api::CredentialsSecret>| {
                secret.as_ref().map(|secret| &secret.resource_version) == version.as_ref()
            };
            versions.clone().all(used) && used(&status.credentials_secret)
        })
        .await;
    at_rest(&world, [&plain, &blue]).await;

    assert_eq!(plain.served(&world), ["plain"]);
    assert_eq!(blue.served(&world), ["blue-1", "blue-2"]);
    plain.counts(1).await;
    blue.counts(2).await;
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), &world.system);
    let mut holders = Vec::new();
    for lease in [world.name.clone(), format!("{}-blue", world.name)] {
        holders.push(
            leases
                .get(&lease)
                .await
                .unwrap()
                .spec
                .unwrap()
                .holder_identity,
        );
    }
    assert!(holders[0].is_some() && holders[1].is_some() && holders[0] != holders[1]);
    world.finish().await;
    plain.operator.kill();
    blue.operator.kill();
}

#[tokio::test]
async fn two_operators_of_disjoint_namespaces_share_a_store_and_a_policy() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("shards-a", &s3).await;
    let other = World::new("shards-b").await;
    other.credentials(&s3.access_key, &s3.secret_key).await;
    let names = json!({ "names": [world.tenant, other.tenant] });
    let rules = json!([world.rule(&json!({}))]);
    world.policy_named(&world.name, &names, &rules).await;
    let [one, two] = [Shard::of(&world).await, Shard::of(&other).await];
    let of_shared = json!({ "storeRef": { "name": world.name } });
    world.psu("get", &json!({})).await;
    other.psu("get-too", &of_shared).await;
    other.psu("get-three", &of_shared).await;
    world.ready("get").await;
    other.ready("get-too").await;
    other.ready("get-three").await;
    let expected = [(&one, 1), (&two, 2)];
    let store = world.until_store("has two reports", |store| counts(store, &expected));
    let store = store.await;
    assert!(store_says(&store, "Ready", "True", "CredentialsReady"));
    // Each reads a Secret of its own namespace.
    assert_eq!(store.status.unwrap().credentials_secret, None);
    at_rest(&world, [&one, &two]).await;

    // What one lacks, the other has.
    let secrets: Api<Secret> = Api::namespaced(other.client.clone(), &other.system);
    let gone = DeleteParams::default();
    secrets.delete("credentials", &gone).await.unwrap();
    let store = world
        .until_store("lacks the credentials of one operator", |store| {
            store_says(store, "Ready", "False", "CredentialsNotFound")
        })
        .await;
    let message = &store_condition(&store, "Ready").unwrap().message;
    assert!(message.contains(&two.name), "{message}");
    let own = report(&store, &one).unwrap().conditions.iter();
    let own = own.clone().find(|condition| condition.type_ == "Ready");
    assert!(says(own, "True", "CredentialsReady"), "{own:?}");
    world.ready("get").await;
    at_rest(&world, [&one, &two]).await;
    other.credentials(&s3.access_key, &s3.secret_key).await;
    world
        .until_store("works for both again", |store| {
            store_says(store, "Ready", "True", "CredentialsReady") && counts(store, &expected)
        })
        .await;
    at_rest(&world, [&one, &two]).await;

    assert_eq!(one.served(&world), ["get"]);
    assert_eq!(one.served(&other), [""; 0]);
    assert_eq!(two.served(&world), [""; 0]);
    assert_eq!(two.served(&other), ["get-three", "get-too"]);
    // An operator that serves nothing of the store any more leaves no report.
    for name in ["get-too", "get-three"] {
        other.psus().delete(name, &gone).await.unwrap();
    }
    let store = world
        .until_store("has one report", |store| counts(store, &[(&one, 1)]))
        .await;
    assert!(store_says(&store, "Ready", "True", "CredentialsReady"));
    at_rest(&world, [&one, &two]).await;
    other.finish().await;
    world.finish().await;
    one.operator.kill();
    two.operator.kill();
}

/// The documented command that removes the first report of the store `default`, which is of `class=blue`.
fn removal(store: &str, place: usize, name: &str) -> Vec<String> {
    let page = include_str!("../../docs/operations.md");
    let (_, from) = page
        .split_once("kubectl patch cos default ")
        .expect("the command");
    let (flags, from) = from.split_once("-p '").expect("a patch");
    let (patch, _) = from.split_once("'\n```").expect("its end");
    let patch = patch.replace("/operators/0", &format!("/operators/{place}"));
    let patch = patch.replace("class=blue", name);
    let flags = flags.split_whitespace().map(str::to_owned);
    ["patch", "cos", store]
        .map(str::to_owned)
        .into_iter()
        .chain(flags)
        .chain(["-p".to_owned(), patch])
        .collect()
}

#[tokio::test]
async fn the_report_of_an_operator_that_is_gone_is_removed_by_the_documented_command() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("gone-shard", &s3).await;
    let [plain, blue] = [
        Shard::of(&world).await,
        Shard::of_class(&world, "blue").await,
    ];
    world.psu("plain", &json!({})).await;
    world.psu("blue", &json!({ "class": "blue" })).await;
    world.ready("plain").await;
    world.ready("blue").await;
    let expected = [(&plain, 1), (&blue, 1)];
    world
        .until_store("has two reports", |store| counts(store, &expected))
        .await;
    let name = blue.name.clone();
    blue.operator.kill();
    let output = Command::new(tool("kubectl").await)
        .args(removal(&world.name, 0, &name))
        .env("KUBECONFIG", world.plane.kubeconfig())
        .env("HOME", "/nonexistent")
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    world
        .until_store("is summed up again", |store| counts(store, &[(&plain, 1)]))
        .await;
    world.finish().await;
    plain.operator.kill();
}
