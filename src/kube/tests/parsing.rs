//! What cannot be parsed is told, and takes nothing else with it.

use presigned_core::api::PresignedUrl;
use serde_json::{Value, json};

use crate::kube::convert::{self, RawObject, SecretMetadata};

fn parse(spec: &Value, status: &Value) -> presigned_core::engine::PresignedUrlSeen {
    let raw: RawObject<PresignedUrl> = serde_json::from_value(json!({
        "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURL",
        "metadata": {
            "namespace": "team-a", "name": "model", "uid": "u", "resourceVersion": "5", "generation": 2,
            "creationTimestamp": "2026-03-01T12:00:00Z",
            "annotations": { "presigned.dev/renew": "1", "other": "2" },
            "managedFields": [{ "manager": "kubectl" }],
        },
        "spec": spec, "status": status,
    }))
    .unwrap();
    convert::resource(raw)
}

#[test]
fn a_good_object_is_told_as_it_is() {
    let seen = parse(
        &json!({ "bucket": "models", "key": "a" }),
        &json!({ "revision": 4 }),
    );
    assert_eq!(
        (seen.namespace.as_str(), seen.name.as_str()),
        ("team-a", "model")
    );
    assert_eq!((&*seen.uid, seen.resource_version.as_str()), ("u", "5"));
    assert_eq!(seen.generation, 2);
    assert_eq!(seen.created_at, 1_772_366_400);
    assert!(!seen.deleting);
    assert_eq!(seen.renew_request.as_deref(), Some("1"));
    assert_eq!(seen.spec.unwrap().bucket, "models");
    assert_eq!(seen.status.revision, Some(4));
}

#[test]
fn a_broken_spec_is_told_with_why_and_keeps_the_record_of_what_was_issued() {
    let seen = parse(
        &json!({ "bucket": "models", "key": "a", "method": "COPY" }),
        &json!({ "revision": 4 }),
    );
    let why = seen.spec.unwrap_err();
    assert!(why.contains("COPY"), "{why}");
    assert_eq!(seen.status.revision, Some(4));
}

#[test]
fn a_field_beside_the_spec_is_told_and_keeps_the_record_of_what_was_issued() {
    let raw: RawObject<PresignedUrl> = serde_json::from_value(json!({
        "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURL",
        "metadata": { "namespace": "team-a", "name": "model" }, "renew": "Never",
        "spec": { "bucket": "models", "key": "a" }, "status": { "revision": 4 },
    }))
    .unwrap();
    let seen = convert::resource(raw);
    let why = seen.spec.unwrap_err();
    assert!(
        why.contains("unknown field `renew` beside the spec"),
        "{why}"
    );
    assert_eq!(seen.status.revision, Some(4));
}

#[test]
fn a_spec_that_is_not_there_is_broken() {
    assert!(parse(&Value::Null, &Value::Null).spec.is_err());
}

#[test]
fn a_field_of_a_newer_status_takes_no_other_with_it() {
    let seen = parse(
        &json!({ "bucket": "models", "key": "a" }),
        &json!({ "revision": 4, "limitedBy": "Moon", "method": "GET", "new": {} }),
    );
    assert_eq!(seen.status.revision, Some(4));
    assert!(seen.status.method.is_some());
    assert_eq!(seen.status.limited_by, None);
}

#[test]
fn why_holds_no_character_that_turns_the_line_around() {
    let seen = parse(
        &json!({ "bucket": "models", "key": "a", "method": "\u{202e}YPOC\u{200b}" }),
        &Value::Null,
    );
    let why = seen.spec.unwrap_err();
    assert!(why.contains("\\u{202e}YPOC\\u{200b}"), "{why}");
    assert!(!why.contains(['\u{202e}', '\u{200b}']), "{why}");
}

#[test]
fn why_is_cut_to_a_sentence() {
    let seen = parse(
        &json!({ "bucket": "models", "key": "a", "method": "ü".repeat(5000) }),
        &Value::Null,
    );
    assert!(seen.spec.unwrap_err().len() <= 512);
}

#[test]
fn of_a_secrets_owners_only_the_resource_that_controls_it_is_kept() {
    let owner = |kind: &str, uid: String, controller: bool| {
        json!({ "apiVersion": "presigned.dev/v1alpha1", "kind": kind, "name": "model", "uid": uid,
                "controller": controller })
    };
    let mut owners: Vec<_> = (0..500)
        .map(|at| owner("PresignedURL", format!("other-{at}"), false))
        .collect();
    owners.push(owner("PresignedURL", "ours".to_owned(), true));
    let seen = |owners: &[Value]| {
        let raw: SecretMetadata = serde_json::from_value(json!({
            "metadata": { "namespace": "team-a", "name": "model", "uid": "u", "resourceVersion": "5",
                          "annotations": { "a": "b", "presigned.dev/expires-at": "2027-01-15T08:00:00Z" },
                          "ownerReferences": owners },
        }))
        .unwrap();
        convert::secret(raw)
    };
    let kept: Vec<_> = seen(&owners).owners.into_iter().map(|o| o.uid).collect();
    assert_eq!(kept, ["ours"]);
    let foreign = [owner("ReplicaSet", "theirs".to_owned(), true)];
    let seen = seen(&foreign);
    assert_eq!(seen.owners, []);
    let expires_at = seen.expires_at.map(|at| at.to_string());
    assert_eq!(expires_at.as_deref(), Some("2027-01-15T08:00:00Z"));
}
