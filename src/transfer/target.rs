//! Where a file goes: the one function that every name which others chose passes on its way to the disk.
//!
//! What holds here: no name leaves the target folder, neither by its own text nor through a link that lies in
//! the folder. A name that would is refused and never changed into another.

use std::fs;
use std::path::{Path, PathBuf};

use presigned_core::text::quoted;

use super::error::Error;

/// The longest name of a file or folder on Linux's file systems, in bytes.
const MAX_NAME: usize = 255;

/// The path of `name` below `folder`.
///
/// # Errors
/// If the name is no path that stays below the folder, or if a link in the folder would lead it elsewhere.
pub(super) fn below(folder: &Path, name: &str) -> Result<PathBuf, Error> {
    if let Some(problem) = problem(name) {
        return Err(Error::usage(format!(
            "the key {} {problem}, so it cannot be a file below {}: take it out of the PresignedURL, or fetch it alone \
             with --key and a file name as DEST",
            quoted(name),
            folder.display()
        )));
    }
    let mut path = folder.to_owned();
    let parts: Vec<&str> = name.split('/').collect();
    for (at, part) in parts.iter().enumerate() {
        path.push(part);
        let is_link = fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink());
        // A link in the file's own place is replaced when the file is renamed, and not followed.
        if is_link && at + 1 < parts.len() {
            return Err(Error::usage(format!(
                "{} is a link, and {} would be written through it: remove the link, or name another DEST",
                path.display(),
                quoted(name)
            )));
        }
    }
    Ok(path)
}

/// What is wrong with a name.
fn problem(name: &str) -> Option<&'static str> {
    if name.chars().any(char::is_control) {
        return Some("holds a control character");
    }
    if name.contains('\\') {
        return Some("holds a backslash, which separates folders on Windows");
    }
    if name.starts_with('/') {
        return Some("is an absolute path");
    }
    if name.split('/').any(|part| part == "..") {
        return Some("leaves its folder by \"..\"");
    }
    if name.split('/').any(|part| matches!(part, "" | ".")) {
        return Some("has an empty part");
    }
    let too_long = name.split('/').any(|part| part.len() > MAX_NAME);
    too_long.then_some("has a part of more than 255 bytes")
}

#[cfg(test)]
mod tests {
    //! Names that would leave the folder.

    use super::*;

    #[test]
    fn a_name_that_would_leave_the_folder_is_refused() {
        let folder = Path::new("/nowhere/models");
        for name in [
            "../x",
            "a/../../x",
            "..",
            "/etc/passwd",
            "a//b",
            "",
            "a/",
            "./a",
            "a/.",
            "..\\x",
            "C:\\x",
            "a\nb",
            "a\0b",
            &"x".repeat(256),
        ] {
            let refused = below(folder, name).unwrap_err();
            assert_eq!(refused.kind, super::super::error::Kind::Usage);
            assert!(refused.to_string().contains("/nowhere/models"), "{refused}");
        }
        for name in ["a", "a/b", "...", "a..b/c", "-", "é/ü", "a b", "%2e%2e/x"] {
            let path = below(folder, name).unwrap();
            assert_eq!(path, folder.join(name));
        }
    }

    #[test]
    fn no_file_is_written_through_a_link_in_the_folder() {
        let folder = std::env::temp_dir().join(format!("psu-target-{}", std::process::id()));
        fs::create_dir_all(folder.join("real")).unwrap();
        let _ = std::os::unix::fs::symlink("/etc", folder.join("link"));
        assert!(below(&folder, "real/x").is_ok());
        let refused = below(&folder, "link/x").unwrap_err().to_string();
        assert!(refused.contains("is a link"), "{refused}");
        // The link itself is replaced by the file, and not written through.
        assert!(below(&folder, "link").is_ok());
        fs::remove_dir_all(&folder).unwrap();
    }
}
