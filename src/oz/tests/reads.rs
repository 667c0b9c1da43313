//! Finding, following and reading runs.

use super::*;
use crate::{
    domain::{artifact::Artifact, run::RunState},
    ids::RunId,
    time::Timestamp,
};

fn r1() -> RunId {
    RunId::new("r1")
}

fn since() -> Timestamp {
    Timestamp::parse_rfc3339("2026-08-01T10:00:00Z").expect("a time")
}

/// Like `run`, with other metadata.
fn with(mut run: Value, metadata: &Value) -> Value {
    run["metadata"] = metadata.clone();
    run
}

#[tokio::test]
async fn a_lost_start_is_found_by_its_dispatch() {
    let server = Server::saying(200, list(&[run("r1", "QUEUED"), child("r2", "r1")], None)).await;
    let found = server.oz().find_by_dispatch(&spec(), since()).await.expect("an answer");
    assert_eq!(found.map(|run| run.run), Some(r1()), "and not the child that inherited its metadata");
    let seen = &server.seen()[0];
    assert_eq!(seen.what, "GET /agent/runs");
    assert_eq!(seen.query("metadata[baton.dispatch]"), Some(DISPATCH));
    assert_eq!((seen.query("sort_by"), seen.query("sort_order")), (Some("created_at"), Some("asc")));

    let as_child = RunSpec { parent: Some(r1()), ..spec() };
    let found = server.oz().find_by_dispatch(&as_child, since()).await.expect("an answer");
    assert_eq!(found.map(|run| run.run), Some(RunId::new("r2")));
}

#[tokio::test]
async fn a_start_that_never_was_is_not_found() {
    let server = Server::saying(200, list(&[], None)).await;
    assert_eq!(server.oz().find_by_dispatch(&spec(), since()).await.expect("an answer"), None);
    let only_a_child = Server::saying(200, list(&[child("r2", "r1")], None)).await;
    assert_eq!(only_a_child.oz().find_by_dispatch(&spec(), since()).await.expect("an answer"), None);
}

#[tokio::test]
async fn where_the_metadata_filter_is_refused_or_unknown_the_name_is_used() {
    let other = || with(run("r0", "QUEUED"), &json!({"baton.dispatch": "o1.parent.0"}));
    let silent = || with(run("r1", "QUEUED"), &Value::Null);
    for (filter, runs, found) in [
        (Some(403), vec![other(), run("r1", "QUEUED")], true),
        (Some(400), vec![other(), run("r1", "QUEUED")], true),
        (Some(403), vec![other()], false),
        // An old Oz ignores the filter and tells no metadata: the title has to do.
        (None, vec![other(), silent()], true),
        (None, vec![child("r7", "r1"), other()], false),
    ] {
        let answer = list(&runs, None);
        let server = Server::start(move |seen| match filter {
            Some(status) if seen.query("metadata[baton.dispatch]").is_some() => {
                problem(status, "feature_not_available")
            }
            _ => ok(&answer),
        })
        .await;
        let run = server.oz().find_by_dispatch(&spec(), since()).await.expect("an answer");
        assert_eq!(run.map(|run| run.run), found.then(r1), "{filter:?}");
        let seen = &server.seen()[1];
        assert_eq!(seen.query("name"), Some("baton"));
        assert_eq!(seen.query("created_after"), Some("2026-08-01T09:50:00Z"));
    }
}

#[tokio::test]
async fn a_search_that_fails_finds_nothing_out() {
    for (status, code, expected) in [
        (401, "authentication_required", "unauthorized authentication_required"),
        (500, "internal_error", "transient internal_error"),
        (403, "feature_not_available", "refused feature_not_available"),
    ] {
        let server = Server::start(move |_| problem(status, code)).await;
        assert_eq!(told(server.oz().find_by_dispatch(&spec(), since()).await), expected);
    }
    let edge = Server::start(|_| page(403)).await;
    assert_eq!(told(edge.oz().find_by_dispatch(&spec(), since()).await), "transient http_403");
    assert_eq!(edge.seen().len(), 1);
}

#[tokio::test]
async fn one_run() {
    let server = Server::saying(200, run("r1", "HIBERNATING")).await;
    let report = server.oz().get(&r1()).await.expect("a run");
    assert_eq!(report.state, RunState::Other("HIBERNATING".into()));
    assert_eq!(server.seen()[0].header("authorization"), Some("Bearer wk-secret"));

    assert_eq!(told(Server::saying(200, json!({})).await.oz().get(&r1()).await), "transient unreadable_answer");
    assert_eq!(told(Server::start(|_| page(200)).await.oz().get(&r1()).await), "transient unreadable_answer");
    assert_eq!(told(Server::start(|_| page(503)).await.oz().get(&r1()).await), "transient http_503");
    assert_eq!(told(oz(dropping("").await).get(&r1()).await), "transient connection_lost");
    assert_eq!(told(oz(nobody().await).get(&r1()).await), "transient unreachable");
    let missing = Server::start(|_| problem(404, "resource_not_found")).await;
    assert_eq!(told(missing.oz().get(&r1()).await), "gone resource_not_found");
    let elsewhere = Server::start(|_| page(404)).await;
    assert_eq!(told(elsewhere.oz().get(&r1()).await), "transient http_404");
}

#[tokio::test]
async fn a_sweep_goes_page_by_page_in_an_order_that_stands_still() {
    let server = Server::start(|seen| match seen.query("cursor") {
        None => ok(&list(&[run("r1", "INPROGRESS"), json!(null), json!({"state": "QUEUED"})], Some("c2"))),
        Some(_) => ok(&list(&[child("r2", "r1")], None)),
    })
    .await;
    let first = server.oz().sweep(since(), None).await.expect("a page");
    assert_eq!((first.runs.len(), first.next.as_deref()), (1, Some("c2")));
    let second = server.oz().sweep(since(), first.next.as_deref()).await.expect("a page");
    assert_eq!((second.runs[0].parent.clone(), second.next), (Some(r1()), None));
    for seen in server.seen() {
        assert_eq!(seen.query("updated_after"), Some("2026-08-01T10:00:00Z"));
        assert_eq!(seen.query("sort_by"), Some("created_at"));
        assert_eq!(seen.query("limit"), Some("100"));
    }
    let empty = Server::saying(200, json!({"runs": null, "page_info": null})).await;
    let page = empty.oz().sweep(since(), None).await.expect("a page");
    assert_eq!((page.runs.len(), page.next), (0, None));
}

#[tokio::test]
async fn children_come_from_all_pages_without_the_parent() {
    let server = Server::start(|seen| match seen.query("cursor") {
        None => ok(&list(&[run("r1", "INPROGRESS"), child("r2", "r1")], Some("c2"))),
        Some(_) => ok(&list(&[child("r3", "r1")], None)),
    })
    .await;
    let children = server.oz().children(&r1()).await.expect("children");
    assert_eq!(children.iter().map(|run| run.run.as_str()).collect::<Vec<_>>(), ["r2", "r3"]);
    assert_eq!(server.seen()[0].query("ancestor_run_id"), Some("r1"));
}

#[tokio::test]
async fn pages_without_end_come_to_an_end() {
    let turning = Server::saying(200, list(&[child("r2", "r1")], Some("same"))).await;
    assert_eq!(turning.oz().children(&r1()).await.expect("children").len(), 2);

    let page = Arc::new(Mutex::new(0));
    let endless = Server::start(move |_| {
        let mut page = page.lock().unwrap_or_else(PoisonError::into_inner);
        *page += 1;
        ok(&list(&[child("r2", "r1")], Some(&format!("c{page}"))))
    })
    .await;
    assert_eq!(endless.oz().children(&r1()).await.expect("children").len(), 10);
}

fn talk() -> Value {
    json!({"conversation_id": "c", "steps": [{"id": "root", "messages": [
        {"role": "user", "message_ids": ["m1"], "content": [{"type": "text", "text": "Review the open PRs."}]},
        {"role": "assistant", "message_ids": ["m2"], "content": [
            {"type": "action", "id": "a1", "category": "command", "name": "run_command", "input": {}},
            {"type": "text", "text": "Proposal: 3 children."}]}], "steps": []}]})
}

fn with_plan(artifact: &Value) -> Value {
    let mut run = run("r1", "SUCCEEDED");
    run["session_link"] = json!("https://app.warp.dev/session/1");
    run["artifacts"] = json!([
        {"artifact_type": "PLAN", "created_at": "2026-08-01T10:02:00Z",
         "data": {"document_uid": "d2", "artifact_uid": artifact, "title": "New", "url": "https://app.warp.dev/d2"}},
        {"artifact_type": "PLAN", "created_at": "2026-08-01T10:01:00Z",
         "data": {"document_uid": "d1", "artifact_uid": "a1", "title": "Old"}}]);
    run
}

#[tokio::test]
async fn what_a_run_said_and_made() {
    let server = Server::start(|seen| match seen.what.as_str() {
        "GET /agent/runs/r1" => ok(&with_plan(&json!("a2"))),
        "GET /agent/runs/r1/conversation" => ok(&talk()),
        "GET /agent/artifacts/a2" => ok(&json!({"artifact_type": "PLAN", "artifact_uid": "a2",
            "data": {"content": "# Plan", "content_type": "text/markdown", "document_uid": "d2", "title": "Newer",
                     "url": "javascript:x"}})),
        _ => problem(404, "resource_not_found"),
    })
    .await;
    let reading = server.oz().read(&r1()).await.expect("a reading");
    assert_eq!(reading.last_words.as_deref(), Some("Proposal: 3 children."));
    assert_eq!((reading.turns, reading.state), (Some(1), Some(RunState::Succeeded)));
    assert_eq!(reading.steps, ["run_command (command)"]);
    assert_eq!(reading.session_link.as_deref(), Some("https://app.warp.dev/session/1"));
    assert_eq!(reading.artifacts.iter().map(Artifact::key).collect::<Vec<_>>(), ["plan:d1", "plan:d2"]);
    let plan = reading.plan.expect("a plan");
    assert_eq!((plan.document.as_str(), plan.content.as_str()), ("d2", "# Plan"));
    assert_eq!((plan.title.as_deref(), plan.url.as_deref()), (Some("Newer"), Some("https://app.warp.dev/d2")));
}

#[tokio::test]
async fn what_a_harness_does_not_offer_is_none() {
    for (status, code) in [(404, "resource_not_found"), (422, "operation_not_supported"), (400, "invalid_request")] {
        let server = Server::start(move |seen| match seen.what.as_str() {
            // The newest plan is not synced yet, and the old one is not passed off as it.
            "GET /agent/runs/r1" => ok(&with_plan(&Value::Null)),
            _ => problem(status, code),
        })
        .await;
        let reading = server.oz().read(&r1()).await.expect("a reading");
        assert_eq!((reading.last_words, reading.turns, reading.plan), (None, None, None));
        assert_eq!((reading.steps.len(), reading.artifacts.len()), (0, 2));
        assert_eq!(server.oz().says(&r1(), "x").await.expect("an answer"), None);
    }
}

#[tokio::test]
async fn without_a_conversation_the_milestones_tell_what_a_run_did() {
    let server = Server::start(|seen| match seen.what.as_str() {
        "GET /agent/runs/r1" => ok(&with_plan(&Value::Null)),
        "GET /agent/runs/r1/timeline" => ok(&json!({"events": [
            {"event_type": "oz_run_created", "occurred_at": "2026-08-01T10:00:00Z"},
            {"event_type": null},
            {"event_type": "something_new", "occurred_at": null},
        ]})),
        _ => problem(422, "operation_not_supported"),
    })
    .await;
    let reading = server.oz().read(&r1()).await.expect("a reading");
    assert_eq!(reading.turns, None);
    assert_eq!(reading.steps, ["run created, 2026-08-01T10:00:00Z", "something new"]);
}

#[tokio::test]
async fn a_reading_that_breaks_off_is_no_reading() {
    for broken in ["/agent/runs/r1", "/agent/runs/r1/conversation", "/agent/artifacts/a2"] {
        let server = Server::start(move |seen| match seen.what.as_str() {
            what if what.ends_with(broken) => page(502),
            "GET /agent/runs/r1" => ok(&with_plan(&json!("a2"))),
            _ => ok(&talk()),
        })
        .await;
        assert_eq!(told(server.oz().read(&r1()).await), "transient http_502", "{broken}");
    }
    let gone = Server::start(|_| problem(404, "resource_not_found")).await;
    assert_eq!(told(gone.oz().read(&r1()).await), "gone resource_not_found");
}

#[tokio::test]
async fn whether_words_stand_in_the_conversation() {
    let server = Server::saying(200, talk()).await;
    for (text, stands) in [("Review the open PRs.", true), ("Proposal: 3 children.", false), ("Approved.", false)] {
        assert_eq!(server.oz().says(&r1(), text).await.expect("an answer"), Some(stands), "{text}");
    }
}
