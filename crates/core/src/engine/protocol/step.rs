//! Steps and their results: the only way in which a decision leaves the core, and an effect comes back.
//!
//! What holds here: a step is one effect, carries all that it needs, and can be lost at any time: the plan that is made
//! after a crash between two steps mends what the first one left. Every write names the uid and resourceVersion that it
//! was decided on, so that a step which comes late fails instead of overwriting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::{
    ClusterObjectStoreStatus, PresignedUrlPolicyStatus, PresignedUrlStatus, Reason, SecretKeys,
};
use crate::engine::evaluate::signing_job::{SignedJob, SigningJob};
use crate::engine::protocol::{ApiError, CredentialsError};
use crate::engine::protocol::{ListError, ListRequest, ListResponse, S3Request, S3Result};
use crate::issue::{Owner, SecretBytes};
use crate::signing::Credentials;

/// The uid of a PresignedURL. One is kept, and shared by all that look a resource up.
pub type Uid = Arc<str>;

/// What a step belongs to. At most one step of a work is under way at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKey {
    /// A PresignedURL, by uid.
    Resource(Uid),
    /// A ClusterObjectStore, by name.
    Store(String),
    /// A PresignedURLPolicy, by name.
    Policy(String),
}

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

/// A certain version of an object: the precondition of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectVersion {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion; `None` where only the uid is known (a delete of what was never seen).
    pub resource_version: Option<String>,
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

/// Where credentials come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialSource {
    /// The AWS chain of the operator's process.
    Default,
    /// A Secret in the operator's own namespace.
    Secret {
        /// Its name.
        name: String,
        /// The names of its keys where they are not the usual ones: access key ID, secret access key, session token,
        /// expiration.
        keys: [Option<String>; 4],
    },
    /// `AssumeRoleWithWebIdentity` with the operator's service account token.
    WebIdentity {
        /// The role.
        role_arn: String,
        /// The token's audience; `None` reads the file that `AWS_WEB_IDENTITY_TOKEN_FILE` names.
        audience: Option<String>,
        /// Where and for how long.
        sts: Sts,
    },
    /// `AssumeRole` with other credentials.
    AssumeRole {
        /// The role.
        role_arn: String,
        /// What the role's trust policy may ask for.
        external_id: Option<String>,
        /// What assumes it: [`Self::Default`] or [`Self::Secret`].
        base: Box<Self>,
        /// Where and for how long.
        sts: Sts,
    },
}

/// How a session is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sts {
    /// Where STS answers; `None` is AWS's of the region.
    pub endpoint: Option<String>,
    /// The region that is signed for.
    pub region: String,
    /// How long the session is to live.
    pub duration: Duration,
    /// PEM certificates that are trusted besides the system's.
    pub ca_bundle: Option<String>,
}

/// What a session may do and how the S3 side's audit log calls it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session {
    /// `RoleSessionName`: 2 to 64 letters, digits and `+=,.@_-`.
    pub name: String,
    /// The inline session policy; `None` for all that the role may.
    pub policy: Option<String>,
}

impl CredentialSource {
    /// The source that a store's spec names.
    #[must_use]
    pub fn secret(name: &str, keys: Option<&SecretKeys>) -> Self {
        let keys = keys.cloned().unwrap_or_default();
        let SecretKeys {
            access_key_id,
            secret_access_key,
            session_token,
            expiration,
        } = keys;
        Self::Secret {
            name: name.to_owned(),
            keys: [access_key_id, secret_access_key, session_token, expiration],
        }
    }
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

/// A Secret as an inspection found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedSecret {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its owner references.
    pub owners: Vec<Owner>,
    /// Its finalizers.
    pub finalizers: Vec<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// What only a read of the whole tells.
    pub content: Option<ObservedContent>,
}

/// What a read of a whole Secret tells; never the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedContent {
    /// `issue::data_hash` of its data.
    pub data_hash: String,
    /// Whether its type is Opaque.
    pub opaque: bool,
    /// Whether it is immutable.
    pub immutable: bool,
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
    /// The step was not tried, since the claim to lead had ended.
    NotRun,
}
