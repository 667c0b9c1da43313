//! Spans of the domain's messages as mrkdwn, and whole messages as text without blocks.
//!
//! Pure. Text from outside is escaped here and nowhere else on its way out. Used by `render.rs`.

use std::fmt::Write as _;

use super::mrkdwn::{code, escape, link};
use crate::{
    domain::{
        actor::{Actor, Platform},
        message::{Block, Button, Mark, Message, Press, Span, Text},
    },
    time::Timestamp,
};

/// A line for a block.
#[must_use]
pub fn mrkdwn(text: &Text) -> String {
    text.0.iter().map(|span| write(span, Form::Block)).collect()
}

/// A list's item: its sign is its bullet, if it has one.
#[must_use]
pub fn item(text: &Text) -> String {
    let bullet = if matches!(text.0.first(), Some(Span::Mark(_))) { "" } else { "• " };
    format!("{bullet}{}", mrkdwn(text).replace('\n', " "))
}

/// All that the blocks and buttons say, in plain words, as mrkdwn.
#[must_use]
pub fn fallback(message: &Message) -> String {
    whole(message, Form::Fallback)
}

/// The same for a file, without any markup of Slack's.
#[must_use]
pub fn plain(message: &Message) -> String {
    whole(message, Form::File)
}

/// Where a text goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Block,
    /// The message's `text`: mrkdwn too, but read aloud.
    Fallback,
    File,
}

impl Form {
    fn outside(self, text: &str) -> String {
        match self {
            Self::Block | Self::Fallback => escape(text),
            Self::File => text.to_owned(),
        }
    }
}

fn whole(message: &Message, form: Form) -> String {
    let line = |text: &Text| text.0.iter().map(|span| write(span, form)).collect::<String>();
    let mut out = String::new();
    for block in &message.blocks {
        match block {
            Block::Heading(text) => out.push_str(&form.outside(text)),
            Block::Line(text) | Block::Note(text) => out.push_str(&line(text)),
            Block::List(items) => {
                let items: Vec<String> = items.iter().map(|item| format!("• {}", line(item))).collect();
                out.push_str(&items.join("\n"));
            }
            Block::Facts(facts) => {
                let facts: Vec<String> =
                    facts.iter().map(|(label, value)| format!("{}: {}", form.outside(label), line(value))).collect();
                out.push_str(&facts.join("\n"));
            }
            Block::Quote(text) | Block::Markdown { text, .. } => out.push_str(&form.outside(text.trim())),
            Block::Divider => continue,
        }
        out.push('\n');
    }
    out.push_str(&offered(&message.buttons, form));
    out
}

/// What can be clicked: the decisions by their names, the links with where they lead.
fn offered(buttons: &[Button], form: Form) -> String {
    let mut out = String::new();
    let (links, choices): (Vec<&Button>, Vec<&Button>) = buttons.iter().partition(|button| button.press == Press::Open);
    for button in links {
        let _ = writeln!(out, "{}: {}", form.outside(&button.label), form.outside(&button.value));
    }
    if !choices.is_empty() {
        let labels: Vec<String> = choices.iter().map(|button| form.outside(&button.label)).collect();
        let _ = writeln!(out, "Buttons: {}", labels.join(", "));
    }
    out
}

fn write(span: &Span, form: Form) -> String {
    match (span, form) {
        (Span::Bold(text), Form::Block) => bold(text),
        (Span::Code(text), Form::Block) => code(text),
        (Span::Plain(text) | Span::Bold(text) | Span::Code(text), _) => form.outside(text),
        (Span::Link { label, url }, Form::Block | Form::Fallback) => link(label, url),
        (Span::Link { label, url }, Form::File) => format!("{label} ({url})"),
        (Span::Person(actor), _) => person(actor, form),
        (Span::When(at), Form::Block) => date(*at),
        (Span::When(at), Form::Fallback | Form::File) => utc(*at),
        (Span::Mark(mark), Form::Block) => format!(":{}: ", shortcode(*mark)),
        (Span::Mark(mark), Form::Fallback | Form::File) => format!("[{}] ", word(*mark)),
    }
}

fn bold(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() { String::new() } else { format!("*{}*", escape(&line)) }
}

/// Mentions those who are in Slack; others by name.
fn person(actor: &Actor, form: Form) -> String {
    let is_slack_id =
        actor.id.starts_with(['U', 'W']) && actor.id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if actor.platform == Platform::Slack && is_slack_id && form != Form::File {
        return format!("<@{}>", actor.id);
    }
    form.outside(actor.name.as_deref().unwrap_or(&actor.id))
}

/// <https://docs.slack.dev/messaging/formatting-message-text#date-formatting>
fn date(at: Timestamp) -> String {
    format!("<!date^{}^{{date_short_pretty}} at {{time}}|{}>", at.as_secs(), utc(at))
}

/// `2026-11-20 14:05 UTC`
fn utc(at: Timestamp) -> String {
    let text = at.to_rfc3339();
    match text.get(..16) {
        Some(minute) => format!("{} UTC", minute.replace('T', " ")),
        None => text,
    }
}

const fn shortcode(mark: Mark) -> &'static str {
    match mark {
        Mark::Waiting => "hourglass_flowing_sand",
        Mark::Working => "large_blue_circle",
        Mark::Blocked => "raised_hand",
        Mark::Done => "white_check_mark",
        Mark::Failed => "x",
        Mark::Stopped => "black_square_for_stop",
        Mark::Question => "question",
        Mark::Warning => "warning",
        Mark::PullRequest => "twisted_rightwards_arrows",
        Mark::Document => "page_facing_up",
        Mark::Picture => "frame_with_picture",
    }
}

const fn word(mark: Mark) -> &'static str {
    match mark {
        Mark::Waiting => "waiting",
        Mark::Working => "working",
        Mark::Blocked => "blocked",
        Mark::Done => "done",
        Mark::Failed => "failed",
        Mark::Stopped => "stopped",
        Mark::Question => "question",
        Mark::Warning => "warning",
        Mark::PullRequest => "pull request",
        Mark::Document => "document",
        Mark::Picture => "picture",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::message::ButtonStyle;

    #[test]
    fn spans_in_a_block() {
        let text = Text::default()
            .mark(Mark::Done)
            .bold("pkg <a>")
            .then(" by ")
            .person(&Actor::slack("T1", "U1"))
            .then(" at ")
            .when(Timestamp::from_secs(1_700_000_000))
            .then(", ")
            .code("a`b")
            .then(" ")
            .link("PR 1", "https://x.example/1?a=1&b=2");
        assert_eq!(
            mrkdwn(&text),
            ":white_check_mark: *pkg &lt;a&gt;* by <@U1> at \
             <!date^1700000000^{date_short_pretty} at {time}|2023-11-14 22:13 UTC>, `a'b` \
             <https://x.example/1?a=1&amp;b=2|PR 1>"
        );
    }

    #[test]
    fn people_who_are_not_in_slack_are_named() {
        let linear = Actor { name: Some("Ada <3".into()), ..Actor::linear("L", "9c3e") };
        assert_eq!(mrkdwn(&Text::default().person(&linear)), "Ada &lt;3");
        assert_eq!(mrkdwn(&Text::default().person(&Actor::slack("T1", "U1> <!channel"))), "U1&gt; &lt;!channel");
    }

    #[test]
    fn the_text_says_what_blocks_and_buttons_say() {
        let button = |press: Press, label: &str, value: &str| Button {
            press,
            label: label.into(),
            style: ButtonStyle::Plain,
            value: value.into(),
            confirm: None,
        };
        let message = Message::default()
            .with(Block::Heading("Migrate".into()))
            .with(Block::List(vec![Text::default().mark(Mark::Failed).bold("pkg-a")]))
            .with(Block::Facts(vec![("Digest".into(), Text::default().code("9f86"))]))
            .with(Block::Divider)
            .with(Block::Quote("do <!here> it".into()))
            .button(button(Press::Approve, "Approve", "o1"))
            .button(button(Press::Reject, "Reject", "o1"))
            .button(button(Press::Open, "Open run", "https://x.example"));
        assert_eq!(
            fallback(&message),
            "Migrate\n• [failed] pkg-a\nDigest: 9f86\ndo &lt;!here&gt; it\nOpen run: https://x.example\nButtons: Approve, Reject\n"
        );
        assert!(plain(&message).contains("do <!here> it"));
    }
}
