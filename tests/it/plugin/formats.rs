//! What scripts read: the same in JSON and in YAML, and codes that say why there is nothing to read.

use std::path::PathBuf;
use std::process::Stdio;

use presigned_testkit::S3Server;
use serde_json::{Value, json};
use tokio::process::Command;

use super::alone::Caller;
use super::{Person, Ran, plugin};
use crate::support::World;

/// A text without its digits (times, versions), and without the units of spans: within one second `2h`
/// becomes `1h59m`.
fn without_times(text: &str) -> String {
    let is_time = |c: char| c.is_ascii_digit() || matches!(c, 'd' | 'h' | 'm' | 's');
    let words = text.split_inclusive(|c: char| !c.is_alphanumeric());
    words
        .map(|word| {
            let name = word.trim_end_matches(|c: char| !c.is_alphanumeric());
            if name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(is_time) {
                word.replacen(name, "0", 1)
            } else {
                word.replace(|c: char| c.is_ascii_digit(), "0")
            }
        })
        .collect()
}

#[test]
fn times_are_left_out_of_a_text_and_nothing_else() {
    for [text, wanted] in [
        ["ends in 2h, as asked", "ends in 0, as asked"],
        ["ends in 1h59m, as asked", "ends in 0, as asked"],
        [
            "at 2026-01-02T03:04:05Z (9s ago)",
            "at 0-0-00T00:0:00Z (0 ago)",
        ],
        ["10 keys of data2", "0 keys of data0"],
    ] {
        assert_eq!(without_times(text), wanted);
    }
}

/// A value without what differs from one run to the next: times, what is wrong with the policies of other
/// tests on the same cluster, and of what each run makes all texts.
fn steady(value: &Value, made_anew: bool) -> Value {
    match value {
        Value::String(_) if made_anew => Value::Null,
        Value::String(text) => without_times(text).into(),
        Value::Number(_) => json!(0),
        Value::Array(items) => items.iter().map(|item| steady(item, made_anew)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            fields
                .filter(|(name, _)| *name != "problems")
                .map(|(name, field)| (name.clone(), steady(field, made_anew)))
                .collect()
        }
        other => other.clone(),
    }
}

/// The same in both formats; it is not empty.
fn agree(arguments: &[&str], [json, yaml]: [&str; 2], made_anew: bool) {
    let json: Value =
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{json}"));
    let yaml: Value = serde_saphyr::from_str(yaml)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{yaml}"));
    assert_eq!(
        steady(&json, made_anew),
        steady(&yaml, made_anew),
        "{arguments:?}"
    );
    let is_empty = json.as_object().is_some_and(serde_json::Map::is_empty);
    assert!(!json.is_null() && !is_empty, "{arguments:?}: {json}");
}

#[tokio::test]
async fn every_command_says_the_same_in_json_and_in_yaml() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("plugformats", &s3).await;
    world.allow_all(&json!({})).await;
    s3.put_object("data", "model", "x").unwrap();
    let operator = world.operator(&[]).await;
    world.psu("model", &json!({ "duration": "2h" })).await;
    world
        .psu("many", &json!({ "key": null, "keys": ["model"] }))
        .await;
    let form = json!({ "method": "POST", "post": { "contentLengthRange": { "max": 9 } } });
    world.psu("form", &form).await;
    world
        .psu("denied", &json!({ "bucket": "other-bucket" }))
        .await;
    for name in ["model", "many", "form"] {
        world.ready(name).await;
    }
    world.unready("denied", "PolicyDenied").await;
    let admin = Person::admin(&world);
    let url = world.value("model", "url").await;
    let store = world.name.as_str();
    // The second: whether each run makes something of its own.
    let table: [(&[&str], bool); 17] = [
        (&["status"], false),
        (&["status", "model"], false),
        (&["status", "denied"], false),
        (&["get", "model"], false),
        (&["get", "many"], false),
        (&["get", "form"], false),
        (
            &[
                "create", "--bucket", "data", "--key", "model", "--store", store,
            ],
            true,
        ),
        (&["renew", "model"], true),
        (&["check", "model", "denied"], false),
        (
            &["check", "--bucket", "data", "--key", "a", "--store", store],
            false,
        ),
        (&["explain", "model"], false),
        (&["explain", "denied"], false),
        (&["whois", "-"], false),
        (&["revoke", "model", "--dry-run"], false),
        (&["iam-policy", "--store", store], false),
        (
            &["iam-policy", "--bucket", "data", "--method", "GET"],
            false,
        ),
        (
            &[
                "iam-policy",
                "--store",
                store,
                "--trust",
                "irsa",
                "--account",
                "111122223333",
            ],
            false,
        ),
    ];
    for (arguments, made_anew) in table {
        let mut printed = Vec::new();
        for format in ["json", "yaml"] {
            let ran = admin
                .pipes(&url, &[arguments, &["-o", format]].concat())
                .await;
            // A policy of another test may be one that allows nothing, which `check` answers with 1.
            let may_say_no = arguments[0] == "check";
            assert!(ran.code == 0 || may_say_no && ran.code == 1, "{ran:#?}");
            printed.push(ran.out);
        }
        agree(arguments, [&printed[0], &printed[1]], made_anew);
    }
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_buckets_rules_are_the_same_in_json_and_in_yaml() {
    let server = S3Server::versitygw().await.unwrap();
    server.create_bucket("data").unwrap();
    let caller = Caller::of(&server, &server.keys());
    let apply = [
        "cors",
        "apply",
        "s3://data",
        "--origin",
        "https://a.example",
        "--method",
        "PUT",
    ];
    caller.run(&apply).await.done();
    let show = ["cors", "show", "s3://data", "-o"];
    let json = caller.run(&[&show[..], &["json"]].concat()).await.done();
    let yaml = caller.run(&[&show[..], &["yaml"]].concat()).await.done();
    agree(&show, [&json, &yaml], false);
}

/// A kubeconfig of somebody whom the cluster does not know, and of somebody who may do nothing.
async fn strangers(world: &World) -> [(PathBuf, &'static str); 2] {
    let meta = json!({ "name": "nobody", "namespace": world.tenant });
    world
        .apply(json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta }))
        .await;
    let nobody = world.plane.service_account(&world.tenant, "nobody").await;
    let unknown = world.plane.api().as_user("no-such-token".to_owned());
    let [one, two] = ["unknown", "nobody"].map(|name| world.folder.join(name));
    unknown.write(&one).unwrap();
    nobody.expect("a token").write(&two).unwrap();
    [(one, "credentials"), (two, "you may not ")]
}

#[tokio::test]
async fn who_is_unknown_and_who_may_nothing_end_in_three() {
    let world = World::new("plugstranger").await;
    world.psu("model", &json!({})).await;
    let url = "https://s3.example.com/data/model?X-Amz-Date=20260101T000000Z";
    let commands: [&[&str]; 10] = [
        &["status"],
        &["status", "model"],
        &["status", "-A"],
        &["get", "model"],
        &["create", "--bucket", "data", "--key", "model"],
        &["renew", "model"],
        &["check", "model"],
        &["explain", "model"],
        &["whois", "-"],
        &["revoke", "model"],
    ];
    for (kubeconfig, words) in strangers(&world).await {
        for command in commands {
            let kubeconfig = kubeconfig.to_str().unwrap();
            let who = ["--kubeconfig", kubeconfig, "-n", &world.tenant];
            let who = if command.contains(&"-A") {
                &who[..2]
            } else {
                &who
            };
            let ran: Ran = plugin(url, &[who, command].concat()).await;
            let why = ran.failed(3);
            assert!(why.contains(words), "{command:?}: {why}");
            assert!(!why.contains("no-such-token"), "{why}");
        }
    }
    let psu = world.psus().get("model").await.unwrap();
    assert_eq!(psu.spec.suspend, None, "revoke changed something");
    world.finish().await;
}

#[tokio::test]
async fn what_cannot_be_printed_ends_in_one() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("plugfull", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("model", &json!({})).await;
    world.ready("model").await;
    let admin = Person::admin(&world);
    for command in [
        &["get", "model"][..],
        &["get", "model", "curl.conf"],
        &["status"],
    ] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_kubectl-presigned"))
            .args(["--kubeconfig", admin.kubeconfig.to_str().unwrap()])
            .args(["-n", &world.tenant])
            .args(command)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(full)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .await
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
        assert!(
            said.contains("stdout cannot be written"),
            "{command:?}: {said}"
        );
        assert!(!said.contains("X-Amz-"), "a URL in a message");
    }
    world.finish().await;
    operator.kill();
}
