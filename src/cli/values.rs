//! Values of flags that are more than a word or a number.

use std::time::Duration;

use presigned_core::engine::{DenialGrace, SecretAccess};
use presigned_core::request::{is_dns_label, parse_duration};

/// A store that takes longer keeps others waiting.
const MAX_STORE_TIMEOUT: Duration = Duration::from_mins(1);

/// `--secret-access`, in the words of the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum AccessFlag {
    /// Watch the metadata of the Secrets that the operator wrote, and heal drift at once.
    #[default]
    Watch,
    /// Only write; drift is healed at renewal.
    None,
}

impl From<AccessFlag> for SecretAccess {
    fn from(flag: AccessFlag) -> Self {
        match flag {
            AccessFlag::Watch => Self::Watch,
            AccessFlag::None => Self::None,
        }
    }
}

/// `--metrics-auth`: who may read `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum AuthFlag {
    /// Everybody who reaches the port.
    #[default]
    None,
    /// Those whose bearer token the API server allows it.
    Token,
}

/// `--denial-grace`.
pub(super) fn denial_grace(text: &str) -> Result<DenialGrace, String> {
    match text {
        "never" => Ok(DenialGrace::Never),
        "0" | "0s" => Ok(DenialGrace::After(Duration::ZERO)),
        _ => pause(text)
            .map(DenialGrace::After)
            .map_err(|error| format!("{error}; or give 0s (at once) or never")),
    }
}

/// A Go-style duration of at least a second.
pub(super) fn pause(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// `--wait`.
pub(super) fn wait(text: &str) -> Result<Duration, String> {
    match text {
        "0" | "0s" => Ok(Duration::ZERO),
        _ => pause(text).map_err(|error| format!("{error}; or give 0s to wait for nothing")),
    }
}

/// `--store-timeout`.
pub(super) fn store_timeout(text: &str) -> Result<Duration, String> {
    let timeout = pause(text)?;
    if timeout > MAX_STORE_TIMEOUT {
        return Err("give a duration between 1s and 1m, for example 10s".to_owned());
    }
    Ok(timeout)
}

/// A number of bytes as Kubernetes writes memory, in Ki or Mi.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let units = [("Ki", 1024), ("Mi", 1024 * 1024)];
    units
        .iter()
        .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)))
        .and_then(|(number, bytes)| number.parse::<usize>().ok()?.checked_mul(*bytes))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "give a whole number with Ki or Mi, for example 8Mi".to_owned())
}

/// `--lease-name`.
pub(super) fn lease_name(text: &str) -> Result<String, String> {
    if is_dns_label(text) {
        return Ok(text.to_owned());
    }
    Err(
        "give at most 63 lower-case letters, digits and '-', for example the release's name"
            .to_owned(),
    )
}

/// The name of a namespace.
pub(super) fn namespace(text: &str) -> Result<String, String> {
    if !is_dns_label(text) {
        return Err(
            "give names of namespaces, lower-case letters, digits and '-', separated by commas"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}
