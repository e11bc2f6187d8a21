//! The outcome of a step, in a word for its span.
//!
//! What holds here: the words are ours. What a store's answer means is the core's to say, so an answer is an
//! answer here, whatever its status.

use presigned_core::engine::{ApiError, ListError, S3Result, StepResult, TransportError};

use crate::kube::outcome as api_outcome;
use crate::traces::Outcome;

const OK: Outcome = Outcome {
    word: "ok",
    failed: false,
};

const fn failed(word: &'static str) -> Outcome {
    Outcome { word, failed: true }
}

/// The outcome of a step.
pub(super) fn outcome(result: &StepResult) -> Outcome {
    match result {
        StepResult::Credentials(Ok(_)) | StepResult::Published => OK,
        StepResult::Credentials(Err(error)) => failed(error.reason.as_str()),
        StepResult::Listed(listed) => listed
            .as_ref()
            .err()
            .map_or(OK, |error| failed(listing(error))),
        StepResult::Responses(answers) => responses(answers),
        StepResult::Signed(signed) => signed.reason().map_or(OK, |reason| failed(reason.as_str())),
        StepResult::Inspected(result) => api(result.as_ref().err()),
        StepResult::ResourceRead(result) => api(result.as_ref().err()),
        StepResult::SecretWritten(result) => api(result.as_ref().err()),
        StepResult::StatusWritten(result) => api(result.as_ref().err()),
        StepResult::SecretDeleted(result) | StepResult::ResourceDeleted(result) => {
            api(result.as_ref().err())
        }
        StepResult::NotRun => failed("not_run"),
    }
}

fn api(error: Option<&ApiError>) -> Outcome {
    error.map_or(OK, |error| failed(api_outcome(error)))
}

fn responses(answers: &[S3Result]) -> Outcome {
    let error = answers.iter().find_map(|answer| answer.as_ref().err());
    error.map_or(OK, |error| failed(transport(error)))
}

const fn listing(error: &ListError) -> &'static str {
    match error {
        ListError::TooMany => "too_many_objects",
        ListError::TooLarge => "too_large",
        ListError::TooLong => "too_long",
        ListError::Refused(_) => "refused",
        ListError::TransportError(error) => transport(error),
        ListError::BadPage(_) => "bad_page",
        ListError::NotSigned(_) => "not_signed",
    }
}

const fn transport(error: &TransportError) -> &'static str {
    match error {
        TransportError::Host => "unknown_host",
        TransportError::Connection => "connection_failed",
        TransportError::Proxy(_) => "proxy_failed",
        TransportError::NotTls => "not_tls",
        TransportError::TlsExpected => "tls_expected",
        TransportError::Tls(_) => "tls_failed",
        TransportError::Timeout(_) => "timeout",
    }
}

#[cfg(test)]
mod tests {
    //! The words.

    use super::*;

    #[test]
    fn an_outcome_is_a_word_of_ours_whatever_a_server_said() {
        let conflict = StepResult::SecretWritten(Err(ApiError::Conflict));
        assert_eq!(outcome(&conflict), failed("conflict"));
        let silent = Err(TransportError::Timeout(std::time::Duration::from_secs(5)));
        assert_eq!(
            outcome(&StepResult::Responses(vec![silent])),
            failed("timeout")
        );
        assert_eq!(outcome(&StepResult::Responses(Vec::new())), OK);
        let webhook = ApiError::WebhookFailed("of-somebody".to_owned());
        assert_eq!(
            outcome(&StepResult::SecretDeleted(Err(webhook))),
            failed("webhook_failed")
        );
        assert_eq!(outcome(&StepResult::NotRun), failed("not_run"));
    }
}
