//! Which requests go wrong, and how.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use regex::Regex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::request::{ApiRequest, Verb};

/// Requests to look for. What is left open matches everything; subresources must be asked for by name or by
/// [`Match::any_subresource`], as in RBAC.
#[derive(Debug, Clone, Default)]
pub struct Match {
    verbs: Vec<Verb>,
    writes: bool,
    resource: Option<String>,
    subresource: Subresource,
    namespace: Option<String>,
    name: Option<Regex>,
}

#[derive(Debug, Clone, Default)]
enum Subresource {
    #[default]
    None,
    Any,
    Named(String),
}

impl Match {
    /// Every request, to subresources too.
    #[must_use]
    pub fn all() -> Self {
        Self::default().any_subresource()
    }

    /// Every request that changes something, to subresources too.
    #[must_use]
    pub fn writes() -> Self {
        Self {
            writes: true,
            ..Self::all()
        }
    }

    /// Requests to `resource`, a plural such as `secrets`; `presignedurls/status` names a subresource.
    #[must_use]
    pub fn resource(resource: &str) -> Self {
        let (resource, subresource) = match resource.split_once('/') {
            Some((resource, "*")) => (resource, Subresource::Any),
            Some((resource, name)) => (resource, Subresource::Named(name.to_owned())),
            None => (resource, Subresource::None),
        };
        Self {
            resource: Some(resource.to_owned()),
            subresource,
            ..Self::default()
        }
    }

    /// Only with this verb; called again, with either.
    #[must_use]
    pub fn verb(mut self, verb: Verb) -> Self {
        self.verbs.push(verb);
        self
    }

    /// Only requests that change something.
    #[must_use]
    pub fn only_writes(mut self) -> Self {
        self.writes = true;
        self
    }

    /// Whatever the subresource.
    #[must_use]
    pub fn any_subresource(mut self) -> Self {
        self.subresource = Subresource::Any;
        self
    }

    /// Only in this namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Only where the whole name matches this regular expression.
    ///
    /// # Panics
    /// When `name` is not a regular expression.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "a test's literal: better a panic than a rule that never fires"
    )]
    pub fn name(mut self, name: &str) -> Self {
        let anchored = Regex::new(&format!("^(?:{name})$"));
        self.name = Some(anchored.expect("the name is a regular expression"));
        self
    }

    /// Whether `request` is one of those.
    #[must_use]
    pub fn matches(&self, request: &ApiRequest) -> bool {
        let Self {
            verbs,
            writes,
            resource,
            subresource,
            namespace,
            name,
        } = self;
        (verbs.is_empty() || verbs.contains(&request.verb))
            && (!writes || request.verb.is_write())
            && resource
                .as_ref()
                .is_none_or(|resource| *resource == request.resource)
            && match subresource {
                Subresource::None => request.subresource.is_empty(),
                Subresource::Any => true,
                Subresource::Named(name) => *name == request.subresource,
            }
            && namespace
                .as_ref()
                .is_none_or(|namespace| *namespace == request.namespace)
            && name
                .as_ref()
                .is_none_or(|name| name.is_match(&request.name))
    }
}

/// What happens to a request that a rule matches.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It is answered with this failure and never reaches the API server.
    Status {
        /// The code.
        code: StatusCode,
        /// The `reason` of the Status object, such as `TooManyRequests`.
        reason: &'static str,
        /// The `Retry-After` header.
        retry_after: Option<Duration>,
    },
    /// It is never answered, nor passed on.
    Hang,
    /// It is passed on after this long.
    Delay(Duration),
    /// It is passed on, what it asks happens, and the connection is cut instead of an answer.
    ForwardThenDrop,
    /// It waits at the gate before it is passed on.
    HoldRequest(Gate),
    /// It is passed on, what it asks happens, and the answer waits at the gate.
    HoldAnswer(Gate),
}

impl Fault {
    /// A failure without a `Retry-After`.
    #[must_use]
    pub fn status(code: StatusCode, reason: &'static str) -> Self {
        Self::Status {
            code,
            reason,
            retry_after: None,
        }
    }

    /// 429, to be tried again after `seconds`.
    #[must_use]
    pub fn too_many_requests(seconds: u64) -> Self {
        Self::Status {
            code: StatusCode::TOO_MANY_REQUESTS,
            reason: "TooManyRequests",
            retry_after: Some(Duration::from_secs(seconds)),
        }
    }
}

/// Where requests wait until a test lets them go.
#[derive(Debug, Clone)]
pub struct Gate {
    arrivals: Arc<watch::Sender<usize>>,
    open: CancellationToken,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            arrivals: Arc::new(watch::Sender::new(0)),
            open: CancellationToken::new(),
        }
    }
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits until `count` requests have come to the gate since it was made. For [`Fault::HoldAnswer`] this
    /// means that the API server has done what they ask.
    pub async fn reached(&self, count: usize) {
        // The sender is ours, so the channel is open.
        let _ = self
            .arrivals
            .subscribe()
            .wait_for(|arrived| *arrived >= count)
            .await;
    }

    /// How many requests have come so far.
    #[must_use]
    pub fn arrivals(&self) -> usize {
        *self.arrivals.borrow()
    }

    /// Opens the gate for good: waiting requests go on, later ones do not wait.
    pub fn release(&self) {
        self.open.cancel();
    }

    pub(super) async fn pass(&self) {
        self.arrivals.send_modify(|arrived| *arrived += 1);
        self.open.cancelled().await;
    }
}

/// A rule of a proxy, by which it is removed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId(u64);

#[derive(Debug)]
struct Rule {
    id: RuleId,
    wanted: Match,
    fault: Fault,
    /// How often it still fires; none for always.
    left: Option<usize>,
    fired: usize,
}

/// The rules of a proxy, oldest first; the first that matches fires.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    next: u64,
}

impl Rules {
    pub(super) fn add(&mut self, wanted: Match, fault: Fault, times: Option<usize>) -> RuleId {
        let id = RuleId(self.next);
        self.next += 1;
        self.rules.push(Rule {
            id,
            wanted,
            fault,
            left: times,
            fired: 0,
        });
        id
    }

    pub(super) fn remove(&mut self, id: RuleId) {
        self.rules.retain(|rule| rule.id != id);
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    /// How often the rule has fired; 0 after it was removed.
    pub(super) fn fired(&self, id: RuleId) -> usize {
        self.rules
            .iter()
            .find(|rule| rule.id == id)
            .map_or(0, |rule| rule.fired)
    }

    pub(super) fn fault_for(&mut self, request: &ApiRequest) -> Option<Fault> {
        let rule = self
            .rules
            .iter_mut()
            .find(|rule| rule.left != Some(0) && rule.wanted.matches(request))?;
        rule.left = rule.left.map(|left| left - 1);
        rule.fired += 1;
        Some(rule.fault.clone())
    }
}
