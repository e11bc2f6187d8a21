//! How long an object is, by the head of an answer.
//!
//! What holds here: an answer of another range than the one that was asked for is none.

use http::{HeaderMap, StatusCode, header};

/// The size of the whole object, if the answer says it.
///
/// # Errors
/// What is wrong with the answer.
pub(super) fn whole_size(
    status: StatusCode,
    headers: &HeaderMap,
    begun: u64,
) -> Result<Option<u64>, &'static str> {
    let number = |name| headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
    let length = number(header::CONTENT_LENGTH);
    if status == StatusCode::OK {
        return Ok(length);
    }
    let range = headers
        .get(header::CONTENT_RANGE)
        .and_then(|range| range.to_str().ok());
    let parsed = range.and_then(|range| {
        let (range, total) = range.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        Some((
            first.parse::<u64>().ok()?,
            last.parse::<u64>().ok()?,
            total.parse::<u64>().ok()?,
        ))
    });
    match parsed {
        Some((first, last, total))
            if first == begun
                && last.checked_add(1) == Some(total)
                && length.is_none_or(|length| Some(length) == total.checked_sub(begun)) =>
        {
            Ok(Some(total))
        }
        _ => Err("answered another range than the one that was asked for"),
    }
}

/// Whether the body comes in chunks, the last of which is its end.
pub(super) fn is_chunked(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let last = codings
        .next_back()
        .and_then(|codings| codings.to_str().ok())
        .and_then(|codings| codings.rsplit(',').next());
    last.is_some_and(|coding| coding.trim().eq_ignore_ascii_case("chunked"))
}

#[cfg(test)]
mod tests {
    //! What an answer says of the size.

    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_range_that_was_not_asked_for_is_no_continuation() {
        let headers = |range: &'static str, length: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_RANGE, HeaderValue::from_static(range));
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static(length));
            headers
        };
        let of =
            |range, length| whole_size(StatusCode::PARTIAL_CONTENT, &headers(range, length), 10);
        assert_eq!(of("bytes 10-99/100", "90"), Ok(Some(100)));
        for (range, length) in [
            ("bytes 0-99/100", "100"),
            ("bytes 10-98/100", "89"),
            ("bytes 10-99/*", "90"),
            ("bytes 10-99/100", "91"),
            ("bytes 10-18446744073709551615/5", "1"),
            ("items 10-99/100", "90"),
        ] {
            assert!(of(range, length).is_err(), "{range}");
        }
        let none = HeaderMap::new();
        assert!(whole_size(StatusCode::PARTIAL_CONTENT, &none, 10).is_err());
        assert_eq!(whole_size(StatusCode::OK, &none, 0), Ok(None));
    }

    #[test]
    fn chunks_end_a_body_only_if_they_are_the_last_coding() {
        for (codings, is_last) in [
            ("chunked", true),
            ("gzip, Chunked", true),
            ("chunked, gzip", false),
            ("identity", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static(codings));
            assert_eq!(is_chunked(&headers), is_last, "{codings}");
        }
        assert!(!is_chunked(&HeaderMap::new()));
    }
}
