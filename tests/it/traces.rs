//! Traces: what a collector gets of an issue, and that a collector that fails costs nobody anything.

use std::time::{Duration, Instant};

use presigned_testkit::S3Server;
use presigned_testkit::otlp::{Collector, Mood, Span};
use serde_json::json;

use crate::support::{World, eventually, leaks};

/// The spans of the traces of a resource, by their start.
fn of(collector: &Collector, name: &str) -> Vec<Span> {
    let mut spans = collector.spans();
    spans.retain(|span| span.attribute("presigned.name") == Some(name));
    spans.sort_by_key(|span| span.start);
    spans
}

/// How many spans were dropped, as the metrics say.
async fn dropped(operator: &crate::support::Operator) -> u64 {
    let text = operator.get("/metrics").await.text();
    let mut lines = text.lines();
    let number = lines.find_map(|line| line.strip_prefix("presigned_spans_dropped_total "));
    number.expect("the metric").parse().expect("a number")
}

#[tokio::test]
async fn an_issue_is_one_trace_with_a_span_for_each_step_and_no_secret_in_it() {
    let s3 = S3Server::s3s_fs().unwrap();
    let collector = Collector::start(Mood::Takes).unwrap();
    let world = World::on("traced", &s3).await;
    let endpoint = format!("--otlp-endpoint={}", collector.url());
    let env = ["OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20of-the-collector"];
    let mut operator = world.launch(None, &env, &[&endpoint]).await;
    operator.ready().await;
    let key = json!({ "key": "folder/object-of-nobody-else" });
    world.psu("told", &key).await;
    world.ready("told").await;
    operator.idle().await;
    // What waits to be sent with others is sent before the end.
    operator.ask_to_stop();
    assert_eq!(operator.ended().await, Some(0));

    let spans = of(&collector, "told");
    let writes = spans.iter().position(|span| span.name == "create_secret");
    let write = &spans[writes.expect("the Secret is written in a span")];
    let trace: Vec<&Span> = spans
        .iter()
        .filter(|span| span.trace == write.trace)
        .collect();
    let root = trace.iter().find(|span| span.parent.is_empty());
    let root = root.expect("the trace has a root");
    assert_eq!(root.name, "reconcile PresignedURL");
    assert_eq!(root.attribute("presigned.outcome"), Some("Issued"));
    let steps: Vec<&str> = trace
        .iter()
        .filter(|span| !span.parent.is_empty())
        .map(|span| span.name.as_str())
        .collect();
    let order = |name| steps.iter().position(|step| *step == name);
    let (secret, status) = (order("create_secret"), order("write_status"));
    assert!(secret.is_some() && secret < status, "{steps:?}");
    for span in &trace {
        let step = span.attribute("presigned.step");
        if span.parent.is_empty() {
            assert_eq!(step, None);
        } else {
            assert_eq!(span.parent, root.id, "{span:#?}");
            assert_eq!(step, Some(span.name.as_str()));
            assert_eq!(span.attribute("presigned.outcome"), Some("ok"), "{span:#?}");
        }
        assert!(!span.failed, "{span:#?}");
        assert!(root.start <= span.start && span.start <= span.end && span.end <= root.end);
        assert_eq!(span.attribute("presigned.kind"), Some("PresignedURL"));
        assert_eq!(span.attribute("presigned.namespace"), Some(&*world.tenant));
        assert_eq!(span.attribute("presigned.store"), Some(&*world.name));
        let resource = |name: &str| {
            let mut found = span.resource.iter().filter(|(key, _)| key == name);
            found.next().map(|(_, value)| value.as_str())
        };
        assert_eq!(resource("service.name"), Some("presigned-url-operator"));
        assert_eq!(resource("k8s.namespace.name"), Some(&*world.system));
        assert_eq!(resource("service.instance.id"), Some(&*world.name));
    }
    let store = of(&collector, &world.name);
    let of_store = |span: &&Span| span.attribute("presigned.kind") == Some("ClusterObjectStore");
    let store: Vec<&Span> = store.iter().filter(of_store).collect();
    assert!(
        store.iter().any(|span| span.name == "fetch_credentials"),
        "{store:#?}"
    );

    let heard = collector.heard();
    assert!(
        heard.contains("told") && heard.contains("Bearer of-the-collector"),
        "{heard}"
    );
    let words = world.secrets_seen.words();
    assert!(words.contains(&s3.secret_key));
    assert_eq!(leaks(&heard, &words), Vec::<String>::new());
    assert!(!heard.contains("nobody-else"), "{heard}");
    world.finish().await;
}

#[tokio::test]
async fn a_step_that_fails_marks_its_span_and_its_trace() {
    let s3 = S3Server::s3s_fs().unwrap();
    let collector = Collector::start(Mood::Takes).unwrap();
    let world = World::new("untraced-store").await;
    world.store(&s3, &json!({})).await;
    world.policy(&json!([world.rule(&json!({}))])).await;
    let endpoint = format!("--otlp-endpoint={}", collector.url());
    let operator = world.operator(&[&endpoint]).await;
    world.psu("lost", &json!({})).await;
    world.unready("lost", "CredentialsNotFound").await;
    operator.ask_to_stop();
    assert_eq!(operator.ended().await, Some(0));
    let spans = of(&collector, &world.name);
    let fetch = spans.iter().find(|span| span.name == "fetch_credentials");
    let fetch = fetch.expect("credentials were asked for");
    assert_eq!(
        fetch.attribute("presigned.outcome"),
        Some("CredentialsNotFound")
    );
    assert!(fetch.failed);
    let root = spans.iter().find(|span| span.id == fetch.parent);
    assert!(root.expect("the root").failed);
    let roots = of(&collector, "lost");
    let told = |span: &Span| span.attribute("presigned.outcome") == Some("CredentialsNotFound");
    assert!(roots.iter().any(told), "{roots:#?}");
    world.finish().await;
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_up_nothing() {
    let s3 = S3Server::s3s_fs().unwrap();
    let collector = Collector::start(Mood::Silent).unwrap();
    let world = World::on("silent", &s3).await;
    let endpoint = format!("--otlp-endpoint={}", collector.url());
    let operator = world.operator(&[&endpoint]).await;
    world.psu("first", &json!({})).await;
    world.ready("first").await;
    eventually("the collector is asked", async || {
        if collector.requests() > 0 {
            Ok(())
        } else {
            Err("not yet")
        }
    })
    .await;
    // A batch is on its way, and nobody answers.
    world.psu("second", &json!({})).await;
    world.ready("second").await;
    let asked = Instant::now();
    operator.ask_to_stop();
    assert_eq!(operator.ended().await, Some(0));
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?} to stop");
    assert_eq!(collector.spans(), []);
    world.finish().await;
}

#[tokio::test]
async fn what_a_collector_refuses_is_dropped_counted_and_logged_once() {
    let s3 = S3Server::s3s_fs().unwrap();
    let collector = Collector::start(Mood::Refuses).unwrap();
    let world = World::on("refused", &s3).await;
    let endpoint = format!("--otlp-endpoint={}", collector.url());
    let operator = world.operator(&[&endpoint]).await;
    for (turn, name) in ["first", "second"].into_iter().enumerate() {
        world.psu(name, &json!({})).await;
        world.ready(name).await;
        eventually("another batch is refused", async || {
            if collector.requests() > turn {
                Ok(())
            } else {
                Err("not yet")
            }
        })
        .await;
    }
    let lost = eventually("they are counted", async || {
        let lost = dropped(&operator).await;
        if lost > 0 { Ok(lost) } else { Err(lost) }
    })
    .await;
    let line =
        "the collector of traces takes no spans, and they are dropped: it answered with status 503";
    assert_eq!(operator.log().matches(line).count(), 1);
    collector.set(Mood::Takes);
    world.psu("third", &json!({})).await;
    world.ready("third").await;
    eventually("it takes spans again", async || {
        let known = operator
            .log()
            .contains("the collector of traces takes spans again");
        if known { Ok(()) } else { Err("not yet") }
    })
    .await;
    assert!(!of(&collector, "third").is_empty() && dropped(&operator).await >= lost);
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn without_the_flag_nothing_is_sent_whatever_the_environment_says() {
    let s3 = S3Server::s3s_fs().unwrap();
    let collector = Collector::start(Mood::Takes).unwrap();
    let world = World::on("untraced", &s3).await;
    let env = [
        format!("OTEL_EXPORTER_OTLP_ENDPOINT={}", collector.url()),
        "OTEL_TRACES_EXPORTER=otlp".to_owned(),
    ];
    let env: Vec<&str> = env.iter().map(String::as_str).collect();
    let mut operator = world.launch(None, &env, &[]).await;
    operator.ready().await;
    world.psu("quiet", &json!({})).await;
    world.ready("quiet").await;
    operator.idle().await;
    operator.ask_to_stop();
    assert_eq!(operator.ended().await, Some(0));
    assert_eq!(collector.requests(), 0);
    world.finish().await;
}
