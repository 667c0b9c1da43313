//! Agents' words, `CommonMark`, as Markdown that is safe to hand to Linear.
//!
//! What they wrote is read and written anew: the structure stays, and all text in it goes through
//! `text.rs`, so that nothing mentions anybody. Pictures become links, because Linear would fetch
//! them. Pure; used by `render.rs`.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd, TextMergeStream};

use super::text::{Addresses, Us, code, cut_plain, escape, link_to, longest_run, push, unmentioned};

/// More than this is shown nowhere.
const LONGEST_SOURCE: usize = 60_000;
/// What lies deeper is told as plain text.
const DEEPEST: usize = 24;

/// Safe Markdown: one string for each paragraph, list, heading, table or code block.
#[must_use]
pub fn sanitised(markdown: &str, us: &Us) -> Vec<String> {
    let source = cut_plain(markdown, LONGEST_SOURCE);
    let options = Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS;
    let events = TextMergeStream::new(Parser::new_ext(&source, options));
    let mut writer = Writer { events, us, depth: 0, in_link: false, flat: false, in_table: false };
    writer.blocks().into_iter().map(|block| block.text).collect()
}

struct Writer<'a, I> {
    events: I,
    us: &'a Us,
    depth: usize,
    in_link: bool,
    /// Where a line must not break: headings, links, tables.
    flat: bool,
    in_table: bool,
}

struct Block {
    text: String,
    /// A list that may follow words directly.
    is_list: bool,
}

impl Block {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_list: false }
    }
}

impl<'e, I: Iterator<Item = Event<'e>>> Writer<'_, I> {
    /// The blocks up to the end of what holds them.
    fn blocks(&mut self) -> Vec<Block> {
        let mut blocks = Vec::new();
        // A tight list's items hold words without a paragraph around them.
        let mut words = String::new();
        while let Some(event) = self.events.next() {
            match event {
                Event::End(_) => break,
                Event::Start(tag) if is_block(&tag) => {
                    close(&mut blocks, &mut words);
                    blocks.extend(self.deeper(|writer| writer.block(tag)));
                }
                Event::Rule => {
                    close(&mut blocks, &mut words);
                    blocks.push(Block::new("---"));
                }
                event => push(&mut words, &self.inline(event)),
            }
        }
        close(&mut blocks, &mut words);
        blocks
    }

    fn block(&mut self, tag: Tag<'e>) -> Option<Block> {
        if self.depth > DEEPEST {
            let text = self.text_to_end();
            return kept(escape(&text, self.us, Addresses::Linked));
        }
        match tag {
            Tag::Heading { level, .. } => {
                let words = self.on_one_line();
                kept(words.trim()).map(|words| Block::new(format!("{} {}", "#".repeat(rank(level)), words.text)))
            }
            Tag::BlockQuote(_) => {
                let quoted = joined(&self.blocks());
                let lines: Vec<String> = quoted.lines().map(|line| format!("> {line}").trim_end().to_owned()).collect();
                kept(lines.join("\n"))
            }
            Tag::CodeBlock(kind) => Some(self.code_block(&kind)),
            Tag::List(first) => self.list(first),
            Tag::Table(_) => self.table(),
            _ => kept(joined(&self.blocks())),
        }
    }

    fn code_block(&mut self, kind: &CodeBlockKind<'_>) -> Block {
        let text = unmentioned(&self.text_to_end(), self.us);
        let fence = "`".repeat(longest_run(&text, '`').max(2) + 1);
        let language: String = match kind {
            CodeBlockKind::Indented => String::new(),
            CodeBlockKind::Fenced(info) => {
                let name = info.split_whitespace().next().unwrap_or_default();
                name.chars().filter(|c| c.is_ascii_alphanumeric() || "+-#_.".contains(*c)).take(30).collect()
            }
        };
        Block::new(format!("{fence}{language}\n{}\n{fence}", text.trim_end_matches('\n')))
    }

    fn list(&mut self, first: Option<u64>) -> Option<Block> {
        let mut number = first.map(|first| first.min(999_999_000));
        let mut items = Vec::new();
        while let Some(event) = self.events.next() {
            match event {
                Event::End(_) => break,
                Event::Start(_) => {
                    let text = joined(&self.blocks());
                    let marker = match &mut number {
                        Some(number) => {
                            *number += 1;
                            format!("{}. ", *number - 1)
                        }
                        None => "- ".to_owned(),
                    };
                    items.push(format!("{marker}{}", indented(&text, marker.len())));
                }
                _ => {}
            }
        }
        // Only a list that begins at the beginning may follow words directly.
        let follows = first.is_none_or(|first| first == 1);
        kept(items.join("\n")).map(|list| Block { is_list: follows, ..list })
    }

    fn table(&mut self) -> Option<Block> {
        let was = std::mem::replace(&mut self.in_table, true);
        let mut rows: Vec<Vec<String>> = Vec::new();
        while let Some(event) = self.events.next() {
            match event {
                Event::End(TagEnd::Table) => break,
                Event::Start(Tag::TableHead | Tag::TableRow) => rows.push(Vec::new()),
                Event::Start(Tag::TableCell) => {
                    let cell = self.on_one_line();
                    if let Some(row) = rows.last_mut() {
                        row.push(cell.trim().to_owned());
                    }
                }
                _ => {}
            }
        }
        self.in_table = was;
        let columns = rows.first().map_or(0, Vec::len);
        let mut lines: Vec<String> = rows.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
        if columns > 0 {
            lines.insert(1, format!("|{}", " --- |".repeat(columns)));
        }
        kept(lines.join("\n"))
    }

    fn inline(&mut self, event: Event<'e>) -> String {
        match event {
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.words(&text),
            Event::FootnoteReference(name) => self.words(&format!("[{name}]")),
            Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                let text = code(&text, self.us);
                if self.in_table { text.replace('|', "\\|") } else { text }
            }
            Event::SoftBreak | Event::HardBreak if self.flat => " ".to_owned(),
            Event::SoftBreak => "\n".to_owned(),
            Event::HardBreak => "\\\n".to_owned(),
            Event::TaskListMarker(done) => if done { "[x] " } else { "[ ] " }.to_owned(),
            Event::Start(tag) => self.deeper(|writer| writer.span(tag)),
            Event::Rule | Event::End(_) => String::new(),
        }
    }

    fn span(&mut self, tag: Tag<'e>) -> String {
        if self.depth > DEEPEST {
            let text = self.text_to_end();
            return self.words(&text);
        }
        match tag {
            Tag::Emphasis => around(&self.inlines(), "*"),
            Tag::Strong => around(&self.inlines(), "**"),
            Tag::Strikethrough => around(&self.inlines(), "~~"),
            Tag::Link { link_type, dest_url, .. } if !self.in_link => {
                let label = self.label();
                let is_bare = matches!(link_type, LinkType::Autolink | LinkType::Email);
                link_to(if is_bare { "" } else { &label }, &dest_url, self.us)
            }
            Tag::Image { dest_url, .. } if !self.in_link => {
                let label = self.label();
                link_to(if label.trim().is_empty() { "picture" } else { &label }, &dest_url, self.us)
            }
            _ => self.inlines(),
        }
    }

    fn inlines(&mut self) -> String {
        let mut out = String::new();
        while let Some(event) = self.events.next() {
            if matches!(event, Event::End(_)) {
                break;
            }
            push(&mut out, &self.inline(event));
        }
        out
    }

    fn label(&mut self) -> String {
        self.in_link = true;
        let label = self.on_one_line();
        self.in_link = false;
        label
    }

    fn on_one_line(&mut self) -> String {
        let was = std::mem::replace(&mut self.flat, true);
        let words = self.inlines();
        self.flat = was;
        words
    }

    fn words(&self, text: &str) -> String {
        let addresses = if self.in_link { Addresses::Told } else { Addresses::Linked };
        let text = escape(text, self.us, addresses);
        if self.flat { text.replace('\n', " ") } else { text }
    }

    /// The text of all that is inside, without its form.
    fn text_to_end(&mut self) -> String {
        let mut open = 0;
        let mut text = String::new();
        for event in self.events.by_ref() {
            match event {
                Event::Start(_) => open += 1,
                Event::End(_) if open == 0 => break,
                Event::End(_) => open -= 1,
                Event::Text(words) | Event::Code(words) | Event::Html(words) | Event::InlineHtml(words) => {
                    text.push_str(&words);
                }
                Event::SoftBreak | Event::HardBreak => text.push('\n'),
                _ => {}
            }
        }
        text
    }

    fn deeper<T>(&mut self, what: impl FnOnce(&mut Self) -> T) -> T {
        self.depth += 1;
        let done = what(self);
        self.depth -= 1;
        done
    }
}

fn is_block(tag: &Tag<'_>) -> bool {
    !matches!(
        tag,
        Tag::Emphasis
            | Tag::Strong
            | Tag::Strikethrough
            | Tag::Link { .. }
            | Tag::Image { .. }
            | Tag::Superscript
            | Tag::Subscript
    )
}

fn close(blocks: &mut Vec<Block>, words: &mut String) {
    blocks.extend(kept(std::mem::take(words)));
}

fn kept(text: impl Into<String>) -> Option<Block> {
    let text = text.into();
    let text = text.trim_matches('\n').trim_end();
    (!text.trim().is_empty()).then(|| Block::new(text))
}

/// Blocks one after the other; a list follows its item's words directly.
fn joined(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        if !out.is_empty() {
            out.push_str(if block.is_list { "\n" } else { "\n\n" });
        }
        out.push_str(&block.text);
    }
    out
}

fn indented(text: &str, by: usize) -> String {
    let indent = " ".repeat(by);
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |out, line| if line.is_empty() { out + "\n" } else { out + "\n" + &indent + line })
}

/// Signs count only directly before and after words.
fn around(inner: &str, sign: &str) -> String {
    let words = inner.trim();
    if words.is_empty() {
        return inner.to_owned();
    }
    let (before, after) = (inner.len() - inner.trim_start().len(), inner.trim_end().len());
    format!("{}{sign}{words}{sign}{}", &inner[..before], &inner[after..])
}

const fn rank(level: HeadingLevel) -> usize {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn us() -> Us {
        Us::new(&["Baton", "baton"], Some("https://linear.app/acme/profiles/baton"))
    }

    fn markdown(text: &str) -> String {
        sanitised(text, &us()).join("\n\n")
    }

    #[test]
    fn what_is_safe_stays_as_it_is() {
        let source = "# Plan **now**\n\nUse *care*, **force** and ~~luck~~ with `a<b`.\n\n1. one\n2. two\n   - deep\n   - er\n\n\
                      > quoted\n> lines\n>\n> - item\n\n```rust\nlet x = a < b && c;\n```\n\n- [x] done\n- [ ] open\n\n\
                      | a | b |\n| --- | --- |\n| 1 | `x\\|y` |\n\n---\n\n[PR](https://x.example/a_b?c=1&d=2)";
        assert_eq!(markdown(source), source.replace("\n>\n> - item", "\n> - item"));
    }

    #[test]
    fn nothing_mentions_anybody_and_no_picture_is_fetched() {
        for (source, safe) in [
            ("hi @baton and @**baton** and @ada", "hi baton and @\u{2060}**baton** and @\u{2060}ada"),
            ("@ba&#116;on and \\@baton", "baton and baton"),
            ("[me](https://linear.app/acme/profiles/baton)", "me"),
            ("<https://linear.app/acme/profiles/ada> x", "ada x"),
            ("https://linear.app/acme/profiles/baton", "baton"),
            ("![chart](https://e.example/c.png)", "[chart](https://e.example/c.png)"),
            ("![](https://e.example/c.png)", "[picture](https://e.example/c.png)"),
            ("[![alt](https://e.example/c.png)](https://f.example/)", "[alt](https://f.example/)"),
            ("\\![x](https://e.example/c.png)", "\\![x](https://e.example/c.png)"),
            ("!**[x](https://e.example/c.png)**", "!**[x](https://e.example/c.png)**"),
            ("[x](javascript:alert)", "x (javascript:alert)"),
            ("<user id=\"1\">baton</user>", "\\<user id=\"1\">baton\\</user>"),
            ("<div>\n@baton\n</div>", "\\<div>\nbaton\n\\</div>"),
            (
                "```\n@baton @types/node\nhttps://linear.app/acme/profiles/baton\n```",
                "```\nbaton @types/node\nbaton\n```",
            ),
            ("````\n```\n@x\n````", "````\n```\n@x\n````"),
            ("[@baton](https://x.example)", "[baton](https://x.example/)"),
        ] {
            assert_eq!(markdown(source), safe);
        }
    }

    #[test]
    fn depth_is_bounded() {
        for source in [">".repeat(5_000) + " x", "*a ".repeat(5_000) + &" a*".repeat(5_000), "- ".repeat(5_000) + "x"] {
            assert!(markdown(&source).len() < 200_000);
        }
    }

    proptest! {
        #[test]
        fn hostile_markdown_stays_harmless(text in "([ -~\n<>!@#&`|*_\\[\\]()é]{0,40}|@baton|https://linear\\.app/a/profiles/baton|!\\[x\\]\\(https://e\\.example/y\\)|\n\n){0,8}") {
            let safe = markdown(&text);
            for event in Parser::new_ext(&safe, Options::ENABLE_TABLES) {
                let hostile = match &event {
                    Event::Html(_) | Event::InlineHtml(_) | Event::Start(Tag::Image { .. }) => true,
                    Event::Start(Tag::Link { dest_url, .. }) => {
                        !dest_url.starts_with("http") || dest_url.contains("profiles")
                    }
                    _ => false,
                };
                prop_assert!(!hostile, "{event:?} in {safe}");
            }
            prop_assert!(!safe.contains("@baton") && !safe.contains("/profiles/"), "{safe}");
        }
    }
}
