//! How fast Slack may be asked, from <https://docs.slack.dev/apis/web-api/rate-limits>.
//!
//! Pure. The outbox worker keeps one bucket for each key, in a row, so that replicas share it.

use std::time::Duration;

use crate::domain::errand::Talk;

/// One bucket: `burst` at once, then one each `interval`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    pub key: String,
    pub interval: Duration,
    pub burst: u32,
}

/// The buckets that carrying out `talk` in `place` takes from, one token each.
#[must_use]
pub fn paces(workspace: &str, place: &str, talk: &Talk) -> Vec<Pace> {
    let tier = |method: &str, tier: Tier| tier.pace(format!("slack:{workspace}:{method}"));
    // However it gets there, a channel takes one message a second, and forgives a few.
    let channel = Pace { key: format!("slack:{workspace}:post:{place}"), interval: Duration::from_secs(1), burst: 3 };
    match talk {
        Talk::Post { .. } => vec![channel],
        Talk::Edit { id, .. } => vec![
            // The page on chat.update asks for three seconds between edits of one message.
            Pace { key: format!("slack:{workspace}:edit:{place}:{id}"), interval: Duration::from_secs(3), burst: 1 },
            tier("chat.update", Tier::Three),
        ],
        Talk::Private { .. } => vec![tier("chat.postEphemeral", Tier::Four)],
        Talk::React { .. } => vec![tier("reactions.add", Tier::Three)],
        Talk::File(_) => vec![channel, tier("files.completeUploadExternal", Tier::Four)],
        Talk::ReadThread { .. } => vec![tier("conversations.replies", Tier::Three)],
        Talk::OpenForm { .. } => vec![tier("views.open", Tier::Four)],
    }
}

/// Calls of one method in one workspace. What a burst may be is not published.
#[derive(Clone, Copy)]
enum Tier {
    /// 50 a minute.
    Three,
    /// 100 a minute.
    Four,
}

impl Tier {
    fn pace(self, key: String) -> Pace {
        match self {
            Self::Three => Pace { key, interval: Duration::from_millis(1_200), burst: 5 },
            Self::Four => Pace { key, interval: Duration::from_millis(600), burst: 10 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{effect::Reaction, errand::File, message::Message};

    #[test]
    fn posts_are_paced_by_channel_and_edits_by_message_and_workspace() {
        let edit = |id: &str| paces("T1", "C1", &Talk::Edit { id: id.into(), message: Message::default() });
        assert_ne!(edit("1.0")[0], edit("2.0")[0]);
        assert_eq!(edit("1.0")[1], edit("2.0")[1]);
        let file = File { name: "a".into(), title: "a".into(), mime_type: "text/plain".into(), bytes: Vec::new() };
        let file = paces("T1", "C1", &Talk::File(file));
        assert_eq!(file[0], Pace { key: "slack:T1:post:C1".into(), interval: Duration::from_secs(1), burst: 3 });
        let reaction = paces("T1", "C1", &Talk::React { message: "1.0".into(), reaction: Reaction::Stored });
        assert_eq!(reaction[0].interval, Duration::from_millis(1_200));
    }
}
