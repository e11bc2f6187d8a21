//! What the command line promises.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::time::Duration;

use clap::{CommandFactory, Parser};

use super::run::own_namespace;
use presigned_core::engine::DenialGrace;

use super::values::{denial_grace, namespace, pause};
use super::{Cli, crds};

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_flag_of_run_is_also_an_environment_variable() {
    let command = Cli::command();
    let run = command.find_subcommand("run").unwrap();
    for flag in run.get_arguments().filter(|a| a.get_id() != "help") {
        let name = flag.get_long().unwrap().replace('-', "_").to_uppercase();
        let expected = match name.as_str() {
            // Kubernetes' own names for what the downward API tells a pod.
            "POD_NAMESPACE" | "POD_NAME" | "POD_UID" | "POD_SERVICE_ACCOUNT" => name.clone(),
            _ => format!("PSU_{name}"),
        };
        let env = flag.get_env().unwrap().to_str().unwrap();
        assert_eq!(env, expected);
    }
}

#[test]
fn wrong_values_end_the_start_with_what_to_give() {
    for (flag, value, words) in [
        ("--denial-grace", "soon", "never"),
        ("--min-renewed-duration", "-1h", "1h30m"),
        ("--resign-within", "", "1h30m"),
        ("--store-timeout", "2m", "between 1s and 1m"),
        ("--store-timeout", "0s", "1h30m"),
        ("--concurrency", "0", "2..=1024"),
        ("--namespaces", "a,,b", "names of namespaces"),
        ("--namespaces", "Team", "names of namespaces"),
        ("--log-format", "xml", "json"),
        ("--secret-access", "all", "watch"),
        ("--metrics-auth", "yes", "token"),
        ("--health-addr", "8081", "--health-addr"),
    ] {
        let arguments = ["presigned-url-operator", "run", &format!("{flag}={value}")];
        let error = Cli::try_parse_from(arguments).unwrap_err().to_string();
        assert!(error.contains(words), "{flag}={value}: {error}");
    }
}

#[test]
fn durations_are_gos_and_at_least_a_second() {
    for (text, seconds) in [
        ("90s", 90),
        ("10m", 600),
        ("1h30m", 5400),
        ("1500ms", 1),
        ("168h", 604_800),
    ] {
        assert_eq!(pause(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    for text in [
        "",
        "5",
        "-5m",
        "1h ago",
        "m",
        "1d",
        "999ms",
        "0s",
        "99999999999999999999h",
        "5 m",
    ] {
        assert!(pause(text).is_err(), "{text}");
    }
}

#[test]
fn a_denial_grace_may_be_nothing_or_for_ever() {
    assert_eq!(denial_grace("never"), Ok(DenialGrace::Never));
    assert_eq!(denial_grace("0s"), Ok(DenialGrace::After(Duration::ZERO)));
    assert_eq!(
        denial_grace("10m"),
        Ok(DenialGrace::After(Duration::from_mins(10)))
    );
    assert!(denial_grace("later").is_err());
}

#[test]
fn a_namespace_is_a_dns_label() {
    assert!(namespace("team-a").is_ok());
    for text in ["", "-a", "a-", "a.b", "a/b", "A", &"a".repeat(64)] {
        assert!(namespace(text).is_err(), "{text}");
    }
}

#[test]
fn the_own_namespace_is_given_or_the_pods_or_asked_for() {
    let file = std::env::temp_dir().join(format!("psu-namespace-{}", std::process::id()));
    std::fs::write(&file, "from-pod\n").unwrap();
    assert_eq!(
        own_namespace(Some("given".to_owned()), &file).unwrap(),
        "given"
    );
    assert_eq!(own_namespace(None, &file).unwrap(), "from-pod");
    std::fs::remove_file(&file).unwrap();
    let error = own_namespace(None, Path::new(&file))
        .unwrap_err()
        .to_string();
    assert!(error.contains("set POD_NAMESPACE"), "{error}");
}

#[test]
fn each_crd_is_yaml_that_reads_back_the_same() {
    for crd in presigned_core::api::crds() {
        let text = crds::yaml(&crd).unwrap();
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
        let back: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(back, serde_json::to_value(&crd).unwrap());
    }
}

#[test]
fn each_admission_policy_is_yaml_that_reads_back_the_same() {
    let text = crds::unknown_fields().unwrap();
    let documents: Vec<serde_json::Value> = text
        .split("---\n")
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect();
    let refusals = presigned_core::api::refusals_of_unknown_fields();
    let each = |refusal: &presigned_core::api::Refusal| {
        [
            serde_json::to_value(&refusal.policy).unwrap(),
            serde_json::to_value(&refusal.binding).unwrap(),
        ]
    };
    let wanted: Vec<_> = refusals.iter().flat_map(each).collect();
    assert_eq!(documents, wanted);
}
