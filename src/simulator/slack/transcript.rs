//! A channel as text, for snapshots: who said what, with buttons, reactions, files and threads.
//!
//! Times and generated ids are replaced by numbered names, so that the same conversation always
//! reads the same, and two different ids still look different.

use std::collections::BTreeMap;

use super::{
    reading::{channel_name_of, lines, name_of, readable},
    world::{Message, World},
};

/// The whole channel, each thread below its root. Ephemerals are there, marked with who sees them.
pub fn channel(world: &World, id: &str) -> String {
    let mut text = format!("#{}\n", channel_name_of(world, id));
    let in_channel = |message: &&Message| message.channel == id;
    for root in world.messages.iter().filter(in_channel) {
        let replies = || world.messages.iter().filter(in_channel).filter(|m| m.thread_ts.as_deref() == Some(&root.ts));
        if root.thread_ts.is_some() || (root.deleted && replies().next().is_none()) {
            continue;
        }
        text.push_str(&message(world, root, ""));
        for reply in replies().filter(|reply| !reply.deleted) {
            text.push_str(&message(world, reply, "  ↳ "));
        }
    }
    Names::default().replace_all(world, &text)
}

/// One thread, with its root.
pub fn thread(world: &World, channel: &str, root: &str) -> String {
    let told: String = world
        .thread(channel, root)
        .map(|found| message(world, found, if found.thread_ts.is_some() { "  ↳ " } else { "" }))
        .collect();
    Names::default().replace_all(world, &told)
}

/// What a message shows, without its author: its blocks, or its text when it has none.
pub fn content(world: &World, message: &Message) -> Vec<String> {
    if message.blocks.is_empty() {
        readable(world, &message.text).lines().map(str::to_owned).collect()
    } else {
        lines(world, &message.blocks)
    }
}

fn message(world: &World, message: &Message, lead: &str) -> String {
    let indent = " ".repeat(lead.chars().count() + 4);
    let mut author = name_of(world, message.author.id()).to_owned();
    if let Some(reader) = &message.only_to {
        author = format!("{author} (only to {})", name_of(world, reader));
    }
    if message.broadcast {
        author.push_str(" (also to the channel)");
    }
    if message.deleted {
        return format!("{lead}{author}: (deleted)\n");
    }
    let mut body = content(world, message);
    if message.edited.is_some() {
        body.push("(edited)".to_owned());
    }
    for file in world.files.iter().filter(|file| message.files.contains(&file.id)) {
        let title = if file.title == file.name { String::new() } else { format!(" “{}”", file.title) };
        body.push(format!("(file: {}{title}, {} bytes)", file.name, file.length));
    }
    for (name, users) in &message.reactions {
        let users: Vec<&str> = users.iter().map(|user| name_of(world, user)).collect();
        body.push(format!(":{name}: {}", users.join(", ")));
    }
    let mut told = format!("{lead}{author}: {}\n", body.first().map_or("", String::as_str));
    for line in body.iter().skip(1) {
        told.push_str(format!("{indent}{line}").trim_end());
        told.push('\n');
    }
    told
}

/// Names given to ids, in the order in which they appear.
#[derive(Debug, Default)]
struct Names {
    given: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, usize>,
}

impl Names {
    fn replace_all(mut self, world: &World, text: &str) -> String {
        let mut text = text.replace(&world.base_url, "slack:");
        if let Some(target) = &world.target {
            text = text.replace(target, "baton:");
        }
        let mut replaced = String::new();
        let mut token = String::new();
        for c in text.chars().chain(['\n']) {
            if c.is_ascii_alphanumeric() || c == '-' {
                token.push(c);
                continue;
            }
            let known = kind_of_id(&token).map(|kind| self.name(kind, &token));
            replaced.push_str(known.as_deref().unwrap_or(&token));
            token.clear();
            replaced.push(c);
        }
        replaced.pop();
        replaced
    }

    fn name(&mut self, kind: &'static str, id: &str) -> String {
        if let Some(name) = self.given.get(id) {
            return name.clone();
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let name = format!("{kind}-{count}");
        self.given.insert(id.to_owned(), name.clone());
        name
    }
}

/// What a generated id stands for; none for an ordinary word.
fn kind_of_id(word: &str) -> Option<&'static str> {
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let has_digit = word.bytes().any(|b| b.is_ascii_digit());
    let groups: Vec<usize> = word.split('-').map(str::len).collect();
    if groups == [8, 4, 4, 4, 12] && is_hex(&word.replace('-', "")) {
        return Some("uuid");
    }
    if matches!(word.len(), 12 | 64) && has_digit && is_hex(word) {
        return Some("digest");
    }
    if word.len() == 17 && word.starts_with('p') && word[1..].bytes().all(|b| b.is_ascii_digit()) {
        return Some("message");
    }
    let in_alphabet = |b: u8| b.is_ascii_digit() || (b.is_ascii_lowercase() && !b"ilou".contains(&b));
    if word.len() == 11 && word.starts_with('o') && word[1..].bytes().all(in_alphabet) && word != "orchestrate" {
        return Some("orchestration");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_get_names_and_words_stay() {
        for (word, kind) in [
            ("orchestrate", None),
            ("o1a2b3c4d5e", Some("orchestration")),
            ("9f86d081884c", Some("digest")),
            ("deadbeefcafe", None),
            ("0b5c2a52-1111-4222-8333-0123456789ab", Some("uuid")),
            ("p1764000000000100", Some("message")),
            ("p176400000000010x", None),
        ] {
            assert_eq!(kind_of_id(word), kind, "{word}");
        }
    }
}
