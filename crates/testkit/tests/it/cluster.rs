//! `cluster up` stays up and `cluster down` leaves nothing, however often they are called.

use std::path::Path;
use std::process::Command;

fn cluster(cache: &Path, command: &str) -> String {
    let tools = presigned_testkit::tools::folder_with(&["etcd", "kube-apiserver"]).expect("tools");
    let output = Command::new(env!("CARGO_BIN_EXE_presigned-testkit"))
        .args(["cluster", command])
        .env("XDG_CACHE_HOME", cache)
        // The cache holds the tools, too: they are not to be built again for this test.
        .env("PSU_TOOLS_DIR", tools)
        .env_remove("KUBEBUILDER_ASSETS")
        .output()
        .expect("run the program");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cluster {command}: {text}{errors}");
    text
}

#[test]
fn it_stays_up_until_it_is_brought_down() {
    let cache = tempfile::tempdir().expect("a folder");
    assert!(cluster(cache.path(), "down").contains("No control plane is up"));
    let first = cluster(cache.path(), "up");
    assert_eq!(first.lines().count(), 1, "all of it is for eval: {first}");
    let shell = Command::new("sh")
        .args([
            "-c",
            r#"eval "$1" && printf %s "$KUBECONFIG""#,
            "sh",
            &first,
        ])
        .env_remove("KUBECONFIG")
        .output()
        .expect("run a shell");
    let kubeconfig = String::from_utf8(shell.stdout).expect("UTF-8");
    assert!(Path::new(&kubeconfig).is_file(), "{first}{kubeconfig}");
    let second = cluster(cache.path(), "up");
    assert_eq!(second, first, "a second up finds the first");
    cluster(cache.path(), "down");
    assert!(!cache.path().join("presigned-url-operator/cluster").exists());
    assert!(cluster(cache.path(), "down").contains("No control plane is up"));
}
