//! What the pickers of the modal offer, asked of Oz ahead of time: a trigger lives three seconds,
//! which is no time to ask for three lists.

use std::time::Duration;

use super::{
    Core, Result,
    lead::{Lead, Turn, turn_to_read, while_leading},
    work::Round,
};
use crate::{
    domain::errand::Choices,
    oz::limits::Call,
    storage::{Result as Stored, Store, kept},
};

const KEY: &str = "oz.choices";
const EVERY: Duration = Duration::from_mins(10);
const AFTER_FAILURE: Duration = Duration::from_mins(1);

pub(super) async fn run_once(core: &Core) -> Result<Round> {
    let now = core.clock.now();
    if let Some((_, kept_at)) = kept::get(&core.store, KEY).await?
        && (kept_at..kept_at + EVERY).contains(&now)
    {
        return Ok(Round { did: 0, next: Some(kept_at + EVERY) });
    }
    match turn_to_read(core, Lead::Choices, Call::Choices, now).await? {
        Turn::Now => {}
        Turn::At(at) => return Ok(Round { did: 0, next: Some(at) }),
        Turn::Others => return Ok(Round { did: 0, next: Some(now + AFTER_FAILURE) }),
    }
    let Some(asked) = while_leading(core, Lead::Choices, now, Box::pin(core.oz.choices())).await else {
        return Ok(Round { did: 0, next: Some(core.clock.now() + AFTER_FAILURE) });
    };
    let next = match asked {
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
pub(super) async fn kept(store: &Store) -> Stored<Choices> {
    let kept = kept::get(store, KEY).await?;
    Ok(kept.and_then(|(json, _)| serde_json::from_str(&json).ok()).unwrap_or_default())
}
