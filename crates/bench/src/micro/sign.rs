//! One presigned GET URL: by the operator's signer, and by other signers.
//!
//! What holds here: every signer signs the same object for the same hour with the same keys, each from what
//! it has parsed once. The bare chain is what no signer can save: one SHA-256 of the canonical request, four
//! HMACs for the key, one for the signature.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use aws_credential_types::Credentials as SdkCredentials;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::presigning::PresigningConfig;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use presigned_core::api::{AddressingStyle, GetOptions};
use presigned_core::issue::{Content, Template, render};
use presigned_core::request::{Bucket, Objects, Options};
use presigned_core::signing::{
    Credentials, Endpoint, ExpectedSignature, ExpectedUrl, Operation, Target, check, presign,
};
use rusty_s3::{Bucket as RustyBucket, Credentials as RustyCredentials, S3Action as _, UrlStyle};
use sha2::{Digest as _, Sha256};

use super::{measure, policy};

const ENDPOINT: &str = "https://s3.example.com";
const REGION: &str = "eu-central-1";
pub(super) const BUCKET: &str = "models";
const KEY: &str = "vision-prod/resnet/weights.bin";
const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(super) const HOUR: Duration = Duration::from_hours(1);

pub(super) fn run() -> Result<()> {
    ours()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(ENDPOINT)
        .force_path_style(true)
        .credentials_provider(SdkCredentials::new(
            ACCESS_KEY, SECRET_KEY, None, None, "bench",
        ))
        .build();
    let client = aws_sdk_s3::Client::from_conf(config);
    let presigning = PresigningConfig::builder()
        .start_time(SystemTime::now())
        .expires_in(HOUR)
        .build()?;
    let sdk = || {
        let request = client.get_object().bucket(BUCKET).key(KEY);
        runtime.block_on(request.presigned(presigning.clone())).ok()
    };
    ensure!(sdk().is_some(), "aws-sdk-s3 signs");
    measure("sign one URL: aws-sdk-s3", sdk);

    let endpoint = ENDPOINT.parse().context("parse the endpoint")?;
    let bucket = RustyBucket::new(endpoint, UrlStyle::Path, BUCKET, REGION)
        .context("make rusty-s3's bucket")?;
    let credentials = RustyCredentials::new(ACCESS_KEY, SECRET_KEY);
    measure("sign one URL: rusty-s3", || {
        bucket.get_object(Some(&credentials), KEY).sign(HOUR)
    });

    let canonical = [b'x'; 400];
    measure("sign one URL: the bare SHA-256 and HMAC chain", || {
        let mut key = format!("AWS4{SECRET_KEY}").into_bytes();
        for part in ["20261122", REGION, "s3", "aws4_request"] {
            key = mac(&key, part.as_bytes());
        }
        mac(&key, &Sha256::digest(canonical))
    });
    Ok(())
}

fn ours() -> Result<()> {
    let request = policy::request(BUCKET, KEY)?;
    let target = target(&request.bucket)?;
    let credentials = credentials();
    let options = Options::Get(GetOptions::default());
    let Objects::Key(key) = &request.objects else {
        anyhow::bail!("the request names one object");
    };
    let operation = Operation {
        bucket: &request.bucket,
        key,
        options: &options,
    };
    let signed_at = Timestamp::from_second(Timestamp::now().as_second())?;
    let expires_at = signed_at.checked_add(HOUR)?;
    let sign = || presign(&operation, &target, &credentials, signed_at, HOUR);
    let signed = sign()?;
    let expected = ExpectedUrl {
        key,
        method: options.method(),
        options: &options,
        signature: expected_signature(&target, &request.bucket, signed_at, expires_at),
    };
    check(&signed, &expected).context("our own URL passes the check")?;
    measure("sign one URL: ours", sign);
    measure("check one finished URL (promise 3)", || {
        check(&signed, &expected)
    });
    let template = Template::default();
    let content = Content {
        name: "weights",
        method: options.method(),
        url: signed.url.expose(),
        head_url: Some(signed.url.expose()),
        headers: &signed.headers,
        expires_at,
        ca_bundle: None,
        template: &template,
    };
    measure("render one Secret", || render(&content));
    Ok(())
}

/// The endpoint, bucket and key of every signer.
pub(super) fn target(bucket: &Bucket) -> Result<Target> {
    let endpoint = Endpoint::parse(ENDPOINT)?;
    Ok(Target::resolve(
        Some(&endpoint),
        REGION,
        AddressingStyle::Auto,
        bucket,
    )?)
}

/// The credentials of every signer.
pub(super) fn credentials() -> Credentials {
    Credentials {
        access_key_id: ACCESS_KEY.to_owned(),
        secret_access_key: SECRET_KEY.into(),
        session_token: None,
        expires_at: None,
    }
}

/// What every signer's URL is checked against.
pub(super) fn expected_signature<'a>(
    target: &'a Target,
    bucket: &'a Bucket,
    signed_at: Timestamp,
    expires_at: Timestamp,
) -> ExpectedSignature<'a> {
    ExpectedSignature {
        scheme: target.endpoint.scheme(),
        host: target.endpoint.host(),
        port: target.endpoint.port(),
        path: target.endpoint.path(),
        style: target.style,
        bucket,
        region: REGION,
        access_key_id: ACCESS_KEY,
        session: false,
        signed_at,
        expires_at,
        not_after: expires_at,
    }
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    // An HMAC takes a key of any length; a failure would show as an empty signature.
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| mac.chain_update(data).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}
