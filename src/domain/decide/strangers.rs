//! Runs that nobody has told us to expect: children that an approved parent starts itself, and
//! children that nobody approved.

use super::Turn;
use crate::{
    domain::{
        actor::Actor,
        audit::Kind,
        effect::Slot,
        failure::Problem,
        orchestration::{Child, ChildState, Ending, Fate, Stage},
        policy::Breach,
        proposal::ChildSpec,
        run::RunReport,
        text::first_line,
        words::{cards, problems},
    },
    ids::{DispatchId, RunId},
};

impl Turn<'_> {
    /// A run that one of ours started, or one of ours whose start has not been answered yet.
    pub(super) fn unknown_child(&mut self, report: &RunReport) {
        let Some(by) = report.parent.clone() else { return };
        let ours = |run: Option<&RunId>| run == Some(&by);
        let by_parent = ours(self.it.parent.as_ref().and_then(|parent| parent.run.as_ref()));
        let by_child = self.it.children.iter().any(|child| ours(child.run.as_ref()));
        if !(by_parent || by_child) || (by_parent && self.is_own_start(report)) {
            return;
        }
        let approved = by_parent && self.parent_may_start_children();
        let stopped =
            matches!(self.it.stage, Stage::Stopping { .. } | Stage::Ended { how: Ending::Stopped { .. }, .. });
        let title = first_line(&report.title, 80);
        let number = self.add_child(ChildSpec {
            name: title.clone(),
            prompt: String::new(),
            returns: None,
            environment: None,
            model: None,
        });
        let Some(child) = self.it.child_mut(number) else { return };
        *child = Child {
            attempt: 1,
            run: Some(report.run.clone()),
            state: ChildState::Working,
            started_at: Some(report.created_at),
            stranger: !approved,
            ..child.clone()
        };
        let cancelling = stopped || (!approved && self.it.policy.breach == Breach::Cancel);
        if !approved {
            self.record(Kind::Breach, None, format!("child {number} was started without an approval"));
            self.say(cards::breach(&title, report.session_link.as_deref(), cancelling));
        }
        if cancelling {
            self.stop_unexpected(number);
        } else if approved {
            self.child_woken(number);
        }
        self.child_progressed(number, report);
    }

    /// The approval let the parent start its children itself, nothing has been asked of it since that
    /// wants another, and there are no more than may be.
    fn parent_may_start_children(&self) -> bool {
        let approved = self
            .it
            .versions
            .last()
            .is_some_and(|version| matches!(version.fate, Fate::Approved { .. } | Fate::ApprovedByPolicy { .. }));
        let asked_since = matches!(self.it.stage, Stage::Gathering | Stage::Planning { .. } | Stage::Deciding { .. });
        let is_full = self.it.max_children.is_some_and(|most| self.at_work() >= most as usize);
        approved && !asked_since && !is_full && self.children_start_themselves()
    }

    /// A child whose start is on its way, or an earlier start of one. Children inherit their
    /// parent's metadata, so only `baton.child` with a dispatch of ours tells.
    fn is_own_start(&self, report: &RunReport) -> bool {
        let Some(dispatch) = report.metadata.get("baton.dispatch") else { return false };
        self.it.children.iter().filter(|child| child.is_startable()).any(|child| {
            (1..=child.attempt)
                .any(|attempt| DispatchId::of(&self.it.id, &format!("c{}", child.number), attempt).as_str() == dispatch)
        })
    }

    /// Before the approval its whole fleet is stopped, afterwards it alone.
    fn stop_unexpected(&mut self, number: u32) {
        match &self.it.stage {
            Stage::Gathering | Stage::Planning { .. } | Stage::Deciding { .. } => {
                let by = baton(&self.it.request.by);
                self.stop_all(&by, Ending::Failed { problem: Problem::new(problems::UNAPPROVED_CHILD) });
            }
            Stage::Running | Stage::Summarising { .. } | Stage::Stopping { .. } | Stage::Ended { .. } => {
                self.cancel(Slot::Child(number));
            }
        }
    }
}

/// Baton itself, as the one who stopped something.
fn baton(like: &Actor) -> Actor {
    Actor { id: "baton".into(), name: Some("Baton".into()), email: None, ..like.clone() }
}
