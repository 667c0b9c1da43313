//! How fast Slack may be asked, from <https://docs.slack.dev/apis/web-api/rate-limits>.
//!
//! Pure. The outbox worker keeps one bucket for each key, in a row, so that replicas share it.

use std::time::Duration;

use crate::pace::Pace;

/// What is asked of Slack, as far as its limits tell things apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Post,
    Edit,
    Private,
    React,
    File,
    ReadThread,
    OpenForm,
    /// A person, in so many groups.
    LookUp {
        groups: u32,
    },
}

/// The buckets that `call` takes from, one token each.
#[must_use]
pub fn paces(workspace: &str, place: &str, call: Call) -> Vec<Pace> {
    let tier = |method: &str, tier: Tier| tier.pace(format!("slack:{workspace}:{method}"));
    // However it gets there, a channel takes one message a second, and forgives a few.
    let channel = Pace {
        key: format!("slack:{workspace}:post:{place}"),
        interval: Duration::from_secs(1),
        burst: 3,
        requests: 1,
    };
    match call {
        Call::Post => vec![channel],
        Call::Edit => vec![tier("chat.update", Tier::Three)],
        Call::Private => vec![tier("chat.postEphemeral", Tier::Four)],
        Call::React => vec![tier("reactions.add", Tier::Three)],
        Call::File => vec![channel, tier("files.completeUploadExternal", Tier::Four)],
        Call::ReadThread => vec![tier("conversations.replies", Tier::Three)],
        Call::OpenForm => vec![tier("views.open", Tier::Four)],
        Call::LookUp { groups: 0 } => vec![tier("users.info", Tier::Four)],
        Call::LookUp { groups } => {
            let each = tier("usergroups.users.list", Tier::Two);
            vec![tier("users.info", Tier::Four), each.of_requests(groups)]
        }
    }
}

/// Calls of one method in one workspace. What a burst may be is not published.
#[derive(Clone, Copy)]
enum Tier {
    /// 20 a minute.
    Two,
    /// 50 a minute.
    Three,
    /// 100 a minute.
    Four,
}

impl Tier {
    fn pace(self, key: String) -> Pace {
        match self {
            Self::Two => Pace { key, interval: Duration::from_secs(3), burst: 5, requests: 1 },
            Self::Three => Pace { key, interval: Duration::from_millis(1_200), burst: 5, requests: 1 },
            Self::Four => Pace { key, interval: Duration::from_millis(600), burst: 10, requests: 1 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_are_paced_by_channel_and_edits_by_workspace() {
        assert_eq!(paces("T1", "C1", Call::Edit), paces("T1", "C2", Call::Edit));
        let file = paces("T1", "C1", Call::File);
        assert_eq!(
            file[0],
            Pace { key: "slack:T1:post:C1".into(), interval: Duration::from_secs(1), burst: 3, requests: 1 }
        );
        assert_eq!(paces("T1", "C1", Call::React)[0].interval, Duration::from_millis(1_200));
    }
}
