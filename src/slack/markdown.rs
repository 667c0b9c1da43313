//! Agents' words, `CommonMark`, as Slack's mrkdwn.
//!
//! Everything is escaped by `mrkdwn.rs`; markup that mrkdwn does not have (tables, nested lists,
//! task lists) is written so that it still reads well. Pure; used by `render.rs`.

use std::fmt::Write as _;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, TextMergeStream};

use super::mrkdwn::{code, escape, escape_and_link, http_url};

/// `CommonMark` as mrkdwn: one string for each paragraph, list, heading or code block.
#[must_use]
pub fn from_markdown(markdown: &str) -> Vec<String> {
    let options = Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS;
    let mut writer = Writer::default();
    for event in TextMergeStream::new(Parser::new_ext(markdown, options)) {
        writer.take(event);
    }
    writer.pieces
}

/// Collects mrkdwn from `CommonMark` events.
#[derive(Default)]
struct Writer {
    pieces: Vec<String>,
    /// The piece being written.
    out: String,
    depth: usize,
    /// The next number of each list that is open; none for bullets.
    lists: Vec<Option<u64>>,
    /// Where each open quote begins in `out`.
    quotes: Vec<usize>,
    /// An open link: its address and where its label begins in `out`.
    link: Option<(String, usize)>,
    in_code: bool,
    in_heading: bool,
}

impl Writer {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => {
                self.depth += 1;
                self.start(tag);
            }
            Event::End(tag) => {
                self.end(tag);
                self.depth = self.depth.saturating_sub(1);
            }
            Event::Text(text) => self.text(&text),
            Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) if self.link.is_some() => {
                self.out.push_str(&escape(&text));
            }
            Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => self.out.push_str(&code(&text)),
            Event::Html(html) | Event::InlineHtml(html) => self.out.push_str(&escape(&html)),
            Event::FootnoteReference(name) => self.out.push_str(&escape(&name)),
            Event::SoftBreak | Event::HardBreak => self.out.push(if self.link.is_some() { ' ' } else { '\n' }),
            Event::Rule => {
                self.fresh_line();
                self.out.push_str("———");
            }
            Event::TaskListMarker(done) => self.out.push_str(if done { "☑ " } else { "☐ " }),
        }
        if self.depth == 0 {
            let piece = std::mem::take(&mut self.out);
            if !piece.trim().is_empty() {
                self.pieces.push(piece.trim_end().to_owned());
            }
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph if self.lists.is_empty() => self.fresh_line(),
            Tag::Heading { .. } => {
                self.fresh_line();
                self.in_heading = true;
                self.out.push('*');
            }
            Tag::BlockQuote(_) => {
                self.fresh_line();
                self.quotes.push(self.out.len());
            }
            Tag::CodeBlock(_) => {
                self.fresh_line();
                self.out.push_str("```\n");
                self.in_code = true;
            }
            Tag::List(first) => self.lists.push(first),
            Tag::Item => self.bullet(),
            Tag::TableHead | Tag::TableRow => self.fresh_line(),
            Tag::Emphasis => self.out.push('_'),
            Tag::Strong if !self.in_heading => self.out.push('*'),
            Tag::Strikethrough => self.out.push('~'),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } if self.link.is_none() => {
                self.link = Some((dest_url.into_string(), self.out.len()));
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                self.in_heading = false;
                self.out.push('*');
            }
            TagEnd::BlockQuote(_) => self.quote(),
            TagEnd::CodeBlock => {
                self.fresh_line();
                self.out.push_str("```");
                self.in_code = false;
            }
            TagEnd::List(_) => {
                self.lists.pop();
            }
            TagEnd::TableCell => self.out.push_str(" | "),
            TagEnd::Emphasis => self.out.push('_'),
            TagEnd::Strong if !self.in_heading => self.out.push('*'),
            TagEnd::Strikethrough => self.out.push('~'),
            TagEnd::Link | TagEnd::Image => self.close_link(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        let text = if self.in_code {
            escape(&text.replace("```", "'''"))
        } else if self.link.is_some() {
            escape(text)
        } else {
            escape_and_link(text)
        };
        self.out.push_str(&text);
    }

    fn bullet(&mut self) {
        self.fresh_line();
        self.out.push_str(&"    ".repeat(self.lists.len().saturating_sub(1).min(8)));
        match self.lists.last_mut() {
            Some(Some(number)) => {
                let _ = write!(self.out, "{number}. ");
                *number = number.saturating_add(1);
            }
            _ => self.out.push_str("• "),
        }
    }

    fn quote(&mut self) {
        let Some(start) = self.quotes.pop() else { return };
        let quoted = self.out.split_off(start.min(self.out.len()));
        let lines: Vec<String> = quoted.trim().lines().map(|line| format!(">{line}")).collect();
        self.out.push_str(&lines.join("\n"));
    }

    fn close_link(&mut self) {
        let Some((url, start)) = self.link.take() else { return };
        let label = self.out.split_off(start.min(self.out.len()));
        // The label has been escaped already.
        match http_url(&url) {
            Some(url) if label.trim().is_empty() => {
                let _ = write!(self.out, "<{}>", escape(&url));
            }
            Some(url) => {
                let _ = write!(self.out, "<{}|{}>", escape(&url), label.trim());
            }
            None if url.is_empty() => self.out.push_str(&label),
            None => {
                let _ = write!(self.out, "{label} ({})", escape(&url));
            }
        }
    }

    fn fresh_line(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn markdown(text: &str) -> String {
        from_markdown(text).join("\n\n")
    }

    #[test]
    fn agents_markdown_reads_well_in_slack() {
        let source = "# Plan **now**\n\nUse *care*, **force** and ~~luck~~ with `a<b`.\n\n1. one\n2. two\n   - deep\n\n\
                      > quoted\n> lines\n\n```rust\nlet x = a < b && c;\n```\n\n- [x] done\n\n[PR](https://x.example/a_b?c=1&d=2)";
        insta::assert_snapshot!(markdown(source), @r"
        *Plan now*

        Use _care_, *force* and ~luck~ with `a&lt;b`.

        1. one
        2. two
            • deep

        >quoted
        >lines

        ```
        let x = a &lt; b &amp;&amp; c;
        ```

        • ☑ done

        <https://x.example/a_b?c=1&amp;d=2|PR>
        ");
    }

    #[test]
    fn tables_become_lines() {
        assert_eq!(markdown("| a | b |\n|---|---|\n| 1 | 2 |"), "a | b | \n1 | 2 |");
    }

    #[test]
    fn nothing_from_outside_mentions_or_forges() {
        assert_eq!(markdown("hi <!channel> and <@U1>"), "hi &lt;!channel&gt; and &lt;@U1&gt;");
        assert_eq!(markdown("[x](javascript:alert)"), "x (javascript:alert)");
        assert_eq!(markdown("````\n```\n<!here>\n````"), "```\n'''\n&lt;!here&gt;\n```");
    }

    proptest! {
        #[test]
        fn hostile_markdown_only_ever_makes_http_links(text in "[ -~\n<>!@#&`|*_\\[\\]()é]{0,200}") {
            for reference in markdown(&text).split('<').skip(1) {
                prop_assert!(reference.starts_with("http"), "{reference}");
                prop_assert!(reference.contains('>'), "{reference}");
            }
        }
    }
}
