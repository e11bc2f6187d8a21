//! `PresignedURL`: what a tenant may write.

use serde_json::{Value, json};

use super::links::{edits, spec};
use super::{entries, presigned_url};

#[tokio::test]
async fn a_bucket_that_is_not_a_general_purpose_bucket_is_refused() {
    let form = &["spec.bucket", "name of a general purpose bucket"][..];
    let reserved = &[
        "spec.bucket",
        "names that S3 reserves",
        "general purpose bucket",
    ][..];
    let dots = &["spec.bucket", "may not hold '..', '.-' or '-.'"][..];
    let bucket = |name: &str| json!({ "bucket": name });
    presigned_url()
        .refuses(&[
            ("an ARN", bucket("arn:aws:s3:::models"), form),
            (
                "an access point",
                bucket("arn:aws:s3:eu-west-1:1:accesspoint/a"),
                form,
            ),
            ("an underscore first", bucket("_models"), form),
            ("a space", bucket("my models"), form),
            ("a path", bucket("models/llama"), form),
            ("a line break", bucket("models\nx"), form),
            ("dots alone", bucket("..."), form),
            ("S3 Express", bucket("models--euw1-az1--x-s3"), reserved),
            ("a table bucket", bucket("models--table-s3"), reserved),
            (
                "an access point of S3 Express",
                bucket("models--xa-s3"),
                reserved,
            ),
            (
                "an access point of Outposts",
                bucket("models--op-s3"),
                reserved,
            ),
            ("Object Lambda", bucket("models--ol-s3"), reserved),
            ("an access point alias", bucket("models-s3alias"), reserved),
            ("a multi-region access point", bucket("abc.mrap"), reserved),
            ("punycode", bucket("xn--models"), reserved),
            ("sthree", bucket("sthree-models"), reserved),
            ("two dots", bucket("mo..dels"), dots),
            ("a dot before a hyphen", bucket("mo.-dels"), dots),
            (
                "an address",
                bucket("192.168.0.1"),
                &["spec.bucket", "IP address"],
            ),
            (
                "two characters",
                bucket("ab"),
                &["spec.bucket", "at least 3"],
            ),
            (
                "64 characters",
                bucket(&"a".repeat(64)),
                &["spec.bucket", "63"],
            ),
        ])
        .await;
}

#[tokio::test]
async fn a_key_or_prefix_that_others_would_rewrite_is_refused() {
    for (name, end) in [("key", ""), ("prefix", ""), ("prefix", "/")] {
        let field = format!("spec.{name}");
        let field = field.as_str();
        let segments = &[field, "empty, '.' or '..' segments"][..];
        let controls = &[field, "control characters or '${'"][..];
        let bytes = &[field, "1,024 bytes"][..];
        let root = &[field, "may not begin with '/'"][..];
        let letters = &[field, "1024"][..];
        let of = |text: &str| {
            let mut spec = json!({ "key": null });
            spec[name] = format!("{text}{end}").into();
            spec
        };
        presigned_url()
            .refuses(&[
                ("parent", of("models/../secret"), segments),
                ("parent in front", of("../x"), segments),
                ("current", of("models/./x"), segments),
                ("current in front", of("./x"), segments),
                ("an empty segment", of("models//x"), segments),
                ("a leading slash", of("/models/x"), root),
                ("a line break", of("models\nx"), controls),
                ("CR", of("models\rx"), controls),
                ("NUL", of("models\0x"), controls),
                ("DEL", of("models\u{7f}x"), controls),
                ("a C1 control", of("models\u{85}x"), controls),
                ("a form's template", of("models/${filename}"), controls),
                ("1,025 bytes of two", of(&("é".repeat(512) + "x")), bytes),
                ("1,026 bytes of three", of(&"語".repeat(342)), bytes),
                ("1,025 letters", of(&"a".repeat(1025)), letters),
            ])
            .await;
    }
    let key = |text: &str| json!({ "key": text });
    let prefix = |text: &str| json!({ "key": null, "prefix": text });
    let of_key = &["spec.key", "empty, '.' or '..' segments"][..];
    let of_prefix = &["spec.prefix", "empty, '.' or '..' segments"][..];
    presigned_url()
        .refuses(&[
            ("a slash at a key's end", key("models/"), of_key),
            ("two at a prefix's", prefix("a//"), of_prefix),
            ("parent alone", key(".."), of_key),
            ("current alone", prefix("./"), of_prefix),
            ("nothing", key(""), &["spec.key", "at least 1"]),
            (
                "none",
                json!({ "key": null }),
                &["set exactly one of key, keys and prefix"],
            ),
        ])
        .await;
}

#[tokio::test]
async fn a_life_that_no_url_can_have_is_refused() {
    let life = &[
        "spec.duration",
        "must be between 1m and 168h, and at least 5m (the operator's --min-renewed-duration) unless renew is Never, \
         written like 12h, 90m or 1h30m (days are not a unit: 1d is 24h)",
    ][..];
    let before = &["renewBefore must be shorter than duration"][..];
    let mut table = Vec::new();
    let texts = [
        "",
        "-1h",
        "+1h",
        "10s",
        "59s",
        "169h",
        "168h1s",
        "soon",
        "1h ago",
        "12",
        "1d",
        "1 h",
        "h",
        "1.h",
        "1h\n",
        "9999999h",
        "99999h99999h99999h",
        "999999999999999999s",
        "PT1H",
    ];
    for text in texts {
        table.push((text, json!({ "duration": text }), life));
    }
    table.push((
        "33 characters",
        json!({ "duration": "1m".repeat(17) }),
        &["spec.duration", "32"],
    ));
    for text in ["", "-1h", "0s", "169h", "soon", "1h ago"] {
        let renew = &["spec.renewBefore", "must be between 1s and 168h"][..];
        table.push((text, json!({ "renewBefore": text }), renew));
        let both = json!({ "duration": "2h", "renewBefore": text });
        table.push((text, both, renew));
    }
    let lives =
        |duration: &str, before: &str| json!({ "duration": duration, "renewBefore": before });
    table.push(("as long", lives("1h", "60m"), before));
    table.push(("longer", lives("1h", "61m"), before));
    table.push((
        "both ways to say when",
        json!({ "renewBefore": "1h", "renewBeforePercentage": 50 }),
        &["renewBefore and renewBeforePercentage", "set at most one"],
    ));
    for percentage in [0, 91] {
        table.push((
            "a percentage",
            json!({ "renewBeforePercentage": percentage }),
            &["spec.renewBeforePercentage", "should be"],
        ));
    }
    presigned_url().refuses(&table).await;
}

#[tokio::test]
async fn a_block_of_another_method_is_refused() {
    let get = &["get goes with method GET or HEAD"][..];
    let put = &["put goes with method PUT", "set method: PUT"][..];
    let block = |method: &str, block: &str| json!({ "method": method, block: {} });
    presigned_url()
        .refuses(&[
            ("get with PUT", block("PUT", "get"), get),
            ("get with DELETE", block("DELETE", "get"), get),
            ("put with GET", block("GET", "put"), put),
            ("put with no method", json!({ "put": {} }), put),
            (
                "a method that is none",
                json!({ "method": "PATCH" }),
                &["spec.method", "\"GET\", \"HEAD\", \"PUT\", \"DELETE\""],
            ),
            (
                "lower case",
                json!({ "method": "get" }),
                &["spec.method", "supported values"],
            ),
        ])
        .await;
}

#[tokio::test]
async fn a_header_value_that_could_begin_a_line_is_refused() {
    let words = &["printable ASCII on one line"][..];
    let texts = [
        "a\r\nHost: evil",
        "a\nb",
        "a\rb",
        "é",
        " a",
        "a ",
        "a\tb",
        "a\0",
        "a\u{2028}b",
    ];
    let get_fields = [
        "versionID",
        "responseContentType",
        "responseContentDisposition",
        "responseContentEncoding",
        "responseContentLanguage",
        "responseCacheControl",
    ];
    let mut table = Vec::new();
    for text in texts {
        for field in get_fields {
            table.push((field, json!({ "get": { field: text } }), words));
        }
        let put = |options: Value| json!({ "method": "PUT", "put": options });
        table.push(("type", put(json!({ "contentType": text })), words));
        table.push(("metadata", put(json!({ "metadata": { "a": text } })), words));
        table.push(("acl", put(json!({ "acl": text })), &["acl must be"]));
        let class = put(json!({ "storageClass": text }));
        table.push(("class", class, &["a storage class of S3"]));
    }
    presigned_url().refuses(&table).await;
}

#[tokio::test]
async fn put_options_that_s3_would_refuse_are_refused() {
    let put = |options: Value| json!({ "method": "PUT", "put": options });
    let names = &["spec.put.metadata", "1 to 64 lower-case letters"][..];
    let tags = &["spec.put.tagging", "tag keys are 1 to 128"][..];
    let digest = &["spec.put.checksumSHA256", "base64 of 32 bytes"][..];
    let kms = &["kmsKeyID needs serverSideEncryption: aws:kms"][..];
    presigned_url()
        .refuses(&[
            ("a key alone", put(json!({ "kmsKeyID": "abc" })), kms),
            (
                "a key with SSE-S3",
                put(json!({ "kmsKeyID": "abc", "serverSideEncryption": "AES256" })),
                kms,
            ),
            (
                "a key with a line break",
                put(json!({ "kmsKeyID": "a\nb", "serverSideEncryption": "aws:kms" })),
                &["spec.put.kmsKeyID", "a KMS key ID, ARN or alias"],
            ),
            (
                "unknown encryption",
                put(json!({ "serverSideEncryption": "rot13" })),
                &["spec.put.serverSideEncryption", "\"AES256\", \"aws:kms\""],
            ),
            (
                "another condition",
                put(json!({ "ifNoneMatch": "abc" })),
                &["spec.put.ifNoneMatch", "\"*\""],
            ),
            (
                "two conditions",
                put(json!({ "ifMatch": "\"e\"", "ifNoneMatch": "*" })),
                &["ifMatch and ifNoneMatch exclude each other"],
            ),
            (
                "two checksums",
                put(json!({ "checksumCRC64NVME": "AAAAAAAAAAA=",
                            "checksumSHA256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" })),
                &["S3 takes one checksum"],
            ),
            (
                "a sum of other bytes",
                put(json!({ "checksumCRC64NVME": "AAAAAAAAAAAA" })),
                &["spec.put.checksumCRC64NVME", "the base64 of 8 bytes"],
            ),
            (
                "an ETag of two lines",
                put(json!({ "ifMatch": "a\nb" })),
                &["spec.put.ifMatch", "printable ASCII on one line"],
            ),
            (
                "hex",
                put(json!({ "checksumSHA256": "ab".repeat(22) })),
                digest,
            ),
            (
                "too short",
                put(json!({ "checksumSHA256": "YQ==" })),
                &["spec.put.checksumSHA256", "at least 44"],
            ),
            (
                "over 5 GiB",
                put(json!({ "contentLength": 5_368_709_121_u64 })),
                &["spec.put.contentLength", "5368709120"],
            ),
            (
                "less than nothing",
                put(json!({ "contentLength": -1 })),
                &["spec.put.contentLength", "greater than or equal to 0"],
            ),
            (
                "upper case",
                put(json!({ "metadata": { "A": "v" } })),
                names,
            ),
            ("a colon", put(json!({ "metadata": { "a:b": "v" } })), names),
            ("a line", put(json!({ "metadata": { "a\n": "v" } })), names),
            ("no name", put(json!({ "metadata": { "": "v" } })), names),
            (
                "33 entries",
                put(json!({ "metadata": entries(33) })),
                &["spec.put.metadata", "32"],
            ),
            (
                "a tag's key",
                put(json!({ "tagging": { "a&b": "v" } })),
                tags,
            ),
            (
                "a tag's value",
                put(json!({ "tagging": { "a": "b&c=d" } })),
                &["a tag value"],
            ),
            (
                "11 tags",
                put(json!({ "tagging": entries(11) })),
                &["spec.put.tagging", "10"],
            ),
        ])
        .await;
}

#[tokio::test]
async fn a_secret_template_cannot_take_reserved_or_malformed_keys() {
    let reserved = &["presigned.dev, kubernetes.io, k8s.io", "reserved"][..];
    let form = &["optional DNS name with '/'"][..];
    let keys = [
        ("presigned.dev/managed-by", reserved),
        ("a.presigned.dev/x", reserved),
        ("app.kubernetes.io/name", reserved),
        ("kubernetes.io/x", reserved),
        ("node.k8s.io/x", reserved),
        ("a.b.k8s.io/x", reserved),
        ("meta.helm.sh/release-name", reserved),
        ("argocd.argoproj.io/instance", reserved),
        ("x.argocd.argoproj.io/instance", reserved),
        ("", form),
        ("/x", form),
        ("a/b/c", form),
        ("A.example.com/x", form),
        ("a b", form),
        ("example.com/-x", form),
    ];
    let mut table = Vec::new();
    for (key, words) in keys {
        for part in ["labels", "annotations"] {
            let template = json!({ "secretTemplate": { part: { key: "v" } } });
            table.push((key, template, words));
        }
    }
    table.push((
        "a label's value",
        json!({ "secretTemplate": { "labels": { "a": "b c" } } }),
        &["must be a label value"],
    ));
    presigned_url().refuses(&table).await;
}

#[tokio::test]
async fn names_that_no_resource_can_have_are_refused() {
    let table: Vec<_> = [
        (json!({ "secretName": "My_Secret" }), "spec.secretName"),
        (json!({ "secretName": "../etc" }), "spec.secretName"),
        (
            json!({ "storeRef": { "name": "a/b" } }),
            "spec.storeRef.name",
        ),
        (json!({ "endpoint": "a.b" }), "spec.endpoint"),
        (json!({ "class": "A" }), "spec.class"),
    ]
    .into_iter()
    .map(|(changes, field)| (field, changes, [field, "must be", "lower-case letters"]))
    .collect();
    let table: Vec<_> = table
        .iter()
        .map(|(case, changes, words)| (*case, changes.clone(), &words[..]))
        .collect();
    presigned_url().refuses(&table).await;
    presigned_url()
        .refuses(&[(
            "a kind that is none",
            json!({ "storeRef": { "kind": "ObjectStore" } }),
            &["spec.storeRef.kind", "\"ClusterObjectStore\""],
        )])
        .await;
}

#[tokio::test]
async fn what_s3_and_kubernetes_take_is_let_through() {
    presigned_url()
        .takes(&[
            ("the least", json!({})),
            ("1,024 bytes of two", json!({ "key": "é".repeat(512) })),
            (
                "special characters",
                json!({ "key": "a b/+&?#%~'\"<>|語.tar.gz" }),
            ),
            ("dots within", json!({ "key": "a..b/...c/.hidden" })),
            ("a dotted bucket", json!({ "bucket": "my.models.2026" })),
            ("an old bucket", json!({ "bucket": "My_Models" })),
            ("1m", json!({ "duration": "1m" })),
            ("168h", json!({ "duration": "168h" })),
            ("seven days in seconds", json!({ "duration": "604800s" })),
            ("a fraction", json!({ "duration": "1.5h" })),
            ("mixed", json!({ "duration": "1h30m0.5s" })),
            ("renewal", json!({ "duration": "2h", "renewBefore": "90m" })),
            ("renewal alone", json!({ "renewBefore": "90m" })),
            ("a percentage", json!({ "renewBeforePercentage": 90 })),
            ("HEAD with get", json!({ "method": "HEAD", "get": {} })),
            ("DELETE", json!({ "method": "DELETE" })),
            (
                "every GET option",
                json!({ "get": {
                    "versionID": "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY",
                    "responseContentType": "text/plain; charset=utf-8",
                    "responseContentDisposition": "attachment; filename=\"a b.pdf\"",
                    "responseContentEncoding": "gzip",
                    "responseContentLanguage": "de-CH",
                    "responseCacheControl": "no-store",
                    "requestPayer": "requester",
                } }),
            ),
            (
                "a PUT over a known object",
                json!({ "method": "PUT", "put": { "ifMatch": "\"e\"", "checksumCRC64NVME": "AAAAAAAAAAA=" } }),
            ),
            (
                "every PUT option",
                json!({ "method": "PUT", "put": {
                    "contentType": "application/gzip",
                    "contentLength": 5_368_709_120_u64,
                    "checksumSHA256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                    "ifNoneMatch": "*",
                    "serverSideEncryption": "aws:kms",
                    "kmsKeyID": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd",
                    "storageClass": "STANDARD_IA",
                    "acl": "bucket-owner-full-control",
                    "metadata": { "team": "a, b; c=d", "x-2": "~" },
                    "tagging": { "cost center": "a/b:c@d", "e": "" },
                } }),
            ),
            (
                "names and template",
                json!({
                    "storeRef": { "kind": "ClusterObjectStore", "name": "minio.eu" },
                    "endpoint": "public", "class": "blue", "suspend": true, "secretName": "a.b-c",
                    "secretTemplate": {
                        "labels": { "team": "a", "example.com/tier": "" },
                        "annotations": { "reloader.stakater.com/match": "true", "notkubernetes.io/x": "any\ntext" },
                    },
                }),
            ),
        ])
        .await;
}

#[tokio::test]
async fn renew_keeps_its_value_whether_it_is_written_or_left_out() {
    let always = || spec(json!({ "renew": "Always" }));
    let never = || spec(json!({ "renew": "Never" }));
    let left_out = || spec(json!({ "renew": null }));
    for (name, renew, same, other) in [
        (
            "renew-always",
            json!("Always"),
            vec![always(), left_out()],
            vec![never()],
        ),
        (
            "renew-left-out",
            json!(null),
            vec![always(), left_out()],
            vec![never()],
        ),
        (
            "renew-never",
            json!("Never"),
            vec![never()],
            vec![always(), left_out()],
        ),
    ] {
        let mut of = json!({ "class": "nobody", "bucket": "models", "key": "llama/weights.bin" });
        if !renew.is_null() {
            of["renew"] = renew;
        }
        let same: Vec<_> = same.into_iter().map(|edit| ("same", edit)).collect();
        let other: Vec<_> = other.into_iter().map(|edit| ("other", edit)).collect();
        for (_, answer) in edits(name, &of, &same).await {
            assert_eq!(answer, Ok(()), "{name}");
        }
        for (_, answer) in edits(name, &of, &other).await {
            let refused = answer.as_ref().is_err_and(|why| {
                why.contains("renew cannot be changed: create another PresignedURL")
            });
            assert!(refused, "{name}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn the_class_never_changes_and_is_the_default_one_if_left_out() {
    let class = |class: Value| spec(json!({ "class": class }));
    let (nobody, other, none) = (
        class(json!("nobody")),
        class(json!("blue")),
        class(json!(null)),
    );
    let of = json!({ "class": "nobody", "bucket": "models", "key": "llama/weights.bin" });
    let moves = [
        ("the same", nobody),
        ("another instance", other),
        ("the default one", none),
    ];
    for (case, answer) in edits("of-a-class", &of, &moves).await {
        let refused = answer
            .as_ref()
            .is_err_and(|why| why.contains("class cannot be changed: create another PresignedURL"));
        assert_eq!(refused, case != "the same", "{case}: {answer:?}");
    }
    // No operator of the tests serves this namespace.
    let of = json!({ "bucket": "models", "key": "llama/weights.bin" });
    let moves = [
        ("another", class(json!("nobody"))),
        ("the default one by its name", class(json!("default"))),
        ("left out again", class(json!(null))),
    ];
    for (case, answer) in edits("of-no-class", &of, &moves).await {
        assert_eq!(answer.is_err(), case == "another", "{case}: {answer:?}");
    }
}
