//! Which objects are fetched, and which file each becomes.
//!
//! What holds here: the whole plan is made before anything is downloaded. Two objects never become one file,
//! and every name has passed [`target::below`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use presigned_core::text::{any_of, counted, quoted};

use super::contents::{Contents, Item};
use super::error::Error;
use super::target;

/// One object to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// What it is called in the source, from one reading to the next.
    pub(super) id: String,
    /// The file that it becomes.
    pub(super) target: PathBuf,
}

/// What an object is called: by its key, or by its URL without the query.
pub(super) fn id(item: &Item) -> String {
    match &item.key {
        Some(key) => key.clone(),
        None => item.url.to_string(),
    }
}

/// The object of a job, as the source has it now.
pub(super) fn find<'a>(contents: &'a Contents, wanted: &str) -> Option<&'a Item> {
    contents.items.iter().find(|item| id(item) == wanted)
}

/// The plan. `key` chooses one object, or with a slash at its end those below it, whose names begin after it.
///
/// # Errors
/// If the source is for something else than GET, has no such key, or a key can be no file below DEST.
pub(super) fn plan(
    contents: &Contents,
    key: Option<&str>,
    dest: &Path,
    place: &str,
) -> Result<Vec<Job>, Error> {
    if let Some(method) = contents.method.as_deref().filter(|method| *method != "GET") {
        let instead = match method {
            "PUT" | "POST" => "upload with push, or name a PresignedURL with method: GET",
            _ => "name a PresignedURL with method: GET",
        };
        return Err(Error::usage(format!(
            "{place} is for {method}, and nothing can be fetched with it: {instead}"
        )));
    }
    let folder = key.filter(|key| key.ends_with('/'));
    let chosen: Vec<(&Item, String)> = match (key, folder) {
        (_, Some(prefix)) => contents
            .items
            .iter()
            .filter_map(|item| Some((item, item.key.as_deref()?.strip_prefix(prefix)?.to_owned())))
            .filter(|(_, name)| !name.is_empty())
            .collect(),
        (Some(key), None) => {
            let is_it = |item: &&Item| match &item.key {
                Some(own) => own == key,
                None => item.url.file_name() == last_part(key),
            };
            let found = contents.items.iter().filter(is_it);
            found
                .map(|item| (item, last_part(key).to_owned()))
                .collect()
        }
        (None, None) => contents
            .items
            .iter()
            .map(|item| {
                let name = item.key.clone();
                (item, name.unwrap_or_else(|| item.url.file_name()))
            })
            .collect(),
    };
    if let (Some(key), true) = (key, chosen.is_empty()) {
        return Err(no_such_key(contents, key, place));
    }
    let alone = key.map_or(!contents.many, |_| folder.is_none());
    if alone && let [(item, name)] = &chosen[..] {
        let name = if dest.as_os_str().is_empty() || is_folder(dest) {
            target::below(dest, last_part(name))?
        } else {
            dest.to_owned()
        };
        let id = id(item);
        return Ok(vec![Job { id, target: name }]);
    }
    if dest.is_file() {
        return Err(Error::usage(format!(
            "{} is a file, and {place} holds {}: name a folder",
            dest.display(),
            counted(chosen.len(), "object")
        )));
    }
    many(&chosen, dest)
}

fn many(chosen: &[(&Item, String)], dest: &Path) -> Result<Vec<Job>, Error> {
    let mut taken: BTreeMap<PathBuf, &str> = BTreeMap::new();
    let mut jobs = Vec::new();
    for (item, name) in chosen {
        // An empty object that stands for a folder becomes no file.
        if name.ends_with('/') && item.size == Some(0) {
            continue;
        }
        let target = target::below(dest, name)?;
        if taken.insert(target.clone(), name).is_some() {
            return Err(Error::usage(format!(
                "two objects would become the file {}: choose one with --key",
                target.display()
            )));
        }
        jobs.push(Job {
            id: id(item),
            target,
        });
    }
    for job in &jobs {
        let mut above = job.target.ancestors().skip(1);
        if let Some(name) = above.find_map(|folder| taken.get(folder)) {
            return Err(Error::usage(format!(
                "the key {} would be a file and a folder at once: choose with --key, or take one out of the PresignedURL",
                quoted(name)
            )));
        }
    }
    Ok(jobs)
}

/// Whether DEST names a folder.
fn is_folder(dest: &Path) -> bool {
    dest.is_dir() || dest.as_os_str().as_encoded_bytes().ends_with(b"/")
}

pub(super) fn last_part(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

pub(super) fn no_such_key(contents: &Contents, key: &str, place: &str) -> Error {
    let keys: Vec<String> = contents.items.iter().map(id).collect();
    let has = if keys.is_empty() {
        "it holds none".to_owned()
    } else {
        format!("it holds {}", any_of(&keys))
    };
    Error::usage(format!("{place} has no key {}: {has}", quoted(key)))
}

#[cfg(test)]
mod tests {
    //! Plans, without a server.

    use super::super::contents::Files;
    use super::*;

    fn files(files: &[(&str, &str)]) -> Files {
        let files = files.iter();
        files
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
            .collect()
    }

    fn listed(keys: &[&str]) -> Contents {
        let entry =
            |key: &&str| format!(r#"{{"key":"{key}","url":"https://h/b/{key}?x=1","size":0}}"#);
        let json: Vec<String> = keys.iter().map(entry).collect();
        let json = format!("[{}]", json.join(","));
        Contents::of_secret(&files(&[("urls.json", &json), ("method", "GET")]), "p").unwrap()
    }

    fn targets(contents: &Contents, key: Option<&str>, dest: &str) -> Result<Vec<String>, String> {
        let jobs = plan(contents, key, Path::new(dest), "p").map_err(|error| error.to_string())?;
        let shown = jobs.iter().map(|job| job.target.display().to_string());
        Ok(shown.collect())
    }

    #[test]
    fn one_object_becomes_the_file_or_lies_in_the_folder() {
        let url = "https://h/b/models/a%20b.gguf?X-Amz-Signature=s";
        let one = Contents::of_secret(&files(&[("url", url)]), "p").unwrap();
        assert_eq!(targets(&one, None, "/d/model"), Ok(vec!["/d/model".into()]));
        assert_eq!(targets(&one, None, "/d/"), Ok(vec!["/d/a b.gguf".into()]));
        let temporary = std::env::temp_dir();
        let there = temporary.to_str().unwrap();
        let inside = temporary.join("a b.gguf").display().to_string();
        assert_eq!(targets(&one, None, there), Ok(vec![inside]));
        assert_eq!(
            targets(&one, Some("models/a b.gguf"), "/d/"),
            Ok(vec!["/d/a b.gguf".into()])
        );
        let why = targets(&one, Some("models/other"), "/d/").unwrap_err();
        assert!(
            why.contains("no key \"models/other\"") && !why.contains("X-Amz"),
            "{why}"
        );
    }

    #[test]
    fn a_url_whose_name_would_leave_the_folder_is_refused() {
        for name in ["..%2f..%2fetc", "%2e%2e", "a%5cb", ""] {
            let url = format!("https://h/b/{name}?x=1");
            let one = Contents::of_secret(&files(&[("url", &url)]), "p").unwrap();
            // A decoded slash is the last part's own, and no way out.
            let found = targets(&one, None, "/d/");
            assert!(
                found.is_err() || found == Ok(vec!["/d/etc".into()]),
                "{found:?}"
            );
        }
    }

    #[test]
    fn many_objects_keep_their_keys_below_the_folder() {
        let all = listed(&["m/a", "m/b/c", "n"]);
        assert_eq!(
            targets(&all, None, "/d"),
            Ok(vec!["/d/m/a".into(), "/d/m/b/c".into(), "/d/n".into()])
        );
        assert_eq!(
            targets(&all, Some("m/"), "/d"),
            Ok(vec!["/d/a".into(), "/d/b/c".into()])
        );
        assert_eq!(targets(&all, Some("m/b/c"), "/d/"), Ok(vec!["/d/c".into()]));
        let why = targets(&all, Some("x/"), "/d").unwrap_err();
        assert!(why.contains("\"m/a\", \"m/b/c\" or \"n\""), "{why}");
        // A list of one key is a list: whether DEST is a folder does not depend on how many there are.
        assert_eq!(
            targets(&listed(&["m/a"]), None, "/d"),
            Ok(vec!["/d/m/a".into()])
        );
        assert_eq!(
            targets(&listed(&["m/", "m/a"]), None, "/d"),
            Ok(vec!["/d/m/a".into()])
        );
    }

    #[test]
    fn two_objects_never_become_one_file() {
        let why = targets(&listed(&["a", "a"]), None, "/d").unwrap_err();
        assert!(why.contains("two objects"), "{why}");
        let why = targets(&listed(&["a", "a/b"]), None, "/d").unwrap_err();
        assert!(why.contains("a file and a folder"), "{why}");
        let why = targets(&listed(&["x", "../y"]), None, "/d").unwrap_err();
        assert!(why.contains("leaves its folder"), "{why}");
    }

    #[test]
    fn a_secret_for_an_upload_is_not_fetched_and_the_message_says_what_to_do() {
        for (method, words) in [("PUT", "push"), ("POST", "push"), ("DELETE", "method: GET")] {
            let secret = files(&[("url", "https://h/b/k?x=1"), ("method", method)]);
            let contents = Contents::of_secret(&secret, "p").unwrap();
            let why = targets(&contents, None, "/d/").unwrap_err();
            assert!(why.contains(method) && why.contains(words), "{why}");
        }
    }
}
