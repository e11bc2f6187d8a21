//! Odd answers to a GET of an object.

use std::time::Duration;

use jiff::Timestamp;

use super::Odd;

/// The buckets whose object is answered in an odd way.
pub const BUCKETS: &[&str] = &[
    "accountproblem",
    "archived",
    "badversion",
    "bucketnamebad",
    "capexceeded",
    "deletemarker",
    "empty403",
    "empty404",
    "html403",
    "infected",
    "ipblocked",
    "keytoolong",
    "kmsdisabled",
    "kmsgone",
    "markerversion",
    "nodate",
    "norange",
    "notfound200",
    "notimplemented",
    "olddate",
    "r2unauth",
    "redirect301",
    "redirect307",
    "requesterpays",
    "requesterpays-gcs",
    "sigv2",
    "slow3",
    "slow8",
    "sse-only-https",
    "ssec",
    "toomany",
    "unknowncode",
];

/// The answer of a bucket; `None` if its object is answered as usual.
pub(super) fn of(bucket: &str) -> Option<Odd> {
    refusals(bucket).or_else(|| other(bucket))
}

#[rustfmt::skip]
fn refusals(bucket: &str) -> Option<Odd> {
    let (status, code, message) = match bucket {
        "accountproblem" => (403, "AccountProblem", "There is a problem with your account that prevents the operation from completing successfully."),
        "archived" => (403, "InvalidObjectState", "The operation is not valid for the object&#39;s storage class"),
        "badversion" => (400, "InvalidArgument", "Invalid version id specified"),
        "bucketnamebad" => (400, "InvalidBucketName", "The specified bucket is not valid."),
        "capexceeded" => (403, "AccessDenied", "Cannot download file, download bandwidth or transaction (Class B) cap exceeded."),
        "infected" => (403, "AccessDenied", "Access denied by object tag policy"),
        "ipblocked" => (403, "AccessDenied", "User: arn:aws:iam::111122223333:user/x is not authorized to perform: s3:GetObject because no VPC endpoint policy allows the s3:GetObject action"),
        "keytoolong" => (400, "KeyTooLongError", "Your key is too long"),
        "kmsdisabled" => (400, "KMS.DisabledException", "arn:aws:kms:eu-west-2:111122223333:key/x is disabled."),
        "kmsgone" => (400, "KMS.KMSInvalidStateException", "arn:aws:kms:eu-west-2:111122223333:key/x is pending deletion."),
        "notimplemented" => (501, "NotImplemented", "GetObject not implemented"),
        "r2unauth" => (401, "Unauthorized", "Unauthorized"),
        "requesterpays" => (403, "AccessDenied", "Access Denied"),
        "requesterpays-gcs" => (400, "UserProjectMissing", "Bucket is a requester pays bucket but no user project provided."),
        "sigv2" => (400, "InvalidRequest", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."),
        "sse-only-https" => (403, "InsecureTransport", "Access over http is refused"),
        "ssec" => (400, "InvalidRequest", "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."),
        "unknowncode" => (418, "Teapot.Short", "short and stout"),
        _ => return None,
    };
    Some(Odd::error(status, code, message))
}

fn other(bucket: &str) -> Option<Odd> {
    let byte = || Odd::of(206).with_body("binary/octet-stream", "x");
    let marker = |odd: Odd| odd.with_header("x-amz-delete-marker", "true");
    let waits = |seconds| Odd {
        delay: Duration::from_secs(seconds),
        ..byte()
    };
    Some(match bucket {
        "deletemarker" => marker(Odd::error(
            404,
            "NoSuchKey",
            "The specified key does not exist.",
        ))
        .with_header("x-amz-version-id", "abc"),
        "markerversion" => {
            let message = "The specified method is not allowed against this resource.";
            marker(Odd::error(405, "MethodNotAllowed", message)).with_header("allow", "DELETE")
        }
        "empty403" => Odd::of(403),
        "empty404" => Odd::of(404),
        "html403" => Odd::of(403).with_body(
            "text/html",
            "<html><head><title>403 Forbidden</title></head><body>cloudflare</body></html>",
        ),
        "notfound200" => Odd::of(200).with_body("text/html", "<html>login</html>"),
        "norange" => Odd::of(200).with_body("binary/octet-stream", vec![b'y'; 3_000_000]),
        "toomany" => Odd::error(429, "TooManyRequests", "slow").with_header("retry-after", "60"),
        "redirect307" => redirect(307, "TemporaryRedirect", "redirect307", "us-west-2")
            .with_header(
                "location",
                "http://redirect307.s3-us-west-2.amazonaws.com/team-a/x",
            ),
        "redirect301" => redirect(301, "PermanentRedirect", "redirect301", "eu-central-1"),
        "slow3" => waits(3),
        "slow8" => waits(8),
        "olddate" => byte().with_header("date", two_hours_ago()),
        // hyper writes one where there is none; what no date can be read from is as good as none.
        "nodate" => byte().with_header("date", "none"),
        _ => return None,
    })
}

fn redirect(status: u16, code: &str, bucket: &str, region: &str) -> Odd {
    let more = format!("<Endpoint>{bucket}.s3.{region}.amazonaws.com</Endpoint>");
    let message = "The bucket must be addressed using the specified endpoint.";
    Odd::error(status, code, message)
        .with_more(&more)
        .with_header("x-amz-bucket-region", region)
}

fn two_hours_ago() -> String {
    let past = Timestamp::now() - jiff::SignedDuration::from_hours(2);
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    printer
        .timestamp_to_rfc9110_string(&past)
        .unwrap_or_default()
}
