//! The flags that every command takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use presigned_core::request::parse_duration;

use super::exit::Failure;

/// What `-o` takes, of all commands.
const FORMATS: [&str; 7] = ["table", "wide", "json", "yaml", "url", "curl", "html"];

/// The flags that every command takes, as they were given. They mean what they mean to kubectl.
#[derive(Args, Clone, Debug, Default)]
pub struct GivenFlags {
    /// The kubeconfig file. Left out: KUBECONFIG, else the pod's service account, else ~/.kube/config.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Cluster")]
    kubeconfig: Option<PathBuf>,

    /// The context of the kubeconfig. Left out: its current context.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Cluster")]
    context: Option<String>,

    /// The namespace. Left out: that of the context, else default.
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Cluster"
    )]
    namespace: Option<String>,

    /// How results are printed: table, wide (more columns), json or yaml; sign has url, json, curl and html,
    /// iam-policy json and yaml. What is printed as it stands, such as a script or one file, takes none.
    /// Colours are for terminals alone; `NO_COLOR` turns them off.
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        value_parser = PossibleValuesParser::new(FORMATS),
        hide_possible_values = true,
        help_heading = "Output"
    )]
    output: Option<String>,
}

/// The flags that every command takes.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The kubeconfig file.
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig.
    pub context: Option<String>,
    /// The namespace.
    pub namespace: Option<String>,
    /// How results are printed, by a command without formats of its own.
    pub output: Format,
    /// The same as it was given.
    given_output: Option<String>,
}

impl GivenFlags {
    /// The flags for a command, which has formats of its own or the usual ones.
    ///
    /// # Errors
    /// If `-o` says a format of other commands.
    pub fn of_command(self, has_own_formats: bool) -> Result<Flags, Failure> {
        let Self {
            kubeconfig,
            context,
            namespace,
            output,
        } = self;
        let mut flags = Flags {
            kubeconfig,
            context,
            namespace,
            output: Format::default(),
            given_output: output,
        };
        if !has_own_formats {
            flags.output = flags.own_format()?.unwrap_or_default();
        }
        Ok(flags)
    }
}

impl Flags {
    /// Refuses `-o` beside `what`, which is printed in one form alone.
    ///
    /// # Errors
    /// If it is given.
    pub fn without_format(&self, what: &str) -> Result<(), Failure> {
        match &self.given_output {
            Some(given) => Err(Failure::usage(format!(
                "-o {given} does not go with {what}: leave it out"
            ))),
            None => Ok(()),
        }
    }

    /// What `-o` says, for a command with these formats; `None` if it is left out.
    ///
    /// # Errors
    /// If it is none of them.
    pub fn own_format<F: ValueEnum>(&self) -> Result<Option<F>, Failure> {
        let Some(given) = &self.given_output else {
            return Ok(None);
        };
        let format = F::from_str(given, true).map_err(|_| {
            let formats = F::value_variants().iter();
            let formats = formats.filter_map(F::to_possible_value);
            let names: Vec<String> = formats.map(|one| one.get_name().to_owned()).collect();
            Failure::usage(format!(
                "-o {given} is not for this command: give one of {}",
                names.join(", ")
            ))
        })?;
        Ok(Some(format))
    }
}

/// A duration of a command's own flag, as specs have them.
///
/// # Errors
/// A text that is none.
pub fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// How results are printed.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A table for people.
    #[default]
    Table,
    /// The table with more columns.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}
