//! Random specs: stores, policies and resources of every kind, most of them valid.

use presigned_core::api::{
    AssumeRoleCredentials, AssumedRole, ClusterObjectStoreSpec, ContentLengthRange, Format,
    LabelOperator, LabelRequirement, ListOptions, Method, NamedEndpoint, NamespaceLabels,
    NamespaceMatch, PolicyMethod, PostOptions, PresignedUrlPolicySpec, PresignedUrlSpec,
    PutOptions, Renew, SecretTemplate, SessionScope, StoreCredentials, StoreRef, UnsignedHeaders,
    Verify, WebIdentityCredentials,
};

use serde_json::{Value, json};

use crate::common::rng::Rng;
use crate::common::specs;

pub const NAMESPACES: [&str; 3] = ["team-a", "team-ab", "team-b"];
pub const NAMES: [&str; 4] = ["dl", "up", "model", "report"];
pub const SECRET_NAMES: [&str; 3] = ["shared", "dl", "other"];
pub const STORES: [&str; 2] = ["default", "backup"];
pub const CREDENTIALS: [&str; 3] = ["s3-main", "s3-backup", ""];
pub const ROLES: [&str; 2] = [
    "arn:aws:iam::111122223333:role/app",
    "arn:aws:iam::111122223333:role/web",
];
/// Where the operator reaches stores.
pub const ENDPOINTS: [&str; 3] = [
    "https://s3.example.test",
    "http://minio.storage.svc:9000",
    "https://s3b.example.test",
];
/// Where consumers reach them all.
pub const PUBLIC: &str = "https://cdn.example.test:8443";

pub fn store(rng: &mut Rng) -> ClusterObjectStoreSpec {
    let endpoint = *rng.pick(&ENDPOINTS);
    let source = *rng.pick(&CREDENTIALS);
    let mut spec = specs::store(endpoint, (!source.is_empty()).then_some(source));
    if rng.permille(250) {
        spec.s3.credentials = role(rng);
    }
    if rng.permille(150) {
        spec.s3.unsigned_headers = Some(UnsignedHeaders::Accept);
    }
    if rng.permille(150) {
        spec.s3.max_signature_age = Some("30m".to_owned());
    }
    if rng.permille(300) {
        spec.s3.endpoints = Some(vec![NamedEndpoint {
            name: "public".to_owned(),
            url: PUBLIC.to_owned(),
        }]);
    }
    if rng.permille(100) {
        spec.s3.ca_bundle = Some(format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            rng.next() % 3
        ));
    }
    spec
}

fn role(rng: &mut Rng) -> StoreCredentials {
    let scope = *rng.pick(&[
        None,
        Some(SessionScope::Store),
        Some(SessionScope::Namespace),
        Some(SessionScope::Request),
        Some(SessionScope::Request),
    ]);
    if rng.permille(500) {
        return StoreCredentials {
            assume_role: Some(AssumeRoleCredentials {
                role: AssumedRole {
                    role_arn: ROLES[0].to_owned(),
                    scope,
                    ..AssumedRole::default()
                },
                ..AssumeRoleCredentials::default()
            }),
            ..StoreCredentials::default()
        };
    }
    StoreCredentials {
        web_identity: Some(WebIdentityCredentials {
            role: AssumedRole {
                role_arn: ROLES[1].to_owned(),
                scope,
                ..AssumedRole::default()
            },
            ..WebIdentityCredentials::default()
        }),
        ..StoreCredentials::default()
    }
}

/// A policy that allows most things, and that a namespace in quarantine is not in.
pub fn quarantine_policy(rng: &mut Rng) -> PresignedUrlPolicySpec {
    let namespaces = without_quarantine(rng);
    specs::policy_for(namespaces, policy(rng).allow)
}

pub fn policy(rng: &mut Rng) -> PresignedUrlPolicySpec {
    let max = *rng.pick(&["1h", "6h", "12h", "12h", "48h"]);
    let mut first = specs::rule(&["data", "models"], &["{namespace}/", "pub/"], max);
    if rng.permille(800) {
        first.methods.push(PolicyMethod::Post);
    }
    if rng.permille(800) {
        first.methods.push(PolicyMethod::List);
    }
    if rng.permille(500) {
        first.redirects = vec!["https://app.example.test/done/*".to_owned()];
        first.allow_metadata = Some(true);
    }
    if rng.permille(300) {
        first.max_objects = Some(*rng.pick(&[2, 4, 2000]));
    }
    if rng.permille(200) {
        first.min_refresh_interval = Some("20m".to_owned());
    }
    if rng.permille(100) {
        first.create_only = Some(true);
    }
    if rng.permille(300) {
        first.endpoints = vec!["public".to_owned()];
    }
    let mut allow = vec![first];
    if rng.permille(500) {
        let mut all = specs::rule(&["data"], &["*"], "2h");
        if rng.permille(300) {
            all.methods.push(PolicyMethod::List);
        }
        allow.push(all);
    }
    match rng.range(0, 6) {
        0..3 => specs::policy(&["team-*"], allow),
        3 | 4 => specs::policy_by_label(("team", "x"), allow),
        _ => specs::policy_for(without_quarantine(rng), allow),
    }
}

/// All namespaces but those in quarantine.
fn without_quarantine(rng: &mut Rng) -> NamespaceMatch {
    let required = |operator, values| LabelRequirement {
        key: "quarantine".to_owned(),
        operator,
        values,
    };
    let required = if rng.permille(500) {
        required(LabelOperator::DoesNotExist, None)
    } else {
        required(LabelOperator::NotIn, Some(vec!["yes".to_owned()]))
    };
    NamespaceMatch {
        names: None,
        selector: Some(NamespaceLabels {
            match_labels: None,
            match_expressions: Some(vec![required]),
        }),
    }
}

/// `spec.namespaces` of a policy that cannot be read, all or parts of it readable.
pub fn unreadable_namespaces(rng: &mut Rng) -> Value {
    match rng.range(0, 8) {
        0 => Value::Null,
        1 => json!("team-a"),
        2 => json!({"names": ["team-a"]}),
        3 => json!({"names": ["team-a*", "other"]}),
        4 => json!({"names": ["team-a", 7]}),
        5 => json!({"selector": {"matchLabels": {"team": "y"}}}),
        6 => json!({"names": ["team-b"], "selector": {"matchLabels": {"team": 7}}}),
        _ => json!({"names": 7, "selector": {"matchLabels": {"team": "y"}}}),
    }
}

pub fn resource(rng: &mut Rng, namespace: &str) -> PresignedUrlSpec {
    let bucket = *rng.pick(&["data", "data", "models"]);
    let duration = *rng.pick(&[
        None,
        None,
        Some("1h"),
        Some("1h"),
        Some("6h"),
        Some("12h"),
        Some("15m"),
    ]);
    let mut spec = PresignedUrlSpec {
        duration: duration.map(str::to_owned),
        verify: *rng.pick(&[
            None,
            Some(Verify::Report),
            Some(Verify::Require),
            Some(Verify::Never),
            Some(Verify::Never),
        ]),
        ..specs::get(bucket, "")
    };
    match rng.range(0, 10) {
        0..5 => one(rng, namespace, &mut spec),
        5 | 6 => several(rng, namespace, &mut spec),
        7 => listed(rng, namespace, &mut spec),
        8 => {
            spec.prefix = Some(format!("{namespace}/list/"));
            listed(rng, namespace, &mut spec);
        }
        _ => form(rng, namespace, &mut spec),
    }
    if rng.permille(250) {
        spec.secret_name = Some((*rng.pick(&SECRET_NAMES)).to_owned());
    }
    if rng.permille(150) {
        once(rng, &mut spec);
    } else if rng.permille(200) {
        spec.renew_before_percentage = Some(*rng.pick(&[5, 30, 50, 90]));
    }
    if rng.permille(250) {
        spec.store_ref = Some(StoreRef {
            kind: None,
            name: Some("backup".to_owned()),
        });
    }
    if rng.permille(100) {
        spec.endpoint = Some("public".to_owned());
    }
    if rng.permille(150) {
        spec.secret_template = Some(Box::new(SecretTemplate {
            labels: Some([("app".to_owned(), "web".to_owned())].into()),
            annotations: None,
        }));
    }
    if rng.permille(60) {
        spec.suspend = Some(true);
    }
    spec
}

fn key(rng: &mut Rng, namespace: &str) -> String {
    match rng.range(0, 20) {
        0..10 => format!("{namespace}/file {}+&?.txt", rng.next() % 3),
        10..17 => format!("pub/é{}", rng.next() % 3),
        17..19 => "private/secret".to_owned(),
        _ => "../escape".to_owned(),
    }
}

fn one(rng: &mut Rng, namespace: &str, spec: &mut PresignedUrlSpec) {
    spec.key = Some(key(rng, namespace));
    spec.method = *rng.pick(&[
        None,
        None,
        Some(Method::Get),
        Some(Method::Head),
        Some(Method::Put),
        Some(Method::Put),
        Some(Method::Delete),
    ]);
    if spec.method == Some(Method::Put) && rng.permille(500) {
        spec.put = Some(Box::new(PutOptions {
            content_type: Some("text/plain".to_owned()),
            ..PutOptions::default()
        }));
    }
    if spec.method == Some(Method::Get) && rng.permille(50) {
        spec.get = Some(Box::default());
    }
}

fn several(rng: &mut Rng, namespace: &str, spec: &mut PresignedUrlSpec) {
    one(rng, namespace, spec);
    spec.key = None;
    let mut keys = Vec::new();
    for _ in 0..rng.range(1, 5) {
        let key = key(rng, namespace);
        // Now and then a key is there twice, which is refused.
        if !keys.contains(&key) || rng.permille(20) {
            keys.push(key);
        }
    }
    spec.keys = Some(keys.into());
    spec.formats = formats(rng, spec.method.unwrap_or_default());
}

fn formats(rng: &mut Rng, method: Method) -> Option<Vec<Format>> {
    match (rng.range(0, 4), method) {
        (0, _) => Some(vec![Format::UrlsTxt]),
        (1, Method::Get) => Some(vec![Format::Aria2Txt, Format::UrlsTxt, Format::CurlConf]),
        _ => None,
    }
}

fn listed(rng: &mut Rng, namespace: &str, spec: &mut PresignedUrlSpec) {
    let own = format!("{namespace}/list/");
    let prefix = *rng.pick(&[own.as_str(), own.as_str(), "pub/", "pub", ""]);
    spec.key = None;
    spec.method = *rng.pick(&[None, Some(Method::Get)]);
    spec.prefix.get_or_insert_with(|| prefix.to_owned());
    let globs = |glob: &str| Some(vec![glob.to_owned()]);
    if rng.permille(700) {
        spec.list = Some(Box::new(ListOptions {
            min_objects: *rng.pick(&[None, None, Some(0), Some(3)]),
            max_objects: *rng.pick(&[None, None, Some(3), Some(100)]),
            include: if rng.permille(300) {
                globs("**.csv")
            } else {
                None
            },
            exclude: if rng.permille(300) {
                globs("tmp*")
            } else {
                None
            },
            refresh_interval: rng
                .pick(&[None, Some("5m"), Some("30m")])
                .map(str::to_owned),
        }));
    }
    spec.formats = formats(rng, Method::Get);
}

fn form(rng: &mut Rng, namespace: &str, spec: &mut PresignedUrlSpec) {
    spec.method = Some(Method::Post);
    if rng.permille(500) {
        spec.key = Some(key(rng, namespace));
    } else {
        spec.key = None;
        let own = format!("{namespace}/in/");
        let prefix = *rng.pick(&[own.as_str(), own.as_str(), "pub/", "private/", "pub"]);
        spec.prefix = Some(prefix.to_owned());
    }
    let mut post = PostOptions {
        content_length_range: rng.permille(950).then_some(ContentLengthRange {
            min: *rng.pick(&[None, Some(1)]),
            max: *rng.pick(&[1000, 1 << 20, 1 << 21]),
        }),
        ..PostOptions::default()
    };
    match rng.range(0, 5) {
        0 => post.content_type = Some("text/plain".to_owned()),
        1 => post.content_type_prefix = Some("image/".to_owned()),
        2 => post.success_action_status = Some(201),
        3 => {
            let to = *rng.pick(&["https://app.example.test/done/1", "https://evil.test/"]);
            post.success_action_redirect = Some(to.to_owned());
        }
        _ => post.metadata = Some([("by".to_owned(), "web".to_owned())].into()),
    }
    spec.post = Some(Box::new(post));
}

/// A link: issued once.
fn once(rng: &mut Rng, spec: &mut PresignedUrlSpec) {
    spec.renew = Some(Renew::Never);
    spec.duration = rng
        .pick(&[None, Some("10m"), Some("1h"), Some("6h")])
        .map(str::to_owned);
    spec.ttl_after_expiry = rng
        .pick(&[None, None, Some("0s"), Some("1h"), Some("24h")])
        .map(str::to_owned);
    if let Some(list) = &mut spec.list {
        list.refresh_interval = None;
    }
}
