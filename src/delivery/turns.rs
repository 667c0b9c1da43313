//! Whose turn it is among the deliveries of one claim: halted launches stand in a line, those whose
//! platform is down or busy wait, and whom a pace refuses stands in its line. Used by `outbox.rs`.

use std::{collections::HashMap, time::Duration};

use super::{
    Core, Result,
    apply::Parcel,
    brake::{self, Pass, Shut},
    pacing::{paces, to_look},
    retry,
};
use crate::{
    domain::effect::{Effect, Purpose},
    pace::Pace,
    storage::{
        Tx, halt, lines, orchestrations,
        outbox::{Claimed, Waiting},
        paces as buckets,
    },
    time::Timestamp,
};

/// While launches are halted, the first of them is looked at again after this; whoever resumes calls
/// their line before.
const HALTED: Duration = Duration::from_mins(1);

/// The stage's word in the database.
const STOPPING: &str = "stopping";

/// What stops something goes before what starts something, what is urgent before what is not, the first
/// of a line before those who come only now, and then whoever has waited longest.
pub(super) fn in_turn(claimed: Vec<Claimed>) -> Vec<(Claimed, Option<Parcel>)> {
    let read = |delivery: Claimed| {
        let parcel: Option<Parcel> = serde_json::from_str(&delivery.effect).ok();
        (delivery, parcel)
    };
    let mut read: Vec<_> = claimed.into_iter().map(read).collect();
    read.sort_by_key(|(delivery, parcel)| {
        let stops = parcel.as_ref().is_some_and(|parcel| matches!(parcel.effect, Effect::CancelRun { .. }));
        (!stops, !delivery.urgent, delivery.line.is_none(), delivery.created_at)
    });
    read
}

/// When a delivery is attempted.
pub(super) enum Turn {
    /// Without a pass nobody is asked.
    Now(Option<Pass>),
    Later(Later),
}

/// What a delivery waits for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Later {
    /// The end of the halt.
    Halt(Timestamp),
    /// Its platform does not answer until then.
    Down(Timestamp),
    /// Its platform is busy with others of ours until then.
    Busy(Timestamp),
    /// It stands in this line, whose first may go then.
    InLine(String, Timestamp),
}

impl Later {
    /// The delivery as it waits. Only a platform that is down takes its patience while it does; what it had
    /// lost before stays lost, but for a halt.
    pub fn of(self, delivery: &Claimed, now: Timestamp) -> Waiting {
        let before = Some(delivery.tried_since).filter(|since| *since < now);
        let (due_at, line, tried_since) = match self {
            Self::Halt(at) => (at, Some(lines::HALT.to_owned()), None),
            Self::Down(at) => (at, None, Some(delivery.tried_since)),
            Self::Busy(at) => (at, None, before),
            Self::InLine(line, at) => (at, Some(line), before),
        };
        Waiting { id: delivery.id.clone(), due_at, line, tried_since }
    }
}

/// What the deliveries of one claim were told so far.
#[derive(Default)]
pub(super) struct Turns {
    /// The lines that are not due yet, and paces that have refused somebody.
    standing: Option<HashMap<String, Timestamp>>,
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
        let launches = launches(&parcel.effect);
        let is_over = launches && comes_to_nothing(tx, delivery, &parcel.effect).await?;
        if launches && !is_over && self.halted(tx).await? {
            return Ok(Turn::Later(Later::Halt(now + HALTED)));
        }
        let pass = match core.brakes.enter(brake::roads(parcel), now) {
            Ok(pass) => pass,
            // Whoever waits for it is told in time.
            Err(shut) if shut.down && !retry::is_patient(&parcel.effect, now.since(delivery.tried_since)) => {
                return Ok(Turn::Now(None));
            }
            Err(Shut { until, down: true, .. }) => return Ok(Turn::Later(Later::Down(until))),
            Err(Shut { until, files: true, .. }) => {
                return Ok(Turn::Later(Later::InLine(brake::FILES.to_owned(), until)));
            }
            Err(Shut { until, .. }) => return Ok(Turn::Later(Later::Busy(until))),
        };
        let paces = if is_over { Vec::from_iter(to_look(parcel, delivery)) } else { paces(parcel, delivery) };
        Ok(match self.take(tx, &paces, now).await? {
            None => Turn::Now(Some(pass)),
            Some((pace, at)) => Turn::Later(Later::InLine(pace.key.clone(), at)),
        })
    }

    async fn halted(&mut self, tx: &mut Tx) -> Result<bool> {
        if self.halted.is_none() {
            self.halted = Some(halt::stands(tx).await?);
        }
        Ok(self.halted == Some(true))
    }

    /// Takes from every pace, or from none: then it says which one refused, and until when.
    async fn take<'a>(
        &mut self,
        tx: &mut Tx,
        paces: &'a [Pace],
        now: Timestamp,
    ) -> Result<Option<(&'a Pace, Timestamp)>> {
        let standing = match &mut self.standing {
            Some(standing) => standing,
            none => none.insert(lines::standing(tx, now).await?),
        };
        // Small ones would keep a large one from the rest that it needs: they stand behind it.
        if let Some(line) = paces.iter().find_map(|pace| Some((pace, *standing.get(&pace.key)?))) {
            return Ok(Some(line));
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
                standing.insert(pace.key.clone(), at);
                return Ok(Some((pace, at)));
            }
        }
        if several {
            tx.release().await?;
        }
        Ok(None)
    }
}

/// What is stopped or over starts nothing, and what stops a run may wait behind its start.
async fn comes_to_nothing(tx: &mut Tx, delivery: &Claimed, launch: &Effect) -> Result<bool> {
    let Some(id) = &delivery.orchestration else { return Ok(false) };
    let Some((stage, has_ended)) = orchestrations::stage(tx, id).await? else { return Ok(false) };
    Ok(stage == STOPPING || (has_ended && matches!(launch, Effect::StartRun { .. })))
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
        ids::{DeliveryId, RunId},
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
            tried_since: Timestamp::from_secs(created),
            expires_at: None,
            line: None,
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
