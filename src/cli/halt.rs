//! `baton halt` and `baton resume`: nothing is launched in between, whatever is approved.

use std::path::Path;

use super::{Answer, Outcome, block_on, open};
use crate::{storage::halt, time::Clock};

const WHO: &str = "operator:command-line";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Shown on every board, and in the audit log.
    #[arg(long)]
    reason: Option<String>,
}

pub(super) fn halt(args: Args, config: Option<&Path>) -> Outcome {
    block_on(async {
        let store = open::existing(config).await?;
        let reason = args.reason.unwrap_or_default();
        let new = halt::begin(&store, WHO, reason.trim(), Clock::system().now()).await?;
        store.close().await;
        Ok(Answer::new(if new {
            "Halted: nothing is launched until `baton resume`. What runs already goes on.\n".into()
        } else {
            "It is halted already.\n".into()
        }))
    })
}

pub(super) fn resume(config: Option<&Path>) -> Outcome {
    block_on(async {
        let store = open::existing(config).await?;
        let ended = halt::end(&store, WHO, Clock::system().now()).await?;
        store.close().await;
        Ok(Answer::new(if ended { "Resumed: launches go on.\n".into() } else { "It is not halted.\n".into() }))
    })
}
