//! A proxy in front of kube-apiserver that fails on demand.
//!
//! It speaks plain HTTP on loopback and passes each request on with the client's own bearer token, so that
//! RBAC decides as without it. Requests are read whole, answers are streamed: a watch works. A test adds
//! rules while the operator runs, cuts or pauses its watches, and reads what it has asked so far.
//!
//! # Guarantees
//! - A request is counted when it has arrived, before a rule touches it: "no writes" counts writes that
//!   failed too.
//! - A rule that was removed, or a gate that was released, changes nothing for requests that come after.
//! - If the client goes away, its requests here are dropped; a request that was passed on stays passed on.

mod forward;
mod request;
mod rules;
mod watches;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use http::StatusCode;
use tokio::sync::watch;

use crate::control_plane::{ApiServer, Kubeconfig};
use crate::serve::Background;
use forward::Upstream;
use rules::Rules;
use watches::Watches;

pub use request::{ApiRequest, Verb};
pub use rules::{Fault, Gate, Match, RuleId};

/// A running proxy; it ends when it is dropped, and every connection through it.
#[derive(Debug)]
pub struct FaultProxy {
    server: Background,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    rules: Mutex<Rules>,
    watches: Mutex<Watches>,
    requests: watch::Sender<Vec<ApiRequest>>,
    answers: Mutex<Vec<(ApiRequest, StatusCode)>>,
}

#[expect(
    clippy::must_use_candidate,
    reason = "most rules are never removed, most cuts not counted"
)]
impl FaultProxy {
    /// A proxy in front of `api`, without any rule.
    pub fn start(api: &ApiServer) -> Result<Self> {
        let state = Arc::new(State::default());
        let upstream = Upstream::new(&api.url, api.ca.as_deref())?;
        let handler = {
            let state = Arc::clone(&state);
            move |request| forward::answer(Arc::clone(&state), upstream.clone(), request)
        };
        let server = Background::start("fault-proxy", None, handler)?;
        Ok(Self { server, state })
    }

    /// The proxy as an API server.
    pub fn api(&self) -> ApiServer {
        ApiServer {
            url: format!("http://{}", self.server.address()),
            ca: None,
        }
    }

    /// The user `who`, going through the proxy.
    pub fn as_user(&self, who: &Kubeconfig) -> Kubeconfig {
        self.api().as_user(who.token().to_owned())
    }

    /// Writes a kubeconfig with which `who` goes through the proxy.
    pub fn write_kubeconfig(&self, who: &Kubeconfig, path: &Path) -> Result<()> {
        self.as_user(who).write(path)
    }

    /// From now on, `fault` happens to every request that `wanted` matches. The oldest rule that matches
    /// wins.
    pub fn add(&self, wanted: Match, fault: Fault) -> RuleId {
        lock(&self.state.rules).add(wanted, fault, None)
    }

    /// Like [`FaultProxy::add`], but only the next `times` times.
    pub fn add_times(&self, wanted: Match, fault: Fault, times: usize) -> RuleId {
        lock(&self.state.rules).add(wanted, fault, Some(times))
    }

    /// How often a rule has fired.
    pub fn fired(&self, rule: RuleId) -> usize {
        lock(&self.state.rules).fired(rule)
    }

    /// Ends a rule.
    pub fn remove(&self, rule: RuleId) {
        lock(&self.state.rules).remove(rule);
    }

    /// Ends all rules.
    pub fn clear(&self) {
        lock(&self.state.rules).clear();
    }

    /// Cuts the watches that are open now and match; returns how many. They may be opened again at once: add
    /// a [`Fault::Status`] for [`Verb::Watch`] to prevent that.
    pub fn cut_watches(&self, wanted: &Match) -> usize {
        lock(&self.state.watches).cut(wanted)
    }

    /// Holds back the events of matching watches, those that are open and those that will be opened, until
    /// [`FaultProxy::resume_watches`]. Nothing is lost.
    pub fn pause_watches(&self, wanted: Match) {
        lock(&self.state.watches).pause(wanted);
    }

    /// Passes on the events that were held back.
    pub fn resume_watches(&self) {
        lock(&self.state.watches).resume();
    }

    /// Every request so far, in the order of arrival.
    pub fn requests(&self) -> Vec<ApiRequest> {
        self.state.requests.borrow().clone()
    }

    /// What the API server answered so far to the requests that match, in the order of its answers: also to
    /// those of which nobody was told.
    pub fn answers(&self, wanted: &Match) -> Vec<StatusCode> {
        let answers = lock(&self.state.answers);
        let matching = answers.iter().filter(|(asked, _)| wanted.matches(asked));
        matching.map(|(_, status)| *status).collect()
    }

    /// How many requests so far match.
    pub fn count(&self, wanted: &Match) -> usize {
        count(&self.state.requests.borrow(), wanted)
    }

    /// Forgets the requests and answers so far, so that counting starts anew.
    pub fn forget_requests(&self) {
        lock(&self.state.answers).clear();
        self.state.requests.send_modify(Vec::clear);
    }

    /// Waits until at least `least` matching requests have arrived; false if that takes longer than
    /// `timeout`.
    pub async fn wait_for(&self, wanted: &Match, least: usize, timeout: Duration) -> bool {
        let mut requests = self.state.requests.subscribe();
        let enough = requests.wait_for(|requests| count(requests, wanted) >= least);
        matches!(tokio::time::timeout(timeout, enough).await, Ok(Ok(_)))
    }
}

fn count(requests: &[ApiRequest], wanted: &Match) -> usize {
    requests
        .iter()
        .filter(|request| wanted.matches(request))
        .count()
}

/// Locks even if a panic in another test poisoned the mutex: this test still has its own result.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
