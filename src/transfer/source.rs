//! What SOURCE names, and how it is read: as often as needed, since what it holds is renewed.
//!
//! What holds here: a URL on the command line or on standard input is read once, and never changes. No
//! message repeats SOURCE if it may be a URL.

use std::path::{Path, PathBuf};

use super::api::{Api, ApiSource};
use super::contents::{Contents, SignedUrl};
use super::error::Error;
use super::folder;

/// What is said if the text of SOURCE is a presigned URL.
pub(super) const SEEN_BY_OTHERS: &str = "warning: a presigned URL as an argument stands in the list of processes and in \
                                         the shell's history: give it on standard input (-), or a mounted Secret";

/// Whether a text is a presigned URL: of AWS, Google or their older signatures.
pub(super) fn is_signed(text: &str) -> bool {
    let query = text.split_once('?').map_or("", |(_, query)| query);
    text.contains("://") && query.to_ascii_lowercase().contains("signature=")
}

/// What SOURCE names.
pub(super) enum Source {
    /// A folder in which a Secret is mounted.
    Folder(PathBuf),
    /// A file: `urls.json`, or URLs one a line.
    File(PathBuf),
    /// What was read from the command line or from standard input.
    Fixed(Box<Contents>),
    /// A PresignedURL that the API server is asked for.
    Api(Box<Api>),
}

impl Source {
    /// Finds out what a text names. `stdin` reads standard input.
    ///
    /// # Errors
    /// If it names nothing; the message says what can be named.
    pub(super) fn parse(
        text: &str,
        kubeconfig: Option<&Path>,
        stdin: impl FnOnce() -> std::io::Result<String>,
    ) -> Result<(Self, Option<String>), Error> {
        if text == "-" {
            let read = stdin().map_err(|error| {
                Error::usage(format!("standard input is no text of UTF-8 ({error})"))
            })?;
            let contents = Contents::of_text(&read, "standard input")?;
            return Ok((Self::Fixed(Box::new(contents)), None));
        }
        if let Some(rest) = text.strip_prefix("presigned://") {
            let ApiSource {
                namespace,
                name,
                key,
            } = ApiSource::parse(rest)?;
            let api = Api::new(namespace, name, kubeconfig.map(Path::to_owned));
            return Ok((Self::Api(Box::new(api)), key));
        }
        if text.contains("://") {
            let url = SignedUrl::parse(text, "SOURCE")?;
            return Ok((Self::Fixed(Box::new(Contents::of_url(url))), None));
        }
        if text.is_empty() {
            return Err(Error::usage(
                "SOURCE is empty: give the folder of a mounted Secret, a file of URLs, a URL, - for standard input, or \
                 presigned://NAMESPACE/NAME",
            ));
        }
        let path = PathBuf::from(text);
        if path.is_file() {
            return Ok((Self::File(path), None));
        }
        // One that is not there yet may be mounted later.
        Ok((Self::Folder(path), None))
    }

    /// What it holds now.
    ///
    /// # Errors
    /// As the parts say.
    pub(super) async fn read(&self) -> Result<Contents, Error> {
        match self {
            Self::Folder(path) => folder::read(path),
            Self::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| Error::file("cannot read", path, &error))?;
                Contents::of_text(&text, &path.display().to_string())
            }
            Self::Fixed(contents) => Ok((**contents).clone()),
            Self::Api(api) => api.read().await,
        }
    }

    /// Whether it can hold something else later.
    pub(super) const fn is_fixed(&self) -> bool {
        matches!(self, Self::Fixed(_))
    }

    /// What it is, for a sentence.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Folder(path) | Self::File(path) => path.display().to_string(),
            Self::Fixed(_) => "SOURCE".to_owned(),
            Self::Api(api) => api.to_string(),
        }
    }
}
