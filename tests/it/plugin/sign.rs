//! `sign`: real servers take what it signs, and usual mistakes are told.

mod equality;

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use presigned_testkit::S3Server;
use serde_json::Value;

use super::alone::Caller;
use crate::support::http;

const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn somebody() -> Caller {
    Caller::nobody()
        .with("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .with("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .with("AWS_REGION", "eu-central-1")
}

/// The value of a parameter of a URL.
fn param<'a>(url: &'a str, name: &str) -> &'a str {
    let (_, query) = url.trim_end().split_once('?').expect("a query");
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(known, _)| *known == name)
        .expect("the parameter")
        .1
}

fn signed_at(url: &str) -> Timestamp {
    let date = DateTime::strptime("%Y%m%dT%H%M%SZ", param(url, "X-Amz-Date")).expect("a date");
    date.to_zoned(TimeZone::UTC).expect("a time").timestamp()
}

fn life(url: &str) -> Duration {
    Duration::from_secs(param(url, "X-Amz-Expires").parse().expect("seconds"))
}

#[tokio::test]
async fn a_real_server_takes_what_is_signed() {
    let server = S3Server::versitygw().await.expect("a server");
    server.create_bucket("data").expect("a bucket");
    let caller = Caller::of(&server, &server.keys());

    let put = [
        "sign",
        "s3://data/in/a b.txt",
        "--method",
        "PUT",
        "--content-length",
        "5",
    ];
    let url = caller.run(&put).await.done();
    let sent = http("PUT", url.trim_end(), "Content-Length: 5\n", b"hello").await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    let got = caller.run(&["sign", "s3://data/in/a b.txt"]).await.done();
    let got = http("GET", got.trim_end(), "", b"").await;
    assert_eq!((got.status, got.text().as_str()), (200, "hello"));

    let form = [
        "sign",
        "s3://data/form/",
        "--method",
        "POST",
        "--content-length-range",
        "1-10",
        "-o",
        "json",
    ];
    let form: Value = serde_json::from_str(&caller.run(&form).await.done()).expect("JSON");
    assert_eq!(form["method"], "POST");
    assert_eq!(form["fields"]["key"], "form/${filename}");

    let one = [
        "sign",
        "s3://data/form/one",
        "--method",
        "POST",
        "--content-length-range",
        "1-10",
        "-o",
        "curl",
    ];
    let conf = caller.home().join("form.conf");
    std::fs::write(&conf, caller.run(&one).await.done()).expect("write it");
    let file = caller.home().join("file");
    for (content, taken) in [("1234567", true), ("12345678901", false)] {
        std::fs::write(&file, content).expect("write it");
        let [conf, file] = [&conf, &file].map(|path| path.display().to_string());
        let args = [
            "-sS".to_owned(),
            "-K".to_owned(),
            conf,
            "-F".to_owned(),
            format!("file=@{file}"),
        ];
        let sent = tokio::process::Command::new("curl")
            .args(args)
            .output()
            .await
            .expect("curl");
        assert_eq!(sent.status.success(), taken, "{sent:?}");
    }
    assert_eq!(
        server.object_bytes("data", "form/one").expect("read"),
        Some(b"1234567".to_vec())
    );
}

#[tokio::test]
async fn a_prefix_and_a_list_of_keys_are_signed_whole() {
    let server = S3Server::versitygw().await.expect("a server");
    for key in ["m/a.bin", "m/sub/b.bin", "m/c.txt", "other"] {
        server.put_object("data", key, key).expect("put");
    }
    let caller = Caller::of(&server, &server.keys());

    let listed = caller
        .run(&["sign", "s3://data/m/", "--recursive", "-o", "json"])
        .await
        .done();
    let listed: Vec<Value> = serde_json::from_str(&listed).expect("JSON");
    let keys: Vec<&str> = listed
        .iter()
        .map(|one| one["key"].as_str().expect("a key"))
        .collect();
    assert_eq!(keys, ["m/a.bin", "m/c.txt", "m/sub/b.bin"]);
    assert_eq!(listed[0]["size"], 7);
    for one in &listed {
        let got = http("GET", one["url"].as_str().expect("a URL"), "", b"").await;
        assert_eq!(
            (got.status, got.text().as_str()),
            (200, one["key"].as_str().expect("a key"))
        );
    }
    let some = caller.run(&[
        "sign",
        "s3://data/m/",
        "--recursive",
        "--include",
        "**.bin",
        "--exclude",
        "sub/*",
    ]);
    let some = some.await.done();
    assert_eq!(some.lines().count(), 1);
    assert!(some.contains("/m/a.bin?"), "the object that is selected");

    let conf = ["sign", "s3://data/m/", "--keys-from", "-", "-o", "curl"];
    let conf = caller.run_with(&conf, "a.bin\nsub/b.bin\n").await.done();
    let file = caller.home().join("curl.conf");
    std::fs::write(&file, conf).expect("write it");
    let folder = caller.home().join("out");
    std::fs::create_dir(&folder).expect("make it");
    let mut curl = tokio::process::Command::new("curl");
    curl.args(["-sS", "-K"]).arg(&file).current_dir(&folder);
    let ended = curl.output().await.expect("curl");
    assert!(ended.status.success(), "{ended:?}");
    let saved = std::fs::read_to_string(folder.join("m/sub/b.bin")).expect("the object");
    assert_eq!(saved, "m/sub/b.bin");

    let few = ["sign", "s3://data/m/", "--recursive", "--max-objects", "2"];
    let said = caller.run(&few).await.refused(1);
    assert!(said.contains("more than 2 objects"), "{said}");
    let none = caller
        .run(&["sign", "s3://data/none/", "--recursive"])
        .await
        .refused(1);
    assert!(none.contains("holds 0 objects"), "{none}");
    let gone = caller
        .run(&["sign", "s3://gone/m/", "--recursive"])
        .await
        .refused(3);
    assert!(gone.contains("there is no such bucket"), "{gone}");
    let stranger = Caller::of(&server, &server.keys()).with("AWS_ACCESS_KEY_ID", "AKIANOBODY");
    let said = stranger
        .run(&["sign", "s3://data/m/", "--recursive"])
        .await
        .refused(3);
    assert!(said.contains("does not know the access key"), "{said}");
}

#[tokio::test]
async fn credentials_that_end_early_and_sessions_without_an_end_are_told() {
    let session = || somebody().with("AWS_SESSION_TOKEN", "IQoJb3JpZ2luEXAMPLETOKEN");
    let end = Timestamp::now() + Duration::from_mins(20);
    let ends = session().with("AWS_CREDENTIAL_EXPIRATION", &end.to_string());
    let ended = ends.run(&["sign", "s3://models/k"]).await;
    assert!(
        ended.err.contains("the credentials end at") && ended.err.contains("and not for 1h"),
        "{}",
        ended.err
    );
    let url = ended.done();
    assert!(
        life(&url) <= Duration::from_mins(21),
        "it ends with the credentials"
    );

    let unknown = session().run(&["sign", "s3://models/k"]).await;
    assert!(
        unknown.err.contains("nobody says when it ends"),
        "{}",
        unknown.err
    );
    assert_eq!(life(&unknown.done()), Duration::from_secs(3630));

    let quiet = somebody().run(&["sign", "s3://models/k"]).await;
    assert_eq!(quiet.err, "");
    let over = session().with("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z");
    let said = over.run(&["sign", "s3://models/k"]).await.refused(3);
    assert!(said.contains("expired at 2020-01-01T00:00:00Z"), "{said}");
}

#[tokio::test]
async fn a_profile_goes_before_the_environment_and_says_region_and_endpoint() {
    let config = "[profile dev]\nregion = eu-west-1\nservices = own\n\
                  [services own]\ns3 =\n  endpoint_url = https://minio.example.com:9000\n\
                  [profile run]\nregion = eu-west-1\ncredential_process = sh -c 'echo SPILLED >&2; exit 1'\n\
                  [profile sso]\nregion = eu-west-1\nsso_session = s\nsso_account_id = 111122223333\nsso_role_name = r\n\
                  [sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://example.awsapps.com/start\n";
    let keys = "[dev]\naws_access_key_id = AKIDOFPROFILE\naws_secret_access_key = ofprofile\n";
    let caller = Caller::nobody()
        .with("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .with("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .with_file(".aws/config", config)
        .with_file(".aws/credentials", keys);
    let url = caller
        .run(&["sign", "s3://models/k", "--profile", "dev"])
        .await
        .done();
    assert!(
        url.starts_with("https://minio.example.com:9000/models/k?"),
        "{url}"
    );
    assert!(
        url.contains("X-Amz-Credential=AKIDOFPROFILE%2F"),
        "the profile's keys sign"
    );
    assert!(url.contains("eu-west-1"), "{url}");

    let typo = caller
        .run(&["sign", "s3://models/k", "--profile", "dve"])
        .await
        .refused(3);
    assert!(
        typo.contains("\"dve\" is not in") && typo.contains("dev"),
        "{typo}"
    );
    let failed = caller
        .run(&["sign", "s3://models/k", "--profile", "run"])
        .await
        .refused(3);
    assert!(failed.contains("credential_process is not run"), "{failed}");
    assert!(!failed.contains("SPILLED"), "{failed}");
    let logged_out = caller
        .run(&["sign", "s3://models/k", "--profile", "sso"])
        .await
        .refused(3);
    assert!(logged_out.contains("aws sso login"), "{logged_out}");
}

#[tokio::test]
async fn usual_mistakes_are_told() {
    let nobody = Caller::nobody().with("AWS_REGION", "eu-west-1");
    let said = nobody.run(&["sign", "s3://models/k"]).await.refused(3);
    for tried in [
        "AWS_ACCESS_KEY_ID",
        "SSO",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "instance metadata",
    ] {
        assert!(said.contains(tried), "{said}");
    }
    let caller = somebody();
    let signed = "https://models.s3.amazonaws.com/k?X-Amz-Signature=abc";
    let table: [(&[&str], &str); 14] = [
        (&[signed], "argument 1 is no s3:// URL"),
        (
            &["s3://models/k", "--region", "eu-nowhere"],
            "none of AWS's regions",
        ),
        (&["s3://models/k", "--region", "eu west"], "--region"),
        (
            &["s3://models/k", "--expires-in", "200h"],
            "--expires-in: \"200h\" is longer than SigV4 allows",
        ),
        (&["s3://models/k", "--expires-in", "8d"], "write 192h"),
        (
            &["s3://models/k", "--expires-in", "10"],
            "shorter than a URL may live",
        ),
        (
            &["s3://models/in/", "--method", "POST"],
            "needs --content-length-range",
        ),
        (
            &["s3://models/k", "--content-type", "a/b"],
            "--content-type goes with PUT and POST",
        ),
        (
            &["s3://models/k", "--method", "PUT", "--kms-key-id", "abc"],
            "--server-side-encryption: aws:kms",
        ),
        (&["s3://models/"], "add --recursive"),
        (&["s3://models/k", "-o", "html"], "--method POST"),
        (
            &["s3://models/k", "-o", "table"],
            "give one of url, json, curl, html",
        ),
        (
            &["s3://models/k", "--endpoint-url", "minio:9000"],
            "--endpoint-url",
        ),
        (
            &["s3://models/k", "--keys-from", "keys"],
            "--keys-from goes with one s3://BUCKET/",
        ),
    ];
    for (args, expected) in table {
        let args: Vec<&str> = std::iter::once("sign")
            .chain(args.iter().copied())
            .collect();
        let said = caller.run(&args).await.refused(2);
        assert!(said.contains(expected), "{args:?}: {said}");
    }
    let missing = caller
        .run(&["sign", "s3://models/", "--keys-from", "gone"])
        .await
        .refused(2);
    assert!(
        missing.contains("the list of keys gone cannot be read"),
        "{missing}"
    );
    let elsewhere = [
        "sign",
        "s3://models/k",
        "--recursive",
        "--endpoint-url",
        "http://127.0.0.1:1",
    ];
    let said = caller.run(&elsewhere).await.refused(3);
    assert!(said.contains("the connection was refused"), "{said}");
}
