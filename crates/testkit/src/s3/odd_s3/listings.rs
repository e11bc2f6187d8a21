//! Odd listings: what servers write for the keys of a bucket.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The buckets that are listed in an odd way, and `normal`.
pub const BUCKETS: &[&str] = &[
    "normal",
    "seaweed",
    "seaweedspace",
    "weedfile",
    "weedmix",
    "longkey",
    "hcp",
    "dospaces",
    "unordered",
    "treeorder",
    "utf16",
    "date-offset",
    "date-nofrac",
    "date-colon",
    "date-rfc1123",
    "date-nozone",
    "date-empty",
    "noetag",
    "notrunc",
    "nosize",
    "noencoding",
    "notencoded",
    "twice",
    "v1only",
    "stucktoken",
    "otherprefix",
    "nohead",
    "noxid",
];

/// What every encoder here leaves as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const SLASH: &AsciiSet = &PLAIN.remove(b'/');
/// AWS and `MinIO` leave an asterisk too.
const AWS: &AsciiSet = &SLASH.remove(b'*');
/// What Go's `url.PathEscape` leaves.
const GO: &AsciiSet = &SLASH
    .remove(b'$')
    .remove(b'&')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// The keys of a bucket, in the order in which it lists them; none if it does not exist.
pub(super) fn keys(bucket: &str) -> Vec<String> {
    let fixed: &[&str] = match bucket {
        "normal" | "seaweed" => &[
            "team-a/a+b.txt",
            "team-a/dt=2024-01-01/part 0001.csv",
            "team-a/dt=2024-01-01/plain.csv",
            "team-a/dt=2024-01-02/größe.csv",
            "team-a/plain.txt",
        ],
        "seaweedspace" => &["team-a/dt=2024-01-01/part 0001.csv"],
        "weedfile" => &[
            "team-a/logs/dt=2024-01-01/run=7.log",
            "team-a/logs/dt=2024-01-01/t_12:30.log",
        ],
        "hcp" => &["team-a/bWltaXI==/data.bin"],
        "dospaces" => &["team-a/x/y.txt"],
        "unordered" => &["team-a/zebra/1.txt", "team-a/alpha/2.txt"],
        // As a walk through folders gives them.
        "treeorder" => &["team-a/foo/x.txt", "team-a/foo.conda"],
        // As UTF-16 sorts them.
        "utf16" => &["team-a/\u{10000}.txt", "team-a/\u{e000}.txt"],
        "noencoding" | "notencoded" => &["team-a/a b", "team-a/a%20b", "team-a/a+b", "team-a/ü"],
        "twice" => &["team-a/x", "team-a/x"],
        "otherprefix" => &["team-b/x"],
        "longkey" => return vec![format!("team-a/{}", "é".repeat(508))],
        "weedmix" => return mix(),
        "v1only" => return (0..1_500).map(|n| format!("team-a/{n:04}")).collect(),
        other if BUCKETS.contains(&other) => &[super::KEY],
        other if super::ODD_ANSWERS.contains(&other) => &[super::KEY],
        _ => &[],
    };
    fixed.iter().map(|key| (*key).to_owned()).collect()
}

fn mix() -> Vec<String> {
    let plain = (0..40).map(|n| format!("team-a/k=1/{n:04}.csv"));
    let spaced = ["0007 b", "0031 c"].map(|name| format!("team-a/k=1/{name}.csv"));
    let mut all: Vec<String> = plain.chain(spaced).collect();
    all.sort_unstable();
    all
}

/// One page of a bucket's listing.
pub(super) fn page(bucket: &str, prefix: &str, place: Option<&str>) -> String {
    let mut keys = keys(bucket);
    if bucket != "otherprefix" {
        keys.retain(|key| key.starts_with(prefix));
    }
    let mut end = "<IsTruncated>false</IsTruncated>".to_owned();
    match bucket {
        "notrunc" => end.clear(),
        "v1only" => {
            keys.retain(|key| place.is_none_or(|place| key.as_str() > place));
            if keys.len() > 1_000 {
                keys.truncate(1_000);
                let last = keys.last().map_or("", String::as_str);
                end = format!("<IsTruncated>true</IsTruncated><NextMarker>{last}</NextMarker>");
            }
        }
        "stucktoken" => {
            "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
                .clone_into(&mut end);
            // Else the key that comes twice would tell.
            keys.retain(|_| place.is_none());
        }
        _ => {}
    }
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{bucket}</Name>\
         <Prefix>{}</Prefix><KeyCount>{}</KeyCount><MaxKeys>1000</MaxKeys>{}{end}",
        escaped(prefix),
        keys.len(),
        declared(bucket),
    );
    for key in &keys {
        contents(&mut xml, bucket, key);
    }
    xml.push_str("</ListBucketResult>");
    xml
}

/// What a server says of its encoding.
fn declared(bucket: &str) -> &'static str {
    match bucket {
        "hcp" | "v1only" => "",
        // versitygw's.
        "noencoding" => "<EncodingType></EncodingType>",
        _ => "<EncodingType>url</EncodingType>",
    }
}

fn contents(xml: &mut String, bucket: &str, key: &str) {
    let key = match bucket {
        "seaweed" | "seaweedspace" | "weedfile" | "weedmix" => seaweed(key),
        "hcp" | "utf16" => encoded(key, SLASH),
        "dospaces" => encoded(key, PLAIN),
        // s3s-fs declares what it does not do.
        "noencoding" | "notencoded" => key.to_owned(),
        _ => encoded(key, AWS).replace("%20", "+"),
    };
    let date = match bucket {
        "date-offset" => "2026-01-02T03:04:05.000+0000",
        "date-nofrac" => "2026-01-02T03:04:05Z",
        "date-colon" => "2026-01-02T03:04:05+00:00",
        "date-rfc1123" => "Fri, 02 Jan 2026 03:04:05 GMT",
        "date-nozone" => "2026-01-02T03:04:05",
        "date-empty" => "",
        _ => "2026-01-02T03:04:05.000Z",
    };
    let etag = match bucket {
        "noetag" => "",
        _ => "<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag>",
    };
    let size = match bucket {
        "nosize" => "",
        _ => "<Size>5</Size>",
    };
    // Writing to a String cannot fail.
    let _ = write!(
        xml,
        "<Contents><Key>{}</Key><LastModified>{date}</LastModified>{etag}{size}\
         <StorageClass>STANDARD</StorageClass></Contents>",
        escaped(&key)
    );
}

/// `SeaweedFS` writes a folder by `url.PathEscape` and the last name by `url.QueryEscape`.
fn seaweed(key: &str) -> String {
    let (folder, name) = key.rsplit_once('/').unwrap_or(("", key));
    let name = encoded(name, PLAIN).replace("%20", "+");
    format!("{}/{name}", encoded(folder, GO))
}

fn encoded(key: &str, set: &'static AsciiSet) -> String {
    utf8_percent_encode(key, set).to_string()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
