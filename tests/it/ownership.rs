//! Promise 4: no foreign Secret is touched, and a resource's own Secret comes and goes with it.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use presigned_testkit::fault_proxy::{Match, Verb};
use presigned_testkit::{FaultProxy, S3Server};
use serde_json::json;

use crate::support::{World, eventually};

fn code(error: &kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("not an answer: {other}"),
    }
}

#[tokio::test]
async fn a_foreign_secret_is_never_touched() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("foreign", &s3).await;
    let proxy = FaultProxy::start(world.plane.api()).unwrap();
    let operator = world.operator_behind(&proxy, &[]).await;
    let labelled = json!({ "presigned.dev/managed-by": "presigned-url-operator" });
    let config = json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "0-1", "controller": true }]);
    let foreign = [
        ("plain", json!({}), json!([])),
        ("labelled", labelled.clone(), json!([])),
        ("controlled", labelled, config),
    ];
    // The controller of `controlled` must live, or the garbage collector takes it.
    world
        .apply(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x", "namespace": world.tenant } }))
        .await;
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> =
        Api::namespaced(world.client.clone(), &world.tenant);
    let uid = maps.get("x").await.unwrap().uid().unwrap();
    let mut before = Vec::new();
    for (name, labels, mut owners) in foreign {
        if let Some(owner) = owners.get_mut(0) {
            owner["uid"] = json!(uid);
        }
        world
            .apply(json!({ "apiVersion": "v1", "kind": "Secret", "stringData": { "password": "theirs" }, "metadata": {
                "name": name, "namespace": world.tenant, "labels": labels, "ownerReferences": owners } }))
            .await;
        before.push(world.secret(name).await);
    }
    for name in ["plain", "labelled", "controlled"] {
        world.psu(name, &json!({})).await;
        let message = world.unready(name, "SecretConflict").await;
        assert!(
            message.contains(name) && message.contains("secretName"),
            "{message}"
        );
    }
    // Whatever else happens to the resource, the Secret stays as it is.
    world
        .edit("plain", json!({ "spec": { "key": "another" } }))
        .await;
    world
        .edit(
            "labelled",
            json!({ "metadata": { "annotations": { "presigned.dev/renew": "1" } } }),
        )
        .await;
    world
        .psus()
        .delete("controlled", &DeleteParams::default())
        .await
        .unwrap();
    world.unready("plain", "SecretConflict").await;
    operator.idle().await;
    for secret in before {
        assert_eq!(world.secret(&secret.name_any()).await, secret);
    }
    let changes = Match::resource("secrets")
        .verb(Verb::Update)
        .verb(Verb::Delete);
    assert_eq!(proxy.count(&changes), 0, "not even tried");
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn an_owner_reference_that_another_tool_drops_is_put_back_through_the_fence() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("disowned", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("mine", &json!({})).await;
    let psu = world.ready("mine").await;
    operator.idle().await;
    let before = world.secret("mine").await;
    world
        .edit_secret("mine", json!({ "metadata": { "ownerReferences": null } }))
        .await;
    let healed = world
        .until_secret("mine", "has its owner again", |secret| {
            let owners = secret.metadata.owner_references.as_ref();
            owners.is_some_and(|owners| Some(&owners[0].uid) == psu.uid().as_ref())
        })
        .await;
    assert_eq!(healed.uid(), before.uid());
    assert_eq!(healed.data, before.data, "nothing was signed");
    world.ready("mine").await;
    operator.idle().await;
    // Whoever takes its marks too takes it away: it is left alone, and the conflict ends with it.
    let taken = world
        .edit_secret(
            "mine",
            json!({ "metadata": { "ownerReferences": null, "labels": null }, "stringData": { "url": "theirs" } }),
        )
        .await;
    let message = world.unready("mine", "SecretConflict").await;
    assert!(
        message.contains("was written for this resource"),
        "{message}"
    );
    operator.idle().await;
    assert_eq!(world.secret("mine").await, taken);
    world.delete_secret("mine").await;
    world.ready("mine").await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_tenants_finalizer_keeps_no_secret() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("finalizer", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("kept", &json!({})).await;
    world
        .edit(
            "kept",
            json!({ "metadata": { "finalizers": ["example.com/stay"] } }),
        )
        .await;
    world.ready("kept").await;
    let foreground = DeleteParams::foreground();
    world.psus().delete("kept", &foreground).await.unwrap();
    world.gone("kept").await;
    world.unready("kept", "Deleting").await;
    let kept = world.psus().get("kept").await.unwrap();
    assert_eq!(kept.status.unwrap().internal.secret, None);
    operator.idle().await;
    world
        .edit("kept", json!({ "metadata": { "finalizers": null } }))
        .await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn of_two_that_name_one_secret_the_first_keeps_it_and_the_conflict_ends_by_itself() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("twoname", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("first", &json!({ "secretName": "shared" })).await;
    let first = world.ready("first").await;
    world
        .psu("second", &json!({ "secretName": "shared" }))
        .await;
    let message = world.unready("second", "SecretConflict").await;
    assert!(message.contains("first"), "it says whose it is: {message}");
    let secret = world.secret("shared").await;
    assert_eq!(
        secret.metadata.owner_references.unwrap()[0].uid,
        first.uid().unwrap()
    );
    world
        .psus()
        .delete("first", &DeleteParams::default())
        .await
        .unwrap();
    let second = world.ready("second").await;
    let secret = world.secret("shared").await;
    assert_eq!(
        secret.metadata.owner_references.unwrap()[0].uid,
        second.uid().unwrap()
    );
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_renamed_secret_is_written_before_the_old_one_goes() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("rename", &s3).await;
    let proxy = FaultProxy::start(world.plane.api()).unwrap();
    let operator = world.operator_behind(&proxy, &[]).await;
    world.psu("moves", &json!({ "secretName": "old" })).await;
    world.ready("moves").await;
    proxy.forget_requests();
    world
        .edit("moves", json!({ "spec": { "secretName": "new" } }))
        .await;
    world.gone("old").await;
    let psu = world.ready("moves").await;
    assert_eq!(psu.status.unwrap().internal.secret.unwrap().name, "new");
    world.secret("new").await;
    let writes = world.writes(&proxy);
    let at = |verb, name| {
        writes
            .iter()
            .position(|write| write.verb == verb && write.name == name)
    };
    let (created, deleted) = (at(Verb::Create, "new"), at(Verb::Delete, "old"));
    assert!(created.is_some() && created < deleted, "{writes:#?}");
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_deleted_resource_takes_its_secret_along() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("collect", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("brief", &json!({})).await;
    world.ready("brief").await;
    world
        .psus()
        .delete("brief", &DeleteParams::default())
        .await
        .unwrap();
    world.gone("brief").await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn what_a_dead_owner_of_the_same_name_left_is_replaced() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("reapply", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("again", &json!({})).await;
    let dead = world.ready("again").await;
    operator.kill();
    world
        .psus()
        .delete("again", &DeleteParams::default())
        .await
        .unwrap();
    world.psu("again", &json!({})).await;
    // It comes back at once, while the garbage collector may not have looked yet.
    let operator = world.operator(&[]).await;
    let living = world.ready("again").await;
    assert_ne!(living.uid(), dead.uid());
    let secret = world
        .until_secret("again", "is the living one's", |secret| {
            let owners = secret.metadata.owner_references.as_ref();
            owners.is_some_and(|owners| Some(&owners[0].uid) == living.uid().as_ref())
        })
        .await;
    assert_eq!(secret.metadata.owner_references.unwrap().len(), 1);
    // The garbage collector's late delete of the dead owner's dependents must not leave it without one.
    operator.idle().await;
    world.ready("again").await;
    world.secret("again").await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_leftover_beside_a_resources_secret_goes_and_a_copy_without_marks_stays() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("leftover", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("report", &json!({})).await;
    world.ready("report").await;
    operator.idle().await;
    let before = world.ready("report").await;
    let own = world.secret("report").await.metadata;
    let copies = [
        ("leftover", own.labels.clone(), own.owner_references.clone()),
        ("unowned", own.labels.clone(), None),
        ("unlabelled", None, own.owner_references.clone()),
    ];
    for (name, labels, owners) in copies {
        let secret: Secret = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Secret", "stringData": { "url": "a copy" }, "metadata": {
                "name": name, "namespace": world.tenant, "labels": labels, "ownerReferences": owners } }))
        .unwrap();
        let secrets = world.secrets();
        let created = secrets.create(&PostParams::default(), &secret).await;
        created.unwrap();
    }
    // It is looked at when the resource is newer than it: a status that tells of it could be on its way until
    // then.
    world
        .edit(
            "report",
            json!({ "metadata": { "labels": { "touched": "yes" } } }),
        )
        .await;
    world.gone("leftover").await;
    operator.idle().await;
    world.secret("unowned").await;
    world.secret("unlabelled").await;
    let now = world.secret("report").await.metadata;
    assert_eq!(now.resource_version, own.resource_version);
    let after = world.ready("report").await;
    assert_eq!(after.status, before.status);
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_stolen_token_of_the_operator_reaches_no_foreign_secret() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("stolen", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("own", &json!({})).await;
    world.ready("own").await;
    let foreign = world.foreign_secret("foreign").await;

    let thief = world.account().await.client().unwrap();
    let stolen: Api<Secret> = Api::namespaced(thief.clone(), &world.tenant);
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let own = world.secret("own").await;
    let make = |name: &str, kind: &str, owned: bool| -> Secret {
        let mut secret = own.clone();
        secret.metadata.name = Some(name.to_owned());
        secret.metadata.uid = None;
        secret.metadata.resource_version = None;
        secret.type_ = Some(kind.to_owned());
        if !owned {
            secret.metadata.owner_references = None;
        }
        secret
    };
    // An admission policy takes effect a moment after it was created.
    eventually("the admission policy is in force", async || {
        match stolen.create(&dry, &make("nobodys", "Opaque", false)).await {
            Ok(_) => Err("it passed"),
            Err(error) => {
                assert_eq!(code(&error), 403, "{error}");
                Ok(())
            }
        }
    })
    .await;
    let refused = |what: &str, result: Result<(), kube::Error>| {
        let error = result.expect_err(what);
        assert_eq!(code(&error), 403, "{what}: {error}");
    };
    let delete = stolen.delete("foreign", &DeleteParams::default()).await;
    refused("deleting a foreign Secret", delete.map(drop));
    let mut adopted = foreign.clone();
    adopted.metadata.labels = own.metadata.labels.clone();
    adopted.metadata.owner_references = own.metadata.owner_references.clone();
    let adopt = stolen
        .replace("foreign", &PostParams::default(), &adopted)
        .await;
    refused("adopting a foreign Secret", adopt.map(drop));
    let empty = Patch::Merge(json!({}));
    let patch = stolen
        .patch("foreign", &PatchParams::default(), &empty)
        .await;
    refused("reading by an empty patch", patch.map(drop));
    let mut token = make("token", "kubernetes.io/service-account-token", true);
    let account = (
        "kubernetes.io/service-account.name".to_owned(),
        "default".to_owned(),
    );
    token
        .metadata
        .annotations
        .get_or_insert_default()
        .extend([account]);
    let token = stolen.create(&dry, &token).await;
    refused("making a token of another account", token.map(drop));
    let elsewhere: Api<Secret> = Api::namespaced(thief, "kube-system");
    let list = elsewhere.list(&kube::api::ListParams::default()).await;
    refused("reading other namespaces", list.map(drop));
    assert_eq!(world.secret("foreign").await, foreign);
    stolen
        .create(&dry, &make("fine", "Opaque", true))
        .await
        .expect("what the operator does itself passes");
    world.finish().await;
    operator.kill();
}
