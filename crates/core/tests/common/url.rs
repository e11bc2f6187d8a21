//! A presigned URL taken apart, by hand: what it points to and when it lives.

use jiff::Timestamp;

/// What a URL says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Scheme and authority.
    pub origin: String,
    /// The path, decoded.
    pub path: String,
    /// `X-Amz-Date`.
    pub start: Timestamp,
    /// The first second at which it is dead.
    pub end: Timestamp,
    pub access_key_id: String,
    pub region: String,
    pub token: Option<String>,
}

impl Parts {
    pub fn of(url: &str) -> Option<Self> {
        let (base, query) = url.split_once('?')?;
        let slash = base.find("://")? + 3;
        let path_at = slash + base[slash..].find('/')?;
        let get = |name: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| decoded(value))
        };
        let date = get("X-Amz-Date")?;
        let start = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &date)
            .ok()?
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()?
            .timestamp();
        let seconds: i64 = get("X-Amz-Expires")?.parse().ok()?;
        let credential = get("X-Amz-Credential")?;
        let mut scope = credential.split('/');
        Some(Self {
            origin: base[..path_at].to_owned(),
            path: decoded(&base[path_at..]),
            start,
            end: super::at(start.as_second() + seconds),
            access_key_id: scope.next()?.to_owned(),
            region: scope.nth(1)?.to_owned(),
            token: get("X-Amz-Security-Token"),
        })
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .unwrap()
        .into_owned()
}
