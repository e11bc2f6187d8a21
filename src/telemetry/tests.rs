//! What telemetry promises.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use presigned_core::api::{LimitedBy, Reason};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::logs::filter;
use super::serve::{CONNECTIONS, HEADER_TIME};
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
    let metrics = Metrics::new(|| Soonest {
        expiry: Timestamp::from_second(2_000_000_000).ok(),
        renewal: Timestamp::from_second(1_999_990_000).ok(),
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
    metrics.verified("false", 4);
    metrics.lives_cut(LimitedBy::Credentials, true, 5);
    metrics.policies(Reason::PolicyInvalid, 3);
    metrics.spans_dropped(512);
    metrics.clock_skews([("gone".to_owned(), 7)].into());
    metrics.clock_skews([("minio".to_owned(), -42)].into());
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
        "presigned_verified{status=\"false\"} 4",
        "presigned_lives_cut{by=\"Credentials\",below_half=\"true\"} 5",
        "presigned_policies{reason=\"PolicyInvalid\"} 3",
        "presigned_spans_dropped_total 512",
        "presigned_clock_skew_seconds{store=\"minio\"} -42",
        "presigned_next_expiry_timestamp_seconds 2000000000",
        "presigned_next_renewal_timestamp_seconds 1999990000",
        "# EOF",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\nnot in\n{text}");
    }
    assert!(!text.contains("gone"), "a store that is gone has no series");
}

#[test]
fn a_time_that_there_is_not_is_no_series() {
    let text = Metrics::default().encode().unwrap();
    assert!(!text.contains("timestamp_seconds "), "{text}");
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
    let server = Server::start(metrics_router(Metrics::default(), None)).await;
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

#[tokio::test]
async fn a_hundred_unfinished_requests_keep_no_probe_out_and_do_not_stay() {
    let readiness = Readiness::default();
    let server = Server::start(health_router(readiness)).await;
    let mut unfinished = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nX: ")
            .await
            .unwrap();
        unfinished.push(stream);
    }
    assert!(server.get("/livez").await.starts_with("HTTP/1.1 200"));
    // The oldest made room for the newest at once; the rest have a few seconds.
    let rest = unfinished.split_off(unfinished.len() - CONNECTIONS + 1);
    within(HEADER_TIME / 2, closed(unfinished)).await;
    within(HEADER_TIME * 2, closed(rest)).await;
    server.stop().await;
}

#[tokio::test]
async fn a_request_that_drips_in_is_cut_off() {
    let server = Server::start(health_router(Readiness::default())).await;
    let (mut answer, mut drip) = TcpStream::connect(server.address)
        .await
        .unwrap()
        .into_split();
    let dripping = tokio::spawn(async move {
        while drip.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut text = Vec::new();
    let ended = async { answer.read_to_end(&mut text).await.map(drop) };
    let _ = within(HEADER_TIME * 2, ended).await;
    dripping.abort();
    server.stop().await;
}

#[tokio::test]
async fn a_request_larger_than_the_buffer_is_refused_and_each_connection_carries_one() {
    let server = Server::start(health_router(Readiness::default())).await;
    let large = format!("/livez?{}", "x".repeat(64 * 1024));
    let answer = server.get(&large).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let two = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(two).await.unwrap();
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    assert_eq!(text.matches("200 OK").count(), 1, "{text}");
    server.stop().await;
}

#[tokio::test]
async fn an_unfinished_request_does_not_hold_up_the_stop() {
    let server = Server::start(health_router(Readiness::default())).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    within(HEADER_TIME / 2, server.stop()).await;
}

/// A reviewer that knows three tokens, and counts.
struct Known(std::sync::atomic::AtomicUsize);

impl Reviewer for Known {
    fn review<'a>(&'a self, token: &'a SecretString) -> BoxFuture<'a, Verdict> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let verdict = match token.expose_secret() {
            "prometheus" => Verdict::Allowed,
            "tenant" => Verdict::Forbidden,
            "lost" => Verdict::Unavailable,
            _ => Verdict::Unauthenticated,
        };
        std::future::ready(verdict).boxed()
    }
}

#[tokio::test]
async fn metrics_are_shown_to_whom_the_api_server_allows_it_and_to_nobody_else() {
    let reviewer = Arc::new(Known(0.into()));
    let routes = metrics_router(Metrics::default(), Some(reviewer.clone()));
    let server = Server::start(routes).await;
    for (authorization, status) in [
        ("Authorization: Bearer prometheus\r\n", "200"),
        ("authorization: bearer  prometheus\r\n", "200"),
        ("Authorization: Bearer tenant\r\n", "403"),
        ("Authorization: Bearer lost\r\n", "503"),
        ("Authorization: Bearer guess\r\n", "401"),
    ] {
        let answer = server.ask("/metrics", authorization).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{authorization}: {answer}"
        );
        assert_eq!(answer.contains("# EOF"), status == "200", "{answer}");
    }
    let before = reviewer.0.load(std::sync::atomic::Ordering::Relaxed);
    for authorization in [
        "",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: Basic prometheus\r\n",
        "Authorization: prometheus\r\n",
    ] {
        let answer = server.ask("/metrics", authorization).await;
        assert!(
            answer.starts_with("HTTP/1.1 401"),
            "{authorization}: {answer}"
        );
        assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
    }
    let now = reviewer.0.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(now, before, "what is no token is not reviewed");
    server.stop().await;
}

async fn within<T>(time: Duration, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(time, future).await.expect("in time")
}

/// Waits until the server has closed each connection.
async fn closed(streams: Vec<TcpStream>) {
    for mut stream in streams {
        let mut rest = Vec::new();
        // Cut off or ended: either is closed.
        let _ = stream.read_to_end(&mut rest).await;
    }
}

struct Server {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
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
        self.ask(path, "").await
    }

    /// As [`Self::get`], with a line of a header.
    async fn ask(&self, path: &str, header: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n");
        let mut answer = Vec::new();
        // A request that is refused early is neither written nor read to its end.
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

#[test]
fn a_log_line_holds_no_character_that_turns_it_around() {
    use std::io::Write as _;

    let mut written = Vec::new();
    let line = "{\"message\":\"key \\\"a\u{202e}gpj.exe\\\" ü\u{feff}\u{e0001}\"}\n";
    super::logs::VisibleLines(&mut written)
        .write_all(line.as_bytes())
        .unwrap();
    let text = String::from_utf8(written).unwrap();
    assert_eq!(
        text,
        "{\"message\":\"key \\\"a\\u202egpj.exe\\\" ü\\ufeff\\udb40\\udc01\"}\n"
    );
    let sent: serde_json::Value = serde_json::from_str(&text).unwrap();
    let meant: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(sent, meant, "a machine reads what was meant");
}
