//! `baton halt` and `baton resume`: nothing is launched in between, whatever is approved.

use std::path::Path;

use super::{Answer, Outcome, block_on, open, plain};
use crate::{
    storage::halt::{self, Halt},
    time::Clock,
};

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
        let standing = if new { None } else { halt::standing(&store).await? };
        store.close().await;
        Ok(Answer::new(match standing {
            Some(halt) => already(&halt),
            None if new => "Halted: nothing is launched until `baton resume`. What runs already goes on.\n".into(),
            None => "It was halted already.\n".into(),
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

/// By whom, since when and why. A reason that is given now changes nothing.
fn already(halt: &Halt) -> String {
    let (by, since) = (plain::printable(&halt.by), plain::moment(halt.at));
    let why = match plain::printable(&halt.reason) {
        reason if reason.is_empty() => ", without a reason.".to_owned(),
        reason => format!(": {reason}"),
    };
    format!("It is halted already, by {by} since {since} UTC{why}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn the_halt_that_stands_is_told() {
        let at = Timestamp::from_secs(1_793_610_000);
        let halt = Halt { by: "operator:page".into(), reason: "too much\u{1b}[2J spent".into(), at };
        assert_eq!(
            already(&halt),
            "It is halted already, by operator:page since 2026-11-02 09:00:00 UTC: too much [2J spent\n"
        );
        assert!(already(&Halt { reason: String::new(), ..halt }).ends_with(" UTC, without a reason.\n"));
    }
}
