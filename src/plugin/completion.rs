//! `completion`: scripts that complete commands, flags and names, for a shell and for kubectl.
//!
//! What holds here: kubectl completes a plugin by a program called `kubectl_complete-NAME`. It gives the
//! program the words after the plugin's name; the last of them is the one to complete. The program prints a
//! candidate a line, with a tab before what it means, and in the last line whether names of files fit as
//! well. The shells' scripts ask the same, so that all four know the same words.

mod names;

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Args, Command};

use super::exit::Exit;
use super::flags::Flags;
use super::output;

/// Print a script that completes commands, flags and names
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
/// Names of PresignedURLs are those of the cluster and namespace that the line says so far. A cluster that
/// does not answer within a second gives none.
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

/// What each shell reads.
const BASH: &str = include_str!("completion/kubectl-presigned.bash");
const ZSH: &str = include_str!("completion/kubectl-presigned.zsh");
const FISH: &str = include_str!("completion/kubectl-presigned.fish");

impl CompletionArgs {
    /// Runs the command, for the whole command line.
    pub fn run(&self, flags: &Flags, mut line: Command) -> anyhow::Result<Exit> {
        flags.without_format("completion, which prints a script")?;
        let answer;
        output::print(match (self.shell.as_str(), self.words.split_last()) {
            (KUBECTL, Some((partial, before))) => {
                line.build();
                let mut found = Candidates::of(&line, before, partial);
                if let Some(cluster) = &found.names {
                    let names = names::within(cluster).into_iter();
                    let names = names.filter(|name| name.starts_with(partial));
                    found.words.extend(names.map(|name| (name, String::new())));
                }
                answer = found.text();
                &answer
            }
            (KUBECTL, None) => PROGRAM,
            ("zsh", _) => ZSH,
            ("fish", _) => FISH,
            _ => BASH,
        })?;
        Ok(Exit::Done)
    }
}

/// What a word may become.
#[derive(Debug, Default)]
struct Candidates {
    /// Each with what it means, if somebody wrote that down.
    words: Vec<(String, String)>,
    /// Whether the names of files fit too.
    files: bool,
    /// If names of PresignedURLs fit, the cluster and the namespace that have them.
    names: Option<Flags>,
}

impl Candidates {
    fn of(line: &Command, before: &[String], partial: &str) -> Self {
        let mut command = line;
        let mut places = 0;
        let mut waiting = None;
        let mut cluster = Flags::default();
        for word in before {
            if let Some(flag) = waiting.take() {
                set(&mut cluster, flag, word);
            } else if let Some((name, value)) = word.split_once('=')
                && let Some(flag) = flag(command, name)
            {
                set(&mut cluster, flag, value);
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
            let takes_many = |place: &&Arg| matches!(place.get_action(), ArgAction::Append);
            let place = place.or_else(|| last.filter(takes_many));
            let mut found =
                place.map_or_else(Self::default, |place| Self::values(command, place, ""));
            if place.is_some_and(|place| is_existing(command, place)) {
                found.names = Some(cluster);
            }
            found
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
            names: None,
        }
    }

    fn flags(command: &Command) -> Self {
        let all = command.get_arguments().filter(|one| !one.is_hide_set());
        let named = all.filter_map(|one| Some((format!("--{}", one.get_long()?), one)));
        let words = named.map(|(name, one)| (name, meaning(one.get_help())));
        Self {
            words: words.collect(),
            files: false,
            names: None,
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
            // The FILE of `get` is one of a Secret.
            files: names.iter().any(|name| name.as_str() == "FILE") && command.get_name() != "get",
            names: None,
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

/// Keeps the value of a flag that says which cluster and namespace.
fn set(cluster: &mut Flags, flag: &Arg, value: &str) {
    match flag.get_id().as_str() {
        "kubeconfig" => cluster.kubeconfig = Some(value.into()),
        "context" => cluster.context = Some(value.to_owned()),
        "namespace" => cluster.namespace = Some(value.to_owned()),
        _ => {}
    }
}

/// Whether a place takes the name of a `PresignedURL` that exists.
fn is_existing(command: &Command, place: &Arg) -> bool {
    let commands = ["status", "get", "renew", "check", "explain", "revoke"];
    commands.contains(&command.get_name()) && matches!(place.get_id().as_str(), "name" | "names")
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
            ("get model ", &[], false),
            ("status model ", &[], false),
        ] {
            let wanted: Vec<String> = wanted.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(complete(line), (wanted, files), "{line:?}");
        }
    }

    #[test]
    fn names_of_resources_fit_where_one_that_exists_is_meant() {
        let names = |line: &str| {
            let mut command = Cli::command();
            command.build();
            let words: Vec<String> = line.split(' ').map(ToOwned::to_owned).collect();
            let (partial, before) = words.split_last().expect("a word");
            Candidates::of(&command, before, partial).names
        };
        for line in [
            "status ", "get m", "renew a ", "explain ", "revoke ", "check a ",
        ] {
            assert!(names(line).is_some(), "{line:?}");
        }
        for line in [
            "status a ",
            "get a ",
            "create ",
            "whois ",
            "sign ",
            "status -n ",
            "renew --timeout ",
            "status --",
        ] {
            assert!(names(line).is_none(), "{line:?}");
        }
        let cluster = names("-n a --context=b get --kubeconfig c ").expect("a cluster");
        assert_eq!(cluster.namespace.as_deref(), Some("a"));
        assert_eq!(cluster.context.as_deref(), Some("b"));
        assert_eq!(cluster.kubeconfig, Some("c".into()));
    }

    #[test]
    fn each_candidate_is_a_line_and_the_directive_is_the_last() {
        let found = Candidates {
            words: vec![
                ("a".into(), "what a does".into()),
                ("b".into(), String::new()),
            ],
            files: false,
            names: None,
        };
        assert_eq!(found.text(), "a\twhat a does\nb\n:4\n");
        let files = Candidates {
            words: vec![],
            files: true,
            names: None,
        };
        assert_eq!(files.text(), ":0\n");
    }
}
