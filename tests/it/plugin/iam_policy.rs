//! `iam-policy`: what is signed works with exactly what it prints, and with one action less it fails.

use presigned_testkit::S3Server;
use presigned_testkit::s3::client::Keys;
use serde_json::{Value, json};

use super::alone::Caller;
use crate::support::http;

const POLICIES: &str = r#"
apiVersion: presigned.dev/v1alpha1
kind: ClusterObjectStore
metadata: {name: main}
spec: {s3: {region: eu-west-2, endpoint: "http://127.0.0.1:9000", credentials: {default: {}}}}
---
apiVersion: presigned.dev/v1alpha1
kind: PresignedURLPolicy
metadata: {name: teams}
spec:
  namespaces: {names: [team-a, "team-b*"]}
  allow:
  - {name: read, stores: [main], buckets: [data], prefixes: ["{namespace}/"], methods: [GET, LIST],
     allowVersions: true, maxDuration: 1h}
  - {name: write, stores: ["*"], buckets: [data], prefixes: ["in/"], methods: [PUT, DELETE], maxDuration: 1h,
     maxUploadBytes: 100}
"#;

/// The document that a command prints.
async fn document(caller: &Caller, args: &[&str]) -> Value {
    let args: Vec<&str> = std::iter::once("iam-policy")
        .chain(args.iter().copied())
        .collect();
    serde_json::from_str(&caller.run(&args).await.done()).expect("JSON")
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        several => serde_json::from_value(several.clone()).expect("texts"),
    }
}

fn statements(document: &Value) -> &Vec<Value> {
    document["Statement"].as_array().expect("statements")
}

/// Every action of the document.
pub(super) fn actions(document: &Value) -> Vec<String> {
    let all = statements(document)
        .iter()
        .flat_map(|one| texts(&one["Action"]));
    let mut all: Vec<String> = all.collect();
    all.sort();
    all.dedup();
    all
}

/// The document without an action.
pub(super) fn without(document: &Value, action: &str) -> Value {
    let mut document = document.clone();
    let statements = document["Statement"].as_array_mut().expect("statements");
    for statement in statements.iter_mut() {
        let kept: Vec<String> = texts(&statement["Action"])
            .into_iter()
            .filter(|one| one != action)
            .collect();
        statement["Action"] = json!(kept);
    }
    statements.retain(|statement| statement["Action"] != json!([]));
    document
}

/// What a policy of the file allows, each with the action that it needs.
const REQUESTS: [(&str, &[&str], &str); 6] = [
    ("s3:GetObject", &["s3://data/team-a/x"], "GET"),
    (
        "s3:GetObject",
        &["s3://data/team-a/x", "--method", "HEAD"],
        "HEAD",
    ),
    (
        "s3:GetObjectVersion",
        &["s3://data/team-a/x", "--version-id"],
        "GET",
    ),
    (
        "s3:PutObject",
        &["s3://data/in/new", "--method", "PUT"],
        "PUT",
    ),
    (
        "s3:DeleteObject",
        &["s3://data/in/old", "--method", "DELETE"],
        "DELETE",
    ),
    (
        "s3:ListBucket",
        &["s3://data/team-a/", "--recursive"],
        "LIST",
    ),
];

/// The actions whose requests the server refuses to a user.
async fn refused(server: &S3Server, user: &Keys, version: &str) -> Vec<&'static str> {
    let caller = Caller::of(server, user);
    let mut refused = Vec::new();
    for (action, args, method) in REQUESTS {
        let mut all = vec!["sign"];
        all.extend(args);
        if all.last() == Some(&"--version-id") {
            all.push(version);
        }
        let signed = caller.run(&all).await;
        if method == "LIST" {
            if signed.code != Some(0) {
                assert!(signed.err.contains("s3:ListBucket"), "{}", signed.err);
                refused.push(action);
            }
            continue;
        }
        let url = signed.done();
        let answer = http(method, url.trim_end(), "", b"").await;
        match answer.status {
            200 | 204 => {}
            403 => refused.push(action),
            other => panic!("{action}: {other} {}", answer.text()),
        }
    }
    refused
}

/// A bucket with versions and the objects of the requests; the version of one of them.
async fn filled(server: &S3Server) -> String {
    server.create_bucket("data").expect("a bucket");
    let versioning = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    let url = format!("{}/data?versioning=", server.endpoint);
    let answer = server
        .signer()
        .send(http::Method::PUT, &url, &[], versioning)
        .await;
    assert!(answer.expect("an answer").status().is_success());
    for key in ["team-a/x", "team-b1/x", "team-c/x", "in/old", "in"] {
        server.put_object("data", key, key).expect("put");
    }
    server.put_object("other", "team-a/x", "x").expect("put");
    let url = server.url("data", "team-a/x");
    let head = server
        .signer()
        .send(http::Method::HEAD, &url, &[], "")
        .await
        .expect("an answer");
    let version = head.headers().get("x-amz-version-id").expect("a version");
    version.to_str().expect("text").to_owned()
}

#[tokio::test]
async fn what_is_signed_works_with_exactly_it_and_fails_with_one_action_less() {
    let server = S3Server::minio().await.expect("a server");
    let version = filled(&server).await;
    let files = Caller::nobody().with_file("rules.yaml", POLICIES);
    let rules = files.home().join("rules.yaml").display().to_string();
    let whole = document(&files, &["-f", &rules]).await;
    let all = [
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:ListBucket",
        "s3:PutObject",
    ];
    assert_eq!(actions(&whole), all);

    let exact = server
        .add_user("exact", "secret-of-exact", &whole.to_string())
        .await
        .expect("a user");
    assert_eq!(refused(&server, &exact, &version).await, Vec::<&str>::new());
    // MinIO takes the right to versions for the right to the newest, and the other way round: what one action
    // less means is seen without versions.
    let plain = POLICIES.replace("allowVersions: true,", "");
    let files = files.with_file("plain.yaml", &plain);
    let plain = files.home().join("plain.yaml").display().to_string();
    let plain = document(&files, &["-f", &plain]).await;
    for (at, action) in actions(&plain).into_iter().enumerate() {
        let less = without(&plain, &action).to_string();
        let name = format!("without-{at}");
        let user = server.add_user(&name, "secret-of-less", &less).await;
        let refused = refused(&server, &user.expect("a user"), &version).await;
        let of_versions = "s3:GetObjectVersion";
        let needs = |of: &&str| *of == action || action == "s3:GetObject" && *of == of_versions;
        let expected: Vec<&str> = REQUESTS.iter().map(|(of, ..)| *of).filter(needs).collect();
        assert_eq!(refused, expected, "without {action}");
    }

    let caller = Caller::of(&server, &exact);
    for (beyond, method) in [
        (&["s3://data/team-c/x"][..], "GET"),
        (&["s3://data/in/old"], "GET"),
        (&["s3://other/team-a/x"], "GET"),
        (&["s3://data/team-a/x", "--method=PUT"], "PUT"),
        (&["s3://data/team-a/x", "--method=DELETE"], "DELETE"),
    ] {
        let args: Vec<&str> = std::iter::once("sign")
            .chain(beyond.iter().copied())
            .collect();
        let url = caller.run(&args).await.done();
        let answer = http(method, url.trim_end(), "", b"").await;
        assert_eq!(answer.status, 403, "{beyond:?}");
    }
    for beyond in ["s3://data/", "s3://data/in/", "s3://data/team-c/"] {
        caller
            .run(&["sign", beyond, "--recursive"])
            .await
            .refused(3);
    }
    for own in ["s3://data/team-a/", "s3://data/team-b1/"] {
        caller.run(&["sign", own, "--recursive"]).await.done();
    }
}

#[tokio::test]
async fn a_document_is_for_the_stores_and_the_namespace_that_are_named() {
    let aws_text = POLICIES
        .replace("endpoint: \"http://127.0.0.1:9000\", ", "")
        .replace("name: main", "name: mian");
    let files = Caller::nobody()
        .with_file("rules.yaml", POLICIES)
        .with_file("aws.yaml", &aws_text);
    let [rules, aws] =
        ["rules.yaml", "aws.yaml"].map(|name| files.home().join(name).display().to_string());
    let whole = document(&files, &["-f", &rules]).await.to_string();
    assert!(
        whole.contains("team-b*/*") && whole.contains("team-a/*"),
        "{whole}"
    );
    let one = document(&files, &["-f", &rules, "-n", "team-a"])
        .await
        .to_string();
    assert!(one.contains("team-a/*") && !one.contains("team-b"), "{one}");
    let other = document(&files, &["-f", &aws]).await;
    assert_eq!(
        actions(&other),
        ["s3:DeleteObject", "s3:PutObject"],
        "the rule of any store alone"
    );
    let typo = files
        .run(&["iam-policy", "-f", &rules, "--store", "mian"])
        .await
        .refused(1);
    assert!(typo.contains("did you mean \"main\"?"), "{typo}");
    let nothing = files
        .run(&["iam-policy", "-f", &rules, "-n", "ops"])
        .await
        .refused(1);
    assert!(nothing.contains("allow nothing"), "{nothing}");

    let second = aws_text.replace("default: {}", "secretRef: {name: other}");
    let files = files.with_file("second.yaml", &second);
    let second = files.home().join("second.yaml").display().to_string();
    let several = ["iam-policy", "-f", &rules, "-f", &second];
    let said = files.run(&several).await.refused(2);
    assert!(
        said.contains("main, mian have different credentials"),
        "{said}"
    );
    document(
        &files,
        &[
            "-f", &rules, "-f", &second, "--store", "main", "--store", "mian",
        ],
    )
    .await;
}

#[tokio::test]
async fn flags_describe_rights_and_trust() {
    let nobody = Caller::nobody();
    let flags = [
        "--bucket", "models", "--prefix", "llama/", "--method", "GET",
    ];
    let plain = document(&nobody, &flags).await;
    assert_eq!(
        plain,
        json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "s3:GetObject",
            "Resource": ["arn:aws:s3:::models/llama", "arn:aws:s3:::models/llama/*"],
        }]})
    );
    let key = "arn:aws:kms:eu-west-1:111122223333:key/1234";
    let more = [
        "--method",
        "PUT",
        "--method",
        "LIST",
        "--versions",
        "--acls",
        "--tags",
        "--kms-key",
        key,
    ];
    let all: Vec<&str> = flags.iter().chain(&more).copied().collect();
    let all = document(&nobody, &all).await;
    let expected = [
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:ListBucket",
        "s3:PutObject",
        "s3:PutObjectAcl",
        "s3:PutObjectTagging",
    ];
    assert_eq!(actions(&all), expected);
    assert!(
        !texts(&json!(actions(&all)))
            .iter()
            .any(|action| action.contains('*'))
    );

    let irsa = document(
        &nobody,
        &[
            "--trust",
            "irsa",
            "--account",
            "111122223333",
            "--oidc-issuer",
            "https://oidc.example.com/id/1",
        ],
    )
    .await;
    let statement = &statements(&irsa)[0];
    assert_eq!(statement["Action"], "sts:AssumeRoleWithWebIdentity");
    let pods = document(&nobody, &["--trust", "pod-identity"]).await;
    assert_eq!(actions(&pods), ["sts:AssumeRole", "sts:TagSession"]);

    for (args, said) in [
        (&["--bucket", "models"][..], "--bucket needs --method"),
        (
            &["--bucket", "models", "--method", "GET", "--prefix", "/x"],
            "begins with /",
        ),
        (
            &[
                "--trust",
                "irsa",
                "--account",
                "1",
                "--oidc-issuer",
                "https://x.example",
            ],
            "12 digits",
        ),
    ] {
        let args: Vec<&str> = std::iter::once("iam-policy")
            .chain(args.iter().copied())
            .collect();
        let told = nobody.run(&args).await.refused(2);
        assert!(told.contains(said), "{told}");
    }
    let nowhere = nobody.run(&["iam-policy"]).await.refused(3);
    assert!(nowhere.contains("no API server is known"), "{nowhere}");
}
