//! The figures of one size as Markdown, with the goals beside them.

use std::time::Duration;

use super::renewals::{Renewals, a_day};
use super::{Start, Starts};
use crate::scale::world::Servers;
use crate::scale::{Issued, rate};

/// Of the raw bound, by a first issue and by renewals, in percent.
const FIRST: f64 = 90.0;
const RENEWED: f64 = 80.0;
/// The most memory while all are issued.
const PEAK_MIB: f64 = 80.0;
/// From the start of a restarted operator until it is idle.
const SETTLED: Duration = Duration::from_secs(1);

/// What was measured.
pub struct Figures {
    pub resources: usize,
    /// Pairs of writes a second of the bare client.
    pub bound: f64,
    pub first: Issued,
    pub streams: Starts,
    pub pages: Starts,
    pub renewals: Renewals,
    /// Before the first issue, after it, and after the renewals.
    pub servers: [Servers; 3],
}

impl Figures {
    /// All tables.
    pub fn tables(&self) -> String {
        let [issue, restart, renewals, servers, day] = [
            self.issue(),
            self.restart(),
            self.renewed(),
            self.servers(),
            self.day(),
        ];
        format!(
            "| {} PresignedURLs | measured | goal at 10,000 |\n| --- | --- | --- |\n{issue}{restart}{renewals}{day}\n\
             {servers}\n{}",
            self.resources,
            self.starts()
        )
    }

    fn share(&self, rate: f64) -> f64 {
        rate / self.bound * 100.0
    }

    fn issue(&self) -> String {
        let Self {
            resources,
            bound,
            first,
            ..
        } = self;
        let rate = rate(*resources, first.took);
        let share = self.share(rate);
        let each = |count: u64| count as f64 / *resources as f64;
        let (events, others) = first.writes.apart("events");
        let peak = first.usage.peak_mib();
        format!(
            "| bare client | {bound:.0} pairs a second | |\n\
             | first issue | {rate:.0} resources a second, {share:.0}% of the raw bound | {FIRST:.0}%: {} |\n\
             | writes of a first issue | {:.2}, and {:.2} Events | |\n\
             | CPU of a first issue | {:.2} ms | |\n\
             | peak memory while all are issued | {peak:.1} MiB ({:.1} MiB when settled) | {PEAK_MIB:.0} MiB: {} |\n",
            verdict(share >= FIRST),
            each(others),
            each(events),
            first.usage.cpu.as_secs_f64() * 1e3 / *resources as f64,
            first.usage.resident_mib(),
            verdict(peak <= PEAK_MIB),
        )
    }

    fn restart(&self) -> String {
        let Starts { middle, writes } = &self.streams;
        format!(
            "| restart | {writes} writes, settled after {:.2} s | 0 writes, {} s: {} |\n",
            middle.settled.as_secs_f64(),
            SETTLED.as_secs(),
            verdict(*writes == 0 && middle.settled <= SETTLED),
        )
    }

    fn renewed(&self) -> String {
        let of = &self.renewals;
        let at_once = rate(self.resources, of.shortened);
        let rate = of.renewed as f64 / of.window.as_secs_f64();
        let share = self.share(rate);
        let (events, others) = of.writes.apart("events");
        let each = |count: u64| count as f64 / of.renewed.max(1) as f64;
        let goal = if of.due < self.bound {
            "fewer are due than the bound".to_owned()
        } else {
            format!("{RENEWED:.0}%: {}", verdict(share >= RENEWED))
        };
        format!(
            "| a policy shortens all lives | {at_once:.0} resources a second, {:.0}% of the raw bound | |\n\
             | renewals for {:.0} s, lives of {} s, {:.0} due a second | {rate:.0} a second, {share:.0}% of the raw bound, \
             none late | {goal} |\n\
             | writes of a renewal | {:.2}, and {:.2} Events | |\n\
             | CPU of a renewal, and peak memory | {:.2} ms, {:.1} MiB | |\n",
            self.share(at_once),
            of.window.as_secs_f64(),
            of.life.as_secs(),
            of.due,
            each(others),
            each(events),
            of.cpu.as_secs_f64() * 1e3 / of.renewed.max(1) as f64,
            of.peak_mib,
        )
    }

    fn day(&self) -> String {
        let (events, others) = self.renewals.writes.apart("events");
        let writes = (events + others) as f64 / self.renewals.renewed.max(1) as f64;
        let row = |name: &str, life| {
            let each = a_day(life) * writes;
            let all = each * self.resources as f64;
            format!(
                "| lives of {name}, in a day | {each:.0} writes of a resource, {all:.0} of all, {:.1} a second | |\n",
                all / Duration::from_hours(24).as_secs_f64()
            )
        };
        row("1 h", Duration::from_hours(1)) + &row("12 h", Duration::from_hours(12))
    }

    fn servers(&self) -> String {
        let rows = ["before", "after the first issue", "after the renewals"];
        let rows = rows.iter().zip(&self.servers).map(|(when, servers)| {
            format!(
                "| {when} | {:.0} MiB | {:.0} MiB | {:.0} MiB |\n",
                servers.apiserver.resident_mib(),
                servers.etcd.resident_mib(),
                servers.stored_mib
            )
        });
        let head = "| | kube-apiserver's memory | etcd's memory | etcd's file |\n| --- | --- | --- | --- |\n";
        head.to_owned() + &rows.collect::<String>()
    }

    fn starts(&self) -> String {
        let row = |name: &str, starts: &Starts| {
            let Start {
                ready,
                settled,
                usage,
            } = starts.middle;
            format!(
                "| {name} | {:.2} s | {:.2} s | {:.2} s | {:.1} MiB | {} |\n",
                ready.as_secs_f64(),
                settled.as_secs_f64(),
                usage.cpu.as_secs_f64(),
                usage.peak_mib(),
                starts.writes
            )
        };
        format!(
            "| start with {} issued | ready after | settled after | CPU | peak memory | writes |\n\
             | --- | --- | --- | --- | --- | --- |\n{}{}",
            self.resources,
            row("streamed lists", &self.streams),
            row("pages", &self.pages)
        )
    }
}

fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "**missed**" }
}

#[cfg(test)]
mod tests {
    //! Goals.

    use super::*;
    use crate::process::Usage;
    use crate::scale::counts::Writes;

    fn figures(bound: f64, peak_mib: u64, settled: Duration) -> Figures {
        let usage = Usage::new(Duration::from_secs(5), peak_mib, peak_mib);
        let writes = |count: u64| {
            Writes::read(&format!(
                "apiserver_request_total{{group=\"\",resource=\"secrets\",verb=\"PUT\"}} {count}\n\
                 apiserver_request_total{{group=\"g\",resource=\"presignedurls\",verb=\"PUT\"}} {count}\n"
            ))
        };
        let starts = || Starts {
            middle: Start {
                ready: settled,
                settled,
                usage,
            },
            writes: 0,
        };
        let servers = Servers {
            apiserver: usage,
            etcd: usage,
            stored_mib: 1.0,
        };
        Figures {
            resources: 10_000,
            bound,
            first: Issued {
                took: Duration::from_secs(50),
                usage,
                writes: writes(10_000),
            },
            streams: starts(),
            pages: starts(),
            renewals: Renewals {
                life: Duration::from_mins(1),
                due: 600.0,
                shortened: Duration::from_secs(50),
                window: Duration::from_mins(1),
                renewed: 12_000,
                writes: writes(12_000),
                cpu: Duration::from_secs(6),
                peak_mib: 70.0,
            },
            servers: [servers; 3],
        }
    }

    #[test]
    fn goals_that_are_reached_are_said_to_be() {
        let tables = figures(200.0, 70, Duration::from_millis(900)).tables();
        assert_eq!(tables.matches(": reached |").count(), 4, "{tables}");
        assert!(!tables.contains("missed"), "{tables}");
        assert!(tables.contains("| first issue | 200 resources a second, 100% of the raw bound"));
        assert!(
            tables.contains("200 a second, 100% of the raw bound, none late"),
            "{tables}"
        );
        assert!(
            tables.contains("| writes of a renewal | 2.00, and 0.00 Events | |"),
            "{tables}"
        );
        assert!(
            tables.contains("| lives of 12 h, in a day | 14 writes of a resource"),
            "{tables}"
        );
    }

    #[test]
    fn a_goal_that_is_missed_is_said_and_not_hidden() {
        let tables = figures(300.0, 81, Duration::from_millis(1100)).tables();
        assert_eq!(tables.matches(": **missed** |").count(), 4, "{tables}");
        assert!(!tables.contains("reached"), "{tables}");
    }

    #[test]
    fn renewals_that_are_too_few_to_reach_the_bound_are_no_miss() {
        let tables = figures(700.0, 70, Duration::from_millis(900)).tables();
        assert!(
            tables.contains("| fewer are due than the bound |"),
            "{tables}"
        );
    }
}
