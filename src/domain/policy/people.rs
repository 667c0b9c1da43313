//! Who is meant by an entry of a policy, and who is one person across platforms.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Policy;
use crate::domain::actor::{Actor, Platform};

/// One entry of `approvers`, `starters` or `escalate_to`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approver {
    /// `slack:U024BE7LH`, `linear:9c3e…`
    Member { platform: Platform, id: String },
    /// `slack-group:S0614TZR7`. Counts for those who act in Slack.
    SlackGroup(String),
    /// `email:ada@example.com`: whoever the platform knows by this verified address.
    Email(String),
    /// `email:*@example.com`
    Domain(String),
}

/// One human, as the settings know them: the same person wherever they act.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Person {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linear: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// What a platform tells of one of its members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// Verified by the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Those that were asked about and that they are in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// A person whose rights have to be looked up, and the groups to look for them in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookUp {
    pub person: Actor,
    pub groups: Vec<String>,
}

/// Whether two actors are one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    Same,
    Different,
    /// They act on two platforms, and an address is missing.
    Unknown,
}

/// As the settings write it.
impl fmt::Display for Approver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member { platform, id } => write!(f, "{}:{id}", platform.as_str()),
            Self::SlackGroup(id) => write!(f, "slack-group:{id}"),
            Self::Email(address) => write!(f, "email:{address}"),
            Self::Domain(domain) => write!(f, "email:*@{domain}"),
        }
    }
}

impl Approver {
    #[must_use]
    pub const fn is_email(&self) -> bool {
        matches!(self, Self::Email(_) | Self::Domain(_))
    }

    /// Stands for one person and not for many.
    #[must_use]
    pub const fn is_one(&self) -> bool {
        matches!(self, Self::Member { .. } | Self::Email(_))
    }

    /// A look-up may show that this entry means the actor.
    pub(super) fn could_cover(&self, actor: &Actor) -> bool {
        match self {
            Self::Member { .. } => false,
            Self::SlackGroup(_) => actor.platform == Platform::Slack,
            Self::Email(_) | Self::Domain(_) => actor.email.is_none(),
        }
    }
}

impl Person {
    fn is(&self, actor: &Actor) -> bool {
        let member = match actor.platform {
            Platform::Slack => &self.slack,
            Platform::Linear => &self.linear,
        };
        member.as_deref() == Some(&actor.id) || same_address(self.email.as_deref(), actor.email.as_deref())
    }
}

impl Policy {
    /// Whether two actors are one person: by the settings, or by the address that both platforms know.
    /// Within one workspace everybody has one account.
    #[must_use]
    pub fn likeness(&self, one: &Actor, other: &Actor) -> Likeness {
        if one == other {
            return Likeness::Same;
        }
        if !one.is_person() || !other.is_person() {
            return Likeness::Different;
        }
        if let (Some(one), Some(other)) = (self.person(one), self.person(other)) {
            return if std::ptr::eq(one, other) { Likeness::Same } else { Likeness::Different };
        }
        if one.platform == other.platform && one.workspace == other.workspace {
            return Likeness::Different;
        }
        match (self.address(one), self.address(other)) {
            (Some(one), Some(other)) if one.eq_ignore_ascii_case(other) => Likeness::Same,
            (Some(_), Some(_)) => Likeness::Different,
            _ => Likeness::Unknown,
        }
    }

    /// Whether one of the entries means the actor.
    #[must_use]
    pub fn is_listed(&self, list: &[Approver], actor: &Actor, groups: &[String]) -> bool {
        list.iter().any(|entry| match entry {
            Approver::Member { platform, id } => {
                let own = *platform == actor.platform && *id == actor.id;
                own || self.person(actor).is_some_and(|person| match platform {
                    Platform::Slack => person.slack.as_ref() == Some(id),
                    Platform::Linear => person.linear.as_ref() == Some(id),
                })
            }
            Approver::SlackGroup(id) => groups.contains(id),
            Approver::Email(address) => same_address(self.address(actor), Some(address)),
            Approver::Domain(domain) => self
                .address(actor)
                .and_then(|address| address.rsplit_once('@'))
                .is_some_and(|(_, theirs)| theirs.eq_ignore_ascii_case(domain)),
        })
    }

    /// All groups that the policy names.
    pub(super) fn groups(&self) -> Vec<String> {
        let mut groups: Vec<String> = Vec::new();
        for entry in self.approvers.iter().chain(&self.starters) {
            if let Approver::SlackGroup(id) = entry
                && !groups.contains(id)
            {
                groups.push(id.clone());
            }
        }
        groups
    }

    fn person(&self, actor: &Actor) -> Option<&Person> {
        self.people.iter().find(|person| person.is(actor))
    }

    /// The platform's word counts before the settings'.
    fn address<'a>(&'a self, actor: &'a Actor) -> Option<&'a str> {
        actor.email.as_deref().or_else(|| self.person(actor)?.email.as_deref())
    }
}

fn same_address(one: Option<&str>, other: Option<&str>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one.eq_ignore_ascii_case(other))
}
