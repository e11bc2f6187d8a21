//! The address of one bucket: endpoint, region and addressing style.
//!
//! What holds here: the same settings address a bucket as aws-sdk-s3 does, so that what the operator probes
//! is what it signs.

use super::endpoint::{Endpoint, EndpointError, MAX_HOST, Scheme};
use crate::api::AddressingStyle;
use crate::request::Bucket;

/// Buckets whose path is MinIO's own.
const SERVERS_OWN: [&str; 2] = ["admin", "minio"];
/// Hosts of S3 without `s3` in front, of which a bucket's own host is one more label. If one begins with a dot,
/// a region or an account stands before it.
const HOSTS_OF_S3: [&str; 6] = [
    ".digitaloceanspaces.com",
    ".linodeobjects.com",
    ".r2.cloudflarestorage.com",
    ".vultrobjects.com",
    ".your-objectstorage.com",
    "storage.googleapis.com",
];

/// Where the bucket stands in a URL. The endpoint's path, if it has one, stands before what follows the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Style {
    /// `https://host/bucket/key`
    Path,
    /// `https://bucket.host/key`
    VirtualHost,
    /// `https://host/key`: the endpoint stands for the bucket.
    BucketEndpoint,
}

impl Style {
    /// The style as it stands in a hash of meaning.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Path => "Path",
            Self::VirtualHost => "VirtualHost",
            Self::BucketEndpoint => "BucketEndpoint",
        }
    }
}

/// The address of one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Scheme, host without the bucket, port and path.
    pub endpoint: Endpoint,
    /// The region of the credential scope.
    pub region: String,
    /// Where the bucket stands.
    pub style: Style,
}

impl Target {
    /// The address of a bucket. Without an `endpoint` it is AWS's own of the region. For `BucketEndpoint` ask
    /// [`Target::of_bucket_endpoint`], which knows the one bucket.
    ///
    /// If aws-sdk-s3 addresses a bucket by path in spite of the style `VirtualHost`, so does this: for
    /// example a dotted bucket over TLS.
    pub fn resolve(
        endpoint: Option<&Endpoint>,
        region: &str,
        style: AddressingStyle,
        bucket: &Bucket,
    ) -> Result<Self, EndpointError> {
        if !is_region(region) {
            return Err(EndpointError::Region);
        }
        let virtual_host = match (style, endpoint) {
            (AddressingStyle::VirtualHost, _) | (AddressingStyle::Auto, None) => true,
            (AddressingStyle::Path, _) | (AddressingStyle::Auto, Some(_)) => false,
            (AddressingStyle::BucketEndpoint, _) => return Err(EndpointError::BucketNotNamed),
        };
        let is_aws = endpoint.is_none_or(Endpoint::is_aws);
        let endpoint = endpoint.map_or_else(|| Endpoint::aws(region), |own| Ok(own.clone()))?;
        if virtual_host && endpoint.is_ip() {
            return Err(EndpointError::VirtualHostOfIp);
        }
        if bucket.is_old() && (is_aws || virtual_host) {
            return Err(EndpointError::OldBucketName(bucket.to_string()));
        }
        let bucket = bucket.as_str();
        if names_bucket(endpoint.host(), bucket) {
            return Err(EndpointError::BucketInHost(bucket.to_owned()));
        }
        let last = endpoint.path().rsplit_once('/');
        if last.is_some_and(|(_, last)| last == bucket) {
            return Err(EndpointError::BucketInPath(bucket.to_owned()));
        }
        let style = if !virtual_host || !fits_a_host(bucket, endpoint.scheme()) {
            Style::Path
        } else if bucket.len() + 1 + endpoint.host().len() > MAX_HOST {
            return Err(EndpointError::VirtualHostTooLong);
        } else {
            Style::VirtualHost
        };
        if style == Style::Path && !is_aws && SERVERS_OWN.contains(&bucket) {
            return Err(EndpointError::ServersOwnPath(bucket.to_owned()));
        }
        Ok(Self {
            endpoint,
            region: region.to_owned(),
            style,
        })
    }

    /// The address of a bucket at an endpoint that stands for `served`, as a domain does that is bound to one
    /// bucket. The URL does not name the bucket, so any other is refused.
    pub fn of_bucket_endpoint(
        endpoint: &Endpoint,
        region: &str,
        served: &Bucket,
        bucket: &Bucket,
    ) -> Result<Self, EndpointError> {
        if !is_region(region) {
            return Err(EndpointError::Region);
        }
        if bucket != served {
            return Err(EndpointError::OtherBucket {
                served: served.to_string(),
                asked: bucket.to_string(),
            });
        }
        if bucket.is_old() && endpoint.is_aws() {
            return Err(EndpointError::OldBucketName(bucket.to_string()));
        }
        Ok(Self {
            endpoint: endpoint.clone(),
            region: region.to_owned(),
            style: Style::BucketEndpoint,
        })
    }
}

/// Whether the host is a bucket's own, as in `models.s3.example.com`. A bucket may have the name of a server,
/// as in `minio.example.com/minio`, so only what stands before a host of S3 is taken for one, or before that
/// of a provider that is known.
fn names_bucket(host: &str, bucket: &str) -> bool {
    let rest = host
        .strip_prefix(bucket)
        .and_then(|rest| rest.strip_prefix('.'));
    let is_s3 = |rest: &str| {
        let of = |host: &str| rest == host || host.starts_with('.') && rest.ends_with(host);
        rest.starts_with("s3.") || rest.starts_with("s3-") || HOSTS_OF_S3.into_iter().any(of)
    };
    rest.is_some_and(is_s3)
}

/// Whether the bucket can stand before the host. A dotted one cannot over TLS, since a wildcard certificate
/// covers one label; without TLS the SDK still requires three characters in each label.
fn fits_a_host(bucket: &str, scheme: Scheme) -> bool {
    !bucket.contains('.')
        || (scheme == Scheme::Http && bucket.split('.').all(|label| label.len() >= 3))
}

/// Whether a text is a region's name, in a spec or in a server's answer: up to 64 letters, digits, `.`, `_`
/// and `-` between a letter or digit at each end. Servers that are not AWS's have names such as `RegionOne`.
#[must_use]
pub fn is_region(region: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    region.len() <= 64
        && region.bytes().all(inner)
        && edge(region.as_bytes().first())
        && edge(region.as_bytes().last())
}
