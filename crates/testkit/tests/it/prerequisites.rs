//! `hack/prerequisites.sh` installs what is missing, or names all of it at once.
//!
//! It runs with a `PATH` of its own, in which `id`, `sudo` and `apt-get` are stand-ins: nothing is installed.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../hack/prerequisites.sh");

/// A machine that has a shell and nothing else; the tests add what it has.
struct Machine(TempDir);

impl Machine {
    fn of_a_user(id: u32) -> Self {
        let machine = Self(tempfile::tempdir().expect("a folder"));
        for name in ["bash", "chmod", "dirname", "env", "sed"] {
            let found = ["/bin", "/usr/bin"].map(|folder| Path::new(folder).join(name));
            let found = found.iter().find(|path| path.exists()).expect(name);
            symlink(found, machine.path(name)).expect("a link");
        }
        machine.has("id", &format!("echo {id}"));
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn has(&self, name: &str, script: &str) {
        // Not by this process: a child of another test would inherit the open file for a moment, and a file
        // that is open for writing can't be run.
        let status = Command::new("sh")
            .args([
                "-c",
                r#"printf '%s\n' '#!/usr/bin/env bash' "$1" >"$0" && chmod +x "$0""#,
            ])
            .arg(self.path(name))
            .arg(script)
            .status()
            .expect("run a shell");
        assert!(status.success(), "write {name}");
    }

    /// An `apt-get` that knows aria2 and wget.
    fn is_debian(&self) {
        let bin = self.0.path().display();
        self.has(
            "apt-get",
            &format!(
                "for package in \"$@\"; do\n\
                 case $package in\n\
                 aria2) name=aria2c ;; wget) name=wget ;; *) continue ;; esac\n\
                 echo '#!/bin/sh' >'{bin}'/$name && chmod +x '{bin}'/$name\n\
                 done"
            ),
        );
    }

    /// Whether all is there in the end, and what was said.
    fn asked_for(&self, commands: &[&str]) -> (bool, String) {
        let output = Command::new(self.path("bash"))
            .arg(SCRIPT)
            .args(commands)
            .env_clear()
            .env("PATH", self.0.path())
            .output()
            .expect("run the script");
        assert!(output.stdout.is_empty(), "standard output is for others");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        (output.status.success(), said)
    }
}

#[test]
fn a_machine_that_has_everything_hears_nothing() {
    let machine = Machine::of_a_user(1000);
    machine.has("wget", "");
    assert_eq!(machine.asked_for(&["wget"]), (true, String::new()));
}

#[test]
fn all_that_is_missing_is_named_at_once_with_one_command() {
    let machine = Machine::of_a_user(1000);
    machine.is_debian();
    let wanted = [
        "aria2c",
        "cargo",
        "cargo-clippy",
        "cc",
        "go",
        "python3-venv",
        "wget",
    ];
    let (done, said) = machine.asked_for(&wanted);
    assert!(!done);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[0],
        "Missing on this machine: aria2c, cargo, cargo-clippy, cc, go, python3-venv, wget"
    );
    assert!(lines[1].contains("https://rustup.rs"), "{said}");
    assert!(lines[2].contains("https://go.dev/dl"), "{said}");
    assert_eq!(
        lines[3..],
        ["  sudo apt-get install aria2 gcc libc6-dev python3-venv wget"]
    );
}

#[test]
fn a_system_that_is_not_debian_is_told_what_debian_calls_it() {
    let (done, said) = Machine::of_a_user(0).asked_for(&["aria2c", "wget"]);
    assert!(!done);
    assert!(
        said.contains("Missing on this machine: aria2c, wget\n"),
        "{said}"
    );
    assert!(said.ends_with("what Debian calls: aria2 wget\n"), "{said}");
}

#[test]
fn root_and_who_needs_no_password_get_it_installed_and_are_told_first() {
    let root = Machine::of_a_user(0);
    let sudoer = Machine::of_a_user(1000);
    sudoer.has("sudo", "[[ $1 == -n ]] && shift && exec \"$@\"");
    sudoer.has("true", "");
    for machine in [root, sudoer] {
        machine.is_debian();
        let told = "Installing from Debian: aria2 wget\n".to_owned();
        assert_eq!(machine.asked_for(&["aria2c", "wget"]), (true, told));
        assert!(machine.path("aria2c").exists());
    }
}

#[test]
fn whose_sudo_asks_for_a_password_is_told_the_command() {
    let machine = Machine::of_a_user(1000);
    machine.is_debian();
    machine.has("sudo", "echo 'sudo: a password is required' >&2; exit 1");
    let (done, said) = machine.asked_for(&["wget"]);
    assert!(!done && !machine.path("wget").exists());
    assert_eq!(
        said,
        "Missing on this machine: wget\n  sudo apt-get install wget\n"
    );
}

#[test]
fn nothing_is_installed_while_something_else_has_to_be_fetched_by_hand() {
    let machine = Machine::of_a_user(0);
    machine.is_debian();
    let (done, said) = machine.asked_for(&["go", "wget"]);
    assert!(!done && !machine.path("wget").exists(), "{said}");
    assert!(said.ends_with("\n  apt-get install wget\n"), "{said}");
}

#[test]
fn what_is_missing_after_an_install_is_named() {
    let machine = Machine::of_a_user(0);
    machine.has("apt-get", "echo 'E: no network' >&2; exit 100");
    let (done, said) = machine.asked_for(&["wget"]);
    assert!(!done);
    assert!(
        said.contains("E: no network\nMissing on this machine: wget\n"),
        "{said}"
    );
}

#[test]
fn a_go_and_a_rust_that_are_too_old_are_missing_and_ones_that_fetch_the_right_one_are_not() {
    let machine = Machine::of_a_user(1000);
    machine.has("cargo", "echo 'cargo 1.65.0 (abc 2022-01-01)'");
    machine.has(
        "go",
        "[[ $1 == version ]] && echo 'go version go1.19.8 linux/amd64' || echo ''",
    );
    let (done, said) = machine.asked_for(&["cargo", "go"]);
    assert!(!done);
    assert!(said.contains("(this one is 1.65), go "), "{said}");
    assert!(said.contains("(this one is 1.19)\n"), "{said}");

    machine.has("rustup", "");
    machine.has(
        "go",
        "[[ $1 == version ]] && echo 'go version go1.21.0 linux/amd64' || echo auto",
    );
    assert_eq!(machine.asked_for(&["cargo", "go"]), (true, String::new()));
    machine.has(
        "go",
        "[[ $1 == version ]] && echo 'go version go1.21.0 linux/amd64' || echo local",
    );
    assert!(!machine.asked_for(&["go"]).0);
}
