//! Sessions and activities: the rules of their contents, and what follows from them.

use super::{
    super::{ADA, APP_USER, LINUS},
    *,
};

async fn delegated() -> (Stage, String) {
    let stage = Stage::new().await;
    let issue = stage.linear.issue("Fix the login", "It says no.").await;
    let session = stage.linear.delegate("ada", &issue).await.expect("a session");
    (stage, session)
}

#[tokio::test]
async fn contents_have_their_shapes() {
    let (stage, session) = delegated().await;
    let good = [
        (json!({"type": "thought", "body": "Hm"}), json!({"ephemeral": true})),
        (json!({"type": "action", "action": "Read", "parameter": "", "result": null}), json!({"ephemeral": true})),
        (json!({"type": "action", "action": "Read", "parameter": "README", "result": "ok"}), json!({"id": UUID})),
        (
            json!({"type": "elicitation", "body": "Which?"}),
            json!({"signal": "select", "signalMetadata": {"options": [{"value": "a"}, {"label": "B", "value": "b"}]}}),
        ),
        (
            json!({"type": "elicitation", "body": "Who are you?"}),
            json!({"signal": "auth", "signalMetadata": {"url": "https://example.com", "userId": ADA, "providerName": "X"}}),
        ),
        (json!({"type": "error", "body": "No"}), json!({})),
        (json!({"type": "response", "body": "Done"}), json!({"signal": null, "signalMetadata": null})),
    ];
    for (content, more) in good {
        let error = stage.activity(&session, content.clone(), more).await;
        assert!(error.is_null(), "{content}: {error}");
    }
    assert_eq!(stage.linear.objections(), Vec::<String>::new());
    let thought = json!({"type": "thought", "body": "Hm"});
    let asked = json!({"type": "elicitation", "body": "Which?"});
    let options = |options: Value| json!({"signal": "select", "signalMetadata": {"options": options}});
    let bad = [
        (json!({"body": "Hm"}), json!({}), "content.type is missing"),
        (json!({"type": "Thought", "body": "Hm"}), json!({}), "`Thought` is not known"),
        (json!({"type": "prompt", "body": "Hm"}), json!({}), "cannot create a prompt"),
        (json!({"type": "thought", "body": " \n"}), json!({}), "body must not be empty"),
        (json!({"type": "thought"}), json!({}), "body must be a string"),
        (json!({"type": "thought", "body": "Hm", "ephemeral": true}), json!({}), "has no `ephemeral`"),
        (json!({"type": "action", "action": "Read"}), json!({}), "parameter must be a string"),
        (json!({"type": "action", "action": "Read", "parameter": null}), json!({}), "parameter must be a string"),
        (json!({"type": "action", "action": "Read", "parameter": "x", "body": "x"}), json!({}), "has no `body`"),
        (json!({"type": "response", "body": "Hm"}), json!({"ephemeral": true}), "only thoughts and actions"),
        (thought.clone(), json!({"id": "7"}), "UUID v4"),
        (thought.clone(), json!({"id": "4f3a2b1c-1111-1222-8333-0123456789ab"}), "UUID v4"),
        (thought.clone(), json!({"id": "4f3a2b1c-1111-4222-c333-0123456789ab"}), "UUID v4"),
        (thought.clone(), json!({"signal": "select"}), "for elicitations only"),
        (asked.clone(), json!({"signalMetadata": {}}), "without a signal"),
        (asked.clone(), json!({"signal": "stop"}), "for people only"),
        (asked.clone(), json!({"signal": "select", "signalMetadata": {}}), "options must be a list"),
        (asked.clone(), options(json!([])), "options must be a list"),
        (asked.clone(), options(json!(["a"])), "an option must be an object"),
        (asked.clone(), options(json!([{"label": "A"}])), "value must be a string"),
        (asked.clone(), options(json!([{"value": "a", "style": "red"}])), "has no `style`"),
        (asked, json!({"signal": "auth", "signalMetadata": {"url": "nowhere"}}), "valid URL"),
    ];
    for (at, (content, more, why)) in bad.into_iter().enumerate() {
        let error = stage.activity(&session, content.clone(), more).await;
        assert_eq!(error["message"], "Argument Validation Error", "{content}");
        assert_eq!(error["extensions"]["code"], "INVALID_INPUT");
        let told = error["extensions"]["userPresentableMessage"].as_str().expect("a sentence");
        assert!(told.contains(why), "{content}: {told}");
        assert_eq!(stage.linear.objections().len(), at + 1);
    }
}

/// The whole answer, as it has been seen.
#[tokio::test]
async fn the_same_id_twice_is_a_conflict() {
    let (stage, session) = delegated().await;
    let query = "mutation($input: AgentActivityCreateInput!) { agentActivityCreate(input: $input) { success } }";
    let input = json!({"agentSessionId": session, "id": UUID, "content": {"type": "thought", "body": "Hm"}});
    stage.data(query, json!({"input": input})).await;
    let (status, answer) = stage.ask(query, json!({"input": input})).await;
    assert_eq!(status, 200);
    assert_eq!(
        answer,
        json!({
            "errors": [{
                "message": "conflict on insert of AgentActivity",
                "path": ["agentActivityCreate"],
                "extensions": {
                    "type": "invalid input", "code": "INPUT_ERROR", "statusCode": 400, "userError": true,
                    "userPresentableMessage": format!("Entity AgentActivity with id {UUID} already exists."),
                },
            }],
            "data": null,
        })
    );
    assert!(stage.linear.objections().is_empty(), "to send again what may have been lost is right");
    let (status, answer) = stage.ask("{ issue(id: \"ENG-99\") { id } }", json!({})).await;
    assert_eq!((status, &answer["errors"][0]["message"]), (400, &json!("Entity not found: Issue")));
}

#[tokio::test]
async fn the_status_follows_from_the_last_activity() {
    let (stage, session) = delegated().await;
    assert_eq!(stage.status(&session), "pending");
    for (kind, status) in [
        ("thought", "active"),
        ("elicitation", "awaitingInput"),
        ("response", "complete"),
        ("error", "error"),
        ("thought", "active"),
        ("response", "complete"),
    ] {
        stage.says(&session, kind, &format!("{kind} after {status}")).await;
        assert_eq!(stage.status(&session), status);
    }
    assert!(stage.linear.session(&session).expect("a session").ended_at.is_some());
    stage.linear.prompt("ada", &session, "And the logout?").await.expect("an activity");
    assert_eq!(stage.status(&session), "active");
    assert!(stage.linear.session(&session).expect("a session").ended_at.is_none());
    stage.linear.stop("ada", &session).await.expect("an activity");
    assert_eq!(stage.status(&session), "stopping");
}

#[tokio::test]
async fn what_is_said_aloud_is_a_comment_of_the_thread() {
    let (stage, session) = delegated().await;
    for kind in ["thought", "elicitation", "error", "response"] {
        stage.says(&session, kind, &format!("a {kind}")).await;
    }
    let issue = stage.linear.issue_view("ENG-1").expect("an issue");
    let root = stage.linear.session(&session).expect("a session").comment;
    let replies: Vec<&str> = issue
        .comments
        .iter()
        .filter(|comment| comment.parent.as_ref() == Some(&root))
        .map(|comment| comment.body.as_str())
        .collect();
    assert_eq!(replies, ["a elicitation", "a error", "a response"]);
    let query = "query($id: String!) { comment(id: $id) { isArtificialAgentSessionRoot user { id } \
                 children(first: 9) { nodes { user { id } } } } }";
    let data = stage.data(query, json!({"id": root})).await;
    assert_eq!(data["comment"]["isArtificialAgentSessionRoot"], true);
    assert!(data["comment"]["user"].is_null());
    assert_eq!(data["comment"]["children"]["nodes"][0]["user"]["id"], APP_USER);
}

#[tokio::test]
async fn an_ephemeral_one_gives_way_to_the_next() {
    let (stage, session) = delegated().await;
    let query = "query($id: String!) { agentSession(id: $id) { activities(first: 9) { nodes { ephemeral \
                 content { __typename ... on AgentActivityThoughtContent { body } } } } } }";
    let thought = json!({"type": "thought", "body": "Looking"});
    stage.activity(&session, thought, json!({"ephemeral": true})).await;
    let data = stage.data(query, json!({"id": session})).await;
    let content = json!({"__typename": "AgentActivityThoughtContent", "body": "Looking"});
    assert_eq!(data["agentSession"]["activities"]["nodes"], json!([{"ephemeral": true, "content": content}]));
    stage.says(&session, "response", "Done").await;
    let data = stage.data(query, json!({"id": session})).await;
    let content = json!({"__typename": "AgentActivityResponseContent"});
    assert_eq!(data["agentSession"]["activities"]["nodes"], json!([{"ephemeral": false, "content": content}]));
    assert_eq!(stage.linear.activities(&session).len(), 2);
}

#[tokio::test]
async fn who_is_silent_for_ten_seconds_did_not_respond() {
    let (stage, session) = delegated().await;
    stage.wait(10);
    assert!(stage.linear.unresponsive().is_empty());
    stage.wait(1);
    assert_eq!(stage.linear.unresponsive(), [session.as_str()]);
    stage.says(&session, "thought", "Here I am").await;
    assert_eq!(stage.status(&session), "active");
    assert_eq!(stage.linear.unresponsive(), [session.as_str()], "that it was late stays known");
    let query = "mutation($id: String!, $input: AgentSessionUpdateInput!) \
                 { agentSessionUpdate(id: $id, input: $input) { success } }";
    for (input, late) in [
        (json!({"externalUrls": [{"label": "Run", "url": "https://example.com/run"}]}), false),
        (json!({"summary": "A title"}), true),
    ] {
        let session = stage.linear.mention("ada", "ENG-1", "and this").await.expect("a session");
        stage.data(query, json!({"id": session, "input": input})).await;
        stage.wait(11);
        assert_eq!(stage.linear.unresponsive().contains(&session), late, "{input}");
    }
}

#[tokio::test]
async fn a_session_without_a_word_for_half_an_hour_is_stale_until_the_next() {
    let (stage, session) = delegated().await;
    stage.says(&session, "thought", "Working").await;
    stage.wait(30 * 60);
    assert_eq!(stage.status(&session), "active");
    stage.wait(1);
    assert_eq!(stage.status(&session), "stale");
    stage.says(&session, "elicitation", "Which?").await;
    stage.wait(24 * 60 * 60);
    assert_eq!(stage.status(&session), "awaitingInput", "it is the person who is silent");
}

#[tokio::test]
async fn plans_links_and_summaries() {
    let (stage, session) = delegated().await;
    let query = "mutation($id: String!, $input: AgentSessionUpdateInput!) { agentSessionUpdate(id: $id, input: $input) \
                 { agentSession { plan summary externalLinks { label url } } } }";
    let update = |input: Value| stage.ask(query, json!({"id": session, "input": input}));
    let row = |content: &str, status: &str| json!({"content": content, "status": status});
    let plan =
        json!([row("api", "completed"), row("web", "inProgress"), row("cli", "pending"), row("docs", "canceled")]);
    let link = |label: &str, path: &str| json!({"label": label, "url": format!("https://example.com/{path}")});
    let (_, answer) = update(json!({"plan": plan, "externalUrls": [link("Run", "run")]})).await;
    assert_eq!(answer["data"]["agentSessionUpdate"]["agentSession"]["plan"], plan);
    let added = json!({"addedExternalUrls": [link("PR", "pull/1"), link("The run", "run")], "summary": "Login"});
    let (_, answer) = update(added).await;
    let shown = &answer["data"]["agentSessionUpdate"]["agentSession"];
    assert_eq!(shown["externalLinks"], json!([link("PR", "pull/1"), link("The run", "run")]));
    assert_eq!((&shown["plan"], &shown["summary"]), (&plan, &json!("Login")));
    let (_, answer) = update(json!({"removedExternalUrls": ["https://example.com/run"], "summary": null})).await;
    let shown = &answer["data"]["agentSessionUpdate"]["agentSession"];
    assert_eq!((&shown["externalLinks"], &shown["summary"]), (&json!([link("PR", "pull/1")]), &Value::Null));
    assert!(stage.linear.objections().is_empty());
    for bad in [
        json!({"plan": {"rows": []}}),
        json!({"plan": [row("api", "in_progress")]}),
        json!({"plan": [row("", "pending")]}),
        json!({"plan": [{"content": "api", "status": "pending", "note": "x"}]}),
        json!({"externalUrls": [link("a", "x"), link("b", "x")]}),
        json!({"externalUrls": [{"label": "a", "url": "x"}]}),
        json!({"externalUrls": [link(" ", "x")]}),
        json!({"summary": "two\nlines"}),
    ] {
        let (_, answer) = update(bad.clone()).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "INVALID_INPUT", "{bad}");
    }
}

#[tokio::test]
async fn options_are_chosen_by_their_values_and_any_words_are_an_answer() {
    let (stage, session) = delegated().await;
    let asked = json!({"type": "elicitation", "body": "Start them?"});
    let options =
        json!([{"label": "Approve version 1", "value": "approve o1/1"}, {"label": "Reject", "value": "reject o1/1"}]);
    stage.activity(&session, asked, json!({"signal": "select", "signalMetadata": {"options": options}})).await;
    stage.linear.choose("linus", &session, "approve").await.expect("an option");
    assert_eq!(stage.door.last("AgentSessionEvent prompted")["agentActivity"]["content"]["body"], "approve o1/1");
    assert_eq!(stage.door.last("AgentSessionEvent prompted")["agentActivity"]["userId"], LINUS);
    stage.linear.choose("linus", &session, 1).await.expect("an option");
    assert_eq!(stage.door.last("AgentSessionEvent prompted")["agentActivity"]["content"]["body"], "reject o1/1");
    let error = stage.linear.choose("linus", &session, "later").await.expect_err("no such option");
    assert!(error.contains("\"Approve version 1\", \"Reject\""), "{error}");
}

#[tokio::test]
async fn sessions_of_the_apps_own_are_made_as_often_as_asked() {
    let stage = Stage::new().await;
    let issue = stage.linear.issue("Fix the login", "").await;
    let query = "mutation($id: String!) { agentSessionCreateOnIssue(input: { issueId: $id }) \
                 { agentSession { id status creator { id } comment { body } } } }";
    let first = stage.data(query, json!({"id": issue})).await["agentSessionCreateOnIssue"]["agentSession"].clone();
    let second = stage.data(query, json!({"id": "ENG-1"})).await["agentSessionCreateOnIssue"]["agentSession"].clone();
    assert_ne!(first["id"], second["id"]);
    assert_eq!((&first["status"], &first["creator"]), (&json!("pending"), &Value::Null));
    stage.linear.deliver_outgoing().await;
    assert_eq!(stage.door.last("AgentSessionEvent created")["agentSession"]["id"], second["id"]);
    let comment = stage.linear.comment("ada", &issue, None, "Look").await.expect("a comment");
    let query = "mutation($id: String!) { agentSessionCreateOnComment(input: { commentId: $id }) \
                 { agentSession { comment { id } } } }";
    let data = stage.data(query, json!({"id": comment})).await;
    assert_eq!(data["agentSessionCreateOnComment"]["agentSession"]["comment"]["id"], json!(comment));
    stage.linear.knobs(|knobs| knobs.agent_sessions = false);
    let (_, answer) = stage.ask(query, json!({"id": comment})).await;
    assert_eq!(answer["errors"][0]["message"], "Agent sessions are not enabled for this application.");
}

#[tokio::test]
async fn habits_that_people_would_mind_are_noted() {
    let (stage, session) = delegated().await;
    stage.says(&session, "response", "Done").await;
    stage.says(&session, "response", "Done").await;
    stage.linear.stop("ada", &session).await.expect("an activity");
    stage.says(&session, "thought", "One more thing").await;
    stage.says(&session, "response", "Stopped").await;
    stage.says(&session, "response", "Ask @baton again").await;
    let query = "mutation($i: IssueUpdateInput!) { issueUpdate(id: \"ENG-1\", input: $i) { success } }";
    let state = stage
        .data(
            "{ workflowStates(filter: { name: { eq: \"Done\" }, team: { key: { eq: \"ENG\" } } }) \
        { nodes { id } } }",
            json!({}),
        )
        .await["workflowStates"]["nodes"][0]["id"]
        .clone();
    stage.data(query, json!({"i": {"stateId": state, "assigneeId": LINUS}})).await;
    assert_eq!(
        stage.linear.objections(),
        [
            "said twice: Done",
            "thought after a stop: One more thing",
            "Baton mentions itself, which begins a session with itself: Ask @baton again",
            "ENG-1: an agent changes who is responsible",
            "ENG-1: an agent moves the issue to a state of type completed",
        ]
    );
    assert_eq!(stage.linear.sessions().len(), 2, "it did begin one");
}
