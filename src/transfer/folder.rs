//! The folder in which a Secret is mounted.
//!
//! What holds here: all files are of one version of the Secret. kubelet replaces them by pointing the link
//! `..data` to another folder; if that happens while they are read, they are read again.

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::contents::{Contents, Files};
use super::error::{Error, Kind};

/// The files that are read.
const NAMES: [&str; 9] = [
    "url",
    "urls.json",
    "urls.txt",
    "curl.conf",
    "method",
    "headers",
    "fields.json",
    "expires-at",
    "ca.crt",
];
/// The most bytes of a file: a Secret holds no more.
const LIMIT: u64 = 1024 * 1024;
/// How often a folder that changes is read.
const TURNS: usize = 8;

/// Reads the mounted Secret.
///
/// # Errors
/// [`Kind::NotReady`] if the folder or a file is not there yet.
pub(super) fn read(folder: &Path) -> Result<Contents, Error> {
    let place = folder.display().to_string();
    if !folder.is_dir() {
        return Err(Error::new(
            Kind::NotReady,
            format!(
                "{place} is no folder and no file: name the folder in which the Secret is mounted, or give --wait 5m to \
                 wait for it"
            ),
        ));
    }
    let mut files = Files::new();
    for _ in 0..TURNS {
        let before = version(folder);
        files = read_all(folder)?;
        if version(folder) == before {
            break;
        }
    }
    Contents::of_secret(&files, &place)
}

/// Which version of the Secret is mounted; `None` in a folder that kubelet did not make.
fn version(folder: &Path) -> Option<PathBuf> {
    fs::read_link(folder.join("..data")).ok()
}

fn read_all(folder: &Path) -> Result<Files, Error> {
    let mut files = Files::new();
    for name in NAMES {
        let path = folder.join(name);
        let failed = |error| Error::file("cannot read", &path, &error);
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        file.take(LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() as u64 > LIMIT {
            return Err(Error::usage(format!(
                "{} is larger than a Secret can be: name the folder in which the Secret is mounted",
                path.display()
            )));
        }
        files.insert(name.to_owned(), bytes);
    }
    Ok(files)
}
