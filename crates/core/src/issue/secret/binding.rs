//! A Secret as a binding of the Service Binding Specification (servicebinding.io).
//!
//! What holds here: a binding adds keys, and changes none that other programs read.

use super::content::{SECRET_LIMIT, SecretBytes, SecretContent};
use super::error::RenderError;

/// Adds `type`, and `uri` if the Secret holds one URL.
///
/// # Errors
/// [`RenderError::TooLarge`] if they do not fit.
pub(crate) fn bind(content: &mut SecretContent, type_: &str) -> Result<(), RenderError> {
    let uri = content.data.get("url").cloned();
    let type_ = SecretBytes::from(type_.to_owned());
    content.data.insert("type".to_owned(), type_);
    content.data.extend(uri.map(|url| ("uri".to_owned(), url)));
    let bytes = content
        .data
        .values()
        .map(|value| value.expose().len())
        .sum();
    if bytes > SECRET_LIMIT {
        return Err(RenderError::TooLarge { bytes });
    }
    Ok(())
}
