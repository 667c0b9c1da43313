//! Linear's side of a webhook: signed requests to Baton's door, five seconds for an answer that is
//! 200, and retries after a minute, an hour and six hours.
//! <https://linear.app/developers/webhooks>

use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Linear, WEBHOOK_SECRET};
use crate::time::Timestamp;

/// Linear waits this long for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before the first, second and third retry.
const RETRY_AFTER: [Duration; 3] = [Duration::from_mins(1), Duration::from_hours(1), Duration::from_hours(6)];

const DOOR: &str = "/linear/webhooks";

/// What a retry looks like: Linear's pages do not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retries {
    /// With a new `webhookTimestamp` and a new `Linear-Delivery`.
    #[default]
    Stamped,
    /// Byte for byte: with the old timestamp and the same `Linear-Delivery`.
    Identical,
    /// None.
    Never,
}

/// What Baton's door answered; `status` 0 when it could not be reached within five seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    /// Anything else is sent again.
    pub const fn is_success(&self) -> bool {
        self.status == 200
    }
}

/// A webhook to be sent.
#[derive(Clone, Debug)]
pub struct Delivery {
    event: String,
    body: Value,
    id: String,
    /// 0 at first, then the number of the retry.
    attempt: usize,
    due: Timestamp,
}

impl Delivery {
    pub fn new(event: &str, body: Value, id: String, due: Timestamp) -> Self {
        Self { event: event.to_owned(), body, id, attempt: 0, due }
    }
}

/// A webhook as it went out.
#[derive(Clone, Debug)]
pub struct Sent {
    delivery: Delivery,
    bytes: Bytes,
    timestamp: i64,
}

/// The `Linear-Signature` of a body.
pub fn sign(secret: &str, body: &[u8]) -> String {
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new(); // Does not happen: HMAC takes keys of any length.
    };
    hex::encode(mac.chain_update(body).finalize().into_bytes())
}

impl Linear {
    /// Sends the webhooks that are waiting, in order unless told otherwise, and gives Baton's answers.
    pub async fn deliver_outgoing(&self) -> Vec<Answer> {
        let _in_order = self.inner.sending.lock().await;
        let mut answers = Vec::new();
        loop {
            let (batch, twice) = self.adjust(|world| {
                let mut batch: Vec<Delivery> = world.outgoing.drain(..).collect();
                if world.knobs.reorder {
                    batch.reverse();
                }
                (batch, world.knobs.duplicate)
            });
            if batch.is_empty() {
                return answers;
            }
            for delivery in batch {
                if twice {
                    answers.push(self.send(delivery.clone()).await);
                }
                answers.push(self.send(delivery).await);
            }
        }
    }

    /// As [`Linear::deliver_outgoing`], without waiting: Linear tells the app of its own changes a
    /// moment after it has answered.
    pub(super) fn deliver_later(&self) {
        let linear = self.clone();
        tokio::spawn(async move { linear.deliver_outgoing().await });
    }

    /// Sends again what is due for a retry by now.
    pub async fn tick(&self) {
        let _in_order = self.inner.sending.lock().await;
        let now = self.inner.clock.now();
        let (due, later): (Vec<_>, Vec<_>) =
            self.adjust(|world| std::mem::take(&mut world.retries)).into_iter().partition(|retry| retry.due <= now);
        self.adjust(|world| world.retries.extend(later));
        for delivery in due {
            self.send(delivery).await;
        }
    }

    /// What would be sent again in hours is due now.
    pub fn hurry(&self) {
        let now = self.inner.clock.now();
        self.adjust(|world| world.retries.iter_mut().for_each(|retry| retry.due = now));
    }

    /// How many webhooks Baton has answered with a success.
    pub fn taken(&self) -> usize {
        self.read(|world| world.taken)
    }

    /// How many webhooks are still to be sent, now or again.
    pub fn undelivered(&self) -> usize {
        self.read(|world| world.outgoing.len() + world.retries.len())
    }

    /// Delivers the last webhook once more, byte for byte, as somebody who recorded it would.
    pub async fn redeliver_last(&self) -> Answer {
        let Some(sent) = self.read(|world| world.last_sent.clone()) else { return Answer::default() };
        self.transmit(&sent).await.unwrap_or_default()
    }

    /// A webhook of any kind, in Linear's envelope: `more` is what stands in it besides.
    pub async fn event(&self, event: &str, action: &str, more: Value) -> Vec<Answer> {
        self.write(|world| super::hooks::any(world, event, action, more));
        self.deliver_outgoing().await
    }

    /// A request of any form to a path of Baton's, unsigned unless `headers` say otherwise.
    pub async fn raw(&self, path: &str, body: impl Into<Bytes>, headers: &[(&str, &str)]) -> Answer {
        let (Some(client), Some(target)) = (&self.inner.client, self.read(|world| world.target.clone())) else {
            return Answer::default();
        };
        let mut request = client.post(format!("{target}{path}")).body(body.into());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        receive(request).await.unwrap_or_default()
    }

    /// Stamps by the clock, signs, sends, and plans the retry if that fails.
    async fn send(&self, mut delivery: Delivery) -> Answer {
        let now = self.inner.clock.now();
        let again = delivery.attempt > 0;
        let stamped = self.read(|world| world.knobs.retries) == Retries::Stamped;
        if again && stamped {
            delivery.id = self.adjust(super::World::mint);
        }
        if !again || stamped {
            delivery.body["webhookTimestamp"] = json!(now);
        }
        let timestamp = delivery.body["webhookTimestamp"].as_i64().unwrap_or_default();
        let bytes = Bytes::from(delivery.body.to_string());
        let sent = Sent { delivery, bytes, timestamp };
        self.adjust(|world| world.last_sent = Some(sent.clone()));
        let answer = self.transmit(&sent).await.unwrap_or_default();
        if answer.is_success() {
            self.adjust(|world| world.taken += 1);
        } else {
            self.retry_later(sent.delivery);
        }
        answer
    }

    fn retry_later(&self, delivery: Delivery) {
        let now = self.inner.clock.now();
        self.adjust(|world| {
            let wanted = world.knobs.retries != Retries::Never && world.target.is_some();
            if let (true, Some(after)) = (wanted, RETRY_AFTER.get(delivery.attempt)) {
                world.retries.push(Delivery { attempt: delivery.attempt + 1, due: now + *after, ..delivery });
            }
        });
    }

    async fn transmit(&self, sent: &Sent) -> reqwest::Result<Answer> {
        let (Some(client), Some(target)) = (&self.inner.client, self.read(|world| world.target.clone())) else {
            return Ok(Answer::default());
        };
        let request = client
            .post(format!("{target}{DOOR}"))
            .header("User-Agent", "Linear-Webhook")
            .header("Content-Type", "application/json; charset=utf-8")
            .header("Accept-Charset", "utf-8")
            .header("Linear-Delivery", &sent.delivery.id)
            .header("Linear-Event", &sent.delivery.event)
            .header("Linear-Timestamp", sent.timestamp.to_string())
            .header("Linear-Signature", sign(WEBHOOK_SECRET, &sent.bytes))
            .body(sent.bytes.clone());
        receive(request).await
    }
}

async fn receive(request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.timeout(PATIENCE).send().await?;
    let status = response.status().as_u16();
    Ok(Answer { status, body: response.text().await? })
}
