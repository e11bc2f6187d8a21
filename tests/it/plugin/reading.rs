//! `status` and `get`: what was issued, and what it is.

use http::StatusCode;
use kube::api::DeleteParams;
use presigned_testkit::fault_proxy::{Fault, Match, Verb};
use presigned_testkit::{FaultProxy, S3Server};
use serde_json::{Value, json};

use super::{Person, plugin, row};
use crate::browser::terminal;
use crate::support::{LONG, World, http};

#[tokio::test]
async fn status_tells_what_was_issued_until_when_and_why_not() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("plugstatus", &s3).await;
    s3.put_object("data", "model", "x").unwrap();
    let operator = world.operator(&[]).await;
    world.psu("model", &json!({ "duration": "2h" })).await;
    world
        .psu("link", &json!({ "renew": "Never", "duration": "1h" }))
        .await;
    world
        .psu("denied", &json!({ "bucket": "other-bucket" }))
        .await;
    world.ready("model").await;
    world.ready("link").await;
    world.unready("denied", "PolicyDenied").await;
    let (viewer, admin) = (Person::viewer(&world).await, Person::admin(&world));

    let all = viewer.runs(&["status"]).await;
    let table = all.fine();
    let model = row(table, "model");
    assert_eq!(model[1..5], ["True", "Issued", "GET", "s3://data/model"]);
    assert!(
        model[5].starts_with("in 1h5") && model[6].starts_with("in "),
        "{model:?}"
    );
    assert_eq!(row(table, "link")[6], "never");
    assert_eq!(row(table, "denied")[1..3], ["False", "PolicyDenied"]);
    let why = table
        .lines()
        .find(|line| line.starts_with("denied: "))
        .expect("why not");
    assert!(why.contains("No policy allows namespace"), "{why}");
    assert!(
        !table.contains('\u{1b}'),
        "colours are for terminals: {table:?}"
    );

    // Who may read stores sees the credentials; who may not sees all else.
    let wide = admin.runs(&["status", "-o", "wide"]).await;
    assert!(
        row(wide.fine(), "model").contains(&"Secret credentials"),
        "{}",
        wide.out
    );
    let narrow = viewer.runs(&["status", "-o", "wide"]).await;
    assert!(
        !narrow.fine().contains("Secret credentials"),
        "{}",
        narrow.out
    );
    let page = viewer.runs(&["status", "model"]).await;
    for part in [
        "GET s3://data/model",
        "revision 1",
        "policies",
        "you may not get clusterobjectstore",
    ] {
        assert!(page.fine().contains(part), "{part}: {}", page.out);
    }
    let everywhere = admin.runs(&["status", "-A"]).await;
    let ours = |line: &&str| line.starts_with(&world.tenant) && line.contains(" model ");
    assert!(
        everywhere.fine().lines().any(|line| ours(&line)),
        "{}",
        everywhere.out
    );
    let json = viewer.runs(&["status", "model", "-o", "json"]).await.json();
    assert_eq!(
        (&json["kind"], &json["metadata"]["name"]),
        (&json!("PresignedURL"), &json!("model"))
    );
    assert_eq!(
        viewer.runs(&["status", "-o", "json"]).await.json()["items"]
            .as_array()
            .map(Vec::len),
        Some(3)
    );
    let yaml = viewer.runs(&["status", "link", "-o", "yaml"]).await;
    let yaml: Value = serde_saphyr::from_str(yaml.fine()).unwrap();
    assert_eq!(yaml["spec"]["renew"], "Never");

    // The store and the policy have the name of the test, of which the namespace's is made.
    let tenant = world.tenant.as_str();
    let names = [
        (tenant, "team-a"),
        (tenant.trim_end_matches("-team"), "default"),
    ];
    let shown = [("kubectl presigned status", table)];
    terminal::picture("plugin", &shown, &names).await;
    world.finish().await;
    operator.kill();
}

/// A Secret that somebody else wrote is not passed on as the operator's.
async fn get_of_what_others_wrote_is_refused(world: &World, editor: &Person) {
    let theirs = json!({ "metadata": { "annotations": { "presigned.dev/presigned-url": "x" } } });
    world.edit_secret("model", theirs).await;
    let why = editor.runs(&["get", "model"]).await;
    assert!(why.failed(1).contains("was not written for"), "{}", why.err);
    world.delete_secret("model").await;
    let why = editor.runs(&["get", "model"]).await;
    assert!(why.failed(1).contains("is not there"), "{}", why.err);
}

#[tokio::test]
async fn get_prints_what_works_and_says_why_there_is_nothing() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("plugget", &s3).await;
    world.allow_all(&json!({})).await;
    s3.put_object("data", "model", "the weights").unwrap();
    let operator = world.operator(&[]).await;
    world.psu("model", &json!({})).await;
    let range = json!({ "contentLengthRange": { "max": 9 } });
    world
        .psu("form", &json!({ "method": "POST", "post": range }))
        .await;
    world
        .psu("many", &json!({ "key": null, "keys": ["a", "b"] }))
        .await;
    world
        .psu("denied", &json!({ "bucket": "other-bucket" }))
        .await;
    for name in ["model", "form", "many"] {
        world.ready(name).await;
    }
    world.unready("denied", "PolicyDenied").await;
    let (viewer, editor) = (Person::viewer(&world).await, Person::editor(&world).await);

    let url = editor.runs(&["get", "model"]).await;
    let answer = http("GET", url.fine().trim_end(), "", &[]).await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "the weights")
    );
    let config = editor.runs(&["get", "model", "curl.conf"]).await;
    assert!(config.fine().contains("url = "), "{}", config.out);
    let files = editor.runs(&["get", "model", "--files"]).await;
    assert!(
        files.fine().lines().any(|file| file == "head-url"),
        "{}",
        files.out
    );
    let form = editor.runs(&["get", "form"]).await.json();
    assert!(
        form["url"].is_string() && form["fields"]["policy"].is_string(),
        "{form}"
    );
    let many = editor.runs(&["get", "many"]).await;
    assert!(many.fine().contains("\"b\""), "{}", many.out);
    let whole = editor.runs(&["get", "model", "-o", "json"]).await.json();
    assert_eq!(whole["method"], "GET");

    // Each usual mistake, and what to do about it.
    let why = editor.runs(&["get", "modle"]).await;
    assert!(
        why.failed(1).contains("did you mean \"model\"?"),
        "{}",
        why.err
    );
    let why = editor.runs(&["get", "model", "curl.cnf"]).await;
    assert!(
        why.failed(1).contains("did you mean \"curl.conf\"?"),
        "{}",
        why.err
    );
    let why = viewer.runs(&["get", "model"]).await;
    assert!(
        why.failed(3).contains("may not get the Secret \"model\""),
        "{}",
        why.err
    );
    let why = editor.runs(&["get", "denied"]).await;
    assert!(
        why.failed(1).contains("No policy allows namespace"),
        "{}",
        why.err
    );
    let why = editor.runs(&["get", "model", "-n", "default"]).await;
    assert!(
        why.failed(3).contains("you may not get presignedurl"),
        "{}",
        why.err
    );
    // No other test has this name.
    world.psu(&world.name, &json!({})).await;
    let admin = Person::admin(&world);
    let why = admin.runs(&["get", &world.name, "-n", &world.system]).await;
    assert!(
        why.failed(1)
            .contains(&format!("namespace {} has one", world.tenant)),
        "{}",
        why.err
    );
    let why = admin
        .runs(&["status", "zzz", "-n", "no-such-namespace"])
        .await;
    assert!(
        why.failed(1)
            .contains("there is no namespace \"no-such-namespace\""),
        "{}",
        why.err
    );
    operator.kill();
    get_of_what_others_wrote_is_refused(&world, &editor).await;
    world.finish().await;
}

#[tokio::test]
async fn a_cluster_that_is_not_there_ends_in_three_and_a_sentence() {
    let folder = crate::cluster::cluster().await.folder();
    let nowhere = folder.join("kubeconfig-nowhere");
    let config = json!({ "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{ "name": "a", "cluster": { "server": "http://127.0.0.1:1" } }],
        "users": [{ "name": "a", "user": {} }],
        "contexts": [{ "name": "a", "context": { "cluster": "a", "user": "a" } }] });
    std::fs::write(&nowhere, config.to_string()).unwrap();
    let nowhere = nowhere.to_str().unwrap();
    let why = plugin("", &["status", "--kubeconfig", nowhere]).await;
    assert!(
        why.failed(3)
            .contains("cannot be reached to list presignedurls"),
        "{}",
        why.err
    );
    let why = plugin("", &["status", "--kubeconfig", nowhere, "--context", "b"]).await;
    assert!(why.failed(3).contains("cannot be used"), "{}", why.err);
    let why = plugin("", &["status"]).await;
    assert!(
        why.failed(3)
            .contains("no API server is known: give --kubeconfig"),
        "{}",
        why.err
    );
    let why = plugin("", &["statsu"]).await;
    assert_eq!(why.code, 2, "{why:?}");
    assert!(why.err.contains("status"), "{}", why.err);
}

#[tokio::test]
async fn a_watch_tells_each_change_until_it_is_stopped() {
    let world = World::new("plugwatch").await;
    let viewer = Person::viewer(&world).await;
    world.psu("first", &json!({})).await;
    let mut watch = viewer.watches(&["status", "--watch"]);
    watch.says("first").await;
    world.psu("second", &json!({ "key": "k2" })).await;
    watch.says("s3://data/k2").await;
    world
        .psus()
        .delete("first", &DeleteParams::default())
        .await
        .unwrap();
    watch.says("first  deleted").await;
    world.finish().await;
}

/// The API server is gone for a while, and has forgotten what happened meanwhile.
#[tokio::test]
async fn a_watch_goes_on_after_breaks_and_tells_what_happened_in_between() {
    let world = World::new("plugbreaks").await;
    let proxy = FaultProxy::start(world.plane.api()).unwrap();
    let viewer = Person::viewer_behind(&world, &proxy).await;
    for name in ["deleted", "replaced", "kept"] {
        world.psu(name, &json!({})).await;
    }
    let mut watch = viewer.watches(&["status", "--watch"]);
    watch.says("replaced").await;
    let psus = || Match::resource("presignedurls");
    let watches = psus().verb(Verb::Watch);
    // What it tells shows that it watches.
    world.psu("early", &json!({ "key": "k1" })).await;
    watch.says("s3://data/k1").await;

    // A connection that breaks, and a server that is busy: it begins again from where it was.
    let busy = || Fault::status(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable");
    let down = proxy.add(watches.clone(), busy());
    proxy.forget_requests();
    assert_eq!(proxy.cut_watches(&watches), 1);
    assert!(proxy.wait_for(&watches, 1, LONG).await, "it tries again");
    world.psu("added", &json!({ "key": "k2" })).await;
    proxy.remove(down);
    watch.says("s3://data/k2").await;

    // The version is too old: what the list has otherwise is told, once.
    let down = proxy.add(watches.clone(), Fault::ForwardThenDrop);
    proxy.forget_requests();
    assert_eq!(proxy.cut_watches(&watches), 1);
    assert!(proxy.wait_for(&watches, 1, LONG).await, "it tries again");
    for name in ["deleted", "replaced"] {
        let gone = DeleteParams::default();
        world.psus().delete(name, &gone).await.unwrap();
    }
    world.psu("replaced", &json!({ "key": "k3" })).await;
    world.psu("new", &json!({ "key": "k4" })).await;
    proxy.add_times(psus().verb(Verb::List), busy(), 1);
    let expired = Fault::status(StatusCode::GONE, "Expired");
    proxy.add_times(watches.clone(), expired, 1);
    proxy.remove(down);
    let seen = watch.says("s3://data/k3").await;
    for part in ["deleted  deleted", "replaced  deleted", "s3://data/k4"] {
        assert!(
            seen.iter().any(|line| line.contains(part)),
            "{part}: {seen:#?}"
        );
    }
    let untouched = |line: &String| line.contains("kept") || line.contains("k2");
    assert!(!seen.iter().any(untouched), "{seen:#?}");
    world.psu("last", &json!({ "key": "k5" })).await;
    watch.says("s3://data/k5").await;
    world.finish().await;
}
