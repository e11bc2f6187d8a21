//! `renew`: asks for one renewal now, and waits until it was heeded.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use presigned_core::api::{ConditionType, RENEW_ANNOTATION, Reason, condition};
use presigned_core::text::quoted;
use serde_json::json;

use super::cluster::{Session, failure};
use super::exit::{Exit, Failure};
use super::flags::{Flags, Format, duration};
use super::found::Found;
use super::output;
use super::wait::{Look, until};
use super::words::{self, from_now};
use crate::clock::Clock;

/// Replace the URLs now, and wait until it was done
///
/// Sets the annotation presigned.dev/renew. The old URLs live on until they expire: to end them, see revoke.
/// A link (renew: Never) is never renewed; create another.
///
/// Exit codes: 0 they were replaced; 1 they are not, and the message says why; 3 it cannot be asked for; 4 it
/// was not done within --timeout.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  kubectl presigned renew model
  kubectl presigned renew model report --timeout 5m")]
pub struct RenewArgs {
    /// The PresignedURLs.
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,

    /// How long to wait for each.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration)]
    timeout: Duration,
}

impl RenewArgs {
    /// Runs the command.
    pub async fn run(self, flags: &Flags) -> anyhow::Result<Exit> {
        let session = Session::open(flags).await?;
        for name in &self.names {
            let found = session.find(name).await?;
            let namespace = &session.namespace;
            renewable(&found).map_err(|why| {
                Failure::no(format!("{namespace}/{name} cannot be renewed: {why}"))
            })?;
            let now = Clock::start().wall();
            let request = now.to_string();
            let annotations = json!({ RENEW_ANNOTATION: request });
            let patch = Patch::Merge(json!({ "metadata": { "annotations": annotations } }));
            let api = session.presigned_urls(Some(namespace));
            let patched = api.patch(name, &PatchParams::default(), &patch).await;
            let what = format!(
                "presignedurl {} in namespace {}",
                quoted(name),
                quoted(namespace)
            );
            patched.map_err(|error| failure(&error, "patch", &what))?;
            let look = |found: &Found| heeded(found, &request);
            let renewed = until(&session, name, self.timeout, look).await?;
            let text = match flags.output {
                Format::Json => output::json(&renewed)?,
                Format::Yaml => format!("---\n{}", output::yaml(&renewed)?),
                Format::Table | Format::Wide => sentence(&renewed, namespace, name, now),
            };
            output::print(&text)?;
        }
        Ok(Exit::Done)
    }
}

/// Whether a renewal can be asked for at all.
fn renewable(found: &Found) -> Result<(), &'static str> {
    if words::is_link(&found.spec) {
        return Err("it is a link (renew: Never), which is issued once; create another");
    }
    if found.spec["suspend"] == true {
        return Err("it is suspended: set spec.suspend to false first");
    }
    Ok(())
}

/// Whether the request was served.
fn heeded(found: &Found, request: &str) -> Look {
    let status = found.status.clone().unwrap_or_default();
    if status.last_renew_request.as_deref() == Some(request) {
        return Look::Done;
    }
    let renewed = condition(&status.conditions, ConditionType::Renewed);
    let failing = renewed.filter(|renewed| renewed.reason != Reason::UpToDate.as_str());
    match words::state(found) {
        words::State::Not {
            message,
            stalled: true,
            ..
        } => Look::Refused(message),
        state => Look::Wait(
            failing
                .map(|renewed| renewed.message.clone())
                .or_else(|| state.why_not())
                .unwrap_or_else(|| "the operator has not renewed it yet".to_owned()),
        ),
    }
}

fn sentence(found: &Found, namespace: &str, name: &str, now: Timestamp) -> String {
    let status = found.status.clone().unwrap_or_default();
    let revision = status.revision.unwrap_or_default();
    let until = status.expiration_time.map_or_else(String::new, |end| {
        format!(", until {end} ({})", from_now(end, now))
    });
    format!("{namespace}/{name} was renewed: revision {revision}{until}\n")
}

#[cfg(test)]
mod tests {
    //! What cannot be renewed, and when a request was served.

    #![allow(clippy::unwrap_used)]

    use serde_json::Value;

    use super::*;

    fn found(spec: &Value, status: &Value) -> Found {
        let object =
            json!({ "metadata": { "name": "a", "generation": 1 }, "spec": spec, "status": status });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_link_and_what_is_suspended_are_refused_before_anything_is_asked() {
        let of = |spec: Value| renewable(&found(&spec, &json!({})));
        assert!(
            of(json!({ "renew": "Never" }))
                .unwrap_err()
                .contains("create another")
        );
        assert!(
            of(json!({ "suspend": true }))
                .unwrap_err()
                .contains("spec.suspend")
        );
        assert_eq!(of(json!({ "suspend": false, "renew": "Always" })), Ok(()));
    }

    #[test]
    fn only_the_request_itself_counts_as_served() {
        let of = |served: &str| {
            heeded(
                &found(&json!({}), &json!({ "lastRenewRequest": served })),
                "now",
            )
        };
        assert_eq!(of("now"), Look::Done);
        assert!(matches!(of("before"), Look::Wait(_)));
    }
}
