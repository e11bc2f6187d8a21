//! What is signed for a resource that may be issued.
//!
//! What holds here: [`SigningInputs::job`] adds credentials and the time to [`SigningInputs`]: that is all a
//! signature and a Secret are made of.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::SignedHashes;
use crate::engine::evaluate::one_shot::OneShot;
use crate::engine::protocol::{PresignedUrlSeen, Session};
use crate::engine::store::HeldCredentials;
use crate::issue::issued::Issued;
use crate::issue::listed::{FoundObjects, ListedKey};
use crate::issue::signing_job::{SigningJob, Subject};
use crate::issue::{RequestedLife, SECRET_LIMIT, Template};
use crate::policy::Grant;
use crate::request::{IssuanceOptions, Key, Objects, Options, Request};
use crate::signing::Target;

/// A request that the policies allow, and how its Secret is rendered.
#[derive(Debug)]
pub(in crate::engine) struct Authorized {
    pub(in crate::engine) request: Request,
    pub(in crate::engine) grant: Box<Grant>,
    pub(in crate::engine) issuance: IssuanceOptions,
    pub(in crate::engine) template: Template,
    pub(in crate::engine) secret_name: String,
    pub(in crate::engine) spec_hash: String,
    pub(in crate::engine) render_hash: String,
    /// `None` if the resource is renewed.
    pub(in crate::engine) one_shot: Option<OneShot>,
}

/// Everything that a signature and a Secret are made of, except credentials and the time.
#[derive(Debug)]
pub(in crate::engine) struct SigningInputs {
    /// Each plan makes one, and allocators are slow with what has more than a kilobyte.
    pub(in crate::engine) authorized: Box<Authorized>,
    pub(in crate::engine) target: Target,
    /// The endpoint at which the operator itself reaches the bucket.
    pub(in crate::engine) operator_target: Target,
    pub(in crate::engine) store: String,
    pub(in crate::engine) max_signature_age: Option<Duration>,
    pub(in crate::engine) ca_bundle: Option<String>,
    pub(in crate::engine) store_hash: String,
    /// When what is issued is renewed; `None` if nothing is issued, or it is not renewed.
    pub(in crate::engine) renewal: Option<Timestamp>,
    /// The session that signs, if the store narrows the sessions of its role.
    pub(in crate::engine) session: Option<Session>,
    /// The session that lists, if the store narrows the sessions of its role.
    pub(in crate::engine) list_session: Option<Session>,
}

impl Authorized {
    /// Whether the issued content is what is requested now. The store and the life are not compared.
    pub(in crate::engine) fn matches(&self, issued: &Issued) -> bool {
        issued.hashes.spec == self.spec_hash
            && !self
                .one_shot
                .as_ref()
                .is_some_and(|one_shot| one_shot.edited)
            && *issued.hashes.render == *self.render_hash
    }

    /// Whether the policies allow only a shorter life than was issued.
    pub(in crate::engine) fn shortens(&self, issued: &Issued) -> bool {
        u64::try_from(issued.life()).is_ok_and(|life| life > self.grant.max_duration.as_secs())
    }

    /// The requested life, and the longest that the policies allow.
    pub(in crate::engine) fn requested_life(&self) -> RequestedLife {
        RequestedLife {
            duration: self.request.duration,
            policy_max: self.grant.max_duration,
        }
    }

    /// Whether nothing is signed any more: a one-shot resource has expired, or was edited after its issue.
    pub(in crate::engine) fn is_closed(&self, now: Timestamp) -> bool {
        let edited = self
            .one_shot
            .as_ref()
            .is_some_and(|one_shot| one_shot.edited);
        let expires_at = self.one_shot_expiry(now);
        edited || expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// When a one-shot resource expires; `None` before its first issue, or if it is renewed.
    pub(super) fn one_shot_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        let one_shot = self.one_shot.as_ref()?;
        one_shot.expires_at(self.requested_life(), now)
    }
}

impl SigningInputs {
    /// The signatures to make now. Under a prefix, `found` holds the listed objects and the grant for them.
    pub(in crate::engine) fn job(
        &self,
        held: &HeldCredentials,
        seen: &PresignedUrlSeen,
        found: Option<&FoundObjects>,
        revision: i64,
        now: Timestamp,
    ) -> SigningJob {
        let authorized = &self.authorized;
        let request = &authorized.request;
        let grant = found.map_or(&*authorized.grant, |found| &found.grant);
        let requested_life = RequestedLife {
            policy_max: grant.max_duration,
            ..authorized.requested_life()
        };
        let one_shot = authorized.one_shot.as_ref();
        let fixed_life = one_shot.and_then(|one_shot| one_shot.fixed_life(requested_life, now));
        let served_request = fixed_life
            .as_ref()
            .map_or(&seen.renew_request, |life| &life.served_request);
        SigningJob {
            name: seen.name.clone(),
            revision,
            served_request: served_request.clone(),
            policies: authorized.grant.policies.clone(),
            bucket: request.bucket.clone(),
            subject: subject(&request.objects, &grant.options, found),
            skipped: found.map(|found| found.skipped),
            options: grant.options.clone(),
            requested_life,
            one_shot: fixed_life.map(|life| (life.times, life.limited_by)),
            target: self.target.clone(),
            max_signature_age: self.max_signature_age,
            ca_bundle: self.ca_bundle.clone(),
            template: authorized.template.clone(),
            formats: authorized.issuance.formats.clone(),
            binding_type: authorized.issuance.binding_type.clone(),
            limit: SECRET_LIMIT,
            secret_name: authorized.secret_name.clone(),
            hashes: SignedHashes {
                spec: authorized.spec_hash.clone(),
                store: self.store_hash.as_str().into(),
                render: authorized.render_hash.as_str().into(),
                credential: held.hash.clone(),
                objects: found.map(|found| found.hash.as_str().into()),
                verified: None,
            },
            credentials: held.credentials.clone(),
            skew: held.skew,
            now,
        }
    }
}

/// The URLs or the form to sign.
fn subject(objects: &Objects, options: &Options, found: Option<&FoundObjects>) -> Subject {
    let unlisted = |key: &Key| ListedKey {
        key: key.clone(),
        listed: None,
    };
    match objects {
        Objects::Key(key) if matches!(options, Options::Post(_)) => Subject::FormOf(key.clone()),
        Objects::Key(key) => Subject::One(key.clone()),
        Objects::Keys(keys) => Subject::Many(keys.iter().map(unlisted).collect()),
        Objects::List(_) => {
            Subject::Many(found.map_or_else(Vec::new, |found| found.objects.clone()))
        }
        Objects::Under(prefix) => Subject::FormUnder(prefix.clone()),
    }
}
