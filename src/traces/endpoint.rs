//! Where a collector is, and which share of the traces it gets.
//!
//! What holds here: a collector's address holds no password, so that it may stand in a log.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use thiserror::Error;

/// The path of traces below the base of an endpoint, as the OTLP specification has it.
const PATH: &str = "/v1/traces";

/// The base URL of a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(String);

/// Why a text is no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// It is no URL of HTTP, or more than one.
    #[error("give the collector's URL, for example http://collector.monitoring:4318")]
    NoUrl,
    /// It holds a user.
    #[error(
        "leave user and password out of the URL, since it is logged: set OTEL_EXPORTER_OTLP_HEADERS to \
         authorization=..."
    )]
    User,
    /// It ends with what is added.
    #[error("leave {PATH} out of the URL: it is added")]
    Path,
}

impl Endpoint {
    /// Where traces are sent.
    pub(super) fn of_traces(&self) -> String {
        format!("{}{PATH}", self.0)
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let uri: Uri = text.parse().map_err(|_| EndpointError::NoUrl)?;
        let authority = uri.authority().ok_or(EndpointError::NoUrl)?;
        if authority.as_str().contains('@') {
            return Err(EndpointError::User);
        }
        let of_http = matches!(uri.scheme_str(), Some("http" | "https"));
        if !of_http || authority.host().is_empty() || uri.query().is_some() || text.contains('#') {
            return Err(EndpointError::NoUrl);
        }
        let base = text.trim_end_matches('/');
        if base.ends_with(PATH) {
            return Err(EndpointError::Path);
        }
        Ok(Self(base.to_owned()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A share between 0 and 1, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplingRatio(u32);

/// Why a text is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("give a number between 0 and 1, for example 0.1 for every tenth")]
pub struct RatioError;

const MILLION: u32 = 1_000_000;

impl SamplingRatio {
    /// Everything.
    pub const ALL: Self = Self(MILLION);

    /// As a number between 0 and 1.
    #[must_use]
    pub fn get(self) -> f64 {
        f64::from(self.0) / f64::from(MILLION)
    }
}

impl FromStr for SamplingRatio {
    type Err = RatioError;

    fn from_str(text: &str) -> Result<Self, RatioError> {
        let ratio: f64 = text.parse().map_err(|_| RatioError)?;
        if !(0.0..=1.0).contains(&ratio) {
            return Err(RatioError);
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and a million"
        )]
        let millionths = (ratio * f64::from(MILLION)).round() as u32;
        Ok(Self(millionths))
    }
}

impl fmt::Display for SamplingRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}
