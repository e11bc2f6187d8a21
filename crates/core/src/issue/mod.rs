//! What is issued: how long it lives, when it is renewed, what its Secret holds, and who owns the Secret.
//!
//! What holds here:
//! - Everything is a function of its arguments: times are arguments, a jitter is a hash of the resource's
//!   UID, and the same inputs render the same bytes.
//! - A type that holds a URL redacts its Debug.

mod hash;
pub(crate) mod issued;
mod life;
pub(crate) mod listed;
mod local;
mod merge;
mod ownership;
mod schedule;
mod secret;
pub(crate) mod signing_job;
mod template;

pub use hash::{
    CredentialInputs, RenderInputs, SpecInputs, StoreInputs, credential_hash, data_hash,
    listing_hash, render_hash, spec_hash, store_hash, verification_hash,
};
pub use life::{
    DEFAULT_DURATION, EndOutOfReach, FixedTimes, Life, MIN_LIFE, RequestedLife, TooShort, keep_end,
    plan_life,
};
pub use local::{LocalObjects, LocalRequest, LocallySigned};
pub use merge::{SecretMeta, WantedMeta, merge, restored};
pub use ownership::{Marks, Owner, OwnerId, Ownership, controlling_uid, ownership};
pub use schedule::{Renew, backoff, latest_renewal, refresh_gains, renew_at, without_jitter};
pub(crate) use secret::told_expiry;
pub use secret::{
    BundleContent, Content, FormContent, InvalidName, InvalidNames, Item, NameProblem, RenderError,
    SECRET_LIMIT, SecretBytes, SecretContent, render, render_bundle, render_form, unfit_keys,
};
pub use signing_job::{SignedJob, SigningJob};
pub use template::{ReservedKeys, Template};

#[cfg(test)]
mod tests;
