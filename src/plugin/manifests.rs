//! Manifests in files: policies, stores, namespaces and requests, as `kubectl apply -f` takes them.
//!
//! What holds here: whatever is in a file and of no concern is passed over, Secrets too, and no message holds
//! what such a file says. What is misspelt is told in the words of admission.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use presigned_core::api::{API_VERSION, KIND};
use presigned_core::request::unknown_fields;
use presigned_core::text::{escaped, quoted};
use serde_json::Value;

use super::exit::Failure;

/// The ends of the names of files that are read in a folder.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// An object of this API, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Its namespace, if it names one.
    pub namespace: Option<String>,
    /// Its name; of what has none yet, `generateName`.
    pub name: String,
    /// Its spec.
    pub spec: Value,
    /// Fields that the API does not have, each in a sentence.
    pub misspelt: Vec<String>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifests {
    /// `PresignedURLPolicy`
    pub policies: Vec<Written>,
    /// `ClusterObjectStore`
    pub stores: Vec<Written>,
    /// `PresignedURL`
    pub requests: Vec<Written>,
    /// The labels of each Namespace.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

impl Manifests {
    /// Reads files, folders (not what is below them) and, for `-`, stdin.
    ///
    /// # Errors
    /// If one cannot be read, or is not YAML.
    pub fn read(places: &[PathBuf]) -> anyhow::Result<Self> {
        let mut found = Self::default();
        for place in places {
            if place.as_os_str() == "-" {
                let mut text = String::new();
                let read = std::io::stdin().read_to_string(&mut text);
                read.map_err(|error| Failure::file("stdin", &error))?;
                found.add("stdin", &text)?;
                continue;
            }
            for file in files(place)? {
                let name = file.display().to_string();
                let text = std::fs::read_to_string(&file);
                let text = text.map_err(|error| Failure::file(&name, &error))?;
                found.add(&name, &text)?;
            }
        }
        Ok(found)
    }

    /// Adds the documents of one file.
    ///
    /// # Errors
    /// If it is not YAML.
    pub fn add(&mut self, file: &str, text: &str) -> anyhow::Result<()> {
        let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| {
            // Further lines of the message would quote the file.
            let told = error.to_string();
            let first = told.lines().next().unwrap_or_default().to_owned();
            anyhow::anyhow!("{file} is no YAML: {first}")
        })?;
        for document in &documents {
            self.object(document);
        }
        Ok(())
    }

    fn object(&mut self, object: &Value) {
        let kind = object["kind"].as_str().unwrap_or_default();
        if let Some(items) = object["items"]
            .as_array()
            .filter(|_| kind.ends_with("List"))
        {
            for item in items {
                self.object(item);
            }
            return;
        }
        let meta = &object["metadata"];
        let text = |field: &str| meta[field].as_str().map(ToOwned::to_owned);
        let name = text("name")
            .or_else(|| text("generateName"))
            .unwrap_or_default();
        let api = object["apiVersion"].as_str().unwrap_or_default();
        if (api, kind) == ("v1", "Namespace") {
            let labels = meta["labels"].as_object().into_iter().flatten();
            let labels = labels
                .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()));
            self.namespaces.insert(name, labels.collect());
            return;
        }
        let of_this_group = api.split('/').next() == API_VERSION.split('/').next();
        let list = match kind {
            KIND => &mut self.requests,
            "PresignedURLPolicy" => &mut self.policies,
            "ClusterObjectStore" => &mut self.stores,
            _ => return,
        };
        if !of_this_group {
            return;
        }
        let mut misspelt = unknown_fields(object);
        if api != API_VERSION {
            misspelt.push(format!(
                "apiVersion {} is not one that this version knows: write {API_VERSION}",
                quoted(api)
            ));
        }
        list.push(Written {
            namespace: text("namespace"),
            name: escaped(&name),
            spec: object["spec"].clone(),
            misspelt,
        });
    }
}

fn files(place: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !place.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let failed = |error| Failure::file(format!("the folder {}", place.display()), &error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(place).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let extension = path.extension().and_then(|end| end.to_str());
        if path.is_file() && extension.is_some_and(|end| EXTENSIONS.contains(&end)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    //! What is taken from a file, and what is passed over.

    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_kinds_of_this_api_are_taken_and_all_else_is_passed_over() {
        let mut found = Manifests::default();
        let text = "
apiVersion: v1
kind: Secret
metadata: {name: a}
stringData: {password: hidden}
---
apiVersion: v1
kind: Namespace
metadata: {name: team-a, labels: {team: a}}
---
apiVersion: v1
kind: List
items:
- {apiVersion: presigned.dev/v1alpha1, kind: PresignedURL, metadata: {name: m, namespace: team-a}, spec: {bukcet: b, key: k}}
- {apiVersion: presigned.dev/v1, kind: ClusterObjectStore, metadata: {name: s}, spec: {}}
- {apiVersion: other.dev/v1, kind: PresignedURLPolicy, metadata: {name: p}}
---
";
        found.add("a.yaml", text).unwrap();
        assert_eq!(found.namespaces["team-a"]["team"], "a");
        let request = &found.requests[0];
        assert_eq!(
            (request.namespace.as_deref(), request.name.as_str()),
            (Some("team-a"), "m")
        );
        assert_eq!(request.misspelt.len(), 1, "{request:?}");
        assert!(
            request.misspelt[0].contains("did you mean \"bucket\"?"),
            "{request:?}"
        );
        assert!(
            found.stores[0].misspelt[0].contains("write presigned.dev/v1alpha1"),
            "{found:?}"
        );
        assert_eq!(found.policies, []);
    }

    #[test]
    fn a_file_that_is_no_yaml_is_named_and_not_quoted() {
        let mut found = Manifests::default();
        let why = found
            .add("a.yaml", "a: \"hidden\n  b: [")
            .unwrap_err()
            .to_string();
        assert!(
            why.starts_with("a.yaml is no YAML: ") && !why.contains("hidden"),
            "{why}"
        );
    }
}
