//! The pieces of code in docs/questions.md do what the page says: each language downloads what a mounted Secret
//! holds, and uploads with it.
//!
//! What holds here: the code is taken from the page as it stands, but for the folder of the mount.

use std::path::{Path, PathBuf};

use presigned_testkit::S3Server;
use presigned_testkit::guard::GuardedFolder;
use serde_json::json;

use crate::support::{World, program};

const PAGE: &str = include_str!("../../docs/questions.md");
/// What is downloaded and uploaded.
const WEIGHTS: &str = "weights";

/// The page's code of one language, reading another folder than `/presigned`.
fn code(language: &str, mount: &Path) -> String {
    let (_, from) = PAGE
        .split_once(&format!("```{language}\n"))
        .unwrap_or_else(|| panic!("no code in {language}"));
    let (code, _) = from.split_once("```\n").expect("the end of the block");
    assert!(code.contains("/presigned/") || code.contains("\"/presigned\""));
    code.replace("/presigned", mount.to_str().expect("UTF-8"))
}

/// Runs a program to its end, and it succeeds.
fn succeeds(name: &str, arguments: &[&str], folder: &Path) {
    let mut command = program(name, arguments, folder);
    // Go keeps what it builds.
    command.env("GOCACHE", folder.join("go-cache"));
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?}: {said}");
}

/// Writes a program of the page's code and what a user adds to it: `down` with the URL to GET, `up` with the
/// one to PUT. Runs both.
fn both_ways(language: &str, mounts: [&Path; 2], folder: &Path, write: Write) {
    for (mount, down) in mounts.into_iter().zip([true, false]) {
        let Program { name, file, text } = write(&code(language, mount), down);
        std::fs::write(folder.join(file), text).expect("write the program");
        let arguments = match name {
            "go" => vec!["run", file],
            _ => vec![file],
        };
        succeeds(name, &arguments, folder);
    }
}

/// Makes a program of a page's code: to download, or to upload.
type Write = fn(&str, bool) -> Program;

/// A program in a file.
struct Program {
    name: &'static str,
    file: &'static str,
    text: String,
}

/// The page's code, and a call of it below.
fn script(name: &'static str, file: &'static str, code: &str, call: &str) -> Program {
    let text = format!("{code}\n\n{call}\n");
    Program { name, file, text }
}

fn python(code: &str, down: bool) -> Program {
    let call = if down {
        r#"download("down")"#
    } else {
        r#"upload("up")"#
    };
    script("python3", "snippet.py", code, call)
}

fn node(code: &str, down: bool) -> Program {
    let call = if down {
        r#"await download("down");"#
    } else {
        r#"await upload("up");"#
    };
    script("node", "snippet.mjs", code, call)
}

fn go(code: &str, down: bool) -> Program {
    let body = if down {
        r#"
	answer, err := call("GET", nil)
	if err != nil {
		panic(err)
	}
	file, _ := os.Create("down")
	if _, err := io.Copy(file, answer.Body); err != nil {
		panic(err)
	}"#
    } else {
        r#"
	file, _ := os.Open("up")
	if _, err := call("PUT", file); err != nil {
		panic(err)
	}
	_ = io.Discard"#
    };
    let imports = "import (\n\t\"fmt\"\n\t\"io\"\n\t\"net/http\"\n\t\"os\"\n\t\"strings\"\n)";
    Program {
        name: "go",
        file: "snippet.go",
        text: format!("package main\n\n{imports}\n\n{code}\nfunc main() {{{body}\n}}\n"),
    }
}

#[tokio::test]
async fn the_code_of_the_questions_downloads_and_uploads_in_each_language() {
    let s3 = S3Server::versitygw().await.unwrap();
    s3.put_object("data", "models/llama.bin", WEIGHTS).unwrap();
    let world = World::on("snip", &s3).await;
    world.store(&s3, &json!({})).await;
    let operator = world.operator(&[]).await;
    world
        .psu("down", &json!({ "key": "models/llama.bin" }))
        .await;
    world
        .psu(
            "up",
            &json!({ "key": "up/report.txt", "method": "PUT", "put": {
        "contentType": "text/plain", "metadata": { "note": "a: b" },
    } }),
        )
        .await;
    world.ready("down").await;
    world.ready("up").await;
    let mounts: [PathBuf; 2] = [world.mount("down").await, world.mount("up").await];
    let languages: [(&str, Write); 3] = [("python", python), ("go", go), ("js", node)];
    for (language, write) in languages {
        let folder = GuardedFolder::new("presigned-snippets-").unwrap();
        let folder = folder.path();
        let sent = format!("by {language}");
        std::fs::write(folder.join("up"), &sent).unwrap();
        both_ways(language, [&mounts[0], &mounts[1]], folder, write);
        let got = std::fs::read_to_string(folder.join("down")).unwrap();
        assert_eq!(got, WEIGHTS, "{language}");
        let stored = s3.object_bytes("data", "up/report.txt").unwrap();
        assert_eq!(stored.as_deref(), Some(sent.as_bytes()), "{language}");
    }
    world.finish().await;
    operator.kill();
}
