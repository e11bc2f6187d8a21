//! The docs name each target of the Makefile that `make` lists.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The pages for people, as one text.
fn pages() -> String {
    let docs = fs::read_dir(root().join("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|is| is == "md"));
    let pages = pages.chain([root().join("README.md")]);
    pages
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

/// Whether the text has this command; `make bench-memory` is no `make bench`.
fn has_command(text: &str, command: &str) -> bool {
    text.split(command).skip(1).any(|after| {
        let longer = |next: char| next.is_ascii_alphanumeric() || next == '-';
        !after.starts_with(longer)
    })
}

#[test]
fn each_target_that_make_lists_is_named_in_the_docs() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let rules = makefile
        .lines()
        .filter(|line| line.starts_with(|at: char| at.is_ascii_lowercase()));
    let listed = rules.filter_map(|line| {
        let (rule, _) = line.split_once("## ")?;
        rule.split_once(':').map(|(target, _)| target)
    });
    let listed: Vec<_> = listed.filter(|target| *target != "help").collect();
    assert!(listed.len() > 20, "{listed:?}");
    let pages = pages();
    for target in listed {
        let command = format!("make {target}");
        assert!(has_command(&pages, &command), "no page names `{command}`");
    }
}

#[test]
fn a_longer_target_is_not_taken_for_a_shorter_one() {
    assert!(has_command("run `make bench`.", "make bench"));
    assert!(!has_command("run `make bench-memory`.", "make bench"));
}
