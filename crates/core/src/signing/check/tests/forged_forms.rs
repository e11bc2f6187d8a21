//! A form with one difference is refused, for the right reason: in its policy document, in its fields, in its
//! URL.

mod tables;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use proptest::prelude::*;

use super::*;
use crate::api::{ContentLengthRange, PostOptions};
use crate::request::Prefix;
use crate::signing::check::{ExpectedForm, check_form};
use crate::signing::{Form, FormField, FormKey, FormOperation, sign_form};
use Mismatch as M;
use tables::{FIELDS, POLICY};

/// One allowed form; tests change one thing of it.
struct FormCase {
    style: Style,
    bucket: Bucket,
    key: Key,
    prefix: Option<Prefix>,
    options: PostOptions,
    session: bool,
}

impl FormCase {
    fn fixed_type() -> Self {
        Self {
            style: Style::Path,
            bucket: Bucket::parse("team-a").unwrap(),
            key: Key::parse("in/a b.txt").unwrap(),
            prefix: Some(Prefix::parse("in/").unwrap()),
            options: PostOptions {
                content_length_range: Some(ContentLengthRange {
                    min: Some(1),
                    max: 4096,
                }),
                content_type: Some("image/png".to_owned()),
                content_type_prefix: None,
                acl: Some("private".to_owned()),
                success_action_status: Some(201),
                success_action_redirect: None,
                metadata: Some([("owner".to_owned(), "team a".to_owned())].into()),
            },
            session: true,
        }
    }

    fn free_type() -> Self {
        let fixed = Self::fixed_type();
        Self {
            style: Style::VirtualHost,
            prefix: None,
            options: PostOptions {
                content_type: None,
                content_type_prefix: Some("image/".to_owned()),
                success_action_status: None,
                success_action_redirect: Some("https://app.example.com/done".to_owned()),
                ..fixed.options
            },
            session: false,
            ..fixed
        }
    }

    fn form_key(&self) -> FormKey<'_> {
        match &self.prefix {
            Some(prefix) => FormKey::Under(prefix),
            None => FormKey::Exactly(&self.key),
        }
    }

    fn signed(&self) -> Form {
        let endpoint = Endpoint::parse("https://s3.example.com:9000").unwrap();
        let style = match self.style {
            Style::Path => AddressingStyle::Path,
            Style::VirtualHost => AddressingStyle::VirtualHost,
            Style::BucketEndpoint => AddressingStyle::BucketEndpoint,
        };
        let target = Target::resolve(Some(&endpoint), "eu-west-2", style, &self.bucket).unwrap();
        let creds = Credentials {
            access_key_id: KEY_ID.to_owned(),
            secret_access_key: "secret".to_owned().into(),
            session_token: self.session.then(|| "token".to_owned().into()),
            expires_at: self.session.then(|| at(100_000)),
        };
        let op = FormOperation {
            bucket: &self.bucket,
            key: self.form_key(),
            options: &self.options,
        };
        sign_form(&op, &target, &creds, at(0), Duration::from_hours(1)).unwrap()
    }

    fn expected(&self) -> ExpectedForm<'_> {
        ExpectedForm {
            key: self.form_key(),
            options: &self.options,
            signature: expected_signature(self.style, &self.bucket, self.session),
        }
    }

    /// Judges this case's own form after one change of it.
    fn forged(&self, forge: impl FnOnce(&mut Form)) -> Result<(), Mismatch> {
        let mut form = self.signed();
        forge(&mut form);
        check_form(&form, &self.expected())
    }

    /// Judges a form after one change of the options that were allowed.
    fn judge_with_options(
        &self,
        form: &Form,
        change: fn(&mut PostOptions),
    ) -> Result<(), Mismatch> {
        let mut options = self.options.clone();
        change(&mut options);
        let expected = ExpectedForm {
            options: &options,
            ..self.expected()
        };
        check_form(form, &expected)
    }

    /// Judges this case's own form with one piece of its policy document replaced.
    fn forged_policy(&self, from: &str, to: &str) -> Result<(), Mismatch> {
        self.forged(|form| {
            let document = String::from_utf8(document_of(form)).unwrap();
            assert_eq!(document.matches(from).count(), 1, "{from} in {document}");
            let forged = document.replace(from, to);
            set(form, "policy", &BASE64_STANDARD.encode(forged));
        })
    }
}

fn document_of(form: &Form) -> Vec<u8> {
    let policy = form.fields.iter().find(|field| field.name == "policy");
    BASE64_STANDARD.decode(policy.unwrap().expose()).unwrap()
}

fn set(form: &mut Form, name: &str, value: &str) {
    let field = form.fields.iter_mut().find(|field| field.name == name);
    *field.unwrap() = FormField::new(name, value);
}

#[test]
fn a_form_that_was_allowed_passes() {
    for case in [FormCase::fixed_type(), FormCase::free_type()] {
        assert_eq!(case.forged(|_| {}), Ok(()));
    }
}

#[test]
fn a_policy_document_with_one_difference_is_refused() {
    for (from, to, mismatch) in POLICY {
        let forged = FormCase::fixed_type().forged_policy(from, to);
        assert_eq!(forged, Err(*mismatch), "{from} -> {to}");
    }
}

#[test]
fn a_condition_on_what_the_sender_chooses_is_compared_too() {
    for (from, to, mismatch) in [
        ("\"image/\"", "\"image\"", M::Condition("Content-Type")),
        ("\"image/\"", "\"\"", M::Condition("Content-Type")),
        (
            "[\"starts-with\",\"$Content-Type\",\"image/\"],",
            "",
            M::MissingCondition("Content-Type"),
        ),
        (
            "{\"key\":\"in/a b.txt\"}",
            "{\"key\":\"in/b.txt\"}",
            M::Condition("key"),
        ),
        (
            "{\"key\":\"in/a b.txt\"}",
            "[\"starts-with\",\"$key\",\"in/a b.txt\"]",
            M::Condition("key"),
        ),
        (
            "https://app.example.com/done",
            "https://app.example.org/done",
            M::Condition("success_action_redirect"),
        ),
    ] {
        let forged = FormCase::free_type().forged_policy(from, to);
        assert_eq!(forged, Err(mismatch), "{from} -> {to}");
    }
}

#[test]
fn a_field_with_another_value_is_refused() {
    for (name, value, mismatch) in FIELDS {
        let forged = FormCase::fixed_type().forged(|form| set(form, name, value));
        assert_eq!(forged, Err(*mismatch), "{name} = {value}");
    }
}

#[test]
fn a_field_that_is_missing_or_stands_twice_is_refused() {
    for case in [FormCase::fixed_type(), FormCase::free_type()] {
        for (index, field) in case.signed().fields.into_iter().enumerate() {
            let name = field.name.clone();
            let missing = case.forged(|form| drop(form.fields.remove(index)));
            assert!(
                matches!(missing, Err(M::MissingField(_))),
                "{name}: {missing:?}"
            );
            let twice = case.forged(|form| form.fields.push(field));
            assert!(
                matches!(twice, Err(M::RepeatedField(_))),
                "{name}: {twice:?}"
            );
        }
    }
}

#[test]
fn every_condition_is_needed_and_stands_once() {
    for case in [FormCase::fixed_type(), FormCase::free_type()] {
        let document: serde_json::Value =
            serde_json::from_slice(&document_of(&case.signed())).unwrap();
        let conditions = document["conditions"].as_array().unwrap();
        for (index, condition) in conditions.iter().enumerate() {
            let judge = |change: &dyn Fn(&mut Vec<serde_json::Value>)| {
                let mut forged = document.clone();
                change(forged["conditions"].as_array_mut().unwrap());
                let policy = BASE64_STANDARD.encode(forged.to_string());
                case.forged(|form| set(form, "policy", &policy))
            };
            assert_eq!(judge(&|_| {}), Ok(()));
            let missing = judge(&|all| drop(all.remove(index)));
            assert!(
                matches!(missing, Err(M::MissingCondition(_))),
                "{condition}"
            );
            let twice = judge(&|all| all.push(condition.clone()));
            assert!(matches!(twice, Err(M::RepeatedCondition(_))), "{condition}");
        }
    }
}

#[test]
fn a_field_that_nobody_allowed_is_refused() {
    for (name, value) in [
        ("x-amz-storage-class", "GLACIER"),
        ("x-amz-meta-other", "x"),
        ("tagging", "<Tagging/>"),
        ("Key", "in/x"),
        ("KEY", "in/x"),
        ("bucket", "team-a"),
        ("content-length-range", "1"),
        ("x-ignore-me", "x"),
        ("file", "x"),
        ("", ""),
    ] {
        let forge = |form: &mut Form| form.fields.push(FormField::new(name, value));
        let forged = FormCase::fixed_type().forged(forge);
        assert_eq!(forged, Err(M::UnexpectedField), "{name}");
    }
    // The type is the sender's to say.
    let forge = |form: &mut Form| {
        form.fields
            .push(FormField::new("Content-Type", "image/png"));
    };
    let forged = FormCase::free_type().forged(forge);
    assert_eq!(forged, Err(M::UnexpectedField));
}

#[test]
fn a_form_that_goes_elsewhere_is_refused() {
    let elsewhere =
        |case: FormCase, url: &str| case.forged(|form| form.url = SecretUrl::new(url.to_owned()));
    for (url, mismatch) in [
        ("https://s3.example.com:9000/team-b", M::Bucket),
        ("https://s3.example.com:9000/team-a/", M::Bucket),
        ("https://s3.example.com:9000/team-a/in", M::Bucket),
        ("https://s3.example.com:9000/team-a?acl", M::Bucket),
        ("https://s3.example.com:9000/", M::Bucket),
        ("https://s3.example.com:9000", M::Malformed),
        ("https://s3.example.com/team-a", M::Authority),
        ("https://s3.example.org:9000/team-a", M::Authority),
        ("https://u:p@s3.example.com:9000/team-a", M::Authority),
        ("http://s3.example.com:9000/team-a", M::Scheme),
        ("/team-a", M::Malformed),
    ] {
        assert_eq!(
            elsewhere(FormCase::fixed_type(), url),
            Err(mismatch),
            "{url}"
        );
    }
    for (url, mismatch) in [
        ("https://team-b.s3.example.com:9000/", M::Authority),
        ("https://s3.example.com:9000/team-a", M::Authority),
        ("https://team-a.s3.example.com:9000/x", M::Bucket),
        ("https://team-a.s3.example.com:9000", M::Malformed),
    ] {
        assert_eq!(
            elsewhere(FormCase::free_type(), url),
            Err(mismatch),
            "{url}"
        );
    }
}

#[test]
fn each_part_of_what_was_allowed_counts_for_a_form() {
    let case = FormCase::fixed_type();
    let form = case.signed();
    let (bucket, key) = (
        Bucket::parse("team-b").unwrap(),
        Key::parse("in/x").unwrap(),
    );
    let (whole, shorter) = (Prefix::parse("").unwrap(), Prefix::parse("in").unwrap());
    let judge = |change: Change<'_>| {
        let mut expected = case.expected();
        change(&mut expected.signature);
        check_form(&form, &expected)
    };
    each_part_of_a_signature_counts(&judge);
    assert_eq!(judge(&|e| e.session = false), Err(M::UnexpectedField));
    assert_eq!(judge(&|e| e.expires_at = at(3599)), Err(M::Expiration));
    let day_before = |e: &mut ExpectedSignature<'_>| e.signed_at = at(-86_400);
    assert_eq!(judge(&day_before), Err(M::ScopeDate));
    assert_eq!(
        judge(&|e| e.signed_at = at(-1)),
        Err(M::Field("x-amz-date"))
    );

    let own = case.expected();
    let mut other_bucket = own;
    other_bucket.signature.bucket = &bucket;
    assert_eq!(check_form(&form, &other_bucket), Err(M::Bucket));
    for key in [
        FormKey::Exactly(&key),
        FormKey::Under(&whole),
        FormKey::Under(&shorter),
    ] {
        let refused = check_form(&form, &ExpectedForm { key, ..own });
        assert_eq!(refused, Err(M::Field("key")));
    }
}

#[test]
fn what_no_form_may_be_is_refused_though_it_was_expected() {
    let case = FormCase::fixed_type();
    let form = case.signed();
    let judge = |change| case.judge_with_options(&form, change);
    assert_eq!(judge(|_| {}), Ok(()));
    assert_eq!(judge(|o| o.content_length_range = None), Err(M::Unbounded));
    assert_eq!(
        judge(|o| o.content_length_range = Some(ContentLengthRange {
            min: Some(2),
            max: 1
        })),
        Err(M::Unbounded)
    );
    assert_eq!(
        judge(|o| o.content_type_prefix = Some("image/".to_owned())),
        Err(M::Condition("Content-Type"))
    );
    assert_eq!(
        judge(|o| o.acl = Some("${filename}".to_owned())),
        Err(M::FileName)
    );
}

#[test]
fn options_that_were_not_requested_are_refused() {
    let case = FormCase::fixed_type();
    let form = case.signed();
    let judge = |change| case.judge_with_options(&form, change);
    let refused = Err(M::UnexpectedField);
    assert_eq!(judge(|o| o.content_type = None), refused);
    assert_eq!(judge(|o| o.acl = None), refused);
    assert_eq!(judge(|o| o.success_action_status = None), refused);
    assert_eq!(judge(|o| o.metadata = None), refused);
    assert_eq!(
        judge(|o| o.success_action_redirect = Some("https://x.example.com".to_owned())),
        Err(M::MissingField("success_action_redirect"))
    );
}

#[test]
fn a_mismatch_tells_nothing_of_the_form() {
    let forged = FormCase::fixed_type().forged_policy("\"bucket\"", "\"s3cr3t\"");
    let mismatch = forged.unwrap_err();
    assert!(!format!("{mismatch} {mismatch:?}").contains("s3cr3t"));
}

#[test]
fn the_path_of_the_endpoint_is_checked_in_forms() {
    for (case, bucket) in [
        (FormCase::fixed_type(), "team-a"),
        (FormCase::free_type(), ""),
    ] {
        let signed = case.signed();
        let origin = signed.url.expose().strip_suffix(&format!("/{bucket}"));
        let after = if bucket.is_empty() { "" } else { "/" };
        let judge = |path: &str, expected_path| {
            let mut form = signed.clone();
            form.url = SecretUrl::new(format!("{}{path}{after}{bucket}", origin.unwrap()));
            let mut expected = case.expected();
            expected.signature.path = expected_path;
            check_form(&form, &expected)
        };
        assert_eq!(judge("/gw/s3", "/gw/s3"), Ok(()));
        assert_eq!(judge("/gw/s3/", "/gw/s3"), Err(M::Bucket));
        assert_eq!(judge("/gw/s3x", "/gw/s3"), Err(M::Bucket));
        assert_eq!(judge("/gw", "/gw/s3"), Err(M::Path));
        assert_eq!(judge("//gw/s3", "/gw/s3"), Err(M::Path));
        assert_eq!(judge("/gw/s3", "/gw"), Err(M::Bucket));
        assert_eq!(judge("/gw/s3", ""), Err(M::Bucket));
    }
}

proptest! {
    /// Whatever one byte of a policy document becomes, the form is refused.
    #[test]
    fn a_policy_document_with_another_byte_is_refused(
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let case = FormCase::fixed_type();
        let mut form = case.signed();
        let mut document = document_of(&form);
        let place = place.index(document.len());
        let same = document[place] == byte;
        document[place] = byte;
        set(&mut form, "policy", &BASE64_STANDARD.encode(document));
        prop_assert_eq!(check_form(&form, &case.expected()).is_ok(), same);
    }
}
