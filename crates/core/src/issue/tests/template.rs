//! What a template may not do.

use super::map;
use crate::api::SecretTemplate;
use crate::issue::{ReservedKeys, Template};

fn labels(key: &str, value: &str) -> Result<Template, String> {
    parse(&SecretTemplate {
        labels: Some(map([(key, value)])),
        annotations: None,
    })
}

fn annotations(key: &str, value: &str) -> Result<Template, String> {
    parse(&SecretTemplate {
        labels: None,
        annotations: Some(map([(key, value)])),
    })
}

fn parse(template: &SecretTemplate) -> Result<Template, String> {
    let reserved = ReservedKeys::with(["example.org"]).unwrap();
    Template::parse(Some(template), &reserved).map_err(|e| e.to_string())
}

#[test]
fn reserved_keys_are_refused_in_every_subdomain() {
    for key in [
        "presigned.dev/managed-by",
        "presigned.dev/x",
        "a.presigned.dev/x",
        "kubernetes.io/service-account.name",
        "app.kubernetes.io/name",
        "kubectl.kubernetes.io/last-applied-configuration",
        "k8s.io/x",
        "a.b.k8s.io/x",
        "meta.helm.sh/release-name",
        "argocd.argoproj.io/tracking-id",
        "example.org/denied-by-flag",
        "team.example.org/denied-by-flag",
    ] {
        for refused in [labels(key, "v"), annotations(key, "v")] {
            let why = refused.unwrap_err();
            assert!(
                why.starts_with("spec.secretTemplate.") && why.contains("reserved"),
                "{why}"
            );
        }
    }
}

#[test]
fn the_charts_fence_reserves_the_same_domains() {
    let chart = include_str!("../../../../../charts/presigned-url-operator/templates/_helpers.tpl");
    let named: Vec<String> = crate::issue::template::RESERVED
        .iter()
        .map(|domain| format!("\"{domain}\""))
        .collect();
    let list = format!("(list {})", named.join(" "));
    assert!(chart.contains(&list), "{list} is not in the chart");
}

#[test]
fn a_key_in_another_case_does_not_slip_by() {
    for key in [
        "Kubernetes.io/x",
        "PRESIGNED.DEV/managed-by",
        "Meta.Helm.sh/x",
    ] {
        assert!(labels(key, "v").is_err());
        assert!(annotations(key, "v").unwrap_err().contains("lower-case"));
    }
}

#[test]
fn keys_of_others_are_allowed() {
    for key in [
        "app",
        "team.io/x",
        "notpresigned.dev/x",
        "notk8s.io/x",
        "helm.sh/chart",
        "argoproj.io/x",
        "presigned.dev.example.com/x",
        "velero.io/exclude-from-backup",
        "reloader.stakater.com/ignore",
        "A_b.C-9",
    ] {
        let template = labels(key, "v").unwrap();
        assert_eq!(template.labels(), &map([(key, "v")]));
        let template = annotations(key, "any text\nat all").unwrap();
        assert_eq!(template.annotations(), &map([(key, "any text\nat all")]));
    }
}

#[test]
fn malformed_keys_are_refused() {
    let long_name = "a".repeat(64);
    let long_prefix = format!("{}/x", vec!["a"; 128].join("."));
    for key in [
        "",
        "/",
        "/x",
        "x/",
        "a/b/c",
        "-a",
        "a-",
        "a b",
        "ä",
        "a\nb",
        ".a",
        "a..b/x",
        "-a.b/x",
        "a_b/x",
        &long_name,
        &long_prefix,
    ] {
        assert!(labels(key, "v").is_err(), "{key:?}");
        assert!(annotations(key, "v").is_err(), "{key:?}");
    }
    assert!(labels(&"a".repeat(63), "v").is_ok());
    assert!(labels(&format!("{}/x", vec!["a"; 127].join(".")), "v").is_ok());
}

#[test]
fn label_values_have_kubernetes_syntax_and_annotations_a_bound() {
    let (longest, too_long) = ("a".repeat(63), "a".repeat(64));
    for value in ["", "a", "A-b_c.9", &longest] {
        assert!(labels("k", value).is_ok(), "{value:?}");
    }
    for value in ["-a", "a.", "a b", "a/b", "ü", "a\n", &too_long] {
        assert!(labels("k", value).is_err(), "{value:?}");
    }
    assert!(annotations("k", &"a".repeat(4096)).is_ok());
    assert!(annotations("k", &"a".repeat(4097)).is_err());
}

#[test]
fn a_map_has_at_most_32_entries() {
    let many = |n: usize| {
        parse(&SecretTemplate {
            labels: Some((0..n).map(|i| (format!("k{i}"), String::new())).collect()),
            annotations: None,
        })
    };
    assert!(many(32).is_ok());
    assert!(many(33).unwrap_err().contains("at most 32"));
}

#[test]
fn a_refusal_is_one_line_of_bounded_length_whatever_the_key() {
    let why = labels(&format!("a\nb{}", "x".repeat(10_000)), "v").unwrap_err();
    assert!(!why.contains('\n') && why.len() < 400, "{why}");
}

#[test]
fn no_template_sets_nothing() {
    let reserved = ReservedKeys::default();
    assert_eq!(Template::parse(None, &reserved), Ok(Template::default()));
}

#[test]
fn a_denied_domain_that_is_none_stops_the_start() {
    for wrong in ["", "example.org/x", "*.example.org", "Example.org", ".org"] {
        let why = ReservedKeys::with([wrong]).unwrap_err();
        assert!(why.contains("--secret-template-deny"), "{why}");
    }
}
