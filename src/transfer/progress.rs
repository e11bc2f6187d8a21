//! What a person sees of a transfer: one line that changes on a terminal, lines elsewhere, nothing if quiet.
//!
//! What holds here: everything goes to standard error; names of others are escaped.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use presigned_core::text::counted;
use tokio::time::Instant;

use crate::clock::Clock;

/// How often the line on a terminal changes, and how often a line is printed elsewhere.
const ON_TERMINAL: Duration = Duration::from_millis(200);
const ELSEWHERE: Duration = Duration::from_secs(10);
/// How wide the bar is, in characters.
const BAR: u64 = 24;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Quiet,
    Lines,
    Terminal,
}

/// The state of all transfers of a process.
pub(super) struct Progress {
    mode: Mode,
    clock: Clock,
    /// What is done to an object: `fetched` or `pushed`.
    done_word: &'static str,
    round: Mutex<Instant>,
    objects: AtomicU64,
    done: AtomicU64,
    expected: AtomicU64,
    bytes: AtomicU64,
    /// Whether the terminal's line is there.
    shown: Mutex<bool>,
}

impl Progress {
    pub(super) fn new(quiet: bool, clock: Clock, done_word: &'static str) -> Arc<Self> {
        let mode = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Mode::Quiet,
            (false, true) => Mode::Terminal,
            (false, false) => Mode::Lines,
        };
        Arc::new(Self {
            mode,
            round: Mutex::new(clock.instant()),
            clock,
            done_word,
            objects: AtomicU64::default(),
            done: AtomicU64::default(),
            expected: AtomicU64::default(),
            bytes: AtomicU64::default(),
            shown: Mutex::default(),
        })
    }

    /// Begins a round of so many objects.
    pub(super) fn begin(&self, objects: usize) {
        *self.round.lock().unwrap_or_else(PoisonError::into_inner) = self.clock.instant();
        self.objects.store(objects as u64, Ordering::Relaxed);
        for counter in [&self.done, &self.expected, &self.bytes] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// So many bytes more are expected.
    pub(super) fn expect(&self, bytes: u64) {
        self.expected.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes count no more: they will come again.
    pub(super) fn take_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// An object is done.
    pub(super) fn finished(&self, name: &str, bytes: u64) {
        self.done.fetch_add(1, Ordering::Relaxed);
        if self.mode == Mode::Lines {
            let word = self.done_word;
            self.line(&format!("{word} {name} ({})", size(bytes)));
        }
    }

    /// The round is over.
    pub(super) fn end(&self) {
        let took = self.since_begin();
        let (done, bytes) = (&self.done, &self.bytes);
        let (done, bytes) = (done.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed));
        self.line(&format!(
            "{} {}, {} in {:.1} s ({}/s)",
            self.done_word,
            counted(done, "object"),
            size(bytes),
            took.as_secs_f64(),
            size(rate(bytes, took))
        ));
    }

    /// Prints a line, unless quiet.
    pub(super) fn line(&self, text: &str) {
        if self.mode == Mode::Quiet {
            return;
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let clear = if *shown { "\r\x1b[K" } else { "" };
        *shown = false;
        // Nobody is left to read it if this fails.
        let _ = writeln!(std::io::stderr(), "{clear}{text}");
    }

    /// Keeps the person informed, for ever.
    pub(super) async fn keep_showing(self: Arc<Self>) {
        let every = match self.mode {
            Mode::Quiet => return,
            Mode::Lines => ELSEWHERE,
            Mode::Terminal => ON_TERMINAL,
        };
        loop {
            tokio::time::sleep(every).await;
            let objects = self.objects.load(Ordering::Relaxed);
            let done = self.done.load(Ordering::Relaxed);
            if objects == done {
                continue;
            }
            let bytes = self.bytes.load(Ordering::Relaxed);
            let expected = self.expected.load(Ordering::Relaxed);
            let state = state(done, objects, bytes, expected, self.since_begin());
            if self.mode == Mode::Lines {
                self.line(&state);
                continue;
            }
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            *shown = true;
            let _ = write!(
                std::io::stderr(),
                "\r\x1b[K{} {state}",
                bar(bytes, expected)
            );
        }
    }

    fn since_begin(&self) -> Duration {
        let begun = *self.round.lock().unwrap_or_else(PoisonError::into_inner);
        self.clock.since(begun)
    }
}

/// `3 of 12 objects, 1.2 GiB of 4.0 GiB, 340.0 MiB/s, 8 s left`
fn state(done: u64, objects: u64, bytes: u64, expected: u64, took: Duration) -> String {
    let rate = rate(bytes, took);
    let whole = match expected {
        0 => String::new(),
        _ => format!(" of {}", size(expected)),
    };
    let left = match expected.saturating_sub(bytes) {
        0 => None,
        left => left.checked_div(rate),
    };
    let left = left.map_or_else(String::new, |left| format!(", {left} s left"));
    let objects = counted(objects, "object");
    format!(
        "{done} of {objects}, {}{whole}, {}/s{left}",
        size(bytes),
        size(rate)
    )
}

fn bar(bytes: u64, expected: u64) -> String {
    let full = (bytes.min(expected) * BAR).checked_div(expected);
    let full = usize::try_from(full.unwrap_or_default()).unwrap_or_default();
    let empty = usize::try_from(BAR).unwrap_or_default() - full;
    format!("[{}{}]", "=".repeat(full), " ".repeat(empty))
}

fn rate(bytes: u64, took: Duration) -> u64 {
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    bytes.saturating_mul(1000) / millis
}

/// A number of bytes with one digit after the point.
pub(super) fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes.saturating_mul(10) / 1024;
    let mut unit = 0;
    while tenths >= 10 * 1024 && unit + 1 < units.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, units[unit])
}

#[cfg(test)]
mod tests {
    //! The words of the progress.

    use super::*;

    #[test]
    fn sizes_and_states_are_said_in_few_words() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(100 * 1024), "100.0 KiB");
        assert_eq!(size(4 << 30), "4.0 GiB");
        assert_eq!(size(u64::MAX), "1677721.5 TiB");
        let ten = Duration::from_secs(10);
        assert_eq!(
            state(1, 2, 10 << 20, 30 << 20, ten),
            "1 of 2 objects, 10.0 MiB of 30.0 MiB, 1.0 MiB/s, 20 s left"
        );
        assert_eq!(state(0, 1, 0, 0, ten), "0 of 1 object, 0 B, 0 B/s");
        assert_eq!(bar(1, 2), format!("[{}{}]", "=".repeat(12), " ".repeat(12)));
        assert_eq!(bar(5, 2), format!("[{}]", "=".repeat(24)));
    }
}
