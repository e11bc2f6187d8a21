//! What the Secret of a form holds.

use proptest::prelude::*;

use super::{NOON, at};
use crate::issue::{FormContent, RenderError, SECRET_LIMIT, SecretContent, Template, render_form};
use crate::signing::{Form, FormField, SecretUrl};

fn form(fields: &[(&str, &str)]) -> Form {
    Form {
        url: SecretUrl::new("https://s3.example.com/b".to_owned()),
        fields: fields
            .iter()
            .map(|(name, value)| FormField::new(*name, *value))
            .collect(),
    }
}

fn rendered(form: &Form, ca_bundle: Option<&str>) -> Result<SecretContent, RenderError> {
    render_form(&FormContent {
        name: "drop",
        form,
        expires_at: at(NOON),
        ca_bundle,
        template: &Template::default(),
    })
}

fn file<'a>(secret: &'a SecretContent, key: &str) -> &'a str {
    std::str::from_utf8(secret.data[key].expose()).unwrap()
}

#[test]
fn a_form_as_it_stands_in_the_secret() {
    let form = form(&[
        ("key", "in/${filename}"),
        ("x-amz-meta-note", r#"say "hi" \n"#),
        ("acl", "@private"),
        ("policy", "eyJ9"),
    ]);
    let secret = rendered(&form, Some("-----BEGIN CERTIFICATE-----\n")).unwrap();
    let keys: Vec<&str> = secret.data.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "ca.crt",
            "curl.conf",
            "expires-at",
            "fields.json",
            "method",
            "url"
        ]
    );
    assert_eq!(file(&secret, "url"), "https://s3.example.com/b");
    assert_eq!(file(&secret, "method"), "POST");
    assert_eq!(file(&secret, "expires-at"), "2026-11-21T12:00:00Z");
    assert_eq!(
        file(&secret, "fields.json"),
        r#"{"key":"in/${filename}","x-amz-meta-note":"say \"hi\" \\n","acl":"@private","policy":"eyJ9"}"#
    );
    assert_eq!(
        file(&secret, "curl.conf"),
        "url = \"https://s3.example.com/b\"\n\
         form-string = \"key=in/${filename}\"\n\
         form-string = \"x-amz-meta-note=say \\\"hi\\\" \\\\n\"\n\
         form-string = \"acl=@private\"\n\
         form-string = \"policy=eyJ9\"\n\
         fail\nshow-error\ngloboff\npath-as-is\nretry = 3\n"
    );
    assert_eq!(secret.annotations["presigned.dev/presigned-url"], "drop");
}

#[test]
fn a_form_that_does_not_fit_is_refused_with_its_size() {
    let refusal = rendered(&form(&[]), Some(&"x".repeat(SECRET_LIMIT - 120)));
    assert!(matches!(refusal, Err(RenderError::TooLarge { bytes }) if bytes > SECRET_LIMIT));
}

#[test]
fn no_debug_shows_a_field() {
    let form = form(&[("x-amz-signature", "s3cr3t")]);
    let content = FormContent {
        name: "drop",
        form: &form,
        expires_at: at(NOON),
        ca_bundle: None,
        template: &Template::default(),
    };
    let secret = rendered(&form, None).unwrap();
    assert!(!format!("{content:?}{secret:?}").contains("s3cr3t"));
}

proptest! {
    #[test]
    fn whatever_a_field_holds_it_makes_no_second_line(value in any::<String>()) {
        let form = form(&[("x-amz-meta-a", &value)]);
        match rendered(&form, None) {
            Ok(secret) => {
                prop_assert_eq!(file(&secret, "curl.conf").lines().count(), 7);
                let read: serde_json::Value = serde_json::from_str(file(&secret, "fields.json")).unwrap();
                prop_assert_eq!(&read["x-amz-meta-a"], &value);
            }
            Err(error) => {
                prop_assert_eq!(error, RenderError::Field);
                prop_assert!(value.chars().any(char::is_control));
            }
        }
    }
}
