//! The last touches on the generated CRDs: what Kubernetes takes, and words for people.
//!
//! What holds here: nothing is nullable, so that `has()` in a rule means "has a value"; a form is refused by
//! a rule with a sentence in place of a bare regular expression; integers have formats that Kubernetes knows;
//! the API server drops no unknown field of the object or of its spec, so that it can be refused by name.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
    ValidationRule,
};

use super::schema;

/// The CRD as it is installed.
pub(super) fn tidy(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let title = crd.spec.names.kind.clone();
    crd.spec
        .versions
        .iter_mut()
        .filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut())
        .for_each(|root| {
            root.title = Some(title.clone());
            touch("", root);
            keep_unknown(root);
            let spec = root.properties.as_mut().and_then(|all| all.get_mut("spec"));
            spec.into_iter().for_each(keep_unknown_below);
        });
    crd
}

fn touch(subject: &str, props: &mut JSONSchemaProps) {
    props.nullable = None;
    props.description = props.description.take().map(|text| unwrapped(&text));
    known_format(props);
    if let Some(rule) = rule_of_form(subject, props) {
        let exceptions = rules_of_exceptions(subject, props);
        let rules = props.x_kubernetes_validations.get_or_insert_default();
        rules.splice(0..0, std::iter::once(rule).chain(exceptions));
        props.pattern = None;
    }
    for (name, property) in props.properties.iter_mut().flatten() {
        touch(name, property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut props.items {
        touch(&format!("each of {subject}"), items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut props.additional_properties {
        touch(&format!("each value of {subject}"), values);
    }
}

fn keep_unknown_below(props: &mut JSONSchemaProps) {
    if has_fields(props) {
        keep_unknown(props);
    }
    let fields = props.properties.iter_mut().flatten();
    fields.for_each(|(_, field)| keep_unknown_below(field));
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut props.items {
        keep_unknown_below(items);
    }
}

fn keep_unknown(props: &mut JSONSchemaProps) {
    props.additional_properties = None;
    props.x_kubernetes_preserve_unknown_fields = Some(true);
}

/// Whether the value is an object with names that this API gives, and no map with names of a user.
fn has_fields(props: &JSONSchemaProps) -> bool {
    let map = matches!(
        props.additional_properties,
        Some(JSONSchemaPropsOrBool::Schema(_))
    );
    props.type_.as_deref() == Some("object") && !map
}

/// Lines are broken where the source breaks them; readers' windows have widths of their own. Paragraphs stay.
fn unwrapped(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|p| p.replace('\n', " "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// Kubernetes knows signed formats only. No number of this API is below 0, and each has a maximum.
fn known_format(props: &mut JSONSchemaProps) {
    let (format, largest) = match props.format.as_deref() {
        Some("uint8") => ("int32", f64::from(u8::MAX)),
        Some("uint16") => ("int32", f64::from(u16::MAX)),
        Some("uint32") => ("int64", f64::from(u32::MAX)),
        Some("uint64" | "int64") => ("int64", MAX_EXACT),
        _ => return,
    };
    props.format = Some(format.to_owned());
    props.minimum.get_or_insert(0.0);
    props.maximum.get_or_insert(largest);
}

/// The largest integer that every reader of JSON keeps exactly.
const MAX_EXACT: f64 = 9_007_199_254_740_991.0;

fn rule_of_form(subject: &str, props: &JSONSchemaProps) -> Option<ValidationRule> {
    let pattern = props.pattern.as_deref()?;
    Some(ValidationRule {
        rule: schema::matches("self", pattern),
        message: Some(format!("{subject} must be {}", schema::in_words(pattern)?)),
        ..ValidationRule::default()
    })
}

fn rules_of_exceptions(subject: &str, props: &JSONSchemaProps) -> Vec<ValidationRule> {
    let exceptions = schema::exceptions(props.pattern.as_deref().unwrap_or_default());
    let rules = exceptions.iter().map(|(pattern, sentence)| ValidationRule {
        rule: format!("!{}", schema::matches("self", pattern)),
        message: Some(format!("{subject} {sentence}")),
        ..ValidationRule::default()
    });
    rules.collect()
}
