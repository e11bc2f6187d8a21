//! The settings of an installation, as the engine sees them. A constant that nobody sets stands beside its
//! use.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::api::DEFAULT_CLASS;

/// The name in a store's status of the operator that serves the default class in all namespaces.
pub const SOLE_OPERATOR: &str = "class=default";

/// The settings of one operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The class that is served; `None` is the default one.
    pub class: Option<String>,
    /// The operator's own namespace, with the stores' credentials: no Secret is written there.
    pub own_namespace: String,
    /// The name of the operator's Lease in its own namespace: no other operator there has it.
    pub lease_name: String,
    /// The namespaces that are served; `None` for all. Nothing is decided before each had its first lists.
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
            lease_name: "presigned-url-operator".to_owned(),
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

impl Settings {
    /// The name by which this operator reports on stores. Two operators that serve different resources have
    /// different names, and a restart or another set of namespaces changes none. An operator that serves all
    /// namespaces is known by its class alone, so that it finds its report again after it moved.
    #[must_use]
    pub fn reports_as(&self) -> String {
        let class = self.class.as_deref().unwrap_or(DEFAULT_CLASS);
        if self.namespaces.is_none() {
            return format!("class={class}");
        }
        let Self {
            own_namespace,
            lease_name,
            ..
        } = self;
        format!("class={class},lease={own_namespace}/{lease_name}")
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

#[cfg(test)]
mod tests {
    //! The names of operators.

    use super::*;

    #[test]
    fn an_operator_is_known_by_its_class_and_its_lease_only_if_it_serves_some_namespaces() {
        let named = |class: Option<&str>, namespaces: Option<&[&str]>| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let settings = Settings {
                class: class.map(str::to_owned),
                own_namespace: "system".to_owned(),
                lease_name: "team".to_owned(),
                namespaces: namespaces.map(owned),
                ..Settings::default()
            };
            settings.reports_as()
        };
        assert_eq!(named(None, None), SOLE_OPERATOR);
        assert_eq!(named(Some("blue"), None), "class=blue");
        let default = "class=default,lease=system/team";
        assert_eq!(named(None, Some(&["a"])), default);
        assert_eq!(named(None, Some(&["a", "b"])), default);
        assert_eq!(
            named(Some("blue"), Some(&["a"])),
            "class=blue,lease=system/team"
        );
    }
}
