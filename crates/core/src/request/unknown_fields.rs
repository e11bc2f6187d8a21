//! Fields of an object that the API does not have, found without an API server.
//!
//! What holds here: the words are those of the admission policies (`api/unknown_fields.rs`): where the field
//! is, and what it may have been meant to be. Here every unknown field is told, there the first.

use serde_json::Value;

use crate::api::{Place, places};
use crate::text::{escaped, nearest};

/// A sentence for each field that the object's kind does not have; empty for a kind of another API.
#[must_use]
pub fn unknown_fields(object: &Value) -> Vec<String> {
    let kind = object["kind"].as_str().unwrap_or_default();
    let all = places(kind);
    let mut told = Vec::new();
    for place in &all {
        let mut at = vec![(String::new(), object)];
        for step in place.path.split('.').filter(|step| !step.is_empty()) {
            at = at
                .iter()
                .flat_map(|(path, value)| below(path, value, step))
                .collect();
        }
        for (path, value) in at {
            for name in value
                .as_object()
                .into_iter()
                .flat_map(serde_json::Map::keys)
            {
                if !place.fields.contains(name) {
                    told.push(sentence(&path, name, place, &all));
                }
            }
        }
    }
    told
}

/// What stands one step below a value: one, or each item of a list.
fn below<'a>(path: &str, value: &'a Value, step: &str) -> Vec<(String, &'a Value)> {
    let dot = if path.is_empty() { "" } else { "." };
    let (name, is_list) = match step.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (step, false),
    };
    let path = format!("{path}{dot}{name}");
    let Some(found) = value.get(name) else {
        return Vec::new();
    };
    if !is_list {
        return vec![(path, found)];
    }
    let items = found.as_array().into_iter().flatten().enumerate();
    items
        .map(|(at, item)| (format!("{path}[{at}]"), item))
        .collect()
}

fn sentence(path: &str, name: &str, place: &Place, all: &[Place]) -> String {
    let dot = if path.is_empty() { "" } else { "." };
    let elsewhere: Vec<&str> = all
        .iter()
        .filter(|place| !place.path.is_empty() && place.fields.iter().any(|field| field == name))
        .map(|place| place.path.as_str())
        .collect();
    let fields = || place.fields.iter().map(String::as_str);
    let advice = if !elsewhere.is_empty() {
        format!("it is a field of {}", elsewhere.join(" and "))
    } else if let Some(near) = nearest(name, fields()) {
        format!("did you mean \"{near}\"?")
    } else if place.fields.is_empty() {
        "there are no fields here".to_owned()
    } else {
        format!("the fields here are {}", place.fields.join(", "))
    };
    format!("unknown field \"{path}{dot}{}\": {advice}", escaped(name))
}

#[cfg(test)]
mod tests {
    //! Each place, and each kind of advice. That the API server says the same is tried on a real one
    //! (`tests/it/admission`).

    use serde_json::json;

    use super::*;

    #[test]
    fn an_unknown_field_is_told_with_the_nearest_one_or_its_own_place() {
        let object = json!({
            "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURLPolicy", "metadata": { "anything": 1 },
            "spec": { "namespaces": { "nmaes": ["team-a"] }, "prefixes": [],
                "allow": [{ "name": "a" }, { "name": "b", "createonly": true, "zzz": 1 }] },
        });
        let told = unknown_fields(&object);
        let begins = |text: &str| told.iter().filter(|one| one.starts_with(text)).count();
        assert_eq!(told.len(), 4, "{told:#?}");
        for text in [
            "unknown field \"spec.namespaces.nmaes\": did you mean \"names\"?",
            "unknown field \"spec.prefixes\": it is a field of spec.allow[]",
            "unknown field \"spec.allow[1].createonly\": did you mean \"createOnly\"?",
            "unknown field \"spec.allow[1].zzz\": the fields here are ",
        ] {
            assert_eq!(begins(text), 1, "{text}: {told:#?}");
        }
    }

    #[test]
    fn an_object_as_the_api_has_it_and_one_of_another_api_have_no_unknown_field() {
        let url = json!({
            "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURL", "metadata": {},
            "spec": { "bucket": "b", "key": "k", "get": { "versionID": "1" } }, "status": { "later": 1 },
        });
        assert_eq!(unknown_fields(&url), Vec::<String>::new());
        let other = json!({ "kind": "Namespace", "metadata": {}, "spec": { "a": 1 } });
        assert_eq!(unknown_fields(&other), Vec::<String>::new());
    }
}
