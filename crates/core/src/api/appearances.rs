//! Where each reason appears: in which conditions, and of which kinds.
//!
//! What holds here: a new reason has its appearances before anything compiles. The tests compare every status that
//! the engine writes with them.

use super::condition::ConditionType::{
    Allowed, ClockInSync, CredentialsRolledOut, Ready, Renewed, Stalled, UnsignedHeadersRejected,
    Verified,
};
use super::condition::{ConditionType, Reason};

/// Conditions of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appearance {
    /// The kind of the resource.
    pub kind: &'static str,
    /// The conditions, in the order of their statuses.
    pub conditions: &'static [ConditionType],
}

const fn url(conditions: &'static [ConditionType]) -> Appearance {
    Appearance {
        kind: "PresignedURL",
        conditions,
    }
}

const fn store(conditions: &'static [ConditionType]) -> Appearance {
    Appearance {
        kind: "ClusterObjectStore",
        conditions,
    }
}

/// What blocks an issue. `Renewed` has it while the Secret is current.
const BLOCKS: Appearance = url(&[Ready, Renewed, Stalled]);
/// As [`BLOCKS`], and nothing was decided by the policies, or they denied it.
const UNDECIDED: Appearance = url(&[Ready, Allowed, Renewed, Stalled]);
/// As [`BLOCKS`], and nobody has to act.
const WAITS: Appearance = url(&[Ready, Renewed]);
/// What the store answered to a test of the URL. It blocks an issue with `verify: Require`.
const ANSWER: Appearance = url(&[Ready, Renewed, Verified, Stalled]);
/// What keeps a store, or a change of it, from being used.
const STORE: Appearance = store(&[Ready, CredentialsRolledOut]);
const POLICY: Appearance = Appearance {
    kind: "PresignedURLPolicy",
    conditions: &[Ready],
};

impl Reason {
    /// Where the reason appears.
    #[must_use]
    pub const fn appearances(self) -> &'static [Appearance] {
        match self {
            Self::Issued | Self::Expired => const { &[url(&[Ready])] },
            Self::Allowed => const { &[url(&[Allowed])] },
            Self::UpToDate | Self::NeverRenewed => const { &[url(&[Renewed])] },
            Self::Progressing | Self::Suspended | Self::ListingQueued => &[WAITS],
            Self::Deleting | Self::NamespaceTerminating => {
                const { &[url(&[Ready, Allowed, Renewed])] }
            }
            Self::InvalidSpec
            | Self::PolicyDenied
            | Self::PolicyUnknown
            | Self::NamespaceShareExceeded
            | Self::OperatorNamespace => &[UNDECIDED],
            Self::StoreNotFound
            | Self::EndpointNotFound
            | Self::SecretConflict
            | Self::SecretTooLarge
            | Self::SelfCheckFailed
            | Self::APIError
            | Self::Forbidden
            | Self::TooFewObjects
            | Self::TooManyObjects
            | Self::ListFailed
            | Self::SessionPolicyTooLarge => &[BLOCKS],
            Self::StoreInvalid
            | Self::CredentialsNotFound
            | Self::CredentialsExpired
            | Self::CredentialsExpiryUnknown
            | Self::CredentialsUnavailable => &[BLOCKS, STORE],
            Self::Verified | Self::NotVerifiable => const { &[url(&[Verified])] },
            Self::NoSuchKey | Self::ObjectArchived | Self::EncryptionKeyUnavailable => &[ANSWER],
            Self::CredentialsInvalid
            | Self::AccessDenied
            | Self::AccountProblem
            | Self::NoSuchBucket
            | Self::SignatureDoesNotMatch
            | Self::WrongRegion
            | Self::HostNotFound
            | Self::ConnectionFailed
            | Self::TLSFailed
            | Self::StoreUnavailable
            | Self::UnexpectedResponse => &[ANSWER, STORE],
            Self::ClockSkewed => {
                const { &[ANSWER, store(&[Ready, CredentialsRolledOut, ClockInSync])] }
            }
            Self::ClockInSync | Self::ClockUnknown => const { &[store(&[ClockInSync])] },
            Self::CredentialsReady | Self::NotProbed => const { &[store(&[Ready])] },
            Self::RolledOut | Self::RollingOut => const { &[store(&[CredentialsRolledOut])] },
            Self::UnsignedHeadersAccepted | Self::UnsignedHeadersUnknown => {
                const { &[BLOCKS, store(&[UnsignedHeadersRejected])] }
            }
            Self::UnsignedHeadersRejected => const { &[store(&[UnsignedHeadersRejected])] },
            Self::Accepted | Self::AllowsNothing | Self::PolicyInvalid => &[POLICY],
        }
    }
}
