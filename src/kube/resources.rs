//! `PresignedURL`s that are read one by one.

use http::Method;
use presigned_core::api::PresignedUrl;
use presigned_core::engine::{ApiError, PresignedUrlSeen};

use super::call::{Target, Verb};
use super::cluster::Cluster;
use super::convert::{self, RawObject};
use super::http::{JSON, found, request, segment};

impl Cluster {
    /// Reads a `PresignedURL`; `None` if there is none.
    ///
    /// # Errors
    /// The failure's class.
    pub async fn read_resource(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Box<PresignedUrlSeen>>, ApiError> {
        let path = format!(
            "/apis/presigned.dev/v1alpha1/namespaces/{}/presignedurls/{}",
            segment(namespace)?,
            segment(name)?
        );
        let request = request(Method::GET, &path, JSON, Vec::new());
        let read = self.parsed::<RawObject<PresignedUrl>>(request);
        let called = self.calls.call(Verb::Get, Target("presignedurls"), read);
        Ok(found(called.await)?.map(|raw| Box::new(convert::resource(raw))))
    }
}
