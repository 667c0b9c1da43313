//! Counts what comes in at a platform's door, and how long its answer took. `app` puts it around
//! the webhooks, and has it told of what comes over a socket.

use std::time::Duration;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};

use crate::{door::Heard, telemetry::Metrics, time::Clock};

/// `webhooks`, counted.
pub fn counted(webhooks: Router, metrics: Metrics, clock: Clock) -> Router {
    webhooks.route_layer(middleware::from_fn_with_state((metrics, clock), pass))
}

async fn pass(State((metrics, clock)): State<(Metrics, Clock)>, request: Request, next: Next) -> Response {
    let (source, kind) = kind(request.uri().path());
    let came = clock.now();
    let response = next.run(request).await;
    let heard = response.extensions().get::<Heard>().copied().unwrap_or(Heard::Refused);
    count(&metrics, source, kind, heard, clock.now().since(came));
    response
}

/// What became of one request, answered after `took`.
pub fn count(metrics: &Metrics, source: &'static str, kind: &'static str, heard: Heard, took: Duration) {
    metrics.door(took);
    let result = match heard {
        Heard::New => "stored",
        Heard::Duplicate => "duplicate",
        Heard::Ignored(_) => "ignored",
        Heard::Probe => "probe",
        Heard::Asked => "asked",
        Heard::Shed => "shed",
        Heard::Refused => "refused",
    };
    metrics.event(source, kind, result);
}

/// The platform and what sort of request it is: our own words, so that nobody can make up labels.
fn kind(path: &str) -> (&'static str, &'static str) {
    match path {
        "/slack/commands" => ("slack", "commands"),
        "/slack/interactivity" => ("slack", "interactivity"),
        "/slack/events" => ("slack", "events"),
        "/linear/webhooks" => ("linear", "webhooks"),
        _ => ("other", "other"),
    }
}

#[cfg(test)]
mod tests {
    use axum::{Extension, body::Body, routing::post};
    use tower::ServiceExt;

    use super::*;
    use crate::time::Timestamp;

    #[tokio::test]
    async fn what_became_of_each_request_is_counted() {
        let metrics = Metrics::new();
        let webhooks = Router::new()
            .route("/slack/commands", post(|| async { (Extension(Heard::New), "") }))
            .route("/slack/events", post(|| async { (Extension(Heard::Ignored("not for us")), "") }))
            .route("/linear/webhooks", post(|| async { (Extension(Heard::Duplicate), "") }));
        let counted = counted(webhooks, metrics.clone(), Clock::manual(Timestamp::default()));
        for path in ["/slack/commands", "/slack/commands", "/slack/events", "/linear/webhooks"] {
            let request = Request::post(path).body(Body::empty()).expect("a request");
            counted.clone().oneshot(request).await.expect("an answer");
        }
        let text = metrics.render();
        assert!(text.contains("baton_events_total{source=\"slack\",kind=\"commands\",result=\"stored\"} 2"), "{text}");
        assert!(text.contains("kind=\"events\",result=\"ignored\"} 1"), "{text}");
        assert!(text.contains("{source=\"linear\",kind=\"webhooks\",result=\"duplicate\"} 1"), "{text}");
        assert!(text.contains("baton_door_seconds_count 4"), "{text}");
    }
}
