//! The keys that sign.
//!
//! What holds here: they never print. The access key ID is not secret by AWS's terms, but it stands in every
//! URL and names the signer, so it is redacted like the rest.

use std::fmt;

use jiff::Timestamp;
use secrecy::SecretString;

/// A key pair, and for a session its token and end.
#[derive(Clone)]
pub struct Credentials {
    /// The access key ID.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: SecretString,
    /// The session token; absent for static keys.
    pub session_token: Option<SecretString>,
    /// When they end; absent for static keys. A session without it signs nothing.
    pub expires_at: Option<Timestamp>,
}

impl Credentials {
    /// Are these the credentials of a session, which end by themselves?
    #[must_use]
    pub const fn is_session(&self) -> bool {
        self.session_token.is_some()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            access_key_id: _,
            secret_access_key: _,
            session_token,
            expires_at,
        } = self;
        f.debug_struct("Credentials")
            .field("access_key_id", &"[redacted]")
            .field("secret_access_key", &"[redacted]")
            .field(
                "session_token",
                &session_token.as_ref().map(|_| "[redacted]"),
            )
            .field("expires_at", expires_at)
            .finish()
    }
}
