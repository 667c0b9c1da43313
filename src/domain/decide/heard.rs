//! What follows from what the parent said when it came to rest, by what was waited for: a proposal,
//! a question, an answer, a summary.

use super::{Turn, parent::Brought, progress};
use crate::domain::{
    effect::{Purpose, Slot},
    failure::Problem,
    orchestration::{Asked, Ending, Stage},
    proposal::{self, Content, Found},
    run::{Mode, PlanDocument, RunState},
    words::{cards, problems, prompt},
};

impl Turn<'_> {
    pub(super) fn hear_out(&mut self, purpose: Purpose, brought: Brought) {
        let launched = self.children_start_themselves() && !self.is_waiting(Purpose::GoOn);
        match &self.it.stage {
            Stage::Planning { asked } => {
                let asked = *asked;
                self.hear_planning(asked, brought);
            }
            Stage::Deciding { .. } => self.hear_deciding(purpose, brought),
            Stage::Running if launched && self.all_settled() => self.hear_launched(&brought),
            Stage::Summarising { asked: true } => self.summarised(brought.words.as_deref()),
            Stage::Running | Stage::Summarising { .. } if purpose == Purpose::Reply => self.hear_answer(&brought),
            Stage::Gathering
            | Stage::Running
            | Stage::Summarising { .. }
            | Stage::Stopping { .. }
            | Stage::Ended { .. } => {}
        }
    }

    fn hear_planning(&mut self, asked: Asked, brought: Brought) {
        let Some(parent) = &self.it.parent else { return };
        let mode = parent.mode;
        let proposed = brought.words.as_deref().map_or(Found::Nothing, proposal::find);
        match &parent.seen.state {
            RunState::Failed | RunState::Error | RunState::Cancelled => return self.parent_failed(),
            RunState::Blocked if !matches!(proposed, Found::Proposal(_)) => return self.say_blocked(Slot::Parent),
            _ => {}
        }
        let silent = brought.words.is_none() && !brought.mute;
        if silent && !brought.plan_is_new {
            return self.fail("The agent said nothing.", Problem::new(problems::SAID_NOTHING));
        }
        if mode == Mode::Normal {
            return self.summarised(brought.words.as_deref().or(brought.mute.then_some(cards::MUTE)));
        }
        let words = brought.words.unwrap_or_default();
        match (self.limited(proposed), brought.plan) {
            (Found::Proposal(content), _) => self.propose(content),
            (Found::Unusable(reason), _) if asked != Asked::Repair => {
                self.it.stage = Stage::Planning { asked: Asked::Repair };
                self.repair(&reason);
            }
            (Found::Unusable(_), plan) => match self.too_many(&words) {
                Some(problem) => self.fail("That cannot be proposed here.", problem),
                None => self.propose_words(&words, plan),
            },
            (Found::Nothing, Some(plan)) if brought.plan_is_new => self.propose_words(&words, Some(plan)),
            (Found::Nothing, _) if words.is_empty() => {
                self.fail("What the agent said could not be read.", Problem::new(problems::NO_CONVERSATION));
            }
            // It was asked something about what it has done.
            (Found::Nothing, _) if !self.it.children.is_empty() && self.all_settled() => {
                self.say(cards::last_words(&words));
                self.end_and_go_on(Ending::Done);
            }
            (Found::Nothing, _) => {
                self.say(cards::words(&words, false));
                self.end_and_go_on(Ending::Answered);
            }
        }
    }

    /// The standing proposal stays valid until a new one comes.
    fn hear_deciding(&mut self, purpose: Purpose, brought: Brought) {
        let words = brought.words.unwrap_or_default();
        let found = self.limited(proposal::find(&words));
        // However the agent ended: what stands is not the plan any more.
        let plan = brought.plan.filter(|_| brought.plan_is_new && self.stands_in_words());
        let is_replaced = plan.is_some() && !matches!(found, Found::Proposal(_));
        if is_replaced {
            self.propose_words(&words, plan);
        }
        let Some(parent) = &self.it.parent else { return };
        match &parent.seen.state {
            RunState::Failed | RunState::Error | RunState::Cancelled => {
                let problem = progress::problem(&parent.seen);
                let lead = if is_replaced {
                    "The agent failed while it answered."
                } else {
                    "The agent failed while it answered; the proposal still stands."
                };
                return self.say(cards::problem(lead, &problem));
            }
            RunState::Blocked => return self.say_blocked(Slot::Parent),
            _ => {}
        }
        match found {
            Found::Proposal(content) => self.propose(content),
            Found::Unusable(_) | Found::Nothing if is_replaced => {}
            Found::Unusable(reason) if purpose != Purpose::Repair => self.repair(&reason),
            Found::Unusable(_) | Found::Nothing => {
                let words = proposal::without_block(&words);
                if words.is_empty() {
                    self.ask_again();
                } else {
                    self.say(cards::words(&words, true));
                }
            }
        }
    }

    /// All that it started itself is at rest, and so is the parent: its words are the summary.
    fn hear_launched(&mut self, brought: &Brought) {
        let ended_badly = self
            .it
            .parent
            .as_ref()
            .filter(|parent| matches!(parent.seen.state, RunState::Failed | RunState::Error | RunState::Cancelled));
        match ended_badly.map(|parent| progress::problem(&parent.seen)) {
            Some(problem) if self.it.children.is_empty() => self.fail("The parent run failed.", problem),
            Some(_) | None => self.summarised(brought.words.as_deref()),
        }
    }

    /// An answer to somebody while the children are at work.
    fn hear_answer(&mut self, brought: &Brought) {
        let words = brought.words.as_deref().map(proposal::without_block).filter(|words| !words.is_empty());
        match (words, &self.it.parent) {
            (Some(words), _) => self.say(cards::words(&words, false)),
            (None, Some(parent)) if parent.seen.state != RunState::Succeeded => {
                let problem = progress::problem(&parent.seen);
                self.say(cards::problem("The agent failed while it answered; its children go on.", &problem));
            }
            (None, _) => {}
        }
    }

    /// The last words: they are said with everything that was brought back.
    pub(super) fn summarised(&mut self, words: Option<&str>) {
        let words = words.map(proposal::without_block).filter(|words| !words.is_empty());
        self.say(cards::summary(self.it, words.as_deref()));
        self.end_and_go_on(Ending::Done);
    }

    /// A proposal with more children than are allowed is not usable.
    fn limited(&self, found: Found) -> Found {
        match found {
            Found::Proposal(content) => match self.beyond_the_most(content.children().len()) {
                Some(fault) => Found::Unusable(format!("it has {fault} here")),
                None => Found::Proposal(content),
            },
            found => found,
        }
    }

    /// Why what was proposed for the second time is refused.
    fn too_many(&self, words: &str) -> Option<Problem> {
        let Found::Proposal(content) = proposal::find(words) else { return None };
        let fault = self.beyond_the_most(content.children().len())?;
        Some(Problem::new(problems::TOO_MANY_CHILDREN).with_detail(fault))
    }

    /// What is wrong with so many children, beside those that are at work.
    pub(super) fn beyond_the_most(&self, many: usize) -> Option<String> {
        let most = self.it.max_children?;
        let beside = match self.at_work() {
            0 => String::new(),
            others => format!(" beside {others} at work"),
        };
        (many + self.at_work() > most as usize).then(|| format!("{many} children{beside}, and {most} are the most"))
    }

    pub(super) fn at_work(&self) -> usize {
        self.it.children.iter().filter(|child| !child.state.is_settled()).count()
    }

    /// The block could not be used: the parent is told why, once.
    fn repair(&mut self, reason: &str) {
        self.note(format!("the proposal is unusable: {reason}"));
        let mode = self.it.parent.as_ref().map_or(Mode::Normal, |parent| parent.mode);
        self.send(Slot::Parent, prompt::repair(reason), mode, Purpose::Repair, None);
    }

    pub(super) fn propose_words(&mut self, words: &str, plan: Option<PlanDocument>) {
        let text = plan.map_or_else(|| words.to_owned(), |plan| with_plan(words, &plan.content));
        self.propose(Content::Words { text });
    }

    pub(super) fn stands_in_words(&self) -> bool {
        self.it.proposal.as_ref().is_some_and(|proposal| matches!(proposal.content, Content::Words { .. }))
    }
}

fn with_plan(words: &str, plan: &str) -> String {
    let words = proposal::without_block(words);
    if words.is_empty() || words.contains(plan.trim()) {
        plan.trim().to_owned()
    } else {
        format!("{words}\n\n---\n\n{}", plan.trim())
    }
}
