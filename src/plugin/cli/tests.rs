//! The command line as clap has it, and every command that the docs and the help show.

use super::*;

/// The pages that show commands.
const PAGES: [(&str, &str); 26] = [
    ("README.md", include_str!("../../../README.md")),
    ("CHANGELOG.md", include_str!("../../../CHANGELOG.md")),
    ("SECURITY.md", include_str!("../../../SECURITY.md")),
    (
        "examples/README.md",
        include_str!("../../../examples/README.md"),
    ),
    (
        "docs/api-lifecycle.md",
        include_str!("../../../docs/api-lifecycle.md"),
    ),
    (
        "docs/concepts.md",
        include_str!("../../../docs/concepts.md"),
    ),
    (
        "docs/contributing.md",
        include_str!("../../../docs/contributing.md"),
    ),
    (
        "docs/credentials.md",
        include_str!("../../../docs/credentials.md"),
    ),
    ("docs/gitops.md", include_str!("../../../docs/gitops.md")),
    ("docs/links.md", include_str!("../../../docs/links.md")),
    (
        "docs/operations.md",
        include_str!("../../../docs/operations.md"),
    ),
    (
        "docs/performance.md",
        include_str!("../../../docs/performance.md"),
    ),
    (
        "docs/plugin-sign.md",
        include_str!("../../../docs/plugin-sign.md"),
    ),
    ("docs/plugin.md", include_str!("../../../docs/plugin.md")),
    ("docs/policy.md", include_str!("../../../docs/policy.md")),
    (
        "docs/questions.md",
        include_str!("../../../docs/questions.md"),
    ),
    (
        "docs/reliability.md",
        include_str!("../../../docs/reliability.md"),
    ),
    ("docs/runbook.md", include_str!("../../../docs/runbook.md")),
    (
        "docs/security.md",
        include_str!("../../../docs/security.md"),
    ),
    ("docs/testing.md", include_str!("../../../docs/testing.md")),
    (
        "docs/transfer.md",
        include_str!("../../../docs/transfer.md"),
    ),
    (
        "docs/tutorial.md",
        include_str!("../../../docs/tutorial.md"),
    ),
    ("docs/upgrade.md", include_str!("../../../docs/upgrade.md")),
    ("docs/uploads.md", include_str!("../../../docs/uploads.md")),
    (
        "docs/reference/api.md",
        include_str!("../../../docs/reference/api.md"),
    ),
    (
        "docs/reference/reasons.md",
        include_str!("../../../docs/reference/reasons.md"),
    ),
];

/// What a person types of a page: its blocks of shell, and the prompts of its blocks of console.
fn typed(page: &str) -> String {
    let mut typed = String::new();
    let (mut language, mut goes_on) = (None, false);
    for line in page.lines() {
        let line = line.trim_start();
        if let Some(rest) = line.strip_prefix("```") {
            language = if language.is_some() { None } else { Some(rest) };
            goes_on = false;
            continue;
        }
        let prompt = line.strip_prefix("$ ");
        let text = match language {
            Some("sh" | "bash") => Some(line),
            Some("console") if goes_on => Some(line),
            Some("console") => prompt,
            _ => None,
        };
        if let Some(text) = text {
            typed.push_str(text);
            typed.push('\n');
            goes_on = text.ends_with(['\\', '|']);
        }
    }
    typed
}

/// The simple commands of a script, in words. Quotes are taken off, variables stay as they stand.
fn commands(script: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut quote) = (None::<String>, None::<char>);
    let mut redirected = false;
    let mut chars = script
        .replace("\\\n", " ")
        .chars()
        .collect::<Vec<_>>()
        .into_iter()
        .peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => while chars.next_if(|c| *c != '\n').is_some() {},
            (None, c) if c.is_whitespace() || "|;&()<>".contains(c) => {
                if let Some(word) = word.take()
                    && !std::mem::take(&mut redirected)
                {
                    commands.last_mut().expect("one").push(word);
                }
                match c {
                    '<' | '>' => redirected = chars.peek() != Some(&'('),
                    ' ' | '\t' => {}
                    _ => {
                        redirected = false;
                        commands.push(Vec::new());
                    }
                }
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    commands.last_mut().expect("one").extend(word);
    commands
}

/// Whether the plugin is what is run, and the words that clap is given of it.
fn of_plugin(words: &[String]) -> Option<Vec<&str>> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["kubectl", "presigned", ..] => Some(words[1..].to_vec()),
        ["kubectl-presigned", ..] => Some(words),
        _ => None,
    }
}

/// Why clap or the command does not take these words, if it does not.
fn refusal(words: &[&str]) -> Option<String> {
    use clap::error::ErrorKind;
    match Cli::try_parse_from(words) {
        Ok(Cli { flags, command }) => {
            let formats: &[&str] = match command {
                Command::Sign(_) => &["url", "json", "curl", "html"],
                Command::IamPolicy(_) => &["json", "yaml"],
                _ => &[],
            };
            let own = command.has_own_formats();
            assert_eq!(own, !formats.is_empty(), "{words:?}");
            let format = words.iter().skip_while(|word| **word != "-o").nth(1);
            let is_own = format.is_none_or(|format| formats.contains(format));
            let refused = flags.of_command(own).err().map(|failure| failure.message);
            refused.or_else(|| (own && !is_own).then(|| format!("{format:?} is of other commands")))
        }
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            ) =>
        {
            None
        }
        Err(error) => Some(error.to_string()),
    }
}

/// Checks every command of a text; how many there are.
fn check(place: &str, text: &str) -> usize {
    let commands = commands(text);
    let ours = commands.iter().filter_map(|words| of_plugin(words));
    let mut count = 0;
    for words in ours {
        assert_eq!(refusal(&words), None, "{place}: {words:?}");
        count += 1;
    }
    count
}

#[test]
fn the_command_line_is_one_that_clap_takes() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_of_the_docs_is_one_that_the_plugin_takes() {
    let count: usize = PAGES
        .iter()
        .map(|(name, page)| check(name, &typed(page)))
        .sum();
    assert!(count >= 35, "{count} commands");
    for (name, page) in PAGES {
        // Most commands are named in a sentence; the words after the command's name are not whole there.
        for rest in page.split("`kubectl presigned ").skip(1) {
            let word = rest
                .split(|c: char| !c.is_ascii_lowercase() && c != '-')
                .next();
            let word = word.unwrap_or_default();
            let line = Cli::command();
            assert!(
                word.is_empty() || line.find_subcommand(word).is_some(),
                "{name}: {word}"
            );
        }
    }
}

#[test]
fn no_page_is_left_out() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["docs", "docs/reference"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .expect("UTF-8");
            let name = format!("{folder}/{name}");
            let is_page = path.extension().is_some_and(|extension| extension == "md");
            let is_known = PAGES.iter().any(|(known, _)| *known == name);
            assert!(is_known || !is_page, "{name}");
        }
    }
}

#[test]
fn every_example_of_the_help_is_one_that_the_plugin_takes() {
    let line = Cli::command();
    let mut count = 0;
    for command in line.get_subcommands() {
        let texts = [
            command.get_long_about(),
            command.get_after_help(),
            command.get_after_long_help(),
        ];
        for text in texts.into_iter().flatten() {
            let mut examples = String::new();
            let mut goes_on = false;
            for line in text.to_string().lines() {
                let line = line.trim_start();
                let begins =
                    line.starts_with("kubectl presigned ") || line.contains("| kubectl presigned ");
                let begins = begins || line.contains("kubectl-presigned completion");
                if begins || goes_on {
                    examples.push_str(line);
                    examples.push('\n');
                    goes_on = line.ends_with(['\\', '|']);
                }
            }
            count += check(command.get_name(), &examples);
        }
    }
    assert!(count > 20, "{count} commands");
}

#[test]
fn scripts_are_taken_apart_as_a_shell_does() {
    let script = "url=$(kubectl presigned get a | tr -d '\\n') # kubectl presigned no\n\
                  kubectl presigned sign \\\n  's3://a b' -o curl > f.conf | x\nsource <(kubectl-presigned completion zsh)\n";
    let commands = commands(script);
    let ours: Vec<_> = commands
        .iter()
        .filter_map(|words| of_plugin(words))
        .collect();
    assert_eq!(
        ours,
        [
            vec!["presigned", "get", "a"],
            vec!["presigned", "sign", "s3://a b", "-o", "curl"],
            vec!["kubectl-presigned", "completion", "zsh"],
        ]
    );
    for wrong in [
        "kubectl presigned signe s3://a/b",
        "kubectl presigned sign s3://a/b -o table",
        "kubectl presigned get",
    ] {
        let commands = self::commands(wrong);
        let words = of_plugin(&commands[0]).expect("the plugin");
        assert!(refusal(&words).is_some(), "{wrong}");
    }
    assert_eq!(
        typed("```console\n$ a |\n  b\nout\n$ c\n```\n```yaml\nd\n```\n"),
        "a |\nb\nc\n"
    );
}
