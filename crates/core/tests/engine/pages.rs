//! A page that answers everything in front of a store that worked: what it answers proves nothing.

use presigned_core::api::ConditionStatus::Unknown;
use presigned_core::api::{Method, Verify};

use crate::scene::{HOME, Scene};

/// A store that worked, and behind a page since an hour.
fn behind_a_page() -> Scene {
    let mut scene = Scene::new();
    scene.0.cloud.put_object("data", "team-a/file.bin");
    scene.apply("dl", |spec| spec.verify = Some(Verify::Require));
    scene.run(60);
    scene.0.cloud.server(HOME).page = true;
    scene.run(3700);
    let unexpected = (Unknown, "UnexpectedResponse".to_owned());
    assert_eq!(scene.store_says("Ready"), unexpected);
    scene
}

#[test]
fn under_require_nothing_is_published_while_a_page_answers_for_the_store() {
    let mut scene = behind_a_page();
    let url = scene.url("dl");
    scene.apply("new", |spec| spec.verify = Some(Verify::Require));
    scene.apply("up", |spec| {
        spec.verify = Some(Verify::Require);
        spec.method = Some(Method::Put);
    });
    let wait = scene.until_renewal("dl");
    scene.run(wait + 600);
    for name in ["new", "up"] {
        assert!(scene.secret(name).is_none(), "{name} was published");
        let unexpected = (false, "UnexpectedResponse".to_owned());
        assert_eq!(scene.ready(name), unexpected, "{name}");
        assert!(!scene.says(name, "Stalled"), "{name}: it may end by itself");
    }
    assert_eq!(scene.url("dl"), url, "what lives stays");
    assert!(scene.ready("dl").0);
    scene.0.cloud.server(HOME).page = false;
    scene.run(1200);
    for name in ["new", "up", "dl"] {
        assert_eq!(scene.ready(name), (true, "Issued".to_owned()), "{name}");
    }
    assert_ne!(scene.url("dl"), url);
}

#[test]
fn under_report_a_page_verifies_nothing_and_the_store_does_after_it() {
    let mut scene = behind_a_page();
    scene.apply("new", |spec| spec.verify = None);
    scene.run(30);
    assert_eq!(scene.ready("new"), (true, "Issued".to_owned()));
    let verified = scene.condition("new", "Verified");
    let unexpected = (Unknown, "UnexpectedResponse");
    assert_eq!((verified.status, &*verified.reason), unexpected);
    scene.0.cloud.server(HOME).page = false;
    scene.run(1200);
    assert_eq!(scene.condition("new", "Verified").reason, "Verified");
}
