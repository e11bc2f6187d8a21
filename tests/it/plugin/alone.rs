//! The plugin without a cluster: an environment of its own, and no cloud around it.

use std::path::Path;
use std::process::{Output, Stdio};

use presigned_testkit::S3Server;
use presigned_testkit::guard::GuardedFolder;
use presigned_testkit::s3::client::Keys;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// A caller of commands: an environment, and an empty home.
pub(crate) struct Caller {
    home: GuardedFolder,
    variables: Vec<(String, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// What was printed, of a command that did what it was asked to.
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self.out
    }

    /// What was said, of a command that did not.
    pub(crate) fn refused(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        assert_eq!(self.out, "", "nothing half-written is printed");
        self.err
    }
}

impl Caller {
    /// Nobody: no credentials, no files.
    pub(crate) fn nobody() -> Self {
        Self {
            home: GuardedFolder::new("presigned-plugin-").expect("a folder"),
            variables: Vec::new(),
        }
    }

    /// Somebody with keys for a server.
    pub(crate) fn of(server: &S3Server, keys: &Keys) -> Self {
        let caller = Self::nobody()
            .with("AWS_ACCESS_KEY_ID", &keys.access_key)
            .with("AWS_SECRET_ACCESS_KEY", &keys.secret_key)
            .with("AWS_ENDPOINT_URL_S3", &server.endpoint)
            .with("AWS_REGION", &server.region);
        match &keys.token {
            Some(token) => caller.with("AWS_SESSION_TOKEN", token),
            None => caller,
        }
    }

    /// With one more variable.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a file in the home.
    pub(crate) fn with_file(self, path: &str, text: &str) -> Self {
        let file = self.home.path().join(path);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("make the folder");
        std::fs::write(file, text).expect("write the file");
        self
    }

    /// The home.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs a command.
    pub(crate) async fn run(&self, args: &[&str]) -> Ended {
        self.run_with(args, "").await
    }

    /// Runs a command that reads this.
    pub(crate) async fn run_with(&self, args: &[&str], input: &str) -> Ended {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kubectl-presigned"))
            .args(args)
            .env_clear()
            .env("HOME", self.home.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("start the plugin");
        let mut stdin = child.stdin.take().expect("a pipe");
        // A command that reads nothing may have ended.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let ended: Output = child.wait_with_output().await.expect("the end");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let ended = Ended {
            code: ended.status.code(),
            out: text(ended.stdout),
            err: text(ended.stderr),
        };
        for (name, value) in &self.variables {
            let secret = name.contains("SECRET") || name.contains("TOKEN");
            assert!(
                !secret || !ended.err.contains(value),
                "{name} is in a message"
            );
        }
        assert!(!ended.err.contains("X-Amz"), "a URL is in a message");
        ended
    }
}
