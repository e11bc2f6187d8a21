//! `cluster up` and `cluster down`: one control plane for each user that stays up when the command ends.
//!
//! A detached copy of this program holds it. That copy owns a lock on a file for as long as it lives, and the
//! lock, not a pid, says whether a cluster is up: pids are used again, locks are not.

use std::fs::{File, TryLockError};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, setsid};
use serde::{Deserialize, Serialize};

use crate::ControlPlane;

/// The first start builds Kubernetes, which takes minutes.
const START_PATIENCE: Duration = Duration::from_mins(30);

/// Above what the guards take at the very most.
const STOP_PATIENCE: Duration = Duration::from_mins(1);

/// What a holder tells about its cluster.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    pid: i32,
    url: String,
    kubeconfig: PathBuf,
}

/// The files that outlive one command.
struct Files {
    folder: PathBuf,
}

impl Files {
    /// Under the user's cache, where the tools are too.
    fn open() -> Result<Self> {
        let cache = match (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")) {
            (Some(cache), _) if !cache.is_empty() => PathBuf::from(cache),
            (_, Some(home)) => Path::new(&home).join(".cache"),
            _ => bail!(
                "neither XDG_CACHE_HOME nor HOME is set: set one, the cluster's files go there"
            ),
        };
        let folder = cache.join("presigned-url-operator/cluster");
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("make {}", folder.display()))?;
        Ok(Self { folder })
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// The lock, when nobody holds it.
    fn try_lock(&self) -> Result<Option<File>> {
        let path = self.folder.join("lock");
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .context("open the lock")?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).context("lock the cluster's folder"),
        }
    }

    fn state(&self) -> Option<State> {
        let text = std::fs::read(self.folder.join("state.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    fn write_state(&self, state: &State) -> Result<()> {
        let partial = self.folder.join("state.json.new");
        crate::write_private(&partial, &serde_json::to_string(state)?)?;
        std::fs::rename(partial, self.folder.join("state.json")).context("write the state")
    }

    fn remove(&self) -> Result<()> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove {}", self.folder.display()))
            }
            _ => Ok(()),
        }
    }
}

/// Starts the cluster unless it is up. Standard output gets one line, the `export`, so that a shell may
/// `eval` all of it.
pub fn up() -> Result<()> {
    let files = Files::open()?;
    let state = if let Some(lock) = files.try_lock()? {
        // What a holder that was killed has left behind must not be taken for the new one's word.
        let _ = std::fs::remove_file(files.folder.join("state.json"));
        drop(lock);
        eprintln!(
            "Starting a control plane; the first time builds Kubernetes, which takes minutes."
        );
        start_holder(&files)?
    } else {
        let state = wait_for_state(&files, || match files.try_lock()? {
            None => Ok(()),
            Some(_) => bail!("the start of another `make cluster` has failed; try again"),
        })?;
        eprintln!("A control plane is up already.");
        state
    };
    eprintln!("The API server is at {}", state.url);
    eprintln!("To end it: make cluster-down");
    println!("export KUBECONFIG={}", shell_word(&state.kubeconfig));
    Ok(())
}

/// Ends the cluster and removes its files; it is no error when none is up.
pub fn down() -> Result<()> {
    let files = Files::open()?;
    if let Some(_lock) = files.try_lock()? {
        files.remove()?;
        println!("No control plane is up.");
        return Ok(());
    }
    let state = files.state().context(
        "a control plane is starting at this moment; run this again when `make cluster` has ended",
    )?;
    let pid = Pid::from_raw(state.pid).context("the state names no process")?;
    kill_process(pid, Signal::TERM).context("ask the control plane's holder to end")?;
    let deadline = Instant::now() + STOP_PATIENCE;
    loop {
        if let Some(_lock) = files.try_lock()? {
            files.remove()?;
            println!("The control plane has ended and its files are gone.");
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!(
                "process {} did not end within {STOP_PATIENCE:?}; see {}",
                state.pid,
                files.log().display()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The detached copy's work: holds the cluster until `ended` completes.
pub async fn hold(ended: impl Future<Output = ()>) -> Result<()> {
    // A session of its own: the terminal that started it may close. It fails only where it is one already.
    let _ = setsid();
    let files = Files::open()?;
    let Some(_lock) = files.try_lock()? else {
        bail!("another control plane is up already")
    };
    let mut ended = std::pin::pin!(ended);
    let control_plane = tokio::select! {
        () = &mut ended => return Ok(()),
        control_plane = ControlPlane::start() => control_plane?,
    };
    let kubeconfig = files.kubeconfig();
    crate::write_private(
        &kubeconfig,
        &std::fs::read_to_string(control_plane.kubeconfig())?,
    )?;
    let pid = Pid::as_raw(Some(rustix::process::getpid()));
    files.write_state(&State {
        pid,
        url: control_plane.url().to_owned(),
        kubeconfig,
    })?;
    ended.await;
    drop(control_plane);
    Ok(())
}

fn start_holder(files: &Files) -> Result<State> {
    let log = File::create(files.log()).context("create the log")?;
    let program = std::env::current_exe().context("find this program")?;
    let mut holder = Command::new(program)
        .args(["cluster", "hold"])
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("duplicate the log's handle")?)
        .stderr(log)
        .spawn()
        .context("start the control plane's holder")?;
    wait_for_state(files, move || {
        match holder.try_wait().context("look at the holder")? {
            None => Ok(()),
            Some(status) => {
                let log = std::fs::read_to_string(files.log()).unwrap_or_default();
                bail!("the control plane did not start ({status}):\n{log}")
            }
        }
    })
}

fn wait_for_state(files: &Files, mut check: impl FnMut() -> Result<()>) -> Result<State> {
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        if let Some(state) = files.state() {
            return Ok(state);
        }
        check()?;
        if Instant::now() > deadline {
            bail!(
                "the control plane did not come up within {START_PATIENCE:?}; see {}",
                files.log().display()
            );
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A path as one word of a POSIX shell.
fn shell_word(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
