//! Statements that end URLs: what they hit, and what they do not.

use serde_json::{Value, json};

use super::super::{Dialect, deny_objects, deny_sessions};
use super::{AWS, bucket, get, key, put};
use crate::api::PostOptions;
use crate::request::{Objects, Options, Prefix};

fn until() -> jiff::Timestamp {
    "2026-11-29T12:00:00Z".parse().unwrap()
}

#[test]
fn the_objects_of_a_request_are_denied_to_presigned_use_alone_and_until_the_last_url_dies() {
    let keys = Objects::Keys(vec![key("a/x"), key("a/*")]);
    let statement = deny_objects(AWS, &bucket(), &keys, &get(), Some(until())).unwrap();
    let expected = json!({
        "Effect": "Deny", "Action": ["s3:GetObject"],
        "Resource": ["arn:aws:s3:::data/a/x", "arn:aws:s3:::data/a/${*}"],
        "Condition": { "StringEquals": { "s3:authType": "REST-QUERY-STRING" },
            "DateLessThan": { "aws:CurrentTime": "2026-11-29T12:00:00Z" } },
    });
    assert_eq!(statement, expected);
    let one = Objects::Key(key("a/x"));
    let acl = put(&json!({ "acl": "private" }));
    let statement = deny_objects(AWS, &bucket(), &one, &acl, None).unwrap();
    assert_eq!(
        statement["Action"],
        json!(["s3:PutObject", "s3:PutObjectAcl"])
    );
    assert_eq!(statement["Condition"]["DateLessThan"], Value::Null);
    let form = Options::Post(PostOptions::default());
    let under = Objects::Under(Prefix::parse("in/").unwrap());
    let statement = deny_objects(AWS, &bucket(), &under, &form, None).unwrap();
    assert_eq!(statement["Resource"], json!(["arn:aws:s3:::data/in/*"]));
    let signed = &statement["Condition"]["StringEquals"]["s3:authType"];
    assert_eq!(signed, "POST");
    // A server that may know no escape would deny more than was asked.
    let wild = Objects::Key(key("a/*"));
    assert!(deny_objects(Dialect::Plain, &bucket(), &wild, &get(), None).is_err());
}

#[test]
fn sessions_are_denied_by_their_beginning_and_by_their_name_if_there_is_one() {
    let statement = deny_sessions(Some("team-a@model"), until());
    let conditions = &statement["Condition"];
    assert_eq!(conditions["StringLike"]["aws:userid"], "*:team-a@model");
    let before = &conditions["DateLessThan"]["aws:TokenIssueTime"];
    assert_eq!(before, "2026-11-29T12:00:00Z");
    let all = deny_sessions(None, until());
    assert_eq!(all["Condition"]["StringLike"], Value::Null);
}
