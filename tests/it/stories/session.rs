//! A story that happens in Linear: what people do there, and what they see.

use std::{sync::atomic::Ordering, time::Duration};

use baton::{
    domain::route::Routes,
    simulator::linear::{Choice, Status},
};

use super::Story;
use crate::databases::Db;

/// How far the clock moves at once when much time passes.
const LONG_STEP: Duration = Duration::from_secs(20);

impl Story {
    pub async fn in_linear(db: Db, routes: Routes) -> Self {
        let story = Self::of(db, routes, true).await;
        // Nobody can delegate to an app that has no token yet.
        story.settle().await;
        story
    }

    /// Whether Linear's webhooks get lost.
    pub fn lose_webhooks(&self, lost: bool) {
        self.lost.store(true, Ordering::Relaxed);
        self.world.linear.knobs(|knobs| knobs.lose = if lost { usize::MAX } else { 0 });
    }

    /// A new issue is delegated to Baton; gives the session.
    pub async fn delegate(&self, person: &str, title: &str) -> String {
        let issue = self.world.linear.issue(title, "").await;
        let session = self.world.linear.delegate(person, &issue).await.unwrap();
        self.settle().await;
        session
    }

    pub async fn mention(&self, person: &str, issue: &str, text: &str) -> String {
        let session = self.world.linear.mention(person, issue, text).await.unwrap();
        self.settle().await;
        session
    }

    pub async fn prompt(&self, person: &str, session: &str, text: &str) {
        self.world.linear.prompt(person, session, text).await.unwrap();
        self.settle().await;
    }

    /// Chooses an option of the session's newest question.
    pub async fn choose(&self, person: &str, session: &str, option: impl Into<Choice>) {
        let chosen = self.world.linear.choose(person, session, option).await;
        chosen.unwrap_or_else(|error| panic!("{error}:\n{}", self.session_text(session)));
        self.settle().await;
    }

    pub async fn stop_session(&self, person: &str, session: &str) {
        self.world.linear.stop(person, session).await.unwrap();
        self.settle().await;
    }

    /// What the newest option with this label says when it is chosen.
    pub fn option(&self, session: &str, label: &str) -> String {
        let activities = self.world.linear.activities(session);
        let options = activities.iter().rev().flat_map(baton::simulator::linear::Activity::options);
        options.into_iter().find(|(shown, _)| shown.to_lowercase().contains(label)).unwrap().1
    }

    pub fn status(&self, session: &str) -> Status {
        self.world.linear.session(session).unwrap().status
    }

    pub fn session_text(&self, session: &str) -> String {
        self.world.linear.transcript(session)
    }

    /// Time passes until the session shows `text`, a few minutes at the most.
    pub async fn until_linear(&self, session: &str, text: &str) {
        self.until_it(
            || self.session_text(session).contains(text),
            || format!("never saw {text:?}:\n{}", self.session_text(session)),
        )
        .await;
    }

    pub async fn until_issue(&self, issue: &str, text: &str) {
        let shown = || self.world.linear.issue_transcript(issue);
        self.until_it(|| shown().contains(text), || format!("never saw {text:?}:\n{}", shown())).await;
    }

    pub async fn until_status(&self, session: &str, status: Status) {
        self.until_it(
            || self.status(session) == status,
            || format!("never {status:?}:\n{}", self.session_text(session)),
        )
        .await;
    }

    /// Much time passes, in larger steps.
    pub async fn wait_long(&self, length: Duration) {
        self.wait_in_steps(LONG_STEP, length).await;
    }

    /// The same where nothing is expected to happen.
    pub async fn wait_hours(&self, hours: u64) {
        self.wait_in_steps(Duration::from_mins(30), Duration::from_hours(hours)).await;
    }

    async fn wait_in_steps(&self, step: Duration, length: Duration) {
        let until = self.clock.now() + length;
        while self.clock.now() < until {
            self.pass(step);
            self.world.tick().await;
            self.settle().await;
        }
    }

    async fn until_it(&self, is_so: impl Fn() -> bool, otherwise: impl Fn() -> String) {
        for _ in 0..1200 {
            if is_so() {
                return;
            }
            self.wait(Duration::from_millis(500)).await;
        }
        panic!("{}", otherwise());
    }
}
