//! What is said in the conversation for all to see: the proposal, news of children, the ending.

use crate::{
    domain::{
        actor::Actor,
        artifact::Artifact,
        board,
        command::Verb,
        failure::Problem,
        message::{About, Block, Button, ButtonStyle, Mark, Message, Press, Span, Subject, Text, Tone},
        orchestration::{Child, ChildState, Fate, Orchestration, Stage},
        policy::{Approver, Policy},
        proposal::{ChildSpec, Content, Proposal},
        run::{CancelAnswer, RunSettings},
        text::{count, first_line, shorten},
        words::problems,
    },
    time::Timestamp,
};

/// Prompts are quoted in full up to this many characters in all; longer proposals go to a file.
const QUOTED_IN_FULL: usize = 5000;

/// For the words of an agent that nobody can read here.
pub const MUTE: &str =
    "The agent has ended. Its harness offers no conversation that can be read here; open the run for its words.";

/// The proposal, to be decided on.
#[must_use]
pub fn proposal(orchestration: &Orchestration, proposal: &Proposal) -> Message {
    let mut message = content(proposal_heading(proposal), proposal);
    message = message.with(Block::Facts(facts(orchestration, proposal)));
    if let Stage::Deciding { votes, .. } = &orchestration.stage
        && !votes.is_empty()
    {
        let mut text = Text::default().mark(Mark::Done).then(" Approved by ");
        for (at, vote) in votes.iter().enumerate() {
            text = if at > 0 { text.then(", ").person(&vote.by) } else { text.person(&vote.by) };
        }
        message = message.with(Block::Line(text.then(format!(" · {} needed", orchestration.policy.quorum))));
    }
    let about = About {
        orchestration: orchestration.id.clone(),
        subject: Subject::Proposal { version: proposal.version, digest: proposal.digest.short().to_owned() },
    }
    .to_string();
    let button =
        |press, label: &str, style| Button { press, label: label.into(), style, value: about.clone(), confirm: None };
    message
        .tone(Tone::Ask)
        .button(button(Press::Approve, "Approve", ButtonStyle::Primary))
        .button(button(Press::RequestChanges, "Request changes", ButtonStyle::Plain))
        .button(button(Press::Reject, "Reject", ButtonStyle::Danger))
}

/// The same message once nothing can be decided by it any more.
#[must_use]
pub fn closed_proposal(proposal: &Proposal, fate: &Fate) -> Message {
    let line = match fate {
        Fate::Standing => Text::plain("Waiting for a decision"),
        Fate::Approved { by } => {
            let mut text = Text::default().mark(Mark::Done).then(" ").bold("Approved").then(" by ");
            for (at, actor) in by.iter().enumerate() {
                text = if at > 0 { text.then(", ").person(actor) } else { text.person(actor) };
            }
            text
        }
        Fate::Rejected { by } => Text::default().mark(Mark::Stopped).then(" ").bold("Rejected").then(" by ").person(by),
        Fate::ChangesRequested { by } => Text::default()
            .mark(Mark::Working)
            .then(" ")
            .person(by)
            .then(" asked for changes; this version decides nothing any more."),
        Fate::Replaced { by } => Text::default()
            .mark(Mark::Stopped)
            .then(format!(" Replaced by version {by}; this one decides nothing any more.")),
        Fate::Expired => Text::default().mark(Mark::Stopped).then(" Lapsed: nobody decided in time."),
        Fate::Stopped { by } => Text::default().mark(Mark::Stopped).then(" Stopped by ").person(by),
    };
    let names: Vec<String> = proposal.content.children().iter().map(|child| shorten(child.name.trim(), 60)).collect();
    let mut message = Message::default().with(Block::Heading(proposal_heading(proposal))).with(Block::Line(line));
    if !names.is_empty() {
        message = message.with(Block::Note(Text::plain(shorten(&names.join(", "), 1500))));
    }
    message.with(Block::Note(Text::plain("Digest ").code(proposal.digest.short())))
}

/// Words of the parent that are no proposal: a question or an answer.
#[must_use]
pub fn words(text: &str, standing: bool) -> Message {
    let hint =
        if standing { "Reply here to answer. The proposal above still stands." } else { "Reply here to answer." };
    Message::default()
        .with(Block::Markdown { text: text.to_owned(), file: "answer.md".into() })
        .with(Block::Note(Text::plain(hint)))
        .tone(Tone::Ask)
}

/// A child's words, after somebody talked to it.
#[must_use]
pub fn child_words(child: &Child, text: &str) -> Message {
    Message::default()
        .with(Block::Line(Text::default().bold(name(child)).then(" says:")))
        .with(Block::Markdown { text: text.to_owned(), file: format!("child-{}.md", child.number) })
}

#[must_use]
pub fn pull_request(of: &str, url: &str) -> Message {
    let text = Text::default()
        .mark(Mark::PullRequest)
        .then(" ")
        .bold(shorten(of, 80))
        .then(" opened ")
        .link(pull_request_label(url), url);
    Message::of(vec![Block::Line(text)])
}

#[must_use]
pub fn child_failed(orchestration: &Orchestration, child: &Child, problem: &Problem) -> Message {
    let about = About { orchestration: orchestration.id.clone(), subject: Subject::Child(child.number) }.to_string();
    let line =
        Text::default().mark(Mark::Failed).then(format!(" Child {} ", child.number)).bold(name(child)).then(" failed.");
    let mut message =
        Message::default().with(Block::Line(line)).with(Block::Line(problems::text(problem))).tone(Tone::Step);
    let button = |press, label: &str, value: String| Button {
        press,
        label: label.into(),
        style: ButtonStyle::Plain,
        value,
        confirm: None,
    };
    if let Some(link) = &child.seen.link {
        message = message.button(button(Press::Open, "Open run", link.clone()));
    }
    if child.is_startable() { message.button(button(Press::RetryChild, "Retry", about)) } else { message }
}

#[must_use]
pub fn blocked(who: &str, note: Option<&str>, link: Option<&str>) -> Message {
    let mut text = Text::default().mark(Mark::Blocked).then(" ").bold(shorten(who, 80)).then(" waits for a person.");
    if let Some(note) = note {
        text = text.then(format!(" It says: “{}”", shorten(&note.replace('\n', " "), 500)));
    }
    let message = Message::of(vec![Block::Line(text)]);
    match link {
        Some(link) => message.with(Block::Note(Text::plain("Answer it in its session."))).button(Button {
            press: Press::Open,
            label: "Answer".into(),
            style: ButtonStyle::Primary,
            value: link.into(),
            confirm: None,
        }),
        None => message.with(Block::Note(Text::plain("Answer it in its session in Oz."))),
    }
}

/// Something failed that all should know of.
#[must_use]
pub fn problem(lead: &str, problem: &Problem) -> Message {
    Message::default()
        .with(Block::Line(Text::default().bold(lead.to_owned())))
        .with(Block::Line(problems::text(problem)))
}

/// A child that nobody approved.
#[must_use]
pub fn breach(title: &str, link: Option<&str>, cancelling: bool) -> Message {
    let mut text = Text::default().mark(Mark::Warning).then(" ").bold("A child was started that nobody approved: ");
    text = match link {
        Some(link) => text.link(shorten(title, 80), link),
        None => text.then(shorten(title, 80)),
    };
    let next = if cancelling { "It is being stopped." } else { "The policy says to report it only, so it goes on." };
    Message::default().with(Block::Line(text)).with(Block::Note(Text::plain(next)))
}

/// The last message: the summary and all that was brought back.
#[must_use]
pub fn summary(orchestration: &Orchestration, text: Option<&str>) -> Message {
    let words = match (text, orchestration.request.verb) {
        (Some(text), _) => text.to_owned(),
        (None, Verb::Run) => "The agent has ended without a word.".to_owned(),
        (None, Verb::Orchestrate | Verb::Plan) => own_summary(orchestration),
    };
    let mut message = Message::default().with(Block::Markdown { text: words, file: "summary.md".into() });
    let links: Vec<Text> = orchestration
        .artifacts
        .values()
        .filter_map(artifact_link)
        .map(|(mark, link)| Text(vec![Span::Mark(mark), Span::Plain(" ".into()), link]))
        .collect();
    if !links.is_empty() {
        message = message.with(Block::List(links));
    }
    if !orchestration.missing.is_empty() {
        let names = shorten(&orchestration.missing.join(", "), 800);
        message = message.with(Block::Line(
            Text::default().mark(Mark::Warning).then(format!(" Could not be brought here: {names}")),
        ));
    }
    message.with(Block::Note(Text::plain("Reply here to go on."))).tone(Tone::Final)
}

/// What became of every run that was to be stopped.
#[must_use]
pub fn stopped(orchestration: &Orchestration, by: &Actor, parent: Option<CancelAnswer>) -> Message {
    let mut lines = Vec::new();
    for child in &orchestration.children {
        let told = match &orchestration.stage {
            Stage::Stopping { answers, .. } => answers.get(&format!("c{}", child.number)).copied(),
            _ => None,
        };
        let state = match (told, &child.state) {
            (Some(answer), _) => cancel_answer(answer).to_owned(),
            (None, state) if state.is_settled() && child.run.is_some() => "was already at rest".into(),
            (None, _) => "was not started".into(),
        };
        lines.push(Text::plain(format!("{} ", child.number)).bold(name(child)).then(format!(" · {state}")));
    }
    if let Some(answer) = parent {
        lines.push(Text::default().bold("The parent run").then(format!(" · {}", cancel_answer(answer))));
    }
    let message = Message::default()
        .with(Block::Line(Text::default().mark(Mark::Stopped).then(" ").bold("Stopped").then(" by ").person(by)));
    if lines.is_empty() { message } else { message.with(Block::List(lines)) }
}

const fn cancel_answer(answer: CancelAnswer) -> &'static str {
    match answer {
        CancelAnswer::Stopped => "stopped",
        CancelAnswer::WasAtRest => "was already at rest",
        CancelAnswer::OwnInfrastructure => "has to be stopped on your own infrastructure",
        CancelAnswer::Gone => "is not in Oz any more",
        CancelAnswer::Unanswered => "Oz did not answer; look at the run",
    }
}

/// A child's state in a word or two.
#[must_use]
pub fn child_state(child: &Child) -> String {
    match &child.state {
        ChildState::Waiting => "waiting".into(),
        ChildState::Starting => "starting".into(),
        ChildState::Working if child.seen.state.as_str() == "INPROGRESS" => "at work".into(),
        ChildState::Working => format!("at work ({})", shorten(&child.seen.state.as_str().to_lowercase(), 30)),
        ChildState::Reading => "ending".into(),
        ChildState::Blocked => "waits for a person".into(),
        ChildState::Done { .. } => "done".into(),
        ChildState::Retrying { problem } => format!("starts again after: {}", problems::short(problem)),
        ChildState::Failed { problem } => format!("failed: {}", problems::short(problem)),
        ChildState::Cancelled => "stopped".into(),
    }
}

#[must_use]
pub const fn mark(state: &ChildState) -> Mark {
    match state {
        ChildState::Waiting | ChildState::Starting => Mark::Waiting,
        ChildState::Working | ChildState::Reading | ChildState::Retrying { .. } => Mark::Working,
        ChildState::Blocked => Mark::Blocked,
        ChildState::Done { .. } => Mark::Done,
        ChildState::Failed { .. } => Mark::Failed,
        ChildState::Cancelled => Mark::Stopped,
    }
}

/// The link of an artifact that is a link; the others are files in the conversation.
#[must_use]
pub fn artifact_link(artifact: &Artifact) -> Option<(Mark, Span)> {
    let link = |mark, label: String, url: &str| Some((mark, Span::Link { label, url: url.to_owned() }));
    match artifact {
        Artifact::PullRequest { url, .. } => link(Mark::PullRequest, pull_request_label(url), url),
        Artifact::Plan { title, url: Some(url), .. } => {
            link(Mark::Document, first_line(title.as_deref().unwrap_or("Plan"), 80), url)
        }
        Artifact::Reference { url, title, kind } => {
            link(Mark::Document, first_line(title.as_deref().unwrap_or(kind), 80), url)
        }
        Artifact::Plan { url: None, .. } | Artifact::Screenshot { .. } | Artifact::File { .. } => None,
    }
}

/// `api#41` of `https://github.com/acme/api/pull/41`.
#[must_use]
pub fn pull_request_label(url: &str) -> String {
    let parts: Vec<&str> = url.trim_end_matches('/').rsplit('/').take(4).collect();
    match parts.as_slice() {
        [number, "pull" | "pulls" | "merge_requests", repository, ..] if number.chars().all(|c| c.is_ascii_digit()) => {
            format!("{repository}#{number}")
        }
        _ => "pull request".into(),
    }
}

fn proposal_heading(proposal: &Proposal) -> String {
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
    if children.len() <= 15 && children.iter().map(|child| child.prompt.len()).sum::<usize>() <= QUOTED_IN_FULL {
        return children.iter().enumerate().fold(message, |message, (at, child)| {
            message.with(Block::Line(headline(at, child))).with(Block::Quote(child.prompt.clone()))
        });
    }
    let lines = children.iter().enumerate().take(50).map(|(at, child)| headline(at, child)).collect();
    message
        .with(Block::List(lines))
        .with(Block::Markdown { text: in_full(children), file: format!("proposal-v{}.md", proposal.version) })
}

fn headline(at: usize, child: &ChildSpec) -> Text {
    let mut text = Text::plain(format!("{} ", at + 1)).bold(shorten(child.name.trim(), 80));
    if let Some(returns) = &child.returns {
        text = text.then(format!(" → {}", first_line(returns, 160)));
    }
    for (what, value) in [("environment", &child.environment), ("model", &child.model)] {
        if let Some(value) = value {
            text = text.then(format!(" · {what} ")).code(shorten(value, 60));
        }
    }
    text
}

/// Every prompt, in Markdown, for the file.
fn in_full(children: &[ChildSpec]) -> String {
    children
        .iter()
        .enumerate()
        .map(|(at, child)| format!("## {} {}\n\n{}\n", at + 1, child.name.trim(), child.prompt.trim()))
        .collect::<Vec<_>>()
        .join("\n")
}

fn facts(orchestration: &Orchestration, proposal: &Proposal) -> Vec<(String, Text)> {
    let mut facts = Vec::new();
    let mut fact = |label: &str, text: Text| facts.push((label.to_owned(), text));
    fact("Runs with", Text::plain(settings(&orchestration.settings)));
    fact("Who may approve", approvers(&orchestration.policy, &orchestration.request.by));
    if let Stage::Deciding { expires_at: Some(at), .. } = &orchestration.stage {
        fact("Until", Text::default().when(*at));
    }
    fact("Digest", Text::default().code(proposal.digest.short()));
    facts
}

fn settings(settings: &RunSettings) -> String {
    let mut parts = Vec::new();
    for (label, value) in [
        ("environment", &settings.environment),
        ("model", &settings.model),
        ("harness", &settings.harness),
        ("host", &settings.host),
        ("skill", &settings.skill),
    ] {
        if let Some(value) = value {
            parts.push(format!("{label} {}", shorten(value, 60)));
        }
    }
    match settings.parallelism {
        Some(at_once) => parts.push(format!("{at_once} at once")),
        None => parts.push("all at once".into()),
    }
    parts.join(" · ")
}

fn approvers(policy: &Policy, asker: &Actor) -> Text {
    let mut text = Text::default();
    if policy.approvers.is_empty() {
        text = text.then("anyone here");
    }
    for (at, approver) in policy.approvers.iter().take(10).enumerate() {
        let Approver::Member { platform, id } = approver;
        let actor = Actor { platform: *platform, workspace: asker.workspace.clone(), id: id.clone(), name: None };
        text = if at > 0 { text.then(", ").person(&actor) } else { text.person(&actor) };
    }
    if policy.quorum > 1 {
        text = text.then(format!(" · {} needed", policy.quorum));
    }
    if policy.self_approval { text } else { text.then(" · not the one who asked") }
}

fn own_summary(orchestration: &Orchestration) -> String {
    let lines: Vec<String> = orchestration
        .children
        .iter()
        .map(|child| {
            let links: Vec<String> = super::prompt::pull_requests(child).map(str::to_owned).collect();
            format!("- **{}**: {} {}", child.spec.name.trim(), super::prompt::outcome(child), links.join(" "))
        })
        .collect();
    format!("The agent gave no summary of its own. {}.\n\n{}", board::counts(orchestration), lines.join("\n"))
}

fn name(child: &Child) -> String {
    shorten(child.spec.name.trim(), 80)
}

/// A proposal lapsed.
#[must_use]
pub fn lapsed(version: u32, at: Timestamp) -> Message {
    let text = Text::default()
        .mark(Mark::Stopped)
        .then(format!(" Nobody decided on version {version} until "))
        .when(at)
        .then(", so it lapsed. Reply here to go on.");
    Message::of(vec![Block::Line(text)])
}

/// Why a proposal was rejected.
#[must_use]
pub fn rejected(by: &Actor, reason: &str) -> Message {
    let text = Text::default().mark(Mark::Stopped).then(" ").person(by).then(" rejected it:");
    Message::of(vec![Block::Line(text), Block::Quote(shorten(reason, 2000))])
}

/// Replies that nobody will hear any more.
#[must_use]
pub fn unheard() -> Message {
    Message::line("What was said here in the meantime was not passed on. Say it again to go on.")
}

/// Something that could not be brought here, after the last message named the rest.
#[must_use]
pub fn missing(name: &str) -> Message {
    Message::of(vec![Block::Line(
        Text::default().mark(Mark::Warning).then(format!(" Could not be brought here: {}", shorten(name, 200))),
    )])
}
