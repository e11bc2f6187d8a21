//! What the API promises of itself.

use std::borrow::Cow;

use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinitionVersion, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::json;

use super::*;

fn versions() -> Vec<(String, CustomResourceDefinitionVersion)> {
    let with_kind = |crd: k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition| {
        let kind = crd.spec.names.kind;
        crd.spec.versions.into_iter().map(move |version| (kind.clone(), version))
    };
    crds().into_iter().flat_map(with_kind).collect()
}

/// Calls `see` with the path of every schema in every CRD.
fn walk(see: &mut impl FnMut(&str, &JSONSchemaProps)) {
    fn below(path: &str, props: &JSONSchemaProps, see: &mut impl FnMut(&str, &JSONSchemaProps)) {
        see(path, props);
        for (name, property) in props.properties.iter().flatten() {
            below(&format!("{path}.{name}"), property, see);
        }
        if let Some(JSONSchemaPropsOrArray::Schema(items)) = &props.items {
            below(&format!("{path}[]"), items, see);
        }
        if let Some(JSONSchemaPropsOrBool::Schema(values)) = &props.additional_properties {
            below(&format!("{path}{{}}"), values, see);
        }
    }
    for (kind, version) in versions() {
        let schema = version.schema.and_then(|all| all.open_api_v3_schema);
        below(&kind, &schema.expect("a schema"), see);
    }
}

#[test]
fn every_kind_has_its_crd() {
    let names: Vec<_> = crds().into_iter().filter_map(|c| c.metadata.name).collect();
    assert_eq!(
        names,
        [
            "presignedurls.presigned.dev",
            "presignedurlpolicies.presigned.dev",
            "clusterobjectstores.presigned.dev"
        ]
    );
}

#[test]
fn every_kind_has_short_name_category_status_and_columns() {
    for crd in crds() {
        let names = &crd.spec.names;
        assert_eq!(
            names.categories.as_deref(),
            Some(&["presigned".to_owned()][..])
        );
        assert!(names.short_names.as_ref().is_some_and(|all| all.len() == 1));
    }
    for (kind, version) in versions() {
        let schema = version.schema.and_then(|schema| schema.open_api_v3_schema);
        assert_eq!(schema.and_then(|root| root.title).as_deref(), Some(&*kind));
        assert!(
            version.subresources.is_some_and(|all| all.status.is_some()),
            "{kind}"
        );
        let columns = version.additional_printer_columns.unwrap_or_default();
        let of = |name: &str| columns.iter().find(|column| column.name == name);
        assert!(
            of("Ready").is_some() && of("Reason").is_some() && of("Age").is_some(),
            "{kind}"
        );
        // A column of the type date prints a time in the future as invalid.
        assert!(of("Expires").is_none_or(|column| column.type_ == "string"));
    }
}

#[test]
fn every_string_list_map_and_integer_is_bounded_and_every_field_described() {
    let mut faults = Vec::new();
    walk(&mut |path, props| {
        let bounded = match props.type_.as_deref() {
            Some("string") => {
                props.max_length.is_some() || props.enum_.is_some() || props.format.is_some()
            }
            Some("array") => props.max_items.is_some() && props.items.is_some(),
            Some("object") => {
                props.additional_properties.is_none() || props.max_properties.is_some()
            }
            Some("integer") => props.minimum.is_some() && props.maximum.is_some(),
            Some("boolean") => true,
            _ => false,
        };
        if !bounded {
            faults.push(format!("{path}: no bound"));
        }
        let is_field = !path.ends_with("[]") && !path.ends_with("{}");
        if is_field && props.description.as_deref().is_none_or(str::is_empty) {
            faults.push(format!("{path}: no description"));
        }
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_field_has_a_default_but_the_class_is_nullable_or_is_refused_by_a_bare_pattern() {
    walk(&mut |path, props| {
        // The class reaches no hash.
        let has_default = path == "PresignedURL.spec.class";
        assert_eq!(
            props.default.is_some(),
            has_default,
            "{path}: a default would feed hashes"
        );
        assert!(props.nullable.is_none(), "{path}: has() is true of null");
        assert!(
            props.pattern.is_none(),
            "{path}: the form has no words in schema.rs"
        );
        let rules = props
            .x_kubernetes_validations
            .as_deref()
            .unwrap_or_default();
        assert!(rules.iter().all(|rule| rule.message.is_some()), "{path}");
    });
}

#[test]
fn conditions_are_lists_by_type() {
    walk(&mut |path, props| {
        if path.ends_with("status.conditions") {
            assert_eq!(
                props.x_kubernetes_list_type.as_deref(),
                Some("map"),
                "{path}"
            );
            let keys = props.x_kubernetes_list_map_keys.as_deref();
            assert_eq!(keys, Some(&["type".to_owned()][..]), "{path}");
        }
    });
}

#[test]
fn rules_of_a_policy_are_a_list_by_name() {
    walk(&mut |path, props| {
        if path == "PresignedURLPolicy.spec.allow" {
            assert_eq!(props.x_kubernetes_list_type.as_deref(), Some("map"));
            let keys = props.x_kubernetes_list_map_keys.as_deref();
            assert_eq!(keys, Some(&["name".to_owned()][..]));
        }
    });
}

#[test]
fn the_reference_names_every_field_and_every_reason() {
    let page = api_reference();
    for field in [
        "`spec.put.metadata`",
        "`spec.allow[].maxDuration`",
        "`status.conditions[].reason`",
    ] {
        assert!(page.contains(field), "{field}");
    }
    assert!(page.contains("set at most one"));
    // The words of the field, not those of its type.
    assert!(page.contains("Left out: GET. A GET also yields a HEAD URL."));
    let reasons = reasons_reference();
    assert!(reasons.contains(
        "## ClockSkewed\n\nThe clocks differ too much to sign.\n\nCondition: `Ready`, `Renewed`, `Verified`, `Stalled` of a \
         `PresignedURL`; `Ready`, `CredentialsRolledOut`, `ClockInSync` of a `ClusterObjectStore`.\n\nDo: Set the clock"
    ));
    for reason in Reason::ALL {
        assert!(reasons.contains(&format!("| `{}` |", reason.as_str())));
        assert!(reasons.contains(&format!("\n## {}\n", reason.as_str())));
        assert!(!reason.meaning().is_empty() && !reason.remedy().is_empty());
    }
}

fn conditions(all: &[(ConditionType, ConditionStatus)]) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for (second, (type_, status)) in (1..).zip(all) {
        let since = Timestamp::from_second(second).expect("a time");
        let why = (Reason::Allowed, String::new());
        set_condition(&mut conditions, *type_, *status, why, None, since);
    }
    conditions
}

#[test]
fn a_condition_is_found_by_its_type_and_kept_where_its_status_is_the_same() {
    use ConditionStatus::{False, True};
    use ConditionType::{Allowed, Ready, Stalled};
    let all = conditions(&[
        (Ready, True),
        (Allowed, False),
        (Ready, True),
        (Allowed, True),
    ]);
    assert_eq!(all.len(), 2);
    let since = |type_| condition(&all, type_).map(|c| c.last_transition_time.as_second());
    assert_eq!((since(Ready), since(Allowed)), (Some(1), Some(4)));
    assert_eq!(since(Stalled), None);
}

#[test]
fn a_resource_is_ready_only_if_its_condition_says_so() {
    use ConditionType::{Allowed, Ready};
    assert!(!is_ready(&[]));
    for (status, expected) in [
        (ConditionStatus::True, true),
        (ConditionStatus::False, false),
        (ConditionStatus::Unknown, false),
    ] {
        assert_eq!(is_ready(&conditions(&[(Ready, status)])), expected);
        assert!(!is_ready(&conditions(&[(Allowed, status)])));
    }
}

#[test]
fn a_resource_is_denied_since_its_condition_turned_false() {
    use ConditionStatus::{False, True, Unknown};
    use ConditionType::{Allowed, Ready};
    let since = |all: &[_]| denied_since(&conditions(all)).map(Timestamp::as_second);
    assert_eq!(since(&[]), None);
    assert_eq!(since(&[(Allowed, True)]), None);
    assert_eq!(since(&[(Allowed, Unknown)]), None);
    assert_eq!(since(&[(Ready, False)]), None);
    assert_eq!(since(&[(Allowed, True), (Allowed, False)]), Some(2));
    assert_eq!(since(&[(Allowed, False), (Allowed, False)]), Some(1));
}

#[test]
fn every_rule_that_reads_the_old_spec_says_what_cannot_be_changed() {
    let mut rules = Vec::new();
    walk(&mut |path, props| {
        let all = props.x_kubernetes_validations.iter().flatten();
        for rule in all.filter(|rule| rule.rule.contains("oldSelf")) {
            rules.push((path.to_owned(), rule.message.clone().unwrap_or_default()));
        }
    });
    let of_the_spec = |message: &str| ("PresignedURL.spec".to_owned(), message.to_owned());
    assert_eq!(
        rules,
        [
            of_the_spec("renew cannot be changed: create another PresignedURL"),
            of_the_spec("class cannot be changed: create another PresignedURL"),
            of_the_spec(
                "with renew: Never what is signed is fixed for good: create another PresignedURL"
            ),
        ]
    );
}

#[test]
fn a_class_that_is_left_out_is_the_default_one() {
    let class = |spec: serde_json::Value| {
        let spec: PresignedUrlSpec = serde_json::from_value(spec).unwrap();
        spec.class
    };
    let with = |class: &str| json!({ "bucket": "b", "key": "k", "class": class });
    assert_eq!(class(json!({ "bucket": "b", "key": "k" })), None);
    assert_eq!(class(with(DEFAULT_CLASS)), None);
    assert_eq!(class(with("blue")).as_deref(), Some("blue"));
}

#[test]
fn the_words_of_conditions_that_are_known_take_no_memory() {
    let condition = |type_: &str, reason: &str| {
        let told = json!({
            "type": type_, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": reason, "message": "",
        });
        serde_json::from_value::<Condition>(told).unwrap()
    };
    let ours = condition("Ready", "Issued");
    assert!(matches!(ours.type_, Cow::Borrowed("Ready")));
    assert!(matches!(ours.reason, Cow::Borrowed("Issued")));
    let newer = condition("Ready", "OfANewerRelease");
    assert_eq!(newer.reason, "OfANewerRelease");
}
