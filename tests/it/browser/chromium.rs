//! A real Chromium without a window, driven over two pipes by the protocol of its developer tools.
//!
//! What holds here: nothing listens on a port, and Chromium ends when the pipes close, however the test ends.
//! It reaches loopback alone.

use std::path::{Path, PathBuf};

use presigned_testkit::guard::{Guarded, GuardedFolder};
use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::time::timeout;

use crate::support::{LONG, eventually};

/// The flags beyond what a test needs of every browser: no services of a desktop, no network but loopback.
const FLAGS: [&str; 10] = [
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    "--lang=en",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
];

/// A running Chromium with one page; it ends when it is dropped.
pub(super) struct Chromium {
    to: pipe::Sender,
    from: pipe::Receiver,
    /// What was read of the next message.
    partial: Vec<u8>,
    last_id: u64,
    session: Option<String>,
    process: Guarded,
    folder: GuardedFolder,
}

impl Chromium {
    /// Starts it with an empty page.
    pub(super) async fn start() -> Self {
        let folder = GuardedFolder::new("presigned-chromium-").expect("a folder");
        let [to, from] = ["to", "from"].map(|name| {
            let path = folder.path().join(name);
            mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("a pipe");
            path
        });
        // Both ends, so that neither side waits for the other to open it.
        let mut both = pipe::OpenOptions::new();
        let both = both.read_write(true);
        let mut flags: Vec<String> = FLAGS.map(ToOwned::to_owned).into();
        flags.push(format!("--user-data-dir={}", folder.path().display()));
        if rustix::process::geteuid().is_root() {
            flags.push("--no-sandbox".to_owned());
        }
        // Without the variables of this machine, among them those of a proxy.
        let home = format!("HOME={}", folder.path().display());
        let path = format!("PATH={}", std::env::var("PATH").expect("a PATH"));
        let run = format!(r#"exec "$@" 3<'{}' 4>'{}'"#, to.display(), from.display());
        let start = ["-i", &home, &path, "sh", "-c", &run, "sh", program()].map(ToOwned::to_owned);
        let (sender, receiver) = (both.open_sender(&to), both.open_receiver(&from));
        let arguments = start.into_iter().chain(flags);
        let process = folder.spawn("chromium", Path::new("env"), arguments);
        let mut chromium = Self {
            to: sender.expect("a pipe"),
            from: receiver.expect("a pipe"),
            partial: Vec::new(),
            last_id: 0,
            session: None,
            process: process.expect("start Chromium: apt-get install chromium"),
            folder,
        };
        let page = json!({ "url": "about:blank" });
        let target = chromium.call("Target.createTarget", &page).await["targetId"].take();
        let attach = json!({ "targetId": target, "flatten": true });
        let session = chromium.call("Target.attachToTarget", &attach).await;
        chromium.session = session["sessionId"].as_str().map(ToOwned::to_owned);
        let downloads = chromium.downloads();
        let save = json!({ "behavior": "allow", "downloadPath": downloads });
        chromium.call("Browser.setDownloadBehavior", &save).await;
        for domain in ["Network.enable", "Page.enable"] {
            chromium.call(domain, &json!({})).await;
        }
        chromium
    }

    /// Where it saves what a page downloads.
    pub(super) fn downloads(&self) -> PathBuf {
        self.folder.path().join("downloads")
    }

    /// A file that a page can be given.
    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("write the file");
        path
    }

    /// Opens a page, after this script ran in it.
    pub(super) async fn open(&mut self, url: &str, first: &str) {
        let source = json!({ "source": first });
        self.call("Page.addScriptToEvaluateOnNewDocument", &source)
            .await;
        let opened = self.call("Page.navigate", &json!({ "url": url })).await;
        assert_eq!(opened.get("errorText"), None, "open {url}");
        let here = json!(url).to_string();
        self.until(&format!(
            "document.readyState === 'complete' && location.href === {here}"
        ))
        .await;
    }

    /// The value of an expression in the page.
    pub(super) async fn eval(&mut self, expression: &str) -> Value {
        let ask = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true });
        let mut answer = self.call("Runtime.evaluate", &ask).await;
        let failed = answer.get("exceptionDetails");
        assert_eq!(failed, None, "{expression}");
        answer["result"]["value"].take()
    }

    /// Waits until an expression in the page is true.
    pub(super) async fn until(&mut self, expression: &str) {
        eventually(expression, async || {
            if self.eval(expression).await == true {
                return Ok(());
            }
            Err(self.eval("document.body?.innerText").await)
        })
        .await;
    }

    /// Chooses a file as a person does in the dialogue of `<input type="file">`.
    pub(super) async fn choose(&mut self, input: &str, file: &Path) {
        let find = json!({ "expression": format!("document.querySelector({})", json!(input)) });
        let found = self.call("Runtime.evaluate", &find).await;
        let files = json!({ "objectId": found["result"]["objectId"], "files": [file.display().to_string()] });
        self.call("DOM.setFileInputFiles", &files).await;
    }

    /// Bounds the network to so many bytes a second, or no longer.
    pub(super) async fn throttle(&mut self, bytes: Option<u32>) {
        let bytes = bytes.map_or(-1, i64::from);
        let limits = json!({ "offline": false, "latency": 0, "downloadThroughput": bytes, "uploadThroughput": bytes });
        self.call("Network.emulateNetworkConditions", &limits).await;
    }

    /// The page as a person sees it, as WebP: of this width, as high as it is.
    pub(super) async fn picture(&mut self, width: u32, dark: bool) -> Vec<u8> {
        use base64::Engine as _;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", &media).await;
        let mut screen =
            json!({ "width": width, "height": 100, "deviceScaleFactor": 2, "mobile": false });
        let metrics = "Emulation.setDeviceMetricsOverride";
        self.call(metrics, &screen).await;
        screen["height"] = self.eval("document.documentElement.scrollHeight").await;
        self.call(metrics, &screen).await;
        let shot = json!({ "format": "webp", "quality": 88 });
        let shot = self.call("Page.captureScreenshot", &shot).await;
        let data = shot["data"].as_str().expect("a picture");
        let engine = base64::engine::general_purpose::STANDARD;
        engine.decode(data).expect("base64")
    }

    /// One call of the protocol: its result.
    async fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let text = format!("{message}\0");
        self.to.write_all(text.as_bytes()).await.expect("ask");
        let answer = timeout(LONG, self.answer()).await;
        let Ok(mut answer) = answer else {
            self.process.check_alive().expect("Chromium lives");
            panic!("{method}: no answer\n{}", self.process.log_tail(20));
        };
        assert_eq!(answer.get("error"), None, "{message}");
        answer["result"].take()
    }

    /// The answer to the last call; events are left out.
    async fn answer(&mut self) -> Value {
        loop {
            while let Some(end) = self.partial.iter().position(|byte| *byte == 0) {
                let rest = self.partial.split_off(end + 1);
                let whole = std::mem::replace(&mut self.partial, rest);
                let message: Value = serde_json::from_slice(&whole[..end]).expect("JSON");
                if message["id"] == self.last_id {
                    return message;
                }
            }
            self.from.read_buf(&mut self.partial).await.expect("read");
        }
    }
}

/// The browser of this machine, by the first of its usual names.
fn program() -> &'static str {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &&&str| std::env::split_paths(&path).any(|dir| dir.join(name).exists());
    names.iter().find(is_there).unwrap_or(&names[0])
}
