//! Inline session policies: they narrow a session of a role to what one request or one namespace needs.
//!
//! What holds here: a session policy only takes away, so one that is too narrow breaks URLs and one that is
//! too wide protects less; each says what the table of actions says and no more. A policy that would be
//! longer than STS accepts is an error that says how many objects would fit, never a wider policy.

use super::actions::{Action, RequestKind, ResourceKind, actions};
use super::arn::Dialect;
use super::document::{self, Document, Listable, MAX_POLICY};
use super::error::AccessError;
use crate::api::PolicyMethod;
use crate::policy::{Namespace, NamespaceScope, PolicySet};
use crate::request::{Bucket, Key, Objects, Options, Prefix};

/// What a session is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionSubject<'a> {
    /// These objects.
    Keys(&'a [Key]),
    /// Any object whose key begins with this.
    Under(&'a Prefix),
    /// A listing of the keys that begin with this, and no object.
    Listing(&'a Prefix),
}

impl<'a> From<&'a Objects> for SessionSubject<'a> {
    /// For a request that lists, the listing alone: sessions for the keys that it finds sign the URLs.
    fn from(objects: &'a Objects) -> Self {
        match objects {
            Objects::Key(key) => Self::Keys(std::slice::from_ref(key)),
            Objects::Keys(keys) => Self::Keys(keys),
            Objects::List(list) => Self::Listing(&list.prefix),
            Objects::Under(prefix) => Self::Under(prefix),
        }
    }
}

/// The session policy for exactly what is being signed.
///
/// # Errors
/// The policy cannot be written, or not in [`MAX_POLICY`] characters.
pub fn request_policy(
    dialect: Dialect,
    bucket: &Bucket,
    subject: SessionSubject<'_>,
    options: &Options,
) -> Result<String, AccessError> {
    if let SessionSubject::Keys(keys) = subject {
        let fit = max_that_fit(dialect, bucket, keys, options)?;
        if fit < keys.len() {
            let objects = keys.len();
            return Err(AccessError::TooLarge { objects, fit });
        }
    }
    let text = write(dialect, bucket, subject, options)?;
    if text.len() > MAX_POLICY {
        return Err(AccessError::TooLarge { objects: 1, fit: 0 });
    }
    Ok(text)
}

/// The session policy for all that the policies allow a namespace in a store.
///
/// A `*` in a bucket's name matches any character of an ARN, slashes too, so that a rule for `logs-*` and
/// `a/` also reaches `b/a/` of those buckets by such a session. The rule itself is still
/// checked for each URL that such a session signs.
///
/// # Errors
/// The policy cannot be written, or not in [`MAX_POLICY`] characters.
pub fn namespace_policy(
    policies: &PolicySet,
    namespace: &Namespace<'_>,
    store: &str,
    dialect: Dialect,
) -> Result<String, AccessError> {
    let mut document = Document::default();
    for scope in policies.namespace_scopes(namespace, store) {
        allow_scope(&mut document, dialect, &scope)?;
    }
    let (namespace, store) = (namespace.name.to_owned(), store.to_owned());
    if document.is_empty() {
        return Err(AccessError::Nothing { namespace, store });
    }
    let text = document.text();
    if text.len() > MAX_POLICY {
        return Err(AccessError::NamespaceTooLarge {
            namespace,
            store,
            characters: text.len(),
        });
    }
    Ok(text)
}

fn write(
    dialect: Dialect,
    bucket: &Bucket,
    subject: SessionSubject<'_>,
    options: &Options,
) -> Result<String, AccessError> {
    let mut document = Document::default();
    let bucket = dialect.bucket_arn(bucket.as_str());
    let needed = actions(match subject {
        SessionSubject::Keys(_) | SessionSubject::Under(_) => RequestKind::by(options),
        SessionSubject::Listing(_) => RequestKind::of(PolicyMethod::List),
    });
    match subject {
        SessionSubject::Keys(keys) => {
            for key in keys {
                allow_objects(&mut document, &needed, &key_arn(dialect, &bucket, key)?);
            }
        }
        SessionSubject::Under(prefix) => {
            let arn = format!("{bucket}/{}*", dialect.literal(prefix.as_str())?);
            allow_objects(&mut document, &needed, &arn);
        }
        // StringEquals knows no wildcards, so there is nothing to escape; without a prefix there is no such
        // condition key.
        SessionSubject::Listing(prefix) if prefix.as_str().is_empty() => {
            document.allow_listing(bucket, Listable::All);
        }
        SessionSubject::Listing(prefix) => {
            document.allow_listing(bucket, Listable::Exactly(prefix.as_str().to_owned()));
        }
    }
    allow_kms(&mut document, dialect, &needed, kms_key(options));
    Ok(document.text())
}

fn allow_scope(
    document: &mut Document,
    dialect: Dialect,
    scope: &NamespaceScope,
) -> Result<(), AccessError> {
    let NamespaceScope {
        bucket,
        prefix,
        raw,
        methods,
        versions,
        acls,
        tags,
    } = scope;
    let bucket = dialect.bucket_arn(bucket);
    let stem = dialect.literal(prefix)?;
    for method in methods {
        let needed = actions(RequestKind {
            version: *versions,
            acl: *acls,
            tagging: *tags && *method == PolicyMethod::Put,
            ..RequestKind::of(*method)
        });
        allow_objects_below(document, &needed, &bucket, (&stem, *raw));
        allow_kms(document, dialect, &needed, None);
        allow_listing_below(document, &needed, &bucket, (&stem, *raw));
    }
    Ok(())
}

/// Allows what concerns the objects below a prefix: `raw` is one of any text, else it is of whole segments.
pub(super) fn allow_objects_below(
    document: &mut Document,
    needed: &[Action],
    bucket: &str,
    (stem, raw): (&str, bool),
) {
    if raw {
        allow_objects(document, needed, &format!("{bucket}/{stem}*"));
    } else {
        // Whole segments: the object of that name, and what is below it.
        allow_objects(document, needed, &format!("{bucket}/{stem}"));
        allow_objects(document, needed, &format!("{bucket}/{stem}/*"));
    }
}

/// Allows to list such a prefix, if that is needed.
pub(super) fn allow_listing_below(
    document: &mut Document,
    needed: &[Action],
    bucket: &str,
    (stem, raw): (&str, bool),
) {
    if needed.contains(&Action::ListBucket) {
        let what = match (raw, stem) {
            (true, "") => Listable::All,
            (true, stem) => Listable::Like(format!("{stem}*")),
            (false, stem) => Listable::Like(format!("{stem}/*")),
        };
        document.allow_listing(bucket.to_owned(), what);
    }
}

fn allow_objects(document: &mut Document, needed: &[Action], arn: &str) {
    document.allow(
        needed
            .iter()
            .copied()
            .filter(|a| a.on() == ResourceKind::Object),
        arn,
    );
}

fn allow_kms(document: &mut Document, dialect: Dialect, needed: &[Action], key: Option<&str>) {
    if dialect.has_kms() {
        let needed = needed
            .iter()
            .copied()
            .filter(|a| a.on() == ResourceKind::KmsKey);
        document.allow(needed, &dialect.kms_arn(key));
    }
}

/// The key that an upload names. What a download needs is known to the object alone.
fn kms_key(options: &Options) -> Option<&str> {
    match options {
        Options::Put(put) => put.kms_key_id.as_deref(),
        Options::Get(_) | Options::Head(_) | Options::Delete | Options::Post(_) => None,
    }
}

/// How many of the first keys fit in a policy. The lengths are added up, and the sum stops at the limit: a
/// resource may have thousands of keys, and each evaluation of it comes here.
fn max_that_fit(
    dialect: Dialect,
    bucket: &Bucket,
    keys: &[Key],
    options: &Options,
) -> Result<usize, AccessError> {
    let one = &keys[..keys.len().min(1)];
    let mut length = write(dialect, bucket, SessionSubject::Keys(one), options)?.len();
    if length > MAX_POLICY {
        return Ok(0);
    }
    // Several stand in brackets.
    length += "[]".len();
    let bucket = dialect.bucket_arn(bucket.as_str());
    for (fit, key) in keys.iter().enumerate().skip(1) {
        length += document::length(&key_arn(dialect, &bucket, key)?);
        if length > MAX_POLICY {
            return Ok(fit);
        }
    }
    Ok(keys.len())
}

/// A key as a resource; no pattern.
pub(super) fn key_arn(dialect: Dialect, bucket: &str, key: &Key) -> Result<String, AccessError> {
    Ok(format!("{bucket}/{}", dialect.literal(key.as_str())?))
}
