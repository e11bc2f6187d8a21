//! What the core signs is what aws-sdk-s3 presigns, byte for byte; and a server and the check both accept it.
//!
//! What holds here: the SDK is asked in its own terms (endpoint URL, path style, typed inputs), never through
//! code that the core uses too. Where it changes how it presigns, this goes red before a URL does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/cases.rs"]
mod cases;
#[path = "common/sigv4_verifier.rs"]
mod sigv4_verifier;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use aws_sdk_s3::types::{
    ObjectCannedAcl, RequestPayer as SdkPayer, ServerSideEncryption as SdkSse, StorageClass,
};
use cases::{ACCESS_KEY, Case, PLACES, SECRET_KEY, TOKEN, case, lower_and_sorted};
use presigned_core::api::AddressingStyle;
use presigned_core::request::Options;
use presigned_core::signing::{ExpectedUrl, check};
use proptest::prelude::*;

/// One client a place and kind of credentials: building one costs more than presigning a thousand URLs.
struct Sdk {
    runtime: tokio::runtime::Runtime,
    clients: BTreeMap<(usize, bool), Client>,
}

impl Sdk {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let clients = (0..PLACES.len())
            .flat_map(|place| [(place, false), (place, true)])
            .map(|at| (at, client(at)))
            .collect();
        Self {
            runtime: { runtime }.enable_all().build().unwrap(),
            clients,
        }
    }

    fn presign(&self, case: &Case) -> PresignedRequest {
        let client = &self.clients[&(case.place, case.session)];
        let config = PresigningConfig::builder()
            .start_time(case.signed_at.into())
            .expires_in(Duration::from_secs(case.expires))
            .build()
            .unwrap();
        self.runtime.block_on(presign_by_sdk(client, case, config))
    }
}

fn client((place, session): (usize, bool)) -> Client {
    let (endpoint, region, style) = PLACES[place];
    let by_path = match style {
        AddressingStyle::Auto => endpoint.is_some(),
        AddressingStyle::Path => true,
        AddressingStyle::VirtualHost => false,
        AddressingStyle::BucketEndpoint => panic!("the SDK knows none"),
    };
    let token = session.then(|| TOKEN.to_owned());
    let keys = aws_credential_types::Credentials::new(ACCESS_KEY, SECRET_KEY, token, None, "test");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(keys)
        .force_path_style(by_path);
    let config = match endpoint {
        // The SDK joins an endpoint's path and a bucket as they stand; botocore puts a slash between them.
        Some(url) => config.endpoint_url(format!("{}/", url.trim_end_matches('/'))),
        None => config,
    };
    Client::from_conf(config.build())
}

async fn presign_by_sdk(
    client: &Client,
    case: &Case,
    config: PresigningConfig,
) -> PresignedRequest {
    let (bucket, key) = (case.bucket.as_str(), case.key.as_str());
    match &case.options {
        Options::Get(get) => {
            let call = client.get_object().bucket(bucket).key(key);
            let call = call
                .set_version_id(get.version_id.clone())
                .set_response_content_type(get.response_content_type.clone())
                .set_response_content_disposition(get.response_content_disposition.clone())
                .set_response_content_encoding(get.response_content_encoding.clone())
                .set_response_content_language(get.response_content_language.clone())
                .set_response_cache_control(get.response_cache_control.clone())
                .set_request_payer(get.request_payer.map(|_| SdkPayer::Requester));
            call.presigned(config).await.unwrap()
        }
        Options::Head(get) => {
            let call = client.head_object().bucket(bucket).key(key);
            let call = call
                .set_version_id(get.version_id.clone())
                .set_response_content_type(get.response_content_type.clone())
                .set_response_content_disposition(get.response_content_disposition.clone())
                .set_response_content_encoding(get.response_content_encoding.clone())
                .set_response_content_language(get.response_content_language.clone())
                .set_response_cache_control(get.response_cache_control.clone())
                .set_request_payer(get.request_payer.map(|_| SdkPayer::Requester));
            call.presigned(config).await.unwrap()
        }
        Options::Put(put) => {
            let length = put
                .content_length
                .map(|bytes| i64::try_from(bytes).unwrap());
            let sse = put
                .server_side_encryption
                .map(|sse| SdkSse::from(sse.as_str()));
            let class = put.storage_class.as_deref().map(StorageClass::from);
            let call = client.put_object().bucket(bucket).key(key);
            let call = call
                .set_content_type(put.content_type.clone())
                .set_content_length(length)
                .set_checksum_sha256(put.checksum_sha256.clone())
                .set_checksum_crc64_nvme(put.checksum_crc64nvme.clone())
                .set_if_match(put.if_match.clone())
                .set_if_none_match(put.if_none_match.map(|_| "*".to_owned()))
                .set_server_side_encryption(sse)
                .set_ssekms_key_id(put.kms_key_id.clone())
                .set_storage_class(class)
                .set_acl(put.acl.as_deref().map(ObjectCannedAcl::from))
                .set_metadata(put.metadata.clone().map(|all| all.into_iter().collect()))
                .set_tagging(put.tagging.as_ref().and_then(tag_header));
            call.presigned(config).await.unwrap()
        }
        Options::Post(_) => panic!("the SDK presigns no form"),
        Options::Delete => {
            let call = client.delete_object().bucket(bucket).key(key);
            call.presigned(config).await.unwrap()
        }
    }
}

/// The SDK takes tags ready for the header.
fn tag_header(tags: &BTreeMap<String, String>) -> Option<String> {
    let encode = |text: &str| -> String {
        let escapes = [
            (' ', "%20"),
            ('+', "%2B"),
            ('=', "%3D"),
            (':', "%3A"),
            ('/', "%2F"),
            ('@', "%40"),
        ];
        let escape = |text: String, (raw, escape): (char, &str)| text.replace(raw, escape);
        escapes.into_iter().fold(text.to_owned(), escape)
    };
    let pairs: Vec<_> = tags
        .iter()
        .map(|(k, v)| format!("{}={}", encode(k), encode(v)))
        .collect();
    (!pairs.is_empty()).then(|| pairs.join("&"))
}

/// Enough that each place meets each kind of options many times.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 1024,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

#[test]
fn what_is_signed_is_what_the_sdk_presigns_byte_for_byte() {
    let sdk = Sdk::new();
    let mut runner = proptest::test_runner::TestRunner::new(config());
    let outcome = runner.run(&case(), |case| {
        // The SDK takes a key of white space alone for none; S3 and botocore do not.
        prop_assume!(!case.key.as_str().trim().is_empty());
        let (ours, theirs) = (case.presign(), sdk.presign(&case));
        prop_assert_eq!(ours.url.expose(), theirs.uri());
        prop_assert_eq!(ours.method.as_str(), theirs.method());
        let headers = ours
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        prop_assert_eq!(
            lower_and_sorted(headers),
            lower_and_sorted(theirs.headers())
        );
        Ok(())
    });
    outcome.unwrap();
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_server_accepts_what_is_signed_for_the_whole_of_its_life_and_not_after(case in case()) {
        let signed = case.presign();
        let at = |now| sigv4_verifier::verify(
            signed.url.expose(), signed.method.as_str(), &signed.headers, SECRET_KEY, now,
        );
        prop_assert_eq!(at(case.signed_at), Ok(()));
        prop_assert_eq!(at(case.expires_at() - Duration::from_secs(1)), Ok(()));
        prop_assert_eq!(at(case.expires_at()), Err("the request has expired".to_owned()));
    }

    #[test]
    fn the_check_passes_what_was_allowed(case in case()) {
        let target = case.target();
        let expected = ExpectedUrl {
            key: &case.key,
            method: case.options.method(),
            options: &case.options,
            signature: case.expected_signature(&target),
        };
        prop_assert_eq!(check(&case.presign(), &expected), Ok(()));
    }
}
