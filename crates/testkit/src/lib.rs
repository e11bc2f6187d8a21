//! What the tests, the demo and the bench stand on: a real control plane, real S3 servers and faults on demand.
//!
//! Everything listens on loopback, on free ports, keeps its files in a temporary folder, and ends with the process that
//! started it, however that ends. Nothing here is part of the product.

pub mod control_plane;
pub mod guard;
pub mod pki;
pub mod tls;
pub mod tools;

pub use control_plane::ControlPlane;

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Writes a file that only its owner may read.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("write {}", path.display()))
}
