//! What the tests, the demo and the bench stand on: a real control plane, real S3 servers and faults on
//! demand.
//!
//! Everything listens on loopback, on free ports, keeps its files in a temporary folder, and ends with the
//! process that started it, however that ends. Nothing here is part of the product.

pub mod aws;
pub mod cluster;
pub mod control_plane;
pub mod demo;
pub mod fault_proxy;
pub mod guard;
pub mod http_proxy;
pub mod otlp;
pub mod pki;
mod ports;
pub mod s3;
pub mod serve;
pub mod tls;
pub mod tools;
mod upstream;

pub use control_plane::ControlPlane;
pub use fault_proxy::FaultProxy;
pub use ports::free_ports;
pub use s3::S3Server;

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
