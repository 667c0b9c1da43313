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
            .route("/slack/events", post(|| async { (Extension(Heard::Ignored("not for us")), "") }));
        let counted = counted(webhooks, metrics.clone(), Clock::manual(Timestamp::default()));
        for path in ["/slack/commands", "/slack/commands", "/slack/events"] {
            let request = Request::post(path).body(Body::empty()).expect("a request");
            counted.clone().oneshot(request).await.expect("an answer");
        }
        let text = metrics.render();
        assert!(text.contains("baton_events_total{source=\"slack\",kind=\"commands\",result=\"stored\"} 2"), "{text}");
        assert!(text.contains("kind=\"events\",result=\"ignored\"} 1"), "{text}");
        assert!(text.contains("baton_door_seconds_count 3"), "{text}");
    }
}
