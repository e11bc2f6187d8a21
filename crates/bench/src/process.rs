//! A program under measure, as a process of its own: what it uses, and when it comes to rest.
//!
//! What holds here: Linux counts both figures, from the start of the process.

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use presigned_testkit::guard::{Guarded, GuardedFolder};

use crate::scale::PATIENCE;

/// Linux counts a process's time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);
/// A process is idle if it uses next to no processor time for so long.
const QUIET: Duration = Duration::from_millis(500);
/// Next to nothing in a poll: its own ticker, and this benchmark's polls.
const NEXT_TO_NOTHING: Duration = Duration::from_millis(20);

/// A program that runs; it is killed on drop.
pub struct Process {
    guarded: Guarded,
    program: &'static str,
    /// Known from the first question on.
    pid: OnceLock<u32>,
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

impl Process {
    /// Starts a command that becomes the program of this name.
    pub fn start(
        program: &'static str,
        command: &Path,
        args: impl IntoIterator<Item = String>,
    ) -> Result<Self> {
        let folder = GuardedFolder::new("presigned-bench-")?;
        Ok(Self {
            guarded: folder.spawn(program, command, args)?,
            program,
            pid: OnceLock::new(),
            _folder: folder,
        })
    }

    /// Waits until it is idle; returns since when.
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
        bail!("{} does not come to rest", self.program)
    }

    /// The processor time and memory that it has used so far.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.pid()?)
    }

    /// The program itself, under the shell that guards it.
    pub fn pid(&self) -> Result<u32> {
        if let Some(pid) = self.pid.get() {
            return Ok(*pid);
        }
        let pid = self.guarded.server()?.as_raw_nonzero().get().unsigned_abs();
        Ok(*self.pid.get_or_init(|| pid))
    }

    /// An error with the end of its log if it has ended.
    pub fn check_alive(&mut self) -> Result<()> {
        self.guarded.check_alive()
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        self.guarded.log_tail(20)
    }
}

impl Usage {
    /// That of a process.
    pub fn of(pid: u32) -> Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            std::fs::read_to_string(&path).with_context(|| format!("read {path}"))
        };
        Self::read(&read("stat")?, &read("status")?)
    }

    /// Reads the files `stat` and `status` of a process.
    fn read(stat: &str, status: &str) -> Result<Self> {
        // The name in parentheses may hold spaces; user and system time are the 12th and 13th field after it.
        let (_, fields) = stat.rsplit_once(") ").context("read /proc/PID/stat")?;
        let ticks: u32 = fields
            .split(' ')
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u32>().ok())
            .sum();
        let kib = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|rest| rest.split_whitespace().next());
            number
                .and_then(|number| number.parse().ok())
                .with_context(|| format!("read {name} in /proc/PID/status"))
        };
        Ok(Self {
            cpu: TICK * ticks,
            resident_kib: kib("VmRSS:")?,
            peak_kib: kib("VmHWM:")?,
        })
    }

    /// One that was not measured.
    #[cfg(test)]
    pub fn new(cpu: Duration, resident_mib: u64, peak_mib: u64) -> Self {
        Self {
            cpu,
            resident_kib: resident_mib * 1024,
            peak_kib: peak_mib * 1024,
        }
    }

    /// Memory now.
    pub fn resident_mib(&self) -> f64 {
        self.resident_kib as f64 / 1024.0
    }

    /// The most memory it had at any time.
    pub fn peak_mib(&self) -> f64 {
        self.peak_kib as f64 / 1024.0
    }
}

#[cfg(test)]
mod tests {
    //! The files of Linux.

    use super::*;

    #[test]
    fn time_and_memory_are_read_from_the_fields_of_linux() {
        let stat = "7 (a ) name) S 1 2 3 4 5 6 7 8 9 10 120 30 99 99 20 0 8 0 100";
        let status = "Name:\ta\nVmHWM:\t    4096 kB\nVmRSS:\t    2048 kB\nRssAnon:\t 1024 kB\n";
        let usage = Usage::read(stat, status).unwrap();
        assert_eq!(usage.cpu, Duration::from_millis(1500));
        assert!((usage.resident_mib() - 2.0).abs() < f64::EPSILON);
        assert!((usage.peak_mib() - 4.0).abs() < f64::EPSILON);
        assert!(Usage::read(stat, "Name:\ta\n").is_err(), "a kernel thread");
    }
}
