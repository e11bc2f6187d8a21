//! The names of AWS profiles in the caller's files.
//!
//! What holds here: only the names of sections are read, so that a wrong name is told with those that there
//! are; no value of a file is kept.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::exit::Failure;

/// The most names in a message.
const SHOWN: usize = 8;

/// Refuses a profile that no file has.
pub fn check(name: &str, by_flag: bool) -> Result<(), Failure> {
    let files = [
        ("AWS_CONFIG_FILE", "config"),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
    ]
    .map(|(override_, file)| path(override_, file));
    let mut names = BTreeSet::new();
    for file in files.iter().flatten() {
        if let Ok(text) = std::fs::read_to_string(file) {
            names.extend(text.lines().filter_map(section).map(str::to_owned));
        }
    }
    if names.contains(name) {
        return Ok(());
    }
    let asked = if by_flag { "--profile" } else { "AWS_PROFILE" };
    let files: Vec<String> = files
        .iter()
        .flatten()
        .map(|file| file.display().to_string())
        .collect();
    let there: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    let there = if there.is_empty() {
        "there is none: make one with aws configure".to_owned()
    } else {
        format!(
            "give one of those that are there, for example {}",
            there.join(", ")
        )
    };
    Err(Failure::unknown(format!(
        "{asked} {name:?} is not in {}: {there}",
        files.join(" or ")
    )))
}

fn path(variable_name: &str, file: &str) -> Option<PathBuf> {
    let home = || variable("HOME").map(|home| PathBuf::from(home).join(".aws").join(file));
    variable(variable_name).map(PathBuf::from).or_else(home)
}

/// The profile that a line begins.
fn section(line: &str) -> Option<&str> {
    let (inside, _) = line.trim().strip_prefix('[')?.split_once(']')?;
    let inside = inside.trim();
    let name = match inside.split_once(char::is_whitespace) {
        Some(("profile", name)) => name.trim(),
        // `[sso-session x]` and `[services x]` are no profiles.
        Some(_) => return None,
        None => inside,
    };
    (!name.is_empty()).then_some(name)
}

/// A variable of the environment that is set to something.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.trim().is_empty())
}

#[cfg(test)]
mod tests {
    //! What a section is.

    use super::*;

    #[test]
    fn the_names_of_profiles_are_those_of_sections() {
        let lines = [
            ("[default]", Some("default")),
            ("[profile dev]", Some("dev")),
            (" [ profile  a b ] # c", Some("a b")),
            ("[prod]", Some("prod")),
            ("[sso-session x]", None),
            ("[services x]", None),
            ("region = eu-west-1", None),
            ("[]", None),
        ];
        for (line, name) in lines {
            assert_eq!(section(line), name, "{line}");
        }
    }
}
