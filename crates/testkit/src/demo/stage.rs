//! What the demo plays on: a control plane, an S3 server, the operator, and a folder to type commands in.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::screen::Screen;
use super::terminal::{Answer, Terminal};
use crate::guard::{Guarded, GuardedFolder};
use crate::{ControlPlane, S3Server, free_ports, tools, write_private};

/// The operator's own namespace.
pub(super) const OPERATOR_NAMESPACE: &str = "presigned-system";
/// The bucket of the demo's manifests.
pub(super) const BUCKET: &str = "company-data";

/// From the operator's start to `/readyz`: below a second on a quiet machine.
const READY_PATIENCE: Duration = Duration::from_secs(30);

/// Everything that is up while the demo plays.
#[derive(Debug)]
pub(super) struct Stage {
    // In this order they end: who writes somewhere ends before what it writes into.
    operator: Option<Guarded>,
    s3: S3Server,
    control_plane: ControlPlane,
    folder: GuardedFolder,
    terminal: Terminal,
    addresses: Addresses,
}

/// Where the operator serves on loopback.
#[derive(Debug)]
struct Addresses {
    health: String,
    metrics: String,
}

impl Stage {
    /// Starts the servers, and lays out the folder with a kubeconfig.
    pub(super) async fn start(operator: &Path) -> Result<Self> {
        let operator = operator
            .canonicalize()
            .with_context(|| format!("find the operator {}", operator.display()))?;
        let bin = tools::folder_with(&["kubectl"])?;
        let control_plane = ControlPlane::start().await?;
        let s3 = S3Server::versitygw().await?;
        let folder = GuardedFolder::new("presigned-demo-")?;
        let kubeconfig = folder.path().join("kubeconfig");
        write_private(
            &kubeconfig,
            &std::fs::read_to_string(control_plane.kubeconfig())
                .context("read the admin's kubeconfig")?,
        )?;
        let programs = [bin.as_path(), operator.parent().unwrap_or(Path::new("/"))];
        let terminal = Terminal::new(folder.path(), &kubeconfig, &programs)?;
        let [health, metrics] = free_ports()?;
        Ok(Self {
            operator: None,
            s3,
            control_plane,
            folder,
            terminal,
            addresses: Addresses {
                health: format!("127.0.0.1:{health}"),
                metrics: format!("127.0.0.1:{metrics}"),
            },
        })
    }

    pub(super) fn s3(&self) -> &S3Server {
        &self.s3
    }

    pub(super) fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    /// Puts a file into the folder in which commands are typed.
    pub(super) fn put(&self, name: &str, text: &str) -> Result<()> {
        write_private(&self.folder.path().join(name), text)
    }

    /// Reads a file that a command has written there.
    pub(super) fn read(&self, name: &str) -> Result<String> {
        std::fs::read_to_string(self.folder.path().join(name))
            .with_context(|| format!("read {name}, which the command above writes"))
    }

    /// Runs a command that nobody needs to see; its failure ends the demo.
    pub(super) async fn quietly(&mut self, command: &str) -> Result<String> {
        let answer = self.terminal.run(command, self.operator.as_mut()).await?;
        ensure!(answer.succeeded, "`{command}` failed:\n{}", answer.text);
        Ok(answer.text)
    }

    /// Shows a command, runs it, and shows up to `lines` lines of its output; its failure ends the demo.
    pub(super) async fn show(
        &mut self,
        screen: &Screen,
        command: &str,
        lines: usize,
    ) -> Result<String> {
        let answer = self.try_to(screen, command, lines).await?;
        ensure!(answer.succeeded, "`{command}` failed");
        Ok(answer.text)
    }

    /// Shows a command that has to fail.
    pub(super) async fn show_failing(&mut self, screen: &Screen, command: &str) -> Result<String> {
        let answer = self.try_to(screen, command, 3).await?;
        ensure!(
            !answer.succeeded,
            "`{command}` went through, and it must not"
        );
        Ok(answer.text)
    }

    async fn try_to(&mut self, screen: &Screen, command: &str, lines: usize) -> Result<Answer> {
        screen.command(command)?;
        let answer = self.terminal.run(command, self.operator.as_mut()).await?;
        screen.output(&answer.text, lines)?;
        Ok(answer)
    }

    /// Starts the operator and waits until it is ready.
    pub(super) async fn start_operator(&mut self, screen: &Screen) -> Result<()> {
        let command = format!(
            "presigned-url-operator run --pod-namespace {OPERATOR_NAMESPACE} --log-format text \\\n\
             {:8}--health-addr {} --metrics-addr {}",
            "", self.addresses.health, self.addresses.metrics
        );
        screen.command(&format!("{command} &"))?;
        // The pid is that of the operator: each word replaces the process of the one before it.
        let script =
            format!(r#"cd "$1" && echo $$ >operator.pid && shift && exec env -i "$@" {command}"#);
        let words: Vec<OsString> = ["-c".into(), script.into(), "operator".into()]
            .into_iter()
            .chain([self.folder.path().into()])
            .chain(self.terminal.words())
            .collect();
        let started = Instant::now();
        self.operator = Some(self.folder.spawn("operator", Path::new("sh"), words)?);
        let ready = format!("curl -fs http://{}/readyz", self.addresses.health);
        loop {
            let answer = self.terminal.run(&ready, self.operator.as_mut()).await?;
            if answer.succeeded {
                break;
            }
            if started.elapsed() > READY_PATIENCE {
                bail!("the operator was not ready within {READY_PATIENCE:?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let took = started.elapsed().as_secs_f64();
        screen.checked(&format!("the operator is ready after {took:.1} s"))
    }

    /// Kills the operator the hard way, and waits until it has ended.
    pub(super) async fn kill_operator(&mut self, screen: &Screen) -> Result<()> {
        // Taken first: this end of it is no failure.
        let mut operator = self.operator.take().context("the operator does not run")?;
        self.show(screen, "kill -9 $(cat operator.pid)", 1).await?;
        operator.stop();
        Ok(())
    }

    /// How many resources the running operator has found to be Ready; none while it has not counted.
    pub(super) async fn ready_resources(&mut self) -> Result<Option<u64>> {
        let scrape = format!("curl -fs http://{}/metrics", self.addresses.metrics);
        let text = self.quietly(&scrape).await?;
        Ok(text
            .lines()
            .filter_map(|line| line.strip_prefix("presigned_resources{"))
            .find(|rest| rest.to_ascii_lowercase().starts_with("ready=\"true\"}"))
            .and_then(|rest| rest.rsplit(' ').next()?.parse().ok()))
    }

    /// The end of the running operator's log. The error that tells of its end holds it already.
    pub(super) fn operators_log(&mut self) -> Option<String> {
        let operator = self.operator.as_mut()?;
        operator.check_alive().ok()?;
        Some(operator.log_tail(12))
    }

    /// Ends everything, and makes sure that it is gone.
    pub(super) fn end(self) -> Result<()> {
        let folders = [
            self.folder.path().to_owned(),
            self.control_plane.folder().to_owned(),
        ];
        drop(self);
        for folder in folders {
            ensure!(
                !folder.exists(),
                "{} is still there after the end",
                folder.display()
            );
        }
        Ok(())
    }

    /// For a person who stays.
    pub(super) fn tell_how_to_play(&self, screen: &Screen) -> Result<()> {
        let folder = self.folder.path().display();
        screen.end("It stays up. In another terminal:")?;
        screen.command(&format!("export KUBECONFIG={folder}/kubeconfig"))?;
        let programs = self.terminal.programs();
        screen.command(&format!("export PATH={programs}:$PATH"))?;
        screen.command("kubectl get presigned -A && kubectl describe psu report")?;
        screen.remark(&format!(
            "S3 is at {}, its only bucket is {BUCKET}; the manifests, the keys and the operator's log are in {folder}",
            self.s3.endpoint
        ))?;
        screen.end("Ctrl-C here ends it and removes everything.")
    }
}
