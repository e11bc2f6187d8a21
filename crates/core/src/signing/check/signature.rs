//! What URLs and forms have in common: origin and path, credential scope and life.
//!
//! What holds here: one check of these serves both. The credential scope is written down on its own, from
//! the S3 API reference.

use jiff::Timestamp;

use super::mismatch::Mismatch;
use crate::request::Bucket;
use crate::signing::endpoint::Scheme;
use crate::signing::target::Style;

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What a URL and a form are allowed alike. Make it from the grant and the store, not from what the signer
/// was given.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedSignature<'a> {
    /// How consumers connect.
    pub scheme: Scheme,
    /// The endpoint's host without the bucket.
    pub host: &'a str,
    /// The endpoint's port; `None` if it is the scheme's own.
    pub port: Option<u16>,
    /// The endpoint's path: empty, or segments that each begin with a slash.
    pub path: &'a str,
    /// Where the bucket stands.
    pub style: Style,
    /// The bucket.
    pub bucket: &'a Bucket,
    /// The region of the credential scope.
    pub region: &'a str,
    /// Whose signature it is.
    pub access_key_id: &'a str,
    /// Whether the credentials are a session's.
    pub session: bool,
    /// When the life begins.
    pub signed_at: Timestamp,
    /// When the life ends, as the status will say.
    pub expires_at: Timestamp,
    /// The latest end that policy, credentials and store allow.
    pub not_after: Timestamp,
}

impl ExpectedSignature<'_> {
    /// Checks scheme, host and port of a URL.
    pub(super) fn check_origin(&self, scheme: &str, authority: &str) -> Result<(), Mismatch> {
        let wanted = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        if scheme != wanted {
            return Err(Mismatch::Scheme);
        }
        let mut wanted = match self.style {
            Style::Path | Style::BucketEndpoint => self.host.to_owned(),
            Style::VirtualHost => [self.bucket.as_str(), self.host].join("."),
        };
        if let Some(port) = self.port {
            wanted = [wanted, port.to_string()].join(":");
        }
        (authority == wanted)
            .then_some(())
            .ok_or(Mismatch::Authority)
    }

    /// What follows the endpoint's path in a path without its first slash.
    pub(super) fn after_path<'p>(&self, path: &'p str) -> Result<&'p str, Mismatch> {
        self.path
            .split_terminator('/')
            .skip(1)
            .try_fold(path, |rest, segment| {
                rest.strip_prefix(segment)
                    .and_then(|rest| rest.strip_prefix('/'))
                    .ok_or(Mismatch::Path)
            })
    }

    /// Checks the access key and the scope of a signature.
    pub(super) fn check_credential(&self, credential: &str) -> Result<(), Mismatch> {
        // From the right: the key ID is the one part that may hold a slash.
        let mut parts = credential.rsplitn(5, '/');
        let mut is = |wanted: &str| parts.next() == Some(wanted);
        if !is("aws4_request") || !is("s3") {
            return Err(Mismatch::Service);
        }
        if !is(self.region) {
            return Err(Mismatch::Region);
        }
        if !is(&self.signed_at.strftime("%Y%m%d").to_string()) {
            return Err(Mismatch::ScopeDate);
        }
        if !is(self.access_key_id) {
            return Err(Mismatch::AccessKey);
        }
        Ok(())
    }

    /// When the life begins, as S3 writes it.
    pub(super) fn date(&self) -> String {
        self.signed_at.strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    /// The planned life in seconds; an error if it is not allowed.
    pub(super) fn life(&self) -> Result<i64, Mismatch> {
        const SEVEN_DAYS: i64 = 604_800;
        if self.expires_at > self.not_after {
            return Err(Mismatch::LivesTooLong);
        }
        let planned = self.expires_at.duration_since(self.signed_at);
        let seconds = planned.as_secs();
        if planned.subsec_nanos() != 0 || !(1..=SEVEN_DAYS).contains(&seconds) {
            return Err(Mismatch::Life);
        }
        Ok(seconds)
    }
}

/// Checks the form of a signature; only the server can check the signature itself.
pub(super) fn check_signature(signature: &str) -> Result<(), Mismatch> {
    let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    (signature.len() == 64 && signature.bytes().all(hex))
        .then_some(())
        .ok_or(Mismatch::Signature)
}
