//! What everybody on the machine sees of the commands that print a URL, at the moment when they know it.
//!
//! What holds here: nobody reads their stdout, so each command waits with the URL in its hands.

use std::io::Write as _;
use std::process::Stdio;

use presigned_testkit::S3Server;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use serde_json::json;
use tokio::process::Command;

use super::Person;
use crate::support::{World, eventually, seen_by_everybody, waits_to_print};

/// A pipe that is full: who writes to it waits.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let flags = fcntl_getfl(&writer).expect("its flags");
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("set them");
    while writer.write(&[0; 4096]).is_ok() {}
    fcntl_setfl(&writer, flags).expect("set them back");
    (reader, writer)
}

#[tokio::test]
async fn no_command_shows_a_url_in_the_list_of_processes() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("plugps", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("model", &json!({})).await;
    world.ready("model").await;
    let editor = Person::editor(&world).await;
    let kubeconfig = editor.kubeconfig.to_str().unwrap();
    let place = ["--kubeconfig", kubeconfig, "-n", &world.tenant];
    let signature = world.value("model", "url").await;
    let (_, signature) = signature.split_once("X-Amz-Signature=").expect("signed");
    let create = [
        "create",
        "--bucket",
        "data",
        "--key",
        "model",
        "--store",
        &world.name,
    ];
    for command in [
        &["get", "model"][..],
        &["get", "model", "curl.conf"],
        &create,
        &["sign", "s3://data/model", "--endpoint-url", &s3.endpoint],
        &[
            "sign",
            "s3://data/model",
            "-o",
            "curl",
            "--endpoint-url",
            &s3.endpoint,
        ],
    ] {
        let (reader, stdout) = full_pipe();
        let mut child = Command::new(env!("CARGO_BIN_EXE_kubectl-presigned"))
            .args(place)
            .args(command)
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", &s3.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &s3.secret_key)
            .env("AWS_REGION", &s3.region)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pid = child.id().expect("it runs");
        eventually("the command prints", async || {
            if waits_to_print(pid) {
                Ok(())
            } else {
                Err(child.try_wait())
            }
        })
        .await;
        let seen = seen_by_everybody(pid);
        assert!(seen[0].contains(command[0]), "{seen:?}");
        assert_eq!(seen.len(), 2, "it started others: {command:?}");
        for text in &seen {
            let tells = text.contains("X-Amz") || text.contains(signature);
            assert!(!tells, "{command:?}: a URL");
        }
        drop(reader);
        child.kill().await.unwrap();
    }
    world.finish().await;
    operator.kill();
}
