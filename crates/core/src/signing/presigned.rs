//! What signing yields.
//!
//! What holds here: a presigned URL is a bearer token; only [`SecretUrl::expose`] gives it away.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::api::Method;

/// A presigned URL. Neither Debug nor Display shows any of it.
#[derive(Clone)]
pub struct SecretUrl(SecretString);

impl SecretUrl {
    /// Takes a finished URL in.
    #[must_use]
    pub fn new(url: String) -> Self {
        Self(url.into())
    }

    /// The URL itself: for the Secret and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretUrl([redacted])")
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A request that anyone who holds it can make until it expires.
#[derive(Clone, Debug)]
pub struct Presigned {
    /// The method that it is good for.
    pub method: Method,
    /// The URL.
    pub url: SecretUrl,
    /// The headers that the client must send as they stand, since they are signed; without `Host`.
    pub headers: Vec<(String, String)>,
}
