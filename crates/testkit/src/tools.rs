//! Finds the Go tools that tests run, and has `hack/tools.sh` build those that are missing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The folder that holds `names`, each built when it was missing: minutes at the first use, milliseconds
/// after.
pub fn folder_with(names: &[&str]) -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hack/tools.sh");
    let output = Command::new(&script)
        .args(names)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("run {}", script.display()))?;
    if !output.status.success() {
        bail!(
            "hack/tools.sh could not provide {}; its messages are above",
            names.join(", ")
        );
    }
    let folder = String::from_utf8(output.stdout).context("the folder's name is not UTF-8")?;
    Ok(PathBuf::from(folder.trim_end()))
}

/// The path of one tool, built when it was missing.
pub fn path_of(name: &str) -> Result<PathBuf> {
    Ok(folder_with(&[name])?.join(name))
}
