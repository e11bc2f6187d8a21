//! A file as it is written: under a temporary name beside its place, until it is whole.
//!
//! What holds here: the name of the target shows a whole file or what was there before. The temporary file is
//! removed unless it becomes the target. Two processes never write one file: the temporary file is locked.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::error::{Error, Kind};

/// Files from this size on get their room before the first byte is written.
const RESERVED: u64 = 1024 * 1024;

/// The file under its temporary name.
pub(super) struct Partial {
    file: File,
    path: PathBuf,
    target: PathBuf,
    renamed: bool,
    written: u64,
}

impl Partial {
    /// Makes the temporary file, and the folders above it.
    ///
    /// # Errors
    /// If it cannot be made, or another process writes it.
    pub(super) fn create(target: &Path) -> Result<Self, Error> {
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let failed = |error: &io::Error| Error::write(target, None, error);
        if target.is_dir() {
            return Err(Error::usage(format!(
                "{} is a folder, and a file must go there: remove it, or name another DEST",
                target.display()
            )));
        }
        fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let path = folder.join(temporary(target));
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let file = opened.map_err(|error| failed(&error))?;
        // Some network file systems have no locks.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Error::new(
                Kind::File,
                format!(
                    "another process is fetching {}: let it end",
                    target.display()
                ),
            ));
        }
        let mut partial = Self {
            file,
            path,
            target: target.to_owned(),
            renamed: false,
            written: 0,
        };
        // One that an earlier process left behind is no part of this one.
        partial.restart().map_err(|error| failed(&error))?;
        Ok(partial)
    }

    /// Makes sure that there is room for so many bytes, if the file system can.
    ///
    /// # Errors
    /// If there is not.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), Error> {
        if bytes < RESERVED {
            return Ok(());
        }
        match fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, bytes) {
            Err(why @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => {
                Err(Error::write(&self.target, Some(bytes), &why.into()))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// How many bytes there are.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Forgets what was written.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.written = 0;
        Ok(())
    }

    /// The file is whole and takes its place.
    ///
    /// # Errors
    /// If it cannot be renamed.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        // What was reserved and not used goes back.
        let cut = self.file.set_len(self.written);
        let renamed = cut.and_then(|()| fs::rename(&self.path, &self.target));
        renamed.map_err(|error| Error::write(&self.target, None, &error))?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The temporary name: the same for the same file, so that what a killed process left is used up, and of one
/// length, so that it fits wherever the target's name does.
fn temporary(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default();
    let hash = digest::digest(&digest::SHA256, name.as_encoded_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_ref()[..8]);
    format!(".presigned-{:016x}.part", u64::from_be_bytes(first))
}

#[cfg(test)]
mod tests {
    //! The file's way to its place.

    use super::*;

    #[test]
    fn a_file_takes_its_place_whole_or_not_at_all() {
        let folder = std::env::temp_dir().join(format!("psu-partial-{}", std::process::id()));
        let target = folder.join("a").join("x".repeat(255));
        let mut partial = Partial::create(&target).unwrap();
        partial.write(b"half").unwrap();
        assert!(!target.exists());
        let Err(other) = Partial::create(&target) else {
            panic!("two processes write one file")
        };
        assert!(other.to_string().contains("another process"), "{other}");
        drop(partial);
        let left = || fs::read_dir(folder.join("a")).unwrap().count();
        assert_eq!(left(), 0, "the temporary file stayed");

        // What a killed process left is no part of the next.
        fs::write(folder.join("a").join(temporary(&target)), "left behind").unwrap();
        let mut partial = Partial::create(&target).unwrap();
        partial.write(b"whole").unwrap();
        partial.reserve(5).unwrap();
        partial.finish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"whole");
        assert_eq!(left(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
