//! What telemetry promises.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jiff::Timestamp;
use presigned_core::api::Reason;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::logs::filter;
use super::*;

#[test]
fn trace_is_for_our_own_crates_alone() {
    let filter = filter(LogLevel::Trace);
    for ours in [
        "presigned_core::engine",
        "presigned_url_operator::kube::watch",
    ] {
        assert!(filter.would_enable(ours, &Level::TRACE), "{ours}");
    }
    for theirs in [
        "hyper::proto::h1",
        "hyper_util::client",
        "h2::codec",
        "rustls::client",
        "tower::buffer",
        "kube_client::client",
        "kube_runtime::watcher",
        "a_crate_of_next_year",
    ] {
        assert!(!filter.would_enable(theirs, &Level::DEBUG), "{theirs}");
        assert!(filter.would_enable(theirs, &Level::INFO), "{theirs}");
    }
    for aws in [
        "aws_sigv4::http_request::sign",
        "aws_config::profile",
        "aws_smithy_runtime",
    ] {
        assert!(!filter.would_enable(aws, &Level::INFO), "{aws}");
        assert!(filter.would_enable(aws, &Level::WARN), "{aws}");
    }
}

#[test]
fn a_quiet_log_is_quiet_for_all() {
    let filter = filter(LogLevel::Error);
    for target in ["presigned_core", "hyper", "aws_sigv4"] {
        assert!(!filter.would_enable(target, &Level::WARN), "{target}");
    }
}

#[test]
fn every_metric_is_there_under_its_name() {
    let metrics = Metrics::new(|| {
        vec![Expiry {
            namespace: "team-a".to_owned(),
            name: "model".to_owned(),
            expires_at: Timestamp::from_second(2_000_000_000).unwrap(),
            renew_at: Some(Timestamp::from_second(1_999_990_000).unwrap()),
        }]
    });
    metrics.issued();
    metrics.renewed();
    metrics.denied();
    metrics.error(Reason::PolicyDenied);
    metrics.api_call("create", "secrets", "ok");
    metrics.step("sign", std::time::Duration::from_millis(3));
    metrics.queue_depth("urgent", 2);
    metrics.signed(std::time::Duration::from_micros(40));
    metrics.resources("True", 7);
    let text = metrics.encode().unwrap();
    for line in [
        "presigned_issued_total 1",
        "presigned_renewed_total 1",
        "presigned_denied_total 1",
        "presigned_errors_total{reason=\"PolicyDenied\"} 1",
        "presigned_api_calls_total{verb=\"create\",resource=\"secrets\",outcome=\"ok\"} 1",
        "presigned_step_duration_seconds_count{step=\"sign\"} 1",
        "presigned_queue_depth{priority=\"urgent\"} 2",
        "presigned_sign_duration_seconds_count 1",
        "presigned_resources{ready=\"True\"} 7",
        "presigned_url_expiry_timestamp_seconds{namespace=\"team-a\",name=\"model\"} 2000000000",
        "presigned_url_renewal_timestamp_seconds{namespace=\"team-a\",name=\"model\"} 1999990000",
        "# EOF",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\nnot in\n{text}");
    }
}

#[test]
fn what_is_synced_stays_synced() {
    let readiness = Readiness::default();
    assert_eq!(readiness.waits_for(), ["start-up"]);
    readiness.set("namespaces", WatchState::Listing);
    readiness.set("secrets", WatchState::Failing("forbidden".to_owned()));
    assert_eq!(
        readiness.waits_for(),
        [
            "namespaces: the first list is under way",
            "secrets: forbidden"
        ]
    );
    readiness.set("secrets", WatchState::Synced);
    readiness.set("namespaces", WatchState::Synced);
    readiness.set("namespaces", WatchState::Failing("cut".to_owned()));
    assert!(readiness.waits_for().is_empty());
}

#[tokio::test]
async fn readyz_names_what_it_waits_for() {
    let readiness = Readiness::default();
    readiness.set("secrets", WatchState::Listing);
    let server = Server::start(health_router(readiness.clone())).await;
    assert!(server.get("/livez").await.starts_with("HTTP/1.1 200"));
    let waiting = server.get("/readyz").await;
    assert!(waiting.starts_with("HTTP/1.1 503"), "{waiting}");
    assert!(
        waiting.contains("secrets: the first list is under way"),
        "{waiting}"
    );
    readiness.set("secrets", WatchState::Synced);
    assert!(server.get("/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(server.get("/secret").await.starts_with("HTTP/1.1 404"));
    server.stop().await;
}

#[tokio::test]
async fn metrics_are_served_as_openmetrics() {
    let server = Server::start(metrics_router(Metrics::default())).await;
    let answer = server.get("/metrics").await;
    assert!(
        answer.contains("content-type: application/openmetrics-text"),
        "{answer}"
    );
    assert!(answer.ends_with("# EOF\n"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn an_address_in_use_names_the_flag_to_change() {
    let taken = bind("127.0.0.1:0".parse().unwrap(), "/metrics", "--metrics-addr")
        .await
        .unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address, "/metrics", "--metrics-addr")
        .await
        .unwrap_err();
    let message = error.to_string();
    assert!(message.contains(&address.to_string()), "{message}");
    assert!(message.contains("--metrics-addr"), "{message}");
}

struct Server {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn start(router: axum::Router) -> Self {
        let listener = bind("127.0.0.1:0".parse().unwrap(), "a test", "--flag")
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, router, stop.clone()));
        Self {
            address,
            stop,
            task,
        }
    }

    async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}
