//! Answers of STS that are no session: how much of one is read, and what of it is logged.

use http::StatusCode;
use jiff::Timestamp;
use presigned_core::api::Reason;
use presigned_testkit::aws::{Fault, StsServer, token};
use tracing::instrument::WithSubscriber as _;

use super::roles::{ROLE, SUBJECT, assume_role, assumed, at, says, server, static_secret};
use crate::test_log::Log;

#[tokio::test]
async fn an_answer_of_sts_is_read_to_a_limit() {
    let server = server(None);
    let source = assume_role(at(server.endpoint(), 1), None);
    let refuse = |length| {
        server.fail(Fault::Refuse {
            status: StatusCode::FORBIDDEN,
            code: "AccessDenied".to_owned(),
            message: "a".repeat(length),
        });
    };
    refuse(60 * 1024);
    says(
        assumed(static_secret(), &source).await,
        Reason::CredentialsInvalid,
        "need sts:AssumeRole",
    );
    refuse(64 * 1024);
    says(
        assumed(static_secret(), &source).await,
        Reason::CredentialsUnavailable,
        "holds no session",
    );
}

#[tokio::test]
async fn the_code_of_sts_is_logged_and_none_of_its_words() {
    let server = server(None);
    let source = assume_role(at(server.endpoint(), 1), None);
    let token = token("sts", SUBJECT, Timestamp::now());
    let logged = async |code: &str| {
        server.fail(Fault::Refuse {
            status: StatusCode::IM_A_TEAPOT,
            code: code.to_owned(),
            message: format!("{token} is no token"),
        });
        let log = Log::default();
        let session = assumed(static_secret(), &source);
        let session = session.with_subscriber(log.subscriber()).await;
        says(session, Reason::CredentialsInvalid, "status 418");
        log.warnings()
    };
    let log = logged("Surprise").await;
    for part in [ROLE, "418", "Surprise"] {
        assert!(log.contains(part), "{part} not in: {log}");
    }
    assert!(!log.contains(&token), "{log}");
    // A code is one word, and a short one.
    for code in [token.as_str(), &"A".repeat(65)] {
        let log = logged(code).await;
        assert!(log.contains("418") && !log.contains(code), "{log}");
    }
}

#[tokio::test]
async fn the_log_says_why_sts_was_not_reached() {
    let server = StsServer::start_tls().unwrap();
    let logged = async |endpoint: String, words: &str| {
        let log = Log::default();
        let source = assume_role(at(endpoint, 1), None);
        let session = assumed(static_secret(), &source);
        let session = session.with_subscriber(log.subscriber()).await;
        says(session, Reason::CredentialsUnavailable, words);
        log.warnings()
    };
    let untrusted = logged(server.endpoint(), "a certificate that neither").await;
    assert!(untrusted.contains("UnknownIssuer"), "{untrusted}");
    let gone = server.endpoint();
    drop(server);
    let gone = logged(gone, "could not be reached").await;
    assert!(gone.contains("why=\"Connection\""), "{gone}");
}
