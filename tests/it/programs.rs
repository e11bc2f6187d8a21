//! The files of many objects, read by the programs that they are written for: curl, aria2c and wget fetch from real S3
//! servers what was signed for them, and save each object under its key, whatever the key holds.
//!
//! What holds here: a program sees no configuration and no home of the machine that it runs on, and runs in an empty folder,
//! so that every file that it made is seen. No operator takes part: the same code renders as in the operator.

mod hostile;
mod place;

use std::collections::BTreeSet;

use presigned_core::api::{Format, Method};
use presigned_core::issue::RenderError;
use presigned_testkit::S3Server;

use hostile::generated;
use place::Place;

pub(crate) use hostile::HARD;

const BUCKET: &str = "many";

/// A server that holds each object with its key as its content.
fn filled(s3: S3Server, keys: &[String]) -> Place {
    for key in keys {
        s3.put_object(BUCKET, key, key).unwrap();
    }
    Place::new(s3, BUCKET)
}

fn hard_keys() -> Vec<String> {
    HARD.iter()
        .map(|&key| key.to_owned())
        .chain([
            // The longest name in a folder that aria2 can take, and the longest key.
            "s".repeat(249),
            [
                &"x".repeat(255)[..],
                &"y".repeat(255),
                &"z".repeat(255),
                &"é".repeat(124),
            ]
            .join("/"),
        ])
        .collect()
}

/// What aria2.txt can hold of them: aria2 drops spaces at the end.
fn for_aria2(keys: &[String]) -> Vec<String> {
    keys.iter()
        .filter(|key| !key.ends_with(' '))
        .cloned()
        .collect()
}

fn curl_saves_every_object(s3: S3Server) {
    let keys = hard_keys();
    let place = filled(s3, &keys);
    place
        .mount(Method::Get, &keys, &[Format::CurlConf])
        .unwrap();
    for parallel in [&[][..], &["--parallel"]] {
        let folder = place.empty_folder();
        let conf = place.mounted("curl.conf");
        let mut arguments = vec!["-q", "--silent", "--config", &conf];
        arguments.extend(parallel);
        place.succeeds("curl", &arguments, &folder);
        place.holds_each_key(&folder, &keys);
        // Once more over what is there, as after a renewal.
        place.succeeds("curl", &arguments, &folder);
        place.holds_each_key(&folder, &keys);
    }
}

#[test]
fn curl_saves_every_object_of_s3s_under_its_key() {
    curl_saves_every_object(S3Server::s3s_fs().unwrap());
}

#[tokio::test]
async fn curl_saves_every_object_of_versitygw_under_its_key() {
    curl_saves_every_object(S3Server::versitygw().await.unwrap());
}

fn aria2_saves_every_object(s3: S3Server) {
    let keys = for_aria2(&hard_keys());
    let place = filled(s3, &keys);
    place
        .mount(Method::Get, &keys, &[Format::Aria2Txt])
        .unwrap();
    let folder = place.empty_folder();
    let input = place.mounted("aria2.txt");
    let arguments = ["--no-conf", "--quiet", "--input-file", &input];
    place.succeeds("aria2c", &arguments, &folder);
    place.holds_each_key(&folder, &keys);
    // What is there already is fetched anew, and nothing is saved beside it.
    for key in &keys {
        std::fs::write(folder.join(key), "old").unwrap();
    }
    place.succeeds("aria2c", &arguments, &folder);
    place.holds_each_key(&folder, &keys);
}

#[test]
fn aria2_saves_every_object_of_s3s_under_its_key() {
    aria2_saves_every_object(S3Server::s3s_fs().unwrap());
}

#[tokio::test]
async fn aria2_saves_every_object_of_versitygw_under_its_key() {
    aria2_saves_every_object(S3Server::versitygw().await.unwrap());
}

#[test]
fn aria2_fetches_nothing_that_an_object_names() {
    let keys = ["links.meta4".to_owned()];
    let place = filled(S3Server::s3s_fs().unwrap(), &keys);
    let other = place.s3.endpoint.clone() + "/stolen";
    let metalink = format!(
        "<?xml version=\"1.0\"?><metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">\
         <file name=\"stolen\"><url>{other}</url></file></metalink>"
    );
    place.s3.put_object(BUCKET, &keys[0], &metalink).unwrap();
    place
        .mount(Method::Get, &keys, &[Format::Aria2Txt])
        .unwrap();
    let folder = place.empty_folder();
    let input = place.mounted("aria2.txt");
    place.succeeds("aria2c", &["--no-conf", "-q", "-i", &input], &folder);
    let asked = place.s3.requests().unwrap();
    assert!(
        asked
            .iter()
            .all(|request| request.path == "/many/links.meta4"),
        "{asked:?}"
    );
    assert_eq!(
        std::fs::read_to_string(folder.join(&keys[0])).unwrap(),
        metalink
    );
}

#[test]
fn wget_fetches_every_line_of_urls_txt_in_its_order() {
    let keys = hard_keys();
    let place = filled(S3Server::s3s_fs().unwrap(), &keys);
    place.mount(Method::Get, &keys, &[Format::UrlsTxt]).unwrap();
    let folder = place.empty_folder();
    let input = place.mounted("urls.txt");
    let said = place.succeeds(
        "wget",
        &[
            "--no-config",
            "--quiet",
            "--input-file",
            &input,
            "--output-document=-",
        ],
        &folder,
    );
    assert_eq!(said, keys.concat());
}

#[test]
fn curl_sends_each_file_to_the_object_of_its_name() {
    let keys = hard_keys();
    let place = filled(S3Server::s3s_fs().unwrap(), &[]);
    place.s3.create_bucket(BUCKET).unwrap();
    // s3s-fs keeps notes beside each object, under a name made of the key that has to fit a file system too.
    let keys: Vec<String> = keys.into_iter().filter(|key| key.len() < 120).collect();
    place
        .mount(Method::Put, &keys, &[Format::CurlConf])
        .unwrap();
    let folder = place.empty_folder();
    for key in &keys {
        let file = folder.join(key);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, format!("content of {key}")).unwrap();
    }
    let conf = place.mounted("curl.conf");
    place.succeeds("curl", &["-q", "-s", "-K", &conf], &folder);
    for key in &keys {
        let sent = place.s3.object_bytes(BUCKET, key).unwrap();
        assert_eq!(
            sent,
            Some(format!("content of {key}").into_bytes()),
            "{key:?}"
        );
    }
}

#[test]
fn curl_looks_at_every_object_and_deletes_every_object() {
    let keys = hard_keys();
    let place = filled(S3Server::s3s_fs().unwrap(), &keys);
    let folder = place.empty_folder();
    place
        .mount(Method::Head, &keys, &[Format::CurlConf])
        .unwrap();
    let conf = place.mounted("curl.conf");
    let said = place.succeeds("curl", &["-q", "-s", "-K", &conf], &folder);
    assert_eq!(said.matches("HTTP/1.1 200 OK").count(), keys.len());

    place
        .mount(Method::Delete, &keys, &[Format::CurlConf])
        .unwrap();
    place.succeeds("curl", &["-q", "-s", "-K", &conf], &folder);
    for key in &keys {
        assert_eq!(place.s3.object_bytes(BUCKET, key).unwrap(), None, "{key:?}");
    }
    place.holds_each_key(&folder, &[]);
}

#[test]
fn one_object_that_is_missing_is_a_failure_of_the_whole_in_every_program() {
    let keys = ["a".to_owned(), "missing".to_owned(), "z".to_owned()];
    let there = [keys[0].clone(), keys[2].clone()];
    let place = filled(S3Server::s3s_fs().unwrap(), &there);
    place
        .mount(
            Method::Get,
            &keys,
            &[Format::CurlConf, Format::Aria2Txt, Format::UrlsTxt],
        )
        .unwrap();
    let [conf, aria2, urls] =
        ["curl.conf", "aria2.txt", "urls.txt"].map(|file| place.mounted(file));
    for (program, arguments) in [
        ("curl", &["-q", "-s", "-K", &conf][..]),
        ("curl", &["-q", "-s", "-Z", "-K", &conf]),
        ("aria2c", &["--no-conf", "-q", "-i", &aria2]),
        ("wget", &["--no-config", "-q", "-i", &urls]),
    ] {
        let folder = place.empty_folder();
        let (status, said) = place.run(program, arguments, &folder);
        assert!(!status.success(), "{program}: {said}");
        assert!(
            !folder.join("missing").exists(),
            "an error page is no object"
        );
    }
}

/// Keys that the files hold by the renderer's own word, each in a folder of its own.
fn accepted(place: &Place, format: Format, seed: u64) -> Vec<String> {
    let mut refused = 0;
    let keys: Vec<String> = generated(seed, 300)
        .into_iter()
        .filter(|key| {
            let one = std::slice::from_ref(key);
            match place.mount(Method::Get, one, &[format]) {
                Ok(()) => true,
                Err(RenderError::Names(_)) => {
                    refused += 1;
                    false
                }
                Err(other) => panic!("{other}"),
            }
        })
        .collect();
    assert!(
        refused < 30 && keys.len() > 200,
        "{refused} of 300 were refused"
    );
    keys
}

#[test]
fn what_was_not_refused_is_read_by_the_programs_as_it_was_written() {
    for seed in 0..4 {
        let all = generated(seed, 300);
        let place = filled(S3Server::s3s_fs().unwrap(), &all);
        for format in [Format::CurlConf, Format::Aria2Txt] {
            let keys = accepted(&place, format, seed);
            place.mount(Method::Get, &keys, &[format]).unwrap();
            let file = place.mounted(format.as_str());
            let folder = place.empty_folder();
            match format {
                Format::CurlConf => place.succeeds("curl", &["-q", "-s", "-K", &file], &folder),
                _ => place.succeeds("aria2c", &["--no-conf", "-q", "-i", &file], &folder),
            };
            place.holds_each_key(&folder, &keys);
        }
        let unique: BTreeSet<&String> = all.iter().collect();
        assert_eq!(unique.len(), all.len(), "no key hides another");
    }
}
