//! The board: one message that always says how an orchestration stands. It holds no ages, only
//! moments, so that it changes exactly when something has changed; `decide` shows it then.

use super::{
    actor::Platform,
    artifact::Artifact,
    errand::{Outline, Row, RowState},
    message::{About, Block, Button, ButtonStyle, Mark, Message, Press, Span, Subject, Text},
    orchestration::{Child, ChildState, Ending, Orchestration, Stage},
    run::RunState,
    text::{count, duration, first_line, shorten},
    words::{cards, problems},
};

/// Beyond this many children the board shows counts and what matters most.
const ROWS: usize = 15;

/// The board as it stands. `pages` is the address of the operator's pages, where there is one.
#[must_use]
pub fn message(orchestration: &Orchestration, pages: Option<&str>) -> Message {
    with_halt(orchestration, pages, None)
}

/// The board while launches are halted for `reason`, if there is one.
#[must_use]
pub fn with_halt(orchestration: &Orchestration, pages: Option<&str>, halted: Option<&str>) -> Message {
    let request = &orchestration.request;
    let mut message = Message::default()
        .with(Block::Heading(first_line(&request.ask.task, 140)))
        .with(Block::Line(state(orchestration)));
    if let Some(reason) = halted.filter(|_| !orchestration.is_ended()) {
        message = message.with(Block::Line(halt(reason)));
    }

    let rows = rows(orchestration);
    if !rows.is_empty() {
        message = message.with(Block::List(rows));
    }
    if !orchestration.held.is_empty() {
        let names: Vec<&str> = orchestration.held.iter().map(|child| child.name.trim()).collect();
        let held = format!(" Held until these have ended: {}", shorten(&names.join(", "), 600));
        message = message.with(Block::Line(Text::default().mark(Mark::Waiting).then(held)));
    }
    let links = results(orchestration);
    if !links.is_empty() {
        message = message.with(Block::List(links));
    }

    let mut note = Text::default()
        .then(asked_by(orchestration))
        .person(&request.by)
        .then(" · ")
        .when(request.at)
        .then(" · ")
        .code(orchestration.id.as_str());
    if let Some(credits) = orchestration.credits().filter(|credits| *credits > 0.0) {
        note = note.then(format!(" · {credits:.1} credits"));
    }
    if let Stage::Ended { at, .. } = &orchestration.stage {
        note = note.then(format!(" · took {}", duration(at.since(orchestration.created_at))));
    }
    if let Some(pages) = pages {
        let url = format!("{}/orchestrations/{}", pages.trim_end_matches('/'), orchestration.id);
        note = note.then(" · ").link("details", url);
    }
    message = message.with(Block::Note(note));
    with_buttons(orchestration, message)
}

/// The board for platforms that have better forms for it than a message.
#[must_use]
pub fn outline(orchestration: &Orchestration, pages: Option<&str>) -> Outline {
    let row = |child: &Child| {
        let state = match &child.state {
            ChildState::Waiting => RowState::Waiting,
            ChildState::Starting
            | ChildState::Working
            | ChildState::Blocked
            | ChildState::Reading
            | ChildState::Retrying { .. } => RowState::Working,
            ChildState::Done { .. } => RowState::Done,
            ChildState::Failed { .. } | ChildState::Cancelled => RowState::Cancelled,
        };
        let name = shorten(child.spec.name.trim(), 60);
        Row { name: format!("{} {name} · {}", child.number, cards::child_state(child)), state }
    };
    let mut links = Vec::new();
    if let Some(link) = orchestration.parent.as_ref().and_then(|parent| parent.seen.link.clone()) {
        links.push(("Run".to_owned(), link));
    }
    if let Some(pages) = pages {
        links
            .push(("Baton".to_owned(), format!("{}/orchestrations/{}", pages.trim_end_matches('/'), orchestration.id)));
    }
    links.extend(orchestration.artifacts.values().filter_map(|artifact| match artifact {
        Artifact::PullRequest { url, .. } => Some((cards::pull_request_label(url), url.clone())),
        Artifact::Plan { .. } | Artifact::Screenshot { .. } | Artifact::File { .. } | Artifact::Reference { .. } => {
            None
        }
    }));
    Outline {
        title: first_line(&orchestration.request.ask.task, 140),
        state: state(orchestration).to_string(),
        rows: orchestration.children.iter().map(row).collect(),
        links,
        ended: orchestration.is_ended(),
    }
}

/// In Linear nothing is asked by a slash command.
fn asked_by(orchestration: &Orchestration) -> String {
    match orchestration.conversation.platform {
        Platform::Slack => format!("{} asked by ", orchestration.request.verb.command()),
        Platform::Linear => "Asked by ".into(),
    }
}

fn halt(reason: &str) -> Text {
    let text = Text::default().mark(Mark::Warning).then(" ").bold("Launches are halted");
    let reason = reason.trim();
    if reason.is_empty() { text } else { text.then(format!(": {}", shorten(reason, 200))) }
}

fn with_buttons(orchestration: &Orchestration, mut message: Message) -> Message {
    let about = About { orchestration: orchestration.id.clone(), subject: Subject::Whole }.to_string();
    let button =
        |press, label: &str, style| Button { press, label: label.into(), style, value: about.clone(), confirm: None };
    if let Some(link) = orchestration.parent.as_ref().and_then(|parent| parent.seen.link.clone()) {
        message = message.button(Button { value: link, ..button(Press::Open, "Open run", ButtonStyle::Plain) });
    }
    if orchestration.parent.as_ref().is_some_and(|parent| parent.run.is_some()) {
        message = message.button(button(Press::Details, "Details", ButtonStyle::Plain));
    }
    if !orchestration.versions.is_empty() {
        message = message.button(button(Press::Why, "Why?", ButtonStyle::Plain));
    }
    if !orchestration.is_ended() && !matches!(orchestration.stage, Stage::Stopping { .. }) {
        let confirm = "Nothing new is started, and every run that is at work is cancelled.".into();
        message = message.button(Button { confirm: Some(confirm), ..button(Press::Stop, "Stop", ButtonStyle::Danger) });
    }
    message
}

/// The state in one line.
#[must_use]
pub fn state(orchestration: &Orchestration) -> Text {
    let line = |mark, text: String| Text::default().mark(mark).then(" ").bold(text);
    match &orchestration.stage {
        Stage::Gathering => line(Mark::Waiting, "Reading the thread".into()),
        Stage::Planning { .. } => planning(orchestration),
        Stage::Deciding { votes, .. } => {
            let version = orchestration.proposal.as_ref().map_or(0, |proposal| proposal.version);
            let line = line(Mark::Question, format!("Waiting for a decision on version {version}"));
            match (votes.iter().filter(|vote| vote.counts()).count(), orchestration.policy.quorum) {
                (0, _) => line,
                (had, wanted) => line.then(format!(" · {had} of {wanted} approvals")),
            }
        }
        Stage::Running => line(Mark::Working, "Running".into()).then(format!(" · {}", counts(orchestration))),
        Stage::Summarising { .. } => {
            line(Mark::Working, "Summarising".into()).then(format!(" · {}", counts(orchestration)))
        }
        Stage::Stopping { by, .. } => line(Mark::Stopped, "Stopping".into()).then(", asked by ").person(by),
        Stage::Ended { how, .. } => match how {
            Ending::Done if orchestration.children.is_empty() => line(Mark::Done, "Done".into()),
            Ending::Done => line(how_done(orchestration), "Done".into()).then(format!(" · {}", counts(orchestration))),
            Ending::Answered => line(Mark::Question, "The agent waits for a reply".into()),
            Ending::Failed { problem } => {
                line(Mark::Failed, "Failed".into()).then(format!(" · {}", problems::short(problem)))
            }
            Ending::Stopped { by } => line(Mark::Stopped, "Stopped".into()).then(" by ").person(by),
            Ending::Rejected { by, .. } => line(Mark::Stopped, "Rejected".into()).then(" by ").person(by),
            Ending::Expired => line(Mark::Stopped, "Lapsed: it was not decided in time".into()),
        },
    }
}

fn planning(orchestration: &Orchestration) -> Text {
    let (mark, words) = match orchestration.parent.as_ref().map(|parent| (&parent.run, &parent.seen.state)) {
        None | Some((None, _)) => (Mark::Waiting, "Starting".to_owned()),
        Some((Some(_), RunState::Queued | RunState::Pending)) => (Mark::Waiting, "Queued in Oz".into()),
        Some((Some(_), RunState::Blocked)) => (Mark::Blocked, "The agent waits for a person, in its session".into()),
        Some((Some(_), RunState::Other(word))) => (Mark::Working, format!("Planning · Oz says {}", shorten(word, 40))),
        Some((Some(_), _)) if orchestration.request.verb == super::command::Verb::Run => {
            (Mark::Working, "At work".into())
        }
        Some((Some(_), _)) => (Mark::Working, "Planning".into()),
    };
    Text::default().mark(mark).then(" ").bold(words)
}

/// What failed is not to be overlooked.
fn how_done(orchestration: &Orchestration) -> Mark {
    let is_done = |child: &Child| matches!(child.state, ChildState::Done { .. });
    let is_failed = |child: &Child| matches!(child.state, ChildState::Failed { .. });
    match (orchestration.children.iter().any(is_done), orchestration.children.iter().any(is_failed)) {
        (true, true) => Mark::Warning,
        (false, true) => Mark::Failed,
        (_, false) => Mark::Done,
    }
}

/// `4 of 12 done, 1 failed, 2 at work`.
#[must_use]
pub fn counts(orchestration: &Orchestration) -> String {
    let number =
        |wanted: fn(&ChildState) -> bool| orchestration.children.iter().filter(|child| wanted(&child.state)).count();
    let total = orchestration.children.len();
    if total == 0 {
        return "no children yet".into();
    }
    let mut parts = vec![format!("{} of {total} done", number(|state| matches!(state, ChildState::Done { .. })))];
    for (count, word) in [
        (number(|state| matches!(state, ChildState::Failed { .. })), "failed"),
        (number(|state| matches!(state, ChildState::Blocked)), "blocked"),
        (number(|state| matches!(state, ChildState::Cancelled)), "stopped"),
        (
            number(|state| matches!(state, ChildState::Working | ChildState::Reading | ChildState::Retrying { .. })),
            "at work",
        ),
        (number(|state| matches!(state, ChildState::Starting)), "starting"),
        (number(|state| matches!(state, ChildState::Waiting)), "waiting"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    parts.join(", ")
}

fn rows(orchestration: &Orchestration) -> Vec<Text> {
    let mut shown: Vec<&Child> = orchestration.children.iter().collect();
    let total = shown.len();
    if total > ROWS {
        shown.sort_by_key(|child| (weight(&child.state), child.number));
        shown.truncate(ROWS);
        shown.sort_by_key(|child| child.number);
    }
    let mut rows: Vec<Text> = shown.into_iter().map(row).collect();
    if total > ROWS {
        rows.push(Text::plain(format!("and {} more", count(total - ROWS, "child", "children"))));
    }
    rows
}

/// What matters most comes first when there is not room for all.
const fn weight(state: &ChildState) -> u8 {
    match state {
        ChildState::Blocked => 0,
        ChildState::Failed { .. } => 1,
        ChildState::Retrying { .. } => 2,
        ChildState::Working | ChildState::Reading => 3,
        ChildState::Starting => 4,
        ChildState::Cancelled => 5,
        ChildState::Done { .. } => 6,
        ChildState::Waiting => 7,
    }
}

/// One child: mark, number, name, state since when, links.
#[must_use]
pub fn row(child: &Child) -> Text {
    let mut text = Text::default().mark(cards::mark(&child.state)).then(format!(" {} ", child.number));
    let name = shorten(child.spec.name.trim(), 60);
    text = match &child.seen.link {
        Some(link) => text.link(name, link.clone()),
        None => text.bold(name),
    };
    if child.stranger {
        text = text.then(" (not approved)");
    }
    text = text.then(format!(" · {}", cards::child_state(child)));
    if let Some(at) = child.ended_at.or(child.started_at) {
        text = text.then(" · ").when(at);
    }
    for artifact in &child.artifacts {
        if let Artifact::PullRequest { url, .. } = artifact {
            text = text.then(" · ").link(cards::pull_request_label(url), url.clone());
        }
    }
    text
}

/// The parent's own results, which have no row of their own.
fn results(orchestration: &Orchestration) -> Vec<Text> {
    let of_children: Vec<String> =
        orchestration.children.iter().flat_map(|child| child.artifacts.iter().map(Artifact::key)).collect();
    orchestration
        .artifacts
        .iter()
        .filter(|(key, _)| !of_children.contains(key))
        .filter_map(|(_, artifact)| cards::artifact_link(artifact))
        .take(10)
        .map(|link| Text(vec![Span::Mark(link.0), Span::Plain(" ".into()), link.1]))
        .collect()
}
