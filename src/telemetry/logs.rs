//! Logs: one line an event, for machines or for people. Characters that cannot be seen or that turn a line
//! around (Unicode Cf, such as U+202E) are written as JSON escapes them, whoever's text they come in.
//!
//! What holds here: the level that a person asks for is given to the operator's own crates alone. Others log
//! requests, headers and canonical strings below `info`, and one of those strings is a presigned URL; so they
//! are held at `info` and the AWS ones at `warn`, whatever the flags say and whatever is linked in later.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write};

use clap::ValueEnum;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Only what a person must look at.
    Error,
    /// And what a person should look at.
    Warn,
    /// And what was done.
    #[default]
    Info,
    /// And why.
    Debug,
    /// Everything.
    Trace,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people, and with colours on a terminal.
    Text,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// Starts logging to standard error, once for the process.
///
/// # Errors
/// If the process logs already.
pub fn init(
    level: LogLevel,
    format: LogFormat,
) -> Result<(), tracing_subscriber::util::TryInitError> {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = std::io::stderr().is_terminal() && !no_colour;
    subscriber(level, format, colours, std::io::stderr).try_init()
}

/// What writes the lines. A file or a pipe gets no colours: they are control characters to whoever reads it.
pub(crate) fn subscriber<W: Write>(
    level: LogLevel,
    format: LogFormat,
    colours: bool,
    writer: impl Fn() -> W + Send + Sync + 'static,
) -> impl tracing::Subscriber + Send + Sync + 'static {
    let lines = tracing_subscriber::fmt::layer().with_writer(move || VisibleLines(writer()));
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.with_ansi(colours).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter(level)))
}

/// A writer of lines without characters that cannot be seen.
pub(super) struct VisibleLines<W>(pub(super) W);

impl<W: Write> Write for VisibleLines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if line.is_ascii() {
            self.0.write_all(line)?;
        } else {
            let text = String::from_utf8_lossy(line);
            self.0.write_all(visible(&text).as_bytes())?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The text with its invisible characters as JSON escapes them. ASCII is the formatter's own business.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() || c.escape_debug().len() == 1 {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// Which targets are logged at a level.
pub(super) fn filter(level: LogLevel) -> Targets {
    let level = LevelFilter::from(level);
    Targets::new()
        .with_default(level.min(LevelFilter::INFO))
        .with_target("aws_", level.min(LevelFilter::WARN))
        .with_target("presigned_", level)
}
