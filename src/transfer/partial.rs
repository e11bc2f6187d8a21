//! A file as it is written: under a temporary name beside its place, until it is whole.
//!
//! What holds here: the name of the target shows a whole file or what was there before. The temporary file is
//! removed unless it becomes the target. Two processes never write one file: the temporary file is locked.
//!
//! A local file system says at once that it has no room. One over a network may say so only when the file is
//! synced, so there it is synced before it takes its place. Elsewhere it is not: a node that loses its power
//! fetches again, and a sync for each file would cost more than the download.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use rustix::fs::{FallocateFlags, fallocate, fstatfs};
use rustix::io::Errno;

use super::error::{Error, Kind};

/// Files from this size on get their room before the first byte is written.
const RESERVED: u64 = 1024 * 1024;

/// The file systems that take bytes only if they have room for them, by the kernel's numbers.
const LOCAL: [u32; 9] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683E, // btrfs
    0x0102_1994, // tmpfs
    0x8584_58F6, // ramfs
    0x794C_7630, // overlayfs
    0xF2F5_2010, // F2FS
    0x2FC1_2FC1, // ZFS
    0xCA45_1A4E, // bcachefs
];

/// The file under its temporary name.
pub(super) struct Partial {
    file: File,
    path: PathBuf,
    target: PathBuf,
    renamed: bool,
    written: u64,
    /// Whether a full disk may be told only by a sync.
    told_late: bool,
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
        let told_late = fstatfs(&file).is_ok_and(|of| !is_local(u32::try_from(of.f_type).ok()));
        let mut partial = Self {
            told_late,
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

    /// The file is whole and takes its place. Over a network that may block for as long as the bytes take.
    ///
    /// # Errors
    /// If there was no room for it after all, or if it cannot be renamed.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        let put = self.put();
        put.map_err(|error| Error::write(&self.target, Some(self.written), &error))?;
        self.renamed = true;
        Ok(())
    }

    fn put(&self) -> io::Result<()> {
        // What was reserved and not used goes back.
        self.file.set_len(self.written)?;
        if self.told_late {
            self.file.sync_data()?;
        }
        fs::rename(&self.path, &self.target)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether a file system of this kind tells a full disk as soon as it is written to.
fn is_local(kind: Option<u32>) -> bool {
    kind.is_some_and(|kind| LOCAL.contains(&kind))
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
    fn a_file_over_a_network_is_synced_before_it_takes_its_place() {
        let (nfs, smb, ceph, fuse) = (0x6969, 0xFE53_4D42, 0x00C3_6400, 0x6573_5546);
        for kind in [nfs, smb, ceph, fuse] {
            assert!(!is_local(Some(kind)), "{kind:x}");
        }
        assert!(!is_local(None), "one that nobody knows");
        for kind in [0xEF53, 0x5846_5342, 0x0102_1994] {
            assert!(is_local(Some(kind)), "{kind:x}");
        }
        let folder = std::env::temp_dir().join(format!("psu-late-{}", std::process::id()));
        let mut partial = Partial::create(&folder.join("a")).unwrap();
        partial.told_late = true;
        partial.write(b"whole").unwrap();
        partial.finish().unwrap();
        assert_eq!(fs::read(folder.join("a")).unwrap(), b"whole");
        fs::remove_dir_all(&folder).unwrap();
    }

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
