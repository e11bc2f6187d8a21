//! The flags that every command takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The flags that every command takes. They mean what they mean to kubectl.
#[derive(Args, Clone, Debug, Default)]
pub struct Flags {
    /// The kubeconfig file. Left out: KUBECONFIG, else the pod's service account, else ~/.kube/config.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Cluster")]
    pub kubeconfig: Option<PathBuf>,

    /// The context of the kubeconfig. Left out: its current context.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Cluster")]
    pub context: Option<String>,

    /// The namespace. Left out: that of the context, else default.
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Cluster"
    )]
    pub namespace: Option<String>,

    /// How results are printed; wide has more columns. Colours are for terminals alone; `NO_COLOR` turns them
    /// off.
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "table",
        help_heading = "Output"
    )]
    pub output: Format,
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
