//! What is said to one person: help, status, refusals, why.

use crate::domain::{
    actor::Actor,
    board,
    failure::Problem,
    message::{Block, Mark, Message, Text},
    orchestration::{Ending, Fate, Orchestration, Stage},
    policy::{Limit, Policy, Refusal, Wish},
    proposal,
    run::Reading,
    text::{count, first_line, shorten},
    words::{cards, problems, proposals},
};

#[must_use]
pub fn help() -> Message {
    let line = |code: &str, text: &str| Text::default().code(code).then(format!("  {text}"));
    Message::default()
        .with(Block::Line(Text::default().bold("What Baton does")))
        .with(Block::List(vec![
            line("/orchestrate TASK", "an agent proposes child agents; once approved, exactly those run"),
            line("/plan TASK", "an agent makes a plan first; it is approved in the same way"),
            line("/oz TASK", "one agent, no children"),
            line("/oz status", "what runs in this channel; with an id, that one"),
            line("/oz list", "the latest orchestrations of this workspace"),
            line("/oz cancel", "stop what runs in this channel; with an id, that one"),
        ]))
        .with(Block::Line(Text::default().bold("Options before the task")))
        .with(Block::List(vec![
            line("env:ID model:ID harness:NAME host:NAME", "where and with what the agents run"),
            line("parallel:4", "how many children run at once"),
            line("max:10", "accept no more children than this"),
            line("skill:org/repo:name", "an Oz skill as the base of the parent"),
            line("each:api,web,cli", "one child for each, without planning; {item} in the task stands for it"),
        ]))
        .with(Block::Line(Text::default().bold("In the thread")))
        .with(Block::List(vec![
            Text::plain("A reply goes to the parent, or to a child when it starts with its number or name: ")
                .code("#2 use tabs"),
            Text::plain("While a proposal waits, a child's prompt can be edited: ").code("edit api: use tabs"),
            Text::plain("Mention Baton with ")
                .code("status")
                .then(", ")
                .code("show")
                .then(", ")
                .code("show 2")
                .then(", ")
                .code("show 2 transcript")
                .then(", ")
                .code("retry 2")
                .then(", ")
                .code("why")
                .then(", ")
                .code("approve v1")
                .then(" or ")
                .code("stop"),
        ]))
}

/// How one orchestration stands.
#[must_use]
pub fn status(orchestration: &Orchestration) -> Message {
    let mut message = board::message(orchestration, None);
    message.buttons.clear();
    message
}

/// Why somebody may not do what they wanted, and what is needed.
#[must_use]
pub fn refusal(refusal: &Refusal, wish: Wish, policy: &Policy, like: &Actor) -> Message {
    let named = || whose(Limit::OfPolicy, policy);
    let text = match refusal {
        Refusal::NotAStarter => {
            let text = Text::plain("You may not start orchestrations here. ").then(policy_says(policy));
            proposals::approvers(text, &policy.starters).then(" may.")
        }
        Refusal::NotAnApprover if wish == Wish::Instruct => {
            let text = Text::plain("You may not tell an agent what to do that starts runs of its own. ");
            proposals::approvers(text.then(policy_says(policy)), &policy.approvers).then(" may.")
        }
        Refusal::NotAnApprover => {
            let text = Text::plain("You may not decide on this proposal. ").then(policy_says(policy));
            proposals::approvers(text, &policy.approvers).then(" may.")
        }
        Refusal::EmailUnknown => named()
            .then("knows people by their e-mail addresses, and yours is not told to Baton. ")
            .then("Ask whoever operates Baton to name you in it."),
        Refusal::OwnRequest => named().then("wants somebody other than ").person(like).then(", who asked, to approve."),
        Refusal::AlreadyApproved => Text::plain("Your approval is already counted. The policy wants different people."),
        Refusal::PerhapsTheSame(other) => named()
            .then("wants different people, and it is not known whether you are the same person as ")
            .person(other)
            .then(format!(", who acts in {}. ", other.platform.name()))
            .then("Ask whoever operates Baton to name you as a [[person]] in its settings."),
        Refusal::TooManyAtOnce { open, most, limit } => {
            let open = count(*open as usize, "is", "are");
            let at_once = format!("allows {most} at once, and {open} under way. Try again when one has ended.");
            whose(*limit, policy).then(at_once)
        }
        Refusal::CreditsUsedUp { used, most, limit } => {
            let most = count(*most as usize, "credit", "credits");
            let in_a_day = format!("allows {most} within 24 hours, and {used} have been used. Try again later.");
            whose(*limit, policy).then(in_a_day)
        }
    };
    let text = match wish {
        Wish::Start => text.then(" Nothing was started."),
        Wish::Instruct => text.then(" It was not passed on."),
        Wish::Approve | Wish::Edit | Wish::Reject | Wish::RequestChanges => text.then(" Nothing was changed."),
    };
    Message::of(vec![Block::Line(text)])
}

/// The beginning of a sentence about what is wanted.
fn whose(limit: Limit, policy: &Policy) -> Text {
    match limit {
        Limit::OfPolicy => Text::plain(format!("The policy “{}” ", policy.name)),
        Limit::OfPlace => Text::plain("The limit for one channel or issue "),
        Limit::OfAll => Text::plain("The limit for all of Baton "),
    }
}

/// It could not be found out whether they may.
#[must_use]
pub fn not_found_out(wish: Wish, problem: &Problem) -> Message {
    let nothing = match wish {
        Wish::Start => "nothing was started",
        Wish::Instruct => "it was not passed on",
        Wish::Approve | Wish::Edit | Wish::Reject | Wish::RequestChanges => "nothing was changed",
    };
    let lead = format!("Whether you may could not be found out, so {nothing}.");
    Message::of(vec![Block::Line(Text::default().bold(lead)), Block::Line(problems::text(problem))])
}

/// The plan that was to be approved could not be read once more.
#[must_use]
pub fn plan_unread(problem: &Problem) -> Message {
    let lead = "The plan could not be read once more before approving it, so nothing was changed.";
    Message::of(vec![Block::Line(Text::default().bold(lead)), Block::Line(problems::text(problem))])
}

fn policy_says(policy: &Policy) -> String {
    format!("The policy “{}” says that ", policy.name)
}

/// A button of a proposal that decides nothing any more.
#[must_use]
pub fn stale(orchestration: &Orchestration, version: Option<u32>) -> Message {
    let current = orchestration.proposal.as_ref().map(|proposal| proposal.version);
    let plain = |sentence: &str| Text::plain(sentence);
    let sentence = match (&orchestration.stage, version, current) {
        (Stage::Deciding { .. }, Some(old), Some(current)) if old < current => Text::plain(format!(
            "Version {old} was replaced by version {current}. Look at the newer one; nothing was changed."
        )),
        (Stage::Deciding { .. }, ..) => plain("That is not the proposal that stands now. Nothing was changed."),
        _ => {
            let fate = orchestration
                .versions
                .iter()
                .rev()
                .find(|entry| version.is_none_or(|version| entry.version == version));
            match fate.map(|entry| &entry.fate) {
                Some(Fate::Approved { by }) => {
                    proposals::people(plain("It was already approved by "), by.iter()).then(".")
                }
                Some(Fate::ApprovedByPolicy { policy }) => {
                    Text::plain(format!("It was already approved by the policy “{policy}”."))
                }
                Some(Fate::Rejected { by }) => plain("It was already rejected by ").person(by).then("."),
                Some(Fate::ChangesRequested { by }) => {
                    Text::default().person(by).then(" has asked for changes; wait for the new version.")
                }
                Some(Fate::Expired) => plain("It lapsed. Reply in the thread to have it proposed again."),
                Some(Fate::Stopped { by }) => plain("It was stopped by ").person(by).then("."),
                Some(Fate::Replaced { by }) => Text::plain(format!("It was replaced by version {by}.")),
                Some(Fate::Standing) | None => plain("There is nothing to decide here now."),
            }
        }
    };
    Message::of(vec![Block::Line(sentence)])
}

/// What led to the state.
#[must_use]
pub fn why(orchestration: &Orchestration) -> Message {
    let mut lines =
        vec![Text::default().person(&orchestration.request.by).then(" asked ").when(orchestration.request.at)];
    for version in &orchestration.versions {
        let line = Text::plain(format!("Version {} (", version.version)).code(version.digest.short()).then(") ");
        lines.push(match &version.fate {
            Fate::Standing => line.then("waits for a decision"),
            Fate::Approved { by } => by.iter().enumerate().fold(line.then("was approved by "), |text, (at, actor)| {
                if at > 0 { text.then(", ").person(actor) } else { text.person(actor) }
            }),
            Fate::ApprovedByPolicy { policy } => line.then(format!("was approved by the policy “{policy}”")),
            Fate::Rejected { by } => line.then("was rejected by ").person(by),
            Fate::ChangesRequested { by } => line.then("was sent back for changes by ").person(by),
            Fate::Replaced { by } => line.then(format!("was replaced by version {by}")),
            Fate::Expired => line.then("lapsed"),
            Fate::Stopped { by } => line.then("was stopped by ").person(by),
        });
    }
    if let Stage::Ended { how, at } = &orchestration.stage {
        lines.push(match how {
            Ending::Done => Text::plain("It ended well ").when(*at),
            Ending::Answered => Text::plain("The agent asked or answered something ").when(*at),
            Ending::Failed { problem } => Text::plain(format!("It failed: {} ", problems::short(problem))).when(*at),
            Ending::Stopped { by } => Text::plain("It was stopped by ").person(by).then(" ").when(*at),
            Ending::Rejected { by, reason } => {
                let text = Text::plain("It was rejected by ").person(by).then(" ").when(*at);
                match reason {
                    Some(reason) => text.then(format!(": “{}”", shorten(reason, 300))),
                    None => text,
                }
            }
            Ending::Expired => Text::plain("It lapsed ").when(*at),
        });
    }
    let policy = &orchestration.policy;
    lines.push(Text::plain(format!("Policy “{}”, {} needed", policy.name, policy.quorum)));
    Message::default().with(Block::Line(board::state(orchestration))).with(Block::List(lines))
}

/// A look inside a run.
#[must_use]
pub fn inside(who: &str, reading: &Reading) -> Message {
    let mut head = Text::default().bold(shorten(who, 80));
    if let Some(state) = &reading.state {
        head = head.then(format!(" · {}", shorten(state.as_str(), 40)));
    }
    if let Some(link) = &reading.session_link {
        head = head.then(" · ").link("open", link.clone());
    }
    let mut message = Message::default().with(Block::Line(head));
    if reading.turns.is_none() {
        message = message.with(Block::Note(Text::plain(
            "Its harness offers no readable conversation; the raw transcript comes with `show … transcript`.",
        )));
    }
    if !reading.steps.is_empty() {
        let from = reading.steps.len().saturating_sub(12);
        message = message
            .with(Block::List(reading.steps[from..].iter().map(|step| Text::plain(shorten(step, 160))).collect()));
    }
    if let Some(words) = &reading.last_words {
        let text = proposal::without_block(words);
        let text = if text.is_empty() { "What it proposed is on the card.".to_owned() } else { text };
        message = message.with(Block::Markdown { text, file: "last-words.md".into() });
    }
    let links: Vec<Text> = reading
        .artifacts
        .iter()
        .filter_map(cards::artifact_link)
        .map(|(mark, link)| {
            Text(vec![crate::domain::message::Span::Mark(mark), crate::domain::message::Span::Plain(" ".into()), link])
        })
        .collect();
    if links.is_empty() { message } else { message.with(Block::List(links)) }
}

/// Several run here, and somebody has to say which.
#[must_use]
pub fn which(ids: &[(String, String)]) -> Message {
    let lines =
        ids.iter().map(|(id, task)| Text::default().code(id.clone()).then(format!(" {}", shorten(task, 80)))).collect();
    Message::default()
        .with(Block::Line(Text::plain("Several are under way here. Name the one you mean:")))
        .with(Block::List(lines))
}

/// A warning for one person. What stands between backticks is code.
#[must_use]
pub fn warning(sentence: impl AsRef<str>) -> Message {
    let mut text = Text::default().mark(Mark::Warning).then(" ");
    for (at, part) in sentence.as_ref().split('`').enumerate() {
        text = if at % 2 == 0 { text.then(part) } else { text.code(part) };
    }
    Message::of(vec![Block::Line(text)])
}

/// Several orchestrations: id, stage and task of each.
#[must_use]
pub fn listed(lines: &[(String, String, String)]) -> Message {
    if lines.is_empty() {
        return Message::line("There are no orchestrations yet. Start one with /orchestrate.");
    }
    let lines = lines
        .iter()
        .map(|(id, stage, task)| {
            Text::default().code(id.clone()).then(" ").bold(stage.clone()).then(format!(" {}", first_line(task, 100)))
        })
        .collect();
    Message::default().with(Block::List(lines))
}

/// There is too much going on at one place.
#[must_use]
pub fn crowded() -> Message {
    warning("Several orchestrations are under way on this issue already. Stop one of them, or wait for it.")
}
