//! Routes: which settings and which policy apply to a request, by where it was made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{actor::Platform, conversation::Conversation, policy::Policy, run::RunSettings};

/// Who starts the children after the approval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Launch {
    /// Baton starts exactly the approved children.
    #[default]
    Exact,
    /// The parent is told to go on and starts them itself.
    Agent,
}

/// All routes and policies, in the order of the settings.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    pub routes: Vec<Route>,
    pub policies: BTreeMap<String, Policy>,
    /// What applies where no route says otherwise.
    pub defaults: RunSettings,
}

/// One `[[route]]`. It matches when all that it names matches.
#[derive(Clone, Debug, Default)]
pub struct Route {
    pub slack_channel: Option<String>,
    pub slack_workspace: Option<String>,
    pub settings: RunSettings,
    pub max_children: Option<u32>,
    pub launch: Launch,
    pub policy: Option<String>,
}

/// What a request starts with.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    pub settings: RunSettings,
    pub max_children: Option<u32>,
    pub launch: Launch,
    pub policy: Policy,
}

impl Routes {
    /// The terms of a request made in `conversation`: the first route that matches, over the defaults.
    #[must_use]
    pub fn terms(&self, conversation: &Conversation) -> Terms {
        let Some(route) = self.routes.iter().find(|route| route.matches(conversation)) else {
            return Terms { settings: self.defaults.clone(), ..Terms::default() };
        };
        let policy = route.policy.as_ref().and_then(|name| self.policies.get(name)).cloned().unwrap_or_default();
        Terms {
            settings: route.settings.over(&self.defaults),
            max_children: route.max_children,
            launch: route.launch,
            policy,
        }
    }
}

impl Route {
    fn matches(&self, conversation: &Conversation) -> bool {
        let slack = conversation.platform == Platform::Slack;
        let is = |wanted: &Option<String>, there: &str| wanted.as_ref().is_none_or(|wanted| slack && wanted == there);
        is(&self.slack_channel, &conversation.place) && is(&self.slack_workspace, &conversation.workspace)
    }
}

impl RunSettings {
    /// These settings, and `under` where they say nothing.
    #[must_use]
    pub fn over(&self, under: &Self) -> Self {
        let pick = |mine: &Option<String>, theirs: &Option<String>| mine.clone().or_else(|| theirs.clone());
        Self {
            environment: pick(&self.environment, &under.environment),
            model: pick(&self.model, &under.model),
            harness: pick(&self.harness, &under.harness),
            host: pick(&self.host, &under.host),
            skill: pick(&self.skill, &under.skill),
            auth_secret: pick(&self.auth_secret, &under.auth_secret),
            parallelism: self.parallelism.or(under.parallelism),
        }
    }
}
