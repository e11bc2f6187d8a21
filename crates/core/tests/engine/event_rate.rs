//! How many Events a resource makes, whatever becomes of it.

use crate::common::world::StepKind;
use crate::scene::Scene;

fn events(steps: &[StepKind]) -> usize {
    let is_event = |kind: &&StepKind| **kind == StepKind::PublishEvent;
    steps.iter().filter(is_event).count()
}

/// Makes the spec impossible and possible again, so many times within so many seconds each.
fn flip(scene: &mut Scene, times: usize, seconds: i64) -> usize {
    let steps = scene.steps(|scene| {
        for turn in 0..times {
            let key = ["team-b/forbidden", "team-a/file.bin"][turn % 2];
            scene.apply("dl", |spec| spec.key = Some(key.to_owned()));
            scene.run(seconds);
        }
    });
    events(&steps)
}

#[test]
fn a_spec_that_is_flipped_again_and_again_makes_a_few_events_and_not_one_a_flip() {
    let mut scene = Scene::issued("dl");
    assert_eq!(flip(&mut scene, 8, 5), 8, "each is told at first");
    let told = flip(&mut scene, 200, 5);
    assert!((16..=21).contains(&told), "{told} Events of 200 flips");
    assert!(scene.ready("dl").0, "the conditions tell all the same");
    scene.run(3600);
    assert_eq!(
        flip(&mut scene, 2, 5),
        2,
        "and later there are Events again"
    );
}

#[test]
fn one_resource_silences_no_other() {
    let mut scene = Scene::issued("dl");
    flip(&mut scene, 60, 5);
    let steps = scene.steps(|scene| {
        scene.apply("other", |_| {});
        scene.run(30);
    });
    assert_eq!(events(&steps), 1);
}

#[test]
fn a_clock_that_is_set_back_silences_no_resource() {
    let mut scene = Scene::issued("dl");
    flip(&mut scene, 60, 5);
    scene.0.step_clock(-86_400);
    scene.run(60);
    assert!(flip(&mut scene, 2, 5) > 0);
}
