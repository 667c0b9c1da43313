//! Everything Baton says, in one place: to people ([`cards`], [`proposals`],
//! [`answers`], [`problems`]) and to
//! agents ([`prompt`]). `decide` picks the words, the platforms render them.

pub mod answers;
pub mod cards;
pub mod problems;
pub mod prompt;
pub mod proposals;
