//! The playground's API, called as the page calls it.

use axum::body::Body;
use futures_util::StreamExt;
use http::{Request, header::CONTENT_TYPE};
use serde_json::json;
use tower::ServiceExt;

use super::*;

async fn post(stage: &Stage, what: &str, body: Value) -> Value {
    let url = format!("{}/playground/api/{what}", stage.base);
    stage.client.post(url).json(&body).send().await.expect("an answer").json().await.expect("JSON")
}

async fn state(stage: &Stage, user: &str) -> Value {
    let url = format!("{}/playground/api/state?user={user}", stage.base);
    stage.client.get(url).send().await.expect("an answer").json().await.expect("JSON")
}

#[tokio::test]
async fn a_person_sees_their_channels_and_what_only_they_see() {
    let stage = Stage::new().await;
    stage.door.answers(200, r#"{"response_type":"ephemeral","text":"On its way."}"#);
    let told =
        post(&stage, "command", json!({"user": "U0ADA", "channel": "C0ENG", "command": "/orchestrate", "text": "x"}))
            .await;
    assert_eq!(told, json!({"ok": true, "status": 200}));
    let told = post(&stage, "say", json!({"user": "U0LINUS", "channel": "C0ENG", "text": "hello"})).await;
    assert_eq!(told["ok"], true);
    let seen = state(&stage, "U0ADA").await;
    let ids: Vec<&str> = seen["channels"].as_array().expect("a list").iter().filter_map(|c| c["id"].as_str()).collect();
    assert_eq!(ids, ["C0ENG", "C0OPS", "C0PRIV", "D0ADA"]);
    assert_eq!(
        (&seen["me"]["name"], &seen["messages"]["C0ENG"][0]["ephemeral"]),
        (&json!("Ada Lovelace"), &json!(true))
    );
    assert_eq!(seen["messages"]["C0ENG"][1]["ts"], told["ts"]);
    let seen = state(&stage, "U0LINUS").await;
    assert_eq!(seen["messages"]["C0ENG"].as_array().map(Vec::len), Some(1));
    assert!(seen["messages"].get("C0PRIV").is_none());
    assert_eq!(state(&stage, "U0NOBODY").await["ok"], false);
}

#[tokio::test]
async fn gestures_that_cannot_be_made_say_why() {
    let stage = Stage::new().await;
    let ts = stage.posted(json!({"blocks": button("baton.approve")})).await;
    let told =
        post(&stage, "click", json!({"user": "U0ADA", "channel": "C0ENG", "ts": ts, "action_id": "baton.approve"}))
            .await;
    assert_eq!(told["ok"], true);
    let told = post(&stage, "click", json!({"user": "U0ADA", "channel": "C0ENG", "ts": ts, "action_id": "none"})).await;
    assert!(told["error"].as_str().expect("a sentence").contains("has no `none`"));
    let told = post(&stage, "say", json!({"user": "U0LINUS", "channel": "C0PRIV", "text": "hi"})).await;
    assert_eq!(told["error"], "U0LINUS is not in C0PRIV");
    stage.door.answers(503, "");
    let told =
        post(&stage, "command", json!({"user": "U0ADA", "channel": "C0ENG", "command": "/oz", "text": ""})).await;
    assert_eq!(told["error"], "/oz failed with the error \"dispatch_failed\"");
}

#[tokio::test]
async fn only_json_is_taken_because_no_foreign_page_can_send_it() {
    let stage = Stage::new().await;
    let request = Request::post("/playground/api/say")
        .header(CONTENT_TYPE, "text/plain")
        .body(Body::from(r#"{"user":"U0ADA","channel":"C0ENG","text":"x"}"#))
        .expect("a request");
    let response = stage.slack.router().oneshot(request).await.expect("an answer");
    assert_eq!(response.status(), 415);
    assert!(stage.slack.messages("C0ENG").is_empty());
}

#[tokio::test]
async fn changes_are_told_as_they_happen() {
    let stage = Stage::new().await;
    let url = format!("{}/playground/api/changes", stage.base);
    let response = stage.client.get(url).send().await.expect("an answer");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut events = response.bytes_stream();
    let mut seen = String::new();
    for said in ["first", "second"] {
        let chunk = events.next().await.expect("an event").expect("bytes");
        seen.push_str(&String::from_utf8_lossy(&chunk));
        stage.slack.say("U0ADA", "C0ENG", None, said).await;
    }
    assert!(seen.starts_with("event: changed\ndata: ") && seen.matches("event: changed").count() >= 2, "{seen}");
}
