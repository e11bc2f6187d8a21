//! Requests of every kind, for the tests that compare the core's signatures with those of others.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared by test programs, each of which uses a part of it"
)]

use std::time::Duration;

use jiff::Timestamp;
use presigned_core::api::{
    AddressingStyle, GetOptions, IfNoneMatch, PutOptions, RequestPayer, ServerSideEncryption,
};
use presigned_core::request::{Bucket, Key, Options};
use presigned_core::signing::{
    Credentials, Endpoint, ExpectedSignature, Operation, Presigned, Target, presign,
};
use proptest::collection::btree_map;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

pub const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub const TOKEN: &str =
    "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJ+/= token&with?all#of%it";

/// Where stores are: endpoint, region, addressing style.
pub const PLACES: &[(Option<&str>, &str, AddressingStyle)] = &[
    (None, "eu-central-1", AddressingStyle::Auto),
    (None, "us-east-1", AddressingStyle::VirtualHost),
    (None, "mx-central-1", AddressingStyle::Path),
    (None, "cn-north-1", AddressingStyle::Auto),
    (None, "us-gov-west-1", AddressingStyle::Auto),
    (
        Some("https://minio.example.com:9000"),
        "us-east-1",
        AddressingStyle::Auto,
    ),
    (
        Some("https://s3.example.com"),
        "garage",
        AddressingStyle::Path,
    ),
    (
        Some("https://s3.example.com"),
        "eu-west-2",
        AddressingStyle::VirtualHost,
    ),
    (
        Some("https://s3.example.com:8443"),
        "eu-west-2",
        AddressingStyle::VirtualHost,
    ),
    (
        Some("http://s3.example.com:8080"),
        "eu-west-2",
        AddressingStyle::VirtualHost,
    ),
    (
        Some("http://s3.localhost"),
        "us-east-1",
        AddressingStyle::VirtualHost,
    ),
    (
        Some("http://127.0.0.1:7070"),
        "us-east-1",
        AddressingStyle::Path,
    ),
    (
        Some("http://[::1]:9000"),
        "us-east-1",
        AddressingStyle::Auto,
    ),
    (
        Some("https://[fd00:1:2::10]"),
        "us-east-1",
        AddressingStyle::Auto,
    ),
    (
        Some("https://x.supabase.co/storage/v1/s3"),
        "eu-central-1",
        AddressingStyle::Path,
    ),
    (
        Some("http://127.0.0.1:8080/a_b.c~d/"),
        "us-east-1",
        AddressingStyle::Auto,
    ),
    (
        Some("https://example.com:8443/s3"),
        "garage",
        AddressingStyle::VirtualHost,
    ),
];

#[derive(Clone, Debug)]
pub struct Case {
    pub place: usize,
    pub bucket: Bucket,
    pub key: Key,
    pub options: Options,
    pub session: bool,
    pub signed_at: Timestamp,
    pub expires: u64,
}

pub fn printable(max: usize) -> impl Strategy<Value = String> {
    let text = proptest::string::string_regex(&format!("[!-~]([ -~]{{0,{max}}}[!-~])?"));
    text.unwrap()
}

/// Names as S3 takes them today, and those of old buckets, for each place that takes them.
pub fn bucket(place: usize) -> BoxedStrategy<Bucket> {
    let (endpoint, _, style) = PLACES[place];
    if endpoint.is_none() || style == AddressingStyle::VirtualHost {
        return todays_bucket().boxed();
    }
    let old = "[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]";
    let old = old.prop_filter_map("a bucket", |name| Bucket::parse(&name).ok());
    prop_oneof![2 => todays_bucket(), 1 => old].boxed()
}

fn todays_bucket() -> impl Strategy<Value = Bucket> {
    prop_oneof![
        3 => "[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
        1 => "[a-z0-9]{1,9}[.][a-z0-9]{2,9}([.][a-z0-9-]{2,9}){0,2}",
    ]
    .prop_filter_map("a bucket", |name| Bucket::parse(&name).ok())
}

pub fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        "[ -~]{1,80}",
        "[+&?#%~ ='\"<>;:@!*()|\\\\^`{}\\[\\],/$.-]{1,40}",
        "[a-z/é字🐱%20+]{1,60}",
        "\\PC{1,60}",
        "[a-zA-Z0-9/_.-]{900,1024}",
    ]
    .prop_filter_map("a key", |key| Key::parse(&key).ok())
}

pub fn get_options() -> impl Strategy<Value = GetOptions> {
    (
        of(printable(40)),
        of(printable(40)),
        of(printable(60)),
        of(printable(20)),
        of(printable(20)),
        of(printable(40)),
        of(Just(RequestPayer::Requester)),
    )
        .prop_map(
            |(version, kind, disposition, encoding, language, cache, payer)| GetOptions {
                version_id: version,
                response_content_type: kind,
                response_content_disposition: disposition,
                response_content_encoding: encoding,
                response_content_language: language,
                response_cache_control: cache,
                request_payer: payer,
            },
        )
}

pub fn put_options() -> impl Strategy<Value = PutOptions> {
    let sse = select(vec![
        ServerSideEncryption::AES256,
        ServerSideEncryption::AwsKms,
    ]);
    let narrow = (
        of(printable(40)),
        of(0..=5_368_709_120_u64),
        of(proptest::array::uniform32(any::<u8>())),
        of(proptest::array::uniform8(any::<u8>())),
        of(printable(40)),
        of(Just(IfNoneMatch::Any)),
        of(sse),
        of("[A-Za-z0-9:/_-]{1,80}"),
    );
    let wide = (
        of(select(vec![
            "STANDARD",
            "STANDARD_IA",
            "GLACIER_IR",
            "NEW_CLASS",
        ])),
        of(select(vec![
            "private",
            "bucket-owner-full-control",
            "new-acl",
        ])),
        of(btree_map("[a-z0-9][a-z0-9-]{0,20}", printable(40), 0..5)),
        of(btree_map(
            "[A-Za-z0-9 +=._:/@-]{1,20}",
            "[A-Za-z0-9 +=._:/@-]{0,20}",
            0..5,
        )),
    );
    (narrow, wide).prop_map(|(narrow, wide)| {
        let (
            content_type,
            content_length,
            checksum,
            crc64,
            if_match,
            if_none_match,
            sse,
            kms_key_id,
        ) = narrow;
        let (storage_class, acl, metadata, tagging) = wide;
        PutOptions {
            content_type,
            content_length,
            checksum_sha256: checksum.map(base64),
            checksum_crc64nvme: crc64.map(base64),
            if_match,
            if_none_match,
            server_side_encryption: sse,
            kms_key_id,
            storage_class: storage_class.map(str::to_owned),
            acl: acl.map(str::to_owned),
            metadata,
            tagging,
        }
    })
}

fn base64<const N: usize>(bytes: [u8; N]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

prop_compose! {
    pub fn case()(
        place in 0..PLACES.len(),
    )(
        place in Just(place),
        bucket in bucket(place),
        key in key(),
        options in prop_oneof![
            3 => get_options().prop_map(Options::Get),
            2 => get_options().prop_map(Options::Head),
            4 => put_options().prop_map(Options::Put),
            1 => Just(Options::Delete),
        ],
        session in any::<bool>(),
        second in 0_i64..4_000_000_000,
        expires in 1..=604_800_u64,
    ) -> Case {
        let signed_at = Timestamp::from_second(second).unwrap();
        Case { place, bucket, key, options, session, signed_at, expires }
    }
}

impl Case {
    pub fn expires_at(&self) -> Timestamp {
        self.signed_at + Duration::from_secs(self.expires)
    }

    pub fn credentials(&self) -> Credentials {
        Credentials {
            access_key_id: ACCESS_KEY.to_owned(),
            secret_access_key: SECRET_KEY.to_owned().into(),
            session_token: self.session.then(|| TOKEN.to_owned().into()),
            expires_at: self.session.then(|| self.expires_at()),
        }
    }

    pub fn target(&self) -> Target {
        let (endpoint, region, style) = PLACES[self.place];
        let endpoint = endpoint.map(|text| Endpoint::parse(text).unwrap());
        Target::resolve(endpoint.as_ref(), region, style, &self.bucket).unwrap()
    }

    /// What the check is told of what signs for `target`.
    pub fn expected_signature<'a>(&'a self, target: &'a Target) -> ExpectedSignature<'a> {
        ExpectedSignature {
            scheme: target.endpoint.scheme(),
            host: target.endpoint.host(),
            port: target.endpoint.port(),
            path: target.endpoint.path(),
            style: target.style,
            bucket: &self.bucket,
            region: &target.region,
            access_key_id: ACCESS_KEY,
            session: self.session,
            signed_at: self.signed_at,
            expires_at: self.expires_at(),
            not_after: self.expires_at(),
        }
    }

    pub fn presign(&self) -> Presigned {
        let op = Operation {
            bucket: &self.bucket,
            key: &self.key,
            options: &self.options,
        };
        let expires = Duration::from_secs(self.expires);
        presign(
            &op,
            &self.target(),
            &self.credentials(),
            self.signed_at,
            expires,
        )
        .unwrap()
    }
}

/// Headers in an order that two signers share.
pub fn lower_and_sorted<'a>(
    headers: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<(String, String)> {
    let mut headers: Vec<_> = headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    headers.sort();
    headers
}
