//! The Secret of many objects: `urls.json` always, and the files that `spec.formats` names.
//!
//! What holds here: a key is data in every file. It ends no quotation, begins no line, is no option and names
//! no path but its own below the folder in which the program runs. If a file cannot express a key so, the
//! file is refused and the message names such keys; `urls.json` holds any key. Nothing is cut off. Debug
//! shows no URL.

mod files;
pub(super) mod names;

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use super::content::{SECRET_LIMIT, SecretContent, SecretData, is_header, is_url};
use super::error::RenderError;
use crate::api::{Format, Method};
use crate::issue::template::Template;
use files::File;
pub use files::Item;
pub use names::{InvalidName, InvalidNames, NameProblem, unfit_keys};

/// What the Secret of many objects is made of.
#[derive(Clone, Copy)]
pub struct BundleContent<'a> {
    /// The name of the `PresignedURL`.
    pub name: &'a str,
    /// The method that was signed.
    pub method: Method,
    /// The objects, in the order to write them.
    pub items: &'a [Item<'a>],
    /// The headers that the client must send with each URL, in the order to show them.
    pub headers: &'a [(String, String)],
    /// The files besides `urls.json`.
    pub formats: &'a BTreeSet<Format>,
    /// When the first of the URLs expires.
    pub expires_at: Timestamp,
    /// The store's private CA.
    pub ca_bundle: Option<&'a str>,
    /// The tenant's labels and annotations.
    pub template: &'a Template,
}

impl fmt::Debug for BundleContent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BundleContent")
            .field("name", &self.name)
            .field("method", &self.method)
            .field("items", &self.items.len())
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The Secret of many objects as it grows, one object after another. It ends with the first that does not
/// fit, so that it never takes much more than a Secret holds.
pub(crate) struct BundleWriter {
    data: SecretData,
    /// The bytes of the files that every Secret has.
    used: usize,
    /// How many bytes it may have.
    limit: usize,
    files: Vec<File>,
    objects: usize,
    fit: usize,
}

impl BundleWriter {
    /// Begins the Secret of objects with these keys.
    ///
    /// # Errors
    /// [`RenderError`] if a file is of no use with the method or cannot hold a key, if a header is not one
    /// line of printable ASCII, or if the store's authorities alone are too large.
    pub(crate) fn new<'a>(
        method: Method,
        headers: &[(String, String)],
        formats: &BTreeSet<Format>,
        expires_at: Timestamp,
        ca_bundle: Option<&str>,
        keys: &(impl ExactSizeIterator<Item = &'a str> + Clone),
    ) -> Result<Self, RenderError> {
        if !headers.iter().all(|(name, value)| is_header(name, value)) {
            return Err(RenderError::Header);
        }
        let mut files = vec![File::json()];
        for format in formats {
            files.push(File::of(*format, method, headers)?);
            if let Some(names) = names::problem(*format, method, keys.clone()) {
                return Err(RenderError::Names(names));
            }
        }
        let data = SecretData::new(method, headers, expires_at, ca_bundle);
        let used = data.bytes();
        if used > SECRET_LIMIT {
            return Err(RenderError::TooLarge { bytes: used });
        }
        Ok(Self {
            data,
            used,
            limit: SECRET_LIMIT,
            files,
            objects: keys.len(),
            fit: 0,
        })
    }

    /// As it is, with this many bytes at most: what is not kept in a Secret may be larger.
    pub(crate) const fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Adds the next object.
    ///
    /// # Errors
    /// [`RenderError`] if it does not fit any more, or if its URL is not printable ASCII.
    pub(crate) fn push(&mut self, item: &Item<'_>) -> Result<(), RenderError> {
        if !is_url(item.url) {
            return Err(RenderError::Url);
        }
        for file in &mut self.files {
            file.push(item);
        }
        let bytes = self.used + self.files.iter().map(File::bytes).sum::<usize>();
        if bytes > self.limit {
            let objects = self.objects;
            return Err(match self.fit {
                0 => RenderError::TooLarge { bytes },
                fit => RenderError::TooManyForSecret { objects, fit },
            });
        }
        self.fit += 1;
        Ok(())
    }

    /// The finished Secret.
    pub(crate) fn finish(
        mut self,
        name: &str,
        expires_at: Timestamp,
        template: &Template,
    ) -> SecretContent {
        for file in self.files {
            self.data.put(file.name(), file.text());
        }
        self.data.content(name, expires_at, template)
    }
}

/// Renders the Secret of many objects. The same content renders the same bytes.
///
/// # Errors
/// [`RenderError`] if the result is too large, if a file is of no use with the method or cannot hold a key,
/// or if a URL or a header is not one line of printable ASCII.
pub fn render_bundle(content: &BundleContent<'_>) -> Result<SecretContent, RenderError> {
    let BundleContent {
        name,
        method,
        items,
        headers,
        formats,
        expires_at,
        ca_bundle,
        template,
    } = *content;
    let keys = items.iter().map(|item| item.key);
    let mut bundle = BundleWriter::new(method, headers, formats, expires_at, ca_bundle, &keys)?;
    for item in items {
        bundle.push(item)?;
    }
    Ok(bundle.finish(name, expires_at, template))
}
