//! The same people in the simulated Linear. What they do stands there whether Baton hears of it or
//! not, and Linear tells it until it is taken; so they do each thing once.

use std::time::Duration;

use baton::simulator::{
    linear::{ADA, GRACE, Status},
    oz::RunView,
};
use tokio::time::{Instant, sleep};

use super::{
    people::{self, BLINK, People},
    stories::{Kind, Story},
};

/// Linear sends what was lost twice only after an hour; a person looks sooner.
const LOST: Duration = Duration::from_mins(3);

impl People {
    /// An issue, and the session on it.
    pub async fn delegate(&self, kind: Kind, number: usize) -> Story {
        let linear = &self.world.linear;
        let mark = format!("story-{number}-0:");
        let issue = linear.issue(&kind.task(&mark), "").await;
        let session = if kind == Kind::Labelled {
            self.label(&issue).await
        } else {
            // Not before Baton has its first token, which says that it takes part.
            loop {
                match linear.delegate(ADA, &issue).await {
                    Ok(session) => break session,
                    Err(_) => sleep(BLINK).await,
                }
            }
        };
        Story { kind, mark, session: Some(session) }
    }

    /// The label begins a session; again, when nothing comes of it.
    async fn label(&self, issue: &str) -> String {
        let linear = &self.world.linear;
        loop {
            linear.label(issue, "orchestrate", ADA).await.unwrap();
            let labelled = Instant::now();
            while labelled.elapsed() < LOST {
                let sessions = linear.issue_view(issue).map(|issue| issue.sessions).unwrap_or_default();
                if let Some(session) = sessions.into_iter().next() {
                    return session;
                }
                sleep(BLINK).await;
            }
            linear.unlabel(issue, "orchestrate", ADA).await.unwrap();
        }
    }

    pub async fn see_through_in_linear(&self, story: &Story) {
        match story.kind {
            Kind::DelegatedRejected => self.choose(story, "reject version 1").await,
            Kind::DelegatedChanged => {
                self.choose(story, "changes to version 1").await;
                self.until(story, "asks what should change", || self.session_says(story, "what should change")).await;
                self.prompt(story, "Drop web").await;
                self.choose(story, "approve version 2").await;
            }
            Kind::ApprovedInSlack => self.approve(story, people::ADA, "version 1").await,
            Kind::DelegatedStopped => {
                self.choose(story, "approve version 1").await;
                let children = || self.world.oz.runs().iter().filter(|run| Self::is_child_of(run, story)).count();
                self.until(story, "starts its children", || children() == 2).await;
                self.world.linear.stop(GRACE, session(story)).await.unwrap();
            }
            _ => self.choose(story, "approve version 1").await,
        }
        let linear = &self.world.linear;
        let is_over = || linear.session(session(story)).is_some_and(|session| session.status == Status::Complete);
        self.until(story, "completes its session", is_over).await;
        if story.kind != Kind::Labelled {
            self.until_board(story, story.kind.end().word()).await;
        }
    }

    /// Chooses the option once it is offered.
    async fn choose(&self, story: &Story, label: &str) {
        let is_offered = || {
            let activities = self.world.linear.activities(session(story));
            let newest = activities.iter().rev().find(|activity| !activity.options().is_empty());
            newest.is_some_and(|it| it.options().iter().any(|(shown, _)| shown.to_lowercase().contains(label)))
        };
        self.until(story, &format!("offers to {label}"), is_offered).await;
        self.world.linear.choose(GRACE, session(story), label).await.unwrap();
    }

    async fn prompt(&self, story: &Story, text: &str) {
        self.world.linear.prompt(GRACE, session(story), text).await.unwrap();
    }

    fn session_says(&self, story: &Story, words: &str) -> bool {
        self.world.linear.transcript(session(story)).contains(words)
    }

    fn is_child_of(run: &RunView, story: &Story) -> bool {
        run.parent.is_some() && run.prompt.contains(&story.mark)
    }
}

fn session(story: &Story) -> &str {
    story.session.as_deref().unwrap_or_default()
}
