//! `cors`: one rule of a bucket, known by its ID, beside those of others.

use presigned_testkit::S3Server;
use serde_json::Value;

use super::alone::Caller;
use crate::support::http;

const FOREIGN: &str = "<CORSConfiguration><CORSRule><ID>theirs</ID>\
    <AllowedOrigin>https://theirs.example</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>";
const APPLY: [&str; 8] = [
    "cors",
    "apply",
    "s3://data",
    "--origin",
    "https://app.example",
    "--method",
    "PUT",
    "--method=GET",
];

/// The rules that a server has, by their IDs.
async fn ids(caller: &Caller) -> Vec<String> {
    let shown = caller
        .run(&["cors", "show", "s3://data", "-o", "json"])
        .await
        .done();
    let rules: Vec<Value> = serde_json::from_str(&shown).expect("JSON");
    let ids = rules
        .iter()
        .map(|rule| rule["id"].as_str().expect("an ID").to_owned());
    ids.collect()
}

/// Whether a browser may send a PUT from the origin.
async fn may_put(server: &S3Server, origin: &str) -> bool {
    let headers = format!(
        "Origin: {origin}\nAccess-Control-Request-Method: PUT\nAccess-Control-Request-Headers: content-type\n"
    );
    let answer = http("OPTIONS", &server.url("data", "k"), &headers, b"").await;
    answer.status == 200
        && answer
            .head
            .to_lowercase()
            .contains("access-control-allow-origin")
}

#[tokio::test]
async fn a_rule_is_applied_beside_those_of_others_and_removed_alone() {
    let server = S3Server::versitygw().await.expect("a server");
    server.create_bucket("data").expect("a bucket");
    let caller = Caller::of(&server, &server.keys());
    assert_eq!(ids(&caller).await, Vec::<String>::new());
    let check: Vec<&str> = APPLY.into_iter().chain(["--check"]).collect();
    let said = caller.run(&check).await.refused(1);
    assert!(
        said.contains("presigned.dev/default of s3://data is not there"),
        "{said}"
    );
    assert!(
        !may_put(&server, "https://app.example").await,
        "no rule, no page"
    );

    let url = format!("{}/data?cors=", server.endpoint);
    let digest = [("x-amz-checksum-sha256", checksum())];
    let digest: Vec<(&str, &str)> = digest.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let put = server
        .signer()
        .send(http::Method::PUT, &url, &digest, FOREIGN)
        .await;
    assert!(put.expect("an answer").status().is_success());

    let applied = caller.run(&APPLY).await;
    assert!(applied.err.contains("1 others are kept"), "{}", applied.err);
    applied.done();
    assert_eq!(ids(&caller).await, ["theirs", "presigned.dev/default"]);
    assert!(may_put(&server, "https://app.example").await);
    assert!(
        !may_put(&server, "https://theirs.example").await,
        "their rule has GET alone"
    );
    caller.run(&check).await.done();
    let again = caller.run(&APPLY).await;
    assert!(again.err.contains("nothing to change"), "{}", again.err);

    let fewer = [
        "cors",
        "apply",
        "data",
        "--origin",
        "https://app.example",
        "--method",
        "PUT",
        "--check",
    ];
    let said = caller.run(&fewer).await.refused(1);
    assert!(
        said.contains("methods are [GET PUT] and not [PUT]"),
        "{said}"
    );
    let named = [
        "cors",
        "apply",
        "data",
        "--name",
        "b",
        "--origin",
        "https://b.example",
        "--method",
        "POST",
    ];
    caller.run(&named).await.done();
    assert_eq!(
        ids(&caller).await,
        ["theirs", "presigned.dev/default", "presigned.dev/b"]
    );

    caller.run(&["cors", "remove", "s3://data"]).await.done();
    assert_eq!(ids(&caller).await, ["theirs", "presigned.dev/b"]);
    let forced: Vec<&str> = APPLY.into_iter().chain(["--force"]).collect();
    let forced = caller.run(&forced).await;
    assert!(
        forced.err.contains("2 others were replaced"),
        "{}",
        forced.err
    );
    assert_eq!(ids(&caller).await, ["presigned.dev/default"]);
    caller.run(&["cors", "remove", "s3://data"]).await.done();
    assert_eq!(ids(&caller).await, Vec::<String>::new());
}

fn checksum() -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(FOREIGN))
}

#[tokio::test]
async fn usual_mistakes_with_rules_are_told() {
    let server = S3Server::versitygw().await.expect("a server");
    server.create_bucket("data").expect("a bucket");
    let caller = Caller::of(&server, &server.keys());
    let table: [(&[&str], i32, &str); 6] = [
        (&["show", "s3://gone"], 3, "there is no such bucket"),
        (&["show", "s3://data/key"], 2, "without a key"),
        (
            &[
                "apply",
                "data",
                "--origin",
                "app.example",
                "--method",
                "GET",
            ],
            2,
            "has no scheme",
        ),
        (
            &[
                "apply",
                "data",
                "--origin",
                "https://app.example/",
                "--method",
                "GET",
            ],
            2,
            "has a path",
        ),
        (
            &["apply", "data", "--origin", "https://app.example"],
            2,
            "--method",
        ),
        (
            &["show", "data", "--endpoint-url", "http://127.0.0.1:1"],
            3,
            "the connection was refused",
        ),
    ];
    for (args, code, expected) in table {
        let args: Vec<&str> = std::iter::once("cors")
            .chain(args.iter().copied())
            .collect();
        let said = caller.run(&args).await.refused(code);
        assert!(said.contains(expected), "{args:?}: {said}");
    }
    let stranger =
        Caller::of(&server, &server.keys()).with("AWS_SECRET_ACCESS_KEY", "0123456789abcdef");
    let said = stranger.run(&["cors", "show", "data"]).await.refused(3);
    assert!(said.contains("the secret key is wrong"), "{said}");
    let nobody = Caller::nobody().with("AWS_REGION", "eu-west-1");
    let said = nobody.run(&["cors", "show", "data"]).await.refused(3);
    assert!(said.contains("no AWS credentials"), "{said}");
}
