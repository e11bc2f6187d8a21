//! The admission policies that refuse fields which the API does not have, for clients that do not ask the API
//! server to be strict.
//!
//! What holds here: the names of the fields are read from the CRDs, and so from the types. A refusal says
//! where the field is and what it may have been meant to be: a field of another place with that name, the
//! field with the nearest name, or else all that there are. Each expression costs the API server far less
//! than it spends on one request, with the largest object that the schema lets through.

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec,
    ValidatingAdmissionPolicySpec, Validation, Variable,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::group;

/// The policy of one kind, and what puts it in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// What is refused.
    pub policy: ValidatingAdmissionPolicy,
    /// That it is refused.
    pub binding: ValidatingAdmissionPolicyBinding,
}

/// The fields of an object that every kind has.
const OF_EVERY_OBJECT: [&str; 3] = ["apiVersion", "kind", "metadata"];
/// The fields of the object that no spec is about.
const STATUS: &str = "status";
/// The most items of a list that has fields, and the most pairs of letters that names are compared by.
const LONGEST: usize = 64;
/// Two names are near if this percentage of their pairs of letters is the same.
const NEAR: usize = 30;

/// A place that has fields: the object itself, `spec`, `spec.get`, `spec.allow[]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it is; empty for the object itself.
    pub path: String,
    /// The names of its fields.
    pub fields: Vec<String>,
}

/// The places of a kind. A place within the items of a list would need another expression.
pub(super) fn places(crd: &CustomResourceDefinition) -> Vec<Place> {
    let mut found = Vec::new();
    let schemas = crd.spec.versions.iter().filter_map(|v| v.schema.as_ref());
    for root in schemas.filter_map(|schema| schema.open_api_v3_schema.as_ref()) {
        collect("", root, &mut found);
    }
    for place in found.iter_mut().filter(|place| place.path.is_empty()) {
        let every = OF_EVERY_OBJECT.map(str::to_owned);
        place.fields.splice(0..0, every);
    }
    found
}

fn collect(path: &str, props: &JSONSchemaProps, found: &mut Vec<Place>) {
    if props.x_kubernetes_preserve_unknown_fields == Some(true) {
        found.push(Place {
            path: path.to_owned(),
            fields: props
                .properties
                .iter()
                .flatten()
                .map(|(n, _)| n.clone())
                .collect(),
        });
    }
    for (name, field) in props.properties.iter().flatten() {
        if path.is_empty() && name == STATUS {
            continue;
        }
        let dot = if path.is_empty() { "" } else { "." };
        collect(&format!("{path}{dot}{name}"), field, found);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &props.items {
        collect(&format!("{path}[]"), items, found);
    }
}

impl Place {
    /// CEL for the unknown fields of the place, each as the text of the place, the field's name, and the
    /// path by which the place is known. Of an item of a list only the first is told.
    fn unknown(&self) -> String {
        let path = &self.path;
        let unknown = format!("k, !(k in variables.fields['{path}'])");
        let Some(list) = path.strip_suffix("[]") else {
            let object = value(path, "{}");
            return format!("{object}.filter({unknown}).map(k, ['{path}', string(k), '{path}'])");
        };
        let list_variable = format!("variables.{}", variable(list));
        format!(
            "variables.numbers.filter(i, i < size({list_variable}) && {list_variable}[i].exists({unknown}))\
             .map(i, ['{list}[' + string(i) + ']', string({list_variable}[i].filter({unknown})[0]), '{path}'])"
        )
    }
}

/// CEL for the value at a path, or another one if there is none.
fn value(path: &str, otherwise: &str) -> String {
    if path.is_empty() {
        return "dyn(object)".to_owned();
    }
    format!(
        "dyn(object).?{}.orValue({otherwise})",
        path.replace('.', ".?")
    )
}

/// The name of the variable of a list.
fn variable(list: &str) -> String {
    list.replace('.', "_")
}

/// CEL for the pairs of letters of a name. Capitals are no difference, and its ends are letters as well.
fn pairs(name: &str) -> String {
    format!(
        "variables.numbers.filter(i, i <= size({name})).map(i, ('^' + {name}.lowerAscii() + '$').substring(i, i + 2))"
    )
}

/// The admission policy of the CRD's kind.
pub(super) fn refusal(crd: &CustomResourceDefinition) -> Refusal {
    let plural = &crd.spec.names.plural;
    let name = format!("unknown-fields.{plural}.{}", group::GROUP);
    let metadata = ObjectMeta {
        name: Some(name.clone()),
        ..ObjectMeta::default()
    };
    let policy = ValidatingAdmissionPolicy {
        metadata: metadata.clone(),
        spec: Some(ValidatingAdmissionPolicySpec {
            failure_policy: Some("Fail".to_owned()),
            match_constraints: Some(written(crd)),
            match_conditions: Some(vec![something_new()]),
            variables: Some(variables(&places(crd))),
            validations: Some(vec![Validation {
                expression: "size(variables.unknown) == 0".to_owned(),
                message: Some("a field is unknown".to_owned()),
                message_expression: Some(message()),
                ..Validation::default()
            }]),
            ..ValidatingAdmissionPolicySpec::default()
        }),
        ..ValidatingAdmissionPolicy::default()
    };
    let binding = ValidatingAdmissionPolicyBinding {
        metadata,
        spec: Some(ValidatingAdmissionPolicyBindingSpec {
            policy_name: Some(name),
            validation_actions: Some(vec!["Deny".to_owned()]),
            ..ValidatingAdmissionPolicyBindingSpec::default()
        }),
    };
    Refusal { policy, binding }
}

/// With what the API server would fill in: the whole is one value to server-side apply, so kubectl and Helm
/// have no conflict if they apply the same.
fn written(crd: &CustomResourceDefinition) -> MatchResources {
    MatchResources {
        resource_rules: Some(vec![NamedRuleWithOperations {
            api_groups: Some(vec![group::GROUP.to_owned()]),
            api_versions: Some(vec![group::VERSION.to_owned()]),
            operations: Some(vec!["CREATE".to_owned(), "UPDATE".to_owned()]),
            resources: Some(vec![crd.spec.names.plural.clone()]),
            scope: Some("*".to_owned()),
            ..NamedRuleWithOperations::default()
        }]),
        match_policy: Some("Equivalent".to_owned()),
        namespace_selector: Some(LabelSelector::default()),
        object_selector: Some(LabelSelector::default()),
        exclude_resource_rules: None,
    }
}

/// What was stored before the policy was there can be labelled, and loses its finalizers.
fn something_new() -> MatchCondition {
    MatchCondition {
        name: "something-new".to_owned(),
        expression:
            "request.operation == 'CREATE' || dyn(object).?spec != dyn(oldObject).?spec || \
                     dyn(object).exists(k, !(k in dyn(oldObject)))"
                .to_owned(),
    }
}

fn variables(places: &[Place]) -> Vec<Variable> {
    let quoted = |names: &[String]| {
        let names: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
        names.join(", ")
    };
    let fields: Vec<_> = places
        .iter()
        .map(|place| format!("'{}': [{}]", place.path, quoted(&place.fields)))
        .collect();
    let numbers: Vec<_> = (0..LONGEST).map(|n| n.to_string()).collect();
    let mut variables = vec![
        ("fields".to_owned(), format!("{{{}}}", fields.join(",\n"))),
        ("numbers".to_owned(), format!("[{}]", numbers.join(", "))),
    ];
    let lists = places.iter().filter_map(|p| p.path.strip_suffix("[]"));
    variables.extend(lists.map(|list| (variable(list), value(list, "[]"))));
    let unknown: Vec<_> = places.iter().map(Place::unknown).collect();
    let known_places: Vec<_> = places
        .iter()
        .map(|place| place.path.clone())
        .filter(|path| !path.is_empty())
        .collect();
    variables.extend([
        ("unknown".to_owned(), unknown.join(" +\n")),
        // From here on: of the first one, for the message.
        ("place".to_owned(), "variables.unknown[0][0]".to_owned()),
        ("field".to_owned(), "variables.unknown[0][1]".to_owned()),
        (
            "known".to_owned(),
            "variables.fields[variables.unknown[0][2]]".to_owned(),
        ),
        (
            "elsewhere".to_owned(),
            format!(
                "[{}].filter(p, variables.field in variables.fields[p])",
                quoted(&known_places)
            ),
        ),
        ("pairs".to_owned(), pairs("variables.field")),
        (
            "likeness".to_owned(),
            format!(
                "variables.known.map(f, 200 * size({}.filter(p, p in variables.pairs)) / \
                 (size(f) + 1 + size(variables.pairs)))",
                pairs("f")
            ),
        ),
    ]);
    let to_variable = |(name, expression)| Variable { name, expression };
    variables.into_iter().map(to_variable).collect()
}

fn message() -> String {
    format!(
        "'unknown field \"' + (variables.place == '' ? '' : variables.place + '.') + variables.field + '\": ' + \
         (size(variables.elsewhere) > 0 ? 'it is a field of ' + variables.elsewhere.join(' and ') : \
         size(variables.known) > 0 && variables.likeness.max() >= {NEAR} ? \
         'did you mean \"' + variables.known[variables.likeness.indexOf(variables.likeness.max())] + '\"?' : \
         size(variables.known) > 0 ? 'the fields here are ' + variables.known.join(', ') : 'there are no fields here')"
    )
}

#[cfg(test)]
mod tests {
    //! Every place keeps an unknown field, and the parser refuses it. What the admission policies refuse, and
    //! with which words, is tried on a real API server (`tests/it/admission`).

    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::super::policy::PresignedUrlPolicySpec;
    use super::super::presigned_url::PresignedUrlSpec;
    use super::super::store::ClusterObjectStoreSpec;
    use super::*;

    /// A spec that has every place of its kind.
    fn whole(kind: &str) -> Value {
        let secret = json!({ "name": "a", "keys": {} });
        let role = json!({ "roleARN": "arn:aws:iam::123456789012:role/signer" });
        let mut assumed = role.clone();
        assumed["sourceSecretRef"] = secret.clone();
        match kind {
            "PresignedURL" => json!({
                "bucket": "models", "storeRef": {}, "list": {}, "get": {}, "put": {}, "secretTemplate": {},
                "post": { "contentLengthRange": { "min": 1, "max": 2 } },
            }),
            "PresignedURLPolicy" => json!({
                "namespaces": { "selector": { "matchExpressions": [{ "key": "a", "operator": "Exists" }] } },
                "allow": [{ "name": "a", "stores": [], "buckets": [], "prefixes": [], "methods": [], "maxDuration": "1h" }],
            }),
            _ => json!({ "s3": {
                "region": "eu-west-1", "endpoints": [{ "name": "a", "url": "https://s3.example.com" }],
                "caBundleFrom": { "clusterTrustBundle": { "name": "a" } },
                "credentials": { "default": {}, "secretRef": secret, "webIdentity": role, "assumeRole": assumed },
            } }),
        }
    }

    fn read(kind: &str, spec: &Value) -> Result<(), String> {
        let spec = spec.clone();
        let read = match kind {
            "PresignedURL" => serde_json::from_value::<PresignedUrlSpec>(spec).map(drop),
            "PresignedURLPolicy" => {
                serde_json::from_value::<PresignedUrlPolicySpec>(spec).map(drop)
            }
            _ => serde_json::from_value::<ClusterObjectStoreSpec>(spec).map(drop),
        };
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn an_unknown_field_is_kept_in_every_place_of_a_spec_and_then_refused() {
        for crd in super::super::crds() {
            let kind = crd.spec.names.kind.as_str();
            let whole = whole(kind);
            read(kind, &whole).unwrap();
            let places = places(&crd);
            assert_eq!(places[0].path, "", "{kind}: the object itself");
            for place in &places[1..] {
                let path = place.path.strip_prefix("spec").unwrap();
                let pointer = path.replace('.', "/").replace("[]", "/0");
                let mut spec = whole.clone();
                let at = spec.pointer_mut(&pointer);
                let at = at.unwrap_or_else(|| panic!("{kind}: {} is not in the test", place.path));
                at["createonly"] = json!(true);
                let why = read(kind, &spec).expect_err(&place.path);
                assert!(
                    why.contains("unknown field `createonly`"),
                    "{}: {why}",
                    place.path
                );
            }
        }
    }

    #[test]
    fn each_object_of_a_spec_is_a_place() {
        fn below(path: &str, props: &JSONSchemaProps, found: &mut Vec<String>) {
            if props.properties.is_some() {
                found.push(path.to_owned());
            }
            for (name, field) in props.properties.iter().flatten() {
                below(&format!("{path}.{name}"), field, found);
            }
            if let Some(JSONSchemaPropsOrArray::Schema(items)) = &props.items {
                below(&format!("{path}[]"), items, found);
            }
        }
        for crd in super::super::crds() {
            let schema = crd.spec.versions[0].schema.clone();
            let root = schema.unwrap().open_api_v3_schema.unwrap();
            let mut objects = Vec::new();
            below("spec", &root.properties.unwrap()["spec"], &mut objects);
            let places: Vec<_> = places(&crd).into_iter().map(|place| place.path).collect();
            for object in objects {
                assert!(places.contains(&object), "{object}: {places:?}");
            }
        }
    }

    #[test]
    fn the_expressions_can_reach_every_place_and_every_item() {
        fn below(props: &JSONSchemaProps, see: &mut impl FnMut(&JSONSchemaProps)) {
            see(props);
            let fields = props.properties.iter().flatten();
            fields.for_each(|(_, field)| below(field, see));
            if let Some(JSONSchemaPropsOrArray::Schema(items)) = &props.items {
                below(items, see);
            }
        }
        for crd in super::super::crds() {
            let schema = crd.spec.versions[0].schema.clone();
            let root = schema.unwrap().open_api_v3_schema.unwrap();
            below(&root.properties.unwrap()["spec"], &mut |props| {
                if let Some(JSONSchemaPropsOrArray::Schema(items)) = &props.items
                    && items.properties.is_some()
                {
                    let most = props.max_items.unwrap();
                    assert!(most <= i64::try_from(LONGEST).unwrap(), "{most} items");
                }
            });
            for place in places(&crd) {
                let within = place.path.trim_end_matches("[]");
                assert!(
                    !within.contains("[]"),
                    "{}: write its expression",
                    place.path
                );
                for field in place.fields {
                    assert!(field.len() < LONGEST, "{field}");
                }
            }
        }
    }
}
