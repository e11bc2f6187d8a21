//! Failures as the core sees them, and the one total function that classifies them.
//!
//! What holds here:
//! - A failure carries a class, never a server's text, so no server can put text into a condition.
//! - [`classify`] is the only place that chooses reason, retry and metric label.

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
    /// 403 of RBAC, an admission policy or a quota, and 401.
    Forbidden,
    /// 400 and 422: the object is not valid.
    Invalid,
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
    /// Any other failure, with its status code if there was one.
    Other(Option<u16>),
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
    /// After something that concerns the object changes; also every five minutes, because the change may not
    /// be one that is watched.
    OnChange,
}

/// The class of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorClass {
    /// The reason in conditions and metrics.
    pub reason: Reason,
    /// When the call is retried.
    pub retry: Retry,
    /// The sentence for conditions.
    pub sentence: &'static str,
}

/// The one table of failures.
#[must_use]
pub const fn classify(failure: &ApiError) -> ErrorClass {
    let (reason, retry, sentence) = match failure {
        ApiError::AlreadyExists | ApiError::Conflict | ApiError::NotFound => (
            Reason::ApiError,
            Retry::Immediately,
            "the object changed meanwhile; it is looked at afresh",
        ),
        ApiError::NamespaceTerminating => (
            Reason::NamespaceTerminating,
            Retry::OnChange,
            "the namespace is being deleted",
        ),
        ApiError::Forbidden => (
            Reason::Forbidden,
            Retry::OnChange,
            "the API server forbids the operator this write: compare its RBAC with the chart's, and look for admission policies and quotas",
        ),
        ApiError::Invalid => (
            Reason::ApiError,
            Retry::OnChange,
            "the API server refuses the object as it stands: look for admission webhooks and policies that concern Secrets",
        ),
        ApiError::TooLarge => (
            Reason::SecretTooLarge,
            Retry::OnChange,
            "the API server says that the Secret is too large: ask for less in one resource",
        ),
        ApiError::TooManyRequests { retry_after } => (
            Reason::ApiError,
            Retry::ThrottleAll(*retry_after),
            "the API server asks to slow down; it is tried again",
        ),
        ApiError::Timeout => (
            Reason::ApiError,
            Retry::Backoff,
            "the API server did not answer in time; it is tried again",
        ),
        ApiError::Unavailable => (
            Reason::ApiError,
            Retry::Backoff,
            "the API server could not be reached; it is tried again",
        ),
        ApiError::Other(_) => (
            Reason::ApiError,
            Retry::Backoff,
            "the API server gave an unexpected answer; it is tried again",
        ),
    };
    ErrorClass {
        reason,
        retry,
        sentence,
    }
}
