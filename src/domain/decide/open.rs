//! A new request: the orchestration begins with its board, and nothing starts before that is posted,
//! so that nothing runs that nobody can see.

use std::collections::BTreeMap;

use super::{Decision, Turn};
use crate::{
    domain::{
        command::{Ask, Verb},
        conversation::Conversation,
        effect::{Effect, Reaction, Slot},
        input::AnswerPath,
        message::Message,
        orchestration::{Asked, Orchestration, Parent, Request, Seen, Stage},
        policy::{Verdict, Wish},
        proposal::{ChildSpec, Content},
        route::{Launch, Terms},
        run::{Mode, RunSpec},
        text::first_line,
        words::{answers, prompt},
    },
    ids::{DispatchId, OrchestrationId},
    time::Timestamp,
};

/// What a new orchestration is made of.
#[derive(Clone, Debug)]
pub struct Opening {
    pub id: OrchestrationId,
    pub conversation: Conversation,
    pub request: Request,
    pub terms: Terms,
    pub answer: AnswerPath,
    /// The thread has earlier messages, which become context.
    pub gather: bool,
}

/// Begins an orchestration at `now`, or says in private why not.
///
/// # Errors
/// The message for the one who asked.
pub fn open(opening: Opening, now: Timestamp) -> Result<(Orchestration, Decision), Message> {
    let Opening { id, conversation, request, terms, answer, gather } = opening;
    if let Verdict::Refused(refusal) = terms.policy.verdict(Wish::Start, &request.by, &request.by, &[]) {
        return Err(answers::refusal(&refusal, &terms.policy, &request.by));
    }
    let max_children = match (request.ask.max_children, terms.max_children) {
        (Some(asked), Some(allowed)) => Some(asked.min(allowed)),
        (asked, allowed) => asked.or(allowed),
    };
    let many = u32::try_from(request.ask.each.len()).unwrap_or(u32::MAX);
    if let Some(most) = max_children.filter(|most| many > *most) {
        return Err(answers::warning(format!(
            "That is {many} children, and {most} are the most here. Nothing was started."
        )));
    }
    let mut orchestration = Orchestration {
        id,
        conversation,
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
        created_at: now,
        updated_at: now,
        request,
    };
    let by = orchestration.request.by.clone();
    let message = orchestration.request.message.clone();
    let mut turn = Turn::new(&mut orchestration, now);
    turn.note_by(&by, "asked");
    if let Some(message) = &message {
        turn.act(Effect::React { message: message.clone(), reaction: Reaction::Stored });
    }
    turn.act(Effect::PostBoard { answer });
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
        self.note(format!("starts the parent run (start {attempt})"));
        self.act(Effect::StartRun { slot: Slot::Parent, dispatch, spec });
    }
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
    /// The parent may propose children; `/oz` may not.
    #[must_use]
    pub fn proposes(&self) -> bool {
        self.verb != Verb::Run
    }
}
