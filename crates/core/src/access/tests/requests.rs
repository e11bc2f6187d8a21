//! A session for a request does what is being signed, and nothing else.

use proptest::prelude::*;
use serde_json::json;

use super::super::{AccessError, Dialect, MAX_POLICY, SessionSubject, request_policy};
use super::iam::allows;
use super::{AWS, bucket, get, key, put, statements};
use crate::api::{GetOptions, PostOptions, Reason};
use crate::request::{Key, Objects, Options, Prefix};
use crate::signing::Endpoint;

fn arn(key: &str) -> String {
    format!("arn:aws:s3:::data/{key}")
}

fn policy(keys: &[&str], options: &Options) -> String {
    let keys: Vec<Key> = keys.iter().map(|text| key(text)).collect();
    request_policy(AWS, &bucket(), SessionSubject::Keys(&keys), options).unwrap()
}

fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).unwrap()
}

#[test]
fn the_table_of_actions_is_this() {
    let versioned = Options::Get(GetOptions {
        version_id: Some("v".to_owned()),
        ..GetOptions::default()
    });
    let head = Options::Head(GetOptions::default());
    let key_arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let post = Options::Post(PostOptions {
        acl: Some("private".to_owned()),
        ..PostOptions::default()
    });
    let any_key = "arn:aws:kms:*:*:key/*";
    let cases = [
        (get(), vec!["s3:GetObject"], Some(("kms:Decrypt", any_key))),
        (head, vec!["s3:GetObject"], Some(("kms:Decrypt", any_key))),
        (
            versioned,
            vec!["s3:GetObjectVersion"],
            Some(("kms:Decrypt", any_key)),
        ),
        (
            put(&json!({})),
            vec!["s3:PutObject"],
            Some(("kms:GenerateDataKey", any_key)),
        ),
        (
            put(&json!({"serverSideEncryption": "AES256"})),
            vec!["s3:PutObject"],
            None,
        ),
        (
            put(&json!({"serverSideEncryption": "aws:kms", "kmsKeyID": key_arn})),
            vec!["s3:PutObject"],
            Some(("kms:GenerateDataKey", key_arn)),
        ),
        (
            put(&json!({"serverSideEncryption": "aws:kms", "kmsKeyID": "mrk-1234"})),
            vec!["s3:PutObject"],
            Some(("kms:GenerateDataKey", "arn:aws:kms:*:*:key/mrk-1234")),
        ),
        (
            put(&json!({"serverSideEncryption": "aws:kms", "kmsKeyID": "alias/mine"})),
            vec!["s3:PutObject"],
            Some(("kms:GenerateDataKey", any_key)),
        ),
        (
            put(
                &json!({"serverSideEncryption": "AES256", "acl": "private", "tagging": {"a": "b"},
                        "metadata": {"m": "n"}, "storageClass": "STANDARD_IA", "ifNoneMatch": "*"}),
            ),
            vec!["s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectTagging"],
            None,
        ),
        (
            put(
                &json!({"serverSideEncryption": "AES256", "ifMatch": "\"e\"",
                        "checksumCRC64NVME": "AAAAAAAAAAA="}),
            ),
            vec!["s3:GetObject", "s3:PutObject"],
            None,
        ),
        (Options::Delete, vec!["s3:DeleteObject"], None),
        (
            post,
            vec!["s3:PutObject", "s3:PutObjectAcl"],
            Some(("kms:GenerateDataKey", any_key)),
        ),
    ];
    for (options, actions, kms) in cases {
        let statements = statements(&policy(&["a/b"], &options));
        let expected = match actions.as_slice() {
            [one] => json!(one),
            several => json!(several),
        };
        assert_eq!(statements[0]["Action"], expected, "{options:?}");
        assert_eq!(statements[0]["Resource"], json!(arn("a/b")));
        let found = statements
            .get(1)
            .map(|s| (s["Action"].clone(), s["Resource"].clone()));
        assert_eq!(
            found,
            kms.map(|(action, key)| (json!(action), json!(key))),
            "{options:?}"
        );
        assert_eq!(statements.len(), 1 + usize::from(kms.is_some()));
        if kms.is_some() {
            assert_eq!(
                statements[1]["Condition"],
                json!({"StringLike": {"kms:ViaService": "s3.*"}})
            );
        }
    }
}

#[test]
fn a_session_for_a_server_that_is_not_aws_names_no_kms() {
    let keys = [key("a/b")];
    let text = request_policy(
        Dialect::Plain,
        &bucket(),
        SessionSubject::Keys(&keys),
        &get(),
    )
    .unwrap();
    assert_eq!(
        text,
        r#"{"Statement":[{"Action":"s3:GetObject","Effect":"Allow","Resource":"arn:aws:s3:::data/a/b"}],"Version":"2012-10-17"}"#
    );
}

#[test]
fn the_dialect_follows_the_host_and_the_partition_the_region() {
    let of =
        |endpoint: &str, region| Dialect::of(Some(&Endpoint::parse(endpoint).unwrap()), region);
    assert_eq!(Dialect::of(None, "eu-west-1"), AWS);
    assert_eq!(
        Dialect::of(None, "cn-north-1"),
        Dialect::Aws {
            partition: "aws-cn"
        }
    );
    assert_eq!(
        Dialect::of(None, "us-gov-west-1"),
        Dialect::Aws {
            partition: "aws-us-gov"
        }
    );
    assert_eq!(
        of(
            "https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com",
            "eu-west-1"
        ),
        AWS
    );
    for other in [
        "https://minio.example.com:9000",
        "https://amazonaws.com.example.com",
        "https://myamazonaws.com",
        "https://s3.example.com",
        "https://minio-0a1b.elb.eu-west-1.amazonaws.com",
        "https://s3-1234.eu-west-1.elb.amazonaws.com",
        "https://s3.eu-west-1.elb.amazonaws.com",
        "https://ec2-1-2-3-4.eu-west-1.compute.amazonaws.com",
        "https://abc.execute-api.eu-west-1.api.aws",
        "https://vpce-1.vpce-svc-2.eu-west-1.vpce.amazonaws.com",
        "https://s3.compute-1.amazonaws.com",
        "https://s3-minio.amazonaws.com",
    ] {
        assert_eq!(of(other, "us-east-1"), Dialect::Plain, "{other}");
    }
    for s3 in [
        "https://s3.amazonaws.com",
        "https://s3-eu-west-1.amazonaws.com",
        "https://s3-external-1.amazonaws.com",
        "https://s3.eu-west-1.amazonaws.com",
        "https://s3.us-gov-west-1.amazonaws.com",
        "https://s3.cn-north-1.amazonaws.com.cn",
        "https://s3-fips.us-east-1.amazonaws.com",
        "https://s3.dualstack.eu-west-1.amazonaws.com",
        "https://s3-fips.dualstack.us-east-1.amazonaws.com",
        "https://s3-accelerate.amazonaws.com",
        "https://s3-accelerate.dualstack.amazonaws.com",
        "https://s3.eu-west-1.api.aws",
    ] {
        assert_eq!(of(s3, "us-east-1"), AWS, "{s3}");
    }
}

#[test]
fn a_listing_is_of_its_prefix_alone_and_reads_no_object() {
    let listing = |text: &str| {
        let prefix = prefix(text);
        request_policy(AWS, &bucket(), SessionSubject::Listing(&prefix), &get()).unwrap()
    };
    let text = listing("logs/a*$/");
    assert!(allows(
        &text,
        "s3:ListBucket",
        "arn:aws:s3:::data",
        Some("logs/a*$/")
    ));
    for other in ["logs/", "logs/ab$/", "logs/a*$/x", ""] {
        assert!(
            !allows(&text, "s3:ListBucket", "arn:aws:s3:::data", Some(other)),
            "{other}"
        );
    }
    assert!(!allows(&text, "s3:ListBucket", "arn:aws:s3:::data", None));
    assert!(!text.contains("GetObject"));
    assert!(allows(
        &listing(""),
        "s3:ListBucket",
        "arn:aws:s3:::data",
        None
    ));
}

#[test]
fn a_form_for_a_prefix_covers_the_keys_that_begin_with_it() {
    let prefix = prefix("in?/");
    let post = Options::Post(PostOptions::default());
    let text = request_policy(AWS, &bucket(), SessionSubject::Under(&prefix), &post).unwrap();
    assert!(allows(&text, "s3:PutObject", &arn("in?/x"), None));
    assert!(!allows(&text, "s3:PutObject", &arn("ina/x"), None));
    assert!(!allows(&text, "s3:GetObject", &arn("in?/x"), None));
}

#[test]
fn the_subject_of_a_session_follows_from_the_objects() {
    let one = Objects::Key(key("a"));
    assert_eq!(
        SessionSubject::from(&one),
        SessionSubject::Keys(&[key("a")])
    );
    let under = Objects::Under(prefix("p/"));
    assert_eq!(
        SessionSubject::from(&under),
        SessionSubject::Under(&prefix("p/"))
    );
}

#[test]
fn a_wildcard_in_a_key_is_refused_where_the_server_may_not_know_the_escape() {
    for text in ["a*b", "a?b"] {
        let keys = [key(text)];
        let error = request_policy(
            Dialect::Plain,
            &bucket(),
            SessionSubject::Keys(&keys),
            &get(),
        )
        .unwrap_err();
        assert_eq!(
            error,
            AccessError::Wildcard {
                text: text.to_owned()
            }
        );
        assert_eq!(error.reason(), Reason::InvalidSpec);
        assert!(error.to_string().contains(text));
    }
    let keys = [key("a$b")];
    let text = request_policy(
        Dialect::Plain,
        &bucket(),
        SessionSubject::Keys(&keys),
        &get(),
    )
    .unwrap();
    assert!(text.contains("data/a$b\""));
}

#[test]
fn a_policy_is_ascii_whatever_the_key() {
    let text = policy(&["ключ/😀/ÿ/\"\\"], &get());
    assert!(text.is_ascii());
    assert!(allows(&text, "s3:GetObject", &arn("ключ/😀/ÿ/\"\\"), None));
}

#[test]
fn too_many_objects_are_refused_with_how_many_would_fit() {
    let keys: Vec<Key> = (0..500)
        .map(|n| key(&format!("dataset/part-{n:05}")))
        .collect();
    let ask = |keys: &[Key]| request_policy(AWS, &bucket(), SessionSubject::Keys(keys), &get());
    let error = ask(&keys).unwrap_err();
    let AccessError::TooLarge { objects: 500, fit } = error else {
        panic!("{error:?}")
    };
    assert_eq!(error.reason(), Reason::SessionPolicyTooLarge);
    assert!(
        error
            .to_string()
            .contains(&format!("{fit} of them would fit")),
        "{error}"
    );
    assert!(fit > 20, "{fit}");
    assert!(ask(&keys[..fit]).unwrap().len() <= MAX_POLICY);
    assert_eq!(
        ask(&keys[..=fit]),
        Err(AccessError::TooLarge {
            objects: fit + 1,
            fit
        })
    );

    let huge = [key(&"é".repeat(500))];
    assert_eq!(
        ask(&huge),
        Err(AccessError::TooLarge { objects: 1, fit: 0 })
    );
}

#[test]
fn what_fits_is_counted_to_the_character() {
    let mut keys: Vec<Key> = (0..20)
        .map(|n| key(&format!("части/\"{n:02}\"\\?")))
        .collect();
    let length = |keys: &[Key]| {
        let text = request_policy(AWS, &bucket(), SessionSubject::Keys(keys), &get());
        text.map(|text| text.len())
    };
    let so_far = length(&keys).unwrap();
    // One more costs a comma, quotes and its ARN.
    let room = MAX_POLICY - so_far - ",\"\"".len() - arn("").len();
    keys.push(key(&"z".repeat(room)));
    assert_eq!(length(&keys), Ok(MAX_POLICY));
    keys[20] = key(&"z".repeat(room + 1));
    let beyond = AccessError::TooLarge {
        objects: 21,
        fit: 20,
    };
    assert_eq!(length(&keys), Err(beyond));
}

#[test]
fn nothing_is_read_of_the_keys_beyond_those_that_fit() {
    let mut keys: Vec<Key> = (0..2_047)
        .map(|n| key(&format!("{n:04}{}", "a".repeat(1_000))))
        .collect();
    // This one is refused where it is looked at.
    keys.push(key("a*"));
    let text = request_policy(
        Dialect::Plain,
        &bucket(),
        SessionSubject::Keys(&keys),
        &get(),
    );
    let beyond = AccessError::TooLarge {
        objects: 2_048,
        fit: 1,
    };
    assert_eq!(text, Err(beyond));
}

proptest! {
    #[test]
    fn a_session_for_a_key_reaches_no_other_key(
        asked in "[ab*?$/]{1,8}",
        other in "[ab*?${}/]{1,8}",
    ) {
        let Ok(asked) = Key::parse(&asked) else { return Ok(()) };
        let text = policy(&[asked.as_str()], &get());
        prop_assert!(allows(&text, "s3:GetObject", &arn(asked.as_str()), None));
        let reached = allows(&text, "s3:GetObject", &arn(&other), None);
        prop_assert_eq!(reached, other == asked.as_str());
        prop_assert!(!allows(&text, "s3:PutObject", &arn(asked.as_str()), None));
    }
}
