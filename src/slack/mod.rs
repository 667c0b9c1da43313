pub mod buttons;
pub mod client;
pub mod connector;
pub mod deliver;
pub mod envelope;
pub mod failure;
#[cfg(test)]
mod fake;
pub mod forms;
pub mod inbound;
pub mod limits;
pub mod markdown;
pub mod mrkdwn;
pub mod render;
pub mod signature;
pub mod text;
pub mod webhook;
