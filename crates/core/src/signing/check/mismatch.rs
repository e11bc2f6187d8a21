//! What differs between a finished URL or form and what was allowed.
//!
//! What holds here: a sentence repeats nothing of the URL.

use thiserror::Error;

/// What differs between a finished URL or form and what was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Mismatch {
    /// It is no URL in canonical spelling.
    #[error("the URL is not written in canonical form")]
    Malformed,
    /// http for https or the reverse.
    #[error("the URL's scheme is not the endpoint's")]
    Scheme,
    /// Another host, port or, by virtual host, bucket; or user information.
    #[error("the URL's host, port or virtual-host bucket is not the allowed one")]
    Authority,
    /// The path does not begin with the endpoint's.
    #[error("the URL's path does not begin with the endpoint's")]
    Path,
    /// Another bucket in the path.
    #[error("the URL's bucket is not the allowed one")]
    Bucket,
    /// Another key.
    #[error("the URL's key is not the allowed one")]
    Key,
    /// Another method, or options of another method.
    #[error("the method is not the allowed one")]
    Method,
    /// A query parameter is missing.
    #[error("the URL lacks the query parameter {0}")]
    MissingParameter(&'static str),
    /// A query parameter that was not expected. It is not named: its name was not ours.
    #[error("the URL holds a query parameter that was not allowed")]
    UnexpectedParameter,
    /// A query parameter stands twice.
    #[error("the URL holds a query parameter twice")]
    RepeatedParameter,
    /// A query parameter has another value.
    #[error("the URL's query parameter {0} is not what was allowed")]
    Parameter(&'static str),
    /// The credential is of another key.
    #[error("the URL was signed with another access key")]
    AccessKey,
    /// The credential scope has another date.
    #[error("the date of the URL's credential scope is not the signing date")]
    ScopeDate,
    /// The credential scope has another region.
    #[error("the region of the URL's credential scope is not the store's")]
    Region,
    /// The credential scope is not S3's.
    #[error("the URL's credential scope is not one of S3")]
    Service,
    /// The life begins at another time.
    #[error("the URL was signed for another time")]
    SignedAt,
    /// The life is another than was planned.
    #[error("the URL's life is not the planned one")]
    Life,
    /// The life ends later than anything allows.
    #[error("the URL lives longer than policy, credentials and store allow")]
    LivesTooLong,
    /// Other headers are signed than were expected.
    #[error("the URL's signed headers are not the allowed ones")]
    SignedHeaders,
    /// A header that the client must send is missing.
    #[error("a signed header is not among those that the client is told to send")]
    MissingHeader,
    /// A header that was not expected.
    #[error("the client is told to send a header that was not allowed")]
    UnexpectedHeader,
    /// A header stands twice.
    #[error("the client is told to send a header twice")]
    RepeatedHeader,
    /// A header has another value.
    #[error("the value of a header that the client must send is not what was allowed")]
    Header,
    /// A header's value would end its line or is not printable.
    #[error("the value of a header that the client must send is not printable ASCII")]
    HeaderNotPrintable,
    /// The signature has not the form of one.
    #[error("the URL's signature has not the form of one")]
    Signature,
    /// A form's policy is not base64 of JSON that reads in one way only.
    #[error("the form's policy document is not written in canonical form")]
    MalformedPolicy,
    /// The policy ends at another time than was planned.
    #[error("the form's policy document ends at another time than was planned")]
    Expiration,
    /// A condition is missing.
    #[error("the form's policy document lacks the condition on {0}")]
    MissingCondition(&'static str),
    /// A condition that was not expected. It is not named: its name was not ours.
    #[error("the form's policy document holds a condition that was not allowed")]
    UnexpectedCondition,
    /// Two conditions on one thing.
    #[error("the form's policy document holds two conditions on {0}")]
    RepeatedCondition(&'static str),
    /// A condition allows something else.
    #[error("the condition on {0} in the form's policy document is not what was allowed")]
    Condition(&'static str),
    /// A field is missing.
    #[error("the form lacks the field {0}")]
    MissingField(&'static str),
    /// A field that was not expected.
    #[error("the form holds a field that was not allowed")]
    UnexpectedField,
    /// A field stands twice.
    #[error("the form holds the field {0} twice")]
    RepeatedField(&'static str),
    /// A field has another value.
    #[error("the form's field {0} is not what was allowed")]
    Field(&'static str),
    /// A value that S3 would fill in.
    #[error("the form holds a value that the name of the sent file would change")]
    FileName,
    /// A form without a bound on sizes, or with an empty one.
    #[error("the form is not bound to a range of sizes")]
    Unbounded,
}
