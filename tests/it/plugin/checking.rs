//! `check`: the answer that the operator will give, or what is missing to know it.

use presigned_testkit::S3Server;
use serde_json::json;

use super::{Person, plugin, row};
use crate::support::World;

#[tokio::test]
async fn check_answers_as_the_operator_does_and_says_which_right_is_missing() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("plugcheck", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("mine", &json!({})).await;
    world
        .psu("others", &json!({ "bucket": "other-bucket" }))
        .await;
    world.ready("mine").await;
    let refusal = world.unready("others", "PolicyDenied").await;
    let (viewer, admin) = (Person::viewer(&world).await, Person::admin(&world));

    let seen = admin.runs(&["check", "mine"]).await;
    assert_eq!(row(seen.fine(), "mine")[2], "allowed");
    let rule = format!("policy \"{}\" rule \"r0\"", world.name);
    assert_eq!(row(&seen.out, "mine")[3], rule);
    // The words of a refusal are the operator's own, for an admin who evaluates and for a tenant who reads.
    for person in [&admin, &viewer] {
        let seen = person.runs(&["check", "mine", "others"]).await;
        assert_eq!(seen.code, 1, "{seen:?}");
        assert!(
            seen.out
                .contains(&format!("{}/others: {refusal}", world.tenant)),
            "{}",
            seen.out
        );
    }
    let asked = [
        "check",
        "--bucket",
        "data",
        "--key",
        "a",
        "--store",
        &world.name,
        "--duration",
        "13h",
        "-o",
        "json",
    ];
    let seen = admin.runs(&asked).await;
    assert_eq!(seen.code, 1, "{seen:?}");
    let shorter = asked.map(|one| if one == "13h" { "12h" } else { one });
    let seen = admin.runs(&shorter).await.json();
    assert_eq!(seen["checked"][0]["result"], "allowed");
    assert_eq!(seen["checked"][0]["rules"], json!([rule]));
    let seen = viewer.runs(&shorter).await;
    assert_eq!(seen.code, 3, "{seen:?}");
    assert!(
        seen.out
            .contains("you may not list presignedurlpolicies: ask an admin"),
        "{}",
        seen.out
    );
    let no_store = asked.map(|one| match one {
        "13h" => "12h",
        name if name == world.name => "nowhere",
        other => other,
    });
    assert_eq!(admin.runs(&no_store).await.code, 1);
    world.finish().await;
    operator.kill();
}

/// As CI runs it: no kubeconfig, no cluster.
#[tokio::test]
async fn the_examples_check_offline_and_a_typo_ends_in_one() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let seen = plugin("", &["check", "-f", folder, "-o", "json"]).await;
    let checked = seen.json()["checked"].as_array().unwrap().len();
    assert!(checked >= 10, "{seen:?}");
    let typo = "apiVersion: presigned.dev/v1alpha1\nkind: PresignedURL\nmetadata: {name: r}\n\
                spec: {bucket: models, keey: team-a/m}\n";
    let seen = plugin(typo, &["check", "-f", folder, "-f", "-", "-n", "team-a"]).await;
    assert_eq!(seen.code, 1, "{seen:?}");
    let told = "team-a/r: unknown field \"spec.keey\": did you mean \"key\"?";
    assert!(seen.out.contains(told), "{}", seen.out);
    let seen = plugin("a: [", &["check", "-f", "-"]).await;
    assert!(seen.failed(1).contains("stdin is no YAML"), "{}", seen.err);
    let seen = plugin("", &["check"]).await;
    assert!(
        seen.failed(2).contains("there is nothing to check"),
        "{}",
        seen.err
    );
}

/// A file that is not there is a fault of the command line, for each flag that names one.
#[tokio::test]
async fn a_file_that_cannot_be_read_ends_in_two() {
    let none = "/nonexistent.yaml";
    let s3 = ["--endpoint-url", "http://127.0.0.1:1"];
    for command in [
        &["check", "-f", none][..],
        &["iam-policy", "-f", none],
        &[
            "create", "--bucket", "b", "--key", "k", "--put", "--file", none,
        ],
        &["sign", "s3://data/", "--keys-from", none],
        &["sign", "s3://data/k", s3[0], s3[1], "--ca-bundle", none],
        &[
            "cors",
            "show",
            "s3://data",
            s3[0],
            s3[1],
            "--ca-bundle",
            none,
        ],
    ] {
        let why = plugin("", command).await;
        let told = why.failed(2);
        assert!(
            told.contains(none) && told.contains("cannot be read"),
            "{told}"
        );
    }
    // A folder is no file.
    let why = plugin("", &["sign", "s3://data/", "--keys-from", "/"]).await;
    assert!(why.failed(2).contains("cannot be read"), "{}", why.err);
}

#[tokio::test]
async fn a_method_or_a_format_that_a_command_does_not_have_ends_in_two() {
    let asked = [
        "check",
        "--offline",
        "--bucket",
        "b",
        "--key",
        "k",
        "--method",
        "GTE",
    ];
    let why = plugin("", &asked).await;
    assert_eq!(why.code, 2, "{why:?}");
    assert!(
        why.err.contains("GET, HEAD, PUT, POST, DELETE"),
        "{}",
        why.err
    );
    let lower = asked.map(|one| if one == "GTE" { "get" } else { one });
    assert_eq!(plugin("", &lower).await.code, 1, "no policy allows it");
    let origin = ["--origin", "https://a.example", "--method", "PUT"];
    for (command, advice) in [
        (&["completion", "bash", "-o", "json"][..], "leave it out"),
        (
            &["cors", "remove", "s3://data", "-o", "json"],
            "leave it out",
        ),
        (
            &[
                "cors",
                "apply",
                "s3://data",
                "-o",
                "json",
                origin[0],
                origin[1],
                origin[2],
                origin[3],
            ],
            "leave it out",
        ),
        (&["get", "model", "url", "-o", "json"], "leave it out"),
        (&["get", "model", "--files", "-o", "yaml"], "leave it out"),
        (
            &[
                "create", "--bucket", "b", "--key", "k", "--print", "url", "-o", "json",
            ],
            "leave it out",
        ),
        (
            &[
                "iam-policy",
                "--bucket",
                "b",
                "--method",
                "GET",
                "-o",
                "table",
            ],
            "give one of json, yaml",
        ),
    ] {
        let why = plugin("", command).await;
        assert!(why.failed(2).contains(advice), "{command:?}: {}", why.err);
    }
}
