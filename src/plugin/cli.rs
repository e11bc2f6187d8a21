//! The command line, and which command is run.
//!
//! What holds here: a command is a variant with its arguments, and one line of the dispatch.

use clap::{CommandFactory as _, Parser, Subcommand};

use super::check::CheckArgs;
use super::completion::CompletionArgs;
use super::cors::CorsArgs;
use super::create::CreateArgs;
use super::exit::Exit;
use super::explain::ExplainArgs;
use super::flags::{Flags, GivenFlags};
use super::get::GetArgs;
use super::iam_policy::IamPolicyArgs;
use super::renew::RenewArgs;
use super::revoke::RevokeArgs;
use super::sign::SignArgs;
use super::status::StatusArgs;
use super::whois::WhoisArgs;

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
    pub flags: GivenFlags,

    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Status(StatusArgs),
    Get(GetArgs),
    Create(Box<CreateArgs>),
    Renew(RenewArgs),
    Check(Box<CheckArgs>),
    Explain(ExplainArgs),
    Whois(WhoisArgs),
    Revoke(RevokeArgs),
    Sign(Box<SignArgs>),
    IamPolicy(Box<IamPolicyArgs>),
    Cors(CorsArgs),
    Completion(CompletionArgs),
}

impl Command {
    /// Whether `-o` takes formats that no other command has.
    pub const fn has_own_formats(&self) -> bool {
        matches!(self, Self::Sign(_))
    }

    /// Runs the command.
    pub async fn run(self, flags: &Flags) -> anyhow::Result<Exit> {
        match self {
            Self::Status(args) => args.run(flags).await,
            Self::Get(args) => args.run(flags).await,
            Self::Create(args) => args.run(flags).await,
            Self::Renew(args) => args.run(flags).await,
            Self::Check(args) => args.run(flags).await,
            Self::Explain(args) => args.run(flags).await,
            Self::Whois(args) => args.run(flags).await,
            Self::Revoke(args) => args.run(flags).await,
            Self::Sign(args) => args.run(flags).await,
            Self::IamPolicy(args) => args.run(flags).await,
            Self::Cors(args) => args.run(flags).await,
            Self::Completion(args) => args.run(Cli::command()),
        }
    }
}
