//! Credentials from a Secret of the operator's own namespace.
//!
//! What holds here: one newline at the end of a value is forgiven, because `echo` and editors write one;
//! anything else that cannot be part of a key is refused with the key's name, because a signature made with
//! it is wrong in silence. An access key that is removed or emptied is not found, as that of a deleted Secret.

use std::collections::BTreeMap;

use jiff::Timestamp;
use presigned_core::api::Reason;
use presigned_core::engine::CredentialsError;
use presigned_core::issue::SecretBytes;
use presigned_core::signing::Credentials;
use secrecy::SecretString;

use super::expiry::check_expiry;

type Data = BTreeMap<String, SecretBytes>;

/// What a key of the Secret can be called: our word, and the AWS tools' variable.
type Names = [&'static str; 2];

const ACCESS_KEY_ID: Names = ["accessKeyID", "AWS_ACCESS_KEY_ID"];
const SECRET_ACCESS_KEY: Names = ["secretAccessKey", "AWS_SECRET_ACCESS_KEY"];
const SESSION_TOKEN: Names = ["sessionToken", "AWS_SESSION_TOKEN"];
const EXPIRATION: Names = ["expiration", "AWS_CREDENTIAL_EXPIRATION"];

/// The credentials in a Secret's data. `keys` are the names that the store gives, in the order of
/// `CredentialSource::Secret`.
pub(super) fn parse(
    secret: &str,
    keys: &[Option<String>; 4],
    data: &Data,
    now: Timestamp,
) -> Result<Credentials, CredentialsError> {
    let [access_key_id, secret_access_key, session_token, expiration] = keys;
    let read = Read { secret, data };
    let credentials = Credentials {
        access_key_id: read
            .required(access_key_id.as_deref(), ACCESS_KEY_ID)?
            .to_owned(),
        secret_access_key: read
            .required(secret_access_key.as_deref(), SECRET_ACCESS_KEY)?
            .into(),
        session_token: read
            .optional(session_token.as_deref(), SESSION_TOKEN)?
            .map(|(_, token)| SecretString::from(token)),
        expires_at: read
            .optional(expiration.as_deref(), EXPIRATION)?
            .map(|(key, text)| read.time(key, text))
            .transpose()?,
    };
    let key = expiration.as_deref().unwrap_or(EXPIRATION[0]);
    let say_expiry = format!("add the key \"{key}\" with its end (RFC 3339)");
    check_expiry(
        credentials,
        &format!("Secret \"{secret}\""),
        now,
        &say_expiry,
    )
}

struct Read<'a> {
    secret: &'a str,
    data: &'a Data,
}

impl<'a> Read<'a> {
    fn required(&self, given: Option<&'a str>, names: Names) -> Result<&'a str, CredentialsError> {
        let found = self.find(given, names).map_err(not_found)?;
        let Some((key, bytes)) = found else {
            return Err(not_found(format!(
                "Secret \"{}\" has neither the key \"{}\" nor \"{}\": add it, or name its key in credentials.secretRef.keys",
                self.secret, names[0], names[1]
            )));
        };
        if trimmed(bytes).is_empty() {
            return Err(not_found(format!(
                "key \"{key}\" of Secret \"{}\" is empty: fill it",
                self.secret
            )));
        }
        self.value(key, bytes)
    }

    /// The key and its value; `None` if no name was given and none of the usual ones is there.
    fn optional(
        &self,
        given: Option<&'a str>,
        names: Names,
    ) -> Result<Option<(&'a str, &'a str)>, CredentialsError> {
        self.find(given, names)
            .map_err(invalid)?
            .map(|(key, bytes)| self.value(key, bytes).map(|value| (key, value)))
            .transpose()
    }

    /// The key and its bytes. An error is the sentence on a name that was given and is not there.
    fn find(
        &self,
        given: Option<&'a str>,
        names: Names,
    ) -> Result<Option<(&'a str, &'a [u8])>, String> {
        let get = |key: &'a str| self.data.get(key).map(|bytes| (key, bytes.expose()));
        match given {
            Some(key) => get(key).map(Some).ok_or_else(|| {
                format!(
                    "Secret \"{}\" has no key \"{key}\", which credentials.secretRef.keys names: add it, or name another",
                    self.secret
                )
            }),
            None => Ok(names.into_iter().find_map(get)),
        }
    }

    fn value(&self, key: &str, bytes: &'a [u8]) -> Result<&'a str, CredentialsError> {
        let refuse = |what: &str, act: &str| {
            Err(invalid(format!(
                "key \"{key}\" of Secret \"{}\" {what}: {act}",
                self.secret
            )))
        };
        let again = "write the value alone, for example with printf '%s'";
        let Ok(text) = std::str::from_utf8(bytes) else {
            return refuse("is not UTF-8", again);
        };
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return refuse("is empty", "fill it, or remove the key");
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return refuse("holds a space, a line break or a control character", again);
        }
        Ok(text)
    }

    fn time(&self, key: &str, text: &str) -> Result<Timestamp, CredentialsError> {
        text.parse().map_err(|_| {
            invalid(format!(
                "key \"{key}\" of Secret \"{}\" is no time: write it as RFC 3339, for example 2030-01-31T12:00:00Z",
                self.secret
            ))
        })
    }
}

/// The bytes without the newline at the end that is forgiven.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

const fn not_found(message: String) -> CredentialsError {
    CredentialsError {
        reason: Reason::CredentialsNotFound,
        message,
    }
}

const fn invalid(message: String) -> CredentialsError {
    CredentialsError {
        reason: Reason::CredentialsInvalid,
        message,
    }
}
