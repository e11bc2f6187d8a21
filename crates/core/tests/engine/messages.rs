//! What the conditions say beyond their reason.

use presigned_core::api::Renew;

use crate::scene::Scene;

#[test]
fn what_is_not_renewed_says_why() {
    let mut scene = Scene::issued("dl");
    scene.apply("link", |spec| spec.renew = Some(Renew::Never));
    scene.apply("dl", |spec| spec.suspend = Some(true));
    scene.run(30);
    for (name, words) in [
        ("link", "; it is not renewed, since spec.renew is Never"),
        ("dl", "; it is not renewed while spec.suspend is true"),
    ] {
        let message = scene.condition(name, "Ready").message;
        assert!(message.contains(words), "{message}");
    }
    scene.apply("dl", |spec| spec.suspend = None);
    scene.run(30);
    let now = scene.0.now;
    scene.0.cluster.delete_store("default", now);
    scene.run(30);
    let message = scene.condition("dl", "Ready").message;
    let words = "; it is not renewed now: the condition Renewed says why";
    assert!(message.contains(words), "{message}");
}
