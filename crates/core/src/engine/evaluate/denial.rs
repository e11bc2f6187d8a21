//! Whether a denial stands, and when it removes the Secret.
//!
//! What holds here:
//! - The grace begins with the denial that the status records, and nothing is removed before it is recorded.
//! - While a policy cannot be read that may allow what the spec asks for, only the end of another policy
//!   removes what that policy allowed. An edit of the spec removes nothing.

use jiff::Timestamp;

use crate::api::{MAX_POLICY_NAMES, Method, SignedHashes, denied_since};
use crate::engine::cache::record::{Record, Recorded};
use crate::engine::evaluate::one_shot::is_hash_of;
use crate::engine::protocol::{DenialGrace, Settings};
use crate::engine::scheduler::wake::RequeueAt;
use crate::issue::issued::Issued;
use crate::policy::{Decision, Namespace, PolicySet};
use crate::request::{Objects, Options, Request};

/// When the Secret of a denied resource is removed; `None` if it stays until its URLs expire.
fn removal_at(record: &Record, settings: &Settings, now: Timestamp) -> Option<Timestamp> {
    match settings.denial_grace {
        DenialGrace::Never => None,
        DenialGrace::After(grace) => {
            let since = denied_since(&record.seen.status.conditions).unwrap_or(now);
            Some(since.checked_add(grace).unwrap_or(since))
        }
    }
}

/// When the Secret of a denied resource is removed before its URLs expire; `None` if it is not.
pub(in crate::engine) fn early_removal_at(
    record: &Record,
    issued: &Issued,
    settings: &Settings,
    now: Timestamp,
) -> Option<Timestamp> {
    removal_at(record, settings, now).filter(|at| *at < issued.expires_at)
}

/// Whether the Secret of a denied resource is removed now. A later time goes to `requeue`.
pub(in crate::engine) fn grace_is_over(
    record: &Record,
    settings: &Settings,
    now: Timestamp,
    requeue: &mut RequeueAt,
) -> bool {
    match removal_at(record, settings, now) {
        Some(at) if at > now => {
            requeue.at(at);
            false
        }
        at => at.is_some() && denied_since(&record.seen.status.conditions).is_some(),
    }
}

/// Whether a denial stands although these policies cannot be read: other policies allowed the issued URLs,
/// and they no longer do. The hashes are those of the request as it is now.
pub(super) fn denial_stands(
    (policies, namespace): (&PolicySet, &Namespace<'_>),
    record: &Record,
    unreadable: &[String],
    request: &Request,
    spec_hash: impl Fn(&Options) -> String,
    render_hash: impl FnOnce() -> String,
) -> bool {
    let Some(issued) = IssuedByPolicies::of(record) else {
        return false;
    };
    // A full list may be incomplete.
    let complete = !issued.policies.is_empty() && issued.policies.len() < MAX_POLICY_NAMES;
    let known = |name: &String| issued.policies.contains(name);
    if !complete || unreadable.iter().any(known) {
        return false;
    }
    if !is_hash_of(&request.options, spec_hash, &issued.hashes.spec) {
        // The denial is of what the spec asks for now. What was issued ends with a policy that allowed it.
        let mut names = issued.policies.iter();
        return names.any(|name| !policies.serves(name, namespace, issued.method));
    }
    let same_render = request.template_keys.is_empty() || *issued.hashes.render == *render_hash();
    match issued.in_request(request, same_render) {
        Some(issued) => !matches!(policies.decide(namespace, &issued), Decision::Allowed(_)),
        None => true,
    }
}

/// What is issued, as far as policies speak of it.
struct IssuedByPolicies<'a> {
    /// The policies that allowed it.
    policies: &'a [String],
    hashes: &'a SignedHashes,
    method: Method,
    objects: u32,
}

impl<'a> IssuedByPolicies<'a> {
    fn of(record: &'a Record) -> Option<Self> {
        Some(match record.issued()? {
            Recorded::ByWrite(issued) => Self {
                policies: &issued.policies,
                hashes: &issued.hashes,
                method: issued.method,
                objects: issued.objects,
            },
            Recorded::ByStatus(status) => Self {
                policies: &status.policy_refs,
                hashes: status.internal.hashes.as_ref()?,
                method: status.method.unwrap_or_default(),
                objects: status.objects.unwrap_or(1),
            },
        })
    }

    /// What is issued as a request, if a request of the same hash may ask for more: bounds of a listing, and
    /// keys of a template that is not the issued one.
    fn in_request(&self, request: &Request, same_render: bool) -> Option<Request> {
        let lists = matches!(request.objects, Objects::List(_));
        if same_render && !lists {
            return None;
        }
        let mut issued = request.clone();
        if let Objects::List(list) = &mut issued.objects {
            list.min_objects = 0;
            list.max_objects = Some(self.objects);
            list.refresh_interval = None;
        }
        if !same_render {
            issued.template_keys.clear();
        }
        Some(issued)
    }
}
