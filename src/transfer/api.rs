//! `presigned://NAMESPACE/NAME[/KEY]`: a PresignedURL and its Secret, read through the API.
//!
//! What holds here: the account is the pod's own (or a kubeconfig's), which needs `get` of that PresignedURL
//! and of its Secret, and nothing else.

use std::fmt;
use std::path::PathBuf;

use presigned_core::engine::ApiError;
use presigned_core::request::is_dns_label;
use tokio::sync::OnceCell;

use super::contents::{Contents, Files};
use super::error::{Error, Kind};
use crate::clock::Clock;
use crate::http::Proxies;
use crate::kube::{Cluster, ServerClock, connect};
use crate::telemetry::{Metrics, Soonest};

/// The parts of the name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ApiSource {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) key: Option<String>,
}

impl ApiSource {
    /// Reads what follows `presigned://`.
    pub(super) fn parse(rest: &str) -> Result<Self, Error> {
        let wrong = || {
            Error::usage(
                "SOURCE is no presigned://NAMESPACE/NAME or presigned://NAMESPACE/NAME/KEY: name the namespace and the \
                 PresignedURL, for example presigned://team-a/model",
            )
        };
        let (namespace, rest) = rest.split_once('/').ok_or_else(wrong)?;
        let (name, key) = match rest.split_once('/') {
            Some((name, key)) => (name, Some(key).filter(|key| !key.is_empty())),
            None => (rest, None),
        };
        let is_name = |name: &str| name.len() <= 253 && name.split('.').all(is_dns_label);
        if !is_dns_label(namespace) || !is_name(name) {
            return Err(wrong());
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            key: key.map(str::to_owned),
        })
    }
}

/// A PresignedURL of a cluster.
pub(super) struct Api {
    namespace: String,
    name: String,
    kubeconfig: Option<PathBuf>,
    cluster: OnceCell<Cluster>,
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the PresignedURL {}/{}", self.namespace, self.name)
    }
}

impl Api {
    pub(super) fn new(namespace: String, name: String, kubeconfig: Option<PathBuf>) -> Self {
        Self {
            namespace,
            name,
            kubeconfig,
            cluster: OnceCell::new(),
        }
    }

    /// What its Secret holds.
    ///
    /// # Errors
    /// [`Kind::NotReady`] if there is no such resource or it has no Secret yet; the message says why.
    pub(super) async fn read(&self) -> Result<Contents, Error> {
        let cluster = self.cluster.get_or_try_init(|| self.connect()).await?;
        let seen = cluster.read_resource(&self.namespace, &self.name).await;
        let seen = seen.map_err(|why| self.failed(&why, "presignedurls", &self.name))?;
        let seen = seen.ok_or_else(|| {
            let how = format!("kubectl get psu --namespace {}", self.namespace);
            Error::new(
                Kind::NotReady,
                format!("there is no {self}: see which there are with {how}, or give --wait 5m to wait for it"),
            )
        })?;
        let Some(secret) = &seen.status.secret_ref else {
            let ready = seen
                .status
                .conditions
                .iter()
                .find(|one| one.type_ == "Ready");
            let why = ready.map_or_else(
                || "the operator has not looked at it yet".to_owned(),
                |ready| format!("{}: {}", ready.reason, ready.message),
            );
            return Err(Error::new(
                Kind::NotReady,
                format!("{self} has no Secret ({why}); give --wait 5m to wait for it"),
            ));
        };
        let data = cluster.secret_data(&self.namespace, &secret.name).await;
        let data = data.map_err(|why| self.failed(&why, "secrets", &secret.name))?;
        let Some((_, data)) = data else {
            return Err(Error::new(
                Kind::NotReady,
                format!(
                    "the Secret {} of {self} is gone: the operator writes it again",
                    secret.name
                ),
            ));
        };
        let data = data.into_iter();
        let files: Files = data
            .map(|(name, bytes)| (name, bytes.expose().to_vec()))
            .collect();
        Contents::of_secret(&files, &format!("the Secret of {self}"))
    }

    async fn connect(&self) -> Result<Cluster, Error> {
        let proxies = Proxies::from_env().map_err(|error| Error::usage(error.to_string()))?;
        let clock = ServerClock::new(Clock::start());
        let client = connect(self.kubeconfig.as_deref(), &clock, &proxies).await;
        let client = client.map_err(|error| Error::usage(error.to_string()))?;
        Ok(Cluster::new(
            client,
            Metrics::new(Soonest::default),
            String::new(),
        ))
    }

    fn failed(&self, why: &ApiError, resource: &str, name: &str) -> Error {
        let namespace = &self.namespace;
        match why {
            ApiError::Forbidden => Error::new(
                Kind::Refused,
                format!(
                    "the API server does not let this account get {resource} {name} in {namespace}: bind a Role with the \
                     verb get on presignedurls (presigned.dev) and secrets to the pod's ServiceAccount"
                ),
            ),
            _ => Error::new(
                Kind::Network,
                format!(
                    "the API server gave no answer to a get of {resource} {name} in {namespace}: retry"
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    //! What the name of a PresignedURL may be.

    use super::*;

    #[test]
    fn a_presigned_uri_has_a_namespace_a_name_and_perhaps_a_key() {
        let parse = |rest| ApiSource::parse(rest).map_err(|error| error.to_string());
        let of = |namespace: &str, name: &str, key: Option<&str>| ApiSource {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            key: key.map(str::to_owned),
        };
        assert_eq!(parse("team-a/model"), Ok(of("team-a", "model", None)));
        assert_eq!(parse("team-a/model/"), Ok(of("team-a", "model", None)));
        assert_eq!(
            parse("team-a/model.v2/a/b.gguf"),
            Ok(of("team-a", "model.v2", Some("a/b.gguf")))
        );
        for rest in [
            "",
            "team-a",
            "team-a/",
            "/model",
            "Team/model",
            "team-a/Mo",
            "../x",
            "a/../b",
        ] {
            let why = parse(rest).unwrap_err();
            assert!(why.contains("presigned://NAMESPACE/NAME"), "{rest}: {why}");
        }
    }
}
