//! One call: a time limit, a class for each failure, and a count.
//!
//! What holds here: no write is sent after the end of the claim that it belongs to: a process may have been
//! paused since it was decided. [`failure`] and [`class`] are total. No text of the server gets past them but
//! the name of a quota, an admission policy or a webhook, if it has the form of one.

use std::time::Duration;

use kube::Error;
use kube::core::Status;
use kube::core::response::reason;
use presigned_core::engine::{ApiError, Refuser};
use presigned_core::lease::Claim;

use crate::clock::Clock;
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
            Self::Delete => "delete",
        }
    }

    const fn writes(self) -> bool {
        !matches!(self, Self::Get)
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
    /// Until when writes may be sent, and the clock that tells; `None` for ever.
    claim: Option<(Claim, Clock)>,
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
        Self {
            metrics,
            limit,
            claim: None,
        }
    }

    /// Calls of which none that writes begins after the end of a claim.
    #[must_use]
    pub fn within(&self, claim: Claim, clock: Clock) -> Self {
        Self {
            claim: Some((claim, clock)),
            ..self.clone()
        }
    }

    /// Makes one call.
    ///
    /// # Errors
    /// [`ApiError::Timeout`] after the time limit: a write may have landed. [`ApiError::Unavailable`] if a
    /// write was not sent, since the claim is over. Else what [`failure`] says.
    pub async fn call<T>(
        &self,
        verb: Verb,
        target: Target,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, ApiError> {
        let over = |(claim, clock): &(Claim, Clock)| !claim.holds(clock.monotonic());
        if verb.writes() && self.claim.as_ref().is_some_and(over) {
            return Err(ApiError::Unavailable);
        }
        let result = match tokio::time::timeout(self.limit, future).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(ApiError::Timeout),
        };
        self.count(verb, target, &result);
        result
    }

    fn count<T>(&self, verb: Verb, target: Target, result: &Result<T, ApiError>) {
        let outcome = result.as_ref().err().map_or("ok", outcome);
        self.metrics.api_call(verb.as_str(), target.0, outcome);
    }
}

/// The class of a failed call.
#[must_use]
pub fn failure(error: &Error) -> ApiError {
    match error {
        Error::Api(status) => class(status),
        Error::HyperError(_) | Error::Service(_) | Error::ReadEvents(_) | Error::Auth(_) => {
            ApiError::Unavailable
        }
        // An answer that cannot be read, and settings that make no request: neither says what happened.
        _ => ApiError::Other(None),
    }
}

/// The class of a failure that the server reported.
pub(super) fn class(status: &Status) -> ApiError {
    match status.code {
        409 if status.reason == reason::ALREADY_EXISTS => ApiError::AlreadyExists,
        409 => ApiError::Conflict,
        404 => ApiError::NotFound,
        403 if has_cause(status, |c| c.reason == "NamespaceTerminating") => {
            ApiError::NamespaceTerminating
        }
        400..=403 | 413 | 422 if let Some(by) = refuser(&status.message) => ApiError::Refused(by),
        401 | 403 => ApiError::Forbidden,
        422 if has_cause(status, |c| {
            c.reason == "FieldValueTooLong" && c.field == "data"
        }) =>
        {
            ApiError::TooLarge
        }
        400 | 422 => ApiError::Invalid,
        413 => ApiError::TooLarge,
        429 => ApiError::TooManyRequests {
            retry_after: retry_after(status),
        },
        504 => ApiError::Timeout,
        500 if status.reason == reason::SERVER_TIMEOUT => ApiError::Timeout,
        500 if let Some(name) = failed_webhook(&status.message) => ApiError::WebhookFailed(name),
        500..=599 => ApiError::Unavailable,
        0 => ApiError::Other(None),
        code => ApiError::Other(Some(code)),
    }
}

/// What refused a write, by the sentence of the API server. Only what stands before anybody's own words is
/// compared: the sentence begins with the kind and the quoted name of the object.
fn refuser(message: &str) -> Option<Refuser> {
    let rest = match message.split_once(" is forbidden: ") {
        Some((_, rest)) => rest,
        None => message,
    };
    if let Some(rest) = rest.strip_prefix("exceeded quota: ") {
        return name(rest, ',').map(Refuser::Quota);
    }
    if let Some(rest) = rest.strip_prefix("ValidatingAdmissionPolicy '") {
        return name(rest, '\'').map(Refuser::Policy);
    }
    let rest = rest.strip_prefix("admission webhook \"")?;
    name(rest, '"').map(Refuser::Webhook)
}

/// The admission webhook that the API server could not call, by its sentence.
fn failed_webhook(message: &str) -> Option<String> {
    let rest = message.strip_prefix("Internal error occurred: ");
    let rest = rest.unwrap_or(message);
    name(rest.strip_prefix("failed calling webhook \"")?, '"')
}

/// The name of an object that stands before `end`.
fn name(text: &str, end: char) -> Option<String> {
    let (name, _) = text.split_once(end)?;
    let of_a_name =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let fits = (1..=253).contains(&name.len()) && name.bytes().all(of_a_name);
    fits.then(|| name.to_owned())
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

/// The word for a failure in metrics and traces.
pub(crate) const fn outcome(failure: &ApiError) -> &'static str {
    match failure {
        ApiError::AlreadyExists => "already_exists",
        ApiError::Conflict => "conflict",
        ApiError::NotFound => "not_found",
        ApiError::NamespaceTerminating => "namespace_terminating",
        ApiError::Forbidden | ApiError::Refused(_) => "forbidden",
        ApiError::Invalid | ApiError::Kept => "invalid",
        ApiError::TooLarge => "too_large",
        ApiError::TooManyRequests { retry_after: _ } => "too_many_requests",
        ApiError::Timeout => "timeout",
        ApiError::Unavailable => "unavailable",
        ApiError::WebhookFailed(_) => "webhook_failed",
        ApiError::Other(_) => "other",
    }
}
