//! When a store is probed, and what the answers lead to.
//!
//! What holds here:
//! - one probe is under way at a time, and what is on trial is probed before the active version;
//! - the answer to a probe of something else than what is probed now is dropped;
//! - what an answer rejected stays rejected until another answer says otherwise: silence accepts nothing;
//! - a version that works is probed again after an hour, one that does not after growing pauses.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::adopt::ProbeOutcome;
use super::credentials::{HeldCredentials, RECHECK, expired};
use super::probe_verdict::{self, Location, ProbeVerdict};
use super::probing::{Probing, RejectedKey, UnderWay};
use super::state::Store;
use super::unsigned_headers::UnsignedHeaderCheck;
use super::version::{Candidate, Slot, Version};
use crate::api::Reason;
use crate::engine::protocol::{CredentialsError, S3Request, S3Result};
use crate::engine::s3::{Diagnosis, diagnose};
use crate::issue::backoff;
use crate::request::Bucket;
use crate::time::later;

/// Rejected keys that are remembered.
const MAX_REJECTED_KEYS: usize = 16;

impl Store {
    /// The version that is probed next.
    fn due_slot(&self, now: Timestamp) -> Slot {
        let is_due = |candidate: &Option<Box<Candidate>>| {
            let candidate = candidate.as_ref();
            candidate.is_some_and(|candidate| candidate.is_due(now))
        };
        if is_due(&self.candidate) {
            Slot::Candidate
        } else if is_due(&self.new_key) {
            Slot::NewKey
        } else {
            Slot::Active
        }
    }

    fn version(&self, slot: Slot) -> Option<&Version> {
        match slot {
            Slot::Active => Some(&self.active),
            Slot::Candidate => self.candidate.as_ref().map(|candidate| &candidate.version),
            Slot::NewKey => self.new_key.as_ref().map(|candidate| &candidate.version),
        }
    }

    fn version_mut(&mut self, slot: Slot) -> Option<&mut Version> {
        match slot {
            Slot::Active => Some(&mut self.active),
            Slot::Candidate => self.candidate.as_mut().map(|held| &mut held.version),
            Slot::NewKey => self.new_key.as_mut().map(|held| &mut held.version),
        }
    }

    /// Whether a probe is due.
    pub(in crate::engine) fn probe_due(&self, now: Timestamp) -> bool {
        let active = &self.active;
        let due = self.due_slot(now) != Slot::Active
            || (active.useful_credentials(now).is_some()
                && active.probe.at.is_some_and(|at| at <= now));
        active.config.is_ok() && due
    }

    /// When a probe is due next; only those after `now`.
    pub(in crate::engine) fn next_probe_at(&self, now: Timestamp) -> Option<Timestamp> {
        let on_trial = self.on_trial().filter(|candidate| candidate.is_ready());
        let on_trial = on_trial.filter_map(|candidate| candidate.version.probe.at);
        let active = self.active.probe.at;
        let active = active.filter(|_| self.active.credentials.is_some());
        let times = active.into_iter().chain(on_trial);
        times.filter(|at| *at > now).min()
    }

    /// Whether the probe that is due was made in this bucket already, and the answer said nothing of the
    /// store.
    pub(in crate::engine) fn is_inconclusive(&self, bucket: &str, now: Timestamp) -> bool {
        let probed = (self.due_slot(now), self.probing.turn);
        self.probing.inconclusive.holds(probed, bucket)
    }

    /// Whether some bucket said nothing of the store.
    pub(in crate::engine) fn has_inconclusive_buckets(&self) -> bool {
        !self.probing.inconclusive.is_empty()
    }

    /// Whether the answer says more of its bucket than of the store, so that another bucket is probed if
    /// there is one.
    pub(in crate::engine) fn should_try_another_bucket(
        &mut self,
        results: Option<&[S3Result]>,
    ) -> bool {
        let Probing {
            under_way,
            turn,
            inconclusive,
            ..
        } = &mut self.probing;
        let (Some(under_way), Some([plain, ..])) = (under_way, results) else {
            return false;
        };
        let probed = (under_way.slot, under_way.turn);
        under_way.turn == *turn && inconclusive.takes(probed, &under_way.bucket, plain)
    }

    /// The probe is made again at once, in another bucket: the due time stays.
    pub(in crate::engine) fn probe_another_bucket(&mut self) {
        self.probing.under_way = None;
    }

    /// Every bucket was probed.
    pub(in crate::engine) fn all_buckets_probed(&mut self) {
        self.probing.inconclusive.exhausted();
    }

    /// The requests of the probe that is due, in a bucket that a dependent may use.
    pub(in crate::engine) fn begin_probe(
        &mut self,
        bucket: &Bucket,
        now: Timestamp,
    ) -> Option<(Vec<S3Request>, Option<String>)> {
        let slot = self.due_slot(now);
        let active = &self.active;
        let version = self.version(slot)?;
        let config = version.config()?;
        let held = version.credentials.as_ref();
        let held = held.or(active.credentials.as_ref())?;
        let offset = match slot {
            Slot::Active => active.skew.measured(),
            Slot::Candidate | Slot::NewKey => version
                .skew
                .store()
                .unwrap_or_else(|| active.skew.measured()),
        };
        if !held.is_useful(now) {
            // It expired while it was on trial: another one is fetched.
            self.fetch_not_run();
            if slot != Slot::Active {
                let CredentialsError { reason, message } = expired();
                let verdict = self.unanswered(slot, ProbeVerdict::Inconclusive(reason, message));
                if let Some(candidate) = self.version_mut(slot) {
                    candidate.probe.verdict = Some(verdict);
                    candidate.probe.at = Some(later(now, RECHECK));
                }
            }
            return None;
        }
        match probe_verdict::requests(config, held, bucket, &self.seen.uid, offset, now) {
            Ok(requests) => {
                let ca_bundle = config.ca_bundle.clone();
                self.probing.under_way = Some(UnderWay {
                    slot,
                    turn: self.probing.turn,
                    offset,
                    bucket: bucket.clone(),
                });
                Some((requests, ca_bundle))
            }
            Err((reason, why)) => {
                // One bucket whose name does not fit takes nothing from the others.
                let verdict = match slot {
                    Slot::Active => self.unanswered(slot, ProbeVerdict::Undecided(reason, why)),
                    Slot::Candidate | Slot::NewKey => ProbeVerdict::Rejected(reason, why),
                };
                self.record(slot, verdict, now);
                if slot == Slot::Active && self.active.unsigned == UnsignedHeaderCheck::Untested {
                    self.active.unsigned = UnsignedHeaderCheck::Unclear;
                }
                None
            }
        }
    }

    /// Completes a probe; `None` if it was not made.
    pub(in crate::engine) fn complete_probe(
        &mut self,
        results: Option<&[S3Result]>,
        now: Timestamp,
    ) -> ProbeOutcome {
        let under_way = self.probing.under_way.take();
        let (
            Some(UnderWay {
                slot, turn, offset, ..
            }),
            Some(results),
        ) = (under_way, results)
        else {
            return ProbeOutcome::Unchanged;
        };
        let Some(plain) = results.first() else {
            return ProbeOutcome::Unchanged;
        };
        if turn != self.probing.turn {
            return ProbeOutcome::Unchanged;
        }
        let answered = self.probing.answered;
        let probed = self.version(slot).unwrap_or(&self.active);
        let moved = slot == Slot::Candidate && probed.moved_from(&self.active);
        // The endpoint that answered is that of both versions, unless the candidate has another one.
        let endpoint = if moved { Slot::Candidate } else { Slot::Active };
        let Some(config) = probed.config().cloned() else {
            return ProbeOutcome::Unchanged;
        };
        if let Ok(answer) = plain {
            match (answer.skew, &mut self.candidate) {
                (Some(skew), Some(candidate)) if moved => {
                    candidate.version.skew.replace_store(skew);
                }
                (Some(skew), _) => self.store_clock_read(skew, now),
                (None, _) => {}
            }
            self.probing.answered |= !moved;
        }
        let counted = self.probing.inconclusive.counts(plain);
        let location = match (moved, self.active.proven) {
            (true, _) => Location::Moved,
            (false, true) => Location::Proven,
            (false, false) => Location::New,
        };
        let mut verdict = probe_verdict::verdict(&counted, &config, location, offset);
        if verdict == ProbeVerdict::SignedByWrongClock {
            // The second measure of another clock counts, and the third probe is signed by it.
            self.probing.redated += 1;
            if self.probing.redated <= 2 {
                return ProbeOutcome::Unchanged;
            }
            verdict = ProbeVerdict::Inconclusive(
                Reason::ClockSkewed,
                format!("the operator cannot follow the clock of {}", config.host()),
            );
        }
        self.probing.redated = 0;
        if let ([plain, with_header], Some(version)) = (results, self.version_mut(endpoint)) {
            version.unsigned = version.unsigned.after(plain, with_header);
        }
        if !moved {
            self.note_key(slot, plain, &verdict);
        }
        if matches!(verdict, ProbeVerdict::Inconclusive(..)) {
            verdict = self.unanswered(slot, verdict);
        }
        let never_answered = matches!(verdict, ProbeVerdict::Inconclusive(..)) && !answered;
        let permits = matches!(
            verdict,
            ProbeVerdict::Accepted | ProbeVerdict::Undecided(..)
        );
        if slot != Slot::Active
            && (permits || never_answered || self.active_is_no_better(&verdict, now))
        {
            return self.adopt(slot, Some(verdict), now);
        }
        self.record(slot, verdict, now);
        ProbeOutcome::Unchanged
    }

    /// The verdict after a probe that no answer decided: a rejection stands, one of before the start too, and
    /// else it is this one.
    fn unanswered(&self, slot: Slot, verdict: ProbeVerdict) -> ProbeVerdict {
        let known = self.version(slot).and_then(|version| {
            let known = version.probe.verdict.as_ref();
            known.or_else(|| self.recovered(version))
        });
        match known {
            Some(rejected @ ProbeVerdict::Rejected(..)) => rejected.clone(),
            _ => verdict,
        }
    }

    /// The active endpoint answered, to whatever request, and its clock showed this.
    pub(in crate::engine) fn store_clock_read(&mut self, skew: SignedDuration, now: Timestamp) {
        if self.probing.clock_read {
            self.active.skew.read_store(skew);
        } else {
            // Nothing is known for sure that this measure could differ from.
            self.active.skew.replace_store(skew);
        }
        if self.active.skew.is_unsure() {
            // One measure that differs is no reason to sign by it; another probe decides.
            self.active.probe.at = Some(now);
        }
        self.probing.answered = true;
        self.probing.clock_read = true;
    }

    /// What the last probe of the active version said, before the start too.
    pub(in crate::engine) fn verdict(&self) -> Option<&ProbeVerdict> {
        let verdict = self.active.probe.verdict.as_ref();
        verdict.or_else(|| self.recovered(&self.active))
    }

    /// What was rejected before the start, if it is this version.
    fn recovered(&self, version: &Version) -> Option<&ProbeVerdict> {
        let recovered = self.probing.recovered.as_ref()?;
        let held = version.credentials.as_ref();
        let held = held.or(self.active.credentials.as_ref());
        let concerns = match (&recovered.credentials, held, version.config()) {
            (None, _, _) => true,
            (Some(rejected), Some(held), _) => held.hash == *rejected,
            (Some(rejected), None, Some(config)) => config.session_hash() == *rejected,
            (Some(_), None, None) => false,
        };
        concerns.then_some(&recovered.verdict)
    }

    /// Whether something else answers in place of the store, as far as its newest probe showed: an answer to
    /// another request proves nothing then.
    pub(in crate::engine) fn is_replaced(&self) -> bool {
        matches!(
            self.verdict(),
            Some(
                ProbeVerdict::Rejected(Reason::UnexpectedResponse, _)
                    | ProbeVerdict::Inconclusive(Reason::UnexpectedResponse, _)
            )
        )
    }

    /// Whether the version in use was probed since the start.
    pub(in crate::engine) const fn is_probed(&self) -> bool {
        self.active.probe.verdict.is_some()
    }

    /// Whether the store rejects what is signed with the credentials of this hash.
    pub(in crate::engine) fn rejected_key(&self, hash: &str) -> Option<&RejectedKey> {
        self.probing.rejected_keys.get(hash)
    }

    /// All keys that the store rejects.
    pub(in crate::engine) const fn rejected_keys(&self) -> &BTreeMap<String, RejectedKey> {
        &self.probing.rejected_keys
    }

    /// Records what an answer says of the key of a version at the location in use.
    fn note_key(&mut self, slot: Slot, plain: &S3Result, verdict: &ProbeVerdict) {
        let Some(version) = self.version(slot) else {
            return;
        };
        let held = version.credentials.as_ref();
        let Some(held) = held.or(self.active.credentials.as_ref()) else {
            return;
        };
        // Each session is a key of its own, and one says nothing of the others.
        if held.is_session() {
            return;
        }
        let hash = held.hash.clone();
        let again = matches!(version.probe.verdict, Some(ProbeVerdict::Rejected(..)));
        let keys = &mut self.probing.rejected_keys;
        match verdict {
            ProbeVerdict::Accepted => {
                keys.remove(&hash);
            }
            ProbeVerdict::Rejected(Reason::CredentialsInvalid, why) if again => {
                if keys.len() >= MAX_REJECTED_KEYS {
                    keys.pop_first();
                }
                let rejected = RejectedKey {
                    unknown: matches!(
                        diagnose(plain),
                        Diagnosis::UnknownAccessKey | Diagnosis::CredentialsRefused { .. }
                    ),
                    message: why.clone(),
                };
                keys.insert(hash, rejected);
            }
            _ => {}
        }
    }

    /// Records a verdict, and when to probe again.
    fn record(&mut self, slot: Slot, verdict: ProbeVerdict, now: Timestamp) {
        let watch = self.active.watch();
        self.probing.clock_read |= slot == Slot::Active;
        let uid = self.seen.uid.clone();
        if slot == Slot::Active
            && matches!(
                verdict,
                ProbeVerdict::Rejected(Reason::CredentialsInvalid, _)
            )
            && self
                .active
                .credentials
                .as_ref()
                .is_some_and(HeldCredentials::is_session)
            && !self.active.fetch.recently(now)
        {
            // Another session of the same source may work.
            self.active.fetch.want();
        }
        let Some(Version { probe, proven, .. }) = self.version_mut(slot) else {
            return;
        };
        let pause = match verdict {
            ProbeVerdict::Accepted => {
                *proven = true;
                probe.failures = 0;
                watch
            }
            ProbeVerdict::Undecided(..) => RECHECK,
            _ => {
                probe.failures = probe.failures.saturating_add(1);
                backoff(probe.failures, &uid)
            }
        };
        probe.verdict = Some(verdict);
        probe.at = Some(later(now, pause));
    }
}
