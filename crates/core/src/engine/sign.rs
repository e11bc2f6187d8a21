//! From a grant and credentials to the content of a Secret: plan the life, sign, check, render.
//!
//! What holds here: nothing that was signed leaves this room before the independent check has found in it just what the
//! policies allow.

use jiff::Timestamp;

use super::event::ResourceSeen;
use super::judge::Allowed;
use super::memory::{Issued, Trouble};
use super::store::Held;
use super::time::later;
use crate::api::{LimitedBy, Reason, SecretRef, SignedHashes};
use crate::issue::{Content, Life, SecretContent, TooShort, plan_life, render};
use crate::policy::{Objects, Options};
use crate::signing::{Expected, Operation, Presigned, check, presign};

/// A Secret's content, and the record of it as it will be once it is written.
pub(super) struct Signed {
    pub(super) content: SecretContent,
    /// The Secret's uid and resourceVersion are still empty.
    pub(super) issued: Issued,
}

/// Signs what is allowed, checks it, and renders it.
pub(super) fn sign(
    allowed: &Allowed,
    held: &Held,
    seen: &ResourceSeen,
    revision: i64,
    now: Timestamp,
) -> Result<Signed, Trouble> {
    let life = plan_life(
        now,
        allowed.granted.asked(),
        held.credentials.expires_at,
        allowed.max_signature_age,
    )
    .map_err(|short| too_short(&short))?;
    let options = &allowed.granted.grant.options;
    let main = signed_and_checked(allowed, held, options, &life)?;
    let beside = match options {
        Options::Get(get) => Some(signed_and_checked(
            allowed,
            held,
            &Options::Head(get.clone()),
            &life,
        )?),
        Options::Head(_) | Options::Put(_) | Options::Delete | Options::Post(_) => None,
    };
    let content = render(&Content {
        name: &seen.name,
        method: options.method(),
        url: main.url.expose(),
        head_url: beside.as_ref().map(|head| head.url.expose()),
        headers: &main.headers,
        expires_at: life.expires_at,
        ca_bundle: allowed.ca_bundle.as_deref(),
        template: &allowed.granted.template,
    })
    .map_err(|error| stalled(Reason::SecretTooLarge, error.to_string()))?;
    let secret = SecretRef {
        name: allowed.granted.secret_name.clone(),
        uid: String::new(),
        resource_version: String::new(),
        data_hash: content.data_hash(),
    };
    let hashes = SignedHashes {
        spec: allowed.granted.spec_hash.clone(),
        store: allowed.store_hash.clone(),
        render: allowed.granted.render_hash.clone(),
        credential: held.hash.clone(),
        objects: None,
        verified: None,
    };
    let issued = Issued {
        secret,
        method: options.method(),
        issued_at: life.issued_at,
        expires_at: life.expires_at,
        limited_by: life.limited_by,
        hashes,
        revision,
        served_request: seen.renew_request.clone(),
    };
    Ok(Signed { content, issued })
}

fn signed_and_checked(
    allowed: &Allowed,
    held: &Held,
    options: &Options,
    life: &Life,
) -> Result<Presigned, Trouble> {
    let request = &allowed.granted.request;
    let Objects::Key(key) = &request.objects else {
        return Err(stalled(Reason::InvalidSpec, "set spec.key".to_owned()));
    };
    let operation = Operation {
        bucket: &request.bucket,
        key,
        options,
    };
    let presigned = presign(
        &operation,
        &allowed.target,
        &held.credentials,
        life.signed_at,
        life.expires_in,
    )
    .map_err(|error| stalled(Reason::CredentialsInvalid, error.to_string()))?;
    let endpoint = &allowed.target.endpoint;
    let by_policy = later(life.issued_at, allowed.granted.grant.max_duration);
    let expected = Expected {
        scheme: endpoint.scheme(),
        host: endpoint.host(),
        port: endpoint.port(),
        style: allowed.target.style,
        bucket: &request.bucket,
        key,
        method: options.method(),
        options,
        region: &allowed.target.region,
        access_key_id: &held.credentials.access_key_id,
        session: held.credentials.session_token.is_some(),
        signed_at: life.signed_at,
        expires_at: life.expires_at,
        not_after: held
            .credentials
            .expires_at
            .map_or(by_policy, |end| by_policy.min(end)),
    };
    check(&presigned, &expected).map_err(|mismatch| {
        stalled(
            Reason::SignatureMismatch,
            format!("the finished URL was thrown away: {mismatch}; this is a fault of the operator, report it"),
        )
    })?;
    Ok(presigned)
}

fn too_short(short: &TooShort) -> Trouble {
    let reason = match short.limited_by {
        Some(LimitedBy::Credentials) => Reason::CredentialsExpired,
        Some(LimitedBy::SignatureAge) => Reason::StoreInvalid,
        Some(LimitedBy::Duration | LimitedBy::SigV4) | None => Reason::InvalidSpec,
    };
    stalled(reason, short.to_string())
}

fn stalled(reason: Reason, message: String) -> Trouble {
    Trouble {
        reason,
        message,
        stalled: true,
    }
}
