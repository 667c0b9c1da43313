//! `baton list`: the orchestrations, one line each.

use std::path::Path;

use super::{Answer, Outcome, block_on, open, plain};
use crate::{
    domain::text::first_line,
    storage::orchestrations::{self, Filter, Summary},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only those that have not ended.
    #[arg(long)]
    open: bool,
    /// How many at the most.
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Outcome {
    block_on(async {
        let store = open::existing(config).await?;
        let filter = Filter { workspace: None, place: None, open_only: args.open, limit: args.limit };
        let found = orchestrations::list(&store, &filter).await?;
        store.close().await;
        Ok(Answer::new(text(&found)))
    })
}

fn text(found: &[Summary]) -> String {
    if found.is_empty() {
        return "There are no orchestrations.\n".into();
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|one| {
            vec![
                one.id.to_string(),
                one.stage.clone(),
                format!("{}/{}", one.children_done, one.children),
                plain::moment(one.updated_at),
                plain::printable(&one.asked_by),
                plain::printable(&one.place),
                plain::printable(&first_line(&one.task, 60)),
            ]
        })
        .collect();
    plain::table(&["ID", "STAGE", "DONE", "CHANGED (UTC)", "ASKED BY", "WHERE", "TASK"], &rows)
}
