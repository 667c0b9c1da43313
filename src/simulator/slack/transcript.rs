//! A channel as text, for snapshots: who said what, with buttons, reactions, files and threads.
//!
//! Times and generated ids are replaced by numbered names, so that the same conversation always
//! reads the same, and two different ids still look different.

use super::{
    reading::{channel_name_of, lines, name_of, readable},
    world::{Message, World},
};
use crate::simulator::names::Names;

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
    named(world, &text)
}

/// One thread, with its root.
pub fn thread(world: &World, channel: &str, root: &str) -> String {
    let told: String = world
        .thread(channel, root)
        .map(|found| message(world, found, if found.thread_ts.is_some() { "  ↳ " } else { "" }))
        .collect();
    named(world, &told)
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

/// Addresses and generated ids by names that are the same each time.
fn named(world: &World, text: &str) -> String {
    let mut text = text.replace(&world.base_url, "slack:");
    if let Some(target) = &world.target {
        text = text.replace(target, "baton:");
    }
    Names::default().replace_all(&text)
}
