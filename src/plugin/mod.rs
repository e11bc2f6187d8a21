//! `kubectl presigned`: the commands of people, run as a plugin of kubectl or alone.
//!
//! What holds here:
//! - Commands are thin. What decides (specs, policies, lives) is in `presigned_core`, so that a command and
//!   the operator never disagree.
//! - No URL, form or credential is in a message, a table or an error. `get` and `create` alone print what a
//!   Secret holds, and `sign` what it signed.
//! - A message says what was asked, what is wrong and what to do. Results go to stdout, everything else to
//!   stderr.
//! - The exit code is one of [`Exit`](exit::Exit).
//! - A command is a file with its arguments and `run`, and a line each in `cli.rs`.

mod aws;
mod check;
mod cli;
pub mod cluster;
mod completion;
mod cors;
mod create;
pub mod exit;
mod explain;
pub mod flags;
pub mod found;
mod get;
mod iam_policy;
mod manifests;
mod method_flag;
pub mod output;
mod page;
mod profiles;
mod renew;
mod revoke;
mod sign;
mod status;
mod stop;
mod store_answer;
mod trust;
mod wait;
mod whois;
pub mod words;

use std::process::ExitCode;

use clap::Parser as _;

use cli::Cli;
use exit::Exit;

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { flags, command } = Cli::parse();
    let flags = match flags.of_command(command.has_own_formats()) {
        Ok(flags) => flags,
        Err(failure) => {
            eprintln!("error: {failure}");
            return failure.exit.into();
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(command.run(&flags)),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            Exit::of(&error).into()
        }
    }
}
