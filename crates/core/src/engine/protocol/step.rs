//! Steps and their results: the only way in which a decision leaves the core, and an effect comes back.
//!
//! What holds here:
//! - A step is one effect and carries all that it needs.
//! - A step can be lost at any time: the plan after a crash between two steps fixes what the first one left.
//! - Every write names the uid and resourceVersion that it is based on, so a late step fails and overwrites
//!   nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::credentials::{CredentialSource, CredentialsError, FetchedCredentials, Session};
use super::error::ApiError;
use super::event::PresignedUrlSeen;
use super::observed::{ObjectVersion, ObservedSecret, SecretAnswer};
use super::s3::{ListError, ListRequest, ListResponse, S3Request, S3Result};
use crate::api::{ClusterObjectStoreStatus, PresignedUrlPolicyStatus, PresignedUrlStatus, Reason};
use crate::issue::{Owner, SecretBytes};
use crate::issue::{SignedJob, SigningJob};

/// One effect for the shell to carry out.
#[derive(Clone, Debug)]
pub enum Step {
    /// Fetch the credentials of a store from the source that it names.
    FetchCredentials {
        /// The store, for logs and metrics.
        store: String,
        /// Where they come from.
        source: Box<CredentialSource>,
        /// For a role: the session's name and its inline policy.
        session: Session,
    },
    /// List the objects under a prefix.
    List {
        /// The store, for its limit of slow steps.
        store: String,
        /// What to list.
        request: Box<ListRequest>,
    },
    /// Request the first byte of some URLs from a store, one after the other.
    SendRequests {
        /// The store, for its limit of slow steps.
        store: String,
        /// The requests.
        requests: Vec<S3Request>,
        /// PEM certificates that are trusted in addition to the system's.
        ca_bundle: Option<String>,
        /// How long all of them together may take; a request without an answer by then has timed out. `None`
        /// leaves each its usual time.
        timeout: Option<Duration>,
    },
    /// Sign many objects: a pure computation, but long enough that nothing else should wait for it.
    Sign(Box<SigningJob>),
    /// Read a Secret of a tenant: its metadata, and with `data` also type, immutability and the hash of its
    /// data.
    InspectSecret {
        /// The Secret's namespace.
        namespace: String,
        /// The Secret's name.
        name: String,
        /// Whether to read more than metadata.
        data: bool,
    },
    /// Create a Secret; never replaces one.
    CreateSecret(Box<SecretWrite>),
    /// Replace a whole Secret if it still has this version.
    UpdateSecret {
        /// The new Secret.
        write: Box<SecretWrite>,
        /// The version to replace.
        target: ObjectVersion,
    },
    /// Put back the owner reference and the marks of a Secret if it still has this version. Everything else
    /// of it stays, its data too.
    RestoreMarks {
        /// The Secret's namespace.
        namespace: String,
        /// The Secret's name.
        name: String,
        /// The PresignedURL that it was written for.
        owner: Owner,
        /// The version to change.
        target: ObjectVersion,
    },
    /// Delete a Secret if it still has this version. If a finalizer keeps it, its data go.
    DeleteSecret {
        /// The Secret's namespace.
        namespace: String,
        /// The Secret's name.
        name: String,
        /// The PresignedURL for which it is deleted. A Secret that is kept names it as its controller.
        owner: Owner,
        /// The version to delete.
        target: ObjectVersion,
    },
    /// Delete a PresignedURL if it still has this version.
    DeleteResource {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
        /// The version to delete.
        target: ObjectVersion,
    },
    /// Read a PresignedURL whose spec was not kept.
    ReadResource {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
    /// Replace the status of a PresignedURL.
    WriteStatus {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
        /// The version to replace.
        target: ObjectVersion,
        /// The whole of the new status.
        status: Box<PresignedUrlStatus>,
    },
    /// Replace the status of a ClusterObjectStore.
    WriteStoreStatus {
        /// The name.
        name: String,
        /// The version to replace.
        target: ObjectVersion,
        /// The whole of the new status.
        status: Box<ClusterObjectStoreStatus>,
    },
    /// Replace the status of a PresignedURLPolicy.
    WritePolicyStatus {
        /// The name.
        name: String,
        /// The version to replace.
        target: ObjectVersion,
        /// The whole of the new status.
        status: Box<PresignedUrlPolicyStatus>,
    },
    /// Publish a Kubernetes Event of a resource. A failure of this step is counted, and never fails the
    /// resource.
    PublishEvent(Box<EventRecord>),
}

/// What a listing takes if it finds little. What it finds is not known before, and counts from then on: a
/// store that is slow must not have the room of others.
const LISTING_BYTES: usize = 256 * 1024;
/// What a read of the largest object takes: its text, and what is made of it.
const OBJECT_BYTES: usize = 3 * 1024 * 1024;

impl Step {
    /// About how many bytes are in memory while it is carried out, and until what it leaves is written; 0
    /// if that is little.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Sign(job) => job.bytes(),
            Self::List { .. } => LISTING_BYTES,
            Self::InspectSecret { data: true, .. }
            | Self::RestoreMarks { .. }
            | Self::ReadResource { .. } => OBJECT_BYTES,
            // The data of a write is little, or was signed by a step for which there was room.
            Self::CreateSecret(_)
            | Self::UpdateSecret { .. }
            | Self::InspectSecret { data: false, .. }
            | Self::FetchCredentials { .. }
            | Self::SendRequests { .. }
            | Self::DeleteSecret { .. }
            | Self::DeleteResource { .. }
            | Self::WriteStatus { .. }
            | Self::WriteStoreStatus { .. }
            | Self::WritePolicyStatus { .. }
            | Self::PublishEvent(_) => 0,
        }
    }

    /// Whether it carries the data of a Secret.
    pub(in crate::engine) const fn writes_a_secret(&self) -> bool {
        matches!(self, Self::CreateSecret(_) | Self::UpdateSecret { .. })
    }
}

/// A Secret to write; always of type Opaque.
#[derive(Clone, Debug)]
pub struct SecretWrite {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// All annotations.
    pub annotations: BTreeMap<String, String>,
    /// All owner references.
    pub owners: Vec<Owner>,
    /// All finalizers: those that the Secret had; the operator sets none.
    pub finalizers: Vec<String>,
    /// All data.
    pub data: BTreeMap<String, SecretBytes>,
}

/// The kind of object that an Event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventSubject {
    /// A PresignedURL.
    PresignedUrl,
    /// A ClusterObjectStore.
    Store,
    /// A PresignedURLPolicy.
    Policy,
}

/// A Kubernetes Event to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// The kind of the object that it is about.
    pub subject: EventSubject,
    /// Its namespace; `None` if it is cluster-scoped.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The resourceVersion before the reported change. It distinguishes two changes within one second that
    /// look alike.
    pub version: String,
    /// Whether its type is Warning.
    pub warning: bool,
    /// Its reason.
    pub reason: Reason,
    /// What was done or not done, for example `Issue`, `Renew`.
    pub action: &'static str,
    /// The sentence.
    pub note: String,
    /// When it was decided.
    pub at: Timestamp,
}

/// The result of a step.
#[derive(Debug)]
pub enum StepResult {
    /// Of [`Step::FetchCredentials`].
    Credentials(Result<FetchedCredentials, CredentialsError>),
    /// Of [`Step::List`].
    Listed(Result<ListResponse, ListError>),
    /// Of [`Step::SendRequests`]: an answer for each request, in their order.
    Responses(Vec<S3Result>),
    /// Of [`Step::Sign`].
    Signed(Box<SignedJob>),
    /// Of [`Step::InspectSecret`]; `None` if the Secret does not exist.
    Inspected(Result<Option<ObservedSecret>, ApiError>),
    /// Of [`Step::CreateSecret`], [`Step::UpdateSecret`] and [`Step::RestoreMarks`]: the Secret after the
    /// write.
    SecretWritten(Result<SecretAnswer, ApiError>),
    /// Of [`Step::DeleteSecret`]; a Secret that was gone already counts as deleted, and so does one that a
    /// finalizer keeps without data.
    SecretDeleted(Result<(), ApiError>),
    /// Of [`Step::DeleteResource`]; a resource that was gone already counts as deleted.
    ResourceDeleted(Result<(), ApiError>),
    /// Of [`Step::ReadResource`]; `None` if it does not exist.
    ResourceRead(Result<Option<Box<PresignedUrlSeen>>, ApiError>),
    /// Of the three status writes: the object after the write.
    StatusWritten(Result<ObjectVersion, ApiError>),
    /// Of [`Step::PublishEvent`], whether it succeeded or not.
    Published,
    /// The step was not run: this instance lost its leadership, or the step panicked.
    NotRun,
}
