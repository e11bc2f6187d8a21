//! What the sessions of a store's role are narrowed to for a resource.
//!
//! What holds here: a session allows what is signed with it and, by the scope's own measure, as little else
//! as can be said. What cannot be said is an error for people, never a wider session.

use crate::access::{
    AccessError, Dialect, SessionSubject, namespace_policy, namespace_session_name, request_policy,
    session_name,
};
use crate::api::SessionScope;
use crate::engine::protocol::Session;
use crate::engine::store::StoreConfig;
use crate::policy::{Grant, Namespace, PolicySet};
use crate::request::{Objects, Request};

/// The session that signs, and the one that lists where a prefix is listed.
pub(in crate::engine) struct Sessions {
    pub(in crate::engine) signing: Option<Session>,
    pub(in crate::engine) listing: Option<Session>,
}

/// The sessions of a resource; none where the store's scope narrows nothing.
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
    let narrowed = |wanted| {
        request_policy(dialect, bucket, wanted, &grant.options).map(|policy| Session {
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
            let wanted = SessionSubject::from(&request.objects);
            let (signing, listing) = match wanted {
                // What a listing finds lies under its prefix: one session signs it whatever is found.
                SessionSubject::Listing(prefix) => (
                    narrowed(SessionSubject::Under(prefix))?,
                    Some(narrowed(wanted)?),
                ),
                SessionSubject::Keys(_) | SessionSubject::Under(_) => (narrowed(wanted)?, None),
            };
            Ok(Sessions {
                signing: Some(signing),
                listing,
            })
        }
    }
}
