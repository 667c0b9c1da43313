//! The playground's API, called as the page calls it.

use axum::body::Body;
use futures_util::StreamExt;
use http::{Request, header::CONTENT_TYPE};
use tower::ServiceExt;

use super::*;

async fn post(stage: &Stage, what: &str, body: Value) -> Value {
    let url = format!("{}/playground/api/{what}", stage.base);
    stage.client.post(url).json(&body).send().await.expect("an answer").json().await.expect("JSON")
}

async fn state(stage: &Stage) -> Value {
    let url = format!("{}/playground/api/state?user=U0GRACE", stage.base);
    stage.client.get(url).send().await.expect("an answer").json().await.expect("JSON")
}

#[tokio::test]
async fn an_issue_with_all_that_happens_to_it() {
    let stage = Stage::new().await;
    let told =
        post(&stage, "issue", json!({"user": "U0ADA", "team": "ENG", "title": " Fix the login ", "description": ""}));
    assert_eq!(told.await, json!({"ok": true, "id": "ENG-1"}));
    let issue = || json!({"user": "U0ADA", "issue": "ENG-1"});
    let with = |mut body: Value, name: &str, value: Value| {
        body[name] = value;
        body
    };
    let label = with(with(issue(), "label", json!("orchestrate")), "on", json!(true));
    assert_eq!(post(&stage, "label", label).await["ok"], true);
    assert_eq!(post(&stage, "move", with(issue(), "state", json!("In Progress"))).await["ok"], true);
    let comment = post(&stage, "comment", with(issue(), "text", json!("It is the cookie."))).await;
    assert_eq!(post(&stage, "comment", with(issue(), "text", json!(" "))).await["error"], "There is nothing to say.");
    let session = post(&stage, "delegate", issue()).await["id"].as_str().expect("an id").to_owned();
    let asked = json!({"type": "elicitation", "body": "Start?"});
    let options = json!([{"label": "Yes", "value": "yes please"}]);
    stage.activity(&session, asked, json!({"signal": "select", "signalMetadata": {"options": options}})).await;
    let seen = state(&stage).await;
    assert_eq!((&seen["me"]["id"], &seen["states"][2]), (&json!("U0GRACE"), &json!("In Progress")));
    let shown = &seen["issues"][0];
    assert_eq!((&shown["state"]["type"], &shown["labels"]), (&json!("started"), &json!(["orchestrate"])));
    assert_eq!((&shown["delegate"]["name"], &shown["assignee"]["id"]), (&json!("Baton"), &json!("U0ADA")));
    assert_eq!((&shown["comments"][0]["id"], &shown["comments"][2]["mirrors"]), (&comment["id"], &json!(true)));
    assert_eq!(shown["sessions"][0]["activities"][0]["options"], options);
    let choose = json!({"user": "U0GRACE", "session": session, "value": "yes please"});
    assert_eq!(post(&stage, "choose", choose.clone()).await["ok"], true);
    let seen = state(&stage).await;
    let activities = &seen["issues"][0]["sessions"][0]["activities"];
    assert_eq!((&activities[0]["options"], &activities[1]["body"]), (&json!([]), &json!("yes please")));
    assert_eq!(activities[1]["chose"], "Yes");
    assert_eq!(post(&stage, "stop", json!({"user": "U0ADA", "session": session})).await["ok"], true);
    assert_eq!(post(&stage, "unassign", issue()).await["ok"], true);
    let told = post(&stage, "delegate", json!({"user": "U0NOBODY", "issue": "ENG-1"})).await;
    assert_eq!(told, json!({"ok": false, "error": "there is nobody U0NOBODY"}));
}

#[tokio::test]
async fn only_json_is_taken_because_no_foreign_page_can_send_it() {
    let stage = Stage::new().await;
    let request = Request::post("/playground/api/issue")
        .header(CONTENT_TYPE, "text/plain")
        .body(Body::from(r#"{"user":"U0ADA","team":"ENG","title":"x"}"#))
        .expect("a request");
    let response = stage.linear.router().oneshot(request).await.expect("an answer");
    assert_eq!(response.status(), 415);
    assert_eq!(state(&stage).await["issues"], json!([]));
}

#[tokio::test]
async fn changes_are_told_as_they_happen() {
    let stage = Stage::new().await;
    let url = format!("{}/playground/api/changes", stage.base);
    let response = stage.client.get(url).send().await.expect("an answer");
    let mut events = response.bytes_stream();
    let mut seen = String::new();
    for title in ["first", "second"] {
        let chunk = events.next().await.expect("an event").expect("bytes");
        seen.push_str(&String::from_utf8_lossy(&chunk));
        stage.linear.issue(title, "").await;
    }
    assert!(seen.matches("event: changed").count() >= 2, "{seen}");
}

#[tokio::test]
async fn addresses_of_issues_lead_to_the_page() {
    let stage = Stage::new().await;
    stage.linear.issue("Fix the login", "").await;
    let data = stage.data("{ issue(id: \"ENG-1\") { url } viewer { url } }", json!({})).await;
    for (url, to) in
        [(&data["issue"]["url"], "/playground/linear#/ENG-1"), (&data["viewer"]["url"], "/playground/linear")]
    {
        let response = stage.client.get(url.as_str().expect("a URL")).send().await.expect("an answer");
        assert_eq!((response.status().as_u16(), response.headers()["location"].to_str().expect("text")), (303, to));
    }
}
