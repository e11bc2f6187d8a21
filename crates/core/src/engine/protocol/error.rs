//! Failures as the core sees them, and the one total function that classifies them.
//!
//! What holds here:
//! - A failure carries a class and at most the name of an object, never a server's text, so no server can put
//!   text into a condition.
//! - [`classify`] is the only place that chooses reason, retry and metric label.

use std::borrow::Cow;
use std::time::Duration;

use crate::api::Reason;

/// Why a call to the API server failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// 409 on a create: the name is taken.
    AlreadyExists,
    /// 409 on a write: uid or resourceVersion differs from the one that the decision was based on.
    Conflict,
    /// 404.
    NotFound,
    /// 403 because the namespace is being deleted.
    NamespaceTerminating,
    /// 403 of RBAC, and 401.
    Forbidden,
    /// A quota, an admission policy or an admission webhook refuses the write.
    Refused(Refuser),
    /// 400 and 422: the object is not valid.
    Invalid,
    /// A finalizer keeps a Secret that was deleted, and its data cannot be taken out of it.
    Kept,
    /// 413: the object is larger than the server accepts.
    TooLarge,
    /// 429, with the pause that the server requests.
    TooManyRequests {
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// No answer in time: a write may or may not have succeeded.
    Timeout,
    /// 5xx, or no connection.
    Unavailable,
    /// 500: the API server could not call the admission webhook of this name. It wrote nothing.
    WebhookFailed(String),
    /// Any other failure, with its status code if there was one.
    Other(Option<u16>),
}

/// What refuses a write beside RBAC.
///
/// Each holds a name that the API server's answer gave: it has the form of an object's name, so it is no text
/// of somebody's choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refuser {
    /// A `ResourceQuota` of the namespace is used up.
    Quota(String),
    /// A `ValidatingAdmissionPolicy`.
    Policy(String),
    /// A webhook of a `ValidatingWebhookConfiguration` or `MutatingWebhookConfiguration`.
    Webhook(String),
}

impl Refuser {
    fn sentence(&self) -> String {
        match self {
            Self::Quota(name) => format!(
                "the namespace's ResourceQuota \"{name}\" is used up: delete what is not needed, or ask an admin for more"
            ),
            Self::Policy(name) => format!(
                "the ValidatingAdmissionPolicy \"{name}\" refuses the operator this write: ask an admin to let it pass, or \
                 ask for what the policy allows"
            ),
            Self::Webhook(name) => format!(
                "the admission webhook \"{name}\" refuses the operator this write: ask an admin to let it pass, or ask for \
                 what the webhook allows"
            ),
        }
    }
}

/// When a failed call is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// At once, with a new plan.
    Immediately,
    /// With growing pauses.
    Backoff,
    /// With growing pauses; no step calls the server before the pause ends.
    ThrottleAll(Option<Duration>),
    /// With growing pauses: a right may be missing for good, or for the seconds in which an API server starts and
    /// knows no rights yet.
    OnceAllowed,
    /// After something that concerns the object changes; also every five minutes, because the change may not
    /// be one that is watched.
    OnChange,
}

/// The class of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorClass {
    /// The reason in conditions and metrics.
    pub reason: Reason,
    /// When the call is retried.
    pub retry: Retry,
    /// The sentence for conditions.
    pub sentence: Cow<'static, str>,
}

/// The one table of failures.
#[must_use]
pub fn classify(failure: &ApiError) -> ErrorClass {
    let (reason, retry, sentence) = match failure {
        ApiError::AlreadyExists | ApiError::Conflict | ApiError::NotFound => (
            Reason::APIError,
            Retry::Immediately,
            "the object changed meanwhile; the operator evaluates it again",
        ),
        ApiError::NamespaceTerminating => (
            Reason::NamespaceTerminating,
            Retry::OnChange,
            "the namespace is being deleted",
        ),
        ApiError::Refused(by) => {
            return ErrorClass {
                reason: Reason::Forbidden,
                retry: Retry::OnChange,
                sentence: Cow::Owned(by.sentence()),
            };
        }
        ApiError::Forbidden => (
            Reason::Forbidden,
            Retry::OnceAllowed,
            "the API server forbids the operator this write: compare its RBAC with the chart's, and look for admission controllers",
        ),
        ApiError::Invalid => (
            Reason::APIError,
            Retry::OnChange,
            "the API server refuses the object as it stands: look for admission webhooks and policies that concern Secrets",
        ),
        ApiError::Kept => (
            Reason::APIError,
            Retry::OnChange,
            "a finalizer keeps the Secret, and its data cannot be taken out, since it is immutable or not of type Opaque: \
             remove the finalizer",
        ),
        ApiError::TooLarge => (
            Reason::SecretTooLarge,
            Retry::OnChange,
            "the API server says that the Secret is too large: ask for less in one resource",
        ),
        ApiError::TooManyRequests { retry_after } => (
            Reason::APIError,
            Retry::ThrottleAll(*retry_after),
            "the API server asks to slow down; the operator retries",
        ),
        ApiError::Timeout => (
            Reason::APIError,
            Retry::Backoff,
            "the API server did not answer in time; the operator retries",
        ),
        ApiError::Unavailable => (
            Reason::APIError,
            Retry::Backoff,
            "the API server could not be reached; the operator retries",
        ),
        ApiError::WebhookFailed(name) => {
            return ErrorClass {
                reason: Reason::APIError,
                retry: Retry::Backoff,
                sentence: Cow::Owned(format!(
                    "the API server could not call the admission webhook \"{name}\", which is asked about this write: ask an \
                     admin to look after the webhook; the operator retries"
                )),
            };
        }
        ApiError::Other(_) => (
            Reason::APIError,
            Retry::Backoff,
            "the API server gave an unexpected answer; the operator retries",
        ),
    };
    ErrorClass {
        reason,
        retry,
        sentence: Cow::Borrowed(sentence),
    }
}
