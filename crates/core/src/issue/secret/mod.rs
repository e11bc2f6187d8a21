//! What a Secret holds: files for programs, a configuration for curl, labels and annotations for other tools.
//!
//! What holds here: the same content renders the same bytes. No value that a tenant chose begins a line of a
//! file or ends a quotation in it. A result that does not fit into a Secret is refused, never cut off.

mod binding;
mod bundle;
mod content;
mod curl;
mod error;
mod form;
mod single;

pub(crate) use binding::bind;
pub(crate) use bundle::BundleWriter;
pub use bundle::{
    BundleContent, InvalidName, InvalidNames, Item, NameProblem, render_bundle, unfit_keys,
};
pub(crate) use content::told_expiry;
pub use content::{SECRET_LIMIT, SecretBytes, SecretContent};
pub use error::RenderError;
pub use form::{FormContent, render_form};
pub use single::{Content, render};

#[cfg(test)]
mod tests;
