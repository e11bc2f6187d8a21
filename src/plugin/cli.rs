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

/// What follows the commands.
const AFTER_HELP: &str = "\
Exit codes:
  0  it was done; of a question: the answer is yes
  1  it was refused, failed, or is not there; of a question: the answer is no
  2  the command line cannot be used, or a file that it names cannot be read
  3  nobody knows: no cluster answers, a right is missing, a policy cannot be read
  4  it was not done within --timeout

Results go to stdout, all else to stderr. Only commands that are asked for a URL print one. KUBECONFIG,
HTTPS_PROXY, HTTP_PROXY and NO_PROXY mean what they mean to kubectl; NO_COLOR turns colours off.

Each command has examples: kubectl presigned help COMMAND";

/// Ask for S3 presigned URLs, and see what became of them.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-presigned",
    bin_name = "kubectl presigned",
    version,
    max_term_width = 100,
    after_long_help = AFTER_HELP
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
        matches!(self, Self::Sign(_) | Self::IamPolicy(_))
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
            Self::Completion(args) => args.run(flags, Cli::command()),
        }
    }
}

#[cfg(test)]
mod tests;
