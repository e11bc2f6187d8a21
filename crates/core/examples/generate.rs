//! Writes what is generated from the types into the repository: `cargo run -p presigned-core --example generate [ROOT]`.
//!
//! `crds/` is what admins install, the chart holds a copy, and `docs/reference/` is what people read.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use presigned_core::api;

fn main() -> Result<(), Box<dyn Error>> {
    let root = std::env::args_os().nth(1).map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")),
        PathBuf::from,
    );
    let mut files = vec![
        ("docs/reference/api.md".to_owned(), api::api_reference()),
        (
            "docs/reference/reasons.md".to_owned(),
            api::reasons_reference(),
        ),
    ];
    for crd in api::crds() {
        let mut text = serde_saphyr::to_string(&crd)?;
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let name = format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural);
        for folder in ["crds", "charts/presigned-url-operator/files/crds"] {
            files.push((format!("{folder}/{name}"), text.clone()));
        }
    }
    for (path, text) in files {
        let path = root.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}
