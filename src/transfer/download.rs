//! One object, from its URL to its file.
//!
//! What holds here: what is written is one version of the object. A download that broke off goes on by Range
//! with If-Match on the `ETag` of its first answer; without a strong `ETag` it begins anew. A file is whole
//! if it has the length that the server said, and the checksum if the server said one; an answer whose end
//! nothing but the end of its connection tells is refused. At most [`QUEUE`] pieces wait for the disk.

use std::io;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use tokio::sync::mpsc;

use super::answer::{Verdict, advice, pause, refusal};
use super::checksum::Checksum;
use super::contents::{Contents, Item};
use super::error::{Error, Kind, no_answer, passes};
use super::extent::{is_chunked, whole_size};
use super::partial::Partial;
use super::plan::{Job, find};
use super::session::Session;
use crate::http::{Streamed, no_upload};

/// How many pieces of an answer may wait for the disk. A piece has at most the buffer of a connection, 256
/// KiB.
const QUEUE: usize = 4;
/// How often a URL may be replaced while one object is fetched.
const MAX_RENEWALS: u32 = 20;

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) bytes: u64,
    /// The `ETag` as it came.
    pub(super) etag: Option<HeaderValue>,
}

/// Fetches one object. With `known`, the `ETag` of what is there, an unchanged object is not fetched, and
/// `None` comes back.
///
/// # Errors
/// If that fails for good. Nothing of the file is left then, and what was there before stays.
pub(super) async fn fetch_one(
    session: &Session,
    job: &Job,
    known: Option<&HeaderValue>,
) -> Result<Option<Fetched>, Error> {
    session.fetch(job, known).await
}

/// What one request led to.
enum Outcome {
    Whole,
    /// The object is the one that is there already.
    Unchanged,
    /// The file has as many bytes as it has: go on from there.
    Again(String, Option<std::time::Duration>),
    /// The file is of no use: begin anew.
    Anew(String),
    NewUrl(String),
    Fail(Error),
}

/// A file on its way.
struct Download {
    /// `None` only while the disk's thread holds it.
    file: Option<(Partial, Option<Checksum>)>,
    etag: Option<HeaderValue>,
    total: Option<u64>,
}

impl Session {
    async fn fetch(
        &self,
        job: &Job,
        known: Option<&HeaderValue>,
    ) -> Result<Option<Fetched>, Error> {
        let name = job.target.display().to_string();
        let mut download = Download {
            file: Some((Partial::create(&job.target)?, None)),
            etag: None,
            total: None,
        };
        let (mut attempt, mut renewals, mut furthest) = (0, 0, 0);
        loop {
            let contents = self.current.contents();
            let Some(item) = find(&contents, &job.id) else {
                let place = self.current.place();
                let gone = format!("{place} has no URL for {name} any more");
                return Err(Error::new(Kind::NotReady, gone));
            };
            let outcome = self.attempt(&mut download, &contents, item, known).await;
            // Beginning anew and coming as far as before is no progress.
            if download.written() > furthest {
                (attempt, furthest) = (0, download.written());
            }
            let (why, asked) = match outcome {
                Outcome::Unchanged => return Ok(None),
                Outcome::Fail(error) => return Err(error),
                Outcome::Whole => match download.verified() {
                    Ok(()) => break,
                    Err(header) => {
                        self.restart(&mut download)?;
                        (
                            format!("{} sent other bytes than its {header} says", item.url),
                            None,
                        )
                    }
                },
                Outcome::Again(why, asked) => (why, asked),
                Outcome::Anew(why) => {
                    self.restart(&mut download)?;
                    (why, None)
                }
                Outcome::NewUrl(said) => {
                    renewals += 1;
                    if renewals <= MAX_RENEWALS && self.current.has_newer(&job.id, &item.url).await
                    {
                        self.progress
                            .line(&format!("{name}: goes on with a renewed URL"));
                        continue;
                    }
                    return Err(self.current.refused(&contents, &item.url, &said));
                }
            };
            attempt += 1;
            if attempt > self.retries {
                let message = format!("{name} could not be fetched: {why} ({attempt} times)");
                return Err(Error::new(Kind::Network, message));
            }
            let pause = pause(attempt, &name, asked);
            let seconds = pause.as_secs_f64();
            self.progress
                .line(&format!("{name}: {why}; trying again in {seconds:.1} s"));
            tokio::time::sleep(pause).await;
        }
        let etag = download.etag.take();
        let bytes = download.written();
        if let Some((partial, _)) = download.file.take() {
            let finished = tokio::task::spawn_blocking(move || partial.finish()).await;
            finished.map_err(|_| Error::new(Kind::File, "the thread that writes ended"))??;
        }
        self.progress.finished(&name, bytes);
        Ok(Some(Fetched { bytes, etag }))
    }

    fn restart(&self, download: &mut Download) -> Result<(), Error> {
        self.progress.take_back(download.written());
        download.etag = None;
        if let Some((partial, checksum)) = &mut download.file {
            *checksum = None;
            let restarted = partial.restart();
            restarted.map_err(|error| Error::write(partial.target(), None, &error))?;
        }
        Ok(())
    }

    async fn attempt(
        &self,
        download: &mut Download,
        contents: &Contents,
        item: &Item,
        known: Option<&HeaderValue>,
    ) -> Outcome {
        let mut request = Request::builder()
            .method(Method::GET)
            .uri(item.url.uri().clone());
        for (name, value) in &contents.headers {
            request = request.header(name, value);
        }
        let begun = download.written();
        if begun > 0 {
            match download.etag.clone().filter(is_strong) {
                Some(etag) => {
                    request = request.header(header::IF_MATCH, etag);
                    request = request.header(header::RANGE, format!("bytes={begun}-"));
                }
                None => {
                    return Outcome::Anew("the server names no version to go on from".to_owned());
                }
            }
        } else if let Some(known) = known {
            request = request.header(header::IF_NONE_MATCH, known.clone());
        }
        let Ok(request) = request.body(no_upload()) else {
            let message = format!("{} makes no request", item.url);
            return Outcome::Fail(Error::usage(message));
        };
        let ca = self.current.ca(contents);
        let sent = AtomicU64::new(0);
        let answer = match self.streams.request(request, ca.as_deref(), &sent).await {
            Ok(answer) => answer,
            Err(why) => {
                let said = format!("{}: {}", item.url, no_answer(&why));
                return if passes(&why) {
                    Outcome::Again(said, None)
                } else {
                    Outcome::Fail(Error::new(Kind::Network, said))
                };
            }
        };
        match answer.status {
            StatusCode::OK if begun > 0 => {
                Outcome::Anew(format!("{} does not answer a Range", item.url))
            }
            StatusCode::NOT_MODIFIED if begun == 0 && known.is_some() => Outcome::Unchanged,
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => self.take(download, item, answer).await,
            _ => {
                let refusal = refusal(answer).await;
                let said = format!("{} answered {}", item.url, refusal.said);
                match refusal.verdict {
                    Verdict::Again(asked) => Outcome::Again(said, asked),
                    Verdict::NewUrl => Outcome::NewUrl(refusal.said),
                    Verdict::Changed if begun > 0 => Outcome::Anew(format!(
                        "{said}: the object was replaced meanwhile, so it is fetched from the start"
                    )),
                    Verdict::Changed => Outcome::Fail(Error::new(Kind::Refused, said)),
                    Verdict::GiveUp(kind) => {
                        Outcome::Fail(Error::new(kind, format!("{said}: {}", advice(&refusal))))
                    }
                }
            }
        }
    }

    /// Writes the body of a success.
    async fn take(&self, download: &mut Download, item: &Item, answer: Streamed) -> Outcome {
        let Streamed {
            status,
            headers,
            mut body,
        } = answer;
        let begun = download.written();
        let total = match whole_size(status, &headers, begun) {
            Ok(total) => total,
            Err(problem) => return Outcome::Anew(format!("{} {problem}", item.url)),
        };
        let etag = headers.get(header::ETAG).cloned();
        if begun > 0
            && (etag
                .as_ref()
                .is_some_and(|etag| Some(etag) != download.etag.as_ref())
                || total != download.total)
        {
            return Outcome::Anew(format!("{} went on with another version", item.url));
        }
        if begun == 0 {
            download.etag = etag;
            if let Some(total) = total {
                // An attempt before this one has announced it.
                if download.total.is_none() {
                    self.progress.expect(total);
                }
                if let Some((partial, _)) = &download.file
                    && let Err(error) = partial.reserve(total)
                {
                    return Outcome::Fail(error);
                }
            }
            download.total = total;
            if let Some((_, checksum)) = &mut download.file {
                *checksum = Checksum::of(&headers);
            }
            if let Some(problem) = differs_from_list(item, download) {
                return Outcome::Again(format!("{} {problem}", item.url), None);
            }
            if !has_an_end(&headers, item, download) {
                return Outcome::Fail(Error::new(Kind::Network, format!("{} {NO_END}", item.url)));
            }
        }
        let Some((partial, checksum)) = download.file.take() else {
            return Outcome::Fail(Error::new(Kind::File, "the file is not there"));
        };
        let (pieces, queue) = mpsc::channel(QUEUE);
        let writing = tokio::task::spawn_blocking(move || write(partial, checksum, queue));
        let ended = loop {
            match body.chunk().await {
                Ok(Some(piece)) => {
                    self.progress.add(piece.len() as u64);
                    if pieces.send(piece).await.is_err() {
                        break Ok(());
                    }
                }
                Ok(None) => break Ok(()),
                Err(why) => break Err(why),
            }
        };
        drop(pieces);
        let written = match writing.await {
            Ok((partial, checksum, written)) => {
                let target = partial.target().to_owned();
                download.file = Some((partial, checksum));
                written.map_err(|error| Error::write(&target, download.total, &error))
            }
            Err(_) => Err(Error::new(Kind::File, "the thread that writes ended")),
        };
        if let Err(error) = written {
            return Outcome::Fail(error);
        }
        let written = download.written();
        match (ended, download.total) {
            (Err(why), _) => Outcome::Again(
                format!("{}: {} after {written} bytes", item.url, no_answer(&why)),
                None,
            ),
            (Ok(()), Some(total)) if written != total => Outcome::Again(
                format!("{} sent {written} of {total} bytes", item.url),
                None,
            ),
            (Ok(()), None)
                if same_version(item, download)
                    && item.size.is_some_and(|size| size != written) =>
            {
                Outcome::Anew(format!(
                    "{} sent {written} bytes of an object that was listed with {}",
                    item.url,
                    item.size.unwrap_or_default()
                ))
            }
            (Ok(()), _) => Outcome::Whole,
        }
    }
}

impl Download {
    fn written(&self) -> u64 {
        self.file
            .as_ref()
            .map_or(0, |(partial, _)| partial.written())
    }

    fn verified(&mut self) -> Result<(), &'static str> {
        let checksum = self.file.as_mut().and_then(|(_, checksum)| checksum.take());
        checksum.map_or(Ok(()), Checksum::verify)
    }
}

/// Writes pieces until there are no more, on a thread that may block.
fn write(
    mut partial: Partial,
    mut checksum: Option<Checksum>,
    mut queue: mpsc::Receiver<Bytes>,
) -> (Partial, Option<Checksum>, io::Result<()>) {
    while let Some(piece) = queue.blocking_recv() {
        if let Some(checksum) = &mut checksum {
            checksum.update(&piece);
        }
        if let Err(error) = partial.write(&piece) {
            return (partial, checksum, Err(error));
        }
    }
    (partial, checksum, Ok(()))
}

/// A weak `ETag` does not tell two versions apart byte by byte.
fn is_strong(etag: &HeaderValue) -> bool {
    etag.as_bytes().starts_with(b"\"")
}

fn same_version(item: &Item, download: &Download) -> bool {
    let answered = download.etag.as_ref().and_then(|etag| etag.to_str().ok());
    match (&item.etag, answered) {
        (Some(listed), Some(answered)) => answered.trim_matches('"') == listed,
        _ => true,
    }
}

/// What is said of an answer that [has no end](has_an_end).
const NO_END: &str = "announces no length, no chunks and no checksum, so nobody can say whether it is whole: let the \
                      server, or the proxy before it, send Content-Length";

/// Whether anything but the end of the connection tells the end of an object: its length, its chunks, its
/// checksum, or the size that was listed for this version.
fn has_an_end(headers: &HeaderMap, item: &Item, download: &Download) -> bool {
    let has_checksum = download.file.as_ref().is_some_and(|(_, sum)| sum.is_some());
    download.total.is_some()
        || is_chunked(headers)
        || has_checksum
        || (item.size.is_some() && same_version(item, download))
}

/// What is wrong with an answer for the version that was listed. Another version has another size, rightly.
fn differs_from_list(item: &Item, download: &Download) -> Option<String> {
    let (listed, total) = (item.size?, download.total?);
    (listed != total && same_version(item, download))
        .then(|| format!("announced {total} bytes of an object that was listed with {listed}"))
}
