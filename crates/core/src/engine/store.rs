//! Stores: their compiled spec, their credentials, and their own status.
//!
//! What holds here: this is the only cache of credentials, and one fetch of a store is under way at a time. The last
//! credentials that worked are used until they end, whatever the source says meanwhile. Debug shows no credential.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::event::StoreSeen;
use super::failure::CredentialsFailure;
use super::step::{CredentialSource, Sts};
use super::time::between;
use crate::api::{
    AddressingStyle, ClusterObjectStoreSpec, NamedEndpoint, Reason, S3Store, SecretCredentials,
    StoreCredentials,
};
use crate::issue::{CredentialInputs, backoff, credential_hash, refresh_gains};
use crate::policy::{Bucket, parse_duration};
use crate::signing::{Credentials, Endpoint, EndpointError, Target};
use secrecy::ExposeSecret;

/// Between two fetches that were made to lengthen a life.
pub(super) const REFRESH_PAUSE: Duration = Duration::from_mins(1);
/// What credentials must have left to be of any use: a minute of life.
const USELESS: Duration = Duration::from_mins(1);
/// The length of a session where the store names none: what every role allows.
const SESSION_LENGTH: Duration = Duration::from_hours(1);
/// Between two looks at credentials that only a person can mend.
const RECHECK: Duration = Duration::from_mins(5);

/// A store, and what is known of its credentials.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) seen: StoreSeen,
    pub(super) compiled: Result<Compiled, String>,
    pub(super) held: Option<Held>,
    pub(super) failure: Option<CredentialsFailure>,
    failures: u32,
    retry_at: Option<Timestamp>,
    fetched_at: Option<Timestamp>,
    wanted: bool,
    /// What the fetch under way asks for.
    fetching: Option<CredentialSource>,
    /// The credentials may have changed since they were fetched: nothing is signed with them before the next fetch.
    stale: bool,
    /// Resources that wait for the fetch that is wanted or under way.
    pub(super) waiting: BTreeSet<String>,
    /// When the status was last written, so that counts do not write it over and over.
    pub(super) status_written_at: Option<Timestamp>,
}

/// A store's spec, ready to sign with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Compiled {
    pub(super) region: String,
    /// `None` is AWS's own of the region.
    pub(super) default_endpoint: Option<Endpoint>,
    pub(super) endpoints: BTreeMap<String, Endpoint>,
    pub(super) style: AddressingStyle,
    pub(super) max_signature_age: Option<Duration>,
    pub(super) ca_bundle: Option<String>,
    pub(super) source: CredentialSource,
}

/// Credentials that were fetched.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) credentials: Credentials,
    pub(super) hash: String,
    session_length: Option<Duration>,
}

/// What a store can give to a resource now.
#[derive(Debug)]
pub(super) enum Supply {
    /// These credentials.
    Ready(Box<Held>),
    /// A fetch comes first; the resource is looked at again after it.
    Fetching,
    /// Nothing, and why.
    Failed(CredentialsFailure),
}

impl Compiled {
    fn of(spec: &ClusterObjectStoreSpec) -> Result<Self, String> {
        let S3Store {
            region,
            endpoint,
            endpoints,
            addressing_style,
            max_signature_age,
            ca_bundle,
            unsigned_headers: _,
            credentials,
        } = &spec.s3;
        let default_endpoint = endpoint
            .as_deref()
            .map(Endpoint::parse)
            .transpose()
            .map_err(|error| format!("spec.s3.endpoint: {error}"))?;
        if default_endpoint.is_none() {
            Endpoint::aws(region).map_err(|error| format!("spec.s3.region: {error}"))?;
        }
        let mut named = BTreeMap::new();
        for (at, NamedEndpoint { name, url }) in endpoints.iter().flatten().enumerate() {
            let parsed = Endpoint::parse(url)
                .map_err(|error| format!("spec.s3.endpoints[{at}].url: {error}"))?;
            if named.insert(name.clone(), parsed).is_some() {
                return Err(format!(
                    "spec.s3.endpoints[{at}].name: \"{name}\" stands twice; name each endpoint once"
                ));
            }
        }
        let max_signature_age = max_signature_age
            .as_deref()
            .map(parse_duration)
            .transpose()
            .map_err(|error| format!("spec.s3.maxSignatureAge: {error}"))?;
        let StoreCredentials {
            default,
            secret_ref,
            web_identity,
            assume_role,
        } = credentials;
        let sts = |endpoint: &Option<String>, duration: &Option<String>, field: &str| {
            let duration = duration.as_deref().map(parse_duration).transpose();
            Ok::<_, String>(Sts {
                endpoint: endpoint.clone(),
                region: region.clone(),
                duration: duration
                    .map_err(|error| format!("spec.s3.credentials.{field}.duration: {error}"))?
                    .unwrap_or(SESSION_LENGTH),
                ca_bundle: ca_bundle.clone(),
            })
        };
        let secret = |secret: &SecretCredentials| {
            CredentialSource::secret(&secret.name, secret.keys.as_ref())
        };
        let source = match (default, secret_ref, web_identity, assume_role) {
            (Some(_), None, None, None) => CredentialSource::Default,
            (None, Some(given), None, None) => secret(given),
            (None, None, Some(role), None) => CredentialSource::WebIdentity {
                role_arn: role.role_arn.clone(),
                audience: role.audience.clone(),
                sts: sts(&role.sts_endpoint, &role.duration, "webIdentity")?,
            },
            (None, None, None, Some(role)) => CredentialSource::AssumeRole {
                role_arn: role.role_arn.clone(),
                external_id: role.external_id.clone(),
                base: Box::new(
                    role.source_secret_ref
                        .as_ref()
                        .map_or(CredentialSource::Default, secret),
                ),
                sts: sts(&role.sts_endpoint, &role.duration, "assumeRole")?,
            },
            _ => {
                return Err(
                    "spec.s3.credentials: set exactly one of default, secretRef, webIdentity and assumeRole".to_owned(),
                );
            }
        };
        Ok(Self {
            region: region.clone(),
            default_endpoint,
            endpoints: named,
            style: addressing_style.unwrap_or_default(),
            max_signature_age,
            ca_bundle: ca_bundle.clone(),
            source,
        })
    }

    /// How a bucket is reached by an endpoint's name, or by the default one; `None` where there is no such endpoint.
    pub(super) fn target(
        &self,
        name: Option<&str>,
        bucket: &Bucket,
    ) -> Option<Result<Target, EndpointError>> {
        let endpoint = match name {
            None => self.default_endpoint.as_ref(),
            Some(name) => Some(self.endpoints.get(name)?),
        };
        Some(Target::resolve(endpoint, &self.region, self.style, bucket))
    }
}

impl Store {
    pub(super) fn new(seen: StoreSeen) -> Self {
        let compiled = compile(&seen);
        Self {
            seen,
            compiled,
            held: None,
            failure: None,
            failures: 0,
            retry_at: None,
            fetched_at: None,
            wanted: true,
            fetching: None,
            stale: false,
            waiting: BTreeSet::new(),
            status_written_at: None,
        }
    }

    /// Takes up a newer version. Tells whether what is signed may differ.
    pub(super) fn update(&mut self, seen: StoreSeen) -> bool {
        let anew = self.seen.uid != seen.uid;
        if !anew && self.seen.spec == seen.spec {
            self.seen = seen;
            return false;
        }
        let compiled = compile(&seen);
        let source =
            |compiled: &Result<Compiled, String>| compiled.as_ref().ok().map(|c| c.source.clone());
        if anew || source(&self.compiled) != source(&compiled) {
            // What another source gave signs nothing here: the endpoint may be another provider's now.
            self.held = None;
            self.failure = None;
            self.want();
        }
        self.compiled = compiled;
        self.seen = seen;
        true
    }

    pub(super) fn reads_secret(&self, secret: &str) -> bool {
        let Ok(compiled) = &self.compiled else {
            return false;
        };
        let source = match &compiled.source {
            CredentialSource::AssumeRole { base, .. } => base,
            source => source,
        };
        matches!(source, CredentialSource::Secret { name, .. } if name == secret)
    }

    /// What the source holds has changed: a fetch comes before the next signature.
    pub(super) fn changed(&mut self) {
        self.stale = true;
        self.want();
    }

    /// The clock was stepped: no pause may become longer than it was meant to be.
    pub(super) fn clock_stepped(&mut self, now: Timestamp) {
        let longest = now.checked_add(RECHECK).unwrap_or(now);
        self.retry_at = self.retry_at.map(|time| time.min(longest));
        self.fetched_at = self.fetched_at.filter(|time| *time <= now);
        self.status_written_at = self.status_written_at.filter(|time| *time <= now);
    }

    /// Asks for a fetch as soon as possible.
    pub(super) fn want(&mut self) {
        self.wanted = true;
        self.retry_at = None;
        self.failures = 0;
    }

    /// What is to be fetched now, if anything.
    pub(super) fn fetch_now(&mut self, now: Timestamp) -> Option<CredentialSource> {
        let compiled = self.compiled.as_ref().ok()?;
        let due = self.wanted || self.retry_at.is_some_and(|at| at <= now);
        if !due {
            return None;
        }
        self.wanted = false;
        self.retry_at = None;
        self.fetched_at = Some(now);
        self.fetching = Some(compiled.source.clone());
        self.fetching.clone()
    }

    /// When to look again.
    pub(super) fn wake(&self) -> Option<Timestamp> {
        self.retry_at
    }

    /// Takes up the result of a fetch. Tells whether the source of the credentials is another one now.
    pub(super) fn fetched(
        &mut self,
        result: Result<Credentials, CredentialsFailure>,
        now: Timestamp,
    ) -> bool {
        let asked = self.fetching.take();
        let source = self.compiled.as_ref().ok().map(|compiled| &compiled.source);
        if asked.is_none() || asked.as_ref() != source {
            // The store names another source by now, or is another store of the same name.
            self.want();
            return false;
        }
        // A change during the fetch may not be in what it gave.
        self.stale = self.wanted;
        match result.and_then(|credentials| usable(credentials, now)) {
            Ok(credentials) => {
                let hash = self.hash(&credentials);
                let changed = self.held.as_ref().map(|held| &held.hash) != Some(&hash);
                let left = credentials.expires_at.map(|end| between(now, end));
                // A provider that hands out one cached session tells less of its length each time.
                let known = self.held.as_ref().filter(|held| held.hash == hash);
                let session_length = left.max(
                    known
                        .and_then(|held| held.session_length)
                        .filter(|_| left.is_some()),
                );
                self.held = Some(Held {
                    credentials,
                    hash,
                    session_length,
                });
                self.failure = None;
                self.failures = 0;
                changed
            }
            Err(failure) => {
                self.failures = self.failures.saturating_add(1);
                let pause = match failure.reason {
                    Reason::CredentialsUnavailable => backoff(self.failures, &self.seen.uid),
                    _ => RECHECK,
                };
                self.retry_at = now.checked_add(pause).ok();
                self.failure = Some(failure);
                false
            }
        }
    }

    /// The credentials for a life that is wanted now; asks for fresh ones where that gains enough.
    pub(super) fn supply(&mut self, life: Duration, now: Timestamp) -> Supply {
        let remaining = |held: &Held| held.credentials.expires_at.map(|end| between(now, end));
        let recently = self
            .fetched_at
            .is_some_and(|at| between(at, now) < REFRESH_PAUSE);
        if self.stale {
            return Supply::Fetching;
        }
        match &self.held {
            Some(held) => match (remaining(held), held.session_length) {
                (None, _) => Supply::Ready(Box::new(held.clone())),
                (Some(left), _) if left < USELESS => {
                    if self.failure.is_none() && !recently {
                        self.want();
                    }
                    match (&self.failure, self.wanted) {
                        (Some(failure), false) => Supply::Failed(failure.clone()),
                        (_, true) => Supply::Fetching,
                        (None, false) => Supply::Failed(ended()),
                    }
                }
                (Some(left), length) => {
                    let length = length.unwrap_or(left);
                    if !recently && self.failure.is_none() && refresh_gains(life, left, length) {
                        self.want();
                        return Supply::Fetching;
                    }
                    Supply::Ready(Box::new(held.clone()))
                }
            },
            None => match &self.failure {
                Some(failure) if !self.wanted => Supply::Failed(failure.clone()),
                _ => Supply::Fetching,
            },
        }
    }

    fn hash(&self, credentials: &Credentials) -> String {
        if credentials.session_token.is_some() || credentials.expires_at.is_some() {
            let source = match self.compiled.as_ref().map(|compiled| &compiled.source) {
                Ok(CredentialSource::Secret { name, .. }) => format!("secret/{name}"),
                Ok(CredentialSource::WebIdentity { role_arn, .. }) => format!("web/{role_arn}"),
                Ok(CredentialSource::AssumeRole { role_arn, .. }) => format!("role/{role_arn}"),
                Ok(CredentialSource::Default) | Err(_) => "default".to_owned(),
            };
            credential_hash(CredentialInputs::Session { source: &source })
        } else {
            credential_hash(CredentialInputs::Static {
                access_key_id: &credentials.access_key_id,
                secret_access_key: credentials.secret_access_key.expose_secret(),
            })
        }
    }
}

/// The name of the sessions of a whole store in the S3 side's audit log.
pub(super) fn session_name(store: &str) -> String {
    let cut: String = store.chars().take(48).collect();
    format!("presigned-url-{cut}")
}

fn compile(seen: &StoreSeen) -> Result<Compiled, String> {
    seen.spec
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|spec| Compiled::of(spec))
}

/// Refuses credentials that could sign nothing.
fn usable(credentials: Credentials, now: Timestamp) -> Result<Credentials, CredentialsFailure> {
    if credentials
        .expires_at
        .is_some_and(|end| between(now, end) < USELESS)
    {
        return Err(ended());
    }
    if credentials.session_token.is_some() && credentials.expires_at.is_none() {
        return Err(CredentialsFailure {
            reason: Reason::CredentialsExpiryUnknown,
            message: "the credentials hold a session token without its end, so no URL's life could be promised: add \
                      the end (expiration, RFC 3339)"
                .to_owned(),
        });
    }
    Ok(credentials)
}

fn ended() -> CredentialsFailure {
    CredentialsFailure {
        reason: Reason::CredentialsExpired,
        message: "the credentials have ended or end within a minute: renew them; they are taken up by themselves".to_owned(),
    }
}
