//! Quoting: one line, bounded, both ends kept.

use proptest::prelude::*;

use super::{
    all_of, any_of, bounded, counted, escaped, first_of, likeness, nearest, quoted, visible,
};

#[test]
fn a_long_text_keeps_both_its_ends() {
    let text = format!("{}{}", "a".repeat(200), "z".repeat(200));
    let shown = quoted(&text);
    assert_eq!(shown, format!("\"{}…{}\"", "a".repeat(48), "z".repeat(48)));
    assert_eq!(quoted(&"a".repeat(96)), format!("\"{}\"", "a".repeat(96)));
}

#[test]
fn only_one_is_singular() {
    let words = [0_u32, 1, 2].map(|count| counted(count, "object"));
    assert_eq!(words, ["0 objects", "1 object", "2 objects"]);
}

#[test]
fn what_would_end_the_quote_or_the_line_is_escaped() {
    assert_eq!(quoted("a\"b\\c\nd'e"), "\"a\\\"b\\\\c\\nd'e\"");
    assert_eq!(escaped("a\"b\\c\nd'e"), "a\\\"b\\\\c\\nd'e");
}

#[test]
fn what_cannot_be_seen_or_turns_the_line_around_is_escaped() {
    // Bidirectional and other format characters (Cf), separators of lines, and a byte order mark.
    for hidden in [
        '\u{ad}',
        '\u{61c}',
        '\u{180e}',
        '\u{200b}',
        '\u{200e}',
        '\u{202a}',
        '\u{202e}',
        '\u{2028}',
        '\u{2066}',
        '\u{2069}',
        '\u{feff}',
        '\u{e0001}',
        '\u{1b}',
        '\n',
    ] {
        let text = format!("a{hidden}b \"ü\" \\ 'c'");
        for shown in [quoted(&text), escaped(&text), visible(&text)] {
            assert!(!shown.contains(hidden), "{shown:?}");
            assert!(shown.contains("a\\") && shown.contains('ü'), "{shown}");
        }
    }
    assert_eq!(visible("a \"ü\" \\ 'c'"), "a \"ü\" \\ 'c'");
}

#[test]
fn a_list_is_written_as_people_say_it() {
    assert_eq!(any_of(&["a"]), "\"a\"");
    assert_eq!(any_of(&["a", "b"]), "\"a\" or \"b\"");
    assert_eq!(any_of(&["a", "b", "c"]), "\"a\", \"b\" or \"c\"");
    assert_eq!(
        all_of(&["a", "b", "c", "d", "e"]),
        "\"a\", \"b\", \"c\" and 2 more"
    );
}

#[test]
fn long_names_are_counted_after_the_first() {
    let names = ["a".repeat(9), "b".repeat(9), "c".repeat(9), "d".to_owned()];
    for (most, shown) in [
        (99, "\"aaaaaaaaa\", \"bbbbbbbbb\", \"ccccccccc\" and 1 more"),
        (22, "\"aaaaaaaaa\", \"bbbbbbbbb\" and 2 more"),
        (21, "\"aaaaaaaaa\" and 3 more"),
        (0, "\"aaaaaaaaa\" and 3 more"),
    ] {
        assert_eq!(first_of(&names, most), shown);
    }
    assert_eq!(first_of(&names[..1], 0), "\"aaaaaaaaa\"");
}

#[test]
fn a_bounded_sentence_is_cut_between_its_parts() {
    let parts = ["one", "two", "three"];
    let of = |max| bounded("x: ", ", ", &parts, ".", max);
    assert_eq!(of(100), ("x: one, two, three.".to_owned(), 3));
    assert_eq!(of(18), ("x: one, two.".to_owned(), 2));
    assert_eq!(bounded("éé", "", &[], "!", 4), ("é!".to_owned(), 0));
}

#[test]
fn the_nearest_name_is_the_most_alike_and_none_if_none_is_near() {
    let names = ["model", "models", "report", "MODEL"];
    assert_eq!(nearest("modle", names), Some("model"));
    assert_eq!(nearest("Models", names), Some("models"));
    assert_eq!(nearest("rapport", names), Some("report"));
    assert_eq!(nearest("zzz", names), None);
    assert_eq!(nearest("", [""; 0]), None);
    assert_eq!(likeness("createOnly", "createonly"), 100);
}

proptest! {
    #[test]
    fn a_quote_is_one_bounded_line(text in any::<String>()) {
        let shown = quoted(&text);
        prop_assert!(shown.len() <= 96 + 2 + '…'.len_utf8());
        prop_assert!(!shown.contains(char::is_control));
    }
}
