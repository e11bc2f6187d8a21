//! What a `PresignedURL` asks for, parsed: the only form in which a request reaches policies and signatures.
//!
//! What holds here: everything that admission refuses is refused again, since a schema can be edited and a stored object
//! can be older than it. A [`Request`] holds every field that reaches the signature, and no field that does not parse.

use std::fmt;
use std::time::Duration;

use super::names::{Bucket, Key};
use crate::api::{GetOptions, Method, PutOptions};

/// One object that a namespace asks a URL for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The name of the `ClusterObjectStore`.
    pub store: String,
    /// The store's named endpoint; `None` is the store's default.
    pub endpoint: Option<String>,
    /// The bucket.
    pub bucket: Bucket,
    /// The object.
    pub key: Key,
    /// The life that was asked for; `None` takes what can be had.
    pub duration: Option<Duration>,
    /// When to renew, where the resource says so.
    pub renew_before: Option<RenewBefore>,
    /// The method, and what else is signed for it.
    pub options: Options,
}

/// A method with its options: those of another method cannot be expressed.
#[derive(Clone, Debug, PartialEq)]
pub enum Options {
    /// Download. It also yields a URL for HEAD.
    Get(GetOptions),
    /// Metadata only.
    Head(GetOptions),
    /// Upload.
    Put(PutOptions),
    /// Removal.
    Delete,
}

/// How much of the life is left when a URL is to be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewBefore {
    /// This long, at least a second.
    Left(Duration),
    /// This part of the life, 1 to 90 percent.
    Percentage(u8),
}

/// What an installation asks of requests beyond the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The shortest life that may be asked for (`--min-renewed-duration`).
    pub min_duration: Duration,
}

/// A spec that can never be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSpec {
    /// The field, as it is written: `spec.put.contentType`.
    pub field: String,
    /// What was given, what is wrong with it, and what to give.
    pub message: String,
}

impl Request {
    /// The method that is asked for.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.options.method()
    }
}

impl Options {
    /// The method that these options belong to.
    #[must_use]
    pub const fn method(&self) -> Method {
        match self {
            Self::Get(_) => Method::Get,
            Self::Head(_) => Method::Head,
            Self::Put(_) => Method::Put,
            Self::Delete => Method::Delete,
        }
    }
}

impl InvalidSpec {
    /// An error about one field.
    #[must_use]
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for InvalidSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl std::error::Error for InvalidSpec {}
