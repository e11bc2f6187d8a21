//! Where an S3 service answers: scheme, host, port and path.
//!
//! What holds here: host and path are written as every HTTP client will write them, because both are signed:
//! the host in lower case, no default port, IP addresses in their canonical form; a path of plain segments.
//! What clients write in different ways is refused.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use thiserror::Error;

/// The longest host name that DNS knows.
pub(super) const MAX_HOST: usize = 253;

/// How the connection is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Scheme, host, port and path of an S3 service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    scheme: Scheme,
    host: String,
    port: Option<u16>,
    path: String,
}

impl Endpoint {
    /// Reads `scheme://host[:port][/path][/]`.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = text.split_once("://").ok_or(EndpointError::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err(EndpointError::Scheme),
        };
        if rest.contains('?') {
            return Err(EndpointError::Query);
        }
        if rest.contains('#') {
            return Err(EndpointError::Fragment);
        }
        if rest.contains('@') {
            return Err(EndpointError::UserInfo);
        }
        let whole = rest.strip_suffix('/').unwrap_or(rest);
        let (authority, path) = whole.split_at(whole.find('/').unwrap_or(whole.len()));
        let (host, port) = split_port(authority)?;
        let host = canonical_host(host)?;
        if !path.split('/').skip(1).all(is_plain_segment) {
            return Err(EndpointError::Path);
        }
        if !path.is_empty() && is_host_of_aws(&host) {
            return Err(EndpointError::PathOfAws);
        }
        Ok(Self {
            scheme,
            host,
            port: port.filter(|port| *port != scheme.default_port()),
            path: path.to_owned(),
        })
    }

    /// AWS's own endpoint of a region, in the partitions `aws`, `aws-cn` and `aws-us-gov`.
    pub fn aws(region: &str) -> Result<Self, EndpointError> {
        let (part, place) = match region.strip_prefix("us-gov-") {
            Some(place) => ("us-gov", Some(place)),
            None => region
                .split_once('-')
                .map_or((region, None), |(part, place)| (part, Some(place))),
        };
        let place = place.and_then(|place| place.split_once('-'));
        let suffix = match (part, place) {
            ("cn", Some((area, number))) if area_and_number(area, number) => "amazonaws.com.cn",
            (
                "us-gov" | "us" | "eu" | "ap" | "sa" | "ca" | "me" | "af" | "il" | "mx",
                Some((area, number)),
            ) if area_and_number(area, number) => "amazonaws.com",
            _ => return Err(EndpointError::UnknownAwsRegion(region.to_owned())),
        };
        Ok(Self {
            scheme: Scheme::Https,
            host: ["s3.", region, ".", suffix].concat(),
            port: None,
            path: String::new(),
        })
    }

    /// How the connection is made.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host in lower case, an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; `None` if it is the scheme's own.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The port, the scheme's own if no other is given.
    #[must_use]
    pub fn port_number(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }

    /// What stands before bucket and key: empty, or segments that each begin with a slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether AWS's own S3 answers there. Load balancers and machines have names under AWS's domains as
    /// well, and any server may stand behind those.
    #[must_use]
    pub fn is_aws(&self) -> bool {
        is_host_of_aws(&self.host)
    }

    /// Is the host an address? Then no bucket can stand before it.
    #[must_use]
    pub fn is_ip(&self) -> bool {
        self.host.starts_with('[') || self.host.parse::<Ipv4Addr>().is_ok()
    }
}

/// `scheme://host[:port][/path]`, as clients of the S3 API take it.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

/// Why a text is no endpoint, or an endpoint cannot be used. It never repeats the text, which may hold a
/// password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// No `http://` or `https://`.
    #[error(
        "the endpoint must begin with https:// or http://, for example https://s3.example.com:9000"
    )]
    Scheme,
    /// A path that clients would rewrite.
    #[error(
        "the endpoint's path must be segments of letters, digits, '-', '.', '_' and '~' with one slash between them, for \
         example https://example.com/storage/v1/s3: clients rewrite any other, and the path is signed"
    )]
    Path,
    /// A path on a host of AWS.
    #[error(
        "the endpoint is AWS's and holds a path, which AWS's endpoints do not have: leave the path out; a bucket's name \
         stands in no endpoint"
    )]
    PathOfAws,
    /// The last segment of the path is the bucket, and the bucket would stand in the URL twice.
    #[error(
        "the endpoint's path ends with the bucket's name: leave the bucket {0:?} out of the ClusterObjectStore's endpoint"
    )]
    BucketInPath(String),
    /// A query.
    #[error("the endpoint holds a query ('?'): give scheme, host, port and path only")]
    Query,
    /// A fragment.
    #[error("the endpoint holds a fragment ('#'): give scheme, host, port and path only")]
    Fragment,
    /// A user name or password.
    #[error(
        "the endpoint holds user information ('@'): credentials belong in the store's credentials, never in the endpoint"
    )]
    UserInfo,
    /// A host that is neither a DNS name nor an address in its usual form.
    #[error(
        "the endpoint's host must be a DNS name of letters, digits, hyphens and dots, an IPv4 address of four decimal \
         numbers, or an IPv6 address in brackets"
    )]
    Host,
    /// A host that ends with a dot.
    #[error(
        "the endpoint's host ends with a dot: leave the dot out. Clients disagree on whether it stands in Host, and Host \
         is signed"
    )]
    TrailingDot,
    /// A host with an underscore.
    #[error(
        "the endpoint's host holds an underscore, which no host name may: clients and certificates refuse it. Give the \
         server a name of letters, digits, hyphens and dots"
    )]
    Underscore,
    /// A port that is no number from 1 to 65535.
    #[error(
        "the endpoint's port must be a number from 1 to 65535; leave the ':' out for the scheme's own port"
    )]
    Port,
    /// A region that is not AWS's.
    #[error(
        "region {0:?} is none of AWS's known regions: set the store's endpoint, for example https://s3.example.com:9000"
    )]
    UnknownAwsRegion(String),
    /// A region that cannot stand in a credential scope.
    #[error(
        "a region holds letters, digits, '.', '_' and '-' only and begins and ends with a letter or digit"
    )]
    Region,
    /// The host is that of one bucket, and the bucket would stand in the URL twice.
    #[error(
        "the endpoint's host begins with the bucket's name: leave the bucket out of the ClusterObjectStore's endpoint, for \
         example https://s3.example.com and not https://{0}.s3.example.com"
    )]
    BucketInHost(String),
    /// `VirtualHost` with an address as host.
    #[error(
        "addressing style VirtualHost needs a host name, and this endpoint's host is an IP address: use Path, or an \
         endpoint with a name"
    )]
    VirtualHostOfIp,
    /// A name that only old buckets have, which no host can have.
    #[error(
        "bucket {0:?} has capitals or '_' in its name, which only old buckets of stores with an endpoint of their own have, \
         and only by addressing style Path: AWS and host names take lower-case letters, digits, dots and hyphens"
    )]
    OldBucketName(String),
    /// `BucketEndpoint` on a store that does not name its bucket.
    #[error(
        "addressing style BucketEndpoint needs spec.s3.bucket: name the one bucket that the endpoint stands for"
    )]
    BucketNotNamed,
    /// Another bucket than the one that the endpoint stands for.
    #[error(
        "its endpoint stands for the one bucket {served:?} (addressing style BucketEndpoint), and bucket {asked:?} cannot \
         be reached by it: name that bucket, or another store"
    )]
    OtherBucket {
        /// The bucket that the endpoint stands for.
        served: String,
        /// The requested bucket.
        asked: String,
    },
    /// By path a bucket would be a path of the server itself.
    #[error(
        "bucket {0:?} in a path is a page of the server itself on MinIO: use another bucket, or addressing style VirtualHost"
    )]
    ServersOwnPath(String),
    /// `VirtualHost` with a name that becomes longer than DNS allows.
    #[error(
        "bucket and endpoint together are longer than the 253 characters of a host name: use addressing style Path"
    )]
    VirtualHostTooLong,
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), EndpointError> {
    let host_end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None if authority.starts_with('[') => return Err(EndpointError::Host),
        None => 0,
    };
    let Some(colon) = authority[host_end..].find(':') else {
        return Ok((authority, None));
    };
    let (host, port) = authority.split_at(host_end + colon);
    let port = &port[1..];
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(EndpointError::Port);
    }
    match port.parse() {
        Ok(number) if number > 0 => Ok((host, Some(number))),
        _ => Err(EndpointError::Port),
    }
}

fn canonical_host(host: &str) -> Result<String, EndpointError> {
    if let Some(inner) = host.strip_prefix('[') {
        let address: Ipv6Addr = inner
            .strip_suffix(']')
            .and_then(|inner| inner.parse().ok())
            .ok_or(EndpointError::Host)?;
        // Clients do not agree on how an address with an IPv4 tail is written, and `Host` is signed.
        let has_v4_tail =
            address.to_ipv4().is_some() && !address.is_loopback() && !address.is_unspecified();
        return if has_v4_tail {
            Err(EndpointError::Host)
        } else {
            Ok(format!("[{address}]"))
        };
    }
    let host = host.to_ascii_lowercase();
    if host.len() > 1 && host.ends_with('.') {
        return Err(EndpointError::TrailingDot);
    }
    if host.contains('_') {
        return Err(EndpointError::Underscore);
    }
    if host.len() > MAX_HOST || !host.split('.').all(is_dns_label) {
        return Err(EndpointError::Host);
    }
    // Clients read a name that ends in a number as an IPv4 address in one of its old spellings and rewrite
    // it.
    let last = host.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if numeric && host.parse::<Ipv4Addr>().is_err() {
        return Err(EndpointError::Host);
    }
    Ok(host)
}

/// The forms of "Amazon S3 endpoints and quotas", "Making requests to Amazon S3 over IPv6" and "AWS
/// `PrivateLink` for Amazon S3".
fn is_host_of_aws(host: &str) -> bool {
    let name = [".amazonaws.com.cn", ".amazonaws.com", ".api.aws"]
        .iter()
        .find_map(|domain| host.strip_suffix(domain));
    let labels: Vec<&str> = name.map_or_else(Vec::new, |name| name.split('.').collect());
    match labels.as_slice() {
        ["s3" | "s3-accelerate" | "s3-external-1"] | ["s3-accelerate", "dualstack"] => true,
        [legacy] => legacy.strip_prefix("s3-").is_some_and(is_region_of_aws),
        ["s3" | "s3-fips", region] | ["s3" | "s3-fips", "dualstack", region] => {
            is_region_of_aws(region)
        }
        [.., endpoint, "s3", region, "vpce"] => {
            endpoint.starts_with("vpce-") && is_region_of_aws(region)
        }
        _ => false,
    }
}

/// Whether a text has the form of a name of AWS's regions: words, and a number at the end.
fn is_region_of_aws(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.split_last().is_some_and(|(number, words)| {
        let word = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
        words.len() >= 2
            && words.iter().all(word)
            && !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}

/// RFC 3986's unreserved characters, and not a segment that clients resolve.
fn is_plain_segment(segment: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    !matches!(segment, "" | "." | "..") && segment.bytes().all(plain)
}

fn is_dns_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn area_and_number(area: &str, number: &str) -> bool {
    let lower = |b: u8| b.is_ascii_lowercase();
    !area.is_empty()
        && area.bytes().all(lower)
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
}
