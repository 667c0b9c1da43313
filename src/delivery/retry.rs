//! What follows from a failed attempt: a pure table, with its delays written out.
//!
//! How long things are tried: what people were promised (runs, words, boards) outlives an outage of
//! hours; what only helps at once (a form, a reaction, an answer somebody waits for) does not.

use std::time::Duration;

use crate::{
    domain::{
        effect::Effect,
        failure::{Failure, Problem},
        message::Tone,
        words::problems,
    },
    ids::{DeliveryId, fraction},
    storage::outbox::Sure,
};

/// Between attempts, in seconds, and up to half as long again, so that deliveries which failed
/// together do not come back together; the last one repeats.
const DELAYS: [u64; 8] = [1, 2, 4, 8, 15, 30, 60, 120];
/// Whoever is told to wait longer asks again after this: the clock by which we wait may be set.
pub(super) const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// At a platform that is down, those that have not been tried yet are the next to probe it.
const BEHIND: Duration = Duration::from_secs(2);

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

/// A delivery that was tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tried<'a> {
    pub id: &'a DeliveryId,
    /// From 1.
    pub attempt: u32,
    /// How long it has been tried.
    pub age: Duration,
    /// The platform is down, and left alone for so long by all.
    pub rest: Option<Duration>,
}

pub(super) fn next(effect: &Effect, failure: Failure, tried: Tried<'_>) -> Next {
    let delay = tried.rest.map_or_else(|| delay(tried.id, tried.attempt), |rest| rest + BEHIND);
    let patient = is_patient(effect, tried.age);
    match failure {
        Failure::Transient { after, .. } if patient => {
            Next::Again { after: after.map_or(delay, |after| after.min(LONGEST_WAIT)), sure: Sure::NoEffect }
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
        Failure::Unauthorized(_) if patient && waits_for_credentials(effect) => {
            Next::Again { after: delay, sure: Sure::NoEffect }
        }
        // An operator repairs the credentials, or what was refused, and sends it again.
        Failure::Unauthorized(problem) | Failure::Refused(problem) => {
            Next::GiveUp { problem, park: can_be_sent_again(effect) }
        }
        Failure::Gone(problem) => Next::GiveUp { problem, park: false },
    }
}

/// Whether an effect of this age is worth another attempt.
pub(super) fn is_patient(effect: &Effect, age: Duration) -> bool {
    age < patience(effect)
}

fn delay(id: &DeliveryId, attempt: u32) -> Duration {
    let seconds = DELAYS[(attempt.max(1) as usize - 1).min(DELAYS.len() - 1)];
    Duration::from_secs(seconds).mul_f64(1.0 + fraction(&[id.as_str(), &attempt.to_string()]) / 2.0)
}

/// How long an effect is worth trying.
fn patience(effect: &Effect) -> Duration {
    match effect {
        // What a run said is waited for like the run itself.
        Effect::StartRun { .. } | Effect::FollowUp { .. } | Effect::CancelRun { .. } | Effect::ReadRun { .. } => {
            Duration::from_hours(6)
        }
        // Work begins without what was said before, rather than late.
        Effect::ReadThread { .. } => Duration::from_mins(10),
        // Nobody has moved the issue meanwhile, or it stays where they put it.
        Effect::TakeUp { .. } => Duration::from_hours(6),
        Effect::PostBoard { .. }
        // Mostly a newer board follows, but not after the last.
        | Effect::ShowBoard
        | Effect::Say { .. }
        | Effect::Edit { .. }
        | Effect::Upload { .. }
        | Effect::UploadTranscript { .. }
        | Effect::Attach { .. } => Duration::from_hours(24),
        Effect::Mirrored { what } => patience(what),
        // Somebody waits for the answer, and can ask again.
        Effect::LookUp { .. } | Effect::Admit { .. } | Effect::ReadPlan { .. } => Duration::from_secs(30),
        // The state of a session follows from it.
        Effect::SayPrivately { message, .. } if matches!(message.tone, Tone::Final | Tone::Failure | Tone::Ask) => {
            Duration::from_hours(24)
        }
        // Later it tells nobody anything any more.
        Effect::LookInto { .. }
        | Effect::SayPrivately { .. }
        | Effect::React { .. }
        | Effect::OpenForm { .. }
        | Effect::Pulse => Duration::from_mins(5),
    }
}

/// Without it nobody would ever hear that they were heard. All else goes on, and its lane with it.
fn waits_for_credentials(effect: &Effect) -> bool {
    match effect {
        Effect::PostBoard { .. } => true,
        Effect::SayPrivately { message, .. } => matches!(message.tone, Tone::Final | Tone::Failure | Tone::Ask),
        Effect::Mirrored { what } => waits_for_credentials(what),
        _ => false,
    }
}

/// What is said or shown can be sent later. What was to be done in Oz has been told and decided on.
fn can_be_sent_again(effect: &Effect) -> bool {
    match effect {
        Effect::Mirrored { what } => can_be_sent_again(what),
        _ => matches!(
            effect,
            Effect::Say { .. }
                | Effect::Edit { .. }
                | Effect::Upload { .. }
                | Effect::ShowBoard
                | Effect::Attach { .. }
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{effect::Reaction, input::AnswerPath};

    #[test]
    fn the_table() {
        let say = Effect::ShowBoard;
        let react = Effect::React { message: "1".into(), reaction: Reaction::Stored };
        let problem = || Problem::new("x");
        let young = Duration::from_secs(1);
        let old = Duration::from_hours(25);

        let id = DeliveryId::new("d1");
        let tried = |attempt, age| Tried { id: &id, attempt, age, rest: None };
        let again = |failure, tried| match next(&say, failure, tried) {
            Next::Again { after, sure } => (after, sure),
            Next::GiveUp { .. } => panic!("given up"),
        };
        let within = |after: Duration, least: u64| {
            let least = Duration::from_secs(least);
            assert!((least..=least * 3 / 2).contains(&after), "{after:?} and not from {least:?}");
        };

        let told = |after| again(Failure::Transient { after: Some(after), problem: problem() }, tried(1, young));
        assert_eq!(told(Duration::from_secs(30)), (Duration::from_secs(30), Sure::NoEffect));
        assert_eq!(told(Duration::from_hours(1)), (LONGEST_WAIT, Sure::NoEffect));
        let (after, sure) = again(Failure::Ambiguous(problem()), tried(3, young));
        assert_eq!((after.max(SETTLED), sure), (after, Sure::Unknown));
        within(again(Failure::Ambiguous(problem()), tried(5, young)).0, 15);
        within(again(Failure::Ambiguous(problem()), tried(99, Duration::from_hours(2))).0, 120);
        let resting = Tried { rest: Some(Duration::from_secs(40)), ..tried(99, young) };
        assert_eq!(again(Failure::Ambiguous(problem()), resting).0, Duration::from_secs(42));
        let given_up = next(&say, Failure::Ambiguous(problem()), tried(99, old));
        assert_eq!(given_up, Next::GiveUp { problem: Problem::new(problems::GAVE_UP), park: true });
        assert_eq!(
            next(&react, Failure::Refused(problem()), tried(1, young)),
            Next::GiveUp { problem: problem(), park: false }
        );
        assert_eq!(
            next(&say, Failure::Unauthorized(problem()), tried(1, young)),
            Next::GiveUp { problem: problem(), park: true }
        );
        let board = Effect::PostBoard { answer: AnswerPath::default() };
        let locked_out = |age| next(&board, Failure::Unauthorized(problem()), tried(9, age));
        assert!(matches!(locked_out(young), Next::Again { sure: Sure::NoEffect, .. }));
        assert_eq!(locked_out(old), Next::GiveUp { problem: problem(), park: false });
        assert_eq!(
            next(&say, Failure::Gone(problem()), tried(1, young)),
            Next::GiveUp { problem: problem(), park: false }
        );
    }

    #[test]
    fn deliveries_that_fail_together_come_back_apart() {
        let delays = |attempt| {
            let mut delays: Vec<_> = (0..50).map(|n| delay(&DeliveryId::new(format!("d{n}")), attempt)).collect();
            delays.sort_unstable();
            delays
        };
        let delays = delays(8);
        let (first, last) = (delays[0], delays[49]);
        assert!(last.saturating_sub(first) > Duration::from_secs(40), "{first:?} to {last:?}");
        assert!(first >= Duration::from_mins(2) && last < Duration::from_mins(3));
    }
}
