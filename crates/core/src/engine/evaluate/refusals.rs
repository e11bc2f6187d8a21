//! Why nothing is issued whatever the policies allow, in sentences.
//!
//! What holds here:
//! - Nothing is decided here, and no decision reads a sentence.

use crate::text::quoted;

/// The resource is being deleted.
pub(super) const DELETING: &str = "the resource is being deleted: its Secret is removed at once, nothing new is issued, and it \
     goes when its last finalizer does";
/// The namespace is being deleted.
pub(super) const TERMINATING: &str = "the namespace is being deleted, so nothing new is issued";

/// The namespace is the operator's own.
pub(super) fn beside_credentials(namespace: &str) -> String {
    format!(
        "the namespace \"{namespace}\" is the operator's own and holds the stores' credentials, so the operator writes no \
         Secret here: create the PresignedURL in another namespace"
    )
}

/// The namespace takes more than its share.
pub(super) fn beyond_share(namespace: &str, share: usize) -> String {
    format!(
        "the PresignedURLs of the namespace \"{namespace}\" take more than the {} KiB of memory that the operator keeps for \
         one namespace, and older ones have it: delete PresignedURLs that are not used or name fewer keys, or ask an \
         admin for a larger --namespace-share; what was issued lives until it expires",
        share / 1024
    )
}

/// The operator has not seen the namespace.
pub(super) fn unseen(namespace: &str) -> String {
    format!(
        "it is not known yet what namespace {} may ask for, since the operator has not seen that namespace; until \
         then nothing new is issued, and nothing is removed because of it",
        quoted(namespace)
    )
}
