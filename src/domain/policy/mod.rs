//! Who may do what, and how much: one table, checked once, that answers with a reason.
//!
//! The table is pure: what it has to know of people is looked up before ([`Policy::look_ups`] says
//! what), and what is used up comes as [`Means`]. Who is one person is in `people.rs`.

mod people;

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{actor::Actor, proposal::ChildSpec, run::RunSettings};
use crate::time::Timestamp;

pub use people::{Approver, Likeness, LookUp, Person, Rights};

/// The rules for one orchestration, as they were when it started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// The name in the settings; `default` when no route names one.
    pub name: String,
    /// Who may decide; none means anyone in the conversation.
    pub approvers: Vec<Approver>,
    /// How many distinct people have to approve.
    pub quorum: u32,
    /// May the one who asked count.
    pub self_approval: bool,
    /// Who may start; none means anyone.
    pub starters: Vec<Approver>,
    /// A proposal that nobody decided lapses after this.
    #[serde(with = "millis")]
    pub expires_after: Duration,
    /// The approvers who are missing are reminded so long after a proposal was made, shortest first.
    pub remind_after: Vec<Duration>,
    /// People who are told together with the last reminder.
    pub escalate_to: Vec<Approver>,
    /// What needs nobody's approval.
    pub auto_approve: Option<AutoApprove>,
    pub max_children: Option<u32>,
    /// Orchestrations at once on this policy.
    pub max_concurrent: Option<u32>,
    /// Credits that runs on this policy may have used within a day before nothing more starts.
    pub daily_credits: Option<u32>,
    pub breach: Breach,
    /// What all policies together keep to.
    pub limits: Limits,
    /// Who is who across platforms, from the settings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<Person>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            name: "default".into(),
            approvers: Vec::new(),
            quorum: 1,
            self_approval: true,
            starters: Vec::new(),
            expires_after: Duration::from_hours(24),
            remind_after: Vec::new(),
            escalate_to: Vec::new(),
            auto_approve: None,
            max_children: None,
            max_concurrent: None,
            daily_credits: None,
            breach: Breach::Cancel,
            limits: Limits::default(),
            people: Vec::new(),
        }
    }
}

/// Ceilings over all policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Orchestrations at once.
    pub max_concurrent: Option<u32>,
    /// Of them in one channel, or on one issue.
    pub max_per_place: Option<u32>,
    /// Credits that all runs may have used within a day before nothing more starts.
    pub daily_credits: Option<u32>,
}

/// A proposal that keeps to all of these is approved by the policy itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoApprove {
    pub max_children: Option<u32>,
    /// Every child runs in one of these; none means anywhere.
    pub environments: Vec<String>,
    /// All children together are expected to use no more than this.
    pub max_credits: Option<u32>,
    /// What a child is expected to use; without it, what children in its environment used so far.
    pub credits_per_child: Option<u32>,
}

/// What happens when a child appears before the approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breach {
    /// Cancel its fleet.
    Cancel,
    /// Tell it only.
    Report,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    pub by: Actor,
    pub at: Timestamp,
    /// Children of the standing version that it does not cover: they were others when it was given.
    /// It counts again once they are left out, or in another vote of the same person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

impl Vote {
    #[must_use]
    pub const fn new(by: Actor, at: Timestamp) -> Self {
        Self { by, at, except: Vec::new() }
    }

    /// It covers all that is proposed.
    #[must_use]
    pub const fn counts(&self) -> bool {
        self.except.is_empty()
    }

    /// What it is worth for a newer version with the same settings: none when all is other.
    #[must_use]
    pub fn carried(&self, older: &[ChildSpec], newer: &[ChildSpec]) -> Option<Self> {
        let covers = |child: &ChildSpec| older.contains(child) && !self.except.contains(&child.name);
        let except: Vec<String> = newer.iter().filter(|child| !covers(child)).map(|child| child.name.clone()).collect();
        (except.len() < newer.len()).then(|| Self { except, ..self.clone() })
    }
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    Start,
    Approve,
    Edit,
    Reject,
    RequestChanges,
    /// To tell an agent what to do that starts runs of its own.
    Instruct,
}

/// A wish, with all that the table looks at. The actors carry their e-mail addresses as far as they
/// are known.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    pub wish: Wish,
    pub actor: Actor,
    /// The actor's, as far as they were looked up.
    pub groups: Vec<String>,
    /// Who made the request.
    pub asker: Actor,
    /// Who has approved so far.
    pub votes: Vec<Vote>,
    pub means: &'a Means,
}

/// What is used up at this moment, as far as a policy limits it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Means {
    /// Other orchestrations on this policy that have not ended.
    pub open: u32,
    /// The same, in this channel or on this issue, on any policy.
    pub open_here: u32,
    /// The same, everywhere.
    pub open_in_all: u32,
    /// Credits that runs on this policy used within the last day.
    pub credits_today: f64,
    /// The same, on all policies.
    pub credits_in_all: f64,
    /// What a child run used on average, by environment.
    pub usual: BTreeMap<String, f64>,
}

/// The answer, with its reason when it is no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    Refused(Refusal),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotAStarter,
    NotAnApprover,
    /// The policy could only know them by their e-mail address, and the platform tells none.
    EmailUnknown,
    OwnRequest,
    AlreadyApproved,
    /// They may be the same person as this one on the other platform, and nothing tells.
    PerhapsTheSame(Actor),
    TooManyAtOnce {
        open: u32,
        most: u32,
        limit: Limit,
    },
    CreditsUsedUp {
        used: u32,
        most: u32,
        limit: Limit,
    },
}

/// Whose ceiling it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    OfPolicy,
    /// One channel's, or one issue's.
    OfPlace,
    OfAll,
}

impl Refusal {
    /// For the trail.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NotAStarter => "not a starter",
            Self::NotAnApprover => "not an approver",
            Self::EmailUnknown => "e-mail address unknown",
            Self::OwnRequest => "their own request",
            Self::AlreadyApproved => "has approved already",
            Self::PerhapsTheSame(_) => "perhaps the same person as another",
            Self::TooManyAtOnce { limit: Limit::OfPlace, .. } => "too many at once here",
            Self::TooManyAtOnce { limit: Limit::OfPolicy | Limit::OfAll, .. } => "too many at once",
            Self::CreditsUsedUp { .. } => "the day's credits are used up",
        }
    }
}

impl Policy {
    /// Whether the actor may do what they wish.
    #[must_use]
    pub fn verdict(&self, case: &Case<'_>) -> Verdict {
        self.refusal(case).map_or(Verdict::Allowed, Verdict::Refused)
    }

    fn refusal(&self, case: &Case<'_>) -> Option<Refusal> {
        match case.wish {
            Wish::Start => self.unlisted(case, Refusal::NotAStarter).or_else(|| self.ceiling(case.means)),
            // Whoever asked may always take it back or have it changed.
            Wish::Reject | Wish::RequestChanges if self.likeness(&case.actor, &case.asker) == Likeness::Same => None,
            Wish::Reject | Wish::RequestChanges | Wish::Edit | Wish::Instruct => {
                self.unlisted(case, Refusal::NotAnApprover)
            }
            Wish::Approve => self
                .unlisted(case, Refusal::NotAnApprover)
                .or_else(|| self.no_other_person(case))
                .or_else(|| self.spent(case.means)),
        }
    }

    /// What has to be looked up before the verdict can be trusted: nothing, for most policies.
    #[must_use]
    pub fn look_ups(&self, case: &Case<'_>) -> Vec<LookUp> {
        let own = matches!(case.wish, Wish::Reject | Wish::RequestChanges).then_some(&case.asker);
        if own.is_some_and(|asker| self.likeness(&case.actor, asker) == Likeness::Same) {
            return Vec::new();
        }
        let mut wanted: Vec<&Actor> = Vec::new();
        let list = self.list(case.wish);
        let covered = list.is_empty() || self.is_listed(list, &case.actor, &case.groups);
        if !covered && list.iter().any(|entry| entry.could_cover(&case.actor)) {
            wanted.push(&case.actor);
        }
        let others = match case.wish {
            Wish::Approve => {
                let asker = (!self.self_approval).then_some(&case.asker);
                asker.into_iter().chain(case.votes.iter().map(|vote| &vote.by)).collect()
            }
            Wish::Reject | Wish::RequestChanges if !covered => vec![&case.asker],
            Wish::Start | Wish::Edit | Wish::Instruct | Wish::Reject | Wish::RequestChanges => Vec::new(),
        };
        for other in others {
            if self.likeness(&case.actor, other) == Likeness::Unknown {
                wanted.extend([&case.actor, other].into_iter().filter(|actor| actor.email.is_none()));
            }
        }
        let mut look_ups: Vec<LookUp> = Vec::new();
        for actor in wanted {
            if !look_ups.iter().any(|known| known.person == *actor) {
                look_ups.push(LookUp { person: actor.clone(), groups: self.groups() });
            }
        }
        look_ups
    }

    /// Whether children need nobody's approval: they keep to `auto_approve`, and to the ceilings.
    #[must_use]
    pub fn approves(&self, children: &[ChildSpec], settings: &RunSettings, means: &Means) -> bool {
        let Some(auto) = &self.auto_approve else { return false };
        let environment = |child: &ChildSpec| child.environment.clone().or_else(|| settings.environment.clone());
        let few = auto.max_children.is_none_or(|most| children.len() <= most as usize);
        let inside = auto.environments.is_empty()
            || children.iter().all(|child| environment(child).is_some_and(|name| auto.environments.contains(&name)));
        let expected = |child: &ChildSpec| {
            let usual = means.usual.get(&environment(child).unwrap_or_default()).copied();
            auto.credits_per_child.map(f64::from).or(usual)
        };
        let cheap = auto.max_credits.is_none_or(|most| {
            // What nothing is known of is not cheap.
            children.iter().map(expected).sum::<Option<f64>>().is_some_and(|sum| sum <= f64::from(most))
        });
        few && inside && cheap && self.spent(means).is_none()
    }

    /// Something is limited that only the store can tell.
    #[must_use]
    pub fn has_ceilings(&self) -> bool {
        let estimates = self.auto_approve.as_ref().is_some_and(|auto| auto.max_credits.is_some());
        self.max_concurrent.is_some() || self.daily_credits.is_some() || self.limits != Limits::default() || estimates
    }

    /// Why nothing more may start now.
    #[must_use]
    pub fn ceiling(&self, means: &Means) -> Option<Refusal> {
        let full = |limit, open: u32, most: Option<u32>| {
            most.filter(|most| open >= *most).map(|most| Refusal::TooManyAtOnce { open, most, limit })
        };
        full(Limit::OfPolicy, means.open, self.max_concurrent)
            .or_else(|| full(Limit::OfPlace, means.open_here, self.limits.max_per_place))
            .or_else(|| full(Limit::OfAll, means.open_in_all, self.limits.max_concurrent))
            .or_else(|| self.spent(means))
    }

    /// The votes that count are enough.
    #[must_use]
    pub fn has_quorum(&self, votes: &[Vote]) -> bool {
        self.missing(votes) == 0
    }

    /// How many more people have to approve.
    #[must_use]
    pub fn missing(&self, votes: &[Vote]) -> usize {
        (self.quorum as usize).saturating_sub(votes.iter().filter(|vote| vote.counts()).count())
    }

    /// Why nothing may be approved now, whoever does.
    #[must_use]
    pub fn spent(&self, means: &Means) -> Option<Refusal> {
        let used_up = |limit, used: f64, most: Option<u32>| {
            let most = most.filter(|most| used >= f64::from(*most))?;
            // Whole credits are enough for a sentence.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "credits are few and positive")]
            let used = used.round() as u32;
            Some(Refusal::CreditsUsedUp { used, most, limit })
        };
        used_up(Limit::OfPolicy, means.credits_today, self.daily_credits)
            .or_else(|| used_up(Limit::OfAll, means.credits_in_all, self.limits.daily_credits))
    }

    fn unlisted(&self, case: &Case<'_>, refusal: Refusal) -> Option<Refusal> {
        let list = self.list(case.wish);
        if list.is_empty() || self.is_listed(list, &case.actor, &case.groups) {
            return None;
        }
        let by_email = list.iter().any(Approver::is_email);
        Some(if by_email && case.actor.email.is_none() { Refusal::EmailUnknown } else { refusal })
    }

    /// Why they cannot be one more person than those who count already.
    fn no_other_person(&self, case: &Case<'_>) -> Option<Refusal> {
        let like = |other: &Actor| self.likeness(&case.actor, other);
        let asker = (!self.self_approval).then_some(&case.asker);
        if case.votes.iter().any(|vote| vote.counts() && like(&vote.by) == Likeness::Same) {
            return Some(Refusal::AlreadyApproved);
        }
        if asker.is_some_and(|asker| like(asker) == Likeness::Same) {
            return Some(Refusal::OwnRequest);
        }
        let mut others = case.votes.iter().map(|vote| &vote.by).chain(asker);
        others.find(|other| like(other) == Likeness::Unknown).cloned().map(Refusal::PerhapsTheSame)
    }

    fn list(&self, wish: Wish) -> &[Approver] {
        match wish {
            Wish::Start => &self.starters,
            Wish::Approve | Wish::Edit | Wish::Reject | Wish::RequestChanges | Wish::Instruct => &self.approvers,
        }
    }
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests;
