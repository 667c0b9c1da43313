//! A message of the domain as Linear's Markdown: a body for a thought, an elicitation, a response or a
//! comment, or the parts of an action.
//!
//! Pure. What does not fit is shortened, says so, and is handed back whole as a file: how long a body
//! may be is not documented. Called by `deliver.rs`.

use super::{
    markdown::sanitised,
    text::{Addresses, Us, code, cut_plain, escape, http_url, line, link, longest_run, one_line, plain, push},
};
use crate::{
    domain::{
        errand::File,
        message::{About, Block, Button, Mark, Message, Press, Span, Subject, Text},
        options,
    },
    time::Timestamp,
};

/// A body, and an action's result, which stands in a row.
const LONGEST_BODY: usize = 10_000;
const LONGEST_RESULT: usize = 2_800;
/// Somebody's words in a body; what is longer is an excerpt, and the whole a file.
const LONGEST_EXCERPT: usize = 7_000;
/// The same when the message as a whole would be too long.
const SHORT_EXCERPT: usize = 1_500;
const LONGEST_PARAMETER: usize = 240;
/// For all links of a body that people can open, one of which may be as long as links get.
const LINKS_ROOM: usize = 2_500;
const LONGEST_LABEL: usize = 75;
const MOST_RETRIES: usize = 20;
/// Kept free for the lines that say where the rest is.
const NOTICE_ROOM: usize = 800;
const WHOLE: &str = "whole-message.md";

#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// Empty when there is nothing to say.
    pub body: String,
    /// What the body shows only a part of, whole; [`Rendered::with_files`] says where it went.
    pub overflow: Vec<File>,
}

impl Rendered {
    /// The body with links to the files: name and address of each.
    #[must_use]
    pub fn with_files(&self, files: &[(String, String)], us: &Us) -> String {
        let links: Vec<String> = files.iter().map(|(name, url)| link(name, url, us)).collect();
        if links.is_empty() { self.body.clone() } else { format!("{}\n\n{}", self.body, links.join(" · ")) }
    }
}

/// What a choice among options sends back, and how it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    pub label: String,
    pub value: String,
}

/// A row: what was done, to what, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub action: String,
    /// Never empty.
    pub parameter: String,
    pub result: Option<String>,
}

/// For a post, with which files can go.
#[must_use]
pub fn message(message: &Message, us: &Us, place: In) -> Rendered {
    render(message, us, place, Overflow::Files)
}

/// For an edit or an answer to one person, with which no file goes.
#[must_use]
pub fn without_files(message: &Message, us: &Us, place: In) -> String {
    render(message, us, place, Overflow::Dropped).body
}

/// What an edit comes to, where nothing can be edited: what it is about, and the line with a mark,
/// which says what has become of it.
#[must_use]
pub fn headline(message: &Message, us: &Us) -> String {
    let heading = message.blocks.iter().find_map(|block| {
        let Block::Heading(text) = block else { return None };
        Some(format!("**{}**", line(text, us)))
    });
    let said = |block: &Block| {
        let Block::Line(text) = block else { return None };
        Some((matches!(text.0.first(), Some(Span::Mark(_))), spans(text, us)))
    };
    let lines: Vec<(bool, String)> = message.blocks.iter().filter_map(said).collect();
    let marked = lines.iter().rev().find(|(is_marked, _)| *is_marked);
    let said = marked.or(lines.first()).map(|(_, line)| line.clone());
    let note = message.blocks.iter().find_map(|block| {
        let Block::Note(text) = block else { return None };
        (heading.is_none() && said.is_none()).then(|| spans(text, us))
    });
    let parts: Vec<String> =
        [heading, said, note].into_iter().flatten().filter(|part| !part.trim().is_empty()).collect();
    cut(&parts.join("\n\n"), LONGEST_RESULT)
}

/// For an action. None when there is nothing to say.
#[must_use]
pub fn step(message: &Message, us: &Us) -> Option<Step> {
    let (Block::Heading(_) | Block::Line(_) | Block::Note(_), rest) = (message.blocks.first()?, &message.blocks[1..])
    else {
        let body = cut(&without_files(message, us, In::Session), LONGEST_RESULT);
        return (!body.is_empty()).then(|| Step {
            action: "Step".into(),
            parameter: "Done".into(),
            result: Some(body),
        });
    };
    let (mark, words, links) = match &message.blocks[0] {
        Block::Heading(text) => (None, text.clone(), Vec::new()),
        Block::Line(text) | Block::Note(text) => (first_mark(text), text.to_string(), links(text, us)),
        Block::List(_) | Block::Facts(_) | Block::Quote(_) | Block::Markdown { .. } | Block::Divider => {
            (None, String::new(), Vec::new())
        }
    };
    let rest = Message { blocks: rest.to_vec(), ..message.clone() };
    let mut result = links;
    result.push(without_files(&rest, us, In::Session));
    result.retain(|part| !part.is_empty());
    let parameter = cut_plain(&plain(&words, us), LONGEST_PARAMETER);
    if parameter.is_empty() && result.is_empty() {
        return None;
    }
    Some(Step {
        action: mark.map_or("Step", action).to_owned(),
        parameter: if parameter.is_empty() { "Done".to_owned() } else { parameter },
        result: (!result.is_empty()).then(|| cut(&result.join("\n\n"), LONGEST_RESULT)),
    })
}

/// The decisions that a message asks for.
#[must_use]
pub fn choices(buttons: &[Button]) -> Vec<Choice> {
    buttons
        .iter()
        .filter_map(|button| {
            let about = About::parse(&button.value)?;
            Some(Choice { label: options::label(button.press, &about)?, value: options::option(button.press, &about)? })
        })
        .collect()
}

/// Where a body goes: in a session decisions are offered as options, elsewhere they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum In {
    Session,
    Comment,
}

/// A file's name that stays in its folder and reads well.
#[must_use]
pub fn file_name(name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control() && !"/\\:".contains(*c)).collect();
    let name = cut_plain(name.trim(), 100);
    if name.is_empty() { "text.md".to_owned() } else { name }
}

/// What becomes of what does not fit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Overflow {
    Files,
    Dropped,
}

fn render(message: &Message, us: &Us, place: In, overflow: Overflow) -> Rendered {
    let mut sheet = Sheet::lay_out(message, us, LONGEST_EXCERPT, overflow);
    if sheet.length() + NOTICE_ROOM > LONGEST_BODY {
        sheet = Sheet::lay_out(message, us, SHORT_EXCERPT, overflow);
    }
    // The buttons' line comes last, and must not be what is cut off.
    let ending = offered(&message.buttons, us, place).unwrap_or_default();
    let room = LONGEST_BODY.saturating_sub(NOTICE_ROOM.max(ending.chars().count()));
    let whole = sheet.pieces.join("\n\n");
    let mut body = fitted(&sheet.pieces, room);
    let mut files = sheet.files;
    if body.len() < whole.len() || sheet.shortened {
        body.push_str(match overflow {
            Overflow::Files => "\n\n_This is shortened; the whole message is in the file_ `whole-message.md`",
            Overflow::Dropped => "\n\n_This is shortened._",
        });
        if overflow == Overflow::Files {
            let sheet = Sheet::lay_out(message, us, usize::MAX, Overflow::Dropped);
            files.push(file(WHOLE, sheet.pieces.join("\n\n")));
        }
    }
    if !ending.is_empty() {
        body = if body.is_empty() { ending } else { format!("{body}\n\n{ending}") };
    }
    Rendered { body: body.trim().to_owned(), overflow: files }
}

/// A body in the making.
struct Sheet<'a> {
    us: &'a Us,
    excerpt: usize,
    overflow: Overflow,
    pieces: Vec<String>,
    files: Vec<File>,
    /// Something other than an agent's words was cut.
    shortened: bool,
}

impl<'a> Sheet<'a> {
    fn lay_out(message: &Message, us: &'a Us, excerpt: usize, overflow: Overflow) -> Self {
        let mut sheet = Self { us, excerpt, overflow, pieces: Vec::new(), files: Vec::new(), shortened: false };
        for block in &message.blocks {
            sheet.lay(block);
        }
        sheet
    }

    fn lay(&mut self, block: &Block) {
        match block {
            Block::Heading(text) => self.push(&format!("### {}", line(&cut_plain(text, 200), self.us))),
            // Linear has no small print.
            Block::Line(text) | Block::Note(text) => self.push(&spans(text, self.us)),
            Block::List(items) => {
                let lines: Vec<String> =
                    items.iter().map(|item| format!("- {}", spans(item, self.us).replace('\n', " "))).collect();
                self.push(&lines.join("\n"));
            }
            Block::Facts(facts) => {
                let fact = |(label, value): &(String, Text)| {
                    format!("- **{}:** {}", line(label, self.us), spans(value, self.us).replace('\n', " "))
                };
                self.push(&facts.iter().map(fact).collect::<Vec<_>>().join("\n"));
            }
            Block::Quote(words) => {
                let words = words.trim();
                let shown = cut_plain(words, self.excerpt);
                self.shortened |= shown.len() < words.len();
                let lines: Vec<String> = escape(&shown, self.us, Addresses::Linked)
                    .lines()
                    .map(|line| format!("> {line}").trim_end().to_owned())
                    .collect();
                self.push(&lines.join("\n"));
            }
            Block::Markdown { text, file } => self.markdown(text, file),
            Block::Divider => self.push("---"),
        }
    }

    fn markdown(&mut self, source: &str, name: &str) {
        let pieces = sanitised(source, self.us);
        let whole = pieces.iter().map(|piece| piece.chars().count() + 2).sum::<usize>();
        if whole <= self.excerpt {
            self.pieces.extend(pieces);
            return;
        }
        let file = file(name, source.to_owned());
        let excerpt = fitted(&pieces, self.excerpt);
        if !excerpt.is_empty() {
            self.pieces.push(excerpt);
        }
        match self.overflow {
            Overflow::Files => {
                self.pieces.push(format!("_The rest is in the file_ {}", code(&file.name, self.us)));
                self.files.push(file);
            }
            Overflow::Dropped => self.pieces.push("_This is shortened._".to_owned()),
        }
    }

    fn push(&mut self, text: &str) {
        let text = text.trim_matches('\n').trim_end();
        if !text.trim().is_empty() {
            self.pieces.push(text.trim_start().to_owned());
        }
    }

    fn length(&self) -> usize {
        self.pieces.iter().map(|piece| piece.chars().count() + 2).sum()
    }
}

/// The first pieces that fit into `room`, the first one cut if even that does not.
fn fitted(pieces: &[String], room: usize) -> String {
    let mut kept = String::new();
    let mut length = 0;
    for piece in pieces {
        let more = piece.chars().count() + 2;
        if length + more > room {
            if kept.is_empty() {
                kept = cut(piece, room);
            }
            break;
        }
        if !kept.is_empty() {
            kept.push_str("\n\n");
        }
        kept.push_str(piece);
        length += more;
    }
    kept
}

/// Cuts Markdown to `max` characters: at a line's end if there is one late enough, never within a
/// sign with its backslash, and with a code block that is open closed, or left out where something else holds it.
fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(max.saturating_sub(80)).collect();
    if let Some(end) = kept.rfind('\n').filter(|&end| end > kept.len() / 2) {
        kept.truncate(end);
    } else if let Some(end) = kept.rfind(' ').filter(|&end| end > kept.len() / 2) {
        kept.truncate(end);
    }
    // What is cut within a link or code would show its signs.
    for (open, closed) in [("](", ')'), ("<http", '>')] {
        if let Some(start) = kept.rfind(open).filter(|&start| !kept[start..].contains(closed)) {
            kept.truncate(kept[..start].rfind('[').filter(|_| open == "](").unwrap_or(start));
        }
    }
    kept.truncate(kept.trim_end_matches(['\\', ' ', '\n']).len());
    match open_fence(&kept) {
        Some((0, fence)) => kept + "\n…\n" + &fence,
        Some((start, _)) => kept[..start].trim_end().to_owned() + " …",
        None => kept + " …",
    }
}

/// Where a code block begins that does not end, and its fence.
fn open_fence(text: &str) -> Option<(usize, String)> {
    let mut open: Option<(usize, String)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_start_matches(['>', ' ']).trim_end();
        let ticks = bare.len() - bare.trim_start_matches('`').len();
        match &open {
            Some((_, fence)) if ticks >= fence.len() && bare.len() == ticks => open = None,
            None if ticks >= 3 && longest_run(&bare[ticks..], '`') == 0 => open = Some((at, "`".repeat(ticks))),
            Some(_) | None => {}
        }
        at += line.len();
    }
    open
}

/// What else can be done: links, words to reply with, and outside of sessions the decisions.
fn offered(buttons: &[Button], us: &Us, place: In) -> Option<String> {
    let mut lines = Vec::new();
    let mut room = LINKS_ROOM;
    let links: Vec<String> = buttons
        .iter()
        .filter(|button| button.press == Press::Open && http_url(&button.value, us).is_some())
        .map(|button| link(&cut_plain(&button.label, LONGEST_LABEL), &button.value, us))
        .filter(|link| {
            let length = link.chars().count();
            let fits = length <= room;
            room -= if fits { length } else { 0 };
            fits
        })
        .collect();
    if !links.is_empty() {
        lines.push(links.join(" · "));
    }
    for button in buttons.iter().filter(|button| button.press == Press::RetryChild).take(MOST_RETRIES) {
        if let Some(About { subject: Subject::Child(number), .. }) = About::parse(&button.value) {
            lines.push(format!("Reply `retry {number}` to start it again."));
        }
    }
    let choices = choices(buttons);
    if place == In::Comment && !choices.is_empty() {
        let words: Vec<String> = choices.iter().map(|choice| format!("- `{}`", choice.value)).collect();
        lines.push(format!("To decide, reply with one of these:\n\n{}", words.join("\n")));
    }
    (!lines.is_empty()).then(|| lines.join("\n\n"))
}

fn spans(text: &Text, us: &Us) -> String {
    let mut out = String::new();
    // Plain words one after the other are made safe together: each alone might be half an address.
    let mut words = String::new();
    for span in &text.0 {
        if let Span::Plain(more) = span {
            words.push_str(more);
        } else {
            push(&mut out, &escape(&std::mem::take(&mut words), us, Addresses::Linked));
            push(&mut out, &write(span, us));
        }
    }
    push(&mut out, &escape(&words, us, Addresses::Linked));
    out.trim().to_owned()
}

fn write(span: &Span, us: &Us) -> String {
    match span {
        Span::Plain(text) => escape(text, us, Addresses::Linked),
        Span::Bold(text) => match escape(&one_line(text), us, Addresses::Told) {
            words if words.is_empty() => words,
            words => format!("**{words}**"),
        },
        Span::Code(text) => code(text, us),
        Span::Link { label, url } => link(label, url, us),
        // A profile's address would mention them; only their id is known, which is no part of it.
        Span::Person(actor) => escape(&one_line(actor.name.as_deref().unwrap_or(&actor.id)), us, Addresses::Told),
        Span::When(at) => utc(*at),
        Span::Mark(mark) => sign(*mark).to_owned(),
    }
}

fn links(text: &Text, us: &Us) -> Vec<String> {
    let link = |span: &Span| {
        let Span::Link { label, url } = span else { return None };
        Some(link(label, url, us))
    };
    text.0.iter().filter_map(link).collect()
}

fn first_mark(text: &Text) -> Option<Mark> {
    text.0.iter().find_map(|span| {
        let Span::Mark(mark) = span else { return None };
        Some(*mark)
    })
}

/// `2026-11-20 14:05 UTC`
fn utc(at: Timestamp) -> String {
    let text = at.to_rfc3339();
    match text.get(..16) {
        Some(minute) => format!("{} UTC", minute.replace('T', " ")),
        None => text,
    }
}

fn file(name: &str, content: String) -> File {
    let name = file_name(name);
    File { title: name.clone(), name, mime_type: "text/markdown".to_owned(), bytes: content.into() }
}

const fn sign(mark: Mark) -> &'static str {
    match mark {
        Mark::Waiting => "⏳",
        Mark::Working => "🔵",
        Mark::Blocked => "✋",
        Mark::Done => "✅",
        Mark::Failed => "❌",
        Mark::Stopped => "⏹️",
        Mark::Question => "❓",
        Mark::Warning => "⚠️",
        Mark::PullRequest => "🔀",
        Mark::Document => "📄",
        Mark::Picture => "🖼️",
    }
}

const fn action(mark: Mark) -> &'static str {
    match mark {
        Mark::Waiting => "Waiting",
        Mark::Working => "Started",
        Mark::Blocked => "Blocked",
        Mark::Done => "Finished",
        Mark::Failed => "Failed",
        Mark::Stopped => "Stopped",
        Mark::Question => "Asked",
        Mark::Warning => "Warning",
        Mark::PullRequest => "Pull request",
        Mark::Document => "Document",
        Mark::Picture => "Picture",
    }
}

#[cfg(test)]
mod tests;
