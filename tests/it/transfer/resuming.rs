//! Downloads over what breaks: cuts, silence, busy servers, URLs that expire, objects that are replaced, and
//! servers that lie.

use std::time::Duration;

use http::StatusCode;
use presigned_testkit::S3Server;
use presigned_testkit::s3::{FaultyS3Proxy, RequestKind, S3Fault};

use super::stage::{BUCKET, Scripted, ScriptedServer, Stage, bytes, get, left, says, urls_json};
use crate::support::LONG;

const BUSY: S3Fault = S3Fault::Error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown");

async fn a_cut_download_goes_on_where_it_was_cut(s3: &S3Server) {
    let (stage, proxy) = (Stage::new(), FaultyS3Proxy::before(s3).unwrap());
    let body = bytes(1024 * 1024 + 3);
    s3.create_bucket(BUCKET).unwrap();
    // By the server itself: versitygw gives an ETag to what it was sent alone.
    let (signer, place) = (s3.signer(), s3.url(BUCKET, "a"));
    let put = signer.send(http::Method::PUT, &place, &[], body.clone());
    assert_eq!(put.await.unwrap().status(), 200);
    let url = get(s3, &proxy.endpoint, "a");
    let dest = stage.path("dest");
    proxy.inject_times(RequestKind::Get, S3Fault::TruncatedResponse, 3);
    let ran = stage.run_with(&["fetch", "-", dest.to_str().unwrap()], &url);
    assert!(
        ran.done()
            .said
            .contains("the connection was refused, or broke"),
        "{}",
        ran.said
    );
    assert!(std::fs::read(&dest).unwrap() == body);
    let ranges = proxy
        .requests()
        .iter()
        .filter(|seen| seen.headers.contains(&"range".into()))
        .count();
    let matched = proxy
        .requests()
        .iter()
        .filter(|seen| seen.headers.contains(&"if-match".into()))
        .count();
    assert_eq!((proxy.count(RequestKind::Get), ranges, matched), (4, 3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_download_from_s3s_goes_on_where_it_was_cut() {
    a_cut_download_goes_on_where_it_was_cut(&S3Server::s3s_fs().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_download_from_versitygw_goes_on_where_it_was_cut() {
    a_cut_download_goes_on_where_it_was_cut(&S3Server::versitygw().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_download_from_minio_goes_on_where_it_was_cut() {
    a_cut_download_goes_on_where_it_was_cut(&S3Server::minio().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_versions_of_an_object_are_never_mixed() {
    let s3 = S3Server::minio().await.unwrap();
    let (stage, proxy) = (Stage::new(), FaultyS3Proxy::before(&s3).unwrap());
    let (old, new) = (bytes(1024 * 1024), vec![7; 1024 * 1024 + 1]);
    s3.put_object(BUCKET, "a", &old).unwrap();
    let mount = stage.mount(&[("url", &get(&s3, &proxy.endpoint, "a"))]);
    let dest = stage.path("dest");
    proxy.inject(RequestKind::Get, BUSY);
    proxy.inject_times(RequestKind::Get, S3Fault::TruncatedResponse, 1);
    let running = stage.start(&[
        "fetch",
        mount.to_str().unwrap(),
        dest.to_str().unwrap(),
        "--retries",
        "50",
    ]);
    // Half of the old version is there.
    assert!(proxy.wait_for(RequestKind::Get, 2, LONG).await);
    s3.put_object(BUCKET, "a", &new).unwrap();
    proxy.clear_faults();
    let ran = running.end();
    assert!(ran.done().said.contains("412"), "{}", ran.said);
    assert!(std::fs::read(&dest).unwrap() == new);
}

#[test]
fn a_busy_store_is_asked_again_and_one_that_stays_busy_is_told() {
    let (s3, stage) = (S3Server::s3s_fs().unwrap(), Stage::new());
    let proxy = FaultyS3Proxy::before(&s3).unwrap();
    s3.put_object(BUCKET, "a", "a").unwrap();
    let url = get(&s3, &proxy.endpoint, "a");
    let dest = stage.path("dest");
    let to = dest.to_str().unwrap();
    proxy.inject_times(None, BUSY, 1);
    proxy.inject_times(
        None,
        S3Fault::Error(StatusCode::TOO_MANY_REQUESTS, "SlowDown"),
        1,
    );
    proxy.inject_times(None, S3Fault::Cut, 1);
    let ran = stage.run_with(&["fetch", "-", to], &url);
    for words in ["503 SlowDown", "429 SlowDown", "broke"] {
        assert!(ran.done().said.contains(words), "{}", ran.said);
    }
    assert_eq!(proxy.count(RequestKind::Get), 4);
    proxy.inject(None, BUSY);
    proxy.forget_requests();
    let ran = stage.run_with(&["fetch", "-", to, "--retries", "2"], &url);
    ran.failed(5, &["503 SlowDown", "(3 times)"]);
    assert_eq!(proxy.count(RequestKind::Get), 3);
    // What was there before stays.
    assert_eq!(std::fs::read(&dest).unwrap(), b"a");
}

#[test]
fn a_server_that_falls_silent_is_left_and_asked_again() {
    let (s3, stage) = (S3Server::s3s_fs().unwrap(), Stage::new());
    let proxy = FaultyS3Proxy::before(&s3).unwrap();
    s3.put_object(BUCKET, "a", "a").unwrap();
    let dest = stage.path("dest");
    proxy.inject_times(None, S3Fault::Hang, 1);
    let url = get(&s3, &proxy.endpoint, "a");
    let ran = stage.run_with(
        &["fetch", "-", dest.to_str().unwrap(), "--timeout", "1s"],
        &url,
    );
    assert!(
        ran.done().said.contains("said nothing for 1 s"),
        "{}",
        ran.said
    );

    // In the middle of the body, too.
    let mut silent = says("200 OK\ncontent-length: 8\netag: \"1\"", b"half");
    silent.stays = true;
    let rest = says(
        "206 Partial Content\ncontent-range: bytes 4-7/8\ncontent-length: 4\netag: \"1\"",
        b"done",
    );
    let server = ScriptedServer::new(vec![silent, rest]);
    let url = format!("{}/data/a?X-Amz-Signature=1", server.endpoint);
    stage
        .run_with(
            &["fetch", "-", dest.to_str().unwrap(), "--timeout", "1s"],
            &url,
        )
        .done();
    assert_eq!(std::fs::read(&dest).unwrap(), b"halfdone");
    let asked = server.asked();
    assert!(
        asked[1].contains("range: bytes=4-") && asked[1].contains("if-match: \"1\""),
        "{asked:?}"
    );
}

#[test]
fn a_url_that_is_renewed_meanwhile_is_read_again() {
    let (s3, stage) = (S3Server::s3s_fs().unwrap(), Stage::new());
    let keys = ["in/a", "in/b", "in/c", "in/d"];
    for key in keys {
        s3.put_object(BUCKET, key, key).unwrap();
    }
    // The store's key is rotated: what the old one signed dies.
    let json = urls_json(&s3, &s3.endpoint, &keys);
    let mount = stage.mount(&[("urls.json", &json), ("method", "GET")]);
    let dest = stage.path("dest");
    s3.add_credentials("SECOND", "second-secret").unwrap();
    s3.remove_credentials(&s3.access_key).unwrap();
    let fetch = ["fetch", mount.to_str().unwrap(), dest.to_str().unwrap()];
    stage.run(&fetch).failed(4, &["answered 403"]);
    // The first refusal ends that one, however many of its requests were sent by then.
    let before = s3.requests().unwrap().len();
    let running = stage.start(&[&fetch[..], &["--wait", "90s"]].concat());
    // It was refused, and waits.
    let deadline = std::time::Instant::now() + LONG;
    while s3.requests().unwrap().len() < before + keys.len() {
        assert!(std::time::Instant::now() < deadline, "no request");
        std::thread::sleep(Duration::from_millis(20));
    }
    let second = s3.signer_of(presigned_testkit::s3::client::Keys {
        access_key: "SECOND".into(),
        secret_key: "second-secret".into(),
        token: None,
    });
    let entries: Vec<_> = keys
        .iter()
        .map(|key| {
            let url = second.presign(
                &http::Method::GET,
                &s3.url(BUCKET, key),
                &[],
                Duration::from_mins(5),
            );
            serde_json::json!({ "key": key, "url": url.unwrap().to_string() })
        })
        .collect();
    let json = serde_json::to_string(&entries).unwrap();
    stage.remount(&mount, &[("urls.json", &json), ("method", "GET")]);
    let ran = running.end();
    assert!(
        ran.done().said.contains("goes on with a renewed URL"),
        "{}",
        ran.said
    );
    assert_eq!(left(&dest).len(), keys.len());
}

#[test]
fn a_server_that_lies_about_length_range_or_version_writes_no_file() {
    let stage = Stage::new();
    let first = says("200 OK\ncontent-length: 10\netag: \"1\"", b"12345");
    let going_on = |head: &str| says(&format!("206 Partial Content\n{head}"), b"67890");
    let lies: [(&str, Vec<Scripted>); 8] = [
        (
            "too short for ever",
            vec![says("200 OK\ncontent-length: 10", b"12345")],
        ),
        (
            "no length, and nothing else to compare with",
            vec![says("200 OK\netag: \"1\"", b"12345")],
        ),
        (
            "chunks without an end",
            vec![says(
                "200 OK\ntransfer-encoding: chunked",
                b"5\r\n12345\r\n",
            )],
        ),
        (
            "no content",
            vec![
                first.clone(),
                says(
                    "206 Partial Content\ncontent-range: bytes 5-9/10\ncontent-length: 5\netag: \"1\"",
                    b"",
                ),
            ],
        ),
        (
            "another range",
            vec![
                first.clone(),
                going_on("content-range: bytes 0-4/10\ncontent-length: 5\netag: \"1\""),
            ],
        ),
        (
            "another version",
            vec![
                first.clone(),
                going_on("content-range: bytes 5-9/10\ncontent-length: 5\netag: \"2\""),
            ],
        ),
        (
            "another length",
            vec![
                first.clone(),
                going_on("content-range: bytes 5-10/11\ncontent-length: 6\netag: \"1\""),
            ],
        ),
        (
            "another checksum",
            vec![says(
                "200 OK\ncontent-length: 5\nx-amz-checksum-crc32: AAAAAA==",
                b"12345",
            )],
        ),
    ];
    for (lie, script) in lies {
        let server = ScriptedServer::new(script);
        let url = format!("{}/data/a?X-Amz-Signature=1", server.endpoint);
        let dest = stage.empty("dest");
        let to = dest.join("a");
        let ran = stage.run_with(
            &["fetch", "-", to.to_str().unwrap(), "--retries", "2"],
            &url,
        );
        assert_eq!(ran.code, 5, "{lie}: {}", ran.said);
        assert!(left(&dest).is_empty(), "{lie}: {:?}", left(&dest));
    }
    without_a_length(&stage);
    // A list that says another size for the same version.
    let server = ScriptedServer::new(vec![says(
        "200 OK\ncontent-length: 5\netag: \"1\"",
        b"12345",
    )]);
    let json = format!(
        r#"[{{"key":"a","url":"{}/a?X-Amz-Signature=1","size":6,"etag":"1"}}]"#,
        server.endpoint
    );
    let mount = stage.mount(&[("urls.json", &json)]);
    let dest = stage.path("dest");
    let to = [
        "fetch",
        mount.to_str().unwrap(),
        dest.to_str().unwrap(),
        "--retries",
        "0",
    ];
    stage
        .run(&to)
        .failed(5, &["announced 5 bytes", "listed with 6"]);
    // Another version has another size, rightly; the checksum that comes with it is compared.
    let newer = "200 OK\ncontent-length: 5\netag: \"2\"\nx-amz-checksum-crc32: y/U6HA==";
    let server = ScriptedServer::new(vec![says(newer, b"12345")]);
    let json = format!(
        r#"[{{"key":"a","url":"{}/a?X-Amz-Signature=1","size":6,"etag":"1"}}]"#,
        server.endpoint
    );
    stage.remount(&mount, &[("urls.json", &json)]);
    stage.run(&to).done();
    assert_eq!(left(&dest)["a"], b"12345");
}

/// An answer without a length is whole if something else says so: its chunks, its checksum, or the list.
fn without_a_length(stage: &Stage) {
    let fetch = |answer: &str, body: &[u8], size: Option<u64>| {
        let server = ScriptedServer::new(vec![says(answer, body)]);
        let url = format!("{}/a?X-Amz-Signature=1", server.endpoint);
        let entry = serde_json::json!([{ "key": "a", "url": url, "size": size, "etag": "1" }]);
        let mount = stage.mount(&[("urls.json", &entry.to_string())]);
        let dest = stage.path("dest");
        let (from, to) = (mount.to_str().unwrap(), dest.to_str().unwrap());
        let ran = stage.run(&["fetch", from, to, "--retries", "1"]);
        (ran, left(&dest))
    };
    let bare = "200 OK\netag: \"1\"";
    for (answer, body, size) in [
        (
            "200 OK\ntransfer-encoding: chunked",
            &b"5\r\n12345\r\n0\r\n\r\n"[..],
            None,
        ),
        ("200 OK\nx-amz-checksum-crc32: y/U6HA==", b"12345", None),
        (bare, b"12345", Some(5)),
    ] {
        let (ran, files) = fetch(answer, body, size);
        ran.done();
        assert_eq!(files["a"], b"12345", "{answer}");
    }
    let another_version = "200 OK\netag: \"2\"";
    for (answer, body, size, said) in [
        (bare, &b"1234"[..], Some(5), "sent 4 bytes"),
        (bare, b"12345", None, "nobody can say whether it is whole"),
        (
            another_version,
            b"12345",
            Some(5),
            "nobody can say whether it is whole",
        ),
    ] {
        let (ran, files) = fetch(answer, body, size);
        ran.failed(5, &[said]);
        assert!(files.is_empty(), "{answer}: {files:?}");
    }
}

#[test]
fn a_signal_in_the_middle_leaves_nothing() {
    let stage = Stage::new();
    let mut half = says("200 OK\ncontent-length: 8\netag: \"1\"", b"half");
    half.stays = true;
    let server = ScriptedServer::new(vec![half]);
    let mount = stage.mount(&[(
        "url",
        &format!("{}/data/a?X-Amz-Signature=1", server.endpoint),
    )]);
    let dest = stage.empty("dest");
    let running = stage.start(&[
        "fetch",
        mount.to_str().unwrap(),
        &format!("{}/", dest.display()),
    ]);
    let deadline = std::time::Instant::now() + LONG;
    while left(&dest).values().all(|bytes| bytes != b"half") {
        assert!(
            std::time::Instant::now() < deadline,
            "nothing arrives: {:?}",
            left(&dest)
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    rustix::process::kill_process(running.pid(), rustix::process::Signal::TERM).unwrap();
    running.end().failed(7, &["nothing half-written was kept"]);
    assert!(left(&dest).is_empty(), "{:?}", left(&dest));
}
