//! The executor: one function from a step to its result.
//!
//! What holds here: each step is one call to one module, and its duration and outcome are recorded. What a
//! step writes is sent only while the claim holds by which the step began.

use std::time::Duration;

use jiff::Timestamp;
use presigned_core::engine::{
    CredentialSource, ErrorCode, EventRecord, ListError, S3Request, S3Response, S3Result, Session,
    SigningJob, Step, StepResult, TransportError,
};
use presigned_core::lease::Claim;

use super::outcome::outcome;
use crate::clock::Clock;
use crate::credentials::CredentialsFetcher;
use crate::kube::{Cluster, event_kind};
use crate::s3::S3Client;
use crate::telemetry::Metrics;
use crate::traces::StepSpan;

/// Executes steps. Cheap to clone.
#[derive(Clone)]
pub struct StepExecutor {
    cluster: Cluster,
    credentials: CredentialsFetcher,
    s3: S3Client,
    metrics: Metrics,
    clock: Clock,
}

impl StepExecutor {
    /// Calls the API server through `cluster`, fetches credentials through `credentials`, and sends requests
    /// to stores through `s3`.
    #[must_use]
    pub const fn new(
        cluster: Cluster,
        credentials: CredentialsFetcher,
        s3: S3Client,
        metrics: Metrics,
        clock: Clock,
    ) -> Self {
        Self {
            cluster,
            credentials,
            s3,
            metrics,
            clock,
        }
    }

    /// Executes one step that began by a claim; `span` is its part of a trace, if there is one.
    pub async fn execute(
        &self,
        step: Step,
        claim: Claim,
        now: Timestamp,
        span: Option<StepSpan>,
    ) -> StepResult {
        let name = name(&step);
        let started = self.clock.instant();
        let result = self.dispatch(step, claim, now).await;
        let took = self.clock.since(started);
        self.metrics.step(name, took);
        if let Some(span) = span {
            span.end(took, outcome(&result));
        }
        result
    }

    #[allow(clippy::too_many_lines, reason = "one arm for each step")]
    async fn dispatch(&self, step: Step, claim: Claim, now: Timestamp) -> StepResult {
        let cluster = self.cluster.within(claim, self.clock.clone());
        match step {
            Step::FetchCredentials {
                store,
                source,
                session,
            } => self.fetch(&store, &source, &session, now).await,
            Step::List { store, request } => {
                tracing::debug!(store, bucket = request.bucket.as_str(), "listing");
                let listed = self.s3.list(&request).await;
                if let Err(ListError::Refused(answer)) = &listed {
                    log_other_code(&store, answer);
                }
                StepResult::Listed(listed)
            }
            Step::SendRequests {
                store,
                requests,
                ca_bundle,
                timeout,
            } => {
                tracing::debug!(store, requests = requests.len(), "sending requests");
                let answers = self.send(&requests, ca_bundle.as_deref(), timeout).await;
                for answer in answers.iter().flatten() {
                    log_other_code(&store, answer);
                }
                StepResult::Responses(answers)
            }
            Step::Sign(job) => self.sign(job).await,
            Step::InspectSecret {
                namespace,
                name,
                data,
            } => StepResult::Inspected(cluster.inspect_secret(&namespace, &name, data).await),
            Step::ReadResource { namespace, name } => {
                StepResult::ResourceRead(cluster.read_resource(&namespace, &name).await)
            }
            Step::CreateSecret(write) => {
                tracing::debug!(namespace = write.namespace, secret = write.name, "creating");
                StepResult::SecretWritten(cluster.create_secret(&write).await)
            }
            Step::UpdateSecret { write, target } => {
                tracing::debug!(
                    namespace = write.namespace,
                    secret = write.name,
                    "replacing"
                );
                StepResult::SecretWritten(cluster.update_secret(&write, &target).await)
            }
            Step::RestoreMarks {
                namespace,
                name,
                owner,
                target,
            } => {
                tracing::debug!(namespace, secret = name, "putting its marks back");
                let restoring = cluster.restore_marks(&namespace, &name, &owner, &target);
                StepResult::SecretWritten(restoring.await)
            }
            Step::DeleteSecret {
                namespace,
                name,
                owner,
                target,
            } => {
                tracing::debug!(namespace, secret = name, "deleting");
                let deleting = cluster.delete_secret(&namespace, &name, &owner, &target);
                StepResult::SecretDeleted(deleting.await)
            }
            Step::DeleteResource {
                namespace,
                name,
                target,
            } => {
                tracing::info!(namespace, name, "deleting, as ttlAfterExpiry asks");
                StepResult::ResourceDeleted(
                    cluster.delete_resource(&namespace, &name, &target).await,
                )
            }
            Step::WriteStatus {
                namespace,
                name,
                target,
                status,
            } => StepResult::StatusWritten(
                cluster
                    .write_status(Some(&namespace), &name, &target, &*status)
                    .await,
            ),
            Step::WriteStoreStatus {
                name,
                target,
                status,
            } => StepResult::StatusWritten(
                cluster.write_status(None, &name, &target, &*status).await,
            ),
            Step::WritePolicyStatus {
                name,
                target,
                status,
            } => StepResult::StatusWritten(
                cluster.write_status(None, &name, &target, &*status).await,
            ),
            Step::PublishEvent(notice) => {
                log_event(&notice);
                cluster.publish(&notice).await;
                StepResult::Published
            }
        }
    }

    /// Sends requests one after the other, all of them within `timeout` if there is one.
    async fn send(
        &self,
        requests: &[S3Request],
        ca_bundle: Option<&str>,
        timeout: Option<Duration>,
    ) -> Vec<S3Result> {
        let mut answers = Vec::with_capacity(requests.len());
        let sending = async {
            for request in requests {
                answers.push(self.s3.send(request, ca_bundle).await);
            }
        };
        let Some(timeout) = timeout else {
            sending.await;
            return answers;
        };
        if tokio::time::timeout(timeout, sending).await.is_err() {
            answers.resize(requests.len(), Err(TransportError::Timeout(timeout)));
        }
        answers
    }

    /// Signs on a thread of its own: everything else waits on one. The wait for that thread is not measured.
    async fn sign(&self, job: Box<SigningJob>) -> StepResult {
        let clock = self.clock.clone();
        let signing = move || {
            let started = clock.instant();
            let signed = job.run();
            (signed, clock.since(started))
        };
        match tokio::task::spawn_blocking(signing).await {
            Ok((signed, took)) => {
                self.metrics.signed(took);
                StepResult::Signed(Box::new(signed))
            }
            Err(_) => StepResult::NotRun,
        }
    }

    async fn fetch(
        &self,
        store: &str,
        source: &CredentialSource,
        session: &Session,
        now: Timestamp,
    ) -> StepResult {
        let result = self.credentials.fetch(source, session, now).await;
        match &result {
            Ok(_) => tracing::debug!(store, "credentials were fetched"),
            Err(failure) => {
                let reason = failure.reason.as_str();
                tracing::warn!(store, reason, "{}", failure.message);
            }
        }
        StepResult::Credentials(result)
    }
}

/// Logs the name of an error code that the operator has no meaning for.
fn log_other_code(store: &str, answer: &S3Response) {
    if let Some(ErrorCode::Other(Some(code))) = answer.code {
        let status = answer.status;
        tracing::info!(store, status, %code, "the store answers with this error code");
    }
}

/// Logs what an Event says.
fn log_event(notice: &EventRecord) {
    let EventRecord {
        subject,
        namespace,
        name,
        uid,
        version: _,
        warning,
        reason,
        action,
        note,
        at: _,
    } = notice;
    let (kind, reason) = (event_kind(*subject), reason.as_str());
    let namespace = namespace.as_deref();
    if *warning {
        tracing::warn!(kind, namespace, name, uid, reason, action, "{note}");
    } else {
        tracing::info!(kind, namespace, name, uid, reason, action, "{note}");
    }
}

/// The step's name in metrics and traces.
pub(super) const fn name(step: &Step) -> &'static str {
    match step {
        Step::FetchCredentials { .. } => "fetch_credentials",
        Step::List { .. } => "list",
        Step::SendRequests { .. } => "send_requests",
        Step::Sign(_) => "sign",
        Step::InspectSecret { .. } => "inspect_secret",
        Step::ReadResource { .. } => "read_resource",
        Step::CreateSecret(_) => "create_secret",
        Step::UpdateSecret { .. } => "update_secret",
        Step::RestoreMarks { .. } => "restore_marks",
        Step::DeleteSecret { .. } => "delete_secret",
        Step::DeleteResource { .. } => "delete_resource",
        Step::WriteStatus { .. } => "write_status",
        Step::WriteStoreStatus { .. } => "write_store_status",
        Step::WritePolicyStatus { .. } => "write_policy_status",
        Step::PublishEvent(_) => "publish_event",
    }
}
