//! Options of issuance: whether URLs are renewed and verified, in which files they stand, and how long a link
//! is kept.
//!
//! What holds here: no option needs a policy, and none is part of a URL. An option that contradicts the rest
//! of the spec is refused, as admission refuses it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::duration::{format_duration, parse_delay};
use super::error::InvalidSpec;
use crate::api::{Format, Method, PresignedUrlSpec, Renew, Verify};
use crate::text::quoted;

/// The longest `ttlAfterExpiry`: a year.
const MAX_TTL: Duration = Duration::from_hours(8760);

/// How URLs are issued, beyond what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuanceOptions {
    /// Whether the URLs are replaced before they expire.
    pub renew: Renew,
    /// Whether the URLs are verified by a request to the store.
    pub verify: Verify,
    /// Files beside `urls.json`; empty if there is one object.
    pub formats: BTreeSet<Format>,
    /// The `type` of the Secret as a binding; `None` if it need not be one.
    pub binding_type: Option<Box<str>>,
    /// How long after the end the resource is deleted; only with [`Renew::Never`].
    pub ttl_after_expiry: Option<Duration>,
}

impl IssuanceOptions {
    /// Parses the options of a spec; [`super::Request`] parses the rest.
    ///
    /// # Errors
    /// The first field that cannot be read, or that contradicts another.
    pub fn parse(spec: &PresignedUrlSpec) -> Result<Self, InvalidSpec> {
        let renew = spec.renew.unwrap_or_default();
        if renew == Renew::Never {
            never_renewed(spec)?;
        }
        Ok(Self {
            renew,
            verify: spec.verify.unwrap_or_default(),
            formats: formats(spec)?,
            binding_type: spec.binding_type.clone(),
            ttl_after_expiry: ttl(spec.ttl_after_expiry.as_deref(), renew)?,
        })
    }
}

fn never_renewed(spec: &PresignedUrlSpec) -> Result<(), InvalidSpec> {
    let refresh = spec
        .list
        .as_ref()
        .and_then(|list| list.refresh_interval.as_ref());
    let contradictions = [
        ("spec.renewBefore", spec.renew_before.is_some()),
        (
            "spec.renewBeforePercentage",
            spec.renew_before_percentage.is_some(),
        ),
        ("spec.list.refreshInterval", refresh.is_some()),
    ];
    match contradictions.into_iter().find(|&(_, given)| given) {
        None => Ok(()),
        Some((field, _)) => Err(InvalidSpec::new(
            field,
            "is given, and with renew: Never nothing is issued twice; remove it, or set spec.renew to Always",
        )),
    }
}

fn formats(spec: &PresignedUrlSpec) -> Result<BTreeSet<Format>, InvalidSpec> {
    let field = "spec.formats";
    let Some(formats) = &spec.formats else {
        return Ok(BTreeSet::new());
    };
    let method = spec.method.unwrap_or_default();
    let many = spec.keys.is_some() || (spec.prefix.is_some() && method == Method::Get);
    if !many {
        return Err(InvalidSpec::new(
            field,
            "goes with many objects (keys, or prefix with method GET), and one object has its own files already; \
             leave it out",
        ));
    }
    if method != Method::Get && formats.contains(&Format::Aria2Txt) {
        let message = format!(
            "holds aria2.txt, which goes with method GET since aria2 downloads only, and the method is {}; leave it out",
            method.as_str()
        );
        return Err(InvalidSpec::new(field, message));
    }
    Ok(formats.iter().copied().collect())
}

fn ttl(text: Option<&str>, renew: Renew) -> Result<Option<Duration>, InvalidSpec> {
    let field = "spec.ttlAfterExpiry";
    let Some(text) = text else { return Ok(None) };
    if renew != Renew::Never {
        return Err(InvalidSpec::new(
            field,
            "is given, and what is renewed does not expire; remove it, or set spec.renew to Never",
        ));
    }
    let ttl = parse_delay(text).map_err(|e| InvalidSpec::new(field, e.to_string()))?;
    if ttl <= MAX_TTL {
        return Ok(Some(ttl));
    }
    let message = format!(
        "{} is longer than {}; give less, or leave it out to keep the resource",
        quoted(text),
        format_duration(MAX_TTL)
    );
    Err(InvalidSpec::new(field, message))
}
