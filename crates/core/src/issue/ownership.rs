//! Who owns a Secret: promise 4.
//!
//! What holds here: one pure predicate over owner references, UIDs, labels and annotations. Its answer is the
//! only reason for which a Secret is written, adopted or deleted.

use std::collections::BTreeMap;

use crate::api::{GROUP, KIND, MANAGED_BY_LABEL, MANAGER, NAME_ANNOTATION};
use crate::text::{escaped, quoted};

/// An owner reference as it stands on a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// `apiVersion`
    pub api_version: String,
    /// `kind`
    pub kind: String,
    /// `name`
    pub name: String,
    /// `uid`
    pub uid: String,
    /// `controller`, as written: `None` means false.
    pub controller: Option<bool>,
    /// `blockOwnerDeletion`, as written.
    pub block_owner_deletion: Option<bool>,
}

/// The `PresignedURL` in question.
#[derive(Clone, Copy, Debug)]
pub struct OwnerId<'a> {
    /// Its UID.
    pub uid: &'a str,
    /// Its name; the Secret is of the same namespace.
    pub name: &'a str,
}

/// What shows whose a Secret is.
#[derive(Clone, Copy, Debug)]
pub struct Marks<'a> {
    /// Its owner references.
    pub owners: &'a [Owner],
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: &'a BTreeMap<String, String>,
    /// Whether its UID is the one that the operator recorded when it wrote the Secret of this
    /// `PresignedURL`.
    pub recorded: bool,
}

/// Who owns a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// This very `PresignedURL` controls it.
    Owned,
    /// It was written for this very `PresignedURL`, and another tool dropped the owner reference. Nothing
    /// else controls it, so it is as good as owned, and the reference is put back.
    Disowned,
    /// A deleted `PresignedURL` of the same name controlled it.
    Abandoned,
    /// Another owner controls it, or none does. The operator never changes, adopts or deletes it.
    Foreign {
        /// A phrase that follows "the Secret NAME":
        /// `is controlled by Certificate "web" (cert-manager.io/v1)`.
        what: String,
    },
}

impl Owner {
    /// The reference by which a `PresignedURL` controls its Secret. `blockOwnerDeletion` is false, so that it
    /// needs no right on finalizers and never holds up a deletion.
    #[must_use]
    pub fn of(owner_id: OwnerId<'_>) -> Self {
        Self {
            api_version: crate::api::API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            name: owner_id.name.to_owned(),
            uid: owner_id.uid.to_owned(),
            controller: Some(true),
            block_owner_deletion: Some(false),
        }
    }

    /// Whether it is a reference to a `PresignedURL`, of whatever version: an upgrade of the API changes no
    /// ownership.
    pub(super) fn is_presigned_url(&self) -> bool {
        self.kind == KIND
            && self.api_version.split('/').next() == Some(GROUP)
            && self.api_version.contains('/')
    }

    /// Whether it is a reference to a `PresignedURL` of this name; with a UID other than `owner_id`'s, to a
    /// deleted one.
    pub(super) fn is_namesake(&self, owner_id: OwnerId<'_>) -> bool {
        self.is_presigned_url() && self.name == owner_id.name && !owner_id.uid.is_empty()
    }

    fn controls(&self) -> bool {
        self.controller == Some(true)
    }
}

impl Marks<'_> {
    fn labelled(&self) -> bool {
        self.labels.get(MANAGED_BY_LABEL).map(String::as_str) == Some(MANAGER)
    }

    fn annotated(&self, owner_id: OwnerId<'_>) -> bool {
        self.annotations.get(NAME_ANNOTATION).map(String::as_str) == Some(owner_id.name)
    }
}

/// Who owns a Secret in the namespace of `owner_id`.
///
/// # The attack that it stops
/// A tenant who may write `PresignedURL`s but no Secrets names another's Secret in `secretName`, so that the
/// operator, whose rights are wider, overwrites or deletes it, or writes a URL where others read it. The name
/// alone therefore gives nothing, and neither does the label, which `kubectl label` or a template may put on
/// anything: only the controlling owner reference with the UID of this very resource does. A UID is the API
/// server's, is never used twice, and an owner reference on a Secret can be written only by who may write
/// that Secret.
///
/// Without a controller, the UID that the status records stands for the reference, and only with the label
/// and the annotation that the operator wrote: a status that was forged with a stolen token cannot make the
/// operator touch a Secret without them. Whoever takes all three away takes the Secret away. The chart's
/// admission policy holds the operator to the same marks.
///
/// # What a forger gains
/// Who may write Secrets in the namespace can forge all of this on a Secret *of his own reach*: with the
/// reference of a living `PresignedURL` it is taken for [`Ownership::Owned`], with that of a dead one and the
/// label for [`Ownership::Abandoned`]. The operator then replaces or deletes what the forger could have
/// replaced or deleted himself, and writes there a URL that the policies allow to this namespace, whose
/// Secret he could have had in the regular way. Its data are not read out to anybody. So adopting a forgery
/// is harmless, and refusing it would need a memory that a restart loses. A tenant without rights on Secrets
/// can forge nothing.
///
/// # Assumptions
/// Names are unique in a namespace: while `owner_id` exists, a namesake with another UID does not. A caller
/// whose watch lags may itself be the dead one; its write then fails on a later precondition or is in turn
/// taken for a leftover.
#[must_use]
pub fn ownership(marks: Marks<'_>, owner_id: OwnerId<'_>) -> Ownership {
    let Some(controller) = controller(marks.owners) else {
        let marked = marks.labelled() && marks.annotated(owner_id);
        if marks.recorded && marked && !owner_id.uid.is_empty() {
            return Ownership::Disowned;
        }
        return Ownership::Foreign {
            what: no_controller(marks, owner_id),
        };
    };
    if controller.is_presigned_url() && controller.uid == owner_id.uid && !owner_id.uid.is_empty() {
        return Ownership::Owned;
    }
    if controller.is_namesake(owner_id) && marks.labelled() {
        return Ownership::Abandoned;
    }
    Ownership::Foreign {
        what: controlled_by(controller, owner_id),
    }
}

/// The uid of the `PresignedURL` that controls an object with these owners.
#[must_use]
pub fn controlling_uid(owners: &[Owner]) -> Option<&str> {
    let controller = controller(owners).filter(|owner| owner.is_presigned_url())?;
    Some(&controller.uid)
}

fn controller(owners: &[Owner]) -> Option<&Owner> {
    owners.iter().find(|owner| owner.controls())
}

fn no_controller(marks: Marks<'_>, owner_id: OwnerId<'_>) -> String {
    if marks.recorded {
        let lost = match (marks.labelled(), marks.annotated(owner_id)) {
            (false, true) => format!("label {MANAGED_BY_LABEL}"),
            (true, _) => format!("annotation {NAME_ANNOTATION}"),
            (false, false) => {
                format!("label {MANAGED_BY_LABEL} and its annotation {NAME_ANNOTATION}")
            }
        };
        return format!(
            "was written for this resource, and since then lost its owner reference and its {lost}"
        );
    }
    match marks.owners.first() {
        Some(owner) => format!(
            "belongs to {} {}",
            escaped(&owner.kind),
            quoted(&owner.name)
        ),
        None if marks.labelled() => {
            format!(
                "has the label {MANAGED_BY_LABEL}, no owner, and is not the one that the status records"
            )
        }
        None => "has no owner: it was written by hand or by another tool".to_owned(),
    }
}

fn controlled_by(controller: &Owner, owner_id: OwnerId<'_>) -> String {
    let Owner {
        api_version,
        kind,
        name,
        ..
    } = controller;
    if controller.is_namesake(owner_id) {
        return format!(
            "names an earlier {KIND} {} as its owner but lacks the label {MANAGED_BY_LABEL}={MANAGER}",
            quoted(name)
        );
    }
    format!(
        "is controlled by {} {} ({})",
        escaped(kind),
        quoted(name),
        escaped(api_version)
    )
}
