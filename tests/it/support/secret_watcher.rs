//! Watches the Secrets of a test as an admin, and collects every signature that ever stood in one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher;
use kube::{Api, Client};
use tokio::task::AbortHandle;

/// The parameters of URLs that must stand nowhere but in Secrets.
const SECRET_PARAMETERS: [&str; 2] = ["X-Amz-Signature=", "X-Amz-Security-Token="];

/// A version of a Secret that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) name: String,
    pub(crate) uid: String,
    /// Its resourceVersion.
    pub(crate) at: String,
}

#[derive(Debug, Default)]
struct Seen {
    words: BTreeSet<String>,
    versions: Vec<Version>,
}

/// The versions and the secret words seen so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct SecretWatcher {
    seen: Arc<Mutex<Seen>>,
    watches: Arc<Mutex<Vec<AbortHandle>>>,
}

impl SecretWatcher {
    /// Follows the Secrets of a namespace from now on.
    pub(crate) fn follow(&self, client: Client, namespace: &str) {
        let secrets = Api::<Secret>::namespaced(client, namespace);
        let secrets_seen = self.clone();
        let task = tokio::spawn(async move {
            let mut events = watcher(secrets, watcher::Config::default()).boxed();
            while let Some(event) = events.next().await {
                if let Ok(watcher::Event::Apply(secret) | watcher::Event::InitApply(secret)) = event
                {
                    secrets_seen.note(&secret);
                }
            }
        });
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.push(task.abort_handle());
    }

    /// Adds another word that must not leak.
    pub(crate) fn keep(&self, word: &str) {
        if !word.is_empty() {
            self.seen().words.insert(word.to_owned());
        }
    }

    fn note(&self, secret: &Secret) {
        let meta = &secret.metadata;
        let version = Version {
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            at: meta.resource_version.clone().unwrap_or_default(),
        };
        for value in secret.data.iter().flatten().map(|(_, value)| &value.0) {
            let text = String::from_utf8_lossy(value);
            for parameter in SECRET_PARAMETERS {
                for (at, _) in text.match_indices(parameter) {
                    let rest = &text[at + parameter.len()..];
                    let end =
                        rest.find(|c: char| !c.is_ascii_alphanumeric() && !"%-_.~".contains(c));
                    self.keep(&rest[..end.unwrap_or(rest.len())]);
                }
            }
        }
        let mut seen = self.seen();
        if seen.versions.last() != Some(&version) {
            seen.versions.push(version);
        }
    }

    /// Every version of the Secret `name` that was seen, in order.
    pub(crate) fn versions(&self, name: &str) -> Vec<Version> {
        let seen = self.seen();
        let versions = seen.versions.iter().filter(|version| version.name == name);
        versions.cloned().collect()
    }

    /// The words that must not leak.
    pub(crate) fn words(&self) -> BTreeSet<String> {
        self.seen().words.clone()
    }

    pub(crate) fn stop(&self) {
        let watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.iter().for_each(AbortHandle::abort);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lines of `text` that hold a secret.
pub(crate) fn leaks(text: &str, words: &BTreeSet<String>) -> Vec<String> {
    let leaks = |line: &&str| {
        SECRET_PARAMETERS
            .iter()
            .any(|parameter| line.contains(parameter))
            || words.iter().any(|word| line.contains(word.as_str()))
    };
    text.lines().filter(leaks).map(str::to_owned).collect()
}
