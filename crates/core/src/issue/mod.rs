//! What is issued: how long it lives, when it is replaced, what the Secret holds, and whose the Secret is.
//!
//! What holds here: functions of values alone. A time comes in as an argument, a jitter is a hash of the resource's UID,
//! and the same inputs render the same bytes. A type that holds a URL redacts its Debug.

mod hash;
pub(crate) mod issued;
mod life;
pub(crate) mod listed;
mod many;
mod merge;
mod ownership;
mod render;
mod render_form;
mod schedule;
pub(crate) mod signing_job;
mod template;

pub use hash::{
    CredentialInputs, RenderInputs, SpecInputs, StoreInputs, credential_hash, data_hash,
    listing_hash, render_hash, spec_hash, store_hash, verification_hash,
};
pub use life::{
    DEFAULT_DURATION, EndOutOfReach, Fixed, Life, MIN_LIFE, RequestedLife, TooShort, keep_end,
    plan_life,
};
pub use many::{BadName, BadNames, Item, ManyContent, NameTrouble, render_many, unfit_keys};
pub use merge::{SecretMeta, WantedMeta, merge};
pub use ownership::{Owner, OwnerId, Ownership, controlling_uid, ownership};
pub use render::{Content, RenderError, SECRET_LIMIT, SecretBytes, SecretContent, render};
pub use render_form::{FormContent, render_form};
pub use schedule::{Renew, backoff, refresh_gains, renew_at, spread, without_jitter};
pub use signing_job::{SignedJob, SigningJob};
pub use template::{ReservedKeys, Template};

#[cfg(test)]
mod tests;

/// What somebody else wrote, fit for a sentence: cut to a bounded length, control characters escaped.
fn shown(text: &str) -> String {
    const MOST: usize = 80;
    let cut: String = text.chars().take(MOST).collect();
    let more = if cut.len() < text.len() { "..." } else { "" };
    format!("{}{more}", cut.escape_debug())
}
