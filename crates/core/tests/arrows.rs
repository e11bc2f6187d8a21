//! The arrows of the house: which room imports which.
//!
//! What holds here: a room knows only the rooms that stand beside its name below, so there is no import circle. A room is a
//! folder of `crates/core/src`, of its engine, or of `src`; a file's `crate::` paths are read, tests left out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room of the core, and what it may import besides itself. Every room stands below those that import it.
const CORE: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("text", &[]),
    ("time", &[]),
    ("lease", &[]),
    ("request", &["api", "text"]),
    ("policy", &["api", "text", "request"]),
    ("signing", &["api", "request"]),
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
    ("engine/reconcile/policy", &[DOMAIN, BELOW_RECONCILE]),
    ("engine/reconcile/store", &[DOMAIN, BELOW_RECONCILE]),
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
    ("kube", &["clock", "telemetry"]),
    ("credentials", &["kube"]),
    ("s3", &["clock"]),
    (
        "controller",
        &["clock", "telemetry", "kube", "credentials", "s3"],
    ),
    ("cli", &["controller", "telemetry"]),
];

#[test]
fn the_core_imports_downwards_only() {
    check("src", CORE);
}

#[test]
fn the_shell_imports_downwards_only() {
    check("../../src", SHELL);
}

/// A list that allows a circle would prove nothing: each room may import rooms that stand above it in the list only.
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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(sources);
    let mut files = Vec::new();
    collect(&folder, &mut files);
    assert!(files.len() > 20, "{} holds the sources", folder.display());
    let mut wrong = BTreeSet::new();
    for file in files {
        let inside = file.strip_prefix(&folder).unwrap().with_extension("");
        let mut path: Vec<&str> = inside.iter().map(|part| part.to_str().unwrap()).collect();
        if path.last() == Some(&"mod") {
            path.pop();
        }
        if matches!(path[..], ["lib" | "main" | "test_log"]) || path.contains(&"tests") {
            continue;
        }
        let room = room_of(&path.join("::"), list);
        let allowed = list.iter().find(|(name, _)| *name == room);
        let Some((_, allowed)) = allowed else {
            wrong.insert(format!("{}: no room of the list", inside.display()));
            continue;
        };
        let allowed = names(allowed);
        let text = fs::read_to_string(&file).unwrap();
        for target in imports(&text).map(|path| room_of(&path, list)) {
            if target != room && !allowed.contains(&target.as_str()) {
                wrong.insert(format!("{}: {room} imports {target}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
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
