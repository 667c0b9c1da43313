//! When the clock is set back, what was written before lies ahead: nothing is to wait for the time to
//! come again. The outbox worker looks at it whenever its clock went back, and now and then because
//! another replica's may have been ahead.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{Core, Result, retry};
use crate::{storage::ahead, time::Timestamp};

const EVERY: Duration = Duration::from_mins(5);
/// Beyond the longest wait that there is, with room.
const HORIZON: Duration = retry::LONGEST_WAIT.saturating_add(Duration::from_mins(5));

/// What this replica's clock last said, and when it last looked.
#[derive(Debug, Default)]
pub(super) struct Looked(Mutex<Option<(Timestamp, Timestamp)>>);

impl Looked {
    fn is_time(&self, now: Timestamp) -> bool {
        let mut looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (newest, last) = looked.unwrap_or((now, Timestamp::default()));
        let is_time = now < newest || now.since(last) >= EVERY;
        *looked = Some((now, if is_time { now } else { last }));
        is_time
    }
}

pub(super) async fn look(core: &Core) -> Result<()> {
    let now = core.clock.now();
    if !core.looked_ahead.is_time(now) {
        return Ok(());
    }
    let brought = ahead::bring_back(&core.store, now, now + HORIZON).await?;
    if brought > 0 {
        tracing::warn!(brought, "the clock was set back: what lay too far ahead is due now");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_at_first_now_and_then_and_when_the_clock_went_back() {
        let looked = Looked::default();
        let start = Timestamp::from_secs(1_000_000);
        let minute = Duration::from_mins(1);
        assert!(looked.is_time(start));
        assert!(!looked.is_time(start + minute));
        assert!(looked.is_time(start + minute - Duration::from_secs(1)));
        assert!(!looked.is_time(start + minute));
        assert!(looked.is_time(start + minute + EVERY));
    }
}
