//! The examples with a pod that downloads or uploads, run as they are published.

use super::Scene;
use super::pod::Pod;
use crate::support::files_below;

#[tokio::test(flavor = "multi_thread")]
async fn the_pods_of_the_examples_download_what_is_there() {
    let scene = Scene::new("pubdown").await;
    scene.put("public/llama/weights.bin", "weights");
    for (key, body) in [
        ("team-a/images/a.png", "a"),
        ("team-a/images/deep/b.png", "b"),
        ("team-a/images/notes.txt", "no picture"),
        ("team-a/images/tmp/c.png", "left out"),
    ] {
        scene.put(key, body);
    }
    let keys = scene.example("many-keys.yaml");
    let keys = keys
        .iter()
        .find_map(|object| object["spec"]["keys"].as_array());
    let keys = keys.expect("keys");
    for key in keys {
        scene.put(key.as_str().expect("a key"), format!("{key}\n"));
    }

    let pod = Pod::of(&scene.world, &scene.issued("download.yaml").await).await;
    pod.runs("download");
    let file = pod.path(pod.container("download"), "/models/weights.bin");
    assert_eq!(std::fs::read(file).unwrap(), b"weights");

    let pod = Pod::of(&scene.world, &scene.issued("many-keys.yaml").await).await;
    pod.runs("year");
    let file = pod.path(pod.container("year"), "/data/2026.csv");
    let whole: Vec<String> = keys.iter().map(|key| format!("{key}\n")).collect();
    assert_eq!(std::fs::read_to_string(file).unwrap(), whole.concat());

    let pod = Pod::of(&scene.world, &scene.issued("prefix.yaml").await).await;
    pod.runs("download");
    let found = files_below(&pod.path(pod.container("download"), "/data"));
    let base = format!("{}/images", scene.world.tenant);
    let wanted = [
        (format!("{base}/a.png"), b"a".to_vec()),
        (format!("{base}/deep/b.png"), b"b".to_vec()),
    ];
    assert_eq!(found, wanted.into());
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pods_of_the_examples_upload_what_they_say() {
    let scene = Scene::new("pubup").await;
    for (file, container, key) in [
        ("upload.yaml", "report", "team-a/reports/latest.txt"),
        ("upload-form.yaml", "summary", "team-a/forms/summary.csv"),
    ] {
        let pod = Pod::of(&scene.world, &scene.issued(file).await).await;
        pod.runs(container);
        assert!(
            scene.object(key).is_some_and(|body| !body.is_empty()),
            "{file}"
        );
    }
    let pod = Pod::of(&scene.world, &scene.issued("upload-form-prefix.yaml").await).await;
    pod.runs("camera");
    let photos = format!("{}/photos/", scene.world.tenant);
    let keys = scene.keys(&photos).await;
    assert!(
        keys.len() == 1 && keys[0].rsplit('.').next() == Some("pbm"),
        "{keys:?}"
    );
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_support_bundle_is_pushed_under_the_name_of_its_pod() {
    let scene = Scene::new("bundle").await;
    let objects = scene.issued("support-bundle.yaml").await;
    for name in ["the-pod-x7k2p", "the-pod-m4q8z"] {
        let mut pod = Pod::of(&scene.world, &objects).await;
        name.clone_into(&mut pod.name);
        pod.runs("collect");
        pod.runs("push");
        let file = pod.path(pod.container("push"), &format!("/bundle/{name}.tar.gz"));
        let sent = scene.object(&format!("team-a/{name}.tar.gz"));
        assert!(sent == Some(std::fs::read(file).unwrap()), "{name}");
    }
    scene.finish().await;
}
