//! S3 servers that check signatures for real: s3s-fs in this process, and versitygw and `MinIO` as children.
//!
//! The first two keep buckets as folders and objects as files, so that a test puts and reads objects without
//! a client. `MinIO` keeps them in a form of its own; here it is asked over HTTP, and to tests it looks the
//! same.

pub mod client;
mod faulty_s3_proxy;
mod gateway;
mod minio;
mod odd_s3;
mod s3_errors;
mod s3s_fs;
mod signature;
mod strict_s3;
pub mod unreachable;
mod versitygw;

use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::guard::{Guarded, GuardedFolder};
use crate::pki::{Authority, Identity};
use crate::serve::Background;
use client::{Keys, Signer};
use s3s_fs::Shared;

pub use faulty_s3_proxy::{FaultyS3Proxy, ProxiedRequest, RequestKind, S3Fault};
pub use gateway::{Gateway, GatewayRequest};
pub use odd_s3::{KEY as ODD_KEY, ODD_ANSWERS, ODD_LISTINGS, OddS3};
pub use strict_s3::{Refusal, StrictS3};

/// The region that the servers say they are in.
pub const REGION: &str = "eu-west-2";

/// A running S3 server; it ends when it is dropped.
#[derive(Debug)]
pub struct S3Server {
    /// The address, with its scheme.
    pub endpoint: String,
    /// The region that requests must be signed for.
    pub region: String,
    /// The access key that the server started with.
    pub access_key: String,
    /// The secret key that belongs to `access_key`.
    pub secret_key: String,
    /// The authority of the server's certificate, PEM, if it speaks TLS.
    pub ca_pem: Option<String>,
    kind: Kind,
    root: PathBuf,
    // Last: the servers above are gone when the folder is removed.
    _folder: GuardedFolder,
}

#[derive(Debug)]
enum Kind {
    S3sFs {
        _server: Background,
        shared: std::sync::Arc<Shared>,
    },
    Versitygw {
        _server: Guarded,
    },
    Minio {
        _server: Guarded,
    },
}

/// The characters that a URL's path holds unencoded; S3 signs all others percent-encoded.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'/')
    .remove(b'_')
    .remove(b'~');

/// A request that reached an s3s-fs server. It has no query: a presigned URL's would be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Request {
    /// The method.
    pub method: Method,
    /// The `Host` header.
    pub host: String,
    /// The path, percent-encoded as it came.
    pub path: String,
    /// What the server answered.
    pub status: StatusCode,
}

/// What is wrong with an s3s-fs server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// Every request is answered with this status.
    Status(StatusCode),
    /// No request is answered.
    Hang,
}

impl S3Server {
    /// s3s-fs in this process, over plain HTTP.
    pub fn s3s_fs() -> Result<Self> {
        s3s_fs::start(None)
    }

    /// s3s-fs in this process, over TLS with an authority of its own ([`S3Server::ca_pem`]).
    pub fn s3s_fs_tls() -> Result<Self> {
        let authority = Authority::new("presigned-testkit s3")?;
        let names = ["127.0.0.1", "0.0.0.0", "localhost", "*.localhost"];
        s3s_fs::start(Some((authority.server(&names)?, authority.pem())))
    }

    /// As [`S3Server::s3s_fs_tls`], with a certificate that calls itself an authority, as `openssl req -x509`
    /// makes it: [`S3Server::ca_pem`] is that certificate.
    pub fn s3s_fs_signed_by_itself() -> Result<Self> {
        let identity = Identity::self_signed(&["127.0.0.1"], 2020..2100)?;
        let ca = identity.certificate.clone();
        s3s_fs::start(Some((identity, ca)))
    }

    /// versitygw as a child process, over plain HTTP.
    pub async fn versitygw() -> Result<Self> {
        versitygw::start().await
    }

    /// `MinIO` as a child process, over plain HTTP. It has users, policies and an STS.
    pub async fn minio() -> Result<Self> {
        minio::start().await
    }

    /// The key pair that the server started with; it may do everything.
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys {
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
            token: None,
        }
    }

    /// Signs S3 requests with the key pair that the server started with.
    #[must_use]
    pub fn signer(&self) -> Signer {
        self.signer_of(self.keys())
    }

    /// Signs S3 requests with `keys`.
    #[must_use]
    pub fn signer_of(&self, keys: Keys) -> Signer {
        Signer {
            keys,
            region: self.region.clone(),
            service: "s3",
        }
    }

    /// The path-style URL of an object.
    #[must_use]
    pub fn url(&self, bucket: &str, key: &str) -> String {
        format!("{}{}", self.endpoint, path(bucket, key))
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.endpoint
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok())
            .unwrap_or_default()
    }

    /// The same server at a host name under which virtual-host style works: `<bucket>.localhost` is loopback
    /// to curl, browsers and systemd-resolved.
    #[must_use]
    pub fn localhost_endpoint(&self) -> String {
        let scheme = if self.ca_pem.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://localhost:{}", self.port())
    }

    /// Makes a bucket; it is no error when it is there.
    pub fn create_bucket(&self, bucket: &str) -> Result<()> {
        if self.is_minio() {
            return apart(minio::create_bucket(self, bucket));
        }
        let folder = self.inside(bucket)?;
        std::fs::create_dir_all(&folder).with_context(|| format!("make the bucket {bucket}"))
    }

    /// Puts an object, and makes its bucket if it is missing.
    pub fn put_object(&self, bucket: &str, key: &str, body: impl AsRef<[u8]>) -> Result<()> {
        if self.is_minio() {
            let body = Bytes::copy_from_slice(body.as_ref());
            let put = async {
                minio::create_bucket(self, bucket).await?;
                minio::put_object(self, &path(bucket, key), body).await
            };
            return apart(put).with_context(|| format!("put {bucket}/{key}"));
        }
        let path = self.object(bucket, key)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("make folders for {key}"))?;
        }
        std::fs::write(&path, body).with_context(|| format!("put {bucket}/{key}"))
    }

    /// The bytes of an object; none when it is missing.
    pub fn object_bytes(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>> {
        if self.is_minio() {
            return apart(minio::object_bytes(self, &path(bucket, key)))
                .with_context(|| format!("read {bucket}/{key}"));
        }
        match std::fs::read(self.object(bucket, key)?) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read {bucket}/{key}")),
        }
    }

    /// The keys of all objects of a bucket.
    pub async fn object_keys(&self, bucket: &str) -> Result<Vec<String>> {
        let url = format!("{}/{bucket}?list-type=2", self.endpoint);
        let listed = self.signer().send(http::Method::GET, &url, &[], "").await?;
        let text = String::from_utf8_lossy(listed.body());
        let keys = text.split("<Key>").skip(1);
        Ok(keys
            .filter_map(|rest| Some(rest.split_once("</Key>")?.0.to_owned()))
            .collect())
    }

    /// The requests that reached the server so far, oldest first. Only s3s-fs counts.
    pub fn requests(&self) -> Result<Vec<S3Request>> {
        Ok(self.shared()?.requests())
    }

    /// Makes a further key pair valid, as on a rotation. Only s3s-fs can.
    pub fn add_credentials(&self, access_key: &str, secret_key: &str) -> Result<()> {
        self.shared()?.add_credentials(access_key, secret_key);
        Ok(())
    }

    /// Ends a key pair: what it signed answers 403 from now on. Only s3s-fs can.
    pub fn remove_credentials(&self, access_key: &str) -> Result<()> {
        self.shared()?.remove_credentials(access_key);
        Ok(())
    }

    /// Has `<bucket>.<domain>` mean the bucket, on any port. Only s3s-fs can; it starts with `localhost`.
    pub fn add_domain(&self, domain: &str) -> Result<()> {
        self.shared()?.add_domain(domain);
        Ok(())
    }

    /// Breaks the server, or repairs it with [`Trouble::None`]. Only s3s-fs can.
    pub fn set_trouble(&self, trouble: Trouble) -> Result<()> {
        self.shared()?.set_trouble(trouble);
        Ok(())
    }

    /// Adds a user that may do what `policy` says, an IAM policy as JSON. Only `MinIO` can.
    pub async fn add_user(&self, access_key: &str, secret_key: &str, policy: &str) -> Result<Keys> {
        self.only_minio()?;
        let user = Keys {
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            token: None,
        };
        minio::add_user(self, &user, policy)
            .await
            .with_context(|| format!("add the user {access_key}"))?;
        Ok(user)
    }

    /// Adds an account with no right but what bucket policies give it. Only versitygw can.
    pub async fn add_account(&self, access_key: &str, secret_key: &str) -> Result<Keys> {
        if !matches!(self.kind, Kind::Versitygw { .. }) {
            bail!("this server can't do that; use S3Server::versitygw");
        }
        let account = Keys {
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            token: None,
        };
        versitygw::add_account(self, &account)
            .await
            .with_context(|| format!("add the account {access_key}"))?;
        Ok(account)
    }

    /// A session of `by`, with what both its own rights and `policy` allow, by the STS action `AssumeRole`.
    /// `lifetime` is 15 minutes at least. Only `MinIO` can; its STS answers at [`S3Server::endpoint`].
    pub async fn assume_role(
        &self,
        by: &Keys,
        policy: Option<&str>,
        lifetime: Duration,
    ) -> Result<Keys> {
        self.only_minio()?;
        minio::assume_role(self, by, policy, lifetime).await
    }

    fn shared(&self) -> Result<&Shared> {
        match &self.kind {
            Kind::S3sFs { shared, .. } => Ok(shared),
            Kind::Versitygw { .. } | Kind::Minio { .. } => {
                bail!("this server can't do that; use S3Server::s3s_fs")
            }
        }
    }

    fn is_minio(&self) -> bool {
        matches!(self.kind, Kind::Minio { .. })
    }

    fn only_minio(&self) -> Result<()> {
        if !self.is_minio() {
            bail!("this server can't do that; use S3Server::minio");
        }
        Ok(())
    }

    fn object(&self, bucket: &str, key: &str) -> Result<PathBuf> {
        self.inside(&format!("{bucket}/{key}"))
    }

    /// A path under the server's root; a key that would leave it is refused.
    fn inside(&self, relative: &str) -> Result<PathBuf> {
        let path = Path::new(relative);
        if !path
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
        {
            bail!("{relative:?} can't be a file below the server's root");
        }
        Ok(self.root.join(path))
    }
}

/// The path of an object, as a URL has it.
fn path(bucket: &str, key: &str) -> String {
    format!("/{bucket}/{}", utf8_percent_encode(key, PATH))
}

/// Runs `work` to its end on a thread and a runtime of its own: a test that has a runtime can't block on it.
fn apart<T: Send>(work: impl Future<Output = Result<T>> + Send) -> Result<T> {
    let run = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("make a runtime")?
            .block_on(work)
    };
    std::thread::scope(|scope| scope.spawn(run).join())
        .map_err(|_| anyhow!("the thread that asks the server panicked"))?
}

/// Locks even if a panic in another test poisoned the mutex: this test still has its own result.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
