//! Values of flags that are more than a word or a number.

use std::time::Duration;

/// How long a denied resource keeps its Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenialGrace {
    /// The Secret goes once the resource has been denied for so long; zero: at once.
    After(Duration),
    /// The Secret stays until its URLs expire.
    Never,
}

/// `--denial-grace`.
pub(super) fn denial_grace(text: &str) -> Result<DenialGrace, String> {
    match text {
        "never" => Ok(DenialGrace::Never),
        "0" | "0s" => Ok(DenialGrace::After(Duration::ZERO)),
        _ => duration(text)
            .map(DenialGrace::After)
            .map_err(|e| format!("{e}; or give 0s (at once) or never")),
    }
}

/// A Go-style duration of at least a second.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "give a duration such as 90s, 10m or 1h30m".to_owned();
    let mut rest = text;
    let mut nanoseconds: u128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let unit: u64 = match &rest[..letters] {
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(wrong()),
        };
        rest = &rest[letters..];
        nanoseconds += u128::from(number) * u128::from(unit);
    }
    let seconds = u64::try_from(nanoseconds / 1_000_000_000).map_err(|_| wrong())?;
    if seconds == 0 {
        return Err(wrong());
    }
    Ok(Duration::from_secs(seconds))
}

/// The name of a namespace.
pub(super) fn namespace(text: &str) -> Result<String, String> {
    let inside = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let edges = !text.starts_with('-') && !text.ends_with('-');
    if text.is_empty() || text.len() > 63 || !edges || !text.bytes().all(inside) {
        return Err(
            "give names of namespaces, lower-case letters, digits and '-', separated by commas"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}
