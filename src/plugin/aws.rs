//! The caller's own AWS credentials, region and endpoint, for the commands that ask a store themselves.
//!
//! What holds here: they are found where the AWS CLI finds them, and `--profile` goes before the environment
//! as it does there. Messages name variables, files and profiles, never a value of a key.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials as Provided;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError as ProviderError;
use aws_types::service_config::ServiceConfigKey;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use presigned_core::api::AddressingStyle;
use presigned_core::request::Bucket;
use presigned_core::signing::{Credentials, Endpoint, EndpointError, Target, is_region};

use super::exit::Failure;
use super::output::printable;
use super::profiles::{self, variable};
use crate::clock::Clock;
use crate::credentials::provide;
use crate::http::{Connections, Proxies, sdk_client};

/// How long the providers together may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The region of a server that is not AWS's, if nobody names one: what most of them say.
const USUAL_REGION: &str = "us-east-1";
const EXPIRATION: &str = "AWS_CREDENTIAL_EXPIRATION";
/// What the chain tries, in its order.
const TRIED: &str = "the environment (AWS_ACCESS_KEY_ID), the profile (AWS_PROFILE, else default; keys, SSO and \
                     roles), web identity (AWS_WEB_IDENTITY_TOKEN_FILE), the container endpoint (ECS, Pod Identity) and \
                     instance metadata";

/// Whose credentials sign, and where the store is.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "AWS")]
pub struct AwsArgs {
    /// The profile whose credentials sign. Left out: the environment, else `AWS_PROFILE`, else what the AWS
    /// chain finds.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,

    /// The bucket's region; it is signed. Left out: `AWS_REGION`, `AWS_DEFAULT_REGION`, else the profile's.
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,

    /// Where the store answers, for example `https://minio.example.com:9000`. Left out: `AWS_ENDPOINT_URL_S3`,
    /// `AWS_ENDPOINT_URL`, the profile's `endpoint_url`, else AWS's own of the region.
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,

    /// Where the bucket stands in a URL. Left out: before the host with AWS, in the path with an endpoint.
    #[arg(long, value_name = "STYLE", value_enum)]
    pub addressing_style: Option<StyleFlag>,

    /// PEM certificates that are trusted in addition to the system's, for requests that the command sends
    /// itself. Left out: `AWS_CA_BUNDLE`.
    #[arg(long, value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,
}

/// Where the bucket stands in a URL.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum StyleFlag {
    /// `https://host/bucket/key`
    Path,
    /// `https://bucket.host/key`
    VirtualHost,
    /// `https://host/key`: the endpoint stands for the bucket.
    BucketEndpoint,
}

/// A caller, as far as it is known without a request.
pub struct Caller {
    /// What measures time.
    pub clock: Clock,
    /// Connections to stores.
    pub connections: Arc<Connections>,
    /// PEM certificates that are trusted in addition to the system's.
    pub ca_bundle: Option<String>,
    profile: Option<String>,
    region: String,
    endpoint: Option<Endpoint>,
    style: Option<StyleFlag>,
}

/// Credentials of the caller.
pub struct Known {
    /// What signs.
    pub credentials: Credentials,
    /// They are a session's, and nobody says when it ends.
    pub end_unknown: bool,
}

impl AwsArgs {
    /// Reads the caller's environment and files.
    ///
    /// # Errors
    /// If the profile, the region, the endpoint or a file cannot be used.
    pub async fn caller(&self) -> anyhow::Result<Caller> {
        let Self {
            profile,
            region,
            endpoint_url,
            addressing_style,
            ca_bundle,
        } = self;
        let chosen = profile.clone().or_else(|| variable("AWS_PROFILE"));
        if let Some(name) = &chosen {
            profiles::check(name, profile.is_some())?;
        }
        let clock = Clock::start();
        let connections = Connections::new(clock.clone(), Proxies::from_env()?);
        let settings = settings(profile.as_deref(), &connections).await;
        let endpoint = match endpoint_url.clone().or(settings.endpoint) {
            Some(url) => Some(Endpoint::parse(&url).map_err(|error| {
                Failure::usage(format!("--endpoint-url (or what stands for it): {error}"))
            })?),
            None => None,
        };
        let region = region.clone().or(settings.region);
        let region = match (region, &endpoint) {
            (Some(region), _) => region,
            (None, Some(endpoint)) if !endpoint.is_aws() => USUAL_REGION.to_owned(),
            (None, _) => {
                let message = "no region is known, and it is signed: give --region, or set AWS_REGION or the profile's \
                               region to that of the bucket";
                return Err(Failure::usage(message).into());
            }
        };
        if !is_region(&region) {
            let message = format!(
                "--region (or what stands for it): {}",
                EndpointError::Region
            );
            return Err(Failure::usage(message).into());
        }
        let ca_bundle = ca_bundle
            .clone()
            .or_else(|| variable("AWS_CA_BUNDLE").map(PathBuf::from));
        let ca_bundle = match ca_bundle {
            Some(file) => {
                let pem = std::fs::read_to_string(&file);
                let what = format!("the CA bundle {}", file.display());
                Some(pem.map_err(|error| Failure::file(what, &error))?)
            }
            None => None,
        };
        Ok(Caller {
            clock,
            connections,
            ca_bundle,
            profile: profile.clone(),
            region,
            endpoint,
            style: *addressing_style,
        })
    }
}

impl Caller {
    /// The address of a bucket.
    ///
    /// # Errors
    /// If the endpoint cannot address it.
    pub fn target(&self, bucket: &Bucket) -> Result<Target, Failure> {
        let endpoint = self.endpoint.as_ref();
        let resolve = |style| Target::resolve(endpoint, &self.region, style, bucket);
        let target = match (self.style, endpoint) {
            (None, _) => resolve(AddressingStyle::Auto),
            (Some(StyleFlag::Path), _) => resolve(AddressingStyle::Path),
            (Some(StyleFlag::VirtualHost), _) => resolve(AddressingStyle::VirtualHost),
            (Some(StyleFlag::BucketEndpoint), Some(endpoint)) => {
                Target::of_bucket_endpoint(endpoint, &self.region, bucket, bucket)
            }
            (Some(StyleFlag::BucketEndpoint), None) => {
                let message = "--addressing-style bucket-endpoint needs --endpoint-url: the domain that is bound to the \
                               bucket";
                return Err(Failure::usage(message));
            }
        };
        target.map_err(|error| {
            Failure::usage(match error {
                EndpointError::UnknownAwsRegion(region) => format!(
                    "{region:?} is none of AWS's regions: fix --region, or give --endpoint-url for a server that is not \
                     AWS's"
                ),
                EndpointError::BucketInHost(_) | EndpointError::BucketInPath(_) => format!(
                    "the endpoint names the bucket already: leave {bucket} out of --endpoint-url, or give \
                     --addressing-style bucket-endpoint"
                ),
                error => format!("--endpoint-url, --region or --addressing-style: {error}"),
            })
        })
    }

    /// The caller's credentials, as they are now.
    ///
    /// # Errors
    /// If there are none, or they have expired.
    pub async fn credentials(&self) -> Result<Known, Failure> {
        let provided = match &self.profile {
            Some(name) => {
                let provider = ProfileFileCredentialsProvider::builder()
                    .configure(&self.provider_config())
                    .profile_name(name)
                    .build();
                within(async { provider.provide_credentials().await }).await
            }
            None => within(provide(&self.connections)).await,
        };
        let provided = provided.map_err(|error| self.not_found(&error))?;
        convert(&provided, &variable, self.clock.wall())
    }

    fn provider_config(&self) -> ProviderConfig {
        ProviderConfig::without_region()
            .with_region(Some(Region::new(self.region.clone())))
            .with_http_client(sdk_client(&self.connections, None))
    }

    fn not_found(&self, error: &ProviderError) -> Failure {
        let asked = match &self.profile {
            Some(name) => format!("profile {name:?} gave no AWS credentials"),
            None => "no AWS credentials".to_owned(),
        };
        let why = match error {
            ProviderError::CredentialsNotLoaded(_) if self.profile.is_none() => {
                format!(
                    "; tried, in this order: {TRIED}. Log in, set AWS_PROFILE, or give --profile"
                )
            }
            error => format!(
                ": {}. Log in again (aws sso login), or name another with --profile",
                why(error)
            ),
        };
        Failure::unknown(asked + &why)
    }
}

async fn within(
    provide: impl Future<Output = Result<Provided, ProviderError>>,
) -> Result<Provided, ProviderError> {
    match tokio::time::timeout(TIMEOUT, provide).await {
        Ok(provided) => provided,
        Err(_) => Err(ProviderError::provider_timed_out(TIMEOUT)),
    }
}

/// What the provider says.
fn why(error: &ProviderError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = source.source();
    }
    // The operator shares the chain, and runs no program that a profile names.
    if text.contains("credentials-process") {
        return "its credential_process is not run: aws configure export-credentials --format env prints what it \
                gives, for the environment"
            .to_owned();
    }
    printable(&text)
}

/// What the chain gave, as the core takes it. The environment's provider knows no expiry, so it is read here.
fn convert(
    provided: &Provided,
    variable: &dyn Fn(&str) -> Option<String>,
    now: Timestamp,
) -> Result<Known, Failure> {
    let of_environment = variable("AWS_ACCESS_KEY_ID").as_deref() == Some(provided.access_key_id());
    let end = match provided.expiry() {
        Some(expiry) => time(expiry),
        None if of_environment => match variable(EXPIRATION) {
            Some(text) => Some(text.trim().parse().map_err(|_| {
                Failure::unknown(format!(
                    "{EXPIRATION} is no time: write it as RFC 3339, for example 2030-01-31T12:00:00Z"
                ))
            })?),
            None => None,
        },
        None => None,
    };
    if let Some(end) = end.filter(|end| *end <= now) {
        return Err(Failure::unknown(format!(
            "the AWS credentials expired at {end}: log in again, or name others with --profile"
        )));
    }
    let token = provided.session_token();
    let end_unknown = end.is_none() && token.is_some();
    Ok(Known {
        credentials: Credentials {
            access_key_id: provided.access_key_id().to_owned(),
            secret_access_key: provided.secret_access_key().into(),
            session_token: token.map(Into::into),
            // Nobody knows it, so nothing is cut short by it; the caller is warned.
            expires_at: if end_unknown {
                Some(Timestamp::MAX)
            } else {
                end
            },
        },
        end_unknown,
    })
}

fn time(time: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(time).ok()
}

/// What environment and profile say of the store.
struct Settings {
    region: Option<String>,
    endpoint: Option<String>,
}

async fn settings(profile: Option<&str>, connections: &Arc<Connections>) -> Settings {
    let mut of_profile = ProfileFileRegionProvider::builder();
    if let Some(name) = profile {
        of_profile = of_profile.profile_name(name);
    }
    let of_environment = EnvironmentVariableRegionProvider::new();
    let region = RegionProviderChain::first_try(of_environment).or_else(of_profile.build());
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(sdk_client(connections, None))
        .no_credentials()
        .region(region);
    if let Some(name) = profile {
        loader = loader.profile_name(name);
    }
    let config = loader.load().await;
    let key = ServiceConfigKey::builder()
        .service_id("S3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let of_s3 = match (config.service_config(), key) {
        (Some(services), Ok(key)) => services.load_config(key),
        _ => None,
    };
    Settings {
        region: config.region().map(ToString::to_string),
        endpoint: of_s3.or_else(|| config.endpoint_url().map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    //! What is taken from the chain and from the files.

    use super::*;

    fn known(token: Option<&str>, variables: &[(&str, &str)]) -> Result<Known, Failure> {
        let provided = Provided::new("AKID", "SECRET", token.map(str::to_owned), None, "test");
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let now = "2026-05-24T00:00:00Z".parse().expect("a time");
        convert(&provided, &variable, now)
    }

    #[test]
    fn a_session_without_an_end_signs_and_is_told() {
        assert!(known(Some("t"), &[]).is_ok_and(|known| known.end_unknown));
        assert!(known(None, &[]).is_ok_and(|known| !known.end_unknown));
        let of_environment = [
            ("AWS_ACCESS_KEY_ID", "AKID"),
            (EXPIRATION, "2026-05-24T01:00:00Z"),
        ];
        let with_end = known(Some("t"), &of_environment).expect("credentials");
        assert!(!with_end.end_unknown);
        let end = with_end.credentials.expires_at.expect("an end");
        assert_eq!(end.to_string(), "2026-05-24T01:00:00Z");
    }

    #[test]
    fn an_end_that_is_over_or_none_is_refused_and_of_other_credentials_not_looked_at() {
        let with_end = |end| {
            known(
                Some("t"),
                &[("AWS_ACCESS_KEY_ID", "AKID"), (EXPIRATION, end)],
            )
        };
        for (end, said) in [("2026-05-23T00:00:00Z", "expired"), ("soon", "RFC 3339")] {
            let refused = with_end(end).err().expect("a refusal").message;
            assert!(refused.contains(said), "{refused}");
            assert!(!refused.contains("SECRET") && !refused.contains("AKID"));
        }
        let other = [("AWS_ACCESS_KEY_ID", "OTHER"), (EXPIRATION, "soon")];
        assert!(known(Some("t"), &other).is_ok());
    }
}
