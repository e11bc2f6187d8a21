//! The Secret of 2,000 objects: each URL signed, checked and written, as one resource with a `prefix` costs
//! it.
//!
//! What holds here: the keys are as long as those of a data set, and the URLs fit into one Secret as
//! `urls.json`.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use presigned_core::api::GetOptions;
use presigned_core::issue::{BundleContent, Item, Template, render_bundle};
use presigned_core::request::{Bucket, Key, Options};
use presigned_core::signing::{ExpectedUrl, Operation, check, presign};

use super::sign::{BUCKET, HOUR, credentials, expected_signature, target};
use super::{ROUNDS, print};

/// As many objects as `keys` may name, but for 48.
const OBJECTS: usize = 2000;
pub(super) fn run() -> Result<()> {
    let bucket = Bucket::parse(BUCKET)?;
    let target = target(&bucket)?;
    let credentials = credentials();
    let options = Options::Get(GetOptions::default());
    let keys: Result<Vec<Key>, _> = (0..OBJECTS)
        .map(|at| Key::parse(&format!("vision-prod/train/images/part-{at:05}.tar")))
        .collect();
    let keys = keys?;
    let signed_at = Timestamp::from_second(Timestamp::now().as_second())?;
    let expires_at = signed_at.checked_add(HOUR)?;

    let sign_all = || -> Result<Vec<String>> {
        keys.iter()
            .map(|key| {
                let operation = Operation {
                    bucket: &bucket,
                    key,
                    options: &options,
                };
                let signed = presign(&operation, &target, &credentials, signed_at, HOUR)?;
                let expected = ExpectedUrl {
                    key,
                    method: options.method(),
                    options: &options,
                    signature: expected_signature(&target, &bucket, signed_at, expires_at),
                };
                check(&signed, &expected).context("our own URL passes the check")?;
                Ok(signed.url.expose().to_owned())
            })
            .collect()
    };
    let (template, formats) = (Template::default(), BTreeSet::new());
    let render_all = |urls: &[String]| {
        let items: Vec<Item<'_>> = keys
            .iter()
            .zip(urls)
            .map(|(key, url)| Item {
                key: key.as_str(),
                url,
                size: Some(1 << 30),
                etag: Some("\"d41d8cd98f00b204e9800998ecf8427e\""),
            })
            .collect();
        render_bundle(&BundleContent {
            name: "images",
            method: options.method(),
            items: &items,
            headers: &[],
            formats: &formats,
            expires_at,
            ca_bundle: None,
            template: &template,
        })
    };

    let urls = sign_all()?;
    // Without a written Secret the figure means nothing.
    let secret = render_all(&urls).context("2,000 objects fit into a Secret")?;
    ensure!(secret.data.contains_key("urls.json"), "it is written");
    rounds("sign and check 2,000 URLs", sign_all)?;
    rounds("write urls.json of 2,000 URLs", || Ok(render_all(&urls)?))?;
    rounds("sign, check and write the Secret of 2,000 objects", || {
        Ok(render_all(&sign_all()?)?)
    })
}

/// Each round is one run, which is long enough.
fn rounds<T>(name: &str, mut one: impl FnMut() -> Result<T>) -> Result<()> {
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let started = std::time::Instant::now();
        std::hint::black_box(one()?);
        rounds.push(started.elapsed());
    }
    print(name, rounds);
    Ok(())
}
