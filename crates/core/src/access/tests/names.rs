//! Names of sessions.

use proptest::prelude::*;

use super::super::{namespace_session_name, session_name, store_session_name};

fn is_one(name: &str) -> bool {
    (2..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b))
}

#[test]
fn a_session_tells_namespace_and_resource() {
    assert_eq!(session_name("team-a", "weights"), "team-a@weights");
    assert_eq!(namespace_session_name("team-a"), "namespace=team-a");
    assert_eq!(store_session_name("minio"), "store=minio");
}

#[test]
fn a_long_name_is_cut_with_a_hash_of_the_whole_and_still_tells_both() {
    let one = session_name("team-a", &format!("{}x", "n".repeat(252)));
    let two = session_name("team-a", &format!("{}y", "n".repeat(252)));
    assert_ne!(one, two);
    for name in [&one, &two] {
        assert!(
            is_one(name) && name.starts_with("team-a@nnnnnnnn"),
            "{name}"
        );
    }
    let long = session_name(&"s".repeat(63), &"n".repeat(253));
    assert!(is_one(&long), "{long}");
    assert!(
        long.starts_with("ssssssssss") && long.contains("@nnnnnnnnnn"),
        "{long}"
    );
    let short = session_name(&"s".repeat(63), "n");
    assert!(is_one(&short) && short.contains("@n="), "{short}");
    assert!(is_one(&store_session_name(&"n".repeat(253))));
    assert_ne!(
        store_session_name(&"n".repeat(253)),
        store_session_name(&"n".repeat(252))
    );
}

proptest! {
    #[test]
    fn every_name_is_one_that_sts_takes(namespace in "[a-z0-9-]{1,63}", name in "[a-z0-9.-]{1,253}") {
        let session = session_name(&namespace, &name);
        prop_assert!(is_one(&session), "{}", session);
        prop_assert_eq!(session_name(&namespace, &name), session);
    }
}
