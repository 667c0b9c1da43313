//! Numbered names for generated ids, so that the same conversation always reads the same, and two
//! different ids still look different. Used by the transcripts.

use std::collections::BTreeMap;

/// Names given to ids, in the order in which they appear.
#[derive(Debug, Default)]
pub struct Names {
    given: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, usize>,
}

impl Names {
    /// `text` with a name for each generated id in it.
    pub fn replace_all(mut self, text: &str) -> String {
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
