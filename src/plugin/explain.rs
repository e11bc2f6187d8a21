//! `explain`: the way of a resource through policy, store and life, in words.
//!
//! What holds here: each step says who decides it and what was decided. What the reader may not see is said to
//! be unknown, and which right shows it.

use std::fmt::Write as _;

use clap::Args;
use jiff::Timestamp;
use kube::ResourceExt as _;
use presigned_core::access::{namespace_session_name, session_name, store_session_name};
use presigned_core::api::{
    ClusterObjectStoreSpec, Condition, ConditionType, PresignedUrlStatus, Reason, SessionScope,
    condition,
};
use presigned_core::issue::ReservedKeys;
use presigned_core::request::Limits;
use serde_json::json;

use super::check::rules::{Answer, Rules};
use super::check::{of_cluster, told, written};
use super::cluster::Session;
use super::exit::{Exit, Failure};
use super::flags::{Flags, Format};
use super::found::{Found, FoundStore, cannot_read};
use super::output::{self, Colour, paint};
use super::page::{key, store_of};
use super::words::{self, State, from_now};
use crate::clock::Clock;

/// Explain how a PresignedURL became what it is: policy, store, life, Secret, verification
///
/// Each step says what was decided and why, the last one what to do. Policies and stores are explained to those
/// who may read them (the chart's role cluster-view); to others, what the status says of them.
///
/// Exit codes: 0 it was explained, whatever it is; 1 there is none of that name; 3 it cannot be read.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  kubectl presigned explain model
  kubectl presigned explain model -n team-a -o json")]
pub struct ExplainArgs {
    /// The PresignedURL.
    #[arg(value_name = "NAME")]
    name: String,
}

impl ExplainArgs {
    /// Runs the command.
    pub async fn run(self, flags: &Flags) -> anyhow::Result<Exit> {
        let session = Session::open(flags).await?;
        let found = session.find(&self.name).await?;
        let store = session.store(store_of(&found)).await;
        let answer = answer(&session, &found).await?;
        let now = Clock::start().wall();
        let steps = steps(&found, &answer, &store, now);
        let text = match flags.output {
            Format::Json => output::json(&value(&found, &steps))?,
            Format::Yaml => output::yaml(&value(&found, &steps))?,
            Format::Table | Format::Wide => text(&found, &steps, output::colours()),
        };
        output::print(&text)?;
        Ok(Exit::Done)
    }
}

/// What the policies say; of those who may not read them, what the operator said.
async fn answer(session: &Session, found: &Found) -> anyhow::Result<Answer> {
    let Ok(policies) = session.policies().await else {
        return Ok(told(found));
    };
    let limits = Limits {
        min_duration: std::time::Duration::ZERO,
    };
    let mut rules = Rules::new(ReservedKeys::default(), limits);
    for policy in policies {
        rules.policy(&written(policy.name_any(), policy.spec));
    }
    rules.namespace(
        &session.namespace,
        session.labels_of(&session.namespace).await?,
    );
    Ok(rules.answer(&session.namespace, &of_cluster(found)))
}

/// A step, and what is to be said of it.
type Step = (&'static str, Vec<String>);

fn steps(
    found: &Found,
    answer: &Answer,
    store: &Result<FoundStore, Failure>,
    now: Timestamp,
) -> Vec<Step> {
    let status = found.status.clone().unwrap_or_default();
    vec![
        ("asked", asked(found)),
        ("policy", policy(answer)),
        ("store", of_store(found, store, now)),
        ("life", life(found, &status, now)),
        ("secret", secret(found, &status)),
        ("verified", verified(&status)),
        ("now", present(found)),
    ]
}

fn asked(found: &Found) -> Vec<String> {
    let spec = &found.spec;
    let life = spec["duration"].as_str().map_or_else(
        || "for as long as policy and credentials allow, up to 12h".to_owned(),
        |duration| format!("for {duration}"),
    );
    let renewal = if words::is_link(spec) {
        "issued once (renew: Never)"
    } else {
        "replaced before it expires"
    };
    let mut said = vec![format!(
        "{} {} {life}, {renewal}.",
        words::method(found),
        words::objects(spec)
    )];
    if spec["suspend"] == true {
        said.push("It is suspended: nothing new is issued until spec.suspend is false.".to_owned());
    }
    said
}

fn policy(answer: &Answer) -> Vec<String> {
    match answer {
        Answer::Allowed { by, notes } => {
            let mut said = vec![format!("Allowed by {}.", by.join(", "))];
            said.extend(notes.iter().map(|note| format!("Allowed {note}.")));
            said
        }
        Answer::Refused(why) => vec![format!("Refused: {why}")],
        Answer::Invalid(why) => vec![format!("It can never be signed: {why}")],
        Answer::Unknown(why) => vec![format!("Not known: {why}")],
    }
}

fn of_store(found: &Found, store: &Result<FoundStore, Failure>, now: Timestamp) -> Vec<String> {
    let name = store_of(found);
    let store = match store {
        Ok(store) => store,
        Err(why) => return vec![format!("ClusterObjectStore \"{name}\". Not known: {why}")],
    };
    let spec = match serde_json::from_value::<ClusterObjectStoreSpec>(store.spec.clone()) {
        Ok(spec) => spec,
        Err(why) => {
            let why = cannot_read(&why.to_string());
            return vec![format!("ClusterObjectStore \"{name}\": {why}.")];
        }
    };
    let endpoint = spec
        .s3
        .endpoint
        .clone()
        .unwrap_or_else(|| "AWS's endpoint".to_owned());
    let mut said = vec![format!(
        "ClusterObjectStore \"{name}\": {endpoint}, region {}, signed with {}.",
        spec.s3.region,
        words::credentials(&spec)
    )];
    if let Some(session) = session_of(&spec, name, found) {
        said.push(format!(
            "The session that signs is called {session} in the S3 side's audit log."
        ));
    }
    let status = store.status.clone().unwrap_or_default();
    if let Some(end) = status.credentials_expiration_time {
        said.push(format!(
            "Its credentials end {end} ({}).",
            from_now(end, now)
        ));
    }
    said.extend(condition(&status.conditions, ConditionType::Ready).map(condition_words));
    said
}

/// The name of the session of a role that signs for a resource; `None` without a role.
#[must_use]
pub fn session_of(spec: &ClusterObjectStoreSpec, store: &str, found: &Found) -> Option<String> {
    let namespace = found.namespace().unwrap_or_default();
    Some(match scope_of(spec)? {
        SessionScope::Store => store_session_name(store),
        SessionScope::Namespace => namespace_session_name(&namespace),
        SessionScope::Request => session_name(&namespace, &found.name_any()),
    })
}

/// What the sessions of a store's role are narrowed to; `None` without a role.
#[must_use]
pub fn scope_of(spec: &ClusterObjectStoreSpec) -> Option<SessionScope> {
    let credentials = &spec.s3.credentials;
    let web = credentials.web_identity.as_ref().map(|web| &web.role);
    let role = web.or(credentials
        .assume_role
        .as_ref()
        .map(|assumed| &assumed.role))?;
    Some(role.scope.unwrap_or_default())
}

fn life(found: &Found, status: &PresignedUrlStatus, now: Timestamp) -> Vec<String> {
    let at = |time: Timestamp| format!("{time} ({})", from_now(time, now));
    let Some(end) = status.expiration_time else {
        return vec!["Nothing was issued.".to_owned()];
    };
    let mut said = Vec::new();
    if let Some(issued) = status.issue_time {
        let revision = status.revision.unwrap_or_default();
        said.push(format!("Issued {}, as revision {revision}.", at(issued)));
    }
    let by = status.limited_by.map_or_else(String::new, |by| {
        format!(", earlier than asked because of {}", words::limit(by))
    });
    said.push(format!("It expires {}{by}.", at(end)));
    said.push(match status.renewal_time {
        Some(time) => format!(
            "It is replaced {}; the old URL then lives on until it expires.",
            at(time)
        ),
        None if words::is_link(&found.spec) => {
            "It is never replaced, and its end is fixed.".to_owned()
        }
        None => "No renewal is planned.".to_owned(),
    });
    let renewed = condition(&status.conditions, ConditionType::Renewed);
    let failing = renewed.filter(|renewed| renewed.reason != Reason::UpToDate.as_str());
    said.extend(failing.map(condition_words));
    said
}

fn secret(found: &Found, status: &PresignedUrlStatus) -> Vec<String> {
    let Some(secret) = &status.secret_ref else {
        return vec!["There is none.".to_owned()];
    };
    let name = found.name_any();
    let mut said = vec![format!(
        "{}: kubectl presigned get {name} prints the URL, to those who may read the Secret.",
        secret.name
    )];
    if let Some(objects) = status.objects {
        let skipped = status.skipped_objects.unwrap_or_default();
        said.push(format!(
            "It holds URLs of {objects} objects; {skipped} were skipped."
        ));
    }
    said
}

fn verified(status: &PresignedUrlStatus) -> Vec<String> {
    condition(&status.conditions, ConditionType::Verified).map_or_else(
        || vec!["It was not tried.".to_owned()],
        |verified| vec![condition_words(verified)],
    )
}

fn present(found: &Found) -> Vec<String> {
    match words::state(found) {
        State::Ready => vec!["Ready: the Secret holds what is asked for.".to_owned()],
        State::Not {
            status,
            reason,
            message,
            ..
        } => {
            let mut said = vec![format!("Ready={status} {reason}: {message}")];
            let remedy = Reason::named(&reason).map(Reason::remedy);
            said.extend(remedy.map(|remedy| format!("What to do: {remedy}")));
            said
        }
        state => state.why_not().into_iter().collect(),
    }
}

fn condition_words(told: &Condition) -> String {
    let status = words::status_word(told.status);
    format!("{}={status} {}: {}", told.type_, told.reason, told.message)
}

fn text(found: &Found, steps: &[Step], colours: bool) -> String {
    let mut text = format!("{}\n", key(found));
    for (name, said) in steps {
        for (at, sentence) in said.iter().enumerate() {
            let name = if at == 0 { name } else { "" };
            let name = paint(&format!("{name:<10}"), Colour::Dim, colours);
            let _ = writeln!(text, "  {name}{}", output::printable(sentence));
        }
    }
    text
}

fn value(found: &Found, steps: &[Step]) -> serde_json::Value {
    let steps: Vec<_> = steps
        .iter()
        .map(|(step, says)| json!({ "step": step, "says": says }))
        .collect();
    json!({ "namespace": found.namespace(), "name": found.name_any(), "steps": steps })
}

#[cfg(test)]
mod tests {
    //! What a newer operator knows.

    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_store_of_a_newer_operator_is_told_with_the_version_to_install() {
        let found = json!({ "metadata": { "name": "a" }, "spec": {} });
        let found: Found = serde_json::from_value(found).unwrap();
        let s3 = json!({ "region": "eu-west-2", "credentials": {}, "addressingStyle": "Moon" });
        let store = json!({ "metadata": { "name": "default" }, "spec": { "s3": s3 } });
        let store: FoundStore = serde_json::from_value(store).unwrap();
        let said = of_store(&found, &Ok(store), Timestamp::UNIX_EPOCH);
        let version = env!("CARGO_PKG_VERSION");
        for part in [
            &format!("this kubectl-presigned {version} cannot read it ("),
            "install the plugin of the operator's version",
        ] {
            assert!(said[0].contains(part), "{part}: {said:?}");
        }
    }
}
