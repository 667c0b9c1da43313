//! What somebody wants to do about a proposal or after the end, kept while it is found out whether they may, and what
//! was found out of people. Made and taken up in `decide/wishes.rs`.

use serde::{Deserialize, Serialize};

use super::{
    actor::Actor,
    input::AnswerPath,
    message::{Filled, Form},
    policy::Wish,
};
use crate::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wished {
    pub by: Actor,
    pub at: Timestamp,
    pub answer: AnswerPath,
    /// 0 where it is not about a proposal.
    pub version: u32,
    /// As the button had it; none where it was typed.
    pub digest: Option<String>,
    pub what: What,
    /// Whose rights were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<Actor>,
    /// They may, and the plan is being read once more.
    #[serde(default)]
    pub reads_plan: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Approve,
    /// To be given a form.
    Open(Form),
    /// To be given the form with the proposal as it stands then.
    Edit,
    Send(Filled),
    /// `edit NAME: …`
    Rewrite {
        name: String,
        prompt: String,
    },
    /// To say something that sets an agent to work.
    Say {
        text: String,
        message: String,
        #[serde(default)]
        correction: bool,
        wish: Wish,
    },
    /// A child that has ended is to start again.
    Retry {
        child: u32,
    },
}

/// What was found out of a person, who carries their address. Good for a minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    pub person: Actor,
    pub groups: Vec<String>,
    pub at: Timestamp,
}

impl Wished {
    #[must_use]
    pub fn new(by: &Actor, at: Timestamp, answer: AnswerPath, version: u32, digest: Option<&str>, what: What) -> Self {
        let digest = digest.map(str::to_owned);
        Self { by: by.clone(), at, answer, version, digest, what, asked: Vec::new(), reads_plan: false }
    }
}

impl What {
    /// What the policy calls it.
    #[must_use]
    pub const fn wish(&self) -> Wish {
        match self {
            Self::Approve => Wish::Approve,
            Self::Open(Form::RequestChanges { .. }) | Self::Send(Filled::RequestChanges { .. }) => Wish::RequestChanges,
            Self::Open(Form::Reject { .. }) | Self::Send(Filled::Reject { .. }) => Wish::Reject,
            Self::Edit | Self::Rewrite { .. } | Self::Open(Form::Edit { .. }) | Self::Send(Filled::Edit { .. }) => {
                Wish::Edit
            }
            Self::Open(Form::Start { .. }) | Self::Send(Filled::Start { .. }) | Self::Retry { .. } => Wish::Start,
            Self::Say { wish, .. } => *wish,
        }
    }

    /// It can only be done while its version stands.
    #[must_use]
    pub const fn is_about_a_proposal(&self) -> bool {
        !matches!(self, Self::Say { .. } | Self::Retry { .. })
    }
}
