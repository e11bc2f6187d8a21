//! Checks that a finished form is the allowed one: promise 3, for POST.
//!
//! What holds here: what a form may hold is written down a second time and on its own, from the S3 API
//! reference. Its policy document is read as a server reads it; every condition and every field must be
//! expected, stand once and be exactly what was allowed, so that neither the form nor its policy document
//! allows more than was granted.

use std::collections::{BTreeMap, BTreeSet};

use super::mismatch::Mismatch;
use super::policy_document::{Condition, PolicyDocument};
use super::signature::{ALGORITHM, ExpectedSignature, check_signature};
use crate::api::{ContentLengthRange, PostOptions};
use crate::signing::form::{Form, FormKey};
use crate::signing::target::Style;

/// A form that was allowed, as plain data. Make it from the grant and the store, not from what the signer was
/// given.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedForm<'a> {
    /// The object's key, or what it begins with.
    pub key: FormKey<'a>,
    /// The grant's effective options.
    pub options: &'a PostOptions,
    /// Where it goes, whose signature it holds and how long it lives.
    pub signature: ExpectedSignature<'a>,
}

/// Refuses a finished form that differs in anything from the allowed one.
pub fn check_form(form: &Form, expected: &ExpectedForm<'_>) -> Result<(), Mismatch> {
    let Form { url, fields } = form;
    check_url(url.expose(), expected)?;

    let wanted = wanted(expected)?;
    let sent = fields
        .iter()
        .map(|field| (field.name.as_str(), field.expose()));
    let sent = read_fields(sent, &wanted)?;
    for (name, rule) in &wanted {
        match (&rule.field, sent.get(name.as_str()).copied()) {
            (Field::None, Some(_)) => return Err(Mismatch::UnexpectedField),
            (Field::None, None) => {}
            (_, None) => return Err(Mismatch::MissingField(rule.label)),
            (Field::Exactly(value), Some(sent)) if value == sent => {}
            (Field::Credential, Some(sent)) => expected.signature.check_credential(sent)?,
            (Field::Exactly(_), Some(_)) | (Field::Token, Some("")) => {
                return Err(Mismatch::Field(rule.label));
            }
            (Field::Token | Field::Policy, Some(_)) => {}
            (Field::Signature, Some(sent)) => check_signature(sent)?,
        }
    }
    let policy = sent.get("policy").ok_or(Mismatch::MissingField("policy"))?;
    check_policy(&PolicyDocument::read(policy)?, &wanted, &sent, expected)
}

/// What is expected of one name: what the form sends under it, and what the policy document says about it.
struct Rule {
    /// How a mismatch calls it.
    label: &'static str,
    field: Field,
    condition: ExpectedCondition,
}

enum Field {
    /// The sender's, or no field at all.
    None,
    Exactly(String),
    Credential,
    Token,
    Policy,
    Signature,
}

enum ExpectedCondition {
    None,
    /// The field's own value.
    SameAsField,
    Equals(String),
    StartsWith(String),
    Sizes(u64, u64),
}

/// Every name that a form or its policy document may hold.
fn wanted(expected: &ExpectedForm<'_>) -> Result<BTreeMap<String, Rule>, Mismatch> {
    let PostOptions {
        content_length_range,
        content_type,
        content_type_prefix,
        acl,
        success_action_status,
        success_action_redirect,
        metadata,
    } = expected.options;
    let mut wanted = Names(BTreeMap::new());

    let bucket = expected.signature.bucket.as_str().to_owned();
    wanted.put("bucket", Field::None, ExpectedCondition::Equals(bucket));
    match expected.key {
        FormKey::Exactly(key) => wanted.put_value("key", key.as_str())?,
        FormKey::Under(prefix) => {
            let prefix = fixed(prefix.as_str())?;
            let field = Field::Exactly(format!("{prefix}${{filename}}"));
            wanted.put("key", field, ExpectedCondition::StartsWith(prefix));
        }
    }
    let sizes = match content_length_range {
        Some(ContentLengthRange { min, max }) if min.unwrap_or_default() <= *max => {
            ExpectedCondition::Sizes(min.unwrap_or_default(), *max)
        }
        _ => return Err(Mismatch::Unbounded),
    };
    wanted.put("content-length-range", Field::None, sizes);
    match (content_type, content_type_prefix) {
        (Some(own), None) => wanted.put_value("Content-Type", own)?,
        (None, Some(prefix)) => {
            let begins = ExpectedCondition::StartsWith(fixed(prefix)?);
            wanted.put("Content-Type", Field::None, begins);
        }
        (None, None) => {}
        // They exclude each other.
        (Some(_), Some(_)) => return Err(Mismatch::Condition("Content-Type")),
    }
    if let Some(acl) = acl {
        wanted.put_value("acl", acl)?;
    }
    if let Some(status) = success_action_status {
        wanted.put_value("success_action_status", &status.to_string())?;
    }
    if let Some(redirect) = success_action_redirect {
        wanted.put_value("success_action_redirect", redirect)?;
    }
    for (name, value) in metadata.iter().flatten() {
        let rule = Rule {
            label: "x-amz-meta-*",
            field: Field::Exactly(fixed(value)?),
            condition: ExpectedCondition::SameAsField,
        };
        wanted.0.insert(format!("x-amz-meta-{name}"), rule);
    }

    wanted.put_value("x-amz-algorithm", ALGORITHM)?;
    wanted.put_value("x-amz-date", &expected.signature.date())?;
    wanted.put(
        "x-amz-credential",
        Field::Credential,
        ExpectedCondition::SameAsField,
    );
    if expected.signature.session {
        wanted.put(
            "x-amz-security-token",
            Field::Token,
            ExpectedCondition::SameAsField,
        );
    }
    wanted.put("policy", Field::Policy, ExpectedCondition::None);
    wanted.put("x-amz-signature", Field::Signature, ExpectedCondition::None);
    Ok(wanted.0)
}

struct Names(BTreeMap<String, Rule>);

impl Names {
    fn put(&mut self, label: &'static str, field: Field, condition: ExpectedCondition) {
        let rule = Rule {
            label,
            field,
            condition,
        };
        self.0.insert(label.to_owned(), rule);
    }

    /// A field that is sent as it stands, with the condition that it is.
    fn put_value(&mut self, label: &'static str, value: &str) -> Result<(), Mismatch> {
        self.put(
            label,
            Field::Exactly(fixed(value)?),
            ExpectedCondition::SameAsField,
        );
        Ok(())
    }
}

/// A value that means itself: a server would put the sent file's name in place of the variable.
fn fixed(value: &str) -> Result<String, Mismatch> {
    match value.find("${filename}") {
        Some(_) => Err(Mismatch::FileName),
        None => Ok(value.to_owned()),
    }
}

fn check_url(url: &str, expected: &ExpectedForm<'_>) -> Result<(), Mismatch> {
    let (scheme, rest) = url.split_once("://").ok_or(Mismatch::Malformed)?;
    let (authority, path) = rest.split_once('/').ok_or(Mismatch::Malformed)?;
    expected.signature.check_origin(scheme, authority)?;
    let ExpectedSignature {
        path: before,
        style,
        bucket,
        ..
    } = expected.signature;
    let bucket = match style {
        Style::VirtualHost | Style::BucketEndpoint if before.is_empty() => "/".to_owned(),
        Style::VirtualHost | Style::BucketEndpoint => String::new(),
        Style::Path => format!("/{bucket}"),
    };
    let path = format!("/{path}");
    let path = path.strip_prefix(before).ok_or(Mismatch::Path)?;
    (path == bucket).then_some(()).ok_or(Mismatch::Bucket)
}

fn read_fields<'a>(
    fields: impl Iterator<Item = (&'a str, &'a str)>,
    wanted: &BTreeMap<String, Rule>,
) -> Result<BTreeMap<&'a str, &'a str>, Mismatch> {
    let mut sent = BTreeMap::new();
    for (name, value) in fields {
        let rule = wanted.get(name).ok_or(Mismatch::UnexpectedField)?;
        if sent.insert(name, value).is_some() {
            return Err(Mismatch::RepeatedField(rule.label));
        }
    }
    Ok(sent)
}

fn check_policy(
    policy: &PolicyDocument,
    wanted: &BTreeMap<String, Rule>,
    sent: &BTreeMap<&str, &str>,
    expected: &ExpectedForm<'_>,
) -> Result<(), Mismatch> {
    expected.signature.life()?;
    let end = expected.signature.expires_at;
    if policy.expiration != end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string() {
        return Err(Mismatch::Expiration);
    }
    let mut met = BTreeSet::new();
    for condition in &policy.conditions {
        let name = match condition {
            Condition::Equals(name, _) | Condition::StartsWith(name, _) => name.as_str(),
            Condition::Sizes(..) => "content-length-range",
        };
        let rule = wanted.get(name).ok_or(Mismatch::UnexpectedCondition)?;
        if !met.insert(name) {
            return Err(Mismatch::RepeatedCondition(rule.label));
        }
        let same = match (&rule.condition, condition) {
            (ExpectedCondition::None, _) => return Err(Mismatch::UnexpectedCondition),
            (ExpectedCondition::SameAsField, Condition::Equals(_, value)) => {
                sent.get(name) == Some(&value.as_str())
            }
            (ExpectedCondition::Equals(wanted), Condition::Equals(_, value))
            | (ExpectedCondition::StartsWith(wanted), Condition::StartsWith(_, value)) => {
                wanted == value
            }
            (ExpectedCondition::Sizes(least, most), Condition::Sizes(low, high)) => {
                (least, most) == (low, high)
            }
            _ => false,
        };
        if !same {
            return Err(Mismatch::Condition(rule.label));
        }
    }
    let needed = |rule: &Rule| !matches!(rule.condition, ExpectedCondition::None);
    match wanted
        .iter()
        .find(|(name, rule)| needed(rule) && !met.contains(name.as_str()))
    {
        Some((_, rule)) => Err(Mismatch::MissingCondition(rule.label)),
        None => Ok(()),
    }
}
