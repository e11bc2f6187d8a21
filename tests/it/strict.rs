//! All that the product does, on stores that refuse what AWS S3 refuses.
//!
//! What holds here: nothing that the product sends, or gives to others to send, is refused by such a store.
//! What a test sends to be refused is named, and nothing else is.

use std::path::Path;
use std::time::Duration;

use presigned_core::api::PresignedUrl;
use presigned_testkit::S3Server;
use presigned_testkit::s3::{FaultyS3Proxy, Refusal, RequestKind, S3Fault, StrictS3};
use serde_json::{Value, json};

use crate::plugin::Person;
use crate::plugin::alone::Caller;
use crate::support::{
    LONG, Operator, World, condition, curl, eventually, files_below, http, program, run, says,
    store_says,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_presigned-url-operator");

/// A server, what is strict before it, and an operator whose store is at the strict address.
struct Scene {
    s3: S3Server,
    strict: StrictS3,
    world: World,
    operator: Operator,
}

impl Scene {
    async fn on(short: &str, s3: S3Server) -> Self {
        let strict = StrictS3::before(&s3).expect("a proxy");
        let world = World::on(short, &s3).await;
        let store = json!({ "endpoint": strict.endpoint });
        world.store(&s3, &store).await;
        world.allow_all(&json!({})).await;
        let operator = world.operator(&[]).await;
        Self {
            s3,
            strict,
            world,
            operator,
        }
    }

    /// Makes a resource, waits, and mounts its Secret.
    async fn issued(&self, name: &str, spec: Value) -> std::path::PathBuf {
        self.world.psu(name, &spec).await;
        self.world.ready(name).await;
        self.world.mount(name).await
    }

    fn object(&self, key: &str) -> Option<String> {
        let bytes = self.s3.object_bytes("data", key).expect("read");
        bytes.map(|bytes| String::from_utf8(bytes).expect("text"))
    }

    /// Nothing was refused but these codes, in this order; forgets them.
    fn refused(&self, codes: &[&str]) {
        let refused = self.strict.refusals();
        let seen: Vec<&str> = refused.iter().map(|one: &Refusal| one.code).collect();
        assert_eq!(seen, codes, "{refused:#?}");
        self.strict.forget_refusals();
    }

    async fn finish(self) {
        self.world.finish().await;
        self.operator.kill();
    }
}

/// Runs `fetch` or `push`, which succeeds.
async fn transfers(arguments: &[&str]) {
    let (code, said) = run(PROGRAM, arguments, Path::new("/")).await;
    assert_eq!(code, 0, "{arguments:?}: {said}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Downloads: GET with its URL for HEAD, HEAD alone, several keys and a prefix, each verified.
async fn downloads(scene: &Scene) {
    for key in ["in/a b.txt", "in/b+c.txt"] {
        scene.s3.put_object("data", key, key).expect("put");
    }
    let verified = |psu: &PresignedUrl| {
        let verified = condition(psu, "Verified");
        says(verified, "True", "Verified")
    };
    let require = json!({ "key": "in/a b.txt", "verify": "Require" });
    let mount = scene.issued("get", require).await;
    scene.world.until("get", "is verified", verified).await;
    let (code, said) = curl(&mount, &[]).await;
    assert_eq!((code, said.as_str()), (0, "in/a b.txt"));
    // A URL for GET is none for HEAD; the Secret holds one of its own.
    let read = |name: &str| std::fs::read_to_string(mount.join(name)).expect("a file");
    let head = http("HEAD", &read("head-url"), "", b"").await;
    assert_eq!(head.status, 200, "{}", head.head);
    scene.refused(&[]);
    let head = http("HEAD", &read("url"), "", b"").await;
    assert_eq!(head.status, 403);
    scene.refused(&["SignatureDoesNotMatch"]);

    let head = json!({ "key": "in/a b.txt", "method": "HEAD" });
    let mount = scene.issued("head", head).await;
    let (code, said) = curl(&mount, &[]).await;
    assert_eq!(code, 0, "{said}");

    let keys = json!({ "key": null, "keys": ["in/a b.txt", "in/b+c.txt"] });
    let keys = scene.issued("keys", keys).await;
    let prefix = json!({ "key": null, "prefix": "in/", "list": { "refreshInterval": "1h" } });
    let prefix = scene.issued("prefix", prefix).await;
    for name in ["keys", "prefix"] {
        scene.world.until(name, "is verified", verified).await;
    }
    for mount in [keys, prefix] {
        let dest = mount.join("fetched");
        transfers(&["fetch", text(&mount), text(&dest)]).await;
        let found = files_below(&dest);
        let found: Vec<&[u8]> = found.values().map(Vec::as_slice).collect();
        assert_eq!(found, [&b"in/a b.txt"[..], b"in/b+c.txt"]);
    }
    scene.refused(&[]);
}

/// Uploads and a removal: PUT with what it may carry, a form, DELETE; by curl and by `push`.
async fn uploads(scene: &Scene) {
    let put = json!({ "contentType": "text/plain", "contentLength": 5, "metadata": { "owner": "team a" } });
    let put = json!({ "key": "out/put.txt", "method": "PUT", "put": put });
    let put = scene.issued("put", put).await;
    let file = put.join("sent.txt");
    std::fs::write(&file, "hello").expect("a file");
    for way in 0..2 {
        if way == 0 {
            let (code, said) = curl(&put, &["-T", "sent.txt"]).await;
            assert_eq!(code, 0, "{said}");
        } else {
            transfers(&["push", text(&file), text(&put)]).await;
        }
        assert_eq!(scene.object("out/put.txt").as_deref(), Some("hello"));
        let delete = json!({ "key": "out/put.txt", "method": "DELETE" });
        let delete = scene.issued(&format!("delete-{way}"), delete).await;
        let (code, said) = curl(&delete, &[]).await;
        assert_eq!(code, 0, "{said}");
        assert_eq!(scene.object("out/put.txt"), None);
    }
    scene.refused(&[]);

    let form = json!({ "key": "out/form.txt", "method": "POST", "post": { "contentLengthRange": { "max": 100 } } });
    let form = scene.issued("form", form).await;
    transfers(&["push", text(&file), text(&form)]).await;
    assert_eq!(scene.object("out/form.txt").as_deref(), Some("hello"));
    scene.refused(&[]);

    // Uploads are signed without an admin's leave: the probe saw that unsigned headers are refused.
    let copies = "x-amz-copy-source: /data/in/b+c.txt";
    let chunked = [
        "-X",
        "PUT",
        "--data-binary",
        "@sent.txt",
        "-H",
        "Transfer-Encoding: chunked",
    ];
    for (flags, answer) in [
        (&["-T", "sent.txt", "-H", copies][..], "HeadersNotSigned"),
        (
            &["-T", "sent.txt", "-H", "Authorization: Bearer x"],
            "Only one auth mechanism",
        ),
        (&chunked, "NotImplemented"),
    ] {
        let (code, said) = curl(&put, &[&["--no-fail"], flags].concat()).await;
        assert!(code == 0 && said.contains(answer), "{code}: {said}");
    }
    assert_eq!(scene.object("out/put.txt"), None);
    scene.refused(&["AccessDenied", "InvalidArgument", "NotImplemented"]);
}

/// `kubectl presigned`: the URLs of a cluster, and those that one's own credentials sign.
async fn plugin(scene: &Scene) {
    let admin = Person::admin(&scene.world);
    let url = admin.runs(&["get", "get"]).await;
    let got = http("GET", url.fine().trim_end(), "", b"").await;
    assert_eq!(got.text(), "in/a b.txt");

    // Asked for and used in one line, by the curl that the help shows.
    let file = scene.world.folder.join("report.txt");
    std::fs::write(&file, "a report").expect("a file");
    let ask = [
        "create",
        "--bucket",
        "data",
        "--store",
        &scene.world.name,
        "--print",
        "curl.conf",
    ];
    let put = ["--key", "out/created.txt", "--put", "--file", text(&file)];
    let form = [
        "--key",
        "out/form.txt",
        "--method",
        "POST",
        "--max-bytes",
        "100",
    ];
    let sent = format!("file=@{}", text(&file));
    for (flags, upload, key) in [
        (&put[..], ["-T", text(&file)], "out/created.txt"),
        (&form, ["-F", &sent], "out/form.txt"),
    ] {
        let made = admin.runs(&[&ask[..], flags].concat()).await;
        std::fs::write(scene.world.folder.join("curl.conf"), made.fine()).expect("a file");
        let (code, said) = curl(&scene.world.folder, &upload).await;
        assert_eq!(code, 0, "{said}");
        assert_eq!(scene.object(key).as_deref(), Some("a report"));
    }

    let caller = Caller::of(&scene.s3, &scene.s3.keys());
    let caller = caller.with("AWS_ENDPOINT_URL_S3", &scene.strict.endpoint);
    let sign = [
        "sign",
        "s3://data/out/signed.txt",
        "--method",
        "POST",
        "-o",
        "curl",
    ];
    let conf = caller
        .run(&[&sign[..], &["--content-length-range", "100"]].concat())
        .await
        .done();
    std::fs::write(scene.world.folder.join("curl.conf"), conf).expect("a file");
    let (code, said) = curl(&scene.world.folder, &["-F", &sent]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(scene.object("out/signed.txt").as_deref(), Some("a report"));
    for (method, body, status) in [
        ("PUT", "signed", 200),
        ("HEAD", "", 200),
        ("GET", "", 200),
        ("DELETE", "", 204),
    ] {
        let sign = ["sign", "s3://data/out/own.txt", "--method", method];
        let url = caller.run(&sign).await.done();
        let answer = http(method, url.trim_end(), "", body.as_bytes()).await;
        assert_eq!(answer.status, status, "{method}: {}", answer.text());
    }
    let list = ["sign", "s3://data/in/", "--recursive", "-o", "json"];
    let listed = caller.run(&list).await.done();
    let listed: Vec<Value> = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(listed.len(), 2, "{listed:?}");
    for one in &listed {
        let url = one["url"].as_str().expect("a URL");
        assert_eq!(http("GET", url, "", b"").await.status, 200);
    }
    scene.refused(&[]);
}

/// `fetch` over a connection that is cut, and `fetch --watch` of an object that stays while its URL is renewed.
async fn resumed_and_watched(scene: &Scene) {
    let body = "0123456789".repeat(100_000);
    let put = format!("{}/data/in/large.bin", scene.strict.endpoint);
    let signer = scene.s3.signer();
    // By the server itself: versitygw gives an ETag to what it was sent alone.
    let put = signer
        .presign(&http::Method::PUT, &put, &[], Duration::from_mins(1))
        .expect("sign");
    let sent = http("PUT", &put.to_string(), "", body.as_bytes()).await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    let cuts = FaultyS3Proxy::before_strict(&scene.strict).expect("a proxy");
    let through = json!({ "endpoint": cuts.endpoint });
    let store = scene.world.another_store(&scene.s3, "cuts", &through).await;
    let large = json!({ "key": "in/large.bin", "storeRef": { "name": store }, "verify": "Never" });
    let mount = scene.issued("large", large).await;
    cuts.forget_requests();
    cuts.inject_times(RequestKind::Get, S3Fault::TruncatedResponse, 2);
    let dest = scene.world.folder.join("large.bin");
    transfers(&["fetch", text(&mount), text(&dest)]).await;
    assert!(std::fs::read_to_string(&dest).expect("a file") == body);
    let carries = |name: &str| {
        let seen = cuts.requests().into_iter();
        seen.filter(|one| one.headers.iter().any(|header| header == name))
            .count()
    };
    assert_eq!((carries("range"), carries("if-match")), (2, 2));
    let untouched = || {
        // The store by this way is probed with an unsigned header meanwhile.
        let refused = scene.strict.refusals().into_iter();
        let mut refused = refused.filter(|one| one.path == "/data/in/large.bin");
        assert_eq!(refused.next(), None);
    };
    untouched();

    cuts.forget_requests();
    let arguments = [
        "fetch",
        text(&mount),
        text(&dest),
        "--watch",
        "--every",
        "1s",
        "--quiet",
    ];
    let mut watch = tokio::process::Command::from(program(PROGRAM, &arguments, Path::new("/")));
    let mut watch = watch.kill_on_drop(true).spawn().expect("start it");
    assert!(cuts.wait_for(RequestKind::Get, 1, LONG).await);
    scene
        .world
        .edit(
            "large",
            json!({ "metadata": { "annotations": { "presigned.dev/renew": "now" } } }),
        )
        .await;
    let renewed = |psu: &PresignedUrl| {
        psu.status
            .as_ref()
            .is_some_and(|status| status.revision == Some(2))
    };
    scene.world.until("large", "is renewed", renewed).await;
    scene.world.mount("large").await;
    eventually(
        "the server is asked whether it changed",
        async || match carries("if-none-match") {
            0 => Err(cuts.requests()),
            _ => Ok(()),
        },
    )
    .await;
    watch.kill().await.expect("end it");
    untouched();
}

async fn everything_works_on(short: &str, s3: S3Server) {
    let scene = Scene::on(short, s3).await;
    // The first that asks for something of a store has it probed.
    let first = json!({ "key": "none", "verify": "Never" });
    scene.issued("first", first).await;
    scene
        .world
        .until_store("knows that unsigned headers are refused", |store| {
            let kind = "UnsignedHeadersRejected";
            store_says(store, kind, "True", kind)
        })
        .await;
    // The probe for unsigned headers is refused: that is what it asks.
    let refusals = scene.strict.refusals();
    let probes = refusals.iter().filter(|one| one.code == "AccessDenied");
    assert!(
        probes.count() == refusals.len() && !refusals.is_empty(),
        "{refusals:#?}"
    );
    scene.strict.forget_refusals();
    downloads(&scene).await;
    uploads(&scene).await;
    plugin(&scene).await;
    resumed_and_watched(&scene).await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_issued_works_on_versitygw_as_strict_as_aws() {
    let s3 = S3Server::versitygw().await.expect("a server");
    everything_works_on("strict-gw", s3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_issued_works_on_minio_as_strict_as_aws() {
    let s3 = S3Server::minio().await.expect("a server");
    everything_works_on("strict-minio", s3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_wrong_and_a_bucket_that_is_elsewhere_are_told_with_the_right_one() {
    let s3 = S3Server::s3s_fs().expect("a server");
    s3.put_object("data", "there", "x").expect("put");
    let scene = Scene::on("strict-region", s3).await;
    let (s3, world) = (&scene.s3, &scene.world);
    let wrong = json!({ "endpoint": scene.strict.endpoint, "region": "us-east-1" });
    let wrong = world.another_store(s3, "wrong", &wrong).await;
    let of_wrong = json!({ "key": "there", "storeRef": { "name": wrong } });
    world.psu("wrong", &of_wrong).await;
    let told = |words: &'static str| {
        move |psu: &PresignedUrl| {
            let mut all = psu.status.iter().flat_map(|status| &status.conditions);
            all.any(|condition| condition.message.contains(words))
        }
    };
    world
        .until("wrong", "tells the region", told("eu-west-2"))
        .await;

    scene.strict.move_bucket("data", "ap-southeast-2");
    world.psu("moved", &json!({ "key": "there" })).await;
    world
        .until("moved", "tells the region", told("ap-southeast-2"))
        .await;
    let caller = Caller::of(s3, &s3.keys());
    let caller = caller.with("AWS_ENDPOINT_URL_S3", &scene.strict.endpoint);
    let said = caller.run(&["cors", "show", "data"]).await.refused(3);
    assert!(said.contains("ap-southeast-2"), "{said}");
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_for_a_store_without_forms_is_refused_once_and_says_so() {
    let scene = Scene::on("strict-forms", S3Server::s3s_fs().expect("a server")).await;
    scene.strict.refuse_forms();
    let form = json!({ "key": "out/form.txt", "method": "POST", "post": { "contentLengthRange": { "max": 100 } } });
    let form = scene.issued("form", form).await;
    let file = form.join("sent.txt");
    std::fs::write(&file, "hello").expect("a file");
    scene.strict.forget_refusals();
    let push = ["push", text(&file), text(&form)];
    let (code, said) = run(PROGRAM, &push, Path::new("/")).await;
    assert!(
        code != 0 && said.contains("501 NotImplemented"),
        "{code}: {said}"
    );
    assert!(said.contains("method: PUT"), "what to do: {said}");
    scene.refused(&["NotImplemented"]);
    assert_eq!(scene.object("out/form.txt"), None);
    scene.finish().await;
}
