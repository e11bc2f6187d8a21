//! The fixture of a transfer: a server, Secrets' files as kubelet mounts them, and the program's runs.
//!
//! What holds here: each run is searched for the query of a URL, in what it said and in the files that it
//! left.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use presigned_testkit::S3Server;
use presigned_testkit::guard::GuardedFolder;

use crate::support::{files_below, program};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_presigned-url-operator");
pub(super) const BUCKET: &str = "data";

/// Folders for one test.
pub(crate) struct Stage {
    folder: GuardedFolder,
    count: AtomicU32,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) said: String,
}

impl Ran {
    /// It did what it should.
    pub(crate) fn done(&self) -> &Self {
        assert_eq!(self.code, 0, "{}", self.said);
        self
    }

    /// It failed with this code and these words.
    pub(super) fn failed(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{}", self.said);
        for words in words {
            assert!(self.said.contains(words), "{words:?} in: {}", self.said);
        }
        self
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self {
            folder: GuardedFolder::new("presigned-transfer-").unwrap(),
            count: AtomicU32::new(0),
        }
    }

    /// A path that nothing has yet.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let turn = self.count.fetch_add(1, Ordering::Relaxed);
        self.folder.path().join(format!("{name}-{turn}"))
    }

    pub(super) fn empty(&self, name: &str) -> PathBuf {
        let folder = self.path(name);
        std::fs::create_dir(&folder).unwrap();
        folder
    }

    /// A folder with a Secret's files, replaced at once as kubelet does it: by a link.
    pub(crate) fn mount(&self, files: &[(&str, &str)]) -> PathBuf {
        let folder = self.empty("mount");
        self.remount(&folder, files);
        folder
    }

    /// Puts another version of the Secret in the place of the one that is mounted.
    pub(super) fn remount(&self, folder: &Path, files: &[(&str, &str)]) {
        let version = self.path("version");
        std::fs::create_dir(&version).unwrap();
        for (name, text) in files {
            std::fs::write(version.join(name), text).unwrap();
            let link = folder.join(name);
            if std::fs::symlink_metadata(&link).is_err() {
                std::os::unix::fs::symlink(Path::new("..data").join(name), link).unwrap();
            }
        }
        let new = folder.join("..new");
        std::os::unix::fs::symlink(&version, &new).unwrap();
        std::fs::rename(new, folder.join("..data")).unwrap();
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    /// The same, with this text on standard input.
    pub(super) fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        // A run that never ends is a failure with a code of its own, 124.
        let arguments = [&["90", PROGRAM], arguments].concat();
        let mut child = program("timeout", &arguments, self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(!said.contains("X-Amz-"), "a query in: {said}");
        Ran {
            code: output.status.code().unwrap_or(-1),
            said,
        }
    }

    /// Starts the program; it is killed with the test.
    pub(super) fn start(&self, arguments: &[&str]) -> Running {
        let child = program(PROGRAM, arguments, self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running(Some(child))
    }
}

/// A run under way.
pub(super) struct Running(Option<std::process::Child>);

impl Running {
    pub(super) fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(self.0.as_ref().unwrap())
    }

    /// Waits for its end.
    pub(super) fn end(mut self) -> Ran {
        let output = self.0.take().unwrap().wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("X-Amz-"), "a query in: {said}");
        Ran {
            code: output.status.code().unwrap_or(-1),
            said,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A presigned URL for an object at an endpoint, for ten minutes.
pub(super) fn signed(s3: &S3Server, endpoint: &str, method: &http::Method, key: &str) -> String {
    let url = s3.url(BUCKET, key);
    let url = url.replacen(&s3.endpoint, endpoint, 1);
    let life = Duration::from_mins(10);
    s3.signer()
        .presign(method, &url, &[], life)
        .unwrap()
        .to_string()
}

/// The same for a GET.
pub(super) fn get(s3: &S3Server, endpoint: &str, key: &str) -> String {
    signed(s3, endpoint, &http::Method::GET, key)
}

/// The `urls.json` of these keys.
pub(super) fn urls_json(s3: &S3Server, endpoint: &str, keys: &[&str]) -> String {
    let entries = keys.iter();
    let entries: Vec<_> = entries
        .map(|key| serde_json::json!({ "key": key, "url": get(s3, endpoint, key) }))
        .collect();
    serde_json::to_string(&entries).unwrap()
}

/// Bytes that differ from place to place.
pub(super) fn bytes(count: usize) -> Vec<u8> {
    (0..count)
        .map(|at| (at.wrapping_mul(31) >> 3).to_le_bytes()[0])
        .collect()
}

/// Everything below a folder; the names of temporary files among them.
pub(super) fn left(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    if folder.exists() {
        files_below(folder)
    } else {
        BTreeMap::new()
    }
}

/// What a server does that does not do what it says.
#[derive(Clone, Debug)]
pub(crate) struct Scripted {
    /// The bytes of the answer.
    pub(crate) answer: Vec<u8>,
    /// Whether the connection stays open after them.
    pub(crate) stays: bool,
}

/// An answer whose head and body are written as they stand.
pub(crate) fn says(head: &str, body: &[u8]) -> Scripted {
    let head = format!("HTTP/1.1 {}\r\n\r\n", head.trim().replace('\n', "\r\n"));
    Scripted {
        answer: [head.as_bytes(), body].concat(),
        stays: false,
    }
}

/// A server that gives its answers in order, whatever it is asked; the last one again and again.
pub(crate) struct ScriptedServer {
    pub(crate) endpoint: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ScriptedServer {
    pub(crate) fn new(script: Vec<Scripted>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let record = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for (at, stream) in listener.incoming().enumerate() {
                let Ok(mut stream) = stream else { break };
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                record
                    .lock()
                    .unwrap()
                    .push(String::from_utf8_lossy(&head).to_lowercase());
                let step = &script[at.min(script.len() - 1)];
                let _ = stream.write_all(&step.answer);
                if step.stays {
                    open.push(stream);
                }
            }
        });
        Self { endpoint, asked }
    }

    /// The heads of the requests so far, in lower case.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}
