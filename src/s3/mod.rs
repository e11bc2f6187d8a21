//! Requests to stores: for the first byte of an object, and for the list of a bucket.
//!
//! What holds here: every request is a GET or a HEAD, so that none changes anything. A request has a time
//! limit and a size limit; no redirect is followed; and no URL, signature or text of a server leaves this
//! module, at no level of the log.

mod answer;
mod client;
mod list;

pub use client::S3Client;

#[cfg(test)]
mod tests;
