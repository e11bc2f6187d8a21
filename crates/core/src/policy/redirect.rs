//! Where a form may send the browser after an upload.
//!
//! What holds here: a URL that passes names one place, whoever reads it. It has no user information, no fragment and no
//! dots that a browser would resolve, so a pattern of its beginning is a pattern of where it leads.

use super::words::quoted;

/// What a rule allows: one URL, or all that begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RedirectPattern {
    text: String,
    open: bool,
}

impl RedirectPattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (body, open) = match text.strip_suffix('*') {
            Some(body) => (body, true),
            None => (text, false),
        };
        if body.contains('*') {
            return Err(format!(
                "{} holds * before its end; a * may only be the last character",
                quoted(text)
            ));
        }
        if let Some(fault) = fault(body) {
            return Err(format!("{} {fault}", quoted(text)));
        }
        if open && path(body).is_none() {
            return Err(format!(
                "{} has no / between the host and *, so that it reaches hosts whose names begin alike; put / before the *",
                quoted(text)
            ));
        }
        Ok(Self {
            text: body.to_owned(),
            open,
        })
    }

    pub(super) fn matches(&self, url: &str) -> bool {
        url.strip_prefix(self.text.as_str())
            .is_some_and(|rest| self.open || rest.is_empty())
    }

    /// The pattern as it was written.
    pub(super) fn shown(&self) -> String {
        format!("{}{}", self.text, if self.open { "*" } else { "" })
    }
}

/// What is wrong with the URL, to stand after it.
pub(super) fn fault(url: &str) -> Option<&'static str> {
    let form = "is not an absolute http or https URL; give one without a fragment, for example https://example.com/done";
    let rest = url.strip_prefix("https://").or(url.strip_prefix("http://"));
    let Some(rest) = rest.filter(|_| url.len() <= 2048) else {
        return Some(form);
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    let named = host.starts_with(alphanumeric)
        && host.ends_with(alphanumeric)
        && host
            .chars()
            .all(|c| alphanumeric(c) || matches!(c, '.' | '-'));
    let numbered = port.is_none_or(|port| {
        (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit())
    });
    let spelt = path
        .chars()
        .all(|c| alphanumeric(c) || "._~!$&()*+,;=:@%/?-".contains(c));
    if !(named && numbered && spelt) {
        return Some(form);
    }
    // Browsers take %2e for a dot.
    let plain = path
        .split('?')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let plain = plain.replace("%2e", ".");
    plain
        .split('/')
        .any(|segment| matches!(segment, "." | ".."))
        .then_some("holds the segment \".\" or \"..\", which browsers resolve; give the plain path")
}

/// The URL from the slash after its host on.
fn path(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.find('/').map(|at| &rest[at..])
}
