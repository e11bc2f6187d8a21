//! What the spec, the policies and the store say of a resource: everything that is decided without looking at
//! what was issued before.
//!
//! What holds here: the policies are asked before the store, so a namespace that may ask for nothing learns
//! nothing of which stores exist.

use std::time::Duration;

use crate::api::{PresignedUrlSpec, Reason};
use crate::engine::cache::index::{Index, Record, store_name};
use crate::engine::evaluate::one_shot::OneShot;
use crate::engine::evaluate::session_scope::sessions;
use crate::engine::protocol::Session;
use crate::engine::protocol::Settings;
use crate::engine::store::StoreConfig;
use crate::issue::issued::Issued;
use crate::issue::{
    RenderInputs, RequestedLife, ReservedKeys, SpecInputs, StoreInputs, Template, render_hash,
    spec_hash, store_hash,
};
use crate::policy::{Decision, Grant, Namespace};
use crate::request::{InvalidSpec, IssuanceOptions, Limits, Options, Request};
use crate::signing::Target;

/// What may be done for a resource.
#[derive(Debug)]
pub(in crate::engine) enum Evaluation {
    /// The spec can never be signed.
    Invalid(String),
    /// No policy allows it.
    Denied(String),
    /// A policy that might allow it cannot be read.
    Undetermined(String),
    /// It is allowed, and its store cannot be signed for.
    StoreUnusable {
        /// What is allowed.
        authorized: Box<Authorized>,
        /// Why not.
        reason: Reason,
        /// The sentence.
        message: String,
    },
    /// It may be issued.
    Allowed(Box<SigningInputs>),
}

/// What the policies allow, and how it is to be rendered.
#[derive(Debug)]
pub(in crate::engine) struct Authorized {
    pub(in crate::engine) request: Request,
    pub(in crate::engine) grant: Grant,
    pub(in crate::engine) issuance: IssuanceOptions,
    pub(in crate::engine) template: Template,
    pub(in crate::engine) secret_name: String,
    pub(in crate::engine) spec_hash: String,
    pub(in crate::engine) render_hash: String,
    /// Where it is issued once.
    pub(in crate::engine) one_shot: Option<OneShot>,
}

/// All that a signature and a Secret are made of, but credentials and time.
#[derive(Debug)]
pub(in crate::engine) struct SigningInputs {
    pub(in crate::engine) authorized: Authorized,
    pub(in crate::engine) target: Target,
    /// Where the operator itself reaches the bucket.
    pub(in crate::engine) operator_target: Target,
    pub(in crate::engine) store: String,
    pub(in crate::engine) max_signature_age: Option<Duration>,
    pub(in crate::engine) ca_bundle: Option<String>,
    pub(in crate::engine) store_hash: String,
    /// What a session of the store's role is narrowed to, where the store narrows them.
    pub(in crate::engine) session: Option<Session>,
    /// The same for a listing.
    pub(in crate::engine) list_session: Option<Session>,
}

impl Evaluation {
    /// What the policies allow, where they do.
    pub(in crate::engine) fn authorized(&self) -> Option<&Authorized> {
        match self {
            Self::StoreUnusable { authorized, .. } => Some(authorized),
            Self::Allowed(inputs) => Some(&inputs.authorized),
            Self::Invalid(_) | Self::Denied(_) | Self::Undetermined(_) => None,
        }
    }
}

impl Authorized {
    /// Whether what was issued is what is asked for now, whatever the store and the life are.
    pub(in crate::engine) fn matches(&self, issued: &Issued) -> bool {
        issued.hashes.spec == self.spec_hash
            && !self
                .one_shot
                .as_ref()
                .is_some_and(|one_shot| one_shot.edited)
            && issued.hashes.render == self.render_hash
    }

    /// Whether the policies allow a shorter life only than was issued.
    pub(in crate::engine) fn shortens(&self, issued: &Issued) -> bool {
        u64::try_from(issued.life()).is_ok_and(|life| life > self.grant.max_duration.as_secs())
    }

    /// The life to aim at.
    pub(in crate::engine) fn requested_life(&self) -> RequestedLife {
        RequestedLife {
            duration: self.request.duration,
            policy_max: self.grant.max_duration,
        }
    }
}

/// The parts of a spec that were parsed.
struct Parsed {
    request: Request,
    issuance: IssuanceOptions,
    template: Template,
    secret_name: String,
}

/// Judges a resource.
pub(in crate::engine) fn evaluate(
    index: &Index,
    settings: &Settings,
    reserved: &ReservedKeys,
    record: &Record,
) -> Evaluation {
    let seen = &record.seen;
    let spec = match &seen.spec {
        Ok(spec) => spec,
        Err(why) => return Evaluation::Invalid(format!("the resource cannot be read: {why}")),
    };
    let parsed = match parse(spec, settings, reserved, &seen.name) {
        Ok(parsed) => parsed,
        Err(error) => return Evaluation::Invalid(error.to_string()),
    };
    let namespace = index.namespace_of(&seen.namespace);
    match index.policy_set.decide(&namespace, &parsed.request) {
        Decision::Denied(refusal) => Evaluation::Denied(refusal.message),
        Decision::Unknown { message, .. } => Evaluation::Undetermined(message),
        Decision::Allowed(grant) => with_store(
            index,
            record,
            &namespace,
            authorized(record, parsed, *grant),
        ),
    }
}

fn parse(
    spec: &PresignedUrlSpec,
    settings: &Settings,
    reserved: &ReservedKeys,
    name: &str,
) -> Result<Parsed, InvalidSpec> {
    let limits = Limits {
        min_duration: settings.min_renewed_duration,
    };
    Ok(Parsed {
        request: Request::parse(spec, &limits)?,
        issuance: IssuanceOptions::parse(spec)?,
        template: Template::parse(spec.secret_template.as_deref(), reserved)?,
        secret_name: spec.secret_name.as_deref().unwrap_or(name).to_owned(),
    })
}

fn authorized(record: &Record, parsed: Parsed, grant: Grant) -> Authorized {
    let Parsed {
        request,
        issuance,
        template,
        secret_name,
    } = parsed;
    let hash = |options: &Options| {
        spec_hash(&SpecInputs {
            store: store_name(&record.seen),
            endpoint: request.endpoint.as_deref(),
            bucket: request.bucket.as_str(),
            objects: &request.objects,
            options,
            requested_duration: request.duration,
        })
    };
    let one_shot = OneShot::of(
        record,
        issuance.renew,
        &grant.options,
        &request.options,
        hash,
    );
    Authorized {
        spec_hash: hash(&grant.options),
        one_shot,
        render_hash: render_hash(&RenderInputs {
            secret_name: &secret_name,
            labels: template.labels(),
            annotations: template.annotations(),
            formats: &issuance.formats,
        }),
        request,
        grant,
        issuance,
        template,
        secret_name,
    }
}

fn with_store(
    index: &Index,
    record: &Record,
    namespace: &Namespace<'_>,
    authorized: Authorized,
) -> Evaluation {
    let store = store_name(&record.seen);
    let found = resolve_target(index, store, &authorized.request).and_then(|found| {
        let narrowed = sessions(
            found.0,
            &index.policy_set,
            namespace,
            &record.seen.name,
            &authorized.request,
            &authorized.grant,
        );
        match narrowed {
            Ok(sessions) => Ok((found, sessions)),
            Err(error) => Err((error.reason(), error.to_string())),
        }
    });
    match found {
        Err((reason, message)) => Evaluation::StoreUnusable {
            authorized: Box::new(authorized),
            reason,
            message,
        },
        Ok(((config, uid, target, operator_target), sessions)) => {
            Evaluation::Allowed(Box::new(SigningInputs {
                store_hash: store_hash(&StoreInputs {
                    uid,
                    endpoint: &target.endpoint.to_string(),
                    region: &target.region,
                    style: target.style.as_str(),
                    max_signature_age: config.max_signature_age,
                    ca_bundle: config.ca_bundle.as_deref(),
                }),
                max_signature_age: config.max_signature_age,
                ca_bundle: config.ca_bundle.clone(),
                store: store.to_owned(),
                session: sessions.signing,
                list_session: sessions.listing,
                authorized,
                target,
                operator_target,
            }))
        }
    }
}

/// How a request's bucket is reached through a store, or why it is not.
fn resolve_target<'a>(
    index: &'a Index,
    store: &str,
    request: &Request,
) -> Result<(&'a StoreConfig, &'a str, Target, Target), (Reason, String)> {
    let refuse = |reason, message| Err((reason, message));
    let Some(known) = index.stores.get(store) else {
        return refuse(
            Reason::StoreNotFound,
            format!(
                "there is no ClusterObjectStore \"{store}\": create it, or name another in spec.storeRef.name"
            ),
        );
    };
    let config = match known.config() {
        Ok(config) => config,
        Err(why) => {
            return refuse(
                Reason::StoreInvalid,
                format!("the ClusterObjectStore \"{store}\" cannot be used: {why}"),
            );
        }
    };
    let by = |endpoint| config.target(endpoint, &request.bucket);
    match (by(request.endpoint.as_deref()), by(None)) {
        (Some(Ok(target)), Some(Ok(own))) => Ok((config, &known.seen.uid, target, own)),
        (Some(Err(error)), _) | (_, Some(Err(error))) => refuse(
            Reason::StoreInvalid,
            format!("the ClusterObjectStore \"{store}\" cannot be used for this bucket: {error}"),
        ),
        (None, _) | (_, None) => {
            let named = request.endpoint.as_deref().unwrap_or_default();
            refuse(
                Reason::EndpointNotFound,
                format!(
                    "the ClusterObjectStore \"{store}\" has no endpoint \"{named}\": name one of its endpoints in \
                     spec.endpoint, or leave it out"
                ),
            )
        }
    }
}
