//! Patterns and schema fragments that the kinds share, and the last touches on the generated CRDs.
//!
//! What holds here: every string has a bound and a pattern that ends a line-injection before it begins.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use schemars::{Schema, SchemaGenerator, json_schema};

/// RFC 1123 label.
pub(super) const DNS_LABEL: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
/// RFC 1123 subdomain.
pub(super) const DNS_SUBDOMAIN: &str =
    "^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$";
/// S3 general purpose bucket names, "Bucket naming rules" in the S3 user guide.
pub(super) const BUCKET: &str = "^[a-z0-9][a-z0-9.-]*[a-z0-9]$";
/// Go's `time.ParseDuration` without sign.
pub(super) const DURATION: &str = "^([0-9]+([.][0-9]+)?(ns|us|ms|s|m|h))+$";
/// Printable ASCII that neither begins nor ends with a space.
pub(super) const PRINTABLE: &str = "^[!-~]([ -~]*[!-~])?$";
/// Base64 of 32 bytes.
pub(super) const SHA256_BASE64: &str = "^[A-Za-z0-9+/]{43}=$";
/// A KMS key ID, ARN or alias.
pub(super) const KMS_KEY: &str = "^[A-Za-z0-9:/_-]+$";
/// A storage class.
pub(super) const STORAGE_CLASS: &str = "^[A-Z0-9_]+$";
/// A region as it stands in a credential scope.
pub(super) const REGION: &str = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$";
/// Scheme, host and optional port; no path, query, fragment or user information.
pub(super) const ENDPOINT: &str =
    r"^https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?$";
/// A key of a Secret.
pub(super) const SECRET_KEY: &str = "^[A-Za-z0-9._-]+$";
/// A namespace's name with `*`.
pub(super) const NAMESPACE_PATTERN: &str = "^[a-z0-9*-]+$";
/// A resource's name with `*`.
pub(super) const NAME_PATTERN: &str = "^[a-z0-9.*-]+$";

/// A map of header values: printable ASCII.
pub(super) fn header_values(_: &mut SchemaGenerator) -> Schema {
    string_map(PRINTABLE, 1024)
}

/// A map of S3 tag values.
pub(super) fn tag_values(_: &mut SchemaGenerator) -> Schema {
    string_map("^[A-Za-z0-9 +=._:/@-]*$", 256)
}

/// A map of label values.
pub(super) fn label_values(_: &mut SchemaGenerator) -> Schema {
    string_map("^(([A-Za-z0-9][A-Za-z0-9_.-]*)?[A-Za-z0-9])?$", 63)
}

/// A map of annotation values.
pub(super) fn annotation_values(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "nullable": true,
        "additionalProperties": { "type": "string", "maxLength": 4096 },
    })
}

/// An RFC 3339 time.
pub(super) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time", "nullable": true })
}

fn string_map(pattern: &str, max: u32) -> Schema {
    json_schema!({
        "type": "object", "nullable": true,
        "additionalProperties": { "type": "string", "maxLength": max, "pattern": pattern },
    })
}

/// The CRD as it is installed.
pub(super) fn tidy(crd: CustomResourceDefinition) -> CustomResourceDefinition {
    crd
}
