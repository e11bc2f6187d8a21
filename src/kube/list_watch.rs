//! One kind, listed and then watched, object by object.
//!
//! What holds here: of an answer one object at a time is in memory (see `pieces`), so what a list takes does
//! not depend on how many objects it has, nor on their sizes. A list that breaks off is a failure and begins
//! anew; a watch that ends goes on from the last version that it named.
//!
//! An API server that streams lists is asked for a watch that begins with all objects: it answers from its
//! cache object by object, and builds no page. One that does not (`WatchList` is off by default in some
//! versions of Kubernetes) says so, and is asked for pages from then on. A streamed list that breaks off is
//! followed by pages once, so that a server or a proxy that never ends it holds up nobody for good.
//!
//! An API server does not refuse a watch of what follows a version that it has not reached: it tells nothing
//! until then. So before a watch goes on, the server is asked how far it is. If it is behind, its etcd was
//! restored to a backup, or another cluster answers, and what was told so far is no history of it.

use std::future::Future;
use std::io;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt as _};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::api::{ListParams, WatchParams};
use kube::core::{Request, WatchEvent};
use kube::runtime::watcher::Error;
use kube::{Client, Error as ClientError};
use presigned_core::engine::older;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::pieces::{Items, LargePieces, Lines, Pieces};

/// The most objects in one page of a list. It bounds what the API server makes at once.
const PAGE: u32 = 250;
/// A watch that is silent for longer is dead: the server ends each after 290 seconds.
const SILENCE: Duration = Duration::from_secs(295);
/// A streamed list that is silent for longer has no end, and a list of one object has no answer.
const LIST_SILENCE: Duration = Duration::from_secs(30);
/// Marks the bookmark that ends a streamed list.
const LIST_END: &str = "k8s.io/initial-events-end";

/// What happens to the objects of a kind.
#[derive(Debug)]
pub(super) enum Event<K> {
    /// A list begins.
    Init,
    /// An object of the list.
    InitApply(K),
    /// A list is complete as of this version.
    InitDone(String),
    /// An object is new or changed.
    Apply(K),
    /// An object is gone.
    Delete(K),
}

/// Those events, one after the other.
pub(super) type WatchStream<K> = BoxStream<'static, Result<Event<K>, Error>>;

/// An object as it is parsed.
pub(super) trait Versioned: DeserializeOwned + Send + 'static {
    /// Its resourceVersion.
    fn resource_version(&self) -> Option<&str>;
}

/// What is listed and watched.
#[derive(Clone)]
pub(super) struct Source {
    client: Client,
    request: Request,
    metadata_only: bool,
    list: ListParams,
    watch: WatchParams,
    large: LargePieces,
    went_back: CancellationToken,
    /// Whether the API server streams lists, as far as is known.
    streams: bool,
}

impl Source {
    /// All objects of a path, such as `/api/v1/secrets`. `went_back` is cancelled if the API server is behind
    /// what it told before.
    pub(super) fn new(
        client: &Client,
        path: String,
        large: &LargePieces,
        went_back: &CancellationToken,
    ) -> Self {
        Self {
            client: client.clone(),
            request: Request::new(path),
            metadata_only: false,
            list: ListParams::default().limit(PAGE),
            watch: WatchParams::default(),
            large: large.clone(),
            went_back: went_back.clone(),
            streams: true,
        }
    }

    /// Only their metadata.
    pub(super) fn metadata_only(self) -> Self {
        Self {
            metadata_only: true,
            ..self
        }
    }

    /// Those with this label.
    pub(super) fn labels(mut self, selector: &str) -> Self {
        self.list = self.list.labels(selector);
        self.watch = self.watch.labels(selector);
        self
    }

    /// Those with this field.
    pub(super) fn fields(mut self, selector: &str) -> Self {
        self.list = self.list.fields(selector);
        self.watch = self.watch.fields(selector);
        self
    }

    /// Lists and watches for ever. A failure is followed by another attempt when the stream is polled again.
    pub(super) fn stream<K: Versioned>(self) -> WatchStream<K> {
        let start = State::Unlisted { by_pages: false };
        stream::unfold((self, start), |(mut source, mut state)| async {
            loop {
                let (event, next) = source.step(state).await;
                state = next;
                if let Some(event) = event {
                    return Some((event, (source, state)));
                }
            }
        })
        .boxed()
    }

    async fn step<K: Versioned>(&mut self, state: State) -> Next<K> {
        match state {
            State::Unlisted { by_pages: false } if self.streams => self.stream_list().await,
            State::Unlisted { .. } => (Some(Ok(Event::Init)), State::Page(None)),
            State::Streaming(mut pieces) => {
                let mut lines = Lines;
                let line = pieces.next(&mut lines, |line| serde_json::from_slice(line));
                match tokio::time::timeout(LIST_SILENCE, line).await {
                    Ok(Ok(Some(Ok(event)))) => streamed(event, pieces),
                    Ok(Ok(Some(Err(error)))) => stream_failed(ClientError::SerdeError(error)),
                    Ok(Err(error)) => stream_failed(ClientError::ReadEvents(error)),
                    Ok(Ok(None)) => unended(io::ErrorKind::UnexpectedEof),
                    Err(_) => unended(io::ErrorKind::TimedOut),
                }
            }
            State::Page(token) => match self.page(token).await {
                Ok(page) => (None, State::Listing(Box::new(page))),
                Err(error) => list_failed(error),
            },
            State::Listing(mut page) => {
                let Page { pieces, items } = &mut *page;
                match pieces
                    .next(items, |item| serde_json::from_slice(item))
                    .await
                {
                    Ok(Some(Ok(object))) => {
                        (Some(Ok(Event::InitApply(object))), State::Listing(page))
                    }
                    Ok(None) => listed(items),
                    Ok(Some(Err(error))) => list_failed(ClientError::SerdeError(error)),
                    Err(error) => list_failed(ClientError::ReadEvents(error)),
                }
            }
            State::Listed(version) => match self.watch(&self.watch, &version).await {
                Ok(pieces) => (None, State::Watching(version, Box::new(pieces))),
                Err(error) => {
                    let gone = matches!(&error, ClientError::Api(status) if status.code == 410);
                    let failure = Error::WatchStartFailed(error);
                    let next = if gone {
                        UNLISTED
                    } else {
                        State::Ended(version)
                    };
                    (Some(Err(failure)), next)
                }
            },
            State::Ended(version) => match self.newest().await {
                Ok(newest) if older(&newest, &version) => {
                    self.went_back.cancel();
                    (None, UNLISTED)
                }
                Ok(_) => (None, State::Listed(version)),
                Err(error) => {
                    let failure = Error::WatchStartFailed(error);
                    (Some(Err(failure)), State::Ended(version))
                }
            },
            State::Watching(version, mut pieces) => {
                let mut lines = Lines;
                let line = pieces.next(&mut lines, |line| serde_json::from_slice(line));
                match tokio::time::timeout(SILENCE, line).await {
                    Ok(Ok(Some(Ok(event)))) => watched(event, version, pieces),
                    Ok(Ok(Some(Err(error)))) => {
                        let failure = Error::WatchFailed(ClientError::SerdeError(error));
                        (Some(Err(failure)), State::Watching(version, pieces))
                    }
                    // It ended, or its connection is gone: it goes on from where it was.
                    Ok(Ok(None) | Err(_)) | Err(_) => (None, State::Ended(version)),
                }
            }
        }
    }

    fn page(&self, token: Option<String>) -> impl Future<Output = Result<Page, ClientError>> {
        let mut list = self.list.clone();
        list.continue_token = token;
        let request = if self.metadata_only {
            self.request.list_metadata(&list)
        } else {
            self.request.list(&list)
        };
        let client = self.client.clone();
        let large = self.large.clone();
        async move {
            let body = client
                .request_stream(request.map_err(ClientError::BuildRequest)?)
                .await?;
            Ok(Page {
                pieces: Pieces::new(body, large),
                items: Items::default(),
            })
        }
    }

    /// How far the API server is. It is asked for one object, and by no label: it would look for one.
    async fn newest(&self) -> Result<String, ClientError> {
        let one = ListParams {
            label_selector: None,
            ..self.list.clone().limit(1)
        };
        let request = self.request.list_metadata(&one);
        let list = self
            .client
            .request::<List>(request.map_err(ClientError::BuildRequest)?);
        let silence = |_| ClientError::ReadEvents(io::ErrorKind::TimedOut.into());
        let list = tokio::time::timeout(LIST_SILENCE, list);
        let list = list.await.map_err(silence)??;
        Ok(list.metadata.resource_version.unwrap_or_default())
    }

    /// Begins a streamed list, if the API server has them.
    async fn stream_list<K>(&mut self) -> Next<K> {
        // Without a version the list is as new as the request.
        let params = self.watch.clone().initial_events();
        match self.watch(&params, "").await {
            Ok(pieces) => (Some(Ok(Event::Init)), State::Streaming(Box::new(pieces))),
            Err(ClientError::Api(status)) if matches!(status.code, 400 | 422) => {
                tracing::debug!("the API server streams no lists: {}", status.message);
                self.streams = false;
                (None, State::Unlisted { by_pages: true })
            }
            Err(error) => list_failed(error),
        }
    }

    async fn watch(&self, params: &WatchParams, version: &str) -> Result<Pieces, ClientError> {
        let request = if self.metadata_only {
            self.request.watch_metadata(params, version)
        } else {
            self.request.watch(params, version)
        };
        let request = request.map_err(ClientError::BuildRequest)?;
        let body = self.client.request_stream(request).await?;
        Ok(Pieces::new(body, self.large.clone()))
    }
}

/// What happened, if anything did, and how far the kind is then.
type Next<K> = (Option<Result<Event<K>, Error>>, State);

/// How far a kind is.
enum State {
    /// Nothing was listed, or the list is too old.
    Unlisted {
        /// Whether the next list comes in pages even if the API server streams lists.
        by_pages: bool,
    },
    /// A streamed list is read.
    Streaming(Box<Pieces>),
    /// The next page is to be fetched, with the token of the page before.
    Page(Option<String>),
    /// A page is read.
    Listing(Box<Page>),
    /// What follows this version is to be watched.
    Listed(String),
    /// A watch ended at this version, or did not begin: whether the API server knows it is to be seen.
    Ended(String),
    /// What follows this version is watched.
    Watching(String, Box<Pieces>),
}

/// A page of a list as it is read.
struct Page {
    pieces: Pieces,
    items: Items,
}

/// What is read of a list beside its objects.
#[derive(Clone, Debug, Deserialize)]
struct List {
    #[serde(default)]
    metadata: ListMeta,
}

/// A page was read to its end.
fn listed<K>(items: &Items) -> Next<K> {
    let Some(list) = items.list() else {
        return list_failed(ClientError::ReadEvents(io::ErrorKind::UnexpectedEof.into()));
    };
    let metadata = match serde_json::from_slice::<List>(list) {
        Ok(list) => list.metadata,
        Err(error) => return list_failed(ClientError::SerdeError(error)),
    };
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    match (given(metadata.continue_), given(metadata.resource_version)) {
        (Some(token), _) => (None, State::Page(Some(token))),
        (None, Some(version)) => {
            let done = Event::InitDone(version.clone());
            (Some(Ok(done)), State::Listed(version))
        }
        (None, None) => (Some(Err(Error::NoResourceVersion)), UNLISTED),
    }
}

const UNLISTED: State = State::Unlisted { by_pages: false };

fn list_failed<K>(error: ClientError) -> Next<K> {
    (Some(Err(Error::InitialListFailed(error))), UNLISTED)
}

/// A streamed list broke off.
fn stream_failed<K>(error: ClientError) -> Next<K> {
    let by_pages = State::Unlisted { by_pages: true };
    (Some(Err(Error::InitialListFailed(error))), by_pages)
}

/// A streamed list was not ended.
fn unended<K>(how: io::ErrorKind) -> Next<K> {
    stream_failed(ClientError::ReadEvents(how.into()))
}

/// A line of a streamed list. Objects may change and go while it is under way.
fn streamed<K>(event: WatchEvent<K>, pieces: Box<Pieces>) -> Next<K> {
    let event = match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => Event::InitApply(object),
        WatchEvent::Deleted(object) => Event::Delete(object),
        WatchEvent::Bookmark(bookmark) => {
            let metadata = bookmark.metadata;
            if !metadata.annotations.contains_key(LIST_END) {
                return (None, State::Streaming(pieces));
            }
            let version = metadata.resource_version;
            let done = Event::InitDone(version.clone());
            return (Some(Ok(done)), State::Watching(version, pieces));
        }
        WatchEvent::Error(status) => {
            let by_pages = State::Unlisted { by_pages: true };
            return (Some(Err(Error::WatchError(status))), by_pages);
        }
    };
    (Some(Ok(event)), State::Streaming(pieces))
}

/// A line of a watch.
fn watched<K: Versioned>(event: WatchEvent<K>, version: String, pieces: Box<Pieces>) -> Next<K> {
    let (event, version) = match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => {
            let version = object.resource_version().map(str::to_owned);
            (Event::Apply(object), version)
        }
        WatchEvent::Deleted(object) => {
            let version = object.resource_version().map(str::to_owned);
            (Event::Delete(object), version)
        }
        WatchEvent::Bookmark(bookmark) => {
            let version = bookmark.metadata.resource_version;
            return (None, State::Watching(version, pieces));
        }
        WatchEvent::Error(status) => {
            // The version is gone: all is listed anew.
            let next = match status.code {
                410 => UNLISTED,
                _ => State::Watching(version, pieces),
            };
            return (Some(Err(Error::WatchError(status))), next);
        }
    };
    match version.filter(|version| !version.is_empty()) {
        Some(version) => (Some(Ok(event)), State::Watching(version, pieces)),
        None => (Some(Err(Error::NoResourceVersion)), UNLISTED),
    }
}
