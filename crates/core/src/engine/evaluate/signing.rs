//! The signatures that a resource needs now, as a value that can be signed anywhere.

use jiff::Timestamp;

use super::evaluation::SigningInputs;
use super::one_shot;
use crate::api::SignedHashes;
use crate::engine::protocol::PresignedUrlSeen;
use crate::engine::store::HeldCredentials;
use crate::issue::RequestedLife;
use crate::issue::listed::{FoundObjects, ListedKey};
use crate::issue::signing_job::{SigningJob, Subject};
use crate::request::{Key, Objects, Options};

/// What is to be signed for a resource now.
pub(in crate::engine) fn signing_job(
    inputs: &SigningInputs,
    held: &HeldCredentials,
    seen: &PresignedUrlSeen,
    found: Option<&FoundObjects>,
    revision: i64,
    now: Timestamp,
) -> SigningJob {
    let authorized = &inputs.authorized;
    let request = &authorized.request;
    let grant = found.map_or(&authorized.grant, |found| &found.grant);
    let plain = |key: &Key| ListedKey {
        key: key.clone(),
        listed: None,
    };
    let form = matches!(grant.options, Options::Post(_));
    let subject = match &request.objects {
        Objects::Key(key) if form => Subject::FormOf(key.clone()),
        Objects::Key(key) => Subject::One(key.clone()),
        Objects::Keys(keys) => Subject::Many(keys.iter().map(plain).collect()),
        Objects::List(_) => {
            Subject::Many(found.map_or_else(Vec::new, |found| found.objects.clone()))
        }
        Objects::Under(prefix) => Subject::FormUnder(prefix.clone()),
    };
    let fixed_life = one_shot::fixed_life(authorized, grant.max_duration, now);
    let served = fixed_life
        .as_ref()
        .map_or(&seen.renew_request, |fixed_life| &fixed_life.served);
    SigningJob {
        name: seen.name.clone(),
        revision,
        served_request: served.clone(),
        bucket: request.bucket.clone(),
        subject,
        skipped: found.map(|found| found.skipped),
        options: grant.options.clone(),
        requested_life: RequestedLife {
            duration: request.duration,
            policy_max: grant.max_duration,
        },
        one_shot: fixed_life.map(|fixed_life| (fixed_life.fixed, fixed_life.limited_by)),
        target: inputs.target.clone(),
        max_signature_age: inputs.max_signature_age,
        ca_bundle: inputs.ca_bundle.clone(),
        template: authorized.template.clone(),
        formats: authorized.issuance.formats.clone(),
        secret_name: authorized.secret_name.clone(),
        hashes: SignedHashes {
            spec: authorized.spec_hash.clone(),
            store: inputs.store_hash.clone(),
            render: authorized.render_hash.clone(),
            credential: held.hash.clone(),
            objects: found.map(|found| found.hash.clone()),
            verified: None,
        },
        credentials: held.credentials.clone(),
        skew: held.skew,
        now,
    }
}
