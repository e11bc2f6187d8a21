//! A presigned URL taken apart: what it says of itself, without its signature.
//!
//! What holds here: the signature and the session token are never kept, so nothing that is printed later can
//! hold them. No error repeats the text.

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use percent_encoding::percent_decode_str;

/// What a URL says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedUrl {
    /// Host and port, in lower case.
    pub host: String,
    /// The path, decoded.
    pub path: String,
    /// `X-Amz-Date`
    pub signed_at: Option<Timestamp>,
    /// The end: `X-Amz-Date` and `X-Amz-Expires`.
    pub expires_at: Option<Timestamp>,
    /// Of the credential scope.
    pub access_key_id: Option<String>,
    /// Of the credential scope.
    pub region: Option<String>,
    /// Whether it has a session token.
    pub session: bool,
    /// The headers that it is signed with.
    pub headers: Option<String>,
}

/// Why a text is no URL of an object.
pub const NO_URL: &str = "this is no URL: give one that begins with https:// or http://, whole as it was found, or - and \
                          the URL on stdin";

impl SignedUrl {
    /// Reads the first URL of a text.
    ///
    /// # Errors
    /// If there is none.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let start = text
            .find("https://")
            .into_iter()
            .chain(text.find("http://"))
            .min();
        let url = text.get(start.ok_or(NO_URL)?..).unwrap_or_default();
        let end = url.find(|c: char| c.is_whitespace() || "\"'<>`".contains(c));
        let url = url.get(..end.unwrap_or(url.len())).unwrap_or_default();
        // A URL in HTML or JSON may have its ampersands escaped.
        let url = url.replace("&amp;", "&").replace("\\u0026", "&");
        let rest = url.split_once("://").ok_or(NO_URL)?.1;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
        let host = host.rsplit('@').next().unwrap_or(host).to_lowercase();
        if host.is_empty() || path.len() < 2 {
            return Err(NO_URL);
        }
        let parameter = |name: &str| {
            query.split('&').find_map(|pair| {
                let (key, value) = pair.split_once('=')?;
                key.eq_ignore_ascii_case(name).then(|| decoded(value))
            })
        };
        let credential = parameter("X-Amz-Credential");
        let scope: Vec<&str> = credential.iter().flat_map(|text| text.split('/')).collect();
        let part = |at: usize| scope.get(at).map(|part| (*part).to_owned());
        let signed_at = parameter("X-Amz-Date").and_then(|text| date(&text));
        let lives = parameter("X-Amz-Expires").and_then(|text| text.parse().ok());
        let ends = |at: Timestamp| at.checked_add(SignedDuration::from_secs(lives?)).ok();
        Ok(Self {
            host,
            path: decoded(path),
            signed_at,
            expires_at: signed_at.and_then(ends),
            access_key_id: part(0).filter(|_| scope.len() == 5),
            region: part(2).filter(|_| scope.len() == 5),
            session: parameter("X-Amz-Security-Token").is_some(),
            headers: parameter("X-Amz-SignedHeaders"),
        })
    }

    /// Whether it says who signed it and when.
    #[must_use]
    pub const fn is_presigned(&self) -> bool {
        self.access_key_id.is_some() && self.signed_at.is_some()
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// `20261128T120000Z`
fn date(text: &str) -> Option<Timestamp> {
    let time = civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    //! URLs as they are found: whole, quoted, in a line of a log.

    #![allow(clippy::unwrap_used)]

    use super::*;

    const URL: &str = "https://S3.example.com:9000/models/team-a/a%20b.bin?X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAEXAMPLE%2F20261128%2Feu-west-2%2Fs3%2Faws4_request&X-Amz-Date=20261128T120000Z\
        &X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=hidden";

    #[test]
    fn a_url_says_who_signed_it_when_and_until_when() {
        let read = SignedUrl::read(URL).unwrap();
        assert_eq!(
            (read.host.as_str(), read.path.as_str()),
            ("s3.example.com:9000", "/models/team-a/a b.bin")
        );
        assert_eq!(read.access_key_id.as_deref(), Some("AKIAEXAMPLE"));
        assert_eq!(read.region.as_deref(), Some("eu-west-2"));
        assert_eq!(
            read.expires_at,
            Some("2026-11-28T13:00:00Z".parse().unwrap())
        );
        assert!(!read.session && read.is_presigned());
        assert!(!format!("{read:?}").contains("hidden"));
        let in_a_log = format!(
            "10.0.0.1 \"GET {} HTTP/1.1\" 200",
            URL.replace('&', "&amp;")
        );
        assert_eq!(SignedUrl::read(&in_a_log).unwrap(), read);
    }

    #[test]
    fn a_url_without_a_signature_is_read_as_far_as_it_goes_and_none_is_refused() {
        let bare = SignedUrl::read("http://host/bucket/key").unwrap();
        assert!(!bare.is_presigned());
        for text in [
            "",
            "bucket/key",
            "https://host",
            "https:///path",
            "ftp://a/b",
        ] {
            assert!(SignedUrl::read(text).is_err(), "{text}");
        }
    }
}
