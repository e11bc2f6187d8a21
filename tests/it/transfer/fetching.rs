//! What SOURCE may be, where the files go, and what is refused before anything is fetched.

use std::fmt::Write as _;

use presigned_testkit::S3Server;

use super::stage::{BUCKET, ScriptedServer, Stage, bytes, get, left, says, signed, urls_json};
use crate::programs::HARD;

/// The files of a Secret.
type Files<'a> = &'a [(&'a str, &'a str)];

fn a_mounted_secret_becomes_a_file(s3: &S3Server) {
    let stage = Stage::new();
    let body = bytes(3 * 1024 * 1024 + 7);
    s3.put_object(BUCKET, "models/a b.gguf", &body).unwrap();
    s3.put_object(BUCKET, "empty", b"").unwrap();
    let url = get(s3, &s3.endpoint, "models/a b.gguf");
    let mount = stage.mount(&[("url", &url), ("method", "GET"), ("headers", "")]);
    let mount = mount.to_str().unwrap();

    // Into a folder under its own name, and as the file that is named.
    let folder = stage.empty("dest");
    let ran = stage.run(&["fetch", mount, folder.to_str().unwrap()]);
    assert!(
        ran.done().said.contains("fetched 1 object, 3.0 MiB in"),
        "{}",
        ran.said
    );
    let file = stage.path("dest").join("deep").join("model");
    stage
        .run(&["fetch", "--quiet", mount, file.to_str().unwrap()])
        .done();
    assert!(left(&folder) == [("a b.gguf".to_owned(), body.clone())].into());
    assert!(std::fs::read(&file).unwrap() == body);

    // Again over what is there, with a URL on standard input, an empty object.
    let ran = stage.run_with(
        &["fetch", "-q", "-", file.to_str().unwrap()],
        &get(s3, &s3.endpoint, "empty"),
    );
    assert_eq!(ran.done().said, "");
    assert_eq!(std::fs::read(&file).unwrap(), b"");
}

#[test]
fn a_mounted_secret_becomes_a_file_from_s3s() {
    a_mounted_secret_becomes_a_file(&S3Server::s3s_fs().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_secret_becomes_a_file_from_versitygw() {
    a_mounted_secret_becomes_a_file(&S3Server::versitygw().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_secret_becomes_a_file_from_minio() {
    a_mounted_secret_becomes_a_file(&S3Server::minio().await.unwrap());
}

#[test]
fn many_objects_become_files_under_their_keys_whatever_these_hold() {
    let (s3, stage) = (S3Server::s3s_fs().unwrap(), Stage::new());
    let keys: Vec<&str> = HARD.into_iter().filter(|key| !key.contains('\\')).collect();
    for key in &keys {
        s3.put_object(BUCKET, key, key).unwrap();
    }
    let json = urls_json(&s3, &s3.endpoint, &keys);
    let mount = stage.mount(&[("urls.json", &json), ("method", "GET")]);
    let file = mount.join("urls.json");
    for source in [mount.to_str().unwrap(), file.to_str().unwrap()] {
        for parallel in ["1", "16"] {
            let dest = stage.path("dest");
            stage
                .run(&[
                    "fetch",
                    source,
                    dest.to_str().unwrap(),
                    "--parallel",
                    parallel,
                ])
                .done();
            let found = left(&dest);
            assert_eq!(found.len(), keys.len());
            for key in &keys {
                assert_eq!(found[*key], key.as_bytes());
            }
        }
    }
    // One key alone, and those below one.
    let dest = stage.path("dest");
    let part = [
        "fetch",
        mount.to_str().unwrap(),
        dest.to_str().unwrap(),
        "--key",
    ];
    stage.run(&[&part[..], &["dir/"]].concat()).done();
    assert_eq!(left(&dest).into_keys().collect::<Vec<_>>(), ["日本/🦀"]);
    stage.run(&[&part[..], &["folder /x"]].concat()).done();
    assert!(left(&dest).contains_key("x"));
    stage
        .run(&[&part[..], &["nowhere"]].concat())
        .failed(2, &["has no key \"nowhere\"", "or 43 more"]);
}

#[test]
fn a_private_authority_is_the_secrets_or_the_command_lines() {
    let (s3, stage) = (S3Server::s3s_fs_tls().unwrap(), Stage::new());
    s3.put_object(BUCKET, "a", "secure").unwrap();
    let (url, ca) = (get(&s3, &s3.endpoint, "a"), s3.ca_pem.clone().unwrap());
    let dest = stage.path("dest");
    let dest = dest.to_str().unwrap();
    let with = stage.mount(&[("url", &url), ("ca.crt", &ca)]);
    stage.run(&["fetch", with.to_str().unwrap(), dest]).done();
    assert_eq!(std::fs::read(dest).unwrap(), b"secure");
    let without = stage.mount(&[("url", &url)]);
    let without = without.to_str().unwrap();
    let ran = stage.run(&["fetch", without, dest]);
    ran.failed(5, &["its certificate is not trusted", "--ca FILE"]);
    let file = stage.path("ca");
    std::fs::write(&file, &ca).unwrap();
    stage
        .run(&["fetch", without, dest, "--ca", file.to_str().unwrap()])
        .done();
    let plain = url.replace("https://", "http://");
    let ran = stage.run_with(&["fetch", "-", dest, "--retries", "0"], &plain);
    ran.failed(5, &["it speaks TLS"]);
}

/// What is wrong with SOURCE, the exit code and the words that say what to do.
#[test]
fn bad_input_is_refused_with_what_to_do_and_leaves_nothing() {
    let (s3, stage) = (S3Server::s3s_fs().unwrap(), Stage::new());
    s3.put_object(BUCKET, "a", "a").unwrap();
    let url = get(&s3, &s3.endpoint, "a");
    let dest = stage.empty("dest");
    let to = dest.to_str().unwrap();
    let cases: [(Files<'_>, i32, &[&str]); 9] = [
        (&[], 3, &["neither url nor urls.json", "--wait"]),
        (&[("url", "")], 3, &["url of", "is empty", "--wait"]),
        (&[("urls.json", "[{\"key\":")], 3, &["is cut off", "--wait"]),
        (
            &[("curl.conf", "url = \"x\"")],
            3,
            &["mount the Secret whole"],
        ),
        (&[("url", "ftp://host/x")], 2, &["holds no URL", "https://"]),
        (&[("urls.json", "{}")], 2, &["no array of objects"]),
        (
            &[("url", &url), ("method", "PUT")],
            2,
            &["is for PUT", "push"],
        ),
        (&[("url", &url), ("method", "DELETE")], 2, &["method: GET"]),
        (&[("url", &url), ("headers", "x")], 2, &["no header"]),
    ];
    for (files, code, words) in cases {
        let mount = stage.mount(files);
        let ran = stage.run(&["fetch", mount.to_str().unwrap(), to]);
        ran.failed(code, words);
        assert!(left(&dest).is_empty(), "{:?}", left(&dest));
    }
    let names: [(&[&str], &str); 5] = [
        (&["../x"], "leaves its folder"),
        (&["a", "/etc/x"], "absolute path"),
        (&["a", "..\\x"], "backslash"),
        (&["a", "a//b"], "empty part"),
        (&["a", "a/b"], "a file and a folder at once"),
    ];
    for (keys, words) in names {
        let json = urls_json(&s3, &s3.endpoint, keys);
        let mount = stage.mount(&[("urls.json", &json)]);
        let ran = stage.run(&["fetch", mount.to_str().unwrap(), to]);
        ran.failed(2, &[words]);
        assert!(left(&dest).is_empty(), "{:?}", left(&dest));
    }
    assert!(s3.requests().unwrap().is_empty(), "something was fetched");
    for (source, code, words) in [
        ("/nowhere/presigned", 3, "--wait"),
        ("", 2, "SOURCE is empty"),
        ("ftp://host/?X-Amz-Signature=1", 2, "https://"),
        ("presigned://team-a", 2, "presigned://NAMESPACE/NAME"),
        ("https:///x?X-Amz-Signature=1", 2, "https://"),
    ] {
        stage.run(&["fetch", source, to]).failed(code, &[words]);
    }
    stage
        .run_with(&["fetch", "-", to], "")
        .failed(3, &["standard input is empty"]);
    stage
        .run_with(&["fetch", "-", to], "no url\n")
        .failed(2, &["line 1 of standard input"]);
    let missing = get(&s3, &s3.endpoint, "missing");
    let ran = stage.run_with(&["fetch", "-", to], &missing);
    ran.failed(
        4,
        &["/data/missing answered 404 NoSuchKey", "no such object"],
    );
    assert_eq!(
        s3.requests().unwrap().len(),
        1,
        "a 404 is not asked for again"
    );
    assert!(left(&dest).is_empty(), "{:?}", left(&dest));
}

#[test]
fn a_url_that_is_refused_says_what_to_do_and_shows_no_query() {
    let (s3, stage) = (S3Server::s3s_fs().unwrap(), Stage::new());
    s3.put_object(BUCKET, "a", "a").unwrap();
    // A URL for PUT is none for GET.
    let put = signed(&s3, &s3.endpoint, &http::Method::PUT, "a");
    let dest = stage.path("dest");
    let ran = stage.run_with(&["fetch", "-", dest.to_str().unwrap()], &put);
    ran.failed(4, &["/data/a answered 403", "get a new URL"]);
    let mount = stage.mount(&[("url", &put), ("expires-at", "2026-01-01T00:00:00Z")]);
    let ran = stage.run(&["fetch", mount.to_str().unwrap(), dest.to_str().unwrap()]);
    ran.failed(4, &["subPath", "2026-01-01T00:00:00Z", "has no newer one"]);
    assert!(!dest.exists());
}

#[test]
fn a_source_that_is_not_there_yet_is_waited_for() {
    let (s3, stage) = (S3Server::s3s_fs().unwrap(), Stage::new());
    s3.put_object(BUCKET, "a", "late").unwrap();
    let mount = stage.mount(&[("url", ""), ("method", "GET")]);
    let dest = stage.path("dest");
    let waits = [
        "fetch",
        mount.to_str().unwrap(),
        dest.to_str().unwrap(),
        "--wait",
    ];
    let ran = stage.run(&[&waits[..], &["1s"]].concat());
    ran.failed(3, &["is empty"]);
    let running = stage.start(&[&waits[..], &["90s"]].concat());
    let url = get(&s3, &s3.endpoint, "a");
    stage.remount(&mount, &[("url", &url), ("method", "GET")]);
    running.end().done();
    assert_eq!(std::fs::read(&dest).unwrap(), b"late");
}

#[test]
fn a_disk_without_room_is_told_with_the_path_and_the_need_and_nothing_stays() {
    let (s3, stage) = (S3Server::s3s_fs().unwrap(), Stage::new());
    let mut script = String::new();
    for (key, size) in [("small", 64 * 1024), ("large", 2 * 1024 * 1024)] {
        s3.put_object(BUCKET, key, bytes(size)).unwrap();
        let mount = stage.mount(&[("url", &get(&s3, &s3.endpoint, key))]);
        let dest = stage.empty("dest");
        script.clear();
        // A file may have 16 KiB here; the signal that this sends otherwise is ignored.
        let _ = write!(
            script,
            "trap '' XFSZ; ulimit -f 16; exec {} fetch {} {}/",
            super::stage::PROGRAM,
            mount.display(),
            dest.display()
        );
        let output = crate::support::program("bash", &["-c", &script], &dest)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(6), "{said}");
        let need = format!("which needs {size} bytes");
        for words in [need.as_str(), dest.to_str().unwrap(), key, "free space"] {
            assert!(said.contains(words), "{words} in {said}");
        }
        assert!(left(&dest).is_empty(), "{:?}", left(&dest));
    }
}

#[test]
fn a_file_that_is_there_stays_until_the_new_one_is_whole() {
    let stage = Stage::new();
    let dest = stage.path("dest");
    std::fs::write(&dest, "before").unwrap();
    let half = says("200 OK\ncontent-length: 100\netag: \"1\"", b"half");
    let server = ScriptedServer::new(vec![half]);
    let url = format!("{}/data/a?X-Amz-Signature=1", server.endpoint);
    let ran = stage.run_with(
        &["fetch", "-", dest.to_str().unwrap(), "--retries", "1"],
        &url,
    );
    ran.failed(5, &["could not be fetched", "2 times"]);
    assert_eq!(std::fs::read(&dest).unwrap(), b"before");
    let around = left(dest.parent().unwrap());
    assert!(
        around.keys().all(|name| !name.contains(".part")),
        "{:?}",
        around.keys()
    );
}

/// A presigned URL is a bearer token, and arguments are no secret.
#[test]
fn a_presigned_url_as_an_argument_is_warned_of() {
    let stage = Stage::new();
    let mut whole = says("200 OK\ncontent-length: 5", b"12345");
    whole.stays = true;
    let server = ScriptedServer::new(vec![whole]);
    let signed = format!("{}/data/a?X-Amz-Signature=1", server.endpoint);
    let public = format!("{}/data/a", server.endpoint);
    let dest = stage.path("dest");
    let to = dest.to_str().unwrap();
    let file = stage.path("file");
    std::fs::write(&file, "12345").unwrap();
    let warning = "list of processes";
    for (command, input, warned) in [
        (&["fetch", &signed, to][..], "", true),
        (&["push", file.to_str().unwrap(), &signed], "", true),
        (&["fetch", &signed, to, "--quiet"], "", false),
        (&["fetch", &public, to], "", false),
        (&["fetch", "-", to], &signed, false),
    ] {
        let ran = stage.run_with(command, input);
        assert_eq!(ran.done().said.contains(warning), warned, "{}", ran.said);
    }
}

#[test]
fn a_url_on_standard_input_is_in_no_list_of_processes() {
    use std::io::Write as _;
    let stage = Stage::new();
    let head = "200 OK\nContent-Length: 9\nETag: \"a\"";
    let half = crate::transfer::stage::Scripted {
        stays: true,
        ..says(head, b"half")
    };
    let server = ScriptedServer::new(vec![half]);
    let url = format!(
        "{}/data/a?X-Amz-Signature=0123456789abcdef",
        server.endpoint
    );
    let dest = stage.path("dest");
    let arguments = ["fetch", "-", dest.to_str().unwrap(), "--quiet"];
    let mut child =
        crate::support::program(super::stage::PROGRAM, &arguments, std::path::Path::new("/"))
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(url.as_bytes()).unwrap();
    drop(stdin);
    let deadline = std::time::Instant::now() + crate::support::LONG;
    while server.asked().is_empty() {
        assert!(std::time::Instant::now() < deadline, "it asks for nothing");
        std::thread::yield_now();
    }
    let seen = crate::support::seen_by_everybody(child.id());
    let _ = child.kill();
    let _ = child.wait();
    assert!(seen[0].contains("fetch -"), "{seen:?}");
    assert_eq!(seen.len(), 2, "it started others");
    assert!(seen.iter().all(|text| !text.contains("X-Amz")), "a URL");
}
