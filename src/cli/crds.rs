//! `crds`: the CRDs as they are installed.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

/// Arguments of `crds`.
#[derive(Args, Debug)]
pub struct CrdsArgs {
    /// Write one file a CRD (presigned.dev_<plural>.yaml) into this folder instead of printing them.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints the CRDs, or writes them.
pub(super) fn crds(args: CrdsArgs) -> anyhow::Result<()> {
    let CrdsArgs { dir } = args;
    let crds = presigned_core::api::crds();
    let Some(dir) = dir else {
        let mut text = String::new();
        for crd in &crds {
            text.push_str("---\n");
            text.push_str(&yaml(crd)?);
        }
        return match std::io::stdout().write_all(text.as_bytes()) {
            // A reader that has seen enough, such as head, is no failure.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written.context("standard output cannot be written to"),
        };
    };
    std::fs::create_dir_all(&dir)
        .with_context(|| format!("the folder {} cannot be made", dir.display()))?;
    for crd in &crds {
        let file = dir.join(format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural));
        std::fs::write(&file, yaml(crd)?)
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(())
}

/// A CRD as YAML, with a newline at its end.
pub(super) fn yaml(crd: &CustomResourceDefinition) -> anyhow::Result<String> {
    let mut text = serde_saphyr::to_string(crd).context("a CRD does not serialize")?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
