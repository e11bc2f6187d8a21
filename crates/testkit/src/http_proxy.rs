//! A real HTTP proxy: Debian's tinyproxy, on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::net::TcpStream;

use crate::guard::{Guarded, GuardedFolder};
use crate::{free_ports, write_private};

const PATIENCE: Duration = Duration::from_secs(30);

/// A proxy that asks for a user and a password.
#[derive(Debug)]
pub struct HttpProxy {
    address: SocketAddr,
    log: PathBuf,
    _process: Guarded,
    _folder: GuardedFolder,
}

impl HttpProxy {
    /// Starts it. It passes on what `user` asks, to any port.
    pub async fn start(user: &str, password: &str) -> Result<Self> {
        let folder = GuardedFolder::new("presigned-proxy-")?;
        let [port] = free_ports()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (settings, log) = (
            folder.path().join("conf"),
            folder.path().join("requests.log"),
        );
        let text = format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 100\nBasicAuth {user} {password}\n\
             LogFile \"{}\"\nLogLevel Connect\n",
            log.display()
        );
        write_private(&settings, &text)?;
        let flags = ["-d".into(), "-c".into(), settings.into_os_string()];
        let mut process = folder
            .spawn("tinyproxy", "tinyproxy".as_ref(), flags)
            .context("apt-get install tinyproxy-bin")?;
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).await.is_err() {
            process.check_alive()?;
            if Instant::now() > deadline {
                bail!("gave up waiting for tinyproxy: {}", process.log_tail(20));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self {
            address,
            log,
            _process: process,
            _folder: folder,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The first line of each request that it got.
    pub fn requests(&self) -> Result<Vec<String>> {
        let log = std::fs::read_to_string(&self.log).context("read tinyproxy's log")?;
        let requests = log.lines().filter_map(|line| {
            let (_, request) = line.split_once("Request (file descriptor ")?;
            let (_, request) = request.split_once("): ")?;
            Some(request.to_owned())
        });
        Ok(requests.collect())
    }
}
