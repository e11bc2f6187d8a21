//! What the core signs is what botocore signs: URLs of every method, and forms, which aws-sdk-s3 does not
//! know.
//!
//! What holds here: botocore is asked in its own terms, as its users do. The cases are random and always the
//! same. A form's policy document is compared by what it says, and its signature is botocore's over the very
//! same text, since botocore writes spaces into its JSON.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/cases.rs"]
mod cases;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use cases::{ACCESS_KEY, Case, PLACES, SECRET_KEY, TOKEN, case, printable};
use presigned_core::api::{AddressingStyle, ContentLengthRange, PostOptions};
use presigned_core::request::{Options, Prefix};
use presigned_core::signing::{ExpectedForm, Form, FormKey, FormOperation, check_form, sign_form};
use proptest::collection::btree_map;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

/// Enough that each place meets each kind of options many times.
const CASES: usize = 800;

/// The same values in every run.
fn always_the_same<S: Strategy>(strategy: &S) -> Vec<S::Value> {
    let mut runner = TestRunner::deterministic();
    let mut one = || strategy.new_tree(&mut runner).unwrap().current();
    (0..CASES).map(|_| one()).collect()
}

/// Asks botocore, which is started once for all of them.
fn ask(questions: &[Value]) -> Vec<Value> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tools = Command::new(repository.join("hack/tools.sh"))
        .arg("botocore")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(tools.status.success(), "hack/tools.sh says why");
    let folder = String::from_utf8(tools.stdout).unwrap();
    let mut python = Command::new(Path::new(folder.trim_end()).join("botocore"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/botocore/oracle.py"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<String> = questions.iter().map(Value::to_string).collect();
    let lines = lines.join("\n");
    let mut stdin = python.stdin.take().unwrap();
    // Written beside the reading: the pipe holds less than all the answers.
    let writing = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "botocore says why");
    writing.join().unwrap().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = answers
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), questions.len());
    answers
}

/// What every question holds: where, when, and whose signature.
fn question(case: &Case, more: Value) -> Value {
    let (endpoint, region, style) = PLACES[case.place];
    // Over plain HTTP botocore puts any dotted bucket before the host; aws-sdk-s3, whom the core follows,
    // none that has a label of fewer than three characters.
    let short = |label: &str| label.len() < 3;
    let plain = endpoint.is_some_and(|url| url.starts_with("http:"));
    let style = match style {
        _ if plain && case.bucket.as_str().split('.').any(short) => "path",
        AddressingStyle::Auto if endpoint.is_none() => "virtual",
        AddressingStyle::Auto | AddressingStyle::Path => "path",
        AddressingStyle::VirtualHost => "virtual",
        AddressingStyle::BucketEndpoint => panic!("botocore knows none"),
    };
    let mut question = json!({
        "endpoint": endpoint,
        "region": region,
        "style": style,
        "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY,
        "token": case.session.then_some(TOKEN),
        "signed_at": case.signed_at.as_second(),
        "expires": case.expires,
    });
    let Value::Object(more) = more else {
        panic!("no object");
    };
    question.as_object_mut().unwrap().extend(more);
    question
}

fn url_question(case: &Case) -> Value {
    let operation = match &case.options {
        Options::Get(_) => "get_object",
        Options::Head(_) => "head_object",
        Options::Put(_) => "put_object",
        Options::Delete => "delete_object",
        Options::Post(_) => panic!("a form is no URL"),
    };
    let mut params = BTreeMap::from([
        ("Bucket", json!(case.bucket.as_str())),
        ("Key", json!(case.key.as_str())),
    ]);
    let mut put = |name, value: Option<Value>| params.extend(value.map(|value| (name, value)));
    let text = |value: &Option<String>| value.as_ref().map(|value| json!(value));
    let x_id = match &case.options {
        Options::Get(get) | Options::Head(get) => {
            put("VersionId", text(&get.version_id));
            put("ResponseContentType", text(&get.response_content_type));
            let disposition = text(&get.response_content_disposition);
            put("ResponseContentDisposition", disposition);
            put(
                "ResponseContentEncoding",
                text(&get.response_content_encoding),
            );
            put(
                "ResponseContentLanguage",
                text(&get.response_content_language),
            );
            put("ResponseCacheControl", text(&get.response_cache_control));
            let payer = get.request_payer.map(|payer| json!(payer.as_str()));
            put("RequestPayer", payer);
            (operation == "get_object").then_some("GetObject")
        }
        Options::Put(options) => {
            put("ContentType", text(&options.content_type));
            put(
                "ContentLength",
                options.content_length.map(|all| json!(all)),
            );
            put("ChecksumSHA256", text(&options.checksum_sha256));
            put("ChecksumCRC64NVME", text(&options.checksum_crc64nvme));
            put("IfMatch", text(&options.if_match));
            put("IfNoneMatch", options.if_none_match.map(|_| json!("*")));
            let sse = options.server_side_encryption;
            put("ServerSideEncryption", sse.map(|sse| json!(sse.as_str())));
            put("SSEKMSKeyId", text(&options.kms_key_id));
            put("StorageClass", text(&options.storage_class));
            put("ACL", text(&options.acl));
            put("Metadata", options.metadata.as_ref().map(|all| json!(all)));
            put("Tagging", options.tagging.as_ref().and_then(tags));
            Some("PutObject")
        }
        Options::Delete => Some("DeleteObject"),
        Options::Post(_) => None,
    };
    let more = json!({"operation": operation, "params": params, "x_id": x_id});
    question(case, more)
}

/// botocore takes tags ready for the header.
fn tags(tags: &BTreeMap<String, String>) -> Option<Value> {
    let encode = |text: &str| -> String {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
            .to_string()
            .replace("%2D", "-")
            .replace("%2E", ".")
            .replace("%5F", "_")
    };
    let pairs = tags.iter().map(|(k, v)| [encode(k), encode(v)].join("="));
    let pairs: Vec<String> = pairs.collect();
    (!pairs.is_empty()).then(|| json!(pairs.join("&")))
}

/// A URL without the order of its parameters, which no server looks at.
fn parts(url: &str) -> (&str, Vec<&str>) {
    let (place, query) = url.split_once('?').unwrap();
    let mut params: Vec<&str> = query.split('&').collect();
    params.sort_unstable();
    (place, params)
}

#[test]
fn a_url_is_what_botocore_presigns() {
    let cases = always_the_same(&case());
    let questions: Vec<Value> = cases.iter().map(url_question).collect();
    for (case, theirs) in cases.iter().zip(ask(&questions)) {
        let ours = case.presign();
        let theirs = theirs.as_str().unwrap();
        assert_eq!(parts(ours.url.expose()), parts(theirs), "{case:?}");
    }
}

#[derive(Clone, Debug)]
struct FormCase {
    /// Where, when and by whom; a key to be exact about.
    case: Case,
    prefix: Option<Prefix>,
    options: PostOptions,
}

prop_compose! {
    fn post_options()(
        sizes in (of(0..1000_u64), 1000..5_368_709_120_u64),
        kind in of((any::<bool>(), printable(40))),
        acl in of(select(vec!["private", "bucket-owner-full-control", "new-acl"])),
        success in of(prop_oneof![
            select(vec![200_u16, 201, 204]).prop_map(Ok),
            "https://[a-z]{1,9}[.]example[.]com/[!-~]{0,40}".prop_map(Err),
        ]),
        metadata in of(btree_map("[a-z0-9][a-z0-9-]{0,20}", printable(40), 0..5)),
    ) -> PostOptions {
        let (least, most) = sizes;
        let of_kind = |exact| kind.clone().filter(|(is, _)| *is == exact).map(|(_, kind)| kind);
        PostOptions {
            content_length_range: Some(ContentLengthRange { min: least, max: most }),
            content_type: of_kind(true),
            content_type_prefix: of_kind(false),
            acl: acl.map(str::to_owned),
            success_action_status: success.clone().and_then(Result::ok),
            success_action_redirect: success.and_then(Result::err),
            metadata,
        }
    }
}

prop_compose! {
    fn form_case()(
        case in case(),
        prefix in of(prop_oneof!["", "[ -~]{1,40}/?", "[a-z/é字🐱%20+]{1,40}"]),
        options in post_options(),
    ) -> FormCase {
        let prefix = prefix.and_then(|prefix| Prefix::parse(&prefix).ok());
        FormCase { case, prefix, options }
    }
}

impl FormCase {
    fn key(&self) -> FormKey<'_> {
        match &self.prefix {
            Some(prefix) => FormKey::Under(prefix),
            None => FormKey::Exactly(&self.case.key),
        }
    }

    fn sign(&self) -> Form {
        let op = FormOperation {
            bucket: &self.case.bucket,
            key: self.key(),
            options: &self.options,
        };
        let life = Duration::from_secs(self.case.expires);
        let (target, creds) = (self.case.target(), self.case.credentials());
        sign_form(&op, &target, &creds, self.case.signed_at, life).unwrap()
    }

    fn question(&self, policy: &str) -> Value {
        let PostOptions {
            content_length_range,
            content_type,
            content_type_prefix,
            acl,
            success_action_status,
            success_action_redirect,
            metadata,
        } = &self.options;
        let key = match self.key() {
            FormKey::Exactly(key) => key.as_str().to_owned(),
            FormKey::Under(prefix) => format!("{prefix}${{filename}}"),
        };
        let status = success_action_status.map(|status| status.to_string());
        let mut fields: BTreeMap<String, String> = [
            ("Content-Type", content_type),
            ("acl", acl),
            ("success_action_status", &status),
            ("success_action_redirect", success_action_redirect),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
        .collect();
        let metadata = metadata.iter().flatten();
        fields.extend(metadata.map(|(k, v)| (format!("x-amz-meta-{k}"), v.clone())));
        let mut conditions: Vec<Value> = fields.iter().map(|(k, v)| json!({k: v})).collect();
        let range = content_length_range.unwrap();
        conditions.push(json!([
            "content-length-range",
            range.min.unwrap_or(0),
            range.max
        ]));
        if let Some(prefix) = content_type_prefix {
            conditions.push(json!(["starts-with", "$Content-Type", prefix]));
        }
        let more = json!({
            "bucket": self.case.bucket.as_str(),
            "key": key,
            "fields": fields,
            "conditions": conditions,
            "policy": policy,
        });
        question(&self.case, more)
    }

    fn check(&self, form: &Form) {
        let target = self.case.target();
        let expected = ExpectedForm {
            key: self.key(),
            options: &self.options,
            signature: self.case.expected_signature(&target),
        };
        assert_eq!(check_form(form, &expected), Ok(()), "{self:?}");
    }
}

/// A policy document by what it says: the order of conditions says nothing.
fn document(policy: &str) -> (Value, Vec<String>) {
    let json = BASE64_STANDARD.decode(policy).unwrap();
    let document: Value = serde_json::from_slice(&json).unwrap();
    let conditions = document["conditions"].as_array().unwrap();
    let mut conditions: Vec<String> = conditions.iter().map(Value::to_string).collect();
    conditions.sort_unstable();
    (document["expiration"].clone(), conditions)
}

#[test]
fn a_form_is_what_botocore_presigns() {
    let cases = always_the_same(&form_case());
    let forms: Vec<Form> = cases.iter().map(FormCase::sign).collect();
    let fields: Vec<BTreeMap<&str, &str>> = forms
        .iter()
        .map(|form| {
            form.fields
                .iter()
                .map(|f| (f.name.as_str(), f.expose()))
                .collect()
        })
        .collect();
    let questions: Vec<Value> = cases
        .iter()
        .zip(&fields)
        .map(|(case, fields)| case.question(fields["policy"]))
        .collect();
    let answers = ask(&questions);
    for (((case, form), mut ours), theirs) in cases.iter().zip(&forms).zip(fields).zip(&answers) {
        case.check(form);
        assert_eq!(form.url.expose(), theirs["url"], "{case:?}");
        let their_fields = theirs["fields"].as_object().unwrap();
        let mut theirs_by_name: BTreeMap<&str, &str> = their_fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let policies = (ours.remove("policy"), theirs_by_name.remove("policy"));
        let (our_policy, their_policy) = (policies.0.unwrap(), policies.1.unwrap());
        assert_eq!(document(our_policy), document(their_policy), "{case:?}");
        let signature = ours.remove("x-amz-signature").unwrap();
        assert_eq!(signature, theirs["signature"], "{case:?}");
        theirs_by_name.remove("x-amz-signature");
        assert_eq!(ours, theirs_by_name, "{case:?}");
    }
}
