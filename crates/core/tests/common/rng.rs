//! Random numbers from a seed: splitmix64, so that a seed means the same on every machine and in every
//! version of every crate.
//!
//! What holds here: seeds that follow each other, and the streams of one seed, have nothing in common.

/// By how much a state grows from number to number.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A generator; the same seed and stream give the same numbers.
#[derive(Clone, Debug)]
pub struct Rng(u64);

/// Spreads each bit over all.
const fn mixed(state: u64) -> u64 {
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Rng {
    /// One of the streams of a seed. A state that is not mixed first would lie one step behind that of the
    /// next seed, and each seed would repeat the numbers of the one before it.
    pub fn new(seed: u64, stream: &str) -> Self {
        let state = mixed(seed.wrapping_add(STEP));
        let next = |state: u64, byte| mixed(state.wrapping_add(STEP) ^ u64::from(byte));
        Self(stream.bytes().fold(state, next))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mixed(self.0)
    }

    /// From `low` up to, not including, `high`.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        let width = u64::try_from(high - low).unwrap().max(1);
        low + i64::try_from(self.next() % width).unwrap()
    }

    /// True in so many of a thousand.
    pub fn permille(&mut self, share: u64) -> bool {
        self.next() % 1000 < share
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.next() % of.len() as u64).unwrap()]
    }

    pub fn pick_owned<T: Clone>(&mut self, of: impl IntoIterator<Item = T>) -> Option<T> {
        let all: Vec<T> = of.into_iter().collect();
        (!all.is_empty()).then(|| self.pick(&all).clone())
    }
}

#[test]
fn seeds_and_their_streams_share_no_numbers() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..50 {
        for stream in ["users", "faults"] {
            let mut rng = Rng::new(seed, stream);
            for _ in 0..100 {
                assert!(seen.insert(rng.next()), "{stream} of {seed}");
            }
        }
    }
}
