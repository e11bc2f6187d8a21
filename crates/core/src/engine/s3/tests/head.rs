//! A HEAD, and the GET that explains it.

use super::*;

#[test]
fn a_head_is_judged_by_its_own_answer_and_explained_by_that_of_a_get() {
    use ConditionStatus::{False, True, Unknown};
    let head_only = Options::Head(GetOptions::default());
    let ok = |status| Ok(answer(status, None));
    let missing = Ok(answer(404, Some(ErrorCode::NoSuchKey)));
    let nobody = Err(TransportError::Timeout(Duration::from_secs(5)));
    let head = |get: &S3Result, head: &S3Result, options: &Options| {
        let tried = ObjectSubject {
            target: &target(None, "eu-west-1"),
            bucket: &bucket(),
            key: KEY,
            options,
        };
        verify_head(get, head, &tried)
    };
    for (of_get, of_head, options, status, reason, words) in [
        (
            ok(206),
            ok(200),
            &get(),
            True,
            Reason::Verified,
            "and so was a HEAD",
        ),
        (
            ok(206),
            ok(200),
            &head_only,
            True,
            Reason::Verified,
            "a HEAD of \"models/",
        ),
        // It is the HEAD that was signed for.
        (
            ok(400),
            ok(200),
            &head_only,
            True,
            Reason::Verified,
            "a HEAD of \"models/",
        ),
        (
            ok(206),
            ok(400),
            &get(),
            False,
            Reason::UnexpectedResponse,
            "url works and head-url does not",
        ),
        (
            ok(206),
            ok(400),
            &head_only,
            False,
            Reason::UnexpectedResponse,
            "the URL does not work",
        ),
        (
            missing.clone(),
            ok(404),
            &head_only,
            False,
            Reason::NoSuchKey,
            "there is no object",
        ),
        (
            missing.clone(),
            ok(404),
            &get(),
            False,
            Reason::NoSuchKey,
            "there is no object",
        ),
        (
            ok(206),
            nobody.clone(),
            &get(),
            Unknown,
            Reason::StoreUnavailable,
            "in time",
        ),
        (
            ok(206),
            ok(503),
            &head_only,
            Unknown,
            Reason::StoreUnavailable,
            "a HEAD of \"models/",
        ),
    ] {
        let given = head(&of_get, &of_head, options);
        says(&given, status, reason, &[words]);
    }
}

#[test]
fn no_key_reorders_a_sentence_about_a_head() {
    let ok = |status| Ok(answer(status, None));
    for options in [get(), Options::Head(GetOptions::default())] {
        for of_head in [ok(200), ok(400), ok(503)] {
            let tried = ObjectSubject {
                target: &target(None, "eu-west-1"),
                bucket: &bucket(),
                key: "llama/\u{202e}nib.\"x",
                options: &options,
            };
            let message = verify_head(&ok(206), &of_head, &tried).message;
            let escaped = "of \"models/llama/\\u{202e}nib.\\\"x\"";
            assert!(
                message.replace("the first byte ", "").contains(escaped),
                "{message}"
            );
        }
    }
}
