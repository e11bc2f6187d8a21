//! The running operator has no more rights at its store than `iam-policy` names, and does all that the
//! policies allow; with one action less, just what needs that action fails.

use presigned_testkit::S3Server;
use presigned_testkit::s3::client::Keys;
use serde_json::json;

use super::Person;
use super::iam_policy::{actions, without};
use crate::support::{World, http};

/// The store, and the names of resources, of an identity that lacks an action or none.
struct Identity {
    name: String,
    lacks: Option<String>,
}

impl Identity {
    fn lacks(&self, action: &str) -> bool {
        self.lacks.as_deref() == Some(action)
    }
}

/// A store that signs as this identity, and what its tenant asks for.
async fn furnish(world: &World, s3: &S3Server, suffix: &str) {
    let changes = json!({ "unsignedHeaders": "Accept",
        "credentials": { "secretRef": { "name": format!("signer-{suffix}") } } });
    let store = world.another_store(s3, suffix, &changes).await;
    let (tenant, put) = (&world.tenant, format!("{}/put-{suffix}", world.tenant));
    let removed = format!("{tenant}/removed-{suffix}");
    s3.put_object("data", &removed, "x").expect("put");
    for (name, spec) in [
        ("get", json!({ "key": format!("{tenant}/there") })),
        (
            "list",
            json!({ "key": null, "prefix": format!("{tenant}/") }),
        ),
        (
            "put",
            json!({ "method": "PUT", "key": put, "put": { "contentLength": 1 } }),
        ),
        ("delete", json!({ "method": "DELETE", "key": removed })),
    ] {
        let mut spec = spec;
        spec["storeRef"] = json!({ "name": store });
        world.psu(&format!("{name}-{suffix}"), &spec).await;
    }
}

/// What an identity can do, and what it can't.
async fn acts(world: &World, identity: &Identity) {
    let Identity { name, .. } = identity;
    let get = format!("get-{name}");
    world.ready(&get).await;
    let read = world.value(&get, "url").await;
    if identity.lacks("s3:GetObject") {
        let why = world.verified(&get, "False", "AccessDenied").await;
        assert!(why.contains("s3:GetObject"), "{why}");
        assert_eq!(http("GET", &read, "", b"").await.status, 403, "{name}");
    } else {
        world.verified(&get, "True", "Verified").await;
        assert_eq!(http("GET", &read, "", b"").await.status, 200, "{name}");
    }

    let list = format!("list-{name}");
    if identity.lacks("s3:ListBucket") {
        let why = world.unready(&list, "ListFailed").await;
        assert!(why.contains("s3:ListBucket"), "{why}");
    } else {
        world.ready(&list).await;
        let json = world.value(&list, "urls.json").await;
        assert!(json.contains("/there"), "the listed object is signed");
        let (status, reason) = if identity.lacks("s3:GetObject") {
            ("False", "AccessDenied")
        } else {
            ("True", "Verified")
        };
        world.verified(&list, status, reason).await;
    }

    for (resource, method, header, body, action) in [
        (
            "put",
            "PUT",
            "Content-Length: 1\n",
            &b"x"[..],
            "s3:PutObject",
        ),
        ("delete", "DELETE", "", b"", "s3:DeleteObject"),
    ] {
        let resource = format!("{resource}-{name}");
        world.ready(&resource).await;
        let url = world.value(&resource, "url").await;
        let answer = http(method, &url, header, body).await;
        let refused = answer.status == 403;
        assert_eq!(
            refused,
            identity.lacks(action),
            "{resource}: {}",
            answer.text()
        );
        assert!(
            refused || answer.status < 300,
            "{resource}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn the_operator_works_with_exactly_what_the_cluster_needs_and_fails_with_one_action_less() {
    let s3 = S3Server::minio().await.expect("a server");
    let world = World::on("leastrights", &s3).await;
    world
        .allow_all(
            &json!({ "prefixes": ["{namespace}/"], "methods": ["GET", "PUT", "DELETE", "LIST"],
            "allowMetadata": null, "allowResponseOverrides": null, "templateKeys": null }),
        )
        .await;
    s3.put_object("data", &format!("{}/there", world.tenant), "x")
        .expect("put");
    furnish(&world, &s3, "exact").await;
    let store = format!("{}-exact", world.name);
    let admin = Person::admin(&world);
    let whole = admin.runs(&["iam-policy", "--store", &store]).await.json();
    let all = actions(&whole);
    let needed = [
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
    ];
    assert_eq!(all, needed);

    let mut identities = vec![Identity {
        name: "exact".to_owned(),
        lacks: None,
    }];
    for (at, action) in all.into_iter().enumerate() {
        let name = format!("less{at}");
        furnish(&world, &s3, &name).await;
        identities.push(Identity {
            name,
            lacks: Some(action),
        });
    }
    for Identity { name, lacks } in &identities {
        let document = lacks
            .as_ref()
            .map_or_else(|| whole.clone(), |action| without(&whole, action));
        let [user, secret] = ["user", "secret-of"].map(|word| format!("{word}-{name}"));
        let added = s3.add_user(&user, &secret, &document.to_string()).await;
        let Keys {
            access_key,
            secret_key,
            ..
        } = added.expect("a user");
        let keys = json!({ "accessKeyID": access_key, "secretAccessKey": secret_key });
        world
            .credentials_named(&format!("signer-{name}"), &keys)
            .await;
    }
    let operator = world.operator(&[]).await;
    for identity in &identities {
        acts(&world, identity).await;
    }
    world.finish().await;
    operator.kill();
}
