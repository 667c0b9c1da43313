//! Identifiers: newtypes over text, and ids that are derived from what caused them.
//!
//! An id that names something Baton does is a hash of its cause, so that carrying out the same
//! decision twice makes the same rows and the same requests (invariant 3 in `lib.rs`).

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            #[must_use]
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    )+};
}

ids! {
    /// An orchestration, as people see it: `o` and ten letters or digits.
    OrchestrationId;
    /// A run in Oz (a UUID there; opaque here).
    RunId;
    /// One start of a run: `baton.dispatch` in the run's metadata. A retry has a new one.
    DispatchId;
    /// One row of the outbox.
    DeliveryId;
    /// Whatever `decide` was given: an event, a run's change, a timer, a delivery's result.
    InputId;
    /// One row of the inbox.
    EventId;
}

impl OrchestrationId {
    /// The orchestration that `cause` (a command's or message's identity) starts.
    #[must_use]
    pub fn caused_by(cause: &str) -> Self {
        Self(format!("o{}", short_hash(&["orchestration", cause], 10)))
    }
}

impl DispatchId {
    /// The `attempt`th start of `slot` (the parent or one child) of an orchestration.
    #[must_use]
    pub fn of(orchestration: &OrchestrationId, slot: &str, attempt: u32) -> Self {
        Self(format!("{orchestration}.{slot}.{attempt}"))
    }
}

impl DeliveryId {
    /// The effect at `position` of what `input` made of an orchestration.
    #[must_use]
    pub fn caused_by(orchestration: &OrchestrationId, input: &InputId, position: usize) -> Self {
        Self(format!("d{}", short_hash(&[orchestration.as_str(), input.as_str(), &position.to_string()], 20)))
    }
}

/// SHA-256 of the parts, as `length` letters and digits that are hard to confuse when read aloud.
#[must_use]
pub fn short_hash(parts: &[&str], length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut hash = Sha256::new();
    for part in parts {
        // The length first, so that ("ab", "c") and ("a", "bc") differ.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).take(length).collect()
}

/// A number from 0 up to 1 that follows from the parts: chance that comes out the same each time.
#[must_use]
pub fn fraction(parts: &[&str]) -> f64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let bytes = hash.finalize();
    f64::from(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])) / 4_294_967_296.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_follows_from_its_cause_alone() {
        let first = OrchestrationId::caused_by("slack:T1:command:abc");
        assert_eq!(first, OrchestrationId::caused_by("slack:T1:command:abc"));
        assert_ne!(first, OrchestrationId::caused_by("slack:T1:command:abd"));
        assert_eq!(first.as_str().len(), 11);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(short_hash(&["ab", "c"], 20), short_hash(&["a", "bc"], 20));
    }
}
