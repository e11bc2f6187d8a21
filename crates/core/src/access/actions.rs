//! The one table of actions: what S3 and KMS check for each kind of request ("Actions, resources, and
//! condition keys for Amazon S3" in the service authorization reference).

use crate::api::{PolicyMethod, PutOptions, ServerSideEncryption};
use crate::request::Options;

/// An action that IAM knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Read the newest version of an object, or its metadata.
    GetObject,
    /// Read a version that is named.
    GetObjectVersion,
    /// Write an object.
    PutObject,
    /// Set the ACL of what is written.
    PutObjectAcl,
    /// Set the tags of what is written.
    PutObjectTagging,
    /// Remove an object.
    DeleteObject,
    /// List the keys of a bucket.
    ListBucket,
    /// Read what is encrypted with a KMS key.
    Decrypt,
    /// Write what is encrypted with a KMS key.
    GenerateDataKey,
}

/// The kind of resource that an action is checked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// An object.
    Object,
    /// A bucket.
    Bucket,
    /// A KMS key.
    KmsKey,
}

impl Action {
    /// As it stands in a policy.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GetObject => "s3:GetObject",
            Self::GetObjectVersion => "s3:GetObjectVersion",
            Self::PutObject => "s3:PutObject",
            Self::PutObjectAcl => "s3:PutObjectAcl",
            Self::PutObjectTagging => "s3:PutObjectTagging",
            Self::DeleteObject => "s3:DeleteObject",
            Self::ListBucket => "s3:ListBucket",
            Self::Decrypt => "kms:Decrypt",
            Self::GenerateDataKey => "kms:GenerateDataKey",
        }
    }

    /// The kind of resource that it is checked on.
    #[must_use]
    pub const fn on(self) -> ResourceKind {
        match self {
            Self::GetObject
            | Self::GetObjectVersion
            | Self::PutObject
            | Self::PutObjectAcl
            | Self::PutObjectTagging
            | Self::DeleteObject => ResourceKind::Object,
            Self::ListBucket => ResourceKind::Bucket,
            Self::Decrypt | Self::GenerateDataKey => ResourceKind::KmsKey,
        }
    }
}

/// The part of a request that decides which actions it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestKind {
    /// The method.
    pub method: PolicyMethod,
    /// For a download: it reads the newest version.
    pub newest: bool,
    /// For a download: it names a version.
    pub version: bool,
    /// For an upload: it names the `ETag` that the object must have, which S3 lets nobody compare who may not
    /// read.
    pub compares: bool,
    /// The request sets an ACL.
    pub acl: bool,
    /// The request sets tags.
    pub tagging: bool,
    /// The object, the request or the bucket's default may need a KMS key.
    pub kms: bool,
}

impl RequestKind {
    /// A plain request of this method.
    #[must_use]
    pub const fn of(method: PolicyMethod) -> Self {
        Self {
            method,
            newest: true,
            version: false,
            compares: false,
            acl: false,
            tagging: false,
            kms: true,
        }
    }

    /// The kind of a request with these options.
    #[must_use]
    pub fn by(options: &Options) -> Self {
        let method = match options {
            Options::Get(_) => PolicyMethod::Get,
            Options::Head(_) => PolicyMethod::Head,
            Options::Put(_) => PolicyMethod::Put,
            Options::Delete => PolicyMethod::Delete,
            Options::Post(_) => PolicyMethod::Post,
        };
        let plain = Self::of(method);
        match options {
            Options::Get(get) | Options::Head(get) => Self {
                newest: get.version_id.is_none(),
                version: get.version_id.is_some(),
                ..plain
            },
            Options::Put(put) => {
                let PutOptions {
                    server_side_encryption,
                    acl,
                    tagging,
                    // The key itself is the resource; the rest needs no right of its own.
                    kms_key_id: _,
                    content_type: _,
                    content_length: _,
                    checksum_sha256: _,
                    checksum_crc64nvme: _,
                    if_none_match: _,
                    if_match,
                    storage_class: _,
                    metadata: _,
                } = put;
                Self {
                    compares: if_match.is_some(),
                    acl: acl.is_some(),
                    tagging: tagging.as_ref().is_some_and(|tags| !tags.is_empty()),
                    kms: *server_side_encryption != Some(ServerSideEncryption::AES256),
                    ..plain
                }
            }
            Options::Post(post) => Self {
                acl: post.acl.is_some(),
                ..plain
            },
            Options::Delete => plain,
        }
    }
}

/// The actions that a request needs, in their order.
#[must_use]
pub fn actions(of: RequestKind) -> Vec<Action> {
    let RequestKind {
        method,
        newest,
        version,
        compares,
        acl,
        tagging,
        kms,
    } = of;
    let rows: &[(bool, Action)] = match method {
        PolicyMethod::Get | PolicyMethod::Head => &[
            (newest, Action::GetObject),
            (version, Action::GetObjectVersion),
            (kms, Action::Decrypt),
        ],
        PolicyMethod::Put | PolicyMethod::Post => &[
            (true, Action::PutObject),
            (compares, Action::GetObject),
            (acl, Action::PutObjectAcl),
            (tagging, Action::PutObjectTagging),
            (kms, Action::GenerateDataKey),
        ],
        PolicyMethod::Delete => &[(true, Action::DeleteObject)],
        PolicyMethod::List => &[(true, Action::ListBucket)],
    };
    rows.iter()
        .filter(|(needed, _)| *needed)
        .map(|(_, action)| *action)
        .collect()
}
