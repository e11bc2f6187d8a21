//! Goldens of the form's signer, and what it refuses to sign.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::*;
use crate::api::{ContentLengthRange, PostOptions};
use crate::request::Prefix;
use crate::signing::form::signature;

/// The policy document of the S3 API reference, "Example: Browser-Based Upload using HTTP POST (Using AWS
/// Signature Version 4)", whose lines end in CR LF.
const PUBLISHED: &[&str] = &[
    r#"{ "expiration": "2015-12-30T12:00:00.000Z","#,
    r#"  "conditions": ["#,
    r#"    {"bucket": "sigv4examplebucket"},"#,
    r#"    ["starts-with", "$key", "user/user1/"],"#,
    r#"    {"acl": "public-read"},"#,
    r#"    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},"#,
    r#"    ["starts-with", "$Content-Type", "image/"],"#,
    r#"    {"x-amz-meta-uuid": "14365123651274"},"#,
    r#"    {"x-amz-server-side-encryption": "AES256"},"#,
    r#"    ["starts-with", "$x-amz-meta-tag", ""],"#,
    r"",
    r#"    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},"#,
    r#"    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},"#,
    r#"    {"x-amz-date": "20151229T000000Z" }"#,
    r"  ]",
    r"}",
];

#[test]
fn the_vector_that_aws_published_comes_out() {
    let policy = BASE64_STANDARD.encode(PUBLISHED.join("\r\n"));
    let signed_at = "2015-12-29T00:00:00Z".parse().unwrap();
    assert_eq!(
        signature(&policy, SECRET, signed_at, "us-east-1"),
        "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"
    );
}

fn sized() -> PostOptions {
    PostOptions {
        content_length_range: Some(ContentLengthRange {
            min: None,
            max: 1024,
        }),
        ..PostOptions::default()
    }
}

fn every_option() -> PostOptions {
    let metadata = [("origin", "team \"a\""), ("uuid", "14365123651274")];
    PostOptions {
        content_length_range: Some(ContentLengthRange {
            min: Some(1),
            max: 10_485_760,
        }),
        content_type: Some("image/png".to_owned()),
        content_type_prefix: None,
        acl: Some("private".to_owned()),
        success_action_status: Some(201),
        success_action_redirect: None,
        metadata: Some(
            metadata
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        ),
    }
}

fn try_form(
    key: FormKey<'_>,
    options: &PostOptions,
    creds: &Credentials,
    life: Life,
) -> Result<Form, SignError> {
    let bucket = Bucket::parse("examplebucket").unwrap();
    let op = FormOperation {
        bucket: &bucket,
        key,
        options,
    };
    let target = Target::resolve(None, "us-east-1", AddressingStyle::Auto, &bucket).unwrap();
    sign_form(&op, &target, creds, life.signed_at, life.expires)
}

fn a_day() -> Life {
    Life {
        signed_at: then(),
        expires: DAY,
    }
}

/// The form as text, with its policy document beside it.
fn shown(form: &Form) -> String {
    let mut lines = vec![form.url.expose().to_owned()];
    for field in &form.fields {
        lines.push(format!("{}: {}", field.name, field.expose()));
        if field.name == "policy" {
            let document = BASE64_STANDARD.decode(field.expose()).unwrap();
            lines.push(String::from_utf8(document).unwrap());
        }
    }
    lines.join("\n")
}

#[test]
fn a_form_for_one_key_is_signed_as_it_always_was() {
    let key = Key::parse("in/café \"a\\b\".txt").unwrap();
    let form = try_form(FormKey::Exactly(&key), &sized(), &keys(), a_day()).unwrap();
    insta::assert_snapshot!(shown(&form));
}

#[test]
fn every_option_of_a_form_is_a_field_and_a_condition() {
    let prefix = Prefix::parse("in/").unwrap();
    let form = try_form(
        FormKey::Under(&prefix),
        &every_option(),
        &session(),
        a_day(),
    )
    .unwrap();
    insta::assert_snapshot!(shown(&form));
    let of_the_sender = PostOptions {
        content_type: None,
        content_type_prefix: Some("image/".to_owned()),
        success_action_status: None,
        success_action_redirect: Some("https://app.example.com/done".to_owned()),
        ..every_option()
    };
    let form = try_form(FormKey::Under(&prefix), &of_the_sender, &keys(), a_day()).unwrap();
    insta::assert_snapshot!(shown(&form));
}

#[test]
fn a_value_that_s3_would_fill_in_is_not_signed() {
    let with = |change: fn(&mut PostOptions)| {
        let mut options = sized();
        change(&mut options);
        let key = Key::parse("a").unwrap();
        try_form(FormKey::Exactly(&key), &options, &keys(), a_day()).err()
    };
    assert_eq!(with(|_| {}), None);
    for change in [
        |o: &mut PostOptions| o.content_type = Some("x${filename}".to_owned()),
        |o: &mut PostOptions| o.content_type_prefix = Some("x${filename}".to_owned()),
        |o: &mut PostOptions| o.acl = Some("x${filename}".to_owned()),
        |o: &mut PostOptions| o.success_action_redirect = Some("x${filename}".to_owned()),
        |o: &mut PostOptions| {
            o.metadata = Some([("a".to_owned(), "x${filename}".to_owned())].into());
        },
    ] {
        assert_eq!(with(change), Some(SignError::FileName));
    }
}

#[test]
fn a_form_without_a_range_of_sizes_is_not_signed() {
    let key = Key::parse("a").unwrap();
    let sizes = |range| PostOptions {
        content_length_range: range,
        ..PostOptions::default()
    };
    let empty = ContentLengthRange {
        min: Some(2),
        max: 1,
    };
    for options in [sizes(None), sizes(Some(empty))] {
        let form = try_form(FormKey::Exactly(&key), &options, &keys(), a_day());
        assert_eq!(form.err(), Some(SignError::Size));
    }
}

#[test]
fn a_form_is_signed_by_no_credentials_that_sign_no_url() {
    let key = Key::parse("a").unwrap();
    let refusal = |creds: &Credentials, life: Life| {
        try_form(FormKey::Exactly(&key), &sized(), creds, life).err()
    };
    let too_long = Life {
        expires: DAY * 8,
        ..a_day()
    };
    assert_eq!(refusal(&keys(), too_long), Some(SignError::Life));
    let ends_first = Credentials {
        expires_at: Some(then()),
        ..session()
    };
    assert_eq!(
        refusal(&ends_first, a_day()),
        Some(SignError::CredentialsEndFirst)
    );
    let no_secret = Credentials {
        secret_access_key: "".into(),
        ..keys()
    };
    assert_eq!(
        refusal(&no_secret, a_day()),
        Some(SignError::SecretAccessKey)
    );
}

#[test]
fn a_form_prints_itself_redacted() {
    let key = Key::parse("a").unwrap();
    let form = try_form(FormKey::Exactly(&key), &sized(), &session(), a_day()).unwrap();
    let printed = format!("{form:?}");
    for field in &form.fields {
        assert!(printed.contains(&field.name));
        assert!(field.expose().len() < 4 || !printed.contains(field.expose()));
    }
    assert!(!printed.contains("amazonaws"));
}
