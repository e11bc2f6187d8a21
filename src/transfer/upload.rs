//! One file, from the disk to its URL: by PUT, or by a form with the file last.
//!
//! What holds here: the headers and fields are those of the Secret, as they stand. An upload that failed is
//! sent anew from its first byte; that is safe, since the same bytes become the same object. At most
//! [`QUEUE`] pieces of [`PIECE`] bytes are in memory.

use std::fs::File;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::answer::{Verdict, advice, pause, refusal};
use super::assign::{Assigned, filled};
use super::contents::{Contents, Item};
use super::error::{Error, Kind, no_answer, passes};
use super::plan::find;
use super::progress::Progress;
use super::session::Session;
use crate::http::Upload;

/// How many bytes are read at once, and how many such pieces wait for the network.
const PIECE: usize = 256 * 1024;
const QUEUE: usize = 2;
/// How often a URL may be replaced while one file is sent.
const MAX_RENEWALS: u32 = 20;

/// What one request led to.
enum Outcome {
    Stored,
    Again(String, Option<std::time::Duration>),
    NewUrl(String),
    Fail(Error),
}

/// Sends one file.
///
/// # Errors
/// If that fails for good.
pub(super) async fn push_one(
    session: &Session,
    assigned: &Assigned,
    content_type: Option<&HeaderValue>,
) -> Result<(), Error> {
    let name = assigned.file.display().to_string();
    session.progress.expect(assigned.length);
    let (mut attempt, mut renewals) = (0, 0);
    loop {
        let contents = session.current.contents();
        let Some(item) = find(&contents, &assigned.id) else {
            let place = session.current.place();
            let gone = format!("{place} has no URL for {name} any more");
            return Err(Error::new(Kind::NotReady, gone));
        };
        let sent = Arc::new(AtomicU64::new(0));
        let outcome = send(session, assigned, &contents, item, content_type, &sent).await;
        if !matches!(outcome, Outcome::Stored) {
            session.progress.take_back(sent.load(Ordering::Relaxed));
        }
        let (why, asked) = match outcome {
            Outcome::Stored => {
                session.progress.finished(&name, assigned.length);
                return Ok(());
            }
            Outcome::Fail(error) => return Err(error),
            Outcome::Again(why, asked) => (why, asked),
            Outcome::NewUrl(said) => {
                renewals += 1;
                let id = &assigned.id;
                if renewals <= MAX_RENEWALS && session.current.has_newer(id, &item.url).await {
                    continue;
                }
                return Err(session.current.refused(&contents, &item.url, &said));
            }
        };
        attempt += 1;
        if attempt > session.retries {
            let message = format!("{name} could not be sent: {why} ({attempt} times)");
            return Err(Error::new(Kind::Network, message));
        }
        let pause = pause(attempt, &name, asked);
        let seconds = pause.as_secs_f64();
        let line = format!("{name}: {why}; trying again in {seconds:.1} s");
        session.progress.line(&line);
        tokio::time::sleep(pause).await;
    }
}

async fn send(
    session: &Session,
    assigned: &Assigned,
    contents: &Contents,
    item: &Item,
    content_type: Option<&HeaderValue>,
    sent: &Arc<AtomicU64>,
) -> Outcome {
    let problem = Arc::new(Mutex::new(None));
    let request = request(
        session,
        assigned,
        contents,
        item,
        content_type,
        sent,
        &problem,
    );
    let request = match request {
        Ok(request) => request,
        Err(error) => return Outcome::Fail(error),
    };
    let ca = session.current.ca(contents);
    let answer = session.streams.request(request, ca.as_deref(), sent).await;
    let problem = problem
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(error) = problem {
        return Outcome::Fail(Error::file("cannot read", &assigned.file, &error));
    }
    let answer = match answer {
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
    let is_form = !contents.fields.is_empty();
    // A form's success may be a redirect, to the page that the form names.
    if answer.status.is_success() || is_form && answer.status == StatusCode::SEE_OTHER {
        // The rest of the answer says nothing; reading it frees the connection.
        let _ = answer.body.beginning(PIECE).await;
        return Outcome::Stored;
    }
    let refusal = refusal(answer).await;
    let said = format!("{} answered {}", item.url, refusal.said);
    match refusal.verdict {
        Verdict::Again(asked) => Outcome::Again(said, asked),
        Verdict::NewUrl => Outcome::NewUrl(refusal.said),
        Verdict::Changed | Verdict::GiveUp(_) => {
            let message = format!("{said}: {}", advice(&refusal));
            Outcome::Fail(Error::new(Kind::Refused, message))
        }
    }
}

fn request(
    session: &Session,
    assigned: &Assigned,
    contents: &Contents,
    item: &Item,
    content_type: Option<&HeaderValue>,
    sent: &Arc<AtomicU64>,
    problem: &Arc<Mutex<Option<io::Error>>>,
) -> Result<Request<Upload>, Error> {
    let is_form = !contents.fields.is_empty();
    let method = if is_form { Method::POST } else { Method::PUT };
    let mut request = Request::builder()
        .method(method)
        .uri(item.url.uri().clone());
    let (before, after) = if is_form {
        let boundary = boundary();
        let type_ = format!("multipart/form-data; boundary={boundary}");
        request = request.header(header::CONTENT_TYPE, type_);
        form(contents, &assigned.file, content_type, &boundary)
    } else {
        let signs_type = |(name, _): &(http::HeaderName, _)| *name == header::CONTENT_TYPE;
        if let Some(type_) = content_type.filter(|_| !contents.headers.iter().any(signs_type)) {
            request = request.header(header::CONTENT_TYPE, type_);
        }
        (Vec::new(), Vec::new())
    };
    // The form's sender sets no headers; the length is counted here.
    for (name, value) in contents.headers.iter().filter(|_| !is_form) {
        if name != header::CONTENT_LENGTH {
            request = request.header(name, value);
        }
    }
    let length = before.len() as u64 + assigned.length + after.len() as u64;
    let request = request.header(header::CONTENT_LENGTH, length);
    let file = File::open(&assigned.file);
    let file = file.map_err(|error| Error::file("cannot read", &assigned.file, &error))?;
    let (pieces, queue) = mpsc::channel(QUEUE);
    let (problem, expected) = (Arc::clone(problem), assigned.length);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = read(file, expected, before, after, &pieces) {
            let error_kind = error.kind();
            *problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            let _ = pieces.blocking_send(Err(error_kind.into()));
        }
    });
    let body = counted_body(queue, Arc::clone(sent), Arc::clone(&session.progress));
    let made = request.body(body);
    made.map_err(|_| Error::usage(format!("{} makes no request", item.url)))
}

fn counted_body(
    queue: mpsc::Receiver<io::Result<Bytes>>,
    sent: Arc<AtomicU64>,
    progress: Arc<Progress>,
) -> Upload {
    let pieces = stream::unfold(
        (queue, sent, progress),
        |(mut queue, sent, progress)| async {
            let piece = queue.recv().await?;
            if let Ok(piece) = &piece {
                sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
                progress.add(piece.len() as u64);
            }
            Some((piece.map(Frame::data), (queue, sent, progress)))
        },
    );
    StreamBody::new(pieces).boxed_unsync()
}

/// Reads the file in pieces, on a thread that may block. A reader that is gone ends it.
fn read(
    mut file: File,
    expected: u64,
    before: Vec<u8>,
    after: Vec<u8>,
    pieces: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    let give = |piece: Vec<u8>| piece.is_empty() || pieces.blocking_send(Ok(piece.into())).is_ok();
    if !give(before) {
        return Ok(());
    }
    let mut left = expected;
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let mut piece = vec![0; want];
        file.read_exact(&mut piece)?;
        left -= want as u64;
        if !give(piece) {
            return Ok(());
        }
    }
    give(after);
    Ok(())
}

/// What stands before and after the file in a form.
fn form(
    contents: &Contents,
    file: &Path,
    content_type: Option<&HeaderValue>,
    boundary: &str,
) -> (Vec<u8>, Vec<u8>) {
    let mut before = Vec::new();
    let mut field = |name: &str, value: &str| {
        let name = in_quotes(name);
        let head =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        before.extend_from_slice(head.as_bytes());
        before.extend_from_slice(value.as_bytes());
        before.extend_from_slice(b"\r\n");
    };
    for one in &contents.fields {
        let is_key = one.name == "key";
        let value = if is_key {
            filled(&one.value, file)
        } else {
            one.value.clone()
        };
        field(&one.name, &value);
    }
    let is_type = |name: &str| name.eq_ignore_ascii_case("content-type");
    let type_ = content_type.and_then(|type_| type_.to_str().ok());
    if let Some(type_) = type_
        && !contents.fields.iter().any(|field| is_type(&field.name))
    {
        field("Content-Type", type_);
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
        in_quotes(&name),
        type_.unwrap_or("application/octet-stream")
    );
    before.extend_from_slice(head.as_bytes());
    (before, format!("\r\n--{boundary}--\r\n").into_bytes())
}

/// As browsers write names in a form.
fn in_quotes(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A line that no file holds: 128 bits that nobody knows before.
fn boundary() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("presigned-{:016x}{:016x}", half(), half())
}
