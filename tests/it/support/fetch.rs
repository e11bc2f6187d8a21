//! How the users of a Secret fetch: the real curl with the mounted files, and bare HTTP.

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One request over plain HTTP, with these header lines, each ended, and no others but what HTTP needs.
pub(crate) async fn http(method: &str, url: &str, headers: &str, body: &[u8]) -> Answer {
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
    Answer {
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

/// Runs curl with the mounted `curl.conf` and these arguments, in the mount; the exit code and what it said.
pub(crate) async fn curl(mount: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new("curl")
        .args(["-q", "-K", "curl.conf", "--silent"])
        .args(arguments)
        .current_dir(mount)
        .env_remove("http_proxy")
        .kill_on_drop(true)
        .output()
        .await
        .expect("run curl");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.code().unwrap_or(-1), said)
}
