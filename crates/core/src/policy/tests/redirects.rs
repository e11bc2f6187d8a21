//! Where a form may send the browser: nowhere that a rule does not name, however a browser reads the URL.

use serde_json::{Value, json};

use super::super::{InvalidSpec, Request};
use super::{compile, decide, is_allowed, limits, policies, request, rule};

fn form(url: &str) -> Value {
    json!({"method": "POST", "post": {"contentLengthRange": {"max": 1}, "successActionRedirect": url}})
}

fn parse(url: &str) -> Result<Request, InvalidSpec> {
    let spec = super::with(json!({"bucket": "data", "key": "a"}), &form(url));
    Request::parse(
        &serde_json::from_value(spec).expect("the spec is one"),
        &limits(),
    )
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
fn a_url_that_a_browser_reads_differently_is_refused() {
    let long = format!("https://example.com/{}", "a".repeat(2048));
    for url in [
        "",
        "/done",
        "//example.com/done",
        "javascript:alert(1)",
        "ftp://example.com/",
        "HTTPS://example.com/",
        "https://",
        "https:///done",
        "https://user@example.com/",
        "https://example.com:80@evil.org/",
        "https://example.com\\.evil.org/",
        "https://example.com:/",
        "https://example.com:123456/",
        "https://.example.com/",
        "https://example.com./",
        "https://example.com?x",
        "https://example.com/#a",
        "https://example.com/a b",
        "https://example.com/\n",
        "https://example.com/\"",
        "https://example.com/<",
        "https://example.com/${filename}",
        "https://exämple.com/",
        "https://[::1]/",
        "https://example.com/up/../evil",
        "https://example.com/up/..",
        "https://example.com/./up",
        "https://example.com/up/%2e%2E/evil",
        "https://example.com/up/.%2e/evil",
        "https://example.com/up/..?x",
        long.as_str(),
    ] {
        let error = parse(url).expect_err(url);
        assert_eq!(error.field, "spec.post.successActionRedirect", "{error}");
        assert!(error.message.contains("; give"), "{error}");
        assert!(
            error.to_string().len() <= 512 && !error.message.contains(char::is_control),
            "{error}"
        );
    }
    for url in [
        "http://a/",
        "https://a.b-c.org:1/x/y.html?q=../a&b=%2e%2e",
        "https://a/.../..a/b..",
    ] {
        assert!(parse(url).is_ok(), "{url}");
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
        assert_eq!(error.field, "spec.allow[0].redirects[1]", "{error}");
        assert!(error.message.contains(words), "{error}");
    }
}
