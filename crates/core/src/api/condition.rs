//! Conditions and reasons: every word that the operator can say of a resource, in one place.
//!
//! What holds here: a reason is a variant, never a string that was made elsewhere, and each says what to do
//! about it. The operations manual's table of reasons is generated from [`Reason::ALL`].

use std::borrow::Cow;

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::schema;

/// One observation of a resource, as in `meta/v1.Condition`.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What is observed.
    #[serde(rename = "type", deserialize_with = "known_word")]
    #[schemars(length(min = 1, max = 316))]
    pub type_: Cow<'static, str>,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// The generation of the spec that was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed.
    #[schemars(schema_with = "schema::time")]
    pub last_transition_time: Timestamp,
    /// One word why.
    #[serde(deserialize_with = "known_word")]
    #[schemars(length(min = 1, max = 1024))]
    pub reason: Cow<'static, str>,
    /// A sentence that a person can act on.
    #[schemars(length(max = 32768))]
    pub message: String,
}

impl Condition {
    /// Whether another observation has the same status and reason, whatever its message.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.status == other.status && self.reason == other.reason
    }
}

/// Reads a condition's type or reason. Every object holds some for as long as it lives, so a word that the
/// operator writes itself takes no memory.
fn known_word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'static, str>, D::Error> {
    let word = String::deserialize(deserializer)?;
    let mut types = ConditionType::ALL.iter().map(|type_| type_.as_str());
    let known = types
        .find(|known| *known == word)
        .or_else(|| Reason::named(&word).map(Reason::as_str));
    Ok(known.map_or(Cow::Owned(word), Cow::Borrowed))
}

/// The three values of a condition.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is not known.
    Unknown,
}

impl From<bool> for ConditionStatus {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// The conditions that the operator sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// `PresignedURL`: the Secret holds what the present spec and policies allow, and it is alive. Store: it
    /// can sign. Policy: it is in force.
    Ready,
    /// The policies' decision.
    Allowed,
    /// False while renewals fail and the URL still lives.
    Renewed,
    /// True if only a person can fix it (kstatus); absent otherwise.
    Stalled,
    /// Whether S3 accepts what was signed, as far as a test without writing can tell.
    Verified,
    /// Store: every URL was signed with the current credentials.
    CredentialsRolledOut,
    /// Store: it rejects `x-amz-*` headers that were not signed.
    UnsignedHeadersRejected,
    /// Store: its clock and the operator's agree within 15 s.
    ClockInSync,
}

impl ConditionType {
    /// Every type.
    pub const ALL: &'static [Self] = &[
        Self::Ready,
        Self::Allowed,
        Self::Renewed,
        Self::Stalled,
        Self::Verified,
        Self::CredentialsRolledOut,
        Self::UnsignedHeadersRejected,
        Self::ClockInSync,
    ];

    /// The `type` of the condition.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Allowed => "Allowed",
            Self::Renewed => "Renewed",
            Self::Stalled => "Stalled",
            Self::Verified => "Verified",
            Self::CredentialsRolledOut => "CredentialsRolledOut",
            Self::UnsignedHeadersRejected => "UnsignedHeadersRejected",
            Self::ClockInSync => "ClockInSync",
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident => $act:literal,)+) => {
        /// Why a condition is as it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of the manual.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word that stands in a condition, an Event or a metric label.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }

            /// The reason of this word; `None` if no reason has it.
            #[must_use]
            pub fn named(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
            }

            /// What it means, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)+ }
            }

            /// What a person can do about it.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $act,)+ }
            }
        }
    };
}

reasons! {
    /// The Secret holds living URLs for the present spec.
    Issued => "Nothing: use the Secret.",
    /// A policy allows the request.
    Allowed => "Nothing.",
    /// The last renewal worked, or none was due yet.
    UpToDate => "Nothing.",
    /// Work is in progress, and no action is needed.
    Progressing => "Wait: the condition changes by itself.",
    /// The spec holds something that can never be signed.
    InvalidSpec => "Fix the field that the message names.",
    /// No policy allows the request.
    PolicyDenied => "Ask for less, or ask an admin for a rule; the message says what the closest rules allow.",
    /// A policy that might allow the request cannot be read, or the operator has not seen the namespace yet.
    PolicyUnknown => "An admin must fix the PresignedURLPolicy that the message names; an unseen namespace needs nothing.",
    /// The PresignedURLs of the namespace take more memory than the operator keeps for one namespace, and
    /// older ones have it.
    NamespaceShareExceeded => "Delete PresignedURLs that are not used, or name fewer keys; an admin can give the operator more (--namespace-share).",
    /// The resource is in the operator's own namespace, where the stores' credentials are.
    OperatorNamespace => "Create the PresignedURL in another namespace.",
    /// The resource is suspended: nothing new is issued.
    Suspended => "Set spec.suspend to false to go on.",
    /// The store that the spec names does not exist.
    StoreNotFound => "Create the ClusterObjectStore, or name another in spec.storeRef.",
    /// The store's spec cannot be used.
    StoreInvalid => "An admin must fix the ClusterObjectStore; its own Ready condition says how.",
    /// The store has no endpoint of the name that the spec gives.
    EndpointNotFound => "Name one of the store's endpoints, or leave spec.endpoint out.",
    /// The credentials are not there: the Secret in the operator's namespace, the token file, or all of the
    /// AWS chain.
    CredentialsNotFound => "Create what the message names; a Secret goes into the operator's own namespace.",
    /// The credentials are there but cannot be used.
    CredentialsInvalid => "Fix what the message names in the credentials Secret or the operator's environment.",
    /// The credentials have expired.
    CredentialsExpired => "Renew the credentials; the operator takes them up by itself.",
    /// A session token came without its expiry.
    CredentialsExpiryUnknown => "Add the session's end (`expiration`, RFC 3339) beside the token.",
    /// The credentials could not be fetched this time.
    CredentialsUnavailable => "Usually nothing: the operator retries; else see the operator's log and the provider.",
    /// A Secret of that name belongs to somebody else.
    SecretConflict => "Choose another spec.secretName, or delete the Secret that the message names.",
    /// The result does not fit in a Secret.
    SecretTooLarge => "Ask for less in one resource.",
    /// The finished URL was not what the policy allows, and was thrown away.
    SelfCheckFailed => "This is a fault of the operator: report it, with the message.",
    /// The URL has expired, and there is no new one.
    Expired => "Of a link (renew: Never): nothing, it has expired as planned. Else see the condition Renewed for why no renewal worked.",
    /// The API server refused or did not answer.
    APIError => "Usually nothing: the operator retries with growing pauses.",
    /// The API server forbids the operator to do it.
    Forbidden => "Compare the operator's RBAC with the chart's, and look for admission policies and quotas.",
    /// The namespace is being deleted.
    NamespaceTerminating => "Nothing.",
    /// The resource is being deleted: its Secret is removed, and nothing new is issued.
    Deleting => "Nothing, or remove the finalizer that keeps the resource.",
    /// Every URL of the store was signed with its current credentials.
    RolledOut => "The old credentials may be deleted now.",
    /// URLs that were signed with earlier credentials still live.
    RollingOut => "Keep the old credentials until this is True.",
    /// The policy is in force.
    Accepted => "Nothing.",
    /// The policy can be read, and can allow nothing: it selects no namespace, or no rule of it is complete.
    AllowsNothing => "Add what the message names, or delete the policy.",
    /// The policy cannot be read and allows nothing.
    PolicyInvalid => "Fix the field that the message names.",
    /// The store accepted what the credentials sign.
    CredentialsReady => "Nothing.",
    /// Credentials are at hand, and no PresignedURL uses the store yet, so they were not tried.
    NotProbed => "Nothing: the operator probes the store when a PresignedURL uses it.",
    /// The operator listed the prefix so often that the next listing waits; the message says until when.
    ListingQueued => "Wait: the operator lists it then. Edit the resource less often, or use fewer with a prefix.",
    /// Fewer objects were found under the prefix than spec.list.minObjects.
    TooFewObjects => "Upload the objects, fix spec.prefix or spec.list, or set spec.list.minObjects to 0.",
    /// More objects were found under the prefix than are allowed.
    TooManyObjects => "Narrow spec.prefix or spec.list.include, or ask an admin for a larger maxObjects.",
    /// The store did not let the bucket be listed, or not to its end.
    ListFailed => "Fix what the message names; the operator retries.",
    /// S3 answered a test of the URL as it should.
    Verified => "Nothing.",
    /// The signature is valid; whether the store accepts the upload or the removal shows only when it is
    /// done.
    NotVerifiable => "Nothing; compare the signer's rights with the documentation's table.",
    /// The signer lacks a right for what was signed, or the object does not exist.
    AccessDenied => "Give the signer the action that the message names, or create the object.",
    /// The object does not exist.
    NoSuchKey => "Create the object, or fix spec.key.",
    /// The object is archived and cannot be read until it is restored.
    ObjectArchived => "Restore the object.",
    /// The key that encrypts the object cannot be used: it is disabled, is being deleted, or the client must
    /// send it.
    EncryptionKeyUnavailable => "Enable the key that the message speaks of, or store the object with another.",
    /// The account at the store has a problem: an unpaid bill, or a cap that is exceeded.
    AccountProblem => "Look at the account at the store's provider.",
    /// The bucket does not exist.
    NoSuchBucket => "Create the bucket, or fix spec.bucket.",
    /// The store computes another signature.
    SignatureDoesNotMatch => "Fix the secret access key, the region or the endpoint of the store.",
    /// The bucket is in another region than the store says.
    WrongRegion => "Set the region that the message names in the ClusterObjectStore.",
    /// The store's host name cannot be resolved from the operator.
    HostNotFound => "Fix the store's endpoint, or the cluster's DNS.",
    /// The store takes no connection from the operator.
    ConnectionFailed => "Fix the store's endpoint, or the network between.",
    /// The store's certificate is not trusted.
    TLSFailed => "Set the store's caBundle, or fix its certificate.",
    /// The store did not answer in time, or asked to slow down.
    StoreUnavailable => "Usually nothing: the operator retries.",
    /// The store gave an answer that none of the other reasons describes.
    UnexpectedResponse => "See the message and the store's own log.",
    /// The clocks differ too much to sign.
    ClockSkewed => "Set the clock of the operator's node or of the store.",
    /// The clocks agree.
    ClockInSync => "Nothing.",
    /// The store's clock was not read yet, or could not be.
    ClockUnknown => "Let the operator reach the store; it is read when a PresignedURL uses the store.",
    /// The store accepts x-amz headers that were not signed, so that an upload could become a copy of any
    /// object.
    UnsignedHeadersAccepted => "Set scope: Request on the store's role, or unsignedHeaders: Accept once you have read what it means.",
    /// The operator could not find out whether the store accepts x-amz headers that were not signed.
    UnsignedHeadersUnknown => "Let the operator reach the store, set scope: Request on its role, or unsignedHeaders: Accept.",
    /// The store rejects x-amz headers that were not signed.
    UnsignedHeadersRejected => "Nothing.",
    /// The rights that the session needs do not fit in a session policy.
    SessionPolicyTooLarge => "Ask for fewer objects in one resource, or use scope: Namespace or Store.",
    /// The link was issued once and is never renewed.
    NeverRenewed => "Create another PresignedURL.",
}

/// The condition of this type.
#[must_use]
pub fn condition(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|c| c.type_ == type_.as_str())
}

/// Whether the conditions say that the resource is `Ready`.
#[must_use]
pub fn is_ready(conditions: &[Condition]) -> bool {
    condition(conditions, ConditionType::Ready).is_some_and(|c| c.status == ConditionStatus::True)
}

/// Since when the policies have denied the resource; `None` unless the conditions say that they do.
#[must_use]
pub fn denied_since(conditions: &[Condition]) -> Option<Timestamp> {
    condition(conditions, ConditionType::Allowed)
        .filter(|c| c.status == ConditionStatus::False)
        .map(|c| c.last_transition_time)
}

/// A condition after the one of its type among `old`; keeps `lastTransitionTime` if its status is the same.
#[must_use]
pub fn next_condition(
    old: &[Condition],
    type_: ConditionType,
    status: ConditionStatus,
    (reason, mut message): (Reason, String),
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    // A status is kept in memory for as long as its object lives.
    message.shrink_to_fit();
    let last_transition_time = condition(old, type_)
        .filter(|c| c.status == status)
        .map_or(now, |c| c.last_transition_time);
    Condition {
        type_: Cow::Borrowed(type_.as_str()),
        status,
        observed_generation: generation,
        last_transition_time,
        reason: Cow::Borrowed(reason.as_str()),
        message,
    }
}

/// Sets one condition, as [`next_condition`] makes it.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    type_: ConditionType,
    status: ConditionStatus,
    why: (Reason, String),
    generation: Option<i64>,
    now: Timestamp,
) {
    let new = next_condition(conditions, type_, status, why, generation, now);
    match conditions.iter_mut().find(|c| c.type_ == type_.as_str()) {
        Some(old) => *old = new,
        None => conditions.push(new),
    }
}
