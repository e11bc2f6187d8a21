//! From apply to download: a tenant's resource becomes a URL that S3 honours.

use presigned_testkit::S3Server;
use serde_json::json;

use crate::support::{World, curl, http, text};

/// Everything that a tenant can ask of one server, each with the real curl and the mounted files.
async fn every_method_works_on(short: &str, s3: &S3Server) {
    s3.put_object("data", "models/llama.bin", "weights")
        .unwrap();
    let world = World::on(short, s3).await;
    // Where a server takes unsigned headers, an admin has to know; what comes of them is tried elsewhere.
    world
        .store(s3, &json!({ "unsignedHeaders": "Accept" }))
        .await;
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
            "action.json",
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
    let expires = status
        .expiration_time
        .unwrap()
        .strftime("%Y-%m-%dT%H:%M:%SZ");
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

    assert!(status.binding.is_none());

    world.psu("bound", &json!({ "bindingType": "s3" })).await;
    let status = world.ready("bound").await.status.unwrap();
    assert_eq!(
        status.binding.unwrap().name,
        status.secret_ref.unwrap().name
    );
    let bound = world.secret("bound").await;
    assert_eq!(text(&bound, "type"), "s3");
    assert_eq!(text(&bound, "uri"), text(&bound, "url"));
    world.finish().await;
    operator.kill();
}

/// Base64 of the SHA-256 of `hello`.
const HELLO: &str = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

#[tokio::test]
async fn what_an_upload_fixes_is_held_by_the_server() {
    let s3 = S3Server::versitygw().await.unwrap();
    let world = World::on("upload", &s3).await;
    let rules = [
        world.rule(&json!({ "prefixes": ["free/"] })),
        world.rule(&json!({ "prefixes": ["once/"], "createOnly": true })),
    ];
    world.policy(&json!(rules)).await;
    let operator = world.operator(&[]).await;
    let upload = async |name: &str, body: &str| {
        world.ready(name).await;
        let mount = world.mount(name).await;
        std::fs::write(mount.join("upload"), body).unwrap();
        curl(&mount, &["-T", "upload"]).await.0
    };
    let fixed = json!({ "contentType": "text/x-\\odd; a=\"b\"", "checksumSHA256": HELLO });
    world
        .psu(
            "sum",
            &json!({ "key": "free/sum", "method": "PUT", "put": fixed }),
        )
        .await;
    assert_ne!(
        upload("sum", "other").await,
        0,
        "other content than was signed"
    );
    assert_eq!(upload("sum", "hello").await, 0);
    let headers = world.value("sum", "headers").await;
    assert!(
        headers
            .lines()
            .any(|line| line == "Content-Type: text/x-\\odd; a=\"b\""),
        "{headers}"
    );
    assert!(
        headers.ends_with('\n') && headers.contains(HELLO),
        "{headers}"
    );

    let absent = json!({ "ifNoneMatch": "*" });
    world
        .psu(
            "absent",
            &json!({ "key": "free/absent", "method": "PUT", "put": absent }),
        )
        .await;
    // The rule forces it, whether it is asked for or not.
    world
        .psu("once", &json!({ "key": "once/only", "method": "PUT" }))
        .await;
    for (name, key) in [("absent", "free/absent"), ("once", "once/only")] {
        assert_eq!(upload(name, "first").await, 0, "{name}");
        assert_ne!(upload(name, "second").await, 0, "{name}: it exists already");
        let stored = s3.object_bytes("data", key).unwrap();
        assert_eq!(stored.as_deref(), Some(&b"first"[..]));
        let url = world.value(name, "url").await;
        let bare = http("PUT", &url, "", b"second").await;
        assert_eq!(bare.status, 403, "{name}: the condition can't be left out");
    }
    world.finish().await;
    operator.kill();
}

/// Keys that clients and proxies like to rewrite.
const ODD_KEYS: [&str; 4] = [
    "a b+c",
    "50%25 off & more?x=1#y",
    "~tilde/(paren)*!'$.txt",
    "grün/日本/😀",
];

async fn odd_keys_are_fetched_from(short: &str, s3: &S3Server) {
    let world = World::on(short, s3).await;
    let operator = world.operator(&[]).await;
    for (at, key) in ODD_KEYS.into_iter().enumerate() {
        s3.put_object("data", key, key).unwrap();
        let options =
            json!({ "responseContentDisposition": "attachment; filename=\"it's %41 + & ;.pdf\"" });
        world
            .psu(&format!("odd-{at}"), &json!({ "key": key, "get": options }))
            .await;
    }
    for (at, key) in ODD_KEYS.into_iter().enumerate() {
        let name = format!("odd-{at}");
        world.ready(&name).await;
        let mount = world.mount(&name).await;
        let (code, said) = curl(&mount, &["-o", "file"]).await;
        assert_eq!(code, 0, "{key}: {said}");
        assert_eq!(std::fs::read_to_string(mount.join("file")).unwrap(), key);
        let answer = http("GET", &world.value(&name, "url").await, "", &[]).await;
        assert!(
            answer.head.contains("filename=\"it's %41 + & ;.pdf\""),
            "{}",
            answer.head
        );
        let head = http("HEAD", &world.value(&name, "head-url").await, "", &[]).await;
        assert_eq!(head.status, 200, "{key}");
    }
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn odd_keys_and_answers_are_fetched_from_s3s() {
    odd_keys_are_fetched_from("odd", &S3Server::s3s_fs().unwrap()).await;
}

#[tokio::test]
async fn odd_keys_and_answers_are_fetched_from_versitygw() {
    odd_keys_are_fetched_from("oddv", &S3Server::versitygw().await.unwrap()).await;
}
