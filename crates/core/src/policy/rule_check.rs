//! Checks a request against one rule: each field that reaches the signature, or what others act on in the
//! Secret.
//!
//! What holds here: [`Rule::check`] is the only way to pass a rule, for decisions and for messages of denials
//! alike. It takes the request and its options apart without `..`, so that a new field that no rule checks
//! does not compile.

use std::collections::BTreeMap;
use std::ops::ControlFlow::{self, Continue};
use std::time::Duration;

use super::compile::{Rule, UploadRule};
use super::namespace::Namespace;
use super::pattern::{ExpandedPrefix, Unusable};
use crate::api::{GetOptions, Method, PostOptions, PutOptions, ServerSideEncryption};
use crate::request::{DEFAULT_KMS_KEY, ListSelection, Objects, Options, Request};

/// Which of a request's objects a rule is checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// All of them, as they were requested.
    Whole,
    /// Single keys, each as if it were requested by itself. The keys themselves are not checked: the caller
    /// compares them with [`Rule::expanded_prefixes`].
    EachKey,
}

/// What of a request a rule does not allow.
#[derive(Clone, Debug)]
pub(super) enum Violation<'a> {
    /// The rule is written for namespaces that carry this label.
    Label(Unusable<'a>),
    Store,
    Bucket,
    Key,
    Method,
    Endpoint,
    Duration,
    Version,
    /// `get.requestPayer`
    RequesterPays,
    ResponseOverrides,
    /// The request names more objects than one resource may have.
    Objects,
    /// The request lists the prefix more often than the rule allows.
    RefreshInterval,
    /// The request leaves the size out, and the rule requires it.
    SizeMissing,
    Size,
    KmsKey,
    StorageClass,
    Acl,
    Metadata,
    Tag(&'a str),
    Redirect,
    /// `secretTemplate` sets a key that other tools may act on.
    TemplateKey(&'a str),
    /// The rule lets nothing be replaced, and a form cannot carry that condition.
    CreateOnly,
}

impl Violation<'_> {
    /// Whether the rule is about other objects, rather than about less of the same.
    pub(super) const fn is_of_the_object(&self) -> bool {
        matches!(
            self,
            Self::Label(_) | Self::Store | Self::Bucket | Self::Key | Self::Method
        )
    }

    /// Whether the rule is about an option that goes with the request's method alone.
    pub(super) const fn is_of_the_methods_options(&self) -> bool {
        match self {
            Self::Label(_)
            | Self::Store
            | Self::Bucket
            | Self::Key
            | Self::Method
            | Self::Endpoint
            | Self::Duration
            | Self::TemplateKey(_) => false,
            Self::Version
            | Self::RequesterPays
            | Self::ResponseOverrides
            | Self::Objects
            | Self::RefreshInterval
            | Self::SizeMissing
            | Self::Size
            | Self::KmsKey
            | Self::StorageClass
            | Self::Acl
            | Self::Metadata
            | Self::Tag(_)
            | Self::Redirect
            | Self::CreateOnly => true,
        }
    }
}

impl Rule {
    /// Whether the rule allows the request for the subject.
    pub(super) fn allows(
        &self,
        namespace: &Namespace<'_>,
        request: &Request,
        subject: Subject,
    ) -> bool {
        self.check(namespace, request, subject, &mut |_| ControlFlow::Break(()))
            .is_continue()
    }

    /// The rule's prefixes for the namespace, expanded once to be compared with many keys.
    pub(super) fn expanded_prefixes(&self, namespace: &Namespace<'_>) -> Vec<ExpandedPrefix<'_>> {
        let prefixes = self.prefixes.iter();
        prefixes.filter_map(|p| p.expand(namespace)).collect()
    }

    /// Reports each violation, the cheapest checks first, until `report` breaks. Without a violation the rule
    /// allows the request.
    pub(super) fn check<'a>(
        &'a self,
        namespace: &Namespace<'_>,
        request: &'a Request,
        subject: Subject,
        report: &mut dyn FnMut(Violation<'a>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Request {
            store,
            endpoint,
            bucket,
            objects,
            duration,
            renew_before: _, // It says when to sign again, and what is signed then is checked then.
            options,
            template_keys,
        } = request;
        let list = match (subject, objects) {
            (Subject::Whole, Objects::List(list)) => Some(list),
            (Subject::Whole, Objects::Key(_) | Objects::Keys(_) | Objects::Under(_))
            | (Subject::EachKey, _) => None,
        };
        let mut require = |allowed: bool, violation: Violation<'a>| {
            if allowed {
                Continue(())
            } else {
                report(violation)
            }
        };
        // Listed objects are read as well: both methods must be in the one rule.
        let method = self.allows_method(options.method()) && (list.is_none() || self.list);
        require(method, Violation::Method)?;
        require(
            self.stores.iter().any(|s| s.matches(store)),
            Violation::Store,
        )?;
        let unusable = self.unusable(namespace);
        let expands = unusable.is_none();
        unusable.map_or(Continue(()), |label| {
            require(false, Violation::Label(label))
        })?;
        let bucket = bucket.as_str();
        require(
            !expands || self.buckets.iter().any(|b| b.matches(namespace, bucket)),
            Violation::Bucket,
        )?;
        let covered = subject == Subject::EachKey || self.covers_all(namespace, objects);
        require(!expands || covered, Violation::Key)?;
        // The store's default endpoint is part of the store.
        let endpoint = endpoint.as_ref();
        require(
            endpoint.is_none_or(|name| self.endpoints.iter().any(|e| e.matches(name))),
            Violation::Endpoint,
        )?;
        // A duration that is left out becomes what the rule allows.
        require(
            duration.is_none_or(|d: Duration| d <= self.max_duration),
            Violation::Duration,
        )?;
        list.map_or(Continue(()), |list| self.check_list(list, &mut require))?;
        let unlisted = template_keys
            .iter()
            .find(|key| !self.template_keys.iter().any(|glob| glob.matches(key)));
        unlisted.map_or(Continue(()), |key| {
            require(false, Violation::TemplateKey(key))
        })?;
        match options {
            Options::Get(get) | Options::Head(get) => self.check_get(get, &mut require),
            Options::Put(put) => self.upload.check_put(put, &mut require),
            Options::Post(post) => self.upload.check_post(post, &mut require),
            Options::Delete => Continue(()),
        }
    }

    /// Whether the rule's prefixes cover all of the objects. How many keys there may be depends on every rule
    /// that allows one of them: the decision counts.
    fn covers_all(&self, namespace: &Namespace<'_>, objects: &Objects) -> bool {
        let any = |covers: &dyn Fn(&ExpandedPrefix<'_>) -> bool| {
            let mut prefixes = self.prefixes.iter();
            prefixes.any(|p| p.expand(namespace).is_some_and(|prefix| covers(&prefix)))
        };
        match objects {
            Objects::Key(key) => any(&|prefix| prefix.covers(key.as_str())),
            Objects::Keys(keys) => keys
                .iter()
                .all(|key| any(&|prefix| prefix.covers(key.as_str()))),
            Objects::List(ListSelection { prefix: under, .. }) | Objects::Under(under) => {
                any(&|prefix| prefix.covers_all_under(under.as_str()))
            }
        }
    }

    /// Whether the rule names the method.
    pub(super) const fn allows_method(&self, method: Method) -> bool {
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

    fn check_list<'a>(
        &'a self,
        list: &ListSelection,
        require: &mut dyn FnMut(bool, Violation<'a>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let ListSelection {
            prefix: _, // `covers_all` checks it.
            min_objects,
            max_objects,
            // These narrow the listing.
            include: _,
            exclude: _,
            refresh_interval,
        } = list;
        // A maximum that is left out becomes what the rule allows.
        let max = max_objects.unwrap_or_default().max(*min_objects);
        require(max <= self.max_objects, Violation::Objects)?;
        require(
            refresh_interval.is_none_or(|every: Duration| every >= self.min_refresh_interval),
            Violation::RefreshInterval,
        )
    }

    fn check_get<'a>(
        &'a self,
        get: &GetOptions,
        require: &mut dyn FnMut(bool, Violation<'a>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let GetOptions {
            version_id,
            response_content_type,
            response_content_disposition,
            response_content_encoding,
            response_content_language,
            response_cache_control,
            request_payer,
        } = get;
        let overrides = [
            response_content_type,
            response_content_disposition,
            response_content_encoding,
            response_content_language,
            response_cache_control,
        ];
        require(self.versions || version_id.is_none(), Violation::Version)?;
        require(
            self.requester_pays || request_payer.is_none(),
            Violation::RequesterPays,
        )?;
        require(
            self.response_overrides || overrides.iter().all(|o| o.is_none()),
            Violation::ResponseOverrides,
        )
    }
}

impl UploadRule {
    fn check_put<'a>(
        &'a self,
        put: &'a PutOptions,
        require: &mut dyn FnMut(bool, Violation<'a>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let PutOptions {
            // These narrow the upload: without them its sender may choose.
            content_type: _,
            checksum_sha256: _,
            checksum_crc64nvme: _,
            if_none_match: _,
            if_match,
            content_length,
            server_side_encryption,
            kms_key_id,
            storage_class,
            acl,
            metadata,
            tagging,
        } = put;
        match content_length {
            None => require(self.unsized_put, Violation::SizeMissing)?,
            Some(length) => require(*length <= self.max_bytes, Violation::Size)?,
        }
        // What it names is there, so the upload replaces it.
        require(
            !self.create_only || if_match.is_none(),
            Violation::CreateOnly,
        )?;
        let kms_key = match (kms_key_id, server_side_encryption) {
            (Some(key), _) => Some(key.as_str()),
            (None, Some(ServerSideEncryption::AwsKms)) => Some(DEFAULT_KMS_KEY),
            // S3 encrypts with its own keys anyway, so this needs no right.
            (None, None | Some(ServerSideEncryption::AES256)) => None,
        };
        let kms_listed = kms_key.is_none_or(|key| self.kms_keys.iter().any(|k| k == key));
        require(kms_listed, Violation::KmsKey)?;
        require(
            listed(storage_class.as_ref(), &self.storage_classes),
            Violation::StorageClass,
        )?;
        require(listed(acl.as_ref(), &self.acls), Violation::Acl)?;
        require(
            self.metadata || !has_entries(metadata.as_ref()),
            Violation::Metadata,
        )?;
        let unlisted = tagging
            .iter()
            .flat_map(BTreeMap::keys)
            .find(|key| !self.tag_keys.contains(key));
        unlisted.map_or(Continue(()), |key| require(false, Violation::Tag(key)))
    }

    fn check_post<'a>(
        &'a self,
        post: &PostOptions,
        require: &mut dyn FnMut(bool, Violation<'a>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let PostOptions {
            content_length_range,
            // These narrow the upload: without them its sender may choose.
            content_type: _,
            content_type_prefix: _,
            acl,
            success_action_status: _, // One of three numbers, for the sender to read.
            success_action_redirect,
            metadata,
        } = post;
        require(!self.create_only, Violation::CreateOnly)?;
        match content_length_range {
            None => require(false, Violation::SizeMissing)?,
            Some(range) => require(range.max <= self.max_bytes, Violation::Size)?,
        }
        require(listed(acl.as_ref(), &self.acls), Violation::Acl)?;
        let redirect = success_action_redirect.as_ref();
        require(
            redirect.is_none_or(|url| self.redirects.iter().any(|r| r.matches(url))),
            Violation::Redirect,
        )?;
        require(
            self.metadata || !has_entries(metadata.as_ref()),
            Violation::Metadata,
        )
    }
}

fn listed(value: Option<&String>, list: &[String]) -> bool {
    value.is_none_or(|value| list.contains(value))
}

fn has_entries(map: Option<&BTreeMap<String, String>>) -> bool {
    map.is_some_and(|entries| !entries.is_empty())
}
