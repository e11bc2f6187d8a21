//! A `SigV4` verifier for presigned URLs: what an S3 server does with one, from AWS's description of the
//! algorithm.
//!
//! What holds here: bare HMAC and SHA-256, and not one line of the code that it checks. It is strict where
//! AWS is: the life, the date of the scope, signed headers that were not sent, and `x-amz-*` headers that
//! were sent and not signed are refused. Include it with `#[path]`; it needs the crates `hmac`, `sha2` and
//! `jiff`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// How far a server's clock may lie behind the signer's.
const FUTURE: i64 = 15 * 60;
/// The longest life of a presigned URL.
const WEEK: i64 = 7 * 24 * 60 * 60;

/// Would an S3 server that knows `secret` accept this request at `now`? `headers` are those that the client
/// sends, without `Host`. The error is the server's reason.
pub fn verify(
    url: &str,
    method: &str,
    headers: &[(String, String)],
    secret: &str,
    now: Timestamp,
) -> Result<(), String> {
    let (_, rest) = url.split_once("://").ok_or("no scheme")?;
    let (rest, query) = rest.split_once('?').ok_or("no query")?;
    let slash = rest.find('/').ok_or("no path")?;
    let (host, path) = rest.split_at(slash);

    let mut params = Vec::new();
    let mut amz = BTreeMap::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').ok_or("a parameter without '='")?;
        let (name, value) = (decode(name)?, decode(value)?);
        if name.starts_with("X-Amz-") && amz.insert(name.clone(), value.clone()).is_some() {
            return Err(format!("{name} stands twice"));
        }
        if name != "X-Amz-Signature" {
            params.push((encode(&name, b""), encode(&value, b"")));
        }
    }
    params.sort();
    let get = |name: &str| amz.get(name).ok_or(format!("no {name}"));

    if get("X-Amz-Algorithm")? != "AWS4-HMAC-SHA256" {
        return Err("unknown algorithm".to_owned());
    }
    let date = get("X-Amz-Date")?;
    let (_, scope) = get("X-Amz-Credential")?
        .split_once('/')
        .ok_or("a credential without scope")?;
    let [day, region, service, "aws4_request"] = scope.split('/').collect::<Vec<_>>()[..] else {
        return Err("a malformed credential scope".to_owned());
    };
    if !date.starts_with(day) {
        return Err("the scope's date is not the request's".to_owned());
    }
    check_time(date, get("X-Amz-Expires")?, now)?;

    let mut sent = BTreeMap::from([("host".to_owned(), host.to_owned())]);
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        if sent.insert(name.clone(), value).is_some() {
            return Err(format!("header {name} was sent twice"));
        }
    }
    let signed_headers = get("X-Amz-SignedHeaders")?;
    let mut canonical_headers = String::new();
    for name in signed_headers.split(';') {
        let value = sent
            .remove(name)
            .ok_or(format!("signed header {name} was not sent"))?;
        canonical_headers.extend([name, ":", &value, "\n"]);
    }
    if let Some(name) = sent
        .keys()
        .find(|name| *name == "host" || name.starts_with("x-amz-"))
    {
        return Err(format!("header {name} was sent and not signed"));
    }

    let path = encode(&decode(path)?, b"/");
    let query: Vec<_> = params
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let canonical = format!(
        "{method}\n{path}\n{}\n{canonical_headers}\n{signed_headers}\nUNSIGNED-PAYLOAD",
        query.join("&"),
    );
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex(&Sha256::digest(canonical.as_bytes())),
    );
    let key = signing_key(secret, [day, region, service])?;
    if hex(&hmac(&key, &to_sign)?) == *get("X-Amz-Signature")? {
        Ok(())
    } else {
        Err("the signature does not match".to_owned())
    }
}

/// The key that signs for a day, a region and a service.
pub fn signing_key(secret: &str, scope: [&str; 3]) -> Result<Vec<u8>, String> {
    let first = format!("AWS4{secret}").into_bytes();
    let parts = scope.into_iter().chain(["aws4_request"]);
    parts
        .into_iter()
        .try_fold(first, |key, part| hmac(&key, part))
}

fn check_time(date: &str, expires: &str, now: Timestamp) -> Result<(), String> {
    let start = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date)
        .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC))
        .map_err(|_| "a malformed date")?
        .timestamp()
        .as_second();
    let expires: i64 = expires.parse().map_err(|_| "a malformed X-Amz-Expires")?;
    if !(1..=WEEK).contains(&expires) {
        return Err("X-Amz-Expires is not between one second and seven days".to_owned());
    }
    if now.as_second() + FUTURE < start {
        return Err("the request is not yet valid".to_owned());
    }
    if now.as_second() >= start + expires {
        return Err("the request has expired".to_owned());
    }
    Ok(())
}

/// HMAC-SHA256.
pub fn hmac(key: &[u8], message: &str) -> Result<Vec<u8>, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|e| e.to_string())?;
    mac.update(message.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn decode(text: &str) -> Result<String, String> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            let digits = tail.get(..2).and_then(|d| std::str::from_utf8(d).ok());
            let byte = digits.and_then(|d| u8::from_str_radix(d, 16).ok());
            out.push(byte.ok_or("a broken percent escape")?);
            rest = &tail[2..];
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(out).map_err(|_| "not UTF-8".to_owned())
}

fn encode(text: &str, raw: &[u8]) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || raw.contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
