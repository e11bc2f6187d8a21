//! Forms from apply to upload: what the operator writes for `method: POST`, sent by the real curl and as a
//! page sends it.
//!
//! What holds here: the sender has nothing but the Secret. Each server takes the uploads that the form allows
//! and refuses all others; a refused upload is stored nowhere.

use std::fmt::Write as _;
use std::path::Path;

use presigned_testkit::S3Server;
use serde_json::{Map, Value, json};

use crate::support::{World, condition, curl, edit_mounted, eventually, http, merge, says, text};

/// A form for one key and one for what is below a prefix; up to 16 bytes.
async fn apply_forms(world: &World) {
    let size = json!({ "contentLengthRange": { "min": 1, "max": 16 } });
    let one = json!({
        "key": "in/one.txt", "method": "POST", "renew": "Never", "duration": "1m",
        "post": { "contentLengthRange": { "min": 1, "max": 16 }, "contentType": "text/plain", "successActionStatus": 201 },
    });
    world.psu("one", &one).await;
    let any = json!({ "key": null, "prefix": "in/", "method": "POST", "post": size });
    world.psu("any", &any).await;
    let images = json!({
        "key": null, "prefix": "images/", "method": "POST",
        "post": { "contentLengthRange": { "max": 16 }, "contentTypePrefix": "image/", "metadata": { "owner": "\"a\" \\ b" } },
    });
    world.psu("images", &images).await;
}

/// Sends this body with the mounted `curl.conf` and nothing else but the arguments; whether it was taken.
async fn sends(mount: &Path, body: &str, arguments: &[&str]) -> bool {
    std::fs::write(mount.join("a.txt"), body).unwrap();
    let (code, said) = curl(mount, &[arguments, &["-F", "file=@a.txt"]].concat()).await;
    // `fail` is in the file: 22 is an answer of 400 or more. Some servers close before they have read all.
    assert!(matches!(code, 0 | 22 | 55 | 56), "{code}: {said}");
    code == 0
}

/// What a page's `<form>` sends: the fields, then the file. The status.
async fn page_sends(url: &str, fields: &Map<String, Value>, body: &str) -> u16 {
    let mut form = String::new();
    for (name, value) in fields {
        let value = value.as_str().expect("fields.json holds strings");
        let _ = write!(
            form,
            "--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    form += "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n";
    let _ = write!(
        form,
        "Content-Type: text/plain\r\n\r\n{body}\r\n--edge--\r\n"
    );
    let headers = format!(
        "Content-Type: multipart/form-data; boundary=edge\nContent-Length: {}\n",
        form.len()
    );
    http("POST", url, &headers, form.as_bytes()).await.status
}

async fn forms_are_taken_and_held_by(short: &str, s3: &S3Server) {
    let world = World::on(short, s3).await;
    world.allow_all(&json!({})).await;
    let operator = world.operator(&[]).await;
    apply_forms(&world).await;
    let object = |key: &str| {
        let bytes = s3.object_bytes("data", key).unwrap();
        bytes.map(|bytes| String::from_utf8(bytes).unwrap())
    };

    // One key: the sender says nothing of it.
    world.ready("one").await;
    let mount = world.mount("one").await;
    assert!(sends(&mount, "hello", &[]).await);
    assert_eq!(object("in/one.txt").as_deref(), Some("hello"));
    assert!(!sends(&mount, "seventeen bytes !", &[]).await, "too large");
    assert!(!sends(&mount, "", &[]).await, "too small");
    let other_type = edited(&mount, "Content-Type=text/plain", "Content-Type=text/html");
    assert!(!sends(&other_type, "html", &[]).await, "another type");
    let other_key = edited(&mount, "key=in/one.txt", "key=in/two.txt");
    assert!(!sends(&other_key, "two", &[]).await, "another key");
    assert_eq!(object("in/one.txt").as_deref(), Some("hello"));
    assert_eq!(object("in/two.txt"), None);

    // A prefix: the name of the file where the server fills it in, else what the sender writes.
    world.ready("any").await;
    let mount = world.mount("any").await;
    assert!(sends(&mount, "by name", &[]).await);
    let named = object("in/a.txt").or_else(|| object("in/${filename}"));
    assert_eq!(named.as_deref(), Some("by name"));
    let chosen = edited(&mount, "key=in/${filename}", "key=in/x/y.txt");
    assert!(sends(&chosen, "chosen", &[]).await);
    assert_eq!(object("in/x/y.txt").as_deref(), Some("chosen"));
    let outside = edited(&mount, "key=in/${filename}", "key=out/y.txt");
    assert!(!sends(&outside, "outside", &[]).await);
    assert_eq!(object("out/y.txt"), None);

    // A type that only begins as it must: the sender says which.
    world.ready("images").await;
    let mount = world.mount("images").await;
    let chosen = edited(&mount, "key=images/${filename}", "key=images/a.png");
    assert!(!sends(&chosen, "no type", &[]).await);
    assert!(
        !sends(
            &chosen,
            "html",
            &["--form-string", "Content-Type=text/html"]
        )
        .await
    );
    assert_eq!(object("images/a.png"), None);
    assert!(sends(&chosen, "png", &["--form-string", "Content-Type=image/png"]).await);
    assert_eq!(object("images/a.png").as_deref(), Some("png"));

    a_renewal_replaces_the_form(&world, s3).await;
    the_end_is_the_end(&world, s3).await;
    world.finish().await;
    operator.kill();
}

/// A page sends `fields.json`; after a renewal it holds another form, and both are good until they expire.
async fn a_renewal_replaces_the_form(world: &World, s3: &S3Server) {
    let form = async || {
        let secret = world.secret("any").await;
        let fields: Map<String, Value> =
            serde_json::from_str(&text(&secret, "fields.json")).expect("fields.json");
        assert_eq!(text(&secret, "method"), "POST");
        (text(&secret, "url"), fields)
    };
    let (url, old) = form().await;
    let ask = json!({ "metadata": { "annotations": { "presigned.dev/renew": "1" } } });
    world.edit("any", ask).await;
    world
        .until("any", "was renewed", |psu| {
            psu.status.as_ref().unwrap().last_renew_request.is_some()
        })
        .await;
    let (_, new) = form().await;
    assert_ne!(old["x-amz-signature"], new["x-amz-signature"]);
    for (form, body) in [(old, "the old"), (new, "the new")] {
        let mut fields = form;
        fields.insert("key".to_owned(), json!("in/page.txt"));
        assert_eq!(page_sends(&url, &fields, body).await, 204, "{body}");
        let landed = s3.object_bytes("data", "in/page.txt").unwrap();
        assert_eq!(landed.as_deref(), Some(body.as_bytes()));
        fields.insert("policy".to_owned(), json!("eyJjb25kaXRpb25zIjpbXX0="));
        let status = page_sends(&url, &fields, "forged").await;
        assert!(matches!(status, 400 | 403), "{status}");
    }
}

/// The link of a minute is over: its Secret goes, and the server refuses who kept it.
async fn the_end_is_the_end(world: &World, s3: &S3Server) {
    let mount = world.folder.join("mounted-one");
    world
        .until("one", "is over", |psu| {
            says(condition(psu, "Ready"), "False", "Expired")
        })
        .await;
    world.gone("one").await;
    assert!(!sends(&mount, "too late", &[]).await);
    let kept = s3.object_bytes("data", "in/one.txt").unwrap();
    assert_eq!(kept.as_deref(), Some(&b"hello"[..]));
}

/// A copy of a mount, with another piece of text in its `curl.conf`.
fn edited(mount: &Path, from: &str, to: &str) -> std::path::PathBuf {
    let copy = mount.with_extension("edited");
    std::fs::create_dir_all(&copy).unwrap();
    std::fs::copy(mount.join("curl.conf"), copy.join("curl.conf")).unwrap();
    edit_mounted(&copy, "curl.conf", from, to);
    copy
}

#[tokio::test]
async fn forms_are_taken_and_held_by_s3s() {
    forms_are_taken_and_held_by("post-s3s", &S3Server::s3s_fs().unwrap()).await;
}

#[tokio::test]
async fn forms_are_taken_and_held_by_versitygw() {
    forms_are_taken_and_held_by("post-vgw", &S3Server::versitygw().await.unwrap()).await;
}

#[tokio::test]
async fn forms_are_taken_and_held_by_minio() {
    forms_are_taken_and_held_by("post-minio", &S3Server::minio().await.unwrap()).await;
}

/// A form's block that takes up to so many bytes.
fn range(max: u64) -> Value {
    json!({ "contentLengthRange": { "max": max } })
}

/// The same for ten bytes, and more.
fn with(more: &Value) -> Value {
    let mut post = range(10);
    merge(&mut post, more);
    post
}

/// A resource, its difference from a form for `in/`, its block, and words of the refusal.
type Refused = (&'static str, Value, Value, &'static [&'static str]);

fn forms_that_no_rule_allows() -> Vec<Refused> {
    let evil = json!({ "successActionRedirect": "https://app.example.com.evil.org/done" });
    vec![
        (
            "redirect",
            json!({}),
            with(&evil),
            &[
                "allows only post.successActionRedirect",
                "https://app.example.com/done",
            ],
        ),
        (
            "wide",
            json!({}),
            range(1001),
            &["with up to 1001 bytes", "allows at most 1000 bytes"],
        ),
        (
            "acl",
            json!({}),
            with(&json!({ "acl": "public-read" })),
            &["does not allow post.acl"],
        ),
        (
            "once",
            json!({ "prefix": "once/" }),
            range(10),
            &["takes no form, since it is createOnly (use method PUT)"],
        ),
        (
            "elsewhere",
            json!({ "prefix": "out/" }),
            range(10),
            &["POST any object under \"out/\"", "is for keys under"],
        ),
        (
            "slash",
            json!({ "prefix": "in" }),
            range(10),
            &["needs a / at the end of the prefix", "\"in/\""],
        ),
        (
            "long",
            json!({ "duration": "24h" }),
            range(10),
            &["for 24h", "allows at most 12h"],
        ),
    ]
}

#[tokio::test]
async fn a_form_that_no_rule_allows_is_refused_with_what_to_ask_for_instead() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("post-gates", &s3).await;
    world
        .policy(&json!([
            world.rule(&json!({
                "methods": ["POST"], "prefixes": ["in/"], "maxUploadBytes": 1000,
                "redirects": ["https://app.example.com/done", "https://app.example.com/after/*"],
            })),
            world.rule(
                &json!({ "methods": ["PUT", "POST"], "prefixes": ["once/"], "createOnly": true })
            ),
        ]))
        .await;
    let operator = world.operator(&[]).await;
    let refused = forms_that_no_rule_allows();
    for (name, changes, post, _) in &refused {
        let mut spec = json!({ "key": null, "prefix": "in/", "method": "POST", "post": post });
        merge(&mut spec, changes);
        world.psu(name, &spec).await;
    }
    let kept = json!({ "successActionRedirect": "https://app.example.com/after/upload?x=1" });
    let spec = json!({ "key": "in/kept", "method": "POST", "post": with(&kept) });
    world.psu("allowed", &spec).await;
    for (name, _, _, words) in &refused {
        let message = world.unready(name, "PolicyDenied").await;
        for words in *words {
            assert!(
                message.contains(words),
                "{name}: {words:?} is not in: {message}"
            );
        }
        assert!(message.contains("ask an admin for a rule"), "{message}");
        assert!(world.secrets().get_opt(name).await.unwrap().is_none());
    }
    world.ready("allowed").await;
    let mount = world.mount("allowed").await;
    std::fs::write(mount.join("a.txt"), "hello").unwrap();
    let (code, said) = curl(&mount, &["-i", "-F", "file=@a.txt"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("https://app.example.com/after/upload?x=1"),
        "{said}"
    );

    // A rule that comes later sets it free, and one that goes takes it back.
    world
        .allow_all(&json!({ "redirects": ["https://app.example.com.evil.org/*"] }))
        .await;
    world.ready("redirect").await;
    world.policy(&json!([])).await;
    let message = world.unready("redirect", "PolicyDenied").await;
    assert!(
        message.contains("unless a policy allows it again"),
        "{message}"
    );
    eventually("the Event tells it", async || {
        let events = world.events("redirect").await;
        let told = events
            .iter()
            .any(|event| event.reason.as_deref() == Some("PolicyDenied"));
        if told { Ok(()) } else { Err(events.len()) }
    })
    .await;
    world.finish().await;
    operator.kill();
}
