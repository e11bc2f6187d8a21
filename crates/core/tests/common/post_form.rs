//! A verifier for forms: what an S3 server does with a POST policy, from AWS's description of it.
//!
//! What holds here: bare HMAC and JSON, and not one line of the code that it checks. It is strict where S3
//! is: each field that is sent stands in a condition, each condition is met, and without a bucket, a key and
//! a range of sizes it is no form that this project hands out.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::sigv4_verifier::{hex, hmac, signing_key};
use super::url::Parts;

/// Fields that no condition names.
const BARE: [&str; 2] = ["policy", "x-amz-signature"];

/// A form taken apart.
#[derive(Clone, Debug)]
pub struct Form {
    /// Where it is sent, with the key or prefix as the path's rest.
    pub parts: Parts,
    /// The key, or what it begins with.
    pub key: String,
    /// Whether the sender chooses how the key goes on.
    pub under: bool,
    /// The fewest and the most bytes.
    pub range: (u64, u64),
    fields: Map<String, Value>,
    day: String,
}

impl Form {
    /// Reads a form as its sender and the server would.
    pub fn read(url: &str, fields: &str) -> Result<Self, String> {
        let fields: Map<String, Value> =
            serde_json::from_str(fields).map_err(|_| "fields.json is no object")?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let policy = policy(text("policy").ok_or("a form without a policy")?)?;
        let end: Timestamp = policy["expiration"]
            .as_str()
            .and_then(|end| end.parse().ok())
            .ok_or("a policy without an expiration")?;
        let conditions = policy["conditions"].as_array().ok_or("no conditions")?;
        let slash = url.find("://").ok_or("no scheme")? + 3;
        let at = url[slash..].find('/').ok_or("no bucket in the URL")? + slash;
        let (origin, bucket) = (&url[..at], url[at + 1..].trim_end_matches('/'));
        if !conditions.contains(&json!({"bucket": bucket})) {
            return Err("a form without a condition of its bucket".to_owned());
        }
        let (key, under) = key(conditions, text("key").ok_or("no key")?)?;
        let range = conditions
            .iter()
            .find(|condition| condition[0] == "content-length-range")
            .and_then(|condition| Some((condition[1].as_u64()?, condition[2].as_u64()?)))
            .ok_or("a form without a range of sizes")?;
        met(conditions, &fields)?;
        let date = text("x-amz-date").ok_or("no x-amz-date")?;
        let start = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date)
            .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC))
            .map_err(|_| "a malformed date")?
            .timestamp();
        let credential: Vec<&str> = text("x-amz-credential")
            .ok_or("no x-amz-credential")?
            .split('/')
            .collect();
        let [id, day, region, "s3", "aws4_request"] = credential[..] else {
            return Err("a malformed credential scope".to_owned());
        };
        if text("x-amz-algorithm") != Some("AWS4-HMAC-SHA256") || !date.starts_with(day) {
            return Err("the scope's date or algorithm is not the form's".to_owned());
        }
        Ok(Self {
            parts: Parts {
                origin: origin.to_owned(),
                path: format!("/{bucket}/{key}"),
                start,
                end,
                access_key_id: id.to_owned(),
                region: region.to_owned(),
                token: text("x-amz-security-token").map(str::to_owned),
            },
            key,
            under,
            range,
            day: day.to_owned(),
            fields,
        })
    }

    /// A field's value.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    /// Whether any metadata is sent.
    pub fn has_metadata(&self) -> bool {
        self.fields
            .keys()
            .any(|name| name.starts_with("x-amz-meta-"))
    }

    /// Whether the signature is that of the owner of `secret`.
    pub fn verify(&self, secret: &str) -> Result<(), String> {
        let key = signing_key(secret, [&self.day, &self.parts.region, "s3"])?;
        let policy = self.field("policy").ok_or("no policy")?;
        if self.field("x-amz-signature") == Some(&hex(&hmac(&key, policy)?)) {
            return Ok(());
        }
        Err("the form's signature does not match".to_owned())
    }

    /// The same form with other conditions, truly signed: what a faulty signer would make.
    pub fn with_conditions(&self, secret: &str, keep: impl Fn(&Value) -> bool) -> Option<String> {
        let mut policy = policy(self.field("policy")?).ok()?;
        policy["conditions"].as_array_mut()?.retain(keep);
        let policy = BASE64_STANDARD.encode(policy.to_string());
        let key = signing_key(secret, [&self.day, &self.parts.region, "s3"]).ok()?;
        let mut fields = self.fields.clone();
        let signature = hex(&hmac(&key, &policy).ok()?);
        fields.insert("policy".to_owned(), policy.into());
        fields.insert("x-amz-signature".to_owned(), signature.into());
        serde_json::to_string(&fields).ok()
    }
}

fn policy(text: &str) -> Result<Value, String> {
    let bytes = BASE64_STANDARD
        .decode(text)
        .map_err(|_| "a policy that is not base64")?;
    serde_json::from_slice(&bytes).map_err(|_| "a policy that is not JSON".to_owned())
}

/// What the key must be, and whether that is its beginning only.
fn key(conditions: &[Value], sent: &str) -> Result<(String, bool), String> {
    if let Some(prefix) = sent.strip_suffix("${filename}") {
        return conditions
            .contains(&json!(["starts-with", "$key", prefix]))
            .then(|| (prefix.to_owned(), true))
            .ok_or("a form without a condition of its prefix".to_owned());
    }
    conditions
        .contains(&json!({"key": sent}))
        .then(|| (sent.to_owned(), false))
        .ok_or("a form without a condition of its key".to_owned())
}

/// Each field stands in a condition that it meets, and each condition has what it asks for.
fn met(conditions: &[Value], fields: &Map<String, Value>) -> Result<(), String> {
    for name in fields.keys().filter(|name| !BARE.contains(&name.as_str())) {
        let exactly = json!({name: fields[name]});
        let begins = |condition: &&Value| {
            condition[0] == "starts-with" && condition[1] == format!("${name}")
        };
        if !conditions.contains(&exactly) && !conditions.iter().any(|c| begins(&c)) {
            return Err(format!("no condition names the field {name}"));
        }
    }
    for condition in conditions.iter().filter_map(Value::as_object) {
        let unmet = condition
            .iter()
            .find(|(name, value)| *name != "bucket" && fields.get(*name) != Some(value));
        if let Some((name, _)) = unmet {
            return Err(format!("the field {name} is not as its condition asks"));
        }
    }
    Ok(())
}
