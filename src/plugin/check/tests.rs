//! Files checked by files: each answer, and the code that CI sees.

#![allow(clippy::unwrap_used)]

use super::*;

const POLICY: &str = "
apiVersion: presigned.dev/v1alpha1
kind: PresignedURLPolicy
metadata: {name: teams}
spec:
  namespaces: {names: ['team-*']}
  allow:
  - {name: read, stores: [default], buckets: [models], prefixes: ['{namespace}/'], methods: [GET], maxDuration: 12h}
";

fn report(text: &str) -> Report {
    let mut manifests = Manifests::default();
    manifests.add("a.yaml", text).unwrap();
    let limits = Limits {
        min_duration: Duration::from_mins(5),
    };
    offline(
        Rules::new(ReservedKeys::default(), limits),
        &manifests,
        "team-a",
    )
}

fn request(spec: &str) -> String {
    format!(
        "---\napiVersion: presigned.dev/v1alpha1\nkind: PresignedURL\nmetadata: {{name: r}}\nspec: {spec}\n"
    )
}

fn one(text: &str) -> (Answer, Exit) {
    let report = report(text);
    (report.checked[0].answer.clone(), report.exit())
}

#[test]
fn a_request_is_allowed_by_its_rule_or_refused_with_the_closest() {
    let (answer, exit) =
        one(&(POLICY.to_owned() + &request("{bucket: models, key: team-a/m, duration: 1h}")));
    assert_eq!(answer.by(), "policy \"teams\" rule \"read\"");
    assert_eq!(exit, Exit::Done);
    let (answer, exit) = one(&(POLICY.to_owned() + &request("{bucket: models, key: team-b/m}")));
    let Answer::Refused(why) = answer else {
        unreachable!("{answer:?}")
    };
    assert!(
        why.contains("Closest: policy \"teams\" rule \"read\""),
        "{why}"
    );
    assert_eq!(exit, Exit::No);
}

#[test]
fn a_typo_is_told_with_the_nearest_name_and_is_no_request() {
    let (answer, exit) =
        one(&(POLICY.to_owned() + &request("{bucket: models, key: team-a/m, duraton: 1h}")));
    let told = "unknown field \"spec.duraton\": did you mean \"duration\"?";
    assert_eq!((answer, exit), (Answer::Invalid(told.to_owned()), Exit::No));
    let (answer, _) =
        one(&(POLICY.to_owned() + &request("{bucket: models, key: team-a/m, duration: 1m}")));
    assert!(matches!(answer, Answer::Invalid(_)), "{answer:?}");
}

#[test]
fn a_policy_that_cannot_be_read_is_a_problem_and_what_it_might_allow_is_unknown() {
    let broken = POLICY.replace("maxDuration: 12h", "maxDuration: 12d");
    let report = report(&(broken + &request("{bucket: models, key: team-a/m}")));
    assert!(
        matches!(report.checked[0].answer, Answer::Unknown(_)),
        "{report:?}"
    );
    assert!(
        report.problems[0].starts_with("PresignedURLPolicy \"teams\": maxDuration"),
        "{report:?}"
    );
    assert_eq!(report.exit(), Exit::No);
}

#[test]
fn labels_that_no_file_has_leave_a_refusal_unknown() {
    let policy = POLICY.replace(
        "{names: ['team-*']}",
        "{selector: {matchLabels: {team: a}}}",
    );
    let asked = policy + &request("{bucket: models, key: team-a/m}");
    let (answer, exit) = one(&asked);
    assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
    assert_eq!(exit, Exit::Unknown);
    let namespace =
        "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: team-a, labels: {team: a}}\n";
    assert_eq!(one(&(asked + namespace)).1, Exit::Done);
}

#[test]
fn what_is_allowed_only_without_labels_is_unknown_if_no_file_has_them() {
    for operator in ["DoesNotExist", "NotIn, values: ['yes']"] {
        let selector = format!(
            "{{selector: {{matchExpressions: [{{key: quarantine, operator: {operator}}}]}}}}"
        );
        let policy = POLICY.replace("{names: ['team-*']}", &selector);
        let asked = policy + &request("{bucket: models, key: team-a/m}");
        let (answer, exit) = one(&asked);
        let Answer::Unknown(why) = answer else {
            unreachable!("{answer:?}")
        };
        assert!(why.contains("the labels of namespace \"team-a\""), "{why}");
        assert!(why.contains("policy \"teams\" rule \"read\""), "{why}");
        assert_eq!(exit, Exit::Unknown);
        let namespace =
            "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: team-a, labels: {LABEL}}\n";
        for (label, expected) in [("team: a", Exit::Done), ("quarantine: 'yes'", Exit::No)] {
            let namespace = namespace.replace("LABEL", label);
            assert_eq!(one(&(asked.clone() + &namespace)).1, expected, "{label}");
        }
        // Another policy allows it by the name alone: labels take nothing away.
        let (answer, exit) = one(&(asked + "---" + &POLICY.replace("name: teams", "name: names")));
        assert_eq!(answer.by(), "policy \"names\" rule \"read\"");
        assert_eq!(exit, Exit::Done);
    }
}

#[test]
fn a_store_that_is_in_no_file_is_refused_if_others_are() {
    let store = "---\napiVersion: presigned.dev/v1alpha1\nkind: ClusterObjectStore\nmetadata: {name: NAME}\n\
                 spec: {s3: {region: eu-west-1, credentials: {default: {}}}}\n";
    let asked = POLICY.to_owned() + &request("{bucket: models, key: team-a/m}");
    let (answer, _) = one(&(asked.clone() + &store.replace("NAME", "other")));
    let Answer::Refused(why) = answer else {
        unreachable!("{answer:?}")
    };
    assert!(
        why.contains("there is no ClusterObjectStore \"default\""),
        "{why}"
    );
    assert_eq!(
        one(&(asked + &store.replace("NAME", "default"))).1,
        Exit::Done
    );
}

#[test]
fn a_store_that_names_a_bundle_of_certificates_is_checked_without_it() {
    let store = "---\napiVersion: presigned.dev/v1alpha1\nkind: ClusterObjectStore\nmetadata: {name: default}\n\
                 spec: {s3: {region: eu-west-1, credentials: {default: {}}, FROM}}\n";
    let asked = POLICY.to_owned() + &request("{bucket: models, key: team-a/m}") + store;
    let from = "caBundleFrom: {clusterTrustBundle: {name: storage-ca}}";
    assert_eq!(one(&asked.replace("FROM", from)).1, Exit::Done);
    let twice = format!("caBundle: PEM, {from}");
    let (answer, _) = one(&asked.replace("FROM", &twice));
    let Answer::Refused(why) = answer else {
        unreachable!("{answer:?}")
    };
    assert!(why.contains("set one of them"), "{why}");
}

#[test]
fn a_spec_of_a_newer_operator_is_told_with_the_version_to_install() {
    let allowed = json!({ "type": "Allowed", "status": "True", "reason": "PolicyAllows", "message": "",
        "lastTransitionTime": "2026-11-28T12:00:00Z" });
    let status = json!({ "observedGeneration": 1, "conditions": [allowed] });
    let resource =
        json!({ "metadata": { "name": "a", "generation": 1 }, "spec": {}, "status": status });
    let resource: Found = serde_json::from_value(resource).unwrap();
    let answer = of_version(Answer::Invalid("unknown variant".to_owned()), &resource);
    let Answer::Unknown(why) = answer else {
        unreachable!("{answer:?}")
    };
    let version = env!("CARGO_PKG_VERSION");
    for part in [
        &format!("this kubectl-presigned {version} cannot read it (unknown variant)"),
        "install the plugin of the operator's version",
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
}
