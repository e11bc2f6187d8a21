//! The settings of an installation, as the engine sees them. A constant that nobody sets stands beside its
//! use.

use std::collections::BTreeSet;
use std::time::Duration;

/// The settings of one operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The class that is served; `None` is the default one.
    pub class: Option<String>,
    /// The operator's own namespace, with the stores' credentials: no Secret is written there.
    pub own_namespace: String,
    /// The namespaces that are served; `None` for all. Nothing is decided before each had its first lists. An
    /// instance that serves only some of them reports of a store only what its own resources show: other
    /// instances serve the rest, and two that count different URLs would correct each other for ever.
    pub namespaces: Option<BTreeSet<String>>,
    /// How long a refusal lasts before the Secret is removed.
    pub denial_grace: DenialGrace,
    /// The shortest life of a URL that is renewed.
    pub min_renewed_duration: Duration,
    /// The time over which the re-signing is spread after a change of a store's credentials or endpoint.
    pub resign_within: Duration,
    /// How many bytes of memory the PresignedURLs of one namespace may take; those that are created after it
    /// is full are refused until others go.
    pub namespace_share: usize,
    /// The most steps in flight.
    pub concurrency: usize,
    /// Whether tenants' Secrets may be read and watched.
    pub secret_access: SecretAccess,
    /// Keys that a secretTemplate may not set, in addition to those that are always refused.
    pub template_deny: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            class: None,
            own_namespace: "presigned-url-operator".to_owned(),
            namespaces: None,
            denial_grace: DenialGrace::After(Duration::from_mins(10)),
            min_renewed_duration: Duration::from_mins(5),
            resign_within: Duration::from_mins(5),
            namespace_share: 8 * 1024 * 1024,
            concurrency: 32,
            secret_access: SecretAccess::Watch,
            template_deny: Vec::new(),
        }
    }
}

/// When the Secret of a refused resource is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenialGrace {
    /// After the refusal has lasted this long.
    After(Duration),
    /// Never: it stays until its URLs have expired.
    Never,
}

/// What the operator may do with tenants' Secrets in addition to writing its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretAccess {
    /// Get, list and watch: drift is fixed within seconds.
    Watch,
    /// Nothing: drift is fixed at renewal.
    None,
}
