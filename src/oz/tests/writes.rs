//! Starting, telling and stopping.

use std::time::Duration;

use super::*;
use crate::{
    domain::run::{CancelAnswer, RunState},
    ids::RunId,
    oz::{FollowUp, trouble::Trouble},
    time::Timestamp,
};

fn r1() -> RunId {
    RunId::new("r1")
}

#[tokio::test]
async fn a_run_is_started_with_all_that_was_asked() {
    let server =
        Server::saying(200, json!({"run_id": "r9", "task_id": "r9", "state": "QUEUED", "at_capacity": true})).await;
    let spec = RunSpec { parent: Some(r1()), ..spec() };
    let run = server.oz().create(&spec).await.expect("a run");
    assert_eq!((run.run.as_str(), &run.state, &run.parent), ("r9", &RunState::Queued, &spec.parent));
    assert_eq!((run.title, run.metadata, run.updated_at), (spec.title, spec.metadata, Timestamp::default()));

    let seen = &server.seen()[0];
    assert_eq!(seen.what, "POST /agent/runs");
    assert_eq!(seen.header("authorization"), Some("Bearer wk-secret"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(
        seen.body,
        json!({"title": "Review", "prompt": "Review the open PRs.", "mode": "orchestrate", "parent_run_id": "r1",
               "config": {"name": "baton", "computer_use_enabled": true, "environment_id": "9fJ2mQ7xLw0PzR4sVb1TdK"},
               "metadata": {"baton.orchestration": "o1", "baton.dispatch": DISPATCH}})
    );
}

#[tokio::test]
async fn an_answer_may_be_as_odd_as_it_likes_if_it_names_the_run() {
    for (status, body) in [(201, json!({"run_id": "r9"})), (200, json!({"run_id": null, "task_id": 9, "state": null}))]
    {
        let run = Server::saying(status, body).await.oz().create(&spec()).await.expect("a run");
        assert!(run.run.as_str().ends_with('9'));
    }
}

#[tokio::test]
async fn a_start_that_may_have_had_its_effect_is_ambiguous() {
    for (server, code) in [
        (Server::saying(200, json!({"state": "QUEUED"})).await, "unreadable_answer"),
        (Server::saying(200, json!("?")).await, "unreadable_answer"),
        (Server::start(|_| page(200)).await, "unreadable_answer"),
        (Server::start(|_| page(502)).await, "http_502"),
        (Server::start(|_| problem(500, "internal_error")).await, "internal_error"),
        (Server::start(|_| problem(500, "resource_unavailable")).await, "resource_unavailable"),
        // "The task will be queued and retried automatically."
        (Server::start(|_| problem(429, "resource_unavailable")).await, "resource_unavailable"),
    ] {
        assert_eq!(told(server.oz().create(&spec()).await), format!("ambiguous {code}"));
        assert_eq!(server.seen().len(), 1, "and not repeated");
    }
    for half in ["", "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"run_id\":"] {
        assert_eq!(told(oz(dropping(half).await).create(&spec()).await), "ambiguous connection_lost");
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_lost() {
    let (listener, base) = listen().await;
    let client = crate::http::client().expect("a client");
    let error = client.post(base).timeout(Duration::from_millis(50)).send().await.expect_err("no answer");
    drop(listener);
    assert_eq!(told::<()>(Err(Trouble::of_exchange(&error).changing())), "ambiguous timeout");
    assert_eq!(told::<()>(Err(Trouble::of_exchange(&error).reading())), "transient timeout");
}

#[tokio::test]
async fn a_start_that_was_refused_or_not_sent_is_neither() {
    assert_eq!(told(oz(nobody().await).create(&spec()).await), "transient unreachable");
    assert_eq!(told(oz(Url::parse("data:x").expect("a URL")).create(&spec()).await), "refused request_not_built");
    for (status, code, expected) in [
        (400, "invalid_request", "refused invalid_request"),
        (401, "authentication_required", "unauthorized authentication_required"),
        (401, "external_authentication_required", "unauthorized external_authentication_required"),
        (402, "insufficient_credits", "refused insufficient_credits"),
        (403, "budget_exceeded", "refused budget_exceeded"),
        (404, "resource_not_found", "refused resource_not_found"),
        (409, "conflict", "transient conflict"),
        (500, "environment_setup_failed", "refused environment_setup_failed"),
    ] {
        let server = Server::start(move |_| problem(status, code)).await;
        assert_eq!(told(server.oz().create(&spec()).await), expected);
    }
    for status in [403, 429] {
        assert_eq!(
            told(Server::start(move |_| page(status)).await.oz().create(&spec()).await),
            format!("transient http_{status}")
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_key_stays_here() {
    let elsewhere = Server::saying(200, json!({"run_id": "r9"})).await;
    let to = elsewhere.base.to_string();
    let server = Server::start(move |_| redirect(&to)).await;
    assert_eq!(told(server.oz().create(&spec()).await), "refused http_302");
    assert_eq!(told(server.oz().get(&r1()).await), "refused http_302");
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn capacity_that_names_a_time_is_waited_for() {
    let server = Server::start(|_| {
        let mut response = problem(429, "resource_unavailable");
        response.headers_mut().insert("retry-after", http::HeaderValue::from_static("9"));
        response
    })
    .await;
    let failure = server.oz().create(&spec()).await.expect_err("a failure");
    let Failure::Transient { after, .. } = failure else { panic!("{failure:?}") };
    assert_eq!(after, Some(Duration::from_secs(9)));
}

#[tokio::test]
async fn github_that_is_not_linked_comes_with_the_address_to_link_it() {
    let server = Server::saying(
        401,
        json!({"type": "https://docs.warp.dev/errors/external_authentication_required", "title": "T", "status": 401,
               "error": "GitHub authorization required", "provider": "github", "auth_url": "https://app.warp.dev/gh",
               "inaccessible_repos": ["o/r"]}),
    )
    .await;
    let failure = server.oz().create(&spec()).await.expect_err("a failure");
    assert_eq!(failure.problem().url.as_deref(), Some("https://app.warp.dev/gh"));
    assert_eq!(failure.problem().detail.as_deref(), Some("GitHub authorization required"));
}

#[tokio::test]
async fn a_follow_up_is_told_with_its_mode() {
    for body in [json!({}), json!(null), json!("accepted")] {
        let server = Server::saying(200, body).await;
        let told = server.oz().follow_up(&r1(), "Approved.", Mode::Normal).await;
        assert_eq!(told.expect("taken"), FollowUp::Taken);
        let seen = &server.seen()[0];
        assert_eq!(seen.what, "POST /agent/runs/r1/followups");
        assert_eq!(seen.body, json!({"message": "Approved.", "mode": "normal"}));
    }
}

#[tokio::test]
async fn a_follow_up_that_a_working_run_refuses_is_held() {
    for (status, code) in [(400, "invalid_request"), (409, "conflict")] {
        for state in ["QUEUED", "PENDING", "CLAIMED", "INPROGRESS", "HIBERNATING"] {
            let server = Server::start(move |seen| match seen.what.as_str() {
                "GET /agent/runs/r1" => ok(&run("r1", state)),
                _ => problem(status, code),
            })
            .await;
            assert_eq!(server.oz().follow_up(&r1(), "More.", Mode::Plan).await.expect("held"), FollowUp::Held);
            assert_eq!(server.seen().len(), 2);
        }
    }
}

#[tokio::test]
async fn a_follow_up_that_a_run_at_rest_refuses_is_refused() {
    for (state, tries) in [("BLOCKED", 1), ("SUCCEEDED", 2)] {
        let server = Server::start(move |seen| match seen.what.as_str() {
            "GET /agent/runs/r1" => ok(&run("r1", state)),
            _ => problem(400, "invalid_request"),
        })
        .await;
        assert_eq!(told(server.oz().follow_up(&r1(), "More.", Mode::Normal).await), "refused invalid_request");
        let told = server.asked().iter().filter(|what| what.starts_with("POST")).count();
        assert_eq!(told, tries, "{state}");
    }
}

#[tokio::test]
async fn a_follow_up_refused_just_before_the_run_came_to_rest_is_taken() {
    let tried = Arc::new(Mutex::new(false));
    let server = Server::start(move |seen| {
        let mut tried = tried.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.what.starts_with("GET") {
            ok(&run("r1", "SUCCEEDED"))
        } else if std::mem::replace(&mut *tried, true) {
            ok(&json!({}))
        } else {
            problem(400, "invalid_request")
        }
    })
    .await;
    assert_eq!(server.oz().follow_up(&r1(), "More.", Mode::Normal).await.expect("taken"), FollowUp::Taken);
}

#[tokio::test]
async fn other_troubles_of_a_follow_up() {
    for (status, code, expected) in [
        (401, "authentication_required", "unauthorized authentication_required"),
        (403, "insufficient_credits", "refused insufficient_credits"),
        (404, "resource_not_found", "gone resource_not_found"),
        (422, "operation_not_supported", "refused operation_not_supported"),
        (500, "internal_error", "ambiguous internal_error"),
    ] {
        let server = Server::start(move |_| problem(status, code)).await;
        assert_eq!(told(server.oz().follow_up(&r1(), "x", Mode::Normal).await), expected);
        assert_eq!(server.seen().len(), 1);
    }
    assert_eq!(told(oz(dropping("").await).follow_up(&r1(), "x", Mode::Normal).await), "ambiguous connection_lost");
    assert_eq!(told(oz(nobody().await).follow_up(&r1(), "x", Mode::Normal).await), "transient unreachable");
    let maintenance = Server::start(|_| page(200)).await;
    assert_eq!(told(maintenance.oz().follow_up(&r1(), "x", Mode::Normal).await), "ambiguous unreadable_answer");
}

#[tokio::test]
async fn what_oz_answers_to_a_cancel() {
    for (status, code, state, answer) in [
        (200, "", "", Ok(CancelAnswer::Stopped)),
        (400, "invalid_request", "SUCCEEDED", Ok(CancelAnswer::WasAtRest)),
        (400, "invalid_request", "BLOCKED", Ok(CancelAnswer::WasAtRest)),
        (400, "invalid_request", "CANCELLED", Ok(CancelAnswer::WasStopped)),
        (400, "invalid_request", "", Ok(CancelAnswer::Gone)),
        (400, "invalid_request", "INPROGRESS", Err("transient invalid_request")),
        (404, "resource_not_found", "", Ok(CancelAnswer::Gone)),
        (409, "conflict", "", Err("transient conflict")),
        (422, "operation_not_supported", "", Ok(CancelAnswer::OwnInfrastructure)),
        (401, "authentication_required", "", Err("unauthorized authentication_required")),
        (403, "not_authorized", "", Err("refused not_authorized")),
        (500, "internal_error", "", Err("ambiguous internal_error")),
    ] {
        let server = Server::start(move |seen| match seen.what.as_str() {
            "GET /agent/runs/r1" if state.is_empty() => problem(404, "resource_not_found"),
            "GET /agent/runs/r1" => ok(&run("r1", state)),
            _ if status == 200 => ok(&json!("r1")),
            _ => problem(status, code),
        })
        .await;
        let cancelled = server.oz().cancel(&r1()).await;
        match answer {
            Ok(answer) => assert_eq!(cancelled.expect("an answer"), answer, "{status} {state}"),
            Err(failure) => assert_eq!(told(cancelled), failure, "{status} {state}"),
        }
        let seen = &server.seen()[0];
        assert_eq!((seen.what.as_str(), seen.header("content-length")), ("POST /agent/runs/r1/cancel", Some("0")));
    }
    let edge = Server::start(|_| page(404)).await;
    assert_eq!(told(edge.oz().cancel(&r1()).await), "transient http_404", "a page does not say that a run is gone");
}

#[tokio::test]
async fn an_id_stays_within_its_part_of_the_path() {
    let server = Server::saying(200, json!("x")).await;
    let _ = server.oz().cancel(&RunId::new("../a?b#c/d")).await;
    assert_eq!(server.asked(), ["POST /agent/runs/..%2Fa%3Fb%23c%2Fd/cancel"]);
}
