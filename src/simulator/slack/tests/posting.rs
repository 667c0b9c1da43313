//! What Baton may say, and what it is refused.

use serde_json::json;

use super::*;
use crate::simulator::faults::Fault;

#[tokio::test]
async fn a_post_stands_in_the_channel_and_comes_back_as_an_event() {
    let stage = Stage::new().await;
    let root = stage.posted(json!({"metadata": metadata("1")})).await;
    assert_eq!(root, "1764000000.000100");
    let reply = stage.posted(json!({"thread_ts": root, "text": "reply", "metadata": metadata("2")})).await;
    let texts: Vec<String> = stage.slack.thread("C0ENG", &root).into_iter().map(|message| message.text).collect();
    assert_eq!(texts, ["text", "reply"]);
    let events = stage.door.events();
    assert_eq!(events.len(), 2);
    assert_eq!(
        (&events[1]["ts"], &events[1]["bot_id"], &events[1]["app_id"]),
        (&json!(reply), &json!("B0BATON"), &json!("A0BATON"))
    );
    assert_eq!(events[1]["parent_user_id"], "U0BATON");
    assert_eq!(stage.slack.warnings(), Vec::<String>::new());
}

#[tokio::test]
async fn the_token_and_its_scopes_are_looked_at_first() {
    let stage = Stage::new().await;
    let url = format!("{}/api/auth.test", stage.base);
    let ask = |token: Option<&str>| {
        let request = stage.client.post(&url);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        async move { request.send().await.expect("an answer").json::<Value>().await.expect("JSON")["error"].clone() }
    };
    assert_eq!(ask(None).await, "not_authed");
    assert_eq!(ask(Some("xoxb-other")).await, "invalid_auth");
    let response = stage.post("auth.test", &json!({})).await;
    assert!(response.headers()["x-oauth-scopes"].to_str().expect("text").contains("chat:write"));
    let who: Value = response.json().await.expect("JSON");
    assert_eq!((&who["team_id"], &who["bot_id"]), (&json!("T0BATON"), &json!("B0BATON")));
    assert_eq!(stage.error("chat.postMassage", json!({})).await, "unknown_method");
    stage.slack.knobs(|knobs| {
        knobs.scopes.remove("chat:write");
    });
    let refused = stage.call("chat.postMessage", json!({"channel": "C0ENG", "text": "x"})).await;
    assert_eq!((&refused["error"], &refused["needed"]), (&json!("missing_scope"), &json!("chat:write")));
    stage.slack.knobs(|knobs| knobs.token_revoked = true);
    assert_eq!(ask(Some(BOT_TOKEN)).await, "token_revoked");
}

#[tokio::test]
async fn what_cannot_be_posted_is_refused_in_slacks_words() {
    let stage = Stage::new().await;
    stage.slack.remove_bot("C0OPS");
    for (body, error) in [
        (json!({"channel": "C0NONE", "text": "x"}), "channel_not_found"),
        (json!({"channel": "C0PRIV", "text": "x"}), "channel_not_found"),
        (json!({"channel": "C0OPS", "text": "x"}), "not_in_channel"),
        (json!({"text": "x"}), "invalid_arguments"),
        (json!({"channel": "C0ENG"}), "no_text"),
        (json!({"channel": "C0ENG", "text": "x", "thread_ts": "1.2"}), "thread_not_found"),
        (json!({"channel": "C0ENG", "text": "x", "blocks": "nonsense"}), "invalid_blocks_format"),
        (json!({"channel": "C0ENG", "text": "x", "blocks": [{"type": "sectoin"}]}), "invalid_blocks"),
        (json!({"channel": "C0ENG", "text": "x", "markdown_text": "x"}), "markdown_text_conflict"),
        (json!({"channel": "C0ENG", "text": "x", "metadata": {"event_type": "x"}}), "invalid_metadata_format"),
    ] {
        assert_eq!(stage.error("chat.postMessage", body.clone()).await, error, "{body}");
    }
    assert!(stage.slack.messages("C0ENG").is_empty());
    stage.slack.invite_bot("C0OPS");
    assert_eq!(stage.call("chat.postMessage", json!({"channel": "C0OPS", "text": "x"})).await["ok"], true);
}

#[tokio::test]
async fn only_own_messages_are_edited_and_metadata_stays() {
    let stage = Stage::new().await;
    let ts = stage.posted(json!({"metadata": metadata("1"), "blocks": button("baton.approve")})).await;
    let update = |more: Value| {
        let mut body = json!({"channel": "C0ENG", "ts": ts, "text": "new"});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    assert_eq!(stage.call("chat.update", update(json!({}))).await["ok"], true);
    let message = stage.slack.messages("C0ENG").remove(0);
    assert!(message.blocks.is_empty() && message.edited.is_some() && message.metadata == Some(metadata("1")));
    stage.wait(5);
    assert_eq!(stage.call("chat.update", update(json!({"blocks": button("baton.why")}))).await["ok"], true);
    assert_eq!(stage.slack.edits(&ts), 2);
    stage.slack.deliver_outgoing().await;
    let event = stage.door.events().pop().expect("an event");
    assert_eq!((&event["subtype"], &event["previous_message"]["text"]), (&json!("message_changed"), &json!("new")));

    let theirs = stage.slack.say("U0ADA", "C0ENG", None, "hello").await;
    let foreign = json!({"channel": "C0ENG", "ts": theirs, "text": "x"});
    assert_eq!(stage.error("chat.update", foreign.clone()).await, "cant_update_message");
    assert_eq!(stage.error("chat.delete", foreign).await, "cant_delete_message");
    assert_eq!(stage.error("chat.update", update(json!({"text": "x".repeat(4001)}))).await, "msg_too_long");
    assert_eq!(stage.call("chat.delete", json!({"channel": "C0ENG", "ts": ts})).await["ok"], true);
    assert_eq!(stage.error("chat.update", update(json!({}))).await, "message_not_found");
}

#[tokio::test]
async fn ephemerals_are_seen_by_one_and_kept_nowhere() {
    let stage = Stage::new().await;
    let body = json!({"channel": "C0PRIV", "user": "U0ADA", "text": "psst"});
    assert_eq!(stage.error("chat.postEphemeral", body).await, "channel_not_found");
    let answer = stage.call("chat.postEphemeral", json!({"channel": "C0ENG", "user": "U0ADA", "text": "psst"})).await;
    let ts = answer["message_ts"].as_str().expect("a ts").to_owned();
    assert_eq!(stage.slack.ephemerals("U0ADA").len(), 1);
    assert!(stage.slack.ephemerals("U0GRACE").is_empty() && stage.slack.messages("C0ENG").is_empty());
    let history = stage.call("conversations.history", json!({"channel": "C0ENG"})).await;
    assert_eq!(history["messages"], json!([]));
    assert_eq!(
        stage.error("chat.update", json!({"channel": "C0ENG", "ts": ts, "text": "x"})).await,
        "message_not_found"
    );
    stage.slack.deliver_outgoing().await;
    assert!(stage.door.seen().is_empty());
}

#[tokio::test]
async fn a_thread_is_read_in_pages_with_its_metadata() {
    let stage = Stage::new().await;
    let root = stage.posted(json!({"metadata": metadata("root")})).await;
    for number in 1..=4 {
        stage.wait(10);
        stage
            .posted(json!({"thread_ts": root, "text": number.to_string(), "metadata": metadata(&number.to_string())}))
            .await;
    }
    let query = [("channel", "C0ENG"), ("ts", root.as_str()), ("limit", "3")];
    let page = stage.get("conversations.replies", &query).await;
    assert_eq!((page["messages"].as_array().map(Vec::len), &page["has_more"]), (Some(3), &json!(true)));
    assert_eq!(page["messages"][0]["reply_count"], 4);
    assert_eq!(page["messages"][1]["metadata"], json!({"event_type": "baton_message"}));
    let cursor = page["response_metadata"]["next_cursor"].as_str().expect("a cursor");
    let query = [("channel", "C0ENG"), ("ts", root.as_str()), ("cursor", cursor), ("include_all_metadata", "true")];
    let page = stage.get("conversations.replies", &query).await;
    assert_eq!(page["messages"].as_array().map(Vec::len), Some(2));
    assert_eq!(page["messages"][1]["metadata"], metadata("4"));
    let query = [("channel", "C0ENG"), ("ts", root.as_str()), ("oldest", "1764000030")];
    let page = stage.get("conversations.replies", &query).await;
    let texts: Vec<&str> =
        page["messages"].as_array().expect("a list").iter().filter_map(|m| m["text"].as_str()).collect();
    assert_eq!(texts, ["text", "3", "4"], "the root, and what is newer");
    // This method reads no JSON: the arguments are not there.
    assert_eq!(
        stage.error("conversations.replies", json!({"channel": "C0ENG", "ts": root})).await,
        "invalid_arguments"
    );
}

#[tokio::test]
async fn people_and_reactions() {
    let stage = Stage::new().await;
    let user = stage.get("users.info", &[("user", "U0ADA")]).await;
    assert_eq!(user["user"]["profile"]["email"], "ada@example.com");
    let user = stage.get("users.lookupByEmail", &[("email", "grace@example.com")]).await;
    assert_eq!(user["user"]["id"], "U0GRACE");
    let group = stage.get("usergroups.users.list", &[("usergroup", "S0LEADS")]).await;
    assert_eq!(group["users"], json!(["U0GRACE", "U0LINUS"]));
    let open = stage.call("conversations.open", json!({"users": "U0ADA"})).await;
    assert_eq!(open["channel"]["id"], "D0ADA");
    let ts = stage.slack.say("U0ADA", "C0ENG", None, "hello").await;
    let reaction = json!({"channel": "C0ENG", "timestamp": ts, "name": "eyes"});
    assert_eq!(stage.call("reactions.add", reaction.clone()).await["ok"], true);
    assert_eq!(stage.error("reactions.add", reaction.clone()).await, "already_reacted");
    assert_eq!(stage.slack.messages("C0ENG")[0].reactions, [("eyes".to_owned(), vec!["U0BATON".to_owned()])]);
    assert_eq!(stage.call("reactions.remove", reaction.clone()).await["ok"], true);
    assert_eq!(stage.error("reactions.remove", reaction).await, "no_reaction");
}

#[tokio::test]
async fn faults_meet_the_requests_they_are_for() {
    let stage = Stage::new().await;
    let body = json!({"channel": "C0ENG", "text": "x", "metadata": metadata("1")});
    stage.faults.add("slack", "chat.postMessage", Fault::RateLimited { retry_after: Some(7) }, 1);
    let response = stage.post("chat.postMessage", &body).await;
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &http::HeaderValue::from(7)));
    stage.faults.add("slack", "chat.postMessage", Fault::Refuse("internal_error".into()), 1);
    assert_eq!(stage.error("chat.postMessage", body.clone()).await, "internal_error");
    assert!(stage.slack.messages("C0ENG").is_empty());
    stage.faults.add("slack", "POST /chat.postMessage", Fault::LoseAnswer, 1);
    let url = format!("{}/api/chat.postMessage", stage.base);
    let lost = stage.client.post(url).bearer_auth(BOT_TOKEN).json(&body).send().await;
    assert!(lost.is_err());
    assert_eq!(stage.slack.messages("C0ENG").len(), 1);
    stage.slack.command("U0ADA", "C0ENG", "/oz", "help").await;
    let url = stage.door.last().form("response_url");
    stage.faults.add("slack", "POST /response", Fault::Html(502), 1);
    let answer = stage.client.post(&url).json(&json!({"text": "x"})).send().await.expect("an answer");
    assert_eq!(answer.status(), 502);
    assert!(stage.slack.ephemerals("U0ADA").is_empty());
    let what: Vec<String> = stage.faults.calls().into_iter().map(|call| call.what).collect();
    let post = "POST /chat.postMessage";
    assert_eq!(what, [post, post, post, "POST /response"]);
}

#[tokio::test]
async fn the_pace_is_enforced_when_wanted() {
    let stage = Stage::new().await;
    stage.slack.knobs(|knobs| knobs.enforce_pace = true);
    stage.posted(json!({})).await;
    let response = stage.post("chat.postMessage", &json!({"channel": "C0ENG", "text": "x"})).await;
    assert_eq!(response.status(), 429);
    stage.wait(1);
    stage.posted(json!({})).await;
}

#[tokio::test]
async fn doubtful_habits_and_pings_are_noted() {
    let stage = Stage::new().await;
    stage.posted(json!({"text": "no metadata"})).await;
    stage.posted(json!({"metadata": metadata("1")})).await;
    stage.posted(json!({"metadata": metadata("1")})).await;
    stage.posted(json!({"text": "", "metadata": metadata("2"), "blocks": button("x")})).await;
    stage.posted(json!({"text": "hi <!channel> &lt;!here&gt;", "metadata": metadata("3")})).await;
    let warnings = stage.slack.warnings();
    for (number, part) in ["no metadata", "equal metadata", "no `text`"].into_iter().enumerate() {
        assert!(warnings[number].contains(part), "{warnings:?}");
    }
    assert_eq!(warnings.len(), 3);
    assert_eq!(stage.slack.pings(), ["<!channel> in C0ENG at 1764000000.000500"]);
}
