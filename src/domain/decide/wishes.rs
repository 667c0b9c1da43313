//! Who may decide on the proposal, or go on after the end, is asked of the policy, once, with what is
//! true at that moment.
//!
//! What the policy has to know of people is looked up first, and a plan is read once more before it is
//! approved; until then the wish waits, unseen. A refusal is told to the one refused and changes
//! nothing that others see.

use std::time::Duration;

use super::Turn;
use crate::{
    domain::{
        actor::Actor,
        audit::Kind,
        effect::Effect,
        failure::Problem,
        input::AnswerPath,
        orchestration::Stage,
        policy::{Case, LookUp, Refusal, Rights, Verdict, Vote, Wish},
        run::{PlanDocument, Reading},
        wish::{Known, What, Wished},
        words::{answers, problems},
    },
    ids::short_hash,
};

/// What was found out of a person is good for so long.
const FRESH: Duration = Duration::from_mins(1);

/// More wishes than this do not wait for what is found out.
const MOST_WAITING: usize = 100;

impl Turn<'_> {
    /// Does what somebody wants, says why not, or finds out whether they may.
    pub(super) fn wish(&mut self, mut wished: Wished) {
        let stands = || self.standing(wished.version, wished.digest.as_deref()).is_some();
        if wished.what.is_about_a_proposal() && !stands() {
            self.record(
                Kind::Refused,
                Some(&wished.by),
                format!("was refused: version {} does not stand", wished.version),
            );
            return self.tell(&wished.by, wished.answer, answers::stale(self.it, Some(wished.version)));
        }
        let look_ups = self.look_ups(&wished);
        if !look_ups.is_empty() && self.it.wishes.len() >= MOST_WAITING {
            self.record(Kind::Refused, Some(&wished.by), "was refused: too much waits to be decided");
            let sentence = "Too much is waiting to be decided here just now. Try again in a moment.";
            return self.tell(&wished.by, wished.answer, answers::warning(sentence));
        }
        if !look_ups.is_empty() {
            self.find_out(&mut wished, look_ups);
            return self.it.wishes.push(wished);
        }
        let verdict = self.it.policy.verdict(&self.case(&wished));
        if let Verdict::Refused(refusal) = verdict {
            return self.refuse(&wished.by, wished.answer, &refusal, wished.what.wish());
        }
        if wished.what == What::Approve && !wished.reads_plan && self.stands_on_a_plan() {
            wished.reads_plan = true;
            if let Some(run) = self.it.parent.as_ref().and_then(|parent| parent.run.clone()) {
                self.act(Effect::ReadPlan { run });
            }
            return self.it.wishes.push(wished);
        }
        self.grant(wished);
    }

    /// Puts on record why they may not, and tells them.
    pub(super) fn refuse(&mut self, actor: &Actor, answer: AnswerPath, refusal: &Refusal, wish: Wish) {
        self.record(Kind::Refused, Some(actor), format!("was refused: {}", refusal.word()));
        self.tell(actor, answer, answers::refusal(refusal, wish, &self.it.policy, &self.it.request.by));
    }

    /// A platform has told what it knows of somebody.
    pub(super) fn rights_known(&mut self, person: Actor, rights: Rights) {
        let oldest = self.it.wishes.iter().map(|wished| wished.at).min().unwrap_or(self.now).min(self.now);
        self.it.known.retain(|known| known.person != person && known.at + FRESH > oldest);
        let person = Actor { email: rights.email, ..person };
        self.it.known.push(Known { person, groups: rights.groups, at: self.now });
        for mut wished in std::mem::take(&mut self.it.wishes) {
            let mut missing = self.look_ups(&wished);
            if missing.is_empty() && !wished.reads_plan {
                self.wish(wished);
                continue;
            }
            missing.retain(|look_up| !wished.asked.contains(&look_up.person));
            self.find_out(&mut wished, missing);
            self.it.wishes.push(wished);
        }
    }

    /// Nothing could be found out of somebody: who waits for it is told. Whoever does not need it any
    /// more, because a new version has no votes yet, waits for nothing.
    pub(super) fn rights_unknown(&mut self, person: &Actor, problem: &Problem) {
        for wished in std::mem::take(&mut self.it.wishes) {
            let missing = self.look_ups(&wished);
            if missing.iter().any(|look_up| look_up.person == *person) {
                self.record(Kind::Refused, Some(&wished.by), format!("was refused: {}", problem.code));
                self.tell(&wished.by, wished.answer.clone(), answers::not_found_out(wished.what.wish(), problem));
            } else if missing.is_empty() && !wished.reads_plan {
                self.wish(wished);
            } else {
                self.it.wishes.push(wished);
            }
        }
    }

    /// The plan as it is now: approved when it is what was proposed, else it is a new version.
    pub(super) fn plan_read(&mut self, reading: &Reading) {
        let Some(plan) = &reading.plan else { return self.plan_unread(&Problem::new(problems::NO_PLAN)) };
        let wishes = self.take_plan_readers();
        if !wishes.is_empty() && self.stands_on_a_plan() && self.is_new_plan(plan) {
            self.note("the plan was changed since it was proposed");
            self.propose_words(reading.last_words.as_deref().unwrap_or_default(), Some(plan.clone()));
        }
        for wished in wishes {
            self.wish(wished);
        }
    }

    pub(super) fn plan_unread(&mut self, problem: &Problem) {
        for wished in self.take_plan_readers() {
            self.record(Kind::Refused, Some(&wished.by), format!("was refused: {}", problem.code));
            self.tell(&wished.by, wished.answer, answers::plan_unread(problem));
        }
    }

    /// Notes which plan this is; true when it is another than the last.
    pub(super) fn is_new_plan(&mut self, plan: &PlanDocument) -> bool {
        let Some(parent) = &mut self.it.parent else { return false };
        let hash = Some(short_hash(&[&plan.content], 20));
        std::mem::replace(&mut parent.plan, hash.clone()) != hash
    }

    fn stands_on_a_plan(&self) -> bool {
        self.stands_in_words() && self.it.parent.as_ref().is_some_and(|parent| parent.plan.is_some())
    }

    fn take_plan_readers(&mut self) -> Vec<Wished> {
        let (readers, others) = std::mem::take(&mut self.it.wishes).into_iter().partition(|wished| wished.reads_plan);
        self.it.wishes = others;
        readers
    }

    fn find_out(&mut self, wished: &mut Wished, look_ups: Vec<LookUp>) {
        for LookUp { person, groups } in look_ups {
            wished.asked.push(person.clone());
            self.act(Effect::LookUp { person, groups });
        }
    }

    /// What the policy needs to know for this, and nobody has told within the last minute.
    fn look_ups(&self, wished: &Wished) -> Vec<LookUp> {
        let mut look_ups = self.it.policy.look_ups(&self.case(wished));
        look_ups.retain(|look_up| self.known(&look_up.person).is_none_or(|known| known.at + FRESH <= wished.at));
        look_ups
    }

    fn case(&self, wished: &Wished) -> Case<'_> {
        let votes = if let Stage::Deciding { votes, .. } = &self.it.stage { votes.clone() } else { Vec::new() };
        // Where only a ceiling was in the way, anybody who may approve can have it go on.
        let votes = if self.it.policy.has_quorum(&votes) { Vec::new() } else { votes };
        let votes = votes.into_iter().map(|vote| Vote { by: self.with_address(&vote.by), ..vote });
        Case {
            wish: wished.what.wish(),
            actor: self.with_address(&wished.by),
            groups: self.known(&wished.by).map(|known| known.groups.clone()).unwrap_or_default(),
            asker: self.with_address(&self.it.request.by),
            votes: votes.collect(),
            means: self.means,
        }
    }

    pub(super) fn with_address(&self, actor: &Actor) -> Actor {
        let known = self.known(actor).and_then(|known| known.person.email.clone());
        Actor { email: known.or_else(|| actor.email.clone()), ..actor.clone() }
    }

    fn known(&self, actor: &Actor) -> Option<&Known> {
        self.it.known.iter().find(|known| known.person == *actor)
    }
}
