//! What `sign` prints: a file that a Secret would hold, or a form as JSON or as a page.
//!
//! What holds here: nothing but what was signed goes to stdout, so that it can be piped.

use std::collections::BTreeSet;

use anyhow::Context as _;
use clap::ValueEnum;
use presigned_core::api::{Format as File, Method};
use presigned_core::issue::LocallySigned;
use serde_json::{Map, Value};

use super::page;
use crate::plugin::exit::Failure;
use crate::plugin::output;

/// How it is printed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The URLs, a line each.
    Url,
    /// The request as JSON: url or href, method, headers or fields, and when it expires.
    Json,
    /// A configuration for curl -K.
    Curl,
    /// A page with the form.
    Html,
}

/// How something of this method is printed.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    kind: Kind,
    method: Method,
}

impl Output {
    /// What was asked for, or what fits the method.
    ///
    /// # Errors
    /// If it does not fit.
    pub fn of(asked: Option<Kind>, method: Method) -> Result<Self, Failure> {
        let form = method == Method::Post;
        let kind = asked.unwrap_or(if form { Kind::Json } else { Kind::Url });
        match kind {
            Kind::Url if form => Err(Failure::usage(
                "a form is a URL with fields: give -o json, curl or html with --method POST",
            )),
            Kind::Html if !form => Err(Failure::usage(
                "-o html is the page of a form: it goes with --method POST",
            )),
            kind => Ok(Self { kind, method }),
        }
    }

    /// Refuses what cannot be printed of many objects.
    pub fn check(self, many: bool) -> Result<(), Failure> {
        if many && self.method == Method::Post {
            return Err(Failure::usage("a form is for one key or one prefix"));
        }
        Ok(())
    }

    /// The files besides `urls.json` that are needed of many objects.
    pub fn files(self) -> BTreeSet<File> {
        match self.kind {
            Kind::Url => BTreeSet::from([File::UrlsTxt]),
            Kind::Curl => BTreeSet::from([File::CurlConf]),
            Kind::Json | Kind::Html => BTreeSet::new(),
        }
    }

    /// What is printed.
    ///
    /// # Errors
    /// If a file is not there, which would be a fault of the program.
    pub fn text(self, signed: &LocallySigned, many: bool) -> anyhow::Result<String> {
        let file = |name: &str| text_of(signed, name);
        let text = match (self.kind, many) {
            (Kind::Url, false) => file("url")?,
            (Kind::Url, true) => file("urls.txt")?,
            (Kind::Curl, _) => file("curl.conf")?,
            (Kind::Json, true) => file("urls.json")?,
            (Kind::Json, false) if self.method == Method::Post => output::json(&form(signed)?)?,
            (Kind::Json, false) => file("action.json")?,
            (Kind::Html, _) => page::page(&file("url")?, &fields(signed)?, &file("expires-at")?),
        };
        let end = if text.ends_with('\n') { "" } else { "\n" };
        Ok(text + end)
    }
}

/// A form as one object.
fn form(signed: &LocallySigned) -> anyhow::Result<Value> {
    let file = |name: &str| text_of(signed, name).map(Value::from);
    let mut form = Map::new();
    form.insert("url".to_owned(), file("url")?);
    form.insert("method".to_owned(), file("method")?);
    form.insert("fields".to_owned(), Value::Object(fields(signed)?));
    form.insert("expires_at".to_owned(), file("expires-at")?);
    Ok(Value::Object(form))
}

/// The fields in the order in which they are sent.
fn fields(signed: &LocallySigned) -> anyhow::Result<Map<String, Value>> {
    let text = text_of(signed, "fields.json")?;
    serde_json::from_str(&text)
        .context("the fields of the form are no JSON: this is a fault of the program")
}

fn text_of(signed: &LocallySigned, name: &str) -> anyhow::Result<String> {
    let bytes = signed.content.data.get(name);
    let bytes =
        bytes.with_context(|| format!("{name} was not made: this is a fault of the program"))?;
    Ok(String::from_utf8_lossy(bytes.expose()).into_owned())
}
