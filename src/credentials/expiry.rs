//! The end of credentials, as their source names it.

use jiff::Timestamp;
use presigned_core::api::Reason;
use presigned_core::engine::CredentialsError;
use presigned_core::signing::Credentials;

/// The credentials, if they have not ended and, being a session, say when they end.
pub(super) fn check_expiry(
    credentials: Credentials,
    from: &str,
    now: Timestamp,
    say_expiry: &str,
) -> Result<Credentials, CredentialsError> {
    let failure = |reason, message| Err(CredentialsError { reason, message });
    match credentials.expires_at {
        None if credentials.session_token.is_some() => failure(
            Reason::CredentialsExpiryUnknown,
            format!("{from} holds a session token and not when it ends: {say_expiry}"),
        ),
        Some(end) if end <= now => failure(
            Reason::CredentialsExpired,
            format!("{from} holds credentials that expired at {end}: renew them"),
        ),
        _ => Ok(credentials),
    }
}
