//! The platforms that are configured, and who we are there: an event is read with that, and an
//! errand goes to the platform of its conversation.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::OnceCell;

use super::Result;
use crate::{
    domain::{
        actor::Platform,
        errand::{Carried, Errand},
        failure::{Failure, Problem},
        input::Event,
    },
    linear::{self, Linear},
    slack::{self, client::Slack},
    storage::{Store, inbox::TakenEvent, installations, kept},
    time::{Clock, Timestamp},
};

/// Where the identity that a platform told us is kept, so that a start does not need the platform.
const SLACK_IDENTITY: &str = "slack.identity";
const LINEAR_IDENTITY: &str = "linear.identity";

/// Events are decided by the one who asks, so nobody is waited for as long as an exchange may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Between the first question and the second; then twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

#[derive(Debug, Default)]
pub struct Platforms {
    pub slack: Option<Slack>,
    pub linear: Option<Linear>,
    /// Slack is for all workspaces that installed us, and not for one of our own.
    pub slack_installs: bool,
    /// Likewise.
    pub linear_installs: bool,
    slack_us: OnceCell<slack::inbound::Identity>,
    linear_us: OnceCell<linear::inbound::Identity>,
    asked: Asked,
}

/// How often each platform did not tell who we are, and when it is asked again.
#[derive(Debug, Default)]
struct Asked(Mutex<HashMap<&'static str, (u32, Timestamp)>>);

impl Asked {
    /// Whether it is time; the next time is later each time.
    fn is_time(&self, key: &'static str, now: Timestamp) -> bool {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (times, next) = asked.get(key).copied().unwrap_or_default();
        // A clock that was set back keeps nobody waiting.
        if now < next && next.since(now) <= LONGEST_PAUSE {
            return false;
        }
        asked.insert(key, (times.saturating_add(1), now + (FIRST_PAUSE * 2_u32.pow(times.min(5))).min(LONGEST_PAUSE)));
        true
    }
}

impl Platforms {
    /// Asks each platform who we are, unless that is known.
    pub(super) async fn learn(&self, store: &Store, clock: &Clock) -> Result<()> {
        if let Some(slack) = self.slack.as_ref().filter(|_| !self.slack_installs) {
            self.known(&self.slack_us, SLACK_IDENTITY, slack.identity(), store, clock).await?;
        }
        if let Some(linear) = self.linear.as_ref().filter(|_| !self.linear_installs) {
            let ask = async {
                let viewer = linear.viewer(None).await?;
                Ok(linear::inbound::Identity {
                    organization: viewer.organization.id,
                    app_user: viewer.id,
                    name: viewer.display_name.unwrap_or(viewer.name),
                    url_key: viewer.organization.url_key,
                })
            };
            self.known(&self.linear_us, LINEAR_IDENTITY, ask, store, clock).await?;
        }
        Ok(())
    }

    /// What the event says; none when it has to wait until its platform has told us who we are.
    pub(super) async fn read(&self, event: &TakenEvent, store: &Store) -> Result<Option<Event>> {
        const NOT_CONFIGURED: Event = Event::Ignored("a platform that is not configured");
        match event.source.as_str() {
            "slack" if self.slack_installs => {
                let candidates = slack::inbound::installations(&event.kind, &event.body);
                Ok(Some(match identity(store, Platform::Slack, &candidates).await? {
                    Ok(us) => slack::inbound::read(&event.kind, &event.body, &us),
                    Err(why) => Event::Ignored(why),
                }))
            }
            "slack" if self.slack.is_some() => {
                Ok(self.slack_us.get().map(|us| slack::inbound::read(&event.kind, &event.body, us)))
            }
            "linear" if self.linear_installs => {
                let organization: Vec<String> = linear::inbound::organization(&event.body).into_iter().collect();
                Ok(Some(match identity(store, Platform::Linear, &organization).await? {
                    Ok(us) => linear::inbound::read(&event.kind, &event.body, &us),
                    Err(why) => Event::Ignored(why),
                }))
            }
            "linear" if self.linear.is_some() => {
                Ok(self.linear_us.get().map(|us| linear::inbound::read(&event.kind, &event.body, us)))
            }
            _ => Ok(Some(NOT_CONFIGURED)),
        }
    }

    /// The one workspace in Slack that we are in, once it is known.
    pub(super) async fn slack_workspace(&self, store: &Store) -> Result<Option<String>> {
        if self.slack_installs {
            let mut standing = standing(store, Platform::Slack).await?;
            return Ok(standing.pop().filter(|_| standing.is_empty()));
        }
        Ok(self.slack_us.get().map(|us| us.workspace.clone()))
    }

    /// The workspaces in Linear that we are in, as far as that is known.
    pub(super) async fn organizations(&self, store: &Store) -> Result<Vec<String>> {
        if self.linear_installs {
            return standing(store, Platform::Linear).await;
        }
        Ok(self.linear_us.get().map(|us| us.organization.clone()).into_iter().collect())
    }

    /// Has the platform of the errand's conversation carry it out.
    pub(super) async fn carry_out(&self, errand: &Errand) -> std::result::Result<Carried, Failure> {
        match (errand.conversation.platform, &self.slack, &self.linear) {
            (Platform::Slack, Some(slack), _) => slack.carry_out(errand).await,
            (Platform::Linear, _, Some(linear)) => linear.carry_out(errand).await,
            (Platform::Slack | Platform::Linear, ..) => Err(Failure::Refused(Problem::new("platform_not_configured"))),
        }
    }

    /// Keeps what `ask` tells, or takes what was told before. Neither the platform nor the store may be
    /// able to tell.
    async fn known<T: serde::Serialize + serde::de::DeserializeOwned>(
        &self,
        cell: &OnceCell<T>,
        key: &'static str,
        ask: impl Future<Output = std::result::Result<T, Failure>>,
        store: &Store,
        clock: &Clock,
    ) -> Result<()> {
        if cell.initialized() || !self.asked.is_time(key, clock.now()) {
            return Ok(());
        }
        let asked = tokio::time::timeout(ANSWER, ask).await;
        let asked = asked.unwrap_or_else(|_| Err(Failure::Transient { after: None, problem: Problem::new("timeout") }));
        let us = match asked {
            Ok(us) => {
                let json = serde_json::to_string(&us).unwrap_or_default();
                if kept::get(store, key).await?.is_none_or(|(kept, _)| kept != json) {
                    let mut tx = store.begin("keep identity").await?;
                    kept::put(&mut tx, key, &json, clock.now()).await?;
                    tx.commit().await?;
                }
                Some(us)
            }
            Err(failure) => {
                tracing::warn!(key, problem = %failure.problem().code, "a platform does not tell who we are");
                let kept = kept::get(store, key).await?;
                kept.and_then(|(json, _)| serde_json::from_str(&json).ok())
            }
        };
        if let Some(us) = us {
            cell.get_or_init(|| async { us }).await;
        }
        Ok(())
    }
}

/// Who we are in the first of these workspaces that has installed us; or why we are nobody there.
async fn identity<T: serde::de::DeserializeOwned>(
    store: &Store,
    platform: Platform,
    workspaces: &[String],
) -> Result<std::result::Result<T, &'static str>> {
    let mut why = if workspaces.is_empty() { "no workspace is named" } else { "unknown workspace" };
    for workspace in workspaces {
        match installations::find(store, platform, workspace).await? {
            None => {}
            Some(installed) if installed.revoked_at.is_some() => why = "a workspace that has removed us",
            Some(installed) => {
                return Ok(serde_json::from_str(&installed.identity).map_err(|_| "unreadable installation"));
            }
        }
    }
    Ok(Err(why))
}

/// The workspaces that have installed us and not removed us.
async fn standing(store: &Store, platform: Platform) -> Result<Vec<String>> {
    let installed = installations::list(store, platform).await?;
    Ok(installed.into_iter().filter(|one| one.revoked_at.is_none()).map(|one| one.workspace).collect())
}
