//! What Baton's door gets: signed bodies in Linear's shapes, again when it does not take them.

use super::{
    super::{ADA, APP_USER, CLIENT_ID, GRACE, ORGANIZATION, Retries, WEBHOOK_SECRET, sign},
    *,
};

#[tokio::test]
async fn a_delegation_is_told_in_all_its_parts() {
    let stage = Stage::new().await;
    let issue = stage.linear.issue("Fix the login", "See [repo=shop] and [docs](https://example.com)").await;
    assert_eq!(stage.door.whats(), ["Issue create"]);
    stage.door.clear();
    let session = stage.linear.delegate("grace", &issue).await.expect("a session");
    assert_eq!(
        stage.door.whats(),
        ["Issue update", "AppUserNotification issueAssignedToYou", "Comment create", "AgentSessionEvent created"]
    );
    let update = stage.door.last("Issue update");
    let mut changed: Vec<&str> =
        update["updatedFrom"].as_object().expect("an object").keys().map(String::as_str).collect();
    changed.sort_unstable();
    assert_eq!(changed, ["assigneeId", "delegateId", "updatedAt"]);
    assert_eq!((&update["updatedFrom"]["delegateId"], &update["data"]["delegateId"]), (&Value::Null, &json!(APP_USER)));
    assert_eq!((&update["data"]["assigneeId"], &update["actor"]["id"]), (&json!(GRACE), &json!(GRACE)));
    let stub = stage.door.last("Comment create");
    assert_eq!(stub["data"]["body"], "This thread is for an agent session with Baton.");
    assert!(stub["data"]["userId"].is_null());
    let created = stage.door.last("AgentSessionEvent created");
    assert_eq!((&created["organizationId"], &created["oauthClientId"]), (&json!(ORGANIZATION), &json!(CLIENT_ID)));
    let told = &created["agentSession"];
    assert_eq!((&told["id"], &told["status"], &told["creatorId"]), (&json!(session), &json!("pending"), &json!(GRACE)));
    assert_eq!((&told["commentId"], &told["issue"]["identifier"]), (&stub["data"]["id"], &json!("ENG-1")));
    assert_eq!(told["issue"]["description"], "See \\[repo=shop\\] and [docs](https://example.com)");
    assert_eq!(told["creator"]["email"], "grace@example.com");
    assert!(created["previousComments"].is_null() && created["agentActivity"].is_null());
    let context = created["promptContext"].as_str().expect("a text");
    assert!(context.starts_with("<issue identifier=\"ENG-1\">\n<title>Fix the login</title>"), "{context}");
    assert!(context.contains("<primary-directive-thread comment-id="), "{context}");
}

#[tokio::test]
async fn each_is_signed_over_its_bytes() {
    let stage = Stage::new().await;
    stage.linear.issue("Fix the login", "").await;
    let seen = stage.door.seen();
    let got = seen.first().expect("a webhook");
    assert_eq!(got.path, "/linear/webhooks");
    assert_eq!(got.header("linear-signature"), sign(WEBHOOK_SECRET, &got.body));
    assert_eq!(got.header("linear-signature").len(), 64);
    assert_eq!((got.header("linear-event"), got.header("user-agent")), ("Issue", "Linear-Webhook"));
    assert_eq!(got.json()["webhookTimestamp"], 1_764_000_000_000_i64);
    assert_eq!(got.header("linear-timestamp"), "1764000000000");
    assert_eq!(uuid::Uuid::parse_str(got.header("linear-delivery")).expect("a UUID").get_version_num(), 4);
}

#[tokio::test]
async fn what_is_not_taken_comes_again_after_a_minute_an_hour_and_six() {
    for retries in [Retries::Stamped, Retries::Identical] {
        let stage = Stage::new().await;
        stage.linear.knobs(|knobs| knobs.retries = retries);
        stage.door.answers(202);
        stage.linear.issue("Fix the login", "").await;
        for (wait, count) in [(59, 1), (1, 2), (3600, 3), (6 * 3600 - 1, 3), (1, 4), (24 * 3600, 4)] {
            stage.wait(wait);
            stage.linear.tick().await;
            assert_eq!(stage.door.seen().len(), count);
        }
        assert_eq!(stage.linear.undelivered(), 0);
        let seen = stage.door.seen();
        let identical = retries == Retries::Identical;
        assert_eq!(seen[0].body == seen[1].body, identical);
        assert_eq!(seen[0].header("linear-delivery") == seen[1].header("linear-delivery"), identical);
        assert_eq!(seen[1].header("linear-signature"), sign(WEBHOOK_SECRET, &seen[1].body));
        assert_eq!(seen[0].json()["data"], seen[1].json()["data"]);
    }
}

#[tokio::test]
async fn webhooks_come_twice_in_another_order_or_not_at_all() {
    let stage = Stage::new().await;
    let issue = stage.linear.issue("Fix the login", "").await;
    stage.door.clear();
    stage.linear.knobs(|knobs| knobs.duplicate = true);
    stage.linear.label(&issue, "orchestrate", "ada").await.expect("a label");
    assert_eq!(stage.door.whats(), ["Issue update", "Issue update"]);
    assert_eq!(stage.door.seen()[0].body, stage.door.seen()[1].body);
    stage.linear.knobs(|knobs| (knobs.duplicate, knobs.reorder) = (false, true));
    stage.door.clear();
    stage.linear.mention("ada", &issue, "look").await.expect("a session");
    assert_eq!(
        stage.door.whats(),
        ["AgentSessionEvent created", "AppUserNotification issueCommentMention", "Comment create"]
    );
    stage.linear.knobs(|knobs| knobs.lose = 2);
    stage.door.clear();
    stage.linear.comment("ada", &issue, None, "one").await.expect("a comment");
    stage.linear.comment("ada", &issue, None, "two").await.expect("a comment");
    stage.linear.comment("ada", &issue, None, "three").await.expect("a comment");
    assert_eq!(stage.door.whats(), ["Comment create"]);
    stage.linear.redeliver_last().await;
    assert_eq!(stage.door.seen()[0].body, stage.door.seen()[1].body);
}

#[tokio::test]
async fn a_mention_begins_a_session_and_a_reply_goes_on_in_it() {
    let stage = Stage::new().await;
    let issue = stage.linear.issue("Fix the login", "").await;
    let session = stage.linear.mention("ada", &issue, "please fix it").await.expect("a session");
    let created = stage.door.last("AgentSessionEvent created");
    let comment = created["agentSession"]["commentId"].as_str().expect("an id").to_owned();
    assert_eq!(created["agentSession"]["comment"]["body"], "@baton please fix it");
    assert!(created["agentSession"]["sourceCommentId"].is_null());
    let reply = stage.linear.comment("linus", &issue, Some(&comment), "and the logout").await.expect("a comment");
    let prompted = stage.door.last("AgentSessionEvent prompted");
    assert_eq!(prompted["agentSession"]["id"], json!(session));
    let activity = &prompted["agentActivity"];
    assert_eq!(activity["content"], json!({"type": "prompt", "body": "and the logout"}));
    assert_eq!((&activity["sourceCommentId"], &activity["user"]["name"]), (&json!(reply), &json!("Linus")));
    assert!(prompted["promptContext"].is_null());
    stage.linear.stop("ada", &session).await.expect("an activity");
    let stopped = stage.door.last("AgentSessionEvent prompted");
    assert_eq!(
        (&stopped["agentActivity"]["signal"], &stopped["agentActivity"]["userId"]),
        (&json!("stop"), &json!(ADA))
    );
    stage.linear.edit_comment("linus", &reply, "and the log-out").await.expect("an edit");
    assert_eq!(stage.door.last("Comment update")["updatedFrom"]["body"], "and the logout");
    let other = stage.linear.comment("ada", &issue, None, "What do you think?").await.expect("a comment");
    stage.linear.mention_in_thread("grace", &other, "@baton what do you think?").await.expect("a session");
    let created = stage.door.last("AgentSessionEvent created");
    assert_eq!(created["agentSession"]["commentId"], json!(other));
    assert!(created["agentSession"]["sourceCommentId"].is_string());
    assert_eq!(created["previousComments"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn sessions_without_an_issue_or_a_creator() {
    let stage = Stage::new().await;
    stage.linear.mention_on_document("ada", "Plans", "what about this").await.expect("a session");
    let created = stage.door.last("AgentSessionEvent created");
    assert!(created["agentSession"]["issue"].is_null() && created["promptContext"].is_null());
    let issue = stage.linear.issue("Fix the login", "").await;
    stage.linear.delegate_by_automation(&issue).await.expect("a session");
    let created = stage.door.last("AgentSessionEvent created");
    assert!(created["agentSession"]["creator"].is_null() && created["agentSession"]["creatorId"].is_null());
    assert!(stage.door.last("Issue update")["actor"].is_null());
    stage.linear.knobs(|knobs| knobs.creator_null = true);
    stage.linear.delegate("ada", &issue).await.expect("a session");
    assert!(stage.door.last("AgentSessionEvent created")["agentSession"]["creator"].is_null());
}

#[tokio::test]
async fn taking_the_app_away_is_told() {
    let stage = Stage::new().await;
    let issue = stage.linear.issue("Fix the login", "").await;
    stage.linear.delegate("ada", &issue).await.expect("a session");
    stage.linear.unassign("grace", &issue).await.expect("done");
    assert_eq!(stage.door.last("Issue update")["updatedFrom"]["delegateId"], APP_USER);
    let told = stage.door.last("AppUserNotification issueUnassignedFromYou");
    assert_eq!((&told["notification"]["issueId"], &told["notification"]["actorId"]), (&json!(issue), &json!(GRACE)));
    stage.linear.revoke().await;
    let told = stage.door.last("OAuthApp revoked");
    assert_eq!((&told["oauthClientId"], &told["organizationId"]), (&json!(CLIENT_ID), &json!(ORGANIZATION)));
    assert_eq!(stage.ask("{ viewer { id } }", json!({})).await.0, 401);
}

#[tokio::test]
async fn the_apps_own_changes_are_told_too() {
    let stage = Stage::new().await;
    let issue = stage.linear.issue("Fix the login", "").await;
    let query = "mutation($i: CommentCreateInput!) { commentCreate(input: $i) { comment { id } } }";
    stage.data(query, json!({"i": {"issueId": issue, "body": "Hello"}})).await;
    stage.linear.deliver_outgoing().await;
    let told = stage.door.last("Comment create");
    assert_eq!((&told["data"]["userId"], &told["actor"]["id"]), (&json!(APP_USER), &json!(APP_USER)));
    stage.linear.knobs(|knobs| knobs.subscribed.retain(|each| each != "Comment"));
    stage.door.clear();
    stage.linear.comment("ada", &issue, None, "Hello").await.expect("a comment");
    assert!(stage.door.seen().is_empty());
}
