//! Steps as healthy servers execute them, and what is recorded of them.

use jiff::Timestamp;
use presigned_core::api::Condition;
use presigned_core::engine::{
    ApiError, CredentialsError, FetchedCredentials, ListError, ObjectKey, ObjectVersion, Step,
    StepResult, TransportError,
};

use crate::common::cloud::Cloud;
use crate::common::cluster::{Cluster, Place};

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepKind {
    FetchCredentials,
    List,
    SendRequests,
    Sign,
    InspectSecret,
    ReadResource,
    CreateSecret,
    UpdateSecret,
    RestoreMarks,
    DeleteSecret,
    DeleteResource,
    WriteStatus,
    WriteStoreStatus,
    WritePolicyStatus,
    PublishEvent,
}

impl StepKind {
    pub fn of(step: &Step) -> Self {
        match step {
            Step::FetchCredentials { .. } => Self::FetchCredentials,
            Step::List { .. } => Self::List,
            Step::SendRequests { .. } => Self::SendRequests,
            Step::Sign(_) => Self::Sign,
            Step::InspectSecret { .. } => Self::InspectSecret,
            Step::ReadResource { .. } => Self::ReadResource,
            Step::CreateSecret(_) => Self::CreateSecret,
            Step::UpdateSecret { .. } => Self::UpdateSecret,
            Step::RestoreMarks { .. } => Self::RestoreMarks,
            Step::DeleteSecret { .. } => Self::DeleteSecret,
            Step::DeleteResource { .. } => Self::DeleteResource,
            Step::WriteStatus { .. } => Self::WriteStatus,
            Step::WriteStoreStatus { .. } => Self::WriteStoreStatus,
            Step::WritePolicyStatus { .. } => Self::WritePolicyStatus,
            Step::PublishEvent(_) => Self::PublishEvent,
        }
    }

    /// Whether the API server answers it, and its answer is read.
    pub const fn calls_the_api_server(self) -> bool {
        !matches!(
            self,
            Self::FetchCredentials
                | Self::List
                | Self::SendRequests
                | Self::Sign
                | Self::PublishEvent
        )
    }

    /// Whether it changes the cluster.
    pub const fn writes(self) -> bool {
        !matches!(
            self,
            Self::FetchCredentials
                | Self::List
                | Self::SendRequests
                | Self::Sign
                | Self::InspectSecret
                | Self::ReadResource
        )
    }
}

/// The Secret or resource that a step is about.
pub fn place(step: &Step) -> Option<Place> {
    match step {
        Step::InspectSecret {
            namespace, name, ..
        }
        | Step::ReadResource { namespace, name }
        | Step::RestoreMarks {
            namespace, name, ..
        }
        | Step::DeleteSecret {
            namespace, name, ..
        }
        | Step::DeleteResource {
            namespace, name, ..
        }
        | Step::WriteStatus {
            namespace, name, ..
        } => Some((namespace.clone(), name.clone())),
        Step::CreateSecret(write) | Step::UpdateSecret { write, .. } => {
            Some((write.namespace.clone(), write.name.clone()))
        }
        _ => None,
    }
}

/// An object that a step changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Changed {
    Secret(Place),
    Resource(Place),
    Store(String),
    Policy(String),
}

/// What a step changes, if it changes what was there before.
pub fn changed(step: &Step) -> Option<Changed> {
    match step {
        Step::CreateSecret(_)
        | Step::UpdateSecret { .. }
        | Step::RestoreMarks { .. }
        | Step::DeleteSecret { .. } => place(step).map(Changed::Secret),
        Step::DeleteResource { .. } | Step::WriteStatus { .. } => {
            place(step).map(Changed::Resource)
        }
        Step::WriteStoreStatus { name, .. } => Some(Changed::Store(name.clone())),
        Step::WritePolicyStatus { name, .. } => Some(Changed::Policy(name.clone())),
        _ => None,
    }
}

/// The version of the Secret that a step replaces.
pub fn target(step: &Step) -> Option<&ObjectVersion> {
    match step {
        Step::UpdateSecret { target, .. }
        | Step::RestoreMarks { target, .. }
        | Step::DeleteSecret { target, .. } => Some(target),
        _ => None,
    }
}

/// Whether a step is a call to the API server.
pub fn calls_the_api(step: &Step) -> bool {
    !matches!(
        step,
        Step::FetchCredentials { .. }
            | Step::List { .. }
            | Step::SendRequests { .. }
            | Step::Sign(_)
    )
}

/// A step that reached the API server or the cloud.
#[derive(Clone, Debug)]
pub struct Record {
    pub at: Timestamp,
    pub key: ObjectKey,
    pub kind: StepKind,
    pub place: Option<Place>,
    /// Whether it did what it should.
    pub ok: bool,
}

/// Executes a step as healthy servers would.
pub fn execute(
    cluster: &mut Cluster,
    cloud: &mut Cloud,
    key: &ObjectKey,
    step: &Step,
    now: Timestamp,
) -> StepResult {
    match step {
        Step::FetchCredentials {
            source, session, ..
        } => {
            let fetched = cloud.fetch_session(source, session, now);
            StepResult::Credentials(fetched.map(|credentials| FetchedCredentials {
                credentials,
                secret: cluster.credentials_secret(source),
            }))
        }
        Step::List { request, .. } => StepResult::Listed(cloud.list(request, now)),
        Step::SendRequests { requests, .. } => StepResult::Responses(
            requests
                .iter()
                .map(|request| cloud.answer(request, now))
                .collect(),
        ),
        Step::Sign(job) => StepResult::Signed(Box::new(job.run())),
        step => cluster.execute(key, step, now),
    }
}

/// The seconds that a step gives its servers, if it gives any.
pub fn timeout(step: &Step) -> Option<i64> {
    match step {
        Step::SendRequests {
            timeout: Some(timeout),
            ..
        } => i64::try_from(timeout.as_secs()).ok(),
        _ => None,
    }
}

pub fn failed(step: &Step, failure: ApiError) -> StepResult {
    match step {
        Step::FetchCredentials { .. } => StepResult::Credentials(Err(CredentialsError {
            reason: presigned_core::api::Reason::CredentialsUnavailable,
            message: "the model's provider is down".to_owned(),
        })),
        Step::List { .. } => {
            StepResult::Listed(Err(ListError::TransportError(TransportError::Connection)))
        }
        Step::SendRequests { requests, .. } => {
            StepResult::Responses(vec![Err(TransportError::Connection); requests.len()])
        }
        // Nothing outside is asked for it.
        Step::Sign(job) => StepResult::Signed(Box::new(job.run())),
        Step::InspectSecret { .. } => StepResult::Inspected(Err(failure)),
        Step::ReadResource { .. } => StepResult::ResourceRead(Err(failure)),
        Step::CreateSecret(_) | Step::UpdateSecret { .. } | Step::RestoreMarks { .. } => {
            StepResult::SecretWritten(Err(failure))
        }
        Step::DeleteSecret { .. } => StepResult::SecretDeleted(Err(failure)),
        Step::DeleteResource { .. } => StepResult::ResourceDeleted(Err(failure)),
        Step::WriteStatus { .. }
        | Step::WriteStoreStatus { .. }
        | Step::WritePolicyStatus { .. } => StepResult::StatusWritten(Err(failure)),
        Step::PublishEvent(_) => StepResult::Published,
    }
}

pub fn went_well(result: &StepResult) -> bool {
    match result {
        StepResult::Credentials(result) => result.is_ok(),
        StepResult::Responses(answers) => answers.iter().all(Result::is_ok),
        StepResult::Inspected(result) => result.is_ok(),
        StepResult::ResourceRead(result) => result.is_ok(),
        StepResult::SecretWritten(result) => result.is_ok(),
        StepResult::StatusWritten(result) => result.is_ok(),
        StepResult::SecretDeleted(result) | StepResult::ResourceDeleted(result) => result.is_ok(),
        StepResult::Listed(result) => result.is_ok(),
        StepResult::Published | StepResult::Signed(_) | StepResult::NotRun => true,
    }
}

fn conditions_of(conditions: &[Condition]) -> String {
    conditions
        .iter()
        .map(|c| format!("{}={:?}({}) ", c.type_, c.status, c.reason))
        .collect()
}

pub fn describe(key: &ObjectKey, step: &Step, result: &StepResult) -> String {
    let detail = match step {
        Step::WriteStatus { status, .. } => conditions_of(&status.conditions),
        Step::WriteStoreStatus { status, .. } => {
            let end = status.credentials_expiration_time;
            format!("{}until {end:?}", conditions_of(&status.conditions))
        }
        Step::PublishEvent(event) => event.note.clone(),
        Step::InspectSecret { .. } => format!("{result:?}"),
        Step::SendRequests { .. } => answers_of(result),
        _ => String::new(),
    };
    let ok = if went_well(result) {
        String::new()
    } else {
        format!(" -> {result:?}")
    };
    format!(
        "{key:?} {:?} {:?} {detail}{ok}",
        StepKind::of(step),
        place(step)
    )
}

/// The status and the code of each answer of an S3 server.
fn answers_of(result: &StepResult) -> String {
    let StepResult::Responses(answers) = result else {
        return String::new();
    };
    let answers = answers.iter().flatten();
    let told = answers.map(|answer| (answer.status, &answer.code, answer.skew));
    format!("{:?}", told.collect::<Vec<_>>())
}
