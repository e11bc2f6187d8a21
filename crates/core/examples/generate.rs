//! Writes the generated part of the manual: `cargo run -p presigned-core --example generate FOLDER`.
//!
//! What holds here: all of it comes from the types. The CRDs are written by `presigned-url-operator crds
//! --dir`.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use presigned_core::api;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .ok_or("name the folder to write api.md and reasons.md into")?;
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("api.md"), api::api_reference())?;
    fs::write(folder.join("reasons.md"), api::reasons_reference())?;
    Ok(())
}
