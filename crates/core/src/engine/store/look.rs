//! The looks by which a store is watched, and what their answers lead to.
//!
//! What holds here: one look at a time, at a change that is on trial before what is in use. An answer to what is no longer
//! asked says nothing. What works is looked at again by the hour; what does not, with growing pauses.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::held::ended;
use super::passed::Passed;
use super::probe::Known;
use super::trial::{self, Verdict};
use super::{RECHECK, Store};
use crate::api::Reason;
use crate::engine::protocol::CredentialsError;
use crate::engine::protocol::{S3Request, S3Result};
use crate::issue::backoff;
use crate::policy::Bucket;
use crate::time::later;

/// Between two looks at a store with which all is well.
const WATCH: Duration = Duration::from_hours(1);
/// Until what one answer alone does not tell is asked again, where uploads wait for it.
const AGAIN: Duration = Duration::from_secs(10);

/// How a store is watched.
#[derive(Debug)]
pub(super) struct Look {
    /// When what is in use is tried next.
    pub(super) at: Option<Timestamp>,
    /// What the last look at what is in use said.
    pub(super) verdict: Option<Verdict>,
    /// What the status says of a look before the start, for the status alone: it may be of what was only tried.
    pub(super) told: Option<Verdict>,
    pub(super) failures: u32,
    under_way: Option<UnderWay>,
    /// Changes with what a look under way was made for: its answer then says nothing.
    pub(super) turn: u64,
    /// Whether the store ever answered.
    pub(super) answered: bool,
    /// How often in a row a look was dated wrong and made again.
    redated: u8,
    /// Whether the store's clock was read, or could not be: nothing is dated before that.
    pub(super) dated: bool,
    passed: Passed,
}

#[derive(Clone, Debug)]
struct UnderWay {
    of_change: bool,
    turn: u64,
    correction: SignedDuration,
    bucket: Bucket,
}

/// What a look led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Looked {
    /// Nothing that is signed differs.
    Nothing,
    /// Other credentials are in use.
    Credentials,
    /// Another endpoint, region or style is in use.
    Spec,
}

impl Look {
    /// Before the first look; what is known is known by the status: whether the store ever answered, and a rejection.
    pub(super) fn new(answered: bool, told: Option<Verdict>) -> Self {
        Self {
            at: None,
            verdict: None,
            told,
            failures: 0,
            under_way: None,
            turn: 0,
            answered,
            redated: 0,
            dated: false,
            passed: Passed::default(),
        }
    }
}

impl Store {
    /// Whether a look is due.
    pub(in crate::engine) fn look_due(&self, now: Timestamp) -> bool {
        if self.compiled.is_err() {
            return false;
        }
        let change = self.change.as_ref();
        let tried = change.is_some_and(|change| change.is_ready() && change.at <= now);
        let used = self.held.as_ref().is_some_and(|held| held.is_useful(now))
            && self.look.at.is_some_and(|at| at <= now);
        tried || used
    }

    /// When a look is due next; only those after `now`.
    pub(in crate::engine) fn look_at(&self, now: Timestamp) -> Option<Timestamp> {
        let change = self.change.as_ref().filter(|change| change.is_ready());
        let used = self.look.at.filter(|_| self.held.is_some());
        used.into_iter()
            .chain(change.map(|change| change.at))
            .filter(|at| *at > now)
            .min()
    }

    /// Whether the look that is due was made in this bucket already, and the answer said nothing of the store.
    pub(in crate::engine) fn has_passed(&self, bucket: &str, now: Timestamp) -> bool {
        let change = self.change.as_ref();
        let of_change = change.is_some_and(|change| change.is_ready() && change.at <= now);
        self.look.passed.holds((of_change, self.look.turn), bucket)
    }

    /// Whether some bucket said nothing of the store.
    pub(in crate::engine) fn has_passed_any(&self) -> bool {
        !self.look.passed.is_empty()
    }

    /// Whether the answer says more of its bucket than of the store, and another bucket should be asked, if there
    /// is one.
    pub(in crate::engine) fn passes(&mut self, asked: Option<&[S3Result]>) -> bool {
        let (Some(under_way), Some([plain, ..])) = (&self.look.under_way, asked) else {
            return false;
        };
        let of = (under_way.of_change, under_way.turn);
        under_way.turn == self.look.turn && self.look.passed.takes(of, &under_way.bucket, plain)
    }

    /// The look is made again at once, in another bucket.
    pub(in crate::engine) fn look_elsewhere(&mut self) {
        // It is due as it was.
        self.look.under_way = None;
    }

    /// Every bucket was looked into.
    pub(in crate::engine) fn looked_everywhere(&mut self) {
        self.look.passed.exhausted();
    }

    /// The requests of the look that is due, in a bucket that a dependent may use.
    pub(in crate::engine) fn begin_look(
        &mut self,
        bucket: &Bucket,
        now: Timestamp,
    ) -> Option<(Vec<S3Request>, Option<String>)> {
        let tried = self
            .change
            .as_ref()
            .filter(|change| change.is_ready() && change.at <= now);
        let of_change = tried.is_some();
        let (form, held) = match tried {
            Some(change) => (
                &change.compiled,
                change.held.as_ref().or(self.held.as_ref())?,
            ),
            None => (self.compiled.as_ref().ok()?, self.held.as_ref()?),
        };
        let under_way = UnderWay {
            of_change,
            turn: self.look.turn,
            correction: tried
                .and_then(|change| change.skew)
                .unwrap_or_else(|| self.clocks.measured()),
            bucket: bucket.clone(),
        };
        if !held.is_useful(now) {
            // It ended while it was on trial: another one is fetched.
            self.not_fetched();
            if let Some(change) = &mut self.change {
                let CredentialsError { reason, message } = ended();
                change.verdict = Some(Verdict::TransportError(reason, message));
                change.at = later(now, RECHECK);
            }
            return None;
        }
        match trial::asks(
            form,
            held,
            bucket,
            &self.seen.uid,
            under_way.correction,
            now,
        ) {
            Ok(asks) => {
                let ca_bundle = form.ca_bundle.clone();
                self.look.under_way = Some(under_way);
                Some((asks, ca_bundle))
            }
            Err((reason, why)) => {
                self.judge(of_change, Verdict::Rejected(reason, why), now);
                if !of_change && self.unsigned == Known::Untried {
                    self.unsigned = Known::Unclear;
                }
                None
            }
        }
    }

    /// Takes up the answers of a look; `None` where it was not tried.
    pub(in crate::engine) fn looked(
        &mut self,
        asked: Option<&[S3Result]>,
        now: Timestamp,
    ) -> Looked {
        let under_way = self.look.under_way.take();
        let (Some(under_way), Some(asked)) = (under_way, asked) else {
            return Looked::Nothing;
        };
        let Some(plain) = asked.first() else {
            return Looked::Nothing;
        };
        if under_way.turn != self.look.turn {
            return Looked::Nothing;
        }
        let answered = self.look.answered;
        let moved = under_way.of_change
            && self.change.as_ref().is_some_and(|change| {
                let used = self.compiled.as_ref().ok();
                used.is_some_and(|used| change.compiled.moved_from(used))
            });
        if let Ok(answer) = plain {
            match (&mut self.change, answer.skew) {
                (Some(change), Some(skew)) if moved => change.skew = Some(skew),
                (_, Some(skew)) => self.heard(skew, now),
                (_, None) => {}
            }
            self.look.answered |= !moved;
        }
        let form = match &self.change {
            Some(change) if under_way.of_change => &change.compiled,
            _ => match &self.compiled {
                Ok(form) => form,
                Err(_) => return Looked::Nothing,
            },
        };
        let counts = self.look.passed.counts(plain);
        let mut verdict = trial::verdict(&counts, form, moved, under_way.correction);
        if verdict == Verdict::Misdated {
            // The second measure of another clock counts, and the third look is dated by it.
            self.look.redated += 1;
            if self.look.redated <= 2 {
                return Looked::Nothing;
            }
            verdict = Verdict::TransportError(
                Reason::ClockSkewed,
                format!("the clock of {} cannot be followed", form.host()),
            );
        }
        self.look.redated = 0;
        if let [plain, with_header] = asked {
            let known = match &mut self.change {
                Some(change) if moved => &mut change.unsigned,
                _ => &mut self.unsigned,
            };
            *known = known.after(plain, with_header);
        }
        let untried = matches!(verdict, Verdict::TransportError(..)) && !answered;
        if under_way.of_change
            && (verdict == Verdict::Works || untried || self.no_better(&verdict, now))
        {
            return self.adopt(Some(verdict), now);
        }
        self.judge(under_way.of_change, verdict, now);
        Looked::Nothing
    }

    /// The store in use answered, and its clock showed this; any answer of it will do.
    pub(in crate::engine) fn heard(&mut self, skew: SignedDuration, now: Timestamp) {
        self.clocks.read_store(skew);
        if self.clocks.is_unsure() {
            // One measure that differs is no reason to date by it; another look tells.
            self.look.at = Some(now);
        }
        self.look.answered = true;
        self.look.dated = true;
    }

    /// What the last look at what is in use said, before the start too.
    pub(in crate::engine) fn verdict(&self) -> Option<&Verdict> {
        self.look.verdict.as_ref().or(self.look.told.as_ref())
    }

    /// Remembers a verdict, and when to look again.
    fn judge(&mut self, of_change: bool, verdict: Verdict, now: Timestamp) {
        let watch = self.watch();
        self.look.dated |= !of_change;
        let uid = &self.seen.uid;
        let (failures, known) = match &mut self.change {
            Some(change) if of_change => (&mut change.failures, &mut change.verdict),
            _ => (&mut self.look.failures, &mut self.look.verdict),
        };
        let works = verdict == Verdict::Works;
        *failures = if works { 0 } else { failures.saturating_add(1) };
        let pause = if works {
            watch
        } else {
            backoff(*failures, uid)
        };
        *known = Some(verdict);
        let at = later(now, pause);
        match &mut self.change {
            Some(change) if of_change => change.at = at,
            _ => self.look.at = Some(at),
        }
    }

    /// The pause after a look at a store that took the signature: shorter where it is not all as it should be.
    pub(super) fn watch(&self) -> Duration {
        match self.unsigned {
            Known::RefusedOnce { accepted: false } => AGAIN,
            _ if self.clocks.is_unsure() => AGAIN,
            Known::Unclear | Known::RefusedOnce { accepted: true } => RECHECK,
            _ if !self.clocks.correction().is_zero() => RECHECK,
            Known::Untried | Known::Rejected | Known::Accepted => WATCH,
        }
    }
}
