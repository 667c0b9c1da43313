//! Transcripts, artifacts and choices.

use super::*;
use crate::ids::RunId;

fn r1() -> RunId {
    RunId::new("r1")
}

/// A storage that hands out one file.
async fn storage() -> Server {
    Server::start(|seen| {
        if seen.what == "GET /moved" {
            return redirect("/api/v1/file");
        }
        let headers = [
            (header::CONTENT_TYPE, "application/json; charset=utf-8"),
            (header::CONTENT_DISPOSITION, "attachment; filename=\"../transcript.json\""),
        ];
        (headers, "{\"raw\":1}").into_response()
    })
    .await
}

#[tokio::test]
async fn a_transcript_comes_from_elsewhere_without_the_key() {
    for path in ["file", "moved"] {
        let storage = storage().await;
        let to = format!("{}/{path}", storage.base);
        let server = Server::start(move |_| redirect(&to)).await;
        let transcript = server.oz().transcript(&r1()).await.expect("a transcript");
        assert_eq!(*transcript.bytes, *b"{\"raw\":1}");
        assert_eq!(transcript.mime_type, "application/json");
        assert_eq!(transcript.filename.as_deref(), Some("transcript.json"));
        assert_eq!(server.asked(), ["GET /agent/runs/r1/transcript"]);
        assert_eq!(server.seen()[0].header("authorization"), Some("Bearer wk-secret"));
        assert!(storage.seen().iter().all(|seen| seen.header("authorization").is_none()));
    }
}

#[tokio::test]
async fn a_redirect_may_not_lead_anywhere() {
    for (to, code) in [
        ("http://storage.example/x", "address_not_allowed"),
        ("file:///etc/passwd", "address_not_allowed"),
        ("http://[", "redirect_without_address"),
    ] {
        let server = Server::start(move |_| redirect(to)).await;
        assert_eq!(told(server.oz().transcript(&r1()).await), format!("refused {code}"));
    }
    let circle = Server::start(|seen| redirect(&format!("/api/v1{}", seen.what.trim_start_matches("GET ")))).await;
    assert_eq!(told(circle.oz().transcript(&r1()).await), "refused too_many_redirects");
    let keys = circle.seen().iter().filter(|seen| seen.header("authorization").is_some()).count();
    assert_eq!((circle.seen().len(), keys), (5, 1));
}

#[tokio::test]
async fn troubles_of_a_transcript() {
    let missing = Server::start(|_| problem(404, "resource_not_found")).await;
    assert_eq!(told(missing.oz().transcript(&r1()).await), "gone resource_not_found");
    let direct = Server::start(|_| "plain".into_response()).await;
    assert_eq!(*direct.oz().transcript(&r1()).await.expect("a transcript").bytes, *b"plain");
    for (status, expected) in [(403, "transient http_403"), (404, "gone http_404"), (503, "transient http_503")] {
        let storage = Server::saying(status, json!("no")).await;
        let to = storage.base.to_string();
        let server = Server::start(move |_| redirect(&to)).await;
        assert_eq!(told(server.oz().transcript(&r1()).await), expected);
    }
}

#[tokio::test]
async fn content_has_a_limit() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 60000000\r\n\r\n";
    let to = dropping(head).await.to_string();
    let server = Server::start(move |_| redirect(&to)).await;
    assert_eq!(told(server.oz().transcript(&r1()).await), "refused too_large");
}

#[tokio::test]
async fn a_plan_is_its_markdown() {
    let server = Server::saying(
        200,
        json!({"artifact_type": "PLAN", "artifact_uid": "a1", "created_at": "2026-08-01T10:00:00Z",
               "data": {"content": "# Plan", "content_type": null, "document_uid": "d1", "notebook_uid": "n1"}}),
    )
    .await;
    let plan = server.oz().artifact("a1").await.expect("a plan");
    assert_eq!((&*plan.bytes, plan.mime_type.as_str(), plan.filename), (&b"# Plan"[..], "text/markdown", None));
    assert_eq!(server.asked(), ["GET /agent/artifacts/a1"]);
}

#[tokio::test]
async fn a_file_comes_through_its_download_address() {
    let storage = storage().await;
    let url = format!("{}/file", storage.base);
    for (kind, name, expected) in
        [("FILE", json!("out/report.csv"), "report.csv"), ("SCREENSHOT", json!(null), "transcript.json")]
    {
        let answer = json!({"artifact_type": kind, "artifact_uid": "a1",
            "data": {"download_url": url, "content_type": "text/csv", "expires_at": "2026-08-01T10:00:00Z", "filename": name}});
        let file = Server::saying(200, answer).await.oz().artifact("a1").await.expect("a file");
        assert_eq!((file.mime_type.as_str(), file.filename.as_deref()), ("text/csv", Some(expected)));
        assert_eq!(*file.bytes, *b"{\"raw\":1}");
    }
    assert!(storage.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

#[tokio::test]
async fn troubles_of_an_artifact() {
    for (data, code) in [
        (json!({"download_url": "http://storage.example/x"}), "address_not_allowed"),
        (json!({"download_url": null}), "artifact_without_content"),
        (json!(null), "artifact_without_content"),
    ] {
        let server = Server::saying(200, json!({"artifact_type": "FILE", "data": data})).await;
        assert_eq!(told(server.oz().artifact("a1").await), format!("refused {code}"));
    }
    let unsupported = Server::start(|_| problem(404, "resource_not_found")).await;
    assert_eq!(told(unsupported.oz().artifact("a1").await), "gone resource_not_found");
}

fn offered(what: &str) -> Response {
    match what {
        "GET /agent/environments" => ok(&json!({"environments": [
            {"uid": "9fJ2mQ7xLw0PzR4sVb1TdK", "config": {"name": "web"}, "setup_failed": false},
            {"uid": "u2", "config": null}, {"uid": null, "config": {"name": "x"}}]})),
        "GET /agent/models" => ok(&json!({"default_model_id": "auto", "models": [
            {"id": "auto", "display_name": "Auto", "provider": "UNKNOWN", "vision_supported": true},
            {"id": "old", "display_name": "Old", "disable_reason": "ADMIN_DISABLED"}]})),
        _ => ok(&json!({"agents": [{"name": "deploy", "variants": [
            {"id": "o/r:.claude/skills/deploy/SKILL.md", "description": "", "base_prompt": "", "environments": []}]},
            {"name": "none", "variants": null}]})),
    }
}

#[tokio::test]
async fn what_can_be_chosen() {
    let choices = Server::start(|seen| offered(&seen.what)).await.oz().choices().await.expect("choices");
    let pair = |id: &str, name: &str| (id.to_owned(), name.to_owned());
    assert_eq!(choices.environments, [pair("9fJ2mQ7xLw0PzR4sVb1TdK", "web"), pair("u2", "u2")]);
    assert_eq!(choices.models, [pair("auto", "Auto")]);
    assert_eq!(choices.skills, [pair("o/r:.claude/skills/deploy/SKILL.md", "deploy")]);
}

#[tokio::test]
async fn what_may_not_be_seen_is_empty_and_what_breaks_is_an_error() {
    for (status, code) in [(403, "feature_not_available"), (404, "resource_not_found")] {
        let server = Server::start(move |seen| match seen.what.as_str() {
            "GET /agent/models" => problem(status, code),
            what => offered(what),
        })
        .await;
        let choices = server.oz().choices().await.expect("choices");
        assert_eq!((choices.environments.len(), choices.models.len(), choices.skills.len()), (2, 0, 1));
    }
    let broken = Server::start(|seen| if seen.what == "GET /agent" { page(502) } else { offered(&seen.what) }).await;
    assert_eq!(told(broken.oz().choices().await), "transient http_502");
    let locked = Server::start(|_| problem(401, "authentication_required")).await;
    assert_eq!(told(locked.oz().choices().await), "unauthorized authentication_required");
}
