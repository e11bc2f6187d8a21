//! Failures as the core sees them, and the one total function from a failure to what follows.
//!
//! What holds here: a failure carries a class, never a server's text, so nothing that a server says can reach a
//! condition. [`classify`] is the only place that chooses reason, retry and metric label.

use std::time::Duration;

use crate::api::Reason;

/// Why a call to the API server did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// 409 on a create: the name is taken.
    AlreadyExists,
    /// 409 on a write: uid or resourceVersion is not what was decided on.
    Conflict,
    /// 404.
    NotFound,
    /// 403 because the namespace is being deleted.
    NamespaceTerminating,
    /// 403 of RBAC, an admission policy or a quota, and 401.
    Forbidden,
    /// 400 and 422: the object was refused as it stands.
    Invalid,
    /// 413: larger than the server takes.
    TooLarge,
    /// 429, with the pause that the server asks for.
    TooManyRequests {
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// No answer in time: a write may or may not have landed.
    Timeout,
    /// 5xx, or no connection.
    Unavailable,
    /// Anything else; the status code where there was one.
    Other(Option<u16>),
}

/// How a failure is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// At once, on fresh facts.
    Immediately,
    /// With growing pauses.
    Backoff,
    /// With growing pauses; until then nobody calls the server.
    ThrottleAll(Option<Duration>),
    /// Not before something that concerns it changes; looked at again every five minutes in case the change is not
    /// one that is watched.
    OnChange,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorClass {
    /// The reason in conditions and metrics.
    pub reason: Reason,
    /// When it is tried again.
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
