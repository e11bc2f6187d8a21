//! `create` and `renew`: with the rights of the role edit, on a real S3 server.

use http::StatusCode;
use kube::api::ListParams;
use presigned_testkit::fault_proxy::{Fault, Match, Verb};
use presigned_testkit::{FaultProxy, S3Server};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{Person, Ran, ended};
use crate::support::{World, eventually, http, mounted, run};

/// The name in what `create` tells on stderr: `namespace/name: ...`.
fn name_of(ran: &Ran) -> String {
    let told = ran
        .err
        .split('/')
        .nth(1)
        .and_then(|rest| rest.split(':').next());
    told.unwrap_or_else(|| panic!("{ran:?}")).to_owned()
}

#[tokio::test]
async fn create_asks_waits_prints_and_leaves_nothing_that_was_refused() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("plugcreate", &s3).await;
    world.allow_all(&json!({})).await;
    world
        .store(&s3, &json!({ "unsignedHeaders": "Accept" }))
        .await;
    s3.put_object("data", "model", "the weights").unwrap();
    let operator = world.operator(&[]).await;
    let (viewer, editor) = (Person::viewer(&world).await, Person::editor(&world).await);
    let store = ["--store", world.name.as_str()];
    let asked = |flags: &[&'static str]| [&["create", "--bucket", "data"], flags, &store].concat();

    let made = editor
        .runs(&asked(&["--key", "model", "--duration", "1h"]))
        .await;
    let answer = http("GET", made.fine().trim_end(), "", &[]).await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "the weights")
    );
    let name = name_of(&made);
    assert!(name.starts_with("presigned-"), "{made:?}");
    let spec = world.psus().get(&name).await.unwrap().spec;
    assert_eq!(serde_json::to_value(&spec).unwrap()["renew"], "Never");

    // The size of the file is signed, the key is its own, and nothing stays but the URL.
    let file = world.folder.join("report.txt");
    std::fs::write(&file, "12345").unwrap();
    let path = file.to_str().unwrap();
    let mut upload = asked(&["--key", "up/", "--put", "--rm", "--print", "curl.conf"]);
    upload.extend(["--file", path]);
    let mut keys = Vec::new();
    for _ in 0..2 {
        let made = editor.runs(&upload).await;
        std::fs::write(world.folder.join("curl.conf"), made.fine()).unwrap();
        let sent = run(
            "curl",
            &["-q", "-K", "curl.conf", "-T", path, "--silent", "--fail"],
            &world.folder,
        )
        .await;
        assert_eq!(sent.0, 0, "{sent:?}");
        let url = made
            .out
            .lines()
            .find_map(|line| line.split('"').nth(1))
            .unwrap()
            .to_owned();
        keys.push(url.split('?').next().unwrap().to_owned());
        assert!(keys.last().unwrap().ends_with("-report.txt"), "{keys:?}");
        let longer = http("PUT", &url, "", b"123456").await;
        assert_ne!(longer.status, 200, "another size was signed");
        assert!(
            world
                .psus()
                .get_opt(&name_of(&made))
                .await
                .unwrap()
                .is_none(),
            "{made:?}"
        );
    }
    assert_ne!(keys[0], keys[1]);
    let form = editor
        .runs(&asked(&[
            "form",
            "--key",
            "f",
            "--method",
            "POST",
            "--max-bytes",
            "9",
        ]))
        .await
        .json();
    assert!(form["fields"]["policy"].is_string(), "{form}");

    refuses(&world, &viewer, &editor).await;
    world.finish().await;
    operator.kill();
}

/// Each usual mistake has a message, and leaves nothing.
async fn refuses(world: &World, viewer: &Person, editor: &Person) {
    let store = ["--store", world.name.as_str()];
    let asked = |flags: &[&'static str]| [&["create", "--bucket", "data"], flags, &store].concat();
    let before = count(world).await;
    let why = editor
        .runs(&[
            "create", "denied", "--bucket", "other", "--key", "k", store[0], store[1],
        ])
        .await;
    let told = why.failed(1);
    assert!(
        told.contains("No policy allows namespace") && told.contains("removed again"),
        "{told}"
    );
    let why = editor.runs(&asked(&["--key", "/k"])).await;
    assert!(
        why.failed(1).contains("key may not begin with '/'"),
        "{}",
        why.err
    );
    let why = editor.runs(&asked(&["form", "--key", "k"])).await;
    assert!(
        why.failed(1).contains("there is a PresignedURL \"form\""),
        "{}",
        why.err
    );
    let why = viewer.runs(&asked(&["--key", "model"])).await;
    assert!(
        why.failed(3).contains("you may not create a presignedurl"),
        "{}",
        why.err
    );
    let why = editor
        .runs(&asked(&["--key", "model", "-n", "default"]))
        .await;
    assert!(why.failed(3).contains("you may not create"), "{}", why.err);
    assert_eq!(before, count(world).await);
}

async fn count(world: &World) -> usize {
    let all = world.psus().list(&ListParams::default()).await;
    all.expect("list").items.len()
}

#[tokio::test]
async fn nobody_who_serves_it_ends_the_wait_in_four_and_says_where_to_look() {
    let world = World::new("plugalone").await;
    let editor = Person::editor(&world).await;
    let waits = ["--bucket", "data", "--key", "k", "--timeout", "1s"];
    let asked = [&["create", "alone", "--renew"][..], &waits].concat();
    let why = editor.runs(&asked).await;
    let told = why.failed(4);
    assert!(
        told.contains("no operator has seen it yet") && told.contains("--timeout"),
        "{told}"
    );
    assert!(
        world.psus().get_opt("alone").await.unwrap().is_some(),
        "it may still come"
    );
    let why = editor.runs(&["get", "alone"]).await;
    assert!(
        why.failed(1).contains("no operator has seen it yet"),
        "{}",
        why.err
    );
    let why = editor.runs(&["renew", "alone", "--timeout", "1s"]).await;
    assert!(
        why.failed(4).contains("no operator has seen it yet"),
        "{}",
        why.err
    );
    let asked = [&["create", "gone", "--rm"][..], &waits].concat();
    let why = editor.runs(&asked).await;
    assert!(why.failed(4).contains("was removed again"), "{}", why.err);
    assert!(world.psus().get_opt("gone").await.unwrap().is_none());
    world.finish().await;
}

#[tokio::test]
async fn renew_waits_until_the_url_was_replaced_and_refuses_links() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("plugrenew", &s3).await;
    s3.put_object("data", "model", "x").unwrap();
    let operator = world.operator(&[]).await;
    world.psu("model", &json!({})).await;
    world.psu("link", &json!({ "renew": "Never" })).await;
    world
        .psu("denied", &json!({ "bucket": "other-bucket" }))
        .await;
    world.ready("model").await;
    world.ready("link").await;
    world.unready("denied", "PolicyDenied").await;
    let (viewer, editor) = (Person::viewer(&world).await, Person::editor(&world).await);
    let before = mounted(&world.secret("model").await, &world.folder);
    let old = std::fs::read_to_string(before.join("url")).unwrap();
    let renewed = editor.runs(&["renew", "model"]).await;
    assert!(
        renewed
            .fine()
            .contains("model was renewed: revision 2, until "),
        "{renewed:?}"
    );
    assert_ne!(world.value("model", "url").await, old);
    let again = editor.runs(&["renew", "model", "-o", "json"]).await.json();
    assert_eq!(again["status"]["revision"], 3);
    let why = editor.runs(&["renew", "link"]).await;
    assert!(why.failed(1).contains("it is a link"), "{}", why.err);
    let why = editor.runs(&["renew", "denied"]).await;
    assert!(
        why.failed(1).contains("No policy allows namespace"),
        "{}",
        why.err
    );
    let why = editor.runs(&["renew", "mdoel"]).await;
    assert!(
        why.failed(1).contains("did you mean \"model\"?"),
        "{}",
        why.err
    );
    let why = viewer.runs(&["renew", "model"]).await;
    assert!(
        why.failed(3).contains("you may not patch presignedurl"),
        "{}",
        why.err
    );
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_wait_outlives_breaks_and_says_how_to_remove_what_stays() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("plugbusy", &s3).await;
    let proxy = FaultProxy::start(world.plane.api()).unwrap();
    let operator = world.operator(&[]).await;
    let editor = Person::editor_behind(&world, &proxy).await;
    let busy = || Fault::status(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable");
    let looks = || Match::resource("presignedurls").verb(Verb::Get);
    let create = |name| {
        let asked = ["create", name, "--bucket", "data", "--key", "model"];
        [&asked[..], &["--store", world.name.as_str()]].concat()
    };
    let faults = [
        proxy.add_times(looks(), busy(), 1),
        proxy.add_times(looks(), Fault::ForwardThenDrop, 1),
    ];
    let made = editor.runs(&create("once")).await;
    assert!(made.fine().starts_with("http"), "{made:?}");
    assert_eq!(faults.map(|fault| proxy.fired(fault)), [1, 1]);

    proxy.add(looks(), busy());
    let asked = [create("stays"), vec!["--timeout", "1s"]].concat();
    let why = editor.runs(&asked).await;
    let remove = format!("kubectl delete presignedurl stays -n {}", world.tenant);
    for part in ["made by the test's proxy", "it stays", &remove] {
        assert!(why.failed(4).contains(part), "{part}: {}", why.err);
    }
    assert!(world.psus().get_opt("stays").await.unwrap().is_some());
    proxy.clear();

    // A request of which nobody knows what became of it.
    let creates = Match::resource("presignedurls").verb(Verb::Create);
    proxy.add(creates, Fault::ForwardThenDrop);
    let why = editor.runs(&create("perhaps")).await;
    let told = why.failed(3);
    assert!(told.contains("it may be there all the same"), "{told}");
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_signal_ends_the_wait_and_nothing_stays() {
    let world = World::new("plugstop").await;
    let editor = Person::editor(&world).await;
    for (name, signal) in [("interrupted", Signal::INT), ("terminated", Signal::TERM)] {
        let command = editor.starts(&["create", name, "--bucket", "data", "--key", "k"]);
        let process = Pid::from_raw(command.id().unwrap().cast_signed()).unwrap();
        eventually("it is created", async || {
            let found = world.psus().get_opt(name).await.unwrap();
            found.ok_or("it is not there")
        })
        .await;
        kill_process(process, signal).unwrap();
        let why = ended(command).await;
        assert!(why.failed(1).contains("was removed again"), "{}", why.err);
        assert!(
            world.psus().get_opt(name).await.unwrap().is_none(),
            "{name}"
        );
    }
    world.finish().await;
}

#[tokio::test]
async fn a_misspelt_store_is_told_with_the_nearest_to_those_who_may_read_stores() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("plugnear", &s3).await;
    world.allow_all(&json!({})).await;
    let store = world.another_store(&s3, "main", &json!({})).await;
    let misspelt = store.replace("-main", "-mian");
    let operator = world.operator(&[]).await;
    let (editor, admin) = (Person::editor(&world).await, Person::admin(&world));
    let nearest = format!("did you mean {store:?}?");
    for (person, name, knows) in [(&admin, "admin", true), (&editor, "editor", false)] {
        let asked = ["create", name, "--bucket", "data", "--key", "k"];
        let why = person
            .runs(&[&asked[..], &["--store", &misspelt]].concat())
            .await;
        let told = why.failed(1);
        assert!(told.contains("there is no ClusterObjectStore"), "{told}");
        assert_eq!(told.contains(&nearest), knows, "{told}");
    }
    world.finish().await;
    operator.kill();
}
