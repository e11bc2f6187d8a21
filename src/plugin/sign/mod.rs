//! `sign`: URLs and forms by the caller's own AWS credentials, without a cluster.
//!
//! What holds here: a request is a `PresignedURL`'s spec made of flags, parsed and signed by the core, and its
//! output is a file that a Secret would hold: what was tried here works on a cluster with the same fields.

mod objects;
mod options;
mod page;
mod print;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use presigned_core::api::{ListOptions, Method, PresignedUrlSpec, Renew};
use presigned_core::issue::{LocalObjects, LocalRequest};
use presigned_core::request::{Limits, Objects, Prefix, Request, format_duration};

use super::aws::{AwsArgs, Known};
use super::exit::{Exit, Failure};
use super::flags::Flags;
use super::method_flag::MethodFlag;
use super::output;
use objects::Named;
use options::{OptionArgs, about_flag};
use print::Output;

/// Sign URLs with your own AWS credentials, without a cluster.
///
/// The URL lives for --expires-in, or until the credentials end if that is earlier, which is told. With --recursive
/// all objects below a prefix are listed and signed for. A form (--method POST) takes one key, or any key below
/// `s3://BUCKET/PREFIX/`.
///
/// Exit codes: 0 it was signed; 1 there is nothing to sign, or too much; 2 the command line cannot be used, or a
/// file cannot be read; 3 no credentials, or the store cannot be asked.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  kubectl presigned sign s3://models/llama/weights.bin
  kubectl presigned sign s3://inbox/report.csv --method PUT --content-length 1048576 -o curl | curl -K - -T report.csv
  kubectl presigned sign s3://inbox/photos/ --method POST --content-length-range 1-10Mi -o html > upload.html
  kubectl presigned sign s3://models/llama/ --recursive -o curl | curl -K -
  kubectl presigned sign s3://models/ --keys-from keys.txt -o json

Who has a URL can use it until it expires: send it as a secret. -o curl keeps it out of the list of processes.")]
pub struct SignArgs {
    /// The objects: `s3://BUCKET/KEY`, all of one bucket. Keys stand as they are, not percent-encoded.
    #[arg(value_name = "S3-URL")]
    urls: Vec<String>,

    /// Read keys from a file, or - for standard input: a line each, below S3-URL, or whole s3:// URLs.
    #[arg(long, value_name = "FILE")]
    keys_from: Option<PathBuf>,

    /// What the URL is good for.
    #[arg(long, value_name = "METHOD", default_value = "GET", ignore_case = true)]
    method: MethodFlag,

    /// How long it is to live, 1m to 168h: 12h, 90m, 1h30m, or seconds.
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    expires_in: String,

    /// List the objects below the prefix, and sign for each.
    #[arg(long, help_heading = "Listing")]
    recursive: bool,
    /// Only keys that match, after the prefix: * for any run of characters but /, ** for any run, ? for one;
    /// may be given several times.
    #[arg(
        long,
        value_name = "GLOB",
        requires = "recursive",
        help_heading = "Listing"
    )]
    include: Vec<String>,
    /// No keys that match; may be given several times.
    #[arg(
        long,
        value_name = "GLOB",
        requires = "recursive",
        help_heading = "Listing"
    )]
    exclude: Vec<String>,
    /// Fail with fewer objects. Left out: 1.
    #[arg(
        long,
        value_name = "NUMBER",
        requires = "recursive",
        help_heading = "Listing"
    )]
    min_objects: Option<u32>,
    /// Fail with more objects. Left out: 10000.
    #[arg(
        long,
        value_name = "NUMBER",
        requires = "recursive",
        help_heading = "Listing"
    )]
    max_objects: Option<u32>,

    #[command(flatten)]
    options: OptionArgs,

    #[command(flatten)]
    aws: AwsArgs,
}

impl SignArgs {
    pub async fn run(self, flags: &Flags) -> anyhow::Result<Exit> {
        let method = self.method.0;
        let format = Output::of(flags.own_format()?, method)?;
        let named = Named::read(&self.urls, self.keys_from.as_ref())?;
        let aws = self.aws.clone();
        let request = self.request(&named, method)?;
        let many = matches!(request.objects, Objects::List(_)) || !named.single;
        format.check(many)?;

        let caller = aws.caller().await?;
        let target = caller.target(&named.bucket)?;
        let Known {
            credentials,
            end_unknown,
        } = caller.credentials().await?;
        let objects = match &request.objects {
            Objects::List(_) => {
                let (found, left_out) = objects::list(&caller, &request, &credentials).await?;
                if left_out > 0 {
                    eprintln!(
                        "warning: {left_out} objects are left out: their keys have empty segments, dots or characters that \
                         clients rewrite, and are not signed"
                    );
                }
                found
            }
            Objects::Under(prefix) => LocalObjects::Under(prefix.clone()),
            Objects::Key(_) | Objects::Keys(_) => {
                let mut keys = named.parsed()?;
                match (named.single, keys.pop()) {
                    (true, Some(key)) => LocalObjects::Key(key),
                    (_, last) => {
                        let keys = keys.into_iter().chain(last);
                        LocalObjects::Keys(keys.map(|key| (key, None)).collect())
                    }
                }
            }
        };
        let duration = request.duration.unwrap_or_default();
        let now = caller.clock.wall();
        let formats = format.files();
        let signed = LocalRequest {
            bucket: request.bucket,
            objects,
            options: request.options,
            duration,
            formats,
            target,
            credentials,
            now,
        };
        let signed = signed.sign().map_err(Failure::no)?;
        warn_of_end(now, duration, signed.expires_at, end_unknown);
        output::print(&format.text(&signed, many)?)?;
        Ok(Exit::Done)
    }

    /// The request, with one key for all of several.
    fn request(self, named: &Named, method: Method) -> Result<Request, Failure> {
        let mut spec = PresignedUrlSpec {
            bucket: named.bucket.to_string(),
            method: Some(method),
            renew: Some(Renew::Never),
            duration: Some(seconds(self.expires_in)),
            ..PresignedUrlSpec::default()
        };
        self.options.fill(method, &mut spec)?;
        let first = named.keys.first().map_or("", String::as_str);
        let below = first.is_empty() || first.ends_with('/');
        match method {
            _ if self.recursive && !(named.single && method == Method::Get) => {
                return Err(Failure::usage(
                    "--recursive lists one s3://BUCKET/PREFIX for --method GET: name the keys for another method",
                ));
            }
            Method::Get if self.recursive => {
                let some = |globs: Vec<String>| (!globs.is_empty()).then_some(globs);
                spec.prefix = Some(first.to_owned());
                spec.list = Some(Box::new(ListOptions {
                    min_objects: self.min_objects,
                    max_objects: self.max_objects,
                    include: some(self.include),
                    exclude: some(self.exclude),
                    refresh_interval: None,
                }));
            }
            Method::Post if !named.single => {
                return Err(Failure::usage(
                    "a form is for one key or one s3://BUCKET/PREFIX/: sign for one at a time",
                ));
            }
            Method::Post if below => {
                Prefix::parse(first)
                    .map_err(|error| Failure::usage(format!("the s3:// URL: {error}")))?;
                spec.prefix = Some(first.to_owned());
            }
            _ => {
                let keys = named.parsed()?;
                spec.key = keys.first().map(ToString::to_string);
            }
        }
        let limits = Limits {
            min_duration: Duration::ZERO,
        };
        Request::parse(&spec, &limits).map_err(|error| about_flag(&error))
    }
}

/// A duration; a bare number is in seconds, as `aws s3 presign` takes it.
fn seconds(text: String) -> String {
    let bare = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if bare { text + "s" } else { text }
}

/// Says it if the URL may end before it should.
fn warn_of_end(now: Timestamp, duration: Duration, expires_at: Timestamp, end_unknown: bool) {
    let left = |end: Timestamp| SignedDuration::from_secs(end.as_second() - now.as_second());
    let lives = Duration::try_from(left(expires_at)).unwrap_or_default();
    if lives < duration {
        eprintln!(
            "warning: the credentials end at {expires_at}, and what they sign with them: it lives for {} and not for {}. \
             Log in again, or sign with credentials that live longer",
            format_duration(lives),
            format_duration(duration)
        );
    }
    if end_unknown {
        eprintln!(
            "warning: the credentials are a session's, and nobody says when it ends: what it signs ends with it, perhaps \
             before {}. Set AWS_CREDENTIAL_EXPIRATION beside AWS_SESSION_TOKEN to have it counted in",
            format_duration(duration)
        );
    }
}

#[cfg(test)]
mod tests {
    //! What is read of a duration.

    use super::seconds;

    #[test]
    fn a_bare_number_is_in_seconds() {
        for (given, read) in [("3600", "3600s"), ("1h", "1h"), ("", ""), ("7d", "7d")] {
            assert_eq!(seconds(given.to_owned()), read);
        }
    }
}
