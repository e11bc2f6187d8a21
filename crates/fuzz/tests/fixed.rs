//! Each target over a fixed number of cases, the same each time: bytes, seeds with bytes in them, and their
//! words anew.

#![allow(clippy::unwrap_used, clippy::panic)]

use presigned_fuzz::{TARGETS, Target, target};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

/// This many cases take seconds in a debug build.
const CASES: u32 = 2000;

/// Bytes that may make sense to a target.
fn inputs(target: &Target) -> impl Strategy<Value = Vec<u8>> + use<> {
    let seeds: Vec<&'static str> = target.seeds.to_vec();
    let words: Vec<&'static str> = seeds
        .iter()
        .flat_map(|seed| seed.split_inclusive(|c: char| !c.is_alphanumeric()))
        .chain(["/", "..", "{namespace}", "\"", "\\", "*", "\0", "\n", " "])
        .collect();
    let anew =
        vec(proptest::sample::select(words), 0..12).prop_map(|words| words.concat().into_bytes());
    let edited = (
        proptest::sample::select(seeds),
        any::<prop::sample::Index>(),
        0..4_usize,
        prop_oneof![
            vec(any::<u8>(), 0..3),
            "\\PC{0,3}".prop_map(String::into_bytes)
        ],
    )
        .prop_map(|(seed, at, gone, put)| {
            let mut bytes = seed.as_bytes().to_vec();
            let at = at.index(bytes.len() + 1);
            let end = (at + gone).min(bytes.len());
            bytes.splice(at..end, put);
            bytes
        });
    prop_oneof![2 => edited, 2 => anew, 1 => vec(any::<u8>(), 0..64)]
}

#[test]
fn what_holds_for_any_bytes_holds_for_these() {
    for target in TARGETS {
        for seed in target.seeds {
            (target.run)(seed.as_bytes());
        }
        let config = Config {
            cases: CASES,
            failure_persistence: None,
            ..Config::default()
        };
        let dice = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        TestRunner::new_with_rng(config, dice)
            .run(&inputs(target), |bytes| {
                (target.run)(&bytes);
                Ok::<_, TestCaseError>(())
            })
            .unwrap_or_else(|error| panic!("{}: {error}", target.name));
    }
}

#[test]
fn every_target_is_found_by_its_name() {
    for known in TARGETS {
        assert_eq!(target(known.name).map(|t| t.name), Some(known.name));
    }
    assert!(target("none").is_none());
}
