//! Colours and bars: on a terminal, and nowhere else.
//!
//! What holds here: `script` gives a program a real pseudo-terminal and prints all that the program wrote on
//! it, control characters among it.

use serde_json::json;

use super::fake_api::{FakeApi, ready};
use super::plugin;
use crate::support::program;
use crate::transfer::stage::{PROGRAM, ScriptedServer, Stage, says};

/// What a program writes on a terminal, and its code.
fn on_terminal(command: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let arguments = ["90", "script", "-qefc", command, "/dev/null"];
    let output = program("timeout", &arguments, std::path::Path::new("/"))
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .envs(variables.iter().copied())
        .stdin(std::process::Stdio::null())
        .output()
        .expect("script: apt-get install bsdutils");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn status_has_colours_on_a_terminal_and_none_elsewhere_or_if_they_are_unwanted() {
    let conditions = json!([{ "type": "Ready", "status": "False", "reason": "PolicyDenied",
        "message": "No policy allows it.", "lastTransitionTime": "2026-11-28T12:00:00Z" }]);
    let api = FakeApi::with(vec![
        ready("model", &json!({})),
        ready("other", &json!({ "conditions": conditions })),
    ]);
    let (config, binary) = (api.kubeconfig(), env!("CARGO_BIN_EXE_kubectl-presigned"));
    for (command, coloured) in [
        (
            "status",
            &["\u{1b}[32mTrue\u{1b}[0m", "\u{1b}[31mFalse\u{1b}[0m"][..],
        ),
        ("status model", &["\u{1b}[32mReady\u{1b}[0m"]),
    ] {
        let line = format!("{binary} --kubeconfig {config} {command}");
        let (code, said) = on_terminal(&line, &[]);
        assert_eq!(code, Some(0), "{said}");
        for words in coloured {
            assert!(said.contains(words), "{words:?}: {said:?}");
        }
        for unwanted in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let (code, said) = on_terminal(&line, &[unwanted]);
            assert_eq!(code, Some(0), "{said}");
            assert!(
                said.contains("model") && !said.contains('\u{1b}'),
                "{said:?}"
            );
        }
        let words: Vec<&str> = command.split(' ').collect();
        let piped = plugin("", &[&["--kubeconfig", &config], &words[..]].concat()).await;
        assert!(!piped.fine().contains('\u{1b}'), "{piped:?}");
        let (_, said) = on_terminal(&format!("{line} | cat"), &[]);
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
}

#[test]
fn fetch_has_a_bar_on_a_terminal_and_lines_elsewhere() {
    let stage = Stage::new();
    // Half of it is there for as long as it takes to see the bar.
    let server = || {
        let mut half = says("200 OK\ncontent-length: 8\netag: \"1\"", b"half");
        half.stays = true;
        let rest =
            "206 Partial Content\ncontent-range: bytes 4-7/8\ncontent-length: 4\netag: \"1\"";
        ScriptedServer::new(vec![half, says(rest, b"done")])
    };
    let mount = |server: &ScriptedServer| {
        let url = format!("{}/data/a?X-Amz-Signature=1", server.endpoint);
        stage.mount(&[("url", &url)])
    };
    let bar = "\r\u{1b}[K[============            ] 0 of 1 object, 4 B of 8 B";

    let (first, dest) = (server(), stage.path("dest"));
    let (from, to) = (
        mount(&first).display().to_string(),
        dest.display().to_string(),
    );
    let (code, said) = on_terminal(&format!("{PROGRAM} fetch {from} {to} --timeout 1s"), &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(bar), "{said:?}");
    // The bar is gone before a line is printed.
    let cut = format!("\r\u{1b}[K{to}: ");
    assert!(said.contains(&cut), "{said:?}");
    assert!(said.contains("fetched 1 object, 8 B in "), "{said:?}");
    assert!(!said.contains("X-Amz-"), "a query in {said:?}");
    assert_eq!(std::fs::read(&dest).expect("the file"), b"halfdone");

    let second = server();
    let from = mount(&second).display().to_string();
    let (code, said) = on_terminal(
        &format!("{PROGRAM} fetch {from} {to} --timeout 1s --quiet"),
        &[],
    );
    assert_eq!((code, said.as_str()), (Some(0), ""));

    let third = server();
    let from = mount(&third).display().to_string();
    let ran = stage.run(&["fetch", &from, &to, "--timeout", "1s"]);
    assert!(
        ran.done().said.contains(&format!("fetched {to} (8 B)\n")),
        "{}",
        ran.said
    );
    assert!(!ran.said.contains(['\r', '\u{1b}']), "{:?}", ran.said);
}
