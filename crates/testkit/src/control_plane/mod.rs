//! A real Kubernetes control plane for tests: etcd, kube-apiserver and kube-controller-manager on loopback.
//!
//! It is made of the processes of this file's [`ControlPlane`] and of nothing else: free ports, a folder of
//! its own under the system's temporary folder, an authority and tokens of its own. Whatever ends this
//! process ends the servers and removes the folder (see [`crate::guard`]). Two control planes run side by
//! side without knowing of each other.

mod access;
mod apply;
mod outages;
mod snapshots;
mod start;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result};
use kube::{Client, Config};
use tokio::sync::OnceCell;

use crate::guard::{Guarded, GuardedFolder};

pub use access::{ApiServer, Kubeconfig};
pub use apply::{FIELD_MANAGER, apply_yaml, documents};
pub use outages::Paused;
pub use snapshots::{Revisions, Snapshot};

/// Names a kubeconfig of a cluster to test against, in place of a control plane of our own.
pub const KUBECONFIG_VARIABLE: &str = "PSU_TEST_KUBECONFIG";

/// A control plane that is up.
#[derive(Debug)]
pub struct ControlPlane {
    api: ApiServer,
    config: Config,
    kubeconfig: PathBuf,
    // Dropped before the folder that they write into.
    servers: Mutex<Vec<Guarded>>,
    /// How its servers are started; none in a cluster that somebody else runs.
    launches: Option<Launches>,
    folder: GuardedFolder,
}

/// How the servers are started.
#[derive(Debug)]
struct Launches {
    etcd: Launch,
    api_server: Launch,
    manager: Launch,
}

/// A program and its flags.
#[derive(Debug)]
struct Launch {
    program: PathBuf,
    flags: Vec<String>,
}

impl Launch {
    /// The value of a flag.
    fn flag(&self, name: &str) -> Result<&str> {
        let mut flags = self.flags.iter().filter_map(|flag| flag.split_once('='));
        let found = flags.find(|(flag, _)| *flag == name);
        let (_, value) = found.with_context(|| format!("the flag {name} is missing"))?;
        Ok(value)
    }
}

impl ControlPlane {
    /// Starts a control plane and waits until it serves and its controllers run.
    ///
    /// # Errors
    /// When a tool can't be built or a server does not come up; the error holds the end of that server's log.
    pub async fn start() -> Result<Self> {
        start::start(&[]).await
    }

    /// As [`ControlPlane::start`], with further flags for kube-apiserver.
    pub async fn start_with(flags: &[&str]) -> Result<Self> {
        start::start(flags).await
    }

    /// The control plane that all tests of this process share; the first caller starts it.
    ///
    /// `PSU_TEST_KUBECONFIG`, when set, names a cluster to use as it is.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        SHARED
            .get_or_try_init(|| async {
                match std::env::var_os(KUBECONFIG_VARIABLE) {
                    Some(path) => Self::existing(Path::new(&path)).await,
                    None => Self::start().await,
                }
            })
            .await
    }

    /// A cluster that somebody else runs; its current context must be an admin's.
    pub async fn existing(kubeconfig: &Path) -> Result<Self> {
        let config = access::read(kubeconfig).await?;
        Ok(Self {
            api: ApiServer::of(&config),
            config,
            kubeconfig: kubeconfig.to_owned(),
            servers: Mutex::default(),
            launches: None,
            folder: GuardedFolder::new("presigned-test-")?,
        })
    }

    /// The admin's kubeconfig file.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The API server's address and authority.
    #[must_use]
    pub fn api(&self) -> &ApiServer {
        &self.api
    }

    /// The API server's address, such as `https://127.0.0.1:45678`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.api.url
    }

    /// The folder that is removed in the end; tests may put files of their own there.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// An error when one of the servers has ended, with the end of its log.
    pub fn check_alive(&self) -> Result<()> {
        self.servers().iter_mut().try_for_each(Guarded::check_alive)
    }

    /// A client in `system:masters`. It never retries by itself.
    ///
    /// Each call makes a new client: a client's connections belong to the runtime of the test that made it.
    pub fn admin(&self) -> Result<Client> {
        Client::try_from(self.config.clone()).context("make the admin's client")
    }
}
