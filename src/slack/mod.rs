//! Baton's Slack edge: what comes in becomes events of the domain, what goes out is carried out
//! here, and nothing behind it sees JSON or mrkdwn.
//!
//! In: `webhook` (the door, with `signature`) or `socket`, with `envelope` and `intake` → the inbox → `inbound`;
//! what a long menu of a form offers is answered at once by `suggest`.
//! Out: the outbox → `deliver` → `render` (with `text`, `markdown`, `mrkdwn` and `buttons`) and `forms` (with `editing`)
//! → `client` (over `connector`, its errors told by `failure`, with the `token` of the workspace) and `people`,
//! paced by `limits`. `oauth` is how a workspace installs us.
//! Only `webhook`, `socket`, `suggest`, `connector`, `client`, `oauth`, `people` and `deliver` do I/O; the rest is pure.

pub mod buttons;
pub mod client;
pub mod connector;
pub mod deliver;
mod editing;
pub mod envelope;
pub mod failure;
#[cfg(test)]
mod fake;
pub mod forms;
pub mod inbound;
mod intake;
pub mod limits;
pub mod markdown;
pub mod mrkdwn;
pub mod oauth;
mod people;
pub mod render;
pub mod signature;
pub mod socket;
mod suggest;
pub mod text;
pub mod token;
pub mod webhook;
