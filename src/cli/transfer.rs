//! `fetch` and `push`: the flags, turned into what a transfer is told.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::shutdown;
use super::values::{pause, wait};
use crate::transfer::{self, Error, Fetch, Push, Watch};

/// How SOURCE and the rest behave, for both commands.
#[derive(Args, Clone, Debug)]
struct Common {
    /// How many objects are transferred at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 8,
          value_parser = clap::value_parser!(u16).range(1..=256))]
    parallel: u16,

    /// How often a request is sent again that got no further: after a cut, a time-out, a 429 or a 5xx.
    #[arg(long, value_name = "NUMBER", default_value_t = 8,
          value_parser = clap::value_parser!(u16).range(0..=100))]
    retries: u16,

    /// How long to wait for a SOURCE that is not there yet, and for a renewed URL once the server refuses the
    /// one that is there: a duration, or 0s.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = wait)]
    wait: Duration,

    /// How long a server may say nothing before the request is sent again.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = pause)]
    timeout: Duration,

    /// Print errors alone.
    #[arg(long, short)]
    quiet: bool,

    /// A file of PEM certificates that are trusted besides the system's and the Secret's ca.crt.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    #[arg(long, env = "PSU_KUBECONFIG", value_name = "FILE", help = KUBECONFIG)]
    kubeconfig: Option<PathBuf>,
}

/// Arguments of `fetch`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXIT_CODES)]
pub struct FetchArgs {
    #[arg(value_name = "SOURCE", help = SOURCE)]
    source: String,

    /// Where to: a file, or a folder if it exists, ends in a slash, or SOURCE is a list of keys.
    #[arg(value_name = "DEST")]
    dest: PathBuf,

    /// Fetch this key alone; with a slash at its end, what is below it, under the rest of each key.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,

    /// Stay, read SOURCE again and again, and fetch what is new or has changed. The first round must succeed;
    /// what fails later is tried again in the next one.
    #[arg(long)]
    watch: bool,

    /// With --watch: how long to wait between two readings of SOURCE.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = pause, requires = "watch")]
    every: Duration,

    /// With --watch: remove the files of objects that SOURCE does not name any more, if this process made
    /// them. Without it they stay.
    #[arg(long, requires = "watch")]
    delete: bool,

    #[command(flatten)]
    common: Common,
}

// Help texts and no doc comments: they hold a URL that is none to a browser.
const SOURCE: &str = "The folder of a mounted Secret, a urls.json or a file of URLs, presigned://NAMESPACE/NAME[/KEY], \
                      a URL, or - for a URL or a urls.json on standard input: a URL on the command line is seen by \
                      everybody on the machine";
const KUBECONFIG: &str = "For presigned://: the kubeconfig file. Left out: KUBECONFIG, else the pod's service account, \
                          else ~/.kube/config";
const EXIT_CODES: &str = "Exit codes: 0 done; 2 the command line or SOURCE is wrong; 3 SOURCE is not ready; 4 the \
                          server refuses; 5 the server cannot be reached, or what it sends is not whole; 6 a file \
                          cannot be read or written; 7 stopped by a signal.";

/// Arguments of `push`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXIT_CODES)]
pub struct PushArgs {
    /// The files to upload. For a SOURCE of many keys: files that are called as the keys are, or a folder in
    /// which each key is a file.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    #[arg(value_name = "SOURCE", required = true, help = SOURCE)]
    source: String,

    /// The key that FILE becomes, if SOURCE holds many.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,

    /// The type of the content, if the Secret does not say it.
    #[arg(long, value_name = "TYPE", value_parser = http::HeaderValue::from_str)]
    content_type: Option<http::HeaderValue>,

    #[command(flatten)]
    common: Common,
}

impl Common {
    fn of(self, source: String, key: Option<String>) -> transfer::Common {
        let Self {
            parallel,
            retries,
            wait,
            timeout,
            quiet,
            ca,
            kubeconfig,
        } = self;
        transfer::Common {
            source,
            key,
            parallel: parallel.into(),
            retries: retries.into(),
            wait,
            silence: timeout,
            quiet,
            ca,
            kubeconfig,
        }
    }
}

/// Runs `fetch`.
pub(super) fn fetch(args: FetchArgs) -> anyhow::Result<ExitCode> {
    let FetchArgs {
        source,
        dest,
        key,
        watch,
        every,
        delete,
        common,
    } = args;
    let settings = Fetch {
        dest,
        watch: watch.then_some(Watch { every, delete }),
        common: common.of(source, key),
    };
    run(async {
        let stop = shutdown::on_signal()?;
        Ok(transfer::fetch(settings, stop).await)
    })
}

/// Runs `push`.
pub(super) fn push(args: PushArgs) -> anyhow::Result<ExitCode> {
    let PushArgs {
        files,
        source,
        key,
        content_type,
        common,
    } = args;
    let settings = Push {
        files,
        content_type,
        common: common.of(source, key),
    };
    run(async {
        let stop = shutdown::on_signal()?;
        Ok(transfer::push(settings, stop).await)
    })
}

/// Runs a transfer on all cores; what ends it becomes the exit code.
fn run(
    transfer: impl Future<Output = anyhow::Result<Result<(), Error>>>,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime cannot be started")?;
    match runtime.block_on(transfer)? {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            eprintln!("error: {error}");
            Ok(error.exit_code())
        }
    }
}
