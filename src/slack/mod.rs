//! Baton's Slack edge: what comes in becomes events of the domain, what goes out is carried out
//! here, and nothing behind it sees JSON or mrkdwn.
//!
//! `inbound`, `envelope`, `render`, `mrkdwn`, `forms` and `limits` are pure; only `webhook`,
//! `client` and `deliver` do I/O. The facts they rely on are the pages of docs.slack.dev that each
//! file names.

pub mod envelope;
pub mod forms;
pub mod inbound;
pub mod markdown;
pub mod mrkdwn;
pub mod signature;
pub mod webhook;
