//! Events: one for each change that the shell saw, reduced to the fields that decisions need.
//!
//! What holds here:
//! - `Init`, `InitApply` and `InitDone` frame a list of one scope.
//! - An object that was known within that scope and is not in the complete list is gone.
//! - An object that cannot be parsed is reported as broken, never left out silently.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::key::Uid;
use crate::api::{
    ClusterObjectStoreSpec, ClusterObjectStoreStatus, PresignedUrlPolicySpec,
    PresignedUrlPolicyStatus, PresignedUrlSpec, PresignedUrlStatus,
};
use crate::issue::Owner;
use crate::policy::SelectableNamespaces;

/// Something that happened outside the engine.
#[derive(Clone, Debug)]
pub enum Event {
    /// A PresignedURL.
    Resource(Change<PresignedUrlSeen>),
    /// A PresignedURLPolicy.
    Policy(Change<PolicySeen>),
    /// A ClusterObjectStore.
    Store(Change<StoreSeen>),
    /// A namespace.
    Namespace(Change<NamespaceSeen>),
    /// A Secret with the operator's label in a tenant's namespace, metadata only. Never reported if the
    /// operator may not watch Secrets.
    Secret(Change<SecretMetaSeen>),
    /// A Secret in the operator's own namespace, metadata only.
    OwnSecret(Change<SecretMetaSeen>),
    /// A ClusterTrustBundle that a store names.
    TrustBundle {
        /// Its name.
        name: String,
        /// What the API server says of it; `None` if it is not watched any more.
        seen: Option<TrustBundleSeen>,
    },
    /// The wall clock was stepped: every plan is made again.
    ClockStepped,
    /// The API server's clock minus the operator's, from the `Date` header of an answer.
    ApiClock(SignedDuration),
}

/// What a list covers: a kind may be watched as a whole, or namespace by namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListScope {
    /// All objects of the kind.
    Cluster,
    /// The objects of one namespace; for the kind Namespace, the one of this name.
    Namespace(String),
}

/// A change of one kind's objects.
#[derive(Clone, Debug)]
pub enum Change<T> {
    /// A list begins. An incomplete earlier list of the same scope is forgotten.
    Init {
        /// What it covers.
        scope: ListScope,
    },
    /// An object of the list.
    InitApply(T),
    /// A list is complete.
    InitDone {
        /// What it covers.
        scope: ListScope,
        /// Its resourceVersion: it shows every object as it was then, or as it was later.
        version: String,
    },
    /// An object is new or changed.
    Apply(T),
    /// An object is gone.
    Delete(T),
}

/// A PresignedURL.
#[derive(Clone, Debug, PartialEq)]
pub struct PresignedUrlSeen {
    /// Its uid.
    pub uid: Uid,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// When it was created, in seconds of Unix time: the API server is no more exact.
    pub created_at: i64,
    /// Its generation.
    pub generation: i64,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// The value of `presigned.dev/renew`.
    pub renew_request: Option<String>,
    /// Its spec, or why it cannot be read.
    pub spec: Result<Box<PresignedUrlSpec>, String>,
    /// Its status.
    pub status: Box<PresignedUrlStatus>,
}

/// A PresignedURLPolicy.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicySeen {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// Its generation.
    pub generation: i64,
    /// Its spec, or why it cannot be read.
    pub spec: Result<Box<PresignedUrlPolicySpec>, UnreadablePolicy>,
    /// Its status.
    pub status: PresignedUrlPolicyStatus,
}

/// What is known of a policy that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadablePolicy {
    /// Why it cannot be read.
    pub why: String,
    /// The namespaces that it can select.
    pub namespaces: SelectableNamespaces,
}

/// A ClusterObjectStore.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreSeen {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// Its generation.
    pub generation: i64,
    /// Its spec, or why it cannot be read.
    pub spec: Result<Box<ClusterObjectStoreSpec>, String>,
    /// Its status.
    pub status: ClusterObjectStoreStatus,
}

/// What the API server says of a ClusterTrustBundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustBundleSeen {
    /// It holds these PEM certificates.
    Found(String),
    /// It does not exist.
    Missing,
    /// The API server serves no ClusterTrustBundles.
    NotServed,
    /// The API server forbids the operator to read it.
    Forbidden,
    /// The API server has not answered for a while; why, in a sentence.
    Unreadable(String),
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceSeen {
    /// Its name.
    pub name: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// The metadata of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretMetaSeen {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// Its owner references.
    pub owners: Vec<Owner>,
    /// When its URLs expire, as its annotation tells.
    pub expires_at: Option<Timestamp>,
}

impl PresignedUrlSeen {
    /// Forgets what the spec asks for. What says whose the resource is, which store and which Secret it
    /// names, and how it ends stays: its parts are short.
    pub(in crate::engine) fn keep_where_it_belongs(&mut self) {
        let Ok(spec) = &mut self.spec else { return };
        let whole = std::mem::take(&mut **spec);
        **spec = PresignedUrlSpec {
            store_ref: whole.store_ref,
            bucket: whole.bucket,
            method: whole.method,
            renew: whole.renew,
            secret_name: whole.secret_name,
            suspend: whole.suspend,
            class: whole.class,
            ..PresignedUrlSpec::default()
        };
    }
}
