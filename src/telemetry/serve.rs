//! The ports: connections that are taken, answered once and closed.
//!
//! What holds here: whatever clients do, a port holds a bounded number of connections, each with small
//! buffers and for a bounded time. A newcomer takes the place of the oldest connection, so that clients who
//! leave their requests unfinished keep neither a probe nor a scrape out. Each connection carries one
//! request.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// How many connections a port holds.
pub(super) const CONNECTIONS: usize = 32;
/// How long a client may take to say what it wants.
pub(super) const HEADER_TIME: Duration = Duration::from_secs(5);
/// How long a connection may last.
const WHOLE_TIME: Duration = Duration::from_secs(15);
/// How many bytes of a request, and of an answer, wait in memory: the least that hyper takes.
const BUFFER: usize = 8192;
/// How long the port rests when the system has no connection to give, for example because it is out of file
/// descriptors.
const REST: Duration = Duration::from_millis(100);

/// Why a server could not start.
#[derive(Debug, Error)]
#[error("cannot listen on {address} for {what}: {error}; set {flag} to a free address")]
pub struct ServeError {
    what: &'static str,
    flag: &'static str,
    address: SocketAddr,
    error: std::io::Error,
}

/// Takes an address, so that a wrong one ends the start at once.
///
/// # Errors
/// If the address is taken or not this machine's; the message names the flag to change.
pub async fn bind(
    address: SocketAddr,
    what: &'static str,
    flag: &'static str,
) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| ServeError {
            what,
            flag,
            address,
            error,
        })
}

/// Serves until the token is cancelled. What is under way then is cut off.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    let mut by_age: VecDeque<AbortHandle> = VecDeque::with_capacity(CONNECTIONS);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                by_age.retain(|connection| !connection.is_finished());
                if by_age.len() >= CONNECTIONS
                    && let Some(oldest) = by_age.pop_front()
                {
                    oldest.abort();
                }
                by_age.push_back(connections.spawn(answer(stream, router.clone())));
            }
            // The client's affair, or the system's: neither ends the operator.
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}

async fn answer(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(BUFFER)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // However it ends, nobody is left to report it to.
    let _ = tokio::time::timeout(WHOLE_TIME, connection).await;
}
