//! A store's spec, ready to sign with.
//!
//! What holds here:
//! - a spec is read once, and a spec that cannot be used says which field is wrong;
//! - nothing here is a secret.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::access::is_aws;
use crate::api::{
    AddressingStyle, AssumedRole, ClusterObjectStoreSpec, NamedEndpoint, S3Store,
    SecretCredentials, SessionScope, StoreCredentials, UnsignedHeaders,
};
use crate::engine::protocol::{CredentialSource, Sts};
use crate::issue::{CredentialInputs, credential_hash};
use crate::request::{Bucket, parse_duration};
use crate::signing::{Endpoint, EndpointError, Target};

/// The length of a session if the store names none: what every role allows.
const SESSION_LENGTH: Duration = Duration::from_hours(1);

/// A store's spec, ready to sign with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct StoreConfig {
    pub(in crate::engine) region: String,
    /// `None` is AWS's own of the region.
    pub(in crate::engine) default_endpoint: Option<Endpoint>,
    pub(in crate::engine) endpoints: BTreeMap<String, Endpoint>,
    pub(in crate::engine) style: AddressingStyle,
    /// The one bucket that the endpoints stand for, if they do.
    pub(in crate::engine) bucket: Option<Bucket>,
    pub(in crate::engine) max_signature_age: Option<Duration>,
    pub(in crate::engine) ca_bundle: Option<String>,
    pub(in crate::engine) unsigned_headers: UnsignedHeaders,
    /// What the sessions of a role are narrowed to.
    pub(in crate::engine) scope: SessionScope,
    pub(in crate::engine) source: CredentialSource,
}

impl StoreConfig {
    /// Reads a spec. `bundle` are the certificates that `caBundleFrom` names.
    pub(in crate::engine) fn of(
        spec: &ClusterObjectStoreSpec,
        bundle: Option<&str>,
    ) -> Result<Self, String> {
        let S3Store {
            region,
            endpoint,
            endpoints,
            addressing_style,
            bucket,
            max_signature_age,
            ca_bundle: _,
            ca_bundle_from: _,
            unsigned_headers,
            credentials,
        } = &spec.s3;
        let ca_bundle = certificates(&spec.s3, bundle)?;
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
                    "spec.s3.endpoints[{at}].name: \"{name}\" is there twice; name each endpoint once"
                ));
            }
        }
        let style = addressing_style.unwrap_or_default();
        let bucket = served_bucket(style, bucket.as_deref(), default_endpoint.is_some())?;
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
        let sts = |role: &AssumedRole, field: &str| {
            let duration = role.duration.as_deref().map(parse_duration).transpose();
            Ok::<_, String>(Sts {
                endpoint: role.sts_endpoint.clone(),
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
        let scope = web_identity
            .as_ref()
            .map(|given| given.role.scope)
            .or(assume_role.as_ref().map(|given| given.role.scope))
            .flatten();
        let source = match (default, secret_ref, web_identity, assume_role) {
            (Some(_), None, None, None) => CredentialSource::Default,
            (None, Some(given), None, None) => secret(given),
            (None, None, Some(given), None) => CredentialSource::WebIdentity {
                role_arn: given.role.role_arn.clone(),
                audience: given.audience.clone(),
                sts: sts(&given.role, "webIdentity")?,
            },
            (None, None, None, Some(given)) => CredentialSource::AssumeRole {
                role_arn: given.role.role_arn.clone(),
                external_id: given.external_id.clone(),
                base: Box::new(
                    given
                        .source_secret_ref
                        .as_ref()
                        .map_or(CredentialSource::Default, secret),
                ),
                sts: sts(&given.role, "assumeRole")?,
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
            style,
            bucket,
            max_signature_age,
            ca_bundle,
            unsigned_headers: unsigned_headers.unwrap_or_default(),
            scope: scope.unwrap_or_default(),
            source,
        })
    }

    /// How a bucket is reached by an endpoint's name, or by the default one; `None` if there is no such
    /// endpoint.
    pub(in crate::engine) fn target(
        &self,
        name: Option<&str>,
        bucket: &Bucket,
    ) -> Option<Result<Target, EndpointError>> {
        let endpoint = match name {
            None => self.default_endpoint.as_ref(),
            Some(name) => Some(self.endpoints.get(name)?),
        };
        Some(match (&self.bucket, endpoint) {
            (Some(served), Some(endpoint)) => {
                Target::of_bucket_endpoint(endpoint, &self.region, served, bucket)
            }
            _ => Target::resolve(endpoint, &self.region, self.style, bucket),
        })
    }

    /// Whether what the other config signs may fail where this one's works: a candidate is probed first.
    pub(super) fn moved_from(&self, other: &Self) -> bool {
        self.region != other.region
            || self.default_endpoint != other.default_endpoint
            || self.style != other.style
            || self.bucket != other.bucket
    }

    /// Whether the credentials, or those that assume the role, are in a Secret.
    pub(super) fn comes_from_secret(&self) -> bool {
        let source = match &self.source {
            CredentialSource::AssumeRole { base, .. } => base,
            source => source,
        };
        matches!(source, CredentialSource::Secret { .. })
    }

    /// Whether the credentials are read from this Secret.
    pub(super) fn reads_secret(&self, secret: &str) -> bool {
        let source = match &self.source {
            CredentialSource::AssumeRole { base, .. } => base,
            source => source,
        };
        matches!(source, CredentialSource::Secret { name, .. } if name == secret)
    }

    /// Whether AWS itself answers there.
    pub(in crate::engine) fn is_aws(&self) -> bool {
        is_aws(self.default_endpoint.as_ref())
    }

    /// Where the operator talks to the store, as sentences name it.
    pub(super) fn host(&self) -> String {
        self.default_endpoint.as_ref().map_or_else(
            || format!("AWS's endpoint of {}", self.region),
            Endpoint::to_string,
        )
    }

    /// Scheme, host and port of what the operator connects to.
    pub(super) fn address(&self) -> String {
        let endpoint = match &self.default_endpoint {
            Some(endpoint) => Ok(endpoint.clone()),
            None => Endpoint::aws(&self.region),
        };
        endpoint.map_or_else(
            |_| self.host(),
            |endpoint| {
                let (scheme, port) = (endpoint.scheme().as_str(), endpoint.port_number());
                format!("{scheme}://{}:{port}", endpoint.host())
            },
        )
    }

    /// The hash of the sessions that the source gives: a new session of it is no change.
    pub(super) fn session_hash(&self) -> String {
        let source = match &self.source {
            CredentialSource::Secret { name, .. } => format!("secret/{name}"),
            CredentialSource::WebIdentity { role_arn, .. } => format!("web/{role_arn}"),
            CredentialSource::AssumeRole { role_arn, .. } => format!("role/{role_arn}"),
            CredentialSource::Default => "default".to_owned(),
        };
        credential_hash(CredentialInputs::Session { source: &source })
    }
}

/// The certificates of the store's private CA, if it has one. `bundle` are those that `caBundleFrom` names.
fn certificates(s3: &S3Store, bundle: Option<&str>) -> Result<Option<String>, String> {
    match (&s3.ca_bundle, &s3.ca_bundle_from) {
        (Some(_), Some(_)) => Err(
            "spec.s3: caBundle holds the certificates, and caBundleFrom names where they are: set one of them".to_owned(),
        ),
        (Some(inline), None) => Ok(Some(inline.clone())),
        (None, _) => Ok(bundle.map(str::to_owned)),
    }
}

/// The one bucket that a store's endpoints stand for, if they do.
fn served_bucket(
    style: AddressingStyle,
    bucket: Option<&str>,
    has_endpoint: bool,
) -> Result<Option<Bucket>, String> {
    match (style, bucket) {
        (AddressingStyle::BucketEndpoint, None) => {
            Err(format!("spec.s3.bucket: {}", EndpointError::BucketNotNamed))
        }
        (AddressingStyle::BucketEndpoint, Some(_)) if !has_endpoint => Err(
            "spec.s3.endpoint: addressing style BucketEndpoint needs the domain that is bound to the bucket".to_owned(),
        ),
        (AddressingStyle::BucketEndpoint, Some(name)) => Bucket::parse(name)
            .map(Some)
            .map_err(|error| format!("spec.s3.bucket: {error}")),
        (_, Some(_)) => Err(
            "spec.s3.bucket: only endpoints of addressing style BucketEndpoint stand for one bucket; leave it out"
                .to_owned(),
        ),
        (_, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use serde_json::{Value, json};

    use super::*;

    fn config(more: &Value) -> Result<StoreConfig, String> {
        let mut s3 = json!({ "region": "auto", "credentials": { "default": {} } });
        for (field, value) in more.as_object().unwrap() {
            s3[field] = value.clone();
        }
        StoreConfig::of(&serde_json::from_value(json!({ "s3": s3 })).unwrap(), None)
    }

    #[test]
    fn an_endpoint_of_one_bucket_names_it_and_no_other_endpoint_does() {
        let url = "https://files.example.com";
        let style = "BucketEndpoint";
        let whole = json!({ "endpoint": url, "addressingStyle": style, "bucket": "models",
            "endpoints": [{ "name": "cdn", "url": "https://cdn.example.com/files" }] });
        let config_of_one = config(&whole).unwrap();
        let bucket = |name| Bucket::parse(name).unwrap();
        for endpoint in [None, Some("cdn")] {
            let found = config_of_one.target(endpoint, &bucket("models")).unwrap();
            assert_eq!(found.unwrap().style.as_str(), style);
            let other = config_of_one.target(endpoint, &bucket("models2")).unwrap();
            let (served, asked) = ("models".to_owned(), "models2".to_owned());
            assert_eq!(other, Err(EndpointError::OtherBucket { served, asked }));
        }
        for (spec, field) in [
            (
                json!({ "endpoint": url, "addressingStyle": style }),
                "spec.s3.bucket",
            ),
            (
                json!({ "endpoint": url, "bucket": "models" }),
                "spec.s3.bucket",
            ),
            (
                json!({ "endpoint": url, "addressingStyle": "Path", "bucket": "models" }),
                "spec.s3.bucket",
            ),
            (
                json!({ "endpoint": url, "addressingStyle": style, "bucket": "a/b" }),
                "spec.s3.bucket",
            ),
            (
                json!({ "region": "eu-west-1", "addressingStyle": style, "bucket": "models" }),
                "spec.s3.endpoint",
            ),
        ] {
            let why = config(&spec).unwrap_err();
            assert!(why.starts_with(field), "{spec}: {why}");
        }
    }

    #[test]
    fn certificates_are_given_once() {
        let from = json!({ "clusterTrustBundle": { "name": "storage-ca" } });
        let why = config(&json!({ "caBundle": "PEM", "caBundleFrom": from })).unwrap_err();
        assert!(why.contains("set one of them"), "{why}");
    }

    #[test]
    fn another_bound_bucket_is_another_place() {
        let of = |bucket: &str| {
            config(&json!({ "endpoint": "https://files.example.com", "addressingStyle": "BucketEndpoint",
                "bucket": bucket }))
            .unwrap()
        };
        assert!(of("models").moved_from(&of("models2")));
        assert!(!of("models").moved_from(&of("models")));
    }
}
