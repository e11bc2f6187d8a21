//! The operator under measure: its real binary.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::PATIENCE;
use super::world::{OWN_NAMESPACE, World};
use crate::process::Process;

/// The name of its program.
const PROGRAM: &str = "presigned-url-operator";

/// An operator that runs; it is killed on drop.
pub struct Operator {
    /// Its process.
    pub process: Process,
    health: SocketAddr,
}

impl Operator {
    /// Starts it with its default settings.
    pub fn start(world: &World, program: &Path) -> Result<Self> {
        Self::start_with(world, program, &[])
    }

    /// Starts it with further flags.
    pub fn start_with(world: &World, program: &Path, flags: &[&str]) -> Result<Self> {
        Self::start_by(world, program, &[], flags)
    }

    /// Starts it in the cgroup whose file takes pids.
    pub fn start_in(world: &World, program: &Path, processes: &Path) -> Result<Self> {
        let enter = format!("echo $$ > '{}' && exec \"$0\" \"$@\"", processes.display());
        let program = program.display().to_string();
        let before = ["-c".to_owned(), enter, program];
        Self::start_by(world, Path::new("sh"), &before, &[])
    }

    fn start_by(world: &World, command: &Path, before: &[String], flags: &[&str]) -> Result<Self> {
        let [health, metrics] = presigned_testkit::free_ports::<2>()?
            .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let args = [
            "run".to_owned(),
            format!("--kubeconfig={}", world.kubeconfig().display()),
            format!("--pod-namespace={OWN_NAMESPACE}"),
            format!("--health-addr={health}"),
            format!("--metrics-addr={metrics}"),
        ];
        let flags = flags.iter().map(|flag| (*flag).to_owned());
        let args = before.iter().cloned().chain(args).chain(flags);
        Ok(Self {
            process: Process::start(PROGRAM, command, args)?,
            health,
        })
    }

    /// Waits until `/readyz` answers 200; returns when that was.
    pub async fn ready(&mut self, started: Instant) -> Result<Duration> {
        while started.elapsed() < PATIENCE {
            if is_ready(self.health).await.unwrap_or(false) {
                return Ok(started.elapsed());
            }
            self.process.check_alive()?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("the operator is not ready:\n{}", self.process.log_tail())
    }
}

async fn is_ready(address: SocketAddr) -> Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}
