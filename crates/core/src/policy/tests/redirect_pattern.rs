//! Where a form may send the browser: nowhere that a rule does not name, however a browser reads the URL.

use serde_json::{Value, json};

use super::{compile, decide, is_allowed, policies, request, rule};

fn form(url: &str) -> Value {
    json!({"method": "POST", "post": {"contentLengthRange": {"max": 1}, "successActionRedirect": url}})
}

#[test]
fn a_redirect_leads_where_a_rule_says() {
    for (pattern, url, expected) in [
        ("https://example.com/done", "https://example.com/done", true),
        (
            "https://example.com/done",
            "https://example.com/done2",
            false,
        ),
        (
            "https://example.com/done",
            "https://example.com/done?x",
            false,
        ),
        ("https://example.com/done", "http://example.com/done", false),
        (
            "https://example.com/done",
            "https://EXAMPLE.com/done",
            false,
        ),
        ("https://example.com", "https://example.com", true),
        ("https://example.com", "https://example.com/", false),
        ("https://example.com/*", "https://example.com/", true),
        ("https://example.com/*", "https://example.com/a?b=c", true),
        (
            "https://example.com/*",
            "https://example.com.evil.org/",
            false,
        ),
        ("https://example.com/*", "https://example.com:8443/", false),
        ("https://example.com/*", "https://example.com", false),
        ("https://example.com/up/*", "https://example.com/up/a", true),
        (
            "https://example.com/up/*",
            "https://example.com/upper",
            false,
        ),
        ("https://example.com/up*", "https://example.com/upper", true),
        (
            "https://example.com:8443/*",
            "https://example.com:8443/x",
            true,
        ),
    ] {
        let allow = json!({"methods": ["POST"], "maxUploadBytes": 1, "redirects": ["https://x.org/", pattern]});
        let decision = decide(&policies(&[rule(&allow)]), &request(&form(url)));
        assert_eq!(is_allowed(&decision), expected, "{pattern} {url}");
    }
}

#[test]
fn a_pattern_that_reaches_other_hosts_makes_no_policy() {
    for (pattern, words) in [
        ("*", "is not an absolute http or https URL"),
        ("https://*", "is not an absolute http or https URL"),
        ("https://example.com*", "has no / between the host and *"),
        ("https://*.example.com/", "holds * before its end"),
        ("https://example.com/*/x", "holds * before its end"),
        ("https://example.com/**", "holds * before its end"),
        ("https://example.com/../*", "which browsers resolve"),
        ("https://{namespace}.example.com/", "is not an absolute"),
        ("https://user@example.com/*", "is not an absolute"),
        ("", "is not an absolute"),
    ] {
        let rules = [rule(&json!({"redirects": ["https://ok.org/*", pattern]}))];
        let error = compile("p", &json!({"names": ["*"]}), &rules).expect_err(pattern);
        assert_eq!(error.field, "redirects[1] of rule \"r0\"", "{error}");
        assert!(error.message.contains(words), "{error}");
    }
}
