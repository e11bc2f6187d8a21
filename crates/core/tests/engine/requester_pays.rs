//! Buckets whose requester pays: whoever downloads, lists or verifies says so in a signed header.

use presigned_core::api::{
    Format, GetOptions, ListOptions, PolicyMethod, PresignedUrlSpec, RequestPayer, Verify,
};

use crate::common::specs;
use crate::scene::{HOME, NS, Scene};

/// The bucket `data`, whose requester pays, with an object in the folder of the team.
fn bucket() -> Scene {
    let mut scene = Scene::new();
    allow(&mut scene, Some(true));
    scene.0.cloud.put_object("data", "team-a/file.bin");
    let server = scene.0.cloud.server(HOME);
    server.requester_pays.push("data".to_owned());
    scene
}

fn allow(scene: &mut Scene, requester_pays: Option<bool>) {
    let now = scene.0.now;
    let mut rule = specs::rule(&["data"], &["{namespace}/"], "12h");
    rule.methods.push(PolicyMethod::List);
    rule.allow_requester_pays = requester_pays;
    let policy = specs::policy(&[NS], vec![rule]);
    scene.0.cluster.put_policy("base", Ok(policy), now);
}

fn pays(spec: &mut PresignedUrlSpec) {
    spec.verify = Some(Verify::Require);
    spec.get = Some(Box::new(GetOptions {
        request_payer: Some(RequestPayer::Requester),
        ..GetOptions::default()
    }));
}

fn lists(spec: &mut PresignedUrlSpec) {
    spec.key = None;
    spec.prefix = Some("team-a/".to_owned());
    spec.list = Some(Box::new(ListOptions::default()));
    spec.formats = Some(vec![Format::CurlConf]);
}

const HEADER: (&str, &str) = ("x-amz-request-payer", "requester");

#[test]
fn the_header_is_in_the_verification_the_listing_and_what_is_handed_out() {
    let mut scene = bucket();
    scene.apply("dl", pays);
    scene.apply("many", |spec| {
        pays(spec);
        lists(spec);
    });
    scene.run(30);
    for name in ["dl", "many"] {
        assert_eq!(scene.ready(name), (true, "Issued".to_owned()), "{name}");
        let secret = scene.secret(name).unwrap();
        let (header, value) = HEADER;
        let line = format!("header = \"{header}: {value}\"");
        let curl = secret.text("curl.conf").unwrap();
        assert!(curl.contains(&line), "{curl}");
    }
    let headers = scene.secret("dl").unwrap().text("headers").unwrap();
    assert_eq!(headers, "x-amz-request-payer: requester\n");
    let sent = [(HEADER.0.to_owned(), HEADER.1.to_owned())];
    let now = scene.0.now;
    let url = scene.url("dl");
    let accepted = scene.0.cloud.accepts(&url, "GET", &sent, now);
    assert_eq!(accepted, Ok(()));
    assert!(!scene.works(&url), "the header is signed");
}

#[test]
fn without_it_nothing_is_verified_or_listed() {
    let mut scene = bucket();
    scene.apply("dl", |spec| spec.verify = Some(Verify::Require));
    scene.apply("many", lists);
    scene.run(30);
    assert_eq!(scene.ready("dl"), (false, "AccessDenied".to_owned()));
    assert_eq!(scene.ready("many"), (false, "ListFailed".to_owned()));
    for name in ["dl", "many"] {
        let message = scene.condition(name, "Ready").message;
        assert!(message.contains("requester pays"), "{message}");
    }
}

#[test]
fn a_rule_gives_it_or_nothing_is_issued() {
    let mut scene = bucket();
    allow(&mut scene, None);
    scene.apply("dl", pays);
    scene.run(30);
    assert_eq!(scene.ready("dl"), (false, "PolicyDenied".to_owned()));
    let message = scene.condition("dl", "Ready").message;
    assert!(message.contains("get.requestPayer"), "{message}");
}
