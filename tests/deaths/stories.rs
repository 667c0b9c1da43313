//! The stories that people tell in both places: what is asked, where, and how it has to end.

use super::people::{DECISIONS, ENG, MIRROR};

/// One way through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An agent plans, one click approves.
    Planned,
    /// The children are listed.
    Listed,
    /// Two people have to approve.
    Quorum,
    /// Changes are asked for in the form; the second version runs.
    Changed,
    /// A prompt is edited in the thread; the second version runs.
    Edited,
    /// A child fails on the platform's side, and is started again.
    Retried,
    /// People talk with the agent before the decision and after the end.
    Talked,
    /// A mention instead of a command.
    Mentioned,
    Stopped,
    Rejected,
    /// An issue, approved in its session, shown in Slack too.
    Delegated,
    /// An issue, approved in Slack.
    ApprovedInSlack,
    /// An issue, with a second version.
    DelegatedChanged,
    /// A label begins it.
    Labelled,
    DelegatedStopped,
    DelegatedRejected,
}

/// How a story has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// So many children have run and are done.
    Done(usize),
    Rejected,
    Stopped,
}

/// Something that was asked and answered with 200.
#[derive(Clone, Debug)]
pub struct Story {
    pub kind: Kind,
    /// Stands in the task, and in no other.
    pub mark: String,
    /// Of Linear.
    pub session: Option<String>,
}

impl Kind {
    pub const ALL: [Self; 16] = [
        Self::Planned,
        Self::Listed,
        Self::Quorum,
        Self::Changed,
        Self::Edited,
        Self::Retried,
        Self::Talked,
        Self::Mentioned,
        Self::Stopped,
        Self::Rejected,
        Self::Delegated,
        Self::ApprovedInSlack,
        Self::DelegatedChanged,
        Self::Labelled,
        Self::DelegatedStopped,
        Self::DelegatedRejected,
    ];

    pub const fn is_in_linear(self) -> bool {
        matches!(
            self,
            Self::Delegated
                | Self::ApprovedInSlack
                | Self::DelegatedChanged
                | Self::Labelled
                | Self::DelegatedStopped
                | Self::DelegatedRejected
        )
    }

    /// The channel that it is shown in, if it is shown in Slack.
    pub const fn channel(self) -> &'static str {
        match self {
            Self::Quorum => DECISIONS,
            _ if self.is_in_linear() => MIRROR,
            _ => ENG,
        }
    }

    /// Told to Baton in these words.
    pub fn task(self, mark: &str) -> String {
        match self {
            Self::Listed => format!("each:api,web,cli {mark} update the licence header of {{item}}"),
            Self::Stopped => format!("each:api,web {mark} rewrite {{item}} [endless]"),
            Self::DelegatedStopped => format!("[endless] {mark} rewrite all, one child per package: api, web"),
            Self::Rejected => format!("each:api,web {mark} delete {{item}}"),
            Self::Retried => format!("[fail: 1 retryable] {mark} update the docs, one child per package: api, web"),
            Self::Planned
            | Self::Quorum
            | Self::Changed
            | Self::Edited
            | Self::Talked
            | Self::Mentioned
            | Self::Delegated
            | Self::ApprovedInSlack
            | Self::DelegatedChanged
            | Self::Labelled
            | Self::DelegatedRejected => format!("{mark} update the docs, one child per package: api, web"),
        }
    }

    pub const fn end(self) -> End {
        match self {
            Self::Listed => End::Done(3),
            Self::Changed | Self::DelegatedChanged => End::Done(1),
            Self::Stopped | Self::DelegatedStopped => End::Stopped,
            Self::Rejected | Self::DelegatedRejected => End::Rejected,
            Self::Planned
            | Self::Quorum
            | Self::Edited
            | Self::Retried
            | Self::Talked
            | Self::Mentioned
            | Self::Delegated
            | Self::ApprovedInSlack
            | Self::Labelled => End::Done(2),
        }
    }
}

impl Story {
    pub const fn channel(&self) -> &'static str {
        self.kind.channel()
    }
}

impl End {
    /// What the board says then.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done(_) => "*Done*",
            Self::Rejected => "*Rejected*",
            Self::Stopped => "*Stopped*",
        }
    }

    /// Children that are done, each with what it made.
    pub const fn children(self) -> usize {
        match self {
            Self::Done(children) => children,
            Self::Rejected | Self::Stopped => 0,
        }
    }
}
