//! Slack's side of a webhook: signed requests to Baton's door, three seconds for an answer, and
//! retries of events.
//!
//! Signature: <https://docs.slack.dev/authentication/verifying-requests-from-slack/>.
//! Retries: <https://docs.slack.dev/apis/events-api/#retries>, of events only; a command or a click
//! that is lost is lost.

use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::{SIGNING_SECRET, Slack};
use crate::time::Timestamp;

/// Slack waits this long for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// Before the first, second and third retry of an event.
const RETRY_AFTER: [Duration; 3] = [Duration::ZERO, Duration::from_mins(1), Duration::from_mins(5)];

pub(super) const COMMANDS: &str = "/slack/commands";
pub(super) const INTERACTIVITY: &str = "/slack/interactivity";
const EVENTS: &str = "/slack/events";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// What Baton's door answered; `status` 0 when it could not be reached within three seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }
}

/// A webhook to be sent.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub(super) path: &'static str,
    content_type: &'static str,
    pub(super) body: Bytes,
    /// 0 at first, then the number of the retry.
    pub(super) attempt: usize,
    due: Timestamp,
    pub(super) reason: &'static str,
}

impl Delivery {
    pub fn event(body: &Value, now: Timestamp) -> Self {
        Self::new(EVENTS, JSON, body.to_string(), now)
    }

    pub fn command(form: String, now: Timestamp) -> Self {
        Self::new(COMMANDS, FORM, form, now)
    }

    pub fn interaction(payload: &Value, now: Timestamp) -> Self {
        let form =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish();
        Self::new(INTERACTIVITY, FORM, form, now)
    }

    fn new(path: &'static str, content_type: &'static str, body: String, due: Timestamp) -> Self {
        Self { path, content_type, body: body.into(), attempt: 0, due, reason: "" }
    }

    fn is_event(&self) -> bool {
        self.path == EVENTS
    }
}

/// A webhook as it went out.
#[derive(Clone, Debug)]
pub struct Sent {
    pub delivery: Delivery,
    pub timestamp: String,
    pub signature: String,
}

/// The `X-Slack-Signature` of a body at a moment (unix seconds).
pub fn sign(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new(); // Does not happen: HMAC takes keys of any length.
    };
    let mac = mac.chain_update(b"v0:").chain_update(timestamp).chain_update(b":").chain_update(body);
    format!("v0={}", hex::encode(mac.finalize().into_bytes()))
}

impl Slack {
    /// Sends the events that are waiting, in order unless told otherwise, and gives Baton's answers.
    pub async fn deliver_outgoing(&self) -> Vec<Answer> {
        let _in_order = self.inner.sending.lock().await;
        let mut answers = Vec::new();
        let next = |world: &mut super::world::World| {
            let next = if world.knobs.reorder { world.outgoing.pop_back() } else { world.outgoing.pop_front() };
            next.map(|delivery| (delivery, world.knobs.duplicate))
        };
        while let Some((delivery, twice)) = self.adjust(next) {
            if twice {
                answers.push(self.send(delivery.clone()).await);
            }
            answers.push(self.send(delivery).await);
        }
        answers
    }

    /// As [`Slack::deliver_outgoing`], without waiting: Slack tells the app of its own posts a moment
    /// after it has answered.
    pub(super) fn deliver_later(&self) {
        let slack = self.clone();
        tokio::spawn(async move { slack.deliver_outgoing().await });
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

    /// How many webhooks and envelopes Baton has answered with a success.
    pub fn taken(&self) -> usize {
        self.read(|world| world.taken)
    }

    /// How many events are still to be sent, now or again.
    pub fn undelivered(&self) -> usize {
        self.read(|world| world.outgoing.len() + world.retries.len())
    }

    /// Delivers the last webhook once more: an event as Slack retries it, anything else as somebody
    /// who recorded it would replay it, byte for byte.
    pub async fn redeliver_last(&self) -> Answer {
        let Some(sent) = self.read(|world| world.last_sent.clone()) else { return Answer::default() };
        if sent.delivery.is_event() {
            let attempt = sent.delivery.attempt + 1;
            return self.send(Delivery { attempt, reason: "http_timeout", ..sent.delivery }).await;
        }
        self.transmit(&sent).await.unwrap_or_default()
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
        receive(request).await.map_or_else(|_| Answer::default(), |(answer, _)| answer)
    }

    /// Signs by the clock, sends, and plans the retry if that fails.
    pub(super) async fn send(&self, delivery: Delivery) -> Answer {
        let timestamp = self.inner.clock.now().as_secs().to_string();
        let signature = sign(SIGNING_SECRET, &timestamp, &delivery.body);
        let sent = Sent { delivery, timestamp, signature };
        self.adjust(|world| world.last_sent = Some(sent.clone()));
        let outcome = self.transmit(&sent).await;
        let reason = match &outcome {
            Ok(answer) if answer.is_success() => {
                self.adjust(|world| world.taken += 1);
                return answer.clone();
            }
            Ok(_) => "http_error",
            Err(reason) => reason,
        };
        self.retry_later(sent.delivery, reason);
        outcome.unwrap_or_default()
    }

    fn retry_later(&self, delivery: Delivery, reason: &'static str) {
        let now = self.inner.clock.now();
        self.adjust(|world| {
            let wanted = world.knobs.deliver_retries && world.target.is_some() && reason != NO_RETRY;
            if let (true, true, Some(after)) = (wanted, delivery.is_event(), RETRY_AFTER.get(delivery.attempt)) {
                world.retries.push(Delivery { attempt: delivery.attempt + 1, due: now + *after, reason, ..delivery });
            }
        });
    }

    /// The answer, or in Slack's words why there is none.
    async fn transmit(&self, sent: &Sent) -> Result<Answer, &'static str> {
        if let Some(link) = self.inner.links.newest() {
            return link.transmit(&sent.delivery).await.ok_or("timeout");
        }
        let (Some(client), Some(target)) = (&self.inner.client, self.read(|world| world.target.clone())) else {
            return Err("connection_failed");
        };
        let delivery = &sent.delivery;
        let mut request = client
            .post(format!("{target}{}", delivery.path))
            .header("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
            .header("Content-Type", delivery.content_type)
            .header("X-Slack-Request-Timestamp", &sent.timestamp)
            .header("X-Slack-Signature", &sent.signature)
            .body(delivery.body.clone());
        if delivery.attempt > 0 {
            request = request
                .header("X-Slack-Retry-Num", delivery.attempt.to_string())
                .header("X-Slack-Retry-Reason", delivery.reason);
        }
        let (answer, no_retry) = receive(request).await?;
        if no_retry && !answer.is_success() {
            return Err(NO_RETRY);
        }
        Ok(answer)
    }
}

/// Baton asked not to be sent this event again (`X-Slack-No-Retry`).
const NO_RETRY: &str = "no_retry";

/// The answer, and whether it asks for no retries.
async fn receive(request: reqwest::RequestBuilder) -> Result<(Answer, bool), &'static str> {
    let why = |error: reqwest::Error| if error.is_timeout() { "http_timeout" } else { "connection_failed" };
    let response = request.timeout(PATIENCE).send().await.map_err(why)?;
    let status = response.status().as_u16();
    let no_retry = response.headers().get("x-slack-no-retry").is_some_and(|value| value == "1");
    let body = response.text().await.map_err(why)?;
    Ok((Answer { status, body }, no_retry))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Slack's page.
    #[test]
    fn the_signature_is_slacks() {
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
            channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&\
            response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F\
            96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        assert_eq!(
            sign("8f742231b10e8888abcd99yyyzzz85a5", "1531420618", body.as_bytes()),
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
        );
    }
}
