//! Reading a URL as a server does.
//!
//! What holds here: only the canonical spelling is read: RFC 3986's unreserved characters as they are, all
//! others as upper-case percent escapes, a slash raw in the path only. So two texts that read the same are
//! the same.

use std::collections::BTreeMap;

use super::mismatch::Mismatch;

/// A URL's parts.
pub(super) struct Url<'a> {
    pub(super) scheme: &'a str,
    /// Host and port as they stand.
    pub(super) authority: &'a str,
    /// Decoded, without its first slash.
    pub(super) path: String,
    /// Decoded; each name stands once.
    pub(super) params: BTreeMap<String, String>,
}

impl<'a> Url<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, Mismatch> {
        let (scheme, rest) = text.split_once("://").ok_or(Mismatch::Malformed)?;
        let (rest, query) = rest.split_once('?').ok_or(Mismatch::Malformed)?;
        let (authority, path) = rest.split_once('/').ok_or(Mismatch::Malformed)?;
        let mut params = BTreeMap::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').ok_or(Mismatch::Malformed)?;
            if params
                .insert(decode(name, None)?, decode(value, None)?)
                .is_some()
            {
                return Err(Mismatch::RepeatedParameter);
            }
        }
        Ok(Self {
            scheme,
            authority,
            path: decode(path, Some(b'/'))?,
            params,
        })
    }
}

/// Every byte that is not unreserved as an escape: how a tag set is written into its header.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_unreserved(byte) {
            out.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out
}

fn decode(text: &str, also_raw: Option<u8>) -> Result<String, Mismatch> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if is_unreserved(byte) || also_raw == Some(byte) {
            out.push(byte);
            continue;
        }
        if byte != b'%' {
            return Err(Mismatch::Malformed);
        }
        let high = bytes.next().and_then(hex).ok_or(Mismatch::Malformed)?;
        let low = bytes.next().and_then(hex).ok_or(Mismatch::Malformed)?;
        let escaped = high * 16 + low;
        if is_unreserved(escaped) || also_raw == Some(escaped) {
            return Err(Mismatch::Malformed);
        }
        out.push(escaped);
    }
    String::from_utf8(out).map_err(|_| Mismatch::Malformed)
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
