//! versitygw over a folder: an S3 server that shares no code with ours or with s3s.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use http::Method;
use tokio::net::TcpStream;

use super::client::Keys;
use super::{Kind, REGION, S3Server};
use crate::guard::GuardedFolder;
use crate::{free_ports, pki, tools};

/// It is up in well under a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn start() -> Result<S3Server> {
    let program = tokio::task::spawn_blocking(|| tools::path_of("versitygw"))
        .await
        .context("build versitygw")??;
    let folder = GuardedFolder::new("presigned-versitygw-")?;
    let [root, sidecar, accounts] =
        ["objects", "sidecar", "accounts"].map(|name| folder.path().join(name));
    for path in [&root, &sidecar, &accounts] {
        std::fs::create_dir(path).with_context(|| format!("make {}", path.display()))?;
    }
    let (access_key, secret_key) = ("AKIATESTKIT000000002".to_owned(), pki::random_token()?);
    let [port] = free_ports()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let flags = [
        format!("--access={access_key}"),
        format!("--secret={secret_key}"),
        format!("--port={address}"),
        format!("--region={REGION}"),
        format!("--iam-dir={}", accounts.display()),
        "posix".to_owned(),
        // Metadata as files: not every temporary folder has extended attributes.
        format!("--sidecar={}", sidecar.display()),
        root.display().to_string(),
    ];
    let mut server = folder.spawn("versitygw", &program, flags)?;

    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).await.is_err() {
        server.check_alive()?;
        if Instant::now() > deadline {
            bail!(
                "gave up waiting for versitygw; the end of its log:\n{}",
                server.log_tail(20)
            );
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(S3Server {
        endpoint: format!("http://{address}"),
        region: REGION.to_owned(),
        access_key,
        secret_key,
        ca_pem: None,
        kind: Kind::Versitygw { _server: server },
        root,
        _folder: folder,
    })
}

pub(super) async fn add_account(server: &S3Server, account: &Keys) -> Result<()> {
    let Keys {
        access_key,
        secret_key,
        ..
    } = account;
    let body = format!(
        "<Account><Access>{access_key}</Access><Secret>{secret_key}</Secret><Role>user</Role></Account>"
    );
    let url = format!("{}/create-user", server.endpoint);
    let answer = server.signer().send(Method::PATCH, &url, &[], body).await?;
    if !answer.status().is_success() {
        bail!(
            "versitygw answered {}: {}",
            answer.status(),
            String::from_utf8_lossy(answer.body())
        );
    }
    Ok(())
}
