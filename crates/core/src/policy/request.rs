//! What a `PresignedURL` asks for, parsed: the only form in which a request reaches policies and signatures.
//!
//! What holds here: everything that admission refuses is refused again, since a schema can be edited and a stored object
//! can be older than it. A [`Request`] holds every field that reaches the signature, and no field that does not parse.

use std::fmt;
use std::time::Duration;

use super::duration::{format_duration, parse_duration};
use super::fields;
use super::names::{Bucket, Key, NameError, Prefix};
use super::words::quoted;
use crate::api::{GetOptions, Method, PostOptions, PresignedUrlSpec, PutOptions, StoreKind};

/// The signature's limit for the life of a URL: seven days.
pub(super) const LONGEST_LIFE: Duration = Duration::from_hours(168);
/// The shortest life of a URL.
pub(super) const SHORTEST_LIFE: Duration = Duration::from_mins(1);
/// The store of a request that names none.
const DEFAULT_STORE: &str = "default";

/// One object that a namespace asks a URL for.
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
    /// The life that was asked for; `None` takes what can be had.
    pub duration: Option<Duration>,
    /// When to renew, where the resource says so.
    pub renew_before: Option<RenewBefore>,
    /// The method, and what else is signed for it.
    pub options: Options,
}

/// Which objects a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objects {
    /// One.
    Key(Key),
    /// Several, each once, in the order in which they were given.
    Keys(Vec<Key>),
    /// What a listing finds.
    List(ListRequest),
    /// Any whose key begins so: a form's sender chooses.
    Under(Prefix),
}

/// What is to be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRequest {
    /// What the keys begin with.
    pub prefix: Prefix,
    /// The fewest objects that are good enough.
    pub min_objects: u32,
    /// The most that are wanted; `None` leaves it to the policy.
    pub max_objects: Option<u32>,
    /// Globs of what follows the prefix; empty includes all.
    pub include: Vec<String>,
    /// Globs that take away from it.
    pub exclude: Vec<String>,
    /// How often it is listed between renewals.
    pub refresh_interval: Option<Duration>,
}

/// A method with its options: those of another method cannot be expressed.
#[derive(Clone, Debug, PartialEq)]
pub enum Options {
    /// Download. It also yields a URL for HEAD.
    Get(GetOptions),
    /// Metadata only.
    Head(GetOptions),
    /// Upload.
    Put(PutOptions),
    /// Removal.
    Delete,
    /// Upload by a form.
    Post(PostOptions),
}

/// How much of the life is left when a URL is to be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewBefore {
    /// This long, at least a second.
    Left(Duration),
    /// This part of the life, 1 to 90 percent.
    Percentage(u8),
}

/// What an installation asks of requests beyond the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The shortest life that may be asked for (`--min-renewed-duration`).
    pub min_duration: Duration,
}

/// A spec that can never be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSpec {
    /// The field, as it is written: `spec.put.contentType`.
    pub field: String,
    /// What was given, what is wrong with it, and what to give.
    pub message: String,
}

impl Request {
    /// Parses a spec. `secretTemplate` is not looked at: what a Secret may carry is decided where it is rendered.
    ///
    /// # Errors
    /// The first field, in the order of the API, that can never be signed.
    pub fn parse(spec: &PresignedUrlSpec, limits: &Limits) -> Result<Self, InvalidSpec> {
        let PresignedUrlSpec {
            store_ref,
            endpoint,
            bucket,
            key,
            keys: _,
            prefix: _,
            list: _,
            method,
            renew: _,
            ttl_after_expiry: _,
            duration,
            renew_before,
            renew_before_percentage,
            get,
            put,
            post: _,
            formats: _,
            verify: _,
            secret_name,
            secret_template: _, // Checked where the Secret is rendered.
            suspend: _,         // Any value can be acted on.
            class,
        } = spec;
        // The one kind of store; a second kind must be looked at here.
        let store = match store_ref.as_ref().map(|store| (store.kind, &store.name)) {
            None | Some((None | Some(StoreKind::ClusterObjectStore), None)) => DEFAULT_STORE,
            Some((None | Some(StoreKind::ClusterObjectStore), Some(name))) => name,
        };
        fields::dns_subdomain("spec.storeRef.name", store)?;
        checked(endpoint.as_deref(), "spec.endpoint", fields::dns_label)?;
        let bucket = Bucket::parse(bucket).map_err(named("spec.bucket"))?;
        let objects = match key {
            Some(key) => Objects::Key(Key::parse(key).map_err(named("spec.key"))?),
            None => {
                return Err(InvalidSpec::new(
                    "spec.key",
                    "is not given; give the key of one object",
                ));
            }
        };
        let options = parse_options(method.unwrap_or_default(), get.as_ref(), put.as_ref())?;
        let duration = parse_life(duration.as_deref(), limits)?;
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
        })
    }

    /// The method that is asked for.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.options.method()
    }
}

impl Options {
    /// The method that these options belong to.
    #[must_use]
    pub const fn method(&self) -> Method {
        match self {
            Self::Get(_) => Method::Get,
            Self::Head(_) => Method::Head,
            Self::Put(_) => Method::Put,
            Self::Delete => Method::Delete,
            Self::Post(_) => Method::Post,
        }
    }
}

impl InvalidSpec {
    /// An error about one field.
    #[must_use]
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for InvalidSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl std::error::Error for InvalidSpec {}

fn named(field: &'static str) -> impl Fn(NameError) -> InvalidSpec {
    move |error| InvalidSpec::new(field, error.to_string())
}

fn checked(
    value: Option<&str>,
    field: &str,
    check: impl Fn(&str, &str) -> Result<(), InvalidSpec>,
) -> Result<(), InvalidSpec> {
    value.map_or(Ok(()), |value| check(field, value))
}

fn parse_options(
    method: Method,
    get: Option<&GetOptions>,
    put: Option<&PutOptions>,
) -> Result<Options, InvalidSpec> {
    let foreign = match method {
        Method::Get | Method::Head => put.map(|_| ("spec.put", "PUT")),
        Method::Put => get.map(|_| ("spec.get", "GET or HEAD")),
        Method::Delete | Method::Post => put
            .map(|_| ("spec.put", "PUT"))
            .or(get.map(|_| ("spec.get", "GET or HEAD"))),
    };
    if let Some((field, methods)) = foreign {
        let message = format!(
            "this block goes with method {methods}, and the method is {}; remove the block, or set spec.method",
            method.as_str()
        );
        return Err(InvalidSpec::new(field, message));
    }
    if let Some(get) = get {
        fields::check_get(get)?;
    }
    if let Some(put) = put {
        fields::check_put(put)?;
    }
    Ok(match method {
        Method::Get => Options::Get(get.cloned().unwrap_or_default()),
        Method::Head => Options::Head(get.cloned().unwrap_or_default()),
        Method::Put => Options::Put(put.cloned().unwrap_or_default()),
        Method::Delete => Options::Delete,
        Method::Post => {
            return Err(InvalidSpec::new(
                "spec.method",
                "POST is not served by this version",
            ));
        }
    })
}

fn parse_life(text: Option<&str>, limits: &Limits) -> Result<Option<Duration>, InvalidSpec> {
    let field = "spec.duration";
    let Some(text) = text else { return Ok(None) };
    let life = parse_duration(text).map_err(|e| InvalidSpec::new(field, e.to_string()))?;
    let shortest = limits.min_duration.max(SHORTEST_LIFE);
    let fault = if life < shortest {
        "shorter than a renewed URL may live"
    } else if life > LONGEST_LIFE {
        "longer than SigV4 allows"
    } else {
        return Ok(Some(life));
    };
    let message = format!(
        "{} is {fault}; ask for {} to {}, or leave it out",
        quoted(text),
        format_duration(shortest),
        format_duration(LONGEST_LIFE)
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
            let longest = life.unwrap_or(LONGEST_LIFE);
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
