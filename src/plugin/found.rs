//! Objects of the cluster as they stand there.
//!
//! What holds here: a spec is kept as it was found, and of a status all is read that this version can read. A
//! word of a newer operator in one object hides neither the rest of it nor any other object, and what was not
//! read is named.

use std::ops::Deref;

use kube::core::object::Object;
use presigned_core::api::{ClusterObjectStoreStatus, PresignedUrlStatus};
use presigned_core::text::quoted;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// A `PresignedURL` whose spec was not interpreted.
pub type Found = Object<Value, Readable<PresignedUrlStatus>>;
/// A `ClusterObjectStore` whose spec was not interpreted.
pub type FoundStore = Object<Value, Readable<ClusterObjectStoreStatus>>;
/// A `PresignedURLPolicy` of which nothing was interpreted.
pub type FoundPolicy = Object<Value, Value>;

/// A status as it was written, and what of it this version reads.
#[derive(Clone, Debug, Default)]
pub struct Readable<T> {
    known: T,
    /// The fields that were not read, by name.
    unread: Vec<String>,
    written: Value,
}

impl<T> Readable<T> {
    /// What was read.
    #[must_use]
    pub fn into_known(self) -> T {
        self.known
    }

    /// What was not read and what to do; `None` if all was.
    #[must_use]
    pub fn unread(&self) -> Option<String> {
        let fields = self.unread.join(", ");
        (!fields.is_empty()).then(|| {
            format!(
                "a newer operator wrote a part of its status: {}",
                cannot_read(&fields)
            )
        })
    }
}

impl<T> Deref for Readable<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.known
    }
}

impl<'de, T: DeserializeOwned + Default> Deserialize<'de> for Readable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(read)
    }
}

/// As it was written: nothing that this version does not know is lost.
impl<T> Serialize for Readable<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.written.serialize(serializer)
    }
}

/// Reads a status: as a whole, or else each field, and each entry of a list, by itself.
fn read<T: DeserializeOwned + Default>(written: Value) -> Readable<T> {
    if let Ok(known) = serde_json::from_value(written.clone()) {
        return Readable {
            known,
            unread: Vec::new(),
            written,
        };
    }
    let mut unread = Vec::new();
    let mut kept = Map::new();
    match &written {
        Value::Object(fields) => {
            for (name, value) in fields {
                let reads = |value: Value| {
                    let alone = Map::from_iter([(name.clone(), value)]);
                    serde_json::from_value::<T>(Value::Object(alone)).is_ok()
                };
                let mut is_whole = true;
                let value = match value {
                    Value::Array(entries) => {
                        let read = |entry: &&Value| reads(Value::Array(vec![(*entry).clone()]));
                        let read: Vec<Value> = entries.iter().filter(read).cloned().collect();
                        is_whole = read.len() == entries.len();
                        Value::Array(read)
                    }
                    value => value.clone(),
                };
                if !is_whole || !reads(value.clone()) {
                    unread.push(named(name, fields.get(name)));
                }
                if reads(value.clone()) {
                    kept.insert(name.clone(), value);
                }
            }
        }
        _ => unread.push("status".to_owned()),
    }
    Readable {
        known: serde_json::from_value(Value::Object(kept)).unwrap_or_default(),
        unread,
        written,
    }
}

/// A field that was not read, with its value if that is a word.
fn named(field: &str, value: Option<&Value>) -> String {
    match value.and_then(Value::as_str) {
        Some(word) => format!("status.{field} {}", quoted(word)),
        None => format!("status.{field}"),
    }
}

/// What to do about something that only a newer operator writes; `why` says what it is.
#[must_use]
pub fn cannot_read(why: &str) -> String {
    format!(
        "this kubectl-presigned {} cannot read it ({why}): install the plugin of the operator's version",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    //! What is read of a status of a newer operator.

    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn found(status: &Value) -> Found {
        let object = json!({ "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURL",
            "metadata": { "name": "a" }, "spec": {}, "status": status });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn all_but_the_field_of_a_newer_operator_is_read_and_that_is_named() {
        let ready = json!({ "type": "Ready", "status": "True", "reason": "Issued", "message": "",
            "lastTransitionTime": "2026-11-28T12:00:00Z" });
        let other = json!({ "type": "Sealed", "status": "Perhaps" });
        let status = json!({ "limitedBy": "Moon", "revision": 7, "conditions": [other, ready],
            "expirationTime": "2026-11-28T12:00:00Z", "shape": { "of": "later" } });
        let one = found(&status);
        let read = one.status.as_ref().unwrap();
        assert_eq!(read.revision, Some(7));
        assert!(read.expiration_time.is_some());
        assert_eq!(read.limited_by, None);
        assert_eq!(read.conditions.len(), 1);
        let why = read.unread().unwrap();
        for part in [
            "status.limitedBy \"Moon\"",
            "status.conditions",
            env!("CARGO_PKG_VERSION"),
            "install the plugin of the operator's version",
        ] {
            assert!(why.contains(part), "{part}: {why}");
        }
        // What is printed as JSON is what the cluster has.
        assert_eq!(serde_json::to_value(&one).unwrap()["status"], status);
    }

    #[test]
    fn a_status_that_is_known_names_nothing() {
        let one = found(&json!({ "limitedBy": "SigV4", "fieldOfALaterRelease": 1 }));
        let read = one.status.unwrap();
        assert_eq!(read.unread(), None);
        assert!(read.into_known().limited_by.is_some());
        assert!(found(&json!("none")).status.unwrap().unread().is_some());
    }
}
