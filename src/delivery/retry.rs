//! What follows from a failed attempt: a pure table, with its delays written out.

use std::time::Duration;

use crate::{
    domain::{
        effect::Effect,
        failure::{Failure, Problem},
        words::problems,
    },
    storage::outbox::Sure,
};

/// Between attempts, in seconds; the last one repeats.
const DELAYS: [u64; 8] = [1, 2, 4, 8, 15, 30, 60, 120];

/// Slack is slow to show what it has taken: who looks sooner may not find it.
const SETTLED: Duration = Duration::from_secs(5);

/// What to do after a failed attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Again {
        after: Duration,
        sure: Sure,
    },
    /// It is over. `park` when an operator can usefully send it again.
    GiveUp {
        problem: Problem,
        park: bool,
    },
}

/// `attempt` counts from 1; `age` is how long the delivery has existed.
pub(super) fn next(effect: &Effect, failure: Failure, attempt: u32, age: Duration) -> Next {
    let delay = Duration::from_secs(DELAYS[(attempt.max(1) as usize - 1).min(DELAYS.len() - 1)]);
    let patient = age < patience(effect);
    match failure {
        Failure::Transient { after, .. } if patient => {
            Next::Again { after: after.unwrap_or(delay), sure: Sure::NoEffect }
        }
        Failure::Ambiguous(_) if patient => Next::Again { after: delay.max(SETTLED), sure: Sure::Unknown },
        Failure::Transient { problem, .. } | Failure::Ambiguous(problem) => {
            let problem = if problem.url.is_none() && problem.detail.is_none() {
                Problem::new(problems::GAVE_UP)
            } else {
                problem
            };
            Next::GiveUp { problem, park: can_be_sent_again(effect) }
        }
        // An operator repairs the credentials, or what was refused, and sends it again.
        Failure::Unauthorized(problem) | Failure::Refused(problem) => {
            Next::GiveUp { problem, park: can_be_sent_again(effect) }
        }
        Failure::Gone(problem) => Next::GiveUp { problem, park: false },
    }
}

/// How long an effect is worth trying.
const fn patience(effect: &Effect) -> Duration {
    match effect {
        Effect::StartRun { .. } | Effect::FollowUp { .. } | Effect::CancelRun { .. } => Duration::from_hours(6),
        Effect::ReadRun { .. } | Effect::ReadThread { .. } => Duration::from_mins(10),
        Effect::PostBoard { .. }
        | Effect::Say { .. }
        | Effect::Edit { .. }
        | Effect::Upload { .. }
        | Effect::UploadTranscript { .. } => Duration::from_hours(24),
        // A newer board follows.
        Effect::ShowBoard => Duration::from_hours(1),
        Effect::LookInto { .. } | Effect::SayPrivately { .. } | Effect::React { .. } | Effect::OpenForm { .. } => {
            Duration::from_mins(5)
        }
    }
}

/// What is said or shown can be sent later. What was to be done in Oz has been told and decided on.
const fn can_be_sent_again(effect: &Effect) -> bool {
    matches!(effect, Effect::Say { .. } | Effect::Edit { .. } | Effect::Upload { .. } | Effect::ShowBoard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::effect::Reaction;

    #[test]
    fn the_table() {
        let say = Effect::ShowBoard;
        let react = Effect::React { message: "1".into(), reaction: Reaction::Stored };
        let problem = || Problem::new("x");
        let after = Some(Duration::from_secs(30));
        let young = Duration::from_secs(1);
        let old = Duration::from_hours(25);

        let transient = next(&say, Failure::Transient { after, problem: problem() }, 1, young);
        assert_eq!(transient, Next::Again { after: Duration::from_secs(30), sure: Sure::NoEffect });
        let lost = next(&say, Failure::Ambiguous(problem()), 3, young);
        assert_eq!(lost, Next::Again { after: Duration::from_secs(5), sure: Sure::Unknown });
        let late = next(&say, Failure::Ambiguous(problem()), 99, Duration::from_mins(59));
        assert_eq!(late, Next::Again { after: Duration::from_mins(2), sure: Sure::Unknown });
        let given_up = next(&say, Failure::Ambiguous(problem()), 99, old);
        assert_eq!(given_up, Next::GiveUp { problem: Problem::new(problems::GAVE_UP), park: true });
        assert_eq!(
            next(&react, Failure::Refused(problem()), 1, young),
            Next::GiveUp { problem: problem(), park: false }
        );
        assert_eq!(
            next(&say, Failure::Unauthorized(problem()), 1, young),
            Next::GiveUp { problem: problem(), park: true }
        );
        assert_eq!(next(&say, Failure::Gone(problem()), 1, young), Next::GiveUp { problem: problem(), park: false });
    }
}
