//! Hostile input: every file of the corpora, and as many mutations of them as time allows, through
//! the parsers and renderers of `parsers.rs`; and JSON that nobody would write.
//!
//! `BATON_MUTATIONS=1000000` says how many; a failure prints the bytes and the seed. The same functions
//! are the targets of cargo-fuzz, in `fuzz/`.

#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

mod mutate;
mod odd;
mod parsers;

use std::{fs, panic, path::Path};

use mutate::Mutator;

/// For each parser.
const MUTATIONS: u64 = 1_500;
const MOST_CHANGES: usize = 8;

#[test]
fn every_corpus_is_read() {
    for (name, check) in parsers::ALL {
        let corpus = corpus(name);
        assert!(corpus.len() >= 10, "the corpus of {name} is not where it was");
        for (file, bytes) in corpus {
            assert!(panic::catch_unwind(|| check(&bytes)).is_ok(), "fuzz/corpus/{name}/{file}");
        }
    }
}

#[test]
fn whatever_becomes_of_what_is_known_is_read() {
    let seed = setting("BATON_MUTATION_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let mutations = setting("BATON_MUTATIONS").unwrap_or(MUTATIONS);
    for (name, check) in parsers::ALL {
        let corpus: Vec<Vec<u8>> = corpus(name).into_iter().map(|(_, bytes)| bytes).collect();
        let mut mutator = Mutator::new(seed, corpus, MOST_CHANGES);
        for number in 0..mutations {
            let bytes = mutator.next();
            let held = panic::catch_unwind(|| check(&bytes)).is_ok();
            assert!(held, "{name}, BATON_MUTATION_SEED={seed}, number {number}: {:?}", String::from_utf8_lossy(&bytes));
        }
    }
}

fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment what to do")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
