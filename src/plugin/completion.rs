//! `completion`: scripts that complete commands and flags, for a shell and for kubectl.
//!
//! What holds here: kubectl completes a plugin by a program called `kubectl_complete-NAME`. It gives the program
//! the words after the plugin's name; the last of them is the one to complete. The program prints a candidate a
//! line, with a tab before what it means, and in the last line whether names of files fit as well.

use std::fmt::Write as _;

use clap::{Arg, Args, Command};
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
/// These complete kubectl-presigned, the name under which the plugin works alone. kubectl 1.26 and newer
/// completes `kubectl presigned` by a program of its own name, in a folder of the PATH:
///
///   kubectl presigned completion kubectl > ~/.local/bin/kubectl_complete-presigned
///   chmod +x ~/.local/bin/kubectl_complete-presigned
///
/// Exit codes: 0 it was printed; 2 the command line cannot be used.
#[derive(Args, Clone, Debug)]
#[command(verbatim_doc_comment)]
pub struct CompletionArgs {
    /// The shell, or kubectl.
    #[arg(value_name = "SHELL", value_parser = ["bash", "zsh", "fish", KUBECTL])]
    shell: String,

    /// What kubectl's program asks: the words so far.
    #[arg(last = true, hide = true)]
    words: Vec<String>,
}

const KUBECTL: &str = "kubectl";

/// The program that kubectl runs.
const PROGRAM: &str = "\
#!/bin/sh
# kubectl runs this as kubectl_complete-presigned, in a folder of the PATH, to complete `kubectl presigned`.
exec kubectl-presigned completion kubectl -- \"$@\"
";

impl CompletionArgs {
    /// Runs the command, for the whole command line.
    pub fn run(&self, flags: &Flags, mut line: Command) -> anyhow::Result<Exit> {
        flags.without_format("completion, which prints a script")?;
        let shell = match self.shell.as_str() {
            KUBECTL => {
                let text = match self.words.split_last() {
                    None => PROGRAM.to_owned(),
                    Some((partial, before)) => {
                        line.build();
                        Candidates::of(&line, before, partial).text()
                    }
                };
                output::print(&text)?;
                return Ok(Exit::Done);
            }
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

/// What a word may become.
#[derive(Debug, Default, PartialEq, Eq)]
struct Candidates {
    /// Each with what it means, if somebody wrote that down.
    words: Vec<(String, String)>,
    /// Whether the names of files fit too.
    files: bool,
}

impl Candidates {
    fn of(line: &Command, before: &[String], partial: &str) -> Self {
        let mut command = line;
        let mut places = 0;
        let mut waiting = None;
        for word in before {
            if waiting.take().is_some() {
                // The value of the flag before.
            } else if word.starts_with('-') {
                waiting = flag(command, word);
            } else if let Some(inner) = command.find_subcommand(word) {
                (command, places) = (inner, 0);
            } else {
                places += 1;
            }
        }
        let mut found = if let Some(flag) = waiting {
            Self::values(command, flag, "")
        } else if let Some((name, _)) = partial.split_once('=')
            && let Some(flag) = flag(command, name)
        {
            Self::values(command, flag, &format!("{name}="))
        } else if partial.starts_with('-') {
            Self::flags(command)
        } else if command.has_subcommands() && places == 0 {
            Self::commands(command)
        } else {
            let place = command.get_positionals().nth(places);
            let last = command.get_positionals().last();
            // A place that takes many takes all that follow.
            let place = place.or_else(|| last.filter(|last| last.get_action().takes_values()));
            place.map_or_else(Self::default, |place| Self::values(command, place, ""))
        };
        found.words.retain(|(word, _)| word.starts_with(partial));
        found
    }

    fn commands(command: &Command) -> Self {
        let all = command.get_subcommands().filter(|one| !one.is_hide_set());
        let words = all.map(|one| (one.get_name().to_owned(), meaning(one.get_about())));
        Self {
            words: words.collect(),
            files: false,
        }
    }

    fn flags(command: &Command) -> Self {
        let all = command.get_arguments().filter(|one| !one.is_hide_set());
        let named = all.filter_map(|one| Some((format!("--{}", one.get_long()?), one)));
        let words = named.map(|(name, one)| (name, meaning(one.get_help())));
        Self {
            words: words.collect(),
            files: false,
        }
    }

    /// The values of a flag or a place, after what stands before them.
    fn values(command: &Command, argument: &Arg, before: &str) -> Self {
        let values = argument.get_possible_values().into_iter();
        let fits = |value: &str| argument.get_id() != "output" || is_format(command, value);
        let values = values.filter(|value| fits(value.get_name()));
        let words = values.map(|value| {
            let word = format!("{before}{}", value.get_name());
            (word, meaning(value.get_help()))
        });
        let names = argument.get_value_names().unwrap_or_default();
        Self {
            words: words.collect(),
            files: names.iter().any(|name| name.as_str() == "FILE"),
        }
    }

    /// As kubectl reads them.
    fn text(&self) -> String {
        let mut text = String::new();
        for (word, meaning) in &self.words {
            // Writing to a String cannot fail.
            let _ = match meaning.as_str() {
                "" => writeln!(text, "{word}"),
                meaning => writeln!(text, "{word}\t{meaning}"),
            };
        }
        text + if self.files { ":0\n" } else { ":4\n" }
    }
}

/// The flag that a word names, if its value is the next word.
fn flag<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let is_named = |argument: &&Arg| {
        let long = argument
            .get_long()
            .is_some_and(|name| word.strip_prefix("--") == Some(name));
        let short = argument.get_short().map(|name| format!("-{name}"));
        long || short.is_some_and(|name| name == word)
    };
    let mut flags = command.get_arguments().filter(is_named);
    flags.find(|flag| flag.get_action().takes_values())
}

/// Whether a command prints in this format: some have formats of their own, and a script is printed as it is.
fn is_format(command: &Command, format: &str) -> bool {
    let formats: &[&str] = match command.get_name() {
        "sign" => &["url", "json", "curl", "html"],
        "iam-policy" => &["json", "yaml"],
        "completion" => &[],
        _ => &["table", "wide", "json", "yaml"],
    };
    formats.contains(&format)
}

/// The first line of a help text.
fn meaning(help: Option<&clap::builder::StyledStr>) -> String {
    let help = help.map(ToString::to_string).unwrap_or_default();
    help.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    //! What a word may become.

    use clap::CommandFactory as _;

    use super::*;
    use crate::plugin::cli::Cli;

    /// The candidates for the last word of a line, and whether files fit.
    fn complete(line: &str) -> (Vec<String>, bool) {
        let mut command = Cli::command();
        command.build();
        let words: Vec<String> = line.split(' ').map(ToOwned::to_owned).collect();
        let (partial, before) = words.split_last().expect("a word");
        let found = Candidates::of(&command, before, partial);
        let words = found.words.into_iter().map(|(word, _)| word);
        (words.collect(), found.files)
    }

    #[test]
    fn a_word_becomes_what_its_place_takes() {
        for (line, wanted, files) in [
            ("st", &["status"][..], false),
            ("co", &["cors", "completion"], false),
            ("cors ", &["show", "apply", "remove", "help"], false),
            ("status --al", &["--all-namespaces"], false),
            ("sign s3://a/b --method P", &["PUT", "POST"], false),
            ("sign s3://a/b --method=D", &["--method=DELETE"], false),
            (
                "-n team-a status -o ",
                &["table", "wide", "json", "yaml"],
                false,
            ),
            ("sign -o ", &["json", "url", "curl", "html"], false),
            ("iam-policy -o ", &["json", "yaml"], false),
            ("completion ", &["bash", "zsh", "fish", "kubectl"], false),
            ("check -f ", &[], true),
            ("create --bucket ", &[], false),
            ("status model ", &[], false),
        ] {
            let wanted: Vec<String> = wanted.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(complete(line), (wanted, files), "{line:?}");
        }
    }

    #[test]
    fn each_candidate_is_a_line_and_the_directive_is_the_last() {
        let found = Candidates {
            words: vec![
                ("a".into(), "what a does".into()),
                ("b".into(), String::new()),
            ],
            files: false,
        };
        assert_eq!(found.text(), "a\twhat a does\nb\n:4\n");
        let files = Candidates {
            words: vec![],
            files: true,
        };
        assert_eq!(files.text(), ":0\n");
    }
}
