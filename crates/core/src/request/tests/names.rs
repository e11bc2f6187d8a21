//! Buckets and keys: what is one, and what is refused with which words.

use proptest::prelude::*;

use super::super::{Bucket, Key};

#[test]
fn general_purpose_buckets_are_accepted() {
    for name in [
        "abc",
        "my-bucket",
        "logs.example.com",
        "1.2.3",
        "a1-b2",
        "Data",
        "My_Bucket.2009",
        &"x".repeat(63),
    ] {
        assert_eq!(
            Bucket::parse(name).map(|b| b.to_string()),
            Ok(name.to_owned())
        );
    }
}

#[test]
fn whatever_is_no_general_purpose_bucket_is_refused_with_its_reason() {
    let long = "x".repeat(64);
    for (name, reason) in [
        ("", "has 0 characters"),
        ("ab", "has 2 characters"),
        (&long, "has 64 characters"),
        (
            "arn:aws:s3:us-east-1:123456789012:accesspoint/mine",
            "is an ARN",
        ),
        ("arn:aws:s3::123456789012:accesspoint/m.mrap", "is an ARN"),
        ("data/x", "holds \"/\""),
        ("data?x", "holds \"?\""),
        ("data\n", "holds \"\\n\""),
        ("dätä", "holds \"ä\""),
        ("data*", "holds \"*\""),
        (".data", "begins or ends with a dot, hyphen or underscore"),
        ("data-", "begins or ends with a dot, hyphen or underscore"),
        ("_data", "begins or ends with a dot, hyphen or underscore"),
        ("..", "has 2 characters"),
        ("a..b", "holds \"..\""),
        ("a.-b", "holds \".-\""),
        ("a-.b", "holds \"-.\""),
        ("192.168.5.4", "looks like an IP address"),
        ("xn--data", "begins with \"xn--\""),
        ("sthree-data", "begins with \"sthree-\""),
        ("amzn-s3-demo-data", "begins with \"amzn-s3-demo-\""),
        ("Xn--Data", "begins with \"xn--\""),
        ("Data--X-S3", "an S3 Express directory bucket"),
        ("data-s3alias", "an access point alias"),
        ("data--xa-s3", "an access point of a directory bucket"),
        ("data--op-s3", "an access point alias of S3 on Outposts"),
        ("data--ol-s3", "an Object Lambda access point alias"),
        ("data--use1-az4--x-s3", "an S3 Express directory bucket"),
        ("mfzwi23gnjvgw.mrap", "a Multi-Region Access Point"),
        ("data--table-s3", "an S3 table bucket"),
    ] {
        let message = Bucket::parse(name).expect_err(name).to_string();
        assert!(message.contains(reason), "{message}");
        assert!(
            message.contains("; give the name of a general purpose bucket: 3 to 63"),
            "{message}"
        );
    }
}

#[test]
fn keys_of_one_object_are_accepted() {
    let long = "é".repeat(512);
    for key in [
        "a",
        "a/b/c.txt",
        "...",
        "a/.../b",
        ".hidden",
        "a b+c&d?e#f%20~",
        "日本/語",
        "a\\..\\b",
        "$x{y}",
        "*",
        &long,
    ] {
        assert_eq!(Key::parse(key).map(|k| k.to_string()), Ok(key.to_owned()));
    }
}

#[test]
fn keys_that_somebody_would_rewrite_are_refused_with_what_to_do() {
    let bytes = "é".repeat(513);
    for (key, reason) in [
        ("", "is empty; give the key"),
        (
            bytes.as_str(),
            "has 1026 bytes in UTF-8; S3 allows 1024, so shorten it",
        ),
        (
            "/a",
            "begins with \"/\"; S3 keys have no root, so leave it out",
        ),
        ("//", "begins with \"/\""),
        ("a//b", "holds an empty segment"),
        ("a/", "holds an empty segment"),
        (".", "holds the segment \".\""),
        ("..", "holds the segment \"..\""),
        ("./a", "holds the segment \".\""),
        ("a/../b", "holds the segment \"..\""),
        (
            "a/..",
            "holds the segment \"..\", which clients and proxies rewrite; give the plain path",
        ),
        ("a\0b", "holds a control character; leave it out"),
        ("a\r\nb", "holds a control character"),
        ("a\u{7f}", "holds a control character"),
        ("a\u{85}", "holds a control character"),
        (
            "a/${filename}",
            "holds \"${\", which S3 policies and forms expand",
        ),
    ] {
        let message = Key::parse(key).expect_err(key).to_string();
        assert!(message.contains(reason), "{message}");
        assert!(!message.contains(char::is_control), "{message:?}");
    }
}

proptest! {
    #[test]
    fn a_key_never_leaves_its_prefix(key in "[a./]{1,12}") {
        if let Ok(parsed) = Key::parse(&key) {
            let normalised: Vec<_> = key.split('/').filter(|s| !matches!(*s, "" | "." | "..")).collect();
            prop_assert_eq!(normalised.join("/"), parsed.as_str());
        }
    }

    #[test]
    fn a_bucket_is_a_host_name_of_its_own(name in "[a-c0-9.-]{0,20}") {
        if let Ok(bucket) = Bucket::parse(&name) {
            for label in bucket.as_str().split('.') {
                prop_assert!(!label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
            }
            prop_assert!(bucket.as_str().parse::<std::net::IpAddr>().is_err());
        }
    }

    #[test]
    fn any_text_is_refused_or_taken_as_it_stands(text in any::<String>()) {
        if let Ok(key) = Key::parse(&text) {
            prop_assert_eq!(key.as_str(), &text);
        }
        if let Ok(bucket) = Bucket::parse(&text) {
            prop_assert_eq!(bucket.as_str(), &text);
        }
    }
}
