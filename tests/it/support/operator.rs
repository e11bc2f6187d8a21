//! The operator under test: the real binary as a child that ends with the test.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use presigned_testkit::free_ports;
use presigned_testkit::guard::Guarded;
use rustix::process::Signal;

use super::{S3Response, eventually, http};

const PROGRAM: &str = env!("CARGO_BIN_EXE_presigned-url-operator");

/// A running operator; killed on drop.
#[derive(Debug)]
pub(crate) struct Operator {
    process: Guarded,
    log: PathBuf,
    health: SocketAddr,
    metrics: SocketAddr,
}

impl Operator {
    /// Starts the binary with `flags`, which say all but where it listens and how it logs.
    pub(crate) fn start(folder: &Path, turn: usize, env: &[String], flags: &[String]) -> Self {
        let [health, metrics] = [free_address(), free_address()];
        let log = folder.join(format!("operator-{turn}.log"));
        let own = [
            format!("--health-addr={health}"),
            format!("--metrics-addr={metrics}"),
            "--log-level=trace".to_owned(),
        ];
        // `env` replaces itself by the operator, so the process is the same.
        let arguments = env
            .iter()
            .cloned()
            .chain([PROGRAM.to_owned(), "run".to_owned()])
            .chain(flags.iter().cloned())
            .chain(own);
        let process = Guarded::spawn("operator", Path::new("env"), arguments, log.clone());
        Self {
            process: process.expect("start the operator"),
            log,
            health,
            metrics,
        }
    }

    pub(crate) fn metrics_address(&self) -> SocketAddr {
        self.metrics
    }

    pub(crate) fn health_address(&self) -> SocketAddr {
        self.health
    }

    pub(crate) fn log_file(&self) -> &Path {
        &self.log
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> S3Response {
        let address = if path == "/metrics" {
            self.metrics
        } else {
            self.health
        };
        http("GET", &format!("http://{address}{path}"), "", &[]).await
    }

    /// Waits until it listens.
    pub(crate) async fn listens(&mut self) {
        let (health, process) = (self.health, &mut self.process);
        eventually("the operator listens", async || {
            process.check_alive().expect("the operator lives");
            tokio::net::TcpStream::connect(health).await
        })
        .await;
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn ready(&mut self) {
        self.listens().await;
        eventually("the operator is ready", async || {
            let answer = self.get("/readyz").await;
            if answer.status == 200 {
                Ok(())
            } else {
                Err(answer.text())
            }
        })
        .await;
    }

    /// Waits until nothing is queued and nothing in flight, at three polls that lie further apart than the
    /// figures' tick.
    pub(crate) async fn idle(&self) {
        let mut calm = 0;
        eventually("the operator is idle", async || {
            let text = self.get("/metrics").await.text();
            let figures: Vec<&str> = text
                .lines()
                .filter(|line| line.starts_with("presigned_queue_depth{"))
                .collect();
            let quiet = figures.len() == 3 && figures.iter().all(|line| line.ends_with(" 0"));
            calm = if quiet { calm + 1 } else { 0 };
            tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
            if calm >= 3 {
                Ok(())
            } else {
                Err(figures.join("\n"))
            }
        })
        .await;
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.process.stop();
    }

    /// SIGSTOP: it holds still, and knows nothing of the time that passes.
    pub(crate) fn pause(&self) {
        self.process
            .signal(Signal::STOP)
            .expect("signal the operator");
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.process
            .signal(Signal::CONT)
            .expect("signal the operator");
    }

    /// SIGTERM.
    pub(crate) fn ask_to_stop(&self) {
        self.process
            .signal(Signal::TERM)
            .expect("signal the operator");
    }

    /// Waits until it has ended by itself; its exit code.
    pub(crate) async fn ended(mut self) -> Option<i32> {
        eventually("the operator has ended", async || {
            match self.process.check_alive() {
                Ok(()) => Err("it lives"),
                Err(_) => Ok(()),
            }
        })
        .await;
        self.process.stop().and_then(|status| status.code())
    }

    /// How much memory it holds, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let pid = self.process.server().expect("it lives").as_raw_nonzero();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().split(' ').next());
        number.expect("VmRSS").parse().expect("a number")
    }
}

/// An address that is free now and was not given before.
fn free_address() -> SocketAddr {
    let [port] = free_ports().expect("find a free port");
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
