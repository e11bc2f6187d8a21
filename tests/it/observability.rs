//! Events, conditions, kubectl's columns and metrics: what they say, and that none holds a secret.

use std::path::Path;

use presigned_testkit::S3Server;
use serde_json::json;
use tokio::process::Command;

use crate::support::{World, leaks, store_says, tool};

async fn kubectl(kubeconfig: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(tool("kubectl").await)
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .env("HOME", "/nonexistent")
        .output()
        .await
        .expect("run kubectl");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[tokio::test]
async fn stores_and_policies_have_events_too() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "told", "x").unwrap();
    let world = World::on("clustertold", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("told", &json!({})).await;
    world.ready("told").await;
    let ready = |store: &_| store_says(store, "Ready", "True", "CredentialsReady");
    world.until_store("works", ready).await;
    world.policy(&json!([])).await;
    world.unready("told", "PolicyDenied").await;
    operator.idle().await;
    let config = world.plane.kubeconfig();
    for (kind, told) in [
        (
            "cos",
            &["Normal", "CredentialsReady", "the store accepts"][..],
        ),
        (
            "psup",
            &[
                "Normal",
                "Accepted",
                "Warning",
                "AllowsNothing",
                "spec.allow holds no rule",
            ],
        ),
    ] {
        let (described, text) = kubectl(config, &["describe", kind, &world.name]).await;
        assert!(described, "{text}");
        let (_, events) = text.split_once("\nEvents:").expect("kubectl lists Events");
        for words in told {
            assert!(events.contains(words), "{words:?} is missing: {text}");
        }
    }
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn each_transition_is_one_event_and_kubectl_tells_the_story() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "told", "x").unwrap();
    let world = World::on("story", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("told", &json!({})).await;
    let config = world.plane.kubeconfig();
    let wait = [
        "wait",
        "-n",
        &world.tenant,
        "--for=condition=Ready",
        "psu/told",
        "--timeout=60s",
    ];
    let (waited, said) = kubectl(config, &wait).await;
    assert!(waited, "{said}");

    world.policy(&json!([])).await;
    world.unready("told", "PolicyDenied").await;
    world.policy(&json!([world.rule(&json!({}))])).await;
    world.ready("told").await;
    operator.idle().await;
    let mut events = world.events("told").await;
    // The API server's order, which is finer than an Event's time.
    events.sort_by_key(|event| {
        event
            .metadata
            .resource_version
            .as_ref()
            .map(|at| at.parse::<u64>().unwrap())
    });
    let story: Vec<(&str, &str)> = events
        .iter()
        .map(|event| {
            (
                event.type_.as_deref().unwrap(),
                event.reason.as_deref().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        story,
        [
            ("Normal", "Issued"),
            ("Warning", "PolicyDenied"),
            ("Normal", "Issued")
        ]
    );

    let (described, text) =
        kubectl(config, &["describe", "-n", &world.tenant, "psu", "told"]).await;
    assert!(described, "{text}");
    for words in [
        "Issued",
        "PolicyDenied",
        "Renewal Time",
        "Expiration Time",
        "Secret Ref",
        "presigned-url-operator",
    ] {
        assert!(text.contains(words), "{words:?} is missing:\n{text}");
    }
    let words = world.secrets_seen.words();
    assert_eq!(leaks(&text, &words), Vec::<String>::new());
    let (listed, text) = kubectl(config, &["get", "psu", "-n", &world.tenant]).await;
    assert!(
        listed && text.contains("True") && text.contains("told"),
        "{text}"
    );
    let (listed, text) = kubectl(config, &["get", "presigned", "-n", &world.tenant]).await;
    assert!(listed, "the category: {text}");
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn the_search_for_secrets_finds_them_where_they_are() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("search", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("found", &json!({})).await;
    world.ready("found").await;
    let url = world.value("found", "url").await;
    let signature = url
        .split("X-Amz-Signature=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    let words = crate::support::eventually("the watcher has seen it", async || {
        let words = world.secrets_seen.words();
        if words.contains(signature) {
            Ok(words)
        } else {
            Err(())
        }
    })
    .await;
    assert!(words.contains(&s3.secret_key));
    for text in [
        url.clone(),
        format!("a {signature}"),
        format!("key={}", s3.secret_key),
    ] {
        assert_eq!(leaks(&text, &words).len(), 1);
    }
    assert!(
        operator.log().contains("TRACE") || operator.log().contains("DEBUG"),
        "the logs are full ones"
    );
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn metrics_have_every_figure() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::new("figures").await;
    world.store(&s3, &json!({})).await;
    world.policy(&json!([world.rule(&json!({}))])).await;
    let operator = world.operator(&[]).await;
    world.psu("lost", &json!({ "secretName": "other" })).await;
    world.unready("lost", "CredentialsNotFound").await;
    world.furnish(&s3).await;
    world.psu("good", &json!({ "duration": "10m" })).await;
    world.psu("bad", &json!({ "bucket": "forbidden" })).await;
    world.ready("good").await;
    world.unready("bad", "PolicyDenied").await;
    world
        .edit("good", json!({ "spec": { "key": "changed" } }))
        .await;
    world
        .until("good", "is renewed", |psu| {
            psu.status.as_ref().unwrap().revision > Some(1)
        })
        .await;
    // Only a store is named, by which an administrator calls it.
    let skew = format!("presigned_clock_skew_seconds{{store=\"{}\"}} ", world.name);
    let figures = crate::support::eventually("the figures are there", async || {
        let text = operator.get("/metrics").await.text();
        let wanted = [
            "presigned_issued_total 2".to_owned(),
            "presigned_renewed_total 1".to_owned(),
            "presigned_denied_total 1".to_owned(),
            "presigned_errors_total{reason=\"CredentialsNotFound\"} ".to_owned(),
            "presigned_next_expiry_timestamp_seconds ".to_owned(),
            "presigned_next_renewal_timestamp_seconds ".to_owned(),
            "presigned_queue_depth{priority=\"urgent\"}".to_owned(),
            "presigned_step_duration_seconds_bucket{".to_owned(),
            "presigned_sign_duration_seconds_count".to_owned(),
            "presigned_api_calls_total{verb=\"create\",resource=\"secrets\",outcome=\"ok\"}"
                .to_owned(),
            "presigned_resources{ready=\"true\"} 2".to_owned(),
            "presigned_resources{ready=\"false\"} 1".to_owned(),
            "presigned_verified{status=\"false\"} 2".to_owned(),
            "presigned_lives_cut{by=\"Credentials\",below_half=\"true\"} 0".to_owned(),
            skew.clone(),
        ];
        let missing: Vec<String> = wanted
            .into_iter()
            .filter(|wanted| !text.contains(wanted.as_str()))
            .collect();
        if missing.is_empty() {
            Ok(text)
        } else {
            Err((missing, text))
        }
    })
    .await;
    assert!(figures.ends_with("# EOF\n"));
    let others = figures.replace(&skew, "");
    for name in [&world.tenant, &world.name, "good", "forbidden"] {
        assert!(
            !others.contains(name),
            "{name} is nobody's business:\n{figures}"
        );
    }
    world.finish().await;
    operator.kill();
}
