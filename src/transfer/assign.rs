//! Which file is sent to which URL.
//!
//! What holds here: the whole plan is made before anything is sent, and a file whose length the signature does
//! not allow is refused before a byte of it.

use std::path::{Path, PathBuf};

use http::header;
use presigned_core::text::{counted, quoted};

use super::contents::{Contents, Item};
use super::error::Error;
use super::plan::{id, last_part, no_such_key};
use super::target;

/// What a form's key holds where the name of the file goes.
const FILE_NAME: &str = "${filename}";

/// One file to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assigned {
    /// What the URL is called in the source, from one reading to the next.
    pub(super) id: String,
    pub(super) file: PathBuf,
    pub(super) length: u64,
}

/// The plan. `key` chooses the URL of one file.
///
/// # Errors
/// If the source is for something else than uploads, or the files do not fit to its URLs.
pub(super) fn assign(
    contents: &Contents,
    files: &[PathBuf],
    key: Option<&str>,
    place: &str,
) -> Result<Vec<Assigned>, Error> {
    let method = contents.method.as_deref().unwrap_or("PUT");
    if !matches!(method, "PUT" | "POST") {
        let instead = match method {
            "GET" => "download with fetch, or name a PresignedURL with method: PUT",
            _ => "name a PresignedURL with method: PUT",
        };
        return Err(Error::usage(format!(
            "{place} is for {method}, and nothing can be uploaded with it: {instead}"
        )));
    }
    if method == "POST" && contents.fields.is_empty() {
        return Err(Error::usage(format!(
            "{place} is for a form and has no fields.json: mount the Secret whole"
        )));
    }
    let any_name = contents
        .fields
        .iter()
        .any(|field| field.name == "key" && field.value.contains(FILE_NAME));
    let mut assigned = Vec::new();
    for file in files {
        if file.is_dir() && contents.many && key.is_none() {
            for item in &contents.items {
                let name = item.key.as_deref().unwrap_or_default();
                assigned.push(measured(item, &target::below(file, name)?)?);
            }
            continue;
        }
        let item = match (key, contents.many) {
            (Some(key), true) => contents
                .items
                .iter()
                .find(|item| item.key.as_deref() == Some(key))
                .ok_or_else(|| no_such_key(contents, key, place))?,
            (_, true) => by_name(contents, file, place)?,
            (_, false) => contents
                .items
                .first()
                .ok_or_else(|| Error::usage(format!("{place} holds no URL")))?,
        };
        assigned.push(measured(item, file)?);
    }
    for (at, one) in assigned.iter().enumerate() {
        if !any_name && let Some(other) = assigned[..at].iter().find(|other| other.id == one.id) {
            return Err(Error::usage(format!(
                "{} and {} would become one object: {place} takes {}",
                other.file.display(),
                one.file.display(),
                counted(contents.items.len(), "file")
            )));
        }
        check_length(contents, one)?;
    }
    Ok(assigned)
}

/// The URL of the key that the file is called: the whole path as it was given, else its last part.
fn by_name<'a>(contents: &'a Contents, file: &Path, place: &str) -> Result<&'a Item, Error> {
    let given = file.to_string_lossy();
    let given = given.trim_start_matches("./");
    let whole = |item: &&Item| item.key.as_deref() == Some(given);
    if let Some(item) = contents.items.iter().find(whole) {
        return Ok(item);
    }
    let name = last_part(given);
    let is_its = |item: &&Item| last_part(&id(item)) == name;
    let found: Vec<&Item> = contents.items.iter().filter(is_its).collect();
    match found[..] {
        [item] => Ok(item),
        [] => Err(no_such_key(contents, name, place)),
        _ => Err(Error::usage(format!(
            "{} keys of {place} end in {}: choose one with --key",
            found.len(),
            quoted(name)
        ))),
    }
}

fn measured(item: &Item, file: &Path) -> Result<Assigned, Error> {
    let found = std::fs::metadata(file);
    let found = found.map_err(|error| Error::file("cannot read", file, &error))?;
    if !found.is_file() {
        return Err(Error::usage(format!(
            "{} is no file whose length is known: write it to a file first, and push that",
            file.display()
        )));
    }
    Ok(Assigned {
        id: id(item),
        file: file.to_owned(),
        length: found.len(),
    })
}

/// A signed length is the only one that the server takes.
fn check_length(contents: &Contents, assigned: &Assigned) -> Result<(), Error> {
    let mut headers = contents.headers.iter();
    let signed = headers.find(|(name, _)| name == header::CONTENT_LENGTH);
    let signed = signed.and_then(|(_, value)| value.to_str().ok()?.parse::<u64>().ok());
    match signed {
        Some(signed) if signed != assigned.length => Err(Error::usage(format!(
            "{} has {} bytes, and the URL is signed for {signed}: set put.contentLength of the PresignedURL, or push \
             the right file",
            assigned.file.display(),
            assigned.length
        ))),
        _ => Ok(()),
    }
}

/// The value of a form's field for a file: not every server puts the name in by itself.
pub(super) fn filled(value: &str, file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    value.replace(FILE_NAME, &name)
}

#[cfg(test)]
mod tests {
    //! Files and URLs, without a server.

    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::contents::Files;
    use super::*;

    fn secret(files: &[(&str, &str)]) -> Contents {
        let files: Files = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
            .collect();
        Contents::of_secret(&files, "p").unwrap()
    }

    fn many() -> Contents {
        let json = r#"[{"key":"a/x","url":"https://h/a/x?s"},{"key":"b/x","url":"https://h/b/x?s"},
                       {"key":"b/y","url":"https://h/b/y?s"}]"#;
        secret(&[("urls.json", json), ("method", "PUT")])
    }

    /// Runs in a folder of its own that holds these files, each with its own name in it.
    fn of(contents: &Contents, files: &[&str], key: Option<&str>) -> Result<Vec<String>, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let turn = COUNT.fetch_add(1, Ordering::Relaxed);
        let unique = format!("psu-assign-{}-{turn}", std::process::id());
        let folder = std::env::temp_dir().join(unique);
        for name in ["x", "y", "a/x", "b/x", "b/y"] {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        let files: Vec<PathBuf> = files.iter().map(|name| folder.join(name)).collect();
        let assigned = assign(contents, &files, key, "p").map_err(|error| error.to_string());
        let shown = assigned.map(|all| {
            let one = |one: Assigned| {
                let file = one
                    .file
                    .strip_prefix(&folder)
                    .unwrap()
                    .display()
                    .to_string();
                format!("{file} -> {}", one.id)
            };
            all.into_iter().map(one).collect()
        });
        std::fs::remove_dir_all(&folder).unwrap();
        shown
    }

    #[test]
    fn each_file_goes_to_the_key_that_it_is_called() {
        let one = secret(&[("url", "https://h/b/k?s"), ("method", "PUT")]);
        assert_eq!(
            of(&one, &["x"], None),
            Ok(vec!["x -> https://h/b/k".into()])
        );
        let why = of(&one, &["x", "y"], None).unwrap_err();
        assert!(why.contains("would become one object"), "{why}");
        let many = many();
        assert_eq!(of(&many, &["y"], None), Ok(vec!["y -> b/y".into()]));
        assert_eq!(of(&many, &["x"], Some("b/x")), Ok(vec!["x -> b/x".into()]));
        let why = of(&many, &["x"], None).unwrap_err();
        assert!(why.contains("2 keys of p end in \"x\""), "{why}");
        let whole = ["a/x -> a/x", "b/x -> b/x", "b/y -> b/y"].map(str::to_owned);
        assert_eq!(of(&many, &[""], None), Ok(whole.to_vec()));
        let why = of(&many, &["missing"], None).unwrap_err();
        assert!(why.contains("no key \"missing\""), "{why}");
    }

    #[test]
    fn a_length_that_is_not_the_signed_one_is_refused_before_it_is_sent() {
        let url = ("url", "https://h/b/k?s");
        let sized = secret(&[url, ("method", "PUT"), ("headers", "Content-Length: 2\n")]);
        let why = of(&sized, &["x"], None).unwrap_err();
        assert!(
            why.contains("has 1 bytes") && why.contains("signed for 2"),
            "{why}"
        );
        let sized = secret(&[url, ("method", "PUT"), ("headers", "Content-Length: 1\n")]);
        assert!(of(&sized, &["x"], None).is_ok());
    }

    #[test]
    fn a_form_for_a_prefix_takes_many_files_and_one_for_a_key_takes_one() {
        let form = |key: &str| {
            let fields = format!(r#"{{"key":"{key}","policy":"p"}}"#);
            secret(&[
                ("url", "https://h/b"),
                ("method", "POST"),
                ("fields.json", &fields),
            ])
        };
        assert!(of(&form("in/one"), &["x", "y"], None).is_err());
        assert_eq!(
            of(&form("in/${filename}"), &["x", "y"], None).map(|all| all.len()),
            Ok(2)
        );
        assert_eq!(filled("in/${filename}", Path::new("/tmp/a b")), "in/a b");
        let none = secret(&[("url", "https://h/b"), ("method", "POST")]);
        assert!(of(&none, &["x"], None).unwrap_err().contains("fields.json"));
        let get = secret(&[("url", "https://h/b"), ("method", "GET")]);
        assert!(of(&get, &["x"], None).unwrap_err().contains("fetch"));
    }
}
