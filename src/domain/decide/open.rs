//! A new request: the orchestration begins with its board, and nothing starts before that is posted,
//! so that nothing runs that nobody can see.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Decision, Turn};
use crate::{
    domain::{
        actor::Actor,
        audit::Kind,
        command::{Ask, Verb},
        conversation::Conversation,
        effect::{Effect, Reaction, Slot},
        input::AnswerPath,
        message::Message,
        orchestration::{Asked, Orchestration, Parent, Request, Seen, Stage},
        policy::{Case, Means, Rights, Verdict, Wish},
        proposal::{self, ChildSpec, Content},
        route::{Launch, Terms},
        run::{Mode, RunSpec},
        text::first_line,
        words::{answers, prompt},
    },
    ids::{DispatchId, OrchestrationId},
    time::Timestamp,
};

/// What a new orchestration is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    pub id: OrchestrationId,
    pub conversation: Conversation,
    pub request: Request,
    pub terms: Terms,
    pub answer: AnswerPath,
    /// The thread has earlier messages, which become context.
    pub gather: bool,
    /// A second conversation that shows the same.
    pub mirror: Option<Conversation>,
    /// A person made us the issue's delegate.
    pub delegated: bool,
}

impl Opening {
    /// A request that nobody has to be answered for, without anything before it or beside it.
    #[must_use]
    pub fn new(id: OrchestrationId, conversation: Conversation, request: Request, terms: Terms) -> Self {
        let answer = AnswerPath::default();
        Self { id, conversation, request, terms, answer, gather: false, mirror: None, delegated: false }
    }
}

/// Why nothing was begun.
#[derive(Debug)]
pub enum Refused {
    /// Why not, for the log, and what the one who asked is told.
    Told { why: &'static str, message: Message },
    /// Whether they may start anything has to be found out first, by looking for them in these groups.
    Unknown { groups: Vec<String> },
}

/// Begins an orchestration at `now`, where nothing is used up and nothing has to be looked up.
///
/// # Errors
/// The message for the one who asked.
pub fn open(opening: Opening, now: Timestamp) -> Result<(Orchestration, Decision), Message> {
    let rights = Rights::default();
    admit(opening, Some(rights), &Means::default(), now).map_err(|refused| match refused {
        Refused::Told { message, .. } => message,
        Refused::Unknown { .. } => Message::default(),
    })
}

/// Begins an orchestration at `now`, or says why not. `rights` are those of the one who asked, once
/// they have been looked up.
///
/// # Errors
/// See [`Refused`].
pub fn admit(
    mut opening: Opening,
    rights: Option<Rights>,
    means: &Means,
    now: Timestamp,
) -> Result<(Orchestration, Decision), Refused> {
    if let Some(fault) = each_fault(&opening.request.ask) {
        let message = answers::warning(format!("That cannot be proposed: {fault}."));
        return Err(Refused::Told { why: "unusable", message });
    }
    let looked_up = rights.is_some();
    let Rights { email, groups } = rights.unwrap_or_default();
    let asker = &mut opening.request.by;
    asker.email = email.or(asker.email.take());
    let policy = &opening.terms.policy;
    let case = Case { wish: Wish::Start, actor: asker.clone(), groups, asker: asker.clone(), votes: Vec::new(), means };
    if let (false, Some(look_up)) = (looked_up, policy.look_ups(&case).pop()) {
        return Err(Refused::Unknown { groups: look_up.groups });
    }
    if let Verdict::Refused(refusal) = policy.verdict(&case) {
        let message = answers::refusal(&refusal, Wish::Start, policy, asker);
        return Err(Refused::Told { why: refusal.word(), message });
    }
    let Opening { id, conversation, request, terms, answer, gather, mirror, delegated } = opening;
    let max_children = match (request.ask.max_children, terms.max_children) {
        (Some(asked), Some(allowed)) => Some(asked.min(allowed)),
        (asked, allowed) => asked.or(allowed),
    };
    let many = u32::try_from(request.ask.each.len()).unwrap_or(u32::MAX);
    if let Some(most) = max_children.filter(|most| many > *most) {
        let sentence = format!("That is {many} children, and {most} are the most here. Nothing was started.");
        return Err(Refused::Told { why: "too many children", message: answers::warning(sentence) });
    }
    let mut orchestration = Orchestration {
        id,
        conversation,
        mirror,
        settings: request.ask.settings.over(&terms.settings),
        // The children of `each:` are Baton's own from the start.
        launch: if request.ask.each.is_empty() { terms.launch } else { Launch::Exact },
        max_children,
        policy: terms.policy,
        stage: if gather { Stage::Gathering } else { Stage::Planning { asked: Asked::First } },
        parent: None,
        parent_starts: 0,
        children: Vec::new(),
        proposal: None,
        versions: Vec::new(),
        waiting: Vec::new(),
        artifacts: BTreeMap::new(),
        posts: BTreeMap::new(),
        missing: Vec::new(),
        heard: request.message.iter().cloned().collect(),
        wishes: Vec::new(),
        drafts: Vec::new(),
        held: Vec::new(),
        votes_before: Vec::new(),
        known: Vec::new(),
        created_at: now,
        updated_at: now,
        request,
    };
    let by = orchestration.request.by.clone();
    let message = orchestration.request.message.clone();
    let mut turn = Turn::new(means, &mut orchestration, now);
    turn.record(Kind::Requested, Some(&by), "asked");
    if let Some(message) = &message {
        turn.act(Effect::React { message: message.clone(), reaction: Reaction::Stored });
    }
    turn.act(Effect::PostBoard { answer });
    turn.set_pulse();
    if delegated {
        turn.take_up();
    }
    if let Some(message) = message.filter(|_| gather) {
        turn.act(Effect::ReadThread { message });
    }
    let decision = turn.out;
    Ok((orchestration, decision))
}

impl Turn<'_> {
    /// The board is up, and the context is read if there was any: the parent starts, or a fan-out
    /// that needs no planning is proposed.
    pub(super) fn begin(&mut self) {
        if self.it.request.ask.each.is_empty() {
            self.start_parent(self.it.request.verb.mode(), prompt::opening(self.it));
        } else {
            let content = each(&self.it.request.ask);
            self.propose(content);
        }
    }

    /// Starts the parent, anew if there was one. Its stage is the caller's business.
    pub(super) fn start_parent(&mut self, mode: Mode, prompt: String) {
        self.it.parent_starts += 1;
        let attempt = self.it.parent_starts;
        self.it.parent = Some(Parent {
            attempt,
            run: None,
            mode,
            seen: Seen::default(),
            told: None,
            turns: 0,
            reading: false,
            heard_out: false,
            plan: None,
        });
        let dispatch = DispatchId::of(&self.it.id, "parent", attempt);
        let metadata = BTreeMap::from([
            ("baton.orchestration".to_owned(), self.it.id.to_string()),
            ("baton.dispatch".to_owned(), dispatch.to_string()),
        ]);
        let spec = RunSpec {
            title: first_line(&self.it.request.ask.task, 100),
            prompt,
            mode,
            settings: self.it.settings.clone(),
            parent: None,
            metadata,
        };
        self.record(Kind::Launched, None, format!("starts the parent run (start {attempt})"));
        self.act(Effect::StartRun { slot: Slot::Parent, dispatch, spec });
    }
}

/// What is wrong with the children that `each:` would make; asked before they are made, because a text may
/// stand in each of them many times.
fn each_fault(ask: &Ask) -> Option<String> {
    let times = ask.task.matches("{item}").count();
    let longest = ask.each.iter().map(String::len).max()?;
    if ask.task.len().saturating_add(times.saturating_mul(longest)) > proposal::LONGEST_PROMPT {
        return Some("the task is too long with the elements in it".into());
    }
    proposal::fault(each(ask).children())
}

/// One child for each element.
fn each(ask: &Ask) -> Content {
    let child = |item: &String| ChildSpec {
        name: first_line(item, 80),
        prompt: ask.task.replace("{item}", item),
        returns: None,
        environment: None,
        model: None,
    };
    Content::Children { summary: None, children: ask.each.iter().map(child).collect() }
}

impl Request {
    /// A request that is nothing but its words.
    #[must_use]
    pub const fn new(verb: Verb, ask: Ask, by: Actor, at: Timestamp) -> Self {
        Self { verb, ask, by, at, message: None, context: Vec::new(), background: None, issue: None }
    }

    /// The parent may propose children; `/oz` may not.
    #[must_use]
    pub fn proposes(&self) -> bool {
        self.verb != Verb::Run
    }
}
