//! `baton mended`: what reconciling found amiss and put right, and when it last looked.

use std::path::Path;

use super::{Answer, Outcome, block_on, open, plain};
use crate::{
    storage::{
        kept,
        mended::{self, LAST_ROUND, Mended},
    },
    time::Timestamp,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many at the most.
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Outcome {
    block_on(async {
        let store = open::existing(config).await?;
        let rows = mended::newest(&store, args.limit).await?;
        let last = kept::get(&store, LAST_ROUND).await?.map(|(_, at)| at);
        store.close().await;
        Ok(Answer::new(text(&rows, last)))
    })
}

fn text(rows: &[Mended], last: Option<Timestamp>) -> String {
    let last = last.map_or_else(
        || "Nothing has been reconciled yet.\n".to_owned(),
        |at| format!("Last reconciled {} UTC.\n", plain::moment(at)),
    );
    if rows.is_empty() {
        return format!("Nothing had to be mended. {last}");
    }
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                plain::moment(row.at),
                row.kind.clone(),
                row.orchestration.as_ref().map(ToString::to_string).unwrap_or_default(),
                plain::printable(&row.what),
            ]
        })
        .collect();
    plain::table(&["WHEN (UTC)", "WHAT", "ORCHESTRATION", "IN WORDS"], &rows) + &last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_mended_and_when_it_last_looked() {
        let at = Timestamp::from_secs(1_793_610_000);
        assert_eq!(text(&[], None), "Nothing had to be mended. Nothing has been reconciled yet.\n");
        let row = Mended {
            at,
            kind: "run_adopted".into(),
            orchestration: Some(crate::ids::OrchestrationId::new("o1")),
            what: "Run r1\u{1b}[2J is the parent.".into(),
        };
        assert_eq!(
            text(&[row], Some(at)),
            "WHEN (UTC)           WHAT         ORCHESTRATION  IN WORDS\n\
             2026-11-02 09:00:00  run_adopted  o1             Run r1 [2J is the parent.\n\
             Last reconciled 2026-11-02 09:00:00 UTC.\n"
        );
    }
}
