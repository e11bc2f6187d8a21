//! What the client of stores promises: against real S3 servers, and against servers that are at fault.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod listing;
mod logging;
mod odd;
mod requests;
mod rights;

use std::time::Duration;

use jiff::Timestamp;
use presigned_core::api::{AddressingStyle, GetOptions};
use presigned_core::engine::{S3Method, S3Request, S3Result};
use presigned_core::request::{Bucket, Key, Options};
use presigned_core::signing::{Credentials, Endpoint, Operation, SecretUrl, Target, presign};
use presigned_testkit::S3Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::S3Client;
use crate::clock::Clock;
use crate::http::{Connections, Proxies};

const BUCKET: &str = "models";

fn client() -> S3Client {
    let clock = Clock::start();
    S3Client::new(Connections::new(clock.clone(), Proxies::default()), clock)
}

fn bucket() -> Bucket {
    Bucket::parse(BUCKET).unwrap()
}

fn target(endpoint: &str, region: &str) -> Target {
    let endpoint = Endpoint::parse(endpoint).unwrap();
    Target::resolve(Some(&endpoint), region, AddressingStyle::Path, &bucket()).unwrap()
}

fn credentials(access_key: &str, secret_key: &str) -> Credentials {
    Credentials {
        access_key_id: access_key.to_owned(),
        secret_access_key: secret_key.into(),
        session_token: None,
        expires_at: None,
    }
}

fn keys(server: &S3Server) -> Credentials {
    credentials(&server.access_key, &server.secret_key)
}

/// A GET of a key, signed as given.
fn signed(target: &Target, credentials: &Credentials, key: &str, at: Timestamp) -> S3Request {
    let op = Operation {
        bucket: &bucket(),
        key: &Key::parse(key).unwrap(),
        options: &Options::Get(GetOptions::default()),
    };
    let at = Timestamp::from_second(at.as_second()).unwrap();
    let signed = presign(&op, target, credentials, at, Duration::from_mins(5)).unwrap();
    S3Request {
        method: S3Method::Get,
        url: signed.url,
        headers: signed.headers,
    }
}

/// Asks a server for a key, with all as it should be.
async fn get(server: &S3Server, key: &str) -> S3Result {
    let target = target(&server.endpoint, &server.region);
    let ask = signed(&target, &keys(server), key, Timestamp::now());
    client().send(&ask, server.ca_pem.as_deref()).await
}

fn plain(url: String) -> S3Request {
    S3Request {
        method: S3Method::Get,
        url: SecretUrl::new(url),
        headers: Vec::new(),
    }
}

/// A server that gives each request of each connection the next of these answers as they stand, and then
/// closes.
async fn canned(answers: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut answers = answers.into_iter();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => request.push(byte),
                    Err(_) => break,
                }
            }
            let Some(answer) = answers.next() else {
                return;
            };
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    endpoint
}

/// An HTTP answer with a body, whole.
fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}
