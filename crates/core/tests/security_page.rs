//! The pages that say what is secure and what is survived: each of their claims is held by a test.
//!
//! What holds here: the table of `docs/reliability.md` has one row for each fault that the operator must
//! survive. Each row names a test in its last cell, and says of nothing that it is not shown; each name is a
//! test. In `docs/security.md` a comment
//! `<!-- held by: A, B -->` names the tests of all that stands between it and the comment or heading before
//! it; `<!-- advice -->` stands below what claims nothing of the operator. Nothing may stand below neither,
//! and each name must be a test: a function of a `.rs` file, a case of the chart's unit tests, or a check of
//! `hack/chart-cluster-test.sh`, which are written `chart: ...` and without commas.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_claim_of_the_security_page_is_held_by_a_test() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let found = problems(&page, &tests());
    assert!(found.is_empty(), "docs/security.md: {found:#?}");
}

#[test]
fn a_claim_without_a_test_and_a_test_that_is_not_there_are_found() {
    let tests = BTreeSet::from(["one".to_owned(), "chart: two words".to_owned()]);
    let good = "# T\n\n- toc\n\n## A\n\ntext\n\n```sh\n\n# no heading\n```\n\n<!-- held by: one,\n     chart: two words -->\n\nmore\n\n<!-- advice -->\n";
    assert_eq!(problems(good, &tests), Vec::<String>::new());
    let uncovered = good.replace("<!-- advice -->", "");
    assert_eq!(problems(&uncovered, &tests), ["no test holds: more"]);
    let before_heading = good.replace("<!-- advice -->", "\n## B\n");
    assert_eq!(problems(&before_heading, &tests), ["no test holds: more"]);
    let misspelt = good.replace("two words", "two sords");
    assert_eq!(
        problems(&misspelt, &tests),
        ["there is no test chart: two sords"]
    );
}

/// The faults that the operator must survive, in the first words of their rows.
const FAULTS: [&str; 26] = [
    "the operator is killed",
    "the operator restarts",
    "the API server restarts",
    "etcd is restored to a snapshot",
    "etcd pauses",
    "the API server answers 429",
    "the API server answers 500 or 503",
    "the API server hangs",
    "a watch is cut",
    "the rights on Secrets are taken away",
    "a quota is exceeded",
    "STS is down",
    "S3 is down",
    "credentials expire",
    "the clock moves by 20 minutes",
    "the leader is killed",
    "the leader cannot reach the API server",
    "the leader is paused",
    "somebody deletes the Lease",
    "more renewals are due than",
    "a policy is edited while",
    "a Secret is edited or deleted",
    "a namespace is deleted while",
    "10,000 Secrets of others",
    "the node reboots",
    "the operator is away",
];

#[test]
fn every_fault_of_the_reliability_page_is_shown_by_a_test() {
    let page = fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let found = fault_problems(&page, &FAULTS, &tests());
    assert!(found.is_empty(), "docs/reliability.md: {found:#?}");
}

#[test]
fn a_fault_without_a_test_and_a_test_that_is_not_there_are_found() {
    let tests = BTreeSet::from(["one".to_owned()]);
    let head = "# R\n\n| fault | what | shown by |\n| --- | --- | --- |\n";
    let of = |rows: &str| fault_problems(&format!("{head}{rows}"), &["a"], &tests);
    assert_eq!(of(""), ["a: there is no row"]);
    assert_eq!(
        of("| a | b | `one` |\n| a c | b | `one` |\n"),
        ["a: there are two rows"]
    );
    assert_eq!(
        of("| a | b | `one` |\n| d | b | `one` |\n"),
        ["d: no fault of the list"]
    );
    assert_eq!(of("| a | b | real: `one` |\n"), [""; 0]);
    assert_eq!(
        of("| a | b `one` | it is not shown |\n"),
        ["a: no test shows it"]
    );
    assert_eq!(of("| a | b | `two` |\n"), ["a: there is no test two"]);
    assert_eq!(of("| a | b | well |\n"), ["a: no test shows it"]);
}

/// What is wrong with the table of faults.
fn fault_problems(page: &str, faults: &[&str], tests: &BTreeSet<String>) -> Vec<String> {
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let rows: Vec<Vec<&str>> = rows
        .skip(2)
        .map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let mut problems = Vec::new();
    for fault in faults {
        match rows.iter().filter(|row| row[0].starts_with(fault)).count() {
            1 => {}
            0 => problems.push(format!("{fault}: there is no row")),
            _ => problems.push(format!("{fault}: there are two rows")),
        }
    }
    for row in rows {
        let (fault, shown) = (row[0], row[row.len() - 1]);
        if !faults.iter().any(|known| fault.starts_with(known)) {
            problems.push(format!("{fault}: no fault of the list"));
        }
        // Between two backticks.
        let names: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        let absent = names.iter().filter(|name| !tests.contains(**name));
        problems.extend(absent.map(|name| format!("{fault}: there is no test {name}")));
        if names.is_empty() || shown.contains("not shown") {
            problems.push(format!("{fault}: no test shows it"));
        }
    }
    problems
}

/// What is wrong with a page.
fn problems(page: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut open: Option<String> = None;
    let mut fenced = false;
    let begin = page.find("\n## ").unwrap_or_default();
    let mut lines = page[begin..].lines();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        if fenced || line.is_empty() || line.starts_with("```") {
            continue;
        }
        if line.starts_with('#') {
            problems.extend(open.take().map(|text| format!("no test holds: {text}")));
        } else if line.starts_with("<!--") {
            let mut comment = line.to_owned();
            while !comment.ends_with("-->") {
                let Some(line) = lines.next() else { break };
                comment = format!("{comment} {}", line.trim());
            }
            open = None;
            let names = comment.trim_start_matches("<!--").trim_end_matches("-->");
            if let Some(names) = names.trim().strip_prefix("held by:") {
                let absent = names
                    .split(',')
                    .map(str::trim)
                    .filter(|name| !tests.contains(*name));
                problems.extend(absent.map(|name| format!("there is no test {name}")));
            } else if names.trim() != "advice" {
                problems.push(format!("no comment of this page: {comment}"));
            }
        } else if open.is_none() {
            open = Some(line.to_owned());
        }
    }
    problems.extend(open.map(|text| format!("no test holds: {text}")));
    problems
}

/// The names of all tests.
fn tests() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for folder in ["crates", "src", "tests"] {
        for file in files_below(&root().join(folder), "rs") {
            rust_tests(&fs::read_to_string(file).unwrap(), &mut all);
        }
    }
    let chart = root().join("charts/presigned-url-operator/tests");
    for file in files_below(&chart, "yaml") {
        let text = fs::read_to_string(file).unwrap();
        let cases = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- it: "));
        all.extend(cases.map(|case| format!("chart: {}", no_commas(case))));
    }
    let script = fs::read_to_string(root().join("hack/chart-cluster-test.sh")).unwrap();
    for line in script.lines().map(str::trim) {
        let check = ["passes \"", "refused \"", "is \""];
        let rest = check.iter().find_map(|check| line.strip_prefix(check));
        let what = rest.and_then(|rest| rest.split('"').next());
        all.extend(what.map(|what| format!("chart: {}", no_commas(what))));
    }
    all
}

/// Commas stand between names.
fn no_commas(name: &str) -> String {
    name.replace(',', "")
}

fn rust_tests(text: &str, all: &mut BTreeSet<String>) {
    let mut marked = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if let Some((_, name)) = line.split_once("fn ").filter(|_| marked) {
            marked = false;
            let end = name.find('(').unwrap_or(name.len());
            all.insert(name[..end].to_owned());
        }
    }
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            all.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            all.push(path);
        }
    }
    all
}
