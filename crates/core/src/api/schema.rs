//! Schema fragments and rules that the kinds share.
//!
//! What holds here: every string has a bound and a form that ends a line injection before it begins. A form
//! is written as a `pattern` and becomes a rule with a sentence (`tidy.rs`): a regular expression tells
//! nobody what to write.

use kube::core::Rule;
use schemars::{Schema, SchemaGenerator, json_schema};

/// RFC 1123 label.
pub(super) const DNS_LABEL: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
/// RFC 1123 subdomain.
pub(super) const DNS_SUBDOMAIN: &str =
    "^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$";
/// The name of a ClusterTrustBundle: a resource's name, after the domain and the path of its signer if it has
/// one.
pub(super) const TRUST_BUNDLE: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*:[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*)?$";
/// S3 general purpose bucket names, "Bucket naming rules" in the S3 user guide, and names of old buckets.
pub(super) const BUCKET: &str = "^[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]$";
/// Printable ASCII that neither begins nor ends with a space.
pub(super) const PRINTABLE: &str = "^[!-~]([ -~]*[!-~])?$";
/// Base64 of 32 bytes.
pub(super) const SHA256_BASE64: &str = "^[A-Za-z0-9+/]{43}=$";
/// Base64 of 8 bytes.
pub(super) const CRC64_BASE64: &str = "^[A-Za-z0-9+/]{11}=$";
/// A KMS key ID, ARN or alias.
pub(super) const KMS_KEY: &str = "^[A-Za-z0-9:/_-]+$";
/// A storage class.
pub(super) const STORAGE_CLASS: &str = "^[A-Z0-9_]+$";
/// A region as it stands in a credential scope.
pub(super) const REGION: &str = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$";
/// Scheme, host, optional port and optional path of plain segments; no query, fragment or user information.
/// What a host or path may not have in it is refused by [`exceptions`], with sentences of their own.
pub(super) const ENDPOINT: &str = r"^https?://([A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9._])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?$";
/// The same without a path: where STS answers.
pub(super) const STS_ENDPOINT: &str =
    r"^https?://([A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9._])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?$";
/// A host that ends with a dot.
const TRAILING_DOT: &str = r"^https?://[^/:]*[.](:[0-9]*)?(/|$)";
/// A host with an underscore.
const UNDERSCORE: &str = "^https?://[^/:]*_";
/// A path with a segment that clients resolve.
const DOT_SEGMENT: &str = r"^https?://[^/]*(/[^/]*)*/[.]{1,2}(/|$)";
/// An absolute URL of a web page, without a fragment and without what HTML or a form would take apart.
pub(super) const REDIRECT: &str = r"^https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._~!$&()*+,;=:@%/?-]*)?$";
/// The ARN of a role, of AWS or of a server that speaks its STS.
pub(super) const ROLE_ARN: &str =
    "^arn:[a-z0-9-]+:[a-z0-9-]*:[a-z0-9-]*:[A-Za-z0-9-]*:[A-Za-z0-9+=,.@_/:-]+$";
/// An external ID, `AssumeRole` in the STS API reference.
pub(super) const EXTERNAL_ID: &str = "^[A-Za-z0-9+=,.@:/_-]+$";
/// A key of a Secret.
pub(super) const SECRET_KEY: &str = "^[A-Za-z0-9._-]+$";
/// A namespace's name with `*`.
pub(super) const NAMESPACE_PATTERN: &str = "^[a-z0-9*-]+$";
/// The key of a label or annotation with `*`.
pub(super) const KEY_PATTERN: &str = "^[A-Za-z0-9._/*-]+$";
/// A resource's name with `*`.
pub(super) const NAME_PATTERN: &str = "^[a-z0-9.*-]+$";
/// The value of a label.
const LABEL_VALUE: &str = "^(([A-Za-z0-9][A-Za-z0-9_.-]*)?[A-Za-z0-9])?$";
/// The value of an S3 tag.
const TAG_VALUE: &str = "^[A-Za-z0-9 +=._:/@-]*$";

/// Go's duration format without a sign. The digits are bounded so that no number overflows while a rule is
/// evaluated: an overflow is an error of the server's own, without our sentence.
const DURATION: &str = "^([0-9]{1,5}([.][0-9]{1,9})?h|[0-9]{1,7}([.][0-9]{1,9})?m|[0-9]{1,9}([.][0-9]{1,9})?(s|ms|us|ns))+$";
/// A label's or annotation's key: an optional DNS prefix and a name.
const QUALIFIED_NAME: &str = "^([a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$";
/// Keys that mean something to the cluster's own tools.
const RESERVED_KEY: &str = "^([a-z0-9-]+[.])*(presigned[.]dev|kubernetes[.]io|k8s[.]io|meta[.]helm[.]sh|argocd[.]argoproj[.]io)/";

/// A form in words, to follow "must be".
pub(super) fn in_words(pattern: &str) -> Option<&'static str> {
    Some(match pattern {
        DNS_LABEL => {
            "lower-case letters, digits and hyphens, beginning and ending with a letter or digit"
        }
        DNS_SUBDOMAIN => {
            "a resource's name: lower-case letters, digits, hyphens and dots, each part beginning and ending with a letter or digit"
        }
        TRUST_BUNDLE => {
            "the name of a ClusterTrustBundle, for example storage-ca, or example.com:issuer:v1 if it belongs to a signer"
        }
        BUCKET => {
            "the name of a general purpose bucket: 3 to 63 lower-case letters, digits, dots and hyphens (old buckets: capitals and underscores too) that begin and end with a letter or digit; ARNs are refused"
        }
        PRINTABLE => {
            "printable ASCII on one line, without a space at either end: HTTP headers take nothing else"
        }
        SHA256_BASE64 => {
            "the base64 of 32 bytes, as `openssl dgst -sha256 -binary FILE | base64` prints it"
        }
        CRC64_BASE64 => "the base64 of 8 bytes",
        KMS_KEY => "a KMS key ID, ARN or alias",
        STORAGE_CLASS => "a storage class of S3, for example STANDARD_IA",
        REGION => "a region, for example eu-central-1",
        ENDPOINT => {
            "scheme, host, port and path only, for example https://s3.example.com:9000 or https://example.com/storage/v1/s3, without a query, user information, escapes or empty segments"
        }
        STS_ENDPOINT => {
            "scheme, host and port only, for example https://s3.example.com:9000, without a path, a query or user information"
        }
        REDIRECT => {
            "an absolute http or https URL without a fragment, for example https://example.com/done"
        }
        ROLE_ARN => "the ARN of a role, for example arn:aws:iam::123456789012:role/signer",
        EXTERNAL_ID => "letters, digits and + = , . @ : / _ -",
        SECRET_KEY => "a key of a Secret: letters, digits, dots, hyphens and underscores",
        NAMESPACE_PATTERN => "a namespace's name, in which * stands for any run of characters",
        KEY_PATTERN => "the key of a label, in which * stands for any run of characters",
        NAME_PATTERN => "a resource's name, in which * stands for any run of characters",
        LABEL_VALUE => {
            "a label value: letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
        }
        TAG_VALUE => "a tag value: letters, digits, spaces and + - = . _ : / @",
        _ => return None,
    })
}

const DOT_AT_THE_END: (&str, &str) = (
    TRAILING_DOT,
    "has a host that ends with a dot: leave the dot out; clients disagree on whether it stands in Host, and Host is signed",
);
const UNDERSCORE_IN_HOST: (&str, &str) = (
    UNDERSCORE,
    "has a host with an underscore, which no host name may have: clients and certificates refuse it; give the server a \
     name of letters, digits, hyphens and dots",
);

/// What has a form and is refused all the same: the pattern, and the sentence after the field's name.
pub(super) fn exceptions(pattern: &str) -> &'static [(&'static str, &'static str)] {
    match pattern {
        ENDPOINT => &[
            DOT_AT_THE_END,
            UNDERSCORE_IN_HOST,
            (
                DOT_SEGMENT,
                "has a path with the segment \".\" or \"..\", which clients rewrite: give the plain path, which is signed",
            ),
        ],
        STS_ENDPOINT => &[DOT_AT_THE_END, UNDERSCORE_IN_HOST],
        _ => &[],
    }
}

/// `self.matches` of a pattern; the literal is a raw one, so a pattern needs no second escaping.
pub(super) fn matches(subject: &str, pattern: &str) -> String {
    format!("{subject}.matches(r'{pattern}')")
}

/// The rule of a duration between `shortest` and `longest`: one sentence for each way to miss it.
pub(super) fn between(field: &str, shortest: &str, longest: &str) -> Rule {
    let form = matches("self", DURATION);
    rule(
        format!(
            "{form} && duration(self) >= duration('{shortest}') && duration(self) <= duration('{longest}')"
        ),
        &format!(
            "{field} must be between {shortest} and {longest}, written like 12h, 90m or 1h30m (days are not a unit: 1d \
             is 24h)"
        ),
    )
}

/// The rule of the life that a spec requests. The operator's own least, which an admin may set, is told with
/// it: whoever corrects a life that is too short corrects it once.
pub(super) fn life() -> Rule {
    let Rule { rule, .. } = between("duration", "1m", "168h");
    self::rule(
        rule,
        "duration must be between 1m and 168h, and at least 5m (the operator's --min-renewed-duration) unless renew is \
         Never, written like 12h, 90m or 1h30m (days are not a unit: 1d is 24h)",
    )
}

/// The rule that a renewal comes before the end. What is no duration is refused at its own field.
pub(super) fn renews_before_the_end() -> Rule {
    let no_duration = ["renewBefore", "duration"].map(|field| {
        let form = matches(&format!("self.{field}"), DURATION);
        format!("!has(self.{field}) || !{form}")
    });
    rule(
        format!(
            "{} || duration(self.renewBefore) < duration(self.duration)",
            no_duration.join(" || ")
        ),
        "renewBefore must be shorter than duration",
    )
}

/// The rule that `renew` keeps its value, whether it is written or left out: a resource that is renewed never
/// becomes a link, nor a link one that is renewed.
pub(super) fn renew_is_immutable() -> Rule {
    let value = |of: &str| format!("(has({of}.renew) ? {of}.renew : 'Always')");
    rule(
        format!("{} == {}", value("self"), value("oldSelf")),
        "renew cannot be changed: create another PresignedURL",
    )
}

/// The rule that `class` keeps its value: the operator that it named before would leave a Secret behind that
/// nobody renews or removes. It is never absent, since the API server writes the default one.
pub(super) fn class_is_immutable() -> Rule {
    rule(
        "self.class == oldSelf.class".to_owned(),
        "class cannot be changed: create another PresignedURL",
    )
}

/// The rule that what a link signs keeps its value: whoever holds the link knows its end.
pub(super) fn links_are_fixed() -> Rule {
    let fixed = [
        "storeRef", "endpoint", "key", "keys", "prefix", "list", "method", "duration", "get",
        "put", "post",
    ];
    let same: Vec<String> = fixed
        .iter()
        .map(|f| {
            format!(
                "(has(self.{f}) ? has(oldSelf.{f}) && self.{f} == oldSelf.{f} : !has(oldSelf.{f}))"
            )
        })
        .collect();
    rule(
        format!(
            "!has(oldSelf.renew) || oldSelf.renew != 'Never' || (self.bucket == oldSelf.bucket && {})",
            same.join(" && ")
        ),
        "with renew: Never what is signed is fixed for good: create another PresignedURL",
    )
}

/// The most bytes that the keys of one resource may have in all. Whoever has more cannot be served: each key
/// stands in `urls.json` twice, once of it in a URL of some 300 bytes more, and a Secret holds 1 MiB.
pub(crate) const MAX_KEY_BYTES: usize = 448 * 1024;
/// What is wrong with keys that have more, and what to do; it follows "keys" or "spec.keys:".
pub(crate) const TOO_MANY_KEY_BYTES: &str = "have more than 458752 bytes in all, and no Secret could hold their \
     URLs: spread them over several resources, or give shorter keys";

/// The rule that keys have no more bytes than a Secret could hold URLs of.
pub(super) fn keys_that_fit() -> Rule {
    rule(
        format!("self.map(k, size(bytes(k))).sum() <= {MAX_KEY_BYTES}"),
        &format!("keys {TOO_MANY_KEY_BYTES}"),
    )
}

/// A list of keys of objects; each has the rules of `key`, in words that cost the API server less.
pub(super) fn object_keys(_: &mut SchemaGenerator) -> Schema {
    let segments = matches("self", "(^|/)[.]?[.]?(/|$)");
    let unsafe_text = matches("self", r"\p{Cc}|[$][{]");
    json_schema!({
        "type": "array", "minItems": 1, "maxItems": 2048,
        "items": {
            "type": "string", "minLength": 1, "maxLength": 1024,
            "x-kubernetes-validations": [
                {
                    "rule": "size(bytes(self)) <= 1024",
                    "message": "each of keys has at most S3's 1,024 bytes (UTF-8)",
                },
                {
                    "rule": format!("!{segments}"),
                    "message": "each of keys is without a leading '/' and without empty, '.' or '..' segments: clients \
                                and proxies rewrite them",
                },
                {
                    "rule": format!("!{unsafe_text}"),
                    "message": "each of keys is without control characters and '${'",
                },
            ],
        },
    })
}

/// The rule of the keys of labels or annotations: in Kubernetes' form.
pub(super) fn qualified_names(what: &str) -> Rule {
    let form = matches("k", QUALIFIED_NAME);
    rule(
        format!("self.all(k, size(k) <= 317 && {form})"),
        &format!(
            "{what} keys are an optional DNS name with '/' and 1 to 63 letters, digits, '-', '_' and '.', for example \
             example.com/team"
        ),
    )
}

/// The rule of the keys of labels or annotations: none that the cluster's own tools act on.
pub(super) fn no_reserved_keys(what: &str) -> Rule {
    let reserved = matches("k", RESERVED_KEY);
    rule(
        format!("!self.exists(k, {reserved})"),
        &format!(
            "{what} keys under presigned.dev, kubernetes.io, k8s.io, meta.helm.sh and argocd.argoproj.io are reserved: \
             choose another"
        ),
    )
}

/// The rule of a policy's buckets.
pub(super) fn no_wide_templates() -> Rule {
    rule(
        "!self.exists(b, b.contains('{') && b.contains('*'))".to_owned(),
        "buckets may not join a template with * in one name: one namespace would reach the buckets of others",
    )
}

/// The rule of a policy's prefixes, as far as it can be checked without taking a template apart.
pub(super) fn prefix_forms() -> Rule {
    rule(
        "!self.exists(p, p.startsWith('/') || p.matches(r'[*].|[}][^/]|[^/][{]'))".to_owned(),
        "prefixes begin without '/', hold * as their last character only, and a template is a whole segment, as in \
         {namespace}/ and a/{namespace}/*",
    )
}

fn rule(cel: String, message: &str) -> Rule {
    Rule::new(cel).message(message)
}

/// A map of header values.
pub(super) fn header_values(_: &mut SchemaGenerator) -> Schema {
    string_map(32, PRINTABLE, 1024)
}

/// A map of S3 tag values.
pub(super) fn tag_values(_: &mut SchemaGenerator) -> Schema {
    string_map(10, TAG_VALUE, 256)
}

/// A map of label values.
pub(super) fn label_values(_: &mut SchemaGenerator) -> Schema {
    string_map(32, LABEL_VALUE, 63)
}

/// A map of annotation values.
pub(super) fn annotation_values(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": 32,
        "additionalProperties": { "type": "string", "maxLength": 4096 },
    })
}

/// An RFC 3339 time.
pub(super) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

fn string_map(entries: u32, pattern: &str, longest: u32) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": entries,
        "additionalProperties": { "type": "string", "maxLength": longest, "pattern": pattern },
    })
}
