//! The one table of actions: what S3 and KMS check when a request of each kind comes in ("Actions, resources, and condition
//! keys for Amazon S3" in the service authorization reference).

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

/// What an action is checked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum On {
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

    /// What it is checked on.
    #[must_use]
    pub const fn on(self) -> On {
        match self {
            Self::GetObject
            | Self::GetObjectVersion
            | Self::PutObject
            | Self::PutObjectAcl
            | Self::PutObjectTagging
            | Self::DeleteObject => On::Object,
            Self::ListBucket => On::Bucket,
            Self::Decrypt | Self::GenerateDataKey => On::KmsKey,
        }
    }
}

/// A kind of request, as far as it decides about actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// The method.
    pub method: PolicyMethod,
    /// The newest version is meant, where it is a download.
    pub newest: bool,
    /// A version is named, where it is a download.
    pub version: bool,
    /// An ACL is set.
    pub acl: bool,
    /// Tags are set.
    pub tagging: bool,
    /// A KMS key may be needed: by what the object, the request or the bucket's default says.
    pub kms: bool,
}

impl Use {
    /// A plain request of this method.
    #[must_use]
    pub const fn of(method: PolicyMethod) -> Self {
        Self {
            method,
            newest: true,
            version: false,
            acl: false,
            tagging: false,
            kms: true,
        }
    }

    /// What these options need.
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
                    if_none_match: _,
                    storage_class: _,
                    metadata: _,
                } = put;
                Self {
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
pub fn actions(of: Use) -> Vec<Action> {
    let Use {
        method,
        newest,
        version,
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
