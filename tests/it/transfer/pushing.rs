//! Uploads by PUT and by form: what the Secret says is sent as it stands, and what breaks is sent anew.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use presigned_core::api::{AddressingStyle, ContentLengthRange, Method, PostOptions, PutOptions};
use presigned_core::issue::{Content, FormContent, Template, render, render_form};
use presigned_core::request::{Bucket, Key, Options, Prefix};
use presigned_core::signing::{
    Credentials, Endpoint, FormKey, FormOperation, Operation, Target, presign, sign_form,
};
use presigned_testkit::S3Server;
use presigned_testkit::s3::{FaultyS3Proxy, RequestKind, S3Fault};

use super::stage::{BUCKET, ScriptedServer, Stage, bytes, get, says, signed};

const LIFE: Duration = Duration::from_mins(10);

type Files = BTreeMap<String, String>;

/// The operator's own signer and renderer, at an endpoint.
fn secret_for_put(s3: &S3Server, endpoint: &str, key: &str, options: PutOptions) -> Files {
    let (target, credentials, now) = signing(s3, endpoint);
    let options = Options::Put(options);
    let operation = Operation {
        bucket: &Bucket::parse(BUCKET).unwrap(),
        key: &Key::parse(key).unwrap(),
        options: &options,
    };
    let signed = presign(&operation, &target, &credentials, now, LIFE).unwrap();
    let content = Content {
        name: "upload",
        method: Method::Put,
        url: signed.url.expose(),
        head_url: None,
        headers: &signed.headers,
        expires_at: now,
        ca_bundle: None,
        template: &Template::default(),
    };
    texts(render(&content).unwrap())
}

fn secret_for_form(s3: &S3Server, endpoint: &str, key: &str, options: &PostOptions) -> Files {
    let (target, credentials, now) = signing(s3, endpoint);
    let (prefix, exact) = (
        Prefix::parse("in/").unwrap(),
        Key::parse("in/one.bin").unwrap(),
    );
    let operation = FormOperation {
        bucket: &Bucket::parse(BUCKET).unwrap(),
        key: if key.ends_with('/') {
            FormKey::Under(&prefix)
        } else {
            FormKey::Exactly(&exact)
        },
        options,
    };
    let form = sign_form(&operation, &target, &credentials, now, LIFE).unwrap();
    let content = FormContent {
        name: "upload",
        form: &form,
        expires_at: now,
        ca_bundle: None,
        template: &Template::default(),
    };
    texts(render_form(&content).unwrap())
}

fn signing(s3: &S3Server, endpoint: &str) -> (Target, Credentials, Timestamp) {
    let endpoint = Endpoint::parse(endpoint).unwrap();
    let bucket = Bucket::parse(BUCKET).unwrap();
    let target = Target::resolve(Some(&endpoint), &s3.region, AddressingStyle::Path, &bucket);
    let credentials = Credentials {
        access_key_id: s3.access_key.clone(),
        secret_access_key: s3.secret_key.clone().into(),
        session_token: None,
        expires_at: None,
    };
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    (target.unwrap(), credentials, now)
}

fn texts(secret: presigned_core::issue::SecretContent) -> Files {
    let data = secret.data.into_iter();
    data.map(|(name, bytes)| (name, String::from_utf8(bytes.expose().to_vec()).unwrap()))
        .collect()
}

fn mounted(stage: &Stage, files: &Files) -> String {
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (&**name, &**text))
        .collect();
    stage.mount(&files).to_str().unwrap().to_owned()
}

fn file(stage: &Stage, name: &str, bytes: &[u8]) -> String {
    let file = stage.empty("files").join(name);
    std::fs::write(&file, bytes).unwrap();
    file.to_str().unwrap().to_owned()
}

fn sizes(max: u64) -> PostOptions {
    let range = ContentLengthRange {
        max,
        ..ContentLengthRange::default()
    };
    PostOptions {
        content_length_range: Some(range),
        ..PostOptions::default()
    }
}

fn a_file_is_stored_by_put_and_by_form(s3: &S3Server) {
    let stage = Stage::new();
    s3.create_bucket(BUCKET).unwrap();
    let body = bytes(2 * 1024 * 1024 + 11);
    let whole = file(&stage, "a b.bin", &body);

    // Signed for this length and with metadata, which are sent as the Secret says.
    let options = PutOptions {
        content_length: Some(body.len() as u64),
        content_type: Some("application/x-model".to_owned()),
        metadata: Some([("owner".to_owned(), "team a".to_owned())].into()),
        ..PutOptions::default()
    };
    let put = secret_for_put(s3, &s3.endpoint, "out/a.bin", options);
    let ran = stage.run(&["push", &whole, &mounted(&stage, &put)]);
    assert!(
        ran.done().said.contains("pushed 1 object, 2.0 MiB in"),
        "{}",
        ran.said
    );
    assert!(s3.object_bytes(BUCKET, "out/a.bin").unwrap().unwrap() == body);
    let short = file(&stage, "short", b"short");
    let ran = stage.run(&["push", &short, &mounted(&stage, &put)]);
    ran.failed(
        2,
        &[
            "has 5 bytes",
            &format!("signed for {}", body.len()),
            "put.contentLength",
        ],
    );

    // A form for one key, and one for what is below a prefix: each file under its name.
    let one = secret_for_form(s3, &s3.endpoint, "in/one.bin", &sizes(4 << 20));
    stage
        .run(&["push", "--quiet", &whole, &mounted(&stage, &one)])
        .done();
    assert!(s3.object_bytes(BUCKET, "in/one.bin").unwrap().unwrap() == body);
    let any = secret_for_form(s3, &s3.endpoint, "in/", &sizes(4 << 20));
    let empty = file(&stage, "empty.bin", b"");
    stage
        .run(&["push", &whole, &empty, &mounted(&stage, &any)])
        .done();
    assert!(s3.object_bytes(BUCKET, "in/a b.bin").unwrap().unwrap() == body);
    assert_eq!(
        s3.object_bytes(BUCKET, "in/empty.bin").unwrap().unwrap(),
        b""
    );
    // What the form does not allow is refused, and the message is S3's.
    let small = secret_for_form(s3, &s3.endpoint, "in/", &sizes(16));
    let other = file(&stage, "large.bin", &bytes(64));
    let ran = stage.run(&["push", &other, &mounted(&stage, &small)]);
    ran.failed(4, &["answered 4"]);
    assert_eq!(s3.object_bytes(BUCKET, "in/large.bin").unwrap(), None);
}

#[test]
fn a_file_is_stored_by_put_and_by_form_on_s3s() {
    a_file_is_stored_by_put_and_by_form(&S3Server::s3s_fs().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_stored_by_put_and_by_form_on_versitygw() {
    a_file_is_stored_by_put_and_by_form(&S3Server::versitygw().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_stored_by_put_and_by_form_on_minio() {
    a_file_is_stored_by_put_and_by_form(&S3Server::minio().await.unwrap());
}

#[test]
fn many_files_are_stored_under_the_keys_that_they_are_called() {
    let (s3, stage) = (S3Server::s3s_fs().unwrap(), Stage::new());
    s3.create_bucket(BUCKET).unwrap();
    let keys = ["logs/a.txt", "logs/deep/b.txt", "c"];
    let entries = keys.map(|key| {
        let url = signed(&s3, &s3.endpoint, &http::Method::PUT, key);
        serde_json::json!({ "key": key, "url": url })
    });
    let json = serde_json::to_string(&entries).unwrap();
    let mount = stage.mount(&[("urls.json", &json), ("method", "PUT")]);
    let mount = mount.to_str().unwrap();
    let folder = stage.empty("bundle");
    for key in keys {
        std::fs::create_dir_all(folder.join(key).parent().unwrap()).unwrap();
        std::fs::write(folder.join(key), key).unwrap();
    }
    stage.run(&["push", folder.to_str().unwrap(), mount]).done();
    for key in keys {
        assert_eq!(
            s3.object_bytes(BUCKET, key).unwrap().unwrap(),
            key.as_bytes()
        );
    }
    let again = file(&stage, "b.txt", b"again");
    stage.run(&["push", &again, mount]).done();
    assert_eq!(
        s3.object_bytes(BUCKET, "logs/deep/b.txt").unwrap().unwrap(),
        b"again"
    );
    stage.run(&["push", &again, mount, "--key", "c"]).done();
    assert_eq!(s3.object_bytes(BUCKET, "c").unwrap().unwrap(), b"again");
    let stranger = file(&stage, "stranger", b"x");
    stage
        .run(&["push", &stranger, mount])
        .failed(2, &["has no key \"stranger\""]);
}

#[test]
fn an_upload_that_breaks_is_sent_anew() {
    let (s3, stage) = (S3Server::s3s_fs().unwrap(), Stage::new());
    s3.create_bucket(BUCKET).unwrap();
    let proxy = FaultyS3Proxy::before(&s3).unwrap();
    let body = bytes(1024 * 1024);
    let whole = file(&stage, "a", &body);
    let busy = S3Fault::Error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown");
    let put = secret_for_put(&s3, &proxy.endpoint, "a", PutOptions::default());
    let form = secret_for_form(&s3, &proxy.endpoint, "in/one.bin", &sizes(1 << 20));
    for (secret, kind, key) in [
        (put, RequestKind::Put, "a"),
        (form, RequestKind::Form, "in/one.bin"),
    ] {
        proxy.inject_times(kind, busy.clone(), 1);
        proxy.inject_times(kind, S3Fault::Cut, 1);
        let ran = stage.run(&["push", &whole, &mounted(&stage, &secret)]);
        assert!(ran.done().said.contains("trying again"), "{}", ran.said);
        assert!(
            s3.object_bytes(BUCKET, key).unwrap().unwrap() == body,
            "{key}"
        );
        assert_eq!(proxy.count(kind), 3, "{key}");
    }
}

#[test]
fn what_cannot_be_pushed_says_what_to_do_and_sends_nothing() {
    let (s3, stage) = (S3Server::s3s_fs().unwrap(), Stage::new());
    s3.put_object(BUCKET, "a", "a").unwrap();
    let whole = file(&stage, "a", b"bytes");
    let reading = get(&s3, &s3.endpoint, "a");
    let for_get = stage.mount(&[("url", &reading), ("method", "GET")]);
    let for_get = for_get.to_str().unwrap();
    stage
        .run(&["push", &whole, for_get])
        .failed(2, &["is for GET", "fetch"]);
    let url = signed(&s3, &s3.endpoint, &http::Method::PUT, "a");
    let for_put = stage.mount(&[("url", &url), ("method", "PUT")]);
    let for_put = for_put.to_str().unwrap();
    stage
        .run(&["push", "/nowhere/file", for_put])
        .failed(6, &["/nowhere/file"]);
    stage
        .run(&["push", "/dev/null", for_put])
        .failed(2, &["no file whose length is known"]);
    let two = file(&stage, "b", b"bytes");
    stage
        .run(&["push", &whole, &two, for_put])
        .failed(2, &["would become one object"]);
    let cut = stage.mount(&[
        ("url", &url),
        ("method", "POST"),
        ("fields.json", "{\"key\":"),
    ]);
    stage
        .run(&["push", &whole, cut.to_str().unwrap()])
        .failed(3, &["cut off"]);
    assert!(s3.requests().unwrap().is_empty(), "something was sent");
    // A URL that is not for this, from standard input: nothing of its query is shown.
    let ran = stage.run_with(&["push", &whole, "-"], &reading);
    ran.failed(4, &["answered 403"]);
    assert_eq!(s3.object_bytes(BUCKET, "a").unwrap().unwrap(), b"a");
}

#[test]
fn what_is_sent_is_the_secrets_headers_and_the_forms_order() {
    let stage = Stage::new();
    let server = ScriptedServer::new(vec![says("200 OK\ncontent-length: 0", b"")]);
    let whole = file(&stage, "a", b"");
    let url = format!("{}/data/a?X-Amz-Signature=1", server.endpoint);
    let headers = "Content-Length: 0\nx-amz-meta-b: 2\nIf-None-Match: *\nx-amz-meta-a: 1\n";
    let mount = stage.mount(&[("url", &url), ("method", "PUT"), ("headers", headers)]);
    let mount = mount.to_str().unwrap();
    stage
        .run(&["push", &whole, mount, "--content-type", "text/x"])
        .done();
    let sent = &server.asked()[0];
    for line in [
        "put /data/a?",
        "content-length: 0\r\n",
        "x-amz-meta-b: 2\r\n",
        "if-none-match: *\r\n",
        "content-type: text/x\r\n",
    ] {
        assert!(sent.contains(line), "{line} in {sent}");
    }
    assert!(
        !sent.contains("transfer-encoding") && !sent.contains("expect"),
        "{sent}"
    );
}
