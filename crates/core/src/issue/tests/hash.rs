//! Hashes of meaning: goldens, and one difference for each field.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{map, secs};
use crate::api::{
    ContentLengthRange, GetOptions, IfNoneMatch, PostOptions, PresignedUrlSpec, PutOptions,
    RequestPayer, ServerSideEncryption,
};
use crate::issue::{
    CredentialInputs, RenderInputs, SpecInputs, StoreInputs, credential_hash, data_hash,
    listing_hash, render_hash, spec_hash, store_hash,
};
use crate::request::{Key, Limits, Objects, Options, Request};

/// One object, for as long as the tests run.
fn one(key: &str) -> &'static Objects {
    Box::leak(Box::new(Objects::Key(Key::parse(key).unwrap())))
}

/// What a spec of these fields asks for.
fn request_of(mut fields: serde_json::Value) -> Request {
    fields["bucket"] = json!("models");
    let spec: PresignedUrlSpec = serde_json::from_value(fields).unwrap();
    let limits = Limits {
        min_duration: secs(60),
    };
    Request::parse(&spec, &limits).unwrap()
}

fn hash_of(fields: serde_json::Value) -> String {
    let asked = request_of(fields);
    spec_hash(&SpecInputs {
        objects: &asked.objects,
        ..base(&asked.options)
    })
}

fn base(options: &Options) -> SpecInputs<'_> {
    SpecInputs {
        store: "default",
        endpoint: None,
        bucket: "models",
        objects: one("team-a/model.bin"),
        options,
        requested_duration: None,
    }
}

const STORE: StoreInputs<'static> = StoreInputs {
    uid: "3f0c",
    endpoint: "https://s3.example.com",
    region: "eu-central-1",
    style: "Path",
    max_signature_age: None,
    ca_bundle: None,
};

fn full_get() -> GetOptions {
    let text = |s: &str| Some(s.to_owned());
    GetOptions {
        version_id: text("v1"),
        response_content_type: text("text/plain"),
        response_content_disposition: text("attachment"),
        response_content_encoding: text("gzip"),
        response_content_language: text("de"),
        response_cache_control: text("no-store"),
        request_payer: Some(RequestPayer::Requester),
    }
}

fn full_put() -> PutOptions {
    let text = |s: &str| Some(s.to_owned());
    PutOptions {
        content_type: text("text/plain"),
        content_length: Some(5),
        checksum_sha256: text("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        checksum_crc64nvme: text("AAAAAAAAAAA="),
        if_match: text("\"e\""),
        if_none_match: Some(IfNoneMatch::Any),
        server_side_encryption: Some(ServerSideEncryption::AwsKms),
        kms_key_id: text("alias/k"),
        storage_class: text("STANDARD_IA"),
        acl: text("private"),
        metadata: Some(map([("a", "1"), ("b", "2")])),
        tagging: Some(map([("t", "x")])),
    }
}

#[test]
fn an_object_without_a_size_is_another_than_an_empty_one() {
    let of = |size| listing_hash([("a", size, "e")]);
    assert_ne!(of(None), of(Some(0)));
    assert_ne!(of(Some(1)), of(Some(0)));
}

#[test]
fn the_encodings_are_those_of_earlier_releases() {
    let get = Options::Get(GetOptions::default());
    let put = Options::Put(PutOptions {
        // Earlier releases did not know them.
        checksum_crc64nvme: None,
        if_match: None,
        ..full_put()
    });
    let full = SpecInputs {
        requested_duration: Some(secs(3600)),
        endpoint: Some("public"),
        ..base(&put)
    };
    let actual = [
        spec_hash(&base(&get)),
        spec_hash(&full),
        spec_hash(&base(&Options::Head(GetOptions {
            // Earlier releases did not know it.
            request_payer: None,
            ..full_get()
        }))),
        render_hash(&RenderInputs {
            secret_name: "web",
            labels: &map([("app", "web")]),
            annotations: &map([("note", "x")]),
            formats: &BTreeSet::new(),
            binding_type: None,
        }),
        store_hash(&STORE),
        store_hash(&StoreInputs {
            max_signature_age: Some(secs(7200)),
            ca_bundle: Some("-----BEGIN CERTIFICATE-----"),
            ..STORE
        }),
        credential_hash(CredentialInputs::Static {
            access_key_id: "AKIAIOSFODNN7EXAMPLE",
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        }),
        credential_hash(CredentialInputs::Session {
            source: "arn:aws:iam::123456789012:role/psu",
        }),
        data_hash([("url", b"https://s3.example.com/b/k".as_slice())]),
    ];
    assert_eq!(
        actual,
        [
            "ac942c6d2a13504bad578ed5c2f9dfb4",
            "4d4851819cb312c7be07a71e2fbd2c1d",
            "465e57c3170af80c025fceb3be461062",
            "d583a3b916897ed2e897bac0bd167a17",
            "900138774e03339be51359e003f2e9d2",
            "65fbc88f7de7a05bc83ed2f7065f6db4",
            "ac140a29def4e130c4178c5042832d3c",
            "0a35188e372bfa51744e62664ae219a2",
            "a15f1a96e5df1fb82924623ca4c75a8f",
        ]
    );
}

fn full_post() -> PostOptions {
    let text = |s: &str| Some(s.to_owned());
    PostOptions {
        content_length_range: Some(ContentLengthRange {
            min: Some(1),
            max: 5,
        }),
        content_type: text("text/plain"),
        content_type_prefix: text("text/"),
        acl: text("private"),
        success_action_status: Some(201),
        success_action_redirect: text("https://example.com/done"),
        metadata: Some(map([("a", "1")])),
    }
}

#[test]
fn the_encodings_of_forms_and_of_many_objects_are_those_of_earlier_releases() {
    let actual = [
        hash_of(json!({"keys": ["a", "b/c"]})),
        hash_of(json!({"prefix": "in/", "method": "POST"})),
        hash_of(json!({"prefix": ""})),
        hash_of(json!({"prefix": "in/", "list": {
            "include": ["*.csv", "**/x"], "exclude": ["tmp?"],
        }})),
        spec_hash(&base(&Options::Post(PostOptions::default()))),
        spec_hash(&base(&Options::Post(full_post()))),
    ];
    assert_eq!(
        actual,
        [
            "97827e61f1aa8dee64eebdd80603fa07",
            "65a947a9b261c9cbcd342983eaf8b772",
            "e28fa71f1893d3aea7ea28bf2e3e9986",
            "a94997106eaefe874ac79f0576c19ca4",
            "516de1665a611ee5d3b836b8d1de553b",
            "e80d7deb0b0c760d5eac7240fc697583",
        ]
    );
}

#[test]
fn what_names_other_objects_is_another_thing() {
    let all: Vec<String> = [
        json!({"key": "a"}),
        json!({"keys": ["a"]}),
        json!({"keys": ["a", "b"]}),
        json!({"keys": ["b", "a"]}),
        json!({"keys": ["ab"]}),
        json!({"prefix": "a"}),
        json!({"prefix": ""}),
        json!({"prefix": "a", "method": "POST"}),
        json!({"key": "a", "method": "POST"}),
        json!({"prefix": "a", "list": {"include": ["b"]}}),
        json!({"prefix": "a", "list": {"exclude": ["b"]}}),
        json!({"prefix": "a", "list": {"include": ["b", "c"]}}),
        json!({"prefix": "a", "list": {"include": ["b"], "exclude": ["c"]}}),
        json!({"prefix": "a", "list": {"include": ["bc"]}}),
    ]
    .map(hash_of)
    .into();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
}

#[test]
fn bounds_and_times_of_a_listing_are_not_what_is_signed() {
    let plain = hash_of(json!({"prefix": "a/"}));
    for list in [
        json!({}),
        json!({"minObjects": 2}),
        json!({"maxObjects": 2}),
        json!({"refreshInterval": "5m"}),
    ] {
        assert_eq!(hash_of(json!({"prefix": "a/", "list": list})), plain);
    }
}

#[test]
fn every_option_of_a_form_makes_a_difference() {
    let whole = serde_json::to_value(full_post()).unwrap();
    let whole = whole.as_object().unwrap();
    let hash = |fields: serde_json::Map<String, serde_json::Value>| {
        let post = serde_json::from_value(fields.into()).unwrap();
        spec_hash(&base(&Options::Post(post)))
    };
    let mut all = BTreeSet::from([hash(whole.clone())]);
    for field in whole.keys() {
        let mut less = whole.clone();
        less.remove(field);
        all.insert(hash(less));
    }
    let range = |min, max| {
        let content_length_range = Some(ContentLengthRange { min, max });
        spec_hash(&base(&Options::Post(PostOptions {
            content_length_range,
            ..PostOptions::default()
        })))
    };
    all.extend([range(None, 5), range(Some(1), 5), range(None, 15)]);
    assert_eq!(all.len(), whole.len() + 4);
    assert_eq!(
        range(None, 5),
        range(Some(0), 5),
        "no least size is a least of nothing"
    );
}

#[test]
fn every_field_that_is_signed_makes_a_difference() {
    let get = Options::Get(GetOptions::default());
    let others = [
        SpecInputs {
            store: "x",
            ..base(&get)
        },
        SpecInputs {
            bucket: "x",
            ..base(&get)
        },
        SpecInputs {
            objects: one("x"),
            ..base(&get)
        },
        SpecInputs {
            endpoint: Some("x"),
            ..base(&get)
        },
        SpecInputs {
            requested_duration: Some(secs(1)),
            ..base(&get)
        },
    ];
    let mut all: BTreeSet<String> = others.iter().map(spec_hash).collect();
    all.insert(spec_hash(&base(&get)));
    assert_eq!(all.len(), others.len() + 1);
}

#[test]
fn every_field_of_a_store_makes_a_difference() {
    let others = [
        StoreInputs { uid: "x", ..STORE },
        StoreInputs {
            endpoint: "x",
            ..STORE
        },
        StoreInputs {
            region: "x",
            ..STORE
        },
        StoreInputs {
            style: "x",
            ..STORE
        },
        StoreInputs {
            max_signature_age: Some(secs(1)),
            ..STORE
        },
        StoreInputs {
            ca_bundle: Some(""),
            ..STORE
        },
    ];
    let mut all: BTreeSet<String> = others.iter().map(store_hash).collect();
    all.insert(store_hash(&STORE));
    assert_eq!(all.len(), others.len() + 1);
}

#[test]
fn every_option_makes_a_difference() {
    let (no_get, no_put) = (GetOptions::default(), PutOptions::default());
    let (get, put) = (full_get(), full_put());
    let mut all = vec![
        Options::Get(no_get.clone()),
        Options::Head(no_get.clone()),
        Options::Put(no_put.clone()),
        Options::Delete,
    ];
    all.extend([
        Options::Get(GetOptions {
            version_id: get.version_id,
            ..no_get.clone()
        }),
        Options::Get(GetOptions {
            response_content_type: get.response_content_type,
            ..no_get.clone()
        }),
        Options::Get(GetOptions {
            response_content_disposition: get.response_content_disposition,
            ..no_get.clone()
        }),
        Options::Get(GetOptions {
            response_content_encoding: get.response_content_encoding,
            ..no_get.clone()
        }),
        Options::Get(GetOptions {
            response_content_language: get.response_content_language,
            ..no_get.clone()
        }),
        Options::Get(GetOptions {
            response_cache_control: get.response_cache_control,
            ..no_get.clone()
        }),
        Options::Get(GetOptions {
            request_payer: get.request_payer,
            ..no_get
        }),
    ]);
    all.extend(
        [
            PutOptions {
                content_type: put.content_type,
                ..no_put.clone()
            },
            PutOptions {
                content_length: Some(0),
                ..no_put.clone()
            },
            PutOptions {
                content_length: Some(5),
                ..no_put.clone()
            },
            PutOptions {
                checksum_sha256: put.checksum_sha256,
                ..no_put.clone()
            },
            PutOptions {
                checksum_crc64nvme: put.checksum_crc64nvme,
                ..no_put.clone()
            },
            PutOptions {
                if_match: put.if_match,
                ..no_put.clone()
            },
            PutOptions {
                if_none_match: put.if_none_match,
                ..no_put.clone()
            },
            PutOptions {
                server_side_encryption: put.server_side_encryption,
                ..no_put.clone()
            },
            PutOptions {
                kms_key_id: put.kms_key_id,
                ..no_put.clone()
            },
            PutOptions {
                storage_class: put.storage_class,
                ..no_put.clone()
            },
            PutOptions {
                acl: put.acl,
                ..no_put.clone()
            },
            PutOptions {
                metadata: put.metadata.clone(),
                ..no_put.clone()
            },
            PutOptions {
                tagging: put.metadata,
                ..no_put
            },
        ]
        .map(Options::Put),
    );
    let hashes: BTreeSet<String> = all.iter().map(|o| spec_hash(&base(o))).collect();
    assert_eq!(hashes.len(), all.len());
}

#[test]
fn what_means_the_same_hashes_the_same() {
    let none = Options::Put(PutOptions::default());
    let empty = Options::Put(PutOptions {
        metadata: Some(BTreeMap::new()),
        tagging: Some(BTreeMap::new()),
        ..PutOptions::default()
    });
    assert_eq!(spec_hash(&base(&none)), spec_hash(&base(&empty)));
    let session = |source| credential_hash(CredentialInputs::Session { source });
    assert_eq!(
        session("role"),
        session("role"),
        "a new session of the same source"
    );
    assert_eq!(
        data_hash([("a", b"1".as_slice()), ("b", b"2".as_slice())]),
        data_hash([("b", b"2".as_slice()), ("a", b"1".as_slice())]),
    );
}

#[test]
fn no_two_inputs_share_an_encoding_by_moving_a_border() {
    let hash = |bucket, key| {
        spec_hash(&SpecInputs {
            bucket,
            objects: one(key),
            ..base(&Options::Delete)
        })
    };
    assert_ne!(hash("ab", "c"), hash("a", "bc"));
    assert_ne!(
        data_hash([("a", b"bc".as_slice())]),
        data_hash([("ab", b"c".as_slice())]),
    );
    let render = |labels: &BTreeMap<_, _>, annotations: &BTreeMap<_, _>| {
        render_hash(&RenderInputs {
            secret_name: "s",
            labels,
            annotations,
            formats: &BTreeSet::new(),
            binding_type: None,
        })
    };
    let of_binding = |binding_type| {
        render_hash(&RenderInputs {
            secret_name: "s",
            labels: &map([]),
            annotations: &map([]),
            formats: &BTreeSet::new(),
            binding_type,
        })
    };
    assert_ne!(of_binding(None), of_binding(Some("s3")));
    assert_ne!(of_binding(Some("gcs")), of_binding(Some("s3")));
    let (one, none) = (map([("a", "b")]), map([]));
    let all = BTreeSet::from([
        render(&one, &none),
        render(&none, &one),
        render(&none, &none),
    ]);
    assert_eq!(all.len(), 3);
}

#[test]
fn a_changed_key_is_another_credential_and_shows_in_no_debug() {
    let of = |access_key_id, secret_access_key| CredentialInputs::Static {
        access_key_id,
        secret_access_key,
    };
    let all = BTreeSet::from([
        credential_hash(of("AKIA", "one")),
        credential_hash(of("AKIA", "two")),
        credential_hash(of("AKIB", "one")),
    ]);
    assert_eq!(all.len(), 3);
    let shown = format!("{:?}", of("AKIA", "hush"));
    assert!(
        !shown.contains("hush") && !shown.contains("AKIA"),
        "{shown}"
    );
    assert!(!format!("{:?}", CredentialInputs::Session { source: "role" }).contains("role"));
}
