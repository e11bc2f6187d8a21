//! `completion`: a script that completes commands and flags in a shell.

use clap::{Args, Command};
use clap_complete::Shell;

use super::exit::Exit;
use super::flags::Flags;
use super::output;

/// Print a script that completes commands and flags
///
///   source <(kubectl-presigned completion bash)
///   kubectl-presigned completion zsh > "${fpath[1]}/_kubectl-presigned"
///   kubectl-presigned completion fish > ~/.config/fish/completions/kubectl-presigned.fish
///
/// It completes kubectl-presigned, the name under which the plugin works alone. kubectl 1.26 and newer
/// completes its plugins by programs called kubectl_complete-NAME, which this is none of.
///
/// Exit codes: 0 it was printed; 2 the command line cannot be used.
#[derive(Args, Clone, Debug)]
#[command(verbatim_doc_comment)]
pub struct CompletionArgs {
    /// The shell.
    #[arg(value_name = "SHELL", value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

impl CompletionArgs {
    /// Runs the command, for the whole command line.
    pub fn run(&self, flags: &Flags, mut line: Command) -> anyhow::Result<Exit> {
        flags.without_format("completion, which prints a script")?;
        let shell = match self.shell.as_str() {
            "zsh" => Shell::Zsh,
            "fish" => Shell::Fish,
            _ => Shell::Bash,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut line, "kubectl-presigned", &mut script);
        output::print_bytes(&script)?;
        Ok(Exit::Done)
    }
}
