//! The command line: flags are parsed into values once, and every flag can also be an environment variable.
//!
//! What holds here: a flag that nobody uses does not compile (arguments are taken apart without `..`), and a
//! wrong value ends the start with a sentence that says what to give.

mod crds;
mod run;
mod shutdown;
mod start_line;
mod transfer;
mod values;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use crds::CrdsArgs;
pub use run::RunArgs;
pub use transfer::{FetchArgs, PushArgs};
pub use values::{AccessFlag, AuthFlag};

/// A Kubernetes operator that issues S3 presigned URLs as resources.
#[derive(Debug, Parser)]
#[command(name = "presigned-url-operator", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator.
    Run(Box<RunArgs>),
    /// Print the CRDs, and the admission policies that refuse unknown fields, for kubectl apply -f -.
    Crds(CrdsArgs),
    /// Download what a Secret, a list of URLs or a PresignedURL names, for init containers and sidecars.
    Fetch(Box<FetchArgs>),
    /// Upload files to what a Secret, a list of URLs or a PresignedURL names, by PUT or by a form.
    Push(Box<PushArgs>),
}

/// The program.
///
/// # Errors
/// Whatever ends it; the message is for the person who started it.
pub fn main() -> anyhow::Result<ExitCode> {
    let Cli { command } = Cli::parse();
    match command {
        Command::Run(args) => run::run(*args)?,
        Command::Crds(args) => crds::crds(args)?,
        Command::Fetch(args) => return transfer::fetch(*args),
        Command::Push(args) => return transfer::push(*args),
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests;
