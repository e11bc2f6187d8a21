//! `ListObjectsV2`, page by page, over the connections of this module.
//!
//! What holds here:
//! - A listing is whole or there is none. No key comes twice, each begins with the prefix, and no token leads
//!   to where the listing has been: a store that loses its place is noticed. The order of the keys is the
//!   store's own.
//! - Keys are read as botocore reads them: percent-encoded if the store declares it, else as they stand.
//! - What is not wanted is not kept, and what is kept of an object has an end: a listing is as large as the
//!   number of its objects and the bytes of their keys allow, whatever a store answers. Pages are looked
//!   through on a thread that nobody waits for.

mod page;

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode;
use presigned_core::engine::{
    ListError, ListRequest, ListResponse, ListedObject, PageError, S3Response, TransportError,
};
use presigned_core::signing::{ListPage, SignError, SignedRequest, sign_page};
use secrecy::ExposeSecret as _;

use super::client::S3Client;
use page::{Page, RawObject};

/// The most keys in a page, which is S3's own limit.
const PAGE: u32 = 1_000;
/// The most pages of a listing.
const PAGES: usize = 200;
/// The most keys that a listing reads, for servers that put more of them into a page.
const KEYS: usize = PAGES * PAGE as usize;
/// The most bytes of keys and `ETag`s that a listing keeps.
const KEPT: usize = 1024 * 1024;
/// How long one page may take, at least.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a page is requested.
const ATTEMPTS: usize = 2;
/// The pause between the attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// The most bytes of a page: a thousand keys of 1,024 bytes, all percent-encoded, and as much again.
const PAGE_LIMIT: usize = 8 * 1024 * 1024;
/// The longest key in bytes, which is S3's own limit.
const MAX_KEY: usize = 1_024;
/// The longest `ETag`: S3's have 32 digits and a number of parts, and other servers may have other hashes.
const MAX_ETAG: usize = 128;

impl S3Client {
    /// Lists a bucket.
    ///
    /// # Errors
    /// If there are too many objects, or the store does not list to the end. Nothing is returned of
    /// a listing that was cut off.
    pub async fn list(&self, request: &ListRequest) -> Result<ListResponse, ListError> {
        let wanted = request.wanted.clone();
        list(self, request, move |key| wanted.keeps(key)).await
    }
}

/// Lists what `keeps` keeps.
pub(super) async fn list(
    client: &S3Client,
    request: &ListRequest,
    keeps: impl Fn(&str) -> bool + Send + 'static,
) -> Result<ListResponse, ListError> {
    match tokio::time::timeout(request.timeout, pages(client, request, keeps)).await {
        Ok(listed) => listed,
        Err(_) => Err(ListError::TransportError(TransportError::Timeout(
            request.timeout,
        ))),
    }
}

async fn pages(
    client: &S3Client,
    request: &ListRequest,
    keeps: impl Fn(&str) -> bool + Send + 'static,
) -> Result<ListResponse, ListError> {
    let started = client.clock.instant();
    let mut reading = Reading {
        prefix: request.wanted.prefix.as_str().to_owned(),
        most: usize::try_from(request.most).unwrap_or(usize::MAX),
        keeps,
        hasher: RandomState::new(),
        keys: HashSet::new(),
        tokens: HashSet::new(),
        kept: 0,
        listing: ListResponse::default(),
    };
    let mut token: Option<String> = None;
    for _ in 0..PAGES {
        let passed = client.clock.since(started);
        // The store's time: what the request says, and what has passed since.
        let now = request.signed_at.checked_add(passed);
        let page = PageRequest {
            client,
            listing: request,
            token: token.as_deref(),
            now: now.unwrap_or(request.signed_at),
        };
        let (body, skew) = page.send().await?;
        let known = &mut reading.listing.skew;
        *known = skew.or(*known);
        // Off the one thread on which everything else waits: globs cost time with each byte of a key.
        let read = tokio::task::spawn_blocking(move || reading.read(&body).map(|n| (reading, n)));
        // It ends early only if the operator does.
        let read = read.await.map_err(|_| bad(PageError::NotAListing))?;
        (reading, token) = read?;
        if token.is_none() {
            let mut listing = reading.listing;
            listing.objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            return Ok(listing);
        }
    }
    Err(ListError::TooLong)
}

const fn bad(error: PageError) -> ListError {
    ListError::BadPage(error)
}

/// The request of one page.
struct PageRequest<'a> {
    client: &'a S3Client,
    listing: &'a ListRequest,
    token: Option<&'a str>,
    now: Timestamp,
}

impl PageRequest<'_> {
    /// The bytes of the page, and what its answer showed of the store's clock.
    async fn send(&self) -> Result<(Bytes, Option<SignedDuration>), ListError> {
        let mut attempt = 1;
        loop {
            let sent = self.once().await;
            if attempt == ATTEMPTS || !sent.as_ref().is_err_and(may_pass) {
                return sent;
            }
            attempt += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn once(&self) -> Result<(Bytes, Option<SignedDuration>), ListError> {
        let request = self.signed()?;
        let ca_bundle = self.listing.ca_bundle.as_deref();
        let connections = &self.client.connections;
        let timeout = PAGE_TIMEOUT.max(self.client.timeout);
        let exchanged = connections
            .exchange(request, ca_bundle, PAGE_LIMIT, timeout)
            .await
            .map_err(ListError::TransportError)?;
        let answer = self.client.answer(&exchanged);
        if !exchanged.status.is_success() {
            return Err(ListError::Refused(answer));
        }
        if exchanged.cut {
            return Err(bad(PageError::TooLarge));
        }
        Ok((exchanged.body, answer.skew))
    }

    fn signed(&self) -> Result<Request<Bytes>, ListError> {
        let listing = self.listing;
        let page = ListPage {
            bucket: &listing.bucket,
            prefix: &listing.wanted.prefix,
            token: self.token,
            max_keys: PAGE,
            request_payer: listing.request_payer,
        };
        let SignedRequest { url, headers } =
            sign_page(&page, &listing.target, &listing.credentials, self.now)
                .map_err(ListError::NotSigned)?;
        let unsendable = |_| ListError::NotSigned(SignError::Signer);
        let mut request = Request::get(url).body(Bytes::new()).map_err(unsendable)?;
        for (name, value) in &headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_str(value.expose_secret());
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err(ListError::NotSigned(SignError::Signer));
            };
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }
}

/// Whether the same request may be answered a moment later.
fn may_pass(error: &ListError) -> bool {
    match error {
        ListError::TransportError(TransportError::Connection | TransportError::Timeout(_)) => true,
        ListError::Refused(S3Response { status, .. }) => {
            matches!(status, 408 | 429 | 500 | 502..=504)
        }
        _ => false,
    }
}

/// What was read so far.
struct Reading<K> {
    prefix: String,
    most: usize,
    keeps: K,
    hasher: RandomState,
    /// Hashes of all keys, kept or not: of keys themselves there could be hundreds of megabytes. Nobody knows
    /// the hasher's seed, so nobody can make two keys of one hash.
    keys: HashSet<u64>,
    tokens: HashSet<u64>,
    /// The bytes of what is kept.
    kept: usize,
    listing: ListResponse,
}

impl<K: Fn(&str) -> bool> Reading<K> {
    /// Reads one more page, and returns the token of the next if there is one.
    fn read(&mut self, body: &[u8]) -> Result<Option<String>, ListError> {
        let page = Page::parse(body).map_err(bad)?;
        // As botocore compares it: versitygw declares an empty one, and encodes nothing.
        let encoded = page.encoding == "url";
        for object in &page.objects {
            let key = if encoded {
                decoded(&object.key).ok_or(bad(PageError::NotEncoded))?
            } else {
                Cow::Borrowed(object.key.as_bytes())
            };
            self.take(&key, object)?;
        }
        self.next(page)
    }

    fn take(&mut self, key: &[u8], object: &RawObject) -> Result<(), ListError> {
        if !key.starts_with(self.prefix.as_bytes()) {
            return Err(bad(PageError::KeyOutsidePrefix));
        }
        if key.len() > MAX_KEY {
            return Err(bad(PageError::KeyTooLong));
        }
        if !self.keys.insert(self.hasher.hash_one(key)) {
            return Err(bad(PageError::KeyRepeated));
        }
        if self.keys.len() > KEYS {
            return Err(ListError::TooLong);
        }
        let object = listed(object, text(key))?;
        if (self.keeps)(&object.key) {
            if self.listing.objects.len() == self.most {
                return Err(ListError::TooMany);
            }
            self.kept += object.key.len() + object.etag.len();
            if self.kept > KEPT {
                return Err(ListError::TooLarge);
            }
            self.listing.objects.push(object);
        }
        Ok(())
    }

    /// The token of the next page; `None` if the listing is whole.
    fn next(&mut self, page: Page) -> Result<Option<String>, ListError> {
        let full = page.objects.len() >= PAGE as usize;
        match page.truncated.trim() {
            "false" => return Ok(None),
            "true" => {}
            // Some servers leave out what is false. It is believed of a page that names its bucket and has
            // room left.
            "" if page.named && !full && page.next.is_empty() => return Ok(None),
            _ => return Err(bad(PageError::NoEnd)),
        }
        if page.next.is_empty() {
            return Err(bad(PageError::NoToken));
        }
        if !self.tokens.insert(self.hasher.hash_one(&page.next)) {
            return Err(bad(PageError::TokenRepeated));
        }
        Ok(Some(page.next))
    }
}

fn listed(object: &RawObject, key: String) -> Result<ListedObject, ListError> {
    let etag = object.etag.trim_matches('"');
    let size = match object.size.trim() {
        "" => Ok(None),
        size => size.parse().map(Some),
    };
    match size {
        Ok(size) if etag.len() <= MAX_ETAG => Ok(ListedObject {
            key,
            size,
            etag: etag.to_owned(),
        }),
        _ => Err(bad(PageError::BadObject)),
    }
}

/// A key that the server declares as encoded; `None` if it cannot be. An encoder may leave any character that
/// a URL can hold (`SeaweedFS` leaves `=` in folders), and never another one.
fn decoded(key: &str) -> Option<Cow<'_, [u8]>> {
    let of_a_url = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b);
    let hex = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_hexdigit());
    let bytes = key.as_bytes();
    let whole = |(at, _)| hex(bytes.get(at + 1).copied()) && hex(bytes.get(at + 2).copied());
    if !bytes.iter().copied().all(of_a_url) || !key.match_indices('%').all(whole) {
        return None;
    }
    let spaced = key.replace('+', " ");
    Some(Cow::Owned(percent_decode(spaced.as_bytes()).collect()))
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
