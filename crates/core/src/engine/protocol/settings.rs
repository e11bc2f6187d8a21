//! What an installation sets, as the engine sees it. Constants that nobody sets stand beside their use.

use std::collections::BTreeSet;
use std::time::Duration;

/// The settings of one operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The class that is served; `None` serves resources without a class.
    pub class: Option<String>,
    /// The namespaces that are served; `None` for all. Nothing is decided before each had its first lists. An
    /// instance that serves some of them tells of a store only what its own resources make it know: others
    /// serve the rest, and two that count different URLs would correct each other for ever.
    pub namespaces: Option<BTreeSet<String>>,
    /// How long a refusal stands before the Secret is removed.
    pub denial_grace: DenialGrace,
    /// The shortest life of a URL that is renewed.
    pub min_renewed_duration: Duration,
    /// Over how long a change of a store's credentials or endpoint is spread.
    pub resign_within: Duration,
    /// Steps in flight.
    pub concurrency: usize,
    /// Whether tenants' Secrets may be read and watched.
    pub secret_access: SecretAccess,
    /// Keys that a secretTemplate may not set, besides those that are always refused.
    pub template_deny: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            class: None,
            namespaces: None,
            denial_grace: DenialGrace::After(Duration::from_mins(10)),
            min_renewed_duration: Duration::from_mins(5),
            resign_within: Duration::from_mins(5),
            concurrency: 32,
            secret_access: SecretAccess::Watch,
            template_deny: Vec::new(),
        }
    }
}

/// What becomes of the Secret of a refused resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenialGrace {
    /// It is removed when the refusal has stood for so long.
    After(Duration),
    /// It stays until its URLs have expired.
    Never,
}

/// What the operator may do with tenants' Secrets besides writing its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretAccess {
    /// Get, list and watch: drift is healed within seconds.
    Watch,
    /// Nothing: drift is healed at renewal.
    None,
}
