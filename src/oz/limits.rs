//! How fast Baton asks Oz. Pure: the worker waits for its turn with these; the client never does.
//!
//! Oz publishes no limits. Its edge turns away clients that ask more often than about every 300 ms,
//! whatever they ask, so reads keep a steady pace. Writes are few and people wait for them: they
//! have a pace of their own and may come in a burst.

use std::time::Duration;

use crate::pace::Pace;

/// At most three reads in any second. A third of a second exactly would let a fourth slip in when
/// one is late on the wire.
const READ_INTERVAL: Duration = Duration::from_millis(350);
/// Sweeps are no closer together than this. A read of three requests wants rest before it, and would
/// never find it between sweeps that come as soon as they may.
pub const BETWEEN_SWEEPS: Duration = Duration::from_millis(1_400);
/// Two writes a second.
const WRITE_INTERVAL: Duration = Duration::from_millis(500);
/// An approval starts several children at once.
const WRITE_BURST: u32 = 4;

/// The calls of [`Oz`](super::Oz), by their method's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Create,
    FindByDispatch,
    Get,
    Sweep,
    Children,
    FollowUp,
    Cancel,
    /// Of a run that makes no plan.
    Read,
    ReadWithPlan,
    Says,
    Transcript,
    Artifact,
    Choices,
}

impl Call {
    /// What one call takes, all its requests together.
    #[must_use]
    pub fn pace(self) -> Pace {
        let one = match self {
            Self::Create | Self::FollowUp | Self::Cancel => {
                Pace { key: "oz:write".into(), interval: WRITE_INTERVAL, burst: WRITE_BURST, requests: 1 }
            }
            Self::FindByDispatch
            | Self::Get
            | Self::Sweep
            | Self::Children
            | Self::Read
            | Self::ReadWithPlan
            | Self::Says
            | Self::Transcript
            | Self::Artifact
            | Self::Choices => Pace { key: "oz:read".into(), interval: READ_INTERVAL, burst: 1, requests: 1 },
        };
        one.of_requests(self.requests())
    }

    /// How many requests it makes of Oz. Three cases need more, all
    /// rare: a list that goes on beyond a hundred runs, a search where Oz does not know the metadata
    /// filter, and a follow-up or cancel that is refused (the run's state is read then).
    #[must_use]
    const fn requests(self) -> u32 {
        match self {
            Self::Create
            | Self::FindByDispatch
            | Self::Get
            | Self::Sweep
            | Self::Children
            | Self::FollowUp
            | Self::Cancel
            | Self::Transcript
            | Self::Artifact => 1,
            // The run and its conversation; the conversation, or else the run.
            Self::Read | Self::Says => 2,
            // The run, its conversation and its plan; environments, models and skills.
            Self::ReadWithPlan | Self::Choices => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stay_within_three_a_second_and_writes_are_apart_from_them() {
        let read = Call::Sweep.pace();
        assert_eq!((read.key.as_str(), read.burst), ("oz:read", 1));
        assert!(read.interval * 3 > Duration::from_secs(1), "a fourth read falls into the next second");
        let largest = Call::ReadWithPlan.pace();
        assert_eq!((read.requests, largest.requests), (1, 3));
        assert!(read.after() + largest.before() < BETWEEN_SWEEPS, "there is no room for it between two sweeps");
        let write = Call::Create.pace();
        assert_eq!((write.key.as_str(), write.burst), ("oz:write", 4));
        assert_eq!(write.interval * 2, Duration::from_secs(1));
    }
}
