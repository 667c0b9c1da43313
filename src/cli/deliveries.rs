//! `baton deliveries`: what is parked or waits, and sending a parked one again. An event that could not be
//! decided is parked as well.

use std::path::Path;

use clap::Subcommand;

use super::{Answer, Failed, Outcome, block_on, open, plain};
use crate::{
    ids::{DeliveryId, EventId},
    storage::{
        inbox::{self, ParkedEvent},
        outbox::{self, DeliveryRow, DeliveryState},
    },
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
    /// Send a parked delivery, or have a parked event decided, again.
    Retry {
        /// The delivery or event, as `baton deliveries` shows it.
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
                text(&inbox::parked(&store, MOST).await?, &rows)
            }
            Some(Command::Retry { id }) => {
                let (id, now) = (id.trim(), Clock::system().now());
                if outbox::retry(&store, &DeliveryId::new(id), now).await? {
                    format!("{id} goes out again.\n")
                } else if inbox::retry(&store, &EventId::new(id), now).await? {
                    format!("{id} is decided again.\n")
                } else {
                    return Err(Failed::new(format!("{} is not parked", plain::printable(id))));
                }
            }
        };
        store.close().await;
        Ok(Answer::new(answer))
    })
}

fn text(events: &[ParkedEvent], rows: &[DeliveryRow]) -> String {
    if events.is_empty() && rows.is_empty() {
        return "Nothing is parked and nothing waits.\n".into();
    }
    let events = events.iter().map(|event| {
        let what = format!("event ({} {})", event.source, event.kind);
        let (attempts, parked, undecidable) = (event.attempts.to_string(), "parked".into(), "undecidable".into());
        vec![event.id.to_string(), what, String::new(), attempts, parked, undecidable]
    });
    let rows: Vec<Vec<String>> = events
        .chain(rows.iter().map(|row| {
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
                plain::printable(&row.reason()),
            ]
        }))
        .collect();
    plain::table(&["ID", "WHAT", "ORCHESTRATION", "ATTEMPTS", "NEXT (UTC)", "REASON"], &rows)
}
