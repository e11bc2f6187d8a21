//! Credentials from the AWS chain of the operator's own process.
//!
//! What holds here: the chain is built again for each fetch, because its profile provider keeps what it read
//! once; the region is given, because the region chain may ask a metadata service that is not there; and that
//! service gets two short attempts. An end that the metadata service did not say is not believed.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials as Provided;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError as ProviderError;
use aws_smithy_async::time::StaticTimeSource;
use jiff::Timestamp;
use presigned_core::api::Reason;
use presigned_core::engine::CredentialsError;
use presigned_core::signing::Credentials;

use super::expiry::check_expiry;
use crate::http::{Connections, sdk_client};

/// How long a provider may take.
const TIMEOUT: Duration = Duration::from_secs(10);
const EXPIRATION: &str = "AWS_CREDENTIAL_EXPIRATION";
const FROM: &str = "the AWS chain of the operator's process";
/// The providers of the chain, in their order.
const TRIED: &str = "it tries, in this order, the environment (AWS_ACCESS_KEY_ID), a profile, web identity \
                     (AWS_WEB_IDENTITY_TOKEN_FILE), the container endpoint (Pod Identity, ECS) and instance metadata";

/// What the AWS chain of the process gives.
pub(super) async fn fetch(
    connections: &Arc<Connections>,
    now: Timestamp,
) -> Result<Credentials, CredentialsError> {
    let variable = |name: &str| std::env::var(name).ok();
    match tokio::time::timeout(TIMEOUT, provide(connections)).await {
        Ok(provided) => convert(provided, &variable, now),
        Err(_) => Err(too_slow()),
    }
}

/// Fetches credentials from the chain.
pub(crate) async fn provide(connections: &Arc<Connections>) -> Result<Provided, ProviderError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.trim().is_empty());
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let region = Region::new(region.unwrap_or_else(|| "us-east-1".to_owned()));
    let config = ProviderConfig::without_region()
        .with_region(Some(region.clone()))
        .with_http_client(sdk_client(connections, None));
    let metadata_service = aws_config::imds::Client::builder()
        .configure(&config)
        .max_attempts(2)
        .connect_timeout(Duration::from_secs(1))
        .read_timeout(Duration::from_secs(1))
        .build();
    let chain = DefaultCredentialsChain::builder()
        .configure(config.clone())
        .region(region)
        .imds_client(metadata_service.clone())
        .build()
        .await;
    let provided = chain.provide_credentials().await?;
    if !of_metadata_service(&provided) {
        return Ok(provided);
    }
    // Where that service gives keys that have ended, its provider invents another end; by this clock nothing
    // has ended.
    let config = config.with_time_source(StaticTimeSource::new(SystemTime::UNIX_EPOCH));
    let raw = ImdsCredentialsProvider::builder()
        .configure(&config)
        .imds_client(metadata_service)
        .build();
    raw.provide_credentials().await
}

fn of_metadata_service(provided: &Provided) -> bool {
    provided
        .get_property::<Vec<AwsCredentialFeature>>()
        .is_some_and(|features| features.contains(&AwsCredentialFeature::CredentialsImds))
}

/// What the chain gave, as the core takes it. The environment's provider knows no expiry, so it is read here.
pub(super) fn convert(
    provided: Result<Provided, ProviderError>,
    variable: &dyn Fn(&str) -> Option<String>,
    now: Timestamp,
) -> Result<Credentials, CredentialsError> {
    let provided = provided.map_err(|error| refused(&error))?;
    let expires_at = match provided.expiry() {
        Some(expiry) => Some(Timestamp::try_from(expiry).map_err(|_| no_time("its expiry"))?),
        None if of_environment(&provided, variable) => match variable(EXPIRATION) {
            Some(text) if !text.trim().is_empty() => {
                Some(text.trim().parse().map_err(|_| no_time(EXPIRATION))?)
            }
            _ => None,
        },
        None => None,
    };
    let credentials = Credentials {
        access_key_id: provided.access_key_id().to_owned(),
        secret_access_key: provided.secret_access_key().into(),
        session_token: provided.session_token().map(Into::into),
        expires_at,
    };
    let say_expiry = "set AWS_CREDENTIAL_EXPIRATION (RFC 3339) beside AWS_SESSION_TOKEN, or use a role that the \
                      operator assumes itself (web identity, Pod Identity)";
    check_expiry(credentials, FROM, now, say_expiry)
}

/// The failure of a chain that does not answer.
pub(super) fn too_slow() -> CredentialsError {
    CredentialsError {
        reason: Reason::CredentialsUnavailable,
        message: format!(
            "{FROM} did not answer within {} s; the operator retries. If no role is given to the operator's pod, use \
             credentials.secretRef ({TRIED})",
            TIMEOUT.as_secs()
        ),
    }
}

fn of_environment(provided: &Provided, variable: &dyn Fn(&str) -> Option<String>) -> bool {
    variable("AWS_ACCESS_KEY_ID").as_deref() == Some(provided.access_key_id())
}

fn no_time(what: &str) -> CredentialsError {
    CredentialsError {
        reason: Reason::CredentialsInvalid,
        message: format!(
            "{FROM}: {what} is no time: write it as RFC 3339, for example 2030-01-31T12:00:00Z"
        ),
    }
}

fn refused(error: &ProviderError) -> CredentialsError {
    // The provider's own words go to the log alone: they name files, roles and error codes, not keys.
    let why = chain_of(error);
    tracing::warn!(why, "no credentials from the AWS chain");
    let (reason, message) = match error {
        ProviderError::CredentialsNotLoaded(_) => (
            Reason::CredentialsNotFound,
            "found nothing; give the operator's service account a role, or use credentials.secretRef",
        ),
        ProviderError::InvalidConfiguration(_) => (
            Reason::CredentialsInvalid,
            "is set up wrongly: the operator's log has the provider's words; fix its environment, profile or role",
        ),
        ProviderError::ProviderTimedOut(_) => (
            Reason::CredentialsUnavailable,
            "did not answer in time; the operator retries",
        ),
        _ => (
            Reason::CredentialsUnavailable,
            "failed; the operator retries. The operator's log has the provider's words",
        ),
    };
    CredentialsError {
        reason,
        message: format!("{FROM} {message} ({TRIED})"),
    }
}

/// An error and its sources, for the log.
fn chain_of(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
