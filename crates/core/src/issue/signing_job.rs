//! From a grant and credentials to the content of a Secret: plan the life, sign, check, render.
//!
//! What holds here:
//! - No signature leaves this file before the independent check has compared it with the grant.
//! - A [`SigningJob`] is a value and can be signed anywhere: a few objects inline, many in a step of their
//!   own.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::{Format, LimitedBy, PostOptions, Problem, Reason, SignedHashes, WrittenSecret};
use crate::issue::issued::Issued;
use crate::issue::life::{FixedTimes, Life, RequestedLife, TooShort, keep_end, plan_life};
use crate::issue::listed::ListedKey;
use crate::issue::secret::{
    BundleWriter, Content, FormContent, Item, RenderError, SECRET_LIMIT, SecretContent, bind,
    render, render_form,
};
use crate::issue::template::Template;
use crate::request::{Bucket, Key, Options, Prefix};
use crate::signing::{
    Credentials, ExpectedForm, ExpectedSignature, ExpectedUrl, FormKey, FormOperation, Operation,
    Presigned, Target, check, check_form, presign, sign_form,
};
use crate::time::{later, shifted};

/// More objects than this are signed in a step of their own.
const AT_ONCE: usize = 32;
/// So are objects whose files take more bytes than this.
const BYTES_AT_ONCE: usize = 128 * 1024;
/// What a URL and its entry in a file have beside the key, in bytes: more with a session token, which makes
/// the Secret full with fewer of them.
const URL_BYTES: usize = 500;

/// A Secret's content, and the record of it once it is written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) content: SecretContent,
    /// The Secret's uid and resourceVersion are still empty.
    pub(crate) issued: Issued,
    /// When it was signed: after the issue, if a one-shot URL is signed again.
    pub(crate) at: Timestamp,
    fingerprint: Fingerprint,
}

/// The inputs of a signature without the time: equal fingerprints sign the same content.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fingerprint {
    revision: i64,
    served_request: Option<String>,
    hashes: SignedHashes,
    requested_life: RequestedLife,
    one_shot: Option<(FixedTimes, Option<LimitedBy>)>,
    skew: SignedDuration,
    access_key_id: String,
}

/// The objects to sign.
#[derive(Clone)]
pub(crate) enum Subject {
    One(Key),
    Many(Vec<ListedKey>),
    FormOf(Key),
    FormUnder(Prefix),
}

/// Signatures to make, with all that they need.
#[derive(Clone)]
pub struct SigningJob {
    pub(crate) name: String,
    pub(crate) revision: i64,
    pub(crate) served_request: Option<String>,
    /// The names of the policies that allow it.
    pub(crate) policies: Vec<String>,
    pub(crate) bucket: Bucket,
    pub(crate) subject: Subject,
    pub(crate) skipped: Option<u32>,
    pub(crate) options: Options,
    pub(crate) requested_life: RequestedLife,
    /// For a one-shot resource that was issued before: its times, and what shortened them.
    pub(crate) one_shot: Option<(FixedTimes, Option<LimitedBy>)>,
    pub(crate) target: Target,
    pub(crate) max_signature_age: Option<Duration>,
    pub(crate) ca_bundle: Option<String>,
    pub(crate) template: Template,
    pub(crate) formats: BTreeSet<Format>,
    pub(crate) binding_type: Option<Box<str>>,
    /// How many bytes the files of many objects may have.
    pub(crate) limit: usize,
    pub(crate) secret_name: String,
    pub(crate) hashes: SignedHashes,
    pub(crate) credentials: Credentials,
    /// The store's clock minus the operator's: it is added to the times that the store checks.
    pub(crate) skew: SignedDuration,
    pub(crate) now: Timestamp,
}

impl fmt::Debug for SigningJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningJob")
            .field("name", &self.name)
            .field("revision", &self.revision)
            .field("objects", &self.count())
            .finish_non_exhaustive()
    }
}

/// The result of a [`SigningJob`].
#[derive(Debug)]
pub struct SignedJob(pub(crate) Result<Signed, Problem>);

impl SignedJob {
    /// Why nothing was signed, if that is so.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.0.as_ref().err().map(|problem| problem.reason)
    }
}

impl SigningJob {
    /// Whether it is long enough for a step of its own.
    pub(crate) fn is_long(&self) -> bool {
        self.count() > AT_ONCE || self.data_bytes() > BYTES_AT_ONCE
    }

    /// About how many bytes it takes to sign it, to render it and to send it, at the most at once: the keys
    /// twice (as they are, and as names of files), the files as they grow, and their base64.
    pub(crate) fn bytes(&self) -> usize {
        2 * self.key_bytes() + self.data_bytes() * 5 / 2
    }

    /// About how many bytes the Secret has: a key stands in each file as it is and percent-encoded. Nothing
    /// is rendered that has more than a Secret holds.
    fn data_bytes(&self) -> usize {
        let files = 1 + self.formats.len();
        let bytes = files * (3 * self.key_bytes() + URL_BYTES * self.count());
        bytes.min(SECRET_LIMIT)
    }

    fn key_bytes(&self) -> usize {
        match &self.subject {
            Subject::One(key) | Subject::FormOf(key) => key.as_str().len(),
            Subject::Many(objects) => objects.iter().map(|object| object.key.as_str().len()).sum(),
            Subject::FormUnder(prefix) => prefix.as_str().len(),
        }
    }

    /// Whether content that another job signed a moment ago is the content that this job would sign.
    pub(crate) fn is_served_by(&self, signed: &Signed) -> bool {
        let age = self.now.as_second() - signed.at.as_second();
        signed.fingerprint == self.fingerprint() && (0..=60).contains(&age)
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            revision: self.revision,
            served_request: self.served_request.clone(),
            hashes: self.hashes.clone(),
            requested_life: self.requested_life,
            one_shot: self.one_shot,
            skew: self.skew,
            access_key_id: self.credentials.access_key_id.clone(),
        }
    }

    fn count(&self) -> usize {
        match &self.subject {
            Subject::One(_) | Subject::FormOf(_) | Subject::FormUnder(_) => 1,
            Subject::Many(objects) => objects.len(),
        }
    }

    /// Signs all objects.
    #[must_use]
    pub fn run(&self) -> SignedJob {
        SignedJob(self.sign())
    }

    /// Signs, checks and renders.
    pub(crate) fn sign(&self) -> Result<Signed, Problem> {
        let life = self.life()?;
        let mut content = match (&self.subject, &self.options) {
            (Subject::One(key), options) => self.one(key, options, &life)?,
            (Subject::Many(objects), options) => self.many(objects, options, &life)?,
            (Subject::FormOf(key), Options::Post(post)) => {
                self.form(FormKey::Exactly(key), post, &life)?
            }
            (Subject::FormUnder(prefix), Options::Post(post)) => {
                self.form(FormKey::Under(prefix), post, &life)?
            }
            (Subject::FormOf(_) | Subject::FormUnder(_), _) => {
                let why = "a form was planned for another method".to_owned();
                return Err(needs_human(Reason::SelfCheckFailed, why));
            }
        };
        if let Some(type_) = &self.binding_type {
            bind(&mut content, type_).map_err(|error| unrendered(&error))?;
        }
        let secret = WrittenSecret {
            name: self.secret_name.clone(),
            uid: String::new(),
            resource_version: String::new(),
            data_hash: content.data_hash().into(),
        };
        let issued = Issued {
            secret,
            method: self.options.method(),
            issued_at: life.issued_at,
            signed_at: life.signed_at.max(life.issued_at),
            expires_at: life.expires_at,
            clock_offset: i32::try_from(self.skew.as_secs()).unwrap_or_default(),
            limited_by: life.limited_by,
            objects: u32::try_from(self.count()).unwrap_or(u32::MAX),
            skipped: self.skipped,
            hashes: self.hashes.clone(),
            revision: self.revision,
            served_request: self.served_request.clone(),
            policies: self.policies.clone(),
        };
        Ok(Signed {
            content,
            issued,
            at: self.now,
            fingerprint: self.fingerprint(),
        })
    }

    fn life(&self) -> Result<Life, Problem> {
        // A session expires by the store's clock; all times of a life are the operator's.
        let end = self.credentials.expires_at;
        let creds_expiry = end.map(|end| shifted(end, -self.skew));
        let max_age = self.max_signature_age;
        match self.one_shot {
            Some((fixed, limited_by)) => keep_end(self.now, fixed, creds_expiry, max_age)
                .map(|life| Life { limited_by, ..life })
                .map_err(|out| needs_human(out_of_reach(out.limited_by), out.to_string())),
            None => plan_life(self.now, self.requested_life, creds_expiry, max_age)
                .map_err(|short| too_short(&short)),
        }
    }

    fn one(&self, key: &Key, options: &Options, life: &Life) -> Result<SecretContent, Problem> {
        let main = self.signed_and_checked(key, options, life)?;
        let head = match options {
            Options::Get(get) => {
                Some(self.signed_and_checked(key, &Options::Head(get.clone()), life)?)
            }
            Options::Head(_) | Options::Put(_) | Options::Delete | Options::Post(_) => None,
        };
        render(&Content {
            name: &self.name,
            method: options.method(),
            url: main.url.expose(),
            head_url: head.as_ref().map(|head| head.url.expose()),
            headers: &main.headers,
            expires_at: life.expires_at,
            ca_bundle: self.ca_bundle.as_deref(),
            template: &self.template,
        })
        .map_err(|error| unrendered(&error))
    }

    fn many(
        &self,
        objects: &[ListedKey],
        options: &Options,
        life: &Life,
    ) -> Result<SecretContent, Problem> {
        let keys = objects.iter().map(|object| object.key.as_str());
        let mut bundle = None;
        // Each URL is written as soon as it is signed, and what does not fit is not signed.
        for object in objects {
            let presigned = self.signed_and_checked(&object.key, options, life)?;
            let bundle = match &mut bundle {
                Some(bundle) => bundle,
                // All objects have the same options, and therefore the same headers.
                None => bundle.insert(self.bundle(&presigned.headers, life, &keys)?),
            };
            let listed = object.listed.as_ref();
            bundle
                .push(&Item {
                    key: object.key.as_str(),
                    url: presigned.url.expose(),
                    size: listed.and_then(|(size, _)| *size),
                    etag: listed
                        .map(|(_, etag)| etag.as_str())
                        .filter(|etag| !etag.is_empty()),
                })
                .map_err(|error| unrendered(&error))?;
        }
        let bundle = match bundle {
            Some(bundle) => bundle,
            None => self.bundle(&[], life, &keys)?,
        };
        Ok(bundle.finish(&self.name, life.expires_at, &self.template))
    }

    fn bundle<'a>(
        &self,
        headers: &[(String, String)],
        life: &Life,
        keys: &(impl ExactSizeIterator<Item = &'a str> + Clone),
    ) -> Result<BundleWriter, Problem> {
        let method = self.options.method();
        let ca_bundle = self.ca_bundle.as_deref();
        BundleWriter::new(
            method,
            headers,
            &self.formats,
            life.expires_at,
            ca_bundle,
            keys,
        )
        .map(|bundle| bundle.with_limit(self.limit))
        .map_err(|error| unrendered(&error))
    }

    fn form(
        &self,
        key: FormKey<'_>,
        post: &PostOptions,
        life: &Life,
    ) -> Result<SecretContent, Problem> {
        let operation = FormOperation {
            bucket: &self.bucket,
            key,
            options: post,
        };
        let form = sign_form(
            &operation,
            &self.target,
            &self.credentials,
            shifted(life.signed_at, self.skew),
            life.expires_in,
        )
        .map_err(|error| needs_human(Reason::CredentialsInvalid, error.to_string()))?;
        let expected = ExpectedForm {
            key,
            options: post,
            signature: self.expected_signature(life),
        };
        check_form(&form, &expected).map_err(mismatch)?;
        render_form(&FormContent {
            name: &self.name,
            form: &form,
            expires_at: life.expires_at,
            ca_bundle: self.ca_bundle.as_deref(),
            template: &self.template,
        })
        .map_err(|error| unrendered(&error))
    }

    fn signed_and_checked(
        &self,
        key: &Key,
        options: &Options,
        life: &Life,
    ) -> Result<Presigned, Problem> {
        let operation = Operation {
            bucket: &self.bucket,
            key,
            options,
        };
        let presigned = presign(
            &operation,
            &self.target,
            &self.credentials,
            shifted(life.signed_at, self.skew),
            life.expires_in,
        )
        .map_err(|error| needs_human(Reason::CredentialsInvalid, error.to_string()))?;
        let expected = ExpectedUrl {
            key,
            method: options.method(),
            options,
            signature: self.expected_signature(life),
        };
        check(&presigned, &expected).map_err(mismatch)?;
        Ok(presigned)
    }

    fn expected_signature(&self, life: &Life) -> ExpectedSignature<'_> {
        let endpoint = &self.target.endpoint;
        ExpectedSignature {
            scheme: endpoint.scheme(),
            host: endpoint.host(),
            port: endpoint.port(),
            path: endpoint.path(),
            style: self.target.style,
            bucket: &self.bucket,
            region: &self.target.region,
            access_key_id: &self.credentials.access_key_id,
            session: self.credentials.session_token.is_some(),
            signed_at: shifted(life.signed_at, self.skew),
            expires_at: shifted(life.expires_at, self.skew),
            not_after: self.not_after(life),
        }
    }

    /// The latest end that policy and credentials allow.
    fn not_after(&self, life: &Life) -> Timestamp {
        let by_policy = shifted(
            later(life.issued_at, self.requested_life.policy_max),
            self.skew,
        );
        let end = self.credentials.expires_at;
        end.map_or(by_policy, |end| by_policy.min(end))
    }
}

fn mismatch(what: impl fmt::Display) -> Problem {
    needs_human(
        Reason::SelfCheckFailed,
        format!(
            "what was signed was thrown away: {what}; this is a fault of the operator, report it"
        ),
    )
}

fn unrendered(error: &RenderError) -> Problem {
    let reason = match error {
        RenderError::TooLarge { .. } | RenderError::TooManyForSecret { .. } => {
            Reason::SecretTooLarge
        }
        RenderError::Format { .. }
        | RenderError::Names(_)
        | RenderError::Header
        | RenderError::Field => Reason::InvalidSpec,
        RenderError::Url => Reason::SelfCheckFailed,
    };
    needs_human(reason, error.to_string())
}

fn too_short(short: &TooShort) -> Problem {
    let reason = match short.limited_by {
        Some(LimitedBy::Credentials) => Reason::CredentialsExpired,
        Some(LimitedBy::SignatureAge) => Reason::StoreInvalid,
        Some(LimitedBy::Duration | LimitedBy::SigV4) | None => Reason::InvalidSpec,
    };
    needs_human(reason, short.to_string())
}

fn needs_human(reason: Reason, message: String) -> Problem {
    Problem {
        reason,
        message,
        needs_human: true,
    }
}

/// Why a fixed end cannot be kept.
const fn out_of_reach(limited_by: LimitedBy) -> Reason {
    match limited_by {
        LimitedBy::Credentials => Reason::CredentialsExpired,
        LimitedBy::SignatureAge => Reason::StoreInvalid,
        LimitedBy::Duration | LimitedBy::SigV4 => Reason::Progressing,
    }
}
