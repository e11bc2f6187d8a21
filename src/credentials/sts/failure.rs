//! What it means that STS gave no session: one total function from its answer to our sentence.
//!
//! What holds here: STS's own words reach neither a condition nor the log, for they may repeat the token that
//! was sent. They decide nothing but which of the limits on a session's length was met, since STS has one
//! code for all of them. The log gets the status and the code, or how the connection failed.

use std::error::Error;
use std::fmt;

use aws_sdk_sts::config::http::HttpResponse;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use jiff::Timestamp;
use presigned_core::api::Reason;
use presigned_core::engine::{CredentialsError, Sts, TlsError, TransportError};
use presigned_core::request::format_duration;

use crate::http::Unreached;

/// The longest code of an error that is logged.
const MAX_CODE: usize = 64;

/// A request for a session, as far as messages describe it.
pub(super) struct SessionRequest<'a> {
    pub(super) role_arn: &'a str,
    pub(super) sts: &'a Sts,
    pub(super) base: Base,
}

/// What assumes the role.
#[derive(Clone, Copy)]
pub(super) enum Base {
    /// A token of the operator's service account.
    Token,
    /// Other credentials.
    Keys {
        /// They are a session themselves.
        chained: bool,
        /// An external ID was sent.
        external_id: bool,
    },
}

impl SessionRequest<'_> {
    /// The failure as a condition describes it.
    pub(super) fn failed<E>(&self, error: &SdkError<E, HttpResponse>) -> CredentialsError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let role = self.role_arn;
        if let SdkError::ServiceError(answer) = error {
            let code = answer.err().code().unwrap_or_default();
            let status = answer.raw().status().as_u16();
            tracing::warn!(role, status, code = logged(code), "STS gave no session");
            let words = answer.err().message().unwrap_or_default();
            return self.refused(code, words, status);
        }
        let status = error.raw_response().map(|raw| raw.status().as_u16());
        tracing::warn!(role, status, why = cause(error), "STS gave no session");
        match error {
            SdkError::TimeoutError(_) => self.unavailable("did not answer in time"),
            SdkError::DispatchFailure(_) => self.unavailable(no_answer(unreached(error))),
            SdkError::ResponseError(_) => self.unreadable(),
            _ => CredentialsError {
                reason: Reason::CredentialsInvalid,
                message: format!(
                    "{self}: the request could not be made: fix the store's region and stsEndpoint"
                ),
            },
        }
    }

    fn refused(&self, code: &str, words: &str, status: u16) -> CredentialsError {
        if code.is_empty() && status < 500 && status != 429 {
            return self.unreadable();
        }
        let (reason, what) = match code {
            "AccessDenied" | "AccessDeniedException" => (Reason::CredentialsInvalid, self.denied()),
            "ValidationError" | "InvalidParameterValue" => (Reason::CredentialsInvalid, self.too_long(words)),
            "MalformedPolicyDocument" | "MalformedPolicyDocumentException" => (
                Reason::CredentialsInvalid,
                "STS cannot read the session policy: if the server is not AWS's, set the scope of the store's role to \
                 Store"
                    .to_owned(),
            ),
            "PackedPolicyTooLarge" | "PackedPolicyTooLargeException" => (
                Reason::SessionPolicyTooLarge,
                "the session policy is larger than STS takes: ask for fewer objects in one resource, or set the scope of \
                 the store's role to Namespace or Store"
                    .to_owned(),
            ),
            "ExpiredTokenException" | "ExpiredToken" => (Reason::CredentialsExpired, self.base_ended().to_owned()),
            "InvalidIdentityToken" | "InvalidIdentityTokenException" => (
                Reason::CredentialsInvalid,
                "STS does not take the service account's token: register the cluster's issuer as an OIDC provider there, \
                 with the audience that the token is for"
                    .to_owned(),
            ),
            "IDPRejectedClaim" | "IDPRejectedClaimException" => (
                Reason::CredentialsInvalid,
                "the identity provider rejected the service account's token: compare its issuer, audience and age with what \
                 the provider takes"
                    .to_owned(),
            ),
            "IDPCommunicationError" | "IDPCommunicationErrorException" => (
                Reason::CredentialsUnavailable,
                "STS could not reach the cluster's OIDC issuer; the operator retries".to_owned(),
            ),
            "RegionDisabledException" => (
                Reason::CredentialsInvalid,
                "STS is not active in the store's region: activate it in the account, or set stsEndpoint".to_owned(),
            ),
            "InvalidClientTokenId" | "SignatureDoesNotMatch" | "UnrecognizedClientException" | "InvalidAccessKeyId"
            | "IncompleteSignature" | "MissingAuthenticationToken" => (
                Reason::CredentialsInvalid,
                "STS does not take the credentials that assume the role: fix them where the store names them, and its region"
                    .to_owned(),
            ),
            "RequestExpired" | "RequestTimeTooSkewed" => (
                Reason::ClockSkewed,
                "STS says that the request was signed too long ago or in the future: set the clock of the operator's node"
                    .to_owned(),
            ),
            "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequestsException" | "SlowDown" => (
                Reason::CredentialsUnavailable,
                "STS asks to slow down; the operator retries".to_owned(),
            ),
            _ if status >= 500 || status == 429 => (
                Reason::CredentialsUnavailable,
                format!("STS answered with status {status}; the operator retries"),
            ),
            _ => (
                Reason::CredentialsInvalid,
                format!("STS answered with status {status}: the operator's log has its code"),
            ),
        };
        CredentialsError {
            reason,
            message: format!("{self}: {what}"),
        }
    }

    fn denied(&self) -> String {
        match self.base {
            Base::Token => "STS does not let the operator's service account assume it: compare the role's trust policy with \
                            the issuer, the audience and system:serviceaccount:NAMESPACE:NAME of the operator"
                .to_owned(),
            Base::Keys { external_id, .. } => format!(
                "STS does not let the store's credentials assume it: they need sts:AssumeRole on it, and its trust policy \
                 must name them{}",
                if external_id { " with the external ID of the store" } else { "; it may ask for an externalID" }
            ),
        }
    }

    fn too_long(&self, words: &str) -> String {
        let duration = format_duration(self.sts.duration);
        let about = |part: &str| words.contains(part);
        if about("chaining") || (about("DurationSeconds") && self.is_chained_too_long()) {
            return format!(
                "{duration} is too long: a session of another role assumes it, and AWS ends such a session after 1h at most; set \
                 duration to 1h, or let static keys or webIdentity assume it"
            );
        }
        if about("DurationSeconds") || about("MaxSessionDuration") {
            return format!(
                "{duration} is longer than the role's maximum session duration: set a shorter duration, or raise the role's \
                 maximum (12h at most)"
            );
        }
        "STS does not take a parameter: fix roleARN, externalID and duration of the store's role"
            .to_owned()
    }

    fn is_chained_too_long(&self) -> bool {
        matches!(self.base, Base::Keys { chained: true, .. }) && self.sts.duration.as_secs() > 3600
    }

    const fn base_ended(&self) -> &'static str {
        match self.base {
            Base::Token => {
                "the service account's token has expired: kubelet renews it, so check the clocks and the token's mount"
            }
            Base::Keys { .. } => {
                "the credentials that assume it have expired: renew them where the store names them"
            }
        }
    }

    /// STS's answer is none.
    pub(super) fn unreadable(&self) -> CredentialsError {
        CredentialsError {
            reason: Reason::CredentialsUnavailable,
            message: format!(
                "{self}: the answer holds no session: let stsEndpoint name a server that speaks STS; the operator retries"
            ),
        }
    }

    /// The session was over when it came.
    pub(super) fn ended(&self, end: Timestamp) -> CredentialsError {
        CredentialsError {
            reason: Reason::CredentialsExpired,
            message: format!(
                "{self}: STS gave a session that expired at {end}: set the clocks of the operator's node and of STS"
            ),
        }
    }

    fn unavailable(&self, what: &str) -> CredentialsError {
        CredentialsError {
            reason: Reason::CredentialsUnavailable,
            message: match &self.sts.endpoint {
                Some(endpoint) => format!("{self}: STS at {endpoint} {what}; the operator retries"),
                None => format!(
                    "{self}: AWS's STS in {} {what}; the operator retries. If the store is not AWS's, set stsEndpoint",
                    self.sts.region
                ),
            },
        }
    }
}

impl fmt::Display for SessionRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no session of role \"{}\"", self.role_arn)
    }
}

/// A code as the log takes it: one word, as all of STS's are. A token is none.
fn logged(code: &str) -> &str {
    let word = code.len() <= MAX_CODE && code.bytes().all(|b| b.is_ascii_alphabetic());
    if word { code } else { "(no word)" }
}

/// Why there was no answer.
const fn no_answer(why: Option<&TransportError>) -> &'static str {
    match why {
        Some(TransportError::Timeout(_)) => "did not answer in time",
        Some(TransportError::Host) => "has a host name that cannot be resolved",
        Some(TransportError::NotTls) => "does not speak TLS",
        Some(TransportError::TlsExpected) => "speaks TLS, and its endpoint says http",
        Some(TransportError::Proxy(_)) => {
            "could not be reached through the proxy of the operator's environment"
        }
        Some(TransportError::Tls(TlsError::Expired { .. })) => "has a certificate that has expired",
        Some(TransportError::Tls(TlsError::NotYetValid { .. })) => {
            "has a certificate that is not valid yet"
        }
        Some(TransportError::Tls(TlsError::OtherName { .. })) => {
            "has a certificate of another host"
        }
        Some(TransportError::Tls(TlsError::Other)) => {
            "could not be reached (its TLS handshake failed)"
        }
        Some(TransportError::Tls(_)) => {
            "has a certificate that neither the system nor the store's caBundle trusts"
        }
        Some(TransportError::Connection) | None => "could not be reached",
    }
}

/// The failure of the connection that the SDK's error stands for.
fn unreached<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a TransportError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(Unreached(why)) = error.downcast_ref() {
            return Some(why);
        }
        next = error.source();
    }
    None
}

/// How it failed, in words of ours alone.
fn cause(error: &(dyn Error + 'static)) -> String {
    unreached(error).map_or_else(|| "no answer".to_owned(), |why| format!("{why:?}"))
}
