//! `baton audit`: the log as JSON lines, and whether its chain of hashes holds.

use std::{
    io::{self, Write},
    path::Path,
};

use clap::Subcommand;

use super::{Answer, Failed, Outcome, block_on, open, written};
use crate::storage::audit;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print every row as a line of JSON, oldest first.
    Export,
    /// Recompute every hash; ends with 1 when a row is missing, altered or moved.
    Verify,
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Outcome {
    block_on(async {
        let store = open::existing(config).await?;
        let answer = match args.command {
            Command::Export => {
                let mut last = 0;
                loop {
                    let page = audit::after(&store, last).await?;
                    let Some(end) = page.last().map(|entry| entry.seq) else { break };
                    if !written(print(&page))? {
                        break;
                    }
                    last = end;
                }
                Answer::default()
            }
            Command::Verify => match audit::verify(&store).await? {
                (rows, None) => Answer::new(format!("The audit log is whole: {rows} rows.\n")),
                (_, Some(fault)) => return Err(Failed::new(format!("the audit log is not whole: {fault}"))),
            },
        };
        store.close().await;
        Ok(answer)
    })
}

/// As it is read: a log of years does not fit into memory.
fn print(page: &[audit::Entry]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for entry in page {
        serde_json::to_writer(&mut out, entry)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}
