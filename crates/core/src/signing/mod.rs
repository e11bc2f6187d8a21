//! Signing: from a grant, an endpoint and credentials to a presigned URL or form, and the check that it is
//! what was allowed.
//!
//! What holds here: everything is a function of values; the same values give the same URL, byte for byte the
//! one that aws-sdk-s3 would presign. `query` signs URLs, `form` signs forms, and `listing` what a program
//! requests itself: listings and settings of a bucket, with `headers`; `check` takes the finished result apart
//! again and shares no code with them, so that one fault cannot make and excuse the same wrong URL. What holds
//! a URL or a key prints itself redacted.
//!
//! # Expected flow
//! [`Target::resolve`] once per object, [`presign`], then [`check`] against an [`ExpectedUrl`] that was made
//! from the policy's grant and not from what was handed to the signer; for a form [`sign_form`],
//! [`check_form`] and [`ExpectedForm`]. Only a URL or form that passed may be published.

mod check;
mod credentials;
mod endpoint;
mod form;
mod headers;
mod listing;
mod presigned;
mod query;
mod target;
#[cfg(test)]
mod tests;

pub use check::{ExpectedForm, ExpectedSignature, ExpectedUrl, Mismatch, check, check_form};
pub use credentials::Credentials;
pub use endpoint::{Endpoint, EndpointError, Scheme};
pub use form::{Form, FormField, FormKey, FormOperation, sign_form};
pub use headers::SignedRequest;
pub use listing::{BucketSetting, ListPage, sign_page, sign_setting};
pub use presigned::{Presigned, SecretUrl};
pub use query::{Operation, SignError, presign};
pub use target::{Style, Target, is_region};
