//! The files of many objects, read by the programs that they are written for: curl, aria2c and wget fetch
//! from real S3 servers what was signed for them, and save each object under its key, whatever the key holds.
//!
//! What holds here: a program sees no configuration and no home of the machine that it runs on, and runs in
//! an empty folder, so that every file that it made is seen. No operator takes part: the same code renders as
//! in the operator.

mod fixture;
mod hostile;

use std::collections::BTreeSet;

use presigned_core::api::{Format, Method};
use presigned_core::issue::RenderError;
use presigned_testkit::S3Server;

use fixture::ProgramFixture;
use hostile::generated;

pub(crate) use hostile::HARD;

const BUCKET: &str = "many";

/// A server that holds each object with its key as its content.
fn filled(s3: S3Server, keys: &[String]) -> ProgramFixture {
    for key in keys {
        s3.put_object(BUCKET, key, key).unwrap();
    }
    ProgramFixture::new(s3, BUCKET)
}

fn hard_keys() -> Vec<String> {
    // No file holds a key with a backslash.
    HARD.iter()
        .filter(|key| !key.contains('\\'))
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
    let fixture = filled(s3, &keys);
    fixture
        .mount(Method::Get, &keys, &[Format::CurlConf])
        .unwrap();
    for parallel in [&[][..], &["--parallel"]] {
        let folder = fixture.empty_folder();
        let conf = fixture.mounted("curl.conf");
        let mut arguments = vec!["-q", "--silent", "--config", &conf];
        arguments.extend(parallel);
        fixture.succeeds("curl", &arguments, &folder);
        fixture.holds_each_key(&folder, &keys);
        // Once more over what is there, as after a renewal.
        fixture.succeeds("curl", &arguments, &folder);
        fixture.holds_each_key(&folder, &keys);
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
    let fixture = filled(s3, &keys);
    fixture
        .mount(Method::Get, &keys, &[Format::Aria2Txt])
        .unwrap();
    let folder = fixture.empty_folder();
    let input = fixture.mounted("aria2.txt");
    let arguments = ["--no-conf", "--quiet", "--input-file", &input];
    fixture.succeeds("aria2c", &arguments, &folder);
    fixture.holds_each_key(&folder, &keys);
    // What is there already is fetched anew, and nothing is saved beside it.
    for key in &keys {
        std::fs::write(folder.join(key), "old").unwrap();
    }
    fixture.succeeds("aria2c", &arguments, &folder);
    fixture.holds_each_key(&folder, &keys);
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
    let fixture = filled(S3Server::s3s_fs().unwrap(), &keys);
    let other = fixture.s3.endpoint.clone() + "/stolen";
    let metalink = format!(
        "<?xml version=\"1.0\"?><metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">\
         <file name=\"stolen\"><url>{other}</url></file></metalink>"
    );
    fixture.s3.put_object(BUCKET, &keys[0], &metalink).unwrap();
    fixture
        .mount(Method::Get, &keys, &[Format::Aria2Txt])
        .unwrap();
    let folder = fixture.empty_folder();
    let input = fixture.mounted("aria2.txt");
    fixture.succeeds("aria2c", &["--no-conf", "-q", "-i", &input], &folder);
    let asked = fixture.s3.requests().unwrap();
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
    let fixture = filled(S3Server::s3s_fs().unwrap(), &keys);
    fixture
        .mount(Method::Get, &keys, &[Format::UrlsTxt])
        .unwrap();
    let folder = fixture.empty_folder();
    let input = fixture.mounted("urls.txt");
    let said = fixture.succeeds(
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
    let fixture = filled(S3Server::s3s_fs().unwrap(), &[]);
    fixture.s3.create_bucket(BUCKET).unwrap();
    // s3s-fs keeps notes beside each object, under a name made of the key that has to fit a file system too.
    let keys: Vec<String> = keys.into_iter().filter(|key| key.len() < 120).collect();
    fixture
        .mount(Method::Put, &keys, &[Format::CurlConf])
        .unwrap();
    let folder = fixture.empty_folder();
    for key in &keys {
        let file = folder.join(key);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, format!("content of {key}")).unwrap();
    }
    let conf = fixture.mounted("curl.conf");
    fixture.succeeds("curl", &["-q", "-s", "-K", &conf], &folder);
    for key in &keys {
        let sent = fixture.s3.object_bytes(BUCKET, key).unwrap();
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
    let fixture = filled(S3Server::s3s_fs().unwrap(), &keys);
    let folder = fixture.empty_folder();
    fixture
        .mount(Method::Head, &keys, &[Format::CurlConf])
        .unwrap();
    let conf = fixture.mounted("curl.conf");
    let said = fixture.succeeds("curl", &["-q", "-s", "-K", &conf], &folder);
    assert_eq!(said.matches("HTTP/1.1 200 OK").count(), keys.len());

    fixture
        .mount(Method::Delete, &keys, &[Format::CurlConf])
        .unwrap();
    fixture.succeeds("curl", &["-q", "-s", "-K", &conf], &folder);
    for key in &keys {
        assert_eq!(
            fixture.s3.object_bytes(BUCKET, key).unwrap(),
            None,
            "{key:?}"
        );
    }
    fixture.holds_each_key(&folder, &[]);
}

#[test]
fn one_object_that_is_missing_is_a_failure_of_the_whole_in_every_program() {
    let keys = ["a".to_owned(), "missing".to_owned(), "z".to_owned()];
    let there = [keys[0].clone(), keys[2].clone()];
    let fixture = filled(S3Server::s3s_fs().unwrap(), &there);
    fixture
        .mount(
            Method::Get,
            &keys,
            &[Format::CurlConf, Format::Aria2Txt, Format::UrlsTxt],
        )
        .unwrap();
    let [conf, aria2, urls] =
        ["curl.conf", "aria2.txt", "urls.txt"].map(|file| fixture.mounted(file));
    for (program, arguments) in [
        ("curl", &["-q", "-s", "-K", &conf][..]),
        ("curl", &["-q", "-s", "-Z", "-K", &conf]),
        ("aria2c", &["--no-conf", "-q", "-i", &aria2]),
        ("wget", &["--no-config", "-q", "-i", &urls]),
    ] {
        let folder = fixture.empty_folder();
        let (status, said) = fixture.run(program, arguments, &folder);
        assert!(!status.success(), "{program}: {said}");
        assert!(
            !folder.join("missing").exists(),
            "an error page is no object"
        );
    }
}

/// Keys that the files hold by the renderer's own word, each in a folder of its own.
fn accepted(fixture: &ProgramFixture, format: Format, seed: u64) -> Vec<String> {
    let mut refused = 0;
    let keys: Vec<String> = generated(seed, 300)
        .into_iter()
        .filter(|key| {
            let one = std::slice::from_ref(key);
            match fixture.mount(Method::Get, one, &[format]) {
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
        let fixture = filled(S3Server::s3s_fs().unwrap(), &all);
        for format in [Format::CurlConf, Format::Aria2Txt] {
            let keys = accepted(&fixture, format, seed);
            fixture.mount(Method::Get, &keys, &[format]).unwrap();
            let file = fixture.mounted(format.as_str());
            let folder = fixture.empty_folder();
            match format {
                Format::CurlConf => fixture.succeeds("curl", &["-q", "-s", "-K", &file], &folder),
                _ => fixture.succeeds("aria2c", &["--no-conf", "-q", "-i", &file], &folder),
            };
            fixture.holds_each_key(&folder, &keys);
        }
        let unique: BTreeSet<&String> = all.iter().collect();
        assert_eq!(unique.len(), all.len(), "no key hides another");
    }
}
