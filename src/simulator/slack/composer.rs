//! What Slack's composer makes of what a person types: names become mentions, addresses become
//! links, and `&`, `<` and `>` are escaped.

use serde_json::{Value, json};

use super::{
    BOT_USER,
    world::{ChannelKind, World},
};

/// Text that a person typed, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    User { id: String, handle: String },
    Channel { id: String, name: String },
    Broadcast(&'static str),
    Link(String),
}

impl Typed {
    /// `@baton` and `@ada` mention, as do `<@U0BATON>` and `<#C0ENG>`; `@channel` pings everybody.
    pub fn read(world: &World, text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let starts_word = plain.chars().next_back().is_none_or(|before| !before.is_alphanumeric());
            let found = starts_word.then(|| special(world, rest)).flatten();
            if let Some((piece, length)) = found {
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(piece);
                rest = &rest[length..];
            } else {
                plain.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Self(pieces)
    }

    /// As a message's `text`.
    pub fn mrkdwn(&self) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => escaped(text),
                Piece::User { id, .. } => format!("<@{id}>"),
                Piece::Channel { id, name } => format!("<#{id}|{name}>"),
                Piece::Broadcast(range) => format!("<!{range}>"),
                Piece::Link(url) => format!("<{}>", escaped(url)),
            })
            .collect()
    }

    /// As a slash command's `text` with `should_escape`: mentions have their names.
    pub fn command_text(&self) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::User { id, handle } => format!("<@{id}|{handle}>"),
                other => Self(vec![other.clone()]).mrkdwn(),
            })
            .collect()
    }

    /// As the `rich_text` block that a person's message has.
    pub fn blocks(&self) -> Vec<Value> {
        let elements: Vec<Value> = self
            .0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => json!({"type": "text", "text": text}),
                Piece::User { id, .. } => json!({"type": "user", "user_id": id}),
                Piece::Channel { id, .. } => json!({"type": "channel", "channel_id": id}),
                Piece::Broadcast(range) => json!({"type": "broadcast", "range": range}),
                Piece::Link(url) => json!({"type": "link", "url": url}),
            })
            .collect();
        vec![json!({"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]})]
    }

    pub fn mentions_us(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::User { id, .. } if id == BOT_USER))
    }
}

pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A mention or a link at the start of `rest`, and how many bytes of it that is.
fn special(world: &World, rest: &str) -> Option<(Piece, usize)> {
    if let Some(inner) = rest.strip_prefix('<') {
        let end = inner.find('>')?;
        let id = inner.get(1..end)?.split('|').next().unwrap_or_default();
        let piece = match inner.chars().next()? {
            '@' => user(world, |known, _| known == id)?,
            '#' => channel(world, |known, _| known == id)?,
            _ => return None,
        };
        return Some((piece, end + 2));
    }
    if rest.starts_with("http://") || rest.starts_with("https://") {
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"')).unwrap_or(rest.len());
        let url = rest[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', ')']);
        return Some((Piece::Link(url.to_owned()), url.len()));
    }
    let sign = rest.chars().next().filter(|sign| matches!(sign, '@' | '#'))?;
    let name = &rest[1..];
    let end = name.find(|c: char| !c.is_alphanumeric()).unwrap_or(name.len());
    let name = &name[..end];
    let piece = match (sign, name) {
        ('@', "channel") => Piece::Broadcast("channel"),
        ('@', "here") => Piece::Broadcast("here"),
        ('@', "everyone") => Piece::Broadcast("everyone"),
        ('@', _) => user(world, |_, handle| handle.eq_ignore_ascii_case(name))?,
        _ => channel(world, |_, known| known == name)?,
    };
    Some((piece, end + 1))
}

fn user(world: &World, is_meant: impl Fn(&str, &str) -> bool) -> Option<Piece> {
    let people = world.users.iter().map(|user| (user.id, user.handle));
    let (id, handle) = people.chain([(BOT_USER, "baton")]).find(|(id, handle)| is_meant(id, handle))?;
    Some(Piece::User { id: id.to_owned(), handle: handle.to_owned() })
}

fn channel(world: &World, is_meant: impl Fn(&str, &str) -> bool) -> Option<Piece> {
    let found = world.channels.iter().find(|channel| is_meant(&channel.id, &channel.name))?;
    // A private channel's name is not told to those who may not be in it.
    let name = if found.kind == ChannelKind::Public { found.name.clone() } else { String::new() };
    Some(Piece::Channel { id: found.id.clone(), name })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        simulator::{faults::Faults, slack::Slack},
        time::{Clock, Timestamp},
    };

    fn read(text: &str) -> Typed {
        let slack = Slack::new(Clock::manual(Timestamp::from_secs(1_764_000_000)), Faults::default());
        slack.read(|world| Typed::read(world, text))
    }

    #[test]
    fn names_and_addresses_become_mentions_and_links() {
        let typed = read("@baton ask @Grace in #engineering & <@U0LINUS>, see https://example.com/a?b=1&c.");
        assert!(typed.mentions_us());
        assert_eq!(
            typed.mrkdwn(),
            "<@U0BATON> ask <@U0GRACE> in <#C0ENG|engineering> &amp; <@U0LINUS>, see <https://example.com/a?b=1&amp;c>."
        );
        assert!(typed.command_text().starts_with("<@U0BATON|baton> ask <@U0GRACE|grace> in"));
    }

    #[test]
    fn what_is_no_mention_is_escaped_text() {
        for (text, mrkdwn) in [
            ("<!channel> a<b", "&lt;!channel&gt; a&lt;b"),
            ("ada@baton.example", "ada@baton.example"),
            ("@nobody <@U9>", "@nobody &lt;@U9&gt;"),
            ("@here", "<!here>"),
            ("<", "&lt;"),
        ] {
            assert_eq!(read(text).mrkdwn(), mrkdwn);
        }
    }
}
