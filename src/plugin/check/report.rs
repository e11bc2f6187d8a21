//! All answers of a check, as people, programs and CI read them.

use serde_json::{Value, json};

use super::rules::{Answer, Checked};
use crate::plugin::exit::Exit;
use crate::plugin::flags::Format;
use crate::plugin::output::{self, Cell, Table};

/// All answers.
#[derive(Debug, Default)]
pub struct Report {
    /// Each request and its answer.
    pub checked: Vec<Checked>,
    /// What is wrong with policies and stores.
    pub problems: Vec<String>,
    /// What was not checked.
    pub notes: Vec<String>,
}

impl Report {
    /// The worst of it.
    pub fn exit(&self) -> Exit {
        let mut answers = self.checked.iter().map(|one| &one.answer);
        let no = |answer: &Answer| matches!(answer, Answer::Refused(_) | Answer::Invalid(_));
        if !self.problems.is_empty() || answers.clone().any(no) {
            Exit::No
        } else if answers.any(|answer| matches!(answer, Answer::Unknown(_))) {
            Exit::Unknown
        } else {
            Exit::Done
        }
    }

    /// What is printed.
    pub fn text(&self, format: Format) -> anyhow::Result<String> {
        match format {
            Format::Json => output::json(&self.value()),
            Format::Yaml => output::yaml(&self.value()),
            Format::Table | Format::Wide => Ok(self.table(output::colours())),
        }
    }

    fn value(&self) -> Value {
        let checked: Vec<Value> = self.checked.iter().map(Checked::value).collect();
        json!({ "checked": checked, "problems": self.problems, "notes": self.notes })
    }

    fn table(&self, colours: bool) -> String {
        let mut table = Table::new(vec!["NAMESPACE", "NAME", "RESULT", "BY"]);
        for one in &self.checked {
            let (word, colour) = one.answer.word();
            table.row(vec![
                one.namespace.clone().into(),
                one.name.clone().into(),
                Cell::coloured(word, colour),
                one.answer.by().into(),
            ]);
        }
        let mut text = if self.checked.is_empty() {
            String::new()
        } else {
            table.render(colours)
        };
        let of_answers = self.checked.iter().flat_map(|one| {
            let name = format!("{}/{}", one.namespace, one.name);
            one.answer
                .words()
                .into_iter()
                .map(move |words| format!("{name}: {words}"))
        });
        let problems = self.problems.iter().cloned();
        let notes = self.notes.iter().map(|note| format!("note: {note}"));
        let mut lines = of_answers.chain(problems).chain(notes).peekable();
        if lines.peek().is_some() && !text.is_empty() {
            text.push('\n');
        }
        for line in lines {
            text.push_str(&output::printable(&line));
            text.push('\n');
        }
        text
    }
}
