//! The watches that are open through the proxy, so that they can be cut and paused.

use std::io;

use bytes::Bytes;
use futures::stream::{self, Stream};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::request::ApiRequest;
use super::rules::Match;

#[derive(Debug, Default)]
pub(super) struct Watches {
    open: Vec<Open>,
    paused: watch::Sender<Vec<Match>>,
}

#[derive(Debug)]
struct Open {
    request: ApiRequest,
    cut: CancellationToken,
    /// Cancelled when the answer's stream was dropped: the watch is over.
    over: CancellationToken,
}

impl Watches {
    /// Ties the body of a watch's answer to this list.
    pub(super) fn follow(
        &mut self,
        request: ApiRequest,
        body: Incoming,
    ) -> impl Stream<Item = io::Result<Frame<Bytes>>> + use<> {
        self.open.retain(|open| !open.over.is_cancelled());
        let (cut, over) = (CancellationToken::new(), CancellationToken::new());
        self.open.push(Open {
            request: request.clone(),
            cut: cut.clone(),
            over: over.clone(),
        });
        let live = Live {
            request,
            body,
            cut,
            paused: self.paused.subscribe(),
            _over: over.drop_guard(),
        };
        stream::unfold(live, Live::next)
    }

    pub(super) fn cut(&mut self, wanted: &Match) -> usize {
        self.open.retain(|open| !open.over.is_cancelled());
        let matching = self
            .open
            .extract_if(.., |open| wanted.matches(&open.request));
        matching.inspect(|open| open.cut.cancel()).count()
    }

    pub(super) fn pause(&mut self, wanted: Match) {
        self.paused.send_modify(|paused| paused.push(wanted));
    }

    pub(super) fn resume(&mut self) {
        self.paused.send_modify(Vec::clear);
    }
}

/// One watch's answer under way.
struct Live {
    request: ApiRequest,
    body: Incoming,
    cut: CancellationToken,
    paused: watch::Receiver<Vec<Match>>,
    _over: tokio_util::sync::DropGuard,
}

impl Live {
    async fn next(mut self) -> Option<(io::Result<Frame<Bytes>>, Self)> {
        let cut = self.cut.clone();
        let frame = cut.run_until_cancelled(self.frame()).await;
        match frame {
            // An error, not an end: to the client the connection breaks.
            None => Some((Err(io::ErrorKind::ConnectionReset.into()), self)),
            Some(frame) => frame.map(|frame| (frame, self)),
        }
    }

    /// The next frame, held back while the watch is paused. The frame is read first: a pause that begins
    /// while nothing happens must hold the very next event.
    async fn frame(&mut self) -> Option<io::Result<Frame<Bytes>>> {
        let frame = self.body.frame().await?;
        let Self {
            request, paused, ..
        } = self;
        let free = |paused: &Vec<Match>| !paused.iter().any(|wanted| wanted.matches(request));
        // Fails only when the proxy is gone, and this connection with it.
        let _ = paused.wait_for(free).await;
        Some(frame.map_err(io::Error::other))
    }
}
