//! Steps and their results: the only way in which a decision leaves the core, and an effect comes back.
//!
//! What holds here: a step is one effect, carries all that it needs, and can be lost at any time: the plan that is made
//! after a crash between two steps mends what the first one left. Every write names the uid and resourceVersion that it
//! was decided on, so that a step which comes late fails instead of overwriting.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::credentials::{CredentialSource, CredentialsError, Session};
use super::error::ApiError;
use super::observed::{ObjectVersion, ObservedSecret};
use super::s3::{ListError, ListRequest, ListResponse, S3Request, S3Result};
use crate::api::{ClusterObjectStoreStatus, PresignedUrlPolicyStatus, PresignedUrlStatus, Reason};
use crate::issue::{Owner, SecretBytes};
use crate::issue::{SignedJob, SigningJob};
use crate::signing::Credentials;

/// One effect for the shell to carry out.
#[derive(Clone, Debug)]
pub enum Step {
    /// Fetch the credentials of a store from where it names them.
    FetchCredentials {
        /// The store, for logs and metrics.
        store: String,
        /// Where they come from.
        source: Box<CredentialSource>,
        /// Of a role: what the session is called and narrowed to.
        session: Session,
    },
    /// List what is under a prefix.
    List {
        /// The store, for its limit of slow calls.
        store: String,
        /// What is listed.
        order: Box<ListRequest>,
    },
    /// Ask a store for the first byte of some URLs, one after the other.
    SendRequests {
        /// The store, for its limit of slow calls.
        store: String,
        /// The requests.
        asks: Vec<S3Request>,
        /// PEM certificates that are trusted besides the system's.
        ca_bundle: Option<String>,
    },
    /// Sign many objects: pure work, but long enough that nobody should wait for it.
    Sign(Box<SigningJob>),
    /// Read a Secret of a tenant: its metadata, and with `data` also type, immutability and the hash of its data.
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
    /// Replace a Secret whole, if it still is the one that was decided on.
    UpdateSecret {
        /// What it becomes.
        write: Box<SecretWrite>,
        /// Which one is meant.
        target: ObjectVersion,
    },
    /// Delete a Secret, if it still is the one that was decided on.
    DeleteSecret {
        /// The Secret's namespace.
        namespace: String,
        /// The Secret's name.
        name: String,
        /// Which one is meant.
        target: ObjectVersion,
    },
    /// Delete a PresignedURL, if it still is the one that was decided on.
    DeleteResource {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
        /// Which one is meant.
        target: ObjectVersion,
    },
    /// Replace the status of a PresignedURL.
    WriteStatus {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
        /// Which one is meant.
        target: ObjectVersion,
        /// The whole of the new status.
        status: Box<PresignedUrlStatus>,
    },
    /// Replace the status of a ClusterObjectStore.
    WriteStoreStatus {
        /// The name.
        name: String,
        /// Which one is meant.
        target: ObjectVersion,
        /// The whole of the new status.
        status: Box<ClusterObjectStoreStatus>,
    },
    /// Replace the status of a PresignedURLPolicy.
    WritePolicyStatus {
        /// The name.
        name: String,
        /// Which one is meant.
        target: ObjectVersion,
        /// The whole of the new status.
        status: Box<PresignedUrlPolicyStatus>,
    },
    /// Tell what happened to a resource. A failure of it is counted and never fails the work.
    PublishEvent(Box<EventRecord>),
}

/// A Secret as it is to be written; always of type Opaque.
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
    /// All finalizers: those that stood there; the operator sets none.
    pub finalizers: Vec<String>,
    /// All data.
    pub data: BTreeMap<String, SecretBytes>,
}

/// A Kubernetes Event to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// The namespace of what it is about.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion before the change that is told. Two changes may look alike within one second; this tells them
    /// apart.
    pub version: String,
    /// Whether a person should worry.
    pub warning: bool,
    /// Why.
    pub reason: Reason,
    /// What was done or not done, for example `Issue`, `Renew`.
    pub action: &'static str,
    /// The sentence.
    pub note: String,
    /// When it was decided.
    pub at: Timestamp,
}

/// What became of a step.
#[derive(Debug)]
pub enum StepResult {
    /// Of [`Step::FetchCredentials`].
    Credentials(Result<Credentials, CredentialsError>),
    /// Of [`Step::List`].
    Listed(Result<ListResponse, ListError>),
    /// Of [`Step::SendRequests`]: an answer for each request, in their order.
    Responses(Vec<S3Result>),
    /// Of [`Step::Sign`].
    Signed(Box<SignedJob>),
    /// Of [`Step::InspectSecret`]; `None` where there is none.
    Inspected(Result<Option<ObservedSecret>, ApiError>),
    /// Of [`Step::CreateSecret`] and [`Step::UpdateSecret`]: the Secret after the write.
    SecretWritten(Result<ObjectVersion, ApiError>),
    /// Of [`Step::DeleteSecret`]; one that was gone already is deleted.
    SecretDeleted(Result<(), ApiError>),
    /// Of [`Step::DeleteResource`]; one that was gone already is deleted.
    ResourceDeleted(Result<(), ApiError>),
    /// Of the three status writes: the object after the write.
    StatusWritten(Result<ObjectVersion, ApiError>),
    /// Of [`Step::PublishEvent`], whether it worked or not.
    Published,
    /// The step was not run: the claim to lead had ended, or it panicked.
    NotRun,
}
