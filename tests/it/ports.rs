//! The operator's ports, as clients find them who mean harm, and those who scrape.

use std::time::Duration;

use presigned_testkit::S3Server;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{LONG, Setup, World, eventually, http};

#[tokio::test]
async fn hundreds_of_unfinished_requests_keep_neither_probe_nor_scrape_out_and_do_not_stay() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("ports", &s3).await;
    let operator = world.operator(&[]).await;
    let addresses = [operator.health_address(), operator.metrics_address()];
    let before = operator.resident_kib();
    // As much of a header as an HTTP server takes by itself, and no end of it.
    let header = format!("GET /metrics HTTP/1.1\r\nX-Long: {}", "x".repeat(350_000));
    let mut unfinished = Vec::new();
    for turn in 0..300 {
        let mut stream = TcpStream::connect(addresses[turn % 2]).await.unwrap();
        let all = stream.write_all(header.as_bytes());
        // A server that refuses it early is what is wanted.
        let _ = tokio::time::timeout(Duration::from_millis(100), all).await;
        unfinished.push(stream);
    }
    assert_eq!(operator.get("/livez").await.status, 200);
    assert_eq!(operator.get("/readyz").await.status, 200);
    assert_eq!(operator.get("/metrics").await.status, 200);
    let more = operator.resident_kib().saturating_sub(before);
    assert!(more < 8 * 1024, "{more} KiB more than before");
    let all_closed = async {
        for stream in &mut unfinished {
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        }
    };
    tokio::time::timeout(LONG, all_closed)
        .await
        .expect("the operator closes them");
    world.psu("after", &json!({})).await;
    world.ready("after").await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn metrics_are_for_those_whom_the_api_server_allows_it() {
    let s3 = S3Server::s3s_fs().unwrap();
    let setup = Setup {
        values: &["operator.metricsAuth=token"],
        ..Setup::default()
    };
    let world = World::with("scrape", setup).await;
    world.furnish(&s3).await;
    let operator = world.operator(&["--metrics-auth=token"]).await;
    let scrape = async |token: &str| {
        let url = format!("http://{}/metrics", operator.metrics_address());
        let header = match token {
            "" => String::new(),
            token => format!("Authorization: Bearer {token}\n"),
        };
        http("GET", &url, &header, &[]).await
    };
    for name in ["prometheus", "tenant"] {
        world
            .apply(json!({ "apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": { "name": name, "namespace": world.tenant } }))
            .await;
    }
    let role = format!("{}-metrics-reader", world.name);
    world
        .apply(
            json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": { "name": role },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "kind": "ServiceAccount", "name": "prometheus", "namespace": world.tenant }] }),
        )
        .await;
    let token = async |name: &str| {
        let account = world.plane.service_account(&world.tenant, name).await;
        let token = account.unwrap().token().to_owned();
        world.secrets_seen.keep(&token);
        token
    };
    let (prometheus, tenant) = (token("prometheus").await, token("tenant").await);
    let figures = eventually("it is shown to Prometheus", async || {
        let answer = scrape(&prometheus).await;
        if answer.status == 200 {
            Ok(answer.text())
        } else {
            Err(answer)
        }
    })
    .await;
    assert!(figures.ends_with("# EOF\n"), "{figures}");
    let reviews = |figures: &str| {
        let line =
            "presigned_api_calls_total{verb=\"create\",resource=\"tokenreviews\",outcome=\"ok\"} ";
        let rest = figures.split(line).nth(1).unwrap_or_default().to_owned();
        rest.lines().next().unwrap_or_default().to_owned()
    };
    let again = scrape(&prometheus).await.text();
    assert_eq!(
        reviews(&again),
        reviews(&figures),
        "an allowance is believed for a while"
    );
    for (token, status) in [(tenant.as_str(), 403), ("guess", 401), ("", 401)] {
        let answer = scrape(token).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(!answer.text().contains("presigned_"), "{}", answer.text());
    }
    world.finish().await;
    operator.kill();
}
