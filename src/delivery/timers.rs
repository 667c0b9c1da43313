//! Timers that come due are inputs. Each is decided in a transaction of its own, so that one that
//! cannot be decided keeps no other from it.

use std::{sync::Arc, time::Duration};

use super::{
    Core, Result,
    apply::apply,
    work::{Round, caught},
};
use crate::{
    domain::{effect::TimerName, input::Input},
    ids::InputId,
    storage::timers,
    time::Timestamp,
};

const BATCH: usize = 100;
/// What cannot be decided now, such as what a newer version wrote, is tried again after this.
const PUT_OFF: Duration = Duration::from_mins(10);

#[derive(Debug)]
pub struct Timers {
    core: Arc<Core>,
}

impl Timers {
    pub(super) const fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Decides on the timers that are due.
    pub async fn run_once(&self) -> Result<Round> {
        let now = self.core.clock.now();
        let next = timers::next_due(&self.core.store).await?;
        if next.is_none_or(|next| next > now) {
            return Ok(Round { did: 0, next });
        }
        let mut did = 0;
        while did < BATCH && self.decide_next(now).await? {
            did += 1;
        }
        Ok(Round { did, next })
    }

    /// False when nothing is due that another replica is not at.
    async fn decide_next(&self, now: Timestamp) -> Result<bool> {
        let mut tx = self.core.store.begin("decide on a timer").await?;
        let Some(timer) = timers::take_due(&mut tx, now, 1).await?.pop() else {
            tx.rollback().await?;
            return Ok(false);
        };
        if let Ok(name) = serde_json::from_str::<TimerName>(&timer.name_json) {
            let key = name.key();
            let input_id = InputId::new(format!("due:{key}:{}", timer.due_at.as_millis()));
            tx.savepoint().await?;
            match caught(apply(&mut tx, &timer.orchestration, Input::Due(name), &input_id, now)).await {
                Ok(_) => tx.release().await?,
                Err(error) if error.is_passing() => return Err(error),
                Err(error) => {
                    tracing::error!(orchestration.id = %timer.orchestration, timer = key, %error, "a timer could not be decided");
                    tx.rollback_to_savepoint().await?;
                    timers::set(&mut tx, &timer.orchestration, &key, &timer.name_json, now + PUT_OFF).await?;
                }
            }
        } else {
            tracing::error!(orchestration.id = %timer.orchestration, "an unknown timer was dropped");
        }
        tx.commit().await?;
        Ok(true)
    }
}
