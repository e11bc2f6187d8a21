//! What an answer means that is no success: send the request again, read the source again, or give up.
//!
//! What holds here: of what a server says only a code of S3's form is shown. How long to wait is bounded,
//! whatever the server says.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};

use super::error::Kind;
use crate::http::Streamed;

/// The most bytes of an error that are read.
const LIMIT: usize = 16 * 1024;
/// The first pause before a request is sent again, and the longest.
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(20);
/// The longest that a server may make us wait.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);

/// What to do after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The same request may succeed later; the server may have said when.
    Again(Option<Duration>),
    /// The signature is not taken, or not any more: another URL may be.
    NewUrl,
    /// The object is another than the one that was begun.
    Changed,
    /// It stays as it is.
    GiveUp(Kind),
}

/// An answer that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) verdict: Verdict,
    /// `403 AccessDenied`
    pub(super) said: String,
    pub(super) status: StatusCode,
}

/// Reads an answer that is no success.
pub(super) async fn refusal(answer: Streamed) -> Refusal {
    let (status, headers) = (answer.status, answer.headers);
    let body = answer.body.beginning(LIMIT).await;
    let code = code(&body);
    let said = match code {
        Some(code) => format!("{} {code}", status.as_u16()),
        None => status.as_u16().to_string(),
    };
    Refusal {
        verdict: verdict(status, code, &headers),
        said,
        status,
    }
}

fn verdict(status: StatusCode, code: Option<&str>, headers: &HeaderMap) -> Verdict {
    let code = code.unwrap_or_default();
    match status.as_u16() {
        401 | 403 => Verdict::NewUrl,
        400 if matches!(
            code,
            "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired"
        ) =>
        {
            Verdict::NewUrl
        }
        400 if matches!(code, "RequestTimeout" | "IncompleteBody") => Verdict::Again(None),
        412 | 416 => Verdict::Changed,
        408 | 409 | 425 | 429 | 500 | 502 | 503 | 504 => Verdict::Again(retry_after(headers)),
        _ => Verdict::GiveUp(Kind::Refused),
    }
}

/// What to do about a URL whose signature is not taken.
pub(super) const NO_NEWER_URL: &str = "the URL has expired, or its signer may not do this: if it is a Secret's, look at the conditions of its PresignedURL \
     (kubectl describe psu) and mount the Secret whole, since a subPath is never updated; else get a new URL";

/// What to do about an answer that stays, for a person.
pub(super) fn advice(refusal: &Refusal) -> &'static str {
    match refusal.status.as_u16() {
        301 | 302 | 307 | 308 => {
            "the bucket is elsewhere: set spec.s3.region and endpoint of the ClusterObjectStore to where it is"
        }
        401 | 403 => NO_NEWER_URL,
        404 | 410 => "there is no such object: fix the key or the bucket of the PresignedURL",
        501 => {
            "the store does not know such requests: for one that takes no forms, ask for method: PUT"
        }
        412 => {
            "the object is there already (If-None-Match), or is not the one that was named (If-Match)"
        }
        _ => "the server refuses the request as it was signed: fix the PresignedURL",
    }
}

/// The element `Code` of an S3 error, if it has the form of one.
fn code(body: &[u8]) -> Option<&str> {
    let text = str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_code = (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
    is_code.then_some(code)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let wait = Duration::from_secs(seconds.trim().parse().ok()?);
    Some(wait.min(MAX_RETRY_AFTER))
}

/// The pause before the next attempt: twice as long each time, and different for each object, so that many do
/// not come back at once.
pub(super) fn pause(attempt: u32, name: &str, asked: Option<Duration>) -> Duration {
    let longest = FIRST.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)));
    let spread = name.bytes().fold(attempt, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    let pause = longest
        .min(LONGEST)
        .mul_f64(0.75 + f64::from(spread % 256) / 1024.0);
    pause.max(asked.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    //! One answer, one verdict.

    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_passes_is_tried_again_and_what_stays_is_not() {
        let none = HeaderMap::new();
        let of = |status, code| verdict(StatusCode::from_u16(status).unwrap(), code, &none);
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(of(status, None), Verdict::Again(None), "{status}");
        }
        for status in [301, 400, 404, 405, 410, 411, 501] {
            assert_eq!(of(status, None), Verdict::GiveUp(Kind::Refused), "{status}");
        }
        for status in [401, 403] {
            assert_eq!(of(status, Some("AccessDenied")), Verdict::NewUrl);
        }
        assert_eq!(of(400, Some("ExpiredToken")), Verdict::NewUrl);
        assert_eq!(of(412, Some("PreconditionFailed")), Verdict::Changed);
    }

    #[test]
    fn a_server_says_when_to_come_back_within_bounds() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("3"));
        let busy = verdict(StatusCode::SERVICE_UNAVAILABLE, None, &headers);
        assert_eq!(busy, Verdict::Again(Some(Duration::from_secs(3))));
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("999999"));
        let busy = verdict(StatusCode::SERVICE_UNAVAILABLE, None, &headers);
        assert_eq!(busy, Verdict::Again(Some(MAX_RETRY_AFTER)));
        for attempt in 1..40 {
            let own = pause(attempt, "a", None);
            assert!(own >= FIRST.mul_f64(0.7) && own <= LONGEST, "{own:?}");
        }
        assert!(pause(3, "a", None) > pause(1, "a", None));
        assert_eq!(pause(1, "a", Some(MAX_RETRY_AFTER)), MAX_RETRY_AFTER);
    }

    #[test]
    fn only_a_code_of_s3s_form_is_shown() {
        assert_eq!(
            code(b"<Error><Code>SlowDown</Code></Error>"),
            Some("SlowDown")
        );
        for body in [
            &b"<Code>a b</Code>"[..],
            b"<Code></Code>",
            b"<Code>https://h/?X-Amz-Signature=1</Code>",
            b"<Code>x",
            b"\xff<Code>A</Code>",
        ] {
            assert_eq!(code(body), None);
        }
    }
}
