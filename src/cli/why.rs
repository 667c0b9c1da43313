//! `baton why ID`: the trail of decisions that led an orchestration to its state.

use std::path::Path;

use super::{Answer, Failed, Outcome, block_on, open, plain, show};
use crate::{
    ids::OrchestrationId,
    storage::trail::{self, TrailEntry},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The orchestration, as the board and `baton list` show it.
    id: String,
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Outcome {
    block_on(async {
        let id = OrchestrationId::new(args.id.trim());
        let store = open::existing(config).await?;
        // Asked for first, so that an id that is not there is told as such.
        show::read(&store, &id).await?;
        let entries = trail::read(&store, &id).await?;
        store.close().await;
        Ok::<_, Failed>(Answer::new(entries.iter().map(line).collect::<Vec<_>>().concat()))
    })
}

fn line(entry: &TrailEntry) -> String {
    let by = entry.actor.as_ref().map(|actor| format!(", by {actor}")).unwrap_or_default();
    let detail = entry.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{}  {}\n", plain::moment(entry.at), plain::printable(&format!("{}{by}{detail}", entry.what)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::InputId, time::Timestamp};

    #[test]
    fn a_line_says_when_what_and_by_whom() {
        let entry = TrailEntry {
            at: Timestamp::from_secs(0),
            input: InputId::new("i"),
            actor: Some("slack:UADA".into()),
            what: "approved version 2".into(),
            detail: None,
        };
        assert_eq!(line(&entry), "1970-01-01 00:00:00  approved version 2, by slack:UADA\n");
    }
}
