//! An HTTP server on loopback, on a thread and a runtime of its own.
//!
//! Tests have a runtime each. A server that several tests share, or that must answer while a test blocks,
//! can't live on one of those. Dropping [`Background`] ends the server and cuts its connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Background {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Background {
    /// Serves `handler` on a free port, over TLS when `tls` is given. An answer of `None` cuts the
    /// connection.
    pub fn start<H, F, B>(name: &str, tls: Option<ServerConfig>, handler: H) -> Result<Self>
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Option<Response<B>>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").context("find a free port")?;
        listener
            .set_nonblocking(true)
            .context("set up the listener")?;
        let address = listener.local_addr().context("read the port")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("make a runtime")?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // The runtime is dropped with the last line, and every connection with it.
                runtime.block_on(async move {
                    let Ok(listener) = TcpListener::from_std(listener) else {
                        return;
                    };
                    stopped
                        .run_until_cancelled(accept(listener, tls, handler))
                        .await;
                });
            });
        Ok(Self {
            address,
            stop,
            thread: Some(thread.context("start the server's thread")?),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept<H, F, B>(listener: TcpListener, tls: Option<TlsAcceptor>, handler: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Option<Response<B>>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    loop {
        // Running out of file handles passes; the clients' own timeouts tell if it does not.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        tokio::spawn(connection(stream, tls.clone(), handler.clone()));
    }
}

async fn connection<H, F, B>(stream: TcpStream, tls: Option<TlsAcceptor>, handler: H)
where
    H: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Option<Response<B>>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let response = handler(request);
        async move {
            response
                .await
                .ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted))
        }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new());
    // A client that goes away, or a body that is cut on purpose, ends a connection with an error that nobody
    // needs.
    match tls {
        None => {
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        }
        Some(tls) => {
            let Ok(stream) = tls.accept(stream).await else {
                return;
            };
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        }
    }
}
