//! The API server's clock, by the `Date` of each answer that it gives.
//!
//! What holds here: no request is made for it; the answers to other requests are read. The slow answer of a
//! server under load measures nothing.

use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use jiff::SignedDuration;
use tokio::sync::watch;
use tower::{Layer, Service};

use crate::clock::{Clock, skew};

/// An answer that takes longer measures nothing: nobody knows when in that time its date was written.
const SLOW: Duration = Duration::from_secs(4);
/// A difference that moves by less has not moved: dates are whole seconds.
const NOISE: SignedDuration = SignedDuration::from_secs(2);

/// What the API server's clock shows less what ours does. Cheap to clone; clones share what was measured.
#[derive(Clone)]
pub struct ServerClock {
    offset: watch::Sender<Option<SignedDuration>>,
    clock: Clock,
}

impl fmt::Debug for ServerClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = self.clock_offset();
        f.debug_struct("ServerClock")
            .field("offset", &offset)
            .finish_non_exhaustive()
    }
}

impl ServerClock {
    /// Measures against `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            offset: watch::Sender::default(),
            clock,
        }
    }

    /// The last measure; none before the first answer.
    #[must_use]
    pub fn clock_offset(&self) -> Option<SignedDuration> {
        *self.offset.borrow()
    }

    /// Yields the first measure, and each that differs from the last one yielded by more than the noise.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Option<SignedDuration>> {
        self.offset.subscribe()
    }

    /// Our own clock was stepped: the next measure is yielded even if it equals the last one.
    pub fn forget(&self) {
        self.offset.send_if_modified(|offset| {
            *offset = None;
            false
        });
    }

    fn read<B>(&self, answer: &Response<B>, took: Duration) {
        if took > SLOW {
            return;
        }
        let sent = self.clock.wall().checked_sub(took);
        let measured = sent
            .ok()
            .and_then(|sent| skew(answer.headers(), sent, took));
        if let Some(measured) = measured {
            self.offset.send_if_modified(|offset| {
                let moved = offset.is_none_or(|last| (measured - last).abs() >= NOISE);
                if moved {
                    *offset = Some(measured);
                }
                moved
            });
        }
    }
}

impl<S> Layer<S> for ServerClock {
    type Service = Measured<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Measured {
            inner,
            clock: self.clone(),
        }
    }
}

/// A client's service whose answers are measured.
#[derive(Clone, Debug)]
pub struct Measured<S> {
    inner: S,
    clock: ServerClock,
}

impl<S, A, B> Service<Request<A>> for Measured<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let clock = self.clock.clone();
        let sent = clock.clock.instant();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            clock.read(&answer, clock.clock.since(sent));
            Ok(answer)
        })
    }
}
