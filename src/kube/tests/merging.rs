//! Several namespaces are told as one list, and a list of one takes nothing of another.

use kube::runtime::watcher::Event::{self, Apply, Delete, Init, InitApply, InitDone};
use presigned_core::engine::{Change, SecretMetaSeen};

use crate::kube::merge::merged;

fn secret(namespace: &str, name: &str, uid: &str, version: &str) -> SecretMetaSeen {
    SecretMetaSeen {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        resource_version: version.to_owned(),
        owners: Vec::new(),
    }
}

/// What is told, in words.
fn told(parts: usize, events: Vec<(usize, Event<SecretMetaSeen>)>) -> Vec<String> {
    let mut tell = merged(parts);
    let word = |word: &str, s: &SecretMetaSeen| {
        let SecretMetaSeen {
            namespace,
            name,
            uid,
            resource_version,
            owners: _,
        } = s;
        format!("{word} {namespace}/{name} {uid}@{resource_version}")
    };
    events
        .into_iter()
        .flat_map(|(part, event)| tell(part, event))
        .map(|change| match change {
            Change::Init => "init".to_owned(),
            Change::InitApply(s) => word("listed", &s),
            Change::InitDone => "done".to_owned(),
            Change::Apply(s) => word("apply", &s),
            Change::Delete(s) => word("delete", &s),
        })
        .collect()
}

fn first_lists() -> Vec<(usize, Event<SecretMetaSeen>)> {
    vec![
        (0, Init),
        (1, Init),
        (0, InitApply(secret("a", "x", "1", "10"))),
        (0, InitDone),
        (1, InitApply(secret("b", "y", "2", "11"))),
        (1, InitDone),
    ]
}

fn after(events: Vec<(usize, Event<SecretMetaSeen>)>) -> Vec<String> {
    let before = first_lists();
    let skip = told(2, before).len();
    let mut all = first_lists();
    all.extend(events);
    told(2, all).split_off(skip)
}

#[test]
fn one_watch_is_passed_on_as_it_comes() {
    let events = vec![
        (0, Init),
        (0, InitApply(secret("a", "x", "1", "10"))),
        (0, InitDone),
        (0, Delete(secret("a", "x", "1", "10"))),
        (0, Init),
        (0, InitDone),
    ];
    assert_eq!(
        told(1, events),
        [
            "init",
            "listed a/x 1@10",
            "done",
            "delete a/x 1@10",
            "init",
            "done"
        ]
    );
}

#[test]
fn nothing_is_told_before_every_part_has_its_first_list() {
    let mut events = first_lists();
    // What happens to the first part meanwhile is in the list, once.
    events.insert(4, (0, Apply(secret("a", "x", "1", "12"))));
    events.insert(5, (0, Apply(secret("a", "z", "3", "13"))));
    events.insert(6, (0, Delete(secret("a", "z", "3", "13"))));
    assert_eq!(told(2, events[..7].to_vec()), Vec::<String>::new());
    assert_eq!(
        told(2, events),
        ["init", "listed a/x 1@12", "listed b/y 2@11", "done"]
    );
}

#[test]
fn a_first_list_that_breaks_off_and_begins_anew_tells_what_it_ended_with() {
    let mut events = first_lists();
    // The first attempt of part 1 named an object that was gone in the second.
    events.splice(
        1..2,
        [
            (1, Init),
            (1, InitApply(secret("b", "gone", "9", "1"))),
            (1, Init),
        ],
    );
    assert_eq!(
        told(2, events),
        ["init", "listed a/x 1@10", "listed b/y 2@11", "done"]
    );
}

#[test]
fn changes_are_told_once_all_is_listed() {
    let events = vec![
        (0, Apply(secret("a", "x", "1", "20"))),
        (1, Delete(secret("b", "y", "2", "21"))),
    ];
    assert_eq!(after(events), ["apply a/x 1@20", "delete b/y 2@21"]);
}

#[test]
fn a_list_of_one_namespace_is_told_as_its_differences() {
    let events = vec![
        (0, Init),
        (0, InitApply(secret("a", "w", "4", "30"))),
        (0, InitDone),
    ];
    assert_eq!(after(events), ["apply a/w 4@30", "delete a/x 1@10"]);
    let same = vec![
        (0, Init),
        (0, InitApply(secret("a", "x", "1", "10"))),
        (0, InitDone),
    ];
    assert_eq!(after(same), Vec::<String>::new());
}

#[test]
fn an_object_created_anew_unseen_is_told_gone_first() {
    let events = vec![
        (0, Init),
        (0, InitApply(secret("a", "x", "8", "40"))),
        (0, InitDone),
    ];
    assert_eq!(after(events), ["delete a/x 1@10", "apply a/x 8@40"]);
}

#[test]
fn a_list_that_breaks_off_takes_nothing_down() {
    let events = vec![
        (0, Init),
        (0, Init),
        (0, InitApply(secret("a", "x", "1", "10"))),
        (0, InitDone),
    ];
    assert_eq!(after(events), Vec::<String>::new());
}
