//! What `sign` signs is what the core and botocore sign: URLs byte for byte, forms by what they say.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use presigned_core::api::{AddressingStyle, GetOptions, PutOptions};
use presigned_core::request::{Bucket, Key, Options};
use presigned_core::signing::{Credentials, Endpoint, Operation, Target, presign};
use serde_json::{Value, json};

use super::{ACCESS_KEY, SECRET_KEY, life, signed_at, somebody};

/// The core's own URL for the same inputs at the time of another URL.
fn by_core(case: &Case, like: &str) -> String {
    let bucket = Bucket::parse("models").unwrap();
    let key = Key::parse(case.key).unwrap();
    let endpoint = case.endpoint.map(|url| Endpoint::parse(url).unwrap());
    let style = AddressingStyle::Auto;
    let target = Target::resolve(endpoint.as_ref(), "eu-central-1", style, &bucket).unwrap();
    let keys = Credentials {
        access_key_id: ACCESS_KEY.to_owned(),
        secret_access_key: SECRET_KEY.into(),
        session_token: None,
        expires_at: None,
    };
    let op = Operation {
        bucket: &bucket,
        key: &key,
        options: &case.options,
    };
    let signed = presign(&op, &target, &keys, signed_at(like), life(like)).unwrap();
    signed.url.expose().to_owned()
}

/// What botocore answers to these questions.
fn by_botocore(questions: &[Value]) -> Vec<Value> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tools = Command::new(repository.join("hack/tools.sh"))
        .arg("botocore")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(tools.status.success(), "hack/tools.sh says why");
    let folder = String::from_utf8(tools.stdout).unwrap();
    let mut python = Command::new(Path::new(folder.trim_end()).join("botocore"))
        .arg(repository.join("crates/core/tests/botocore/oracle.py"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<String> = questions.iter().map(Value::to_string).collect();
    let mut stdin = python.stdin.take().unwrap();
    // A handful of lines fits into the pipe.
    stdin.write_all(lines.join("\n").as_bytes()).unwrap();
    drop(stdin);
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "botocore says why");
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers = answers
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    answers.collect()
}

/// A URL without the order of its parameters, which no server looks at.
fn parts(url: &str) -> (String, Vec<&str>) {
    let (place, query) = url.trim_end().split_once('?').expect("a query");
    let mut params: Vec<&str> = query.split('&').collect();
    params.sort_unstable();
    (place.to_owned(), params)
}

/// A server of one's own.
const MINIO: &str = "https://minio.example.com:9000";

/// One URL, as the command, the core and botocore are asked for it.
struct Case {
    key: &'static str,
    flags: Vec<&'static str>,
    endpoint: Option<&'static str>,
    options: Options,
    operation: &'static str,
    params: Value,
    x_id: Option<&'static str>,
}

fn cases() -> Vec<Case> {
    let disposition = "attachment; filename=\"a b.pdf\"";
    let get = GetOptions {
        version_id: Some("v/1".to_owned()),
        response_content_disposition: Some(disposition.to_owned()),
        ..GetOptions::default()
    };
    let put = PutOptions {
        content_type: Some("text/plain".to_owned()),
        content_length: Some(7),
        storage_class: Some("STANDARD_IA".to_owned()),
        metadata: Some([("run".to_owned(), "7".to_owned())].into()),
        tagging: Some([("team".to_owned(), "a b".to_owned())].into()),
        ..PutOptions::default()
    };
    let put_flags = vec![
        "--method=PUT",
        "--content-type=text/plain",
        "--content-length=7",
        "--storage-class=STANDARD_IA",
        "--metadata=run=7",
        "--tagging=team=a b",
    ];
    let plain = Case {
        key: "a b+c/é.txt",
        flags: vec![],
        endpoint: None,
        options: Options::Get(GetOptions::default()),
        operation: "get_object",
        params: json!({}),
        x_id: Some("GetObject"),
    };
    let with_options = Case {
        key: "report",
        flags: vec![
            "--version-id=v/1",
            "--response-content-disposition",
            disposition,
        ],
        options: Options::Get(get),
        params: json!({"VersionId": "v/1", "ResponseContentDisposition": disposition}),
        ..default_case()
    };
    let head = Case {
        flags: vec!["--method", "HEAD"],
        endpoint: Some(MINIO),
        options: Options::Head(GetOptions::default()),
        operation: "head_object",
        x_id: None,
        ..default_case()
    };
    let upload = Case {
        flags: put_flags,
        options: Options::Put(put),
        operation: "put_object",
        params: json!({"ContentType": "text/plain", "ContentLength": 7, "StorageClass": "STANDARD_IA",
                       "Metadata": {"run": "7"}, "Tagging": "team=a%20b"}),
        x_id: Some("PutObject"),
        ..default_case()
    };
    let delete = Case {
        flags: vec!["--method=delete"],
        endpoint: Some(MINIO),
        options: Options::Delete,
        operation: "delete_object",
        x_id: Some("DeleteObject"),
        ..default_case()
    };
    vec![plain, with_options, head, upload, delete]
}

fn default_case() -> Case {
    Case {
        key: "k",
        flags: vec![],
        endpoint: None,
        options: Options::Delete,
        operation: "get_object",
        params: json!({}),
        x_id: Some("GetObject"),
    }
}

#[tokio::test]
async fn what_is_signed_is_what_the_core_and_botocore_sign() {
    let caller = somebody();
    let mut ours = Vec::new();
    let mut questions = Vec::new();
    for case in cases() {
        let url = format!("s3://models/{}", case.key);
        let mut args = vec!["sign", url.as_str(), "--expires-in", "90m"];
        args.extend(&case.flags);
        if let Some(endpoint) = case.endpoint {
            args.extend(["--endpoint-url", endpoint]);
        }
        let signed = caller.run(&args).await.done();
        assert_eq!(life(&signed), Duration::from_secs(90 * 60 + 30));
        assert_eq!(signed.trim_end(), by_core(&case, &signed));
        let mut params = case.params;
        params["Bucket"] = json!("models");
        params["Key"] = json!(case.key);
        questions.push(json!({
            "endpoint": case.endpoint,
            "region": "eu-central-1",
            "style": if case.endpoint.is_some() { "path" } else { "virtual" },
            "access_key": ACCESS_KEY,
            "secret_key": SECRET_KEY,
            "token": null,
            "signed_at": signed_at(&signed).as_second(),
            "expires": life(&signed).as_secs(),
            "operation": case.operation,
            "params": params,
            "x_id": case.x_id,
        }));
        ours.push(signed);
    }
    for (ours, theirs) in ours.iter().zip(by_botocore(&questions)) {
        assert_eq!(parts(ours), parts(theirs.as_str().expect("a URL")));
    }
}

/// A form of `-o json`: its URL, and its fields by name.
fn form(text: &str) -> (String, serde_json::Map<String, Value>) {
    let form: Value = serde_json::from_str(text).expect("JSON");
    let url = form["url"].as_str().expect("a URL").to_owned();
    (url, form["fields"].as_object().expect("fields").clone())
}

/// A policy document by what it says: the order of conditions says nothing.
fn document(fields: &mut serde_json::Map<String, Value>) -> (Value, Vec<String>) {
    use base64::Engine as _;
    let policy = fields.remove("policy").expect("a policy");
    let engine = base64::engine::general_purpose::STANDARD;
    let policy = engine
        .decode(policy.as_str().expect("a text"))
        .expect("base64");
    let document: Value = serde_json::from_slice(&policy).expect("JSON");
    let conditions = document["conditions"].as_array().expect("conditions");
    let mut conditions: Vec<String> = conditions.iter().map(Value::to_string).collect();
    conditions.sort_unstable();
    (document["expiration"].clone(), conditions)
}

/// A form, as the command and botocore are asked for it.
struct FormCase {
    key: &'static str,
    flags: &'static str,
    endpoint: Option<&'static str>,
    fields: Value,
    conditions: Value,
}

fn form_cases() -> [FormCase; 2] {
    let every = FormCase {
        key: "photos/",
        flags: "--content-length-range 1-10Mi --content-type-prefix image/ --acl private \
                --success-action-status 201 --metadata run=7",
        endpoint: None,
        fields: json!({ "acl": "private", "success_action_status": "201", "x-amz-meta-run": "7" }),
        conditions: json!([
            ["content-length-range", 1, 10 << 20],
            ["starts-with", "$Content-Type", "image/"]
        ]),
    };
    let few = FormCase {
        key: "report a.csv",
        flags: "--content-length-range 9 --content-type text/csv",
        endpoint: Some(MINIO),
        fields: json!({ "Content-Type": "text/csv" }),
        conditions: json!([["content-length-range", 0, 9]]),
    };
    [every, few]
}

#[tokio::test]
async fn a_form_is_what_botocore_presigns() {
    let caller = somebody();
    for case in form_cases() {
        let FormCase {
            key,
            flags,
            endpoint,
            fields,
            conditions,
        } = case;
        let url = format!("s3://models/{key}");
        let mut args = vec![
            "sign",
            &url,
            "--method",
            "POST",
            "--expires-in",
            "90m",
            "-o",
            "json",
        ];
        args.extend(flags.split_whitespace());
        args.extend(
            endpoint
                .into_iter()
                .flat_map(|endpoint| ["--endpoint-url", endpoint]),
        );
        let (url, mut ours) = form(&caller.run(&args).await.done());
        let date = ours["x-amz-date"].as_str().expect("a date");
        let date = DateTime::strptime("%Y%m%dT%H%M%SZ", date).expect("a date");
        let signed_at = date.to_zoned(TimeZone::UTC).expect("a time").timestamp();
        let mut all = fields.as_object().expect("fields").clone();
        let each = all.iter().map(|(name, value)| json!({ name: value }));
        let conditions: Vec<Value> = each
            .chain(conditions.as_array().expect("a list").iter().cloned())
            .collect();
        let whole = if key.ends_with('/') {
            format!("{key}${{filename}}")
        } else {
            key.to_owned()
        };
        all.remove("policy");
        let question = json!({
            "endpoint": endpoint, "region": "eu-central-1",
            "style": if endpoint.is_some() { "path" } else { "virtual" },
            "access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "token": null,
            "signed_at": signed_at.as_second(), "expires": 90 * 60 + 30,
            "bucket": "models", "key": whole, "fields": all, "conditions": conditions,
            "policy": ours["policy"],
        });
        let theirs = by_botocore(&[question]).remove(0);
        assert_eq!(url, theirs["url"]);
        let mut their_fields = theirs["fields"].as_object().expect("fields").clone();
        assert_eq!(document(&mut ours), document(&mut their_fields), "{key}");
        // Of our own policy: theirs has its conditions in another order.
        let signature = ours.remove("x-amz-signature").expect("a signature");
        their_fields.remove("x-amz-signature");
        assert!(signature == theirs["signature"], "another signature");
        assert_eq!(ours, their_fields, "{key}");
    }
}
