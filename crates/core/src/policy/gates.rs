//! The gates: each field of a request that reaches the signature, held against one rule.
//!
//! What holds here: [`Rule::judge`] is the only way to pass a rule, for decisions and for refusals alike. It takes the
//! request and its options apart without `..`, so that a new field without a gate does not compile.

use std::collections::BTreeMap;
use std::ops::ControlFlow::{self, Continue};
use std::time::Duration;

use super::compile::{Rule, UploadRule};
use super::decide::Namespace;
use super::fields::DEFAULT_KMS_KEY;
use super::objects::{ListSelection, Objects};
use super::pattern::{Reach, Unusable};
use super::request::{Options, Request};
use crate::api::{GetOptions, Method, PostOptions, PutOptions, ServerSideEncryption};

/// What of a request's objects a rule is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// All of them, as they were asked for.
    Whole,
    /// Single keys, each as if it were asked for by itself. Which of them the rule reaches is not judged:
    /// [`Rule::reaches`] tells.
    EachKey,
}

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
    /// More objects are asked for than one resource may have.
    Objects,
    /// The prefix is to be listed more often than that.
    RefreshInterval,
    /// The size is left out, and the rule asks for it.
    SizeMissing,
    Size,
    KmsKey,
    StorageClass,
    Acl,
    Metadata,
    Tag(&'a str),
    Redirect,
    /// The rule lets nothing be replaced, and a form cannot carry that condition.
    CreateOnly,
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
    /// Whether the rule allows that of the request.
    pub(super) fn allows(
        &self,
        namespace: &Namespace<'_>,
        request: &Request,
        about: About,
    ) -> bool {
        self.judge(namespace, request, about, &mut |_| Verdict::Break(()))
            .is_continue()
    }

    /// What the rule reaches for the namespace, to be asked of many keys.
    pub(super) fn reaches(&self, namespace: &Namespace<'_>) -> Vec<Reach<'_>> {
        let prefixes = self.prefixes.iter();
        prefixes.filter_map(|p| p.reach(namespace)).collect()
    }

    /// Hands over each fault, the cheapest gates first, until told to stop. No fault: the rule allows it.
    pub(super) fn judge<'a>(
        &'a self,
        namespace: &Namespace<'_>,
        request: &'a Request,
        about: About,
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
        let list = match (about, objects) {
            (About::Whole, Objects::List(list)) => Some(list),
            (About::Whole, Objects::Key(_) | Objects::Keys(_) | Objects::Under(_))
            | (About::EachKey, _) => None,
        };
        let mut gate =
            |open: bool, closed: Fault<'a>| if open { Continue(()) } else { fault(closed) };
        // What is listed is read as well: both rights come from the one rule.
        let method = self.allows_method(options.method()) && (list.is_none() || self.list);
        gate(method, Fault::Method)?;
        gate(self.stores.iter().any(|s| s.matches(store)), Fault::Store)?;
        let unusable = self.unusable(namespace);
        let expands = unusable.is_none();
        unusable.map_or(Continue(()), |label| gate(false, Fault::Label(label)))?;
        let bucket = bucket.as_str();
        gate(
            !expands || self.buckets.iter().any(|b| b.matches(namespace, bucket)),
            Fault::Bucket,
        )?;
        let reached = about == About::EachKey || self.reaches_all(namespace, objects);
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
        list.map_or(Continue(()), |list| self.judge_list(list, &mut gate))?;
        match options {
            Options::Get(get) | Options::Head(get) => self.judge_get(get, &mut gate),
            Options::Put(put) => self.upload.judge_put(put, &mut gate),
            Options::Post(post) => self.upload.judge_post(post, &mut gate),
            Options::Delete => Continue(()),
        }
    }

    /// Whether the rule's prefixes reach all of the objects. How many keys there may be depends on every rule that allows
    /// one of them: the decision counts.
    fn reaches_all(&self, namespace: &Namespace<'_>, objects: &Objects) -> bool {
        let any = |has: &dyn Fn(&Reach<'_>) -> bool| {
            let mut prefixes = self.prefixes.iter();
            prefixes.any(|p| p.reach(namespace).is_some_and(|reach| has(&reach)))
        };
        match objects {
            Objects::Key(key) => any(&|reach| reach.has(key.as_str())),
            Objects::Keys(keys) => keys.iter().all(|key| any(&|reach| reach.has(key.as_str()))),
            Objects::List(ListSelection { prefix, .. }) | Objects::Under(prefix) => {
                any(&|reach| reach.has_all_under(prefix.as_str()))
            }
        }
    }

    const fn allows_method(&self, method: Method) -> bool {
        match method {
            Method::Get => self.get,
            Method::Head => self.head,
            Method::Put => self.put,
            Method::Delete => self.delete,
            Method::Post => self.post,
        }
    }

    /// One label that cannot be used closes the whole rule, whichever of its patterns names it.
    fn unusable(&self, namespace: &Namespace<'_>) -> Option<Unusable<'_>> {
        let buckets = self.buckets.iter().find_map(|b| b.unusable(namespace));
        buckets.or_else(|| self.prefixes.iter().find_map(|p| p.unusable(namespace)))
    }

    fn judge_list<'a>(
        &'a self,
        list: &ListSelection,
        gate: &mut dyn FnMut(bool, Fault<'a>) -> Verdict,
    ) -> Verdict {
        let ListSelection {
            prefix: _, // The gate of keys.
            min_objects,
            max_objects,
            // These narrow the listing.
            include: _,
            exclude: _,
            refresh_interval,
        } = list;
        // Left out, it takes what the rule allows.
        let most = max_objects.unwrap_or_default().max(*min_objects);
        gate(most <= self.max_objects, Fault::Objects)?;
        gate(
            refresh_interval.is_none_or(|every: Duration| every >= self.min_refresh_interval),
            Fault::RefreshInterval,
        )
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

impl UploadRule {
    fn judge_put<'a>(
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
        match content_length {
            None => gate(self.unsized_put, Fault::SizeMissing)?,
            Some(length) => gate(*length <= self.max_bytes, Fault::Size)?,
        }
        let kms_key = match (kms_key_id, server_side_encryption) {
            (Some(key), _) => Some(key.as_str()),
            (None, Some(ServerSideEncryption::AwsKms)) => Some(DEFAULT_KMS_KEY),
            // S3's own keys: what S3 does by itself, and no right is needed for it.
            (None, None | Some(ServerSideEncryption::AES256)) => None,
        };
        let kms_listed = kms_key.is_none_or(|key| self.kms_keys.iter().any(|k| k == key));
        gate(kms_listed, Fault::KmsKey)?;
        gate(
            listed(storage_class.as_ref(), &self.storage_classes),
            Fault::StorageClass,
        )?;
        gate(listed(acl.as_ref(), &self.acls), Fault::Acl)?;
        gate(
            self.metadata || !has_entries(metadata.as_ref()),
            Fault::Metadata,
        )?;
        let unlisted = tagging
            .iter()
            .flat_map(BTreeMap::keys)
            .find(|key| !self.tag_keys.contains(key));
        unlisted.map_or(Continue(()), |key| gate(false, Fault::Tag(key)))
    }

    fn judge_post<'a>(
        &'a self,
        post: &PostOptions,
        gate: &mut dyn FnMut(bool, Fault<'a>) -> Verdict,
    ) -> Verdict {
        let PostOptions {
            content_length_range,
            // These narrow the upload: without them its sender may choose.
            content_type: _,
            content_type_prefix: _,
            acl,
            success_action_status: _, // Of three numbers, for whom it is to read.
            success_action_redirect,
            metadata,
        } = post;
        gate(!self.create_only, Fault::CreateOnly)?;
        match content_length_range {
            None => gate(false, Fault::SizeMissing)?,
            Some(range) => gate(range.max <= self.max_bytes, Fault::Size)?,
        }
        gate(listed(acl.as_ref(), &self.acls), Fault::Acl)?;
        let redirect = success_action_redirect.as_ref();
        gate(
            redirect.is_none_or(|url| self.redirects.iter().any(|r| r.matches(url))),
            Fault::Redirect,
        )?;
        gate(
            self.metadata || !has_entries(metadata.as_ref()),
            Fault::Metadata,
        )
    }
}

fn listed(value: Option<&String>, list: &[String]) -> bool {
    value.is_none_or(|value| list.contains(value))
}

fn has_entries(map: Option<&BTreeMap<String, String>>) -> bool {
    map.is_some_and(|entries| !entries.is_empty())
}
