//! Uploads, and the channel as text.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_file_is_announced_uploaded_and_shared() {
    let stage = Stage::new().await;
    let root = stage.posted(json!({"text": "root"})).await;
    assert_eq!(
        stage.error("files.getUploadURLExternal", json!({"filename": "a.md", "length": 4})).await,
        "invalid_arguments"
    );
    let told = stage.get("files.getUploadURLExternal", &[("filename", "plan.md"), ("length", "4")]).await;
    let (url, id) = (told["upload_url"].as_str().expect("a url"), told["file_id"].as_str().expect("an id"));
    let complete = json!({"files": [{"id": id, "title": "The plan"}], "channel_id": "C0ENG", "thread_ts": root});
    assert_eq!(stage.error("files.completeUploadExternal", complete.clone()).await, "file_not_found");
    let upload = |bytes: &'static [u8]| stage.client.post(url).body(bytes).send();
    assert_eq!(upload(b"too long").await.expect("an answer").status(), 400);
    assert_eq!(upload(b"plan").await.expect("an answer").text().await.expect("text"), "OK - 4");
    assert!(stage.slack.files().is_empty(), "nobody has seen it yet");
    let shared = stage.call("files.completeUploadExternal", complete).await;
    assert_eq!((&shared["files"][0]["title"], shared["files"][0].get("shares")), (&json!("The plan"), None));
    let info = stage.get("files.info", &[("file", id)]).await;
    assert_eq!(info["file"]["shares"]["public"]["C0ENG"][0]["thread_ts"], json!(root));
    let reply = stage.slack.thread("C0ENG", &root).pop().expect("a reply");
    assert_eq!(reply.files, [id]);
    assert_eq!(stage.slack.files()[0].bytes.as_deref(), Some(&b"plan"[..]));
    let link = info["file"]["url_private"].as_str().expect("a url");
    let got = stage.client.get(link).send().await.expect("an answer");
    assert_eq!(got.headers()["x-content-type-options"], "nosniff");
    assert_eq!(got.text().await.expect("text"), "plan");
}

#[tokio::test]
async fn the_transcript_reads_like_the_channel() {
    let stage = Stage::new().await;
    let run = "0b5c2a52-1111-4222-8333-0123456789ab";
    let blocks = json!([
        {"type": "header", "text": {"type": "plain_text", "text": "Jest to Vitest"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": format!(
            "<@U0ADA> asked, run {run}\n<{}/x|open> o1a2b3c4d5e &amp; <!date^1764000000^{{time}}|16:00>", stage.base)}},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "0 of 2 done"}]},
        {"type": "actions", "elements": [
            {"type": "button", "action_id": "baton.stop", "text": {"type": "plain_text", "text": "Stop"}, "value": "v"},
            {"type": "button", "action_id": "baton.open", "text": {"type": "plain_text", "text": "Open run"}, "url": "https://oz.example"}
        ]}
    ]);
    let root = stage.posted(json!({"blocks": blocks, "metadata": metadata("1")})).await;
    let reply = stage.slack.say("U0ADA", "C0ENG", Some(&root), "looks good,\n@baton go").await;
    stage.call("reactions.add", json!({"channel": "C0ENG", "timestamp": reply, "name": "eyes"})).await;
    stage.slack.edit("U0ADA", "C0ENG", &reply, "looks good").await.expect("an edit");
    let private = json!({"channel": "C0ENG", "user": "U0GRACE", "text": "not you", "thread_ts": root});
    stage.call("chat.postEphemeral", private).await;
    insta::assert_snapshot!(stage.slack.transcript("C0ENG"), @r"
    #engineering
    Baton: # Jest to Vitest
        @Ada Lovelace asked, run uuid-1
        open (slack:/x) orchestration-1 & (time)
        (0 of 2 done)
        [Stop] [Open run]
      ↳ Ada Lovelace: looks good
            (edited)
            :eyes: Baton
      ↳ Baton (only to Grace Hopper): not you
    ");
}

#[tokio::test]
async fn a_permalink_leads_to_the_thread() {
    let stage = Stage::new().await;
    let root = stage.posted(json!({"text": "root"})).await;
    let reply = stage.posted(json!({"text": "reply", "thread_ts": root})).await;
    let told = stage.get("chat.getPermalink", &[("channel", "C0ENG"), ("message_ts", &reply)]).await;
    let link = told["permalink"].as_str().expect("a link");
    assert!(link.ends_with(&format!("/archives/C0ENG/p1764000000000200?thread_ts={root}&cid=C0ENG")), "{link}");
    let shown = stage.client.get(link).send().await.expect("an answer").text().await.expect("text");
    assert_eq!(shown, "Baton: root\n  ↳ Baton: reply\n");
}
