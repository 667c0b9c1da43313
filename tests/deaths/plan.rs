//! What is to happen, all of it from the seed: how long each life lasts, and which story is told when.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use super::stories::Kind;

/// From the start of the program; about as long as it takes until it answers.
const STARTING: Duration = Duration::from_millis(250);
/// From its first answer.
const AT_WORK: Duration = Duration::from_secs(5);
/// Requests that reach a platform before it dies.
const REQUESTS: usize = 40;
/// Between a request's arrival and its answer, or a little after.
const EFFECT: Duration = Duration::from_millis(3);

/// When one life ends.
#[derive(Clone, Copy, Debug)]
pub enum Life {
    /// So long after its beginning, whether it has come up or not.
    Starting(Duration),
    /// So long after it came up.
    Working(Duration),
    /// With the so-manieth request that reaches a platform, and this long after: before its effect,
    /// or between the effect and the answer.
    Calling(usize, Duration),
}

#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub kills: usize,
}

impl Plan {
    pub fn lives(self) -> impl Iterator<Item = Life> {
        let mut random = StdRng::seed_from_u64(self.seed);
        (0..self.kills).map(move |number| {
            let mut part = |whole: Duration| whole.mul_f64(random.random::<f64>());
            let (starting, working, after) = (part(STARTING), part(AT_WORK), part(EFFECT));
            let requests = random.random_range(1..=REQUESTS);
            let chance = random.random_range(0..20);
            // An empty database meets its first deaths while it is being made.
            match if number < 3 { 0 } else { chance } {
                0..4 => Life::Starting(starting),
                4..11 => Life::Working(working),
                _ => Life::Calling(requests, after),
            }
        })
    }

    /// Each kind once in each round, in another order.
    pub fn story(self, number: usize) -> Kind {
        let (round, place) = (number / Kind::ALL.len(), number % Kind::ALL.len());
        let mut kinds = Kind::ALL;
        kinds.shuffle(&mut StdRng::seed_from_u64(self.seed.wrapping_add(1 + round as u64)));
        kinds[place]
    }
}
