//! `iam-policy`: the least rights of the identity that signs, as an IAM document.
//!
//! What holds here: actions and resources are the core's, made of the policies' rules and of the one table of
//! actions; nothing is added here. A policy that cannot be read gives no right, and is told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kube::ResourceExt as _;
use presigned_core::access::{AccessError, Dialect, SignerStore, signer_policy};
use presigned_core::api::{ClusterObjectStoreSpec, PresignedUrlPolicySpec};
use presigned_core::policy::{CompiledPolicy, Namespace, PolicySet};
use presigned_core::signing::Endpoint;
use presigned_core::text::{ascii_json, nearest, quoted};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cluster::Session;
use super::exit::{Exit, Failure};
use super::flags::Flags;
use super::manifests::{Manifests, Written};
use super::method_flag::RuleMethodFlag;
use super::output;
use super::trust::{TrustArgs, TrustFacts};

/// The longest managed policy, in characters without blanks.
const MANAGED_LIMIT: usize = 6144;
/// The store of a policy that flags describe.
const OF_FLAGS: &str = "flags";

/// Print the least-privilege IAM policy of the identity that signs
///
/// It is what the policies and stores of the cluster need, or those of files (-f), or what flags describe
/// (--bucket, --prefix, --method). Rules with {namespace} stand for the names that their policy selects; with
/// -n for that namespace alone. s3:ListBucket is there only for LIST, s3:GetObjectVersion, s3:PutObjectAcl,
/// s3:PutObjectTagging and kms:* only where a rule allows what needs them.
///
///   kubectl presigned iam-policy --store aws > policy.json
///   kubectl presigned iam-policy -f stores.yaml -f policies.yaml
///   kubectl presigned iam-policy --bucket models --prefix llama/ --method GET --method LIST
///   kubectl presigned iam-policy --trust irsa --account 111122223333
///
/// Exit codes: 0 printed; 1 nothing is allowed, so no right is needed; 2 the command line cannot be used, or a
/// file cannot be read; 3 the cluster cannot be read.
#[derive(Args, Clone, Debug)]
#[command(verbatim_doc_comment)]
pub struct IamPolicyArgs {
    /// A file, a folder, or - for stdin, with policies and stores. Can be given several times.
    #[arg(short, long, value_name = "FILE")]
    file: Vec<PathBuf>,

    /// The stores that the identity signs for. Can be given several times. Left out: all, if they have the
    /// same credentials.
    #[arg(long, value_name = "NAME")]
    store: Vec<String>,

    /// A KMS key that the buckets encrypt with by default. Can be given several times.
    #[arg(long, value_name = "ARN")]
    kms_key: Vec<String>,

    #[command(flatten)]
    rule: RuleArgs,

    #[command(flatten)]
    trust: TrustArgs,
}

/// How the document is printed.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum DocumentFormat {
    Json,
    Yaml,
}

/// A rule made of flags.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Without policies")]
struct RuleArgs {
    /// A bucket. Can be given several times.
    #[arg(long, value_name = "BUCKET", conflicts_with_all = ["file", "store"])]
    bucket: Vec<String>,

    /// A prefix as in a policy: models/ is that folder, models* the raw prefix, * the whole bucket. Can be
    /// given several times.
    #[arg(long, value_name = "PREFIX", requires = "bucket", default_value = "*")]
    prefix: Vec<String>,

    /// A method. Can be given several times.
    #[arg(long, value_name = "METHOD", requires = "bucket", ignore_case = true)]
    method: Vec<RuleMethodFlag>,

    /// Versions may be named.
    #[arg(long, requires = "bucket")]
    versions: bool,

    /// Uploads may set an ACL.
    #[arg(long, requires = "bucket")]
    acls: bool,

    /// Uploads may set tags.
    #[arg(long, requires = "bucket")]
    tags: bool,

    /// The region, which tells AWS's partition.
    #[arg(long, value_name = "NAME", default_value = "us-east-1")]
    region: String,

    /// The server, if it is not AWS's: it knows no KMS and no escapes.
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
}

/// What the document is made of.
struct Facts {
    policies: PolicySet,
    /// The stores, by name.
    stores: BTreeMap<String, Store>,
    /// The namespaces that it is for; `None` for all.
    namespaces: Option<BTreeMap<String, BTreeMap<String, String>>>,
}

/// What is known of a store.
struct Store {
    dialect: Dialect,
    region: String,
    credentials: Value,
}

impl IamPolicyArgs {
    pub async fn run(self, flags: &Flags) -> anyhow::Result<Exit> {
        let format = flags.own_format()?.unwrap_or(DocumentFormat::Json);
        let document = if self.trust.is_asked() {
            self.trust_document(flags).await?
        } else {
            let facts = self.facts(flags).await?;
            self.document(&facts)?
        };
        let text = match format {
            DocumentFormat::Yaml => output::yaml(&document)?,
            DocumentFormat::Json => ascii_json(&output::json(&document)?),
        };
        output::print(&text)?;
        Ok(Exit::Done)
    }

    /// The policy of the identity.
    fn document(&self, facts: &Facts) -> anyhow::Result<Document> {
        let chosen = self.chosen(facts)?;
        let stores: Vec<SignerStore<'_>> = chosen
            .iter()
            .map(|(name, store)| SignerStore {
                name,
                dialect: store.dialect,
                kms_keys: &self.kms_key,
            })
            .collect();
        let namespaces = facts.namespaces.as_ref().map(|namespaces| {
            let namespaces = namespaces.iter();
            let namespaces = namespaces.map(|(name, labels)| Namespace { name, labels });
            namespaces.collect::<Vec<_>>()
        });
        let text = signer_policy(&facts.policies, &stores, namespaces.as_deref()).map_err(
            |error| match error {
                AccessError::Wildcard { text } => Failure::no(format!(
                    "{} holds * or ?, which a server that is not AWS's may read as a wildcard: name another prefix, or \
                     write that right by hand",
                    quoted(&text)
                )),
                error => Failure::no(error.to_string()),
            },
        )?;
        let Some(text) = text else {
            let names: Vec<&str> = chosen.iter().map(|(name, _)| *name).collect();
            let message = format!(
                "the policies allow nothing in store {}: no right is needed. kubectl presigned check says what a request \
                 would need",
                names.join(", ")
            );
            return Err(Failure::no(message).into());
        };
        if text.len() > MANAGED_LIMIT {
            eprintln!(
                "warning: the policy has {} characters, and IAM takes {MANAGED_LIMIT} in a managed policy: make one for each \
                 --store or each namespace (-n), or name fewer prefixes in rules",
                text.len()
            );
        }
        Ok(serde_json::from_str(&text)?)
    }

    /// The stores that the identity signs for.
    fn chosen<'f>(&self, facts: &'f Facts) -> Result<Vec<(&'f str, &'f Store)>, Failure> {
        let all = &facts.stores;
        if self.store.is_empty() {
            let mut credentials = all.values().map(|store| &store.credentials);
            let first = credentials.next();
            if credentials.any(|other| Some(other) != first) {
                let names: Vec<&str> = all.keys().map(String::as_str).collect();
                return Err(Failure::usage(format!(
                    "the stores {} have different credentials, and each identity has a policy of its own: name those of \
                     one identity with --store",
                    names.join(", ")
                )));
            }
            if first.is_none() {
                return Err(Failure::usage(
                    "there is no ClusterObjectStore: give its manifest with -f as well, or describe the rights with \
                     --bucket, --prefix and --method",
                ));
            }
            return Ok(all
                .iter()
                .map(|(name, store)| (name.as_str(), store))
                .collect());
        }
        let chosen = self.store.iter().map(|name| {
            let found = all.get_key_value(name);
            found
                .map(|(name, store)| (name.as_str(), store))
                .ok_or_else(|| {
                    let near = nearest(name, all.keys().map(String::as_str));
                    let near = near.map_or_else(String::new, |near| {
                        format!(": did you mean {}?", quoted(near))
                    });
                    Failure::no(format!(
                        "there is no ClusterObjectStore {}{near}",
                        quoted(name)
                    ))
                })
        });
        chosen.collect()
    }

    /// What the document is made of: flags, files or the cluster.
    async fn facts(&self, flags: &Flags) -> anyhow::Result<Facts> {
        if !self.rule.bucket.is_empty() {
            return self.rule.facts();
        }
        let mut namespaces = BTreeMap::new();
        let manifests = if self.file.is_empty() {
            let session = Session::open(flags).await?;
            if let Some(name) = &flags.namespace {
                let labels = session.labels_of(name).await?;
                namespaces.insert(name.clone(), labels.unwrap_or_default());
            }
            of_cluster(&session).await?
        } else {
            let manifests = Manifests::read(&self.file)?;
            if let Some(name) = &flags.namespace {
                let labels = manifests.namespaces.get(name).cloned();
                namespaces.insert(name.clone(), labels.unwrap_or_default());
            }
            manifests
        };
        let mut facts = Facts {
            policies: PolicySet::default(),
            stores: BTreeMap::new(),
            namespaces: (!namespaces.is_empty()).then_some(namespaces),
        };
        for policy in &manifests.policies {
            let compiled = parse::<PresignedUrlPolicySpec>(policy).and_then(|spec| {
                CompiledPolicy::compile(&policy.name, &spec).map_err(|error| error.to_string())
            });
            match compiled {
                Ok(compiled) => facts.policies.insert(compiled),
                Err(why) => eprintln!(
                    "warning: the PresignedURLPolicy {} allows nothing: {why}",
                    quoted(&policy.name)
                ),
            }
        }
        for store in &manifests.stores {
            match parse::<ClusterObjectStoreSpec>(store).and_then(|spec| Store::of(&spec)) {
                Ok(known) => {
                    facts.stores.insert(store.name.clone(), known);
                }
                Err(why) => eprintln!(
                    "warning: the ClusterObjectStore {} is left out: {why}",
                    quoted(&store.name)
                ),
            }
        }
        Ok(facts)
    }

    /// The trust policy of the role.
    async fn trust_document(&self, flags: &Flags) -> anyhow::Result<Document> {
        let mut known = TrustFacts {
            region: self.rule.region.clone(),
            ..TrustFacts::default()
        };
        if self.trust.needs_more() {
            if self.file.is_empty() {
                let session = Session::open(flags).await?;
                known.issuer = session.issuer().await.ok();
            }
            let facts = self.facts(flags).await?;
            if let [(_, store)] = self.chosen(&facts)?.as_slice() {
                known.region.clone_from(&store.region);
                let role = &store.credentials["webIdentity"];
                known.role_arn = role["roleARN"].as_str().map(str::to_owned);
                known.audience = role["audience"].as_str().map(str::to_owned);
            }
        }
        Ok(serde_json::from_value(self.trust.document(&known)?)?)
    }
}

impl RuleArgs {
    fn facts(&self) -> anyhow::Result<Facts> {
        if self.method.is_empty() {
            return Err(Failure::usage(
                "--bucket needs --method: name each that is to be signed, for example --method GET",
            )
            .into());
        }
        let methods: Vec<&str> = self.method.iter().map(|flag| flag.0.as_str()).collect();
        let spec = json!({
            "namespaces": {"names": ["*"]},
            "allow": [{
                "name": OF_FLAGS, "stores": [OF_FLAGS], "buckets": self.bucket, "prefixes": self.prefix,
                "methods": methods, "maxDuration": "1h", "maxUploadBytes": 0, "allowVersions": self.versions,
                "acls": self.acls.then_some("any").as_slice(), "tagKeys": self.tags.then_some("any").as_slice(),
            }],
        });
        let spec: PresignedUrlPolicySpec = serde_json::from_value(spec)?;
        let compiled = CompiledPolicy::compile(OF_FLAGS, &spec)
            .map_err(|error| Failure::usage(error.message))?;
        let mut policies = PolicySet::default();
        policies.insert(compiled);
        let endpoint = self.endpoint_url.as_deref().map(Endpoint::parse);
        let endpoint = endpoint
            .transpose()
            .map_err(|error| Failure::usage(format!("--endpoint-url: {error}")))?;
        let store = Store {
            dialect: Dialect::of(endpoint.as_ref(), &self.region),
            region: self.region.clone(),
            credentials: Value::Null,
        };
        Ok(Facts {
            policies,
            stores: BTreeMap::from([(OF_FLAGS.to_owned(), store)]),
            namespaces: None,
        })
    }
}

impl Store {
    fn of(spec: &ClusterObjectStoreSpec) -> Result<Self, String> {
        let endpoint = spec.s3.endpoint.as_deref().map(Endpoint::parse);
        let endpoint = endpoint
            .transpose()
            .map_err(|error| format!("spec.s3.endpoint: {error}"))?;
        Ok(Self {
            dialect: Dialect::of(endpoint.as_ref(), &spec.s3.region),
            region: spec.s3.region.clone(),
            credentials: serde_json::to_value(&spec.s3.credentials)
                .map_err(|error| error.to_string())?,
        })
    }
}

/// The policies and stores of a cluster, as files would have them.
async fn of_cluster(session: &Session) -> anyhow::Result<Manifests> {
    let written = |name: String, spec: Value| Written {
        namespace: None,
        name,
        spec,
        misspelt: Vec::new(),
    };
    let policies = session.policies().await?.into_iter();
    let stores = session.stores().await?.into_iter();
    Ok(Manifests {
        policies: policies
            .map(|policy| written(policy.name_any(), policy.spec))
            .collect(),
        stores: stores
            .map(|store| written(store.name_any(), store.spec))
            .collect(),
        ..Manifests::default()
    })
}

fn parse<T: serde::de::DeserializeOwned>(written: &Written) -> Result<T, String> {
    if let Some(first) = written.misspelt.first() {
        return Err(first.clone());
    }
    serde_json::from_value(written.spec.clone()).map_err(|error| error.to_string())
}

/// An IAM document, in the order in which people write it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    version: String,
    statement: Vec<Statement>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    principal: Option<Value>,
    action: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    condition: Option<Value>,
}
