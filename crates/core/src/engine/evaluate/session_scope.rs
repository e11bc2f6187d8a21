//! The sessions of a store's role that sign and list for a resource.
//!
//! What holds here:
//! - A session allows what is signed with it and, within the store's `sessionScope`, as little else as IAM
//!   can express.
//! - What IAM cannot express is an error for people, never a wider session.

use crate::access::{
    AccessError, Dialect, SessionSubject, namespace_policy, namespace_session_name, request_policy,
    session_name,
};
use crate::api::SessionScope;
use crate::engine::protocol::Session;
use crate::engine::store::StoreConfig;
use crate::policy::{Grant, Namespace, PolicySet};
use crate::request::{Objects, Request};

/// The session that signs, and the one that lists a prefix.
pub(in crate::engine) struct Sessions {
    pub(in crate::engine) signing: Option<Session>,
    pub(in crate::engine) listing: Option<Session>,
}

/// The sessions of a resource; none if the store does not narrow its sessions.
pub(in crate::engine) fn sessions(
    config: &StoreConfig,
    policies: &PolicySet,
    namespace: &Namespace<'_>,
    name: &str,
    request: &Request,
    grant: &Grant,
) -> Result<Sessions, AccessError> {
    let dialect = Dialect::of(config.default_endpoint.as_ref(), &config.region);
    let bucket = &request.bucket;
    let lists = matches!(request.objects, Objects::List(_));
    let narrowed = |subject| {
        request_policy(dialect, bucket, subject, &grant.options).map(|policy| Session {
            name: session_name(namespace.name, name),
            policy: Some(policy),
        })
    };
    match config.scope {
        SessionScope::Store => Ok(Sessions {
            signing: None,
            listing: None,
        }),
        SessionScope::Namespace => {
            let policy = namespace_policy(policies, namespace, &request.store, dialect)?;
            let session = Session {
                name: namespace_session_name(namespace.name),
                policy: Some(policy),
            };
            Ok(Sessions {
                listing: lists.then(|| session.clone()),
                signing: Some(session),
            })
        }
        SessionScope::Request => {
            let subject = SessionSubject::from(&request.objects);
            let (signing, listing) = match subject {
                // Listed objects lie under the prefix, so one session signs all of them.
                SessionSubject::Listing(prefix) => (
                    narrowed(SessionSubject::Under(prefix))?,
                    Some(narrowed(subject)?),
                ),
                SessionSubject::Keys(_) | SessionSubject::Under(_) => (narrowed(subject)?, None),
            };
            Ok(Sessions {
                signing: Some(signing),
                listing,
            })
        }
    }
}
