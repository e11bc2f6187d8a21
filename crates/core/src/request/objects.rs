//! Which objects a request is about: one key, several, those under a prefix that is listed, or any under a
//! form's prefix.
//!
//! What holds here: a spec names exactly one of these, with a method that fits, and no key twice.

use std::time::Duration;

use super::duration::{MAX_LIFE, format_duration, parse_duration};
use super::error::{InvalidSpec, NameError};
use super::key_glob::KeyGlob;
use super::names::{Key, Prefix};
use crate::api::{Keys, ListOptions, MAX_KEY_BYTES, Method, TOO_MANY_KEY_BYTES};
use crate::text::quoted;

/// How many keys one resource may have.
const MAX_KEYS: usize = 2048;
/// The largest `maxObjects` of a spec or a rule.
pub(crate) const MAX_OBJECTS: u32 = 10_000;
/// How many globs each list may have.
const MAX_GLOBS: usize = 32;
/// The shortest `refreshInterval` of a spec or `minRefreshInterval` of a rule.
pub(crate) const MIN_REFRESH: Duration = Duration::from_mins(1);

/// Which objects a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objects {
    /// One.
    Key(Key),
    /// Several, each once, in the order in which they were given.
    Keys(Vec<Key>),
    /// What a listing finds.
    List(ListSelection),
    /// Any whose key begins with this; the sender of the form chooses.
    Under(Prefix),
}

/// What is to be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListSelection {
    /// What the keys begin with.
    pub prefix: Prefix,
    /// With fewer objects the listing fails.
    pub min_objects: u32,
    /// With more objects the listing fails; `None` leaves the limit to the policy.
    pub max_objects: Option<u32>,
    /// Globs of what follows the prefix; empty includes all.
    pub include: Vec<KeyGlob>,
    /// Globs of what is left out of it.
    pub exclude: Vec<KeyGlob>,
    /// How often it is listed between renewals.
    pub refresh_interval: Option<Duration>,
}

/// The fields of a spec that name objects.
pub(super) struct Fields<'a> {
    pub(super) key: Option<&'a str>,
    pub(super) keys: Option<&'a Keys>,
    pub(super) prefix: Option<&'a str>,
    pub(super) list: Option<&'a ListOptions>,
    pub(super) method: Method,
}

impl Objects {
    pub(super) fn parse(fields: &Fields<'_>) -> Result<Self, InvalidSpec> {
        let &Fields {
            key,
            keys,
            prefix,
            list,
            method,
        } = fields;
        let objects = match (key, keys, prefix) {
            (Some(key), None, None) => Self::Key(Key::parse(key).map_err(named("spec.key"))?),
            (None, Some(keys), None) => Self::Keys(parse_keys(keys, method)?),
            (None, None, Some(prefix)) => under(prefix, list, method)?,
            (None, None, None) => {
                return Err(InvalidSpec::new(
                    "spec.key",
                    "is not given, nor is keys or prefix; set exactly one of them",
                ));
            }
            (one, _, other) => {
                let field = if other.is_some() {
                    "spec.prefix"
                } else {
                    "spec.keys"
                };
                let beside = if one.is_some() { "key" } else { "keys" };
                return Err(InvalidSpec::new(
                    field,
                    format!("is given beside {beside}; set exactly one of key, keys and prefix"),
                ));
            }
        };
        if list.is_some() && !matches!(objects, Self::List(_)) {
            return Err(InvalidSpec::new(
                "spec.list",
                "this block goes with prefix and method GET; remove the block, or set spec.prefix",
            ));
        }
        Ok(objects)
    }
}

impl ListSelection {
    /// Whether the listing keeps an object of this key. Whether the key can be signed is not checked here.
    #[must_use]
    pub fn keeps(&self, key: &str) -> bool {
        let Some(rest) = key.strip_prefix(self.prefix.as_str()) else {
            return false;
        };
        let matches = |globs: &[KeyGlob]| globs.iter().any(|glob| glob.matches(rest));
        (self.include.is_empty() || matches(&self.include)) && !matches(&self.exclude)
    }

    fn parse(prefix: Prefix, options: &ListOptions) -> Result<Self, InvalidSpec> {
        let ListOptions {
            min_objects,
            max_objects,
            include,
            exclude,
            refresh_interval,
        } = options;
        let min_objects = min_objects.unwrap_or(1);
        let out_of_range = |field, number: u32, least| {
            let message =
                format!("{number} is not between {least} and {MAX_OBJECTS}; give a number that is");
            Err(InvalidSpec::new(field, message))
        };
        if min_objects > MAX_OBJECTS {
            return out_of_range("spec.list.minObjects", min_objects, 0);
        }
        if let Some(max) = *max_objects {
            if !(1..=MAX_OBJECTS).contains(&max) {
                return out_of_range("spec.list.maxObjects", max, 1);
            }
            if min_objects > max {
                let message =
                    format!("{min_objects} is more than maxObjects, which is {max}; give less");
                return Err(InvalidSpec::new("spec.list.minObjects", message));
            }
        }
        Ok(Self {
            prefix,
            min_objects,
            max_objects: *max_objects,
            include: globs("spec.list.include", include.as_deref())?,
            exclude: globs("spec.list.exclude", exclude.as_deref())?,
            refresh_interval: refresh_interval.as_deref().map(refresh).transpose()?,
        })
    }
}

pub(super) fn named(field: impl Into<String>) -> impl FnOnce(NameError) -> InvalidSpec {
    move |error| InvalidSpec::new(field, error.to_string())
}

fn parse_keys(keys: &Keys, method: Method) -> Result<Vec<Key>, InvalidSpec> {
    let fault = match keys.len() {
        _ if method == Method::Post => {
            "goes with method GET, HEAD, PUT or DELETE, and the method is POST; a form is for one key or one prefix"
                .to_owned()
        }
        0 => "is empty; give at least one key".to_owned(),
        count if count > MAX_KEYS => {
            format!("holds {count} keys; give at most {MAX_KEYS}, and the rest in other resources")
        }
        _ if keys.bytes() > MAX_KEY_BYTES => {
            TOO_MANY_KEY_BYTES.to_owned()
        }
        count => {
            // Every plan of the resource parses them, so nothing is written for a key without a fault.
            let field = |at: usize| format!("spec.keys[{at}]");
            let again = first_repeated(keys);
            let mut parsed = Vec::with_capacity(count);
            for (at, key) in keys.iter().enumerate() {
                if again == Some(at) {
                    let message = format!("{} is given twice; remove one of them", quoted(key));
                    return Err(InvalidSpec::new(field(at), message));
                }
                parsed.push(Key::parse(key).map_err(|error| named(field(at))(error))?);
            }
            return Ok(parsed);
        }
    };
    Err(InvalidSpec::new("spec.keys", fault))
}

/// The place of the first key that an earlier one equals.
fn first_repeated(keys: &Keys) -> Option<usize> {
    let mut sorted: Vec<(&str, usize)> = keys.iter().zip(0..).collect();
    sorted.sort_unstable();
    let pairs = sorted.iter().zip(sorted.iter().skip(1));
    let repeated = pairs.filter(|((earlier, _), (later, _))| earlier == later);
    repeated.map(|(_, (_, at))| *at).min()
}

fn under(prefix: &str, list: Option<&ListOptions>, method: Method) -> Result<Objects, InvalidSpec> {
    let field = "spec.prefix";
    let parsed = Prefix::parse(prefix).map_err(named(field))?;
    match method {
        Method::Get => {
            let none = ListOptions::default();
            ListSelection::parse(parsed, list.unwrap_or(&none)).map(Objects::List)
        }
        // What the sender adds would read as a variable: x$ and {filename}.
        Method::Post if prefix.ends_with('$') => Err(InvalidSpec::new(
            field,
            format!(
                "{} ends in \"$\", which forms expand with what follows; give a prefix that ends in /",
                quoted(prefix)
            ),
        )),
        Method::Post => Ok(Objects::Under(parsed)),
        Method::Head | Method::Put | Method::Delete => Err(InvalidSpec::new(
            field,
            format!(
                "goes with method GET, which lists it, or POST, and the method is {}; name the objects in key or keys",
                method.as_str()
            ),
        )),
    }
}

fn globs(field: &str, texts: Option<&[String]>) -> Result<Vec<KeyGlob>, InvalidSpec> {
    let Some(texts) = texts else {
        return Ok(Vec::new());
    };
    if !(1..=MAX_GLOBS).contains(&texts.len()) {
        let message = format!(
            "holds {} globs; give 1 to {MAX_GLOBS}, or leave it out",
            texts.len()
        );
        return Err(InvalidSpec::new(field, message));
    }
    texts
        .iter()
        .enumerate()
        .map(|(at, text)| {
            KeyGlob::parse(text).map_err(|why| InvalidSpec::new(format!("{field}[{at}]"), why))
        })
        .collect()
}

fn refresh(text: &str) -> Result<Duration, InvalidSpec> {
    let field = "spec.list.refreshInterval";
    let every = parse_duration(text).map_err(|e| InvalidSpec::new(field, e.to_string()))?;
    if (MIN_REFRESH..=MAX_LIFE).contains(&every) {
        return Ok(every);
    }
    let message = format!(
        "{} is not between {} and {}; give a time between, or leave it out to list at renewals only",
        quoted(text),
        format_duration(MIN_REFRESH),
        format_duration(MAX_LIFE)
    );
    Err(InvalidSpec::new(field, message))
}
