//! The operator under measure: its real binary, as a process of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use presigned_testkit::guard::{Guarded, GuardedFolder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::PATIENCE;
use super::world::{OWN_NAMESPACE, World};

/// Linux counts a process's time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);
/// The operator is idle if it uses next to no processor time for so long.
const QUIET: Duration = Duration::from_millis(500);
/// Next to nothing: its own ticker, and this benchmark's polls.
const NEXT_TO_NOTHING: Duration = Duration::from_millis(20);

/// An operator that runs; it is killed on drop.
pub struct Operator {
    process: Guarded,
    health: SocketAddr,
    // After the process, which writes its log there.
    _folder: GuardedFolder,
}

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Time on a processor.
    pub cpu: Duration,
    resident_kib: u64,
    peak_kib: u64,
}

impl Operator {
    /// Starts it with its default settings.
    pub fn start(world: &World, program: &Path) -> Result<Self> {
        Self::start_by(world, program, &[])
    }

    /// Starts it in the cgroup whose file takes pids.
    pub fn start_in(world: &World, program: &Path, processes: &Path) -> Result<Self> {
        let enter = format!("echo $$ > '{}' && exec \"$0\" \"$@\"", processes.display());
        let program = program.display().to_string();
        Self::start_by(world, Path::new("sh"), &["-c".to_owned(), enter, program])
    }

    fn start_by(world: &World, program: &Path, before: &[String]) -> Result<Self> {
        let folder = GuardedFolder::new("presigned-bench-")?;
        let [health, metrics] = free_addresses()?;
        let args = [
            "run".to_owned(),
            format!("--kubeconfig={}", world.kubeconfig().display()),
            format!("--pod-namespace={OWN_NAMESPACE}"),
            format!("--health-addr={health}"),
            format!("--metrics-addr={metrics}"),
        ];
        let args = before.iter().cloned().chain(args);
        Ok(Self {
            process: folder.spawn("operator", program, args)?,
            health,
            _folder: folder,
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
        bail!("the operator is not ready:\n{}", self.process.log_tail(20))
    }

    /// Waits until the operator is idle; returns since when.
    pub async fn settled(&self, started: Instant) -> Result<Duration> {
        let mut since = started.elapsed();
        let mut used = self.usage()?.cpu;
        while started.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = self.usage()?.cpu;
            if now.saturating_sub(used) > NEXT_TO_NOTHING {
                used = now;
                since = started.elapsed();
            } else if started.elapsed().saturating_sub(since) > QUIET {
                return Ok(since);
            }
        }
        bail!("the operator does not come to rest")
    }

    /// The processor time and memory that it has used so far.
    pub fn usage(&self) -> Result<Usage> {
        let pid = self.pid()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .context("the operator has ended")?;
        // The name in parentheses may hold spaces; user and system time are the 12th and 13th field after it.
        let (_, fields) = stat.rsplit_once(") ").context("read /proc/PID/stat")?;
        let ticks: u32 = fields
            .split(' ')
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u32>().ok())
            .sum();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let kib = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|rest| rest.split_whitespace().next());
            number
                .and_then(|number| number.parse().ok())
                .with_context(|| format!("read {name} in /proc/PID/status"))
        };
        Ok(Usage {
            cpu: TICK * ticks,
            resident_kib: kib("VmRSS:")?,
            peak_kib: kib("VmHWM:")?,
        })
    }

    /// The process itself, under the shell that guards it.
    pub fn pid(&self) -> Result<u32> {
        let shell = self.process.pid();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"))
            .context("the operator has ended")?;
        let child = children.split_whitespace().find_map(|pid| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            name.starts_with("presigned-url-o")
                .then(|| pid.parse().ok())?
        });
        ensure!(
            child.is_some(),
            "the operator has ended:\n{}",
            self.process.log_tail(20)
        );
        child.context("the operator has ended")
    }
}

impl Usage {
    /// Memory now.
    pub fn resident_mib(&self) -> f64 {
        self.resident_kib as f64 / 1024.0
    }

    /// The most memory it had at any time.
    pub fn peak_mib(&self) -> f64 {
        self.peak_kib as f64 / 1024.0
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

fn free_addresses() -> Result<[SocketAddr; 2]> {
    let ports = presigned_testkit::free_ports::<2>()?;
    Ok(ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
}
