//! Counts what comes in at a platform's door, and how long its answer took. `app` puts it around
//! the webhooks.

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};

use crate::{slack::webhook::Heard, telemetry::Metrics, time::Clock};

/// `webhooks`, counted.
pub fn counted(webhooks: Router, metrics: Metrics, clock: Clock) -> Router {
    webhooks.route_layer(middleware::from_fn_with_state((metrics, clock), count))
}

async fn count(State((metrics, clock)): State<(Metrics, Clock)>, request: Request, next: Next) -> Response {
    let kind = kind(request.uri().path());
    let came = clock.now();
    let response = next.run(request).await;
    metrics.door(clock.now().since(came));
    let result = match response.extensions().get::<Heard>() {
        Some(Heard::New) => "stored",
        Some(Heard::Duplicate) => "duplicate",
        Some(Heard::Ignored(_)) => "ignored",
        Some(Heard::Probe) => "probe",
        Some(Heard::Refused) | None => "refused",
    };
    metrics.event("slack", kind, result);
    response
}

/// Our own word, so that nobody can make up labels.
fn kind(path: &str) -> &'static str {
    match path {
        "/slack/commands" => "commands",
        "/slack/interactivity" => "interactivity",
        "/slack/events" => "events",
        _ => "other",
    }
}
