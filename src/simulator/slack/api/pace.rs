//! How often methods may be called, when a story wants it enforced.
//! <https://docs.slack.dev/apis/web-api/rate-limits/>

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::time::Timestamp;

const MINUTE: Duration = Duration::from_mins(1);
/// Between two posts in one channel.
const BETWEEN_POSTS: Duration = Duration::from_secs(1);

/// How often a method may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    Free,
    PerMinute(usize),
    /// Once a second in each channel.
    Post,
}

/// The calls of the last minute.
#[derive(Debug, Default)]
pub struct Pace {
    calls: BTreeMap<&'static str, VecDeque<Timestamp>>,
    posts: BTreeMap<String, Timestamp>,
}

impl Pace {
    /// Counts a call; the error is the seconds to wait, and then the call is not counted.
    pub fn admit(
        &mut self,
        method: &'static str,
        tier: Tier,
        channel: Option<&str>,
        now: Timestamp,
    ) -> Result<(), u64> {
        match tier {
            Tier::Free => Ok(()),
            Tier::Post => {
                let channel = channel.unwrap_or_default();
                match self.posts.get(channel) {
                    Some(last) if now.since(*last) < BETWEEN_POSTS => Err(BETWEEN_POSTS.as_secs()),
                    _ => {
                        self.posts.insert(channel.to_owned(), now);
                        Ok(())
                    }
                }
            }
            Tier::PerMinute(most) => {
                let calls = self.calls.entry(method).or_default();
                calls.retain(|at| now.since(*at) < MINUTE);
                match calls.front() {
                    Some(oldest) if calls.len() >= most => {
                        let wait = MINUTE.saturating_sub(now.since(*oldest));
                        Err(wait.as_secs().max(1))
                    }
                    _ => {
                        calls.push_back(now);
                        Ok(())
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_are_a_second_apart_in_each_channel() {
        let (mut pace, start) = (Pace::default(), Timestamp::from_secs(1_764_000_000));
        let mut post = |channel, now| pace.admit("chat.postMessage", Tier::Post, Some(channel), now);
        assert_eq!(post("C1", start), Ok(()));
        assert_eq!(post("C2", start), Ok(()));
        assert_eq!(post("C1", start + Duration::from_millis(999)), Err(1));
        assert_eq!(post("C1", start + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn other_methods_are_counted_by_the_minute() {
        let (mut pace, start) = (Pace::default(), Timestamp::from_secs(1_764_000_000));
        let mut call = |now| pace.admit("chat.update", Tier::PerMinute(2), None, now);
        assert_eq!(call(start), Ok(()));
        assert_eq!(call(start + Duration::from_secs(10)), Ok(()));
        assert_eq!(call(start + Duration::from_secs(20)), Err(40));
        assert_eq!(call(start + MINUTE), Ok(()));
    }
}
