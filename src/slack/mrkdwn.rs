//! Slack's mrkdwn, in both directions: safe text out, readable text in.
//!
//! Only `&`, `<` and `>` have to be escaped (<https://docs.slack.dev/messaging/formatting-message-text>);
//! without a raw `<` nobody can be mentioned, no channel linked and nothing forged. The only `<`
//! written here opens a link to an http address. Pure; used by `render.rs` and `inbound.rs`.

use std::fmt::Write as _;

use unicode_segmentation::UnicodeSegmentation;
use url::Url;

/// Longer addresses are shown as text.
const LONGEST_URL: usize = 2_000;

#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\n' | '\t' => escaped.push(character),
            _ if is_unseen_control(character) => {}
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Text from outside for a `plain_text` object, on one line. Slack parses nothing there, and whether it
/// decodes entities is not said, so angle brackets become their likenesses.
#[must_use]
pub fn plain_line(text: &str) -> String {
    let line: String = one_line(text).chars().filter(|character| !is_unseen_control(*character)).collect();
    line.replace('<', "‹").replace('>', "›")
}

/// Slack drops or refuses control characters; those that turn the direction of writing would make
/// people read something else than what stands there.
fn is_unseen_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text from outside as code on one line. A backtick cannot be escaped, so it becomes an apostrophe.
#[must_use]
pub fn code(text: &str) -> String {
    let line = one_line(text).replace('`', "'");
    if line.is_empty() { String::new() } else { format!("`{}`", escape(&line)) }
}

/// A link, or just the label and the address as text when the address is not a plain http one.
#[must_use]
pub fn link(label: &str, url: &str) -> String {
    let label = one_line(label);
    match (http_url(url), label.is_empty()) {
        (Some(url), true) => format!("<{}>", escape(&url)),
        (Some(url), false) => format!("<{}|{}>", escape(&url), escape(&label)),
        (None, true) => escape(url),
        (None, false) => format!("{} ({})", escape(&label), escape(url)),
    }
}

/// The address, if it is http(s) and nothing in it can end a link early.
#[must_use]
pub fn http_url(url: &str) -> Option<String> {
    let url = Url::parse(url.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let url = url.as_str().replace('|', "%7C").replace('<', "%3C").replace('>', "%3E").replace('`', "%60");
    (url.len() <= LONGEST_URL).then_some(url)
}

/// Escapes, and turns bare http addresses into links (Slack does not when a text is `verbatim`).
#[must_use]
pub fn escape_and_link(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("http://").into_iter().chain(rest.find("https://")).min() {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c: char| c.is_whitespace() || "<>\"`|".contains(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        let address = word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}', '\'', '*', '_', '~']);
        out.push_str(&escape(before));
        match http_url(address) {
            Some(url) => {
                let _ = write!(out, "<{}>{}", escape(&url), escape(word.strip_prefix(address).unwrap_or_default()));
            }
            None => out.push_str(&escape(word)),
        }
        rest = after;
    }
    out.push_str(&escape(rest));
    out
}

/// Cuts text that is already mrkdwn to `max` characters: at a line's end if there is one late
/// enough, never inside a character, an entity or a link, and with a code fence closed.
#[must_use]
pub fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    // Room for what closing may add.
    let room = max.saturating_sub(8);
    let mut kept = String::new();
    let mut count = 0;
    for grapheme in text.graphemes(true) {
        count += grapheme.chars().count();
        if count > room {
            break;
        }
        kept.push_str(grapheme);
    }
    for (open, close) in [('<', '>'), ('&', ';')] {
        if let Some(start) = kept.rfind(open)
            && !kept[start..].contains(close)
        {
            kept.truncate(start);
        }
    }
    if let Some(end) = kept.rfind('\n').filter(|&end| end > kept.len() / 2) {
        kept.truncate(end);
    }
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    if kept.matches("```").count() % 2 == 1 {
        kept.push_str("\n```");
    }
    kept
}

/// Cuts plain text to `max` characters.
#[must_use]
pub fn cut_plain(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max.saturating_sub(1)).collect();
    kept.trim_end().to_owned() + "…"
}

/// What a person typed, as Slack encodes it, as readable text: `<@U1|ada>` is `@ada`,
/// `<https://x.example|label>` is `label (https://x.example)`, and entities are themselves again.
#[must_use]
pub fn to_plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, from) = rest.split_at(start);
        out.push_str(&unescape(before));
        let Some(end) = from.find('>') else {
            rest = from;
            break;
        };
        out.push_str(&unescape(&plain_reference(&from[1..end])));
        rest = &from[end + 1..];
    }
    out.push_str(&unescape(rest));
    out
}

/// Takes every `<@us>` and `<@us|name>` out, with the punctuation that follows one at the start.
#[must_use]
pub fn without_mention(text: &str, us: &str) -> String {
    let mention = format!("<@{us}");
    let mut kept = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(&mention) {
        let (before, from) = rest.split_at(start);
        let after = &from[mention.len()..];
        let Some(end) = after.find('>').filter(|_| after.starts_with(['>', '|'])) else {
            kept.push_str(before);
            kept.push_str(&mention);
            rest = after;
            continue;
        };
        kept.push_str(before.trim_end_matches(' '));
        let after = after[end + 1..].trim_start_matches(' ');
        if kept.trim().is_empty() {
            kept.clear();
            rest = after.trim_start_matches([',', ':']).trim_start();
        } else {
            kept.push(' ');
            rest = after;
        }
    }
    kept.push_str(rest);
    kept
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// What stands between `<` and `>`, in words.
fn plain_reference(inner: &str) -> String {
    let (target, label) = match inner.split_once('|') {
        Some((target, label)) => (target, Some(label).filter(|label| !label.is_empty())),
        None => (inner, None),
    };
    let named = |sign: &str, id: &str| format!("{sign}{}", label.unwrap_or(id).trim_start_matches(sign));
    if let Some(user) = target.strip_prefix('@') {
        return named("@", user);
    }
    if let Some(channel) = target.strip_prefix('#') {
        return named("#", channel);
    }
    if let Some(special) = target.strip_prefix('!') {
        return match special.split('^').next() {
            Some("date") => label.unwrap_or_default().to_owned(),
            Some("subteam") => named("@", special.trim_start_matches("subteam^")),
            _ => named("@", special),
        };
    }
    let address = target.strip_prefix("mailto:").or_else(|| target.strip_prefix("tel:")).unwrap_or(target);
    match label {
        // Slack links what looks like an address; the label is what was typed.
        Some(label) if address == label || address.split_once("://").is_some_and(|(_, bare)| bare == label) => {
            label.to_owned()
        }
        Some(label) => format!("{label} ({address})"),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_from_outside_mentions_or_forges() {
        assert_eq!(
            link("a>b|<!here>", "https://x.example/|<!here>"),
            "<https://x.example/%7C%3C!here%3E|a&gt;b|&lt;!here&gt;>"
        );
        assert_eq!(link("x", "slack://open"), "x (slack://open)");
        assert_eq!(code("a`b\nc"), "`a'b c`");
    }

    #[test]
    fn bare_addresses_become_links() {
        assert_eq!(
            escape_and_link("see https://x.example/a_b?c=1&d (or http://y.example)."),
            "see <https://x.example/a_b?c=1&amp;d> (or <http://y.example/>)."
        );
        assert_eq!(escape_and_link("http:// & https://"), "http:// &amp; https://");
    }

    #[test]
    fn what_people_type_becomes_readable() {
        for (slack, plain) in [
            ("<@U1|ada> see <#C1|general> &amp; <#C2|>", "@ada see #general & #C2"),
            ("<@U1> <!here> <!subteam^S1|@devs> <!date^1^{date}|1 May>", "@U1 @here @devs 1 May"),
            ("<https://x.example/a?b=1&amp;c=2>", "https://x.example/a?b=1&c=2"),
            ("<http://next.js|next.js> <https://x.example|the docs>", "next.js the docs (https://x.example)"),
            ("<mailto:a@b.example|a@b.example>", "a@b.example"),
            ("a &lt; b &amp;&amp; c &gt; d, &amp;lt;", "a < b && c > d, &lt;"),
            ("an open < bracket", "an open < bracket"),
        ] {
            assert_eq!(to_plain(slack), plain);
        }
    }

    #[test]
    fn cutting_leaves_no_half_entity_link_or_fence() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("1234567&amp;12345678", 19), "1234567…");
        assert_eq!(cut("see <https://x.example/long> and more", 20), "see…");
        let fenced = cut(&format!("```\n{}\n```", "x\n".repeat(50)), 40);
        assert!(fenced.ends_with("…\n```") && fenced.chars().count() <= 40, "{fenced}");
    }

    /// Everything between `<` and `>` in what we write, as the part before `|`.
    fn references(mrkdwn: &str) -> Vec<&str> {
        mrkdwn.split('<').skip(1).collect()
    }

    proptest! {
        #[test]
        fn cuts_hold_their_limit(text in "[a-z <>&`\n|]{0,400}", max in 10usize..300) {
            let cut = cut(&escape_and_link(&text), max);
            prop_assert!(cut.chars().count() <= max);
            for reference in references(&cut) {
                prop_assert!(reference.starts_with("http") && reference.contains('>'));
            }
        }
    }
}
