//! The Secret of a form: `fields.json` for programs and web pages, and `curl.conf`.
//!
//! What holds here: the fields stand in the order in which they are sent, and the file comes after them. No
//! value that a tenant chose ends its quotation or begins a line of `curl.conf`. curl sends each value as it
//! is, `@` and `<` too.

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::content::{SECRET_LIMIT, SecretBytes, SecretContent};
use super::curl::form_conf;
use super::error::RenderError;
use super::single::{Content, render};
use crate::api::Method;
use crate::issue::template::Template;
use crate::signing::{Form, FormField};

/// What the Secret of a form is made of.
#[derive(Clone, Copy)]
pub struct FormContent<'a> {
    /// The name of the `PresignedURL`.
    pub name: &'a str,
    /// The form.
    pub form: &'a Form,
    /// When the form dies.
    pub expires_at: Timestamp,
    /// The store's private CA.
    pub ca_bundle: Option<&'a str>,
    /// The tenant's labels and annotations.
    pub template: &'a Template,
}

impl fmt::Debug for FormContent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormContent")
            .field("name", &self.name)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Renders the Secret of a form. The same content renders the same bytes.
///
/// # Errors
/// [`RenderError`] if the result is too large, or if a field holds a control character.
pub fn render_form(content: &FormContent<'_>) -> Result<SecretContent, RenderError> {
    let FormContent {
        name,
        form: Form { url, fields },
        expires_at,
        ca_bundle,
        template,
    } = *content;
    let one_line = |text: &str| !text.chars().any(char::is_control);
    if !fields
        .iter()
        .all(|field| one_line(&field.name) && one_line(field.expose()))
    {
        return Err(RenderError::Field);
    }
    let mut secret = render(&Content {
        name,
        method: Method::Post,
        url: url.expose(),
        head_url: None,
        headers: &[],
        expires_at,
        ca_bundle,
        template,
    })?;
    // A form's sender sets no headers.
    secret.data.remove("headers");
    let mut put = |key: &str, text: String| {
        secret.data.insert(key.to_owned(), SecretBytes::from(text));
    };
    put("fields.json", json(fields)?);
    put("curl.conf", form_conf(url.expose(), fields));
    let bytes = secret.data.values().map(|value| value.expose().len()).sum();
    if bytes > SECRET_LIMIT {
        return Err(RenderError::TooLarge { bytes });
    }
    Ok(secret)
}

/// One object of strings, in the order of the form.
fn json(fields: &[FormField]) -> Result<String, RenderError> {
    struct InOrder<'a>(&'a [FormField]);
    impl Serialize for InOrder<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|field| (&field.name, field.expose())))
        }
    }
    serde_json::to_string(&InOrder(fields)).map_err(|_| RenderError::Field)
}
