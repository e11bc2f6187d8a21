//! The first line of the log: what the operator runs with.
//!
//! What holds here: each setting is a field of its own, named as its flag, so that a search of logs finds it;
//! a setting that nobody tells does not compile. What is not set is left out. No setting is a secret.

use presigned_core::api::DEFAULT_CLASS;
use presigned_core::engine::{self, DenialGrace, SecretAccess};

use crate::controller::Settings;

/// Logs the settings.
pub(super) fn log_start(settings: &Settings) {
    let Settings {
        kubeconfig,
        own_namespace,
        own_service_account,
        own_pod_uid,
        instance,
        health_addr,
        metrics_addr,
        metrics_auth,
        store_timeout,
        candidacy,
        traces,
        engine,
    } = settings;
    let engine::Settings {
        class,
        own_namespace: _,
        lease_name,
        namespaces,
        denial_grace,
        min_renewed_duration,
        resign_within,
        namespace_share,
        concurrency,
        secret_access,
        template_deny,
    } = engine;
    let namespaces = namespaces.as_ref().map(|names| {
        names
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(",")
    });
    let template_deny = (!template_deny.is_empty()).then(|| template_deny.join(","));
    let denial_grace = match denial_grace {
        DenialGrace::After(grace) => format!("{grace:?}"),
        DenialGrace::Never => "never".to_owned(),
    };
    let secret_access = match secret_access {
        SecretAccess::Watch => "watch",
        SecretAccess::None => "none",
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pod_namespace = own_namespace,
        pod_name = instance,
        pod_uid = own_pod_uid,
        pod_service_account = own_service_account,
        kubeconfig = kubeconfig.as_ref().map(|file| display(file.display())),
        namespaces,
        class = class.as_deref().unwrap_or(DEFAULT_CLASS),
        leader_elect = candidacy.is_some(),
        lease_name,
        reports_as = engine.reports_as(),
        holder_identity = candidacy.as_ref().map(|candidacy| &candidacy.identity),
        denial_grace,
        min_renewed_duration = ?min_renewed_duration,
        resign_within = ?resign_within,
        store_timeout = ?store_timeout,
        namespace_share,
        concurrency,
        secret_access,
        secret_template_deny = template_deny,
        health_addr = %health_addr,
        metrics_addr = %metrics_addr,
        metrics_auth = if *metrics_auth { "token" } else { "none" },
        otlp_endpoint = traces.as_ref().map(|traces| display(&traces.endpoint)),
        otlp_sampling = traces.as_ref().map(|traces| traces.sampling.get()),
        "starting"
    );
}
