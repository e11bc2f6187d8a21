//! What docs/security.md says and no other test shows.

use http::Method;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use presigned_core::api::PresignedUrl;
use presigned_testkit::S3Server;
use serde_json::json;

use crate::support::{World, eventually, http};

#[tokio::test]
async fn a_url_that_was_read_works_on_when_resource_policy_and_secret_are_gone() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "read", "content").unwrap();
    let world = World::on("read", &s3).await;
    let operator = world.operator(&["--denial-grace=0s"]).await;
    world.psu("read", &json!({})).await;
    world.ready("read").await;
    let url = world.value("read", "url").await;
    world.policy(&json!([])).await;
    world.gone("read").await;
    assert_eq!(http("GET", &url, "", &[]).await.status, 200);
    world
        .psus()
        .delete("read", &DeleteParams::default())
        .await
        .unwrap();
    eventually("the resource is gone", async || {
        match world.psus().get_opt("read").await.unwrap() {
            None => Ok(()),
            Some(psu) => Err(psu),
        }
    })
    .await;
    let answer = http("GET", &url, "", &[]).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "content"));
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn no_foreign_secret_is_touched_on_the_word_of_a_forged_status() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("forged", &s3).await;
    let operator = world.operator(&[]).await;
    for name in ["renamed", "refused"] {
        world.psu(name, &json!({})).await;
        world.ready(name).await;
    }
    operator.kill();

    let foreign = world.foreign_secret("foreign").await;
    let thief = world.account().await.client().unwrap();
    let stolen: Api<PresignedUrl> = Api::namespaced(thief, &world.tenant);
    for name in ["renamed", "refused"] {
        let mut psu = stolen.get(name).await.unwrap();
        let status = psu.status.as_mut().unwrap();
        status.secret_ref.as_mut().unwrap().name = "foreign".into();
        let secret = status.internal.secret.as_mut().unwrap();
        secret.name = "foreign".to_owned();
        secret.uid = foreign.metadata.uid.clone().unwrap();
        stolen
            .replace_status(name, &PostParams::default(), &psu)
            .await
            .expect("a thief may write what the operator writes");
    }
    world
        .edit("refused", json!({ "spec": { "bucket": "not-allowed" } }))
        .await;

    let operator = world.operator(&["--denial-grace=0s"]).await;
    world.ready("renamed").await;
    operator.idle().await;
    assert_eq!(world.secret("foreign").await, foreign);
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn each_request_of_the_operator_to_a_store_is_a_read() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "below/one", "1").unwrap();
    let world = World::on("reads", &s3).await;
    world
        .store(&s3, &json!({ "unsignedHeaders": "Accept" }))
        .await;
    let methods = json!(["GET", "HEAD", "PUT", "DELETE", "LIST"]);
    let rule = world.rule(&json!({ "methods": methods, "maxObjects": 10 }));
    world.policy(&json!([rule])).await;
    let operator = world.operator(&[]).await;
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        let name = method.to_lowercase();
        world.psu(&name, &json!({ "method": method })).await;
        world.ready(&name).await;
    }
    world
        .psu("many", &json!({ "key": null, "prefix": "below/" }))
        .await;
    world.ready("many").await;
    let requests = eventually("it was listed and probed", async || {
        let requests = s3.requests().unwrap();
        let probed = requests
            .iter()
            .any(|request| request.path.contains("/presigned-probe-"));
        if probed { Ok(requests) } else { Err(requests) }
    })
    .await;
    operator.idle().await;
    for request in requests.iter().chain(&s3.requests().unwrap()) {
        assert!(
            [Method::GET, Method::HEAD].contains(&request.method),
            "{request:?}"
        );
    }
    world.finish().await;
    operator.kill();
}
