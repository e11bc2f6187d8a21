//! One call: a time limit, a class for each failure, and a count.
//!
//! What holds here: [`failure`] and [`class`] are total, and no text of the server passes them.

use std::time::Duration;

use kube::Error;
use kube::core::Status;
use kube::core::response::reason;
use presigned_core::engine::ApiFailure;

use crate::telemetry::Metrics;

/// How long a call may take.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// GET of one object.
    Get,
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH of a status.
    Patch,
    /// DELETE of one object.
    Delete,
}

impl Verb {
    /// The word for metrics, as in RBAC.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// What a call is about: the resource's plural name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target(pub &'static str);

/// Makes calls and counts them.
#[derive(Clone, Debug)]
pub struct Calls {
    metrics: Metrics,
    limit: Duration,
}

impl Calls {
    /// Counts in `metrics`.
    #[must_use]
    pub const fn new(metrics: Metrics) -> Self {
        Self::with_limit(metrics, TIMEOUT)
    }

    /// As [`Self::new`], with a time limit of one's own.
    #[must_use]
    pub const fn with_limit(metrics: Metrics, limit: Duration) -> Self {
        Self { metrics, limit }
    }

    /// Makes one call.
    ///
    /// # Errors
    /// [`ApiFailure::Timeout`] after the time limit: a write may have landed. Else what [`failure`] says.
    pub async fn call<T>(
        &self,
        verb: Verb,
        target: Target,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, ApiFailure> {
        let result = match tokio::time::timeout(self.limit, future).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(ApiFailure::Timeout),
        };
        self.count(verb, target, &result);
        result
    }

    fn count<T>(&self, verb: Verb, target: Target, result: &Result<T, ApiFailure>) {
        let outcome = result.as_ref().err().map_or("ok", outcome);
        self.metrics.api_call(verb.as_str(), target.0, outcome);
    }
}

/// The class of a failed call.
#[must_use]
pub fn failure(error: &Error) -> ApiFailure {
    match error {
        Error::Api(status) => class(status),
        Error::HyperError(_) | Error::Service(_) | Error::ReadEvents(_) | Error::Auth(_) => {
            ApiFailure::Unavailable
        }
        // An answer that cannot be read, and settings that make no request: neither tells what happened.
        _ => ApiFailure::Other(None),
    }
}

/// The class of a failure that the server told.
pub(super) fn class(status: &Status) -> ApiFailure {
    match status.code {
        409 if status.reason == reason::ALREADY_EXISTS => ApiFailure::AlreadyExists,
        409 => ApiFailure::Conflict,
        404 => ApiFailure::NotFound,
        403 if has_cause(status, |c| c.reason == "NamespaceTerminating") => {
            ApiFailure::NamespaceTerminating
        }
        401 | 403 => ApiFailure::Forbidden,
        // A patch of another object's uid is refused as an invalid change, not as a conflict.
        422 if has_cause(status, |c| c.field == "metadata.uid") => ApiFailure::Conflict,
        422 if has_cause(status, |c| {
            c.reason == "FieldValueTooLong" && c.field == "data"
        }) =>
        {
            ApiFailure::TooLarge
        }
        400 | 422 => ApiFailure::Invalid,
        413 => ApiFailure::TooLarge,
        429 => ApiFailure::TooManyRequests {
            retry_after: retry_after(status),
        },
        504 => ApiFailure::Timeout,
        500 if status.reason == reason::SERVER_TIMEOUT => ApiFailure::Timeout,
        500..=599 => ApiFailure::Unavailable,
        0 => ApiFailure::Other(None),
        code => ApiFailure::Other(Some(code)),
    }
}

fn has_cause(status: &Status, is: impl Fn(&kube::core::response::StatusCause) -> bool) -> bool {
    status
        .details
        .as_ref()
        .is_some_and(|details| details.causes.iter().any(is))
}

fn retry_after(status: &Status) -> Option<Duration> {
    status
        .details
        .as_ref()
        .map(|details| details.retry_after_seconds)
        .filter(|seconds| *seconds > 0)
        .map(|seconds| Duration::from_secs(seconds.into()))
}

/// The metric's word for a failure.
const fn outcome(failure: &ApiFailure) -> &'static str {
    match failure {
        ApiFailure::AlreadyExists => "already_exists",
        ApiFailure::Conflict => "conflict",
        ApiFailure::NotFound => "not_found",
        ApiFailure::NamespaceTerminating => "namespace_terminating",
        ApiFailure::Forbidden => "forbidden",
        ApiFailure::Invalid => "invalid",
        ApiFailure::TooLarge => "too_large",
        ApiFailure::TooManyRequests { retry_after: _ } => "too_many_requests",
        ApiFailure::Timeout => "timeout",
        ApiFailure::Unavailable => "unavailable",
        ApiFailure::Other(_) => "other",
    }
}
