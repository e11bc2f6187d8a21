//! From apply to bytes: what a tenant applies ends as a URL that S3 honours.

use presigned_testkit::S3Server;
use serde_json::json;

use crate::support::{World, curl, http, text};

/// Everything that a tenant can ask of one server, each with the real curl and the mounted files.
async fn every_method_works_on(short: &str, s3: &S3Server) {
    s3.put_object("data", "models/llama.bin", "weights")
        .unwrap();
    let world = World::on(short, s3).await;
    let operator = world.operator(&[]).await;

    world
        .psu("get", &json!({ "key": "models/llama.bin" }))
        .await;
    world
        .psu(
            "head",
            &json!({ "key": "models/llama.bin", "method": "HEAD" }),
        )
        .await;
    world
        .psu(
            "put",
            &json!({ "key": "up/new file.txt", "method": "PUT", "put": {
        "contentType": "text/plain; charset=utf-8",
        "contentLength": 5,
        "metadata": { "note": "it's \"quoted\", with \\ and %41 & a tab-less end" },
    } }),
        )
        .await;
    world
        .psu(
            "delete",
            &json!({ "key": "up/new file.txt", "method": "DELETE" }),
        )
        .await;

    world.ready("get").await;
    let mount = world.mount("get").await;
    assert_eq!(curl(&mount, &["-o", "file"]).await, (0, String::new()));
    assert_eq!(std::fs::read(mount.join("file")).unwrap(), b"weights");
    let plain = http("GET", &world.value("get", "url").await, "", &[]).await;
    assert_eq!((plain.status, plain.text().as_str()), (200, "weights"));
    let head = http("HEAD", &world.value("get", "head-url").await, "", &[]).await;
    assert_eq!(head.status, 200, "a GET yields a HEAD URL");
    assert!(head.head.to_lowercase().contains("content-length: 7"));

    world.ready("head").await;
    let mount = world.mount("head").await;
    let (code, said) = curl(&mount, &["-o", "head"]).await;
    assert_eq!(code, 0, "{said}");

    world.ready("put").await;
    let mount = world.mount("put").await;
    std::fs::write(mount.join("upload"), "hello").unwrap();
    let (code, said) = curl(&mount, &["-T", "upload"]).await;
    assert_eq!(code, 0, "{said}");
    let stored = s3.object_bytes("data", "up/new file.txt").unwrap();
    assert_eq!(stored.as_deref(), Some(&b"hello"[..]));
    std::fs::write(mount.join("upload"), "longer").unwrap();
    let (code, _) = curl(&mount, &["-T", "upload"]).await;
    assert_ne!(code, 0, "another length than was signed is refused");

    world.ready("delete").await;
    let mount = world.mount("delete").await;
    let (code, said) = curl(&mount, &[]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(s3.object_bytes("data", "up/new file.txt").unwrap(), None);

    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn every_method_ends_as_a_url_that_s3s_honours() {
    every_method_works_on("s3s", &S3Server::s3s_fs().unwrap()).await;
}

#[tokio::test]
async fn every_method_ends_as_a_url_that_versitygw_honours() {
    every_method_works_on("vgw", &S3Server::versitygw().await.unwrap()).await;
}

#[tokio::test]
async fn the_secret_has_the_keys_that_are_documented_and_no_trailing_newlines() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("shape", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("plain", &json!({ "secretTemplate": { "labels": { "app": "x" }, "annotations": { "note": "y" } } })).await;
    let psu = world.ready("plain").await;
    let secret = world.secret("plain").await;

    let keys: Vec<&String> = secret.data.iter().flatten().map(|(key, _)| key).collect();
    assert_eq!(
        keys,
        [
            "curl.conf",
            "expires-at",
            "head-url",
            "headers",
            "method",
            "url"
        ]
    );
    assert_eq!(text(&secret, "method"), "GET");
    for key in ["url", "head-url", "method", "expires-at"] {
        let value = text(&secret, key);
        assert_eq!(value.trim(), value, "{key} has no newline around it");
    }
    assert_eq!(text(&secret, "headers"), "", "a plain GET needs no header");
    let status = psu.status.unwrap();
    let expires = status.expires_at.unwrap().strftime("%Y-%m-%dT%H:%M:%SZ");
    assert_eq!(text(&secret, "expires-at"), expires.to_string());
    assert_eq!(secret.type_.as_deref(), Some("Opaque"));
    let labels = secret.metadata.labels.unwrap();
    assert_eq!(labels["presigned.dev/managed-by"], "presigned-url-operator");
    assert_eq!(labels["velero.io/exclude-from-backup"], "true");
    assert_eq!(labels["app"], "x");
    let annotations = secret.metadata.annotations.unwrap();
    assert_eq!(annotations["reloader.stakater.com/ignore"], "true");
    assert_eq!(annotations["note"], "y");
    let owners = secret.metadata.owner_references.unwrap();
    assert_eq!(owners.len(), 1);
    assert_eq!(
        (owners[0].kind.as_str(), owners[0].controller),
        ("PresignedURL", Some(true))
    );

    world.finish().await;
    operator.kill();
}
