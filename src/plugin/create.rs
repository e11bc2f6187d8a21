//! `create`: ask, be checked, receive, in one line.
//!
//! What holds here: what was created and refused is removed again, so that it is not issued one day when
//! nobody expects it, also if a signal ends the wait; of what stays a message says so. With `get` this is the
//! one command that prints a URL or a form, and it prints them to stdout alone.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, PostParams, Preconditions};
use presigned_core::api::{API_VERSION, KIND, Method};
use presigned_core::text::quoted;
use serde_json::{Map, Value, json};

use super::cluster::{Session, failure, passes};
use super::exit::{Exit, Failure};
use super::flags::{Flags, duration};
use super::found::Found;
use super::get::Files;
use super::method_flag::MethodFlag;
use super::stop::Stop;
use super::wait::{issued, until};
use super::words::from_now;
use crate::clock::Clock;

/// How a name begins that nobody gave.
const GENERATED: &str = "presigned-";
/// How long the API server may take for what a stopped command still asks of it, and for a removal.
const PARTING: Duration = Duration::from_secs(10);

/// Ask for a URL, wait for it, and print it
///
/// Creates a PresignedURL, waits until the operator has checked and issued it, and prints what get would
/// print. It is a link (renew: Never) unless --renew says otherwise. What is refused is removed again, also if
/// you stop the command (Ctrl-C, SIGTERM); what is only late stays, and the message says how to remove it.
///
///   kubectl presigned create --bucket models --key team-a/model.bin --duration 1h
///   kubectl presigned create --bucket incoming --key team-a/ --put --file report.pdf --rm --print curl.conf |
///     curl -K - -T report.pdf
///   kubectl presigned create photos --bucket incoming --prefix team-a/photos/ --method POST --max-bytes 10485760
///
/// With --put --file the size is measured and signed, so that exactly this many bytes can be uploaded, and a
/// --key that ends in / gets a name that no other upload has. --rm removes the resource and its Secret once
/// the URL is printed; the URL itself works until it expires.
///
/// Needs the role edit of the namespace, and nothing else.
///
/// Exit codes: 0 it was printed; 1 it was refused, and the message says why; 2 the command line cannot be used,
/// or --file cannot be read; 3 a right is missing or no cluster answers; 4 it was not issued within --timeout.
#[derive(Args, Clone, Debug)]
#[command(verbatim_doc_comment)]
pub struct CreateArgs {
    /// The name of the PresignedURL. Left out: one is made.
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// The bucket.
    #[arg(long, value_name = "BUCKET")]
    bucket: String,

    /// The object's key. Can be given several times. With --put --file, one that ends in / gets a unique name.
    #[arg(long, value_name = "KEY", required_unless_present = "prefix")]
    key: Vec<String>,

    /// All objects whose key begins with this: with GET they are listed, with POST the form's sender names them.
    #[arg(long, value_name = "PREFIX", conflicts_with = "key")]
    prefix: Option<String>,

    /// The method. Left out: GET.
    #[arg(long, value_name = "METHOD", ignore_case = true)]
    method: Option<MethodFlag>,

    /// The same as --method PUT.
    #[arg(long, conflicts_with = "method")]
    put: bool,

    /// The file that will be uploaded: its size is signed. The file itself is not read.
    #[arg(long, value_name = "FILE", requires = "put")]
    file: Option<PathBuf>,

    /// With PUT or POST: the content type of the upload.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,

    /// With POST: the largest upload.
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<u64>,

    /// How long the URL lives, for example 1h. Left out: the longest that the policy and the credentials allow,
    /// up to 12h.
    #[arg(long, value_name = "DURATION")]
    duration: Option<String>,

    /// The store. Left out: default.
    #[arg(long, value_name = "NAME")]
    store: Option<String>,

    /// The store's named endpoint.
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,

    /// Replace the URL before it expires, again and again.
    #[arg(long, conflicts_with = "rm")]
    renew: bool,

    /// Remove the resource and its Secret once the URL is printed.
    #[arg(long)]
    rm: bool,

    /// Print this file of the Secret in place of the URL, for example curl.conf.
    #[arg(long, value_name = "FILE")]
    print: Option<String>,

    /// How long to wait.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration)]
    timeout: Duration,
}

impl CreateArgs {
    /// Runs the command.
    pub async fn run(self, flags: &Flags) -> anyhow::Result<Exit> {
        if self.print.is_some() {
            flags.without_format("--print, which prints a file as it stands")?;
        }
        let now = Clock::start().wall();
        let random = RandomState::new().build_hasher().finish();
        let spec = self.spec(now, random)?;
        let session = Session::open(flags).await?;
        // From here on a signal removes what was created.
        let mut stop = Stop::listen()?;
        let (created, is_stopped) = self.created(&session, &spec, &mut stop).await?;
        let (namespace, name) = (session.namespace.clone(), created.name_any());
        let received = if is_stopped {
            Err(Failure::no("stopped").into())
        } else {
            tokio::select! {
                received = self.receive(&session, &name, flags) => received,
                () = stop.asked() => Err(Failure::no("stopped").into()),
            }
        };
        let gone = match &received {
            Ok(_) => self.rm,
            // What nobody waits for any more would be issued one day when nobody expects it.
            Err(error) => self.rm || Exit::of(error) == Exit::No,
        };
        let removed = if gone {
            remove(&session, &created).await.map(|()| true)
        } else {
            Ok(false)
        };
        let stays = format!(
            "it stays until you remove it: kubectl delete presignedurl {name} -n {namespace}"
        );
        let (exit, message) = match (received, removed) {
            (Ok(end), Ok(gone)) => {
                let until = end.map_or_else(String::new, |end| {
                    format!(", until {end} ({})", from_now(end, now))
                });
                let stays = if gone {
                    "removed again; the URL lives on"
                } else {
                    "created"
                };
                eprintln!("{namespace}/{name}: {stays}{until}");
                return Ok(Exit::Done);
            }
            (Ok(_), Err(failure)) => (failure.exit, format!("{failure}; {stays}")),
            (Err(error), Ok(true)) => (
                Exit::of(&error),
                format!("{error:#}; {namespace}/{name} was removed again"),
            ),
            (Err(error), Ok(false)) => (Exit::of(&error), format!("{error:#}; {stays}")),
            (Err(error), Err(failure)) => {
                (Exit::of(&error), format!("{error:#}; {failure}; {stays}"))
            }
        };
        Err(Failure { exit, message }.into())
    }

    /// Creates it: the resource, and whether a signal came meanwhile.
    async fn created(
        &self,
        session: &Session,
        spec: &Value,
        stop: &mut Stop,
    ) -> anyhow::Result<(Found, bool)> {
        let mut created = std::pin::pin!(self.create(session, spec));
        tokio::select! {
            created = &mut created => return Ok((created?, false)),
            () = stop.asked() => {}
        }
        // What the API server is creating has to be removed.
        let late = tokio::time::timeout(PARTING, created).await;
        let created = late.unwrap_or_else(|_| {
            let namespace = &session.namespace;
            Err(Failure::no(format!("stopped; {}", perhaps(namespace))).into())
        });
        Ok((created?, true))
    }

    /// Waits for it, and prints it; when it expires.
    async fn receive(
        &self,
        session: &Session,
        name: &str,
        flags: &Flags,
    ) -> anyhow::Result<Option<Timestamp>> {
        let found = until(session, name, self.timeout, issued).await?;
        let secret = session.secret_of(&found).await?;
        Files::of(&secret).print(name, self.print.as_deref(), flags.output)?;
        Ok(found.status.and_then(|status| status.expiration_time))
    }

    async fn create(&self, session: &Session, spec: &Value) -> anyhow::Result<Found> {
        let namespace = &session.namespace;
        let meta = match &self.name {
            Some(name) => json!({ "name": name, "namespace": namespace }),
            None => json!({ "generateName": GENERATED, "namespace": namespace }),
        };
        let object =
            json!({ "apiVersion": API_VERSION, "kind": KIND, "metadata": meta, "spec": spec });
        let object: Found = serde_json::from_value(object).context("the request is no object")?;
        let api = session.presigned_urls(Some(namespace));
        let created = api.create(&PostParams::default(), &object).await;
        created.map_err(|error| {
            let name = self.name.as_deref().unwrap_or_default();
            let taken = matches!(&error, kube::Error::Api(status) if status.reason == "AlreadyExists");
            if taken {
                return Failure::no(format!(
                    "there is a PresignedURL {} in namespace \"{namespace}\" already: give another NAME, or leave it out; \
                     kubectl presigned get {name} prints what is there",
                    quoted(name)
                ))
                .into();
            }
            let mut failure = failure(&error, "create", &format!("a presignedurl in namespace {}", quoted(namespace)));
            if passes(&error) {
                failure.message = format!("{failure}; {}", perhaps(namespace));
            }
            failure.into()
        })
    }

    fn method(&self) -> Option<Method> {
        let given = self.method.map(|flag| flag.0);
        given.or_else(|| self.put.then_some(Method::Put))
    }

    /// The spec that the flags describe.
    fn spec(&self, now: Timestamp, random: u64) -> anyhow::Result<Value> {
        let method = self.method();
        let mut spec = Map::new();
        let mut set = |field: &str, value: Value| {
            if !value.is_null() && value != json!({}) {
                spec.insert(field.to_owned(), value);
            }
        };
        set("bucket", json!(self.bucket));
        match self.key.as_slice() {
            [] => set("prefix", json!(self.prefix)),
            [key] => set("key", json!(self.unique(key, now, random)?)),
            keys => set("keys", json!(keys)),
        }
        set("method", json!(method));
        set("duration", json!(self.duration));
        set("endpoint", json!(self.endpoint));
        if !self.renew {
            set("renew", json!("Never"));
        }
        if let Some(store) = &self.store {
            set("storeRef", json!({ "name": store }));
        }
        let mut upload = Map::new();
        if let Some(type_) = &self.content_type {
            upload.insert("contentType".to_owned(), json!(type_));
        }
        match method {
            Some(Method::Put) => {
                if let Some(file) = &self.file {
                    upload.insert("contentLength".to_owned(), json!(size(file)?));
                }
                set("put", Value::Object(upload));
            }
            Some(Method::Post) => {
                let max = self.max_bytes.ok_or_else(|| {
                    Failure::usage("a form bounds its upload: give --max-bytes with --method POST")
                })?;
                upload.insert("contentLengthRange".to_owned(), json!({ "max": max }));
                set("post", Value::Object(upload));
            }
            _ if upload.is_empty() => {}
            _ => {
                return Err(Failure::usage("--content-type goes with --method PUT or POST").into());
            }
        }
        if self.max_bytes.is_some() && method != Some(Method::Post) {
            return Err(Failure::usage(
                "--max-bytes goes with --method POST; a PUT has the exact size of --file",
            )
            .into());
        }
        Ok(Value::Object(spec))
    }

    /// A key of a file's own below one that ends in `/`; any other as it stands.
    fn unique(&self, key: &str, now: Timestamp, random: u64) -> anyhow::Result<String> {
        let Some(file) = self.file.as_ref().filter(|_| key.ends_with('/')) else {
            return Ok(key.to_owned());
        };
        let name = file.file_name().and_then(|name| name.to_str());
        let name =
            name.ok_or_else(|| Failure::usage(format!("{} names no file", file.display())))?;
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        };
        let name: String = name.chars().map(plain).collect();
        let stamp = now.strftime("%Y%m%dT%H%M%SZ");
        Ok(format!("{key}{stamp}-{:08x}-{name}", random & 0xffff_ffff))
    }
}

fn size(file: &Path) -> Result<u64, Failure> {
    let what = format!("the size of {}", file.display());
    let found = std::fs::metadata(file).map_err(|error| Failure::file(what, &error))?;
    if !found.is_file() {
        return Err(Failure::usage(format!(
            "{} is no file: give --file one",
            file.display()
        )));
    }
    Ok(found.len())
}

/// What to do if nobody knows whether it was created.
fn perhaps(namespace: &str) -> String {
    format!("it may be there all the same: kubectl presigned status -n {namespace} shows it")
}

/// Removes what was created, and nothing that took its name since.
async fn remove(session: &Session, created: &Found) -> Result<(), Failure> {
    let (namespace, name) = (&session.namespace, created.name_any());
    let this_one = DeleteParams {
        preconditions: Some(Preconditions {
            uid: created.metadata.uid.clone(),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    let what = format!(
        "presignedurl {} in namespace {}",
        quoted(&name),
        quoted(namespace)
    );
    let api = session.presigned_urls(Some(namespace));
    match tokio::time::timeout(PARTING, api.delete(&name, &this_one)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(()),
        Ok(Err(error)) => Err(failure(&error, "delete", &what)),
        Err(_) => Err(Failure::unknown(format!(
            "the API server does not answer to delete {what}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    //! The spec that flags describe.

    #![allow(clippy::unwrap_used)]

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CreateArgs,
    }

    fn spec(flags: &[&str]) -> Result<Value, String> {
        let line = Line::try_parse_from([&["x", "--bucket", "b"], flags].concat());
        let args = line.map_err(|error| error.to_string())?.args;
        let now = "2026-11-28T12:00:00Z".parse().unwrap();
        args.spec(now, 0xabc).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_gives_its_size_and_a_key_that_no_other_upload_has() {
        let folder = std::env::temp_dir().join(format!("presigned-create-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("my report.pdf");
        std::fs::write(&file, "12345").unwrap();
        let file = file.to_str().unwrap();
        let put = ["--put", "--file", file, "--content-type", "application/pdf"];
        let below = spec(&[&["--key", "up/"][..], &put].concat()).unwrap();
        assert_eq!(below["key"], "up/20261128T120000Z-00000abc-my-report.pdf");
        let options = json!({ "contentLength": 5, "contentType": "application/pdf" });
        assert_eq!((&below["method"], &below["put"]), (&json!("PUT"), &options));
        let named = spec(&[&["--key", "up/a"][..], &put].concat()).unwrap();
        assert_eq!(named["key"], "up/a");
        std::fs::remove_dir_all(&folder).unwrap();
        let why = spec(&[&["--key", "up/"][..], &put].concat()).unwrap_err();
        assert!(why.contains("cannot be read"), "{why}");
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused_with_what_to_give() {
        assert_eq!(
            spec(&["--key", "k"]).unwrap(),
            json!({ "bucket": "b", "key": "k", "renew": "Never" })
        );
        let keys = spec(&["--key", "k", "--key", "l", "--renew", "--method", "head"]).unwrap();
        assert_eq!(
            keys,
            json!({ "bucket": "b", "keys": ["k", "l"], "method": "HEAD" })
        );
        let form = spec(&["--prefix", "p/", "--method", "POST", "--max-bytes", "9"]).unwrap();
        assert_eq!(form["post"], json!({ "contentLengthRange": { "max": 9 } }));
        for (flags, advice) in [
            (&["--key", "k", "--method", "POST"][..], "give --max-bytes"),
            (
                &["--key", "k", "--max-bytes", "9"],
                "goes with --method POST",
            ),
            (
                &["--key", "k", "--content-type", "a/b"],
                "goes with --method PUT or POST",
            ),
            (&["--key", "k", "--file", "f"], "--put"),
            (&[], "--key"),
            (&["--key", "k", "--rm", "--renew"], "cannot be used with"),
        ] {
            let why = spec(flags).unwrap_err();
            assert!(why.contains(advice), "{flags:?}: {why}");
        }
    }
}
