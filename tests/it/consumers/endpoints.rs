//! A server with one address inside the cluster and another outside, and a link for a colleague: the examples
//! on a real `MinIO`.

use presigned_testkit::S3Server;
use serde_json::json;

use super::{BUCKET, example, issued, programs, shell};
use crate::support::{World, http};

/// The last comment before a document that is a command.
fn command(file: &str) -> String {
    let lines = file.lines().filter_map(|line| line.strip_prefix("# "));
    let mut commands = lines.filter(|line| line.starts_with("kubectl "));
    commands.next().expect("a command").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_signed_for_the_outside_and_all_else_for_the_inside() {
    let s3 = S3Server::minio().await.unwrap();
    let world = World::on("inout", &s3).await;
    let store = example("store-static-credentials.yaml", &world.tenant);
    let store = store.iter().find(|one| one["kind"] == "ClusterObjectStore");
    let mut spec = store.expect("a store")["spec"]["s3"].clone();
    let (inside, outside) = (s3.endpoint.clone(), s3.localhost_endpoint());
    spec["endpoint"] = json!(inside);
    spec["endpoints"][0]["url"] = json!(outside);
    spec["region"] = json!(s3.region);
    spec["credentials"]["secretRef"]["name"] = json!("credentials");
    world.store(&s3, &spec).await;
    world
        .allow_all(&json!({ "maxDuration": "48h", "endpoints": ["public"] }))
        .await;
    let report = format!("{}/reports/2026.pdf", world.tenant);
    s3.put_object(BUCKET, &report, "the report").unwrap();
    let operator = world.operator(&[]).await;

    issued(&world, "link.yaml").await;
    let file = include_str!("../../../examples/link.yaml");
    let print = command(file).replace("team-a", &world.tenant);
    let link = shell(&world, &programs(&world).await, &[], &print).await;
    assert!(link.starts_with(&format!("{outside}/")), "another host");
    let got = http("GET", &link, "", b"").await;
    assert_eq!((got.status, got.text().as_str()), (200, "the report"));
    let name = "attachment; filename=\"report-2026.pdf\"";
    assert!(got.head.contains(name), "{}", got.head);

    // The host is signed: a URL of one address is none of the other.
    world.psu("inside", &json!({ "key": report })).await;
    world.ready("inside").await;
    let url = world.value("inside", "url").await;
    assert!(url.starts_with(&format!("{inside}/")), "another host");
    assert_eq!(http("GET", &url, "", b"").await.status, 200);
    for (url, from, to) in [(&url, &inside, &outside), (&link, &outside, &inside)] {
        let moved = url.replacen(from.as_str(), to, 1);
        assert_eq!(http("GET", &moved, "", b"").await.status, 403);
    }
    world.finish().await;
    operator.kill();
}
