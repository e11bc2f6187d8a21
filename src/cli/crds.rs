//! `crds`: the CRDs as they are installed.

use std::io::Write;
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
        let mut out = std::io::stdout().lock();
        for crd in &crds {
            write!(out, "---\n{}", yaml(crd)?).context("standard output cannot be written to")?;
        }
        return Ok(());
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
