//! Where a form may send the browser after an upload.
//!
//! What holds here: a URL that passes names one place, whoever reads it: it has no user information, no
//! fragment and no dots that a browser would resolve.

/// What is wrong with the URL, to stand after it.
pub(crate) fn redirect_fault(url: &str) -> Option<&'static str> {
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
