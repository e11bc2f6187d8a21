//! STS: `AssumeRole` and `AssumeRoleWithWebIdentity`, with trust policies and limits on duration and session
//! policy.
//!
//! It checks the access key that signs, not the signature: MinIO's STS does that. It checks a token's claims,
//! not its signature.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{Answer, Fault, Keys, Shared, answer, header};
use crate::serve::Background;
use crate::{pki, tls};

/// The longest inline session policy that AWS takes, in characters.
const MAX_POLICY: usize = 2048;
/// The longest session that AWS gives to a session, in seconds (role chaining).
const MAX_CHAINED: i64 = 3600;

/// A running STS; it ends when it is dropped.
#[derive(Debug)]
pub struct StsServer {
    server: Background,
    shared: Arc<Shared<State>>,
    /// The authority of the server's certificate, PEM, if it speaks TLS.
    pub ca_pem: Option<String>,
}

/// Who may assume a role, and for how long.
#[derive(Debug, Clone)]
pub struct Role {
    /// Who.
    pub trust: Trust,
    /// The role's maximum session duration in seconds.
    pub max_session: i64,
}

/// A role's trust policy.
#[derive(Debug, Clone)]
pub enum Trust {
    /// A token with this audience and subject.
    Token {
        /// `aud`
        audience: String,
        /// `sub`
        subject: String,
    },
    /// This access key.
    Key {
        /// Its ID.
        access_key_id: String,
        /// The external ID that must be sent.
        external_id: Option<String>,
    },
}

/// A request that was understood. A token is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StsCall {
    /// The action.
    pub action: String,
    /// `RoleArn`
    pub role_arn: String,
    /// `RoleSessionName`
    pub session_name: String,
    /// `Policy`
    pub policy: Option<String>,
    /// `DurationSeconds`
    pub duration: Option<i64>,
    /// The access key that signed.
    pub signed_by: Option<String>,
    /// The time in the signature.
    pub signed_at: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    roles: BTreeMap<String, Role>,
    calls: Vec<StsCall>,
    /// The session token that belongs to an access key.
    sessions: BTreeMap<String, String>,
    issued: usize,
    /// Sessions end this much later than asked; negative for earlier.
    shift: i64,
}

impl StsServer {
    /// Over plain HTTP.
    pub fn start() -> Result<Self> {
        Self::start_with(None, None)
    }

    /// Over TLS, with an authority of its own.
    pub fn start_tls() -> Result<Self> {
        let authority = pki::Authority::new("presigned-testkit sts")?;
        let identity = authority.server(&["127.0.0.1"])?;
        Self::start_with(Some(authority.pem()), Some(tls::server_config(&identity)?))
    }

    fn start_with(ca_pem: Option<String>, tls: Option<rustls::ServerConfig>) -> Result<Self> {
        let shared = Shared::new(State::default());
        let state = Arc::clone(&shared);
        let server = Background::start("sts", tls, move |request| {
            let shared = Arc::clone(&state);
            async move { Some(serve(&shared, request).await) }
        })?;
        Ok(Self {
            server,
            shared,
            ca_pem,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let scheme = if self.ca_pem.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.server.address())
    }

    /// Makes or replaces a role.
    pub fn role(&self, arn: &str, role: Role) {
        self.shared.state().roles.insert(arn.to_owned(), role);
    }

    /// Lets an access key be a session's, which signs with this token.
    pub fn session_key(&self, access_key_id: &str, token: &str) {
        let mut state = self.shared.state();
        state
            .sessions
            .insert(access_key_id.to_owned(), token.to_owned());
    }

    /// Lets sessions end this many seconds later than asked; negative for earlier.
    pub fn shift_expiry(&self, seconds: i64) {
        self.shared.state().shift = seconds;
    }

    /// Breaks the service, or repairs it with [`Fault::None`].
    pub fn fail(&self, fault: Fault) {
        self.shared.fail(fault);
    }

    /// The requests that were understood, refused ones too.
    #[must_use]
    pub fn calls(&self) -> Vec<StsCall> {
        self.shared.state().calls.clone()
    }

    /// How many requests came, understood or not.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.shared.calls().len()
    }
}

/// A service account's token with these claims; nobody signed it.
#[must_use]
pub fn token(audience: &str, subject: &str, expires: Timestamp) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.{}",
        part(serde_json::json!({"alg": "RS256", "typ": "JWT"})),
        part(serde_json::json!({"aud": [audience], "sub": subject, "exp": expires.as_second()})),
        URL_SAFE_NO_PAD.encode("no signature")
    )
}

type Refusal = (StatusCode, &'static str, String);

async fn serve(shared: &Shared<State>, request: Request<Incoming>) -> Answer {
    shared.called(request.uri().path().to_owned());
    if let Some(failure) = shared.fault_answer(refused).await {
        return failure;
    }
    let authorization = header(&request, "authorization").to_owned();
    let between = |after: &str, before: char| {
        let (_, rest) = authorization.split_once(after)?;
        rest.split(before).next().map(str::to_owned)
    };
    let signed_by = between("Credential=", '/');
    let signed_at = header(&request, "x-amz-date").to_owned();
    let session_token = header(&request, "x-amz-security-token").to_owned();
    let fields = form(&super::body(request).await);
    let field = |name: &str| fields.get(name).cloned();
    let call = StsCall {
        action: field("Action").unwrap_or_default(),
        role_arn: field("RoleArn").unwrap_or_default(),
        session_name: field("RoleSessionName").unwrap_or_default(),
        policy: field("Policy"),
        duration: field("DurationSeconds").and_then(|seconds| seconds.parse().ok()),
        signed_by,
        signed_at: (!signed_at.is_empty()).then_some(signed_at),
    };
    let mut state = shared.state();
    state.calls.push(call.clone());
    let outcome = match call.action.as_str() {
        "AssumeRole" => assume(
            &state,
            &call,
            field("ExternalId").as_deref(),
            &session_token,
        ),
        "AssumeRoleWithWebIdentity" => web_identity(
            &state,
            &call,
            &field("WebIdentityToken").unwrap_or_default(),
        ),
        _ => Err((
            StatusCode::BAD_REQUEST,
            "InvalidAction",
            "Could not find operation".to_owned(),
        )),
    };
    match outcome.and_then(|longest| checked(&call, longest)) {
        Ok(seconds) => issue(&mut state, &call, seconds),
        Err((status, code, message)) => refused(status, code, &message),
    }
}

/// The longest session in seconds.
fn assume(
    state: &State,
    call: &StsCall,
    external_id: Option<&str>,
    session_token: &str,
) -> Result<(i64, bool), Refusal> {
    let key = call.signed_by.clone().unwrap_or_default();
    let session = state.sessions.get(&key);
    if session.is_some_and(|token| token != session_token) {
        return Err((
            StatusCode::FORBIDDEN,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.".to_owned(),
        ));
    }
    match state.roles.get(&call.role_arn) {
        Some(Role {
            trust:
                Trust::Key {
                    access_key_id,
                    external_id: wanted,
                },
            max_session,
        }) if *access_key_id == key && (wanted.is_none() || wanted.as_deref() == external_id) => {
            Ok((*max_session, session.is_some()))
        }
        _ => Err(denied(call)),
    }
}

fn web_identity(state: &State, call: &StsCall, token: &str) -> Result<(i64, bool), Refusal> {
    let invalid = |what: &str| {
        (
            StatusCode::BAD_REQUEST,
            "InvalidIdentityToken",
            what.to_owned(),
        )
    };
    let claims = token
        .split('.')
        .nth(1)
        .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok())
        .and_then(|json| serde_json::from_slice::<Value>(&json).ok())
        .ok_or_else(|| invalid("The ID Token provided is not a valid JWT."))?;
    if claims["exp"].as_i64().unwrap_or_default() <= Timestamp::now().as_second() {
        return Err((
            StatusCode::BAD_REQUEST,
            "ExpiredTokenException",
            "Token expired".to_owned(),
        ));
    }
    match state.roles.get(&call.role_arn) {
        Some(Role {
            trust: Trust::Token { audience, subject },
            max_session,
        }) => {
            let is_for = |audience: &String| {
                let listed = claims["aud"].as_array().into_iter().flatten();
                listed.chain([&claims["aud"]]).any(|one| one == audience)
            };
            if !is_for(audience) {
                return Err(invalid("Incorrect token audience"));
            }
            if claims["sub"] != subject.as_str() {
                return Err(denied(call));
            }
            Ok((*max_session, false))
        }
        _ => Err(denied(call)),
    }
}

/// How many seconds the session lives, if AWS takes its duration and policy.
fn checked(call: &StsCall, (longest, chained): (i64, bool)) -> Result<i64, Refusal> {
    let invalid = |message: &str| {
        Err((
            StatusCode::BAD_REQUEST,
            "ValidationError",
            message.to_owned(),
        ))
    };
    let seconds = call.duration.unwrap_or(3600);
    if chained && seconds > MAX_CHAINED {
        return invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        );
    }
    if !(900..=longest).contains(&seconds) {
        return invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        );
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if !(2..=64).contains(&call.session_name.len()) || !call.session_name.chars().all(is_name) {
        return invalid("1 validation error detected at 'roleSessionName'");
    }
    let Some(policy) = &call.policy else {
        return Ok(seconds);
    };
    if policy.chars().count() > MAX_POLICY || !policy.chars().all(|c| (' '..='ÿ').contains(&c)) {
        return invalid("1 validation error detected at 'policy'");
    }
    let is_one = serde_json::from_str::<Value>(policy).is_ok_and(|policy| {
        policy["Version"] == "2012-10-17"
            && policy["Statement"]
                .as_array()
                .is_some_and(|statements| !statements.is_empty())
    });
    if is_one {
        return Ok(seconds);
    }
    Err((
        StatusCode::BAD_REQUEST,
        "MalformedPolicyDocument",
        "The policy is not in the valid JSON format.".to_owned(),
    ))
}

fn denied(call: &StsCall) -> Refusal {
    (
        StatusCode::FORBIDDEN,
        "AccessDenied",
        format!(
            "Not authorized to perform sts:{} on resource: {}",
            call.action, call.role_arn
        ),
    )
}

fn issue(state: &mut State, call: &StsCall, seconds: i64) -> Answer {
    state.issued += 1;
    let end = Timestamp::now() + SignedDuration::from_secs(seconds + state.shift);
    let keys = Keys {
        access_key_id: format!("ASIASTANDIN{:09}", state.issued),
        secret_access_key: format!("secret-of-session-{}", state.issued),
        session_token: format!("token-of-session-{}", state.issued),
        expiration: end,
    };
    state
        .sessions
        .insert(keys.access_key_id.clone(), keys.session_token.clone());
    let action = &call.action;
    let body = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
         <AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/role/{name}</Arn>\
         <AssumedRoleId>AROASTANDIN:{name}</AssumedRoleId></AssumedRoleUser>\
         <Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
         <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>\
         </{action}Result></{action}Response>",
        keys.access_key_id,
        keys.secret_access_key,
        keys.session_token,
        keys.expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
        name = call.session_name,
    );
    answer(StatusCode::OK, "text/xml", body)
}

fn refused(status: StatusCode, code: &str, message: &str) -> Answer {
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{message}</Message></Error><RequestId>stand-in</RequestId></ErrorResponse>"
    );
    answer(status, "text/xml", body)
}

fn form(body: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    body.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}
