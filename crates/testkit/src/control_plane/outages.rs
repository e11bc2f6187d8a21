//! Outages of a control plane of our own: its API server restarts, its etcd holds still.

use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::start::{API_SERVER, ETCD, PATIENCE, is_ready};
use super::{ControlPlane, Launch, Launches};
use crate::guard::Guarded;

/// A server that holds still until this is dropped.
#[derive(Debug)]
pub struct Paused(Pid);

impl Drop for Paused {
    fn drop(&mut self) {
        // A server that has ended needs no signal.
        let _ = kill_process(self.0, Signal::CONT);
    }
}

impl ControlPlane {
    /// Kills kube-apiserver, starts it again with the same flags, and waits until it serves.
    ///
    /// # Errors
    /// In a cluster that somebody else runs, or if the server does not come up again.
    pub async fn restart_api(&self) -> Result<()> {
        self.restart_api_with(&[]).await
    }

    /// As [`Self::restart_api`], with further flags until the next restart.
    pub async fn restart_api_with(&self, flags: &[&str]) -> Result<()> {
        let launch = &self.launches()?.api_server;
        self.stop(API_SERVER)?;
        self.start_again(API_SERVER, launch, flags)?;
        self.until_served().await
    }

    /// Ends one of its servers.
    pub(super) fn stop(&self, server: &str) -> Result<()> {
        find(&mut self.servers(), server)?.stop();
        Ok(())
    }

    /// Starts one of its servers that was ended, with further flags.
    pub(super) fn start_again(&self, name: &str, launch: &Launch, flags: &[&str]) -> Result<()> {
        let mut servers = self.servers();
        let server = find(&mut servers, name)?;
        let flags = flags.iter().copied();
        let flags = launch.flags.iter().map(String::as_str).chain(flags);
        *server = self.folder.spawn(name, &launch.program, flags)?;
        Ok(())
    }

    /// How its servers are started.
    pub(super) fn launches(&self) -> Result<&Launches> {
        let launches = self.launches.as_ref();
        launches.context("somebody else runs this cluster")
    }

    /// Waits until kube-apiserver, which was started again, serves.
    pub(super) async fn until_served(&self) -> Result<()> {
        let client = self.admin()?;
        let deadline = Instant::now() + PATIENCE;
        while !is_ready(&client).await {
            for server in [ETCD, API_SERVER] {
                find(&mut self.servers(), server)?.check_alive()?;
            }
            if Instant::now() > deadline {
                bail!("gave up waiting for kube-apiserver to be ready again");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Holds etcd still (SIGSTOP) until what is returned is dropped (SIGCONT).
    ///
    /// # Errors
    /// In a cluster that somebody else runs.
    pub fn pause_etcd(&self) -> Result<Paused> {
        let mut servers = self.servers();
        let pid = find(&mut servers, ETCD)?.server()?;
        kill_process(pid, Signal::STOP).context("pause etcd")?;
        Ok(Paused(pid))
    }

    /// The pid of one of its servers: `etcd`, `kube-apiserver` or `kube-controller-manager`.
    ///
    /// # Errors
    /// In a cluster that somebody else runs.
    pub fn pid(&self, server: &str) -> Result<u32> {
        let pid = find(&mut self.servers(), server)?.server()?;
        Ok(pid.as_raw_nonzero().get().unsigned_abs())
    }

    /// The servers that run.
    pub(super) fn servers(&self) -> MutexGuard<'_, Vec<Guarded>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find<'a>(servers: &'a mut [Guarded], name: &str) -> Result<&'a mut Guarded> {
    let found = servers.iter_mut().find(|server| server.name() == name);
    found.with_context(|| format!("no {name} of this control plane runs"))
}
