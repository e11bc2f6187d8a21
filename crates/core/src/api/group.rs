//! The names of the API: its group, its version, and what the operator writes under it.

/// The API group of every kind of this operator.
pub const GROUP: &str = "presigned.dev";
/// The served and stored version.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of every kind of this operator.
pub const API_VERSION: &str = "presigned.dev/v1alpha1";
/// The kind of the resource that tenants write, as in `kind:` and in owner references.
pub const KIND: &str = "PresignedURL";
/// The field manager and reporting controller of every write.
pub const MANAGER: &str = "presigned-url-operator";
/// The label on every Secret that the operator writes; its value is [`MANAGER`].
pub const MANAGED_BY_LABEL: &str = "presigned.dev/managed-by";
/// The annotation on every Secret that the operator writes; its value is the name of the `PresignedURL`.
pub const NAME_ANNOTATION: &str = "presigned.dev/presigned-url";
/// The annotation on a `PresignedURL` that asks for one renewal; any new value is a new request.
pub const RENEW_ANNOTATION: &str = "presigned.dev/renew";
