//! `baton deliveries`: what is parked or waits, and sending a parked one again.

use std::path::Path;

use clap::Subcommand;

use super::{Answer, Failed, Outcome, block_on, open, plain};
use crate::{
    ids::DeliveryId,
    storage::outbox::{self, DeliveryRow, DeliveryState},
    time::Clock,
};

/// Longer lists are for the operator's page.
const MOST: u32 = 200;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send a parked delivery again.
    Retry {
        /// The delivery, as `baton deliveries` shows it.
        id: String,
    },
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Outcome {
    block_on(async {
        let store = open::existing(config).await?;
        let answer = match &args.command {
            None => {
                let mut rows = outbox::parked(&store, MOST).await?;
                rows.extend(outbox::pending(&store, MOST).await?);
                text(&rows)
            }
            Some(Command::Retry { id }) => {
                let id = DeliveryId::new(id.trim());
                if !outbox::retry(&store, &id, Clock::system().now()).await? {
                    return Err(Failed::new(format!("{} is not a parked delivery", plain::printable(id.as_str()))));
                }
                format!("{id} goes out again.\n")
            }
        };
        store.close().await;
        Ok(Answer::new(answer))
    })
}

fn text(rows: &[DeliveryRow]) -> String {
    if rows.is_empty() {
        return "Nothing is parked and nothing waits.\n".into();
    }
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let next = match row.state {
                DeliveryState::Parked => "parked".to_owned(),
                DeliveryState::Waiting | DeliveryState::Done => plain::moment(row.due_at),
            };
            vec![
                row.id.to_string(),
                row.kind.clone(),
                row.orchestration.as_ref().map(ToString::to_string).unwrap_or_default(),
                row.attempts.to_string(),
                next,
                plain::printable(row.problem.as_deref().unwrap_or_default()),
            ]
        })
        .collect();
    plain::table(&["ID", "WHAT", "ORCHESTRATION", "ATTEMPTS", "NEXT (UTC)", "REASON"], &rows)
}
