//! `baton show ID`: one orchestration in full, for a terminal.

use std::path::Path;

use super::{Answer, Failed, Outcome, block_on, open, plain};
use crate::{
    domain::{
        board,
        orchestration::Orchestration,
        proposal::{Content, Digest, Proposal},
    },
    ids::OrchestrationId,
    storage::{
        Store, orchestrations,
        outbox::{self, DeliveryRow, DeliveryState},
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The orchestration, as the board and `baton list` show it.
    id: String,
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Outcome {
    block_on(async {
        let store = open::existing(config).await?;
        let orchestration = read(&store, &OrchestrationId::new(args.id.trim())).await?;
        let deliveries = outbox::of(&store, &orchestration.id).await?;
        store.close().await;
        Ok(Answer::new(text(&orchestration, &deliveries)))
    })
}

/// The orchestration, or that there is none.
pub(super) async fn read(store: &Store, id: &OrchestrationId) -> Result<Orchestration, Failed> {
    let found = orchestrations::read(store, id).await?;
    found.ok_or_else(|| Failed::new(format!("there is no orchestration {}", plain::printable(id.as_str()))))
}

fn text(orchestration: &Orchestration, deliveries: &[DeliveryRow]) -> String {
    let mut lines = vec![format!("{}  {}", orchestration.id, plain::line(&board::state(orchestration)))];
    lines.extend(facts(orchestration).iter().map(|(label, value)| format!("{label:<9} {}", plain::printable(value))));
    lines.extend([String::new(), "Task".into()]);
    lines.extend(plain::indented(&orchestration.request.ask.task, "  "));
    if let Some(proposal) = &orchestration.proposal {
        let heading = format!("Proposal, version {}, digest {}", proposal.version, proposal.digest.as_str());
        lines.extend([String::new(), heading, format!("  {}", recomputed(orchestration, proposal))]);
        match &proposal.content {
            Content::Words { text } => lines.extend(plain::indented(text, "  ")),
            Content::Children { children, .. } => {
                for child in children {
                    lines.push(format!("  {}", plain::printable(&child.name)));
                    lines.extend(plain::indented(&child.prompt, "    "));
                }
            }
        }
    }
    if !orchestration.children.is_empty() {
        lines.extend([String::new(), format!("Children: {}", board::counts(orchestration))]);
        lines.extend(orchestration.children.iter().map(|child| format!("  {}", plain::line(&board::row(child)))));
    }
    let open: Vec<&DeliveryRow> = deliveries.iter().filter(|row| row.state != DeliveryState::Done).collect();
    if !open.is_empty() {
        lines.extend([String::new(), "Deliveries that are not done".into()]);
        lines.extend(open.iter().map(|row| {
            let problem = row.problem.as_deref().unwrap_or("not attempted yet");
            format!("  {}  {}  {}", row.id, row.kind, plain::printable(problem))
        }));
    }
    lines.join("\n") + "\n"
}

/// Whether the digest on record is that of what is on record.
fn recomputed(orchestration: &Orchestration, proposal: &Proposal) -> String {
    let digest = Digest::of(&orchestration.request.ask.task, &orchestration.settings, &proposal.content);
    if digest == proposal.digest {
        "The digest is that of this task, these settings and these children.".into()
    } else {
        format!("THE DIGEST DIFFERS: of this task, these settings and these children it is {}.", digest.as_str())
    }
}

fn facts(orchestration: &Orchestration) -> Vec<(&'static str, String)> {
    let request = &orchestration.request;
    let mut facts = vec![
        ("asked", format!("{} by {} at {}", request.verb.command(), request.by.handle(), plain::moment(request.at))),
        ("where", orchestration.conversation.key().unwrap_or_else(|| orchestration.conversation.place_key())),
        ("changed", plain::moment(orchestration.updated_at)),
        ("policy", orchestration.policy.name.clone()),
    ];
    if let Some(parent) = &orchestration.parent {
        let run = parent.run.as_ref().map_or("not started yet", |run| run.as_str());
        let link = parent.seen.link.as_deref().unwrap_or_default();
        facts.push(("parent", format!("{run} {} {link}", parent.seen.state)));
    }
    if let Some(credits) = orchestration.credits() {
        facts.push(("credits", format!("{credits:.1}")));
    }
    facts
}
