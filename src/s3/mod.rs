//! Requests to stores: for the first byte of an object, and for the list of a bucket.
//!
//! What holds here: every request of the operator is a GET or a HEAD, so that none changes anything; settings of
//! buckets are for the commands of people. A request has a time limit and a size limit; no redirect is
//! followed; and no URL, signature or text of a server leaves this module, at no level of the log.

mod answer;
mod client;
mod list;
mod setting;

pub use client::S3Client;
pub use setting::{SettingError, SettingRequest};

#[cfg(test)]
mod tests;
