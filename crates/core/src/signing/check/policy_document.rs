//! Reading a form's policy document as a server does.
//!
//! What holds here: only what reads in one way is read: strict base64 of ASCII JSON with two members, each
//! once, and conditions of the three shapes that S3 documents, each with one name. A member that stands
//! twice, which one parser takes from the front and another from the back, is refused.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::mismatch::Mismatch;

/// A policy document. There is no Debug: it may hold a session's token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyDocument {
    pub(super) expiration: String,
    pub(super) conditions: Vec<Condition>,
}

/// What a condition requires of a form.
#[derive(PartialEq, Eq)]
pub(super) enum Condition {
    /// `{"name": "value"}`
    Equals(String, String),
    /// `["starts-with", "$name", "value"]`
    StartsWith(String, String),
    /// `["content-length-range", least, most]`
    Sizes(u64, u64),
}

impl PolicyDocument {
    pub(super) fn read(base64: &str) -> Result<Self, Mismatch> {
        let json = BASE64_STANDARD
            .decode(base64)
            .map_err(|_| Mismatch::MalformedPolicy)?;
        if !json.is_ascii() {
            return Err(Mismatch::MalformedPolicy);
        }
        serde_json::from_slice(&json).map_err(|_| Mismatch::MalformedPolicy)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Shapes)
    }
}

struct Shapes;

impl<'de> Visitor<'de> for Shapes {
    type Value = Condition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a condition")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Condition, A::Error> {
        let one = map.next_entry()?;
        let more = map.next_key::<String>()?;
        match (one, more) {
            (Some((name, value)), None) => Ok(Condition::Equals(name, value)),
            _ => Err(A::Error::custom("not one name")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Condition, A::Error> {
        let short = || A::Error::custom("too short");
        let kind: String = seq.next_element()?.ok_or_else(short)?;
        let condition = match kind.as_str() {
            "starts-with" => {
                let name: String = seq.next_element()?.ok_or_else(short)?;
                let name = name
                    .strip_prefix('$')
                    .ok_or_else(|| A::Error::custom("no $"))?;
                let value = seq.next_element()?.ok_or_else(short)?;
                Condition::StartsWith(name.to_owned(), value)
            }
            "content-length-range" => {
                let least = seq.next_element()?.ok_or_else(short)?;
                Condition::Sizes(least, seq.next_element()?.ok_or_else(short)?)
            }
            _ => return Err(A::Error::custom("another operator")),
        };
        match seq.next_element::<serde::de::IgnoredAny>()? {
            None => Ok(condition),
            Some(_) => Err(A::Error::custom("too long")),
        }
    }
}
