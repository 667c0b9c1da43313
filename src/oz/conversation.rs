//! The normalized conversation of a run: what it was told, what it said last, and what it did.
//!
//! `GET /agent/runs/{id}/conversation` brings all of it each time. Steps hold messages and, nested
//! in them, delegated work; only the outer messages are the run's own words. Blocks and roles are
//! open sets: what is not known is passed over.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use super::lenient::{List, Text};

/// Of what was said the end is kept, in bytes: a proposal stands there, and nobody reads more.
const LONGEST_WORDS: usize = 1_000_000;
/// The newest things that were done.
const MOST_STEPS: usize = 100;
/// A message at least this long, in characters, is recognised within a longer one too: Oz may have
/// put words of its own around it.
const UNMISTAKABLE: usize = 40;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Conversation {
    steps: List<Step>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Step {
    messages: List<Message>,
    steps: List<Step>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    role: Text,
    content: List<Block>,
    #[serde(rename = "message_ids")]
    ids: List<Text>,
}

/// A block of any type.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Block {
    r#type: Text,
    text: Text,
    id: Text,
    action_id: Text,
    name: Text,
    category: Text,
    state: Text,
}

impl Conversation {
    /// How many times the run has been told something.
    pub fn turns(&self) -> u32 {
        u32::try_from(self.told().count()).unwrap_or(u32::MAX)
    }

    /// What the assistant said after the last thing it was told; None while that is nothing.
    pub fn last_words(&self) -> Option<String> {
        let mut words = Vec::new();
        for message in self.own_messages() {
            match message.role.as_deref() {
                Some("user") if message.text().is_some() => words.clear(),
                Some("assistant") => words.extend(message.text()),
                _ => {}
            }
        }
        let words = words.join("\n\n");
        Some(end_of(words.trim(), LONGEST_WORDS).to_owned()).filter(|words| !words.is_empty())
    }

    /// Whether `text` is one of the things that the run was told. Spaces and line breaks may differ.
    pub fn was_told(&self, text: &str) -> bool {
        let wanted = even(text);
        let unmistakable = wanted.chars().count() >= UNMISTAKABLE;
        self.told().any(|told| {
            let told = even(&told);
            told == wanted || (unmistakable && told.contains(&wanted))
        })
    }

    /// One line for each thing it did, delegated work included, newest last.
    pub fn did(&self) -> Vec<String> {
        let mut deeds = Deeds::default();
        for step in &self.steps.0 {
            step.tell(&mut deeds);
        }
        let lines = deeds.lines;
        lines.iter().skip(lines.len().saturating_sub(MOST_STEPS)).map(Deed::line).collect()
    }

    fn told(&self) -> impl Iterator<Item = String> {
        self.own_messages().filter(|message| message.role.as_deref() == Some("user")).filter_map(Message::text)
    }

    /// The messages outside of delegated work, each once: a message may stand in two steps.
    fn own_messages(&self) -> impl Iterator<Item = &Message> {
        let mut seen = HashSet::new();
        self.steps.0.iter().flat_map(|step| &step.messages.0).filter(move |message| {
            let ids: Vec<_> = message.ids.0.iter().filter_map(Text::as_deref).collect();
            let new = ids.iter().filter(|id| seen.insert(**id)).count();
            new > 0 || ids.is_empty()
        })
    }
}

impl Message {
    fn text(&self) -> Option<String> {
        let texts: Vec<_> = self
            .content
            .0
            .iter()
            .filter(|block| block.r#type.as_deref() == Some("text"))
            .filter_map(|block| block.text.as_deref())
            .collect();
        Some(texts.join("\n\n")).filter(|text| !text.trim().is_empty())
    }
}

#[derive(Default)]
struct Deeds<'a> {
    lines: Vec<Deed<'a>>,
    /// Where the line of an action is, for its result.
    places: HashMap<&'a str, usize>,
}

struct Deed<'a> {
    block: &'a Block,
    state: Option<&'a str>,
}

impl Step {
    fn tell<'a>(&'a self, deeds: &mut Deeds<'a>) {
        for block in self.messages.0.iter().flat_map(|message| &message.content.0) {
            match block.r#type.as_deref() {
                Some("action") => deeds.act(block),
                Some("action_result") => deeds.end(block),
                _ => {}
            }
        }
        for step in &self.steps.0 {
            step.tell(deeds);
        }
    }
}

impl<'a> Deeds<'a> {
    fn act(&mut self, block: &'a Block) {
        if let Some(id) = block.id.as_deref()
            && self.places.insert(id, self.lines.len()).is_some()
        {
            return; // the same action once more
        }
        self.lines.push(Deed { block, state: None });
    }

    fn end(&mut self, block: &'a Block) {
        let place = block.action_id.as_deref().and_then(|id| self.places.get(id).copied());
        match place.and_then(|place| self.lines.get_mut(place)) {
            Some(deed) => deed.state = block.state.as_deref(),
            None => self.lines.push(Deed { block, state: block.state.as_deref() }),
        }
    }
}

impl Deed<'_> {
    /// `run_command (command): completed`
    fn line(&self) -> String {
        let mut line = self.block.name.as_deref().map_or_else(|| "action".into(), word);
        if let Some(category) = self.block.category.as_deref() {
            line = format!("{line} ({})", word(category));
        }
        if let Some(state) = self.state {
            line = format!("{line}: {}", word(state));
        }
        line
    }
}

/// A word from outside, of bounded length and on one line.
fn word(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

fn even(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn end_of(text: &str, most: usize) -> &str {
    let mut start = text.len().saturating_sub(most);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn conversation(steps: &Value) -> Conversation {
        serde_json::from_value(json!({"conversation_id": "c", "steps": steps})).expect("a conversation")
    }

    fn said(role: &str, id: &str, text: &str) -> Value {
        json!({"role": role, "message_ids": [id], "request_id": "r", "timestamp": "2026-08-01T10:00:00Z",
               "content": [{"type": "text", "message_id": id, "text": text}]})
    }

    #[test]
    fn the_last_words_follow_what_it_was_told_last() {
        let talk = conversation(&json!([{"id": "root", "messages": [
            said("user", "m1", "Review the open PRs."),
            said("assistant", "m2", "Old words."),
            said("user", "m3", "Only  mine,\nplease."),
            {"role": "assistant", "message_ids": ["m4", "m5"], "content": [
                {"type": "text", "text": "Listing."},
                {"type": "action", "id": "a1", "category": "command", "name": "run_command", "input": {"command": "gh"}}]},
            {"role": "tool", "message_ids": ["m6"], "content": [
                {"type": "action_result", "action_id": "a1", "category": "command", "name": "run_command",
                 "state": "completed", "output": {"exit_code": 0}}]},
            said("assistant", "m7", "Proposal: 3 children."),
            {"role": "system", "content": [{"type": "event", "name": "conversation_compacted", "data": {}}]},
            {"role": "narrator", "content": [{"type": "hologram", "text": "?"}]},
        ], "steps": []}]));
        assert_eq!(talk.turns(), 2);
        assert_eq!(talk.last_words().as_deref(), Some("Listing.\n\nProposal: 3 children."));
        assert_eq!(talk.did(), ["run_command (command): completed"]);
        assert!(talk.was_told("Only mine, please."));
        assert!(!talk.was_told("mine"));
        assert!(!talk.was_told("Old words."), "the assistant said that");
    }

    #[test]
    fn nothing_said_yet_is_no_words() {
        let talk = conversation(&json!([{"messages": [said("user", "m1", "Go."), said("assistant", "m2", "Done."),
            said("user", "m3", "And now?")]}]));
        assert_eq!((talk.turns(), talk.last_words()), (2, None));
    }

    #[test]
    fn delegated_work_counts_as_done_but_not_as_said_or_told() {
        let talk = conversation(&json!([{"messages": [said("user", "m1", "Go."), said("assistant", "m2", "Mine.")],
            "steps": [{"messages": [said("user", "n1", "Research."), said("assistant", "n2", "Found."),
                {"role": "assistant", "content": [{"type": "action", "id": "b", "name": "read_skill", "category": null}]}]}]}]));
        assert_eq!((talk.turns(), talk.last_words().as_deref()), (1, Some("Mine.")));
        assert!(!talk.was_told("Research."));
        assert_eq!(talk.did(), ["read_skill"]);
    }

    #[test]
    fn a_message_that_comes_twice_counts_once() {
        let again = said("user", "m1", "Go.");
        let talk = conversation(&json!([{"messages": [again.clone(), said("assistant", "m2", "Yes.")]},
            {"messages": [again, said("assistant", "m3", "Done.")]}]));
        assert_eq!((talk.turns(), talk.last_words().as_deref()), (1, Some("Yes.\n\nDone.")));
    }

    #[test]
    fn a_long_text_is_recognised_within_a_longer_one() {
        let text = "The children have come to rest; here is what each of them did.";
        let talk = conversation(&json!([{"messages": [said("user", "m1", &format!("Message from the API: {text}"))]}]));
        assert!(talk.was_told(text));
        assert!(!talk.was_told("come to rest"), "too short to be sure");
    }

    #[test]
    fn null_everywhere_is_an_empty_conversation() {
        for steps in [
            json!(null),
            json!([null, 7, {"messages": null, "steps": null}]),
            json!([{"messages": [null, {"role": null, "content": null, "message_ids": null},
                                 {"role": "user", "content": [null, {"type": "text", "text": null}, {"type": null}]}]}]),
        ] {
            let talk = conversation(&steps);
            assert_eq!((talk.turns(), talk.last_words(), talk.did().len()), (0, None, 0));
        }
    }

    #[test]
    fn only_the_newest_steps_are_kept_and_their_words_are_tamed() {
        let actions: Vec<_> = (0..150).map(|n| json!({"type": "action", "id": n, "name": format!("a{n}\n")})).collect();
        let talk = conversation(&json!([{"messages": [{"role": "assistant", "content": actions},
            {"role": "tool", "content": [{"type": "action_result", "action_id": 149, "state": "x".repeat(500)}]}]}]));
        let did = talk.did();
        assert_eq!((did.len(), did.first().map(String::as_str)), (100, Some("a50")));
        assert_eq!(did.last().map(String::len), Some("a149: ".len() + 80));
    }

    #[test]
    fn the_end_of_a_very_long_text_is_kept() {
        assert_eq!(end_of("äbc", 3), "bc");
        assert_eq!(end_of("abc", 9), "abc");
    }
}
