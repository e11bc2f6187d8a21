//! `MinIO` over a folder: an S3 server with users, policies and an STS.
//!
//! Its objects are not plain files, so they go in and out over HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::pbkdf2;
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::json;

use super::client::{Keys, Signer, element};
use super::{Kind, REGION, S3Server};
use crate::guard::GuardedFolder;
use crate::{free_ports, pki, tools};

/// It is up in two seconds on an idle machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// The shortest session that MinIO grants.
const SHORTEST_SESSION: Duration = Duration::from_mins(15);

pub(super) async fn start() -> Result<S3Server> {
    let program = tokio::task::spawn_blocking(|| tools::path_of("minio"))
        .await
        .context("build MinIO")??;
    let folder = GuardedFolder::new("presigned-minio-")?;
    let [objects, certificates] = ["objects", "certificates"].map(|name| folder.path().join(name));
    for path in [&objects, &certificates] {
        std::fs::create_dir(path).with_context(|| format!("make {}", path.display()))?;
    }
    let (access_key, secret_key) = ("AKIATESTKIT000000003".to_owned(), pki::random_token()?);
    let [port] = free_ports()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // MinIO takes its settings from the environment, and the guard starts a program and its arguments.
    let command = [
        "MINIO_BROWSER=off".to_owned(),
        "MINIO_UPDATE=off".to_owned(),
        "MINIO_DOMAIN=localhost".to_owned(),
        format!("MINIO_SITE_REGION={REGION}"),
        format!("MINIO_ROOT_USER={access_key}"),
        format!("MINIO_ROOT_PASSWORD={secret_key}"),
        program.display().to_string(),
        "server".to_owned(),
        "--quiet".to_owned(),
        format!("--address={address}"),
        // Else it looks for certificates in the user's home.
        format!("--certs-dir={}", certificates.display()),
        objects.display().to_string(),
    ];
    let mut server = folder.spawn("minio", Path::new("env"), command)?;

    let endpoint = format!("http://{address}");
    let root = Keys {
        access_key: access_key.clone(),
        secret_key: secret_key.clone(),
        token: None,
    };
    let deadline = Instant::now() + PATIENCE;
    // It listens before it serves, and serves the root user before it has read its users: until then it
    // answers a request for a session with "Server not initialized".
    while let Err(why) = session(&endpoint, &root, None, SHORTEST_SESSION).await {
        server.check_alive()?;
        if Instant::now() > deadline {
            let log = server.log_tail(20);
            return Err(why.context(format!(
                "gave up waiting for MinIO; the end of its log:\n{log}"
            )));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(S3Server {
        endpoint,
        region: REGION.to_owned(),
        access_key,
        secret_key,
        ca_pem: None,
        kind: Kind::Minio { _server: server },
        root: objects,
        _folder: folder,
    })
}

/// Asks for something below the endpoint that must be there: an answer that is no success is an error with
/// its text.
async fn ask(
    server: &S3Server,
    method: Method,
    path: &str,
    body: impl Into<Bytes>,
) -> Result<Response<Bytes>> {
    let url = format!("{}{path}", server.endpoint);
    let answer = server.signer().send(method, &url, &[], body).await?;
    if !answer.status().is_success() {
        bail!(
            "MinIO answered {}: {}",
            answer.status(),
            String::from_utf8_lossy(answer.body())
        );
    }
    Ok(answer)
}

pub(super) async fn add_user(server: &S3Server, user: &Keys, policy: &str) -> Result<()> {
    let Keys {
        access_key,
        secret_key,
        ..
    } = user;
    let policy = policy.to_owned();
    let request = json!({ "secretKey": secret_key, "status": "enabled" }).to_string();
    let sealed = seal(&server.secret_key, request.into_bytes())?;
    let admin = "/minio/admin/v3";
    let add = format!("{admin}/add-user?accessKey={access_key}");
    ask(server, Method::PUT, &add, sealed).await?;
    // One policy for each user, under the user's name.
    let define = format!("{admin}/add-canned-policy?name={access_key}");
    ask(server, Method::PUT, &define, policy).await?;
    let attach = format!(
        "{admin}/set-user-or-group-policy?policyName={access_key}&userOrGroup={access_key}&isGroup=false"
    );
    ask(server, Method::PUT, &attach, "").await?;
    Ok(())
}

pub(super) async fn assume_role(
    server: &S3Server,
    by: &Keys,
    policy: Option<&str>,
    lifetime: Duration,
) -> Result<Keys> {
    session(&server.endpoint, by, policy, lifetime).await
}

/// Asks the STS of the server at `endpoint` for a session.
async fn session(
    endpoint: &str,
    by: &Keys,
    policy: Option<&str>,
    lifetime: Duration,
) -> Result<Keys> {
    let mut form = format!(
        "Action=AssumeRole&Version=2011-06-15&DurationSeconds={}",
        lifetime.as_secs()
    );
    if let Some(policy) = policy {
        form.push_str("&Policy=");
        form.extend(policy.bytes().map(|byte| format!("%{byte:02X}")));
    }
    let signer = Signer {
        keys: by.clone(),
        region: REGION.to_owned(),
        service: "sts",
    };
    let url = format!("{endpoint}/");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let answer = signer.send(Method::POST, &url, &headers, form).await?;
    let text = String::from_utf8_lossy(answer.body());
    let part = |name| {
        let found = element(&text, name).map(str::to_owned);
        // What went well holds keys; what did not is the server's own sentence.
        found.with_context(|| match answer.status() {
            StatusCode::OK => format!("the session of MinIO's STS has no {name}"),
            status => format!("MinIO's STS answered {status}: {text}"),
        })
    };
    Ok(Keys {
        access_key: part("AccessKeyId")?,
        secret_key: part("SecretAccessKey")?,
        token: Some(part("SessionToken")?),
    })
}

/// Makes a bucket; one that is there already is no error.
pub(super) async fn create_bucket(server: &S3Server, bucket: &str) -> Result<()> {
    let url = format!("{}/{bucket}", server.endpoint);
    let answer = server.signer().send(Method::PUT, &url, &[], "").await?;
    match answer.status() {
        StatusCode::OK | StatusCode::CONFLICT => Ok(()),
        status => bail!("MinIO answered {status}"),
    }
}

pub(super) async fn put_object(server: &S3Server, path: &str, body: Bytes) -> Result<()> {
    ask(server, Method::PUT, path, body).await.map(|_| ())
}

pub(super) async fn object_bytes(server: &S3Server, path: &str) -> Result<Option<Vec<u8>>> {
    let url = format!("{}{path}", server.endpoint);
    let answer = server.signer().send(Method::GET, &url, &[], "").await?;
    match answer.status() {
        StatusCode::OK => Ok(Some(answer.into_body().to_vec())),
        StatusCode::NOT_FOUND => Ok(None),
        status => bail!("MinIO answered {status}"),
    }
}

/// Encrypts a body as MinIO's admin interface wants it: salt, the number of the method (PBKDF2 and AES-GCM),
/// nonce, and one sealed piece, which is the last. The tag of an empty piece before it goes into each piece's
/// associated data.
fn seal(secret_key: &str, mut body: Vec<u8>) -> Result<Vec<u8>> {
    const ROUNDS: std::num::NonZeroU32 = std::num::NonZeroU32::new(8192).unwrap();
    const PBKDF2_AES_GCM: u8 = 2;
    const LAST: u8 = 0x80;

    let salt = pki::random_token()?.into_bytes();
    let nonce = pki::random_token()?.into_bytes()[..8].to_vec();
    let mut key = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        ROUNDS,
        &salt,
        secret_key.as_bytes(),
        &mut key,
    );
    let key = UnboundKey::new(&AES_256_GCM, &key)
        .ok()
        .context("use the key")?;
    let key = LessSafeKey::new(key);
    let numbered = |number: u32| -> Nonce {
        let mut whole = [0; NONCE_LEN];
        whole[..8].copy_from_slice(&nonce);
        whole[8..].copy_from_slice(&number.to_le_bytes());
        Nonce::assume_unique_for_key(whole)
    };
    let tag = key
        .seal_in_place_separate_tag(numbered(0), Aad::empty(), &mut [])
        .ok()
        .context("seal the empty piece")?;
    let marks = [&[LAST], tag.as_ref()].concat();
    key.seal_in_place_append_tag(numbered(1), Aad::from(marks), &mut body)
        .ok()
        .context("seal the body")?;
    Ok([salt.as_slice(), &[PBKDF2_AES_GCM], &nonce, &body].concat())
}
