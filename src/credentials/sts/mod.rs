//! Sessions of roles, from STS.
//!
//! What holds here: one request for one session, with no retry and no cache; pauses between requests are the
//! engine's. A session without an end is refused. The request is signed by the clock that is passed in.

mod failure;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as Provided;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{BehaviorVersion, Config, Region};
use aws_sdk_sts::types::Credentials as Issued;
use aws_smithy_async::time::StaticTimeSource;
use jiff::Timestamp;
use presigned_core::api::Reason;
use presigned_core::engine::{CredentialsError, Session, Sts};
use presigned_core::signing::Credentials;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};

use failure::{Base, SessionRequest};

use crate::http::{Connections, sdk_client};

/// The longest token that a file may hold; STS takes 20,000 characters.
const MAX_TOKEN: usize = 20_000;
const WHOLE: Duration = Duration::from_secs(5);

/// Exchanges a token of the operator's service account for a session of the role.
pub(super) async fn assume_with_web_identity(
    connections: &Arc<Connections>,
    role_arn: &str,
    token: &SecretString,
    sts: &Sts,
    session: &Session,
    now: Timestamp,
) -> Result<Credentials, CredentialsError> {
    let request = SessionRequest {
        role_arn,
        sts,
        base: Base::Token,
    };
    let issued = client(connections, None, sts, now)?
        .assume_role_with_web_identity()
        .role_arn(role_arn)
        .role_session_name(&session.name)
        .set_policy(session.policy.clone())
        .duration_seconds(seconds(sts.duration))
        .web_identity_token(token.expose_secret())
        .send()
        .await
        .map_err(|error| request.failed(&error))?
        .credentials;
    request.session(issued, now)
}

/// Has other credentials assume the role.
pub(super) async fn assume(
    connections: &Arc<Connections>,
    role_arn: &str,
    external_id: Option<&str>,
    base: &Credentials,
    sts: &Sts,
    session: &Session,
    now: Timestamp,
) -> Result<Credentials, CredentialsError> {
    let chained = base.is_session();
    let request = SessionRequest {
        role_arn,
        sts,
        base: Base::Keys {
            chained,
            external_id: external_id.is_some(),
        },
    };
    let issued = client(connections, Some(base), sts, now)?
        .assume_role()
        .role_arn(role_arn)
        .role_session_name(&session.name)
        .set_policy(session.policy.clone())
        .set_external_id(external_id.map(str::to_owned))
        .duration_seconds(seconds(sts.duration))
        .send()
        .await
        .map_err(|error| request.failed(&error))?
        .credentials;
    request.session(issued, now)
}

/// The token in the file that kubelet keeps fresh. `variable` is where the file's name comes from, for
/// sentences.
pub(super) async fn read_token(
    file: &Path,
    variable: &str,
) -> Result<SecretString, CredentialsError> {
    let failure = |reason, what: &str| CredentialsError {
        reason,
        message: format!("the token file that {variable} names {what}"),
    };
    let text = match tokio::fs::read_to_string(file).await {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(failure(
                Reason::CredentialsNotFound,
                "is not there: mount a service account token in the operator's pod (IRSA's webhook does), or set \
                 credentials.webIdentity.audience",
            ));
        }
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            return Err(failure(
                Reason::CredentialsInvalid,
                "is not UTF-8: mount a service account token there",
            ));
        }
        Err(_) => {
            return Err(failure(
                Reason::CredentialsUnavailable,
                "cannot be read: let the operator's user read it; the operator retries",
            ));
        }
    };
    let token = text.trim();
    if token.is_empty() || token.len() > MAX_TOKEN || token.contains(char::is_whitespace) {
        return Err(failure(
            Reason::CredentialsInvalid,
            "does not hold one token: mount a service account token there",
        ));
    }
    Ok(token.into())
}

impl SessionRequest<'_> {
    /// What STS issued, as the core takes it.
    fn session(
        &self,
        issued: Option<Issued>,
        now: Timestamp,
    ) -> Result<Credentials, CredentialsError> {
        let issued = issued.ok_or_else(|| self.unreadable())?;
        let Issued {
            access_key_id,
            secret_access_key,
            session_token,
            expiration,
            ..
        } = issued;
        let expires_at = SystemTime::try_from(expiration)
            .ok()
            .and_then(|end| Timestamp::try_from(end).ok())
            .ok_or_else(|| self.unreadable())?;
        if [&access_key_id, &secret_access_key, &session_token]
            .into_iter()
            .any(String::is_empty)
        {
            return Err(self.unreadable());
        }
        if expires_at <= now {
            return Err(self.ended(expires_at));
        }
        Ok(Credentials {
            access_key_id,
            secret_access_key: secret_access_key.into(),
            session_token: Some(session_token.into()),
            expires_at: Some(expires_at),
        })
    }
}

/// A client for one request. `base` signs it; a request with a web identity is not signed.
fn client(
    connections: &Arc<Connections>,
    base: Option<&Credentials>,
    sts: &Sts,
    now: Timestamp,
) -> Result<Client, CredentialsError> {
    let Sts {
        endpoint,
        region,
        duration: _,
        ca_bundle,
    } = sts;
    // Where no TLS is spoken, no bundle is read.
    let plain = endpoint
        .as_deref()
        .is_some_and(|endpoint| endpoint.starts_with("http://"));
    let ca_bundle = ca_bundle.as_deref().filter(|_| !plain);
    if let Some(pem) = ca_bundle {
        check_bundle(pem)?;
    }
    let timeouts = TimeoutConfig::builder().read_timeout(WHOLE).build();
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.clone()))
        .http_client(sdk_client(connections, ca_bundle))
        .time_source(StaticTimeSource::new(now.into()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    config.set_endpoint_url(endpoint.clone());
    if let Some(base) = base {
        // No expiry: their source has checked that they have not ended, by the same clock.
        config = config.credentials_provider(Provided::new(
            &base.access_key_id,
            base.secret_access_key.expose_secret(),
            base.session_token
                .as_ref()
                .map(|token| token.expose_secret().to_owned()),
            None,
            "store",
        ));
    }
    Ok(Client::from_conf(config.build()))
}

/// The API admits 15m to 12h, and a stored object that is older than its schema is bounded here.
fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs().clamp(900, 43_200)).unwrap_or(3600)
}

/// A bundle of which nothing can be used is a mistake that a message reports.
fn check_bundle(pem: &str) -> Result<(), CredentialsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| unusable())?;
        roots.add(certificate).map_err(|_| unusable())?;
    }
    if roots.is_empty() {
        return Err(unusable());
    }
    Ok(())
}

fn unusable() -> CredentialsError {
    CredentialsError {
        reason: Reason::CredentialsInvalid,
        message: "the store's caBundle holds no certificate that can be trusted: give PEM certificates of authorities"
            .to_owned(),
    }
}
