//! Signatures (version 4) as requests carry them, read and checked by the algorithm's description alone.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use aws_lc_rs::{digest, hmac};
use http::{HeaderMap, HeaderValue, Request, header};

/// A signature, in the query of a request or in its headers.
#[derive(Debug)]
pub(super) struct Signature {
    credential: String,
    date: String,
    headers: String,
    payload: String,
    value: String,
}

impl Signature {
    /// The signature of a request, if it has one.
    pub(super) fn of<B>(request: &Request<B>) -> Result<Option<Self>> {
        if let Some(value) = request.headers().get(header::AUTHORIZATION) {
            return Self::of_headers(value, request.headers()).map(Some);
        }
        let query = request.uri().query().unwrap_or_default();
        if !query.contains("X-Amz-Algorithm=") {
            return Ok(None);
        }
        Self::of_query(query).map(Some)
    }

    fn of_query(query: &str) -> Result<Self> {
        let decoded = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let (_, value) = pairs.find(|(key, _)| *key == name).context("a parameter")?;
            let value = percent_encoding::percent_decode_str(value).decode_utf8()?;
            anyhow::Ok(value.into_owned())
        };
        Ok(Self {
            credential: decoded("X-Amz-Credential")?,
            date: decoded("X-Amz-Date")?,
            headers: decoded("X-Amz-SignedHeaders")?,
            payload: "UNSIGNED-PAYLOAD".to_owned(),
            value: decoded("X-Amz-Signature")?,
        })
    }

    fn of_headers(authorization: &HeaderValue, headers: &HeaderMap) -> Result<Self> {
        let Some(parts) = authorization.to_str()?.strip_prefix("AWS4-HMAC-SHA256 ") else {
            bail!("another algorithm");
        };
        let part = |name: &str| {
            let mut pairs = parts
                .split(',')
                .filter_map(|part| part.trim().split_once('='));
            let found = pairs.find(|(key, _)| *key == name).context("a part")?;
            anyhow::Ok(found.1.to_owned())
        };
        let header = |name| anyhow::Ok(headers.get(name).context("a header")?.to_str()?.to_owned());
        Ok(Self {
            credential: part("Credential")?,
            date: header("x-amz-date")?,
            headers: part("SignedHeaders")?,
            payload: header("x-amz-content-sha256")?,
            value: part("Signature")?,
        })
    }

    /// A part of the credential: access key, day, region, service.
    fn part(&self, at: usize) -> &str {
        self.credential.split('/').nth(at).unwrap_or_default()
    }

    /// Whose it is.
    pub(super) fn access_key(&self) -> &str {
        self.part(0)
    }

    /// The region that it is for.
    pub(super) fn region(&self) -> &str {
        self.part(2)
    }

    /// The service that it is for.
    pub(super) fn service(&self) -> &str {
        self.part(3)
    }

    /// Whether it covers a header of this name, in lower case.
    pub(super) fn covers(&self, name: &str) -> bool {
        self.headers.split(';').any(|signed| signed == name)
    }

    /// Fails unless the request is what was signed with the secret key; the signed headers.
    pub(super) fn check<B>(
        &self,
        request: &Request<B>,
        secret_key: &str,
    ) -> Result<BTreeMap<String, String>> {
        let day = self.date.split_once('T').context("a date")?.0;
        let (_, scope) = self.credential.split_once('/').context("a scope")?;
        let wanted = format!("{day}/{}/{}/aws4_request", self.region(), self.service());
        ensure!(scope == wanted, "another scope");
        let mut headers = BTreeMap::new();
        for name in self.headers.split(';') {
            let value = request.headers().get(name).context("a signed header")?;
            headers.insert(name.to_owned(), value.to_str()?.to_owned());
        }
        let query = request.uri().query().unwrap_or_default().split('&');
        let mut query: Vec<String> = query
            .filter(|pair| !pair.is_empty() && !pair.starts_with("X-Amz-Signature="))
            .map(|pair| {
                if pair.contains('=') {
                    pair.to_owned()
                } else {
                    format!("{pair}=")
                }
            })
            .collect();
        query.sort_unstable();
        let lines: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}:{}\n", value.trim()))
            .collect();
        let lines = lines.concat();
        let canonical = [
            request.method().as_str(),
            request.uri().path(),
            &query.join("&"),
            &lines,
            &self.headers,
            &self.payload,
        ]
        .join("\n");
        let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let text = ["AWS4-HMAC-SHA256", &self.date, scope, &hash].join("\n");
        let first = format!("AWS4{secret_key}").into_bytes();
        let key = scope.split('/').fold(first, |key, part| mac(&key, part));
        ensure!(hex(&mac(&key, &text)) == self.value, "another signature");
        Ok(headers)
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    digits.collect::<Vec<_>>().concat()
}
