//! Which objects are signed for: `s3://` URLs, lists of keys, and what a listing finds.
//!
//! What holds here: what is no `s3://` URL is not repeated, since it may be a URL that somebody signed.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use presigned_core::engine::{ListRequest, ListResponse};
use presigned_core::issue::LocalObjects;
use presigned_core::request::{Bucket, Key, ListSelection, Objects, Options, Request};

use crate::plugin::aws::Caller;
use crate::plugin::exit::Failure;
use crate::plugin::store_answer::list_failure;
use crate::s3::S3Client;
use presigned_core::signing::Credentials;

/// The most objects of a listing.
const MOST: u32 = 10_000;
/// How long a listing may take.
const LIST_TIMEOUT: Duration = Duration::from_mins(2);
/// The most bytes of a list of keys.
const LIST_BYTES: u64 = 64 * 1024 * 1024;

/// A place in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The bucket.
    pub bucket: Bucket,
    /// A key, or the beginning of keys; may be empty.
    pub key: String,
}

impl Place {
    /// Reads `s3://BUCKET/KEY`. The key stands as it is: nothing in it is decoded.
    fn parse(text: &str, which: &str) -> Result<Self, Failure> {
        let Some(rest) = text.strip_prefix("s3://") else {
            return Err(Failure::usage(format!(
                "{which} is no s3:// URL: give s3://BUCKET/KEY, with the key as it is and not percent-encoded"
            )));
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let bucket = Bucket::parse(bucket)
            .map_err(|error| Failure::usage(format!("the bucket of {which}: {error}")))?;
        Ok(Self {
            bucket,
            key: key.to_owned(),
        })
    }
}

/// What the arguments name: places of one bucket.
#[derive(Clone, Debug)]
pub struct Named {
    /// The bucket.
    pub bucket: Bucket,
    /// Keys, or one beginning of keys.
    pub keys: Vec<String>,
    /// There is one place, and no list: a single key, or a prefix.
    pub single: bool,
}

impl Named {
    /// Reads the URLs, and the keys of a file, or of standard input if it is `-`.
    ///
    /// # Errors
    /// If one is no URL, or they are not of one bucket.
    pub fn read(urls: &[String], keys_from: Option<&PathBuf>) -> anyhow::Result<Self> {
        let mut places = Vec::new();
        for (at, url) in urls.iter().enumerate() {
            places.push(Place::parse(url, &format!("argument {}", at + 1))?);
        }
        if let Some(file) = keys_from {
            let base = match places.as_slice() {
                [] => None,
                [base] if base.key.is_empty() || base.key.ends_with('/') => Some(base.clone()),
                _ => {
                    let message = "--keys-from goes with one s3://BUCKET/ or s3://BUCKET/PREFIX/, below which the keys \
                                   are, or with none";
                    return Err(Failure::usage(message).into());
                }
            };
            places = listed(&read(file)?, base.as_ref())?;
        }
        let Some(first) = places.first() else {
            let message =
                "nothing is named: give s3://BUCKET/KEY, or --keys-from with at least one key";
            return Err(Failure::usage(message).into());
        };
        let bucket = first.bucket.clone();
        if let Some(other) = places.iter().find(|place| place.bucket != bucket) {
            return Err(Failure::usage(format!(
                "{bucket} and {} are two buckets: sign for one bucket at a time",
                other.bucket
            ))
            .into());
        }
        Ok(Self {
            bucket,
            single: keys_from.is_none() && places.len() == 1,
            keys: places.into_iter().map(|place| place.key).collect(),
        })
    }

    /// The keys, parsed, each once.
    ///
    /// # Errors
    /// The first that is no key, or that comes twice.
    pub fn parsed(&self) -> Result<Vec<Key>, Failure> {
        let mut seen = BTreeSet::new();
        let keys = self.keys.iter().map(|key| {
            if key.is_empty() || key.ends_with('/') {
                return Err(Failure::usage(format!(
                    "s3://{}/{key} names no object but all below it: add --recursive to list them, or name a key",
                    self.bucket
                )));
            }
            if !seen.insert(key) {
                return Err(Failure::usage(format!(
                    "the key {key:?} is named twice: leave one out"
                )));
            }
            Key::parse(key).map_err(|error| Failure::usage(format!("the key {error}")))
        });
        keys.collect()
    }
}

/// The places of a list: a key below `base` or an `s3://` URL a line; empty lines are left out.
fn listed(text: &str, base: Option<&Place>) -> Result<Vec<Place>, Failure> {
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty());
    let places = lines.map(|(at, line)| match base {
        Some(base) if !line.starts_with("s3://") => Ok(Place {
            bucket: base.bucket.clone(),
            key: format!("{}{line}", base.key),
        }),
        _ => Place::parse(line, &format!("line {} of the keys", at + 1)),
    });
    places.collect()
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let (what, whole) = if file == Path::new("-") {
        let read = std::io::stdin().take(LIST_BYTES).read_to_string(&mut text);
        ("the list of keys on standard input".to_owned(), read)
    } else {
        let open = std::fs::File::open(file);
        let read = open.and_then(|open| open.take(LIST_BYTES).read_to_string(&mut text));
        (format!("the list of keys {}", file.display()), read)
    };
    let whole = whole.map_err(|error| Failure::file(what, &error))?;
    if whole as u64 == LIST_BYTES {
        return Err(
            Failure::usage("the list of keys has more than 64 MiB: sign it in parts").into(),
        );
    }
    Ok(text)
}

/// Lists what the request selects. Objects whose keys cannot be signed are left out and counted.
///
/// # Errors
/// If the store does not list, or there is nothing, or too much.
pub async fn list(
    caller: &Caller,
    request: &Request,
    credentials: &Credentials,
) -> Result<(LocalObjects, usize), Failure> {
    let Objects::List(wanted) = &request.objects else {
        return Err(Failure::usage("nothing is listed for this method"));
    };
    let bucket = &request.bucket;
    let ListSelection {
        prefix,
        min_objects,
        max_objects,
        ..
    } = wanted;
    let most = max_objects.unwrap_or(MOST);
    let client = S3Client::new(caller.connections.clone(), caller.clock.clone());
    let listing = ListRequest {
        target: caller.target(bucket)?,
        bucket: bucket.clone(),
        wanted: wanted.clone(),
        most,
        credentials: credentials.clone(),
        request_payer: match &request.options {
            Options::Get(get) => get.request_payer,
            _ => None,
        },
        ca_bundle: caller.ca_bundle.clone(),
        signed_at: caller.clock.wall(),
        timeout: LIST_TIMEOUT,
    };
    let place = format!("s3://{bucket}/{prefix}");
    let found = client.list(&listing).await;
    let ListResponse { objects, skew: _ } =
        found.map_err(|error| list_failure(&error, &place, most))?;
    let all = objects.len();
    let keys = objects.into_iter().filter_map(|object| {
        let key = Key::parse(&object.key).ok()?;
        Some((key, Some((object.size, object.etag))))
    });
    let keys: Vec<_> = keys.collect();
    let least = *min_objects as usize;
    if keys.len() < least {
        return Err(Failure::no(format!(
            "{place} holds {} objects that are selected and can be signed, and at least {least} are wanted: check the \
             prefix, --include and --exclude",
            keys.len()
        )));
    }
    let left_out = all - keys.len();
    Ok((LocalObjects::Keys(keys), left_out))
}

#[cfg(test)]
mod tests {
    //! What a place is.

    use super::*;

    fn urls(urls: &[&str]) -> anyhow::Result<Named> {
        let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
        Named::read(&urls, None)
    }

    #[test]
    fn a_key_stands_as_it_is() {
        let named = urls(&["s3://data/a b/%20+?#c"]).expect("a place");
        assert_eq!((named.bucket.as_str(), named.single), ("data", true));
        assert_eq!(named.keys, ["a b/%20+?#c"]);
        assert_eq!(urls(&["s3://data"]).expect("a place").keys, [""]);
    }

    #[test]
    fn what_is_no_place_is_refused_and_not_repeated() {
        let signed = "https://data.s3.amazonaws.com/k?X-Amz-Signature=abc";
        for (given, said) in [
            (vec![signed], "argument 1 is no s3:// URL"),
            (vec!["s3://data/a", "data/b"], "argument 2 is no s3:// URL"),
            (vec!["s3://a/b"], "has 1 characters"),
            (vec!["s3://data/a", "s3://other/b"], "two buckets"),
            (vec![], "nothing is named"),
        ] {
            let message = urls(&given).expect_err("a refusal").to_string();
            assert!(message.contains(said), "{message}");
            assert!(!message.contains("X-Amz"), "{message}");
        }
    }

    #[test]
    fn a_key_is_named_once_and_a_folder_is_no_key() {
        for (keys, said) in [
            (["s3://data/a", "s3://data/a"], "named twice"),
            (["s3://data/a", "s3://data/b/"], "--recursive"),
            (["s3://data/a", "s3://data/../b"], "segment"),
        ] {
            let named = urls(&keys).expect("places");
            let message = named.parsed().expect_err("a refusal").message;
            assert!(message.contains(said), "{message}");
        }
    }

    #[test]
    fn lines_are_keys_below_the_argument_or_urls() {
        let base = Place::parse("s3://data/in/", "it").expect("a place");
        let keys = |text, base| -> Vec<String> {
            let places: Vec<Place> = listed(text, base).expect("places");
            places.into_iter().map(|place| place.key).collect()
        };
        let all = keys("a\n\nb c\ns3://data/d\r\n", Some(&base));
        assert_eq!(all, ["in/a", "in/b c", "d"]);
        let refused = listed("s3://data/a\nb", None)
            .expect_err("a refusal")
            .message;
        assert!(refused.starts_with("line 2"), "{refused}");
    }
}
