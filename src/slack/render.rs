//! A message of the domain as Slack's blocks, within Slack's limits, and as a text that says the same.
//!
//! Pure. What does not fit is shortened, says so, and is handed back whole as a file: a message that
//! is too long would be refused, and nobody would hear anything. The limits are those of
//! <https://docs.slack.dev/reference/block-kit/blocks>. Called by `deliver.rs`.

use slack_morphism::prelude::{
    SlackBlock, SlackBlockMarkDownText, SlackBlockText, SlackContextBlock, SlackDividerBlock, SlackHeaderBlock,
    SlackSectionBlock,
};

use super::{
    buttons::buttons,
    markdown::from_markdown,
    mrkdwn::{code, cut, cut_plain, escape, escape_and_link, plain_line},
    text::{fallback, item, mrkdwn, plain},
};
use crate::domain::{
    errand::File,
    message::{Block, Message},
};

/// Blocks in a message. Slack takes 50.
const MOST_BLOCKS: usize = 45;
/// Text in all blocks together. Slack refuses somewhere above 11,000 characters and does not say where.
const MOST_TEXT: usize = 9_000;
/// `text` beside the blocks.
const LONGEST_FALLBACK: usize = 4_000;
const LONGEST_HEADER: usize = 150;
const LONGEST_SECTION: usize = 3_000;
/// Somebody's words in a message; what is longer is an excerpt, and the whole a file.
const LONGEST_EXCERPT: usize = 2_600;
/// The same when the message as a whole would be too long.
const SHORT_EXCERPT: usize = 700;
const LONGEST_FIELD: usize = 2_000;
const MOST_FIELDS: usize = 10;
/// Kept free for the line that says that the message is shortened.
const NOTICE_ROOM: usize = 200;

const WHOLE: &str = "whole-message.txt";

#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// Says what the blocks say, for notifications and screen readers. Never empty.
    pub text: String,
    pub blocks: Vec<SlackBlock>,
    /// What the blocks show only a part of, whole. Titles are names until delivery makes them unique.
    pub overflow: Vec<File>,
}

impl Rendered {
    /// The text alone, for when Slack does not take the blocks.
    #[must_use]
    pub fn without_blocks(&self) -> Self {
        Self { text: self.text.clone(), blocks: Vec::new(), overflow: self.overflow.clone() }
    }
}

/// For a post, which files can follow.
#[must_use]
pub fn message(message: &Message) -> Rendered {
    render(message, Overflow::Files)
}

/// For an edit or a private answer, which no file follows.
#[must_use]
pub fn without_files(message: &Message) -> Rendered {
    render(message, Overflow::Dropped)
}

/// What becomes of what does not fit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Overflow {
    Files,
    Dropped,
}

fn render(message: &Message, files: Overflow) -> Rendered {
    let buttons = buttons(&message.buttons);
    let mut sheet = Sheet::lay_out(message, LONGEST_EXCERPT, files);
    if !sheet.fits_beside(&buttons) {
        sheet = Sheet::lay_out(message, SHORT_EXCERPT, files);
    }
    let mut overflow = std::mem::take(&mut sheet.files);
    let (mut blocks, complete) = sheet.into_blocks_beside(&buttons);
    if !complete && files == Overflow::Files {
        blocks.push(note(&format!("This is shortened; the whole message is in the file `{WHOLE}`.")));
        overflow.push(file(WHOLE, "text/plain", plain(message)));
    } else if !complete {
        blocks.push(note("This is shortened: there is more than fits into a message."));
    }
    blocks.extend(buttons.into_iter().map(|(block, _)| block));
    let text = cut(fallback(message).trim(), LONGEST_FALLBACK);
    let text = if text.is_empty() { "Baton has news.".to_owned() } else { text };
    Rendered { text, blocks, overflow }
}

/// Blocks in the making, each with the length of its text.
struct Sheet {
    excerpt: usize,
    overflow: Overflow,
    blocks: Vec<(SlackBlock, usize)>,
    files: Vec<File>,
    /// Something other than an agent's words was cut.
    shortened: bool,
}

impl Sheet {
    fn lay_out(message: &Message, excerpt: usize, overflow: Overflow) -> Self {
        let mut sheet = Self { excerpt, overflow, blocks: Vec::new(), files: Vec::new(), shortened: false };
        for block in &message.blocks {
            sheet.lay(block);
        }
        sheet
    }

    fn lay(&mut self, block: &Block) {
        match block {
            Block::Heading(text) => self.heading(text),
            Block::Line(text) => self.section(&mrkdwn(text), LONGEST_SECTION),
            Block::List(items) => {
                let lines: Vec<String> = items.iter().map(item).collect();
                self.lines(&lines);
            }
            Block::Facts(facts) => {
                let fields: Vec<String> =
                    facts.iter().map(|(label, value)| format!("*{}*\n{}", escape(label), mrkdwn(value))).collect();
                fields.chunks(MOST_FIELDS).for_each(|fields| self.fields(fields));
            }
            Block::Quote(words) => {
                let quoted: Vec<String> =
                    words.trim().lines().map(|line| format!(">{}", escape_and_link(line))).collect();
                self.section(&quoted.join("\n"), self.excerpt);
            }
            Block::Markdown { text, file } => self.markdown(text, file),
            Block::Note(text) => {
                let text = self.fitted(&mrkdwn(text), LONGEST_FIELD);
                if !text.is_empty() {
                    let length = text.chars().count();
                    self.blocks.push((note(&text), length));
                }
            }
            Block::Divider => self.blocks.push((SlackDividerBlock::new().into(), 0)),
        }
    }

    fn heading(&mut self, text: &str) {
        let whole = plain_line(text);
        let line = cut_plain(&whole, LONGEST_HEADER);
        self.shortened |= line.len() < whole.len();
        if !line.is_empty() {
            let length = line.chars().count();
            self.blocks.push((SlackHeaderBlock::new(line.into()).into(), length));
        }
    }

    fn section(&mut self, text: &str, longest: usize) {
        let text = self.fitted(text, longest);
        if !text.is_empty() {
            let length = text.chars().count();
            let section = SlackSectionBlock::new().with_text(verbatim(text)).with_expand(true);
            self.blocks.push((section.into(), length));
        }
    }

    /// One line each, in as few sections as hold them.
    fn lines(&mut self, lines: &[String]) {
        let mut section = String::new();
        for line in lines {
            let line = self.fitted(line, LONGEST_SECTION);
            if !section.is_empty() && section.chars().count() + 1 + line.chars().count() > LONGEST_SECTION {
                self.section(&std::mem::take(&mut section), LONGEST_SECTION);
            }
            if !section.is_empty() {
                section.push('\n');
            }
            section.push_str(&line);
        }
        self.section(&section, LONGEST_SECTION);
    }

    fn fields(&mut self, fields: &[String]) {
        let fields: Vec<String> = fields.iter().map(|field| self.fitted(field, LONGEST_FIELD)).collect();
        let length = fields.iter().map(|field| field.chars().count()).sum();
        let fields = fields.into_iter().map(verbatim).collect();
        self.blocks.push((SlackSectionBlock::new().with_fields(fields).into(), length));
    }

    fn markdown(&mut self, source: &str, name: &str) {
        let pieces = from_markdown(source);
        let whole = pieces.join("\n\n");
        if whole.chars().count() <= self.excerpt {
            self.section(&whole, self.excerpt);
            return;
        }
        let file = file(name, "text/markdown", source.to_owned());
        let notice = match self.overflow {
            Overflow::Files => format!("\n\n_The rest is in the file_ {}", code(&file.name)),
            Overflow::Dropped => "\n\n_This is shortened._".to_owned(),
        };
        let room = self.excerpt.saturating_sub(notice.chars().count());
        self.section(&(excerpt(&pieces, room) + &notice), LONGEST_SECTION);
        if self.overflow == Overflow::Files {
            self.files.push(file);
        }
    }

    fn fitted(&mut self, text: &str, longest: usize) -> String {
        let fitted = cut(text.trim_end(), longest);
        self.shortened |= fitted.len() < text.trim_end().len();
        fitted
    }

    fn fits_beside(&self, buttons: &[(SlackBlock, usize)]) -> bool {
        let text: usize = self.blocks.iter().chain(buttons).map(|(_, length)| length).sum();
        text + NOTICE_ROOM <= MOST_TEXT && self.blocks.len() + buttons.len() < MOST_BLOCKS
    }

    /// The blocks that there is room for, and whether those are all, uncut.
    fn into_blocks_beside(self, buttons: &[(SlackBlock, usize)]) -> (Vec<SlackBlock>, bool) {
        let mut text_room = MOST_TEXT - NOTICE_ROOM;
        let mut block_room = MOST_BLOCKS - 1;
        for (_, length) in buttons {
            text_room = text_room.saturating_sub(*length);
            block_room = block_room.saturating_sub(1);
        }
        let all = self.blocks.len();
        let mut kept = Vec::new();
        for (block, length) in self.blocks {
            if kept.len() == block_room || length > text_room {
                break;
            }
            text_room -= length;
            kept.push(block);
        }
        let complete = kept.len() == all && !self.shortened;
        (kept, complete)
    }
}

/// The first paragraphs that fit into `room`, the first one cut if even that does not.
fn excerpt(pieces: &[String], room: usize) -> String {
    let mut kept = String::new();
    for piece in pieces {
        if kept.chars().count() + 2 + piece.chars().count() > room {
            break;
        }
        if !kept.is_empty() {
            kept.push_str("\n\n");
        }
        kept.push_str(piece);
    }
    if kept.is_empty() { pieces.first().map_or_else(String::new, |piece| cut(piece, room)) } else { kept }
}

fn note(text: &str) -> SlackBlock {
    let text = SlackBlockMarkDownText::new(text.to_owned()).with_verbatim(true);
    SlackContextBlock::new(vec![text.into()]).into()
}

/// `verbatim` keeps Slack from making mentions and links out of plain words.
fn verbatim(text: String) -> SlackBlockText {
    SlackBlockMarkDownText::new(text).with_verbatim(true).into()
}

fn file(name: &str, mime_type: &str, content: String) -> File {
    let name: String = name.chars().filter(|c| !c.is_control() && !"/\\:".contains(*c)).collect();
    let name = cut_plain(name.trim(), 100);
    let name = if name.is_empty() { "text.md".to_owned() } else { name };
    File { title: name.clone(), name, mime_type: mime_type.to_owned(), bytes: content.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::{
        actor::Actor,
        message::{Button, ButtonStyle, Mark, Press, Span, Text},
    };

    fn shown(given: &Message) -> Value {
        serde_json::to_value(message(given).blocks).expect("JSON")
    }

    fn button(press: Press, value: &str) -> Button {
        Button { press, label: press.as_str().into(), style: ButtonStyle::Danger, value: value.into(), confirm: None }
    }

    #[test]
    fn blocks_of_each_sort() {
        let shown = shown(
            &Message::default()
                .with(Block::Heading("Fish & chips".into()))
                .with(Block::Line(Text::plain("one")))
                .with(Block::List(vec![Text::default().mark(Mark::Done).then("a"), Text::plain("b")]))
                .with(Block::Facts(vec![("Model".into(), Text::plain("auto"))]))
                .with(Block::Quote("x\n<y>".into()))
                .with(Block::Markdown { text: "**bold**".into(), file: "plan.md".into() })
                .with(Block::Divider)
                .with(Block::Note(Text::plain("small"))),
        );
        let mrkdwn = |text: &str| json!({"type": "mrkdwn", "text": text, "verbatim": true});
        let section = |text: &str| json!({"type": "section", "text": mrkdwn(text), "expand": true});
        let expected = json!([
            {"type": "header", "text": {"type": "plain_text", "text": "Fish & chips"}},
            section("one"),
            section(":white_check_mark: a\n• b"),
            {"type": "section", "fields": [mrkdwn("*Model*\nauto")]},
            section(">x\n>&lt;y&gt;"),
            section("*bold*"),
            {"type": "divider"},
            {"type": "context", "elements": [mrkdwn("small")]},
        ]);
        assert_eq!(shown, expected);
    }

    #[test]
    fn words_too_long_for_a_message_are_an_excerpt_and_a_file() {
        let text = "A paragraph of some words.\n\n".repeat(200);
        let long = Message::default().with(Block::Markdown { text: text.clone(), file: "a/plan.md".into() });
        let rendered = message(&long);
        assert_eq!(rendered.overflow.len(), 1);
        assert_eq!((rendered.overflow[0].name.as_str(), &rendered.overflow[0].bytes), ("aplan.md", &text.into()));
        let shown = serde_json::to_string(&rendered.blocks).expect("JSON");
        assert!(shown.contains("The rest is in the file_ `aplan.md`"), "{shown}");
        let edited = without_files(&long);
        assert!(edited.overflow.is_empty());
        assert!(serde_json::to_string(&edited.blocks).expect("JSON").contains("This is shortened"));
    }

    #[test]
    fn a_message_too_long_as_a_whole_is_shortened_and_a_file() {
        let lines =
            (0..80).fold(Message::default(), |message, n| message.with(Block::Line(Text::plain(format!("line {n}")))));
        let rendered = message(&lines.button(button(Press::Stop, "o1")));
        assert_eq!(rendered.blocks.len(), MOST_BLOCKS);
        assert!(matches!(rendered.blocks.last(), Some(SlackBlock::Actions(_))));
        assert_eq!(rendered.overflow[0].name, WHOLE);
        assert!(String::from_utf8_lossy(&rendered.overflow[0].bytes).contains("line 79"));

        let agents = (0..5).fold(Message::default(), |message, n| {
            message
                .with(Block::Markdown { text: format!("{}\n\n", "w".repeat(60)).repeat(41), file: format!("{n}.md") })
        });
        let rendered = message(&agents);
        assert_eq!((rendered.blocks.len(), rendered.overflow.len()), (5, 5));
    }

    #[test]
    fn an_empty_message_still_says_something() {
        assert_eq!(message(&Message::default()).text, "Baton has news.");
    }

    fn outside() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ -~\n<>!@#&`|*]{0,80}",
            Just("<!channel> <@U1> <#C1> <https://x.example|y>".to_owned()),
            Just("`<!here>```".repeat(300)),
            Just("word & word\n\n".repeat(900)),
        ]
    }

    fn span() -> impl Strategy<Value = Span> {
        prop_oneof![
            outside().prop_map(Span::Plain),
            outside().prop_map(Span::Bold),
            outside().prop_map(Span::Code),
            (outside(), outside()).prop_map(|(label, url)| Span::Link { label, url }),
            outside().prop_map(|id| Span::Person(Actor::slack("T1", id))),
        ]
    }

    fn block() -> impl Strategy<Value = Block> {
        let text = || prop::collection::vec(span(), 0..4).prop_map(Text);
        prop_oneof![
            outside().prop_map(Block::Heading),
            text().prop_map(Block::Line),
            prop::collection::vec(text(), 0..12).prop_map(Block::List),
            prop::collection::vec((outside(), text()), 0..12).prop_map(Block::Facts),
            outside().prop_map(Block::Quote),
            (outside(), outside()).prop_map(|(text, file)| Block::Markdown { text, file }),
            text().prop_map(Block::Note),
            Just(Block::Divider),
        ]
    }

    /// Every text in the blocks, with whether it is mrkdwn.
    fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(key, value)| match value {
                Value::String(text) if key == "text" => found.push(text),
                other => texts(other, found),
            }),
            Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
            _ => {}
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn hostile_text_neither_mentions_nor_breaks_a_limit(
            blocks in prop::collection::vec(block(), 0..70),
            labels in prop::collection::vec(outside(), 0..4),
        ) {
            let mut given = Message::of(blocks);
            for label in labels {
                given = given.button(Button { label, ..button(Press::RetryChild, "o1/c1") });
            }
            let rendered = message(&given);
            prop_assert!(!rendered.text.trim().is_empty());
            prop_assert!(rendered.text.chars().count() <= LONGEST_FALLBACK);
            prop_assert!(rendered.blocks.len() <= MOST_BLOCKS);
            let blocks = serde_json::to_value(&rendered.blocks).expect("JSON");
            let mut all = Vec::new();
            texts(&blocks, &mut all);
            prop_assert!(all.iter().map(|text| text.chars().count()).sum::<usize>() <= MOST_TEXT);
            for text in all.into_iter().chain([rendered.text.as_str()]) {
                prop_assert!(text.chars().count() <= LONGEST_SECTION || text == rendered.text);
                for opened in text.split('<').skip(1) {
                    prop_assert!(opened.starts_with("http") && opened.contains('>'), "<{opened}");
                }
            }
            for block in blocks.as_array().expect("a list") {
                for text in block.pointer("/text/text").into_iter().filter_map(Value::as_str) {
                    prop_assert!(!text.is_empty());
                    prop_assert!(block["type"] != "header" || text.chars().count() <= LONGEST_HEADER);
                }
            }
        }
    }
}
