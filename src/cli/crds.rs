//! `crds`: the CRDs as they are installed, and the admission policies that refuse fields which they don't
//! have.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

/// Arguments of `crds`.
#[derive(Args, Debug)]
pub struct CrdsArgs {
    /// Write one file a CRD (presigned.dev_<plural>.yaml) and unknown-fields.yaml into this folder instead of
    /// printing them.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// The file of the admission policies.
const UNKNOWN_FIELDS: &str = "unknown-fields.yaml";

/// Prints the CRDs and the admission policies, or writes them.
pub(super) fn crds(args: CrdsArgs) -> anyhow::Result<()> {
    let CrdsArgs { dir } = args;
    let mut files = Vec::new();
    for crd in presigned_core::api::crds() {
        let name = format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural);
        files.push((name, yaml(&crd)?));
    }
    files.push((UNKNOWN_FIELDS.to_owned(), unknown_fields()?));
    let Some(dir) = dir else {
        let documents = files.into_iter().map(|(_, text)| format!("---\n{text}"));
        let text: String = documents.collect();
        return match std::io::stdout().write_all(text.as_bytes()) {
            // A reader that has seen enough, such as head, is no failure.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written.context("standard output cannot be written to"),
        };
    };
    std::fs::create_dir_all(&dir)
        .with_context(|| format!("the folder {} cannot be made", dir.display()))?;
    for (name, text) in files {
        let file = dir.join(name);
        std::fs::write(&file, text)
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(())
}

/// The admission policies, each before the binding that puts it in force.
pub(super) fn unknown_fields() -> anyhow::Result<String> {
    let mut documents = Vec::new();
    for refusal in presigned_core::api::refusals_of_unknown_fields() {
        documents.push(yaml(&refusal.policy)?);
        documents.push(yaml(&refusal.binding)?);
    }
    Ok(documents.join("---\n"))
}

/// An object as YAML, with a newline at its end.
pub(super) fn yaml(object: &impl Serialize) -> anyhow::Result<String> {
    let mut text = serde_saphyr::to_string(object).context("an object does not serialize")?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
