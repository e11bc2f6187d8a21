//! Promise 4: nothing foreign is touched. One test for each field of an owner reference.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::map;
use crate::issue::{Marks, Owner, OwnerId, Ownership, ownership};

const ME: OwnerId<'static> = OwnerId {
    uid: "6f1c",
    name: "web",
};

fn labelled() -> BTreeMap<String, String> {
    map([("presigned.dev/managed-by", "presigned-url-operator")])
}

/// Whose a Secret without annotations is that no status records.
fn whose(owners: &[Owner], owner_id: OwnerId<'_>, labels: &BTreeMap<String, String>) -> Ownership {
    let marks = Marks {
        owners,
        labels,
        annotations: &map([]),
        recorded: false,
    };
    ownership(marks, owner_id)
}

/// A controlling reference that differs from ours as the test says.
fn owner(change: impl FnOnce(&mut Owner)) -> Owner {
    let mut owner = Owner::of(ME);
    change(&mut owner);
    owner
}

fn foreign(owners: &[Owner], labels: &BTreeMap<String, String>) -> String {
    match whose(owners, ME, labels) {
        Ownership::Foreign { what } => what,
        other => panic!("{other:?} of {owners:?}"),
    }
}

#[test]
fn what_this_resource_controls_is_its_own() {
    assert_eq!(whose(&[Owner::of(ME)], ME, &labelled()), Ownership::Owned);
    assert_eq!(
        whose(&[Owner::of(ME)], ME, &map([])),
        Ownership::Owned,
        "a label that somebody took away changes no owner"
    );
}

#[test]
fn a_secret_without_owner_or_label_is_never_touched() {
    assert!(foreign(&[], &map([])).contains("has no owner"));
}

#[test]
fn the_label_alone_gives_nothing() {
    let what = foreign(&[], &labelled());
    assert!(
        what.contains(
            "label presigned.dev/managed-by, no owner, and is not the one that the status records"
        ),
        "{what}"
    );
}

#[test]
fn an_owner_of_another_kind_is_foreign() {
    let what = foreign(&[owner(|o| o.kind = "Certificate".to_owned())], &labelled());
    assert_eq!(
        what,
        "is controlled by Certificate \"web\" (presigned.dev/v1alpha1)"
    );
}

#[test]
fn an_owner_of_another_group_is_foreign() {
    for version in [
        "example.com/v1alpha1",
        "presigned.dev.example.com/v1",
        "x.presigned.dev/v1",
        "presigned.dev",
        "v1",
        "",
    ] {
        foreign(
            &[owner(|o| o.api_version = version.to_owned())],
            &labelled(),
        );
        let dead = owner(|o| {
            o.api_version = version.to_owned();
            o.uid = "dead".to_owned();
        });
        foreign(&[dead], &labelled());
    }
}

#[test]
fn an_owner_of_another_version_of_the_group_is_ours() {
    let later = owner(|o| o.api_version = "presigned.dev/v1".to_owned());
    assert_eq!(whose(&[later], ME, &map([])), Ownership::Owned);
}

#[test]
fn the_uid_decides_and_not_the_name() {
    let renamed = owner(|o| o.name = "other".to_owned());
    assert_eq!(whose(&[renamed], ME, &map([])), Ownership::Owned);
    let what = foreign(
        &[owner(|o| {
            o.name = "other".to_owned();
            o.uid = "a0b1".to_owned();
        })],
        &labelled(),
    );
    assert_eq!(
        what,
        "is controlled by PresignedURL \"other\" (presigned.dev/v1alpha1)"
    );
}

#[test]
fn a_reference_that_does_not_control_is_foreign() {
    for controller in [None, Some(false)] {
        let what = foreign(&[owner(|o| o.controller = controller)], &labelled());
        assert_eq!(what, "belongs to PresignedURL \"web\"");
    }
}

#[test]
fn a_controller_of_another_beside_a_reference_of_ours_is_foreign() {
    let theirs = owner(|o| {
        o.kind = "Certificate".to_owned();
        o.uid = "c".to_owned();
    });
    let ours = owner(|o| o.controller = None);
    foreign(&[ours.clone(), theirs.clone()], &labelled());
    foreign(&[theirs, ours], &labelled());
}

#[test]
fn another_owner_that_does_not_control_changes_nothing() {
    let guest = owner(|o| {
        o.kind = "App".to_owned();
        o.uid = "a".to_owned();
        o.controller = None;
    });
    assert_eq!(
        whose(&[guest, Owner::of(ME)], ME, &map([])),
        Ownership::Owned
    );
}

#[test]
fn the_secret_of_a_deleted_owner_of_the_same_name_is_abandoned() {
    let dead = owner(|o| o.uid = "dead".to_owned());
    assert_eq!(whose(&[dead], ME, &labelled()), Ownership::Abandoned);
}

#[test]
fn an_abandoned_secret_needs_the_label_with_its_value() {
    let dead = owner(|o| o.uid = "dead".to_owned());
    for labels in [
        map([]),
        map([("presigned.dev/managed-by", "somebody")]),
        map([("app.kubernetes.io/managed-by", "presigned-url-operator")]),
    ] {
        let what = foreign(std::slice::from_ref(&dead), &labels);
        assert!(what.contains("earlier PresignedURL \"web\"") && what.contains("lacks the label"));
    }
}

#[test]
fn an_abandoned_secret_needs_the_name_the_kind_and_the_control() {
    for change in [
        (|o| o.name = "web2".to_owned()) as fn(&mut Owner),
        |o| o.name = String::new(),
        |o| o.kind = "PresignedURLPolicy".to_owned(),
        |o| o.controller = None,
    ] {
        let mut dead = owner(|o| o.uid = "dead".to_owned());
        change(&mut dead);
        foreign(&[dead], &labelled());
    }
}

#[test]
fn a_resource_without_uid_owns_nothing() {
    let nobody = OwnerId {
        uid: "",
        name: "web",
    };
    for uid in ["", "6f1c"] {
        let owners = [owner(|o| o.uid = uid.to_owned())];
        let whose = whose(&owners, nobody, &labelled());
        assert!(matches!(whose, Ownership::Foreign { .. }), "{uid:?}");
    }
}

#[test]
fn what_a_forger_wrote_fits_in_one_line() {
    let forged = owner(|o| {
        o.kind = "x\n".repeat(5_000);
        o.name = "\u{7}".repeat(5_000);
        o.api_version = "ü".repeat(5_000);
    });
    let what = foreign(&[forged], &map([]));
    assert!(
        !what.contains(char::is_control) && what.chars().count() < 1_000,
        "{what}"
    );
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("6f1c"),
        Just("web"),
        Just("PresignedURL"),
        Just("presigned.dev/v1alpha1"),
        Just("Secret"),
        Just("v1"),
        Just(""),
    ]
    .prop_map(str::to_owned)
}

prop_compose! {
    fn any_owner()(
        api_version in text(), kind in text(), name in text(), uid in text(),
        controller in any::<Option<bool>>(), block_owner_deletion in any::<Option<bool>>(),
    ) -> Owner {
        Owner { api_version, kind, name, uid, controller, block_owner_deletion }
    }
}

proptest! {
    #[test]
    fn nothing_is_ours_without_a_controlling_reference_of_our_kind(
        owners in proptest::collection::vec(any_owner(), 0..4),
        with_label in any::<bool>(),
    ) {
        let labels = if with_label { labelled() } else { map([]) };
        let controls = |o: &&Owner| {
            o.controller == Some(true) && o.kind == "PresignedURL" && o.api_version == "presigned.dev/v1alpha1"
        };
        match whose(&owners, ME, &labels) {
            Ownership::Owned => prop_assert!(owners.iter().filter(controls).any(|o| o.uid == "6f1c")),
            Ownership::Abandoned => {
                prop_assert!(with_label);
                prop_assert!(owners.iter().filter(controls).any(|o| o.name == "web" && o.uid != "6f1c"));
            }
            Ownership::Disowned => prop_assert!(false, "no status records it"),
            Ownership::Foreign { what } => prop_assert!(!what.is_empty()),
        }
    }

    #[test]
    fn what_is_disowned_is_recorded_and_marked_and_has_no_controller(
        owners in proptest::collection::vec(any_owner(), 0..4),
        with_label in any::<bool>(), named in any::<bool>(), recorded in any::<bool>(),
    ) {
        let annotations = map([("presigned.dev/presigned-url", if named { "web" } else { "web2" })]);
        let labels = if with_label { labelled() } else { map([]) };
        let marks = Marks { owners: &owners, labels: &labels, annotations: &annotations, recorded };
        let controlled = owners.iter().any(|o| o.controller == Some(true));
        let disowned = recorded && with_label && named && !controlled;
        prop_assert_eq!(ownership(marks, ME) == Ownership::Disowned, disowned);
        if recorded && !controlled && !disowned {
            let Ownership::Foreign { what } = ownership(marks, ME) else {
                return Err(TestCaseError::fail("it is somebody's"));
            };
            prop_assert!(what.starts_with("was written for this resource"));
            prop_assert_eq!(what.contains("label presigned.dev/managed-by"), !with_label);
            prop_assert_eq!(what.contains("annotation presigned.dev/presigned-url"), !named);
        }
    }
}
