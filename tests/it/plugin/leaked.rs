//! `explain`, `whois` and `revoke`: what a resource is, whose a leaked URL is, and what ends it.

use kube::api::{DeleteParams, PostParams};
use presigned_testkit::fault_proxy::{Fault, Gate, Match, Verb};
use presigned_testkit::{FaultProxy, S3Server};
use serde_json::{Value, json};

use super::{Person, plugin};
use crate::support::{World, eventually, http};

#[tokio::test]
async fn explain_tells_the_way_of_a_resource_to_tenants_and_more_to_admins() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("plugexplain", &s3).await;
    s3.put_object("data", "model", "x").unwrap();
    let operator = world.operator(&[]).await;
    world.psu("model", &json!({ "duration": "2h" })).await;
    world
        .psu("denied", &json!({ "bucket": "other-bucket" }))
        .await;
    world.ready("model").await;
    world.unready("denied", "PolicyDenied").await;
    let (viewer, admin) = (Person::viewer(&world).await, Person::admin(&world));
    let told = admin.runs(&["explain", "model"]).await;
    for part in [
        "GET s3://data/model for 2h, replaced before it expires",
        "rule \"r0\"",
        "signed with Secret credentials",
        "as revision 1",
        "It is replaced ",
        "Ready: the Secret holds",
    ] {
        assert!(told.fine().contains(part), "{part}: {}", told.out);
    }
    let told = viewer.runs(&["explain", "model"]).await;
    for part in [
        format!("Allowed by {}", world.name),
        "you may not get clusterobjectstore".to_owned(),
    ] {
        assert!(told.fine().contains(&part), "{part}: {}", told.out);
    }
    for person in [&viewer, &admin] {
        let told = person
            .runs(&["explain", "denied", "-o", "json"])
            .await
            .json();
        let said = told["steps"].to_string();
        assert!(
            said.contains("Refused: No policy allows namespace")
                && said.contains("What to do: Ask for less"),
            "{said}"
        );
    }
    let why = viewer.runs(&["explain", "modell"]).await;
    assert!(
        why.failed(1).contains("did you mean \"model\"?"),
        "{}",
        why.err
    );
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn whois_finds_the_resource_of_a_url_by_its_address_and_date() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("plugwhois", &s3).await;
    s3.put_object("data", "model", "x").unwrap();
    let operator = world.operator(&[]).await;
    world.psu("model", &json!({})).await;
    world.ready("model").await;
    let (viewer, admin) = (Person::viewer(&world).await, Person::admin(&world));
    let url = world.value("model", "url").await;
    let of = |told: &Value, field: &str| {
        told["matches"][0][field]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let told = admin
        .pipes(&url, &["whois", "-", "-o", "json"])
        .await
        .json();
    assert_eq!(
        (of(&told, "name"), of(&told, "sure")),
        ("model".to_owned(), "certain".to_owned())
    );
    assert_eq!(told["accessKeyID"], s3.access_key.as_str());
    let line = format!(
        "10.0.0.1 - \"GET {} HTTP/1.1\" 200",
        url.split("&X-Amz-Signature").next().unwrap()
    );
    let told = admin.pipes(&line, &["whois", "-"]).await;
    assert!(
        told.fine().contains("certain") && told.out.contains("presigned revoke model"),
        "{}",
        told.out
    );
    // Who may not read stores learns the resource all the same, with less certainty.
    let told = viewer.pipes(&url, &["whois", "-"]).await;
    for part in [
        "possible",
        "only namespace",
        "stores were not compared: you may not list clusterobjectstores",
    ] {
        assert!(told.fine().contains(part), "{part}: {}", told.out);
    }
    let renewed = admin.runs(&["renew", "model"]).await;
    renewed.fine();
    let told = admin
        .pipes(&url, &["whois", "-", "-o", "json"])
        .await
        .json();
    // Two signatures of one second are one.
    assert!(
        ["likely", "certain"].contains(&of(&told, "sure").as_str()),
        "{told}"
    );
    let other = url.replace("/model?", "/modem?");
    let none = admin.pipes(&other, &["whois", "-"]).await;
    assert_eq!(none.code, 1, "{none:?}");
    assert!(none.out.contains("No PresignedURL fits"), "{}", none.out);
    let why = admin.pipes("not a url", &["whois", "-"]).await;
    assert!(why.failed(1).contains("this is no URL"), "{}", why.err);
    world.finish().await;
    operator.kill();
}

/// The statement is given to a server that reads it: the URL dies, and no other does.
#[tokio::test]
async fn revoke_stops_a_resource_and_its_statement_ends_the_url_and_no_other() {
    let s3 = S3Server::minio().await.unwrap();
    let world = World::on("plugrevoke", &s3).await;
    let allow = json!({ "Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::*" });
    let policy = |statements: &[&Value]| {
        json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
    };
    let user = s3
        .add_user("signer", "signer-secret", &policy(&[&allow]))
        .await
        .unwrap();
    world.credentials(&user.access_key, &user.secret_key).await;
    for key in ["leaked", "other"] {
        s3.put_object("data", key, "x").unwrap();
    }
    let operator = world.operator(&[]).await;
    for name in ["leaked", "other"] {
        world.psu(name, &json!({})).await;
        world.ready(name).await;
    }
    world.psu("same", &json!({ "key": "leaked" })).await;
    world.ready("same").await;
    let urls = [
        world.value("leaked", "url").await,
        world.value("other", "url").await,
    ];
    let (viewer, editor, admin) = (
        Person::viewer(&world).await,
        Person::editor(&world).await,
        Person::admin(&world),
    );

    let why = viewer.runs(&["revoke", "leaked"]).await;
    assert!(
        why.failed(3).contains("you may not patch presignedurl"),
        "{}",
        why.err
    );
    let dry = editor.runs(&["revoke", "leaked", "--dry-run"]).await;
    for part in [
        "nothing was changed",
        "Deny the objects",
        "give this to an admin of store",
    ] {
        assert!(dry.fine().contains(part), "{part}: {}", dry.out);
    }
    world.secret("leaked").await;
    let told = admin.runs(&["revoke", "leaked", "-o", "json"]).await.json();
    assert!(
        told["done"]
            .as_str()
            .unwrap()
            .ends_with("its Secret \"leaked\" is deleted"),
        "{told}"
    );
    world.gone("leaked").await;
    let psu = world.psus().get("leaked").await.unwrap();
    assert_eq!(psu.spec.suspend, Some(true));
    let way = &told["ways"][0];
    let hits = way["hits"].as_str().unwrap();
    assert!(hits.contains("/same") && !hits.contains("/other"), "{hits}");
    assert_eq!(told["ways"][1]["deny"], "the key that signed");
    assert_eq!(
        http("GET", &urls[0], "", &[]).await.status,
        200,
        "it lives on"
    );
    let deny = &way["policy"]["Statement"][0];
    s3.add_user("signer", "signer-secret", &policy(&[&allow, deny]))
        .await
        .unwrap();
    eventually("the server refuses the URL", async || {
        match http("GET", &urls[0], "", &[]).await.status {
            403 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    assert_eq!(http("GET", &urls[1], "", &[]).await.status, 200);
    // Who signs headers, as an SDK does, is not hit.
    let path = format!("{}/data/leaked", s3.endpoint);
    let answer = s3
        .signer_of(user)
        .send(http::Method::GET, &path, &[], "")
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    world.finish().await;
    operator.kill();
}

/// The operator is down, and a URL has leaked: what can be done is done, and all is told.
#[tokio::test]
async fn revoke_tells_the_statements_also_if_no_operator_runs() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("plugrevalone", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("leaked", &json!({})).await;
    world.ready("leaked").await;
    let admin = Person::admin(&world);
    operator.kill();
    let told = admin.runs(&["revoke", "leaked", "--timeout", "1s"]).await;
    assert_eq!(told.code, 4, "{told:?}");
    for part in [
        "its Secret \"leaked\" is deleted. The operator has not seen",
        "Deny the objects",
    ] {
        assert!(told.out.contains(part), "{part}: {}", told.out);
    }
    assert!(world.secrets().get_opt("leaked").await.unwrap().is_none());
    world.finish().await;
}

/// A Secret that somebody else wrote stays, also if it takes the place of the operator's in the last moment.
#[tokio::test]
async fn revoke_deletes_no_secret_of_others() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("plugrevothers", &s3).await;
    let proxy = FaultProxy::start(world.plane.api()).unwrap();
    let operator = world.operator(&[]).await;
    for name in ["theirs", "swapped"] {
        world.psu(name, &json!({})).await;
        world.ready(name).await;
    }
    let editor = Person::editor_behind(&world, &proxy).await;
    operator.kill();
    let theirs = json!({ "metadata": { "annotations": { "presigned.dev/presigned-url": "x" } } });
    world.edit_secret("theirs", theirs).await;
    let told = editor.runs(&["revoke", "theirs", "--timeout", "1s"]).await;
    for part in [
        "The Secret \"theirs\" is not the operator's, left",
        "Deny the objects",
    ] {
        assert!(told.out.contains(part), "{part}: {told:?}");
    }
    assert_eq!(told.code, 4, "{told:?}");
    assert!(world.secrets().get_opt("theirs").await.unwrap().is_some());

    let gate = Gate::new();
    let removal = Match::resource("secrets").verb(Verb::Delete);
    proxy.add(removal, Fault::HoldRequest(gate.clone()));
    let revoked = editor.runs(&["revoke", "swapped", "--timeout", "1s"]);
    let swapped = async {
        gate.reached(1).await;
        let mut other = world.secrets().get("swapped").await.unwrap();
        let gone = DeleteParams::default();
        world.secrets().delete("swapped", &gone).await.unwrap();
        (other.metadata.uid, other.metadata.resource_version) = (None, None);
        let created = world.secrets().create(&PostParams::default(), &other).await;
        created.unwrap();
        gate.release();
    };
    let (told, ()) = tokio::join!(revoked, swapped);
    assert!(told.out.contains("its Secret is still there"), "{told:?}");
    assert!(world.secrets().get_opt("swapped").await.unwrap().is_some());
    world.finish().await;
}

#[tokio::test]
async fn completion_knows_every_command_and_each_help_has_codes_and_examples() {
    let help = plugin("", &["--help"]).await;
    let listed = help.fine().lines();
    let listed = listed.skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let commands: Vec<&str> = names
        .filter(|name| !name.is_empty() && *name != "help")
        .collect();
    assert_eq!(commands.len(), 12, "{commands:?}");
    let completed = plugin("", &["completion", "kubectl", "--", ""]).await;
    for command in &commands {
        let line = format!("\n{command}\t");
        assert!(
            format!("\n{}", completed.fine()).contains(&line),
            "{command}"
        );
    }
    for command in commands {
        let help = plugin("", &[command, "--help"]).await;
        let out = help.fine();
        assert!(out.contains("Exit codes: 0 "), "{command}: {out}");
        let example = |line: &str| {
            let shown = line.starts_with("  ");
            let calls = ["kubectl presigned ", "kubectl-presigned "];
            shown
                && calls
                    .iter()
                    .any(|call| line.contains(&format!("{call}{command}")))
        };
        assert!(out.lines().any(example), "{command}: {out}");
    }
}
