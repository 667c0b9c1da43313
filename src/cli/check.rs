//! `baton check`: says what is misconfigured before the first event does.

use std::path::Path;

use super::{Answer, Outcome};
use crate::config;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ask neither Slack nor Oz.
    #[arg(long)]
    offline: bool,
}

pub(super) fn run(_args: &Args, config: Option<&Path>) -> Outcome {
    config::load(config, &config::environment)?;
    Ok(Answer::default())
}
