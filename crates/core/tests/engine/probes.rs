//! Unsigned `x-amz-*` headers: no upload is signed where they may be accepted.

use presigned_core::api::ConditionStatus::{False, True, Unknown};
use presigned_core::api::{Method, PresignedUrlSpec, Reason, UnsignedHeaders};
use presigned_core::engine::TransportError;

use crate::common::cloud::Source;
use crate::common::specs;
use crate::scene::{HOME, Scene};

fn with_an_upload(prepare: impl FnOnce(&mut Scene)) -> Scene {
    let mut scene = Scene::new();
    prepare(&mut scene);
    scene.apply("up", |spec| spec.method = Some(Method::Put));
    scene.apply("dl", |_| {});
    scene.run(30);
    scene
}

#[test]
fn a_put_is_signed_if_unsigned_headers_are_rejected() {
    let scene = with_an_upload(|_| {});
    assert_eq!(scene.ready("up"), (true, "Issued".to_owned()));
    assert_eq!(scene.store_says("UnsignedHeadersRejected").0, True);
}

#[test]
fn a_put_is_refused_if_unsigned_headers_are_accepted_unless_the_admin_allows_it() {
    let mut scene = with_an_upload(|scene| scene.0.cloud.server(HOME).accepts_unsigned = true);
    let reason = "UnsignedHeadersAccepted".to_owned();
    assert_eq!(scene.ready("up"), (false, reason.clone()));
    assert_eq!(scene.condition("up", "Stalled").status, True);
    assert!(scene.ready("dl").0, "a download is no upload");
    assert_eq!(scene.store_says("UnsignedHeadersRejected"), (False, reason));
    scene.edit_store(|spec| spec.s3.unsigned_headers = Some(UnsignedHeaders::Accept));
    scene.run(30);
    assert_eq!(scene.ready("up"), (true, "Issued".to_owned()));
}

#[test]
fn what_a_store_says_of_unsigned_headers_changes_with_the_source_that_it_names() {
    let mut scene = Scene::new();
    scene.0.cloud.server(HOME).accepts_unsigned = true;
    scene.edit_store(|spec| spec.s3.unsigned_headers = Some(UnsignedHeaders::Accept));
    scene.apply("up", |spec| spec.method = Some(Method::Put));
    scene.run(30);
    assert!(scene.ready("up").0);
    let rejects = specs::store(HOME, Some("missing"));
    scene.edit_store(|spec| *spec = rejects);
    scene.run(60);
    let put = |spec: &mut PresignedUrlSpec| spec.method = Some(Method::Put);
    scene.apply("with-the-source-in-use", put);
    scene.run(30);
    assert!(
        scene.ready("with-the-source-in-use").0,
        "what was used before stays in use"
    );
    let now = scene.0.now;
    scene.0.cloud.rotate_static("missing", now);
    scene.0.cluster.touch_own_secret("missing", now);
    scene.run(310);
    scene.apply("with-the-new-source", put);
    scene.run(30);
    let refused = (false, "UnsignedHeadersAccepted".to_owned());
    assert_eq!(scene.ready("with-the-new-source"), refused);

    // An admin who allows it for another source has not allowed it for the one in use.
    let mut accepts = specs::store(HOME, Some("another"));
    accepts.s3.unsigned_headers = Some(UnsignedHeaders::Accept);
    scene.edit_store(|spec| *spec = accepts);
    scene.run(600);
    assert_eq!(scene.ready("with-the-new-source"), refused);
    // Alone it is no change to try: it holds at once.
    let mut accepts = specs::store(HOME, Some("missing"));
    accepts.s3.unsigned_headers = Some(UnsignedHeaders::Accept);
    scene.edit_store(|spec| *spec = accepts);
    scene.run(30);
    assert!(scene.ready("with-the-new-source").0);
}

#[test]
fn a_put_waits_until_it_is_known() {
    let mut scene = with_an_upload(|scene| {
        scene.0.cloud.server(HOME).down = Some(TransportError::Connection);
    });
    let reason = "UnsignedHeadersUnknown".to_owned();
    assert_eq!(scene.ready("up"), (false, reason.clone()));
    assert!(!scene.says("up", "Stalled"));
    assert!(scene.ready("dl").0, "a signature needs no answer");
    assert_eq!(
        scene.store_says("UnsignedHeadersRejected"),
        (Unknown, reason)
    );
    scene.0.cloud.server(HOME).down = None;
    scene.run(310);
    assert_eq!(scene.ready("up"), (true, "Issued".to_owned()));
}

#[test]
fn the_probes_result_survives_a_restart() {
    let mut scene = with_an_upload(|_| {});
    scene.0.cloud.server(HOME).down = Some(TransportError::Connection);
    scene.restart();
    scene.apply("more", |spec| spec.method = Some(Method::Put));
    scene.run(30);
    assert_eq!(scene.ready("more"), (true, "Issued".to_owned()));
}

#[test]
fn aws_is_believed_and_not_probed() {
    let mut scene = Scene::new();
    scene.edit_store(|spec| spec.s3.endpoint = None);
    scene.apply("up", |spec| spec.method = Some(Method::Put));
    scene.run(30);
    assert_eq!(scene.ready("up"), (true, "Issued".to_owned()));
    assert!(!scene.0.cloud.requests.is_empty());
    for (_, headers) in &scene.0.cloud.requests {
        assert_eq!(headers, &[]);
    }
    assert_eq!(scene.store_says("UnsignedHeadersRejected").0, True);
}

#[test]
fn a_store_that_begins_to_accept_them_is_found_within_a_day() {
    let mut scene = with_an_upload(|_| {});
    scene.0.cloud.server(HOME).accepts_unsigned = true;
    scene.run(24 * 3600);
    assert_eq!(scene.store_says("UnsignedHeadersRejected").0, False);
}

#[test]
fn a_put_says_why_it_waits_if_no_credentials_can_be_had() {
    let mut scene = with_an_upload(|scene| {
        let gives_nothing = Source::Fails(Reason::CredentialsInvalid);
        let source = "s3".to_owned();
        scene.0.cloud.sources.insert(source, gives_nothing);
    });
    let reason = "CredentialsInvalid".to_owned();
    assert_eq!(scene.ready("up"), (false, reason));
    scene.rotate();
    scene.run(30);
    assert_eq!(scene.ready("up"), (true, "Issued".to_owned()));
}

#[test]
fn a_server_of_another_kind_behind_a_host_name_of_aws_is_probed() {
    let balancer = "https://minio-0a1b.elb.eu-west-1.amazonaws.com";
    let mut scene = with_an_upload(|scene| {
        scene.0.cloud.server(balancer).accepts_unsigned = true;
        scene.edit_store(|spec| spec.s3.endpoint = Some(balancer.to_owned()));
    });
    let reason = "UnsignedHeadersAccepted".to_owned();
    assert_eq!(scene.ready("up"), (false, reason.clone()));
    assert_eq!(scene.store_says("UnsignedHeadersRejected"), (False, reason));
    scene.0.cloud.server(balancer).accepts_unsigned = false;
    scene.run(24 * 3600);
    assert_eq!(scene.ready("up"), (true, "Issued".to_owned()));
}

#[test]
fn a_bucket_that_does_not_exist_keeps_no_others_upload_waiting() {
    let mut scene = Scene::new();
    let buckets = ["typo-1", "typo-2", "data"];
    scene.allow_buckets(&buckets);
    scene.0.cloud.server(HOME).missing = vec!["typo-1".to_owned(), "typo-2".to_owned()];
    for bucket in buckets {
        scene.apply(bucket, |spec| {
            spec.method = Some(Method::Put);
            spec.bucket = bucket.to_owned();
        });
    }
    scene.run(30);
    assert_eq!(scene.ready("data"), (true, "Issued".to_owned()));
    assert_eq!(scene.store_says("UnsignedHeadersRejected").0, True);
}

#[test]
fn a_bucket_that_is_created_later_is_listed_within_minutes() {
    let mut scene = Scene::new();
    scene.allow_buckets(&["typo", "data"]);
    scene.0.cloud.server(HOME).missing = vec!["typo".to_owned()];
    scene.apply("typo", |spec| {
        spec.method = Some(Method::Put);
        spec.bucket = "typo".to_owned();
    });
    scene.run(30);
    let reason = "UnsignedHeadersUnknown".to_owned();
    assert_eq!(scene.ready("typo"), (false, reason));
    let requests = scene.0.cloud.requests.len();
    assert!(
        requests <= 4,
        "one bucket is not probed over and over: {requests}"
    );
    scene.apply("up", |spec| spec.method = Some(Method::Put));
    scene.run(310);
    assert_eq!(scene.ready("up"), (true, "Issued".to_owned()));
}

#[test]
fn one_refusal_by_a_proxy_is_not_taken_for_the_stores_answer() {
    let mut scene = with_an_upload(|scene| scene.0.cloud.server(HOME).accepts_unsigned = true);
    let reason = "UnsignedHeadersAccepted".to_owned();
    assert_eq!(scene.ready("up"), (false, reason.clone()));
    for _ in 0..3 {
        scene.0.cloud.server(HOME).limits = 1;
        scene.run(2 * 3600);
        assert_eq!(scene.0.cloud.server(HOME).limits, 0, "it was refused once");
        assert_eq!(scene.ready("up"), (false, reason.clone()));
    }
    assert_eq!(scene.store_says("UnsignedHeadersRejected"), (False, reason));
    // What refuses every time does protect.
    scene.0.cloud.server(HOME).limits = u32::MAX;
    scene.run(2 * 3600);
    assert_eq!(scene.ready("up"), (true, "Issued".to_owned()));
}

#[test]
fn a_refusal_of_the_first_probe_alone_is_not_its_word_either() {
    let mut scene = with_an_upload(|scene| {
        let server = scene.0.cloud.server(HOME);
        server.accepts_unsigned = true;
        server.limits = 1;
    });
    scene.run(60);
    let reason = "UnsignedHeadersAccepted".to_owned();
    assert_eq!(scene.ready("up"), (false, reason));
}
