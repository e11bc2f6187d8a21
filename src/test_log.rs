//! A log that is kept, to be looked through.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use tracing::{Dispatch, Level, Subscriber};

/// A second subscriber, so that there is never one alone: then tracing would ask the subscriber of the thread
/// that first reaches a log line, and a thread without one would silence that line for all.
static ANOTHER: LazyLock<Dispatch> =
    LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));

/// What was logged, at every level.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn subscriber(&self) -> impl Subscriber + Send + Sync + 'static {
        LazyLock::force(&ANOTHER);
        let writer = self.clone();
        tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines that warn, whoever they are of.
    pub(crate) fn warnings(&self) -> String {
        let text = self.text();
        let lines = text.lines().filter(|line| line.contains(" WARN "));
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
