//! What traces promise without a cluster.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::queue::QUEUE;
use super::*;
use crate::http::Proxies;

/// Traces to a server that reads and never answers.
async fn silent(sampling: &str) -> (Traces, Metrics, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let destination = Destination {
        endpoint: format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap(),
        sampling: sampling.parse().unwrap(),
    };
    let sender = Sender {
        namespace: "presigned-system".to_owned(),
        instance: "operator-0".to_owned(),
    };
    let (metrics, clock) = (Metrics::default(), Clock::start());
    let connections = Connections::new(clock.clone(), Proxies::default());
    let traces = Traces::start(Some(&destination), &sender, &connections, &metrics, &clock);
    (traces.unwrap(), metrics, listener)
}

fn object(name: &str) -> Named<'_> {
    Named {
        kind: "PresignedURL",
        namespace: Some("team-a"),
        name: Some(name),
        uid: Some("u-1"),
        store: Some("default"),
    }
}

const DONE: Outcome = Outcome {
    word: "ok",
    failed: false,
};

fn dropped(metrics: &Metrics) -> usize {
    let text = metrics.encode().unwrap();
    let mut lines = text.lines();
    let number = lines.find_map(|line| line.strip_prefix("presigned_spans_dropped_total "));
    number.unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_the_queue_has_no_room_for_is_dropped_and_nobody_waits() {
    let (traces, metrics, _listener) = silent("1").await;
    // No turn is given to the task that sends.
    for _ in 0..QUEUE {
        let trace = traces.begin(object("many")).unwrap();
        let step = trace.step("create_secret").unwrap();
        step.end(Duration::from_millis(1), DONE);
        trace.end(Clock::start().wall(), "Issued");
    }
    assert_eq!(dropped(&metrics), QUEUE, "each trace has two spans");
}

#[tokio::test]
async fn a_stop_waits_for_a_silent_collector_no_longer_than_a_pod_may() {
    let (traces, _, listener) = silent("1").await;
    let trace = traces.begin(object("last")).unwrap();
    trace.end(Clock::start().wall(), "Issued");
    let clock = Clock::start();
    let began = clock.instant();
    let reads = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut sent = Vec::new();
        stream.read_to_end(&mut sent).await.unwrap_or_default();
        String::from_utf8_lossy(&sent).into_owned()
    };
    let (sent, ()) = tokio::join!(reads, traces.stop());
    assert!(clock.since(began) < Duration::from_secs(5));
    assert!(
        sent.contains("POST /v1/traces") && sent.contains("last"),
        "{sent}"
    );
}

#[tokio::test]
async fn of_a_trace_that_is_not_sampled_no_step_is_recorded() {
    let (traces, metrics, listener) = silent("0").await;
    let trace = traces.begin(object("unseen")).unwrap();
    assert!(trace.step("create_secret").is_none());
    trace.end(Clock::start().wall(), "Issued");
    traces.stop().await;
    assert_eq!(dropped(&metrics), 0);
    let came = tokio::time::timeout(Duration::from_millis(1), listener.accept());
    assert!(came.await.is_err(), "there was nothing to send");
}

#[test]
fn an_endpoint_is_the_base_of_a_collectors_urls() {
    let traces = |text: &str| {
        text.parse::<Endpoint>()
            .map(|endpoint| endpoint.of_traces())
    };
    for (text, url) in [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://c.example.com/", "https://c.example.com/v1/traces"),
        (
            "https://c.example.com/otlp",
            "https://c.example.com/otlp/v1/traces",
        ),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
    ] {
        assert_eq!(traces(text), Ok(url.to_owned()), "{text}");
    }
    for text in [
        "",
        "collector",
        "collector:4318",
        "grpc://collector:4317",
        "/v1/traces",
        "http://c?a=b",
    ] {
        assert!(traces(text).is_err(), "{text}");
    }
}
