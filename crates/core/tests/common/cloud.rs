//! A model of credential providers and S3 servers: keys, sessions, providers that fail, and servers that know
//! them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use presigned_core::api::Reason;
use presigned_core::engine::{
    CredentialSource, CredentialsError, ErrorCode, ListError, S3Method, S3Request, S3Response,
    S3Result, Session, TransportError,
};
use presigned_core::signing::Credentials;

use super::bucket::Bucket;
use super::iam;
use super::sigv4_verifier;
use super::url::Parts;

/// A key pair as the server knows it.
#[derive(Clone, Debug)]
pub struct Key {
    pub secret: String,
    pub token: Option<String>,
    pub ends: Option<Timestamp>,
    /// From then on it signs nothing any more.
    pub revoked: Option<Timestamp>,
    /// The session's policy.
    pub policy: Option<String>,
    /// The source that gave it.
    pub source: Option<String>,
}

/// What a credential source gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// One key pair without an end.
    Static { key: String },
    /// Sessions of so many seconds. A provider hands one out again while a sixth of it is left, and
    /// never one that ends within minutes, as AWS's own do.
    Sessions {
        length: i64,
        current: Option<String>,
    },
    /// A session token without its end.
    Endless,
    /// Nothing.
    Fails(Reason),
}

/// How an S3 server deviates from a healthy one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// The server is not reached.
    pub down: Option<TransportError>,
    /// The seconds by which its clock is ahead.
    pub ahead: i64,
    /// The server accepts unsigned `x-amz-*` headers.
    pub accepts_unsigned: bool,
    /// The one region that it serves; `None` for any.
    pub region: Option<String>,
    /// Another program answers, not an S3 server.
    pub foreign: bool,
    /// The other program answers everything with a page (200).
    pub page: bool,
    /// The beginning of a path (`/BUCKET/KEY`), and the error that every request there gets.
    pub refuses: Option<(String, ErrorCode)>,
    /// A proxy in front of the server refuses HEAD.
    pub no_head: bool,
    /// Buckets that it does not have.
    pub missing: Vec<String>,
    /// Buckets that it has in another region.
    pub abroad: Vec<String>,
    /// Buckets that answer only who says that the requester pays.
    pub requester_pays: Vec<String>,
    /// So many of the next requests with an unsigned header are refused by a proxy in front of the server.
    pub limits: u32,
}

impl Server {
    /// Whether the server itself answers, and refuses nothing that it takes from others.
    pub const fn answers(&self) -> bool {
        self.down.is_none() && !self.foreign && !self.page && self.refuses.is_none()
    }

    /// Ends what keeps the server from answering.
    pub fn repair(&mut self) {
        self.down = None;
        self.refuses = None;
        (self.foreign, self.page) = (false, false);
    }
}

/// Keys and sources, and the servers that check what they sign.
#[derive(Debug, Default)]
pub struct Cloud {
    pub keys: BTreeMap<String, Key>,
    pub sources: BTreeMap<String, Source>,
    pub buckets: BTreeMap<String, Bucket>,
    /// What every listing answers, while it is set.
    pub listings_fail: Option<ListError>,
    /// By scheme and authority; those that are not here do their work.
    pub servers: BTreeMap<String, Server>,
    /// The requests to servers: where, and with which headers.
    pub requests: Vec<(String, Vec<(String, String)>)>,
    /// The requested sessions of roles, with their session policies.
    pub sessions: Vec<Session>,
    /// The names of sessions that STS refuses, and why.
    pub refused: BTreeMap<String, Reason>,
    made: u64,
}

/// The name under which a source is kept: that of its Secret, or empty for the process's own chain.
pub fn source_name(source: &CredentialSource) -> String {
    match source {
        CredentialSource::Default => String::new(),
        CredentialSource::Secret { name, .. } => name.clone(),
        CredentialSource::WebIdentity { role_arn, .. }
        | CredentialSource::AssumeRole { role_arn, .. } => role_arn.clone(),
    }
}

impl Cloud {
    /// Makes a key pair; its secret is told by the word `SIMSECRET`, so that a leak is found by looking for
    /// it.
    pub fn new_key(&mut self, ends: Option<Timestamp>, token: bool) -> String {
        self.made += 1;
        let id = format!("AKIASIM{:08}", self.made);
        let key = Key {
            secret: format!("SIMSECRET/{:08}+x", self.made),
            token: token.then(|| format!("SIMTOKEN/{:08}=", self.made)),
            ends,
            revoked: None,
            policy: None,
            source: None,
        };
        self.keys.insert(id.clone(), key);
        id
    }

    /// A source with a fresh static key; what it gave before is revoked at `old_until`.
    pub fn rotate_static(&mut self, source: &str, old_until: Timestamp) {
        if let Some(Source::Static { key }) = self.sources.get(source)
            && let Some(old) = self.keys.get_mut(key)
        {
            old.revoked = Some(old_until);
        }
        let key = self.new_key(None, false);
        self.sources
            .insert(source.to_owned(), Source::Static { key });
    }

    /// What a server answers.
    pub fn answer(&mut self, request: &S3Request, now: Timestamp) -> S3Result {
        let url = request.url.expose();
        let parts = Parts::of(url).expect("a presigned URL is asked for");
        self.requests
            .push((parts.origin.clone(), request.headers.clone()));
        let server = self.servers.get(&parts.origin).cloned().unwrap_or_default();
        if let Some(unreached) = server.down.clone() {
            return Err(unreached);
        }
        let answer = |status, code| {
            Ok(S3Response {
                status,
                code,
                region: server.region.clone(),
                skew: Some(SignedDuration::from_secs(server.ahead)),
            })
        };
        if server.page {
            return answer(200, None);
        }
        if server.foreign {
            return answer(404, None);
        }
        if let Some((path, code)) = &server.refuses
            && parts.path.starts_with(path.as_str())
        {
            return answer(401, Some(*code));
        }
        if server.no_head && request.method == S3Method::Head {
            return answer(405, None);
        }
        if server
            .region
            .as_ref()
            .is_some_and(|region| *region != parts.region)
        {
            return answer(400, Some(ErrorCode::WrongRegion));
        }
        let bucket = parts.path.split('/').nth(1).unwrap_or_default();
        if server.abroad.iter().any(|name| name == bucket) {
            return answer(301, Some(ErrorCode::WrongRegion));
        }
        if server.missing.iter().any(|name| name == bucket) {
            return answer(404, Some(ErrorCode::NoSuchBucket));
        }
        let pays = |(name, _): &(String, String)| name == "x-amz-request-payer";
        if server.requester_pays.iter().any(|name| name == bucket)
            && !request.headers.iter().any(pays)
        {
            return answer(403, Some(ErrorCode::AccessDenied));
        }
        if !request.headers.is_empty() && server.limits > 0 {
            self.server(&parts.origin).limits -= 1;
            return answer(403, None);
        }
        let its_now = super::at(now.as_second() + server.ahead);
        let sent: Vec<(String, String)> = if server.accepts_unsigned {
            Vec::new()
        } else {
            request.headers.clone()
        };
        let head = request.method == S3Method::Head;
        let method = if head { "HEAD" } else { "GET" };
        // The answer to a HEAD has no body, and so no code.
        let refused = |status, code| answer(status, (!head).then_some(code));
        match self.refuses(url, method, &sent, its_now) {
            None if self.has(&parts.path) => answer(if head { 200 } else { 206 }, None),
            None => refused(404, ErrorCode::NoSuchKey),
            Some(code) => refused(403, code),
        }
    }

    /// Whether there is an object at `/BUCKET/KEY`.
    fn has(&self, path: &str) -> bool {
        let place = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        place.is_some_and(|(bucket, key)| {
            let objects = self.buckets.get(bucket);
            objects.is_some_and(|objects| objects.contains_key(key))
        })
    }

    /// The error of a server to a key that it does not take now.
    pub fn stops(&self, key: &str, now: Timestamp) -> Option<ErrorCode> {
        let Some(key) = self.keys.get(key) else {
            return Some(ErrorCode::InvalidAccessKeyId);
        };
        if key.ends.is_some_and(|end| end <= now) {
            return Some(ErrorCode::InvalidToken);
        }
        key.revoked
            .is_some_and(|end| end <= now)
            .then_some(ErrorCode::InvalidAccessKeyId)
    }

    /// The error of a server whose clock shows this time, if it refuses.
    fn refuses(
        &self,
        url: &str,
        method: &str,
        headers: &[(String, String)],
        now: Timestamp,
    ) -> Option<ErrorCode> {
        let parts = Parts::of(url)?;
        if let Some(code) = self.stops(&parts.access_key_id, now) {
            return Some(code);
        }
        let key = &self.keys[&parts.access_key_id];
        if key.token != parts.token {
            return Some(ErrorCode::InvalidToken);
        }
        let Err(why) = sigv4_verifier::verify(url, method, headers, &key.secret, now) else {
            let place = parts.path.strip_prefix('/')?.split_once('/');
            let permitted = place.is_some_and(|(bucket, object)| {
                self.permits(&parts.access_key_id, method, bucket, object)
            });
            return (!permitted).then_some(ErrorCode::AccessDenied);
        };
        Some(match why.as_str() {
            "the signature does not match" => ErrorCode::SignatureDoesNotMatch,
            "the request is not yet valid" => ErrorCode::RequestTimeTooSkewed,
            why if why.ends_with("was sent and not signed") => ErrorCode::HeadersNotSigned,
            _ => ErrorCode::AccessDenied,
        })
    }

    /// Whether the session of a key may do this to an object; a key without a session policy may do
    /// everything.
    pub fn permits(&self, key: &str, method: &str, bucket: &str, object: &str) -> bool {
        let action = match method {
            "PUT" | "POST" => "s3:PutObject",
            "DELETE" => "s3:DeleteObject",
            _ => "s3:GetObject",
        };
        let resource = format!("arn:aws:s3:::{bucket}/{object}");
        let policy = self.keys.get(key).and_then(|key| key.policy.as_ref());
        policy.is_none_or(|policy| iam::allows(policy, action, &resource, None))
    }

    /// The server at an endpoint, to be changed.
    pub fn server(&mut self, endpoint: &str) -> &mut Server {
        self.servers.entry(endpoint.to_owned()).or_default()
    }

    /// What a fetch of a role's session gives.
    pub fn fetch_session(
        &mut self,
        source: &CredentialSource,
        session: &Session,
        now: Timestamp,
    ) -> Result<Credentials, CredentialsError> {
        self.sessions.push(session.clone());
        if let Some(reason) = self.refused.get(&session.name) {
            return Err(CredentialsError {
                reason: *reason,
                message: "the model's STS refuses this session".to_owned(),
            });
        }
        // Each policy has a session of its own.
        if let Some(policy) = &session.policy
            && let name = source_name(source)
            && let Some(Source::Sessions { length, .. }) = self.sources.get(&name)
        {
            let id = self.new_key(Some(super::at(now.as_second() + length)), true);
            if let Some(key) = self.keys.get_mut(&id) {
                key.policy = Some(policy.clone());
            }
            return Ok(self.give(&name, &id));
        }
        self.fetch(source, now)
    }

    /// What a fetch gives.
    pub fn fetch(
        &mut self,
        source: &CredentialSource,
        now: Timestamp,
    ) -> Result<Credentials, CredentialsError> {
        let name = source_name(source);
        let failed = |reason| CredentialsError {
            reason,
            message: "the model's source gives nothing".to_owned(),
        };
        let source = self
            .sources
            .get(&name)
            .cloned()
            .ok_or_else(|| failed(Reason::CredentialsNotFound))?;
        match source {
            Source::Fails(reason) => Err(failed(reason)),
            Source::Static { key } => Ok(self.give(&name, &key)),
            Source::Endless => {
                let key = self.new_key(None, true);
                Ok(self.give(&name, &key))
            }
            Source::Sessions { length, current } => {
                let fresh = |key: &Key| {
                    key.ends.is_some_and(|end| {
                        let left = end.as_second() - now.as_second();
                        left > (length / 6).max(390) && left <= length
                    })
                };
                let current = match current {
                    Some(id) if self.keys.get(&id).is_some_and(fresh) => id,
                    _ => self.new_key(Some(super::at(now.as_second() + length)), true),
                };
                let given = self.give(&name, &current);
                let current = Some(current);
                self.sources
                    .insert(name, Source::Sessions { length, current });
                Ok(given)
            }
        }
    }

    fn give(&mut self, source: &str, id: &str) -> Credentials {
        let key = self.keys.get_mut(id).expect("a source gives a known key");
        key.source = Some(source.to_owned());
        Credentials {
            access_key_id: id.to_owned(),
            secret_access_key: key.secret.clone().into(),
            session_token: key.token.clone().map(Into::into),
            expires_at: key.ends,
        }
    }

    /// Would the server accept this request now?
    pub fn accepts(
        &self,
        url: &str,
        method: &str,
        headers: &[(String, String)],
        now: Timestamp,
    ) -> Result<(), String> {
        let parts = Parts::of(url).ok_or("not a presigned URL")?;
        let ahead = self
            .servers
            .get(&parts.origin)
            .map_or(0, |server| server.ahead);
        let now = super::at(now.as_second() + ahead);
        let key = self.keys.get(&parts.access_key_id).ok_or("unknown key")?;
        if key.ends.is_some_and(|end| end <= now) {
            return Err("the session has ended".to_owned());
        }
        if key.revoked.is_some_and(|end| end <= now) {
            return Err("the key was revoked".to_owned());
        }
        if key.token != parts.token {
            return Err("the session token is not the key's".to_owned());
        }
        sigv4_verifier::verify(url, method, headers, &key.secret, now)
    }
}
