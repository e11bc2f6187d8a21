//! Which resource a URL came from, and how sure that is.
//!
//! What holds here: only what is equal counts: where the store would sign the object, and the times that the
//! status records. No secret is needed, and none is read.

use jiff::{SignedDuration, Timestamp};
use presigned_core::api::{ClusterObjectStoreSpec, PresignedUrlSpec};
use presigned_core::engine::store_target;
use presigned_core::request::{Limits, Objects, Request};
use presigned_core::signing::{Style, Target};

use super::signed::SignedUrl;
use crate::plugin::found::Found;

/// A URL is dated this long before it was issued.
const BACKDATE: SignedDuration = SignedDuration::from_secs(30);
/// The status and a URL that belong together differ by less: both are in whole seconds.
const NEAR: SignedDuration = SignedDuration::from_secs(2);

/// How sure it is that a URL came from a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sure {
    /// The object fits, and the times do not, or the store is not known.
    Possible,
    /// The object, the store's address and the time of the resource fit: an earlier revision.
    Likely,
    /// The times are those of what its Secret holds now.
    Certain,
}

impl Sure {
    /// One word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

/// How a URL fits a resource, and why it is not surer; `None` if it does not. Without the store's spec the
/// bucket and the key alone are compared.
#[must_use]
pub fn fits(
    url: &SignedUrl,
    found: &Found,
    store: &str,
    spec: Option<&ClusterObjectStoreSpec>,
) -> Option<(Sure, String)> {
    let parsed: PresignedUrlSpec = serde_json::from_value(found.spec.clone()).ok()?;
    let limits = Limits {
        min_duration: std::time::Duration::ZERO,
    };
    let request = Request::parse(&parsed, &limits).ok()?;
    let Some(spec) = spec else {
        let why = "the store cannot be read: bucket and key alone were compared";
        return by_name(url, &request).then(|| (Sure::Possible, why.to_owned()));
    };
    let target = store_target(store, spec, &request).ok()?;
    let key = key_at(url, &target, request.bucket.as_str())?;
    if !names(&request.objects, key) {
        return None;
    }
    if url
        .region
        .as_ref()
        .is_some_and(|region| *region != target.region)
    {
        return Some((
            Sure::Possible,
            format!(
                "it was signed for another region than the store's {}",
                target.region
            ),
        ));
    }
    Some(by_time(url, found))
}

/// The key that a URL names at an address of the bucket.
fn key_at<'a>(url: &'a SignedUrl, target: &Target, bucket: &str) -> Option<&'a str> {
    let endpoint = &target.endpoint;
    let mut host = endpoint.host().to_owned();
    if target.style == Style::VirtualHost {
        host = format!("{bucket}.{host}");
    }
    if let Some(port) = endpoint.port() {
        host = format!("{host}:{port}");
    }
    if url.host != host {
        return None;
    }
    let path = url.path.strip_prefix(endpoint.path())?.strip_prefix('/')?;
    match target.style {
        Style::Path => path.strip_prefix(bucket)?.strip_prefix('/'),
        Style::VirtualHost | Style::BucketEndpoint => Some(path),
    }
}

/// Whether the objects of a request have this key among them.
fn names(objects: &Objects, key: &str) -> bool {
    match objects {
        Objects::Key(one) => one.as_str() == key,
        Objects::Keys(keys) => keys.iter().any(|one| one.as_str() == key),
        Objects::List(list) => key.starts_with(list.prefix.as_str()),
        Objects::Under(prefix) => key.starts_with(prefix.as_str()),
    }
}

/// Whether bucket and key stand in the URL, wherever the store is.
fn by_name(url: &SignedUrl, request: &Request) -> bool {
    let bucket = request.bucket.as_str();
    let in_path = url
        .path
        .split_once(&format!("/{bucket}/"))
        .map(|(_, key)| key);
    let in_host = url
        .host
        .starts_with(&format!("{bucket}."))
        .then(|| &url.path[1..]);
    in_path
        .into_iter()
        .chain(in_host)
        .any(|key| names(&request.objects, key))
}

/// How the times of a URL fit those that the status records.
fn by_time(url: &SignedUrl, found: &Found) -> (Sure, String) {
    let status = found.status.clone().unwrap_or_default();
    let Some(signed_at) = url.signed_at else {
        return (Sure::Possible, "it has no X-Amz-Date".to_owned());
    };
    let issued = signed_at.checked_add(BACKDATE).unwrap_or(signed_at);
    let recorded = status.internal.signature_time.or(status.issue_time);
    let near = |one: Timestamp, other: Timestamp| one.duration_since(other).abs() <= NEAR;
    let revision = status.revision.unwrap_or_default();
    if recorded.is_some_and(|recorded| near(recorded, issued)) {
        return (
            Sure::Certain,
            format!("it is of revision {revision}, which its Secret holds now"),
        );
    }
    let created = found
        .metadata
        .creation_timestamp
        .as_ref()
        .map(|time| time.0);
    match (created, recorded) {
        (Some(created), _) if issued < created && !near(issued, created) => (
            Sure::Possible,
            "it was signed before the resource was created: by another of that name, or for the same object".to_owned(),
        ),
        (_, Some(recorded)) if issued < recorded => {
            (Sure::Likely, format!("it was signed before the present revision {revision}"))
        }
        _ => (
            Sure::Possible,
            "the status records no signature of that time: somebody else may have signed it".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    //! Each way of addressing a bucket, and each relation of times.

    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;

    fn resource(spec: &Value, status: &Value) -> Found {
        let meta = json!({ "name": "model", "namespace": "team-a", "creationTimestamp": "2026-11-28T10:00:00Z" });
        serde_json::from_value(json!({ "metadata": meta, "spec": spec, "status": status })).unwrap()
    }

    fn store(endpoint: Option<&str>, style: Option<&str>) -> ClusterObjectStoreSpec {
        let s3 = json!({ "region": "eu-west-2", "endpoint": endpoint, "addressingStyle": style,
            "credentials": { "default": {} } });
        serde_json::from_value(json!({ "s3": s3 })).unwrap()
    }

    fn url(place: &str, date: &str) -> SignedUrl {
        let scope = "AKIAEXAMPLE%2F20261128%2Feu-west-2%2Fs3%2Faws4_request";
        SignedUrl::read(&format!(
            "{place}?X-Amz-Credential={scope}&X-Amz-Date={date}&X-Amz-Expires=60"
        ))
        .unwrap()
    }

    const DATE: &str = "20261128T115930Z";

    #[test]
    fn a_url_is_found_wherever_the_store_puts_the_bucket() {
        let one = resource(&json!({ "bucket": "models", "key": "a/b" }), &json!({}));
        let fits = |place: &str, store: &ClusterObjectStoreSpec| {
            fits(&url(place, DATE), &one, "default", Some(store)).is_some()
        };
        let path = store(Some("https://s3.example.com:9000/v1"), None);
        assert!(fits("https://s3.example.com:9000/v1/models/a/b", &path));
        for other in [
            "https://s3.example.com/v1/models/a/b",
            "https://s3.example.com:9000/models/a/b",
            "https://s3.example.com:9000/v1/models/a/bc",
            "https://s3.example.com:9000/v1/models2/a/b",
        ] {
            assert!(!fits(other, &path), "{other}");
        }
        let aws = store(None, None);
        assert!(fits("https://models.s3.eu-west-2.amazonaws.com/a/b", &aws));
        assert!(!fits("https://models.s3.eu-west-1.amazonaws.com/a/b", &aws));
    }

    #[test]
    fn the_times_say_how_sure_it_is() {
        let spec = json!({ "bucket": "models", "key": "k" });
        let path = store(Some("https://s3.example.com"), None);
        let sure = |issue: &str, date: &str| {
            let status = json!({ "issueTime": issue, "revision": 3 });
            let place = "https://s3.example.com/models/k";
            fits(
                &url(place, date),
                &resource(&spec, &status),
                "default",
                Some(&path),
            )
            .unwrap()
            .0
        };
        assert_eq!(sure("2026-11-28T12:00:00Z", DATE), Sure::Certain);
        assert_eq!(sure("2026-11-28T13:00:00Z", DATE), Sure::Likely);
        assert_eq!(sure("2026-11-28T11:00:00Z", DATE), Sure::Possible);
        assert_eq!(
            sure("2026-11-28T13:00:00Z", "20261127T115930Z"),
            Sure::Possible
        );
    }

    #[test]
    fn many_objects_a_prefix_and_a_store_that_is_not_known_fit_too() {
        let place = "https://s3.example.com/models/a/b";
        for spec in [
            json!({ "bucket": "models", "keys": ["x", "a/b"] }),
            json!({ "bucket": "models", "prefix": "a/" }),
        ] {
            let fitting = fits(
                &url(place, DATE),
                &resource(&spec, &json!({})),
                "default",
                None,
            )
            .unwrap();
            assert_eq!(fitting.0, Sure::Possible, "{spec}");
        }
        let other = resource(&json!({ "bucket": "models", "prefix": "b/" }), &json!({}));
        assert_eq!(fits(&url(place, DATE), &other, "default", None), None);
    }
}
