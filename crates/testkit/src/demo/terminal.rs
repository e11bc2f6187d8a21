//! Commands as a person types them: one line for a shell, in the demo's folder, with the demo's own
//! environment.
//!
//! What holds here: nothing of the person's own set-up (kubeconfig, curlrc, proxies, caches) has a part in
//! it, and a command that is given up on leaves no process.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::guard::Guarded;

/// Above the minute that a `kubectl wait` of the demo is given at most.
const PATIENCE: Duration = Duration::from_secs(90);

/// A folder and an environment to type in.
#[derive(Debug)]
pub(super) struct Terminal {
    folder: PathBuf,
    programs: String,
    environment: Vec<(&'static str, OsString)>,
}

/// How a command ended, and all that it printed.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) succeeded: bool,
    pub(super) text: String,
}

/// The processes of one command; killed on drop.
struct Group(Option<Pid>);

impl Terminal {
    /// A terminal in `folder` that finds programs in `programs` first, and uses `kubeconfig`.
    pub(super) fn new(folder: &Path, kubeconfig: &Path, programs: &[&Path]) -> Result<Self> {
        let old = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(
            programs
                .iter()
                .map(|folder| folder.to_path_buf())
                .chain(std::env::split_paths(&old)),
        )
        .context("make a PATH: a folder's name holds a colon")?;
        let programs: Vec<_> = programs
            .iter()
            .map(|folder| folder.display().to_string())
            .collect();
        Ok(Self {
            folder: folder.to_owned(),
            programs: programs.join(":"),
            environment: vec![
                ("PATH", path),
                ("KUBECONFIG", kubeconfig.into()),
                // kubectl's cache goes here, and curl finds no curlrc.
                ("HOME", folder.into()),
                ("TMPDIR", folder.into()),
                ("LC_ALL", "C".into()),
                ("NO_COLOR", "1".into()),
                ("no_proxy", "127.0.0.1".into()),
            ],
        })
    }

    /// The folders that are looked in before the person's own, as a shell writes them.
    pub(super) fn programs(&self) -> &str {
        &self.programs
    }

    /// The environment as `NAME=value` words, for `env -i`.
    pub(super) fn words(&self) -> impl Iterator<Item = OsString> + '_ {
        self.environment.iter().map(|(name, value)| {
            let mut word = OsString::from(name);
            word.push("=");
            word.push(value);
            word
        })
    }

    /// Runs one command line; gives up at once when `server` ends meanwhile.
    pub(super) async fn run(
        &self,
        command: &str,
        mut server: Option<&mut Guarded>,
    ) -> Result<Answer> {
        let child = tokio::process::Command::new("sh")
            .args(["-c", &format!("exec 2>&1\n{command}")])
            .current_dir(&self.folder)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Ctrl-C in a terminal reaches the demo alone, which ends the group.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("start a shell")?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let mut group = Group(pid.and_then(Pid::from_raw));
        let mut output = std::pin::pin!(child.wait_with_output());
        let mut looks = interval(Duration::from_millis(100));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = timeout(PATIENCE, async {
            loop {
                tokio::select! {
                    output = &mut output => return output.with_context(|| format!("run {command:?}")),
                    _ = looks.tick() => if let Some(server) = &mut server { server.check_alive()?; },
                }
            }
        });
        let Ok(output) = ended.await else {
            bail!("`{command}` did not end within {PATIENCE:?}");
        };
        let output = output?;
        group.0 = None;
        Ok(Answer {
            succeeded: output.status.success(),
            text: String::from_utf8_lossy(&output.stdout).into_owned(),
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
