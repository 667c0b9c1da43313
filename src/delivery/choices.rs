//! What the pickers of the modal offer, asked of Oz ahead of time: a trigger lives three seconds,
//! which is no time to ask for three lists.

use std::time::Duration;

use super::{
    Core, Result,
    lead::{Lead, Turn, turn_to_read, while_leading},
    work::Round,
};
use crate::{oz::limits::Call, storage::choices};

const EVERY: Duration = Duration::from_mins(10);
const AFTER_FAILURE: Duration = Duration::from_mins(1);

pub(super) async fn run_once(core: &Core) -> Result<Round> {
    let now = core.clock.now();
    if let Some(told_at) = choices::told_at(&core.store).await?
        && (told_at..told_at + EVERY).contains(&now)
    {
        return Ok(Round { did: 0, next: Some(told_at + EVERY) });
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
        Ok(told) => {
            let mut tx = core.store.begin("keep choices").await?;
            choices::put(&mut tx, &told, now).await?;
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
