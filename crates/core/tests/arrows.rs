//! The arrows of the house: which room imports which.
//!
//! What holds here:
//! - A room knows only the rooms beside its name below, so there is no import circle. A room is a folder of
//!   `crates/core/src`, of its engine, or of `src`.
//! - Inside a room the files import each other in one direction, so each can be read after those that it
//!   imports.
//! - The `crate::` and `super::` paths of a file are read, tests left out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room of the core, and what it may import besides itself. Every room stands below those that import
/// it.
const CORE: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("text", &[]),
    ("time", &[]),
    ("lease", &[]),
    ("request", &["api", "text"]),
    ("policy", &["api", "text", "request"]),
    ("signing", &["api", "text", "request"]),
    ("access", &["api", "text", "request", "policy", "signing"]),
    (
        "issue",
        &["api", "text", "time", "request", "policy", "signing"],
    ),
    ("engine/protocol", &[DOMAIN]),
    ("engine/scheduler", &[DOMAIN, "engine/protocol"]),
    ("engine/s3", &[DOMAIN, "engine/protocol"]),
    ("engine/store", &[DOMAIN, "engine/protocol", "engine/s3"]),
    (
        "engine/cache",
        &[
            DOMAIN,
            "engine/protocol",
            "engine/scheduler",
            "engine/s3",
            "engine/store",
        ],
    ),
    ("engine/evaluate", &[DOMAIN, BELOW_EVALUATE]),
    (
        "engine/reconcile/action",
        &[DOMAIN, "engine/protocol", "engine/cache"],
    ),
    (
        "engine/reconcile/context",
        &[DOMAIN, BELOW_EVALUATE, "engine/evaluate"],
    ),
    (
        "engine/reconcile/cluster_events",
        &[DOMAIN, BELOW_RECONCILE],
    ),
    (
        "engine/reconcile/policy",
        &[DOMAIN, BELOW_RECONCILE, "engine/reconcile/cluster_events"],
    ),
    (
        "engine/reconcile/store",
        &[DOMAIN, BELOW_RECONCILE, "engine/reconcile/cluster_events"],
    ),
    ("engine/reconcile/presigned_url", &[DOMAIN, BELOW_RECONCILE]),
    (
        "engine",
        &[
            DOMAIN,
            BELOW_RECONCILE,
            "engine/reconcile/policy",
            "engine/reconcile/store",
            "engine/reconcile/presigned_url",
        ],
    ),
];

/// What every room of the engine may import: the rooms that know no engine.
const DOMAIN: &str = "api text time request policy signing access issue";
const BELOW_EVALUATE: &str = "engine/protocol engine/scheduler engine/s3 engine/store engine/cache";
const BELOW_RECONCILE: &str = "engine/protocol engine/scheduler engine/s3 engine/store engine/cache engine/evaluate \
     engine/reconcile/action engine/reconcile/context";

/// The same for the shell.
const SHELL: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("telemetry", &[]),
    ("http", &["clock"]),
    ("traces", &["clock", "telemetry", "http"]),
    ("kube", &["clock", "telemetry", "http"]),
    ("credentials", &["kube", "http"]),
    ("s3", &["clock", "http"]),
    (
        "controller",
        &[
            "clock",
            "telemetry",
            "http",
            "traces",
            "kube",
            "credentials",
            "s3",
        ],
    ),
    ("transfer", &["clock", "telemetry", "http", "kube"]),
    ("cli", &["controller", "telemetry", "traces", "transfer"]),
    ("plugin", &["clock", "http", "kube", "credentials", "s3"]),
];

#[test]
fn the_files_of_the_core_import_each_other_in_one_direction() {
    one_direction("src");
}

#[test]
fn the_files_of_the_shell_import_each_other_in_one_direction() {
    one_direction("../../src");
}

fn one_direction(sources: &str) {
    let files = modules(sources);
    let mut open: BTreeMap<&str, BTreeSet<String>> = files
        .iter()
        .map(|(path, text)| (path.as_str(), file_imports(path, text, &files)))
        .collect();
    // A file that imports no open file, or that no open file imports, is in no circle: it is closed.
    while let Some(path) = open
        .iter()
        .find(|(path, targets)| {
            let below = targets
                .iter()
                .all(|target| !open.contains_key(target.as_str()));
            let above = open.values().all(|targets| !targets.contains(**path));
            below || above
        })
        .map(|(path, _)| *path)
    {
        open.remove(path);
    }
    assert!(open.is_empty(), "a circle: {open:#?}");
}

#[test]
fn an_import_is_resolved_to_its_file() {
    let files = ["engine/cache", "engine/cache/index", "engine/cache/state"]
        .map(|path| (path.to_owned(), String::new()))
        .into();
    let text =
        "use super::state::{Cell, Other};\nuse crate::engine::cache::index::{Index, Record};\n";
    let found = file_imports("engine/cache/orphans", text, &files);
    let expected = ["engine/cache/index", "engine/cache/state"];
    assert_eq!(found, expected.map(str::to_owned).into());
    let folder = file_imports("engine/cache", "pub(crate) mod index;\n", &files);
    assert_eq!(folder, ["engine/cache/index".to_owned()].into());
}

#[test]
fn the_core_imports_downwards_only() {
    check("src", CORE);
}

#[test]
fn the_shell_imports_downwards_only() {
    check("../../src", SHELL);
}

/// A list that allows a circle would prove nothing: each room may import rooms that stand above it in the
/// list only.
#[test]
fn the_lists_allow_no_circle() {
    for list in [CORE, SHELL] {
        for (at, (room, allowed)) in list.iter().enumerate() {
            let above: BTreeSet<&str> = list[..at].iter().map(|(room, _)| *room).collect();
            for target in names(allowed) {
                assert!(above.contains(target), "{room} may import {target}");
            }
        }
    }
}

#[test]
fn an_arrow_that_is_not_in_the_list_is_found() {
    let text = "//! crate::engine\nuse crate::engine::reconcile::store::plan;\npub(in crate::engine) fn f() { crate::time::later() }\n\
                #[cfg(test)]\nmod tests { use crate::signing::x; }\n";
    let found: Vec<String> = imports(text).map(|path| room_of(&path, CORE)).collect();
    assert_eq!(found, ["engine/reconcile/store", "time"]);
}

fn names<'a>(allowed: &[&'a str]) -> Vec<&'a str> {
    allowed
        .iter()
        .flat_map(|names| names.split_whitespace())
        .collect()
}

fn check(sources: &str, list: &[(&str, &[&str])]) {
    let mut wrong = BTreeSet::new();
    for (path, text) in modules(sources) {
        let room = room_of(&path, list);
        let allowed = list.iter().find(|(name, _)| *name == room);
        let Some((_, allowed)) = allowed else {
            wrong.insert(format!("{path}: no room of the list"));
            continue;
        };
        let allowed = names(allowed);
        for target in imports(&text).map(|path| room_of(&path, list)) {
            if target != room && !allowed.contains(&target.as_str()) {
                wrong.insert(format!("{path}: {room} imports {target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The path of each module, with `/` between its parts, and the text of its file. Tests are left out.
fn modules(sources: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(sources);
    let mut files = Vec::new();
    collect(&folder, &mut files);
    assert!(files.len() > 20, "{} holds the sources", folder.display());
    let mut modules = BTreeMap::new();
    for file in files {
        let inside = file.strip_prefix(&folder).unwrap().with_extension("");
        let mut path: Vec<&str> = inside.iter().map(|part| part.to_str().unwrap()).collect();
        if path.last() == Some(&"mod") {
            path.pop();
        }
        if !matches!(path[..], ["lib" | "main" | "test_log"] | ["bin", _])
            && !path.contains(&"tests")
        {
            modules.insert(path.join("/"), fs::read_to_string(&file).unwrap());
        }
    }
    modules
}

/// The files that a file imports, or declares as its parts.
fn file_imports(path: &str, text: &str, files: &BTreeMap<String, String>) -> BTreeSet<String> {
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    let absolute = text.replace("pub(super)", "pub").replace(
        "super::",
        &format!("crate::{}::", parent.replace('/', "::")),
    );
    let parts = text.lines().filter_map(|line| {
        let (before, name) = line.strip_suffix(';')?.split_once("mod ")?;
        (before.is_empty() || before.starts_with("pub")).then(|| format!("{path}/{name}"))
    });
    let longest = |path: String| {
        let path = path.replace("::", "/");
        let ends = path.match_indices('/').map(|(end, _)| end);
        let ends = ends.chain([path.len()]).collect::<Vec<_>>();
        let mut prefixes = ends.into_iter().rev().map(|end| &path[..end]);
        prefixes
            .find(|prefix| files.contains_key(*prefix))
            .map(ToOwned::to_owned)
    };
    let mut found: BTreeSet<String> = imports(&absolute)
        .chain(parts)
        .filter_map(longest)
        .collect();
    found.remove(path);
    found
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The longest name of the list that a path begins with; else the path's first part.
fn room_of(path: &str, list: &[(&str, &[&str])]) -> String {
    let path = path.replace("::", "/");
    list.iter()
        .map(|(room, _)| *room)
        .filter(|room| path == *room || path.starts_with(&format!("{room}/")))
        .max_by_key(|room| room.len())
        .map_or_else(
            || path.split('/').next().unwrap_or_default().to_owned(),
            ToOwned::to_owned,
        )
}

/// The `crate::` paths of a file, comments, visibilities and tests left out.
fn imports(text: &str) -> impl Iterator<Item = String> {
    let code = text
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default();
    let lines = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    let code = lines
        .collect::<Vec<_>>()
        .join("\n")
        .replace("in crate::", "");
    let paths: Vec<String> = code
        .split("crate::")
        .skip(1)
        .flat_map(|rest| {
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
                .unwrap_or(rest.len());
            let path = rest[..end].trim_end_matches(':').to_owned();
            match rest[end..].strip_prefix('{') {
                // A group: each of its names may be a room.
                Some(group) => group
                    .split('}')
                    .next()
                    .unwrap_or_default()
                    .split(',')
                    .map(|name| {
                        format!("{path}::{}", name.trim())
                            .trim_start_matches(':')
                            .to_owned()
                    })
                    .collect(),
                None => vec![path],
            }
        })
        .filter(|path| !path.is_empty())
        .collect();
    paths.into_iter()
}
