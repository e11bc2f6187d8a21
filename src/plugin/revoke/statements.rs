//! What ends living URLs on the S3 side: statements, where they go, and who else they hit.
//!
//! What holds here: the statements are the core's (`access::deny_objects`, `access::deny_sessions`); the
//! narrowest way stands first.

use jiff::Timestamp;
use kube::ResourceExt as _;
use presigned_core::access::{Dialect, deny_objects, deny_sessions, is_aws};
use presigned_core::api::{
    ClusterObjectStoreSpec, PresignedUrlSpec, SessionScope, StoreCredentials,
};
use presigned_core::request::{Limits, Objects, Request};
use presigned_core::signing::Endpoint;
use presigned_core::text::counted;
use serde_json::{Value, json};

use crate::plugin::explain::{scope_of, session_of};
use crate::plugin::found::Found;
use crate::plugin::page::{key, store_of};

/// How many names are told before the rest is counted.
const MAX_NAMES: usize = 5;

/// One way to end the URLs.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// What is denied, in a few words.
    pub title: &'static str,
    /// Where the statement goes, or what is to be done.
    pub place: String,
    /// The policy document; none if there is something else to do.
    pub policy: Option<Value>,
    /// Who is hit.
    pub hits: String,
    /// What to do besides.
    pub then: Option<&'static str>,
}

/// What is known of the cluster.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The resource.
    pub found: &'a Found,
    /// Its store's spec, if it can be read.
    pub store: Option<&'a ClusterObjectStoreSpec>,
    /// All resources that can be seen.
    pub all: &'a [Found],
    /// The time.
    pub now: Timestamp,
}

/// The ways, the narrowest first.
#[must_use]
pub fn ways(known: Known<'_>) -> Vec<Way> {
    let objects = parsed(known.found).and_then(|request| by_objects(known, &request));
    let credentials = known.store.map(|store| by_credentials(known, store));
    let narrow = known.store.and_then(scope_of) == Some(SessionScope::Request);
    let mut ways: Vec<Way> = objects.into_iter().chain(credentials).collect();
    if narrow {
        // The session is this resource's own, and hits nobody else.
        ways.reverse();
    }
    ways
}

/// The request of a resource, however short its life is.
fn parsed(found: &Found) -> Option<Request> {
    let spec: PresignedUrlSpec = serde_json::from_value(found.spec.clone()).ok()?;
    let limits = Limits {
        min_duration: std::time::Duration::ZERO,
    };
    Request::parse(&spec, &limits).ok()
}

fn by_objects(known: Known<'_>, request: &Request) -> Option<Way> {
    let endpoint = known.store.and_then(|store| store.s3.endpoint.as_deref());
    let endpoint = endpoint.and_then(|text| Endpoint::parse(text).ok());
    let aws = is_aws(endpoint.as_ref());
    let region = known.store.map_or("", |store| store.s3.region.as_str());
    let dialect = Dialect::of(endpoint.as_ref(), region);
    let until = known
        .found
        .status
        .as_ref()
        .and_then(|status| status.expiration_time);
    let (bucket, objects) = (&request.bucket, &request.objects);
    let mut statement = deny_objects(dialect, bucket, objects, &request.options, until).ok()?;
    let place = if aws {
        statement["Principal"] = json!("*");
        format!("in the policy of bucket \"{bucket}\", beside its other statements")
    } else {
        "in a policy of the user or role that signs: this server is not AWS, and may ask a bucket's policy of anonymous \
         requests alone"
            .to_owned()
    };
    let sharing = known.all.iter().filter(|other| {
        let other_request = parsed(other);
        let shares = |other: Request| other.bucket == *bucket && overlap(&other.objects, objects);
        key(other) != key(known.found) && other_request.is_some_and(shares)
    });
    let others = names(sharing);
    let end = until.map_or_else(String::new, |until| {
        format!(" until {until}, when the last of them has expired")
    });
    Some(Way {
        title: "the objects",
        place,
        policy: Some(document(&statement)),
        hits: format!(
            "every presigned URL of these objects, whoever signed it,{end}: {others}. Requests that are signed in their \
             headers, as SDKs do, go on"
        ),
        then: None,
    })
}

fn by_credentials(known: Known<'_>, store: &ClusterObjectStoreSpec) -> Way {
    let name = store_of(known.found);
    let namespace = known.found.namespace();
    let of_store = known.all.iter().filter(|other| store_of(other) == name);
    let of_store = of_store.filter(|other| key(other) != key(known.found));
    let StoreCredentials {
        default: _,
        secret_ref,
        web_identity,
        assume_role,
    } = &store.s3.credentials;
    if let Some(secret) = secret_ref {
        return Way {
            title: "the key that signed",
            place: format!(
                "deactivate the access key that the Secret {} in the operator's namespace holds, and give the store another",
                secret.name
            ),
            policy: None,
            hits: format!(
                "every URL of store \"{name}\", and whatever else uses that key: {}",
                names(of_store)
            ),
            then: Some(
                "The operator takes up the new key from the Secret and signs the others again.",
            ),
        };
    }
    let web = web_identity.as_ref().map(|web| &web.role);
    let role = web.or(assume_role.as_ref().map(|assumed| &assumed.role));
    let scope = scope_of(store);
    let session = session_of(store, name, known.found);
    let (hits, then) = match scope {
        Some(SessionScope::Request) => ("this PresignedURL alone".to_owned(), None),
        Some(SessionScope::Namespace) => {
            let same = of_store.filter(|other| other.namespace() == namespace);
            let namespace = namespace.as_deref().unwrap_or_default();
            (
                format!(
                    "every URL of namespace \"{namespace}\" on store \"{name}\": {}",
                    names(same)
                ),
                Some(RESTART),
            )
        }
        Some(SessionScope::Store) => (
            format!("every URL of store \"{name}\": {}", names(of_store)),
            Some(RESTART),
        ),
        None => (
            format!(
                "all that the operator's role signed, URLs of every store without credentials of its own: {}",
                names(of_store)
            ),
            Some(RESTART),
        ),
    };
    Way {
        title: "the sessions that signed",
        place: role.map_or_else(
            || "in an inline policy of the role that the operator runs as".to_owned(),
            |role| format!("in an inline policy of {}", role.role_arn),
        ),
        policy: Some(document(&deny_sessions(session.as_deref(), known.now))),
        hits,
        then,
    }
}

/// The operator holds its sessions until they end.
const RESTART: &str = "Then restart the operator, so that it takes new sessions: what it signs with the old ones is dead.";

fn document(statement: &Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

/// Whether two requests have an object in common.
fn overlap(one: &Objects, other: &Objects) -> bool {
    let under = |prefix: &str, other: &Objects| match other {
        Objects::Key(key) => key.as_str().starts_with(prefix),
        Objects::Keys(keys) => keys.iter().any(|key| key.as_str().starts_with(prefix)),
        Objects::List(list) => alike(prefix, list.prefix.as_str()),
        Objects::Under(below) => alike(prefix, below.as_str()),
    };
    match (one, other) {
        (Objects::List(list), other) | (other, Objects::List(list)) => {
            under(list.prefix.as_str(), other)
        }
        (Objects::Under(prefix), other) | (other, Objects::Under(prefix)) => {
            under(prefix.as_str(), other)
        }
        (Objects::Key(key), Objects::Key(other)) => key == other,
        (Objects::Key(key), Objects::Keys(keys)) | (Objects::Keys(keys), Objects::Key(key)) => {
            keys.contains(key)
        }
        (Objects::Keys(keys), Objects::Keys(others)) => keys.iter().any(|key| others.contains(key)),
    }
}

fn alike(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn names<'a>(of: impl Iterator<Item = &'a Found>) -> String {
    let names: Vec<String> = of.map(key).collect();
    match names.len() {
        0 => "no other PresignedURL that you can see".to_owned(),
        count if count > MAX_NAMES => {
            let (first, rest) = (names[..MAX_NAMES].join(", "), count - MAX_NAMES);
            format!("{first} and {}", counted(rest, "other"))
        }
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    //! The way for each kind of credentials, and who is hit.

    #![allow(clippy::unwrap_used)]

    use super::*;

    fn resource(namespace: &str, name: &str, spec: &Value) -> Found {
        let meta = json!({ "name": name, "namespace": namespace });
        let status = json!({ "expirationTime": "2026-11-29T12:00:00Z" });
        serde_json::from_value(json!({ "metadata": meta, "spec": spec, "status": status })).unwrap()
    }

    fn ways_for(s3: &Value) -> Vec<Way> {
        let store = serde_json::from_value(json!({ "s3": s3 })).unwrap();
        let spec = |key: &str| json!({ "bucket": "models", "key": key });
        let found = resource("team-a", "model", &spec("a/b"));
        let all = [
            found.clone(),
            resource("team-a", "other", &spec("a/c")),
            resource(
                "team-b",
                "same",
                &json!({ "bucket": "models", "prefix": "a/" }),
            ),
        ];
        ways(Known {
            found: &found,
            store: Some(&store),
            all: &all,
            now: "2026-11-28T12:00:00Z".parse().unwrap(),
        })
    }

    fn role(scope: &str) -> Value {
        json!({ "region": "eu-west-2", "credentials": { "assumeRole": {
            "roleARN": "arn:aws:iam::123456789012:role/signer", "scope": scope } } })
    }

    #[test]
    fn the_objects_are_denied_to_everybody_and_who_shares_them_is_named() {
        let ways = ways_for(
            &json!({ "region": "eu-west-2", "credentials": { "secretRef": { "name": "keys" } } }),
        );
        assert_eq!(
            [ways[0].title, ways[1].title],
            ["the objects", "the key that signed"]
        );
        let statement = &ways[0].policy.as_ref().unwrap()["Statement"][0];
        assert_eq!(
            (&statement["Principal"], &statement["Effect"]),
            (&json!("*"), &json!("Deny"))
        );
        assert_eq!(statement["Resource"], json!(["arn:aws:s3:::models/a/b"]));
        assert!(
            ways[0].hits.contains("team-b/same") && !ways[0].hits.contains("team-a/other"),
            "{}",
            ways[0].hits
        );
        assert!(
            ways[1].place.contains("Secret keys") && ways[1].hits.contains("team-a/other"),
            "{:?}",
            ways[1]
        );
    }

    #[test]
    fn a_session_is_denied_by_its_name_and_hits_whom_it_signs_for() {
        let request = ways_for(&role("Request"));
        assert_eq!(request[0].title, "the sessions that signed");
        let condition = &request[0].policy.as_ref().unwrap()["Statement"][0]["Condition"];
        assert_eq!(condition["StringLike"]["aws:userid"], "*:team-a@model");
        assert_eq!(
            (request[0].hits.as_str(), request[0].then),
            ("this PresignedURL alone", None)
        );
        let namespace = &ways_for(&role("Namespace"))[1];
        assert!(
            namespace
                .hits
                .ends_with("on store \"default\": team-a/other"),
            "{namespace:?}"
        );
        let store = &ways_for(&role("Store"))[1];
        assert!(
            store.hits.contains("team-a/other, team-b/same") && store.then.is_some(),
            "{store:?}"
        );
        let chain =
            &ways_for(&json!({ "region": "eu-west-2", "credentials": { "default": {} } }))[1];
        assert!(
            chain.place.contains("the role that the operator runs as"),
            "{chain:?}"
        );
        let condition = &chain.policy.as_ref().unwrap()["Statement"][0]["Condition"];
        assert_eq!(condition["StringLike"], Value::Null);
    }

    #[test]
    fn a_server_that_is_not_aws_gets_a_statement_for_the_signer() {
        let ways = ways_for(
            &json!({ "region": "r", "endpoint": "https://s3.example.com",
            "credentials": { "secretRef": { "name": "keys" } } }),
        );
        let statement = &ways[0].policy.as_ref().unwrap()["Statement"][0];
        assert_eq!(statement["Principal"], Value::Null);
        assert!(
            ways[0].place.contains("the user or role that signs"),
            "{:?}",
            ways[0]
        );
    }
}
