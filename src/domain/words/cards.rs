//! What is said in the conversation for all to see: news of children, words of agents, the ending.

use crate::domain::{
    actor::Actor,
    artifact::Artifact,
    board,
    command::Verb,
    failure::Problem,
    message::{About, Block, Button, ButtonStyle, Mark, Message, Press, Span, Subject, Text, Tone},
    orchestration::{Child, ChildState, Orchestration, Stage},
    proposal,
    run::CancelAnswer,
    text::{first_line, shorten},
    words::problems,
};

/// For the words of an agent that nobody can read here.
pub const MUTE: &str =
    "The agent has ended. Its harness offers no conversation that can be read here; open the run for its words.";

/// A child that ended well, as a step.
#[must_use]
pub fn child_ended(called: &str, child: &Child) -> Message {
    let text = Text::default().mark(mark(&child.state)).then(" ").bold(called.to_owned());
    let message = Message::of(vec![Block::Line(text)]).tone(Tone::Step);
    match &child.state {
        ChildState::Done { said: Some(said) } => {
            let text = proposal::without_block(said);
            message
                .with(Block::Markdown { text: shorten(text.trim(), 1500), file: format!("child-{}.md", child.number) })
        }
        _ => message,
    }
}

/// Words of the parent that are no proposal: a question or an answer.
#[must_use]
pub fn words(text: &str, standing: bool) -> Message {
    let hint = if standing { "The proposal above still stands. Reply here to go on." } else { "Reply here to answer." };
    Message::default()
        .with(Block::Markdown { text: text.to_owned(), file: "answer.md".into() })
        .with(Block::Note(Text::plain(hint)))
        .tone(Tone::Ask)
}

/// The parent's words when all has been done: whoever has no more to say need not.
#[must_use]
pub fn last_words(text: &str) -> Message {
    Message::default().with(Block::Markdown { text: text.to_owned(), file: "answer.md".into() }).tone(Tone::Final)
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
    Message::of(vec![Block::Line(text)]).tone(Tone::Step)
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

/// What becomes of [`child_failed`] when somebody wants the child again.
#[must_use]
pub fn child_retried(child: &Child, problem: Option<&Problem>, by: &Actor) -> Message {
    let line = Text::default()
        .mark(Mark::Failed)
        .then(format!(" Child {} ", child.number))
        .bold(name(child))
        .then(" failed. ");
    let message = Message::of(vec![Block::Line(line.person(by).then(" had it started again."))]);
    match problem {
        Some(problem) => message.with(Block::Line(problems::text(problem))),
        None => message,
    }
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
    let mut text =
        Text::default().mark(Mark::Warning).then(" ").bold("A child was started that nobody approved:").then(" ");
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
        CancelAnswer::Stopped | CancelAnswer::WasStopped => "stopped",
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
        ChildState::Cancelled if child.run.is_none() => "not started".into(),
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

/// What seemed not to have started has.
#[must_use]
pub fn started_after_all(who: &str) -> Message {
    Message::line(format!("{} was started after all: Oz had taken it and its answer was lost.", shorten(who, 80)))
}

/// One start made two runs.
#[must_use]
pub fn second_start(who: &str) -> Message {
    Message::of(vec![Block::Line(
        Text::default()
            .mark(Mark::Warning)
            .then(format!(" Oz runs a second start of {}. One is enough, so it is being stopped.", shorten(who, 80))),
    )])
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
