//! The outcome of a plan, and what the completion of a step in flight needs.
//!
//! What holds here:
//! - [`InFlight`] has one variant for each kind of step, so a result always belongs to one of them.

use jiff::Timestamp;

use crate::api::{ClusterObjectStoreStatus, PresignedUrlPolicyStatus, PresignedUrlStatus, Problem};
use crate::engine::cache::record::Told;
use crate::engine::protocol::{Cause, CredentialSource, EventRecord, S3Method, Session, Step};
use crate::issue::issued::Issued;
use crate::request::Key;

/// The outcome of a plan.
#[derive(Debug)]
pub(in crate::engine) enum Action {
    /// This step starts now.
    Start(Box<Step>, Box<InFlight>),
    /// This step is slow: it starts once its store has a slot for it.
    StartInSlot(Box<Step>, Box<InFlight>),
    /// The store fetches or probes something first. The object is planned again after that.
    AwaitStore,
    /// The store has no slot for a slow step. The object is planned again when there is one.
    AwaitSlot,
    /// A problem blocks the object until this time, or until a change that affects it.
    Blocked(Problem, Option<Timestamp>),
    /// There is nothing to do before the requested requeue.
    Idle,
}

impl Action {
    /// A slow step.
    pub(in crate::engine) fn start_in_slot(step: Step, in_flight: InFlight) -> Self {
        Self::StartInSlot(Box::new(step), Box::new(in_flight))
    }

    /// A step that starts now.
    pub(in crate::engine) fn start(step: Step, in_flight: InFlight) -> Self {
        Self::Start(Box::new(step), Box::new(in_flight))
    }
}

/// A step in flight, with what its completion needs.
#[derive(Debug)]
pub(in crate::engine) enum InFlight {
    /// Inspects a Secret that may differ from what was written.
    InspectDrift {
        /// The Secret's name.
        name: String,
    },
    /// Puts back the owner reference and the marks of the Secret.
    RestoreMarks {
        /// The Secret's name.
        name: String,
    },
    /// Reads the resource itself.
    ReadResource,
    /// Inspects the Secret that has the name to write.
    InspectName,
    /// Inspects a Secret before its removal.
    InspectRemoval,
    /// Creates the Secret.
    Create(Box<SecretInFlight>),
    /// Updates the Secret.
    Update(Box<SecretInFlight>),
    /// Removes the Secret, or a Secret of an earlier name.
    Remove {
        /// The Secret's name.
        name: String,
    },
    /// Removes the Secret that has the name to write, so that a new one can be created.
    FreeName {
        /// The Secret's name.
        name: String,
    },
    /// Lists a prefix.
    List {
        /// The hash of the request that the listing is for.
        request_hash: String,
    },
    /// Signs a long job.
    Sign,
    /// Requests some objects, to verify URLs.
    Verify {
        /// The objects, and how each is requested.
        keys: Vec<(Key, S3Method)>,
        /// The hash of the content that is verified.
        hash: String,
        /// Whether the Secret is written only if they work.
        gates_issue: bool,
        /// Whether the status waits for them.
        status_waits: bool,
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
    /// Writes the status of a PresignedURL. The Events are made when the write starts: the watch may report
    /// the new status before the answer arrives, and then there is no change to see.
    WriteStatus {
        /// The status.
        status: Box<PresignedUrlStatus>,
        /// The Events that report the change.
        events: Vec<EventRecord>,
        /// Whether the policies deny what they did not deny before.
        newly_denied: bool,
    },
    /// Publishes an Event.
    PublishEvent,
    /// Deletes a PresignedURL after its `ttlAfterExpiry`.
    DeleteResource,
    /// Fetches the credentials of a store.
    FetchCredentials,
    /// Probes a store.
    Probe,
    /// Writes the status of a ClusterObjectStore, of which the Event reports the change.
    WriteStoreStatus(Box<ClusterObjectStoreStatus>, Option<Box<EventRecord>>),
    /// Writes the status of a PresignedURLPolicy, of which the Event reports the change.
    WritePolicyStatus(
        Box<PresignedUrlPolicyStatus>,
        Box<Told>,
        Option<Box<EventRecord>>,
    ),
}

impl InFlight {
    /// The name of the step, for logs.
    pub(in crate::engine) const fn name(&self) -> &'static str {
        match self {
            Self::InspectDrift { .. } => "InspectDrift",
            Self::RestoreMarks { .. } => "RestoreMarks",
            Self::ReadResource => "ReadResource",
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
            Self::WriteStoreStatus(..) => "WriteStoreStatus",
            Self::WritePolicyStatus(..) => "WritePolicyStatus",
        }
    }
}

/// A Secret that is being written.
#[derive(Debug)]
pub(in crate::engine) struct SecretInFlight {
    /// The Secret's name.
    pub(in crate::engine) name: String,
    /// What it holds once it is written. The uid and the resourceVersion are still empty.
    pub(in crate::engine) issued: Issued,
    /// Why it is written.
    pub(in crate::engine) cause: Cause,
    /// Whether nothing is sent that somebody else added.
    pub(in crate::engine) all_ours: bool,
}
