//! The API's reference for readers, made from what is installed: the CRDs and the reasons.
//!
//! What holds here: nothing is said twice. A field's words are those of its type, a refusal's are those of
//! the rule that makes it, so that the pages cannot disagree with the server.

use std::fmt::{Display, Write as _};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

use super::condition::Reason;
use super::group::{GROUP, VERSION};

/// Markdown: every field of every kind, with its bounds and the refusals of admission.
#[must_use]
pub fn api_reference() -> String {
    let mut page = format!(
        "# API reference\n\nGroup `{GROUP}`, version `{VERSION}`. Generated from the types; edit those.\n\n\
         No field has a default in the schema: what a field that is left out means stands in its description. A refusal \
         that is quoted is the API server's own answer to `kubectl apply`.\n"
    );
    for crd in super::crds() {
        kind(&mut page, &crd);
    }
    page
}

/// Markdown: every reason of a condition, in a table and in a section of its own: what it means, where it
/// appears and what to do.
#[must_use]
pub fn reasons_reference() -> String {
    let mut page = "# Reasons\n\nThe `reason` of a condition, of an Event and of a metric's label. Generated from the types; edit those.\n\n\
                    | Reason | Meaning | What to do |\n| --- | --- | --- |\n"
        .to_owned();
    for reason in Reason::ALL {
        let cells = [reason.meaning(), reason.remedy()].map(|text| cell(text.trim()));
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{}` | {} |", reason.as_str(), cells.join(" | "));
    }
    for reason in Reason::ALL {
        let _ = write!(
            page,
            "\n## {}\n\n{}\n\nCondition: {}.\n\nDo: {}\n",
            reason.as_str(),
            reason.meaning().trim(),
            appearances(*reason),
            reason.remedy()
        );
    }
    page
}

/// The conditions that a reason appears in.
fn appearances(reason: Reason) -> String {
    let kinds = reason.appearances().iter().map(|appearance| {
        let conditions = appearance
            .conditions
            .iter()
            .map(|condition| format!("`{}`", condition.as_str()))
            .collect::<Vec<_>>();
        format!("{} of a `{}`", conditions.join(", "), appearance.kind)
    });
    kinds.collect::<Vec<_>>().join("; ")
}

fn kind(page: &mut String, crd: &CustomResourceDefinition) {
    let names = &crd.spec.names;
    let schema = crd
        .spec
        .versions
        .iter()
        .find_map(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref());
    let Some(root) = schema else { return };
    let _ = write!(
        page,
        "\n## {}\n\n{}\n\n{}, short name `{}`, category `{}`.\n",
        names.kind,
        described(root),
        if crd.spec.scope == "Namespaced" {
            "In a namespace"
        } else {
            "Cluster-wide"
        },
        names
            .short_names
            .as_deref()
            .unwrap_or_default()
            .join("`, `"),
        names.categories.as_deref().unwrap_or_default().join("`, `"),
    );
    for part in ["spec", "status"] {
        let Some(props) = root.properties.as_ref().and_then(|all| all.get(part)) else {
            continue;
        };
        let _ = write!(
            page,
            "\n### {} {part}\n\n{}\n",
            names.kind,
            described(props)
        );
        for message in refusals(props) {
            let _ = write!(page, "\nRefused: \"{message}\".\n");
        }
        page.push_str("\n| Field | Type | Bounds | Description |\n| --- | --- | --- | --- |\n");
        rows(page, part, props);
    }
}

/// A row for each property, in the order of their names, each followed by those below it.
fn rows(page: &mut String, above: &str, props: &JSONSchemaProps) {
    let required = props.required.as_deref().unwrap_or_default();
    for (name, property) in props.properties.iter().flatten() {
        let path = format!("{above}.{name}");
        let mut bounds: Vec<String> = bounds(property);
        if required.contains(name) {
            bounds.insert(0, "required".to_owned());
        }
        bounds.extend(refusals(property).map(|message| format!("\"{message}\"")));
        let element = element(property);
        if let Some(element) = element {
            let each = self::bounds(element).into_iter();
            bounds.extend(each.map(|bound| format!("each {bound}")));
            bounds.extend(refusals(element).map(|message| format!("\"{message}\"")));
        }
        let _ = writeln!(
            page,
            "| `{path}` | {} | {} | {} |",
            type_of(property),
            cell(&bounds.join("; ")),
            cell(&described(property))
        );
        match element {
            Some(element) => rows(page, &format!("{path}[]"), element),
            None => rows(page, &path, property),
        }
    }
}

fn described(props: &JSONSchemaProps) -> String {
    props.description.clone().unwrap_or_default()
}

fn refusals(props: &JSONSchemaProps) -> impl Iterator<Item = &str> {
    let rules = props.x_kubernetes_validations.as_deref();
    rules
        .unwrap_or_default()
        .iter()
        .filter_map(|rule| rule.message.as_deref())
}

/// What a list or a map holds.
fn element(props: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match (&props.items, &props.additional_properties) {
        (Some(JSONSchemaPropsOrArray::Schema(items)), _) => Some(items),
        (_, Some(JSONSchemaPropsOrBool::Schema(values))) => Some(values),
        _ => None,
    }
}

fn type_of(props: &JSONSchemaProps) -> String {
    let own = props.type_.as_deref().unwrap_or("any");
    match (own, element(props)) {
        ("array", Some(items)) => format!("list of {}", type_of(items)),
        ("object", Some(values)) => format!("map of {}", type_of(values)),
        ("string", None) if props.format.as_deref() == Some("date-time") => "time".to_owned(),
        _ => own.to_owned(),
    }
}

fn bounds(props: &JSONSchemaProps) -> Vec<String> {
    let values = props.enum_.as_ref().map(|values| {
        let values: Vec<_> = values
            .iter()
            .map(|value| format!("`{}`", value.0))
            .collect();
        format!("one of {}", values.join(", ")).replace('"', "")
    });
    [
        values,
        range(props.min_length, props.max_length, " characters"),
        range(props.min_items, props.max_items, " entries"),
        range(props.min_properties, props.max_properties, " entries"),
        range(props.minimum, props.maximum, ""),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn range<T: Display + PartialEq>(min: Option<T>, max: Option<T>, unit: &str) -> Option<String> {
    match (min, max) {
        (Some(min), Some(max)) if min == max => Some(format!("{max}{unit}")),
        (Some(min), Some(max)) => Some(format!("{min} to {max}{unit}")),
        (None, Some(max)) => Some(format!("at most {max}{unit}")),
        (Some(min), None) => Some(format!("at least {min}{unit}")),
        (None, None) => None,
    }
}

/// Text that stays within a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}
