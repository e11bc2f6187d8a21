//! The contents of a Secret, read as its users read it: one URL, many, or a form.
//!
//! What holds here: nothing is taken from the engine. The files of one Secret must agree.

use std::collections::BTreeMap;

use jiff::Timestamp;
use presigned_core::api::Format;

use crate::common::cloud::Cloud;
use crate::common::post_form::Form;
use crate::common::sigv4_verifier;
use crate::common::url::Parts;

/// One URL or form of a Secret.
#[derive(Clone, Debug)]
pub struct Entry {
    pub bucket: String,
    /// The key, or what it begins with.
    pub key: String,
    pub parts: Parts,
    pub call: Call,
}

/// How it is used.
#[derive(Clone, Debug)]
pub enum Call {
    Url(String),
    Form(Box<Form>),
}

/// The contents of a Secret.
#[derive(Clone, Debug)]
pub struct SecretContents {
    pub method: String,
    /// `expires-at`, by the operator's clock.
    pub ends: Timestamp,
    pub entries: Vec<Entry>,
    /// Whether `urls.json` holds them.
    pub many: bool,
    pub formats: Vec<Format>,
    headers: Vec<(String, String)>,
    head: Option<String>,
}

impl SecretContents {
    /// Reads a Secret's data.
    pub fn of(data: &BTreeMap<String, Vec<u8>>) -> Result<Self, String> {
        let text = |key: &str| std::str::from_utf8(data.get(key)?).ok();
        let method = text("method").ok_or("there is no method")?.to_owned();
        let ends = text("expires-at").ok_or("there is no expires-at")?;
        let ends = ends.parse().map_err(|_| "expires-at is no time")?;
        let headers = text("headers").unwrap_or_default();
        let headers = headers.lines().filter_map(|line| line.split_once(": "));
        let mut contents = Self {
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            head: text("head-url").map(str::to_owned),
            method,
            ends,
            entries: Vec::new(),
            many: false,
            formats: Vec::new(),
        };
        match (text("urls.json"), text("url"), text("fields.json")) {
            (Some(urls), None, None) => contents.take_many(urls, text)?,
            (None, Some(url), None) => contents.entries.push(Entry::of_url(url, None)?),
            (None, Some(url), Some(fields)) => contents.entries.push(Entry::of_form(url, fields)?),
            _ => return Err("there is no url".to_owned()),
        }
        Ok(contents)
    }

    fn take_many<'a>(
        &mut self,
        urls: &str,
        text: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<(), String> {
        self.many = true;
        let items: Vec<serde_json::Value> =
            serde_json::from_str(urls).map_err(|_| "urls.json is no list")?;
        for item in &items {
            let (Some(key), Some(url)) = (item["key"].as_str(), item["url"].as_str()) else {
                return Err("urls.json has an entry without key and url".to_owned());
            };
            self.entries.push(Entry::of_url(url, Some(key))?);
        }
        for format in [Format::UrlsTxt, Format::Aria2Txt, Format::CurlConf] {
            let Some(file) = text(format.as_str()) else {
                continue;
            };
            self.formats.push(format);
            let listed = file.lines().filter_map(|line| match format {
                Format::CurlConf => line.strip_prefix("url = \"")?.strip_suffix('"'),
                Format::UrlsTxt | Format::Aria2Txt => Some(line).filter(|l| l.contains("://")),
            });
            let known = self.entries.iter().map(|entry| match &entry.call {
                Call::Url(url) => url.as_str(),
                Call::Form(_) => "",
            });
            if !listed.eq(known) {
                return Err(format!(
                    "{} holds other URLs than urls.json",
                    format.as_str()
                ));
            }
        }
        Ok(())
    }

    /// Whether S3 accepts every URL and form at the start of its life, apart from revocation.
    pub fn accepted(&self, cloud: &Cloud) -> Result<(), String> {
        for entry in &self.entries {
            let parts = &entry.parts;
            let key = cloud
                .keys
                .get(&parts.access_key_id)
                .ok_or("an unknown key signed it")?;
            if key.ends.is_some_and(|end| end < parts.end) {
                return Err("the URL outlives the session that signed it".to_owned());
            }
            if key.token != parts.token {
                return Err("the session token is not the key's".to_owned());
            }
            if !cloud.permits(
                &parts.access_key_id,
                &self.method,
                &entry.bucket,
                &entry.key,
            ) {
                return Err(format!("its session may not {} {}", self.method, entry.key));
            }
            match &entry.call {
                Call::Form(form) => form.verify(&key.secret)?,
                Call::Url(url) => sigv4_verifier::verify(
                    url,
                    &self.method,
                    &self.headers,
                    &key.secret,
                    parts.start,
                )?,
            }
            if !self.many
                && self.method == "GET"
                && let Call::Url(_) = entry.call
            {
                let head = self.head.as_ref().ok_or("there is no head-url")?;
                sigv4_verifier::verify(head, "HEAD", &[], &key.secret, parts.start)?;
            }
        }
        Ok(())
    }
}

impl Entry {
    fn of_url(url: &str, key: Option<&str>) -> Result<Self, String> {
        let parts = Parts::of(url).ok_or("url is no presigned URL")?;
        let place = parts.path[1..].split_once('/');
        let (bucket, own) = place.ok_or("a URL without a key")?;
        if key.is_some_and(|key| key != own) {
            return Err("urls.json tells another key than its URL".to_owned());
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            key: own.to_owned(),
            call: Call::Url(url.to_owned()),
            parts,
        })
    }

    fn of_form(url: &str, fields: &str) -> Result<Self, String> {
        let form = Form::read(url, fields)?;
        let bucket = form.parts.path[1..].split('/').next().unwrap_or_default();
        Ok(Self {
            bucket: bucket.to_owned(),
            key: form.key.clone(),
            parts: form.parts.clone(),
            call: Call::Form(Box::new(form)),
        })
    }
}
