//! Completion at the prompts of bash, zsh and fish: of commands, flags and the names in the cluster.

use std::time::{Duration, Instant};

use serde_json::json;

use super::fake_api::{FakeApi, plugins, ready};
use super::plugin;

/// What a shell prints that has the plugin on its PATH.
async fn shell(api: &FakeApi, program: &str, arguments: &[&str]) -> String {
    let path = std::env::var("PATH").expect("a PATH");
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", format!("{}:{path}", plugins().display()))
        .env("HOME", api.path())
        .env("KUBECONFIG", api.kubeconfig())
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "dumb")
        .current_dir(api.path())
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn cluster() -> FakeApi {
    let names = ["model-a", "model-b", "report"];
    FakeApi::with(names.map(|name| ready(name, &json!({}))).to_vec())
}

#[tokio::test]
async fn bash_completes_commands_values_names_and_files() {
    let api = cluster();
    let script = r#"
        source <(kubectl-presigned completion bash)
        COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
        COMP_LINE="kubectl-presigned $1" COMP_POINT=$((18 + ${#1}))
        _kubectl_presigned
        printf '%s\n' "${COMPREPLY[@]}""#;
    for (line, words) in [
        ("stat", "status\n"),
        ("get ", "model-a\nmodel-b\nreport\n"),
        ("renew report mod", "model-a\nmodel-b\n"),
        ("sign s3://a/b --method=D", "DELETE\n"),
        ("create mod", "\n"),
        ("check -f con", "config\n"),
    ] {
        let said = shell(&api, "bash", &["-c", script, "bash", line]).await;
        assert_eq!(said, words, "{line}");
    }
}

#[tokio::test]
async fn fish_completes_commands_values_names_and_files() {
    let api = cluster();
    let script =
        "kubectl-presigned completion fish | source; complete -C \"kubectl-presigned $argv\"";
    for (line, words) in [
        ("stat", "status\tShow what was issued"),
        ("get ", "model-a\nmodel-b\nreport\n"),
        ("renew report mod", "model-a\nmodel-b\n"),
        ("sign s3://a/b --method=D", "--method=DELETE"),
        ("check -f con", "config"),
    ] {
        let said = shell(&api, "fish", &["--no-config", "-c", script, line]).await;
        assert!(said.starts_with(words), "{line}: {said}");
    }
}

/// At a prompt of its own: zsh completes in its line editor alone.
#[tokio::test]
async fn zsh_completes_commands_values_names_and_files() {
    let api = cluster();
    let script = r#"
        zmodload zsh/zpty
        zpty prompt zsh -f -i
        zpty -w prompt 'PS1=; unsetopt beep; autoload -Uz compinit; compinit -u -D'
        zpty -w prompt 'source <(kubectl-presigned completion zsh); print re''ady'
        zpty -r prompt seen '*ready*'
        zpty -w -n prompt "kubectl-presigned $1"$'\t'
        zpty -r prompt seen "*$2*"
        print done
        zpty -d prompt"#;
    for (line, becomes) in [
        ("stat", "status"),
        ("get rep", "report"),
        ("renew report mod", "model-"),
        ("sign s3://a/b --method=D", "DELETE"),
        ("check -f con", "config"),
    ] {
        let arguments = ["60", "zsh", "-f", "-c", script, "zsh", line, becomes];
        let said = shell(&api, "timeout", &arguments).await;
        assert_eq!(said, "done\n", "{line}");
    }
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_gives_no_names_and_no_words_after_a_second() {
    let silent = FakeApi::silent();
    let nowhere = silent.path().join("none").display().to_string();
    for config in [silent.kubeconfig(), nowhere] {
        let words = [
            "completion",
            "kubectl",
            "--",
            "--kubeconfig",
            &config,
            "get",
            "mod",
        ];
        let begun = Instant::now();
        let ran = plugin("", &words).await;
        let took = begun.elapsed();
        assert_eq!((ran.fine(), ran.err.as_str()), (":4\n", ""), "{config}");
        // A second, and what a busy machine needs to start a program.
        assert!(took < Duration::from_secs(10), "{config}: {took:?}");
    }
}
