//! What a store does with `x-amz-*` headers that were not signed.
//!
//! What holds here:
//! - a GET finds it out, so nothing is changed;
//! - if the store accepts them, the holder of an upload URL could make the upload a copy of any object that
//!   the signer reads: no upload is signed then, unless the admin says so or the session may do nothing else.

use super::config::StoreConfig;
use crate::api::{
    ClusterObjectStoreStatus, ConditionStatus, ConditionType, Reason, SessionScope, UnsignedHeaders,
};
use crate::engine::protocol::{ErrorCode, S3Result};

/// The header that is sent and not signed: it belongs to uploads, and a GET ignores it. It is not metadata,
/// which some servers reject although they accept the headers that do harm.
pub(super) const HEADER: (&str, &str) = ("x-amz-tagging", "a=b");

/// What is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) enum UnsignedHeaderCheck {
    /// Nothing: it was not probed.
    #[default]
    Untested,
    /// They are rejected.
    Rejected,
    /// They are accepted.
    Accepted,
    /// It was probed, and the answers do not show it.
    Unclear,
    /// They were refused once, in words that anything before the store may use.
    RefusedOnce {
        /// They were accepted before.
        accepted: bool,
    },
}

/// Whether a PUT may be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) enum UploadPermission {
    /// It may.
    Allowed,
    /// The first probe comes first.
    Wait,
    /// It may not, and why.
    Refused(Reason, String),
}

impl UnsignedHeaderCheck {
    /// What is known before the first probe: of AWS by its documentation, else what the status says of this
    /// spec.
    pub(super) fn of(
        config: Option<&StoreConfig>,
        status: &ClusterObjectStoreStatus,
        generation: i64,
    ) -> Self {
        if config.is_some_and(StoreConfig::is_aws) {
            return Self::Rejected;
        }
        let condition = status.conditions.iter().find(|condition| {
            condition.type_ == ConditionType::UnsignedHeadersRejected.as_str()
                && condition.observed_generation == Some(generation)
        });
        match condition.map(|condition| condition.status) {
            Some(ConditionStatus::True) => Self::Rejected,
            Some(ConditionStatus::False) => Self::Accepted,
            Some(ConditionStatus::Unknown) | None => Self::Untested,
        }
    }

    /// What is known after two answers: to a plain request, and to the same with the header. If they show
    /// nothing, what was known stays.
    pub(super) fn after(self, plain: &S3Result, with_header: &S3Result) -> Self {
        match (compare(plain, with_header), self) {
            (Comparison::Rejected, _)
            | (Comparison::Refused, Self::Rejected | Self::RefusedOnce { .. }) => Self::Rejected,
            (Comparison::Accepted, _)
            | (Comparison::Nothing, Self::RefusedOnce { accepted: true }) => Self::Accepted,
            (Comparison::Refused, known) => Self::RefusedOnce {
                accepted: known == Self::Accepted,
            },
            (Comparison::Nothing, Self::Untested | Self::RefusedOnce { accepted: false }) => {
                Self::Unclear
            }
            (Comparison::Nothing, known) => known,
        }
    }

    /// What the condition says; `None` if it was not probed.
    pub(in crate::engine) fn condition(
        self,
        aws: bool,
    ) -> Option<(ConditionStatus, Reason, &'static str)> {
        match self {
            Self::Untested | Self::RefusedOnce { accepted: false } => None,
            Self::Rejected if aws => Some((
                ConditionStatus::True,
                Reason::UnsignedHeadersRejected,
                "AWS rejects x-amz-* headers that were not signed",
            )),
            Self::Rejected => Some((
                ConditionStatus::True,
                Reason::UnsignedHeadersRejected,
                "the store rejected an x-amz-* header that was not signed",
            )),
            Self::Accepted | Self::RefusedOnce { accepted: true } => Some((
                ConditionStatus::False,
                Reason::UnsignedHeadersAccepted,
                "the store took a request with an x-amz-* header that was not signed: whoever holds a PUT URL could turn \
                 the upload into a copy of any object that the signer reads, so no PUT is signed unless scope is Request \
                 or unsignedHeaders is Accept",
            )),
            Self::Unclear => Some((
                ConditionStatus::Unknown,
                Reason::UnsignedHeadersUnknown,
                "it could not be found out whether the store rejects x-amz-* headers that were not signed; no PUT is signed \
                 before that, unless scope is Request or unsignedHeaders is Accept",
            )),
        }
    }

    /// Whether a PUT may be signed.
    pub(super) fn upload_permission(
        self,
        config: &StoreConfig,
        narrowed: bool,
        store: &str,
    ) -> UploadPermission {
        if config.unsigned_headers == UnsignedHeaders::Accept
            || (narrowed && config.scope == SessionScope::Request)
        {
            return UploadPermission::Allowed;
        }
        match self {
            Self::Rejected => UploadPermission::Allowed,
            Self::Untested | Self::RefusedOnce { accepted: false } => UploadPermission::Wait,
            Self::Accepted | Self::RefusedOnce { accepted: true } => UploadPermission::Refused(
                Reason::UnsignedHeadersAccepted,
                format!(
                    "the ClusterObjectStore \"{store}\" accepts x-amz-* headers that were not signed, so whoever holds a \
                     PUT URL could turn the upload into a copy of any object that the signer reads: an admin sets scope: \
                     Request on the store's role, or unsignedHeaders: Accept"
                ),
            ),
            Self::Unclear => UploadPermission::Refused(
                Reason::UnsignedHeadersUnknown,
                format!(
                    "it could not be found out whether the ClusterObjectStore \"{store}\" rejects x-amz-* headers that were \
                     not signed, which a PUT URL relies on: let the operator reach the store; or an admin sets scope: \
                     Request on the store's role, or unsignedHeaders: Accept"
                ),
            ),
        }
    }
}

/// What two answers say by themselves.
enum Comparison {
    /// The store checks the header.
    Rejected,
    /// The request with the header was refused, for whatever reason.
    Refused,
    /// The header made no difference.
    Accepted,
    Nothing,
}

fn compare(plain: &S3Result, with_header: &S3Result) -> Comparison {
    let (Ok(plain), Ok(with_header)) = (plain, with_header) else {
        return Comparison::Nothing;
    };
    if with_header.code == Some(ErrorCode::HeadersNotSigned) {
        return Comparison::Rejected;
    }
    // Only a store that took the plain signature can distinguish the two. What has an object of every name is
    // no store.
    if plain.code != Some(ErrorCode::NoSuchKey) {
        return Comparison::Nothing;
    }
    if (plain.status, plain.code) == (with_header.status, with_header.code) {
        return Comparison::Accepted;
    }
    match with_header.code {
        // It reckons the header among what should have been signed.
        Some(ErrorCode::SignatureDoesNotMatch) => Comparison::Rejected,
        Some(ErrorCode::Unavailable) => Comparison::Nothing,
        _ if matches!(with_header.status, 400 | 403) => Comparison::Refused,
        _ => Comparison::Nothing,
    }
}

#[cfg(test)]
mod tests {
    //! What two answers show.

    use super::*;
    use std::time::Duration;

    use crate::engine::protocol::{S3Response, TransportError};

    fn answer(status: u16, code: Option<ErrorCode>) -> S3Response {
        S3Response {
            status,
            code,
            region: None,
            skew: None,
        }
    }

    #[test]
    fn only_a_store_that_took_the_plain_request_is_said_to_accept() {
        use ErrorCode::{AccessDenied, HeadersNotSigned, NoSuchBucket, NoSuchKey, Unavailable};
        let missing = || Ok(answer(404, Some(NoSuchKey)));
        let denied = || Ok(answer(403, Some(AccessDenied)));
        let no_bucket = || Ok(answer(404, Some(NoSuchBucket)));
        for (plain, with_header, known) in [
            (missing(), missing(), UnsignedHeaderCheck::Accepted),
            (
                missing(),
                denied(),
                UnsignedHeaderCheck::RefusedOnce { accepted: false },
            ),
            (
                missing(),
                Ok(answer(400, Some(ErrorCode::Other(None)))),
                UnsignedHeaderCheck::RefusedOnce { accepted: false },
            ),
            (
                missing(),
                Ok(answer(403, Some(ErrorCode::SignatureDoesNotMatch))),
                UnsignedHeaderCheck::Rejected,
            ),
            (
                denied(),
                Ok(answer(403, Some(HeadersNotSigned))),
                UnsignedHeaderCheck::Rejected,
            ),
            (denied(), denied(), UnsignedHeaderCheck::Unclear),
            (
                missing(),
                Ok(answer(503, Some(Unavailable))),
                UnsignedHeaderCheck::Unclear,
            ),
            (
                missing(),
                Err(TransportError::Timeout(Duration::from_secs(5))),
                UnsignedHeaderCheck::Unclear,
            ),
            (
                Err(TransportError::Host),
                missing(),
                UnsignedHeaderCheck::Unclear,
            ),
            (no_bucket(), no_bucket(), UnsignedHeaderCheck::Unclear),
        ] {
            assert_eq!(
                UnsignedHeaderCheck::Untested.after(&plain, &with_header),
                known
            );
        }
    }

    #[test]
    fn an_answer_that_tells_nothing_takes_no_knowledge_away() {
        let nothing = Err(TransportError::Timeout(Duration::from_secs(5)));
        for known in [
            UnsignedHeaderCheck::Rejected,
            UnsignedHeaderCheck::Accepted,
            UnsignedHeaderCheck::Unclear,
        ] {
            assert_eq!(known.after(&nothing, &nothing), known);
        }
    }

    #[test]
    fn a_refusal_without_a_reason_counts_the_second_time_in_a_row() {
        let missing = Ok(answer(404, Some(ErrorCode::NoSuchKey)));
        let refused = Ok(answer(403, None));
        let nothing = Err(TransportError::Timeout(Duration::from_secs(5)));
        for (known, between) in [
            (UnsignedHeaderCheck::Accepted, UnsignedHeaderCheck::Accepted),
            (UnsignedHeaderCheck::Untested, UnsignedHeaderCheck::Unclear),
            (UnsignedHeaderCheck::Unclear, UnsignedHeaderCheck::Unclear),
        ] {
            let once = known.after(&missing, &refused);
            let accepted = known == UnsignedHeaderCheck::Accepted;
            assert_eq!(once, UnsignedHeaderCheck::RefusedOnce { accepted });
            assert_eq!(
                once.after(&missing, &refused),
                UnsignedHeaderCheck::Rejected
            );
            assert_eq!(
                once.after(&missing, &missing),
                UnsignedHeaderCheck::Accepted
            );
            assert_eq!(once.after(&missing, &nothing), between);
        }
        assert_eq!(
            UnsignedHeaderCheck::Rejected.after(&missing, &refused),
            UnsignedHeaderCheck::Rejected
        );
    }
}
