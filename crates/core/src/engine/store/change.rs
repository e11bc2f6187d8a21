//! Changes that are tried before they are used, and the looks by which a store is watched.
//!
//! What holds here: where the answer says that a change can't work, what was used before stays in use and the change is
//! tried again, with growing pauses. A store that answered before must answer again before its change is used; one that
//! never did is not held back, since a signature needs nobody. What is known not to work either is no reason to wait.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::ask::{Ask, Asked};
use super::super::failure::CredentialsFailure;
use super::super::time::{between, later};
use super::compiled::Compiled;
use super::held::{Fetch, Held, ended};
use super::passed::Passed;
use super::probe::Known;
use super::trial::{self, Verdict};
use super::{RECHECK, Store};
use crate::api::Reason;
use crate::issue::backoff;
use crate::policy::Bucket;

/// Between two looks at a store with which all is well.
const WATCH: Duration = Duration::from_hours(1);
/// Until what one answer alone does not tell is asked again, where uploads wait for it.
const AGAIN: Duration = Duration::from_secs(10);
/// How long living URLs of other credentials hold a change back that nobody answers to, where the earlier credentials are
/// not at hand any more.
const HOLD: Duration = Duration::from_mins(15);

/// A change on trial.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) compiled: Compiled,
    /// The fetch of its own source, where it has another than what is in use.
    pub(super) fetch: Option<Fetch>,
    /// The credentials that are tried; those in use where there are none.
    pub(super) held: Option<Held>,
    since: Timestamp,
    failures: u32,
    pub(super) verdict: Option<Verdict>,
    at: Timestamp,
    unsigned: Known,
    /// What another endpoint's clock showed: it is the store's only once the change is in use.
    skew: Option<SignedDuration>,
}

/// How a store is watched.
#[derive(Debug)]
pub(super) struct Look {
    /// When what is in use is tried next.
    pub(super) at: Option<Timestamp>,
    /// What the last look at what is in use said.
    pub(super) verdict: Option<Verdict>,
    failures: u32,
    under_way: Option<UnderWay>,
    /// Changes with what a look under way was made for: its answer then says nothing.
    pub(super) turn: u64,
    /// Whether the store ever answered.
    answered: bool,
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

impl Change {
    /// A newer spec.
    pub(super) fn of_spec(
        compiled: Compiled,
        another_source: bool,
        before: Option<Box<Self>>,
        now: Timestamp,
    ) -> Self {
        // What was fetched for an earlier change from the same source is on trial still.
        let before = before.filter(|before| before.compiled.source == compiled.source);
        let (fetch, held) = before.map_or((None, None), |before| (before.fetch, before.held));
        Self {
            unsigned: if compiled.is_aws() {
                Known::Rejected
            } else {
                Known::Untried
            },
            compiled,
            fetch: another_source.then(|| fetch.unwrap_or_else(Fetch::begin)),
            held,
            skew: None,
            since: now,
            failures: 0,
            verdict: None,
            at: now,
        }
    }

    /// Other credentials.
    pub(super) fn of_credentials(compiled: Compiled, held: Held, now: Timestamp) -> Self {
        Self {
            held: Some(held),
            ..Self::of_spec(compiled, false, None, now)
        }
    }

    /// It changed again: it is tried at once.
    pub(super) fn again(&mut self, now: Timestamp) {
        self.verdict = None;
        self.failures = 0;
        self.at = now;
    }

    pub(super) fn clock_stepped(&mut self, now: Timestamp) {
        if let Some(fetch) = &mut self.fetch {
            fetch.clock_stepped(now);
        }
        self.at = now;
        self.since = self.since.min(now);
    }

    /// Whether there is something to try it with.
    const fn is_ready(&self) -> bool {
        self.fetch.is_none() || self.held.is_some()
    }

    /// Whether it is not known yet if it works, and will be soon.
    pub(super) fn is_pending(&self) -> bool {
        let failed = self
            .fetch
            .as_ref()
            .is_some_and(|fetch| fetch.failure.is_some());
        self.verdict.is_none() && (self.held.is_some() || !failed)
    }

    /// Why it is not in use, where that is known: reason and sentence.
    pub(super) fn obstacle(&self) -> Option<(Reason, String)> {
        match (
            &self.verdict,
            self.fetch.as_ref().and_then(|fetch| fetch.failure.as_ref()),
        ) {
            (Some(Verdict::Rejected(reason, why) | Verdict::Unreached(reason, why)), _) => {
                Some((*reason, why.clone()))
            }
            (_, Some(failure)) => Some((failure.reason, failure.message.clone())),
            (_, None) => None,
        }
    }
}

impl Look {
    pub(super) fn new(answered: bool) -> Self {
        Self {
            at: None,
            verdict: None,
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

    /// There is nobody to try a change for: it is used at once.
    pub(in crate::engine) fn nobody_to_try_for(&mut self, now: Timestamp) -> Looked {
        if self.change.as_ref().is_some_and(|change| change.is_ready()) {
            return self.adopt(None, now);
        }
        Looked::Nothing
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
    pub(in crate::engine) fn passes(&mut self, asked: Option<&[Asked]>) -> bool {
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
    ) -> Option<(Vec<Ask>, Option<String>)> {
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
                let CredentialsFailure { reason, message } = ended();
                change.verdict = Some(Verdict::Unreached(reason, message));
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
    pub(in crate::engine) fn looked(&mut self, asked: Option<&[Asked]>, now: Timestamp) -> Looked {
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
            verdict = Verdict::Unreached(
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
        let untried = matches!(verdict, Verdict::Unreached(..)) && !answered;
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

    /// What is wrong with a change (true), or with fetching what is in use: reason and sentence.
    pub(in crate::engine) fn trouble(&self) -> Option<(bool, Reason, String)> {
        let change = self.change.as_ref().and_then(|change| change.obstacle());
        let fetch = self.fetch.failure.as_ref();
        change
            .map(|(reason, why)| (true, reason, why))
            .or_else(|| fetch.map(|failure| (false, failure.reason, failure.message.clone())))
    }

    /// What the last look at what is in use said.
    pub(in crate::engine) const fn verdict(&self) -> Option<&Verdict> {
        self.look.verdict.as_ref()
    }

    /// Whether what is in use is no better than a change that got this verdict.
    fn no_better(&self, verdict: &Verdict, now: Timestamp) -> bool {
        if matches!(self.look.verdict, Some(Verdict::Rejected(..))) {
            return true;
        }
        if !matches!(verdict, Verdict::Unreached(..)) {
            return false;
        }
        match (&self.held, &self.change) {
            (Some(held), _) => !held.is_useful(now),
            (None, Some(change)) => between(change.since, now) >= HOLD,
            (None, None) => false,
        }
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
    fn watch(&self) -> Duration {
        match self.unsigned {
            Known::RefusedOnce { accepted: false } => AGAIN,
            _ if self.clocks.is_unsure() => AGAIN,
            Known::Unclear | Known::RefusedOnce { accepted: true } => RECHECK,
            _ if !self.clocks.correction().is_zero() => RECHECK,
            Known::Untried | Known::Rejected | Known::Accepted => WATCH,
        }
    }

    /// The change is in use from now on.
    fn adopt(&mut self, verdict: Option<Verdict>, now: Timestamp) -> Looked {
        let Some(change) = self.change.take() else {
            return Looked::Nothing;
        };
        let Change {
            compiled,
            fetch,
            held,
            since: _,
            failures: _,
            verdict: _,
            at: _,
            unsigned,
            skew,
        } = *change;
        let used = self.compiled.as_ref().ok();
        let same = used == Some(&compiled);
        let moved = used.is_none_or(|used| compiled.moved_from(used));
        if used.is_none_or(|used| used.source != compiled.source) {
            self.forget_sessions();
        }
        if moved {
            self.unsigned = unsigned;
            self.clocks.moved(skew);
        }
        self.compiled = Ok(compiled);
        self.held = held.or(self.held.take());
        if let Some(fetch) = fetch {
            self.fetch = fetch;
            self.stale = self.fetch.wanted;
        }
        self.look.turn += 1;
        self.look.failures = 0;
        self.look.answered |= verdict == Some(Verdict::Works);
        self.look.dated |= verdict.is_some();
        let pause = match verdict {
            Some(Verdict::Works) => self.watch(),
            Some(_) => backoff(1, &self.seen.uid),
            None => Duration::ZERO,
        };
        self.look.at = Some(later(now, pause));
        self.look.verdict = verdict;
        if same {
            Looked::Credentials
        } else {
            Looked::Spec
        }
    }
}
