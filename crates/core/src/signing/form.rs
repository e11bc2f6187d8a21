//! The signer of forms: S3's POST policy, by which a browser or curl uploads without credentials of its own.
//!
//! What holds here: a form is what botocore makes of the same input. Each field that is sent stands in the
//! policy document as an exact condition, the bucket too, and so does the range of sizes; S3 refuses fields
//! that no condition names. Every option of a request is taken apart exhaustively: a new one does not compile
//! until it is signed. `${filename}`, which S3 replaces by the name of the sent file, stands only at the end
//! of a prefix, if the request has one.

use std::fmt;
use std::time::Duration;

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, json};

use super::credentials::Credentials;
use super::presigned::SecretUrl;
use super::query::{Life, SignError, Usable, bucket_url, start_of, usable};
use super::target::{Style, Target};
use crate::api::{ContentLengthRange, PostOptions};
use crate::request::{Bucket, Key, Prefix};
use crate::text::ascii_json;

/// What S3 replaces, in any field of a form, by the name of the file that is sent.
const FILE_NAME: &str = "${filename}";

/// An upload by a form: its bucket and key, and what the form allows.
#[derive(Clone, Copy, Debug)]
pub struct FormOperation<'a> {
    /// The bucket.
    pub bucket: &'a Bucket,
    /// The key, or what it begins with.
    pub key: FormKey<'a>,
    /// The grant's effective options.
    pub options: &'a PostOptions,
}

/// Which object a form makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormKey<'a> {
    /// This one.
    Exactly(&'a Key),
    /// Any key that begins with this; the sender chooses the rest.
    Under(&'a Prefix),
}

/// A form that anyone who holds it can send until it expires.
#[derive(Clone, Debug)]
pub struct Form {
    /// Where it is sent.
    pub url: SecretUrl,
    /// What is sent, in this order and before the file.
    pub fields: Vec<FormField>,
}

/// One field of a form. Debug does not show its value: some hold the signature.
#[derive(Clone)]
pub struct FormField {
    /// The name.
    pub name: String,
    value: SecretString,
}

impl FormField {
    /// A field.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into().into(),
        }
    }

    /// The value itself: for the Secret and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }
}

impl fmt::Debug for FormField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormField")
            .field("name", &self.name)
            .field("value", &"[redacted]")
            .finish()
    }
}

/// Signs one form. It is good from `signed_at` for `expires`.
///
/// # Assumptions
/// Bucket, key and options were parsed and allowed; `target` was resolved for this bucket.
///
/// # Errors
/// As [`super::presign`]; besides, a form without a range of sizes and a value that S3 would fill in.
pub fn sign_form(
    op: &FormOperation<'_>,
    target: &Target,
    creds: &Credentials,
    signed_at: Timestamp,
    expires: Duration,
) -> Result<Form, SignError> {
    let life = Life { signed_at, expires };
    start_of(life, creds)?;
    let expires = SignedDuration::try_from(expires).map_err(|_| SignError::Life)?;
    let end = signed_at
        .checked_add(expires)
        .map_err(|_| SignError::Life)?;
    let Usable { id, secret, token } = usable(creds)?;

    let mut draft = Draft::default();
    draft.conditions.push(json!({"bucket": op.bucket.as_str()}));
    draft.key(op.key)?;
    draft.options(op.options)?;
    draft.exactly("x-amz-algorithm", "AWS4-HMAC-SHA256");
    let date = signed_at.strftime("%Y%m%d");
    let scope = format!("{id}/{date}/{}/s3/aws4_request", target.region);
    draft.exactly("x-amz-credential", &scope);
    draft.exactly(
        "x-amz-date",
        &signed_at.strftime("%Y%m%dT%H%M%SZ").to_string(),
    );
    if let Some(token) = token {
        draft.exactly("x-amz-security-token", token);
    }

    let Draft {
        conditions,
        mut fields,
    } = draft;
    let document = Document {
        expiration: end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        conditions,
    };
    let json = serde_json::to_string(&document).map_err(|_| SignError::Signer)?;
    let policy = BASE64_STANDARD.encode(ascii_json(&json));
    let signature = signature(&policy, secret, signed_at, &target.region);
    fields.push(FormField::new("policy", policy));
    fields.push(FormField::new("x-amz-signature", signature));

    let mut url = bucket_url(target, op.bucket);
    // A path is never empty.
    match target.style {
        Style::VirtualHost | Style::BucketEndpoint if target.endpoint.path().is_empty() => {
            url.push('/');
        }
        Style::Path | Style::VirtualHost | Style::BucketEndpoint => {}
    }
    Ok(Form {
        url: SecretUrl::new(url),
        fields,
    })
}

/// What `SigV4` makes of a policy document: the base64 text is the string to sign.
pub(super) fn signature(policy: &str, secret: &str, signed_at: Timestamp, region: &str) -> String {
    let key = generate_signing_key(secret, signed_at.into(), region, "s3");
    calculate_signature(key, policy.as_bytes())
}

/// S3's policy document.
#[derive(Serialize)]
struct Document {
    expiration: String,
    conditions: Vec<Value>,
}

/// A form that is being written: the conditions, and the fields that meet them.
#[derive(Default)]
struct Draft {
    conditions: Vec<Value>,
    fields: Vec<FormField>,
}

impl Draft {
    /// A field that must be sent as it stands.
    fn exactly(&mut self, name: &str, value: &str) {
        self.conditions.push(json!({name: value}));
        self.fields.push(FormField::new(name, value));
    }

    /// [`Draft::exactly`] with a value that came from a request.
    fn requested(&mut self, name: &str, value: &str) -> Result<(), SignError> {
        literal(value)?;
        self.exactly(name, value);
        Ok(())
    }

    fn key(&mut self, key: FormKey<'_>) -> Result<(), SignError> {
        match key {
            FormKey::Exactly(key) => self.requested("key", key.as_str()),
            FormKey::Under(prefix) => {
                let prefix = prefix.as_str();
                literal(prefix)?;
                self.conditions.push(json!(["starts-with", "$key", prefix]));
                let value = [prefix, FILE_NAME].concat();
                self.fields.push(FormField::new("key", value));
                Ok(())
            }
        }
    }

    fn options(&mut self, options: &PostOptions) -> Result<(), SignError> {
        let PostOptions {
            content_length_range,
            content_type,
            content_type_prefix,
            acl,
            success_action_status,
            success_action_redirect,
            metadata,
        } = options;
        let ContentLengthRange { min, max } = content_length_range.ok_or(SignError::Size)?;
        let min = min.unwrap_or(0);
        if min > max {
            return Err(SignError::Size);
        }
        self.conditions
            .push(json!(["content-length-range", min, max]));
        let status = success_action_status.map(|status| status.to_string());
        let fixed = [
            ("Content-Type", content_type),
            ("acl", acl),
            ("success_action_status", &status),
            ("success_action_redirect", success_action_redirect),
        ];
        for (name, value) in fixed {
            if let Some(value) = value {
                self.requested(name, value)?;
            }
        }
        if let Some(prefix) = content_type_prefix {
            // The sender adds the field, since only the sender knows the type of the file.
            literal(prefix)?;
            self.conditions
                .push(json!(["starts-with", "$Content-Type", prefix]));
        }
        for (name, value) in metadata.iter().flatten() {
            self.requested(&format!("x-amz-meta-{name}"), value)?;
        }
        Ok(())
    }
}

/// S3 fills names in before it compares: a value with the variable in it would be the sender's to choose.
fn literal(value: &str) -> Result<(), SignError> {
    if value.contains(FILE_NAME) {
        return Err(SignError::FileName);
    }
    Ok(())
}
