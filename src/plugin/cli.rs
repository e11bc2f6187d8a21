//! The command line, and which command is run.
//!
//! What holds here: a command is a variant with its arguments, and one line of the dispatch.

use clap::{Parser, Subcommand};

use super::exit::Exit;
use super::flags::Flags;
use super::status::StatusArgs;

/// Ask for S3 presigned URLs, and see what became of them.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-presigned",
    bin_name = "kubectl presigned",
    version,
    max_term_width = 100
)]
pub struct Cli {
    #[command(flatten)]
    pub flags: Flags,

    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Status(StatusArgs),
}

impl Command {
    /// Runs the command.
    pub async fn run(self, flags: &Flags) -> anyhow::Result<Exit> {
        match self {
            Self::Status(args) => args.run(flags).await,
        }
    }
}
