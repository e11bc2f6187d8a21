//! What is signed without a cluster is what a Secret would hold, however much it is.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::{
    AddressingStyle, ContentLengthRange, Format, GetOptions, PostOptions, PutOptions,
};
use crate::issue::{LocalObjects, LocalRequest, SECRET_LIMIT};
use crate::request::{Bucket, Key, Options, Prefix};
use crate::signing::{Credentials, Target};

const HOUR: Duration = Duration::from_hours(1);

fn now() -> Timestamp {
    "2026-05-24T00:00:00Z".parse().unwrap()
}

fn request(objects: LocalObjects, options: Options) -> LocalRequest {
    let bucket = Bucket::parse("models").unwrap();
    LocalRequest {
        target: Target::resolve(None, "eu-west-1", AddressingStyle::Auto, &bucket).unwrap(),
        bucket,
        objects,
        options,
        duration: HOUR,
        formats: BTreeSet::from([Format::UrlsTxt, Format::CurlConf]),
        credentials: Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "secret".into(),
            session_token: None,
            expires_at: None,
        },
        now: now(),
    }
}

fn key() -> LocalObjects {
    LocalObjects::Key(Key::parse("llama/a b").unwrap())
}

fn get() -> Options {
    Options::Get(GetOptions::default())
}

fn names(request: LocalRequest) -> Vec<String> {
    let signed = request.sign().unwrap();
    assert_eq!(signed.expires_at, now() + HOUR);
    signed.content.data.into_keys().collect()
}

#[test]
fn the_files_are_those_of_a_secret() {
    let of_url = |more: &[&str]| -> Vec<String> {
        let all = [
            "action.json",
            "curl.conf",
            "expires-at",
            "headers",
            "method",
            "url",
        ];
        let mut all: Vec<String> = all.iter().chain(more).map(|&n| n.to_owned()).collect();
        all.sort();
        all
    };
    assert_eq!(names(request(key(), get())), of_url(&["head-url"]));
    let put = Options::Put(PutOptions::default());
    assert_eq!(names(request(key(), put)), of_url(&[]));
    let post = Options::Post(PostOptions {
        content_length_range: Some(ContentLengthRange { min: None, max: 9 }),
        ..PostOptions::default()
    });
    let under = LocalObjects::Under(Prefix::parse("in/").unwrap());
    for objects in [key(), under] {
        let names = names(request(objects, post.clone()));
        assert!(names.contains(&"fields.json".to_owned()), "{names:?}");
    }
}

#[test]
fn more_objects_than_a_secret_holds_are_signed() {
    let keys = (0..2000).map(|at| (Key::parse(&format!("k/{at}")).unwrap(), None));
    let signed = request(LocalObjects::Keys(keys.collect()), get())
        .sign()
        .unwrap();
    let bytes = |name: &str| signed.content.data[name].expose().to_vec();
    let urls = String::from_utf8(bytes("urls.txt")).unwrap();
    assert_eq!(urls.lines().count(), 2000);
    let all: usize = signed
        .content
        .data
        .values()
        .map(|file| file.expose().len())
        .sum();
    assert!(all > SECRET_LIMIT, "{all}");
}

#[test]
fn credentials_that_end_earlier_end_the_life_and_too_early_sign_nothing() {
    let with_end = |minutes| {
        let mut request = request(key(), get());
        request.credentials.session_token = Some("token".into());
        request.credentials.expires_at = Some(now() + Duration::from_mins(minutes));
        request.sign().map(|signed| signed.expires_at)
    };
    assert_eq!(with_end(10), Ok(now() + Duration::from_mins(10)));
    assert_eq!(with_end(90), Ok(now() + HOUR));
    let refused = with_end(0).unwrap_err();
    assert!(refused.contains("credentials end too soon"), "{refused}");
}
