//! What access promises, checked with a reader of policies that shares nothing with their writer.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod iam;
mod names;
mod namespaces;
mod requests;
mod revocations;
mod signer;

use serde_json::{Value, json};

use super::Dialect;
use crate::api::{GetOptions, PutOptions};
use crate::request::{Bucket, Key, Options};

const AWS: Dialect = Dialect::Aws { partition: "aws" };

fn bucket() -> Bucket {
    Bucket::parse("data").unwrap()
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn get() -> Options {
    Options::Get(GetOptions::default())
}

fn put(fields: &Value) -> Options {
    let options: PutOptions = serde_json::from_value(fields.clone()).unwrap();
    Options::Put(options)
}

fn statements(policy: &str) -> Vec<Value> {
    let policy: Value = serde_json::from_str(policy).unwrap();
    assert_eq!(policy["Version"], json!("2012-10-17"));
    policy["Statement"].as_array().unwrap().clone()
}
