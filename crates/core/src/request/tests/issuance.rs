//! Options of issuance: their defaults, and what contradicts them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::{InvalidSpec, IssuanceOptions, Limits, Request};
use super::with;
use crate::api::{Format, Renew, Verify};

fn parse(patch: &Value) -> Result<IssuanceOptions, InvalidSpec> {
    let spec = with(json!({"bucket": "data", "key": "a"}), patch);
    IssuanceOptions::parse(&serde_json::from_value(spec).expect("the spec is one"))
}

#[test]
fn what_is_left_out_has_its_default() {
    let options = parse(&json!({})).expect("it parses");
    assert_eq!(
        (options.renew, options.verify),
        (Renew::Always, Verify::Report)
    );
    assert_eq!(
        (options.formats, options.ttl_after_expiry),
        (BTreeSet::new(), None)
    );
}

#[test]
fn every_option_is_read() {
    let options = parse(&json!({
        "key": null, "keys": ["a"], "renew": "Never", "verify": "Require", "ttlAfterExpiry": "24h",
        "formats": ["curl.conf", "aria2.txt", "urls.txt"],
    }))
    .expect("it parses");
    assert_eq!(
        (options.renew, options.verify),
        (Renew::Never, Verify::Require)
    );
    assert_eq!(options.ttl_after_expiry, Some(Duration::from_hours(24)));
    assert_eq!(
        options.formats.into_iter().collect::<Vec<_>>(),
        [Format::UrlsTxt, Format::Aria2Txt, Format::CurlConf]
    );
    let now = parse(&json!({"renew": "Never", "ttlAfterExpiry": "0s"})).expect("it parses");
    assert_eq!(now.ttl_after_expiry, Some(Duration::ZERO));
    for good in [
        json!({"key": null, "prefix": "a/", "formats": ["aria2.txt"]}),
        json!({"key": null, "keys": ["a"], "method": "PUT", "formats": ["curl.conf", "urls.txt"]}),
        json!({"renew": "Never", "ttlAfterExpiry": "8760h"}),
        json!({"key": null, "prefix": "a/", "renew": "Never", "list": {"maxObjects": 3}}),
        json!({"renewBefore": "1h", "renew": "Always"}),
    ] {
        assert!(parse(&good).is_ok(), "{good}");
    }
}

#[test]
fn an_option_that_contradicts_the_spec_is_refused_with_what_to_do() {
    let never = |patch: Value| with(json!({"renew": "Never"}), &patch);
    for (patch, field, words) in [
        (
            never(json!({"renewBefore": "1h"})),
            "spec.renewBefore",
            "remove it, or set spec.renew to Always",
        ),
        (
            never(json!({"renewBeforePercentage": 50})),
            "spec.renewBeforePercentage",
            "renew: Never nothing is issued",
        ),
        (
            never(json!({"key": null, "prefix": "a/", "list": {"refreshInterval": "5m"}})),
            "spec.list.refreshInterval",
            "with renew: Never",
        ),
        (
            json!({"ttlAfterExpiry": "1h"}),
            "spec.ttlAfterExpiry",
            "set spec.renew to Never",
        ),
        (
            json!({"renew": "Always", "ttlAfterExpiry": "1h"}),
            "spec.ttlAfterExpiry",
            "does not expire",
        ),
        (
            never(json!({"ttlAfterExpiry": "8761h"})),
            "spec.ttlAfterExpiry",
            "is longer than 8760h; give less",
        ),
        (
            never(json!({"ttlAfterExpiry": ""})),
            "spec.ttlAfterExpiry",
            "is empty; write",
        ),
        (
            never(json!({"ttlAfterExpiry": "-1s"})),
            "spec.ttlAfterExpiry",
            "has a sign",
        ),
        (
            json!({"formats": ["urls.txt"]}),
            "spec.formats",
            "has its own files already; leave it out",
        ),
        (
            json!({"formats": []}),
            "spec.formats",
            "goes with many objects",
        ),
        (
            json!({"key": null, "prefix": "a/", "method": "POST", "formats": ["urls.txt"]}),
            "spec.formats",
            "goes with many objects",
        ),
        (
            json!({"key": null, "keys": ["a"], "method": "PUT", "formats": ["urls.txt", "aria2.txt"]}),
            "spec.formats",
            "aria2 downloads only, and the method is PUT; leave it out",
        ),
    ] {
        let error = parse(&patch).expect_err(&patch.to_string());
        assert_eq!(error.field, field, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn what_is_issued_once_may_be_short_in_any_installation() {
    let limits = Limits {
        min_duration: Duration::from_hours(1),
    };
    for (renew, duration, words) in [
        (
            "Always",
            "59m",
            Some("shorter than a renewed URL may live; ask for 1h to"),
        ),
        ("Always", "1h", None),
        ("Never", "1m", None),
        (
            "Never",
            "59s",
            Some("shorter than a URL may live; ask for 1m to"),
        ),
        ("Never", "169h", Some("longer than SigV4 allows")),
    ] {
        let spec = json!({"bucket": "data", "key": "a", "renew": renew, "duration": duration});
        let parsed = Request::parse(
            &serde_json::from_value(spec).expect("the spec is one"),
            &limits,
        );
        match words {
            None => assert!(parsed.is_ok(), "{renew} {duration}"),
            Some(words) => {
                let error = parsed.expect_err(duration);
                assert!(error.message.contains(words), "{error}");
            }
        }
    }
}
