//! Where the URLs of a request point: the bucket at an endpoint of a store.
//!
//! What holds here: what a command says of a store before anything is asked is what the operator says of it.

use crate::api::{ClusterObjectStoreSpec, Reason};
use crate::engine::store::StoreConfig;
use crate::request::Request;
use crate::signing::Target;

/// Where the URLs of a request point, by the spec of its store.
///
/// # Errors
/// The store cannot be used for the request: the reason and the message of the condition.
pub fn store_target(
    store: &str,
    spec: &ClusterObjectStoreSpec,
    request: &Request,
) -> Result<Target, (Reason, String)> {
    let config = StoreConfig::of(spec, None).map_err(|why| unusable_store(store, &why))?;
    targets(&config, store, request).map(|(signed, _)| signed)
}

/// The endpoint that is signed, and the one that the operator uses itself.
pub(super) fn targets(
    config: &StoreConfig,
    store: &str,
    request: &Request,
) -> Result<(Target, Target), (Reason, String)> {
    let by = |endpoint| config.target(endpoint, &request.bucket);
    let own = by(None);
    let named = request.endpoint.as_deref();
    match (
        named.map_or_else(|| own.clone(), |name| by(Some(name))),
        own,
    ) {
        (Some(Ok(target)), Some(Ok(own))) => Ok((target, own)),
        (Some(Err(error)), _) | (_, Some(Err(error))) => Err((
            Reason::StoreInvalid,
            format!("the ClusterObjectStore \"{store}\" cannot be used for this bucket: {error}"),
        )),
        (None, _) | (_, None) => {
            let name = request.endpoint.as_deref().unwrap_or_default();
            Err((
                Reason::EndpointNotFound,
                format!(
                    "the ClusterObjectStore \"{store}\" has no endpoint \"{name}\": name one of its endpoints in \
                     spec.endpoint, or leave it out"
                ),
            ))
        }
    }
}

/// There is no store of this name.
#[must_use]
pub fn no_store(store: &str) -> (Reason, String) {
    (
        Reason::StoreNotFound,
        format!(
            "there is no ClusterObjectStore \"{store}\": create it, or name another in spec.storeRef.name"
        ),
    )
}

/// The store's spec cannot be used.
pub(super) fn unusable_store(store: &str, why: &str) -> (Reason, String) {
    (
        Reason::StoreInvalid,
        format!("the ClusterObjectStore \"{store}\" cannot be used: {why}"),
    )
}
