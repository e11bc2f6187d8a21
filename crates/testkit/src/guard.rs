//! Child processes that never outlive this one.
//!
//! Each child runs under a small shell that holds the reading end of a pipe whose other end is ours. When
//! that end closes, whether by [`Guarded::stop`], by a panic or by a SIGKILL of this process, the shell ends
//! the child. No signal handler and no unsafe call is involved, so it holds for every way to die.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Runs `"$@"` until it ends or standard input closes. It is killed outright: what it has written is thrown
/// away, and kube-apiserver's polite way out takes seconds. The watcher is killed once the child was waited
/// for, so that a process that later gets the same pid is never signalled.
const UNTIL_STDIN_CLOSES: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
{
  cat <&3 >/dev/null
  kill -KILL "$child"
} 2>/dev/null &
watcher=$!
exec 3<&-
wait "$child"
code=$?
kill "$watcher" 2>/dev/null
exit "$code"
"#;

/// Waits for standard input to close, then for the processes that the file `$1/.writers` names, then removes
/// the folder `$1`. Ten seconds are enough for all: where nobody reaps orphans, a dead one looks alive for
/// ever.
const REMOVE_WHEN_STDIN_CLOSES: &str = r#"
folder=$1
cat >/dev/null
n=0
for pid in $(cat "$folder/.writers" 2>/dev/null); do
  while kill -0 "$pid" 2>/dev/null && [ "$n" -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
done
rm -rf -- "$folder"
"#;

/// Killing and removing take milliseconds; a busy machine takes longer.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A server process whose life is bound to ours; ended on drop.
#[derive(Debug)]
pub struct Guarded {
    name: String,
    log: PathBuf,
    shell: Child,
}

impl Guarded {
    /// Starts `program` with `args`; both its outputs go to the file `log`.
    pub fn spawn<I, S>(name: &str, program: &Path, args: I, log: PathBuf) -> Result<Self>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let output =
            File::create(&log).with_context(|| format!("create the log {}", log.display()))?;
        let errors = output.try_clone().context("duplicate the log's handle")?;
        let mut command = shell(UNTIL_STDIN_CLOSES);
        command
            .arg(program)
            .args(args)
            .stdout(output)
            .stderr(errors);
        let shell = command.spawn().with_context(|| format!("start {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            log,
            shell,
        })
    }

    /// The pid of the shell that runs the server: it lives exactly as long as the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.shell.id()
    }

    /// Sends a signal to the server itself.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.server()?;
        kill_process(pid, signal).with_context(|| format!("signal {}", self.name))
    }

    /// The server's own pid: the child of its shell that is no shell.
    pub fn server(&self) -> Result<Pid> {
        let child = format!("PPid:\t{}", self.pid());
        let processes = std::fs::read_dir("/proc").context("read /proc")?;
        let found = processes.flatten().find_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
            let ours = status.lines().any(|line| line == child);
            (ours && !status.starts_with("Name:\tsh\n")).then_some(pid)
        });
        let pid = found.and_then(Pid::from_raw);
        pid.with_context(|| format!("{} is no child of its guard", self.name))
    }

    /// An error with the end of the log when the server has ended.
    pub fn check_alive(&mut self) -> Result<()> {
        match self
            .shell
            .try_wait()
            .with_context(|| format!("look at {}", self.name))?
        {
            None => Ok(()),
            Some(status) => {
                bail!(
                    "{} ended ({status}); the end of its log:\n{}",
                    self.name,
                    self.log_tail(20)
                )
            }
        }
    }

    /// The name under which it was started.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last `lines` lines of the server's log.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Has the server end and waits until it has.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        drop(self.shell.stdin.take());
        wait_for(&mut self.shell, STOP_TIMEOUT)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A folder that is removed once this process and the servers that write into it have ended.
#[derive(Debug)]
pub struct GuardedFolder {
    path: PathBuf,
    shell: Child,
}

impl GuardedFolder {
    /// Makes a folder under the system's temporary folder and binds its life to ours.
    pub fn new(prefix: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(prefix).tempdir();
        let path = folder.context("make a temporary folder")?.keep();
        let mut command = shell(REMOVE_WHEN_STDIN_CLOSES);
        let shell = command
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Ok(Self {
            shell: shell.context("start the shell that removes the folder")?,
            path,
        })
    }

    /// Starts a server that writes into this folder, its log too: the folder is removed only after it has
    /// ended.
    pub fn spawn<I, S>(&self, name: &str, program: &Path, args: I) -> Result<Guarded>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let server = Guarded::spawn(name, program, args, self.path.join(format!("{name}.log")))?;
        let mut writers = File::options()
            .create(true)
            .append(true)
            .open(self.path.join(".writers"))
            .context("open the list of writers")?;
        writeln!(writers, "{}", server.pid()).context("write the list of writers")?;
        Ok(server)
    }

    /// Where the folder is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for GuardedFolder {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        wait_for(&mut self.shell, STOP_TIMEOUT);
    }
}

/// A shell with a pipe to us, in a process group of its own: Ctrl-C in a terminal reaches us alone, and the
/// order in which things stop stays ours.
fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    let args: [OsString; 3] = ["-c".into(), script.into(), "guard".into()];
    command.args(args).stdin(Stdio::piped()).process_group(0);
    command
}

fn wait_for(child: &mut Child, timeout: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + timeout;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            _ => {
                let _ = child.kill();
                return child.wait().ok();
            }
        }
    }
}
