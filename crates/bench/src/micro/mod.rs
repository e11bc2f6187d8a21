//! The core by itself, one figure a line.
//!
//! What holds here: a figure is the median of many rounds, each long enough that the clock does not matter;
//! the tenth and ninetieth percentiles beside it show how quiet the machine was.

mod bundle;
mod engine;
mod policy;
mod sign;

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;

/// How many rounds make a figure.
const ROUNDS: usize = 41;
/// How long a round takes.
const ROUND: Duration = Duration::from_millis(20);

/// Everything, printed as it is measured.
pub fn run() -> Result<()> {
    println!(
        "{:<58} {:>10} {:>10} {:>10}",
        "micro (µs, median of {ROUNDS} rounds)".replace("{ROUNDS}", &ROUNDS.to_string()),
        "median",
        "p10",
        "p90"
    );
    policy::run()?;
    sign::run()?;
    bundle::run()?;
    engine::run()
}

/// Times `one`, over and over, and prints the time that one takes.
fn measure<T>(name: &str, mut one: impl FnMut() -> T) {
    let started = Instant::now();
    let mut warm = 0_u32;
    while started.elapsed() < ROUND {
        black_box(one());
        warm += 1;
    }
    let rounds = (0..ROUNDS).map(|_| {
        let started = Instant::now();
        for _ in 0..warm {
            black_box(one());
        }
        started.elapsed() / warm
    });
    print(name, rounds.collect());
}

/// Prints the figures of rounds that are already divided by what was done in each.
fn print(name: &str, mut rounds: Vec<Duration>) {
    rounds.sort_unstable();
    let at = |tenths: usize| {
        let index = (rounds.len() - 1) * tenths / 10;
        rounds.get(index).copied().unwrap_or_default().as_secs_f64() * 1e6
    };
    println!("{name:<58} {:>10.2} {:>10.2} {:>10.2}", at(5), at(1), at(9));
}
