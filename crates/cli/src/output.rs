//! Two channels: standard output is data, standard error is talk.
//!
//! With `--json`, data is one JSON value per answer; without, tables and sentences for people. Colours and progress
//! bars only where a person watches, and never with NO_COLOR.

use std::io::{IsTerminal, Write};

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use serde::Serialize;

/// How this run talks.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    pub fn is_json(self) -> bool {
        self.json
    }

    /// The answer: `value` for programs, `text` for people.
    pub fn answer<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let answer = if self.json {
            serde_json::to_string_pretty(value)?
        } else {
            harmless(&text())
        };
        print(&answer)
    }

    /// One of several answers that come as things happen: one line of JSON, or one of text.
    pub fn line<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        print(&if self.json {
            serde_json::to_string(value)?
        } else {
            harmless(&text())
        })
    }

    /// Talk, on standard error.
    pub fn say(self, text: impl AsRef<str>) {
        let _ = writeln!(std::io::stderr().lock(), "{}", harmless(text.as_ref()));
    }

    /// Whether progress bars make sense: a person watches standard error.
    pub fn shows_progress(self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }
}

/// Without the characters that a terminal obeys instead of showing: names of files, logs of applications and sentences
/// of pools are strangers' words.
pub fn harmless(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\n' | '\t' => letter,
        letter if letter.is_control() => char::REPLACEMENT_CHARACTER,
        letter => letter,
    };
    text.chars().map(shown).collect()
}

fn print(answer: &str) -> anyhow::Result<()> {
    // A closed pipe (`oxec … | head`) is the reader's wish, not a failure.
    match writeln!(std::io::stdout().lock(), "{}", answer.trim_end()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A table for people: a header, rows, and which columns hold numbers.
pub fn table(
    header: &[&str],
    numbers: &[usize],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(LineStyle::new('─', '─', '─', '─')))
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    for &column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// "1 task", "2 tasks".
pub fn count(number: usize, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}

/// An address short enough for a table, long enough to recognise.
pub fn short(address: impl std::fmt::Display) -> String {
    let text = address.to_string();
    if text.len() <= 13 {
        text
    } else {
        format!("{}…{}", &text[..6], &text[text.len() - 4..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_words_do_not_command_the_terminal() {
        assert_eq!(
            harmless("a\tb\n\u{1b}[2Jc\rd\u{9b}e é"),
            "a\tb\n\u{fffd}[2Jc\u{fffd}d\u{fffd}e é"
        );
    }
}
