//! Several watches of one kind, told as one.
//!
//! What holds here: the core is told one list of the whole kind, and only once every part has had its first; a part that
//! lists again is told as the differences to what it held, so that the list of one namespace never makes another's
//! objects look gone. One part alone is passed on as it comes ([`alone`]), and nothing is kept.

use std::collections::BTreeMap;

use kube::runtime::watcher;
use presigned_core::engine::{Change, NamespaceSeen, PresignedUrlSeen, SecretMetaSeen};

/// Something that is watched in parts.
pub(super) trait Seen: Sized {
    /// What tells it from others of its kind.
    fn key(&self) -> Key;
    /// What tells its versions apart.
    fn version(&self) -> Version;
    /// What is left to tell of one that is gone.
    fn gone(key: Key, version: Version) -> Self;
}

/// A namespace and a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(String, String);

/// A uid and a resourceVersion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    uid: String,
    resource_version: String,
}

/// Makes one sequence of changes of many.
pub(super) struct Merge<T> {
    parts: Vec<Part>,
    /// What is held back until every part has had its first list.
    held: Option<BTreeMap<Key, T>>,
}

/// One watch.
#[derive(Default)]
struct Part {
    /// What it holds.
    known: BTreeMap<Key, Version>,
    /// What the list that is under way has not named yet.
    unnamed: Option<BTreeMap<Key, Version>>,
    /// Whether it has had its first list.
    listed: bool,
}

impl<T: Seen> Merge<T> {
    /// Merges so many watches.
    pub(super) fn new(parts: usize) -> Self {
        Self {
            parts: (0..parts).map(|_| Part::default()).collect(),
            held: Some(BTreeMap::new()),
        }
    }

    /// What the core is told when a part tells something.
    pub(super) fn on(&mut self, part: usize, event: watcher::Event<T>) -> Vec<Change<T>> {
        match event {
            watcher::Event::Init => {
                let part = &mut self.parts[part];
                part.unnamed = Some(part.known.clone());
                Vec::new()
            }
            watcher::Event::InitApply(object) | watcher::Event::Apply(object) => {
                self.apply(part, object)
            }
            watcher::Event::Delete(object) => {
                let key = object.key();
                self.parts[part].known.remove(&key);
                self.tell_gone(&key, object)
            }
            watcher::Event::InitDone => self.list_done(part),
        }
    }

    fn apply(&mut self, part: usize, object: T) -> Vec<Change<T>> {
        let (key, version) = (object.key(), object.version());
        let part = &mut self.parts[part];
        if let Some(unnamed) = &mut part.unnamed {
            unnamed.remove(&key);
        }
        let old = part.known.insert(key.clone(), version.clone());
        if let Some(held) = &mut self.held {
            held.insert(key, object);
            return Vec::new();
        }
        match old {
            Some(old) if old == version => Vec::new(),
            // Deleted and created anew unseen: the old one is told gone before the new one takes its name.
            Some(old) if old.uid != version.uid => {
                vec![Change::Delete(T::gone(key, old)), Change::Apply(object)]
            }
            _ => vec![Change::Apply(object)],
        }
    }

    fn tell_gone(&mut self, key: &Key, object: T) -> Vec<Change<T>> {
        match &mut self.held {
            Some(held) => {
                held.remove(key);
                Vec::new()
            }
            None => vec![Change::Delete(object)],
        }
    }

    fn list_done(&mut self, part: usize) -> Vec<Change<T>> {
        let part = &mut self.parts[part];
        part.listed = true;
        let mut changes = Vec::new();
        for (key, version) in part.unnamed.take().unwrap_or_default() {
            part.known.remove(&key);
            let object = T::gone(key.clone(), version);
            match &mut self.held {
                Some(held) => drop(held.remove(&key)),
                None => changes.push(Change::Delete(object)),
            }
        }
        if self.parts.iter().all(|part| part.listed)
            && let Some(held) = self.held.take()
        {
            changes.push(Change::Init);
            changes.extend(held.into_values().map(Change::InitApply));
            changes.push(Change::InitDone);
        }
        changes
    }
}

/// What the core is told when the only watch of a kind tells something.
pub(super) fn alone<T>(event: watcher::Event<T>) -> Vec<Change<T>> {
    vec![match event {
        watcher::Event::Init => Change::Init,
        watcher::Event::InitApply(object) => Change::InitApply(object),
        watcher::Event::InitDone => Change::InitDone,
        watcher::Event::Apply(object) => Change::Apply(object),
        watcher::Event::Delete(object) => Change::Delete(object),
    }]
}

/// How a kind that is watched in so many parts is told.
pub(super) fn merged<T: Seen>(
    parts: usize,
) -> impl FnMut(usize, watcher::Event<T>) -> Vec<Change<T>> {
    let mut merge = (parts != 1).then(|| Merge::new(parts));
    move |part, event| match &mut merge {
        Some(merge) => merge.on(part, event),
        None => alone(event),
    }
}

impl Seen for PresignedUrlSeen {
    fn key(&self) -> Key {
        Key(self.namespace.clone(), self.name.clone())
    }
    fn version(&self) -> Version {
        Version {
            uid: self.uid.to_string(),
            resource_version: self.resource_version.clone(),
        }
    }
    fn gone(Key(namespace, name): Key, version: Version) -> Self {
        let Version {
            uid,
            resource_version,
        } = version;
        Self {
            uid: uid.into(),
            namespace,
            name,
            resource_version,
            generation: 0,
            deleting: true,
            renew_request: None,
            spec: Err("it is gone".to_owned()),
            status: Box::default(),
        }
    }
}

impl Seen for SecretMetaSeen {
    fn key(&self) -> Key {
        Key(self.namespace.clone(), self.name.clone())
    }
    fn version(&self) -> Version {
        Version {
            uid: self.uid.clone(),
            resource_version: self.resource_version.clone(),
        }
    }
    fn gone(Key(namespace, name): Key, version: Version) -> Self {
        let Version {
            uid,
            resource_version,
        } = version;
        Self {
            namespace,
            name,
            uid,
            resource_version,
            owners: Vec::new(),
        }
    }
}

impl Seen for NamespaceSeen {
    fn key(&self) -> Key {
        Key(String::new(), self.name.clone())
    }
    /// Namespaces are told without their uid: one that was created anew is a change of its labels.
    fn version(&self) -> Version {
        Version {
            uid: String::new(),
            resource_version: self.resource_version.clone(),
        }
    }
    fn gone(Key(_, name): Key, version: Version) -> Self {
        Self {
            name,
            resource_version: version.resource_version,
            labels: BTreeMap::new(),
            deleting: true,
        }
    }
}
