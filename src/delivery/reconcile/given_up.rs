//! What was to be said or shown and was given up while a platform was away: it is sent again, the
//! oldest first and a few at a time, for as long as it is worth telling. A post that may have got
//! through is looked for first, as always; a board is shown as it is by now.

use std::time::Duration;

use super::{Kind, tell};
use crate::{
    delivery::{Core, Result},
    domain::words::problems,
    storage::{
        orchestrations,
        outbox::{self, DeliveryRow},
    },
    time::Timestamp,
};

/// A round sends so many: a platform that has just come back is not met with all at once.
const MOST: u32 = 20;
/// What has just been given up would fail again.
const REST: Duration = Duration::from_mins(5);
/// What is older is for an operator to send.
const OLD: Duration = Duration::from_hours(7 * 24);

pub(super) async fn run(core: &Core, now: Timestamp) -> Result<()> {
    for row in outbox::given_up(&core.store, problems::GAVE_UP, now - OLD, now - REST, MOST).await? {
        send_again(core, &row, now).await?;
    }
    Ok(())
}

async fn send_again(core: &Core, row: &DeliveryRow, now: Timestamp) -> Result<()> {
    let Some(id) = &row.orchestration else { return Ok(()) };
    let mut tx = core.store.begin("send again what was given up").await?;
    let ended = orchestrations::load(&mut tx, id).await?.is_some_and(|loaded| loaded.orchestration.is_ended());
    if !outbox::send_again(&mut tx, &row.id, now).await? {
        return Ok(tx.rollback().await?);
    }
    let (kind, what) = match (row.kind.as_str(), ended) {
        ("show_board", _) => (Kind::BoardShown, "The board showed an older state, and is shown again.".to_owned()),
        ("say", true) => (Kind::EndingTold, "What was said last had not got through, and is said again.".to_owned()),
        (kind, _) => (Kind::SaidAgain, format!("Something had not got through ({kind}), and is sent again.")),
    };
    tell(&mut tx, kind, Some(id), format!("sent:{}", row.id), what, now).await?;
    Ok(tx.commit().await?)
}
