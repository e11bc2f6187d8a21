//! Signing for a caller who has no cluster: by the caller's own credentials, and into files that are nobody's
//! Secret.
//!
//! What holds here: life, signature, check and files are those of a `PresignedURL` with the same fields. No
//! policy is asked: the caller could sign by hand what is signed here.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::life::RequestedLife;
use super::listed::{Listed, ListedKey};
use super::secret::SecretContent;
use super::signing_job::{SigningJob, Subject};
use super::template::Template;
use crate::api::{Format, SignedHashes};
use crate::request::{Bucket, Key, Options, Prefix};
use crate::signing::{Credentials, Target};

/// The objects of a [`LocalRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalObjects {
    /// One.
    Key(Key),
    /// Several, each with its size and `ETag` if it was listed.
    Keys(Vec<(Key, Option<Listed>)>),
    /// Any whose key begins with this, for a form.
    Under(Prefix),
}

/// What a caller wants signed.
#[derive(Clone)]
pub struct LocalRequest {
    /// The bucket.
    pub bucket: Bucket,
    /// The objects.
    pub objects: LocalObjects,
    /// The method and its options.
    pub options: Options,
    /// How long the URLs are to live.
    pub duration: Duration,
    /// For many objects: the files besides `urls.json`.
    pub formats: BTreeSet<Format>,
    /// The address of the bucket.
    pub target: Target,
    /// What signs.
    pub credentials: Credentials,
    /// The present time.
    pub now: Timestamp,
}

impl fmt::Debug for LocalRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalRequest")
            .field("method", &self.options.method())
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// What was signed.
#[derive(Clone, Debug)]
pub struct LocallySigned {
    /// The files that a Secret would have.
    pub content: SecretContent,
    /// The first second at which the URLs have expired.
    pub expires_at: Timestamp,
}

impl LocalRequest {
    /// Signs, checks and renders.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what to do.
    pub fn sign(self) -> Result<LocallySigned, String> {
        let Self {
            bucket,
            objects,
            options,
            duration,
            formats,
            target,
            credentials,
            now,
        } = self;
        let is_form = matches!(options, Options::Post(_));
        let subject = match objects {
            LocalObjects::Key(key) if is_form => Subject::FormOf(key),
            LocalObjects::Key(key) => Subject::One(key),
            LocalObjects::Under(prefix) => Subject::FormUnder(prefix),
            LocalObjects::Keys(keys) => {
                let keys = keys.into_iter();
                Subject::Many(
                    keys.map(|(key, listed)| ListedKey { key, listed })
                        .collect(),
                )
            }
        };
        let job = SigningJob {
            name: String::new(),
            revision: 0,
            served_request: None,
            policies: Vec::new(),
            bucket,
            subject,
            skipped: None,
            options,
            requested_life: RequestedLife {
                duration: Some(duration),
                policy_max: duration,
            },
            one_shot: None,
            target,
            max_signature_age: None,
            ca_bundle: None,
            template: Template::default(),
            formats,
            binding_type: None,
            limit: usize::MAX,
            secret_name: String::new(),
            hashes: SignedHashes::default(),
            credentials,
            skew: SignedDuration::ZERO,
            now,
        };
        let signed = job.sign().map_err(|problem| problem.message)?;
        Ok(LocallySigned {
            content: signed.content,
            expires_at: signed.issued.expires_at,
        })
    }
}
