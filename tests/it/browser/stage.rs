//! The fixture: a bucket on a store as strict as AWS, an operator, the backend of `examples/browser` with its
//! own account, and Chromium.
//!
//! What holds here: the folder is what is tested. The page and the program run as they are there, with the
//! rights of `backend.yaml` and within `policy.yaml`; only names of namespaces, stores and buckets differ.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use kube::api::ListParams;
use presigned_testkit::S3Server;
use presigned_testkit::control_plane::documents;
use presigned_testkit::guard::Guarded;
use presigned_testkit::s3::StrictS3;
use serde_json::{Value, json};

use super::chromium::Chromium;
use crate::plugin::alone::Caller;
use crate::support::{Operator, World, eventually, http, leaks};

pub(super) const BUCKET: &str = "data";

/// Keeps each value that a progress bar had, by what it is the progress of.
const RECORD: &str = r"
    window.bars = {};
    new MutationObserver((changes) => {
        for (const { target } of changes)
            if (target.localName === 'progress') (window.bars[target.ariaLabel] ??= []).push(target.value);
    }).observe(document, { subtree: true, attributes: true, attributeFilter: ['value'] });
";

pub(super) struct Stage {
    pub(super) s3: S3Server,
    pub(super) world: World,
    pub(super) browser: Chromium,
    /// The page's own origin.
    pub(super) origin: String,
    /// Whose credentials may set the bucket's CORS rules.
    owner: Caller,
    operator: Operator,
    _strict: StrictS3,
    _backend: Guarded,
    log: PathBuf,
}

fn example(name: &str) -> Vec<Value> {
    let file = folder().join(name);
    let text = std::fs::read_to_string(file).expect("an example");
    let all = documents(&text).expect("YAML").into_iter();
    all.map(|object| serde_json::to_value(object).expect("JSON"))
        .collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/browser")
}

impl Stage {
    pub(super) async fn new(short: &str) -> Self {
        let s3 = S3Server::versitygw().await.expect("a server");
        s3.create_bucket(BUCKET).expect("a bucket");
        let world = World::new(short).await;
        world.credentials(&s3.access_key, &s3.secret_key).await;
        // AWS hides what no rule exposes, and refuses more than this server.
        let strict = StrictS3::before(&s3).expect("a proxy");
        let endpoint = json!({ "endpoint": strict.endpoint });
        world.store(&s3, &endpoint).await;
        let mut policy = example("policy.yaml").remove(0);
        policy["metadata"]["name"] = json!(world.name);
        policy["spec"]["namespaces"]["names"] = json!([world.tenant]);
        policy["spec"]["allow"][0]["stores"] = json!([world.name]);
        policy["spec"]["allow"][0]["buckets"] = json!([BUCKET]);
        world.apply(policy).await;
        let operator = world.operator(&[]).await;
        let log = world.folder.join("backend.log");
        let (backend, origin) = backend(&world, &log).await;
        let mut browser = Chromium::start().await;
        browser.open(&format!("{origin}/"), RECORD).await;
        Self {
            owner: Caller::of(&s3, &s3.keys()).with("AWS_ENDPOINT_URL_S3", &strict.endpoint),
            _strict: strict,
            s3,
            world,
            browser,
            origin,
            operator,
            _backend: backend,
            log,
        }
    }

    /// Has `kubectl presigned cors` make the bucket's rule for an origin.
    pub(super) async fn allow(&self, origin: &str, methods: &[&str], more: &[&str]) {
        let mut args = vec!["cors", "apply", "s3://data", "--origin", origin];
        for method in methods {
            args.extend(["--method", method]);
        }
        args.extend(more);
        self.owner.run(&args).await.done();
    }

    /// Chooses a way, and a file; whatever comes of it.
    pub(super) async fn send(&mut self, method: &str, name: &str, bytes: &[u8]) {
        let file = self.browser.file(name, bytes);
        let choose = format!("document.querySelector('[value={method}]').click()");
        self.browser.eval(&choose).await;
        self.browser.choose("[type=file]", &file).await;
        // The browser reads it when it sends it.
        self.browser
            .until("!document.querySelector('[type=file]').value")
            .await;
    }

    /// The sentence of the newest row once it is done or has failed.
    pub(super) async fn outcome(&mut self, class: &str) -> String {
        let done = "['stored', 'failed'].includes(document.querySelector('li')?.className)";
        self.browser.until(done).await;
        let row =
            "(({ className, innerText }) => [className, innerText])(document.querySelector('li'))";
        let row = self.browser.eval(row).await;
        assert_eq!(row[0], class, "{row}");
        let words = "document.querySelector('li .state').value";
        let words = self.browser.eval(words).await;
        words.as_str().expect("a sentence").to_owned()
    }

    /// The key that the newest row says.
    pub(super) async fn stored(&mut self) -> String {
        let words = self.outcome("stored").await;
        let name = words.strip_prefix("Stored as ").expect("a name");
        format!("{}/{name}", self.world.tenant)
    }

    /// Presses the button of the newest row.
    pub(super) async fn download(&mut self) {
        let button = "document.querySelector('li button')";
        self.browser.until(&format!("!{button}.hidden")).await;
        self.browser.eval(&format!("{button}.click()")).await;
    }

    /// What the bar of a file showed, in order.
    pub(super) async fn bar(&mut self, name: &str) -> Vec<f64> {
        let bar = self
            .browser
            .eval(&format!("window.bars[{}]", json!(name)))
            .await;
        serde_json::from_value(bar).expect("numbers")
    }

    /// The keys of all that the bucket holds.
    pub(super) async fn keys(&self) -> Vec<String> {
        self.s3.object_keys(BUCKET).await.expect("a listing")
    }

    /// Ends it: no resource is left, and no URL is in the backend's log.
    pub(super) async fn finish(self) {
        // Their Secrets go with them: Kubernetes' garbage collector sees to that.
        let left = async || {
            let all = ListParams::default();
            let psus = self.world.psus().list(&all).await.expect("list");
            if psus.items.is_empty() {
                Ok(())
            } else {
                Err(psus.items)
            }
        };
        eventually("no resource is left", left).await;
        let log = std::fs::read_to_string(&self.log).expect("the backend's log");
        let told = leaks(&log, &self.world.secrets_seen.words());
        assert_eq!(told, Vec::<String>::new(), "in the backend's log");
        self.world.finish().await;
        self.operator.kill();
    }
}

/// Starts the program of the Deployment as its container does, with the account's files as kubelet mounts
/// them.
async fn backend(world: &World, log: &Path) -> (Guarded, String) {
    let mut container = Value::Null;
    for mut object in example("backend.yaml") {
        object["metadata"]["namespace"] = json!(world.tenant);
        match object["kind"].as_str().expect("a kind") {
            "Deployment" => {
                container = object["spec"]["template"]["spec"]["containers"][0].take();
                continue;
            }
            "Service" => continue,
            "RoleBinding" => object["subjects"][0]["namespace"] = json!(world.tenant),
            _ => {}
        }
        world.apply(object).await;
    }
    let account = world.folder.join("account");
    std::fs::create_dir_all(&account).expect("a folder");
    let found = world
        .plane
        .service_account(&world.tenant, "upload-page")
        .await;
    let found = found.expect("a token");
    let ca = world.plane.api().ca.clone().expect("an authority");
    for (name, text) in [
        ("token", found.token()),
        ("namespace", world.tenant.as_str()),
        ("ca.crt", &ca),
    ] {
        std::fs::write(account.join(name), text).expect("a file of the account");
    }
    let api = found.server().strip_prefix("https://").expect("TLS");
    let (api_host, api_port) = api.rsplit_once(':').expect("a port");
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let mut environment = vec![
        format!("KUBERNETES_SERVICE_HOST={api_host}"),
        format!("KUBERNETES_SERVICE_PORT={api_port}"),
        format!("ACCOUNT={}", account.display()),
        format!("LISTEN={address}"),
    ];
    for variable in container["env"].as_array().expect("variables") {
        let name = variable["name"].as_str().expect("a name");
        let value = match name {
            "STORE" => &world.name,
            "BUCKET" => BUCKET,
            other => panic!("what is {other}?"),
        };
        environment.push(format!("{name}={value}"));
    }
    let command = container["command"].as_array().expect("a command");
    let command: Vec<&str> = command.iter().filter_map(Value::as_str).collect();
    let ["python3", script] = command[..] else {
        panic!("{command:?}")
    };
    let script = script.strip_prefix("/app/").expect("a file of the folder");
    let script = folder().join(script).display().to_string();
    let arguments = environment.into_iter().chain(["python3".into(), script]);
    let mut process =
        Guarded::spawn("backend", Path::new("env"), arguments, log.to_owned()).expect("start");
    eventually("the backend listens", async || {
        process.check_alive().expect("the backend lives");
        tokio::net::TcpStream::connect(address).await
    })
    .await;
    let origin = format!("http://{address}");
    // Not the store's origin: another port.
    let page = http("GET", &format!("{origin}/"), "", b"").await;
    let index = std::fs::read(folder().join("index.html")).expect("the page");
    assert_eq!((page.status, page.body == index), (200, true));
    (process, origin)
}

/// Where pictures go, if some are wanted: `PSU_PICTURES=FOLDER`.
pub(super) fn pictures() -> Option<PathBuf> {
    let folder = std::env::var_os("PSU_PICTURES")?;
    // Cargo runs tests in the folder of their package.
    Some(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
}
