//! `cors`: shows, compares, applies and removes a bucket's CORS rule, with the caller's own AWS credentials.
//!
//! What holds here: rules that this program did not make stay as they are, unless `--force` says otherwise.
//! Its own are known by their ID. What is written is read first, and nothing is written that is there.

mod rules;

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use presigned_core::api::Method;
use presigned_core::engine::{ErrorCode, S3Response};
use presigned_core::request::Bucket;
use presigned_core::signing::{Credentials, Target};
use serde_json::{Value, json};

use super::aws::{AwsArgs, Caller};
use super::exit::{Exit, Failure};
use super::flags::{Flags, Format};
use super::method_flag::MethodFlag;
use super::output::{self, Cell, Table};
use super::store_answer::{refused, unreachable};
use crate::s3::{S3Client, SettingError, SettingRequest};
use rules::{MOST, OWN, Rule, Rules, Wanted};

/// Show, compare, apply or remove a bucket's CORS rule with your own AWS credentials
///
/// A page on another origin may read what it downloads, and upload by PUT or with progress, only if the
/// bucket has a CORS rule for its origin. This command makes one rule, known by its ID presigned.dev/NAME, and
/// keeps the rules of others.
///
/// Exit codes: 0 done, or with --check: the rule is as asked; 1 with --check: it is not; 2 the command line
/// cannot be used, or a file cannot be read; 3 no credentials, or the store refused.
#[derive(Args, Clone, Debug)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  kubectl presigned cors show s3://inbox
  kubectl presigned cors apply s3://inbox --origin https://app.example.com --method GET --method PUT
  kubectl presigned cors apply s3://inbox --origin https://app.example.com --method POST --check
  kubectl presigned cors remove s3://inbox"
)]
pub struct CorsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Clone, Debug)]
enum Action {
    /// Print the rules of the bucket.
    Show(Place),
    /// Make the rule, or change it to what is asked.
    Apply(Box<ApplyArgs>),
    /// Remove the rule that apply made.
    Remove(RemoveArgs),
}

/// The bucket, and who asks.
#[derive(Args, Clone, Debug)]
struct Place {
    /// The bucket: `s3://BUCKET` or its name.
    #[arg(value_name = "BUCKET")]
    bucket: String,

    #[command(flatten)]
    aws: AwsArgs,
}

#[derive(Args, Clone, Debug)]
struct ApplyArgs {
    #[command(flatten)]
    place: Place,

    /// The rule's name, if several pages have rules of their own.
    #[arg(long, value_name = "NAME", default_value = "default")]
    name: String,

    /// The origin of the page: scheme, host and port. Can be given several times.
    #[arg(long, value_name = "ORIGIN", required = true)]
    origin: Vec<String>,

    /// What the page does. Can be given several times.
    #[arg(long, value_name = "METHOD", ignore_case = true, required = true)]
    method: Vec<MethodFlag>,

    /// Headers that the page sends; * for any. Left out: what URLs and forms with these methods need.
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,

    /// Headers of the answer that the page may read.
    #[arg(long, value_name = "HEADER", default_value = "ETag")]
    expose: Vec<String>,

    /// How long a browser keeps the answer to a preflight request, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    max_age: u32,

    /// Compare and change nothing: exit code 1 if the rule is not as asked.
    #[arg(long)]
    check: bool,

    /// Replace all rules of the bucket by this one, those of others too.
    #[arg(long, conflicts_with = "check")]
    force: bool,
}

#[derive(Args, Clone, Debug)]
struct RemoveArgs {
    #[command(flatten)]
    place: Place,

    /// The rule's name.
    #[arg(long, value_name = "NAME", default_value = "default")]
    name: String,
}

/// The headers that a page sends with a method beyond those that need no leave.
const fn sent_headers(method: Method) -> &'static [&'static str] {
    match method {
        Method::Get | Method::Head => &["range", "if-match", "if-none-match"],
        Method::Put => &["content-type", "if-match", "if-none-match", "x-amz-*"],
        Method::Post => &["content-type"],
        Method::Delete => &[],
    }
}

impl CorsArgs {
    pub async fn run(self, flags: &Flags) -> anyhow::Result<Exit> {
        match self.action {
            Action::Show(place) => {
                let rules = place.open().await?.read().await?;
                output::print(&shown(&rules, flags.output)?)?;
                Ok(Exit::Done)
            }
            Action::Apply(args) => {
                flags.without_format("cors apply, which prints no result")?;
                args.run().await
            }
            Action::Remove(args) => {
                flags.without_format("cors remove, which prints no result")?;
                let id = id(&args.name)?;
                let open = args.place.open().await?;
                let rules = open.read().await?;
                let bucket = &open.bucket;
                if rules.of_id(&id).is_none() {
                    eprintln!("s3://{bucket} has no CORS rule {id}: nothing to remove");
                    return Ok(Exit::Done);
                }
                open.write(&rules.without(&id)).await?;
                eprintln!("removed the CORS rule {id} of s3://{bucket}");
                Ok(Exit::Done)
            }
        }
    }
}

impl ApplyArgs {
    async fn run(self) -> anyhow::Result<Exit> {
        let wanted = self.wanted()?;
        let id = wanted.id.clone();
        let rule = wanted.rule();
        let open = self.place.open().await?;
        let bucket = &open.bucket;
        let rules = open.read().await?;
        let known = rules.of_id(&id);
        let is_there = known.is_some_and(|known| known.says_what(&rule));
        if self.check {
            if is_there {
                eprintln!("the CORS rule {id} of s3://{bucket} is as asked");
                return Ok(Exit::Done);
            }
            let why = known.map_or_else(
                || "is not there".to_owned(),
                |known| format!("differs: {}", differences(known, &rule)),
            );
            return Err(Failure::no(format!(
                "the CORS rule {id} of s3://{bucket} {why}; run the same without --check to apply it"
            ))
            .into());
        }
        let others = rules.0.iter().filter(|other| other.id() != id).count();
        let next = if self.force {
            Rules(vec![rule])
        } else {
            rules.with(rule)
        };
        if is_there && next.0.len() == rules.0.len() {
            eprintln!("the CORS rule {id} of s3://{bucket} is as asked: nothing to change");
            return Ok(Exit::Done);
        }
        if next.0.len() > MOST {
            return Err(Failure::no(format!(
                "s3://{bucket} has {others} CORS rules, and S3 takes {MOST}: remove some, or give --force to replace all"
            ))
            .into());
        }
        open.write(&next).await?;
        let kept = if self.force {
            format!("{others} others were replaced")
        } else {
            format!("{others} others are kept")
        };
        eprintln!("applied the CORS rule {id} of s3://{bucket}; {kept}");
        Ok(Exit::Done)
    }

    fn wanted(&self) -> Result<Wanted, Failure> {
        for origin in &self.origin {
            if let Some(fault) = origin_fault(origin) {
                return Err(Failure::usage(format!("--origin {origin:?} {fault}")));
            }
        }
        let methods: BTreeSet<Method> = self.method.iter().map(|flag| flag.0).collect();
        let needed: BTreeSet<&str> = methods
            .iter()
            .flat_map(|method| sent_headers(*method).iter().copied())
            .collect();
        let headers = if self.header.is_empty() {
            needed.into_iter().map(str::to_owned).collect()
        } else {
            self.header.clone()
        };
        for header in headers.iter().chain(&self.expose) {
            let token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'*');
            if header.is_empty() || !header.bytes().all(token) {
                return Err(Failure::usage(format!("{header:?} is no name of a header")));
            }
        }
        Ok(Wanted {
            id: id(&self.name)?,
            origins: self.origin.clone(),
            methods: methods.iter().map(|one| one.as_str().to_owned()).collect(),
            headers,
            exposed: self.expose.clone(),
            max_age: self.max_age,
        })
    }
}

/// The ID of a rule.
fn id(name: &str) -> Result<String, Failure> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        return Err(Failure::usage(
            "--name: give 1 to 64 letters, digits, dots, hyphens and underscores",
        ));
    }
    Ok(format!("{OWN}{name}"))
}

/// Why no browser sends such an origin.
fn origin_fault(origin: &str) -> Option<&'static str> {
    if origin == "*" {
        return None;
    }
    let Some(host) = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"))
    else {
        return Some("has no scheme: give https://app.example.com, or * for any origin");
    };
    if host.contains('/') {
        return Some(
            "has a path, and an origin has none: leave out what follows the host, the slash too",
        );
    }
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '@' || c == '?') {
        return Some("names no host: give scheme, host and port");
    }
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        return Some("has capitals, and browsers send hosts in lower case");
    }
    (origin.matches('*').count() > 1).then_some("has more than one *: S3 takes one")
}

/// What differs, in words.
fn differences(known: &Rule, wanted: &Rule) -> String {
    let names = [
        ("AllowedOrigin", "origins"),
        ("AllowedMethod", "methods"),
        ("AllowedHeader", "headers"),
        ("ExposeHeader", "exposed headers"),
        ("MaxAgeSeconds", "max age"),
    ];
    let differ = names.iter().filter_map(|(element, name)| {
        let list = |rule: &Rule| {
            let mut values: Vec<String> =
                rule.values(element).map(str::to_ascii_lowercase).collect();
            values.sort();
            values
        };
        let shown = |rule: &Rule| {
            let values: Vec<&str> = rule.values(element).collect();
            output::printable(&values.join(" "))
        };
        (list(known) != list(wanted))
            .then(|| format!("{name} are [{}] and not [{}]", shown(known), shown(wanted)))
    });
    differ.collect::<Vec<_>>().join("; ")
}

fn shown(rules: &Rules, format: Format) -> anyhow::Result<String> {
    let list = |rule: &Rule, name: &str| rule.values(name).map(str::to_owned).collect::<Vec<_>>();
    let value = |rule: &Rule| -> Value {
        json!({
            "id": rule.id(),
            "own": rule.is_own(),
            "origins": list(rule, "AllowedOrigin"),
            "methods": list(rule, "AllowedMethod"),
            "headers": list(rule, "AllowedHeader"),
            "exposed": list(rule, "ExposeHeader"),
            "maxAgeSeconds": rule.values("MaxAgeSeconds").next().and_then(|text| text.parse::<u64>().ok()),
        })
    };
    let values: Vec<Value> = rules.0.iter().map(value).collect();
    match format {
        Format::Json => output::json(&values),
        Format::Yaml => output::yaml(&values),
        Format::Table | Format::Wide => {
            let mut table = Table::new(vec!["ID", "ORIGINS", "METHODS", "HEADERS", "EXPOSED"]);
            for rule in &rules.0 {
                let joined = |name| Cell::from(list(rule, name).join(","));
                table.row(vec![
                    rule.id().into(),
                    joined("AllowedOrigin"),
                    joined("AllowedMethod"),
                    joined("AllowedHeader"),
                    joined("ExposeHeader"),
                ]);
            }
            Ok(table.render(output::colours()))
        }
    }
}

/// A bucket whose rules can be asked for.
struct Open {
    caller: Caller,
    bucket: Bucket,
    target: Target,
    credentials: Credentials,
}

impl Place {
    async fn open(&self) -> anyhow::Result<Open> {
        let name = self.bucket.strip_prefix("s3://").unwrap_or(&self.bucket);
        let name = name.strip_suffix('/').unwrap_or(name);
        // What is no name may be a URL that somebody signed, so it is not repeated.
        let bucket = Bucket::parse(name).map_err(|_| {
            Failure::usage("the bucket is no name of one: give s3://BUCKET, without a key")
        })?;
        let caller = self.aws.caller().await?;
        let target = caller.target(&bucket)?;
        let credentials = caller.credentials().await?.credentials;
        Ok(Open {
            caller,
            bucket,
            target,
            credentials,
        })
    }
}

impl Open {
    async fn read(&self) -> Result<Rules, Failure> {
        let answer = match self.send(Method::Get, "").await {
            Err(SettingError::Refused(answer)) if has_none(&answer) => return Ok(Rules::default()),
            other => other.map_err(|error| self.failure(&error, "read", "s3:GetBucketCORS"))?,
        };
        Rules::parse(&answer).ok_or_else(|| {
            Failure::unknown(format!(
                "what answers for s3://{} gave no CORS rules: is it an S3 server? Check --endpoint-url",
                self.bucket
            ))
        })
    }

    async fn write(&self, rules: &Rules) -> Result<(), Failure> {
        let sent = if rules.0.is_empty() {
            self.send(Method::Delete, "").await
        } else {
            self.send(Method::Put, &rules.document()).await
        };
        sent.map(drop)
            .map_err(|error| self.failure(&error, "write", "s3:PutBucketCORS"))
    }

    async fn send(&self, method: Method, body: &str) -> Result<bytes::Bytes, SettingError> {
        let client = S3Client::new(self.caller.connections.clone(), self.caller.clock.clone());
        let request = SettingRequest {
            target: &self.target,
            bucket: &self.bucket,
            method,
            name: "cors",
            body,
            credentials: &self.credentials,
            ca_bundle: self.caller.ca_bundle.as_deref(),
            signed_at: self.caller.clock.wall(),
        };
        client.setting(&request).await
    }

    fn failure(&self, error: &SettingError, verb: &str, action: &str) -> Failure {
        let place = format!("the CORS rules of s3://{}", self.bucket);
        match error {
            SettingError::Refused(answer) => refused(answer, verb, &place, action),
            SettingError::TransportError(error) => unreachable(error),
            SettingError::NotSigned(error) => Failure::unknown(format!(
                "the request to {verb} {place} is not signed: {error}"
            )),
        }
    }
}

/// Whether the answer says that there are no rules.
fn has_none(answer: &S3Response) -> bool {
    matches!(answer.code, Some(ErrorCode::Other(Some(name))) if name.as_str() == "NoSuchCORSConfiguration")
}

#[cfg(test)]
mod tests {
    //! What is an origin.

    use super::origin_fault;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for good in [
            "*",
            "https://app.example.com",
            "http://localhost:3000",
            "https://*.example.com",
        ] {
            assert_eq!(origin_fault(good), None, "{good}");
        }
        for bad in [
            "app.example.com",
            "https://a/",
            "https://a/b",
            "https://",
            "https://A.b",
            "https://*.*.b",
        ] {
            assert!(origin_fault(bad).is_some(), "{bad}");
        }
    }
}
