//! A disk without room: what is not whole does not stay, and the message says what there was no room for.
//!
//! What holds here: a limit on the size of files stands for the end of the disk. The kernel refuses the bytes
//! beyond it in the same calls, and no test needs the right to mount a small disk.

use std::process::Stdio;

use presigned_testkit::S3Server;

use super::stage::{BUCKET, PROGRAM, Ran, Stage, bytes, left, urls_json};
use crate::support::program;

/// The most that a file may have, in bytes.
const ROOM: usize = 8 * 512;

/// Runs the program with no room for larger files.
fn run(stage: &Stage, arguments: &[&str]) -> Ran {
    // Without the trap the signal ends the program; a disk that is full sends none.
    let script = "trap '' XFSZ; ulimit -f 8; exec timeout 90 \"$@\"";
    let arguments = [&["-c", script, "sh", PROGRAM], arguments].concat();
    let output = program("sh", &arguments, stage.path("cwd").parent().unwrap())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!said.contains("X-Amz-"), "a query in: {said}");
    Ran {
        code: output.status.code().unwrap_or(-1),
        said,
    }
}

#[test]
fn a_file_that_finds_no_room_leaves_nothing_and_what_was_there_before_stays() {
    let (s3, stage) = (S3Server::s3s_fs().unwrap(), Stage::new());
    // From 1 MiB on room is reserved; a smaller file meets the end of the disk as it is written.
    let sizes = [("small", ROOM + 1), ("large", 2 * 1024 * 1024)];
    for (key, size) in sizes {
        s3.put_object(BUCKET, key, bytes(size)).unwrap();
    }
    for (key, size) in sizes {
        let mount = stage.mount(&[("urls.json", &urls_json(&s3, &s3.endpoint, &[key]))]);
        let dest = stage.empty("dest");
        std::fs::write(dest.join(key), "before").unwrap();
        let ran = run(
            &stage,
            &["fetch", mount.to_str().unwrap(), dest.to_str().unwrap()],
        );
        let told = format!(
            "there is no room for {}, which needs {size} bytes",
            dest.join(key).display()
        );
        ran.failed(
            6,
            &[
                &told,
                "free space, enlarge the volume",
                "nothing of the file was kept",
            ],
        );
        let files = left(&dest);
        assert_eq!(files.len(), 1, "{:?}", files.keys());
        assert_eq!(files[key], b"before");
    }
}

#[test]
fn files_that_were_whole_before_the_disk_was_full_stay() {
    let (s3, stage) = (S3Server::s3s_fs().unwrap(), Stage::new());
    let keys = ["a", "b", "c/d"];
    s3.put_object(BUCKET, "a", bytes(ROOM)).unwrap();
    s3.put_object(BUCKET, "b", bytes(ROOM + 1)).unwrap();
    s3.put_object(BUCKET, "c/d", "d").unwrap();
    let mount = stage.mount(&[("urls.json", &urls_json(&s3, &s3.endpoint, &keys))]);
    let dest = stage.path("dest");
    let arguments = [
        "fetch",
        mount.to_str().unwrap(),
        dest.to_str().unwrap(),
        "--parallel",
        "1",
    ];
    run(&stage, &arguments).failed(6, &["there is no room for"]);
    let files = left(&dest);
    assert_eq!(files.keys().collect::<Vec<_>>(), ["a"]);
    assert!(files["a"] == bytes(ROOM));
}
