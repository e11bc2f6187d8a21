//! Where a rule lets a form send the browser after an upload.
//!
//! What holds here: a URL has passed [`redirect_fault`] before it is compared, so its
//! beginning says where it leads.

use crate::request::redirect_fault;
use crate::text::quoted;

/// What a rule allows: one URL, or all that begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RedirectPattern {
    text: String,
    open: bool,
}

impl RedirectPattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (body, open) = match text.strip_suffix('*') {
            Some(body) => (body, true),
            None => (text, false),
        };
        if body.contains('*') {
            return Err(format!(
                "{} holds * before its end; a * may only be the last character",
                quoted(text)
            ));
        }
        if let Some(fault) = redirect_fault(body) {
            return Err(format!("{} {fault}", quoted(text)));
        }
        if open && path(body).is_none() {
            return Err(format!(
                "{} has no / between the host and *, so that it reaches hosts whose names begin alike; put / before the *",
                quoted(text)
            ));
        }
        Ok(Self {
            text: body.to_owned(),
            open,
        })
    }

    pub(super) fn matches(&self, url: &str) -> bool {
        url.strip_prefix(self.text.as_str())
            .is_some_and(|rest| self.open || rest.is_empty())
    }

    /// The pattern as it was written.
    pub(super) fn shown(&self) -> String {
        format!("{}{}", self.text, if self.open { "*" } else { "" })
    }
}

/// The URL from the slash after its host on.
fn path(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.find('/').map(|at| &rest[at..])
}
