//! What the pickers of the modal offer, asked of Oz ahead of time: a trigger lives three seconds,
//! which is no time to ask for three lists.

use std::time::Duration;

use super::{Core, Result, work::Round};
use crate::{
    domain::errand::Choices,
    storage::{Store, kept, leases},
};

const KEY: &str = "oz.choices";
const EVERY: Duration = Duration::from_mins(10);
const AFTER_FAILURE: Duration = Duration::from_mins(1);

pub(super) async fn run_once(core: &Core) -> Result<Round> {
    let now = core.clock.now();
    let mut tx = core.store.begin("lead choices").await?;
    let leads = leases::acquire(&mut tx, "choices", &core.replica, now, EVERY).await?;
    tx.commit().await?;
    if !leads {
        return Ok(Round { did: 0, next: Some(now + EVERY) });
    }
    let next = match core.oz.choices().await {
        Ok(choices) => {
            let json = serde_json::to_string(&choices).unwrap_or_default();
            let mut tx = core.store.begin("keep choices").await?;
            kept::put(&mut tx, KEY, &json, now).await?;
            tx.commit().await?;
            EVERY
        }
        Err(failure) => {
            tracing::warn!(problem = %failure.problem().code, "Oz does not tell its environments and models");
            AFTER_FAILURE
        }
    };
    Ok(Round { did: 0, next: Some(now + next) })
}

/// What was last told; empty lists before that, and the form then takes typed ids.
pub(super) async fn kept(store: &Store) -> Result<Choices> {
    let kept = kept::get(store, KEY).await?;
    Ok(kept.and_then(|(json, _)| serde_json::from_str(&json).ok()).unwrap_or_default())
}
