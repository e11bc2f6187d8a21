//! Why a transfer ended, in a sentence for the person who started it, and the exit code for programs.
//!
//! What holds here: no sentence holds the query of a URL; text of others is quoted and bounded.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use presigned_core::engine::{ProxyError, TlsError, TransportError};

/// What kind of failure it is. The numbers are the exit codes that the docs name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The command line or the source is not what the command needs. clap exits with the same code.
    Usage = 2,
    /// The source is not there yet, or has expired.
    NotReady = 3,
    /// The server refuses the request, or has no such object.
    Refused = 4,
    /// The server cannot be reached, or what it sends is not whole.
    Network = 5,
    /// A file cannot be read or written.
    File = 6,
    /// The process was asked to stop.
    Stopped = 7,
}

/// Why a transfer ended.
#[derive(Clone, Debug)]
pub struct Error {
    /// What kind it is.
    pub kind: Kind,
    message: String,
}

impl Error {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, message }
    }

    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// A file or a folder that fails.
    pub(super) fn file(what: &str, path: &Path, error: &io::Error) -> Self {
        let path = path.display();
        Self::new(Kind::File, format!("{what} {path}: {error}"))
    }

    /// A file that cannot be written. If there is no room for it, the sentence says how much it needs.
    pub(super) fn write(path: &Path, need: Option<u64>, error: &io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let need = need.map_or_else(String::new, |bytes| format!(", which needs {bytes} bytes"));
        let path_shown = path.display();
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::new(
                Kind::File,
                format!(
                    "there is no room for {path_shown}{need} ({error}): free space, enlarge the volume or its sizeLimit, \
                     or name a DEST on another one; nothing of the file was kept"
                ),
            ),
            _ => Self::file("cannot write", path, error),
        }
    }

    /// The exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Whether the same request may succeed a little later.
pub(super) fn passes(why: &TransportError) -> bool {
    match why {
        TransportError::Host
        | TransportError::Connection
        | TransportError::Proxy(ProxyError::Unreachable)
        | TransportError::Timeout(_) => true,
        TransportError::Proxy(ProxyError::Refused(status)) => *status >= 500,
        TransportError::NotTls | TransportError::TlsExpected | TransportError::Tls(_) => false,
    }
}

/// Why a server gave no answer, after its name.
pub(super) fn no_answer(why: &TransportError) -> String {
    match why {
        TransportError::Host => {
            "its host name cannot be resolved: fix the URL or the DNS".to_owned()
        }
        TransportError::Connection => "the connection was refused, or broke".to_owned(),
        TransportError::Proxy(ProxyError::Unreachable) => {
            "the proxy that HTTPS_PROXY or HTTP_PROXY names cannot be reached: fix it, or name the host in NO_PROXY"
                .to_owned()
        }
        TransportError::Proxy(ProxyError::Refused(status)) => format!(
            "the proxy that HTTPS_PROXY or HTTP_PROXY names did not connect to it (status {status}): let the proxy allow \
             it, or name the host in NO_PROXY"
        ),
        TransportError::NotTls => {
            "it does not speak TLS: let the URL begin with http:// if it speaks plain HTTP".to_owned()
        }
        TransportError::TlsExpected => {
            "it speaks TLS, and the URL begins with http://: let the store's endpoint begin with https://".to_owned()
        }
        TransportError::Tls(why) => tls(why),
        TransportError::Timeout(after) => {
            format!("it said nothing for {} s", after.as_secs().max(1))
        }
    }
}

fn tls(why: &TlsError) -> String {
    const GIVE: &str = "give its authority with --ca FILE, or as ca.crt of the Secret (spec.s3.caBundle of the store)";
    match why {
        TlsError::Expired { at } => {
            format!("its certificate expired at {at}: renew it on the server")
        }
        TlsError::NotYetValid { from } => {
            format!("its certificate is not valid before {from}: set the clock of this node")
        }
        TlsError::OtherName { .. } => {
            "its certificate is another host's: fix the URL, or the certificate".to_owned()
        }
        TlsError::SelfSigned { .. } | TlsError::UnknownIssuer { .. } => {
            format!("its certificate is not trusted: {GIVE}")
        }
        TlsError::IntermediateMissing { .. } => {
            format!("it does not send the certificate of its issuer: let it, or {GIVE}")
        }
        TlsError::Other => "the TLS handshake failed".to_owned(),
    }
}
