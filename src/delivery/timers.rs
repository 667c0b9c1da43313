//! Timers that come due are inputs.

use std::sync::Arc;

use super::{Core, Result, apply::apply, work::Round};
use crate::{
    domain::{effect::TimerName, input::Input},
    ids::InputId,
    storage::timers,
};

const BATCH: u32 = 100;

#[derive(Debug)]
pub struct Timers {
    core: Arc<Core>,
}

impl Timers {
    pub(super) const fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Decides on every timer that is due.
    pub async fn run_once(&self) -> Result<Round> {
        let now = self.core.clock.now();
        let next = timers::next_due(&self.core.store).await?;
        if next.is_none_or(|next| next > now) {
            return Ok(Round { did: 0, next });
        }
        let mut tx = self.core.store.begin("decide on timers").await?;
        let due = timers::take_due(&mut tx, now, BATCH).await?;
        for timer in &due {
            let Ok(name) = serde_json::from_str::<TimerName>(&timer.name_json) else {
                tracing::error!(orchestration.id = %timer.orchestration, "an unknown timer was dropped");
                continue;
            };
            let input_id = InputId::new(format!("due:{}:{}", name.key(), timer.due_at.as_millis()));
            apply(&mut tx, &timer.orchestration, Input::Due(name), &input_id, now).await?;
        }
        tx.commit().await?;
        Ok(Round { did: due.len(), next: None })
    }
}
