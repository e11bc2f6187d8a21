//! What the spec, the policies and the store say of a resource: everything that is decided without looking at what was
//! issued before.
//!
//! What holds here: the policies are asked before the store, so a namespace that may ask for nothing learns nothing
//! of which stores exist.

use std::time::Duration;

use super::index::{Index, Record, store_name};
use super::link::{self, Link};
use super::memory::Issued;
use super::scope::sessions;
use super::settings::Settings;
use super::step::Session;
use super::store::Compiled;
use crate::api::{PresignedUrlSpec, Reason};
use crate::issue::{
    Asked, RenderInputs, ReservedKeys, SpecInputs, StoreInputs, Template, render_hash,
    secret_name as checked_secret_name, spec_hash, store_hash,
};
use crate::policy::{Decision, Grant, InvalidSpec, Limits, Namespace, Options, Request, Wishes};
use crate::signing::Target;

/// What may be done for a resource.
#[derive(Debug)]
pub(super) enum Judged {
    /// The spec can never be signed.
    Invalid(String),
    /// No policy allows it.
    Denied(String),
    /// A policy that might allow it cannot be read.
    Unknown(String),
    /// It is allowed, and its store cannot be signed for.
    NoStore {
        /// What is allowed.
        granted: Box<Granted>,
        /// Why not.
        reason: Reason,
        /// The sentence.
        message: String,
    },
    /// It may be issued.
    Allowed(Box<Allowed>),
}

/// What the policies allow, and how it is to be rendered.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) request: Request,
    pub(super) grant: Grant,
    pub(super) wishes: Wishes,
    pub(super) template: Template,
    pub(super) secret_name: String,
    pub(super) spec_hash: String,
    pub(super) render_hash: String,
    /// Where it is issued once.
    pub(super) link: Option<Link>,
}

/// All that a signature and a Secret are made of, but credentials and time.
#[derive(Debug)]
pub(super) struct Allowed {
    pub(super) granted: Granted,
    pub(super) target: Target,
    /// Where the operator itself reaches the bucket.
    pub(super) ask_target: Target,
    pub(super) store: String,
    pub(super) max_signature_age: Option<Duration>,
    pub(super) ca_bundle: Option<String>,
    pub(super) store_hash: String,
    /// What a session of the store's role is narrowed to, where the store narrows them.
    pub(super) session: Option<Session>,
    /// The same for a listing.
    pub(super) list_session: Option<Session>,
}

impl Judged {
    /// What the policies allow, where they do.
    pub(super) fn granted(&self) -> Option<&Granted> {
        match self {
            Self::NoStore { granted, .. } => Some(granted),
            Self::Allowed(allowed) => Some(&allowed.granted),
            Self::Invalid(_) | Self::Denied(_) | Self::Unknown(_) => None,
        }
    }
}

impl Granted {
    /// Whether what was issued is still what is allowed: nothing but the store may differ.
    pub(super) fn covers(&self, issued: &Issued) -> bool {
        link::plain(&issued.hashes.spec) == link::plain(&self.spec_hash)
            && !self.link.as_ref().is_some_and(|link| link.edited)
            && issued.hashes.render == self.render_hash
            && !self.shortens(issued)
    }

    /// Whether the policies allow a shorter life only than was issued.
    pub(super) fn shortens(&self, issued: &Issued) -> bool {
        u64::try_from(issued.life()).is_ok_and(|life| life > self.grant.max_duration.as_secs())
    }

    /// The life to aim at.
    pub(super) fn asked(&self) -> Asked {
        Asked {
            duration: self.request.duration,
            policy_max: self.grant.max_duration,
        }
    }
}

/// The parts of a spec that were parsed.
struct Parsed {
    request: Request,
    wishes: Wishes,
    template: Template,
    secret_name: String,
}

/// Judges a resource.
pub(super) fn judge(
    index: &Index,
    settings: &Settings,
    reserved: &ReservedKeys,
    record: &Record,
) -> Judged {
    let seen = &record.seen;
    let spec = match &seen.spec {
        Ok(spec) => spec,
        Err(why) => return Judged::Invalid(format!("the resource cannot be read: {why}")),
    };
    let parsed = match parse(spec, settings, reserved, &seen.name) {
        Ok(parsed) => parsed,
        Err(error) => return Judged::Invalid(error.to_string()),
    };
    let namespace = index.namespace_of(&seen.namespace);
    match index.policy_set.decide(&namespace, &parsed.request) {
        Decision::Denied(refusal) => Judged::Denied(refusal.message),
        Decision::Unknown { message, .. } => Judged::Unknown(message),
        Decision::Allowed(grant) => {
            with_store(index, record, &namespace, granted(record, parsed, *grant))
        }
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
        wishes: Wishes::parse(spec)?,
        template: Template::parse(spec.secret_template.as_deref(), reserved)?,
        secret_name: checked_secret_name(spec.secret_name.as_deref(), name)?.to_owned(),
    })
}

fn granted(record: &Record, parsed: Parsed, grant: Grant) -> Granted {
    let Parsed {
        request,
        wishes,
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
            asked_duration: request.duration,
        })
    };
    let link = Link::of(record, wishes.renew, &grant.options, &request.options, hash);
    let plain = hash(&grant.options);
    Granted {
        spec_hash: if link.is_some() {
            link::marked(&plain)
        } else {
            plain
        },
        link,
        render_hash: render_hash(&RenderInputs {
            secret_name: &secret_name,
            labels: template.labels(),
            annotations: template.annotations(),
            formats: &wishes.formats,
        }),
        request,
        grant,
        wishes,
        template,
        secret_name,
    }
}

fn with_store(
    index: &Index,
    record: &Record,
    namespace: &Namespace<'_>,
    granted: Granted,
) -> Judged {
    let store = store_name(&record.seen);
    let found = reach(index, store, &granted.request).and_then(|found| {
        let narrowed = sessions(
            found.0,
            &index.policy_set,
            namespace,
            &record.seen.name,
            &granted.request,
            &granted.grant,
        );
        match narrowed {
            Ok(sessions) => Ok((found, sessions)),
            Err(error) => Err((error.reason(), error.to_string())),
        }
    });
    match found {
        Err((reason, message)) => Judged::NoStore {
            granted: Box::new(granted),
            reason,
            message,
        },
        Ok(((compiled, uid, target, ask_target), sessions)) => Judged::Allowed(Box::new(Allowed {
            store_hash: store_hash(&StoreInputs {
                uid,
                endpoint: &target.endpoint.to_string(),
                region: &target.region,
                style: target.style.as_str(),
                max_signature_age: compiled.max_signature_age,
                ca_bundle: compiled.ca_bundle.as_deref(),
            }),
            max_signature_age: compiled.max_signature_age,
            ca_bundle: compiled.ca_bundle.clone(),
            store: store.to_owned(),
            session: sessions.signing,
            list_session: sessions.listing,
            granted,
            target,
            ask_target,
        })),
    }
}

/// How a request's bucket is reached through a store, or why it is not.
fn reach<'a>(
    index: &'a Index,
    store: &str,
    request: &Request,
) -> Result<(&'a Compiled, &'a str, Target, Target), (Reason, String)> {
    let refuse = |reason, message| Err((reason, message));
    let Some(known) = index.stores.get(store) else {
        return refuse(
            Reason::StoreNotFound,
            format!(
                "there is no ClusterObjectStore \"{store}\": create it, or name another in spec.storeRef.name"
            ),
        );
    };
    let compiled = match &known.compiled {
        Ok(compiled) => compiled,
        Err(why) => {
            return refuse(
                Reason::StoreInvalid,
                format!("the ClusterObjectStore \"{store}\" cannot be used: {why}"),
            );
        }
    };
    let by = |endpoint| compiled.target(endpoint, &request.bucket);
    match (by(request.endpoint.as_deref()), by(None)) {
        (Some(Ok(target)), Some(Ok(own))) => Ok((compiled, &known.seen.uid, target, own)),
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
