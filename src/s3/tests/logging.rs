//! What is logged of requests to stores at the lowest level.

use jiff::Timestamp;
use presigned_core::signing::Credentials;
use presigned_testkit::S3Server;
use tracing::instrument::WithSubscriber as _;

use super::{client, keys, signed, target};
use crate::test_log::Log;

#[tokio::test]
async fn no_url_signature_or_token_is_logged_at_trace_level() {
    let log = Log::default();
    let server = S3Server::s3s_fs_tls().unwrap();
    server.put_object("models", "weights.bin", b"x").unwrap();
    async {
        tracing::trace!("the log is heard before");
        let here = target(&server.endpoint, &server.region);
        let client = client();
        let now = Timestamp::now();
        let ca = server.ca_pem.as_deref();
        let ask = signed(&here, &keys(&server), "weights.bin", now);
        client.send(&ask, ca).await.unwrap();
        let session = Credentials {
            session_token: Some("tokenVALUE".into()),
            expires_at: Some(now + jiff::SignedDuration::from_hours(1)),
            ..keys(&server)
        };
        let _ = client
            .send(&signed(&here, &session, "weights.bin", now), ca)
            .await;
        let mut request = super::listing::of(&server, "");
        client.list(&request).await.unwrap();
        request.credentials = session;
        let _ = client.list(&request).await;
        // What the tasks of the connections have to say, they say when these are closed.
        drop(client);
        tokio::task::yield_now().await;
        tracing::trace!("and after");
    }
    .with_subscriber(log.subscriber())
    .await;
    let log = log.text();
    assert!(
        log.contains("heard before") && log.contains("and after"),
        "{log}"
    );
    assert_eq!(log.lines().count(), 2, "{log}");
}
