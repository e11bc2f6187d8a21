//! What the person sees: numbered headings, commands, their output cut to size, and what was checked.
//!
//! Colour is for terminals only. A screen that can't be written to is an error: nobody watches any more.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context as _, Result};

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "1;31";
const GREEN: &str = "32";
const CYAN: &str = "36";

/// Longer lines would wrap on a projector.
const WIDTH: usize = 118;

/// Standard output, and how far the demo has come.
#[derive(Debug)]
pub(super) struct Screen {
    colour: bool,
    step: usize,
}

impl Screen {
    pub(super) fn new() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
        Self {
            colour: std::io::stdout().is_terminal() && !plain,
            step: 0,
        }
    }

    /// How many steps have begun.
    pub(super) fn steps(&self) -> usize {
        self.step
    }

    pub(super) fn title(&self, title: &str, below: &str) -> Result<()> {
        put(&format!(
            "\n{}\n{}",
            self.paint(BOLD, title),
            self.paint(DIM, below)
        ))
    }

    /// Begins a step.
    pub(super) fn heading(&mut self, heading: &str) -> Result<()> {
        self.step += 1;
        put(&format!(
            "\n{}",
            self.paint(BOLD, &format!("{:>2}. {heading}", self.step))
        ))
    }

    /// A command, before it runs.
    pub(super) fn command(&self, command: &str) -> Result<()> {
        put(&format!(
            "    {} {}",
            self.paint(DIM, "$"),
            self.paint(CYAN, command)
        ))
    }

    /// What a command printed: the first `lines` of it, none longer than the screen.
    pub(super) fn output(&self, text: &str, lines: usize) -> Result<()> {
        let all: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        for line in all.iter().take(lines) {
            put(&format!("      {}", fitted(line.trim_end())))?;
        }
        if all.len() > lines {
            let more = format!("      … {} more lines", all.len() - lines);
            put(&self.paint(DIM, &more))?;
        }
        Ok(())
    }

    /// Something that is true and was checked.
    pub(super) fn checked(&self, what: &str) -> Result<()> {
        put(&format!("    {} {what}", self.paint(GREEN, "✓")))
    }

    /// A remark.
    pub(super) fn remark(&self, text: &str) -> Result<()> {
        put(&format!("    {}", self.paint(DIM, text)))
    }

    /// The last line.
    pub(super) fn end(&self, text: &str) -> Result<()> {
        put(&format!("\n{}", self.paint(BOLD, text)))
    }

    /// Why the demo has failed: the sentence first, then the end of the operator's log where there is one.
    pub(super) fn failure(&self, error: &anyhow::Error, log: Option<&str>) -> Result<()> {
        let step = format!("✗ Step {} did not do what it says: {error:#}", self.step);
        let mut text = format!("\n{}\n", self.paint(RED, &step));
        if let Some(log) = log {
            text.push_str("  The end of the operator's log:\n");
            for line in log.lines() {
                text.push_str("    ");
                text.push_str(line);
                text.push('\n');
            }
        }
        std::io::stderr()
            .write_all(text.as_bytes())
            .context("write to standard error")
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

fn put(text: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{text}")
        .and_then(|()| output.flush())
        .context("write to standard output")
}

fn fitted(line: &str) -> String {
    let room = WIDTH - 6;
    if line.chars().count() <= room {
        return line.to_owned();
    }
    line.chars().take(room - 1).chain(['…']).collect()
}
