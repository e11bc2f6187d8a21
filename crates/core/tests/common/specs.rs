//! Specs in few words.

use std::collections::BTreeMap;

use presigned_core::api::{
    AllowRule, ClusterObjectStoreSpec, DefaultCredentials, NamespaceLabels, NamespaceMatch,
    PolicyMethod, PresignedUrlPolicySpec, PresignedUrlSpec, S3Store, SecretCredentials,
    StoreCredentials, Verify,
};

/// A GET of an object of the default store.
pub fn get(bucket: &str, key: &str) -> PresignedUrlSpec {
    PresignedUrlSpec {
        bucket: bucket.to_owned(),
        key: Some(key.to_owned()),
        verify: Some(Verify::Never),
        ..PresignedUrlSpec::default()
    }
}

/// A rule that allows reads, writes and deletes of some buckets and prefixes in any store.
pub fn rule(buckets: &[&str], prefixes: &[&str], max_duration: &str) -> AllowRule {
    let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    AllowRule {
        stores: vec!["*".to_owned()],
        buckets: owned(buckets),
        prefixes: owned(prefixes),
        methods: vec![PolicyMethod::Get, PolicyMethod::Put, PolicyMethod::Delete],
        max_duration: max_duration.to_owned(),
        max_upload_bytes: Some(1 << 20),
        allow_unsized_put: Some(true),
        template_keys: vec!["*".to_owned()],
        ..AllowRule::default()
    }
}

/// A policy for namespaces by name.
pub fn policy(names: &[&str], allow: Vec<AllowRule>) -> PresignedUrlPolicySpec {
    let namespaces = NamespaceMatch {
        names: Some(names.iter().map(|s| (*s).to_owned()).collect()),
        selector: None,
    };
    policy_for(namespaces, allow)
}

/// A policy for namespaces by one label.
pub fn policy_by_label(label: (&str, &str), allow: Vec<AllowRule>) -> PresignedUrlPolicySpec {
    let namespaces = NamespaceMatch {
        names: None,
        selector: Some(NamespaceLabels {
            match_labels: Some(BTreeMap::from([(label.0.to_owned(), label.1.to_owned())])),
            match_expressions: None,
        }),
    };
    policy_for(namespaces, allow)
}

/// A policy for these namespaces. Rules without a name are called `r0`, `r1` and so on.
pub fn policy_for(namespaces: NamespaceMatch, mut allow: Vec<AllowRule>) -> PresignedUrlPolicySpec {
    for (at, rule) in allow.iter_mut().enumerate() {
        if rule.name.is_empty() {
            rule.name = format!("r{at}");
        }
    }
    PresignedUrlPolicySpec { namespaces, allow }
}

/// A store with an endpoint of its own and credentials from a Secret, or from the process's chain.
pub fn store(endpoint: &str, secret: Option<&str>) -> ClusterObjectStoreSpec {
    ClusterObjectStoreSpec {
        s3: S3Store {
            region: "eu-west-2".to_owned(),
            endpoint: Some(endpoint.to_owned()),
            credentials: match secret {
                Some(name) => StoreCredentials {
                    default: None,
                    secret_ref: Some(SecretCredentials {
                        name: name.to_owned(),
                        keys: None,
                    }),
                    ..StoreCredentials::default()
                },
                None => StoreCredentials {
                    default: Some(DefaultCredentials {}),
                    secret_ref: None,
                    ..StoreCredentials::default()
                },
            },
            ..S3Store::default()
        },
    }
}
