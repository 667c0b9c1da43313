//! Traces: each orchestration is one, of the events, decisions and deliveries that its log lines tell.
//!
//! A [`Layer`] makes spans of just those lines, from a list of fields, so that a trace never holds what
//! the log does not. Ids of traces and spans are hashes of our own ids: whichever replica does the next
//! step, and however much later, it joins the same trace. `export.rs` sends them.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::Context;

use crate::time::{Clock, Timestamp};

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// From its arrival to the commit of what was decided.
    Event,
    Decision,
    /// One attempt.
    Delivery,
}

/// What is told of a step: ids, words of ours and of the platforms, numbers.
const TOLD: [&str; 9] =
    ["event.id", "source", "kind", "result", "problem", "orchestration.id", "stage", "delivery.id", "delivery.attempt"];
/// Events whose decision was told and that are not over yet; a handful.
const MOST_OPEN: usize = 10_000;

/// Makes spans of log lines.
#[derive(Debug)]
pub struct Layer {
    spans: mpsc::Sender<Value>,
    clock: Clock,
    /// The orchestrations of events that are being decided.
    open: Mutex<HashMap<String, String>>,
}

#[derive(Debug, Default)]
struct Fields(HashMap<&'static str, String>);

impl Layer {
    pub(super) fn new(spans: mpsc::Sender<Value>, clock: Clock) -> Self {
        Self { spans, clock, open: Mutex::default() }
    }

    /// Whether the line is one of those that tell a step.
    pub(super) fn wants(metadata: &Metadata<'_>) -> bool {
        Step::of(metadata).is_some()
    }

    fn span(&self, step: Step, fields: &Fields) -> Value {
        let text = |name: &str| fields.0.get(name).map(String::as_str);
        let id = step.id(fields);
        // Only these have a span: what Oz tells and the clock brings has none.
        let is_told = |because: &&str| {
            step == Step::Delivery || because.starts_with("event:") || because.starts_with("delivered:")
        };
        let because = text("because").filter(is_told);
        let mut about = text("orchestration.id").map(str::to_owned);
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            match (step, &about, because) {
                (Step::Decision, Some(orchestration), Some(event)) if event.starts_with("event:") => {
                    if open.len() >= MOST_OPEN {
                        open.clear();
                    }
                    open.insert(event.to_owned(), orchestration.clone());
                }
                (Step::Event, None, _) => about = open.remove(&id),
                _ => {}
            }
        }
        let ended = self.clock.now();
        let took = text("duration_ms").and_then(|took| took.parse().ok()).map_or(Duration::ZERO, Duration::from_millis);
        let mut span = json!({
            "traceId": digest(about.as_deref().or(because).unwrap_or(&id), 32),
            "spanId": digest(&id, 16),
            "name": step.name(fields),
            "kind": step.kind(),
            "startTimeUnixNano": nanos(ended - took),
            "endTimeUnixNano": nanos(ended),
            "attributes": attributes(fields, about.as_deref()),
        });
        if let Some(because) = because {
            span["parentSpanId"] = digest(because, 16).into();
        }
        if let Some(problem) = text("problem") {
            span["status"] = json!({"code": 2, "message": problem});
        }
        span
    }
}

impl<S: Subscriber> tracing_subscriber::Layer<S> for Layer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(step) = Step::of(event.metadata()) else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        // Nobody waits for a collector: what finds no room is lost.
        let _ = self.spans.try_send(self.span(step, &fields));
    }
}

impl Step {
    fn of(metadata: &Metadata<'_>) -> Option<Self> {
        let has = |name| metadata.fields().field(name).is_some();
        match () {
            () if metadata.target().split("::").next() != Some("baton") => None,
            () if has("delivery.attempt") && has("duration_ms") => Some(Self::Delivery),
            () if has("decision.cause") => Some(Self::Decision),
            () if has("event.id") && has("duration_ms") => Some(Self::Event),
            () => None,
        }
    }

    /// In the words in which the next step names its cause.
    fn id(self, fields: &Fields) -> String {
        let text = |name: &str| fields.0.get(name).map_or("", String::as_str);
        match self {
            Self::Event => format!("event:{}", text("event.id")),
            Self::Decision => format!("{}/{}", text("orchestration.id"), text("decision.cause")),
            Self::Delivery => format!("delivered:{}:{}", text("delivery.id"), text("delivery.attempt")),
        }
    }

    fn name(self, fields: &Fields) -> String {
        let text = |name: &str| fields.0.get(name).map_or("", String::as_str);
        match self {
            Self::Event => format!("event {} {}", text("source"), text("kind")),
            Self::Decision => "decision".to_owned(),
            Self::Delivery => format!("delivery {}", text("kind")),
        }
    }

    /// As the protocol numbers them: consumer, internal, client.
    const fn kind(self) -> u8 {
        match self {
            Self::Event => 5,
            Self::Decision => 1,
            Self::Delivery => 3,
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = write!(text, "{value:?}");
        self.0.insert(field.name(), text);
    }
}

fn attributes(fields: &Fields, about: Option<&str>) -> Vec<Value> {
    let attribute = |name: &str, value: &str| json!({"key": name, "value": {"stringValue": value}});
    let mut told: Vec<Value> = TOLD.iter().filter_map(|name| Some(attribute(name, fields.0.get(name)?))).collect();
    if let Some(about) = about.filter(|_| !fields.0.contains_key("orchestration.id")) {
        told.push(attribute("orchestration.id", about));
    }
    told
}

/// 128 bits for a trace, 64 for a span, in hex.
fn digest(id: &str, digits: usize) -> String {
    let mut hex = hex::encode(Sha256::digest(id));
    hex.truncate(digits);
    hex
}

fn nanos(at: Timestamp) -> String {
    (i128::from(at.as_millis()) * 1_000_000).to_string()
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::{Layer as _, filter::filter_fn, layer::SubscriberExt};

    use super::*;

    /// The spans of what is said.
    fn spans(said: impl FnOnce()) -> Vec<Value> {
        let (sender, mut spans) = mpsc::channel(10);
        let layer = Layer::new(sender, Clock::manual(Timestamp::from_secs(1000)));
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter_fn(Layer::wants)));
        tracing::subscriber::with_default(subscriber, said);
        std::iter::from_fn(|| spans.try_recv().ok()).collect()
    }

    #[test]
    fn an_event_its_decision_and_its_delivery_are_one_trace() {
        let spans = spans(|| {
            tracing::debug!(
                orchestration.id = "o1",
                decision.cause = "event:e1@0",
                because = "event:e1",
                stage = "planning",
                "decided"
            );
            tracing::info!(
                event.id = "e1",
                source = "slack",
                kind = "commands",
                result = "started",
                duration_ms = 250,
                "event decided"
            );
            tracing::info!(
                delivery.id = "d1",
                delivery.attempt = 1,
                orchestration.id = "o1",
                kind = "post_board",
                result = "refused",
                problem = Some("channel_not_found"),
                because = "o1/event:e1@0",
                duration_ms = 20,
                "delivery attempted"
            );
        });
        let [decision, event, delivery] = spans.as_slice() else { panic!("{spans:#?}") };
        assert!(spans.iter().all(|span| span["traceId"] == digest("o1", 32)), "{spans:#?}");
        assert_eq!(decision["parentSpanId"], event["spanId"]);
        assert_eq!(delivery["parentSpanId"], decision["spanId"]);
        assert_eq!((&event["name"], &event["kind"]), (&json!("event slack commands"), &json!(5)));
        assert_eq!(
            (&event["startTimeUnixNano"], &event["endTimeUnixNano"]),
            (&json!("999750000000"), &json!("1000000000000"))
        );
        assert_eq!(delivery["status"], json!({"code": 2, "message": "channel_not_found"}));
        let told = delivery["attributes"].to_string();
        assert!(told.contains("orchestration.id") && told.contains("post_board"), "{told}");
    }

    #[test]
    fn nothing_else_is_told() {
        let spans = spans(|| {
            tracing::info!(event.id = "e1", secret = "hush", duration_ms = 1, "words of somebody");
            tracing::info!(target: "reqwest", { event.id = "e2", duration_ms = 1 }, "a library's line");
            tracing::info!("another line");
        });
        assert_eq!(spans.len(), 1);
        let text = spans[0].to_string();
        assert!(!text.contains("hush") && !text.contains("words"), "{text}");
    }
}
