//! All that is to be said of one resource, as lines for people.

use std::fmt::Write as _;

use jiff::Timestamp;
use kube::ResourceExt as _;
use presigned_core::api::{ClusterObjectStoreSpec, ConditionType, Reason, condition};
use presigned_core::text::counted;

use super::exit::Failure;
use super::found::{Found, FoundStore};
use super::output::{self, paint};
use super::words::{self, State};

/// `NAMESPACE/NAME`
#[must_use]
pub fn key(one: &Found) -> String {
    format!("{}/{}", one.namespace().unwrap_or_default(), one.name_any())
}

/// The store that a spec names, or the default.
#[must_use]
pub fn store_of(found: &Found) -> &str {
    found.spec["storeRef"]["name"].as_str().unwrap_or("default")
}

/// Where the credentials of a store come from, if its spec can be read.
#[must_use]
pub fn credentials(store: &FoundStore) -> Option<String> {
    let spec: ClusterObjectStoreSpec = serde_json::from_value(store.spec.clone()).ok()?;
    Some(words::credentials(&spec))
}

/// All that the status of one resource says.
#[must_use]
pub fn page(
    found: &Found,
    store: &Result<FoundStore, Failure>,
    now: Timestamp,
    colours: bool,
) -> String {
    let status = found.status.clone().unwrap_or_default();
    let unread = status.unread();
    let status = status.into_known();
    let state = words::state(found);
    let (ready, reason, colour) = state.cells();
    let ready = match &state {
        State::Ready => "Ready".to_owned(),
        _ => format!("Ready={ready} {reason}"),
    };
    let mut text = format!("{}  {}\n", key(found), paint(&ready, colour, colours));
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(text, "  {name:<12}{}", output::printable(&value));
        }
    };
    let at = |time: Timestamp| format!("{time} ({})", words::from_now(time, now));
    line(
        "what",
        Some(format!(
            "{} {}",
            words::method(found),
            words::objects(&found.spec)
        )),
    );
    line(
        "objects",
        status.objects.map(|n| {
            let skipped = status.skipped_objects.filter(|n| *n > 0);
            let skipped = skipped.map_or(String::new(), |n| format!(", {n} skipped"));
            format!("{}{skipped}", counted(n, "object"))
        }),
    );
    line("issued", status.issue_time.map(at));
    line(
        "until",
        status.expiration_time.map(|time| {
            let by = status.limited_by.map_or(String::new(), |by| {
                format!(", limited by {}", words::limit(by))
            });
            format!("{}{by}", at(time))
        }),
    );
    line(
        "renewal",
        status
            .renewal_time
            .map(at)
            .or_else(|| words::is_link(&found.spec).then(|| "never: it is issued once".to_owned())),
    );
    line(
        "secret",
        status.secret_ref.map(|secret| {
            let revision = status
                .revision
                .map_or(String::new(), |n| format!(", revision {n}"));
            format!("{}{revision}", secret.name)
        }),
    );
    line(
        "policies",
        (!status.policy_refs.is_empty()).then(|| status.policy_refs.join(", ")),
    );
    line("store", Some(store_of(found).to_owned()));
    line(
        "credentials",
        Some(match store {
            Ok(store) => credentials_line(store, now),
            Err(why) => format!("not known: {why}"),
        }),
    );
    for type_ in [ConditionType::Renewed, ConditionType::Verified] {
        let told = condition(&status.conditions, type_);
        line(
            &type_.as_str().to_lowercase(),
            told.map(|told| {
                format!(
                    "{} {}: {}",
                    words::status_word(told.status),
                    told.reason,
                    told.message
                )
            }),
        );
    }
    line("why not", state.why_not());
    line(
        "unread",
        unread.filter(|_| !matches!(state, State::Unread(_))),
    );
    if let State::Not { reason, .. } = &state {
        line(
            "do",
            Reason::named(reason).map(|reason| reason.remedy().to_owned()),
        );
    }
    text
}

fn credentials_line(store: &FoundStore, now: Timestamp) -> String {
    let mut text = credentials(store)
        .unwrap_or_else(|| "of a kind that this version does not know".to_owned());
    let status = store.status.clone().unwrap_or_default();
    if let Some(end) = status.credentials_expiration_time {
        let _ = write!(text, ", until {end} ({})", words::from_now(end, now));
    }
    let rolled_out = condition(&status.conditions, ConditionType::CredentialsRolledOut);
    if rolled_out.is_some_and(|told| told.reason == Reason::RollingOut.as_str()) {
        text.push_str("; a change of them is being rolled out");
    }
    text
}
