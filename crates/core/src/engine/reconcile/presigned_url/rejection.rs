//! Whether the store is known to reject the signature of what is issued: `Ready` is False then, and the
//! Secret stays, because the store may accept it later.
//!
//! What holds here:
//! - The verification of the URL counts first, then what the store's probes showed of the key that signed it.
//! - What the store says of the object or of rights is no rejection.
//! - Until a probe after a start shows otherwise, a rejection that the status reports stands.

use crate::api::{ConditionStatus, ConditionType, Problem, Reason, condition};
use crate::engine::cache::index::Index;
use crate::engine::cache::record::{Record, store_name};
use crate::engine::cache::verification::rejects_signature;
use crate::engine::evaluate::evaluation::Evaluation;
use crate::issue::issued::Issued;

/// What the verification of what is issued says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer<'a> {
    pub(super) status: ConditionStatus,
    pub(super) reason: Reason,
    pub(super) message: &'a str,
}

/// Why the store rejects what is issued; `None` if nothing of the kind is known.
pub(super) fn rejection(
    index: &Index,
    record: &Record,
    evaluation: &Evaluation,
    issued: &Issued,
    answer: Option<Answer<'_>>,
) -> Option<Problem> {
    let by_verification = answer.filter(|answer| {
        // The operator's own endpoint computes the signature for another host than the consumers'.
        let of_another_host =
            answer.reason == Reason::SignatureDoesNotMatch && uses_another_host(evaluation);
        answer.status == ConditionStatus::False
            && rejects_signature(answer.reason)
            && !of_another_host
    });
    let (reason, why) = match by_verification {
        Some(answer) => (answer.reason, answer.message),
        None => match by_probe(index, evaluation, issued) {
            Some(why) => (Reason::CredentialsInvalid, why),
            None => return recorded(index, record),
        },
    };
    let message = format!(
        "the store rejects the signature of what the Secret \"{}\" holds: {why}",
        issued.secret.name
    );
    Some(Problem {
        reason,
        message,
        needs_human: true,
    })
}

fn by_probe<'a>(index: &'a Index, evaluation: &Evaluation, issued: &Issued) -> Option<&'a str> {
    let Evaluation::Allowed(inputs) = evaluation else {
        return None;
    };
    let store = index.stores.get(&inputs.store)?;
    let rejected = store.rejected_key(&issued.hashes.credential)?;
    let concerns = rejected.unknown || !uses_another_host(evaluation);
    (*issued.hashes.store == *inputs.store_hash && concerns).then_some(&rejected.message)
}

fn recorded(index: &Index, record: &Record) -> Option<Problem> {
    let store = index.stores.get(store_name(&record.seen))?;
    let status = &record.seen.status;
    let ready = condition(&status.conditions, ConditionType::Ready)?;
    let stands = (!store.is_probed() || store.is_rejected())
        && status.internal.secret.is_some()
        && ready.status == ConditionStatus::False
        && ready.reason == Reason::CredentialsInvalid.as_str()
        && ready.observed_generation == Some(record.seen.generation);
    stands.then(|| Problem {
        reason: Reason::CredentialsInvalid,
        message: ready.message.clone(),
        needs_human: true,
    })
}

fn uses_another_host(evaluation: &Evaluation) -> bool {
    match evaluation {
        Evaluation::Allowed(inputs) => inputs.target != inputs.operator_target,
        _ => false,
    }
}
