//! Redirects: a URL that passes means one place to every reader.

use serde_json::json;

use super::super::{InvalidSpec, Request};
use super::{limits, with};

fn parse(url: &str) -> Result<Request, InvalidSpec> {
    let post = json!({"contentLengthRange": {"max": 1}, "successActionRedirect": url});
    let spec = json!({"bucket": "data", "key": "a", "method": "POST"});
    let spec = serde_json::from_value(with(spec, &json!({"post": post})));
    Request::parse(&spec.expect("the spec is one"), &limits())
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
