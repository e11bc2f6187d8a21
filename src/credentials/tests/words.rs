//! What STS says beside its sessions: how much of it is read, and what of it the log hears.

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
async fn the_log_hears_stss_code_and_none_of_its_words() {
    let server = server(None);
    let source = assume_role(at(server.endpoint(), 1), None);
    let token = token("sts", SUBJECT, Timestamp::now());
    let heard = async |code: &str| {
        server.fail(Fault::Refuse {
            status: StatusCode::IM_A_TEAPOT,
            code: code.to_owned(),
            message: format!("{token} is no token"),
        });
        let log = Log::default();
        let asked = assumed(static_secret(), &source);
        let asked = asked.with_subscriber(log.subscriber()).await;
        says(asked, Reason::CredentialsInvalid, "status 418");
        log.warnings()
    };
    let log = heard("Surprise").await;
    for told in [ROLE, "418", "Surprise"] {
        assert!(log.contains(told), "{told} not in: {log}");
    }
    assert!(!log.contains(&token), "{log}");
    // A code is one word, and a short one.
    for code in [token.as_str(), &"A".repeat(65)] {
        let log = heard(code).await;
        assert!(log.contains("418") && !log.contains(code), "{log}");
    }
}

#[tokio::test]
async fn the_log_hears_why_sts_was_not_reached() {
    let server = StsServer::start_tls().unwrap();
    let heard = async |endpoint: String| {
        let log = Log::default();
        let source = assume_role(at(endpoint, 1), None);
        let asked = assumed(static_secret(), &source);
        let asked = asked.with_subscriber(log.subscriber()).await;
        says(
            asked,
            Reason::CredentialsUnavailable,
            "could not be reached",
        );
        log.warnings()
    };
    let untrusted = heard(server.endpoint()).await;
    assert!(untrusted.contains("why=\"TLS\""), "{untrusted}");
    let gone = server.endpoint();
    drop(server);
    let gone = heard(gone).await;
    assert!(gone.contains("why=\"ConnectionRefused\""), "{gone}");
}
