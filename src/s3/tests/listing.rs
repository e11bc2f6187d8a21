//! Listings, whole or none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use presigned_core::engine::{
    ErrorCode, ListError, ListRequest, PageError, TlsError, TransportError,
};
use presigned_core::request::{Key, ListSelection, Prefix};
use presigned_core::signing::Credentials;
use presigned_testkit::S3Server;
use presigned_testkit::s3::Trouble;

use super::super::list::list;
use super::{answer, bucket, canned, client, credentials, keys, target};

pub(super) fn request(endpoint: &str, credentials: Credentials, prefix: &str) -> ListRequest {
    ListRequest {
        target: target(endpoint, "eu-west-2"),
        bucket: bucket(),
        wanted: ListSelection {
            prefix: Prefix::parse(prefix).unwrap(),
            min_objects: 1,
            max_objects: None,
            include: Vec::new(),
            exclude: Vec::new(),
            refresh_interval: None,
        },
        most: 5_000,
        credentials,
        request_payer: None,
        ca_bundle: None,
        signed_at: Timestamp::now(),
        timeout: Duration::from_secs(20),
    }
}

pub(super) fn of(server: &S3Server, prefix: &str) -> ListRequest {
    let mut request = request(&server.endpoint, keys(server), prefix);
    request.ca_bundle.clone_from(&server.ca_pem);
    request
}

#[tokio::test]
async fn real_servers_list_every_page_in_order_with_sizes_and_etags() {
    for server in [
        S3Server::s3s_fs().unwrap(),
        S3Server::versitygw().await.unwrap(),
    ] {
        // s3s-fs declares that it encodes keys, and does not.
        let name = if server.requests().is_ok() {
            "part-"
        } else {
            "part ü&"
        };
        for number in 0..2_300 {
            let key = format!("llama/{name}{number:05}.bin");
            server.put_object("models", &key, b"12345").unwrap();
        }
        server.put_object("models", "other/x", b"1").unwrap();
        let listing = client().list(&of(&server, "llama/")).await.unwrap();
        assert_eq!(listing.objects.len(), 2_300);
        assert!(listing.objects.is_sorted_by(|a, b| a.key < b.key));
        let first = &listing.objects[0];
        let key = format!("llama/{name}00000.bin");
        assert_eq!((&first.key, first.size), (&key, Some(5)));
        assert!(!first.etag.contains('"'), "{}", first.etag);
        assert!(listing.skew.is_some());

        let mut few = of(&server, "llama/");
        few.most = 2_299;
        assert_eq!(client().list(&few).await, Err(ListError::TooMany));
        few.most = 2_300;
        assert!(client().list(&few).await.is_ok());
        let none = client().list(&of(&server, "none/")).await.unwrap();
        assert_eq!(none.objects, []);
    }
}

#[tokio::test]
async fn what_a_listing_keeps_has_a_bound_in_bytes_too() {
    let server = S3Server::s3s_fs().unwrap();
    // Segments that a file system takes, 1,000 bytes in all.
    let folders = ["a", "b", "c", "d"]
        .map(|letter| letter.repeat(240))
        .join("/");
    for number in 0..1_100 {
        let key = format!("{folders}/{number:0>20}");
        server.put_object("models", &key, b"1").unwrap();
    }
    let all = client().list(&of(&server, "")).await;
    assert_eq!(all, Err(ListError::TooLarge));
    let some = format!("{folders}/{:0>17}", "");
    assert_eq!(
        client()
            .list(&of(&server, &some))
            .await
            .unwrap()
            .objects
            .len(),
        1_000
    );
}

/// s3s-fs is not among them: it says that it encodes keys, and does not.
#[tokio::test]
async fn keys_with_hard_names_are_listed_as_they_are() {
    let mut hard = [
        "a b",
        "a+b",
        "a%20b",
        "a%2Bb",
        "a&<b>'\"",
        "a\\b",
        "a?b=c#d",
        "-rf",
        "~",
        "ü\u{2028}x",
        "日本/語",
    ];
    hard.sort_unstable();
    for server in [
        S3Server::versitygw().await.unwrap(),
        S3Server::minio().await.unwrap(),
    ] {
        for key in hard {
            server.put_object("models", key, b"1").unwrap();
        }
        let listing = client().list(&of(&server, "")).await.unwrap();
        let keys: Vec<_> = listing.objects.iter().map(|o| o.key.as_str()).collect();
        assert_eq!(keys, hard, "{}", server.endpoint);
    }
}

#[tokio::test]
async fn a_listing_that_is_refused_says_why() {
    let server = S3Server::versitygw().await.unwrap();
    let refused = async |request: &ListRequest| match client().list(request).await {
        Err(ListError::Refused(answer)) => (answer.code, answer.region),
        other => panic!("{other:?}"),
    };
    let mut request = of(&server, "");
    assert_eq!(refused(&request).await.0, Some(ErrorCode::NoSuchBucket));
    server.create_bucket("models").unwrap();
    request.credentials = credentials("AKIASTRANGER00000000", "secret");
    assert_eq!(
        refused(&request).await.0,
        Some(ErrorCode::InvalidAccessKeyId)
    );
    request.credentials = credentials(&server.access_key, "another");
    assert_eq!(
        refused(&request).await.0,
        Some(ErrorCode::SignatureDoesNotMatch)
    );
    request = of(&server, "");
    request.target.region = "us-east-1".to_owned();
    let (code, region) = refused(&request).await;
    assert_eq!(code, Some(ErrorCode::WrongRegion));
    assert_eq!(region.as_deref(), Some("eu-west-2"));
    request = of(&server, "");
    request.signed_at -= jiff::SignedDuration::from_hours(1);
    assert_eq!(
        refused(&request).await.0,
        Some(ErrorCode::RequestTimeTooSkewed)
    );
}

#[tokio::test]
async fn a_listing_trusts_the_stores_authority() {
    let server = S3Server::s3s_fs_tls().unwrap();
    server.put_object("models", "a", b"1").unwrap();
    let mut request = of(&server, "");
    assert_eq!(client().list(&request).await.unwrap().objects.len(), 1);
    request.ca_bundle = None;
    assert_eq!(
        client().list(&request).await,
        Err(ListError::TransportError(TransportError::Tls(
            TlsError::UnknownIssuer { ca_bundle: false }
        )))
    );
}

#[tokio::test]
async fn a_store_that_hangs_or_is_busy_is_told_apart() {
    let server = S3Server::s3s_fs().unwrap();
    server.create_bucket("models").unwrap();
    let mut request = of(&server, "");
    server
        .set_trouble(Trouble::Status(http::StatusCode::SERVICE_UNAVAILABLE))
        .unwrap();
    match client().list(&request).await {
        Err(ListError::Refused(answer)) => assert_eq!(answer.status, 503),
        other => panic!("{other:?}"),
    }
    // One retry, and no more.
    assert_eq!(server.requests().unwrap().len(), 2);
    server.set_trouble(Trouble::Hang).unwrap();
    request.timeout = Duration::from_millis(200);
    assert_eq!(
        client().list(&request).await,
        Err(ListError::TransportError(TransportError::Timeout(
            request.timeout
        )))
    );
}

fn object(key: &str, etag: &str) -> String {
    format!("<Contents><Key>{key}</Key><Size>1</Size><ETag>{etag}</ETag></Contents>")
}

fn page(keys: &[&str], next: Option<&str>) -> String {
    let contents: Vec<_> = keys.iter().map(|key| object(key, "")).collect();
    page_of(&contents.concat(), next)
}

fn page_of(contents: &str, next: Option<&str>) -> String {
    let next = next.map(|token| format!("<NextContinuationToken>{token}</NextContinuationToken>"));
    let truncated = next.is_some();
    let next = next.unwrap_or_default();
    let body = format!(
        "<ListBucketResult><Name>models</Name><EncodingType>url</EncodingType>\
         <IsTruncated>{truncated}</IsTruncated>{next}{contents}</ListBucketResult>"
    );
    answer("200 OK", "", &body)
}

async fn listed(answers: Vec<String>) -> Result<Vec<String>, ListError> {
    let endpoint = canned(answers).await;
    let request = request(&endpoint, credentials("AKIA", "secret"), "p/");
    let listing = client().list(&request).await?;
    Ok(listing
        .objects
        .into_iter()
        .map(|object| object.key)
        .collect())
}

#[tokio::test]
async fn keys_are_decoded_if_the_store_declares_that_they_are_encoded() {
    let encoded = page(&["p/a+c", "p/a%2Bb", "p/a%C3%BC", "p/dt=1/a%20b"], None);
    assert_eq!(
        listed(vec![encoded.clone()]).await.unwrap(),
        ["p/a c", "p/a+b", "p/aü", "p/dt=1/a b"]
    );
    for declared in ["", "<EncodingType></EncodingType>", "<EncodingType/>"] {
        let raw = page(&["p/a b", "p/a%20b", "p/a+b", "p/a%"], None);
        let raw = raw.replace("<EncodingType>url</EncodingType>", declared);
        let (_, body) = raw.split_once("\r\n\r\n").unwrap();
        assert_eq!(
            listed(vec![answer("200 OK", "", body)]).await.unwrap(),
            ["p/a b", "p/a%", "p/a%20b", "p/a+b"]
        );
    }
}

#[tokio::test]
async fn a_page_that_cannot_be_encoded_as_it_declares_is_refused() {
    for key in [
        "p/a b", "p/ü", "p/a%", "p/a%2", "p/a%zz", "p/a&lt;b", "p/a|b", "p/a\"b", "p/\u{7f}",
    ] {
        let pages = vec![page(&["p/a%20b", key], None)];
        assert_eq!(
            listed(pages).await,
            Err(ListError::BadPage(PageError::NotEncoded)),
            "{key}"
        );
    }
}

#[tokio::test]
async fn what_an_object_takes_is_bounded() {
    // 1,024 bytes, and 3,068 where they are encoded.
    let longest = format!("p/{}", "%C3%BC".repeat(511));
    let etag = "a".repeat(128);
    let quoted = format!("&quot;{etag}&quot;");
    let within = page_of(&object(&longest, &quoted), None);
    let within = listed(vec![within]).await.unwrap();
    assert_eq!(within[0].len(), 1_024);
    for (why, object) in [
        (PageError::KeyTooLong, object(&format!("{longest}a"), "")),
        (PageError::BadObject, object("p/a", &format!("{etag}a"))),
    ] {
        let beyond = vec![page_of(&object, None)];
        assert_eq!(listed(beyond).await, Err(ListError::BadPage(why)));
    }
}

#[tokio::test]
async fn a_key_that_is_too_long_meets_no_glob() {
    let endpoint = canned(vec![page(&[&format!("p/{}", "a".repeat(8_000))], None)]).await;
    let request = request(&endpoint, credentials("AKIA", "secret"), "p/");
    let looked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&looked);
    let keeps = move |_: &str| {
        count.fetch_add(1, Ordering::Relaxed);
        false
    };
    let listing = list(&client(), &request, keeps).await;
    assert_eq!(listing, Err(ListError::BadPage(PageError::KeyTooLong)));
    assert_eq!(looked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn globs_are_matched_off_the_thread_on_which_everything_waits() {
    let pages = vec![page(&["p/a"], Some("t")), page(&["p/b"], None)];
    let endpoint = canned(pages).await;
    let request = request(&endpoint, credentials("AKIA", "secret"), "p/");
    let here = std::thread::current().id();
    let keeps = move |_: &str| std::thread::current().id() != here;
    let listing = list(&client(), &request, keeps).await.unwrap();
    assert_eq!(listing.objects.len(), 2);
}

#[tokio::test]
async fn a_key_that_is_no_utf_8_is_listed_as_one_that_is_left_out() {
    let answers = vec![page(
        &[
            "p/a.csv",
            "p/%EF%BF%BE",
            "p/%F0%9F%98%80",
            "p/%FE.csv",
            "p/%FF%EF%BF%BD",
        ],
        None,
    )];
    let keys = listed(answers.clone()).await.unwrap();
    assert_eq!(keys.len(), 5);
    let good: Vec<_> = keys.iter().filter(|key| Key::parse(key).is_ok()).collect();
    assert_eq!(good, ["p/a.csv", "p/\u{fffe}", "p/😀"]);

    // It meets the globs as any other: what nobody wants is not counted.
    let endpoint = canned(answers).await;
    let request = request(&endpoint, credentials("AKIA", "secret"), "p/");
    let listing = list(&client(), &request, |key| key.ends_with("csv")).await;
    assert_eq!(listing.unwrap().objects.len(), 2);
}

#[tokio::test]
async fn any_order_of_keys_is_taken_and_the_listing_is_sorted() {
    let pages = vec![
        page(&["p/foo/x", "p/foo.conda"], Some("t")),
        page(&["p/%F0%90%80%80", "p/%EE%80%80", "p/a"], None),
    ];
    assert_eq!(
        listed(pages).await.unwrap(),
        ["p/a", "p/foo.conda", "p/foo/x", "p/\u{e000}", "p/\u{10000}"]
    );
}

#[tokio::test]
async fn a_listing_that_loses_its_place_is_none() {
    use PageError::{KeyOutsidePrefix, KeyRepeated, TokenRepeated};
    for (why, answers) in [
        (KeyRepeated, vec![page(&["p/a", "p/a"], None)]),
        (KeyRepeated, vec![page(&["p/b", "p/a", "p/b"], None)]),
        (
            KeyRepeated,
            vec![page(&["p/b", "p/a"], Some("t")), page(&["p/b"], None)],
        ),
        (KeyRepeated, vec![page(&["p/%ff", "p/%ff"], None)]),
        (KeyOutsidePrefix, vec![page(&["other/a"], None)]),
        (
            TokenRepeated,
            vec![page(&["p/a"], Some("t")), page(&["p/b"], Some("t"))],
        ),
        (
            TokenRepeated,
            vec![
                page(&[], Some("t")),
                page(&[], Some("u")),
                page(&[], Some("t")),
            ],
        ),
    ] {
        let given = listed(answers.clone()).await;
        assert_eq!(given, Err(ListError::BadPage(why)), "{answers:?}");
    }
}

#[tokio::test]
async fn what_is_no_page_is_none() {
    use PageError::{BadObject, NoEnd, NoToken, NotAListing};
    let named =
        |inner: &str| format!("<ListBucketResult><Name>models</Name>{inner}</ListBucketResult>");
    let ended = "<IsTruncated>false</IsTruncated>";
    let object = |inner: &str| {
        named(&format!(
            "{ended}<Contents><Key>p/a</Key>{inner}</Contents>"
        ))
    };
    for (why, body) in [
        (NotAListing, String::new()),
        (NotAListing, "<html>a proxy's page</html>".to_owned()),
        (
            NotAListing,
            "<Error><Code>AccessDenied</Code></Error>".to_owned(),
        ),
        (NotAListing, named("<Contents><Key>p/a</Contents></Key>")),
        (
            NotAListing,
            named("<Contents><Key>p/&nbsp;</Key></Contents>"),
        ),
        (NotAListing, named(ended).replace("</ListBucketResult>", "")),
        (
            NotAListing,
            format!("<!DOCTYPE a [<!ENTITY b \"c\">]>{}", named(ended)),
        ),
        (NoEnd, "<ListBucketResult/>".to_owned()),
        (NoEnd, named("<IsTruncated>maybe</IsTruncated>")),
        (
            NoEnd,
            named("<NextContinuationToken>t</NextContinuationToken>"),
        ),
        (
            NoToken,
            named("<IsTruncated>true</IsTruncated><NextMarker>p/a</NextMarker>"),
        ),
        (BadObject, object("<Size>-1</Size>")),
        (BadObject, object("<Size>many</Size>")),
    ] {
        let given = listed(vec![answer("200 OK", "", &body)]).await;
        assert_eq!(given, Err(ListError::BadPage(why)), "{body}");
    }
}

/// The body of such an answer ends where the connection does, so only the document itself tells that it is
/// not whole.
#[tokio::test]
async fn a_document_that_breaks_off_is_no_listing() {
    let whole = page(&["p/a", "p/b"], None);
    let (_, body) = whole.split_once("\r\n\r\n").unwrap();
    let until = body.find("<Contents><Key>p/b").unwrap();
    let half = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}",
        &body[..until]
    );
    let given = listed(vec![half]).await;
    assert_eq!(given, Err(ListError::BadPage(PageError::NotAListing)));
}

#[tokio::test]
async fn a_listing_that_is_cut_off_half_way_is_none() {
    let whole = page(&["p/a"], Some("t"));
    let second = page(&["p/b"], None);
    let half = second[..second.len() - 30].to_owned();
    assert_eq!(
        listed(vec![whole, half.clone(), half]).await,
        Err(ListError::TransportError(TransportError::Connection))
    );
    let denied = answer(
        "403 Forbidden",
        "",
        "<Error><Code>AccessDenied</Code></Error>",
    );
    match listed(vec![page(&["p/a"], Some("t")), denied]).await {
        Err(ListError::Refused(answer)) => {
            assert_eq!(answer.code, Some(ErrorCode::AccessDenied));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_listing_without_end_is_ended() {
    let pages = (0..250)
        .map(|n| page(&[&format!("p/{n:04}")], Some(&format!("t{n}"))))
        .collect();
    let endpoint = canned(pages).await;
    let mut request = request(&endpoint, credentials("AKIA", "secret"), "p/");
    request.most = 1_000;
    assert_eq!(client().list(&request).await, Err(ListError::TooLong));
}

#[tokio::test]
async fn a_page_is_read_up_to_8_mib_and_a_larger_one_is_none() {
    let padded = |length: usize| {
        let padding = format!("<!--{}-->", "x".repeat(length));
        page_of(&format!("{}{padding}", object("p/a", "")), None)
    };
    let most = 8 * 1024 * 1024;
    let less = listed(vec![padded(most - 1024)]).await;
    assert_eq!(less.unwrap(), ["p/a"]);
    let larger = listed(vec![padded(most)]).await;
    assert_eq!(larger, Err(ListError::BadPage(PageError::TooLarge)));
}
