//! What a sentence is about: a request that a resource caused, or a probe of a store.

use crate::request::Bucket;
use crate::signing::{Style, Target};

/// What a sentence is about.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) enum Subject<'a> {
    /// A request that a resource caused.
    Request {
        target: &'a Target,
        bucket: &'a Bucket,
        /// The request with its article: `a GET of models/weights.bin`.
        what: &'a str,
    },
    /// A probe of a store.
    Store {
        /// The store's endpoint, as people know it.
        host: &'a str,
        /// The same, with its port.
        address: &'a str,
        region: &'a str,
    },
}

impl Subject<'_> {
    /// Who answered.
    pub(super) const fn server(&self) -> &str {
        match self {
            Self::Request { .. } => "the store",
            Self::Store { host, .. } => host,
        }
    }

    /// Scheme, host and port of what the operator connects to.
    pub(super) fn address(&self) -> String {
        match self {
            Self::Request { target, .. } => {
                let (scheme, port) = (target.endpoint.scheme(), target.endpoint.port_number());
                format!("{}://{}:{port}", scheme.as_str(), self.host())
            }
            Self::Store { address, .. } => (*address).to_owned(),
        }
    }

    /// The host that the operator connects to.
    pub(super) fn host(&self) -> String {
        match self {
            Self::Request { target, bucket, .. } => {
                let host = target.endpoint.host();
                match target.style {
                    Style::Path | Style::BucketEndpoint => host.to_owned(),
                    Style::VirtualHost => format!("{bucket}.{host}"),
                }
            }
            Self::Store { host, .. } => (*host).to_owned(),
        }
    }

    pub(super) const fn what(&self) -> &str {
        match self {
            Self::Request { what, .. } => what,
            Self::Store { .. } => "a probe",
        }
    }

    pub(super) fn bucket(&self) -> String {
        match self {
            Self::Request { bucket, .. } => format!("bucket \"{bucket}\""),
            Self::Store { .. } => "the probed bucket".to_owned(),
        }
    }

    pub(super) fn region(&self) -> &str {
        match self {
            Self::Request { target, .. } => &target.region,
            Self::Store { region, .. } => region,
        }
    }
}
