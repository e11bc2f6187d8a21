//! One kind, listed and then watched, object by object.
//!
//! What holds here: of an answer one object at a time is in memory (see `pieces`), so what a list takes does
//! not depend on how many objects it has, nor on their sizes. A list that breaks off is a failure and begins
//! anew; a watch that ends goes on from the last version that it named.

use std::future::Future;
use std::io;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt as _};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::api::{ListParams, WatchParams};
use kube::core::{Request, WatchEvent};
use kube::runtime::watcher::{Error, Event};
use kube::{Client, Error as ClientError};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::pieces::{Items, LargePieces, Lines, Pieces};

/// The most objects in one page of a list. It bounds what the API server makes at once.
const PAGE: u32 = 250;
/// A watch that is silent for longer is dead: the server ends each after 290 seconds.
const SILENCE: Duration = Duration::from_secs(295);

/// What happens to the objects of a kind.
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
}

impl Source {
    /// All objects of a path, such as `/api/v1/secrets`.
    pub(super) fn new(client: &Client, path: String, large: &LargePieces) -> Self {
        Self {
            client: client.clone(),
            request: Request::new(path),
            metadata_only: false,
            list: ListParams::default().limit(PAGE),
            watch: WatchParams::default(),
            large: large.clone(),
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
        stream::unfold((self, State::Unlisted), |(source, mut state)| async {
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

    async fn step<K: Versioned>(&self, state: State) -> (Option<Result<Event<K>, Error>>, State) {
        match state {
            State::Unlisted => (Some(Ok(Event::Init)), State::Page(None)),
            State::Page(token) => match self.page(token).await {
                Ok(page) => (None, State::Listing(Box::new(page))),
                Err(error) => (Some(Err(Error::InitialListFailed(error))), State::Unlisted),
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
            State::Listed(version) => match self.watch(&version).await {
                Ok(pieces) => (None, State::Watching(version, Box::new(pieces))),
                Err(error) => {
                    let failure = Error::WatchStartFailed(error);
                    (Some(Err(failure)), State::Listed(version))
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
                    Ok(Ok(None) | Err(_)) | Err(_) => (None, State::Listed(version)),
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

    async fn watch(&self, version: &str) -> Result<Pieces, ClientError> {
        let request = if self.metadata_only {
            self.request.watch_metadata(&self.watch, version)
        } else {
            self.request.watch(&self.watch, version)
        };
        let request = request.map_err(ClientError::BuildRequest)?;
        let body = self.client.request_stream(request).await?;
        Ok(Pieces::new(body, self.large.clone()))
    }
}

/// How far a kind is.
enum State {
    /// Nothing was listed, or the list is too old.
    Unlisted,
    /// The next page is to be fetched, with the token of the page before.
    Page(Option<String>),
    /// A page is read.
    Listing(Box<Page>),
    /// What follows this version is to be watched.
    Listed(String),
    /// What follows this version is watched.
    Watching(String, Box<Pieces>),
}

/// A page of a list as it is read.
struct Page {
    pieces: Pieces,
    items: Items,
}

/// A page was read to its end.
fn listed<K>(items: &Items) -> (Option<Result<Event<K>, Error>>, State) {
    #[derive(Deserialize)]
    struct List {
        #[serde(default)]
        metadata: ListMeta,
    }
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
        (None, Some(version)) => (Some(Ok(Event::InitDone)), State::Listed(version)),
        (None, None) => (Some(Err(Error::NoResourceVersion)), State::Unlisted),
    }
}

fn list_failed<K>(error: ClientError) -> (Option<Result<Event<K>, Error>>, State) {
    (Some(Err(Error::InitialListFailed(error))), State::Unlisted)
}

/// A line of a watch.
fn watched<K: Versioned>(
    event: WatchEvent<K>,
    version: String,
    pieces: Box<Pieces>,
) -> (Option<Result<Event<K>, Error>>, State) {
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
                410 => State::Unlisted,
                _ => State::Watching(version, pieces),
            };
            return (Some(Err(Error::WatchError(status))), next);
        }
    };
    match version.filter(|version| !version.is_empty()) {
        Some(version) => (Some(Ok(event)), State::Watching(version, pieces)),
        None => (Some(Err(Error::NoResourceVersion)), State::Unlisted),
    }
}
