//! The proposal as people see it: to be decided on, how far the decision is, and what became of it.

use crate::{
    domain::{
        actor::Actor,
        board,
        message::{About, Block, Button, ButtonStyle, Mark, Message, Press, Subject, Text, Tone},
        orchestration::{Fate, Orchestration, Stage},
        policy::{Approver, Policy, Vote},
        proposal::{Changes, ChildSpec, Content, Proposal},
        run::RunSettings,
        text::{count, first_line, shorten},
    },
    time::Timestamp,
};

/// Prompts of so many children are quoted, up to this many bytes in all: a message has room for them.
const MOST_QUOTED: usize = 15;
const QUOTED_IN_FULL: usize = 5000;
/// More children than this have no headline.
const MOST_HEADLINES: usize = 50;
/// A headline shows so much of what a child returns, and of an environment or model.
const RETURNS_SHOWN: usize = 160;
const SETTING_SHOWN: usize = 60;
/// More approvers than this are not listed.
const LISTED: usize = 10;
/// Why what has all its approvals did not start.
const USED_UP: &str = "the limit of credits within 24 hours was reached";

/// The proposal, to be decided on.
#[must_use]
pub fn standing(orchestration: &Orchestration, proposal: &Proposal) -> Message {
    let mut message = content(heading(proposal), proposal);
    if let Some(changes) = &proposal.changes {
        message = message.with(Block::Line(since(changes))).with(Block::List(lines(changes)));
    }
    message = message.with(Block::Facts(facts(orchestration, proposal)));
    if let Stage::Deciding { votes, .. } = &orchestration.stage
        && !votes.is_empty()
    {
        message = message.with(Block::Line(so_far(&orchestration.policy, &orchestration.request.by, votes)));
    }
    let about = about(orchestration, proposal);
    let button =
        |press, label: &str, style| Button { press, label: label.into(), style, value: about.clone(), confirm: None };
    message = message.tone(Tone::Ask).button(button(Press::Approve, "Approve", ButtonStyle::Primary));
    if matches!(proposal.content, Content::Children { .. }) {
        message = message.button(button(Press::Edit, "Edit", ButtonStyle::Plain));
    }
    message.button(button(Press::RequestChanges, "Request changes", ButtonStyle::Plain)).button(button(
        Press::Reject,
        "Reject",
        ButtonStyle::Danger,
    ))
}

/// What is still to be decided, and how far it is, in short.
#[must_use]
pub fn in_short(orchestration: &Orchestration, proposal: &Proposal) -> Message {
    let mut blocks = vec![Block::Line(board::state(orchestration))];
    if let Stage::Deciding { votes, .. } = &orchestration.stage
        && !votes.is_empty()
    {
        blocks.push(Block::Line(so_far(&orchestration.policy, &orchestration.request.by, votes)));
    }
    Message { blocks, ..standing(orchestration, proposal) }
}

/// A proposal that nobody has to decide on any more: all that is started, and why nobody is asked.
#[must_use]
pub fn approved_at_once(orchestration: &Orchestration, proposal: &Proposal, fate: &Fate) -> Message {
    content(heading(proposal), proposal)
        .with(Block::Facts(vec![
            ("Runs with".to_owned(), Text::plain(settings(&orchestration.settings))),
            ("Digest".to_owned(), Text::default().code(proposal.digest.short())),
        ]))
        .with(Block::Line(became(fate)))
}

/// The same message once nothing can be decided by it any more.
#[must_use]
pub fn closed(proposal: &Proposal, fate: &Fate) -> Message {
    let names = names(proposal.content.children());
    let mut message = Message::default().with(Block::Heading(heading(proposal))).with(Block::Line(became(fate)));
    if !names.is_empty() {
        message = message.with(Block::Note(Text::plain(names)));
    }
    message.with(Block::Note(Text::plain("Digest ").code(proposal.digest.short())))
}

/// Somebody approved by typing it: they are told that it was understood, and of which version.
#[must_use]
pub fn approved_in_words(by: &Actor, version: u32, policy: &Policy, votes: &[Vote]) -> Message {
    let text = Text::default().mark(Mark::Done).then(" ").person(by).then(format!(" approved version {version}"));
    let (missing, quorum) = (policy.missing(votes), policy.quorum as usize);
    Message::of(vec![Block::Line(if missing > 0 {
        text.then(format!(" · {} of {quorum} approvals", quorum - missing))
    } else {
        text.then(".")
    })])
}

/// It still waits. With the `last` reminder the policy's others are told, too.
#[must_use]
pub fn reminder(orchestration: &Orchestration, version: u32, last: bool) -> Message {
    let (policy, asker) = (&orchestration.policy, &orchestration.request.by);
    let Stage::Deciding { votes, expires_at, .. } = &orchestration.stage else { return Message::default() };
    let (text, left) = (Text::default().mark(Mark::Waiting), missing_approvers(policy, asker, votes));
    let mut text = if policy.has_quorum(votes) {
        let text = text.then(format!(" Version {version} has all approvals, but {USED_UP}. "));
        let text = text.then("Whoever approves again later starts it");
        if left.is_empty() { text } else { approvers(text.then(": "), &left) }
    } else {
        let missing = count(policy.missing(votes), "approval", "approvals");
        let text = text.then(format!(" Version {version} still waits for {missing} of "));
        if left.is_empty() { text.then("anyone here") } else { approvers(text, &left) }
    };
    if let Some(at) = expires_at {
        text = text.then(". It lapses ").when(*at);
    }
    let message = Message::of(vec![Block::Line(text.then("."))]);
    if !last || policy.escalate_to.is_empty() {
        return message;
    }
    let text = approvers(Text::default().mark(Mark::Warning).then(" "), &policy.escalate_to);
    let text = text.then(format!(": {}, and this was the last reminder.", how_far(policy, votes)));
    message.with(Block::Line(text))
}

/// The proposal being decided on lapsed, and how far it was.
#[must_use]
pub fn expired(orchestration: &Orchestration, version: u32, at: Timestamp) -> Message {
    let policy = &orchestration.policy;
    let votes: &[Vote] = if let Stage::Deciding { votes, .. } = &orchestration.stage { votes } else { &[] };
    if policy.has_quorum(votes) {
        let lead = format!("Version {version} had all approvals, but {USED_UP}, and nobody approved again");
        return lapse(&lead, at);
    }
    let lead = match votes.iter().filter(|vote| vote.counts()).count() {
        0 if votes.is_empty() => format!("Nobody decided on version {version}"),
        0 => format!("Nobody approved all of version {version}"),
        had => format!("Only {had} of {} approved version {version}", policy.quorum),
    };
    lapse(&lead, at)
}

/// What is to be different, where only the one who asked has seen it.
#[must_use]
pub fn changes_requested(by: &Actor, text: &str) -> Message {
    let line = Text::default().mark(Mark::Working).then(" ").person(by).then(" asks for changes:");
    Message::of(vec![Block::Line(line), Block::Quote(shorten(text, 2000))])
}

/// Why a proposal was rejected.
#[must_use]
pub fn rejected(by: &Actor, reason: &str) -> Message {
    let text = Text::default().mark(Mark::Stopped).then(" ").person(by).then(" rejected it:");
    Message::of(vec![Block::Line(text), Block::Quote(shorten(reason, 2000))])
}

/// Who an entry of a policy means. Where they are, they are mentioned; elsewhere they are named.
#[must_use]
pub fn approver(text: Text, approver: &Approver) -> Text {
    match approver {
        Approver::Member { platform, id } => {
            let name = format!("{} member {}", platform.name(), shorten(id, 40));
            // The settings name no workspace.
            let workspace = String::new();
            text.person(&Actor { platform: *platform, workspace, id: id.clone(), name: Some(name), email: None })
        }
        Approver::SlackGroup(id) => text.then("the Slack group ").code(shorten(id, 40)),
        Approver::Email(address) => text.then(shorten(address, 80)),
        Approver::Domain(domain) => text.then(format!("anyone at {}", shorten(domain, 80))),
    }
}

/// All of a list, as far as a line has room.
#[must_use]
pub fn approvers(mut text: Text, list: &[Approver]) -> Text {
    for (at, entry) in list.iter().take(LISTED).enumerate() {
        text = approver(if at > 0 { text.then(", ") } else { text }, entry);
    }
    let more = list.len().saturating_sub(LISTED);
    if more > 0 { text.then(format!(" and {more} more")) } else { text }
}

/// What became of a version.
fn became(fate: &Fate) -> Text {
    match fate {
        Fate::Standing => Text::plain("Waiting for a decision"),
        Fate::Approved { by } => {
            people(Text::default().mark(Mark::Done).then(" ").bold("Approved").then(" by "), by.iter())
        }
        Fate::ApprovedByPolicy { policy } => Text::default()
            .mark(Mark::Done)
            .then(" ")
            .bold("Approved")
            .then(format!(" by the policy “{policy}”, which needs nobody for this.")),
        Fate::Rejected { by } => Text::default().mark(Mark::Stopped).then(" ").bold("Rejected").then(" by ").person(by),
        Fate::ChangesRequested { by } => Text::default()
            .mark(Mark::Working)
            .then(" ")
            .person(by)
            .then(" asked for changes; this version decides nothing any more."),
        Fate::Replaced { by } => Text::default()
            .mark(Mark::Stopped)
            .then(format!(" Replaced by version {by}; this one decides nothing any more.")),
        Fate::Expired => {
            let words = " Lapsed: it was not decided in time. Reply in the thread to go on.";
            Text::default().mark(Mark::Stopped).then(words)
        }
        Fate::Stopped { by } => Text::default().mark(Mark::Stopped).then(" Stopped by ").person(by),
    }
}

fn about(orchestration: &Orchestration, proposal: &Proposal) -> String {
    About {
        orchestration: orchestration.id.clone(),
        subject: Subject::Proposal { version: proposal.version, digest: proposal.digest.short().to_owned() },
    }
    .to_string()
}

/// Who has approved, how many are missing and, as far as they are named, who they may be.
fn so_far(policy: &Policy, asker: &Actor, votes: &[Vote]) -> Text {
    let mut text = Text::default().mark(Mark::Done).then(" Approved by ");
    for (at, vote) in votes.iter().enumerate() {
        text = if at > 0 { text.then(", ") } else { text }.person(&vote.by);
        if !vote.counts() {
            text = text.then(format!(" (all but {})", shorten(&vote.except.join(", "), 200)));
        }
    }
    if policy.has_quorum(votes) {
        let held_up = format!(" · all approvals are there, but {USED_UP}. Whoever approves again later starts it.");
        return text.then(held_up);
    }
    let more = count(policy.missing(votes), "more person is", "more people are");
    let text = text.then(format!(" · {more} needed"));
    let left: Vec<Approver> = missing_approvers(policy, asker, votes);
    if left.is_empty() { text } else { approvers(text.then(" of "), &left) }
}

/// The same within a sentence.
fn how_far(policy: &Policy, votes: &[Vote]) -> String {
    if policy.has_quorum(votes) {
        return "all approvals are there, but it has not started".into();
    }
    match votes.iter().filter(|vote| vote.counts()).count() {
        0 if votes.is_empty() => "nobody has decided so far".into(),
        0 => "nobody has approved all of it so far".into(),
        had => format!("{had} of {} have approved", policy.quorum),
    }
}

fn lapse(lead: &str, at: Timestamp) -> Message {
    let text = Text::default().mark(Mark::Stopped).then(format!(" {lead} until ")).when(at);
    Message::of(vec![Block::Line(text.then(", so it lapsed. Reply here to go on."))])
}

/// The entries that have not decided yet; groups stay, for there may be more people in them.
fn missing_approvers(policy: &Policy, asker: &Actor, votes: &[Vote]) -> Vec<Approver> {
    // Where enough have decided, any of them can once more.
    let votes: &[Vote] = if policy.has_quorum(votes) { &[] } else { votes };
    let counted = |entry: &Approver| {
        let own = !policy.self_approval && policy.is_listed(std::slice::from_ref(entry), asker, &[]);
        own || votes.iter().any(|vote| vote.counts() && policy.is_listed(std::slice::from_ref(entry), &vote.by, &[]))
    };
    policy.approvers.iter().filter(|entry| !(entry.is_one() && counted(entry))).cloned().collect()
}

pub(super) fn people<'a>(mut text: Text, actors: impl Iterator<Item = &'a Actor>) -> Text {
    for (at, actor) in actors.enumerate() {
        text = if at > 0 { text.then(", ").person(actor) } else { text.person(actor) };
    }
    text
}

fn heading(proposal: &Proposal) -> String {
    match &proposal.content {
        Content::Children { children, .. } => {
            format!("Proposal, version {}: {}", proposal.version, count(children.len(), "child", "children"))
        }
        Content::Words { .. } => format!("Plan, version {}", proposal.version),
    }
}

fn content(heading: String, proposal: &Proposal) -> Message {
    let message = Message::default().with(Block::Heading(heading));
    let (summary, children) = match &proposal.content {
        Content::Words { text } => {
            let file = format!("plan-v{}.md", proposal.version);
            return message.with(Block::Markdown { text: text.clone(), file });
        }
        Content::Children { summary, children } => (summary, children),
    };
    let message = match summary {
        Some(summary) => message.with(Block::Markdown { text: shorten(summary, 1000), file: "summary.md".into() }),
        None => message,
    };
    let few = children.len() <= MOST_QUOTED;
    let short = children.iter().map(|child| child.prompt.len()).sum::<usize>() <= QUOTED_IN_FULL;
    if few && short && !children.iter().any(is_cut) {
        return children.iter().enumerate().fold(message, |message, (at, child)| {
            message.with(Block::Line(headline(at, child))).with(Block::Quote(child.prompt.clone()))
        });
    }
    let mut lines: Vec<Text> =
        children.iter().enumerate().take(MOST_HEADLINES).map(|(at, child)| headline(at, child)).collect();
    let more = children.len().saturating_sub(lines.len());
    if more > 0 {
        lines.push(Text::plain(format!("and {}", count(more, "more child", "more children"))));
    }
    message
        .with(Block::List(lines))
        .with(Block::Markdown { text: in_full(children), file: format!("proposal-v{}.md", proposal.version) })
}

fn headline(at: usize, child: &ChildSpec) -> Text {
    let mut text = Text::plain(format!("{} ", at + 1)).bold(shorten(child.name.trim(), 80));
    if let Some(returns) = &child.returns {
        text = text.then(format!(" → {}", first_line(returns, RETURNS_SHOWN)));
    }
    for (what, value) in [("environment", &child.environment), ("model", &child.model)] {
        if let Some(value) = value {
            text = text.then(format!(" · {what} ")).code(first_line(value, SETTING_SHOWN));
        }
    }
    text
}

/// Its headline leaves something out.
fn is_cut(child: &ChildSpec) -> bool {
    let cuts = |value: Option<&str>, shown| value.is_some_and(|value| first_line(value, shown) != value.trim());
    cuts(child.returns.as_deref(), RETURNS_SHOWN)
        || cuts(child.environment.as_deref(), SETTING_SHOWN)
        || cuts(child.model.as_deref(), SETTING_SHOWN)
}

/// All of every child, in Markdown, for the file. It is code: what is taken for markup may not be seen.
fn in_full(children: &[ChildSpec]) -> String {
    let whole: Vec<String> = children.iter().enumerate().map(|(at, child)| code(&whole(at, child))).collect();
    whole.join("\n\n")
}

fn whole(at: usize, child: &ChildSpec) -> String {
    let ChildSpec { name, prompt, returns, environment, model } = child;
    let mut lines = vec![format!("{} {}", at + 1, name.trim())];
    for (what, value) in [("environment", environment), ("model", model), ("returns", returns)] {
        if let Some(value) = value {
            lines.push(format!("{what}: {}", value.trim()));
        }
    }
    format!("{}\n\n{}", lines.join("\n"), prompt.trim())
}

/// A block of code that nothing in it can end.
fn code(text: &str) -> String {
    let longest = text.split(|sign: char| sign != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}\n{text}\n{fence}")
}

fn facts(orchestration: &Orchestration, proposal: &Proposal) -> Vec<(String, Text)> {
    let mut facts = Vec::new();
    let mut fact = |label: &str, text: Text| facts.push((label.to_owned(), text));
    fact("Runs with", Text::plain(settings(&orchestration.settings)));
    fact("Who may approve", who_may(&orchestration.policy));
    if let Stage::Deciding { expires_at: Some(at), posted_at, .. } = &orchestration.stage {
        fact("Until", Text::default().when(*at));
        if !orchestration.policy.remind_after.is_empty() {
            fact("Reminders", reminders(&orchestration.policy, *posted_at));
        }
    }
    if !orchestration.held.is_empty() {
        fact("Held for later", Text::plain(names(&orchestration.held)));
    }
    fact("Digest", Text::default().code(proposal.digest.short()));
    facts
}

fn names(children: &[ChildSpec]) -> String {
    let names: Vec<String> = children.iter().map(|child| shorten(child.name.trim(), 60)).collect();
    shorten(&names.join(", "), 1500)
}

fn since(changes: &Changes) -> Text {
    let text = Text::default().bold(format!("Changed since version {}", changes.since));
    match &changes.by {
        Some(by) => text.then(" by ").person(by),
        None => text,
    }
}

fn lines(changes: &Changes) -> Vec<Text> {
    let mut lines: Vec<Text> = changes.lines.iter().take(30).map(|line| Text::plain(shorten(line, 160))).collect();
    let more = changes.lines.len().saturating_sub(lines.len());
    if more > 0 {
        lines.push(Text::plain(format!("and {}", count(more, "more change", "more changes"))));
    }
    lines
}

fn reminders(policy: &Policy, posted_at: Timestamp) -> Text {
    let mut text = Text::default();
    for (at, after) in policy.remind_after.iter().enumerate() {
        text = if at > 0 { text.then(", ") } else { text }.when(posted_at + *after);
    }
    match policy.escalate_to.len() {
        0 => text,
        others => text.then(format!(", the last also to {}", count(others, "other person", "other people"))),
    }
}

/// In full, however long: nothing else shows them.
fn settings(settings: &RunSettings) -> String {
    let RunSettings { environment, model, harness, host, skill, auth_secret, parallelism } = settings;
    let mut parts = Vec::new();
    for (label, value) in [
        ("environment", environment),
        ("model", model),
        ("harness", harness),
        ("host", host),
        ("skill", skill),
        ("auth secret", auth_secret),
    ] {
        if let Some(value) = value {
            parts.push(format!("{label} {value}"));
        }
    }
    match parallelism {
        Some(at_once) => parts.push(format!("{at_once} at once")),
        None => parts.push("all at once".into()),
    }
    parts.join(" · ")
}

fn who_may(policy: &Policy) -> Text {
    let mut text = if policy.approvers.is_empty() {
        Text::plain("anyone here")
    } else {
        approvers(Text::default(), &policy.approvers)
    };
    if policy.quorum > 1 {
        text = text.then(format!(" · {} needed", policy.quorum));
    }
    if policy.self_approval { text } else { text.then(" · not the one who asked") }
}

#[cfg(test)]
mod tests;
