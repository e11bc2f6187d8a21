//! `make demo`: the operator at work, shown to a person step by step.
//!
//! What holds here: every command that is printed is run as printed and its output is real; every step is
//! checked, and one that did not do what it says ends the demo with a sentence and a code other than zero.
//! Whatever ends this process, its servers and its folder end with it.

mod screen;
mod stage;
mod steps;
mod terminal;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Error;
use tokio::time::timeout;

use screen::Screen;
use stage::Stage;

/// From a signal to our knowing of it.
const INTERRUPT_LAG: Duration = Duration::from_millis(200);

/// What the demo is told.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The operator's binary.
    #[arg(long, value_name = "FILE")]
    operator: PathBuf,
    /// Stay up after the last step, until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

/// Plays the demo until it is over, a step fails, or `interrupted` completes with the exit code of such an
/// end.
pub async fn run(options: &Options, interrupted: impl Future<Output = u8>) -> ExitCode {
    let mut interrupted = std::pin::pin!(interrupted);
    let started = Instant::now();
    let mut screen = Screen::new();
    // Dropping the play, here by a signal, ends every process of it and removes its folder.
    let played = tokio::select! {
        code = &mut interrupted => Err(code),
        played = play(options, &mut screen) => Ok(played),
    };
    let told = match played {
        Err(code) => return gone(&screen, code),
        Ok(Err(Failure { error, log })) => {
            // Ctrl-C also reaches what a step was waiting for, whose end may have been noticed first.
            if let Ok(code) = timeout(INTERRUPT_LAG, interrupted).await {
                return gone(&screen, code);
            }
            let _ = screen.failure(&error, log.as_deref());
            return ExitCode::FAILURE;
        }
        Ok(Ok(stage)) if options.keep => {
            let told = stage.tell_how_to_play(&screen);
            if told.is_ok() {
                interrupted.await;
            }
            let ended = stage.end();
            told.and(ended).and_then(|()| {
                screen.end("Everything of the demo is gone: no process and no file is left.")
            })
        }
        Ok(Ok(stage)) => stage.end().and_then(|()| {
            screen.end(&format!(
                "All {} steps did what they say, in {:.0} s. No process and no file is left. \
                 (make demo KEEP=1 leaves it up to play with.)",
                screen.steps(),
                started.elapsed().as_secs_f64()
            ))
        }),
    };
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = screen.failure(&error, None);
            ExitCode::FAILURE
        }
    }
}

fn gone(screen: &Screen, code: u8) -> ExitCode {
    let _ =
        screen.end("Interrupted: everything of the demo is gone, no process and no file is left.");
    ExitCode::from(code)
}

/// Why the play has stopped, and what the operator had to say.
struct Failure {
    error: Error,
    log: Option<String>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, log: None }
    }
}

async fn play(options: &Options, screen: &mut Screen) -> Result<Stage, Failure> {
    screen.title(
        "presigned-url-operator: S3 presigned URLs as Kubernetes resources",
        "Each command below is run as it is shown; each ✓ was checked.",
    )?;
    let mut stage = steps::set_the_stage(options, screen).await?;
    match steps::play(&mut stage, screen).await {
        Ok(()) => Ok(stage),
        Err(error) => Err(Failure {
            error,
            log: stage.operators_log(),
        }),
    }
}
