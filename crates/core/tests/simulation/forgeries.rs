//! Secrets that a faulty signer would make, with valid signatures for more than was allowed; and a status that
//! tells what no status may.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use presigned_core::api::{AddressingStyle, GetOptions, Method, PutOptions};
use presigned_core::engine::{ErrorCode, ObjectKey, SecretWrite, Step, StepResult};
use presigned_core::issue::SecretBytes;
use presigned_core::request::{Bucket, Key, Options};
use presigned_core::signing::{Credentials, Endpoint, Operation, Target, presign};

use crate::common::cloud::Cloud;
use crate::common::cluster::Cluster;
use crate::common::post_form::Form;
use crate::common::url::Parts;
use crate::common::world::steps::execute;
use crate::planted_bugs::Bug;

fn text(data: &BTreeMap<String, SecretBytes>, key: &str) -> Option<String> {
    String::from_utf8(data.get(key)?.expose().to_vec()).ok()
}

/// The same URL for another object or a week, truly signed.
fn signed(
    cloud: &Cloud,
    method: &str,
    parts: &Parts,
    key: Option<&str>,
    life: Duration,
) -> Option<String> {
    let (bucket, own) = parts.path[1..].split_once('/')?;
    let bucket = Bucket::parse(bucket).ok()?;
    let key = Key::parse(key.unwrap_or(own)).ok()?;
    let options = match method {
        method if method == Method::Get.as_str() => Options::Get(GetOptions::default()),
        method if method == Method::Head.as_str() => Options::Head(GetOptions::default()),
        method if method == Method::Put.as_str() => Options::Put(PutOptions::default()),
        _ => Options::Delete,
    };
    let known = cloud.keys.get(&parts.access_key_id)?;
    let credentials = Credentials {
        access_key_id: parts.access_key_id.clone(),
        secret_access_key: known.secret.clone().into(),
        session_token: known.token.clone().map(Into::into),
        expires_at: known.ends.map(|_| Timestamp::MAX),
    };
    let endpoint = Endpoint::parse(&parts.origin).ok()?;
    let style = AddressingStyle::Path;
    let target = Target::resolve(Some(&endpoint), &parts.region, style, &bucket).ok()?;
    let operation = Operation {
        bucket: &bucket,
        key: &key,
        options: &options,
    };
    let presigned = presign(&operation, &target, &credentials, parts.start, life).ok()?;
    Some(presigned.url.expose().to_owned())
}

/// The same URL with a life of a week.
pub fn longer(write: &SecretWrite, cloud: &Cloud) -> Option<Box<SecretWrite>> {
    let parts = Parts::of(&text(&write.data, "url")?)?;
    let method = text(&write.data, "method")?;
    let week = Duration::from_hours(168);
    let url = signed(cloud, &method, &parts, None, week)?;
    let mut write = Box::new(write.clone());
    write.data.insert("url".to_owned(), url.into());
    Some(write)
}

/// Many objects, and one that no policy was asked about.
pub fn without_decision(write: &SecretWrite, cloud: &Cloud) -> Option<Box<SecretWrite>> {
    let urls = text(&write.data, "urls.json")?;
    let mut items: Vec<serde_json::Value> = serde_json::from_str(&urls).ok()?;
    let parts = Parts::of(items.first()?["url"].as_str()?)?;
    let key = "private/secret";
    let life = parts.end.as_second() - parts.start.as_second();
    let life = Duration::from_secs(u64::try_from(life).ok()?);
    let method = text(&write.data, "method")?;
    let url = signed(cloud, &method, &parts, Some(key), life)?;
    items.push(serde_json::json!({"key": key, "url": url}));
    let mut write = Box::new(write.clone());
    for file in ["urls.txt", "aria2.txt", "curl.conf"] {
        write.data.remove(file);
    }
    let items = serde_json::to_string(&items).ok()?;
    write.data.insert("urls.json".to_owned(), items.into());
    Some(write)
}

/// A form that works for any bucket.
pub fn any_bucket(write: &SecretWrite, cloud: &Cloud) -> Option<Box<SecretWrite>> {
    let form = Form::read(
        &text(&write.data, "url")?,
        &text(&write.data, "fields.json")?,
    )
    .ok()?;
    let key = cloud.keys.get(&form.parts.access_key_id)?;
    let fields =
        form.with_conditions(&key.secret, |condition| condition.get("bucket").is_none())?;
    let mut write = Box::new(write.clone());
    write.data.insert("fields.json".to_owned(), fields.into());
    Some(write)
}

/// Changes a store's answer to what a faulty engine would read in it.
pub fn misread(bug: Bug, key: &ObjectKey, step: &Step, result: &mut StepResult) {
    let none = Some(SignedDuration::ZERO);
    if let (Bug::DropsSkew, StepResult::Listed(Ok(listing))) = (bug, &mut *result) {
        listing.skew = none;
    }
    let (StepResult::Responses(answers), Step::SendRequests { .. }) = (result, step) else {
        return;
    };
    let of_store = matches!(key, ObjectKey::Store(_));
    for (at, answer) in answers.iter_mut().enumerate() {
        let Ok(answer) = answer else { continue };
        match bug {
            Bug::DropsSkew => answer.skew = none,
            Bug::TrustsStoreWithUnsignedHeaders if of_store && at == 1 => {
                (answer.status, answer.code) = (403, Some(ErrorCode::HeadersNotSigned));
            }
            Bug::AcceptsUnknownKeys
                if of_store && answer.code == Some(ErrorCode::InvalidAccessKeyId) =>
            {
                (answer.status, answer.code) = (404, Some(ErrorCode::NoSuchKey));
            }
            Bug::PublishesUnverified if !of_store => (answer.status, answer.code) = (206, None),
            _ => {}
        }
    }
}

/// Writes a status with the URL in its first condition.
pub fn leaking_status(
    cluster: &mut Cluster,
    cloud: &mut Cloud,
    key: &ObjectKey,
    step: &Step,
    now: Timestamp,
) -> StepResult {
    let mut step = step.clone();
    if let Step::WriteStatus {
        namespace, status, ..
    } = &mut step
        && let Some(secret) = status.internal.secret.as_ref()
        && let Some(url) = cluster
            .secrets
            .get(&(namespace.clone(), secret.name.clone()))
            .and_then(|secret| secret.text("url"))
    {
        status.conditions[0].message = format!("good: {url}");
    }
    execute(cluster, cloud, key, &step, now)
}
