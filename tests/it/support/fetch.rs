//! How the users of a Secret fetch: the real curl with the mounted files, and bare HTTP.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct S3Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl S3Response {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One request over plain HTTP, with these header lines, each ended, and no others but what HTTP needs.
pub(crate) async fn http(method: &str, url: &str, headers: &str, body: &[u8]) -> S3Response {
    let rest = url.strip_prefix("http://").expect("plain HTTP");
    let (host, path) = rest.split_at(rest.find('/').expect("a path"));
    let mut stream = TcpStream::connect(host).await.expect("connect");
    let length = match method {
        "PUT" if !headers.to_lowercase().contains("content-length:") => {
            format!("Content-Length: {}\r\n", body.len())
        }
        _ => String::new(),
    };
    let headers = headers.replace('\n', "\r\n");
    let head = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\n{length}{headers}\r\n");
    stream.write_all(head.as_bytes()).await.expect("ask");
    stream.write_all(body).await.expect("send the body");
    let mut all = Vec::new();
    // A server that has answered and closes is no failure.
    let _ = stream.read_to_end(&mut all).await;
    let end = all.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.expect("an answer with a head");
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    S3Response {
        status: status.expect("a status line"),
        body: all[end + 4..].to_vec(),
        head,
    }
}

/// Writes a Secret into a folder as kubelet mounts it.
pub(crate) fn mounted(secret: &Secret, folder: &Path) -> PathBuf {
    let name = secret.metadata.name.as_deref().expect("a name");
    let folder = folder.join(format!("mounted-{name}"));
    std::fs::create_dir_all(&folder).expect("make the mount");
    for (key, value) in secret.data.iter().flatten() {
        std::fs::write(folder.join(key), &value.0).expect("write a key");
    }
    folder
}

/// Puts another piece of text into a mounted file, in the one place where `from` stands.
pub(crate) fn edit_mounted(mount: &Path, file: &str, from: &str, to: &str) {
    let path = mount.join(file);
    let text = std::fs::read_to_string(&path).expect("a mounted file");
    assert_eq!(text.matches(from).count(), 1, "{from}");
    std::fs::write(&path, text.replace(from, to)).expect("a mounted file");
}

/// A program that sees no configuration and no home of this machine; the folder is where it runs.
pub(crate) fn program(name: &str, arguments: &[&str], folder: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(name);
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent")
        // aria2 makes names of files by the locale.
        .env("LC_ALL", "C.UTF-8");
    command
}

/// Runs a [`program`] to its end; the exit code and what it said.
pub(crate) async fn run(name: &str, arguments: &[&str], folder: &Path) -> (i32, String) {
    let output = Command::from(program(name, arguments, folder))
        .kill_on_drop(true)
        .output()
        .await
        .unwrap_or_else(|error| {
            panic!("{name} does not start ({error}): apt-get install curl aria2 wget")
        });
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.code().unwrap_or(-1), said)
}

/// Every file below a folder, by its path from there.
pub(crate) fn files_below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    gather(folder, "", &mut files);
    files
}

fn gather(folder: &Path, above: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = format!("{above}{}", entry.file_name().to_str().expect("UTF-8"));
        if entry.file_type().expect("a type").is_dir() {
            gather(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read(entry.path()).expect("a file"));
        }
    }
}

/// Runs curl with the mounted `curl.conf` and these arguments, in the mount; the exit code and what it said.
pub(crate) async fn curl(mount: &Path, arguments: &[&str]) -> (i32, String) {
    let all = [&["-q", "-K", "curl.conf", "--silent"], arguments].concat();
    run("curl", &all, mount).await
}
