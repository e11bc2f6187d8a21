//! HTTP as every call to the API server needs it: paths, requests, and answers that no log hears.
//!
//! What holds here: a name that no object can have never becomes part of a path; an answer is parsed here and
//! not by the client, which logs a body that it cannot parse.

use futures::AsyncReadExt as _;
use http::{Method, Request, header};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Error;
use presigned_core::engine::{ApiError, ObjectVersion};
use serde::de::DeserializeOwned;

use super::cluster::Cluster;

/// Asks for metadata only.
pub(super) const METADATA_ONLY: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
pub(super) const JSON: &str = "application/json";

impl Cluster {
    /// The answer to a request, parsed without a line in the log, and read into one buffer.
    pub(super) async fn parsed<T: DeserializeOwned>(
        &self,
        request: Result<Request<Vec<u8>>, Error>,
    ) -> Result<T, Error> {
        let mut answer = Box::pin(self.client.request_stream(request?).await?);
        let mut text = Vec::new();
        let read = answer.read_to_end(&mut text).await;
        read.map_err(Error::ReadEvents)?;
        serde_json::from_slice(&text).map_err(Error::SerdeError)
    }
}

/// A request with a JSON body, or without one if it is empty.
pub(super) fn request(
    method: Method,
    path: &str,
    accept: &'static str,
    body: Vec<u8>,
) -> Result<Request<Vec<u8>>, Error> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::ACCEPT, accept)
        .header(header::CONTENT_TYPE, JSON)
        .body(body)
        .map_err(Error::HttpError)
}

/// What was read; `None` if it is not there.
pub(super) fn found<T>(result: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(ApiError::NotFound) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The version in an answer.
pub(super) fn version(meta: &ObjectMeta) -> ObjectVersion {
    ObjectVersion {
        uid: meta.uid.clone().unwrap_or_default(),
        resource_version: meta.resource_version.clone(),
    }
}

/// A name as a segment of a path.
///
/// # Errors
/// [`ApiError::Invalid`] for what no object can be named, so that a name can never point elsewhere.
pub(super) fn segment(name: &str) -> Result<&str, ApiError> {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'.';
    let dots = name.bytes().all(|c| c == b'.');
    if dots || !name.bytes().all(plain) {
        return Err(ApiError::Invalid);
    }
    Ok(name)
}

/// The path of a write, with the field manager.
pub(super) fn managed(path: &str) -> String {
    format!("{path}?fieldManager={}", presigned_core::api::MANAGER)
}
