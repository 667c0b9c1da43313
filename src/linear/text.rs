//! Text from outside, made safe for Linear's Markdown: nothing in it is markup, mentions anybody or
//! leads elsewhere than it says.
//!
//! A mention of ourselves would open a new agent session, which answers itself without end; a profile's
//! address is a mention too (<https://linear.app/developers/agent-interaction>). Pure; used by
//! `render.rs` and `markdown.rs`.

use unicode_segmentation::UnicodeSegmentation;
use url::Url;

/// Longer addresses are shown as text.
const LONGEST_URL: usize = 2_000;
/// Keeps an `@` from meaning somebody. It has no width.
const JOINER: char = '\u{2060}';
/// Where an address may begin.
const STARTS: [&str; 4] = ["http://", "https://", "linear://", "linear.app"];

/// How we are called, and where our profile is: what must never stand in what we write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Us {
    /// In small letters, none empty.
    names: Vec<String>,
    /// In small letters, with the host's.
    profile: Option<(String, String)>,
}

impl Us {
    #[must_use]
    pub fn new(names: &[&str], profile: Option<&str>) -> Self {
        let mut all: Vec<String> = names.iter().map(|name| name.trim().to_lowercase()).collect();
        all.extend(names.iter().map(|name| name.split_whitespace().collect::<String>().to_lowercase()));
        all.retain(|name| !name.is_empty());
        let profile = profile.and_then(|profile| {
            let url = Url::parse(profile).ok()?;
            Some((profile.trim_end_matches('/').to_lowercase(), url.host_str()?.to_owned()))
        });
        Self { names: all, profile }
    }

    /// Whether `text` begins with a name of ours, in any letters.
    fn begins(&self, text: &str) -> bool {
        self.names.iter().any(|name| {
            let mut text = text.chars().flat_map(char::to_lowercase);
            name.chars().all(|wanted| text.next() == Some(wanted))
        })
    }

    /// Whether an address is somebody's profile, however it is written.
    fn is_profile(&self, address: &str) -> bool {
        let parsed = Url::parse(address).map(String::from).unwrap_or_default();
        [address, parsed.as_str()].iter().any(|address| {
            let address = decoded(address).to_lowercase().replace('\\', "/");
            let host = self.profile.as_ref().map(|(_, host)| host.as_str());
            let is_linears = address.contains("linear") || host.is_some_and(|host| address.contains(host));
            (is_linears && address.contains("/profiles"))
                || self.profile.as_ref().is_some_and(|(profile, _)| address.contains(profile.as_str()))
        })
    }
}

/// What becomes of bare addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    Linked,
    /// As text: within a link there are no others.
    Told,
}

/// Text as Markdown that shows just that.
#[must_use]
pub fn escape(text: &str, us: &Us, addresses: Addresses) -> String {
    let text = visible(text);
    let mut out = String::with_capacity(text.len());
    for part in parts(&text) {
        match part {
            Part::Words(words) => escape_words(&mut out, words, us),
            Part::Address(address) if us.is_profile(address) => escape_words(&mut out, &profile_name(address), us),
            Part::Address(address) => match http_url(address, us).filter(|_| addresses == Addresses::Linked) {
                Some(url) => out.extend(["<", &url, ">"]),
                None => escape_words(&mut out, address, us),
            },
        }
    }
    out
}

/// The same on one line.
#[must_use]
pub fn line(text: &str, us: &Us) -> String {
    escape(&one_line(text), us, Addresses::Linked)
}

/// Text for where Linear may or may not read Markdown (titles, labels, rows of the plan): on one line,
/// without backslashes, and still mentioning and linking nothing.
#[must_use]
pub fn plain(text: &str, us: &Us) -> String {
    let text = one_line(&visible(text));
    let mut out = String::with_capacity(text.len());
    for part in parts(&text) {
        match part {
            Part::Address(address) if us.is_profile(address) => {
                push_words(&mut out, &profile_name(address), us, In::Plain);
            }
            Part::Words(words) | Part::Address(words) => push_words(&mut out, words, us, In::Plain),
        }
    }
    out.replace("](", "] (").replace('<', "‹").replace('>', "›")
}

/// Text as code on one line; a fence that is longer than any within keeps it together.
#[must_use]
pub fn code(text: &str, us: &Us) -> String {
    let line = one_line(&unmentioned(text, us));
    if line.is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(&line, '`') + 1);
    let pad = if line.starts_with('`') || line.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{line}{pad}{fence}")
}

/// A link, or just the label, with the address as text when it is not a plain http one.
#[must_use]
pub fn link(label: &str, url: &str, us: &Us) -> String {
    link_to(&escape(&one_line(label), us, Addresses::Told), url, us)
}

/// The same with a label that is Markdown already.
#[must_use]
pub fn link_to(label: &str, url: &str, us: &Us) -> String {
    let label = label.trim();
    if us.is_profile(url) {
        return if label.is_empty() { escape(&profile_name(url), us, Addresses::Told) } else { label.to_owned() };
    }
    match (http_url(url, us), label.is_empty()) {
        (Some(url), true) => format!("<{url}>"),
        (Some(url), false) => format!("[{label}]({url})"),
        (None, _) if url.trim().is_empty() => label.to_owned(),
        (None, true) => escape(url, us, Addresses::Told),
        (None, false) => format!("{label} ({})", escape(url, us, Addresses::Told)),
    }
}

/// The address, if it is http(s) and nothing in it can end a link early or call us.
#[must_use]
pub fn http_url(url: &str, us: &Us) -> Option<String> {
    let url = Url::parse(url.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let mut safe = String::with_capacity(url.as_str().len());
    for (at, character) in url.as_str().char_indices() {
        match character {
            '@' if us.begins(&url.as_str()[at + 1..]) => safe.push_str("%40"),
            '(' => safe.push_str("%28"),
            ')' => safe.push_str("%29"),
            '<' => safe.push_str("%3C"),
            '>' => safe.push_str("%3E"),
            '`' => safe.push_str("%60"),
            '\\' => safe.push_str("%5C"),
            '*' => safe.push_str("%2A"),
            '|' => safe.push_str("%7C"),
            '"' => safe.push_str("%22"),
            other => safe.push(other),
        }
    }
    (safe.len() <= LONGEST_URL).then_some(safe)
}

/// Puts safe Markdown after safe Markdown: a link after an exclamation mark would be a picture.
pub fn push(out: &mut String, more: &str) {
    let before = out.strip_suffix('!').filter(|_| more.starts_with('['));
    // A backslash before the sign that is one itself, by the backslash before it, changes nothing.
    let is_bare = |before: &str| (before.len() - before.trim_end_matches('\\').len()).is_multiple_of(2);
    if before.is_some_and(is_bare) {
        out.insert(out.len() - 1, '\\');
    }
    out.push_str(more);
}

/// Text for code, where nothing but our own name and address needs care.
#[must_use]
pub fn unmentioned(text: &str, us: &Us) -> String {
    let text = visible(text);
    let mut out = String::with_capacity(text.len());
    for part in parts(&text) {
        match part {
            Part::Address(address) if us.is_profile(address) => {
                push_words(&mut out, &profile_name(address), us, In::Code);
            }
            Part::Words(words) | Part::Address(words) => push_words(&mut out, words, us, In::Code),
        }
    }
    out
}

/// Cuts text without markup to `max` characters.
#[must_use]
pub fn cut_plain(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut count = 0;
    for grapheme in text.graphemes(true) {
        count += grapheme.chars().count();
        if count >= max {
            break;
        }
        kept.push_str(grapheme);
    }
    kept.trim_end().to_owned() + "…"
}

#[must_use]
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The longest run of `sign` in `text`.
#[must_use]
pub fn longest_run(text: &str, sign: char) -> usize {
    text.split(|c| c != sign).map(|run| run.chars().count()).max().unwrap_or(0)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum In {
    Plain,
    Code,
}

enum Part<'a> {
    Words(&'a str),
    Address(&'a str),
}

/// Text cut where addresses begin and end.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = address_start(rest) {
        let (words, from) = rest.split_at(start);
        let end = from.find(|c: char| c.is_whitespace() || "<>\"`|[]{}".contains(c)).unwrap_or(from.len());
        let address = from[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '\'', '*', '_', '~']);
        let (address, after) = from.split_at(address.len().max(1));
        parts.extend([Part::Words(words), Part::Address(address)]);
        rest = after;
    }
    parts.push(Part::Words(rest));
    parts
}

fn address_start(text: &str) -> Option<usize> {
    // Every start begins with a letter of these.
    text.char_indices().filter(|(_, c)| matches!(c, 'h' | 'H' | 'l' | 'L')).map(|(at, _)| at).find(|&at| {
        STARTS.iter().any(|start| {
            text.as_bytes()[at..].get(..start.len()).is_some_and(|there| there.eq_ignore_ascii_case(start.as_bytes()))
        })
    })
}

/// Who a profile is of, as its address ends.
fn profile_name(address: &str) -> String {
    let path = decoded(address).replace('\\', "/");
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
    name.chars().filter(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_')).take(60).collect()
}

/// Without controls, and without what turns the direction of writing: people would read something else
/// than what stands there.
fn visible(text: &str) -> String {
    text.replace('\t', " ")
        .chars()
        .filter(|c| *c == '\n' || !(c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')))
        .collect()
}

/// Words without markup. Every sign that could begin some has a backslash before it.
fn escape_words(out: &mut String, words: &str, us: &Us) {
    // What the line holds so far decides what the next sign could be. Where the words begin may be
    // the beginning of a line as well.
    let mut line = String::new();
    let mut before: Option<char> = None;
    let mut rest = words;
    while let Some(character) = rest.chars().next() {
        let after = &rest[character.len_utf8()..];
        let next = after.chars().next();
        let starts = line.is_empty();
        match character {
            '\n' => {
                line.clear();
                out.truncate(out.trim_end_matches(' ').len());
                out.push('\n');
            }
            ' ' if starts && before == Some('\n') => {
                rest = after;
                continue;
            }
            '@' => push_at(out, before, after, us, In::Plain),
            '\\' | '`' | '*' | '[' | ']' | '<' | '~' | '|' => out.extend(['\\', character]),
            '_' if !(is_word(before) && is_word(next)) => out.push_str("\\_"),
            '&' if next.is_some_and(|next| next == '#' || next.is_alphanumeric()) => out.push_str("\\&"),
            '#' | '+' | '-' | '=' | '>' if starts => out.extend(['\\', character]),
            '.' | ')' if !starts && line.bytes().all(|b| b.is_ascii_digit()) => out.extend(['\\', character]),
            other => out.push(other),
        }
        if character != '\n' && (character != ' ' || !starts) {
            line.push(character);
        }
        before = Some(character);
        rest = after;
    }
}

fn push_words(out: &mut String, words: &str, us: &Us, place: In) {
    let mut before = out.chars().next_back();
    let mut rest = words;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            '@' => push_at(out, before, rest, us, place),
            other => out.push(other),
        }
        before = Some(character);
    }
}

/// An `@` that calls nobody. Before our own name it is left out; code is there to be copied and
/// otherwise stays as it is. The last of its words may stand before a name that comes from an address.
fn push_at(out: &mut String, before: Option<char>, after: &str, us: &Us, place: In) {
    let in_word = before.is_some_and(char::is_alphanumeric);
    if us.begins(after.trim_start_matches('@')) {
        if in_word {
            out.extend(['@', JOINER]);
        }
    } else if (place == In::Code && !after.is_empty()) || (in_word && is_word(after.chars().next())) {
        out.push('@');
    } else {
        out.extend(['@', JOINER]);
    }
}

fn is_word(character: Option<char>) -> bool {
    character.is_some_and(char::is_alphanumeric)
}

/// `%70` as `p`; what is no text then stays as it is.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        if let Some(byte) = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn us() -> Us {
        Us::new(&["Baton Agent", "baton"], Some("https://linear.app/acme/profiles/baton"))
    }

    fn escaped(text: &str) -> String {
        escape(text, &us(), Addresses::Linked)
    }

    #[test]
    fn nothing_from_outside_is_markup() {
        for (text, shown) in [
            ("**bold** _it_ `code` ~~no~~", "\\*\\*bold\\*\\* \\_it\\_ \\`code\\` \\~\\~no\\~\\~"),
            ("snake_case and 2 * 3", "snake_case and 2 \\* 3"),
            (
                "# One\n- two\n+ three\n> four\n1. five\n2) six",
                "\\# One\n\\- two\n\\+ three\n\\> four\n1\\. five\n2\\) six",
            ),
            ("a - b # c > d 3.5", "a - b # c > d 3.5"),
            ("![x](https://e.example/p.png)", "!\\[x\\](<https://e.example/p.png>)"),
            ("fish & chips &lt; &#60;", "fish & chips \\&lt; \\&#60;"),
            ("<user id=\"1\">x</user>", "\\<user id=\"1\">x\\</user>"),
            ("a | b\n--- | ---", "a \\| b\n\\--- \\| ---"),
            ("x\n    code", "x\ncode"),
            ("t\u{202e}fos\u{7}", "tfos"),
        ] {
            assert_eq!(escaped(text), shown);
        }
    }

    #[test]
    fn nobody_is_mentioned_and_we_least_of_all() {
        for (text, shown) in [
            ("@ada, @@ada", "@\u{2060}ada, @\u{2060}@\u{2060}ada"),
            ("ada@example.com", "ada@example.com"),
            ("@baton @Baton @BATON-x @@baton", "baton Baton BATON-x baton"),
            ("@Baton Agent, @batonagent", "Baton Agent, batonagent"),
            ("x@baton.example", "x@\u{2060}baton.example"),
            ("see https://linear.app/acme/profiles/ada.", "see ada."),
            ("HTTPS://LINEAR.APP/acme/%70rofiles/baton?x=1", "baton"),
            ("linear.app/acme/profiles/baton", "baton"),
            ("https://linear.app\\acme\\profiles\\baton", "baton"),
            ("https://\u{ff4c}inear.app/acme/profiles/baton", "baton"),
            ("https://user@linear.app:443/acme/profiles/baton/", "baton"),
            ("https://linear.app/acme/issue/ENG-1", "<https://linear.app/acme/issue/ENG-1>"),
            ("https://x.example/@baton", "<https://x.example/%40baton>"),
        ] {
            assert_eq!(escaped(text), shown);
        }
        assert_eq!(code("@baton x @types/node `y`", &us()), "`` baton x @types/node `y` ``");
        assert_eq!(code("https://linear.app/acme/profiles/baton", &us()), "`baton`");
        assert_eq!(code("@https://linear.app/acme/profiles/baton", &us()), "`@\u{2060}baton`");
        assert_eq!(plain("@baton\n[x](y) @ada <b>", &us()), "baton [x] (y) @\u{2060}ada ‹b›");
    }

    #[test]
    fn links_lead_where_they_say() {
        assert_eq!(link("a](b", "https://x.example/a(b)?c", &us()), "[a\\](b](https://x.example/a%28b%29?c)");
        assert_eq!(link("x", "javascript:alert(1)", &us()), "x (javascript:alert(1))");
        assert_eq!(link("me", "https://linear.app/acme/profiles/baton", &us()), "me");
        assert_eq!(link("https://a.example", "https://b.example", &us()), "[https://a.example](https://b.example/)");
        assert_eq!(
            escaped("see https://x.example/a_b?c=1&d (or http://y.example)."),
            "see <https://x.example/a_b?c=1&d> (or <http://y.example/>)."
        );
    }

    #[test]
    fn cuts_hold_their_limit() {
        assert_eq!(cut_plain("abc", 3), "abc");
        assert_eq!(cut_plain("abcdef", 4), "abc…");
    }

    proptest! {
        #[test]
        fn hostile_text_shows_as_it_is(text in "[ -~\n<>!@#&`|*_\\[\\]()\\\\é]{0,200}") {
            for shown in [escaped(&text), escaped(&format!("https://{text}")), escaped(&format!("@baton {text} linear.app/x/profiles/baton"))] {
                let options = pulldown_cmark::Options::ENABLE_STRIKETHROUGH | pulldown_cmark::Options::ENABLE_TABLES;
                for event in pulldown_cmark::Parser::new_ext(&shown, options) {
                    use pulldown_cmark::{Event, LinkType, Tag, TagEnd};
                    let allowed = match &event {
                        Event::Text(_)
                        | Event::SoftBreak
                        | Event::HardBreak
                        | Event::Start(Tag::Paragraph)
                        | Event::End(TagEnd::Paragraph | TagEnd::Link) => true,
                        Event::Start(Tag::Link { link_type, .. }) => *link_type == LinkType::Autolink,
                        _ => false,
                    };
                    prop_assert!(allowed, "{event:?} in {shown}");
                }
                let shown = shown.to_lowercase();
                prop_assert!(!shown.contains("@baton") && !shown.contains("/profiles/baton"), "{shown}");
            }
        }
    }
}
