//! `get`: what the Secret of a resource holds, printed since somebody asks for it.
//!
//! What holds here: with `create` this is the one command that prints a URL or a form, and it prints them to
//! stdout alone. What it prints was written by the operator for this resource, and lives.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use presigned_core::text::{nearest, quoted};
use serde_json::{Value, json};

use super::cluster::Session;
use super::exit::{Exit, Failure};
use super::flags::{Flags, Format};
use super::output;
use super::words::from_now;
use crate::clock::Clock;

/// Print the URL, the form or another file of the Secret
///
/// Without FILE: the URL; of a form its URL and fields as JSON; of many objects urls.json. With FILE: that
/// file of the Secret as it stands, for example curl.conf, head-url, headers, action.json or ca.crt; --files
/// names them. -o json or yaml: all of them in one object.
///
/// What is printed is a bearer token: whoever reads it can use it until it expires. Pipe it into the program
/// that uses it, so that it is in no list of processes:
///
///   kubectl presigned get model curl.conf | curl -K - -o model.bin
///
/// Needs get on the Secret, which the role edit has and the role view has not.
///
/// Exit codes: 0 it was printed; 1 there is nothing to print, and the message says why; 3 it cannot be read.
#[derive(Args, Clone, Debug)]
#[command(verbatim_doc_comment)]
pub struct GetArgs {
    /// The PresignedURL.
    #[arg(value_name = "NAME")]
    name: String,

    /// The file of the Secret.
    #[arg(value_name = "FILE", conflicts_with = "files")]
    file: Option<String>,

    /// Name the files of the Secret, and print none.
    #[arg(long)]
    files: bool,
}

impl GetArgs {
    /// Runs the command.
    pub async fn run(self, flags: &Flags) -> anyhow::Result<Exit> {
        match &self.file {
            Some(_) => flags.without_format("FILE, which is printed as it stands")?,
            None if self.files => flags.without_format("--files, which prints a name a line")?,
            None => {}
        }
        let session = Session::open(flags).await?;
        let found = session.find(&self.name).await?;
        let secret = session.secret_of(&found).await?;
        let files = Files::of(&secret);
        if self.files {
            let names: Vec<&str> = files.names().collect();
            output::print(&(names.join("\n") + "\n"))?;
            return Ok(Exit::Done);
        }
        files.alive(&self.name, Clock::start().wall())?;
        files.print(&self.name, self.file.as_deref(), flags.output)?;
        Ok(Exit::Done)
    }
}

/// What a Secret holds.
pub struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// The data of a Secret.
    #[must_use]
    pub fn of(secret: &Secret) -> Self {
        let data = secret.data.iter().flatten();
        Self(
            data.map(|(name, value)| (name.clone(), value.0.clone()))
                .collect(),
        )
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn text(&self, name: &str) -> Option<&str> {
        let bytes = self.0.get(name)?;
        std::str::from_utf8(bytes).ok()
    }

    /// Refuses what has expired.
    ///
    /// # Errors
    /// If it has expired.
    pub fn alive(&self, name: &str, now: Timestamp) -> Result<(), Failure> {
        let end: Option<Timestamp> = self
            .text("expires-at")
            .and_then(|text| text.trim().parse().ok());
        match end {
            Some(end) if end <= now => Err(Failure::no(format!(
                "what the Secret of {name} holds has expired {}: kubectl presigned status {name} says why it was not \
                 renewed",
                from_now(end, now)
            ))),
            _ => Ok(()),
        }
    }

    /// Prints one file, or what people mean by "the URL".
    ///
    /// # Errors
    /// If there is no such file.
    pub fn print(&self, name: &str, file: Option<&str>, format: Format) -> anyhow::Result<()> {
        match (file, format) {
            (Some(file), _) => {
                let bytes = self.0.get(file).ok_or_else(|| self.no_file(name, file))?;
                output::print_bytes(bytes)
            }
            (None, Format::Json) => output::print(&output::json(&self.whole())?),
            (None, Format::Yaml) => output::print(&output::yaml(&self.whole())?),
            (None, Format::Table | Format::Wide) => {
                output::print(&(self.main(name)?.trim_end().to_owned() + "\n"))?;
                self.hint(name);
                Ok(())
            }
        }
    }

    /// The URL, the form, or all URLs of many objects.
    fn main(&self, name: &str) -> anyhow::Result<String> {
        if let Some(many) = self.text("urls.json") {
            return Ok(many.to_owned());
        }
        let url = self.text("url").ok_or_else(|| self.no_file(name, "url"))?;
        match self.text("fields.json") {
            Some(fields) => {
                // The order of the fields is part of the form, so they are passed on as they stand.
                let url = serde_json::to_string(url)?;
                Ok(format!(
                    "{{\n\"url\": {url},\n\"fields\": {}\n}}",
                    fields.trim_end()
                ))
            }
            None => Ok(url.to_owned()),
        }
    }

    /// What the client must send besides the URL, told to stderr.
    fn hint(&self, name: &str) {
        let headers = self.text("headers").unwrap_or_default();
        if self.text("url").is_some() && !headers.trim().is_empty() {
            eprintln!(
                "The headers of the file headers must be sent along; curl does it: kubectl presigned get {name} curl.conf | curl -K -"
            );
        }
    }

    /// All files as one object; the name of each is its key.
    fn whole(&self) -> Value {
        let files = self.0.iter();
        let values =
            files.map(|(name, bytes)| (name.clone(), json!(String::from_utf8_lossy(bytes))));
        Value::Object(values.collect())
    }

    fn no_file(&self, name: &str, file: &str) -> Failure {
        let near = nearest(file, self.names());
        let advice = near.map_or_else(
            || format!("it has {}", self.names().collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean {}?", quoted(near)),
        );
        Failure::no(format!(
            "the Secret of {name} has no file {}: {advice}",
            quoted(file)
        ))
    }
}

#[cfg(test)]
mod tests {
    //! What "the URL" is for each kind of resource.

    #![allow(clippy::unwrap_used)]

    use super::*;

    fn files<const N: usize>(pairs: [(&str, &str); N]) -> Files {
        Files(
            pairs
                .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
                .into(),
        )
    }

    #[test]
    fn the_url_is_a_line_a_form_is_json_and_many_are_urls_json() {
        assert_eq!(
            files([("url", "https://a/b")]).main("a").unwrap(),
            "https://a/b"
        );
        let form = files([
            ("url", "https://a"),
            ("fields.json", "{\"z\": \"1\", \"a\": \"2\"}"),
        ]);
        let text = form.main("a").unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            value,
            json!({ "url": "https://a", "fields": { "z": "1", "a": "2" } })
        );
        assert!(text.find("\"z\"") < text.find("\"a\": \"2\""), "{text}");
        assert_eq!(files([("urls.json", "[]")]).main("a").unwrap(), "[]");
    }

    #[test]
    fn what_has_expired_and_a_file_that_is_not_there_are_refused_with_what_to_do() {
        let some = files([
            ("url", "u"),
            ("curl.conf", "c"),
            ("expires-at", "2026-11-28T12:00:00Z"),
        ]);
        let at = |text: &str| some.alive("model", text.parse().unwrap());
        assert_eq!(at("2026-11-28T11:59:59Z"), Ok(()));
        let why = at("2026-11-28T12:05:00Z").unwrap_err().message;
        assert!(why.contains("has expired 5m ago"), "{why}");
        let why = some.no_file("model", "curl-conf").message;
        assert!(why.ends_with("did you mean \"curl.conf\"?"), "{why}");
    }
}
