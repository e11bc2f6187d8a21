//! Reads an HTTP request to kube-apiserver the way its authorizer does: verb, resource, subresource,
//! namespace, name.

use http::{Method, Uri};
use serde::Deserialize;

/// What a request asks to do, in the words of RBAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read many.
    List,
    /// Follow changes.
    Watch,
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH, apply included.
    Patch,
    /// Delete one object.
    Delete,
    /// Delete many.
    DeleteCollection,
}

impl Verb {
    /// Whether the request changes anything.
    #[must_use]
    pub fn is_write(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }
}

/// A request as the API server's authorizer sees it. Everything but the verb is empty for a path such as
/// `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRequest {
    /// What it asks to do.
    pub verb: Verb,
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural, such as `secrets`.
    pub resource: String,
    /// Such as `status`; empty for the object itself.
    pub subresource: String,
    /// Empty for cluster-scoped resources and requests over all namespaces.
    pub namespace: String,
    /// The object's name, read from the body when it is created; empty for a collection.
    pub name: String,
}

#[derive(Deserialize)]
struct Named {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    name: Option<String>,
}

impl ApiRequest {
    /// Reads method, URI and, for a create, the JSON body.
    #[must_use]
    pub fn read(method: &Method, uri: &Uri, body: &[u8]) -> Self {
        let path: Vec<&str> = uri
            .path()
            .split('/')
            .filter(|part| !part.is_empty())
            .collect();
        let (group, rest) = match path.as_slice() {
            ["api", _version, rest @ ..] => ("", rest),
            ["apis", group, _version, rest @ ..] => (*group, rest),
            _ => ("", [].as_slice()),
        };
        let (namespace, resource, name, subresource) = match rest {
            // The subresources of a namespace itself look like resources in it.
            ["namespaces", name, subresource @ ("status" | "finalize")] => {
                ("", "namespaces", *name, *subresource)
            }
            ["namespaces", namespace, resource, rest @ ..] => {
                let (name, subresource) = tail(rest);
                (*namespace, *resource, name, subresource)
            }
            [resource, rest @ ..] => {
                let (name, subresource) = tail(rest);
                ("", *resource, name, subresource)
            }
            [] => ("", "", "", ""),
        };
        let watches = uri.query().unwrap_or_default().split('&').any(|part| {
            matches!(part.split_once('='), Some(("watch", "true" | "1"))) || part == "watch"
        });
        let verb = match *method {
            Method::POST => Verb::Create,
            Method::PUT => Verb::Update,
            Method::PATCH => Verb::Patch,
            Method::DELETE if name.is_empty() => Verb::DeleteCollection,
            Method::DELETE => Verb::Delete,
            _ if watches => Verb::Watch,
            _ if name.is_empty() && !resource.is_empty() => Verb::List,
            _ => Verb::Get,
        };
        let name = if verb == Verb::Create && name.is_empty() {
            let named = serde_json::from_slice::<Named>(body).ok();
            named
                .and_then(|object| object.metadata.name)
                .unwrap_or_default()
        } else {
            name.to_owned()
        };
        Self {
            verb,
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            namespace: namespace.to_owned(),
            name,
        }
    }
}

fn tail<'a>(rest: &[&'a str]) -> (&'a str, &'a str) {
    match rest {
        [] => ("", ""),
        [name] => (name, ""),
        [name, subresource, ..] => (name, subresource),
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "in a test, a panic is the report")]
mod tests {
    use super::*;

    fn read(method: &str, uri: &str, body: &str) -> String {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = ApiRequest::read(&method, &uri.parse().expect("a URI"), body.as_bytes());
        let ApiRequest {
            verb,
            group,
            resource,
            subresource,
            namespace,
            name,
        } = request;
        format!("{verb:?} {group}/{resource}/{subresource} {namespace}/{name}")
    }

    #[test]
    fn requests_are_read_as_the_authorizer_reads_them() {
        let secrets = "/api/v1/namespaces/a/secrets";
        let psus = "/apis/presigned.dev/v1alpha1/namespaces/a/presignedurls";
        let created = r#"{"kind":"Secret","metadata":{"name":"s"},"data":{}}"#;
        let table = [
            ("GET", "/readyz", "", "Get // /"),
            ("GET", secrets, "", "List /secrets/ a/"),
            (
                "GET",
                "/api/v1/secrets?watch=true&resourceVersion=1",
                "",
                "Watch /secrets/ /",
            ),
            ("GET", &format!("{secrets}/s"), "", "Get /secrets/ a/s"),
            ("POST", secrets, created, "Create /secrets/ a/s"),
            (
                "PUT",
                &format!("{secrets}/s?fieldManager=x"),
                created,
                "Update /secrets/ a/s",
            ),
            (
                "DELETE",
                &format!("{secrets}/s"),
                "",
                "Delete /secrets/ a/s",
            ),
            ("DELETE", secrets, "", "DeleteCollection /secrets/ a/"),
            (
                "PATCH",
                &format!("{psus}/p/status"),
                "",
                "Patch presigned.dev/presignedurls/status a/p",
            ),
            ("GET", "/api/v1/namespaces/a", "", "Get /namespaces/ /a"),
            (
                "PUT",
                "/api/v1/namespaces/a/finalize",
                "",
                "Update /namespaces/finalize /a",
            ),
        ];
        for (method, uri, body, expected) in table {
            assert_eq!(
                read(method, uri, body).replace("//  /", "// /"),
                expected.replace("//  /", "// /")
            );
        }
    }
}
