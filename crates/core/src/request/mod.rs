//! Requests: the spec of a `PresignedURL`, parsed once at the edge.
//!
//! What holds here: everything that admission refuses is refused again, since a schema can be edited and a
//! stored object can be older than it. This room knows no policy: whether a namespace may have what it
//! requests is decided elsewhere.

mod duration;
mod error;
mod fields;
mod issuance;
mod key_glob;
mod names;
mod objects;
mod options;
mod redirect;
mod spec;
mod unknown_fields;

pub(crate) use duration::{MAX_LIFE, MIN_LIFE};
pub(crate) use fields::is_dns_subdomain;
pub(crate) use objects::{MAX_OBJECTS, MIN_REFRESH};
pub(crate) use options::{DEFAULT_KMS_KEY, MAX_UPLOAD};
pub(crate) use redirect::redirect_fault;

pub use duration::{format_duration, parse_duration};
pub use error::{DurationError, InvalidSpec, NameError};
pub use fields::is_dns_label;
pub use issuance::IssuanceOptions;
pub use key_glob::KeyGlob;
pub use names::{Bucket, Key, Prefix};
pub use objects::{ListSelection, Objects};
pub use options::Options;
pub use spec::{Limits, RenewBefore, Request};
pub use unknown_fields::unknown_fields;

#[cfg(test)]
pub(crate) mod tests;
