//! Many objects from apply to download: what the operator writes for `keys` and for `prefix`, read by curl,
//! aria2c and wget.
//!
//! What holds here: a program has nothing but a file of the Secret and an empty folder, and the test checks
//! the whole folder afterwards: each object under its key, and nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use presigned_testkit::S3Server;
use serde_json::{Value, json};

use crate::programs::HARD;
use crate::support::{World, files_below, http, run};

/// An empty folder beside the mount.
fn empty(mount: &Path, name: &str) -> PathBuf {
    let folder = mount.with_extension(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).unwrap();
    folder
}

/// Runs a program on a mounted file in an empty folder; the folder's files, if it succeeded.
async fn fetched(
    mount: &Path,
    program: &str,
    arguments: &[&str],
    file: &str,
) -> BTreeMap<String, Vec<u8>> {
    let folder = empty(mount, program);
    let file = mount.join(file);
    let all = [arguments, &[file.to_str().unwrap()]].concat();
    let (code, said) = run(program, &all, &folder).await;
    assert_eq!(code, 0, "{program}: {said}");
    files_below(&folder)
}

/// Each object with its own key as its content.
fn own<'a>(keys: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, Vec<u8>> {
    keys.into_iter()
        .map(|key| (key.to_owned(), key.as_bytes().to_vec()))
        .collect()
}

async fn listed(world: &World, name: &str) -> Vec<Value> {
    let text = world.value(name, "urls.json").await;
    serde_json::from_str(&text).expect("urls.json")
}

/// What aria2 can't save: it drops spaces at the end.
fn trails(key: &str) -> bool {
    key.ends_with(' ')
}

/// Whether a server's listings are encoded as they declare.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listings {
    AsDeclared,
    NotAsDeclared,
}

async fn programs_fetch_from(short: &str, s3: &S3Server, listings: Listings) {
    let hard: Vec<String> = HARD.iter().map(|name| format!("hard/{name}")).collect();
    for key in &hard {
        s3.put_object("data", key, key).unwrap();
    }
    s3.put_object("data", "hardly", "beside the prefix")
        .unwrap();
    s3.put_object("data", "other/x", "other/x").unwrap();
    let world = World::on(short, s3).await;
    // Some of the servers take headers that were not signed, and a PUT is for an admin to allow there.
    world
        .store(s3, &json!({ "unsignedHeaders": "Accept" }))
        .await;
    world.allow_all(&json!({})).await;
    let operator = world.operator(&[]).await;
    let prefix = json!({ "key": null, "prefix": "hard/", "formats": ["urls.txt", "curl.conf"] });
    world.psu("prefix", &prefix).await;
    // On Windows a backslash separates folders, so curl.conf holds no key with one.
    let saved = || hard.iter().filter(|key| !key.contains('\\'));
    let keys: Vec<&String> = saved().filter(|key| !trails(key)).collect();
    let named = json!({ "key": null, "keys": keys, "formats": ["aria2.txt", "curl.conf"] });
    world.psu("keys", &named).await;

    if listings == Listings::AsDeclared {
        programs_fetch_the_prefix(&world, &hard).await;
    } else {
        let message = world.unready("prefix", "ListFailed").await;
        let why =
            "declares that keys are percent-encoded (EncodingType), and writes a key that is not";
        assert!(message.contains(why), "{message}");
    }

    world.ready("keys").await;
    let mount = world.mount("keys").await;
    let some = own(keys.iter().map(|key| key.as_str()));
    assert!(fetched(&mount, "aria2c", &["--no-conf", "-q", "-i"], "aria2.txt").await == some);
    assert!(fetched(&mount, "curl", &["-q", "-sS", "-K"], "curl.conf").await == some);
    world.verified("keys", "True", "Verified").await;

    every_method_of_keys(&world, s3).await;
    world.finish().await;
    operator.kill();
}

/// Every object below the prefix, by curl and by wget.
async fn programs_fetch_the_prefix(world: &World, hard: &[String]) {
    // On Windows a backslash separates folders, so curl.conf holds no key with one.
    let saved = || hard.iter().filter(|key| !key.contains('\\'));
    let status = world.ready("prefix").await.status.unwrap();
    assert_eq!(status.objects.map(|n| n as usize), Some(saved().count()));
    let skipped = hard.len() - saved().count();
    assert_eq!(status.skipped_objects.map(|n| n as usize), Some(skipped));
    let mount = world.mount("prefix").await;
    let every = own(saved().map(String::as_str));
    assert!(fetched(&mount, "curl", &["-q", "-sS", "-K"], "curl.conf").await == every);
    let arguments = ["--no-config", "-q", "-O", "all", "-i"];
    let one = fetched(&mount, "wget", &arguments, "urls.txt").await;
    let mut sorted: Vec<String> = saved().cloned().collect();
    sorted.sort();
    assert_eq!(String::from_utf8_lossy(&one["all"]), sorted.concat());
    for object in listed(world, "prefix").await {
        let key = object["key"].as_str().unwrap();
        assert_eq!(object["size"].as_u64(), Some(key.len() as u64), "{key:?}");
        let url = object["url"].as_str().unwrap();
        assert_eq!(http("GET", url, "", &[]).await.text(), key);
    }
}

/// HEAD, PUT and DELETE of several keys: one run of curl each.
async fn every_method_of_keys(world: &World, s3: &S3Server) {
    let keys = ["up/one \"1\".txt", "up/two.txt", "up/three/3"];
    for method in ["PUT", "HEAD", "DELETE"] {
        let spec = json!({ "key": null, "keys": keys, "method": method, "formats": ["curl.conf"] });
        let name = method.to_lowercase();
        world.psu(&name, &spec).await;
        world.ready(&name).await;
    }
    let runs = async |name: &str, folder: &Path| {
        let conf = world.folder.join(format!("mounted-{name}/curl.conf"));
        run("curl", &["-q", "-sS", "-K", conf.to_str().unwrap()], folder).await
    };
    let mount = world.mount("put").await;
    let folder = empty(&mount, "files");
    for key in keys {
        let file = folder.join(key);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, format!("sent to {key}")).unwrap();
    }
    let (code, said) = runs("put", &folder).await;
    assert_eq!(code, 0, "{said}");
    for key in keys {
        let sent = s3.object_bytes("data", key).unwrap();
        assert_eq!(sent, Some(format!("sent to {key}").into_bytes()), "{key}");
    }
    world.mount("head").await;
    let (code, said) = runs("head", &folder).await;
    assert_eq!((code, said.matches(" 200 OK").count()), (0, 3), "{said}");
    world.mount("delete").await;
    let (code, said) = runs("delete", &folder).await;
    assert_eq!(code, 0, "{said}");
    for key in keys {
        assert_eq!(s3.object_bytes("data", key).unwrap(), None, "{key}");
    }
    let (code, _) = runs("head", &folder).await;
    assert_ne!(code, 0, "what is gone is a failure");
}

#[tokio::test]
async fn programs_fetch_what_the_operator_lists_from_s3s() {
    programs_fetch_from(
        "many-s3s",
        &S3Server::s3s_fs().unwrap(),
        Listings::NotAsDeclared,
    )
    .await;
}

#[tokio::test]
async fn programs_fetch_what_the_operator_lists_from_versitygw() {
    programs_fetch_from(
        "many-vgw",
        &S3Server::versitygw().await.unwrap(),
        Listings::AsDeclared,
    )
    .await;
}

#[tokio::test]
async fn programs_fetch_what_the_operator_lists_from_minio() {
    programs_fetch_from(
        "many-minio",
        &S3Server::minio().await.unwrap(),
        Listings::AsDeclared,
    )
    .await;
}

#[tokio::test]
async fn a_file_that_cannot_hold_a_key_is_refused_by_name_and_urls_json_holds_it() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("names", &s3).await;
    world.allow_all(&json!({})).await;
    let operator = world.operator(&[]).await;
    let keys = ["a", "a/b", "trail "];
    let many = |formats: &[&str]| json!({ "key": null, "keys": keys, "formats": formats, "verify": "Never" });
    let cases: [(&str, &str, &[&str]); 2] = [
        (
            "curl",
            "curl.conf",
            &[
                "curl.conf can't hold the key \"a\"",
                "the folder of \"a/b\"",
            ],
        ),
        (
            "aria2",
            "aria2.txt",
            &[
                "aria2.txt can't hold",
                "the key \"trail \"",
                "ends in a space",
            ],
        ),
    ];
    for (name, format, words) in cases {
        world.psu(name, &many(&[format])).await;
        let message = world.unready(name, "InvalidSpec").await;
        for words in words {
            assert!(message.contains(words), "{words:?} is not in: {message}");
        }
        assert!(
            message.contains("take the file out of spec.formats"),
            "{message}"
        );
        world
            .edit(name, json!({ "spec": { "formats": ["urls.txt"] } }))
            .await;
        world.ready(name).await;
        let found: Vec<String> = listed(&world, name)
            .await
            .iter()
            .map(|object| object["key"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(found, keys);
    }
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn the_duration_of_signing_is_measured_of_signing_steps_alone() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("signing", &s3).await;
    world.allow_all(&json!({})).await;
    let operator = world.operator(&[]).await;
    let measured = async || {
        let text = operator.get("/metrics").await.text();
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix("presigned_sign_duration_seconds_count "));
        count.expect("the metric is there").parse::<u64>().unwrap()
    };
    world.psu("few", &json!({ "verify": "Never" })).await;
    world.ready("few").await;
    assert_eq!(measured().await, 0, "a plan is not measured");
    let keys: Vec<String> = (0..33).map(|at| format!("file-{at:02}")).collect();
    let spec = json!({ "key": null, "keys": keys, "verify": "Never" });
    world.psu("many", &spec).await;
    world.ready("many").await;
    assert_eq!(measured().await, 1, "33 URLs are signed in a step");
    operator.kill();
    world.finish().await;
}
