//! What asks a command to end: SIGINT, as Ctrl-C sends it, SIGTERM, and a reader that has gone.

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for both signals. From then on they end the process no more: who listens must.
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Begins to listen.
    ///
    /// # Errors
    /// If the system has no room for that.
    pub fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("SIGINT cannot be listened for")?,
            terminate: signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?,
        })
    }

    /// Waits for one of them.
    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Waits until nobody reads stdout any more, as after `| head`. A file and a terminal have a reader for ever.
pub async fn reader_gone() {
    let (gone, told) = tokio::sync::oneshot::channel();
    // No blocking task of the runtime: the runtime would wait for its end.
    let waiting = std::thread::Builder::new().spawn(move || {
        let stdout = std::io::stdout();
        // Without a flag, only the end of the other side is waited for.
        let mut pipe = [PollFd::new(&stdout, PollFlags::empty())];
        let ended = loop {
            match poll(&mut pipe, None) {
                Err(Errno::INTR) => {}
                ended => break ended,
            }
        };
        if ended.is_ok() {
            let _ = gone.send(());
        }
    });
    if waiting.is_err() || told.await.is_err() {
        std::future::pending::<()>().await;
    }
}
