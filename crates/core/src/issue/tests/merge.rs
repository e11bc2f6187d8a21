//! Promise 6's half: foreign labels, annotations and owner references are kept.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::map;
use crate::issue::{Owner, OwnerId, SecretMeta, WantedMeta, merge};

const ME: OwnerId<'static> = OwnerId {
    uid: "6f1c",
    name: "web",
};
const MEMORY: &str = "presigned.dev/template-keys";

fn merged(
    existing: &SecretMeta,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> SecretMeta {
    merge(
        existing,
        WantedMeta {
            labels,
            annotations,
            owner_id: ME,
        },
    )
}

fn existing<const L: usize, const A: usize>(
    labels: [(&str, &str); L],
    annotations: [(&str, &str); A],
) -> SecretMeta {
    SecretMeta {
        labels: map(labels),
        annotations: map(annotations),
        owners: vec![Owner::of(ME)],
    }
}

fn stranger(uid: &str) -> Owner {
    Owner {
        api_version: "apps/v1".to_owned(),
        kind: "Deployment".to_owned(),
        name: "web".to_owned(),
        uid: uid.to_owned(),
        controller: None,
        block_owner_deletion: Some(true),
    }
}

#[test]
fn what_others_added_is_kept() {
    let there = existing(
        [("theirs", "1")],
        [("note", "x"), ("presigned.dev/odd", "y")],
    );
    let now = merged(&there, &map([("ours", "1")]), &map([("a", "b")]));
    assert_eq!(now.labels, map([("theirs", "1"), ("ours", "1")]));
    assert_eq!(
        now.annotations,
        map([("note", "x"), ("presigned.dev/odd", "y"), ("a", "b")])
    );
}

#[test]
fn our_keys_win() {
    let there = existing([("k", "theirs")], [("k", "theirs")]);
    let now = merged(&there, &map([("k", "ours")]), &map([("k", "ours")]));
    assert_eq!(
        (now.labels, now.annotations),
        (map([("k", "ours")]), map([("k", "ours")]))
    );
}

#[test]
fn keys_of_an_earlier_template_go_and_the_same_key_elsewhere_stays() {
    let there = existing(
        [("old", "1"), ("note", "of others"), ("kept", "1")],
        [
            (MEMORY, "label=old,label=kept,annotation=note"),
            ("note", "1"),
            ("old", "of others"),
        ],
    );
    let now = merged(
        &there,
        &map([("kept", "2")]),
        &map([(MEMORY, "label=kept")]),
    );
    assert_eq!(now.labels, map([("kept", "2"), ("note", "of others")]));
    assert_eq!(
        now.annotations,
        map([(MEMORY, "label=kept"), ("old", "of others")])
    );
}

#[test]
fn the_memory_goes_with_the_template() {
    let there = existing([("old", "1")], [(MEMORY, "label=old")]);
    let now = merged(&there, &map([]), &map([]));
    assert_eq!((now.labels, now.annotations), (map([]), map([])));
}

#[test]
fn a_forged_memory_takes_away_nothing_that_is_wanted() {
    for forged in [
        "label=ours,annotation=ours",
        ",,=,label=",
        "ours",
        "label=ours label=x",
    ] {
        let there = existing([("ours", "old")], [(MEMORY, forged), ("ours", "old")]);
        let now = merged(&there, &map([("ours", "1")]), &map([("ours", "1")]));
        assert_eq!(
            (now.labels, now.annotations),
            (map([("ours", "1")]), map([("ours", "1")]))
        );
    }
}

#[test]
fn foreign_owner_references_are_kept_as_they_are_and_in_their_order() {
    let mut there = existing([], []);
    there.owners = vec![stranger("a"), Owner::of(ME), stranger("b")];
    let now = merged(&there, &map([]), &map([]));
    assert_eq!(now.owners, [stranger("a"), Owner::of(ME), stranger("b")]);
}

#[test]
fn our_owner_reference_is_put_right_in_its_place() {
    let mut bent = Owner::of(ME);
    bent.name = "other".to_owned();
    bent.api_version = "presigned.dev/v0".to_owned();
    bent.controller = None;
    bent.block_owner_deletion = Some(true);
    let mut there = existing([], []);
    there.owners = vec![stranger("a"), bent, stranger("b")];
    let now = merged(&there, &map([]), &map([]));
    assert_eq!(now.owners, [stranger("a"), Owner::of(ME), stranger("b")]);
    assert_eq!(now.owners[1].controller, Some(true));
    assert_eq!(now.owners[1].block_owner_deletion, Some(false));
}

#[test]
fn a_dead_namesake_gives_its_place_so_that_one_controller_is_left() {
    let mut dead = Owner::of(ME);
    dead.uid = "dead".to_owned();
    let mut there = existing([], []);
    there.owners = vec![dead.clone(), stranger("a"), Owner::of(ME), dead];
    let now = merged(&there, &map([]), &map([]));
    assert_eq!(now.owners, [Owner::of(ME), stranger("a")]);
}

#[test]
fn a_secret_without_owners_gets_ours() {
    let now = merged(&SecretMeta::default(), &map([]), &map([]));
    assert_eq!(now.owners, [Owner::of(ME)]);
}

fn any_map() -> impl Strategy<Value = BTreeMap<String, String>> {
    proptest::collection::btree_map("[a-d]", "[xy]", 0..4)
}

prop_compose! {
    fn any_meta()(
        labels in any_map(), mut annotations in any_map(),
        memory in proptest::option::of("((label|annotation)=[a-d],){0,3}"),
        uids in proptest::collection::btree_set("[a-c]", 0..3),
    ) -> SecretMeta {
        if let Some(memory) = memory {
            annotations.insert(MEMORY.to_owned(), memory);
        }
        SecretMeta { labels, annotations, owners: uids.iter().map(|uid| stranger(uid)).collect() }
    }
}

proptest! {
    #[test]
    fn merging_the_result_again_changes_nothing(
        there in any_meta(), labels in any_map(), mut annotations in any_map(),
    ) {
        let memory: Vec<String> = labels.keys().map(|k| format!("label={k}"))
            .chain(annotations.keys().map(|k| format!("annotation={k}"))).collect();
        annotations.insert(MEMORY.to_owned(), memory.join(","));
        let once = merged(&there, &labels, &annotations);
        prop_assert_eq!(&merged(&once, &labels, &annotations), &once);
        for (key, value) in &labels {
            prop_assert_eq!(once.labels.get(key), Some(value));
        }
        prop_assert!(there.owners.iter().all(|owner| once.owners.contains(owner)));
        prop_assert_eq!(once.owners.iter().filter(|o| o.controller == Some(true)).count(), 1);
    }

    #[test]
    fn without_a_memory_nothing_of_others_is_lost(mut there in any_meta(), labels in any_map()) {
        there.annotations.remove(MEMORY);
        let now = merged(&there, &labels, &map([]));
        prop_assert!(there.labels.keys().all(|key| now.labels.contains_key(key)));
        prop_assert_eq!(now.annotations, there.annotations);
    }
}
