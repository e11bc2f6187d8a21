//! `ListObjectsV2`, page by page, by aws-sdk-s3 over the connections of this module.
//!
//! What holds here: a listing is whole or there is none. Keys must come in order, begin with the prefix and
//! never twice, so that a store that loses its place is noticed. What is not wanted is not kept, and what is
//! kept of an object has an end: a listing is as large as the number of its objects allows, whatever a store
//! answers. Pages are looked through on a thread that nobody waits for.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, IdentityCache, Region, RequestChecksumCalculation,
    ResponseChecksumValidation, StalledStreamProtectionConfig, retry::RetryConfig,
};
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::SdkBody;
use aws_sdk_s3::types::{EncodingType, Object};
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::{Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode;
use presigned_core::engine::{
    ListError, ListRequest, ListResponse, ListedObject, S3Response, TransportError,
};
use presigned_core::signing::Style;
use secrecy::ExposeSecret as _;
use tokio::time::Instant;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use super::S3Client;
use crate::clock::Clock;

/// The most keys in a page, which is S3's own limit.
const PAGE: i32 = 1_000;
/// The most pages of a listing.
const PAGES: usize = 200;
/// How long one page may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of a page: a thousand keys of 1,024 bytes, all percent-encoded, and as much again.
const PAGE_LIMIT: usize = 8 * 1024 * 1024;
/// The longest key in bytes, which is S3's own limit.
const MAX_KEY: usize = 1_024;
/// The longest `ETag`: S3's have 32 digits and a number of parts, and other servers may have other hashes.
const MAX_ETAG: usize = 128;

/// Lists what `keeps` keeps.
pub(super) async fn list(
    client: &S3Client,
    request: &ListRequest,
    keeps: impl Fn(&str) -> bool + Send + 'static,
) -> Result<ListResponse, ListError> {
    let wire = Wire {
        client: client.clone(),
        ca_bundle: request.ca_bundle.clone(),
        last: Arc::default(),
    };
    // The SDK logs the canonical request, and with it the session token.
    let pages = pages(request, &wire, keeps).with_subscriber(NoSubscriber::new());
    match tokio::time::timeout(request.timeout, pages).await {
        Ok(listed) => listed,
        Err(_) => Err(ListError::TransportError(TransportError::Timeout)),
    }
}

async fn pages(
    request: &ListRequest,
    wire: &Wire,
    keeps: impl Fn(&str) -> bool + Send + 'static,
) -> Result<ListResponse, ListError> {
    let sdk = sdk(request, wire);
    let prefix = request.wanted.prefix.as_str();
    let mut reading = Reading {
        prefix: prefix.to_owned(),
        most: usize::try_from(request.most).unwrap_or(usize::MAX),
        keeps,
        last: Vec::new(),
        listing: ListResponse::default(),
    };
    let mut token: Option<String> = None;
    for _ in 0..PAGES {
        let page = sdk
            .list_objects_v2()
            .bucket(request.bucket.as_str())
            .prefix(prefix)
            .encoding_type(EncodingType::Url)
            .max_keys(PAGE)
            .set_continuation_token(token.clone())
            .send()
            .await
            .map_err(|_| wire.failure())?;
        let skew = &mut reading.listing.skew;
        *skew = wire.skew().or(*skew);
        // Off the one thread on which everything else waits: globs cost time with each byte of a key.
        let read = tokio::task::spawn_blocking(move || reading.read(&page).map(|n| (reading, n)));
        // It ends early only where the operator does.
        let read = read.await.map_err(|_| ListError::Malformed)?;
        let next;
        (reading, next) = read?;
        if next.is_none() {
            return Ok(reading.listing);
        }
        if next == token {
            return Err(ListError::Malformed);
        }
        token = next;
    }
    Err(ListError::TooLong)
}

/// What was read so far.
struct Reading<K> {
    prefix: String,
    most: usize,
    keeps: K,
    /// The last key, kept or not, in the store's own bytes.
    last: Vec<u8>,
    listing: ListResponse,
}

impl<K: Fn(&str) -> bool> Reading<K> {
    /// Reads one more page, and returns the token of the next where there is one.
    fn read(&mut self, page: &ListObjectsV2Output) -> Result<Option<String>, ListError> {
        // Every listing says whether it goes on; what does not is none.
        let truncated = page.is_truncated().ok_or(ListError::Malformed)?;
        let encoded = is_encoded(page);
        for object in page.contents() {
            let name = object.key().unwrap_or_default();
            let name = if encoded {
                decoded(name)
            } else {
                name.as_bytes().to_vec()
            };
            let in_order = self.last < name;
            if !in_order || !name.starts_with(self.prefix.as_bytes()) || name.len() > MAX_KEY {
                return Err(ListError::Malformed);
            }
            let object = listed(object, text(&name))?;
            self.last = name;
            if (self.keeps)(&object.key) {
                if self.listing.objects.len() == self.most {
                    return Err(ListError::TooMany);
                }
                self.listing.objects.push(object);
            }
        }
        let next = page.next_continuation_token().map(str::to_owned);
        match (truncated, next) {
            (false, _) => Ok(None),
            (true, None) => Err(ListError::Malformed),
            (true, next) => Ok(next),
        }
    }
}

fn listed(object: &Object, key: String) -> Result<ListedObject, ListError> {
    let etag = object.e_tag().unwrap_or_default().trim_matches('"');
    if etag.len() > MAX_ETAG {
        return Err(ListError::Malformed);
    }
    let size = object.size().unwrap_or_default();
    Ok(ListedObject {
        key,
        size: u64::try_from(size).map_err(|_| ListError::Malformed)?,
        etag: etag.to_owned(),
    })
}

/// Whether the keys of a page are percent-encoded, as was requested. Some servers say that they did it and
/// did not, and some ignore the request: a key with a character that is always encoded shows it.
fn is_encoded(page: &ListObjectsV2Output) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.*~/%+!'()".contains(&b);
    let keys = page.contents().iter().filter_map(Object::key);
    page.encoding_type() == Some(&EncodingType::Url) && keys.flat_map(str::bytes).all(plain)
}

fn decoded(key: &str) -> Vec<u8> {
    let plus = |b: u8| if b == b'+' { b' ' } else { b };
    let spaced: Vec<u8> = key.bytes().map(plus).collect();
    percent_decode(&spaced).collect()
}

/// A key as text. A store may hold one that is no UTF-8, which nobody can ask for here: a NUL in its place
/// meets globs as any character does, and is in no key that parses, so that the object is left out and
/// counted.
fn text(key: &[u8]) -> String {
    match str::from_utf8(key) {
        Ok(key) => key.to_owned(),
        Err(_) => String::from_utf8_lossy(key).replace(char::REPLACEMENT_CHARACTER, "\0"),
    }
}

fn sdk(request: &ListRequest, wire: &Wire) -> aws_sdk_s3::Client {
    let keys = &request.credentials;
    let token = keys.session_token.as_ref();
    let credentials = Credentials::new(
        &keys.access_key_id,
        keys.secret_access_key.expose_secret(),
        token.map(|token| token.expose_secret().to_owned()),
        None,
        "store",
    );
    let connector = SharedHttpConnector::new(wire.clone());
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(request.target.region.clone()))
        .endpoint_url(request.target.endpoint.to_string())
        .force_path_style(request.target.style == Style::Path)
        .credentials_provider(credentials)
        .identity_cache(IdentityCache::no_cache())
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .time_source(StoreTime {
            signed_at: request.signed_at,
            since: wire.client.clock.instant(),
            clock: wire.client.clock.clone(),
        })
        .retry_config(RetryConfig::standard().with_max_attempts(2))
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

/// The store's time: what the order says, and what has passed since.
#[derive(Debug)]
struct StoreTime {
    signed_at: Timestamp,
    since: Instant,
    clock: Clock,
}

impl TimeSource for StoreTime {
    fn now(&self) -> std::time::SystemTime {
        let start = std::time::SystemTime::from(self.signed_at);
        start
            .checked_add(self.clock.since(self.since))
            .unwrap_or(start)
    }
}

/// The SDK's way to the store. It keeps what the last request came to, for the SDK's errors say less.
#[derive(Clone)]
struct Wire {
    client: S3Client,
    ca_bundle: Option<String>,
    last: Arc<Mutex<Option<Result<S3Response, TransportError>>>>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl Wire {
    fn last(&self) -> Option<Result<S3Response, TransportError>> {
        let last = self.last.lock();
        last.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn skew(&self) -> Option<SignedDuration> {
        self.last().and_then(Result::ok)?.skew
    }

    /// Why the SDK gave no page.
    fn failure(&self) -> ListError {
        match self.last() {
            Some(Err(why)) => ListError::TransportError(why),
            Some(Ok(answer)) if answer.status >= 300 => ListError::Refused(answer),
            _ => ListError::Malformed,
        }
    }

    async fn carry(self, request: HttpRequest) -> Result<Response<SdkBody>, ConnectorError> {
        let exchanged = self.exchange(request).await;
        let (last, response) = match exchanged {
            Ok((answer, response)) => (Ok(answer), Ok(response)),
            Err(why) => {
                let error = std::io::Error::other("the store was not reached").into();
                let error = match why {
                    TransportError::Timeout => ConnectorError::timeout(error),
                    _ => ConnectorError::io(error),
                };
                (Err(why), Err(error))
            }
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
        response
    }

    async fn exchange(
        &self,
        request: HttpRequest,
    ) -> Result<(S3Response, Response<SdkBody>), TransportError> {
        let request = request
            .try_into_http1x()
            .map_err(|_| TransportError::Connection)?;
        let deadline = self.client.clock.instant() + PAGE_TIMEOUT;
        let exchanged = self
            .client
            .connections
            .exchange(
                request.map(|_| ()),
                self.ca_bundle.as_deref(),
                PAGE_LIMIT,
                deadline,
            )
            .await?;
        let answer = self.client.answer(&exchanged);
        let status = StatusCode::try_from(exchanged.status.as_u16());
        let status = status.map_err(|_| TransportError::Connection)?;
        let mut response = Response::new(status, SdkBody::from(exchanged.body));
        // The SDK needs no header to read a page; of a body that was cut nothing is to be read.
        if exchanged.cut {
            *response.body_mut() = SdkBody::empty();
        }
        Ok((answer, response))
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().carry(request))
    }
}
