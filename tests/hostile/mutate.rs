//! Mutations of bytes, from a seed: the small cousin of what cargo-fuzz does, for an ordinary test.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// What breaks things, in JSON, in forms, in Markdown and in what people type.
const PIECES: [&str; 48] = [
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "\"\"",
    "{}",
    "[]",
    "[[[[",
    "\\u0000",
    "\\ud800",
    "\u{0}",
    "\u{202e}",
    "\u{feff}",
    "é",
    "👩‍👩‍👧‍👦",
    "<@U1>",
    "<@UBATON>",
    "<!channel>",
    "<",
    ">",
    "&amp;",
    "&",
    "|",
    "`",
    "```",
    "~~~~",
    "\n",
    " ",
    "%",
    "%00",
    "+",
    "=",
    "payload=",
    "@baton",
    "https://",
    "http://a|b>c",
    "](",
    "![",
    "\\",
    "*",
    "_",
    "linear.app/acme/profiles/baton",
    "baton-proposal",
    "each:a,b ",
    "approve v",
    "9999999999",
    "{item}",
];
const LONGEST: usize = 8_000;

pub struct Mutator {
    random: StdRng,
    corpus: Vec<Vec<u8>>,
    most: usize,
}

impl Mutator {
    /// What it makes differs in `most` places from one of the corpus.
    pub fn new(seed: u64, corpus: Vec<Vec<u8>>, most: usize) -> Self {
        assert!(!corpus.is_empty());
        Self { random: StdRng::seed_from_u64(seed), corpus, most }
    }

    /// One of the corpus, changed in some places or in none.
    pub fn next(&mut self) -> Vec<u8> {
        let mut bytes = self.one();
        for _ in 0..self.random.random_range(0..=self.most) {
            self.change(&mut bytes);
            bytes.truncate(LONGEST);
        }
        bytes
    }

    fn one(&mut self) -> Vec<u8> {
        let at = self.random.random_range(0..self.corpus.len());
        self.corpus[at].clone()
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.random.random_range(0..=bytes.len());
        let until = (at + self.random.random_range(0..40)).min(bytes.len());
        match self.random.random_range(0..8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.random.random_range(0..8),
            1 => drop(bytes.drain(at..until)),
            2 => {
                let piece = bytes[at..until].repeat(self.random.random_range(1..30));
                bytes.splice(at..at, piece);
            }
            3 => {
                // The tail of another.
                let other = self.one();
                bytes.truncate(at);
                bytes.extend_from_slice(&other[self.random.random_range(0..=other.len())..]);
            }
            4 => {
                // A number or a word in the place of a value.
                let colons: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] == b':').collect();
                if let Some(&at) = colons.get(self.random.random_range(0..colons.len().max(1))) {
                    let end = bytes[at..].iter().position(|byte| b",}]".contains(byte)).map_or(bytes.len(), |n| at + n);
                    let piece = self.piece();
                    bytes.splice(at + 1..end, piece.bytes());
                }
            }
            5 => bytes.truncate(at),
            _ => {
                let piece = self.piece();
                bytes.splice(at..until.min(at + 3), piece.bytes());
            }
        }
    }

    fn piece(&mut self) -> &'static str {
        PIECES[self.random.random_range(0..PIECES.len())]
    }
}
