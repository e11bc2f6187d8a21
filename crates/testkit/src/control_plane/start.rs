//! The order in which the servers start, and their flags.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};

use super::{ApiServer, ControlPlane, Launch, Launches};
use crate::guard::{Guarded, GuardedFolder};
use crate::{free_ports, pki, tools};

/// From the first process to a control plane whose controllers run. Two seconds are usual; a busy machine
/// takes longer.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

/// The names of the servers.
pub(super) const API_SERVER: &str = "kube-apiserver";
pub(super) const ETCD: &str = "etcd";
pub(super) const MANAGER: &str = "kube-controller-manager";

/// What the operator and its chart rely on; leaving out the rest saves memory and API calls that tests would
/// count.
const CONTROLLERS: &str = "clusterrole-aggregation-controller,deployment-controller,\
    garbage-collector-controller,namespace-controller,replicaset-controller,\
    resourcequota-controller,root-ca-certificate-publisher-controller,\
    serviceaccount-controller,serviceaccount-token-controller,\
    validatingadmissionpolicy-status-controller";

pub(super) async fn start(flags: &[&str]) -> Result<ControlPlane> {
    let bin = tokio::task::spawn_blocking(|| tools::folder_with(&[ETCD, API_SERVER, MANAGER]))
        .await
        .context("build the servers")??;
    let folder = GuardedFolder::new("presigned-control-plane-")?;
    let files = Files::write(folder.path())?;

    let [client_port, peer_port, secure_port] = free_ports()?;
    let etcd_url = format!("http://127.0.0.1:{client_port}");
    let server = format!("https://127.0.0.1:{secure_port}");
    let api = ApiServer {
        url: server,
        ca: Some(files.ca.clone()),
    };
    let admin = api.as_user(files.token.clone());
    let kubeconfig = folder.path().join("kubeconfig");
    admin.write(&kubeconfig)?;

    let launch = |name, flags| Launch {
        program: bin.join(name),
        flags,
    };
    let mut api_server = apiserver_flags(&files, &etcd_url, secure_port);
    api_server.extend(flags.iter().map(|flag| (*flag).to_owned()));
    let launches = Launches {
        etcd: launch(ETCD, etcd_flags(folder.path(), &etcd_url, peer_port)),
        api_server: launch(API_SERVER, api_server),
        manager: launch(MANAGER, manager_flags(&files, &kubeconfig)),
    };
    let spawn = |name, launch: &Launch| folder.spawn(name, &launch.program, &launch.flags);
    let etcd = spawn(ETCD, &launches.etcd)?;
    let mut servers = vec![spawn(API_SERVER, &launches.api_server)?, etcd];

    let client = admin.client()?;
    let deadline = Instant::now() + PATIENCE;
    until_ready(&mut servers, deadline, "kube-apiserver to be ready", || {
        is_ready(&client)
    })
    .await?;

    let manager = spawn(MANAGER, &launches.manager)?;
    servers.insert(0, manager);
    until_ready(
        &mut servers,
        deadline,
        "kube-controller-manager's first work",
        || controllers_run(&client),
    )
    .await?;

    let config = admin.config()?;
    Ok(ControlPlane {
        api,
        config,
        kubeconfig,
        servers: Mutex::new(servers),
        launches: Some(launches),
        folder,
    })
}

/// Asks `ready` until it says yes; stops early when a server ends.
async fn until_ready<F: Future<Output = bool>>(
    servers: &mut [Guarded],
    deadline: Instant,
    what: &str,
    mut ready: impl FnMut() -> F,
) -> Result<()> {
    loop {
        if ready().await {
            return Ok(());
        }
        servers.iter_mut().try_for_each(Guarded::check_alive)?;
        if Instant::now() > deadline {
            let logs: Vec<String> = servers.iter().map(|server| server.log_tail(20)).collect();
            bail!(
                "gave up waiting for {what}; the ends of the logs:\n{}",
                logs.join("\n--\n")
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(super) async fn is_ready(client: &Client) -> bool {
    let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else {
        return false;
    };
    client.request_text(request).await.is_ok()
}

/// The controllers run once one of them has made the default service account.
async fn controllers_run(client: &Client) -> bool {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    matches!(accounts.get_opt("default").await, Ok(Some(_)))
}

/// The files that the servers read, in the control plane's folder.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    ca_file: PathBuf,
    account_private: PathBuf,
    account_public: PathBuf,
    tokens: PathBuf,
    ca: String,
    token: String,
}

impl Files {
    fn write(folder: &Path) -> Result<Self> {
        let authority = pki::Authority::new("presigned-testkit control plane")?;
        let hosts = [
            "127.0.0.1",
            "localhost",
            "kubernetes.default.svc",
            "kubernetes.default",
        ];
        let server = authority.server(&hosts)?;
        let (private, public) = pki::key_pair()?;
        let ca = authority.pem();
        let token = pki::random_token()?;
        let put = |name: &str, text: &str| -> Result<PathBuf> {
            let path = folder.join(name);
            std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
            Ok(path)
        };
        Ok(Self {
            certificate: put("apiserver.crt", &server.certificate)?,
            key: put("apiserver.key", &server.key)?,
            ca_file: put("ca.crt", &ca)?,
            account_private: put("service-account.key", &private)?,
            account_public: put("service-account.pub", &public)?,
            tokens: put(
                "tokens.csv",
                &format!("{token},admin,admin,\"system:masters\"\n"),
            )?,
            ca,
            token,
        })
    }
}

fn etcd_flags(folder: &Path, client_url: &str, peer_port: u16) -> Vec<String> {
    let peer_url = format!("http://127.0.0.1:{peer_port}");
    vec![
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls={client_url}"),
        format!("--advertise-client-urls={client_url}"),
        format!("--listen-peer-urls={peer_url}"),
        format!("--initial-advertise-peer-urls={peer_url}"),
        format!("--initial-cluster=default={peer_url}"),
        // The data is thrown away in the end; durability would only slow the tests down.
        "--unsafe-no-fsync".to_owned(),
        "--quota-backend-bytes=2147483648".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

fn apiserver_flags(files: &Files, etcd_url: &str, port: u16) -> Vec<String> {
    vec![
        format!("--etcd-servers={etcd_url}"),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--tls-cert-file={}", files.certificate.display()),
        format!("--tls-private-key-file={}", files.key.display()),
        format!(
            "--service-account-key-file={}",
            files.account_public.display()
        ),
        format!(
            "--service-account-signing-key-file={}",
            files.account_private.display()
        ),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        // No node will ever ask for it, and a loopback address can't be an endpoint.
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--token-auth-file={}", files.tokens.display()),
        "--authorization-mode=RBAC".to_owned(),
        "--allow-privileged=true".to_owned(),
        "--profiling=false".to_owned(),
    ]
}

fn manager_flags(files: &Files, kubeconfig: &Path) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        format!(
            "--service-account-private-key-file={}",
            files.account_private.display()
        ),
        format!("--root-ca-file={}", files.ca_file.display()),
        "--use-service-account-credentials".to_owned(),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        format!("--controllers={CONTROLLERS}"),
        // Tests delete thousands of objects; the default of 20 a second would make them wait for the garbage
        // collector.
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
    ]
}
