//! The statements that end living URLs on the S3 side.
//!
//! What holds here: a statement denies what was signed and no other kind of access: whoever signs headers, as
//! an SDK does, is not hit. It names the same actions and resources as a session policy for the same request.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::actions::{Action, RequestKind, ResourceKind, actions};
use super::arn::Dialect;
use super::error::AccessError;
use super::session::key_arn;
use crate::api::Method;
use crate::request::{Bucket, Objects, Options, Prefix};

/// Denies the presigned use of the objects, whoever signed it. `until` is when the last of the URLs dies: then
/// the statement ends by itself. A bucket policy needs a `Principal` besides.
///
/// # Errors
/// A key that the server's policies cannot name.
pub fn deny_objects(
    dialect: Dialect,
    bucket: &Bucket,
    objects: &Objects,
    options: &Options,
    until: Option<Timestamp>,
) -> Result<Value, AccessError> {
    let arn = dialect.bucket_arn(bucket.as_str());
    let under = |prefix: &Prefix| {
        Ok(vec![format!(
            "{arn}/{}*",
            dialect.literal(prefix.as_str())?
        )])
    };
    let resources = match objects {
        Objects::Key(key) => vec![key_arn(dialect, &arn, key)?],
        Objects::Keys(keys) => keys
            .iter()
            .map(|key| key_arn(dialect, &arn, key))
            .collect::<Result<_, _>>()?,
        Objects::List(list) => under(&list.prefix)?,
        Objects::Under(prefix) => under(prefix)?,
    };
    let needed = actions(RequestKind::by(options)).into_iter();
    let on_objects: Vec<&str> = needed
        .filter(|action| action.on() == ResourceKind::Object)
        .map(Action::as_str)
        .collect();
    let signed = match options.method() {
        Method::Post => "POST",
        Method::Get | Method::Head | Method::Put | Method::Delete => "REST-QUERY-STRING",
    };
    let mut condition = json!({ "StringEquals": { "s3:authType": signed } });
    if let Some(until) = until {
        condition["DateLessThan"] = json!({ "aws:CurrentTime": seconds(until) });
    }
    Ok(
        json!({ "Effect": "Deny", "Action": on_objects, "Resource": resources, "Condition": condition }),
    )
}

/// Denies everything to the sessions of a role that began before this time; with a name, to those of that
/// name. It ends every URL that they signed, and goes into a policy of the role.
#[must_use]
pub fn deny_sessions(name: Option<&str>, before: Timestamp) -> Value {
    let mut condition = json!({ "DateLessThan": { "aws:TokenIssueTime": seconds(before) } });
    if let Some(name) = name {
        // `aws:userid` of a role is `ROLE-ID:SESSION-NAME`; a session's name holds no wildcard.
        condition["StringLike"] = json!({ "aws:userid": format!("*:{name}") });
    }
    json!({ "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition })
}

fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
