//! What Baton says, as lines for a terminal. Text from outside may hold escape sequences, which a
//! terminal would obey; none of them gets through.

use crate::{
    domain::message::{Span, Text},
    time::Timestamp,
    web::html,
};

/// One line of spans.
pub(super) fn line(text: &Text) -> String {
    text.0.iter().map(span).collect()
}

/// On one line, and without anything that a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// As [`printable`], with its lines kept and each put behind `indent`.
pub(super) fn indented(text: &str, indent: &str) -> Vec<String> {
    text.lines().map(|line| format!("{indent}{}", printable(line))).collect()
}

/// `2026-11-23 22:57:04`, UTC.
pub(super) fn moment(at: Timestamp) -> String {
    at.to_rfc3339().get(..19).unwrap_or_default().replace('T', " ")
}

/// Rows under a heading, in columns as wide as their widest cell; the last is as wide as it is.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = heading.iter().map(|&cell| cell.to_owned()).collect();
    let all = || std::iter::once(&heading).chain(rows);
    let width = |column: usize| all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..heading.len()).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in all() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn span(span: &Span) -> String {
    match span {
        Span::Plain(text) | Span::Bold(text) | Span::Code(text) => printable(text),
        Span::Link { label, url } => printable(&format!("{label} <{url}>")),
        Span::Person(actor) => printable(actor.name.as_deref().unwrap_or(&actor.id)),
        Span::When(at) => moment(*at),
        Span::Mark(mark) => html::sign(*mark).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_escape_sequence_gets_through() {
        let text = Text::plain("\u{1b}[2Jred\nnext").link("label\u{7}", "https://example.com");
        assert_eq!(line(&text), " [2Jred nextlabel  <https://example.com>");
        assert_eq!(indented("a\n\u{1b}b", "  "), ["  a", "   b"]);
    }

    #[test]
    fn columns_line_up() {
        let rows =
            vec![vec!["o1".into(), "planning".into(), "x".into()], vec!["o1234".into(), "done".into(), String::new()]];
        assert_eq!(table(&["ID", "STAGE", "TASK"], &rows), "ID     STAGE     TASK\no1     planning  x\no1234  done\n");
    }

    #[test]
    fn moments_are_utc_to_the_second() {
        assert_eq!(moment(Timestamp::from_millis(1_700_000_000_123)), "2023-11-14 22:13:20");
    }
}
