//! A policy, read once: patterns parsed, durations counted, nothing left to interpret when a request comes.
//!
//! What holds here: a list that is empty or left out allows nothing. One value that cannot be read makes the
//! whole policy invalid, since its writer may have meant less than the rest of the policy allows.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::pattern::{BucketPattern, Glob, PrefixPattern};
use super::redirect_pattern::RedirectPattern;
use super::selector::NamespaceSelector;
use crate::api::{AllowRule, PolicyMethod, PresignedUrlPolicySpec};
use crate::request::{
    MAX_LIFE, MAX_OBJECTS, MAX_UPLOAD, MIN_LIFE, MIN_REFRESH, format_duration, is_dns_label,
    parse_duration,
};
use crate::text::quoted;

/// The `maxObjects` of a rule that leaves it out.
const DEFAULT_OBJECTS: u32 = 1000;
/// The `minRefreshInterval` of a rule that leaves it out.
const DEFAULT_REFRESH: Duration = Duration::from_mins(5);

/// A policy that is in force.
#[derive(Clone, Debug)]
pub struct CompiledPolicy {
    pub(super) name: String,
    pub(super) namespaces: NamespaceSelector,
    pub(super) rules: Vec<Rule>,
}

/// One rule. It allows a request that violates nothing in it (`rule_check.rs`).
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Unique in the policy.
    pub(super) name: String,
    pub(super) stores: Vec<Glob>,
    pub(super) buckets: Vec<BucketPattern>,
    pub(super) prefixes: Vec<PrefixPattern>,
    pub(super) endpoints: Vec<Glob>,
    pub(super) max_duration: Duration,
    pub(super) get: bool,
    /// GET allows it as well.
    pub(super) head: bool,
    pub(super) put: bool,
    pub(super) delete: bool,
    pub(super) post: bool,
    /// Beside GET: a prefix may be listed.
    pub(super) list: bool,
    pub(super) upload: UploadRule,
    pub(super) versions: bool,
    pub(super) requester_pays: bool,
    pub(super) response_overrides: bool,
    pub(super) max_objects: u32,
    pub(super) min_refresh_interval: Duration,
    /// Keys that `secretTemplate` may set.
    pub(super) template_keys: Vec<Glob>,
}

/// What a PUT or POST may fix about the upload.
#[derive(Clone, Debug)]
pub(super) struct UploadRule {
    /// Given in every rule with PUT or POST.
    pub(super) max_bytes: u64,
    pub(super) unsized_put: bool,
    pub(super) acls: Vec<String>,
    pub(super) storage_classes: Vec<String>,
    pub(super) kms_keys: Vec<String>,
    pub(super) tag_keys: Vec<String>,
    pub(super) redirects: Vec<RedirectPattern>,
    pub(super) metadata: bool,
    pub(super) create_only: bool,
}

/// Why a policy cannot be in force: the field, what is wrong with it, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The field, and the rule that holds it: `prefixes[1] of rule "read-own"`.
    pub field: String,
    /// What was given, what is wrong with it, and what to give.
    pub message: String,
}

impl CompiledPolicy {
    /// Reads a policy.
    ///
    /// # Errors
    /// The first field that cannot be read, or that cannot mean what it says.
    pub fn compile(name: &str, spec: &PresignedUrlPolicySpec) -> Result<Self, PolicyError> {
        let PresignedUrlPolicySpec { namespaces, allow } = spec;
        let namespaces = NamespaceSelector::compile(namespaces)
            .map_err(|(field, why)| PolicyError::new(format!("spec.namespaces.{field}"), why))?;
        let mut names = BTreeSet::new();
        let rules = allow
            .iter()
            .map(|rule| {
                rule_name(&rule.name, &mut names)
                    .and_then(|()| Rule::compile(rule))
                    .map_err(|(field, why)| {
                        PolicyError::new(format!("{field} of rule {}", quoted(&rule.name)), why)
                    })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            name: name.to_owned(),
            namespaces,
            rules,
        })
    }

    /// The policy's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Rule {
    /// The methods that the rule allows.
    pub(super) fn methods(&self) -> impl Iterator<Item = PolicyMethod> + use<> {
        let methods = [
            (self.get, PolicyMethod::Get),
            (self.head, PolicyMethod::Head),
            (self.put, PolicyMethod::Put),
            (self.delete, PolicyMethod::Delete),
            (self.post, PolicyMethod::Post),
            (self.list, PolicyMethod::List),
        ];
        let allowed = methods.into_iter().filter(|&(allowed, _)| allowed);
        allowed.map(|(_, method)| method)
    }

    fn compile(rule: &AllowRule) -> Result<Self, (String, String)> {
        // No `..`: a field that nobody reads does not compile.
        let AllowRule {
            name,
            stores,
            buckets,
            prefixes,
            methods,
            max_duration,
            max_upload_bytes,
            allow_unsized_put,
            acls,
            storage_classes,
            kms_keys,
            tag_keys,
            redirects,
            endpoints,
            allow_response_overrides,
            allow_versions,
            allow_requester_pays,
            allow_metadata,
            create_only,
            max_objects,
            min_refresh_interval,
            template_keys,
        } = rule;
        let upload = UploadRule {
            max_bytes: max_upload_bytes.unwrap_or_default(),
            unsized_put: allow_unsized_put.unwrap_or_default(),
            acls: each("acls", acls, literal)?,
            storage_classes: each("storageClasses", storage_classes, literal)?,
            kms_keys: each("kmsKeys", kms_keys, literal)?,
            tag_keys: each("tagKeys", tag_keys, literal)?,
            redirects: each("redirects", redirects, RedirectPattern::parse)?,
            metadata: allow_metadata.unwrap_or_default(),
            create_only: create_only.unwrap_or_default(),
        };
        let allowed = |method| methods.contains(&method);
        let uploads = allowed(PolicyMethod::Put) || allowed(PolicyMethod::Post);
        upload_limit(*max_upload_bytes, uploads)?;
        Ok(Self {
            name: name.clone(),
            stores: each("stores", stores, Glob::parse)?,
            buckets: each("buckets", buckets, BucketPattern::parse)?,
            prefixes: each("prefixes", prefixes, PrefixPattern::parse)?,
            endpoints: each("endpoints", endpoints, Glob::parse)?,
            max_duration: life(max_duration).map_err(|why| ("maxDuration".to_owned(), why))?,
            get: allowed(PolicyMethod::Get),
            head: allowed(PolicyMethod::Get) || allowed(PolicyMethod::Head),
            put: allowed(PolicyMethod::Put),
            delete: allowed(PolicyMethod::Delete),
            post: allowed(PolicyMethod::Post),
            list: allowed(PolicyMethod::List),
            upload,
            versions: allow_versions.unwrap_or_default(),
            requester_pays: allow_requester_pays.unwrap_or_default(),
            response_overrides: allow_response_overrides.unwrap_or_default(),
            max_objects: objects(*max_objects).map_err(|why| ("maxObjects".to_owned(), why))?,
            min_refresh_interval: refresh(min_refresh_interval.as_deref())
                .map_err(|why| ("minRefreshInterval".to_owned(), why))?,
            template_keys: each("templateKeys", template_keys, Glob::parse_key)?,
        })
    }
}

impl PolicyError {
    fn new(field: String, message: String) -> Self {
        Self { field, message }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl std::error::Error for PolicyError {}

/// Whether a rule may be called so, beside the rules of these names.
fn rule_name<'a>(name: &'a str, names: &mut BTreeSet<&'a str>) -> Result<(), (String, String)> {
    let why = if !is_dns_label(name) {
        "a name has 1 to 63 lower-case letters, digits and hyphens, and begins and ends with a letter or digit"
    } else if !names.insert(name) {
        "another rule of the policy has it; give each rule a name of its own"
    } else {
        return Ok(());
    };
    Err(("name".to_owned(), why.to_owned()))
}

fn each<T>(
    field: &str,
    values: &[String],
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, (String, String)> {
    values
        .iter()
        .enumerate()
        .map(|(at, value)| parse(value).map_err(|why| (format!("{field}[{at}]"), why)))
        .collect()
}

/// A value that is compared as it stands.
fn literal(value: &str) -> Result<String, String> {
    if value.is_empty() {
        return Err("\"\" matches nothing; give a value, or remove it".to_owned());
    }
    if value.contains(['*', '{', '}']) || value.chars().any(char::is_control) {
        return Err(format!(
            "{} is compared as it stands, without * and templates; name each value",
            quoted(value)
        ));
    }
    Ok(value.to_owned())
}

fn life(text: &str) -> Result<Duration, String> {
    let life = parse_duration(text).map_err(|e| e.to_string())?;
    if (MIN_LIFE..=MAX_LIFE).contains(&life) {
        return Ok(life);
    }
    Err(format!(
        "{} is not between {} and {}; give a life that a URL can have",
        quoted(text),
        format_duration(MIN_LIFE),
        format_duration(MAX_LIFE)
    ))
}

fn objects(max: Option<u32>) -> Result<u32, String> {
    match max.unwrap_or(DEFAULT_OBJECTS) {
        max @ 1..=MAX_OBJECTS => Ok(max),
        max => Err(format!(
            "{max} is not between 1 and {MAX_OBJECTS}; give a number that is"
        )),
    }
}

fn refresh(text: Option<&str>) -> Result<Duration, String> {
    let Some(text) = text else {
        return Ok(DEFAULT_REFRESH);
    };
    let every = parse_duration(text).map_err(|e| e.to_string())?;
    if (MIN_REFRESH..=MAX_LIFE).contains(&every) {
        return Ok(every);
    }
    Err(format!(
        "{} is not between {} and {}; give a time between",
        quoted(text),
        format_duration(MIN_REFRESH),
        format_duration(MAX_LIFE)
    ))
}

fn upload_limit(limit: Option<u64>, uploads: bool) -> Result<(), (String, String)> {
    let why = match limit {
        None if uploads => {
            "it is required with PUT and POST; give the largest upload in bytes".to_owned()
        }
        Some(limit) if limit > MAX_UPLOAD => {
            format!(
                "{limit} is more than S3 takes in one upload; give at most {MAX_UPLOAD} (5 GiB)"
            )
        }
        None | Some(_) => return Ok(()),
    };
    Err(("maxUploadBytes".to_owned(), why))
}
