//! Names of resources in policies, as one kind of server reads them.
//!
//! What holds here: `*`, `?` and `$` of a key never reach a policy as they stand. AWS reads `${*}`, `${?}`
//! and `${$}` as the characters themselves; other servers may not, and there such keys are refused.

use super::error::AccessError;
use crate::request::Bucket;
use crate::signing::Endpoint;

/// Whose reading of a policy counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// AWS, in this partition.
    Aws {
        /// `aws`, `aws-cn` or `aws-us-gov`.
        partition: &'static str,
    },
    /// Any other server: S3's actions, no escapes, no KMS.
    Plain,
}

impl Dialect {
    /// The dialect of the server behind an S3 endpoint; `None` is AWS's own of the region.
    #[must_use]
    pub fn of(endpoint: Option<&Endpoint>, region: &str) -> Self {
        if !is_aws(endpoint) {
            return Self::Plain;
        }
        let partition = if region.starts_with("cn-") {
            "aws-cn"
        } else if region.starts_with("us-gov-") {
            "aws-us-gov"
        } else {
            "aws"
        };
        Self::Aws { partition }
    }

    /// The ARN of an object, for people: nothing is escaped.
    #[must_use]
    pub fn object_arn(self, bucket: &Bucket, key: &str) -> String {
        format!("{}/{key}", self.bucket_arn(bucket.as_str()))
    }

    /// The ARN of a bucket, or of a pattern of bucket names.
    #[must_use]
    pub fn bucket_arn(self, bucket: &str) -> String {
        format!("arn:{}:s3:::{bucket}", self.partition())
    }

    /// Whether the server checks KMS's own actions.
    pub(super) const fn has_kms(self) -> bool {
        matches!(self, Self::Aws { .. })
    }

    /// The ARN of the key that `id` names. `id` is an ARN, a key's ID or an alias; an alias becomes any key
    /// of the account.
    pub(super) fn kms_arn(self, id: Option<&str>) -> String {
        let any_key = format!("arn:{}:kms:*:*:key/*", self.partition());
        match id {
            Some(arn) if arn.starts_with("arn:") && arn.contains(":key/") => arn.to_owned(),
            Some(id) if is_key_id(id) => format!("arn:{}:kms:*:*:key/{id}", self.partition()),
            Some(_) | None => any_key,
        }
    }

    /// A text of a key or prefix that means itself in a policy.
    pub(super) fn literal(self, text: &str) -> Result<String, AccessError> {
        let special = |c: char| matches!(c, '*' | '?' | '$');
        match self {
            Self::Aws { .. } => {
                let mut out = String::with_capacity(text.len());
                for c in text.chars() {
                    if special(c) {
                        out.extend(['$', '{', c, '}']);
                    } else {
                        out.push(c);
                    }
                }
                Ok(out)
            }
            // A `$` is a variable only before a `{`, and a key with both does not parse.
            Self::Plain if text.contains(['*', '?']) || text.contains("${") => {
                Err(AccessError::Wildcard {
                    text: text.to_owned(),
                })
            }
            Self::Plain => Ok(text.to_owned()),
        }
    }

    const fn partition(self) -> &'static str {
        match self {
            Self::Aws { partition } => partition,
            Self::Plain => "aws",
        }
    }
}

/// Whether AWS's own S3 answers at an endpoint; `None` is AWS's own of a region.
#[must_use]
pub fn is_aws(endpoint: Option<&Endpoint>) -> bool {
    endpoint.is_none_or(Endpoint::is_aws)
}

/// A key's ID is a UUID, of a key in several regions with `mrk-` and no hyphens; an alias is neither.
fn is_key_id(id: &str) -> bool {
    !id.contains('/')
        && !id.is_empty()
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}
