//! A folder that is kept in step with a Secret.

use std::path::Path;
use std::time::Duration;

use presigned_testkit::S3Server;
use presigned_testkit::s3::{FaultyS3Proxy, RequestKind};
use serde_json::json;

use super::stage::{BUCKET, Stage, get, left};
use crate::support::LONG;

/// Waits until the folder is as `wanted` says.
fn until(
    folder: &Path,
    what: &str,
    wanted: impl Fn(&std::collections::BTreeMap<String, Vec<u8>>) -> bool,
) {
    let deadline = std::time::Instant::now() + LONG;
    while !wanted(&left(folder)) {
        assert!(
            std::time::Instant::now() < deadline,
            "{what}: {:?}",
            left(folder)
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// `urls.json` with these versions.
fn list(s3: &S3Server, objects: &[(&str, &str)]) -> String {
    let entries = objects
        .iter()
        .map(|(key, etag)| json!({ "key": key, "url": get(s3, &s3.endpoint, key), "etag": etag }));
    serde_json::to_string(&entries.collect::<Vec<_>>()).unwrap()
}

#[test]
fn a_watch_fetches_what_is_new_or_changed_and_keeps_or_removes_what_is_gone() {
    for delete in [false, true] {
        let (s3, stage) = (S3Server::s3s_fs().unwrap(), Stage::new());
        s3.put_object(BUCKET, "a", "a1").unwrap();
        s3.put_object(BUCKET, "b", "b1").unwrap();
        let mount = stage.mount(&[("urls.json", &list(&s3, &[("a", "1")]))]);
        let dest = stage.path("dest");
        let mut arguments = vec![
            "fetch",
            mount.to_str().unwrap(),
            dest.to_str().unwrap(),
            "--watch",
            "--every",
            "1s",
        ];
        arguments.extend(delete.then_some("--delete"));
        let running = stage.start(&arguments);
        until(&dest, "the first round", |files| {
            files.get("a").is_some_and(|a| a == b"a1")
        });
        // A file that somebody else put there is never touched.
        std::fs::write(dest.join("mine"), "mine").unwrap();
        stage.remount(
            &mount,
            &[("urls.json", &list(&s3, &[("a", "1"), ("b", "1")]))],
        );
        until(&dest, "a new object", |files| {
            files.get("b").is_some_and(|b| b == b"b1")
        });
        // A list that is cut off for a moment changes nothing.
        stage.remount(&mount, &[("urls.json", "[{\"key\":")]);
        s3.put_object(BUCKET, "a", "a2").unwrap();
        stage.remount(
            &mount,
            &[("urls.json", &list(&s3, &[("a", "2"), ("b", "1")]))],
        );
        until(&dest, "another version", |files| {
            files.get("a").is_some_and(|a| a == b"a2")
        });
        stage.remount(
            &mount,
            &[("urls.json", &list(&s3, &[("a", "2"), ("c", "1")]))],
        );
        s3.put_object(BUCKET, "c", "c1").unwrap();
        until(&dest, "an object after it", |files| files.contains_key("c"));
        assert_eq!(left(&dest).contains_key("b"), !delete);
        assert_eq!(left(&dest)["mine"], b"mine");
        let asked = s3.requests().unwrap();
        let of_b = asked.iter().filter(|one| one.path == "/data/b").count();
        assert_eq!(of_b, 1, "an object that did not change is fetched once");
        rustix::process::kill_process(running.pid(), rustix::process::Signal::TERM).unwrap();
        running.end().done();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_of_one_url_asks_at_each_renewal_whether_the_object_changed() {
    // s3s-fs answers 200 to If-None-Match.
    let (s3, stage) = (S3Server::minio().await.unwrap(), Stage::new());
    let proxy = FaultyS3Proxy::before(&s3).unwrap();
    s3.put_object(BUCKET, "a", "a1").unwrap();
    // Another life is another signature.
    let renewed = |seconds| {
        let url = s3
            .url(BUCKET, "a")
            .replacen(&s3.endpoint, &proxy.endpoint, 1);
        let life = Duration::from_secs(seconds);
        let url = s3.signer().presign(&http::Method::GET, &url, &[], life);
        url.unwrap().to_string()
    };
    let mount = stage.mount(&[("url", &renewed(600))]);
    let dest = stage.empty("dest");
    let (from, to) = (mount.to_str().unwrap(), dest.to_str().unwrap());
    let running = stage.start(&["fetch", from, to, "--watch", "--every", "1s"]);
    until(&dest, "the first round", |files| files.contains_key("a"));
    stage.remount(&mount, &[("url", &renewed(601))]);
    assert!(
        proxy.wait_for(RequestKind::Get, 2, LONG).await,
        "nobody asks"
    );
    s3.put_object(BUCKET, "a", "a2").unwrap();
    stage.remount(&mount, &[("url", &renewed(602))]);
    until(&dest, "the new version", |files| {
        files.get("a").is_some_and(|a| a == b"a2")
    });
    let conditional = "if-none-match".to_owned();
    let asked = proxy.requests();
    let asks: Vec<bool> = asked
        .iter()
        .map(|one| one.headers.contains(&conditional))
        .collect();
    assert_eq!(asks, [false, true, true]);
    rustix::process::kill_process(running.pid(), rustix::process::Signal::TERM).unwrap();
    let ran = running.end();
    let fetched = ran.done().said.matches(&format!("fetched {to}/a")).count();
    assert_eq!(fetched, 2, "what did not change was fetched: {}", ran.said);
}
