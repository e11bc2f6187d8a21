//! Promise 15: with default values and credentials that live as long, the operator can be away for 8 hours
//! and no URL dies.

use presigned_core::request::parse_duration;

use crate::common::world::StepKind;
use crate::scene::Scene;

const EIGHT_HOURS: i64 = 8 * 3600;

fn budget(scene: &Scene) -> i64 {
    let status = &scene.0.cluster.stores["default"].status;
    let budget = status
        .absence_budget
        .as_deref()
        .expect("the status reports it");
    i64::try_from(parse_duration(budget).unwrap().as_secs()).unwrap()
}

#[test]
fn absence_is_survived_for_eight_hours() {
    let names: Vec<String> = (0..12).map(|at| format!("dl-{at}")).collect();
    let mut scene = Scene::new();
    for name in &names {
        scene.apply(name, |_| {});
        scene.run(611);
    }
    scene.run(7 * 3600);
    assert!(budget(&scene) >= EIGHT_HOURS, "{}", budget(&scene));
    // It goes just before the next renewal, at the worst moment.
    let soonest = names.iter().map(|name| scene.until_renewal(name)).min();
    scene.run(soonest.unwrap() - 1);
    let urls: Vec<String> = names.iter().map(|name| scene.url(name)).collect();
    scene.0.crash(EIGHT_HOURS);
    scene.run(EIGHT_HOURS - 1);
    for (name, url) in names.iter().zip(&urls) {
        assert_eq!(scene.url(name), *url, "no operator ran to renew it");
        assert!(scene.works(url), "{name}");
    }
    scene.run(600);
    for name in &names {
        assert!(scene.ready(name).0 && scene.works(&scene.url(name)));
    }
}

#[test]
fn the_budget_is_that_of_the_url_with_the_least() {
    let mut scene = Scene::issued("long");
    let alone = budget(&scene);
    scene.apply("short", |spec| spec.duration = Some("1h".to_owned()));
    scene.run(60);
    assert!(budget(&scene) < 3600 && alone >= EIGHT_HOURS);
    let now = scene.0.now;
    scene.0.cluster.delete_resource("team-a", "short", now);
    scene.run(60);
    assert_eq!(budget(&scene), alone);
}

#[test]
fn a_budget_that_stays_the_same_is_not_written() {
    let mut scene = Scene::issued("dl");
    let writes = scene.writes(|scene| scene.run(2 * 3600));
    assert_eq!(writes, Vec::<StepKind>::new());
}

#[test]
fn renewals_do_not_make_the_budget_tremble() {
    let mut scene = Scene::issued("dl");
    scene.apply("other", |_| {});
    scene.run(60);
    assert_eq!(budget(&scene), EIGHT_HOURS);
    let writes = scene.writes(|scene| scene.run(40 * 3600));
    assert!(writes.contains(&StepKind::UpdateSecret), "it was renewed");
    assert!(!writes.contains(&StepKind::WriteStoreStatus), "{writes:?}");
}
