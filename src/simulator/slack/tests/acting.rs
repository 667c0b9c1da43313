//! What people do, and what Baton's door gets of it.

use serde_json::json;

use super::*;
use crate::simulator::slack::{Refused, SIGNING_SECRET, Use};

fn modal(blocks: &Value) -> Value {
    let plain = |text: &str| json!({"type": "plain_text", "text": text});
    json!({"type": "modal", "callback_id": "c", "private_metadata": "p", "title": plain("Changes"),
        "submit": plain("Send"), "blocks": blocks})
}

fn input() -> Value {
    json!([{"type": "input", "block_id": "what", "label": {"type": "plain_text", "text": "What"},
        "element": {"type": "plain_text_input", "action_id": "text"}}])
}

#[tokio::test]
async fn a_command_is_a_signed_form() {
    let stage = Stage::new().await;
    stage.door.answers(200, "On its way.");
    let answer = stage.slack.command("U0ADA", "C0ENG", "/orchestrate", "ask @grace & co").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "On its way."));
    let got = stage.door.last();
    assert_eq!(
        (got.path.as_str(), got.header("content-type")),
        ("/slack/commands", Some("application/x-www-form-urlencoded"))
    );
    let timestamp = got.header("x-slack-request-timestamp").expect("a timestamp");
    assert_eq!(timestamp, "1764000000");
    assert_eq!(got.header("x-slack-signature"), Some(sign(SIGNING_SECRET, timestamp, got.body.as_bytes()).as_str()));
    for (name, value) in [
        ("command", "/orchestrate"),
        ("text", "ask <@U0GRACE|grace> &amp; co"),
        ("channel_id", "C0ENG"),
        ("channel_name", "engineering"),
        ("user_id", "U0ADA"),
        ("team_id", "T0BATON"),
        ("api_app_id", "A0BATON"),
        ("is_enterprise_install", "false"),
    ] {
        assert_eq!(got.form(name), value);
    }
    // Shown to her alone.
    assert_eq!(stage.slack.ephemerals("U0ADA")[0].text, "On its way.");
    stage.slack.command("U0ADA", "C0PRIV", "/oz", "help").await;
    assert_eq!(stage.door.last().form("channel_name"), "privategroup");
}

#[tokio::test]
async fn a_mention_comes_twice_and_a_message_where_we_are_not_never() {
    let stage = Stage::new().await;
    let ts = stage.slack.say("U0ADA", "C0ENG", None, "@baton do it").await;
    let reply = stage.slack.say("U0GRACE", "C0ENG", Some(&ts), "yes").await;
    stage.slack.say("U0ADA", "C0PRIV", None, "@baton secret").await;
    let events = stage.door.events();
    let kinds: Vec<(&str, &str)> =
        events.iter().map(|event| (event["type"].as_str().unwrap_or(""), event["ts"].as_str().unwrap_or(""))).collect();
    assert_eq!(kinds, [("message", ts.as_str()), ("app_mention", ts.as_str()), ("message", reply.as_str())]);
    assert_eq!(events[0]["text"], "<@U0BATON> do it");
    assert_eq!((&events[0]["channel_type"], &events[2]["thread_ts"]), (&json!("channel"), &json!(ts)));
    let envelope = stage.door.seen()[0].json();
    assert_eq!(envelope["type"], "event_callback");
    assert_eq!(envelope["event_time"], 1_764_000_000);
    assert_eq!(envelope["authorizations"][0]["team_id"], "T0BATON");
    let ids: Vec<Value> = stage.door.seen().iter().map(|got| got.json()["event_id"].clone()).collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2]);
}

#[tokio::test]
async fn edits_direct_messages_and_other_bots() {
    let stage = Stage::new().await;
    let ts = stage.slack.direct("U0ADA", "hello", None).await;
    assert_eq!(stage.door.events()[0]["channel_type"], "im");
    let answer = stage.slack.edit("U0ADA", "D0ADA", &ts, "hello there").await.expect("an edit");
    assert_eq!(answer.status, 200);
    let event = stage.door.events().pop().expect("an event");
    assert_eq!(event["subtype"], "message_changed");
    assert_eq!(
        (&event["message"]["text"], &event["previous_message"]["text"]),
        (&json!("hello there"), &json!("hello"))
    );
    assert_eq!(event["message"]["edited"]["user"], "U0ADA");
    assert!(stage.slack.edit("U0GRACE", "D0ADA", &ts, "x").await.is_err());
    stage.slack.bot_says("C0ENG", None, "@baton ping").await;
    let event = stage.door.events().pop().expect("an event");
    assert_eq!((&event["type"], &event["bot_id"], event.get("user")), (&json!("app_mention"), &json!("B0OTHER"), None));
    let root = stage.slack.say("U0ADA", "C0ENG", None, "root").await;
    stage.slack.broadcast("U0ADA", "C0ENG", &root, "to all").await;
    let event = stage.door.events().pop().expect("an event");
    assert_eq!((&event["subtype"], &event["root"]["text"]), (&json!("thread_broadcast"), &json!("root")));
}

#[tokio::test]
async fn a_click_carries_the_message_and_one_without_a_button_is_told() {
    let stage = Stage::new().await;
    let ts = stage.posted(json!({"metadata": metadata("1"), "blocks": button("baton.approve")})).await;
    assert_eq!(stage.slack.click("U0ADA", &ts, "baton.approve").await.expect("a click").status, 200);
    let payload = stage.door.last().payload();
    assert_eq!(payload["type"], "block_actions");
    assert_eq!(payload["actions"][0]["value"], "o1/1/d");
    assert_eq!(payload["message"]["metadata"], metadata("1"));
    assert_eq!(payload["container"]["is_ephemeral"], false);
    assert_eq!(payload["team"]["id"], "T0BATON");
    let error = stage.slack.click("U0ADA", &ts, "baton.stop").await.expect_err("no such button");
    assert_eq!(error, format!("message {ts} has no `baton.stop` to click; it has [baton.approve]"));

    stage.slack.knobs(|knobs| knobs.org_install = true);
    stage.slack.click("U0ADA", &ts, "baton.approve").await.expect("a click");
    let payload = stage.door.last().payload();
    assert_eq!((&payload["team"], &payload["is_enterprise_install"]), (&Value::Null, &json!(true)));
    stage.slack.event(json!({"type": "app_uninstalled"})).await;
    let envelope = stage.door.last().json();
    assert!(envelope.get("team_id").is_none() && envelope["enterprise_id"] == "E0BATON");
}

#[tokio::test]
async fn a_trigger_opens_one_view_within_three_seconds() {
    let stage = Stage::new().await;
    stage.slack.command("U0ADA", "C0ENG", "/orchestrate", "").await;
    let trigger = stage.door.last().form("trigger_id");
    let open = json!({"trigger_id": trigger, "view": modal(&input())});
    assert_eq!(
        stage.error("views.open", json!({"trigger_id": "1.2.3", "view": modal(&input())})).await,
        "invalid_trigger_id"
    );
    assert_eq!(stage.call("views.open", open.clone()).await["view"]["callback_id"], "c");
    assert_eq!(stage.error("views.open", open).await, "exchanged_trigger_id");
    stage.slack.command("U0ADA", "C0ENG", "/orchestrate", "").await;
    let trigger = stage.door.last().form("trigger_id");
    stage.wait(4);
    let late = json!({"trigger_id": trigger, "view": modal(&input())});
    assert_eq!(stage.error("views.open", late).await, "expired_trigger_id");
}

#[tokio::test]
async fn a_form_is_filled_in_refused_and_sent() {
    let stage = Stage::new().await;
    stage.slack.command("U0ADA", "C0ENG", "/orchestrate", "").await;
    let trigger = stage.door.last().form("trigger_id");
    stage.call("views.open", json!({"trigger_id": trigger, "view": modal(&input())})).await;
    let id = stage.slack.views("U0ADA")[0]["id"].as_str().expect("an id").to_owned();
    let empty = stage.slack.submit("U0ADA", &id, &json!({})).await.expect_err("incomplete");
    assert!(matches!(empty, Refused::Incomplete(mistakes) if mistakes.contains_key("what")));

    stage.door.answers(200, r#"{"response_action":"errors","errors":{"what":"too short"}}"#);
    let answer = stage.slack.submit("U0ADA", &id, &json!({"what": "Go"})).await.expect("sent");
    assert!(answer.body.contains("too short"));
    assert_eq!(stage.slack.views("U0ADA").len(), 1, "errors leave the view open");
    let payload = stage.door.last().payload();
    assert_eq!(payload["view"]["state"]["values"]["what"]["text"]["value"], "Go");
    assert_eq!(payload["view"]["private_metadata"], "p");

    let pushed = json!({"response_action": "push", "view": modal(&button("next"))});
    stage.door.answers(200, &pushed.to_string());
    stage.slack.submit("U0ADA", &id, &json!({"what": "Go"})).await.expect("sent");
    let views = stage.slack.views("U0ADA");
    assert_eq!((views.len(), &views[1]["previous_view_id"]), (2, &json!(id)));
    stage.door.answers(200, "");
    let top = views[1]["id"].as_str().expect("an id");
    stage.slack.click_in_view("U0ADA", top, Use::of("next"), &json!({})).await.expect("a click");
    assert_eq!(stage.door.last().payload()["container"]["type"], "view");
    stage.slack.submit("U0ADA", top, &json!({})).await.expect("sent");
    assert_eq!(stage.slack.views("U0ADA").len(), 1, "an empty answer closes the view on top");
    let hash = stage.slack.views("U0ADA")[0]["hash"].clone();
    let update = json!({"view_id": id, "hash": hash, "view": modal(&button("x"))});
    assert_eq!(stage.call("views.update", update.clone()).await["ok"], true);
    assert_eq!(stage.error("views.update", update).await, "hash_conflict");
    stage.slack.close("U0ADA", &id).await.expect("closed");
    assert!(stage.slack.views("U0ADA").is_empty());
}

#[tokio::test]
async fn a_response_url_works_five_times_in_half_an_hour() {
    let stage = Stage::new().await;
    stage.slack.remove_bot("C0ENG");
    stage.slack.command("U0ADA", "C0ENG", "/orchestrate", "x").await;
    let url = stage.door.last().form("response_url");
    assert!(url.starts_with(&stage.base));
    let respond = |body: Value| {
        let request = stage.client.post(&url).json(&body);
        async move { request.send().await.expect("an answer").status().as_u16() }
    };
    assert_eq!(respond(json!({"text": "only you"})).await, 200);
    assert_eq!(respond(json!({"text": "all", "response_type": "in_channel"})).await, 200);
    assert_eq!(stage.slack.ephemerals("U0ADA").len(), 1);
    assert_eq!(stage.slack.messages("C0ENG").len(), 1, "posting there needs no membership");
    assert_eq!(respond(json!({"blocks": [{"type": "x"}]})).await, 400);
    assert_eq!(respond(json!({"text": "4"})).await, 200);
    stage.wait(29 * 60);
    assert_eq!(respond(json!({"text": "5"})).await, 200);
    assert_eq!(respond(json!({"text": "6"})).await, 404);
    stage.slack.command("U0ADA", "C0ENG", "/orchestrate", "x").await;
    let url = stage.door.last().form("response_url");
    stage.wait(31 * 60);
    let late = stage.client.post(url).json(&json!({"text": "x"})).send().await.expect("an answer");
    assert_eq!((late.status().as_u16(), late.text().await.expect("text")), (404, "expired_url".to_owned()));
}

#[tokio::test]
async fn the_original_of_a_click_is_replaced_or_deleted() {
    let stage = Stage::new().await;
    let body = json!({"channel": "C0ENG", "user": "U0ADA", "text": "psst", "blocks": button("baton.why")});
    stage.call("chat.postEphemeral", body).await;
    let ts = stage.slack.ephemerals("U0ADA")[0].ts.clone();
    assert!(stage.slack.click("U0GRACE", &ts, "baton.why").await.is_err(), "she does not see it");
    stage.slack.click("U0ADA", &ts, "baton.why").await.expect("a click");
    let payload = stage.door.last().payload();
    assert_eq!((&payload["container"]["is_ephemeral"], payload.get("message")), (&json!(true), None));
    let url = payload["response_url"].as_str().expect("a url").to_owned();
    let send = |body: Value| stage.client.post(&url).json(&body).send();
    send(json!({"text": "because", "replace_original": true})).await.expect("an answer");
    let ephemerals = stage.slack.ephemerals("U0ADA");
    assert_eq!((ephemerals.len(), ephemerals[0].text.as_str()), (1, "because"));
    send(json!({"delete_original": true})).await.expect("an answer");
    assert!(stage.slack.ephemerals("U0ADA").is_empty());
}

#[tokio::test]
async fn events_are_retried_by_the_clock_and_commands_are_not() {
    let stage = Stage::new().await;
    stage.door.answers(503, "");
    stage.slack.command("U0ADA", "C0ENG", "/orchestrate", "x").await;
    stage.slack.say("U0ADA", "C0ENG", None, "hello").await;
    assert_eq!((stage.door.seen().len(), stage.slack.undelivered()), (2, 1));
    stage.slack.tick().await;
    let retry = stage.door.last();
    assert_eq!(
        (retry.header("x-slack-retry-num"), retry.header("x-slack-retry-reason")),
        (Some("1"), Some("http_error"))
    );
    assert_eq!(retry.body, stage.door.seen()[1].body, "the same event, byte for byte");
    stage.slack.tick().await;
    assert_eq!(stage.door.seen().len(), 3, "the next is due in a minute");
    stage.wait(60);
    stage.slack.tick().await;
    let retry = stage.door.last();
    let timestamp = retry.header("x-slack-request-timestamp").expect("a timestamp");
    assert_eq!(timestamp, "1764000060", "signed anew");
    assert_eq!(
        retry.header("x-slack-signature"),
        Some(sign(SIGNING_SECRET, timestamp, retry.body.as_bytes()).as_str())
    );
    stage.wait(300);
    stage.slack.tick().await;
    assert_eq!(stage.door.last().header("x-slack-retry-num"), Some("3"));
    stage.wait(3600);
    stage.slack.tick().await;
    assert_eq!((stage.door.seen().len(), stage.slack.undelivered()), (5, 0), "then it is given up");
    stage.door.answers(200, "");
    assert_eq!(stage.slack.redeliver_last().await.status, 200);
}

#[tokio::test]
async fn forged_requests_and_shortcuts() {
    let stage = Stage::new().await;
    let answer = stage.slack.raw("/slack/events", "{}", &[("x-slack-signature", "v0=forged")]).await;
    assert_eq!((answer.status, stage.door.last().header("x-slack-signature")), (200, Some("v0=forged")));
    let ts = stage.slack.say("U0GRACE", "C0PRIV", None, "fix the tests").await;
    stage.slack.shortcut("U0ADA", "C0PRIV", &ts, "baton.orchestrate_message").await.expect("a shortcut");
    let payload = stage.door.last().payload();
    assert_eq!((&payload["type"], &payload["message"]["text"]), (&json!("message_action"), &json!("fix the tests")));
    assert_eq!(payload["channel"]["name"], "privategroup");
}
