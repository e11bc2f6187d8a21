//! `ClusterObjectStore`: where the operator may be sent, and with what.

use serde_json::{Value, json};

use super::Kind;

pub(super) fn store() -> Kind {
    Kind {
        name: "ClusterObjectStore",
        plural: "clusterobjectstores",
        namespaced: false,
        plain: json!({ "s3": { "region": "eu-central-1", "credentials": { "default": {} } } }),
    }
}

fn bundle(name: &str) -> Value {
    json!({ "clusterTrustBundle": { "name": name } })
}

#[tokio::test]
async fn an_endpoint_is_scheme_host_port_and_a_plain_path_only() {
    let words = &[
        "scheme, host, port and path only",
        "https://s3.example.com:9000",
    ][..];
    let texts = [
        "https://s3.example.com//",
        "https://s3.example.com/a//b",
        "https://s3.example.com/a%2Fb",
        "https://s3.example.com/a b",
        "https://s3.example.com?x=1",
        "https://s3.example.com/?x",
        "https://s3.example.com#x",
        "https://user@s3.example.com",
        "https://user:word@s3.example.com",
        "ftp://s3.example.com",
        "s3.example.com:9000",
        "https://s3.example.com\n",
        "https://s3 example.com",
        "https://-example.com",
        "https://s3.example.com:port",
    ];
    let mut table = Vec::new();
    for text in texts {
        table.push((text, json!({ "s3": { "endpoint": text } }), words));
        let named = json!({ "s3": { "endpoints": [{ "name": "public", "url": text }] } });
        table.push((text, named, words));
    }
    store().refuses(&table).await;
}

#[tokio::test]
async fn a_host_or_path_that_clients_rewrite_is_refused_with_a_sentence_of_its_own() {
    let dot = &["has a host that ends with a dot: leave the dot out"][..];
    let underscore = &["has a host with an underscore, which no host name may have"][..];
    let segment = &["has a path with the segment \".\" or \"..\""][..];
    let mut table = Vec::new();
    for (text, words) in [
        ("https://s3.example.com./a", dot),
        ("https://s3.example.com/a/../b", segment),
        ("https://s3.example.com/a/.", segment),
        ("https://s3.example.com.", dot),
        ("https://s3.example.com.:9000/", dot),
        ("http://min_io:9000", underscore),
        ("http://minio.team_a.svc", underscore),
    ] {
        table.push((text, json!({ "s3": { "endpoint": text } }), words));
        let named = json!({ "s3": { "endpoints": [{ "name": "public", "url": text }] } });
        table.push((text, named, words));
    }
    store().refuses(&table).await;
}

#[tokio::test]
async fn a_store_has_one_source_of_credentials_and_one_endpoint_of_a_name() {
    let one = &["set exactly one of default, secretRef, webIdentity and assumeRole"][..];
    let endpoint = json!({ "name": "a", "url": "https://a.example.com" });
    let none = &["must be the name of a ClusterTrustBundle, for example storage-ca"][..];
    store()
        .refuses(&[
            (
                "both",
                json!({ "s3": { "credentials": { "secretRef": { "name": "keys" } } } }),
                one,
            ),
            ("neither", json!({ "s3": { "credentials": { "default": null } } }), one),
            (
                "none",
                json!({ "s3": { "credentials": null } }),
                &["spec.s3.credentials", "Required"],
            ),
            (
                "a name twice",
                json!({ "s3": { "endpoints": [endpoint, endpoint] } }),
                &["spec.s3.endpoints[1]", "Duplicate value"],
            ),
            (
                "a Secret's name",
                json!({ "s3": { "credentials": { "default": null, "secretRef": { "name": "A/b" } } } }),
                &["secretRef.name", "a resource's name"],
            ),
            (
                "a Secret's key",
                json!({ "s3": { "credentials": { "default": null, "secretRef": {
                    "name": "keys", "keys": { "expiration": "a/b" } } } } }),
                &["expiration must be a key of a Secret"],
            ),
            (
                "a region",
                json!({ "s3": { "region": "eu/west" } }),
                &["spec.s3.region", "for example eu-central-1"],
            ),
            (
                "an age",
                json!({ "s3": { "maxSignatureAge": "1m" } }),
                &["maxSignatureAge must be between 2m and 168h"],
            ),
            (
                "no certificate",
                json!({ "s3": { "caBundle": "LS0tLS1CRUdJTg==" } }),
                &["it must contain -----BEGIN CERTIFICATE-----"],
            ),
            (
                "certificates twice",
                json!({ "s3": {
                    "caBundle": "-----BEGIN CERTIFICATE-----", "caBundleFrom": bundle("storage-ca"),
                } }),
                &["caBundle holds the certificates, and caBundleFrom names where they are: set one of them"],
            ),
            (
                "a place of certificates without a source",
                json!({ "s3": { "caBundleFrom": {} } }),
                &["spec.s3.caBundleFrom.clusterTrustBundle", "Required"],
            ),
            ("a bundle with a signer's path alone", json!({ "s3": { "caBundleFrom": bundle("issuer:v1") } }), none),
            ("a bundle without a name", json!({ "s3": { "caBundleFrom": bundle("example.com:issuer:") } }), none),
            ("a bundle of a signer by its name", json!({ "s3": { "caBundleFrom": bundle("example.com/issuer:v1") } }), none),
            ("a bundle in capitals", json!({ "s3": { "caBundleFrom": bundle("CA") } }), none),
            (
                "a style",
                json!({ "s3": { "addressingStyle": "path" } }),
                &["\"Auto\", \"Path\", \"VirtualHost\", \"BucketEndpoint\""],
            ),
            (
                "a bucket without its style",
                json!({ "s3": { "endpoint": "https://files.example.com", "bucket": "models" } }),
                &["bucket names the one bucket", "and with no other style"],
            ),
            (
                "a style without its bucket",
                json!({ "s3": { "endpoint": "https://files.example.com", "addressingStyle": "BucketEndpoint" } }),
                &["give it with addressingStyle: BucketEndpoint"],
            ),
            (
                "a style without its endpoint",
                json!({ "s3": { "bucket": "models", "addressingStyle": "BucketEndpoint" } }),
                &["needs an endpoint: the domain that is bound to the bucket"],
            ),
            (
                "a bucket that is none",
                json!({ "s3": { "endpoint": "https://files.example.com", "bucket": "a/b",
                    "addressingStyle": "BucketEndpoint" } }),
                &["bucket must be the name of a general purpose bucket"],
            ),
            (
                "STS with a path",
                json!({ "s3": { "credentials": { "default": null, "assumeRole": {
                    "roleARN": "arn:aws:iam::111122223333:role/a", "stsEndpoint": "https://sts.example.com/a" } } } }),
                &["stsEndpoint must be scheme, host and port only"],
            ),
        ])
        .await;
}

#[tokio::test]
async fn stores_of_aws_and_of_others_are_let_through() {
    store()
        .takes(&[
            ("AWS", json!({})),
            (
                "a region of OpenStack",
                json!({ "s3": { "endpoint": "https://s3.example.com", "region": "RegionOne" } }),
            ),
            (
                "a region of two capitals",
                json!({ "s3": { "endpoint": "https://s3.example.com", "region": "NL" } }),
            ),
            (
                "another",
                json!({ "s3": {
                    "region": "garage", "endpoint": "http://10.0.0.7:9000", "addressingStyle": "Path",
                    "maxSignatureAge": "168h",
                    "caBundle": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
                    "endpoints": [
                        { "name": "public", "url": "https://s3.example.com/" },
                        { "name": "path", "url": "https://x.supabase.co/storage/v1/s3" },
                        { "name": "six", "url": "https://[2001:db8::1]:9000" },
                    ],
                    "credentials": { "default": null, "secretRef": { "name": "keys", "keys": {
                        "accessKeyID": "id", "secretAccessKey": "key", "sessionToken": "token", "expiration": "end",
                    } } },
                } }),
            ),
            ("a bundle", json!({ "s3": { "caBundleFrom": bundle("storage-ca.v1") } })),
            (
                "a bundle of a signer",
                json!({ "s3": { "caBundleFrom": bundle("example.com:issuer.v1:root.v1") } }),
            ),
            (
                "a domain of one bucket",
                json!({ "s3": { "endpoint": "https://files.example.com/a_b.c~d/", "bucket": "My_Models",
                    "addressingStyle": "BucketEndpoint" } }),
            ),
        ])
        .await;
}
