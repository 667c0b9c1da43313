//! Whose turn it is among the deliveries of one claim: halted launches wait, then those whose platform
//! is down or busy, then those that a pace makes wait. Used by `outbox.rs`.

use std::{collections::HashMap, time::Duration};

use super::{
    Core, Result,
    apply::Parcel,
    brake::{self, Pass},
    pacing::paces,
    retry,
};
use crate::{
    domain::{
        effect::{Effect, Purpose},
        orchestration::Stage,
    },
    ids::DeliveryId,
    pace::Pace,
    storage::{Tx, halt, orchestrations, outbox::Claimed, paces as buckets},
    time::Timestamp,
};

/// While launches are halted, they are looked at again after this.
const HALTED: Duration = Duration::from_secs(5);

/// What stops something goes before what starts something, what is urgent before what is not, and then
/// whoever has waited longest: those that a pace makes wait come due again at one time or another, and
/// the oldest of them has the turn.
pub(super) fn in_turn(claimed: Vec<Claimed>) -> Vec<(Claimed, Option<Parcel>)> {
    let read = |delivery: Claimed| {
        let parcel: Option<Parcel> = serde_json::from_str(&delivery.effect).ok();
        (delivery, parcel)
    };
    let mut read: Vec<_> = claimed.into_iter().map(read).collect();
    read.sort_by_key(|(delivery, parcel)| {
        let stops = parcel.as_ref().is_some_and(|parcel| matches!(parcel.effect, Effect::CancelRun { .. }));
        (!stops, !delivery.urgent, delivery.created_at)
    });
    read
}

/// When a delivery is attempted.
pub(super) enum Turn {
    /// Without a pass nobody is asked.
    Now(Option<Pass>),
    At(Timestamp),
}

/// Who may go of one claim, and when the others may.
#[derive(Default)]
pub(super) struct Turns {
    /// Paces that said no, for so many requests, and until when: they are not asked twice.
    refused: HashMap<(String, u32), Timestamp>,
    /// Those that a pace makes wait come due one after the other, not all at once: where the queue of
    /// each pace ends.
    pub queues: HashMap<String, Timestamp>,
    pub waiting: Vec<(DeliveryId, Timestamp)>,
    halted: Option<bool>,
}

impl Turns {
    pub async fn of(
        &mut self,
        core: &Core,
        tx: &mut Tx,
        delivery: &Claimed,
        parcel: &Parcel,
        now: Timestamp,
    ) -> Result<Turn> {
        if launches(&parcel.effect) && self.halted(tx).await? && !is_being_stopped(core, delivery).await? {
            return Ok(Turn::At(now + HALTED));
        }
        let pass = match core.brakes.enter(brake::roads(parcel), now) {
            Ok(pass) => pass,
            // Whoever waits for it is told in time.
            Err(shut) if shut.down && !retry::is_patient(&parcel.effect, now.since(delivery.created_at)) => {
                return Ok(Turn::Now(None));
            }
            Err(shut) => return Ok(Turn::At(shut.until)),
        };
        Ok(self.take(tx, &paces(parcel, delivery), now).await?.map_or(Turn::Now(Some(pass)), Turn::At))
    }

    async fn halted(&mut self, tx: &mut Tx) -> Result<bool> {
        if self.halted.is_none() {
            self.halted = Some(halt::stands(tx).await?);
        }
        Ok(self.halted == Some(true))
    }

    /// Takes from every pace, or from none: then it says when it is to be tried again.
    async fn take(&mut self, tx: &mut Tx, paces: &[Pace], now: Timestamp) -> Result<Option<Timestamp>> {
        let Some((pace, at)) = self.first_refusal(tx, paces, now).await? else { return Ok(None) };
        let turn = self.queues.get(&pace.key).map_or(at, |end| *end + pace.before());
        self.queues.insert(pace.key.clone(), turn + pace.after());
        Ok(Some(turn))
    }

    async fn first_refusal<'a>(
        &mut self,
        tx: &mut Tx,
        paces: &'a [Pace],
        now: Timestamp,
    ) -> Result<Option<(&'a Pace, Timestamp)>> {
        let known = |pace: &'a Pace| Some((pace, *self.refused.get(&(pace.key.clone(), pace.requests))?));
        if let Some(refusal) = paces.iter().find_map(known) {
            return Ok(Some(refusal));
        }
        // One alone takes or does not; of several there may be something to give back.
        let several = paces.len() > 1;
        if several {
            tx.savepoint().await?;
        }
        for pace in paces {
            let refused = buckets::take(tx, &pace.key, now, pace.interval, pace.burst, pace.requests).await?;
            if let Some(at) = refused {
                if several {
                    tx.rollback_to_savepoint().await?;
                }
                self.refused.insert((pace.key.clone(), pace.requests), at);
                return Ok(Some((pace, at)));
            }
        }
        if several {
            tx.release().await?;
        }
        Ok(None)
    }
}

/// Then it comes to nothing, and what stops the run waits behind it.
async fn is_being_stopped(core: &Core, delivery: &Claimed) -> Result<bool> {
    let Some(id) = &delivery.orchestration else { return Ok(false) };
    let orchestration = orchestrations::read(&core.store, id).await?;
    Ok(orchestration.is_some_and(|it| matches!(it.stage, Stage::Stopping { .. })))
}

/// It sets an agent to work, or gives it more to do: nothing of that while all is halted. What ends the
/// work goes on: the results that a parent sums up.
const fn launches(effect: &Effect) -> bool {
    match effect {
        Effect::StartRun { .. } => true,
        Effect::FollowUp { purpose, .. } => !matches!(purpose, Purpose::Results | Purpose::None),
        _ => false,
    }
}

pub(super) fn is_expired(delivery: &Claimed, now: Timestamp) -> bool {
    delivery.expires_at.is_some_and(|expires_at| expires_at < now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{conversation::Conversation, effect::Slot},
        ids::RunId,
    };

    fn claimed(id: &str, urgent: bool, created: i64, effect: Effect) -> Claimed {
        let (conversation, because) = (Conversation::slack("T1", "C1", None), String::new());
        let parcel = Parcel { effect, conversation, because };
        Claimed {
            id: DeliveryId::from(id),
            orchestration: None,
            lane: id.to_owned(),
            kind: "say".to_owned(),
            effect: serde_json::to_string(&parcel).expect("JSON"),
            urgent,
            attempt: 1,
            token: "t".to_owned(),
            unsure_since: None,
            created_at: Timestamp::from_secs(created),
            expires_at: None,
        }
    }

    #[test]
    fn a_stop_has_the_first_turn_then_what_is_urgent_then_the_oldest() {
        let cancel = Effect::CancelRun { slot: Slot::Child(1), run: RunId::from("r1") };
        let claims = vec![
            claimed("younger", false, 2, Effect::Pulse),
            claimed("oldest", false, 1, Effect::Pulse),
            claimed("urgent", true, 3, Effect::Pulse),
            claimed("stop", true, 4, cancel),
        ];
        let order: Vec<_> = in_turn(claims).into_iter().map(|(delivery, _)| delivery.id.to_string()).collect();
        assert_eq!(order, ["stop", "urgent", "oldest", "younger"]);
    }
}
