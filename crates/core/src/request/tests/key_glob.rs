//! Globs of listed keys: what they keep, and that no glob makes a key expensive.

use proptest::prelude::*;
use serde_json::json;

use super::super::{KeyGlob, Objects, Request};
use super::{limits, with};

#[test]
fn a_star_stays_within_a_segment_and_two_do_not() {
    for (glob, key, expected) in [
        ("*", "a.csv", true),
        ("*", "a/b", false),
        ("**", "a/b/c", true),
        ("**", "", true),
        ("*", "", true),
        ("?", "", false),
        ("?", "é", true),
        ("?", "/", false),
        ("??", "ab", true),
        ("*.csv", "a.csv", true),
        ("*.csv", ".csv", true),
        ("*.csv", "a.csv.gz", false),
        ("*.csv", "x/a.csv", false),
        ("**.csv", "x/a.csv", true),
        ("**/a.csv", "x/y/a.csv", true),
        ("**/a.csv", "a.csv", false),
        ("x/*/z", "x/y/z", true),
        ("x/*/z", "x/y/y/z", false),
        ("x/**/z", "x/y/y/z", true),
        ("x/**/z", "x/z", false),
        ("*/*", "a/b", true),
        ("a*b*c", "abbc", true),
        ("a*b*c", "ab/c", false),
        ("a*b**c", "ab/c", true),
        ("***", "a/b", true),
        ("a", "A", false),
        // Nothing else is special: keys may hold it.
        ("[ab]", "a", false),
        ("[ab]", "[ab]", true),
        ("{a,b}", "a", false),
        ("\\*", "*", false),
        ("\\*", "\\*", true),
        ("!a", "b", false),
        (".*", ".hidden", true),
        ("*", ".hidden", true),
    ] {
        let parsed = KeyGlob::parse(glob).expect(glob);
        assert_eq!(parsed.matches(key), expected, "{glob} {key}");
        assert_eq!(parsed.as_str(), glob);
    }
}

#[test]
fn what_is_no_glob_is_refused_with_what_to_give() {
    for (glob, words) in [
        (String::new(), "matches nothing; give a glob"),
        ("é".repeat(257), "give at most 256 characters"),
        ("a\nb".to_owned(), "a control character, and no key does"),
    ] {
        let message = KeyGlob::parse(&glob).expect_err(&glob);
        assert!(message.contains(words), "{message}");
        assert!(!message.contains(char::is_control), "{message}");
    }
    let longest = "é".repeat(256);
    assert!(KeyGlob::parse(&longest).is_ok_and(|glob| glob.matches(&longest)));
}

#[test]
fn a_listing_keeps_what_is_included_and_not_excluded_after_the_prefix() {
    let list = |list| {
        let spec = with(
            json!({"bucket": "data", "prefix": "models/"}),
            &json!({"list": list}),
        );
        let spec = serde_json::from_value(spec).expect("the spec is one");
        let request = Request::parse(&spec, &limits()).expect("the request parses");
        match request.objects {
            Objects::List(list) => list,
            other => panic!("not a listing: {other:?}"),
        }
    };
    let all = list(json!({}));
    let some = list(json!({"include": ["*.bin", "v?/**"], "exclude": ["tmp*", "**/tmp*"]}));
    for (key, by_all, by_some) in [
        ("models/a.bin", true, true),
        ("models/a.txt", true, false),
        ("models/v1/x/y", true, true),
        ("models/v1/tmp", true, false),
        ("models/tmp.bin", true, false),
        ("models/x/a.bin", true, false),
        ("models/", true, false),
        ("models", false, false),
        ("models-old/a.bin", false, false),
        ("other/a.bin", false, false),
        ("a.bin", false, false),
    ] {
        assert_eq!(all.keeps(key), by_all, "{key}");
        assert_eq!(some.keeps(key), by_some, "{key}");
    }
}

#[test]
fn a_glob_that_could_try_again_for_ever_does_not() {
    let key = "a".repeat(1024);
    for glob in ["*a".repeat(128), "**a".repeat(85), "?*".repeat(128)] {
        let glob = KeyGlob::parse(&glob).expect("it is one");
        assert!(glob.matches(&key));
    }
    for glob in [
        format!("{}b", "*a".repeat(127)),
        format!("{}b", "**a".repeat(85)),
    ] {
        assert!(!KeyGlob::parse(&glob).expect("it is one").matches(&key));
    }
}

/// The definition, tried in every way.
fn matches(glob: &[char], key: &[char]) -> bool {
    match (glob, key) {
        ([], []) => true,
        (['*', '*', rest @ ..], _) => {
            matches(rest, key) || key.split_first().is_some_and(|(_, key)| matches(glob, key))
        }
        (['*', rest @ ..], _) => {
            let next = key.split_first().filter(|(c, _)| **c != '/');
            matches(rest, key) || next.is_some_and(|(_, key)| matches(glob, key))
        }
        (['?', glob @ ..], [c, key @ ..]) => *c != '/' && matches(glob, key),
        ([g, glob @ ..], [c, key @ ..]) => g == c && matches(glob, key),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn a_glob_matches_as_its_definition_says(glob in "[ab/*?]{1,8}", key in "[ab/]{0,8}") {
        let (g, k): (Vec<char>, Vec<char>) = (glob.chars().collect(), key.chars().collect());
        prop_assert_eq!(KeyGlob::parse(&glob).map(|glob| glob.matches(&key)), Ok(matches(&g, &k)));
    }

    #[test]
    fn places_beyond_a_word_count_as_the_others_do(before in 58_usize..70, glob in "[a/*?]{1,4}", key in "[a/]{0,5}") {
        let lead = "x".repeat(before);
        let (g, k): (Vec<char>, Vec<char>) = (glob.chars().collect(), key.chars().collect());
        let long = KeyGlob::parse(&format!("{lead}{glob}")).map(|glob| glob.matches(&format!("{lead}{key}")));
        prop_assert_eq!(long, Ok(matches(&g, &k)));
    }
}
