//! A simulation of days in seconds: the engine against a model of a cluster and of a cloud, with faults of
//! every kind from a seed.
//!
//! `PSU_SIM_SEEDS=n` runs n seeds, `PSU_SIM_FIRST=x` begins with x, and `PSU_SIM_THREADS=t` takes t cores;
//! `PSU_SIM_SEED=x` runs one and prints each step.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

#[path = "../common/mod.rs"]
mod common;

mod at_rest;
mod chaos;
mod expected_status;
mod fault_schedule;
mod forgeries;
mod invariants;
mod listing_invariants;
mod ownership_invariants;
mod planted_bugs;
mod policy_oracle;
mod progress;
mod random_specs;
mod replica_events;
mod replica_invariants;
mod run;
mod secret_contents;
mod secret_invariants;
mod status_facts;
mod user_actions;
mod withdrawal;
mod write_invariants;

use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use planted_bugs::Bug;
use progress::Progress;

/// A quarter of a seed's time goes to the heap. This is the operator's own.
#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seeds of an ordinary run: minutes on two cores without optimisation. `make simulate` runs more.
const SEEDS: u64 = 100;

/// From so many seeds on, a run tells its progress.
const LONG: u64 = 500;

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs seeds on every core until enough violations are found; the failures in order.
fn failures(
    seeds: RangeInclusive<u64>,
    bug: Bug,
    enough: fn(&[(u64, String)]) -> bool,
) -> Vec<(u64, String)> {
    let (first, last) = seeds.into_inner();
    let count = last + 1 - first;
    let progress = (count >= LONG).then(|| Progress::of(count));
    let next = AtomicU64::new(first);
    let found = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let threads = from_env("PSU_SIM_THREADS").map_or(cores, |threads| {
        usize::try_from(threads).map_or(cores, |threads| threads.max(1))
    });
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > last || enough(&found.lock().unwrap()) {
                        return;
                    }
                    let outcome = std::panic::catch_unwind(|| run::seed(seed, bug, false));
                    let violation = match outcome {
                        Ok(outcome) => outcome.violations.into_iter().next(),
                        Err(_) => Some("a panic".to_owned()),
                    };
                    if let Some(progress) = &progress {
                        progress.done(violation.is_some());
                    }
                    if let Some(violation) = violation {
                        if bug == Bug::None {
                            progress::tell(&format!("seed {seed}: {violation}"));
                        }
                        found.lock().unwrap().push((seed, violation));
                    }
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort();
    found
}

#[test]
fn every_promise_holds_whatever_goes_wrong() {
    if let Some(seed) = from_env("PSU_SIM_SEED") {
        let outcome = run::seed(seed, Bug::None, true);
        eprintln!("{} steps", outcome.steps);
        assert!(outcome.violations.is_empty(), "{:#?}", outcome.violations);
        return;
    }
    let seeds = from_env("PSU_SIM_SEEDS").unwrap_or(SEEDS);
    let first = from_env("PSU_SIM_FIRST").unwrap_or(1);
    let found = failures(first..=first + seeds - 1, Bug::None, |found| {
        found.len() >= 10
    });
    let told: Vec<String> = found
        .iter()
        .map(|(seed, violation)| {
            format!(
                "seed {seed}: {violation}\n  replay: PSU_SIM_SEED={seed} cargo test -p presigned-core --test simulation \
                 every_promise -- --nocapture"
            )
        })
        .collect();
    assert!(found.is_empty(), "{}", told.join("\n"));
}

/// The seeds within which a planted bug must be found.
const BUG_SEEDS: u64 = 200;

/// Each planted bug, and a part of the message of the violation that it must cause.
macro_rules! planted {
    ($($name:ident: $bug:ident => $words:literal;)+) => {
        $(#[test]
        fn $name() {
            let right = |found: &[(u64, String)]| {
                found.iter().any(|(_, violation)| violation.contains($words))
            };
            let found = failures(1..=BUG_SEEDS, Bug::$bug, right);
            let right = right(&found);
            assert!(right, "not found by {:?}; instead: {found:#?}", $words);
        })+
    };
}

planted! {
    a_foreign_secret_that_is_overwritten_is_found: OverwritesForeign => "a foreign Secret was touched";
    a_foreign_secret_that_is_deleted_is_found: DeletesForeign => "a foreign Secret was touched";
    a_renewal_that_signs_nothing_is_found: PublishesOldUrl => "is Ready, but status";
    a_url_of_another_resource_is_found: PublishesAnothersUrl => "no policy allows";
    a_life_beyond_the_policy_is_found: LivesTooLong => "and the URL ends";
    a_url_that_outlives_its_session_is_found: OutlivesSession => "outlives the session";
    a_status_before_its_secret_is_found: StatusBeforeSecret => "its Secret is not there";
    a_secret_that_is_written_twice_is_found: WritesTwice => "writes of the Secret";
    a_reconcile_that_asks_for_the_next_at_once_is_found: ReconcilesForEver => "calls within a minute";
    a_refused_secret_that_stays_is_found: KeepsDenied => "left behind";
    a_secret_of_a_deleted_resource_that_stays_is_found: KeepsDeleting => "is being deleted, and its Secret";
    a_lost_owner_reference_that_is_overlooked_is_found: OverlooksLostOwner => "lost its owner reference";
    a_rate_of_listings_that_is_forgotten_is_found: ForgetsListings => "lists more often than";
    an_expired_secret_that_stays_is_found: KeepsExpired => "holds a URL that ended";
    a_policy_change_that_is_ignored_is_found: IgnoresPolicies => "polic";
    a_renewal_without_overlap_is_found: RenewsLate => "renewed with";
    a_url_in_a_condition_is_found: LeaksUrl => "stands in words";
    a_first_issue_that_waits_is_found: FirstIssueWaits => "waits for its first issue";
    a_start_that_is_not_silent_is_found: ForgetsAtStart => "after a restart";
    a_renamed_secret_that_stays_is_found: LeavesRenamed => "the Secret team-";
    drift_that_is_overlooked_is_found: OverlooksDrift => "is Ready, but";
    a_listed_key_that_is_not_evaluated_is_found: SignsWithoutDecision => "no policy allows";
    a_form_for_any_bucket_is_found: FormOfAnyBucket => "without a condition of its bucket";
    a_link_that_is_renewed_is_found: RenewsLinks => "the link's end moved";
    a_link_whose_end_moves_is_found: MovesLinkEnds => "the link's end moved";
    a_link_that_is_forgotten_is_found: ForgetsLinks => "a link that ended was issued again";
    clock_skew_that_is_ignored_is_found: DropsSkew => "the store's clock is";
    a_store_that_accepts_unsigned_headers_and_is_trusted_is_found: TrustsStoreWithUnsignedHeaders => "takes what nobody signed";
    an_unverified_url_that_is_published_is_found: PublishesUnverified => "in spite of Require";
    a_session_that_is_not_narrowed_is_found: WidensSessions => "its session is not narrowed";
    a_living_secret_that_is_removed_is_found: TakesForExpired => "a Secret that lives was removed";
    a_key_that_no_store_knows_and_signs_is_found: AcceptsUnknownKeys => "signed with a key that the store never knew";
    a_namespace_that_comes_and_is_seen_without_its_label_is_found: OverlooksQuarantine => "expected Expected { ready: Some(false), reason: Some(\"PolicyDenied\")";
    a_leader_that_outlives_its_claim_is_found: OutlivesClaim => "and the Lease is held by";
    a_claim_that_counts_from_the_answer_is_found: ClaimsFromTheAnswer => "two replicas lead";
    a_follower_that_leads_early_is_found: LeadsEarly => "two replicas lead";
    a_replica_that_overwrites_what_is_newer_is_found: OverwritesNewer => "changed what another replica wrote";
    a_new_leader_that_issues_again_is_found: IssuesAgain => "before its renewal is due";
    an_unreadable_policy_that_touches_all_is_found: UnreadableTouchesAll => "expected Expected { ready: Some(false), reason: Some(\"PolicyDenied\")";
}
