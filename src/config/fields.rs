//! One table of the settings file, key by key. Used for what lives in the file only: routes,
//! policies and people.

use std::time::Duration;

use toml::{Table, Value};

use super::values;

/// The keys of one table. A wrong one is a fault that names its place, and reads as not set.
pub(super) struct Fields<'a> {
    /// As it stands in the file: `[policy.standard]`.
    pub place: String,
    pub table: &'a Table,
    pub faults: &'a mut Vec<String>,
}

impl Fields<'_> {
    pub fn fault(&mut self, key: &str, problem: &str) {
        let end = if problem.ends_with('?') { "" } else { "." };
        self.faults.push(format!("{}: {key} {problem}{end}", self.place));
    }

    pub fn text(&mut self, key: &str) -> Option<String> {
        match self.table.get(key)? {
            Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            _ => {
                self.fault(key, "must be text in quotes");
                None
            }
        }
    }

    /// An id of Slack's; people tend to write the channel's name.
    pub fn slack_id(&mut self, key: &str, first: &[&str], example: &str) -> Option<String> {
        let id = self.text(key)?;
        if first.iter().any(|first| id.starts_with(first)) && id.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Some(id);
        }
        self.fault(key, &format!("must be an id such as {example}, not {id:?}"));
        None
    }

    /// A channel of Slack's, with its workspace before it where there are several: `T…/C…`.
    pub fn slack_channel(&mut self, key: &str) -> Option<String> {
        let text = self.text(key)?;
        let (workspace, channel) = text.split_once('/').unwrap_or(("T0", &text));
        let is = |id: &str, first: &[char]| id.starts_with(first) && id.chars().all(|c| c.is_ascii_alphanumeric());
        if is(workspace, &['T', 'E']) && is(channel, &['C', 'G']) {
            return Some(text);
        }
        self.fault(key, &format!("must be an id such as C0123456789 or T0123456789/C0123456789, not {text:?}"));
        None
    }

    pub fn count(&mut self, key: &str, most: u32) -> Option<u32> {
        let number = self.table.get(key)?.as_integer().and_then(|number| u32::try_from(number).ok());
        if let Some(number) = number.filter(|number| (1..=most).contains(number)) {
            return Some(number);
        }
        self.fault(key, &format!("must be a whole number from 1 to {most}"));
        None
    }

    pub fn flag(&mut self, key: &str) -> Option<bool> {
        let flag = self.table.get(key)?.as_bool();
        if flag.is_none() {
            self.fault(key, "must be true or false");
        }
        flag
    }

    /// A list of texts; empty when it is not set.
    pub fn texts(&mut self, key: &str, example: &str) -> Vec<String> {
        let Some(value) = self.table.get(key) else { return Vec::new() };
        let texts: Option<Vec<String>> = value
            .as_array()
            .and_then(|entries| entries.iter().map(|entry| entry.as_str().map(str::to_owned)).collect());
        texts.unwrap_or_else(|| {
            self.fault(key, &format!("must be a list such as [{example:?}]"));
            Vec::new()
        })
    }

    pub fn duration(&mut self, key: &str) -> Option<Duration> {
        let text = self.text(key)?;
        values::duration(&text).map_err(|problem| self.fault(key, &problem)).ok()
    }

    pub fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.fault(key, &format!("must be one of {}, not {text:?}", words.join(", ")));
        }
        found
    }
}
