//! Renewals: as many as the operator can make, and how many a life needs in a day.
//!
//! What holds here: the lives that are counted are short enough that more renewals are due than the bare
//! client could write, and long enough that each URL is renewed before it expires if the operator is nearly
//! as fast as that client. If more are due than can be written, a life that a policy shortens waits for its
//! turn among them: so all get a life first at which none is due before the last has it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use presigned_core::api::PresignedUrl;
use presigned_core::issue::renew_at;

use crate::scale::counts::Writes;
use crate::scale::operator::Operator;
use crate::scale::watch::{Changes, Done};
use crate::scale::world::{World, resource};

/// The shortest life that the operator takes.
const SHORTEST: f64 = 60.0;
/// For how long renewals are counted.
const WINDOW: (Duration, Duration) = (Duration::from_secs(30), Duration::from_mins(3));
/// Over so many renewals of so many resources the mean of their jitter is known to a thousandth.
const RESOURCES: u32 = 500;
const REVISIONS: i64 = 20;

/// What renewals took.
pub struct Renewals {
    /// Of each URL while renewals were counted.
    pub life: Duration,
    /// How many are due in a second.
    pub due: f64,
    /// How long it took until all had a shorter life, of which none was due meanwhile.
    pub shortened: Duration,
    /// For how long renewals were counted after that.
    pub window: Duration,
    /// How many Secrets were written then.
    pub renewed: u64,
    pub writes: Writes,
    /// The processor time of the operator then.
    pub cpu: Duration,
    /// The most memory of the operator until then.
    pub peak_mib: f64,
}

/// Shortens all lives and counts renewals.
pub async fn run(world: &World, program: &Path, resources: usize, bound: f64) -> Result<Renewals> {
    let [first, life] = lives(resources, bound);
    let started = Instant::now();
    let mut operator = Operator::start_with(world, program, &["--min-renewed-duration=1m"])?;
    operator.ready(started).await?;
    operator.process.settled(started).await?;

    let urls = world.all(&resource::<PresignedUrl>());
    let changes = Changes::watch(urls, resources, Done::Changed).await?;
    let edited = Instant::now();
    world.allow(&format!("{}s", first.as_secs())).await?;
    let shortened = changes.done().await.context("shorten all lives")? - edited;

    // After a third of that life each has been due, and has the shortest.
    world.allow(&format!("{}s", life.as_secs())).await?;
    tokio::time::sleep(first / 3).await;
    let window = shortened.mul_f64(2.0).clamp(WINDOW.0, WINDOW.1);
    let (before, cpu) = (world.writes().await?, operator.process.usage()?.cpu);
    let counted = Instant::now();
    tokio::time::sleep(window).await;
    let window = counted.elapsed();
    let writes = world.writes().await?.since(&before);
    let usage = operator.process.usage()?;
    let not_ready = world.not_ready().await?;
    ensure!(
        not_ready == 0,
        "{not_ready} resources have no URL that lives"
    );
    println!(
        "  renewals: lives of {} s after {:.1} s, then for {:.0} s: {writes}",
        life.as_secs(),
        shortened.as_secs_f64(),
        window.as_secs_f64()
    );
    Ok(Renewals {
        life,
        due: resources as f64 / mean_wait(life).as_secs_f64(),
        shortened,
        window,
        renewed: writes.apart("secrets").0,
        writes,
        cpu: usage.cpu.saturating_sub(cpu),
        peak_mib: usage.peak_mib(),
    })
}

/// Six times and twice as long as the bare client needs for all: a URL is due after less than a third of its
/// life, and not before a fifth of it.
fn lives(resources: usize, bound: f64) -> [Duration; 2] {
    let all = resources as f64 / bound;
    [6.0, 2.0].map(|times| Duration::from_secs_f64((times * all).ceil().max(SHORTEST)))
}

/// How often a URL of this life is renewed in a day.
pub fn a_day(life: Duration) -> f64 {
    Duration::from_hours(24).as_secs_f64() / mean_wait(life).as_secs_f64()
}

/// How long the operator waits until it renews such a URL, on average.
fn mean_wait(life: Duration) -> Duration {
    let expires_at = Timestamp::UNIX_EPOCH + life;
    let wait = |resource: u32, revision| {
        let uid = format!("0d8a9d43-{resource}");
        renew_at(Timestamp::UNIX_EPOCH, expires_at, None, &uid, revision).as_second()
    };
    let all = (0..RESOURCES).flat_map(|of| (0..REVISIONS).map(move |revision| wait(of, revision)));
    let mean = all.sum::<i64>() as f64 / f64::from(RESOURCES) / REVISIONS as f64;
    Duration::from_secs_f64(mean)
}

#[cfg(test)]
mod tests {
    //! The arithmetic of lives.

    use super::*;

    #[test]
    fn more_renewals_are_due_than_can_be_written_and_none_is_late_at_four_fifths_of_that() {
        for (resources, bound) in [(10_000, 330.0), (30_000, 470.0), (100_000, 250.0)] {
            let [first, life] = lives(resources, bound);
            let due = resources as f64 / mean_wait(life).as_secs_f64();
            assert!(due > 1.5 * bound, "{due} of {bound}");
            let turn = resources as f64 / (0.8 * bound);
            let earliest = 0.7 * first.as_secs_f64() / 3.0;
            assert!(turn < earliest, "none is due while lives are shortened");
            assert!(turn < 0.7 * life.as_secs_f64(), "{turn} of {life:?}");
        }
        let shortest = Duration::from_mins(1);
        assert_eq!(lives(10, 300.0), [shortest; 2], "no life is shorter");
    }

    #[test]
    fn a_url_is_renewed_after_a_third_of_its_life_less_the_jitter() {
        // A third of an hour less 15% on average is 17 minutes: 84.7 a day.
        let hour = a_day(Duration::from_hours(1));
        assert!((84.0..85.5).contains(&hour), "{hour}");
        let half_a_day = a_day(Duration::from_hours(12));
        assert!((7.0..7.12).contains(&half_a_day), "{half_a_day}");
    }
}
