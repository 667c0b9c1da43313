//! Editing a proposal: page by page in a form, or one prompt in words. It makes a new version, which
//! says who made it and what differs.

use super::Turn;
use crate::domain::{
    actor::Actor,
    audit::Kind,
    edit::{Draft, FilledPage, difference},
    effect::Effect,
    input::AnswerPath,
    message::Form,
    orchestration::Stage,
    policy::Vote,
    proposal::{self, Changes, ChildSpec, Content},
    route::Launch,
    run::RunSettings,
    words::answers,
};

/// Each draft holds every prompt once more; the oldest goes first.
const MOST_DRAFTS: usize = 5;

impl Turn<'_> {
    /// Opens the form at its first page, with what this person had changed before.
    pub(super) fn open_editor(&mut self, by: &Actor, answer: AnswerPath) {
        let Some(draft) = self.draft_of(by) else { return };
        self.open_page(&draft, 1, answer);
    }

    /// A page came back: the next one opens, or the new version is made. What cannot be proposed is
    /// kept, for the form to be opened with it again.
    pub(super) fn page_filled(&mut self, by: &Actor, page: FilledPage, answer: AnswerPath) {
        let Some(mut draft) = self.draft_of(by) else { return };
        // The pages before this one are in it.
        if page.number > 1 && !self.it.drafts.contains(&draft) {
            let sentence = "What you had changed on the pages before was dropped, as others were editing too or you had \
                            sent it already. Nothing was changed; press Edit to begin again.";
            return self.tell(by, answer, answers::warning(sentence));
        }
        self.it.drafts.retain(|other| other.by != *by);
        let next = page.number + 1;
        let proposed = draft.entries.len();
        if !draft.fill(page) {
            self.open_page(&draft, next, answer);
            return self.keep(draft);
        }
        let Err(fault) = self.edited(by, &draft, &answer) else { return };
        // One more child is all that can be wrong, but for keeping none.
        draft.entries.truncate(proposed);
        self.keep(draft);
        let sentence =
            format!("That cannot be proposed: {fault}. Press Edit again: your other changes are still there.");
        self.tell(by, answer, answers::warning(sentence));
    }

    fn keep(&mut self, draft: Draft) {
        self.it.drafts.push(draft);
        if self.it.drafts.len() > MOST_DRAFTS {
            self.it.drafts.remove(0);
        }
    }

    /// `edit NAME: …`
    pub(super) fn rewrite(&mut self, by: &Actor, name: &str, prompt: &str, answer: AnswerPath) {
        let Some(mut draft) = self.draft_of(by) else { return };
        let entry = draft.entries.iter_mut().find(|entry| entry.spec.name.trim().eq_ignore_ascii_case(name.trim()));
        let Some(entry) = entry else { return };
        prompt.clone_into(&mut entry.spec.prompt);
        entry.keep = true;
        if let Err(fault) = self.edited(by, &draft, &answer) {
            let sentence = format!("That cannot be proposed: {fault}. Nothing was changed.");
            self.tell(by, answer, answers::warning(sentence));
        }
    }

    /// A new version takes the place of the last. Votes stay for the children that were in what they
    /// were given for, unless all are to run with something else.
    pub(super) fn revise(&mut self, content: Content, settings: RunSettings, by: Option<&Actor>) -> bool {
        let digest = proposal::Digest::of(&self.it.request.ask.task, &settings, &content);
        let last = self.it.proposal.clone();
        let deciding = matches!(self.it.stage, Stage::Deciding { .. });
        if deciding && last.as_ref().is_some_and(|last| last.digest == digest) {
            return false;
        }
        let before = std::mem::take(&mut self.it.votes_before);
        let had = if let Stage::Deciding { votes, .. } = &self.it.stage { votes.clone() } else { before };
        let mut votes: Vec<Vote> = Vec::new();
        let mut changes = None;
        if let Some(last) = last {
            let held: Vec<String> = self.it.held.iter().map(|child| child.name.trim().to_owned()).collect();
            let lines = difference((&last.content, &self.it.settings), (&content, &settings), &held);
            if settings == self.it.settings {
                let carried = |vote: &Vote| vote.carried(last.content.children(), content.children());
                votes.extend(had.iter().filter_map(carried));
            }
            changes = (!lines.is_empty()).then(|| Changes { since: last.version, by: by.cloned(), lines });
        }
        self.it.settings = settings;
        self.put_forward(content, digest, changes, votes);
        true
    }

    /// Makes the new version, or says what is wrong with it.
    fn edited(&mut self, by: &Actor, draft: &Draft, answer: &AnswerPath) -> Result<(), String> {
        let (kept, dropped) = draft.parted();
        if let Some(fault) = self.beyond_the_most(kept.len()).or_else(|| proposal::fault(&kept)) {
            return Err(fault);
        }
        let Some(Content::Children { summary, .. }) = self.approved_content() else { return Ok(()) };
        // What the agent said of all children is not said of others.
        let same_names = |one: &ChildSpec, other: &ChildSpec| one.name == other.name;
        let before = self.it.proposal.as_ref().map_or(&[][..], |proposal| proposal.content.children());
        let are_the_same =
            before.len() == kept.len() && before.iter().zip(&kept).all(|(one, other)| same_names(one, other));
        let content = Content::Children { summary: summary.filter(|_| are_the_same), children: kept };
        let held = self.it.held.clone();
        if draft.hold {
            self.it.held.extend(dropped);
        }
        if self.revise(content, draft.settings.clone(), Some(by)) {
            self.record(Kind::Edited, Some(by), "edited the proposal");
        } else {
            self.it.held = held;
            let sentence = "You have changed nothing, so the proposal stands as it is.";
            self.tell(by, answer.clone(), answers::warning(sentence));
        }
        Ok(())
    }

    fn open_page(&mut self, draft: &Draft, number: u32, answer: AnswerPath) {
        let Some(proposal) = &self.it.proposal else { return };
        let about = self.about(proposal);
        let form = Form::Edit { about, page: draft.page(number, self.it.launch == Launch::Exact) };
        self.act(Effect::OpenForm { form, answer, to: draft.by.clone() });
    }

    /// Of the standing version, as far as this person has come with it.
    fn draft_of(&self, by: &Actor) -> Option<Draft> {
        let proposal = self.it.proposal.as_ref()?;
        let mine = |draft: &&Draft| draft.by == *by && draft.version == proposal.version;
        let kept = self.it.drafts.iter().find(mine).cloned();
        Some(kept.unwrap_or_else(|| Draft::of(proposal, &self.it.settings, by)))
    }
}
