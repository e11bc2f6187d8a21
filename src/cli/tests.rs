//! What the command line promises.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::time::Duration;

use clap::{CommandFactory, Parser};

use super::run::own_namespace;
use presigned_core::engine::DenialGrace;

use super::values::{denial_grace, namespace, pause};
use super::{Cli, crds, start_line};
use crate::controller::{Candidacy, Settings};
use crate::telemetry::{LogFormat, LogLevel, log_subscriber};
use crate::test_log::Log;
use crate::traces::Destination;

/// What is logged at the start with all settings, in a format.
fn start_line(format: LogFormat, colours: bool) -> String {
    let settings = Settings {
        kubeconfig: Some("/etc/kube/config".into()),
        own_namespace: "presigned-system".to_owned(),
        own_service_account: Some("operator".to_owned()),
        own_pod_uid: Some("u-1".to_owned()),
        instance: "operator-0".to_owned(),
        health_addr: ([127, 0, 0, 1], 8081).into(),
        metrics_addr: ([127, 0, 0, 1], 8080).into(),
        metrics_auth: true,
        store_timeout: Duration::from_secs(5),
        candidacy: Some(Candidacy {
            lease: "operator".to_owned(),
            identity: "operator-0_u-1".to_owned(),
        }),
        traces: Some(Destination {
            endpoint: "https://collector.example.com/tenant/".parse().unwrap(),
            sampling: "0.25".parse().unwrap(),
        }),
        engine: presigned_core::engine::Settings {
            class: Some("blue".to_owned()),
            own_namespace: "presigned-system".to_owned(),
            lease_name: "operator".to_owned(),
            namespaces: Some(["team-a", "team-b"].map(str::to_owned).into()),
            template_deny: vec!["example.com".to_owned(), "example.org".to_owned()],
            ..presigned_core::engine::Settings::default()
        },
    };
    let log = Log::default();
    let writer = log.clone();
    let subscriber = log_subscriber(LogLevel::Info, format, colours, move || writer.clone());
    tracing::subscriber::with_default(subscriber, || start_line::log_start(&settings));
    log.text()
}

#[test]
fn the_first_line_tells_each_setting_as_a_field_of_its_own() {
    let line: serde_json::Value =
        serde_json::from_str(&start_line(LogFormat::Json, false)).unwrap();
    let fields = [
        ("message", "starting"),
        ("pod_namespace", "presigned-system"),
        ("pod_name", "operator-0"),
        ("pod_uid", "u-1"),
        ("pod_service_account", "operator"),
        ("kubeconfig", "/etc/kube/config"),
        ("namespaces", "team-a,team-b"),
        ("class", "blue"),
        ("lease_name", "operator"),
        ("reports_as", "class=blue,lease=presigned-system/operator"),
        ("holder_identity", "operator-0_u-1"),
        ("denial_grace", "600s"),
        ("min_renewed_duration", "300s"),
        ("resign_within", "300s"),
        ("store_timeout", "5s"),
        ("secret_access", "watch"),
        ("secret_template_deny", "example.com,example.org"),
        ("health_addr", "127.0.0.1:8081"),
        ("metrics_addr", "127.0.0.1:8080"),
        ("metrics_auth", "token"),
        ("otlp_endpoint", "https://collector.example.com/tenant"),
    ];
    for (name, value) in fields {
        assert_eq!(line[name], value, "{name}: {line}");
    }
    assert_eq!(line["leader_elect"], true);
    assert_eq!(line["concurrency"], 32);
    assert_eq!(line["otlp_sampling"], 0.25);
    assert_eq!(line["namespace_share"], 8 * 1024 * 1024);
    let text = line.to_string();
    assert!(!text.contains("Some(") && !text.contains(" { "), "{text}");
}

#[test]
fn text_has_colours_on_a_terminal_alone() {
    assert!(start_line(LogFormat::Text, true).contains('\u{1b}'));
    let plain = start_line(LogFormat::Text, false);
    assert!(!plain.contains('\u{1b}'), "{plain}");
    assert!(
        plain.contains("starting") && plain.contains(r#"class="blue""#),
        "{plain}"
    );
}

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
        ("--otlp-endpoint", "collector:4318", "for example http"),
        (
            "--otlp-endpoint",
            "https://me:word@collector",
            "OTEL_EXPORTER_OTLP_HEADERS",
        ),
        (
            "--otlp-endpoint",
            "http://collector:4318/v1/traces/",
            "it is added",
        ),
        ("--otlp-sampling", "1.5", "between 0 and 1"),
        ("--otlp-sampling", "NaN", "between 0 and 1"),
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
