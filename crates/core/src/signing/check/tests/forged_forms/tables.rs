//! The tables of single differences in a form, each with the reason for which it is refused.

use super::super::{KEY_ID, Mismatch};
use Mismatch as M;

/// What stands in the policy document, what is put in its place, and why it is refused.
pub(super) const POLICY: &[(&str, &str, Mismatch)] = &[
    // The document.
    ("{\"expiration\"", "[\"expiration\"", M::MalformedPolicy),
    (
        "{\"expiration\"",
        " {\"id\":1,\"expiration\"",
        M::MalformedPolicy,
    ),
    (
        "{\"expiration\"",
        "{\"expiration\":\"2030-01-01T00:00:00Z\",\"expiration\"",
        M::MalformedPolicy,
    ),
    ("{\"expiration\"", "{\"Expiration\"", M::MalformedPolicy),
    (
        "\"conditions\":[",
        "\"conditions\":[[],",
        M::MalformedPolicy,
    ),
    (
        "\"conditions\":[",
        "\"conditions\":[{},",
        M::MalformedPolicy,
    ),
    (
        "\"conditions\":[",
        "\"conditions\":[\"bucket\",",
        M::MalformedPolicy,
    ),
    ("in/", "in/\u{e9}", M::MalformedPolicy),
    (
        "\"conditions\":[",
        "\"conditions\":[],\"conditions\":[",
        M::MalformedPolicy,
    ),
    // The end.
    ("13:00:00Z\"", "13:00:01Z\"", M::Expiration),
    ("13:00:00Z\"", "13:00:00.000Z\"", M::Expiration),
    ("2026-11-22T13", "2026-11-29T13", M::Expiration),
    // The bucket.
    (
        "{\"bucket\":\"team-a\"}",
        "{\"bucket\":\"team-b\"}",
        M::Condition("bucket"),
    ),
    (
        "{\"bucket\":\"team-a\"}",
        "[\"starts-with\",\"$bucket\",\"\"]",
        M::Condition("bucket"),
    ),
    (
        "{\"bucket\":\"team-a\"},",
        "",
        M::MissingCondition("bucket"),
    ),
    (
        "{\"bucket\":\"team-a\"}",
        "{\"bucket\":\"team-a\"},{\"bucket\":\"team-a\"}",
        M::RepeatedCondition("bucket"),
    ),
    (
        "{\"bucket\":\"team-a\"}",
        "{\"bucket\":\"team-a\",\"bucket\":\"team-b\"}",
        M::MalformedPolicy,
    ),
    ("\"bucket\"", "\"Bucket\"", M::UnexpectedCondition),
    // The key.
    ("\"$key\",\"in/\"", "\"$key\",\"in\"", M::Condition("key")),
    ("\"$key\",\"in/\"", "\"$key\",\"\"", M::Condition("key")),
    (
        "\"$key\",\"in/\"",
        "\"$key\",\"in/../\"",
        M::Condition("key"),
    ),
    ("\"$key\",\"in/\"", "\"key\",\"in/\"", M::MalformedPolicy),
    (
        "\"$key\",\"in/\"",
        "\"$key\",\"in/\",\"\"",
        M::MalformedPolicy,
    ),
    ("\"$key\",\"in/\"", "\"$key\"", M::MalformedPolicy),
    (
        "\"starts-with\",\"$key\"",
        "\"eq\",\"$key\"",
        M::MalformedPolicy,
    ),
    (
        "[\"starts-with\",\"$key\",\"in/\"]",
        "{\"key\":\"in/\"}",
        M::Condition("key"),
    ),
    (
        "[\"starts-with\",\"$key\",\"in/\"],",
        "",
        M::MissingCondition("key"),
    ),
    // The sizes.
    ("1,4096]", "0,4096]", M::Condition("content-length-range")),
    ("1,4096]", "1,4097]", M::Condition("content-length-range")),
    ("1,4096]", "1,\"4096\"]", M::MalformedPolicy),
    ("1,4096]", "1,4096.0]", M::MalformedPolicy),
    ("1,4096]", "-1,4096]", M::MalformedPolicy),
    ("1,4096]", "1]", M::MalformedPolicy),
    (
        "[\"content-length-range\",1,4096],",
        "",
        M::MissingCondition("content-length-range"),
    ),
    (
        "[\"content-length-range\",1,4096]",
        "[\"content-length-range\",1,4096],[\"content-length-range\",1,4096]",
        M::RepeatedCondition("content-length-range"),
    ),
    // The options.
    (
        "\"image/png\"",
        "\"text/html\"",
        M::Condition("Content-Type"),
    ),
    (
        "{\"Content-Type\":\"image/png\"}",
        "[\"starts-with\",\"$Content-Type\",\"image/\"]",
        M::Condition("Content-Type"),
    ),
    (
        "{\"Content-Type\":\"image/png\"},",
        "",
        M::MissingCondition("Content-Type"),
    ),
    (
        "\"Content-Type\"",
        "\"content-type\"",
        M::UnexpectedCondition,
    ),
    (
        "{\"acl\":\"private\"}",
        "{\"acl\":\"public-read\"}",
        M::Condition("acl"),
    ),
    ("{\"acl\":\"private\"},", "", M::MissingCondition("acl")),
    ("\"acl\"", "\"x-amz-acl\"", M::UnexpectedCondition),
    ("\"201\"", "\"200\"", M::Condition("success_action_status")),
    ("\"201\"", "201", M::MalformedPolicy),
    (
        "{\"success_action_status\":\"201\"},",
        "",
        M::MissingCondition("success_action_status"),
    ),
    ("\"team a\"", "\"team b\"", M::Condition("x-amz-meta-*")),
    (
        "{\"x-amz-meta-owner\":\"team a\"},",
        "",
        M::MissingCondition("x-amz-meta-*"),
    ),
    (
        "x-amz-meta-owner",
        "x-amz-meta-other",
        M::UnexpectedCondition,
    ),
    (
        "{\"acl\":\"private\"}",
        "{\"acl\":\"private\"},[\"starts-with\",\"$x-amz-meta-tag\",\"\"]",
        M::UnexpectedCondition,
    ),
    (
        "{\"acl\":\"private\"}",
        "{\"acl\":\"private\"},[\"starts-with\",\"$tagging\",\"\"]",
        M::UnexpectedCondition,
    ),
    (
        "{\"acl\":\"private\"}",
        "{\"acl\":\"private\"},{\"policy\":\"x\"}",
        M::UnexpectedCondition,
    ),
    // The signature's own.
    (
        "AWS4-HMAC-SHA256",
        "AWS4-ECDSA-P256-SHA256",
        M::Condition("x-amz-algorithm"),
    ),
    (
        "{\"x-amz-algorithm\":\"AWS4-HMAC-SHA256\"},",
        "",
        M::MissingCondition("x-amz-algorithm"),
    ),
    (
        KEY_ID,
        "AKIAI44QH8DHBEXAMPLE",
        M::Condition("x-amz-credential"),
    ),
    (
        "{\"x-amz-date\":\"20261122T120000Z\"},",
        "",
        M::MissingCondition("x-amz-date"),
    ),
    (
        "20261122T120000Z",
        "20261122T120001Z",
        M::Condition("x-amz-date"),
    ),
    (
        "\"token\"",
        "\"other\"",
        M::Condition("x-amz-security-token"),
    ),
    (
        ",{\"x-amz-security-token\":\"token\"}",
        "",
        M::MissingCondition("x-amz-security-token"),
    ),
];

/// The field, the value that is put in its place, and why it is refused.
pub(super) const FIELDS: &[(&str, &str, Mismatch)] = &[
    ("key", "in/x", M::Field("key")),
    ("key", "${filename}", M::Field("key")),
    ("key", "in/../${filename}", M::Field("key")),
    ("Content-Type", "text/html", M::Field("Content-Type")),
    ("acl", "public-read", M::Field("acl")),
    (
        "success_action_status",
        "200",
        M::Field("success_action_status"),
    ),
    ("x-amz-meta-owner", "team b", M::Field("x-amz-meta-*")),
    (
        "x-amz-algorithm",
        "AWS4-HMAC-SHA1",
        M::Field("x-amz-algorithm"),
    ),
    ("x-amz-date", "20261122T120001Z", M::Field("x-amz-date")),
    ("x-amz-credential", "", M::Service),
    (
        "x-amz-credential",
        "AKIAI44QH8DHBEXAMPLE/20261122/eu-west-2/s3/aws4_request",
        M::AccessKey,
    ),
    (
        "x-amz-credential",
        "AKIAIOSFODNN7EXAMPLE/20261121/eu-west-2/s3/aws4_request",
        M::ScopeDate,
    ),
    (
        "x-amz-credential",
        "AKIAIOSFODNN7EXAMPLE/20261122/us-east-1/s3/aws4_request",
        M::Region,
    ),
    (
        "x-amz-credential",
        "AKIAIOSFODNN7EXAMPLE/20261122/eu-west-2/sts/aws4_request",
        M::Service,
    ),
    ("x-amz-security-token", "", M::Field("x-amz-security-token")),
    // Another token than the one that was signed.
    (
        "x-amz-security-token",
        "other",
        M::Condition("x-amz-security-token"),
    ),
    ("policy", "", M::MalformedPolicy),
    ("policy", "e30", M::MalformedPolicy),
    ("policy", "e30=", M::MalformedPolicy),
    ("policy", "%%%", M::MalformedPolicy),
    ("x-amz-signature", "", M::Signature),
    ("x-amz-signature", "ABAB", M::Signature),
];
