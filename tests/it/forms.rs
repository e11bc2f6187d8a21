//! Forms against real S3 servers: which uploads they take and refuse, and where each upload lands.
//!
//! What holds here: an upload that a form refuses lands nowhere on any server. Where servers differ, the test
//! states what each does, so that a change of a server is seen.

mod scene;

use std::path::Path;

use aws_sdk_s3::types::{CorsConfiguration, CorsRule};
use jiff::SignedDuration;
use presigned_core::api::PostOptions;
use presigned_core::request::Key;
use presigned_core::signing::FormKey;

use crate::support::{curl, http};
use scene::{BUCKET, FILE, FRESH, Landed, Outcome, Scene, Upload, edit, prefix, small, with_key};

const TAKEN: Outcome = Outcome {
    status: 204,
    landed: Landed::Inside,
};

#[tokio::test]
async fn a_form_takes_what_it_was_made_for_and_the_sender_names_the_file() {
    for scene in Scene::all().await {
        let (name, prefix) = (scene.kind.name, prefix());
        let mount = scene.form(FormKey::Under(&prefix), &small(), FRESH);
        let page = Upload {
            kind: "text/html",
            ..FILE
        };
        assert_eq!(scene.send(&mount, page).await, TAKEN, "{name}");
        let key = if scene.kind.fills_in {
            "uploads/in/a.txt"
        } else {
            "uploads/in/${filename}"
        };
        let stored = scene.stored().await;
        let kept: Vec<&String> = stored.keys().collect();
        assert_eq!(kept, [key], "{name}");
        let kind = stored[key].0.as_str();
        assert_ne!(kind, "text/html", "{name} listens to the file's own part");
        assert_eq!(
            kind == "text/plain",
            scene.kind.guesses_type,
            "{name}: {kind}"
        );

        with_key(&mount, "in/folder/b.txt");
        assert_eq!(scene.send(&mount, FILE).await, TAKEN, "{name}");
        let stored = scene.stored().await;
        assert!(stored.contains_key("uploads/in/folder/b.txt"), "{name}");
    }
}

#[tokio::test]
async fn every_option_reaches_the_server_and_hard_values_come_through() {
    let key = Key::parse("in/one \"quoted\" caf\u{e9} #1.txt").expect("a key");
    let options = PostOptions {
        content_type: Some("text/plain; charset=utf-8".to_owned()),
        acl: Some("private".to_owned()),
        success_action_status: Some(201),
        metadata: Some([("owner".to_owned(), "@team \"a\"\\n; type=x".to_owned())].into()),
        ..small()
    };
    for scene in Scene::all().await {
        let name = scene.kind.name;
        let mount = scene.form(FormKey::Exactly(&key), &options, FRESH);
        let upload = Upload {
            name: "../../elsewhere/other.txt",
            ..FILE
        };
        let created = Outcome {
            status: 201,
            landed: Landed::Inside,
        };
        assert_eq!(scene.send(&mount, upload).await, created, "{name}");
        let object = scene
            .client()
            .head_object()
            .bucket(BUCKET)
            .key(key.as_str());
        let object = object.send().await.expect("the object");
        assert_eq!(object.content_type(), Some("text/plain; charset=utf-8"));
        let metadata = object.metadata().expect("metadata");
        assert_eq!(metadata["owner"], "@team \"a\"\\n; type=x", "{name}");

        let redirect = PostOptions {
            success_action_redirect: Some("https://app.example.com/done?from=form".to_owned()),
            ..small()
        };
        let mount = scene.form(FormKey::Exactly(&key), &redirect, FRESH);
        assert_eq!(scene.send(&mount, FILE).await.status, 303, "{name}");
    }
}

#[tokio::test]
async fn what_a_form_does_not_allow_is_refused_and_lands_nowhere() {
    for scene in Scene::all().await {
        let (name, prefix) = (scene.kind.name, prefix());
        let under = FormKey::Under(&prefix);
        let refused = async |what: &str, mount: &Path, upload: Upload<'_>| {
            let Outcome { status, landed } = scene.send(mount, upload).await;
            assert!(matches!(status, 400 | 403), "{name}: {what}: {status}");
            assert_eq!(landed, Landed::Nowhere, "{name}: {what}");
        };
        let mount = scene.form(under, &small(), FRESH);
        let sized = |body| Upload {
            body: Some(body),
            ..FILE
        };
        refused("too large", &mount, sized("seventeen bytes !")).await;
        refused("too small", &mount, sized("")).await;
        for field in [
            "Content-Type=text/html",
            "acl=public-read",
            "x-amz-acl=public-read",
            "x-amz-storage-class=GLACIER",
            "x-amz-meta-x=y",
            "tagging=<Tagging><TagSet/></Tagging>",
            "success_action_redirect=https://evil.example.com/",
        ] {
            let arguments = ["--form-string", field];
            let upload = Upload {
                arguments: &arguments,
                ..FILE
            };
            refused(field, &mount, upload).await;
        }
        // Servers take the first of two keys or the last; none takes the one that is not allowed.
        let upload = Upload {
            arguments: &["--form-string", "key=out/second.txt"],
            ..FILE
        };
        let Outcome { landed, .. } = scene.send(&mount, upload).await;
        assert!(
            matches!(landed, Landed::Inside | Landed::Nowhere),
            "{name}: a second key: {landed:?}"
        );
        with_key(&mount, "out/a.txt");
        refused("another key", &mount, FILE).await;

        for (what, from, to) in [
            ("another bucket", "/uploads\"", "/elsewhere\""),
            ("another policy", "policy=ey", "policy=eyA"),
            ("another date", "x-amz-date=2", "x-amz-date=1"),
            ("no signature", "x-amz-signature=", "x-ignore-signature="),
        ] {
            let mount = scene.form(under, &small(), FRESH);
            edit(&mount, from, to);
            refused(what, &mount, FILE).await;
        }

        let mount = scene.form(under, &small(), SignedDuration::from_mins(11));
        refused("expired", &mount, FILE).await;
    }
}

#[tokio::test]
async fn the_type_is_what_the_form_says_or_begins_as_it_says() {
    let prefix = prefix();
    let begins = PostOptions {
        content_type_prefix: Some("image/".to_owned()),
        ..small()
    };
    for scene in Scene::all().await {
        let name = scene.kind.name;
        let mount = scene.form(FormKey::Under(&prefix), &begins, FRESH);
        assert_eq!(
            scene.send(&mount, FILE).await.landed,
            Landed::Nowhere,
            "{name}: no type"
        );
        for (kind, landed) in [
            ("Content-Type=text/html", Landed::Nowhere),
            ("Content-Type=image", Landed::Nowhere),
            ("Content-Type=image/png", Landed::Inside),
        ] {
            let upload = Upload {
                arguments: &["--form-string", kind],
                ..FILE
            };
            assert_eq!(
                scene.send(&mount, upload).await.landed,
                landed,
                "{name}: {kind}"
            );
        }
        let stored = scene.stored().await;
        let (kind, _) = stored.values().next().expect("an object");
        assert_eq!(kind, "image/png", "{name}");
    }
}

#[tokio::test]
async fn where_keys_with_dots_land_is_known_for_each_server() {
    for scene in Scene::all().await {
        let (name, prefix) = (scene.kind.name, prefix());
        let mount = scene.form(FormKey::Under(&prefix), &small(), FRESH);
        // In the name of the file: it replaces nothing, or it is one segment.
        for tail in [
            "../up.txt",
            "../../elsewhere/up.txt",
            "../../../up.txt",
            "..",
        ] {
            let upload = Upload { name: tail, ..FILE };
            let Outcome { status, landed } = scene.send(&mount, upload).await;
            assert!(
                matches!(landed, Landed::Inside | Landed::Nowhere),
                "{name}: {tail}: {status} {landed:?}"
            );
        }
        // In the key that the sender writes.
        let keys = [
            "in/../out.txt",
            "in/../../elsewhere/out.txt",
            "in/../../../out.txt",
        ];
        for (key, wanted) in keys.into_iter().zip(scene.kind.dots) {
            let mount = scene.form(FormKey::Under(&prefix), &small(), FRESH);
            with_key(&mount, key);
            assert_eq!(
                scene.send(&mount, FILE).await.landed,
                wanted,
                "{name}: {key}"
            );
        }
    }
}

/// A page that reads the answer, or shows progress, needs the bucket to name its origin.
#[tokio::test]
async fn a_page_of_an_allowed_origin_uploads_and_reads_the_answer() {
    let page = "https://app.example.com";
    let mut scenes = Scene::all().await;
    // The only server with CORS rules for each bucket.
    scenes.retain(|scene| scene.kind.name == "versitygw");
    assert_eq!(scenes.len(), 1);
    for scene in scenes {
        let rule = CorsRule::builder()
            .allowed_origins(page)
            .allowed_methods("POST")
            .allowed_headers("*")
            .expose_headers("ETag")
            .build()
            .expect("a rule");
        let rules = CorsConfiguration::builder().cors_rules(rule).build();
        let client = scene.client();
        let put = client.put_bucket_cors().bucket(BUCKET);
        let put = put.cors_configuration(rules.expect("rules")).send();
        put.await.expect("the bucket's CORS");

        let url = format!("{}/{BUCKET}", scene.kind.server.endpoint);
        for (origin, allowed) in [(page, true), ("https://evil.example.com", false)] {
            let asks = format!("Origin: {origin}\nAccess-Control-Request-Method: POST\n");
            let preflight = http("OPTIONS", &url, &asks, b"").await;
            let header = format!("access-control-allow-origin: {origin}");
            let says = |head: &str| head.to_lowercase().contains(&header);
            assert_eq!(says(&preflight.head), allowed, "{}", preflight.head);

            let prefix = prefix();
            let mount = scene.form(FormKey::Under(&prefix), &small(), FRESH);
            let from = format!("Origin: {origin}");
            std::fs::write(mount.join("sent"), "hello").expect("a file to send");
            let (code, said) = curl(&mount, &["-i", "-H", &from, "-F", "file=@sent"]).await;
            assert_eq!(code, 0, "CORS is the browser's, not a lock: {said}");
            assert_eq!(says(&said), allowed, "{said}");
        }
    }
}
