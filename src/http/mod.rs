//! Requests to everything but the API server: stores, STS and the metadata services of clouds, and the
//! streams of `fetch` and `push`.
//!
//! What holds here: a request has a time limit and a size limit (a stream: for silence, and for what is
//! buffered); no redirect is followed; what fails is reported by the step that failed. The proxies of the
//! environment are used as Go's programs use them. No URL, header or text of a server reaches a log, at no
//! level.

mod certificate;
mod connect;
mod exchange;
mod proxy;
mod sdk;
mod stream;
mod trust;

pub use exchange::Connections;
pub(crate) use exchange::Exchanged;
pub use proxy::{Proxies, ProxyUrl, ProxyUrlError};
pub(crate) use sdk::{Unreached, sdk_client};
pub use stream::Streams;
pub(crate) use stream::{Streamed, Upload, no_upload};

#[cfg(test)]
mod tests;
