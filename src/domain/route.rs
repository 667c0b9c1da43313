//! Routes: which settings and which policy apply to a request, by where it was made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    actor::Platform,
    conversation::Conversation,
    issue::Issue,
    policy::{Limits, Policy},
    run::RunSettings,
};

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
    pub limits: Limits,
}

/// One `[[route]]`. It matches when all that it names matches.
#[derive(Clone, Debug, Default)]
pub struct Route {
    pub slack_channel: Option<String>,
    pub slack_workspace: Option<String>,
    /// The team's key.
    pub linear_team: Option<String>,
    pub linear_label: Option<String>,
    /// The project's name.
    pub linear_project: Option<String>,
    /// A Linear orchestration also gets a board in this Slack channel: `C…`, or `T…/C…`.
    pub notify_slack_channel: Option<String>,
    pub settings: RunSettings,
    pub max_children: Option<u32>,
    pub launch: Launch,
    pub policy: Option<String>,
}

/// What a request starts with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub settings: RunSettings,
    pub max_children: Option<u32>,
    pub launch: Launch,
    pub policy: Policy,
    pub notify_slack_channel: Option<String>,
}

/// The policy of whatever no route has one for, when the settings have it.
const DEFAULT_POLICY: &str = "default";

impl Routes {
    /// The terms of a request made in `conversation`, about `issue` in Linear: the first route that
    /// matches, over the defaults.
    #[must_use]
    pub fn terms(&self, conversation: &Conversation, issue: Option<&Issue>) -> Terms {
        let route = self.routes.iter().find(|route| route.matches(conversation, issue));
        // Where no route names one, the one called so counts.
        let name = route.and_then(|route| route.policy.as_deref()).unwrap_or(DEFAULT_POLICY);
        let policy = self.policies.get(name).cloned().unwrap_or_default();
        let policy = Policy { limits: self.limits, ..policy };
        let Some(route) = route else {
            let max_children = policy.max_children;
            return Terms { settings: self.defaults.clone(), max_children, policy, ..Terms::default() };
        };
        Terms {
            settings: route.settings.over(&self.defaults),
            max_children: route.max_children.into_iter().chain(policy.max_children).min(),
            launch: route.launch,
            policy,
            notify_slack_channel: route.notify_slack_channel.clone(),
        }
    }

    /// Whether putting one of the labels `added` on the issue starts an orchestration on it: the
    /// route for the issue names that label.
    #[must_use]
    pub fn starts(&self, conversation: &Conversation, issue: &Issue, added: &[String]) -> bool {
        let route = self.routes.iter().find(|route| route.matches(conversation, Some(issue)));
        let label = route.and_then(|route| route.linear_label.as_ref());
        label.is_some_and(|label| added.iter().any(|added| same(label, added)))
    }
}

impl Route {
    fn matches(&self, conversation: &Conversation, issue: Option<&Issue>) -> bool {
        let slack = (conversation.platform == Platform::Slack).then_some(conversation);
        let is = |wanted: &Option<String>, there: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| there.is_some_and(|there| same(wanted, there)))
        };
        is(&self.slack_channel, slack.map(|there| there.place.as_str()))
            && is(&self.slack_workspace, slack.map(|there| there.workspace.as_str()))
            && is(&self.linear_team, issue.and_then(|issue| issue.team.as_deref()))
            && is(&self.linear_project, issue.and_then(|issue| issue.project.as_deref()))
            && self
                .linear_label
                .as_ref()
                .is_none_or(|wanted| issue.is_some_and(|issue| issue.labels.iter().any(|label| same(wanted, label))))
    }
}

/// Names in settings are as people write them.
fn same(wanted: &str, there: &str) -> bool {
    wanted.trim().eq_ignore_ascii_case(there.trim())
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
