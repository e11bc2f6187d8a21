//! Lists as they arrive: what a change of one kind means for the known objects.
//!
//! What holds here:
//! - A kind is watched as a whole, or namespace by namespace; each such scope has lists of its own.
//! - A kind is synced once every expected scope had a complete list.
//! - A known object that is not in a complete list is gone if it lies within the scope of that list. A list
//!   of one namespace says nothing about the objects of another.
//! - A complete list that shows an object older than it was known, at a version that the list has reached, is
//!   of another history than what is known: the cluster was restored to a backup.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::cache::version::older;
use crate::engine::protocol::{Change, ListScope, ObjectKey, SecretAccess};

/// The identity of an object within its kind: the namespace that its list is limited to, and a name or a uid.
/// A kind that is only watched as a whole has no namespace here.
pub(in crate::engine) type NamespacedName = (String, String);

/// The watched kinds. Nothing is decided before each has one complete list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    /// PresignedURLs.
    Resources,
    /// PresignedURLPolicies.
    Policies,
    /// ClusterObjectStores.
    Stores,
    /// Namespaces.
    Namespaces,
    /// The operator's Secrets in tenants' namespaces.
    Secrets,
    /// Secrets in the operator's own namespace.
    OwnSecrets,
}

impl Watched {
    /// Every kind.
    pub(in crate::engine) const ALL: [Self; 6] = [
        Self::Resources,
        Self::Policies,
        Self::Stores,
        Self::Namespaces,
        Self::Secrets,
        Self::OwnSecrets,
    ];
}

/// The state of each kind's lists.
#[derive(Debug)]
pub(in crate::engine) struct Relists {
    kinds: BTreeMap<Watched, Relist>,
    /// A complete list was of another history than what is known.
    history_went_back: bool,
}

/// The lists of one kind.
#[derive(Debug, Default)]
struct Relist {
    /// The scopes whose first list is not complete.
    awaited: BTreeSet<ListScope>,
    /// The incomplete lists.
    listed: BTreeMap<ListScope, List>,
}

/// An incomplete list.
#[derive(Debug, Default)]
struct List {
    /// The objects that it has named so far.
    named: BTreeSet<NamespacedName>,
    /// Those that it showed older than they were known, and the versions that were known.
    outdated: BTreeMap<NamespacedName, String>,
}

/// The meaning of a change for the known objects.
pub(in crate::engine) enum Delta<T> {
    /// One object exists.
    Present(T),
    /// One object is gone.
    Removed(T),
    /// These objects are gone: a complete list does not contain them.
    Absent(Vec<NamespacedName>),
}

/// Drops objects that are gone. Returns all keys that this affects.
pub(in crate::engine) fn drop_all(
    gone: Vec<NamespacedName>,
    drop: impl FnMut(NamespacedName) -> Vec<ObjectKey>,
) -> Vec<ObjectKey> {
    gone.into_iter().flat_map(drop).collect()
}

/// The identity of an object that has only a name.
pub(in crate::engine) fn named(name: &(impl AsRef<str> + ?Sized)) -> NamespacedName {
    (String::new(), name.as_ref().to_owned())
}

impl ListScope {
    fn covers(&self, (namespace, _): &NamespacedName) -> bool {
        match self {
            Self::Cluster => true,
            Self::Namespace(name) => name == namespace,
        }
    }
}

impl Default for Relists {
    fn default() -> Self {
        Self::expecting(None, SecretAccess::Watch)
    }
}

impl Relists {
    /// No list has arrived. Expects lists of these namespaces, or of the whole cluster.
    pub(in crate::engine) fn expecting(
        namespaces: Option<&BTreeSet<String>>,
        secret_access: SecretAccess,
    ) -> Self {
        let served = || match namespaces {
            None => BTreeSet::from([ListScope::Cluster]),
            Some(names) => names.iter().cloned().map(ListScope::Namespace).collect(),
        };
        let relist = |kind| {
            let awaited = match kind {
                Watched::Secrets if secret_access == SecretAccess::None => BTreeSet::new(),
                Watched::Resources | Watched::Namespaces | Watched::Secrets => served(),
                Watched::Policies | Watched::Stores | Watched::OwnSecrets => {
                    BTreeSet::from([ListScope::Cluster])
                }
            };
            let listed = BTreeMap::new();
            (kind, Relist { awaited, listed })
        };
        Self {
            kinds: Watched::ALL.into_iter().map(relist).collect(),
            history_went_back: false,
        }
    }

    /// Whether a complete list was of another history than what is known.
    pub(in crate::engine) fn history_went_back(&self) -> bool {
        self.history_went_back
    }

    /// A list shows an object in this version, and that one was known.
    pub(in crate::engine) fn listed(
        &mut self,
        kind: Watched,
        identity: &NamespacedName,
        shown: &str,
        known: &str,
    ) {
        let lists = self.kinds.get_mut(&kind);
        for (scope, list) in lists.into_iter().flat_map(|relist| &mut relist.listed) {
            if !older(shown, known) {
                list.outdated.remove(identity);
            } else if scope.covers(identity) {
                list.outdated.insert(identity.clone(), known.to_owned());
            }
        }
    }

    /// Whether every scope of a kind had a complete list.
    pub(in crate::engine) fn synced(&self, kind: Watched) -> bool {
        let relist = self.kinds.get(&kind);
        relist.is_some_and(|relist| relist.awaited.is_empty())
    }

    /// Applies a change of a kind whose known objects are given.
    pub(in crate::engine) fn apply<T>(
        &mut self,
        kind: Watched,
        change: Change<T>,
        identity: impl Fn(&T) -> NamespacedName,
        known: impl Iterator<Item = NamespacedName>,
    ) -> Delta<T> {
        let relist = self.kinds.entry(kind).or_default();
        match change {
            Change::Init { scope } => {
                relist.listed.insert(scope, List::default());
                Delta::Absent(Vec::new())
            }
            Change::InitDone { scope, version } => {
                relist.awaited.remove(&scope);
                let List { named, outdated } = relist.listed.remove(&scope).unwrap_or_default();
                // What was written since the list was made is newer than the list.
                let reached = |known: &String| *known == version || older(known, &version);
                self.history_went_back |= outdated.values().any(reached);
                let gone = known.filter(|known| scope.covers(known) && !named.contains(known));
                Delta::Absent(gone.collect())
            }
            Change::InitApply(seen) | Change::Apply(seen) => {
                for (scope, list) in &mut relist.listed {
                    let identity = identity(&seen);
                    if scope.covers(&identity) {
                        list.named.insert(identity);
                    }
                }
                Delta::Present(seen)
            }
            Change::Delete(seen) => {
                for list in relist.listed.values_mut() {
                    list.outdated.remove(&identity(&seen));
                    list.named.remove(&identity(&seen));
                }
                Delta::Removed(seen)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! Lists of some namespaces.

    use super::*;

    fn scope(namespace: &str) -> ListScope {
        ListScope::Namespace(namespace.to_owned())
    }

    fn served() -> BTreeSet<String> {
        ["a", "b"].map(str::to_owned).into()
    }

    fn done<T>(scope: ListScope) -> Change<T> {
        Change::InitDone {
            scope,
            version: "9".to_owned(),
        }
    }

    fn place((namespace, name): (&str, &str)) -> NamespacedName {
        (namespace.to_owned(), name.to_owned())
    }

    /// The objects that are gone after these changes, if these objects are known.
    fn gone(
        changes: Vec<Change<(&'static str, &'static str)>>,
        known: &[(&'static str, &'static str)],
    ) -> Vec<NamespacedName> {
        let mut relists = Relists::expecting(Some(&served()), SecretAccess::Watch);
        let mut gone = Vec::new();
        for change in changes {
            let known = known.iter().map(|one| place(*one));
            let delta = relists.apply(Watched::Secrets, change, |one| place(*one), known);
            if let Delta::Absent(absent) = delta {
                gone.extend(absent);
            }
        }
        gone
    }

    #[test]
    fn a_list_of_one_namespace_removes_nothing_of_another() {
        let known = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")];
        let changes = vec![
            Change::Init { scope: scope("a") },
            Change::InitApply(("a", "x")),
            done(scope("a")),
        ];
        assert_eq!(gone(changes, &known), [place(("a", "y"))]);
        let whole = vec![
            Change::Init {
                scope: ListScope::Cluster,
            },
            Change::InitApply(("a", "x")),
            done(ListScope::Cluster),
        ];
        assert_eq!(gone(whole, &known).len(), 3);
    }

    #[test]
    fn two_lists_at_the_same_time_are_kept_apart() {
        let known = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")];
        let changes = vec![
            Change::Init { scope: scope("a") },
            Change::Init { scope: scope("b") },
            Change::InitApply(("b", "x")),
            Change::InitApply(("a", "y")),
            done(scope("a")),
            // A change in one namespace while the list of the other is incomplete.
            Change::Apply(("a", "z")),
            done(scope("b")),
        ];
        assert_eq!(
            gone(changes, &known),
            [place(("a", "x")), place(("b", "y"))]
        );
    }

    #[test]
    fn a_list_that_breaks_off_and_begins_anew_removes_by_the_second_alone() {
        let known = [("a", "x"), ("a", "y")];
        let changes = vec![
            Change::Init { scope: scope("a") },
            Change::InitApply(("a", "x")),
            Change::Init { scope: scope("a") },
            Change::InitApply(("a", "y")),
            done(scope("a")),
        ];
        assert_eq!(gone(changes, &known), [place(("a", "x"))]);
    }

    #[test]
    fn a_kind_is_synced_once_every_scope_had_a_complete_list() {
        let mut relists = Relists::expecting(Some(&served()), SecretAccess::Watch);
        let mut list = |kind, scope: ListScope| {
            let none = || std::iter::empty::<NamespacedName>();
            for change in [
                Change::Init {
                    scope: scope.clone(),
                },
                done(scope),
            ] {
                relists.apply::<NamespacedName>(kind, change, Clone::clone, none());
            }
            relists.synced(kind)
        };
        assert!(!list(Watched::Resources, scope("a")));
        assert!(!list(Watched::Resources, scope("a")), "the same one again");
        assert!(list(Watched::Resources, scope("b")));
        assert!(list(Watched::Stores, ListScope::Cluster));
    }
}
