//! The policy of the identity that signs: what the policies of a cluster allow in its stores, and no more.
//!
//! What holds here: each action comes from the one table, each resource from a rule. A right to a KMS key is
//! given for keys that somebody named, never for all.

use std::collections::{BTreeMap, BTreeSet};

use super::actions::{Action, RequestKind, ResourceKind, actions};
use super::arn::Dialect;
use super::document::Document;
use super::error::AccessError;
use super::session::{allow_listing_below, allow_objects_below};
use crate::api::PolicyMethod;
use crate::policy::{NamePart, Namespace, PolicySet, SignerScope};

/// A store that the identity signs for.
#[derive(Clone, Copy, Debug)]
pub struct SignerStore<'a> {
    /// Its name, as rules have it.
    pub name: &'a str,
    /// How its server reads policies.
    pub dialect: Dialect,
    /// KMS keys that its buckets encrypt with, whatever the uploads say.
    pub kms_keys: &'a [String],
}

/// The policy for all that the policies allow in these stores: to the given namespaces, or to all. `None` if
/// they allow nothing.
///
/// # Errors
/// A prefix holds a character that a server other than AWS may read as a wildcard.
pub fn signer_policy(
    policies: &PolicySet,
    stores: &[SignerStore<'_>],
    namespaces: Option<&[Namespace<'_>]>,
) -> Result<Option<String>, AccessError> {
    let mut document = Document::default();
    for store in stores {
        let scopes = policies.signer_scopes(store.name, namespaces);
        // What one rule encrypts, another downloads.
        let mut keys: BTreeMap<&[NamePart], BTreeSet<&String>> = BTreeMap::new();
        for scope in &scopes {
            let of_bucket = keys.entry(&scope.bucket).or_default();
            of_bucket.extend(scope.kms_keys.iter().chain(store.kms_keys));
        }
        for scope in &scopes {
            let of_bucket = keys.get(scope.bucket.as_slice());
            allow(&mut document, store, scope, of_bucket)?;
        }
    }
    Ok((!document.is_empty()).then(|| document.text()))
}

fn allow(
    document: &mut Document,
    store: &SignerStore<'_>,
    scope: &SignerScope,
    keys_of_bucket: Option<&BTreeSet<&String>>,
) -> Result<(), AccessError> {
    let SignerScope {
        bucket,
        prefix,
        raw,
        methods,
        versions,
        acls,
        tags,
        kms_keys,
    } = scope;
    let dialect = store.dialect;
    let bucket = dialect.bucket_arn(&pattern(dialect, bucket)?);
    let stem = pattern(dialect, prefix)?;
    for method in methods {
        let needed = actions(RequestKind {
            version: *versions,
            acl: *acls,
            tagging: *tags && *method == PolicyMethod::Put,
            ..RequestKind::of(*method)
        });
        let on = |kind| needed.iter().copied().filter(move |a| a.on() == kind);
        allow_objects_below(document, &needed, &bucket, (&stem, *raw));
        if dialect.has_kms() {
            let own: BTreeSet<&String> = kms_keys.iter().chain(store.kms_keys).collect();
            for action in on(ResourceKind::KmsKey) {
                let keys = match action {
                    Action::Decrypt => keys_of_bucket.unwrap_or(&own),
                    _ => &own,
                };
                for key in keys {
                    document.allow([action], &dialect.kms_arn(Some(key)));
                }
            }
        }
        allow_listing_below(document, &needed, &bucket, (&stem, *raw));
    }
    Ok(())
}

fn pattern(dialect: Dialect, parts: &[NamePart]) -> Result<String, AccessError> {
    let parts = parts.iter().map(|part| match part {
        NamePart::Text(text) => dialect.literal(text),
        NamePart::Any => Ok("*".to_owned()),
    });
    parts.collect()
}
