//! The spec of a `PresignedURL`, parsed: the only form in which a request reaches policies and signatures.
//!
//! What holds here: everything that admission refuses is refused again, since a schema can be edited and a
//! stored object can be older than it. A [`Request`] holds every field that policies decide about, and no
//! field that does not parse.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::duration::{MAX_LIFE, MIN_LIFE, format_duration, parse_duration};
use super::error::InvalidSpec;
use super::fields;
use super::names::Bucket;
use super::objects::{Fields, Objects, named};
use super::options::Options;
use crate::api::{Method, PresignedUrlSpec, Renew, SecretTemplate, StoreKind};
use crate::text::quoted;

/// The store of a request that names none.
const DEFAULT_STORE: &str = "default";

/// What a namespace requests URLs for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The name of the `ClusterObjectStore`.
    pub store: String,
    /// The store's named endpoint; `None` is the store's default.
    pub endpoint: Option<String>,
    /// The bucket.
    pub bucket: Bucket,
    /// The objects.
    pub objects: Objects,
    /// The requested life; `None` means the longest that policy, credentials and default allow.
    pub duration: Option<Duration>,
    /// When to renew, if the spec says so.
    pub renew_before: Option<RenewBefore>,
    /// The method, and what else is signed for it.
    pub options: Options,
    /// The keys of the labels and annotations that `secretTemplate` sets, in their order, each once.
    pub template_keys: Vec<String>,
}

/// How much of the life is left when a URL is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewBefore {
    /// This long, at least a second.
    Left(Duration),
    /// This part of the life, 1 to 90 percent.
    Percentage(u8),
}

/// Limits of an installation on requests, beyond those of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The shortest life of a URL that is renewed (`--min-renewed-duration`).
    pub min_duration: Duration,
}

impl Request {
    /// Parses a spec. Of `secretTemplate` the keys are read; it is checked by the room that renders the
    /// Secret.
    ///
    /// # Errors
    /// The first field, in the order of the API, that can never be signed.
    pub fn parse(spec: &PresignedUrlSpec, limits: &Limits) -> Result<Self, InvalidSpec> {
        let PresignedUrlSpec {
            store_ref,
            endpoint,
            bucket,
            key,
            keys,
            prefix,
            list,
            method,
            renew,
            ttl_after_expiry: _, // As formats and verify, one of the `IssuanceOptions`.
            duration,
            renew_before,
            renew_before_percentage,
            get,
            put,
            post,
            formats: _,
            verify: _,
            secret_name,
            binding_type,
            secret_template,
            suspend: _, // Any value can be acted on.
            class,
        } = spec;
        // There is one kind of store; a second kind does not compile until it is handled here.
        let store = match store_ref.as_ref().map(|store| (store.kind, &store.name)) {
            None | Some((None | Some(StoreKind::ClusterObjectStore), None)) => DEFAULT_STORE,
            Some((None | Some(StoreKind::ClusterObjectStore), Some(name))) => name,
        };
        fields::dns_subdomain("spec.storeRef.name", store)?;
        checked(endpoint.as_deref(), "spec.endpoint", fields::dns_label)?;
        checked(
            binding_type.as_deref(),
            "spec.bindingType",
            fields::dns_label,
        )?;
        let bucket = Bucket::parse(bucket).map_err(named("spec.bucket"))?;
        let method = method.unwrap_or_default();
        let objects = Objects::parse(&Fields {
            key: key.as_deref(),
            keys: keys.as_ref(),
            prefix: prefix.as_deref(),
            list: list.as_deref(),
            method,
        })?;
        let options = Options::parse(method, get.as_deref(), put.as_deref(), post.as_deref())?;
        let duration = parse_life(duration.as_deref(), renew.unwrap_or_default(), limits)?;
        let renew_before =
            parse_renewal(renew_before.as_deref(), *renew_before_percentage, duration)?;
        checked(
            secret_name.as_deref(),
            "spec.secretName",
            fields::dns_subdomain,
        )?;
        checked(class.as_deref(), "spec.class", fields::dns_label)?;
        Ok(Self {
            store: store.to_owned(),
            endpoint: endpoint.clone(),
            bucket,
            objects,
            duration,
            renew_before,
            options,
            template_keys: template_keys(secret_template.as_deref()),
        })
    }

    /// The requested method.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.options.method()
    }
}

fn template_keys(template: Option<&SecretTemplate>) -> Vec<String> {
    let Some(SecretTemplate {
        labels,
        annotations,
    }) = template
    else {
        return Vec::new();
    };
    let maps = [labels, annotations].into_iter().flatten();
    let keys: BTreeSet<&String> = maps.flat_map(BTreeMap::keys).collect();
    keys.into_iter().cloned().collect()
}

fn checked(
    value: Option<&str>,
    field: &str,
    check: impl Fn(&str, &str) -> Result<(), InvalidSpec>,
) -> Result<(), InvalidSpec> {
    value.map_or(Ok(()), |value| check(field, value))
}

fn parse_life(
    text: Option<&str>,
    renew: Renew,
    limits: &Limits,
) -> Result<Option<Duration>, InvalidSpec> {
    let field = "spec.duration";
    let Some(text) = text else { return Ok(None) };
    let life = parse_duration(text).map_err(|e| InvalidSpec::new(field, e.to_string()))?;
    let (shortest, too_short) = match renew {
        Renew::Always => (
            limits.min_duration.max(MIN_LIFE),
            "shorter than a renewed URL may live",
        ),
        // A URL that is issued once causes no repeated work: only the limits of URLs apply.
        Renew::Never => (MIN_LIFE, "shorter than a URL may live"),
    };
    let once = if life < shortest && shortest > MIN_LIFE {
        ", or set spec.renew to Never, with which 1m is enough"
    } else {
        ""
    };
    let fault = if life < shortest {
        too_short
    } else if life > MAX_LIFE {
        "longer than SigV4 allows"
    } else {
        return Ok(Some(life));
    };
    let message = format!(
        "{} is {fault}; ask for {} to {}, or leave it out{once}",
        quoted(text),
        format_duration(shortest),
        format_duration(MAX_LIFE)
    );
    Err(InvalidSpec::new(field, message))
}

fn parse_renewal(
    before: Option<&str>,
    percentage: Option<u8>,
    life: Option<Duration>,
) -> Result<Option<RenewBefore>, InvalidSpec> {
    let field = "spec.renewBefore";
    match (before, percentage) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(InvalidSpec::new(
            field,
            "renewBefore and renewBeforePercentage are both given and say the same thing; remove one",
        )),
        (None, Some(percentage @ 1..=90)) => Ok(Some(RenewBefore::Percentage(percentage))),
        (None, Some(percentage)) => Err(InvalidSpec::new(
            "spec.renewBeforePercentage",
            format!(
                "{percentage} is not between 1 and 90; give the percentage of the life that is left"
            ),
        )),
        (Some(text), None) => {
            let left = parse_duration(text).map_err(|e| InvalidSpec::new(field, e.to_string()))?;
            let longest = life.unwrap_or(MAX_LIFE);
            if left < longest {
                return Ok(Some(RenewBefore::Left(left)));
            }
            let message = format!(
                "{} is not shorter than {}, the {}; give less, or leave it out",
                quoted(text),
                format_duration(longest),
                if life.is_some() {
                    "duration"
                } else {
                    "longest life"
                },
            );
            Err(InvalidSpec::new(field, message))
        }
    }
}
