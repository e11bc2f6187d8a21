//! Whether a resource may be issued: from the spec, the policies and the store.
//!
//! What holds here:
//! - The policies decide before the store is looked up, so a namespace without rights does not learn which
//!   stores exist.
//! - Of earlier issues only those of one-shot resources count, since they fix the time of expiry. Of others
//!   it is said when they are renewed.

use jiff::Timestamp;

use crate::api::{PresignedUrlSpec, Reason};
use crate::engine::cache::index::Index;
use crate::engine::cache::record::{Kept, Record, Recorded, store_name};
use crate::engine::evaluate::denial::denial_stands;
use crate::engine::evaluate::one_shot::{FixedLife, OneShot, is_one_shot};
use crate::engine::evaluate::refusals::{
    DELETING, TERMINATING, beside_credentials, beyond_share, unseen,
};
use crate::engine::evaluate::session_scope::sessions;
use crate::engine::evaluate::signing_inputs::{Authorized, SigningInputs};
use crate::engine::evaluate::target::{no_store, targets, unusable_store};
use crate::engine::protocol::Settings;
use crate::engine::store::StoreConfig;
use crate::issue::{
    RenderInputs, ReservedKeys, SpecInputs, StoreInputs, Template, render_hash, renew_at,
    spec_hash, store_hash,
};
use crate::policy::{Decision, Grant, Namespace, Refusal};
use crate::request::{InvalidSpec, IssuanceOptions, Limits, Options, Request};
use crate::signing::Target;

/// Whether a resource may be issued.
#[derive(Debug)]
pub(in crate::engine) enum Evaluation {
    /// The spec can never be signed.
    Invalid(String),
    /// No policy allows it.
    Denied(Refusal),
    /// No readable policy allows it, and one that cannot be read might; or its namespace is not known yet.
    Undetermined(Refusal),
    /// The operator refuses it, whatever the policies allow, with the reason and a sentence: the resources of
    /// its namespace take more than is kept for one, or its namespace is the operator's own.
    Refused(Reason, String),
    /// The resource or its namespace is being deleted, with the reason and a sentence.
    Deleting(Reason, &'static str),
    /// The policies allow it, and its store cannot be used.
    StoreUnusable {
        /// What the policies allow.
        authorized: Box<Authorized>,
        /// Why the store cannot be used.
        reason: Reason,
        /// The same as a sentence.
        message: String,
    },
    /// The policies allow it, and its store can be used.
    Allowed(Box<SigningInputs>),
}

impl Evaluation {
    /// What the policies allow, if they allow it.
    pub(in crate::engine) fn authorized(&self) -> Option<&Authorized> {
        match self {
            Self::StoreUnusable { authorized, .. } => Some(authorized),
            Self::Allowed(inputs) => Some(&inputs.authorized),
            Self::Invalid(_)
            | Self::Denied(_)
            | Self::Undetermined(_)
            | Self::Refused(..)
            | Self::Deleting(..) => None,
        }
    }

    /// Why the policies do not allow it, if they do not, or nobody knows whether they do.
    pub(in crate::engine) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Denied(refusal) | Self::Undetermined(refusal) => Some(refusal),
            Self::Invalid(_)
            | Self::Refused(..)
            | Self::Deleting(..)
            | Self::StoreUnusable { .. }
            | Self::Allowed(_) => None,
        }
    }

    /// When a one-shot resource expired, if it has expired. Without a permission now, the recorded time
    /// counts.
    pub(in crate::engine) fn expired_at(
        &self,
        record: &Record,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let expires_at = match self.authorized() {
            // Its end is no news any more.
            None if record.seen.deleting => return None,
            Some(authorized) => authorized.one_shot_expiry(now)?,
            None if is_one_shot(record) => FixedLife::last(record)?.times.expires_at,
            None => return None,
        };
        Some(expires_at).filter(|expires_at| *expires_at <= now)
    }

    /// What the status of a one-shot resource keeps although its Secret is gone. A spec that cannot be read
    /// loses nothing.
    pub(in crate::engine) fn retained_life(
        &self,
        record: &Record,
        now: Timestamp,
    ) -> Option<FixedLife> {
        if record.seen.spec.is_ok() && !is_one_shot(record) {
            return None;
        }
        let mut life = FixedLife::last(record)?;
        if let Some(expired_at) = self.expired_at(record, now) {
            life.times.expires_at = expired_at;
        }
        Some(life)
    }
}

/// A parsed spec.
struct Parsed {
    request: Request,
    issuance: IssuanceOptions,
    template: Template,
    secret_name: String,
}

/// Evaluates a resource.
pub(in crate::engine) fn evaluate(
    index: &Index,
    settings: &Settings,
    reserved: &ReservedKeys,
    record: &Record,
) -> Evaluation {
    let seen = &record.seen;
    if seen.deleting {
        return Evaluation::Deleting(Reason::Deleting, DELETING);
    }
    let namespace = index.namespaces.get(&seen.namespace);
    if namespace.is_some_and(|namespace| namespace.deleting) {
        return Evaluation::Deleting(Reason::NamespaceTerminating, TERMINATING);
    }
    if seen.namespace == settings.own_namespace {
        return Evaluation::Refused(
            Reason::OperatorNamespace,
            beside_credentials(&seen.namespace),
        );
    }
    if record.kept != Kept::Whole {
        let why = beyond_share(&seen.namespace, settings.namespace_share);
        return Evaluation::Refused(Reason::NamespaceShareExceeded, why);
    }
    let spec = match &seen.spec {
        Ok(spec) => spec,
        Err(why) => return Evaluation::Invalid(format!("the resource cannot be read: {why}")),
    };
    let parsed = match parse(spec, settings, reserved, &seen.name) {
        Ok(parsed) => parsed,
        Err(error) => return Evaluation::Invalid(error.to_string()),
    };
    let Some(namespace) = index.namespace_of(&seen.namespace) else {
        return Evaluation::Undetermined(Refusal {
            message: unseen(&seen.namespace),
            ..Refusal::default()
        });
    };
    match index.policy_set.decide(&namespace, &parsed.request) {
        Decision::Denied(refusal) => Evaluation::Denied(refusal),
        Decision::Unknown {
            policies,
            unknown,
            refusal,
        } => {
            let stands = denial_stands(
                (&index.policy_set, &namespace),
                record,
                &policies,
                &parsed.request,
                |options| parsed.spec_hash(record, options),
                || parsed.render_hash(),
            );
            if stands {
                Evaluation::Denied(refusal)
            } else {
                Evaluation::Undetermined(unknown)
            }
        }
        Decision::Allowed(grant) => {
            with_store(index, record, &namespace, authorized(record, parsed, grant))
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
        issuance: IssuanceOptions::parse(spec)?,
        template: Template::parse(spec.secret_template.as_deref(), reserved)?,
        secret_name: spec.secret_name.as_deref().unwrap_or(name).to_owned(),
    })
}

impl Parsed {
    /// The hash of the request with these options.
    fn spec_hash(&self, record: &Record, options: &Options) -> String {
        let request = &self.request;
        spec_hash(&SpecInputs {
            store: store_name(&record.seen),
            endpoint: request.endpoint.as_deref(),
            bucket: request.bucket.as_str(),
            objects: &request.objects,
            options,
            requested_duration: request.duration,
        })
    }

    fn render_hash(&self) -> String {
        render_hash(&RenderInputs {
            secret_name: &self.secret_name,
            labels: self.template.labels(),
            annotations: self.template.annotations(),
            formats: &self.issuance.formats,
            binding_type: self.issuance.binding_type.as_deref(),
        })
    }
}

fn authorized(record: &Record, parsed: Parsed, grant: Box<Grant>) -> Box<Authorized> {
    let hash = |options: &Options| parsed.spec_hash(record, options);
    let renew = parsed.issuance.renew;
    let one_shot = OneShot::of(record, renew, &parsed.request.options, hash);
    let spec_hash = hash(&grant.options);
    let render_hash = parsed.render_hash();
    let Parsed {
        request,
        issuance,
        template,
        secret_name,
    } = parsed;
    Box::new(Authorized {
        request,
        grant,
        issuance,
        template,
        secret_name,
        spec_hash,
        render_hash,
        one_shot,
    })
}

fn with_store(
    index: &Index,
    record: &Record,
    namespace: &Namespace<'_>,
    authorized: Box<Authorized>,
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
            authorized,
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
                renewal: renewal(record, &authorized),
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

/// When what is issued is renewed; `None` if nothing is issued, or it is not renewed.
fn renewal(record: &Record, authorized: &Authorized) -> Option<Timestamp> {
    if authorized.one_shot.is_some() {
        return None;
    }
    let (issued_at, expires_at, revision) = match record.issued()? {
        Recorded::ByWrite(issued) => (issued.issued_at, issued.expires_at, issued.revision),
        Recorded::ByStatus(status) => (
            status.issue_time?,
            status.expiration_time?,
            status.revision?,
        ),
    };
    Some(renew_at(
        issued_at,
        expires_at,
        authorized.request.renew_before,
        &record.seen.uid,
        revision,
    ))
}

/// The addresses of a request's bucket at a store: the endpoint that is signed, and the one that the operator
/// uses itself.
fn resolve_target<'a>(
    index: &'a Index,
    store: &str,
    request: &Request,
) -> Result<(&'a StoreConfig, &'a str, Target, Target), (Reason, String)> {
    let Some(known) = index.stores.get(store) else {
        return Err(no_store(store));
    };
    let config = known.config().map_err(|why| unusable_store(store, why))?;
    let (target, own) = targets(config, store, request)?;
    Ok((config, &known.seen.uid, target, own))
}
