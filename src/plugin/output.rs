//! What is printed, and how: tables, JSON, YAML, colours.
//!
//! What holds here: colours are for terminals alone, and for nobody who sets `NO_COLOR`. Text of others
//! reaches a terminal without control characters.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;
use serde::Serialize;

/// A colour of the sixteen that every terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// As it stands.
    Plain,
    /// It is well.
    Green,
    /// It may become well by itself.
    Yellow,
    /// Somebody has to act.
    Red,
    /// It matters less.
    Dim,
}

impl Colour {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Red => "31",
            Self::Dim => "2",
        }
    }
}

/// Whether stdout gets colours.
#[must_use]
pub fn colours() -> bool {
    let unwanted = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !unwanted("NO_COLOR") && !dumb
}

/// The text in its colour, if colours are on.
#[must_use]
pub fn paint(text: &str, colour: Colour, on: bool) -> String {
    let code = colour.code();
    if on && !code.is_empty() {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// One cell of a table.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    colour: Colour,
}

impl Cell {
    /// Text in a colour. An empty text is shown as a hyphen.
    #[must_use]
    pub fn coloured(text: impl Into<String>, colour: Colour) -> Self {
        let text = printable(&text.into());
        let text = if text.is_empty() {
            "-".to_owned()
        } else {
            text
        };
        Self { text, colour }
    }
}

impl Cell {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text in its colour, if colours are on.
    #[must_use]
    pub fn paint(&self, colours: bool) -> String {
        paint(&self.text, self.colour, colours)
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::coloured(text, Colour::Plain)
    }
}

/// A table as kubectl's: columns under their names, three spaces apart.
#[derive(Clone, Debug)]
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these columns.
    #[must_use]
    pub const fn new(head: Vec<&'static str>) -> Self {
        Self {
            head,
            rows: Vec::new(),
        }
    }

    /// One more row.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The table as text.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        let width = |at: usize, name: &str| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            let widths = cells.map(|cell| cell.text.chars().count());
            widths.max().unwrap_or(0).max(name.len())
        };
        let widths: Vec<usize> = self
            .head
            .iter()
            .enumerate()
            .map(|(at, name)| width(at, name))
            .collect();
        let head = self.head.iter().map(|name| Cell::from(*name)).collect();
        let mut text = String::new();
        for row in std::iter::once(&head).chain(&self.rows) {
            let last = row.len().saturating_sub(1);
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                text.push_str(&cell.paint(colours));
                if at < last {
                    let gap = width.saturating_sub(cell.text.chars().count()) + 3;
                    let _ = write!(text, "{:gap$}", "");
                }
            }
            text.push('\n');
        }
        text
    }
}

/// One line without control characters.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Prints to stdout. A reader that has gone, as `head` does, is no failure.
///
/// # Errors
/// If stdout cannot be written for another reason, for example a full disk.
pub fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes())
}

/// As [`print`], for bytes.
///
/// # Errors
/// As [`print`].
pub fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("stdout cannot be written")
        }
        _ => Ok(()),
    }
}

/// A value as JSON, indented, with a line end.
///
/// # Errors
/// If it does not serialize.
pub fn json(value: &impl Serialize) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(value).context("the result does not serialize")?;
    Ok(text + "\n")
}

/// A value as YAML.
///
/// # Errors
/// If it does not serialize.
pub fn yaml(value: &impl Serialize) -> anyhow::Result<String> {
    serde_saphyr::to_string(value).context("the result does not serialize")
}

#[cfg(test)]
mod tests {
    //! Columns, and what reaches a terminal.

    use super::*;

    #[test]
    fn columns_stand_under_their_names_with_and_without_colours() {
        let mut table = Table::new(vec!["NAME", "READY"]);
        table.row(vec![
            "a-long-name".into(),
            Cell::coloured("True", Colour::Green),
        ]);
        table.row(vec!["".into(), "False".into()]);
        let plain = "NAME          READY\na-long-name   True\n-             False\n";
        assert_eq!(table.render(false), plain);
        let coloured = table.render(true);
        assert!(coloured.contains("\u{1b}[32mTrue\u{1b}[0m"), "{coloured:?}");
        assert_eq!(
            coloured.replace("\u{1b}[32m", "").replace("\u{1b}[0m", ""),
            plain
        );
    }

    #[test]
    fn text_of_others_moves_no_cursor() {
        let cell = Cell::from("a\u{1b}[2Jb\nc");
        assert_eq!(cell.text(), "a [2Jb c");
    }
}
