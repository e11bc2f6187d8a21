//! What a plan decides, and what a step in flight needs for its completion.
//!
//! What holds here: [`InFlight`] has one variant for each kind of step, so a result is never understood by
//! guess.

use jiff::Timestamp;

use crate::api::{ClusterObjectStoreStatus, PresignedUrlPolicyStatus, PresignedUrlStatus, Problem};
use crate::engine::protocol::Cause;
use crate::engine::protocol::{
    CredentialSource, EventRecord, ListRequest, S3Request, Session, Step,
};
use crate::issue::issued::Issued;
use crate::request::Key;

/// What comes next for an object.
#[derive(Debug)]
pub(in crate::engine) enum Action {
    /// This step starts now.
    Start(Box<Step>, Box<InFlight>),
    /// This step starts as soon as the store has a slot for it.
    AcquireSlot(Box<SlowStep>),
    /// The store fetches something first. The object is planned again after that.
    AwaitStore,
    /// The store has no slot for a slow step yet. The object is planned again when there is one.
    AwaitSlot,
    /// Something stands in the way until this time, or until something that concerns it changes.
    Blocked(Problem, Option<Timestamp>),
    /// Nothing to do until the times that were noted.
    Idle,
}

impl Action {
    /// This step starts now.
    pub(in crate::engine) fn start(step: Step, in_flight: InFlight) -> Self {
        Self::Start(Box::new(step), Box::new(in_flight))
    }
}

/// A step that keeps a store or its STS busy.
#[derive(Debug)]
pub(in crate::engine) enum SlowStep {
    /// Fetch a session that is narrowed to what is signed.
    FetchSession(Box<CredentialSource>, Box<Session>),
    /// List a prefix.
    List(Box<ListRequest>),
    /// Try some objects.
    Verify {
        /// Each key with its request.
        requests: Vec<(Key, S3Request)>,
        /// The hash of what they are signed for.
        hash: String,
        /// Whether something is published only if they work.
        gates_issue: bool,
    },
}

/// A step in flight, with what its completion needs.
#[derive(Debug)]
pub(in crate::engine) enum InFlight {
    /// Inspects a Secret that may differ from what was written.
    InspectDrift {
        /// The Secret's name.
        name: String,
    },
    /// Inspects what has the name that is to be written.
    InspectName,
    /// Inspects a Secret that is to be removed.
    InspectRemoval,
    /// Creates the Secret.
    Create(Box<SecretInFlight>),
    /// Updates the Secret.
    Update(Box<SecretInFlight>),
    /// Removes the Secret, or the Secret of an earlier name.
    Remove {
        /// The Secret's name.
        name: String,
    },
    /// Removes what has the name that is to be written, and may be removed.
    FreeName {
        /// The Secret's name.
        name: String,
    },
    /// Lists a prefix.
    List {
        /// What the listing was made for.
        identity: String,
    },
    /// Signs many objects.
    Sign,
    /// Tries some objects.
    Verify {
        /// The objects.
        keys: Vec<Key>,
        /// The hash of what they were signed for.
        hash: String,
        /// Whether something is published only if they work.
        gates_issue: bool,
    },
    /// Fetches a session of a store's role.
    FetchSession {
        /// The store.
        store: String,
        /// Its source of credentials.
        source: Box<CredentialSource>,
        /// The session.
        session: Box<Session>,
    },
    /// Writes the status of a PresignedURL. The Events are made when the write begins: a watch may bring the
    /// new status before the write is answered, and then nothing would seem to have changed.
    WriteStatus {
        /// The status.
        status: Box<PresignedUrlStatus>,
        /// The Events that tell of the change.
        events: Vec<EventRecord>,
        /// Whether the policies refuse what they did not refuse before.
        newly_denied: bool,
    },
    /// Publishes an Event.
    PublishEvent,
    /// Deletes a PresignedURL after its end.
    DeleteResource,
    /// Fetches the credentials of a store.
    FetchCredentials,
    /// Probes a store.
    Probe,
    /// Writes the status of a ClusterObjectStore.
    WriteStoreStatus(Box<ClusterObjectStoreStatus>),
    /// Writes the status of a PresignedURLPolicy.
    WritePolicyStatus(Box<PresignedUrlPolicyStatus>),
}

impl InFlight {
    /// The name of the step, for logs.
    pub(in crate::engine) const fn name(&self) -> &'static str {
        match self {
            Self::InspectDrift { .. } => "InspectDrift",
            Self::InspectName => "InspectName",
            Self::InspectRemoval => "InspectRemoval",
            Self::Create(_) => "Create",
            Self::Update(_) => "Update",
            Self::Remove { .. } => "Remove",
            Self::FreeName { .. } => "MakeRoom",
            Self::List { .. } => "List",
            Self::Sign => "Sign",
            Self::Verify { .. } => "Verify",
            Self::FetchSession { .. } => "FetchSession",
            Self::WriteStatus { .. } => "WriteStatus",
            Self::PublishEvent => "PublishEvent",
            Self::DeleteResource => "DeleteResource",
            Self::FetchCredentials => "FetchCredentials",
            Self::Probe => "Probe",
            Self::WriteStoreStatus(_) => "WriteStoreStatus",
            Self::WritePolicyStatus(_) => "WritePolicyStatus",
        }
    }
}

/// A Secret that is being written.
#[derive(Debug)]
pub(in crate::engine) struct SecretInFlight {
    /// The Secret's name.
    pub(in crate::engine) name: String,
    /// What it holds once it is written; uid and resourceVersion are still empty.
    pub(in crate::engine) issued: Issued,
    /// Why it is written.
    pub(in crate::engine) cause: Cause,
}
