//! Promises of the core for any bytes: each target takes bytes and panics if a promise is broken.
//!
//! What holds here: a target is a plain function without state, so that `make test` runs it over a fixed
//! number of cases and `make fuzz` over as many as libFuzzer finds in a given time. Each target
//! states what must be true by other means than the code under test.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is the finding"
)]

mod files;
mod names;
mod policy;
mod readers;
mod urls;

/// A promise for any bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Panics if the promise is broken.
    pub run: fn(&[u8]),
    /// Inputs to begin with, since bytes alone seldom make sense to a parser.
    pub seeds: &'static [&'static str],
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "key",
        run: names::key,
        seeds: names::SEEDS,
    },
    Target {
        name: "prefix",
        run: names::prefix,
        seeds: names::SEEDS,
    },
    Target {
        name: "duration",
        run: names::duration,
        seeds: &["1h", "168h", "1h30m", "0.5h", "1000000000ns"],
    },
    Target {
        name: "template",
        run: policy::template,
        seeds: policy::TEMPLATE_SEEDS,
    },
    Target {
        name: "policy",
        run: policy::policy,
        seeds: policy::POLICY_SEEDS,
    },
    Target {
        name: "request",
        run: policy::request,
        seeds: policy::REQUEST_SEEDS,
    },
    Target {
        name: "url",
        run: urls::url,
        seeds: urls::SEEDS,
    },
    Target {
        name: "headers",
        run: files::headers,
        seeds: files::HEADER_SEEDS,
    },
    Target {
        name: "files",
        run: files::files,
        seeds: files::FILE_SEEDS,
    },
];

/// The target of a name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// A condition's message: it is not empty, it is bounded, and it prints as one line.
fn is_a_sentence(text: &str) {
    assert!(!text.is_empty(), "a refusal says something");
    assert!(text.len() <= 4096, "{} bytes: {text}", text.len());
    assert!(
        !text.chars().any(char::is_control),
        "a control character in {text:?}"
    );
}
