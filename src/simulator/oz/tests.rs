//! The simulated Oz as a client meets it: requests through the router, on a manual clock.

use std::time::Duration;

use axum::{Router, body::Body};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Ending, Oz, State};
use crate::{
    domain::proposal::{self, Found},
    simulator::faults::{Fault, Faults},
    time::{Clock, Timestamp},
};

const TASK: &str = "Migrate the tests, one child per package in api, web and cli";

struct Client {
    oz: Oz,
    clock: Clock,
    faults: Faults,
    router: Router,
}

/// An answer: status, body (null when it is no JSON), `Location`.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: Value,
    location: String,
}

impl Client {
    fn new() -> Self {
        let clock = Clock::manual(Timestamp::from_secs(1_785_000_000));
        let faults = Faults::default();
        let oz = Oz::new(clock.clone(), faults.clone());
        oz.set_base_url("http://127.0.0.1:7300/simulator/oz/");
        let router = Router::new().nest("/simulator/oz", oz.router());
        Self { oz, clock, faults, router }
    }

    async fn raw(&self, method: &str, path: &str, key: Option<&str>, body: String) -> (http::response::Parts, Vec<u8>) {
        let mut request = Request::builder().method(method).uri(format!("/simulator/oz{path}"));
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let request = request.body(Body::from(body)).expect("a request");
        let (parts, body) = self.router.clone().oneshot(request).await.expect("infallible").into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
        (parts, body.to_vec())
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (parts, body) = self.raw(method, &format!("/api/v1{path}"), Some("wk-test"), body).await;
        let location = parts.headers.get("location").map_or("", |to| to.to_str().unwrap_or_default()).to_owned();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Answer { status: parts.status.as_u16(), body, location }
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    async fn create(&self, request: Value) -> String {
        let answer = self.ask("POST", "/agent/runs", request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["run_id"].as_str().expect("an id").to_owned()
    }

    async fn orchestrate(&self, task: &str) -> String {
        self.create(json!({ "title": "Tests", "prompt": task, "mode": "orchestrate" })).await
    }

    /// Starts the child of a parent as Baton does.
    async fn child(&self, parent: &str, name: &str) -> String {
        self.create(json!({ "title": format!("Tests: {name}"), "prompt": "work", "parent_run_id": parent })).await
    }

    async fn tell(&self, run: &str, message: &str, mode: &str) -> Answer {
        self.ask("POST", &format!("/agent/runs/{run}/followups"), json!({ "message": message, "mode": mode })).await
    }

    async fn cancel(&self, run: &str) -> Answer {
        self.ask("POST", &format!("/agent/runs/{run}/cancel"), Value::Null).await
    }

    async fn state(&self, run: &str) -> String {
        self.get(&format!("/agent/runs/{run}")).await["state"].as_str().unwrap_or_default().to_owned()
    }

    async fn last_words(&self, run: &str) -> String {
        let conversation = self.get(&format!("/agent/runs/{run}/conversation")).await;
        let step = conversation["steps"].as_array().and_then(|steps| steps.last()).expect("a step");
        let message = step["messages"].as_array().and_then(|messages| messages.last()).expect("a message");
        assert_eq!(message["role"], "assistant");
        message["content"][0]["text"].as_str().unwrap_or_default().to_owned()
    }

    async fn proposed(&self, run: &str) -> Vec<String> {
        let words = self.last_words(run).await;
        let Found::Proposal(content) = proposal::find(&words) else { panic!("no proposal: {words}") };
        content.children().iter().map(|child| child.name.clone()).collect()
    }

    fn wait(&self, seconds: f64) {
        self.clock.advance(Duration::from_secs_f64(seconds));
    }

    /// A parent that has proposed, the first words read.
    async fn planned(&self, task: &str) -> String {
        let parent = self.orchestrate(task).await;
        self.wait(8.0);
        parent
    }
}

#[tokio::test]
async fn a_run_goes_from_queued_to_its_proposal() {
    let client = Client::new();
    let parent = client.orchestrate(TASK).await;
    let conversation = format!("/agent/runs/{parent}/conversation");
    assert_eq!(uuid::Uuid::parse_str(&parent).map(|id| id.get_version_num()), Ok(4));
    assert_eq!(client.ask("GET", &conversation, Value::Null).await.status, 404);
    for (state, seconds) in [("QUEUED", 0.5), ("PENDING", 0.5), ("CLAIMED", 1.0), ("INPROGRESS", 6.0)] {
        assert_eq!(client.state(&parent).await, state);
        let run = client.get(&format!("/agent/runs/{parent}")).await;
        assert_eq!(run.get("session_link").is_some(), state == "INPROGRESS");
        client.wait(seconds);
    }
    assert_eq!(client.state(&parent).await, "SUCCEEDED");
    assert_eq!(client.proposed(&parent).await, ["api", "web", "cli"]);
    let words = client.last_words(&parent).await;
    assert!(words.starts_with("I looked at the repository and split this into 3 parts."), "{words}");

    let plan = client.get(&format!("/agent/runs/{parent}")).await["artifacts"][0].clone();
    assert!(plan["data"].get("artifact_uid").is_none() && plan["data"]["document_uid"].is_string(), "{plan}");
    client.wait(1.0);
    let plan = client.get(&format!("/agent/runs/{parent}")).await["artifacts"][0].clone();
    let uid = plan["data"]["artifact_uid"].as_str().expect("synced");
    let fetched = client.get(&format!("/agent/artifacts/{uid}")).await;
    assert!(fetched["data"]["content"].as_str().is_some_and(|plan| plan.contains("## 2. web")));
    let timeline = client.get(&format!("/agent/runs/{parent}/timeline")).await;
    assert_eq!(timeline["events"][0]["event_type"], "oz_run_created");
    assert_eq!(client.oz.next_change(), None);
}

#[tokio::test]
async fn a_follow_up_is_stale_at_first_and_then_revises_just_what_it_says() {
    let client = Client::new();
    let parent = client.planned(TASK).await;
    assert_eq!(client.tell(&parent, "Drop web, and add docs.", "orchestrate").await.body, json!({}));
    client.wait(1.9);
    assert_eq!(client.state(&parent).await, "SUCCEEDED");
    client.wait(0.1);
    assert_eq!(client.state(&parent).await, "QUEUED");
    client.wait(8.0);
    assert_eq!(client.proposed(&parent).await, ["api", "cli", "docs"]);

    client.tell(&parent, "Why not one?", "orchestrate").await;
    client.wait(10.0);
    assert!(!client.last_words(&parent).await.contains("baton-proposal"));
    let conversation = client.get(&format!("/agent/runs/{parent}/conversation")).await;
    assert_eq!(conversation["steps"].as_array().map(Vec::len), Some(3));
    assert_eq!(client.oz.runs()[0].follow_ups, ["Drop web, and add docs.", "Why not one?"]);
}

#[tokio::test]
async fn stories_arrange_what_is_proposed_and_said() {
    let client = Client::new();
    client.oz.propose(&[("a", "do a"), ("b", "do b")]);
    client.oz.say("Which branch?");
    let parent = client.planned("x").await;
    assert_eq!(client.last_words(&parent).await, "Which branch?");
    client.tell(&parent, "main", "orchestrate").await;
    client.wait(10.0);
    assert_eq!(client.proposed(&parent).await, ["a", "b"]);
    client.oz.propose(&[("c", "do c")]);
    client.tell(&parent, "again", "orchestrate").await;
    client.wait(10.0);
    assert_eq!(client.proposed(&parent).await, ["c"]);
}

#[tokio::test]
async fn children_bring_pull_requests_a_picture_and_a_file_and_the_parent_sums_up() {
    let client = Client::new();
    let parent = client.planned(TASK).await;
    let mut children = Vec::new();
    for name in ["api", "web", "cli"] {
        children.push(client.child(&parent, name).await);
    }
    client.wait(25.0);
    let kinds = |run: Value| -> Vec<String> {
        let artifacts = run["artifacts"].as_array().cloned().unwrap_or_default();
        artifacts.iter().map(|artifact| artifact["artifact_type"].as_str().unwrap_or_default().to_owned()).collect()
    };
    for (child, expected) in
        children.iter().zip([vec!["PULL_REQUEST", "SCREENSHOT"], vec!["PULL_REQUEST", "FILE"], vec!["PULL_REQUEST"]])
    {
        let run = client.get(&format!("/agent/runs/{child}")).await;
        assert_eq!(run["state"], "SUCCEEDED");
        assert_eq!(kinds(run), expected);
    }
    client.tell(&parent, "All children are done. Summarise their results.", "normal").await;
    client.wait(10.0);
    let words = client.last_words(&parent).await;
    assert!(words.contains("All 3 parts are done.") && words.contains("- **web**: done, [pull request]("), "{words}");
}

#[tokio::test]
async fn downloads_need_no_key_take_none_and_expire() {
    let client = Client::new();
    let parent = client.planned(TASK).await;
    let child = client.child(&parent, "api").await;
    client.wait(25.0);
    let run = client.get(&format!("/agent/runs/{child}")).await;
    let uid = run["artifacts"][1]["data"]["artifact_uid"].as_str().expect("a picture").to_owned();
    let fetched = client.get(&format!("/agent/artifacts/{uid}")).await;
    let redirect = client.ask("GET", &format!("/agent/artifacts/{uid}/download"), Value::Null).await;
    assert_eq!(redirect.status, 302);
    assert_eq!(fetched["data"]["download_url"], redirect.location);
    let path = redirect.location.strip_prefix("http://127.0.0.1:7300/simulator/oz").expect("below the base");

    let (parts, picture) = client.raw("GET", path, None, String::new()).await;
    assert_eq!(parts.headers["content-type"], "image/png");
    assert!(picture.starts_with(b"\x89PNG"));
    assert_eq!(client.raw("GET", path, Some("wk-test"), String::new()).await.0.status, StatusCode::BAD_REQUEST);
    client.wait(16.0 * 60.0);
    assert_eq!(client.raw("GET", path, None, String::new()).await.0.status, StatusCode::FORBIDDEN);

    let transcript = client.ask("GET", &format!("/agent/runs/{child}/transcript"), Value::Null).await;
    let path = transcript.location.strip_prefix("http://127.0.0.1:7300/simulator/oz").expect("below the base");
    assert_eq!(transcript.status, 302);
    assert_eq!(client.raw("GET", path, None, String::new()).await.0.status, StatusCode::OK);
}

#[tokio::test]
async fn a_cancel_is_answered_by_state_and_kind() {
    let client = Client::new();
    let parent = client.planned("Two children [self-hosted: 2]").await;
    let hosted = client.child(&parent, "research").await;
    let own = client.child(&parent, "changes").await;
    assert_eq!(client.cancel(&own).await.status, 422);
    client.wait(0.5);
    let pending = client.cancel(&hosted).await;
    assert_eq!((pending.status, &pending.body["retryable"]), (409, &json!(true)));
    client.wait(0.5);
    let stopped = client.cancel(&hosted).await;
    assert_eq!((stopped.status, stopped.body), (200, json!(hosted)));
    assert_eq!(client.state(&hosted).await, "CLAIMED");
    client.wait(0.5);
    assert_eq!(client.state(&hosted).await, "CANCELLED");
    assert_eq!(client.cancel(&hosted).await.status, 400);
    assert_eq!(client.cancel(&parent).await.status, 400);
    assert_eq!(client.cancel("nobody").await.status, 404);
    let worker = json!({ "prompt": "x", "config": { "worker_host": "ours" } });
    let worker = client.create(worker).await;
    assert_eq!(client.cancel(&worker).await.status, 422);
}

#[tokio::test]
async fn children_end_as_directives_and_stories_say() {
    let client = Client::new();
    let parent = client.planned(&format!("{TASK} [fail: 2 retryable] [block: 3]")).await;
    client
        .oz
        .child_ends("api", Ending::Fails { code: "internal_error".into(), message: "No.".into(), retryable: false });
    let api = client.child(&parent, "api").await;
    let web = client.child(&parent, "web").await;
    let cli = client.child(&parent, "cli").await;
    client.wait(25.0);
    let run = client.get(&format!("/agent/runs/{api}")).await;
    assert_eq!(run["status_message"], json!({ "message": "No.", "error_code": "internal_error", "retryable": false }));
    let run = client.get(&format!("/agent/runs/{web}")).await;
    assert_eq!((&run["state"], &run["status_message"]["retryable"]), (&json!("ERROR"), &json!(true)));
    assert_eq!(client.state(&cli).await, "BLOCKED");

    let again = client.child(&parent, "web").await;
    client.oz.knobs(|knobs| knobs.blocked_refuses_follow_up = true);
    assert_eq!(client.tell(&cli, "Yes", "normal").await.status, 400);
    let session = client.get(&format!("/agent/runs/{cli}")).await["session_id"].as_str().expect("one").to_owned();
    let page = client.raw("GET", &format!("/sessions/{session}"), None, String::new()).await;
    assert!(String::from_utf8_lossy(&page.1).contains("npm publish"));
    let form = Request::post(format!("/simulator/oz/sessions/{session}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from("text=Yes"))
        .expect("a request");
    assert_eq!(client.router.clone().oneshot(form).await.map(|answer| answer.status()), Ok(StatusCode::SEE_OTHER));
    assert_eq!(client.state(&cli).await, "INPROGRESS");
    client.wait(25.0);
    assert_eq!((client.state(&again).await, client.state(&cli).await), ("SUCCEEDED".into(), "SUCCEEDED".into()));
}

#[tokio::test]
async fn held_children_end_when_they_are_released() {
    let client = Client::new();
    let parent = client.planned(TASK).await;
    client.oz.hold();
    client.child(&parent, "api").await;
    client.wait(60.0);
    assert_eq!(client.oz.runs()[1].state, State::InProgress);
    assert_eq!(client.oz.next_change(), None);
    client.oz.release();
    assert_eq!(client.oz.runs()[1].state, State::Succeeded);
}

#[tokio::test]
async fn an_approved_parent_starts_its_children_itself_and_sums_up() {
    let client = Client::new();
    let parent = client.planned(TASK).await;
    client.tell(&parent, "Approved. Start the child agents as proposed.", "normal").await;
    client.wait(5.5);
    let children = client.get(&format!("/agent/runs?ancestor_run_id={parent}&sort_by=created_at")).await;
    assert_eq!(children["runs"].as_array().map(Vec::len), Some(4));
    assert_eq!(client.state(&parent).await, "INPROGRESS");
    client.wait(30.0);
    assert_eq!(client.state(&parent).await, "SUCCEEDED");
    assert!(client.last_words(&parent).await.contains("**cli**"));
}

#[tokio::test]
async fn a_parent_that_only_sums_up_does_no_work_of_its_own() {
    let client = Client::new();
    let prompt = "The children run elsewhere. You will be given their results to summarise.\n<task>Tidy</task>";
    let parent = client.create(json!({ "prompt": prompt })).await;
    client.child(&parent, "a").await;
    client.wait(25.0);
    assert_eq!(client.get(&format!("/agent/runs/{parent}")).await["artifacts"], json!([]));
    client.tell(&parent, "These are the results: a SUCCEEDED.", "normal").await;
    client.wait(10.0);
    assert!(client.last_words(&parent).await.contains("**Tests: a**: done"));

    let alone = client.create(json!({ "prompt": "Fix the typo" })).await;
    client.wait(12.0);
    assert!(client.last_words(&alone).await.contains("pull request #2 is open"));
}

#[tokio::test]
async fn directives_break_the_plan_in_every_way() {
    let client = Client::new();
    let parent = client.planned("Tidy [breach]").await;
    assert_eq!(client.oz.runs().iter().filter(|run| run.parent.as_ref() == Some(&parent)).count(), 1);
    let parent = client.planned("Tidy [invalid]").await;
    assert!(matches!(proposal::find(&client.last_words(&parent).await), Found::Unusable(_)));
    client.tell(&parent, "The JSON is not usable. Send the block again.", "orchestrate").await;
    client.wait(10.0);
    assert_eq!(client.proposed(&parent).await.len(), 3);
    let parent = client.planned("Tidy [question]").await;
    assert!(client.last_words(&parent).await.ends_with('?'));
    let parent = client.orchestrate("Tidy [slow]").await;
    client.wait(31.0);
    assert_eq!(client.state(&parent).await, "INPROGRESS");
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let client = Client::new();
    for number in 0..5 {
        let metadata = json!({ "baton.dispatch": format!("d{number}") });
        client.create(json!({ "prompt": "x", "config": { "name": "baton" }, "metadata": metadata })).await;
        client.wait(0.01);
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for _ in 0..3 {
        let path = format!("/agent/runs?name=baton&sort_by=created_at&sort_order=asc&limit=2{cursor}");
        let page = client.get(&path).await;
        seen.extend(page["runs"].as_array().cloned().unwrap_or_default());
        let Some(next) = page["page_info"]["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let dispatches: Vec<&str> = seen.iter().filter_map(|run| run["metadata"]["baton.dispatch"].as_str()).collect();
    assert_eq!(dispatches, ["d0", "d1", "d2", "d3", "d4"]);
    let elsewhere = client.ask("GET", &format!("/agent/runs?sort_by=title{cursor}"), Value::Null).await;
    assert_eq!(elsewhere.status, 400);

    let found = client.get("/agent/runs?metadata%5Bbaton.dispatch%5D=d3&state=QUEUED&state=PENDING").await;
    assert_eq!(found["runs"].as_array().map(Vec::len), Some(1));
    client.oz.knobs(|knobs| {
        knobs.metadata_filter = false;
        knobs.page_cap = 3;
    });
    let off = client.ask("GET", "/agent/runs?metadata%5Bbaton.dispatch%5D=d3", Value::Null).await;
    assert_eq!(off.status, 403);
    assert!(off.body["type"].as_str().is_some_and(|uri| uri.ends_with("/feature_not_available")));
    let capped = client.get("/agent/runs?limit=500").await;
    assert_eq!(capped["runs"].as_array().map(Vec::len), Some(3));
    for query in ["limit=0", "limit=501", "updated_after=yesterday", "ancestor_run_id=nobody", "sort_by=colour"] {
        assert_eq!(client.ask("GET", &format!("/agent/runs?{query}"), Value::Null).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn bad_requests_are_refused_with_problem_documents_of_both_forms() {
    let client = Client::new();
    let parent = client.planned("x").await;
    let child = client.child(&parent, "a").await;
    for request in [
        json!({}),
        json!({ "prompt": "x", "mode": "auto" }),
        json!({ "prompt": "x", "title": 7 }),
        json!({ "prompt": "x", "metadata": { "no spaces": "x" } }),
        json!({ "prompt": "x", "metadata": { "long": "x".repeat(257) } }),
        json!({ "prompt": "x", "config": { "environment_id": "short" } }),
        json!({ "prompt": "x", "config": { "harness": { "type": "hal" } } }),
        json!({ "prompt": "x", "parent_run_id": "nobody" }),
        json!({ "prompt": "x", "parent_run_id": child }),
    ] {
        assert_eq!(client.ask("POST", "/agent/runs", request.clone()).await.status, 400, "{request}");
    }
    let unknown = json!({ "prompt": "x", "config": { "environment_id": "AAAAAAAAAAAAAAAAAAAAAA" } });
    assert_eq!(client.ask("POST", "/agent/runs", unknown).await.status, 404);
    let prompt = client.ask("POST", &format!("/agent/runs/{parent}/followups"), json!({ "prompt": "x" })).await;
    assert_eq!(prompt.status, 400);

    client.oz.knobs(|knobs| knobs.credits = false);
    let poor = client.ask("POST", "/agent/runs", json!({ "prompt": "x" })).await;
    assert_eq!(poor.status, 403);
    let (parts, body) = client.raw("GET", "/api/v1/agent/runs", Some("sk-wrong"), String::new()).await;
    let keyless: Value = serde_json::from_slice(&body).unwrap_or_default();
    assert_eq!(parts.status, StatusCode::UNAUTHORIZED);
    assert_eq!(parts.headers["content-type"], "application/problem+json");
    let types = [poor.body["type"].clone(), keyless["type"].clone()];
    assert!(types.iter().any(|uri| uri.as_str().is_some_and(|uri| uri.ends_with('/'))), "{types:?}");
    assert!(types.iter().any(|uri| uri.as_str().is_some_and(|uri| uri.starts_with("https://"))), "{types:?}");
}

#[tokio::test]
async fn faults_meet_requests_and_all_requests_are_kept() {
    let client = Client::new();
    client.faults.add("oz", "POST /agent/runs", Fault::Drop, 1);
    client.faults.add("oz", "POST /agent/runs", Fault::LoseAnswer, 1);
    client.faults.add("oz", "GET /agent/environments", Fault::Refuse("external_authentication_required".into()), 1);
    client.faults.add("oz", "GET /agent/models", Fault::RateLimited { retry_after: None }, 1);
    for runs in [0, 1] {
        let lost = client.ask("POST", "/agent/runs", json!({ "prompt": "x" })).await;
        assert!(lost.body.is_null());
        assert_eq!(client.oz.runs().len(), runs);
    }
    let refused = client.ask("GET", "/agent/environments", Value::Null).await;
    assert_eq!((refused.status, &refused.body["provider"]), (401, &json!("github")));
    assert_eq!(client.ask("GET", "/agent/models", Value::Null).await.status, 429);
    assert_eq!(client.get("/agent/models").await["default_model_id"], "auto");
    assert_eq!(client.get("/agent?repo=acme/mobile").await["agents"].as_array().map(Vec::len), Some(1));
    let calls = client.faults.calls();
    assert_eq!((calls[0].what.as_str(), calls[0].body.as_str()), ("POST /agent/runs", "{\"prompt\":\"x\"}"));
    assert_eq!(calls.last().map(|call| call.body.as_str()), Some("repo=acme/mobile"));
}

#[tokio::test]
async fn a_strange_server_says_what_nobody_knows_and_other_harnesses_do_not_talk() {
    let client = Client::new();
    client.oz.knobs(|knobs| knobs.strange = true);
    let run = client.create(json!({ "prompt": "x", "config": { "harness": { "type": "claude" } } })).await;
    client.wait(1.0);
    assert_eq!(client.state(&run).await, "REHYDRATING");
    client.wait(20.0);
    let answer = client.ask("GET", &format!("/agent/runs/{run}/conversation"), Value::Null).await;
    assert_eq!((answer.status, answer.body.get("retryable")), (422, None));
    for path in [format!("/runs/{run}"), "/pull/1".into()] {
        assert_eq!(client.raw("GET", &path, None, String::new()).await.0.status, StatusCode::OK, "{path}");
    }
}
