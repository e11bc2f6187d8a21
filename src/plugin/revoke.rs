//! `revoke`: stops a resource, and says what ends its living URLs on the S3 side.
//!
//! What holds here: nothing is called on the S3 side; what ends URLs there is printed for who may do it. The
//! Secret is deleted once the operator has seen that it is not to be put back.

mod statements;

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use presigned_core::api::ClusterObjectStoreSpec;
use presigned_core::text::quoted;
use serde_json::{Value, json};

use self::statements::{Known, Way, ways};
use super::cluster::{Named, Session, failure};
use super::exit::{Exit, Failure};
use super::flags::{Flags, Format, duration};
use super::found::{Found, cannot_read};
use super::output;
use super::page::{key, store_of};
use super::wait::{Look, until};
use super::words::from_now;
use crate::clock::Clock;

/// Stop a PresignedURL, and print what ends its living URLs on the S3 side
///
/// Sets spec.suspend, so that nothing new is issued, and deletes the Secret, so that nobody reads the URL there
/// any more. Both end no URL that somebody has read: S3 asks Kubernetes nothing. So the exact policy statements
/// are printed that end it there, the narrowest first, each with where it goes and who else it hits. They are
/// for the store's admin; nothing is called on the S3 side. A Secret of that name that the operator did not
/// write for this resource is left.
///
/// Resources of other namespaces are named if you may list them, and the store's credentials are known if you
/// may read it (the chart's role cluster-view).
///
/// Exit codes: 0 it was stopped and the statements were printed; 1 there is none of that name, it failed, or
/// the Secret is not the operator's; 3 a right is missing or no cluster answers; 4 the operator did not see the
/// suspension within --timeout. Once it is suspended the statements are printed, whatever the code.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  kubectl presigned revoke model --dry-run
  kubectl presigned revoke model
  kubectl presigned revoke model -o json | jq '.ways[0].policy'")]
pub struct RevokeArgs {
    /// The PresignedURL.
    #[arg(value_name = "NAME")]
    name: String,

    /// Change nothing; print the statements alone.
    #[arg(long)]
    dry_run: bool,

    /// How long to wait until the operator has seen the suspension.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    timeout: Duration,
}

impl RevokeArgs {
    /// Runs the command.
    pub async fn run(self, flags: &Flags) -> anyhow::Result<Exit> {
        let session = Session::open(flags).await?;
        let found = session.find(&self.name).await?;
        let store = session.store(store_of(&found)).await;
        let all = match session.list(None).await {
            Ok((all, _)) => all,
            Err(_) => session.list(Some(&session.namespace)).await?.0,
        };
        let now = Clock::start().wall();
        let store = store.and_then(|store| {
            serde_json::from_value::<ClusterObjectStoreSpec>(store.spec)
                .map_err(|why| Failure::unknown(cannot_read(&why.to_string())))
        });
        let found_ways = ways(Known {
            found: &found,
            store: store.as_ref().ok(),
            all: &all,
            now,
        });
        let (done, exit) = if self.dry_run {
            ("nothing was changed (--dry-run)".to_owned(), Exit::Done)
        } else {
            self.stop(&session, &found).await?
        };
        let mut notes = Vec::new();
        if let Err(why) = &store {
            notes.push(format!(
                "the store is not known ({}), so the statement is written for AWS, and what ends its sessions or keys is \
                 not told: give this to an admin of store {}",
                why.message,
                store_of(&found)
            ));
        }
        let told = Told {
            found: &found,
            done,
            ways: found_ways,
            notes,
        };
        output::print(&match flags.output {
            Format::Json => output::json(&told.value())?,
            Format::Yaml => output::yaml(&told.value())?,
            Format::Table | Format::Wide => told.text(now)?,
        })?;
        Ok(exit)
    }

    /// Suspends the resource and deletes its Secret: what was done, and how the command ends. Whatever fails
    /// after the suspension, the statements are told: a URL has leaked.
    async fn stop(&self, session: &Session, found: &Found) -> anyhow::Result<(String, Exit)> {
        let (name, namespace) = (&self.name, &session.namespace);
        let patch = Patch::Merge(json!({ "spec": { "suspend": true } }));
        let api = session.presigned_urls(Some(namespace));
        let patched = api.patch(name, &PatchParams::default(), &patch).await;
        let what = format!(
            "presignedurl {} in namespace {}",
            quoted(name),
            quoted(namespace)
        );
        patched.map_err(|error| {
            let failure = failure(&error, "patch", &what);
            let message =
                format!("{failure}; --dry-run prints what ends the URLs, and changes nothing");
            Failure { message, ..failure }
        })?;
        let secret = found
            .status
            .as_ref()
            .and_then(|status| status.secret_ref.as_ref());
        let Some(secret) = secret.map(|secret| &*secret.name) else {
            return Ok(("it is suspended, and has no Secret".to_owned(), Exit::Done));
        };
        // Before that the operator would put the Secret back.
        let seen = |found: &Found| {
            let status = found.status.as_ref();
            if status.and_then(|status| status.observed_generation) == found.metadata.generation {
                Look::Done
            } else {
                Look::Wait("the operator has not seen the suspension yet".to_owned())
            }
        };
        let seen = until(session, name, self.timeout, seen).await;
        let (late, exit) = match &seen {
            Ok(_) => ("", Exit::Done),
            Err(failure) => (
                ". The operator has not seen the suspension: look whether it runs, and whether it puts the Secret back",
                failure.exit,
            ),
        };
        Ok(match remove(session, secret, name).await {
            Ok(Removed::Now) => (
                format!("it is suspended, and its Secret \"{secret}\" is deleted{late}"),
                exit,
            ),
            Ok(Removed::Before) => (
                format!("it is suspended, and its Secret \"{secret}\" was gone already{late}"),
                exit,
            ),
            Ok(Removed::Not) => (
                format!(
                    "it is suspended. The Secret \"{secret}\" is not the operator's, left: look who wrote it, and whether it holds a URL{late}"
                ),
                if exit == Exit::Done { Exit::No } else { exit },
            ),
            Err(failure) => (
                format!("it is suspended, and its Secret is still there: {failure}"),
                failure.exit,
            ),
        })
    }
}

/// What became of a Secret.
enum Removed {
    Now,
    Before,
    /// It is not the operator's.
    Not,
}

/// Deletes the Secret that the operator wrote for the resource `name`, and none that took its place since.
async fn remove(session: &Session, secret: &str, name: &str) -> Result<Removed, Failure> {
    let written = match session.secret_named(secret, name).await? {
        Named::Written(written) => written,
        Named::Others => return Ok(Removed::Not),
        Named::Missing => return Ok(Removed::Before),
    };
    let this_one = DeleteParams {
        preconditions: Some(Preconditions {
            uid: written.metadata.uid,
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    match session.secrets().delete(secret, &this_one).await {
        Ok(_) => Ok(Removed::Now),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Removed::Before),
        Err(error) => {
            let namespace = quoted(&session.namespace);
            let what = format!("secret {} in namespace {namespace}", quoted(secret));
            Err(failure(&error, "delete", &what))
        }
    }
}

/// What is told in the end.
struct Told<'a> {
    found: &'a Found,
    done: String,
    ways: Vec<Way>,
    notes: Vec<String>,
}

impl Told<'_> {
    fn end(&self) -> Option<Timestamp> {
        self.found.status.as_ref()?.expiration_time
    }

    fn text(&self, now: Timestamp) -> anyhow::Result<String> {
        let mut text = format!("{}: {}.\n", key(self.found), self.done);
        let end = self.end().map_or_else(
            || "until they expire".to_owned(),
            |end| format!("until {end} ({})", from_now(end, now)),
        );
        let _ = writeln!(
            text,
            "URLs that somebody has read work {end}, unless the S3 side refuses them. One of these does it:"
        );
        for (at, way) in self.ways.iter().enumerate() {
            let _ = writeln!(text, "\n{}. Deny {}: {}.", at + 1, way.title, way.place);
            if let Some(policy) = &way.policy {
                text.push_str(&output::json(policy)?);
            }
            let _ = writeln!(text, "   It hits {}.", output::printable(&way.hits));
            if let Some(then) = way.then {
                let _ = writeln!(text, "   {then}");
            }
        }
        if self.ways.is_empty() {
            text.push_str("\nNone can be written for this spec: deactivate the key that signs, or ask the store's admin.\n");
        }
        for note in &self.notes {
            let _ = writeln!(text, "\nnote: {}", output::printable(note));
        }
        let name = self.found.name_any();
        let _ = writeln!(
            text,
            "\nTo go on later: kubectl patch psu {name} --type merge -p '{{\"spec\":{{\"suspend\":false}}}}'"
        );
        Ok(text)
    }

    fn value(&self) -> Value {
        let ways: Vec<Value> = self
            .ways
            .iter()
            .map(|way| {
                json!({ "deny": way.title, "place": way.place, "policy": way.policy, "hits": way.hits, "then": way.then })
            })
            .collect();
        json!({ "namespace": self.found.namespace(), "name": self.found.name_any(), "done": self.done,
            "expirationTime": self.end(), "ways": ways, "notes": self.notes })
    }
}
