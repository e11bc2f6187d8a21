//! How far a long run of seeds is: seeds done, their rate, and an estimate of the time left, on stderr.
//!
//! What holds here: the wall clock is read for these lines alone; nothing of a seed depends on it.

use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(5);

/// The progress of one run.
pub struct Progress {
    seeds: u64,
    begun: Instant,
    state: Mutex<State>,
}

struct State {
    done: u64,
    failed: u64,
    told: Instant,
}

impl Progress {
    pub fn of(seeds: u64) -> Self {
        let begun = Instant::now();
        Self {
            seeds,
            begun,
            state: Mutex::new(State {
                done: 0,
                failed: 0,
                told: begun,
            }),
        }
    }

    /// One more seed ran.
    pub fn done(&self, failed: bool) {
        let mut state = self.state.lock().unwrap();
        state.done += 1;
        state.failed += u64::from(failed);
        let now = Instant::now();
        if now - state.told < PAUSE && state.done < self.seeds {
            return;
        }
        state.told = now;
        tell(&line(
            self.seeds,
            state.done,
            state.failed,
            now - self.begun,
        ));
    }
}

/// Tells at once, and not by a macro: the test harness would keep that back until the end.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What is told when so many seeds are done after so long.
fn line(seeds: u64, done: u64, failed: u64, took: Duration) -> String {
    let millis = took.as_millis().max(1);
    let tenths = u128::from(done) * 10_000 / millis;
    let left = millis * u128::from(seeds - done) / u128::from(done.max(1)) / 1000;
    format!(
        "{done} of {seeds} seeds, {failed} failed, {}.{} a second, about {}m{:02}s left",
        tenths / 10,
        tenths % 10,
        left / 60,
        left % 60
    )
}

#[test]
fn progress_tells_the_rate_and_the_time_that_is_left() {
    assert_eq!(
        line(10_000, 2_500, 1, Duration::from_secs(100)),
        "2500 of 10000 seeds, 1 failed, 25.0 a second, about 5m00s left"
    );
}
