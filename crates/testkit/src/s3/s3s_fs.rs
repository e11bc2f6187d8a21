//! s3s-fs on a thread of its own: `SigV4` is checked by s3s, objects are files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use anyhow::{Result, anyhow};
use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use s3s::auth::{S3Auth, SecretKey};
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{Body, S3Result, s3_error};
use s3s_fs::FileSystem;

use super::{Kind, REGION, S3Request, S3Server, Trouble, lock};
use crate::guard::GuardedFolder;
use crate::serve::Background;
use crate::{pki, tls};

/// Names of buckets as Ceph takes them with `rgw_relaxed_s3_bucket_names`: those of old buckets too.
struct OldNames;

impl NameValidation for OldNames {
    fn validate_bucket_name(&self, name: &str) -> bool {
        let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        (3..=255).contains(&name.len()) && name.bytes().all(known)
    }
}

/// What tests look at and change while the server runs.
#[derive(Debug, Default)]
pub(super) struct Shared {
    requests: Mutex<Vec<S3Request>>,
    credentials: Mutex<BTreeMap<String, SecretKey>>,
    domains: Mutex<BTreeSet<String>>,
    trouble: Mutex<Trouble>,
}

impl Shared {
    pub(super) fn requests(&self) -> Vec<S3Request> {
        lock(&self.requests).clone()
    }

    pub(super) fn add_credentials(&self, access_key: &str, secret_key: &str) {
        lock(&self.credentials).insert(access_key.to_owned(), secret_key.into());
    }

    pub(super) fn remove_credentials(&self, access_key: &str) {
        lock(&self.credentials).remove(access_key);
    }

    pub(super) fn add_domain(&self, domain: &str) {
        lock(&self.domains).insert(domain.to_owned());
    }

    pub(super) fn set_trouble(&self, trouble: Trouble) {
        *lock(&self.trouble) = trouble;
    }
}

/// The key pairs of the moment.
struct Keys(Arc<Shared>);

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let secret = lock(&self.0.credentials).get(access_key).cloned();
        secret.ok_or_else(|| s3_error!(InvalidAccessKeyId))
    }
}

/// Tells a bucket in the host's name from a bucket in the path.
struct Hosts(Arc<Shared>);

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        for domain in lock(&self.0.domains).iter() {
            let bucket = name
                .strip_suffix(domain.as_str())
                .and_then(|rest| rest.strip_suffix('.'));
            if let Some(bucket) = bucket {
                return Ok(VirtualHost::new(host).with_bucket(bucket.to_owned()));
            }
        }
        Ok(VirtualHost::new(host))
    }
}

/// `shows` is the certificate of a server over TLS, and what a client must trust for it.
pub(super) fn start(shows: Option<(pki::Identity, String)>) -> Result<S3Server> {
    let folder = GuardedFolder::new("presigned-s3-")?;
    let root = folder.path().to_owned();
    let files =
        FileSystem::new(&root).map_err(|error| anyhow!("open the server's root: {error:?}"))?;

    let (access_key, secret_key) = ("AKIATESTKIT000000001".to_owned(), pki::random_token()?);
    let shared = Arc::new(Shared::default());
    shared.add_credentials(&access_key, &secret_key);
    shared.add_domain("localhost");
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(Keys(Arc::clone(&shared)));
    builder.set_host(Hosts(Arc::clone(&shared)));
    builder.set_validation(OldNames);
    let service = builder.build();

    let (scheme, ca_pem, config) = match shows {
        Some((identity, ca)) => ("https", Some(ca), Some(tls::server_config(&identity)?)),
        None => ("http", None, None),
    };
    let handler = {
        let shared = Arc::clone(&shared);
        move |request| answer(service.clone(), Arc::clone(&shared), request)
    };
    let server = Background::start("s3s-fs", config, handler)?;
    Ok(S3Server {
        endpoint: format!("{scheme}://{}", server.address()),
        region: REGION.to_owned(),
        access_key,
        secret_key,
        ca_pem,
        kind: Kind::S3sFs {
            _server: server,
            shared,
        },
        root,
        _folder: folder,
    })
}

async fn answer(
    service: S3Service,
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Option<Response<Body>> {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_default().to_owned();
    let trouble = *lock(&shared.trouble);
    let response = match trouble {
        Trouble::None => service
            .call(request.map(Body::from))
            .await
            .unwrap_or_else(|_| empty(StatusCode::INTERNAL_SERVER_ERROR)),
        Trouble::Status(status) => empty(status),
        Trouble::Hang => std::future::pending().await,
    };
    let status = response.status();
    lock(&shared.requests).push(S3Request {
        method,
        host,
        path,
        status,
    });
    Some(response)
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
