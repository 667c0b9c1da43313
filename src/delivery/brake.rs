//! When a platform is down, not every lane asks it again and again. After a few failures in a row
//! the brake of that platform (of one workspace, in Slack and Linear) lets one delivery through at a
//! time, ever more rarely; the first that is answered releases it, and the rest follow in seconds.
//! And a platform that hangs does not take all the room that there is.
//!
//! Each replica has brakes of its own, in memory: what they save is requests, not order or truth.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{apply::Parcel, carry::looked_up};
use crate::{
    domain::{actor::Platform, effect::Effect, failure::Failure},
    ids::fraction,
    time::Timestamp,
};

/// So many failures in a row are still each delivery's own business.
const FORGIVEN: u32 = 3;
/// Before the next probe, in seconds; the last one repeats. It bounds what is asked of a platform that
/// is down, and how late we notice that it is back.
const PAUSES: [u64; 6] = [1, 2, 4, 8, 15, 30];
/// While a probe is under way, the others are looked at again after this.
const PROBING: Duration = Duration::from_secs(5);
/// Attempts under way at once at one platform: half of all. The other platforms have the rest.
const AT_ONCE: usize = 16;
/// The road of whatever carries a file, which is in memory whole. It is never down: with other roads
/// beside it, nobody knows which it was.
pub(super) const FILES: &str = "files";
const FILES_AT_ONCE: usize = 2;
/// Beyond them, a delivery is looked at again after this.
const FULL: Duration = Duration::from_millis(250);

/// The brakes of one replica. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Brakes {
    replica: Arc<str>,
    roads: Arc<Mutex<HashMap<String, Road>>>,
}

/// The way to one platform.
#[derive(Debug, Default)]
struct Road {
    under_way: usize,
    /// One after the other, without an answer between them.
    failures: u32,
    /// Of a road that is braked: when the next probe may go.
    next: Timestamp,
}

/// The delivery may not go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shut {
    pub until: Timestamp,
    /// The platform does not answer; otherwise it is busy with others of ours.
    pub down: bool,
    /// There is no room for another file.
    pub files: bool,
}

/// The right to one attempt. Whoever drops it has left.
#[derive(Debug)]
pub(super) struct Pass {
    brakes: Brakes,
    roads: Vec<String>,
}

/// What an attempt says about the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Answers,
    Down,
    Nothing,
}

/// The roads that an effect needs: of its platforms, and of files.
pub(super) fn roads(parcel: &Parcel) -> Vec<String> {
    let oz = || "oz".to_owned();
    let of = |platform: Platform, workspace: &str| format!("{}:{workspace}", platform.as_str());
    let talk = || of(parcel.conversation.platform, &parcel.conversation.workspace);
    let effect = match &parcel.effect {
        Effect::Mirrored { what } => what,
        effect => effect,
    };
    match effect {
        Effect::StartRun { .. }
        | Effect::FollowUp { .. }
        | Effect::CancelRun { .. }
        | Effect::ReadRun { .. }
        | Effect::ReadPlan { .. }
        | Effect::LookInto { .. } => vec![oz()],
        Effect::Upload { .. } | Effect::UploadTranscript { .. } => vec![oz(), talk(), FILES.to_owned()],
        effect => vec![looked_up(effect).map_or_else(talk, |(person, _)| of(person.platform, &person.workspace))],
    }
}

impl Brakes {
    pub fn new(replica: &str) -> Self {
        Self { replica: replica.into(), roads: Arc::default() }
    }

    /// Asks to go all these roads at once.
    pub fn enter(&self, roads: Vec<String>, now: Timestamp) -> Result<Pass, Shut> {
        let mut known = self.lock();
        if let Some(shut) = roads.iter().find_map(|road| known.get(road)?.shut(road == FILES, now)) {
            return Err(shut);
        }
        for road in &roads {
            known.entry(road.clone()).or_default().under_way += 1;
        }
        drop(known);
        Ok(Pass { brakes: self.clone(), roads })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Road>> {
        self.roads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Road {
    const fn is_braked(&self) -> bool {
        self.failures >= FORGIVEN
    }

    fn shut(&self, files: bool, now: Timestamp) -> Option<Shut> {
        if self.is_braked() {
            // A clock that was set back does not keep it shut.
            let rests = now < self.next && self.next.since(now) <= longest_pause();
            let until = if rests { self.next } else { now + PROBING };
            return (rests || self.under_way > 0).then_some(Shut { until, down: true, files });
        }
        let at_once = if files { FILES_AT_ONCE } else { AT_ONCE };
        (self.under_way >= at_once).then_some(Shut { until: now + FULL, down: false, files })
    }

    /// For how long nobody else goes, when that is so.
    fn failed(&mut self, spread: impl FnOnce(u32) -> f64, now: Timestamp) -> Option<Duration> {
        if self.is_braked() && now < self.next {
            return Some(self.next.since(now)); // it was under way before
        }
        self.failures = self.failures.saturating_add(1);
        if !self.is_braked() {
            return None;
        }
        let step = ((self.failures - FORGIVEN) as usize).min(PAUSES.len() - 1);
        // Replicas do not march in step.
        let pause = Duration::from_secs(PAUSES[step]).mul_f64(1.0 + spread(self.failures) / 2.0);
        self.next = now + pause;
        Some(pause)
    }
}

fn longest_pause() -> Duration {
    Duration::from_secs(PAUSES[PAUSES.len() - 1]) * 3 / 2
}

impl Pass {
    /// The attempt has ended. Returns for how long the platform is left alone, if it is.
    pub fn leave<T>(self, result: &Result<T, Failure>, now: Timestamp) -> Option<Duration> {
        let sign = sign(result);
        let mut known = self.brakes.lock();
        let mut rest = None;
        for name in &self.roads {
            let Some(road) = known.get_mut(name) else { continue };
            // Of two platforms nobody knows which it was.
            let surely = self.roads.len() == 1;
            match sign {
                Sign::Answers if surely || result.is_ok() => {
                    if road.is_braked() {
                        tracing::info!(platform = name, failures = road.failures, "the platform answers again");
                    }
                    road.failures = 0;
                }
                Sign::Down if surely || road.is_braked() => {
                    let spread = |failures: u32| fraction(&[&self.brakes.replica, name, &failures.to_string()]);
                    let was_braked = road.is_braked();
                    rest = road.failed(spread, now).max(rest);
                    if road.is_braked() && !was_braked {
                        tracing::warn!(platform = name, "the platform does not answer; it is asked ever more rarely");
                    }
                }
                // A probe that says nothing leaves all as it was, but for the time.
                Sign::Nothing | Sign::Answers if road.is_braked() => {
                    road.next = now + Duration::from_secs(PAUSES[0]);
                    rest = rest.max(Some(Duration::from_secs(PAUSES[0])));
                }
                Sign::Answers | Sign::Down | Sign::Nothing => {}
            }
        }
        rest
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut known = self.brakes.lock();
        for name in &self.roads {
            if let Some(road) = known.get_mut(name) {
                road.under_way = road.under_way.saturating_sub(1);
                if road.under_way == 0 && road.failures == 0 {
                    known.remove(name);
                }
            }
        }
    }
}

fn sign<T>(result: &Result<T, Failure>) -> Sign {
    let Err(failure) = result else { return Sign::Answers };
    let code = failure.problem().code.as_str();
    match failure {
        Failure::Refused(_) | Failure::Gone(_) | Failure::Unauthorized(_) => Sign::Answers,
        // Told to wait, we wait: the paces see to it.
        Failure::Transient { after: Some(_), .. } if is_limit(code) => Sign::Answers,
        Failure::Transient { .. } | Failure::Ambiguous(_) if is_own(code) => Sign::Nothing,
        Failure::Transient { .. } | Failure::Ambiguous(_) => Sign::Down,
    }
}

fn is_limit(code: &str) -> bool {
    matches!(code, "rate_limited" | "http_429" | "resource_unavailable")
}

/// It is about this one thing, or about us.
fn is_own(code: &str) -> bool {
    matches!(
        code,
        "conflict" | "resource_unavailable" | "lock_timeout" | "message_limit_exceeded" | "store" | "panicked"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::failure::Problem;

    const START: Timestamp = Timestamp::from_secs(1_000_000);

    fn down() -> Result<(), Failure> {
        Err(Failure::Transient { after: None, problem: Problem::new("unreachable") })
    }

    fn go(brakes: &Brakes, now: Timestamp, result: &Result<(), Failure>) -> Result<Option<Duration>, Shut> {
        Ok(brakes.enter(vec!["oz".into()], now)?.leave(result, now))
    }

    fn braked() -> Brakes {
        let brakes = Brakes::new("r1");
        for _ in 1..FORGIVEN {
            assert_eq!(go(&brakes, START, &down()), Ok(None));
        }
        assert!(go(&brakes, START, &down()).expect("not yet").is_some());
        brakes
    }

    #[test]
    fn a_platform_that_is_down_for_an_hour_is_asked_a_hundred_times_by_any_number_of_lanes() {
        let brakes = Brakes::new("r1");
        let mut asked = 0;
        for second in 0..3600 {
            for _ in 0..1000 {
                asked += u32::from(go(&brakes, START + Duration::from_secs(second), &down()).is_ok());
            }
        }
        assert!((80..=130).contains(&asked), "{asked}");
    }

    #[test]
    fn one_probe_at_a_time_and_the_first_answer_releases() {
        let brakes = braked();
        let shut = go(&brakes, START, &Ok(())).expect_err("it rests");
        assert!(shut.down && shut.until > START);
        let probe = brakes.enter(vec!["oz".into()], shut.until).expect("the probe goes");
        let waits = brakes.enter(vec!["oz".into()], shut.until).expect_err("one at a time");
        assert_eq!(waits, Shut { until: shut.until + PROBING, down: true, files: false });
        assert_eq!(probe.leave(&Ok(()), shut.until), None);
        assert_eq!(go(&brakes, shut.until, &Ok(())), Ok(None));
        assert!(brakes.lock().is_empty(), "nothing is kept of a platform that answers");
    }

    #[test]
    fn a_probe_that_is_cut_off_makes_room_for_the_next() {
        let brakes = braked();
        let later = START + longest_pause();
        drop(brakes.enter(vec!["oz".into()], later).expect("the probe goes"));
        assert!(brakes.enter(vec!["oz".into()], later).is_ok());
    }

    #[test]
    fn what_is_about_one_thing_does_not_brake_and_a_refusal_is_an_answer() {
        let brakes = Brakes::new("r1");
        for code in ["conflict", "store", "panicked"] {
            for _ in 0..5 {
                assert_eq!(go(&brakes, START, &Err(Failure::Ambiguous(Problem::new(code)))), Ok(None));
            }
        }
        for _ in 0..5 {
            assert_eq!(go(&brakes, START, &down()), Ok(None));
            assert_eq!(go(&brakes, START, &Err(Failure::Refused(Problem::new("not_in_channel")))), Ok(None));
        }
        let told = || Failure::Transient { after: Some(PROBING), problem: Problem::new("rate_limited") };
        for _ in 0..5 {
            assert_eq!(go(&brakes, START, &Err(told())), Ok(None));
        }
    }

    #[test]
    fn with_two_platforms_nobody_is_blamed_and_half_the_room_is_for_others() {
        let brakes = Brakes::new("r1");
        let both = || vec!["oz".to_owned(), "slack:T1".to_owned()];
        for _ in 0..5 {
            assert_eq!(brakes.enter(both(), START).expect("room").leave(&down(), START), None);
        }
        let passes: Vec<_> = (0..AT_ONCE).map(|_| brakes.enter(both(), START).expect("room")).collect();
        let full = Shut { until: START + FULL, down: false, files: false };
        assert_eq!(brakes.enter(vec!["oz".into()], START).expect_err("full"), full);
        assert!(brakes.enter(vec!["slack:T2".into()], START).is_ok());
        drop(passes);
        assert!(brakes.lock().is_empty());
    }

    #[test]
    fn few_files_are_in_memory_at_once() {
        let brakes = Brakes::new("r1");
        let file = || vec!["oz".to_owned(), "slack:T1".to_owned(), FILES.to_owned()];
        let passes: Vec<_> = (0..FILES_AT_ONCE).map(|_| brakes.enter(file(), START).expect("room")).collect();
        assert_eq!(
            brakes.enter(file(), START).expect_err("full"),
            Shut { until: START + FULL, down: false, files: true }
        );
        assert!(brakes.enter(vec!["oz".into()], START).is_ok());
        drop(passes);
        assert!(brakes.enter(file(), START).is_ok());
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nothing_shut() {
        let brakes = braked();
        assert_eq!(go(&brakes, START - Duration::from_hours(1), &Ok(())), Ok(None));
    }
}
