//! The gates: each field of a request that reaches the signature, held against one rule.
//!
//! What holds here: [`Rule::judge`] is the only way to pass a rule, for decisions and for refusals alike. It takes the
//! request and its options apart without `..`, so that a new field without a gate does not compile.

use std::collections::BTreeMap;
use std::ops::ControlFlow::{self, Continue};
use std::time::Duration;

use super::compile::{PutRule, Rule};
use super::decide::Namespace;
use super::fields::DEFAULT_KMS_KEY;
use super::pattern::Unusable;
use super::request::{Objects, Options, Request};
use crate::api::{GetOptions, Method, PutOptions, ServerSideEncryption};

/// What of a request a rule does not allow.
#[derive(Clone, Debug)]
pub(super) enum Fault<'a> {
    /// The rule is written for namespaces that carry this label.
    Label(Unusable<'a>),
    Store,
    Bucket,
    Key,
    Method,
    Endpoint,
    Duration,
    Version,
    ResponseOverrides,
    /// The size is left out, and the rule asks for it.
    SizeMissing(&'a PutRule),
    Size(&'a PutRule),
    KmsKey(&'a PutRule),
    StorageClass(&'a PutRule),
    Acl(&'a PutRule),
    Metadata,
    Tag(&'a PutRule, &'a str),
}

impl Fault<'_> {
    /// Whether the rule speaks of another object, rather than of less.
    pub(super) const fn is_of_the_object(&self) -> bool {
        matches!(
            self,
            Self::Label(_) | Self::Store | Self::Bucket | Self::Key | Self::Method
        )
    }
}

type Verdict = ControlFlow<()>;

impl Rule {
    /// Whether the rule allows the whole of the request.
    pub(super) fn allows(&self, namespace: &Namespace<'_>, request: &Request) -> bool {
        self.judge(namespace, request, &mut |_| Verdict::Break(()))
            .is_continue()
    }

    /// Hands over each fault, the cheapest gates first, until told to stop. No fault: the rule allows the request.
    pub(super) fn judge<'a>(
        &'a self,
        namespace: &Namespace<'_>,
        request: &'a Request,
        fault: &mut dyn FnMut(Fault<'a>) -> Verdict,
    ) -> Verdict {
        let Request {
            store,
            endpoint,
            bucket,
            objects,
            duration,
            renew_before: _, // It says when to sign again, and what is signed then is judged then.
            options,
        } = request;
        let mut gate =
            |open: bool, closed: Fault<'a>| if open { Continue(()) } else { fault(closed) };
        gate(self.allows_method(options.method()), Fault::Method)?;
        gate(self.stores.iter().any(|s| s.matches(store)), Fault::Store)?;
        let unusable = self.unusable(namespace);
        let expands = unusable.is_none();
        unusable.map_or(Continue(()), |label| gate(false, Fault::Label(label)))?;
        let bucket = bucket.as_str();
        gate(
            !expands || self.buckets.iter().any(|b| b.matches(namespace, bucket)),
            Fault::Bucket,
        )?;
        let reached = match objects {
            Objects::Key(key) => self
                .prefixes
                .iter()
                .any(|p| p.matches(namespace, key.as_str())),
            Objects::Keys(_) | Objects::List(_) | Objects::Under(_) => false,
        };
        gate(!expands || reached, Fault::Key)?;
        // The store's default endpoint is part of the store.
        let endpoint = endpoint.as_ref();
        gate(
            endpoint.is_none_or(|name| self.endpoints.iter().any(|e| e.matches(name))),
            Fault::Endpoint,
        )?;
        // A life that is left out takes what the rule allows.
        gate(
            duration.is_none_or(|d: Duration| d <= self.max_duration),
            Fault::Duration,
        )?;
        match options {
            Options::Get(get) | Options::Head(get) => self.judge_get(get, &mut gate),
            // Without PUT in the rule, the method's gate has closed.
            Options::Put(put) => self
                .put
                .as_ref()
                .map_or(Continue(()), |rule| rule.judge(put, &mut gate)),
            Options::Delete | Options::Post(_) => Continue(()),
        }
    }

    const fn allows_method(&self, method: Method) -> bool {
        match method {
            Method::Get => self.get,
            Method::Head => self.head,
            Method::Put => self.put.is_some(),
            Method::Delete => self.delete,
            Method::Post => false,
        }
    }

    /// One label that cannot be used closes the whole rule, whichever of its patterns names it.
    fn unusable(&self, namespace: &Namespace<'_>) -> Option<Unusable<'_>> {
        let buckets = self.buckets.iter().find_map(|b| b.unusable(namespace));
        buckets.or_else(|| self.prefixes.iter().find_map(|p| p.unusable(namespace)))
    }

    fn judge_get<'a>(
        &'a self,
        get: &GetOptions,
        gate: &mut dyn FnMut(bool, Fault<'a>) -> Verdict,
    ) -> Verdict {
        let GetOptions {
            version_id,
            response_content_type,
            response_content_disposition,
            response_content_encoding,
            response_content_language,
            response_cache_control,
        } = get;
        let overrides = [
            response_content_type,
            response_content_disposition,
            response_content_encoding,
            response_content_language,
            response_cache_control,
        ];
        gate(self.versions || version_id.is_none(), Fault::Version)?;
        gate(
            self.response_overrides || overrides.iter().all(|o| o.is_none()),
            Fault::ResponseOverrides,
        )
    }
}

impl PutRule {
    fn judge<'a>(
        &'a self,
        put: &'a PutOptions,
        gate: &mut dyn FnMut(bool, Fault<'a>) -> Verdict,
    ) -> Verdict {
        let PutOptions {
            // These narrow the upload: without them its sender may choose.
            content_type: _,
            checksum_sha256: _,
            if_none_match: _,
            content_length,
            server_side_encryption,
            kms_key_id,
            storage_class,
            acl,
            metadata,
            tagging,
        } = put;
        let listed = |value: &Option<String>, list: &[String]| {
            value.as_ref().is_none_or(|value| list.contains(value))
        };
        match content_length {
            None => gate(self.unsized_put, Fault::SizeMissing(self))?,
            Some(length) => gate(*length <= self.max_bytes, Fault::Size(self))?,
        }
        let kms_key = match (kms_key_id, server_side_encryption) {
            (Some(key), _) => Some(key.as_str()),
            (None, Some(ServerSideEncryption::AwsKms)) => Some(DEFAULT_KMS_KEY),
            // S3's own keys: what S3 does by itself, and no right is needed for it.
            (None, None | Some(ServerSideEncryption::AES256)) => None,
        };
        let kms_listed = kms_key.is_none_or(|key| self.kms_keys.iter().any(|k| k == key));
        gate(kms_listed, Fault::KmsKey(self))?;
        gate(
            listed(storage_class, &self.storage_classes),
            Fault::StorageClass(self),
        )?;
        gate(listed(acl, &self.acls), Fault::Acl(self))?;
        let metadata = metadata.as_ref().is_some_and(|entries| !entries.is_empty());
        gate(self.metadata || !metadata, Fault::Metadata)?;
        let unlisted = tagging
            .iter()
            .flat_map(BTreeMap::keys)
            .find(|key| !self.tag_keys.contains(key));
        unlisted.map_or(Continue(()), |key| gate(false, Fault::Tag(self, key)))
    }
}
