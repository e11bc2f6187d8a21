//! An API server that says what no real one does: statuses of a newer operator, or nothing at all.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use presigned_testkit::guard::GuardedFolder;
use serde_json::{Value, json};

/// The namespace of the kubeconfig.
pub(crate) const NAMESPACE: &str = "team-a";

/// A server that lives as long as the test's process, and a kubeconfig for it.
pub(crate) struct FakeApi {
    folder: GuardedFolder,
}

impl FakeApi {
    /// It has these `PresignedURL`s, and its watches never say anything.
    pub(crate) fn with(items: Vec<Value>) -> Self {
        Self::start(move |stream, path| answer(stream, path, &items))
    }

    /// It takes connections and never answers.
    pub(crate) fn silent() -> Self {
        Self::start(|_, _| {})
    }

    fn start(answer: impl Fn(&mut TcpStream, &str) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let server = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { break };
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head);
                answer(
                    &mut stream,
                    head.split_whitespace().nth(1).unwrap_or_default(),
                );
                open.push(stream);
            }
        });
        let folder = GuardedFolder::new("presigned-fake-api-").expect("a folder");
        let config = json!({ "apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "clusters": [{ "name": "fake", "cluster": { "server": server } }],
            "users": [{ "name": "fake", "user": {} }],
            "contexts": [{ "name": "fake",
                "context": { "cluster": "fake", "user": "fake", "namespace": NAMESPACE } }] });
        std::fs::write(folder.path().join("config"), config.to_string()).expect("write it");
        Self { folder }
    }

    /// The kubeconfig.
    pub(crate) fn kubeconfig(&self) -> String {
        self.path().join("config").display().to_string()
    }

    /// A folder of its own.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A `PresignedURL` that is Ready, with more of a status.
pub(crate) fn ready(name: &str, more: &Value) -> Value {
    let ready = json!({ "type": "Ready", "status": "True", "reason": "Issued", "message": "",
        "lastTransitionTime": "2026-11-28T12:00:00Z" });
    let mut one = json!({ "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURL",
        "metadata": { "name": name, "namespace": NAMESPACE, "generation": 1, "resourceVersion": "1" },
        "spec": { "bucket": "models", "key": name },
        "status": { "observedGeneration": 1, "conditions": [ready] } });
    crate::support::merge(&mut one["status"], more);
    one
}

/// The folder of the plugin's binary, for a PATH.
pub(crate) fn plugins() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_kubectl-presigned"));
    program.parent().expect("a folder").to_owned()
}

fn answer(stream: &mut TcpStream, path: &str, items: &[Value]) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    if query.contains("watch=") {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
        return;
    }
    let one = |name: &str| items.iter().find(|one| one["metadata"]["name"] == name);
    let (status, body) = match path.rsplit('/').next() {
        Some("presignedurls") => (
            "200 OK",
            json!({ "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURLList",
                "metadata": { "resourceVersion": "1" }, "items": items }),
        ),
        Some(name) if path.contains("/presignedurls/") && one(name).is_some() => {
            ("200 OK", one(name).cloned().unwrap_or_default())
        }
        last => (
            "404 Not Found",
            json!({ "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 404,
                "reason": "NotFound", "message": "not found", "details": { "name": last } }),
        ),
    };
    let body = body.to_string();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    let _ = stream.write_all((head + &body).as_bytes());
}
