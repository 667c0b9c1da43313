//! What Linear gets to see of an errand, request by request.

use serde_json::Value;

use super::*;
use crate::{
    domain::{
        errand::{Row, RowState},
        input::AnswerPath,
        message::{Button, ButtonStyle, Mark},
    },
    ids::DeliveryId,
    linear::fake::{Asked, Fake, Reply},
};

fn errand(thread: Option<&str>, talk: Talk) -> Errand {
    let conversation = Conversation::linear("org", "i1", thread.map(str::to_owned));
    Errand { delivery: DeliveryId::new("d1"), unsure_since: None, conversation, talk }
}

fn ada() -> Actor {
    Actor { name: Some("Ada".into()), ..Actor::linear("org", "u1") }
}

fn post(message: Message) -> Talk {
    Talk::Post { message, answer: AnswerPath::default(), asker: ada() }
}

fn board_talk(id: Option<&str>) -> Talk {
    let outline = Outline {
        title: "Migrate".into(),
        state: "Running · 1 of 2 done".into(),
        rows: vec![Row { name: "1 api".into(), state: RowState::Done }],
        links: vec![("Baton".into(), "https://b.example/orchestrations/o1".into())],
        ended: false,
    };
    let message = Message::line("The board");
    Talk::Board { id: id.map(str::to_owned), message, outline, answer: AnswerPath::default(), asker: ada() }
}

fn proposal() -> Message {
    let button = |press| Button {
        press,
        label: "x".into(),
        style: ButtonStyle::Plain,
        value: "o1/2/9f86d081884c".into(),
        confirm: None,
    };
    Message::line("Proposal").tone(Tone::Ask).button(button(Press::Approve)).button(button(Press::Reject))
}

fn select() -> Value {
    json!({"options": [
        {"label": "Approve version 2 (9f86d081884c)", "value": "approve v2 9f86d081884c"},
        {"label": "Reject version 2", "value": "reject v2"},
    ]})
}

/// Answers who we are, and `answer` for the rest.
async fn linear(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Fake {
    Fake::start(move |asked, base| match asked.what.as_str() {
        "Viewer" => Reply::viewer(),
        "Upload" => Reply::data(json!({"fileUpload": {"success": true, "uploadFile": {
            "uploadUrl": format!("{base}/store"), "assetUrl": "https://uploads.linear.app/x"}}})),
        "store" => Reply::Text(200, ""),
        _ => answer(asked),
    })
    .await
}

/// What was asked after who we are.
fn last(fake: &Fake) -> (String, Value) {
    let asked = fake.asked();
    let last = asked.last().expect("a call");
    (last.what.clone(), last.variables())
}

async fn sent(thread: Option<&str>, talk: Talk) -> (String, Value) {
    let fake = linear(|_| Reply::done()).await;
    fake.linear.carry_out(&errand(thread, talk)).await.expect("carried");
    last(&fake)
}

#[tokio::test]
async fn a_session_is_opened_with_one_request_and_shown_with_another() {
    let fake = linear(|_| Reply::done()).await;
    let carried = fake.linear.carry_out(&errand(Some("session:s1"), board_talk(None))).await.expect("carried");
    assert_eq!(carried.message.as_deref(), Some("session:s1"));
    assert_eq!(fake.whats(), ["Viewer", "OpenSessionWithCard"]);
    let board = json!({
        "externalUrls": [{"label": "Baton", "url": "https://b.example/orchestrations/o1"}],
        "plan": [{"content": "1 api", "status": "completed"}],
    });
    let card = json!({"issueId": "i1", "title": "Migrate", "subtitle": "Running · 1 of 2 done",
        "url": "https://b.example/orchestrations/o1"});
    let id = own_id(&["d1", "board"]);
    let activity = json!({"agentSessionId": "s1", "id": id, "ephemeral": true,
        "content": {"type": "thought", "body": "Running · 1 of 2 done"}});
    assert_eq!(last(&fake).1, json!({"session": "s1", "activity": activity, "board": board, "card": card}));

    fake.linear.carry_out(&errand(Some("session:s1"), board_talk(Some("session:s1")))).await.expect("carried");
    assert_eq!(last(&fake), ("UpdateSessionWithCard".into(), json!({"session": "s1", "board": board, "card": card})));

    // Without an issue there is nothing to put a card on.
    let mut elsewhere = errand(Some("session:s1"), board_talk(None));
    elsewhere.conversation.place = "session:s1".into();
    fake.linear.carry_out(&elsewhere).await.expect("carried");
    assert_eq!(last(&fake).0, "OpenSession");
}

#[tokio::test]
async fn an_opening_that_was_said_is_not_said_twice_and_its_plan_may_fail() {
    let id = own_id(&["d1", "board"]);
    let fake = linear(move |asked| match asked.what.as_str() {
        "OpenSessionWithCard" => Reply::conflict("AgentActivity", &id),
        _ => Reply::done(),
    })
    .await;
    let open = errand(Some("session:s1"), board_talk(None));
    fake.linear.carry_out(&open).await.expect("carried");
    assert_eq!(fake.whats(), ["Viewer", "OpenSessionWithCard", "UpdateSessionWithCard"]);

    let refused = |field| {
        move |asked: &Asked| match asked.what.as_str() {
            "OpenSessionWithCard" => Reply::error("INVALID_INPUT", "invalid input", "Argument Validation Error", field),
            _ => Reply::done(),
        }
    };
    let fake = linear(refused("attachmentCreate")).await;
    fake.linear.carry_out(&open).await.expect("said, though without a card");
    let fake = linear(refused("agentActivityCreate")).await;
    fake.linear.carry_out(&open).await.expect_err("not said");
    let fake = linear(|asked| match asked.what.as_str() {
        "OpenSessionWithCard" => Reply::Status(
            400,
            json!({"errors": [{"message": "x", "extensions": {
            "code": "GRAPHQL_VALIDATION_FAILED", "type": "graphql error"}}]}),
        ),
        _ => Reply::done(),
    })
    .await;
    fake.linear.carry_out(&open).await.expect("said alone");
    assert_eq!(last(&fake).0, "Say");
}

#[tokio::test]
async fn each_tone_is_a_row_of_its_own() {
    let id = own_id(&["d1", "post"]);
    let with = |more: Value| {
        let mut activity = json!({"agentSessionId": "s1", "id": id});
        activity.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        ("Say".to_owned(), json!({"activity": activity}))
    };
    let kind = |kind: &str, body: &str| with(json!({"content": {"type": kind, "body": body}}));
    for (tone, name) in
        [(Tone::Notice, "thought"), (Tone::Final, "response"), (Tone::Failure, "error"), (Tone::Ask, "elicitation")]
    {
        assert_eq!(sent(Some("session:s1"), post(Message::line("hi").tone(tone))).await, kind(name, "hi"));
    }
    let options = with(json!({"content": {"type": "elicitation", "body": "Proposal"}, "signal": "select",
        "signalMetadata": select()}));
    assert_eq!(sent(Some("session:s1"), post(proposal())).await, options);
    let step = Message::of(vec![Block::Line(Text::default().mark(Mark::Done).then(" api"))]).tone(Tone::Step);
    let row = with(json!({"content": {"type": "action", "action": "Finished", "parameter": "api"}}));
    assert_eq!(sent(Some("session:s1"), post(step)).await, row);

    let fake = linear(|_| Reply::done()).await;
    let carried = fake.linear.carry_out(&errand(Some("session:s1"), post(Message::line("  ")))).await.expect("carried");
    assert_eq!((carried.message, fake.whats()), (None, vec!["Viewer".to_owned()]), "an empty row says nothing");
}

#[tokio::test]
async fn outside_of_sessions_all_are_comments() {
    let id = own_id(&["d1", "post"]);
    let (what, variables) = sent(Some("comment:c0"), post(proposal())).await;
    assert_eq!(what, "CreateComment");
    let body = variables["comment"]["body"].as_str().expect("a body");
    assert!(body.starts_with("Proposal\n\nTo decide, reply with one of these:"), "{body}");
    assert_eq!((&variables["comment"]["id"], &variables["comment"]["parentId"]), (&json!(id), &json!("c0")));

    let edit = Talk::Edit { id: "c5".into(), message: Message::line("new") };
    let edited = ("EditComment".to_owned(), json!({"id": "c5", "comment": {"body": "new"}}));
    assert_eq!(sent(Some("comment:c0"), edit).await, edited);
    let fake = linear(|_| Reply::done()).await;
    fake.linear.carry_out(&errand(Some("comment:c0"), board_talk(Some("comment:c0")))).await.expect("carried");
    assert_eq!(fake.whats(), ["Viewer", "EditComment", "Attach"]);
    assert_eq!(fake.asked()[1].variables(), json!({"id": "c0", "comment": {"body": "The board"}}));
}

#[tokio::test]
async fn what_was_said_already_is_a_success_and_what_was_not_taken_is_none() {
    let id = own_id(&["d1", "post"]);
    let ours = id.clone();
    let fake = linear(move |_| Reply::conflict("AgentActivity", &ours)).await;
    let say = errand(Some("session:s1"), post(Message::line("hi")));
    assert_eq!(fake.linear.carry_out(&say).await.expect("carried").message, Some(id));
    let fake = linear(|_| Reply::conflict("DocumentContent", "another")).await;
    assert_eq!(fake.linear.carry_out(&say).await.expect_err("a refusal"), Failure::Refused(Problem::new("conflict")));
    let fake = linear(|_| Reply::data(json!({"agentActivityCreate": {"success": false}}))).await;
    let failed = Failure::Refused(Problem::new("not_successful"));
    assert_eq!(fake.linear.carry_out(&say).await.expect_err("a refusal"), failed);
    let fake = linear(|_| Reply::gone("AgentSession")).await;
    assert_eq!(fake.linear.carry_out(&say).await.expect_err("a refusal"), Failure::Gone(Problem::new("not_found")));
}

#[tokio::test]
async fn a_label_gets_a_session_of_ours() {
    let fake = linear(|_| Reply::done()).await;
    let carried = fake.linear.carry_out(&errand(None, board_talk(None))).await.expect("carried");
    assert_eq!(carried.message.as_deref(), Some("session:s-new"));
    assert_eq!(fake.whats(), ["Viewer", "CreateSession", "OpenSessionWithCard"]);
    let links = json!([{"label": "Baton", "url": "https://b.example/orchestrations/o1"}]);
    assert_eq!(fake.asked()[1].variables(), json!({"session": {"issueId": "i1", "externalUrls": links}}));

    let fake = linear(|asked| match asked.what.as_str() {
        "CreateSession" => Reply::error("X", "other", "Agent sessions are not enabled for this application.", "x"),
        _ => Reply::done(),
    })
    .await;
    let carried = fake.linear.carry_out(&errand(None, board_talk(None))).await.expect("carried");
    assert_eq!(carried.message, Some(format!("comment:{}", own_id(&["d1", "post"]))));
    assert_eq!(fake.whats(), ["Viewer", "CreateSession", "CreateComment", "Attach"]);

    for (answer, failure) in [
        ((|| Reply::Broken) as fn() -> Reply, Failure::Ambiguous(Problem::new("answer_lost"))),
        (
            || Reply::Limited(3),
            Failure::Transient { after: Some(Duration::from_secs(3)), problem: Problem::new("rate_limited") },
        ),
    ] {
        let fake = linear(move |_| answer()).await;
        assert_eq!(fake.linear.carry_out(&errand(None, board_talk(None))).await.expect_err("a failure"), failure);
    }
    let fake = linear(|asked| if asked.what == "CreateSession" { Reply::done() } else { Reply::Limited(3) }).await;
    let failure = fake.linear.carry_out(&errand(None, board_talk(None))).await.expect_err("a failure");
    assert_eq!(failure, Failure::Ambiguous(Problem::new("rate_limited")), "the session stands");
}

#[tokio::test]
async fn a_session_whose_creation_was_lost_is_found() {
    let session = |id: &str, at: &str, creator: Option<&str>, rows: &[&str]| {
        let rows: Vec<Value> = rows.iter().map(|id| json!({"id": id, "user": {"id": "app-1"}})).collect();
        json!({"id": id, "createdAt": at, "appUser": {"id": "app-1"}, "creator": creator.map(|id| json!({"id": id})),
            "issue": {"id": "i1"}, "activities": {"nodes": rows}})
    };
    let opening = own_id(&["d1", "board"]);
    let sessions = json!({"agentSessions": {"nodes": [
        session("people's", "2023-11-14T22:13:10Z", Some("u1"), &[]),
        session("busy", "2023-11-14T22:13:09Z", None, &["another"]),
        session("lost", "2023-11-14T22:13:08Z", None, &[&opening]),
        session("old", "2023-11-14T20:00:00Z", None, &[]),
    ], "pageInfo": {"hasNextPage": true, "endCursor": "c"}}});
    let fake = linear(move |asked| match asked.what.as_str() {
        "NewestSessions" => Reply::data(sessions.clone()),
        _ => Reply::done(),
    })
    .await;
    let since = Some(Timestamp::parse_rfc3339("2023-11-14T22:13:00Z").expect("a moment"));
    let again = Errand { unsure_since: since, ..errand(None, board_talk(None)) };
    assert_eq!(fake.linear.carry_out(&again).await.expect("carried").message.as_deref(), Some("session:lost"));
    assert_eq!(fake.whats(), ["Viewer", "NewestSessions", "OpenSessionWithCard"]);
}

#[tokio::test]
async fn an_edit_in_a_session_keeps_the_options_that_there_are() {
    let id = own_id(&["d1", "edit"]);
    let edit = |message| Talk::Edit { id: "a1".into(), message };
    let (_, thought) = sent(Some("session:s1"), edit(Message::line("Approved"))).await;
    let expected = json!({"agentSessionId": "s1", "id": id, "content": {"type": "thought", "body": "Approved"}});
    assert_eq!(thought["activity"], expected);
    let (_, asked) = sent(Some("session:s1"), edit(proposal())).await;
    assert_eq!(
        (&asked["activity"]["content"]["type"], &asked["activity"]["signalMetadata"]),
        (&json!("elicitation"), &select())
    );
}

#[tokio::test]
async fn one_person_is_told_by_name() {
    let private = |message| Talk::Private { to: ada(), message, answer: AnswerPath::default() };
    let (_, told) = sent(Some("session:s1"), private(Message::line("No."))).await;
    assert_eq!(told["activity"]["content"], json!({"type": "thought", "body": "**Ada:** No."}));
    assert_eq!(told["activity"]["ephemeral"], true);
    let (_, asked) = sent(Some("session:s1"), private(proposal())).await;
    assert_eq!((&asked["activity"]["signal"], &asked["activity"]["ephemeral"]), (&json!("select"), &json!(null)));
    let (what, told) = sent(Some("comment:c0"), private(Message::line("No."))).await;
    assert_eq!((what.as_str(), &told["comment"]["body"]), ("CreateComment", &json!("**Ada:** No.")));
    let (what, told) = sent(None, private(Message::line("No."))).await;
    assert_eq!((what.as_str(), &told["comment"]["parentId"]), ("CreateComment", &json!(null)), "on the issue itself");

    let form = Form::RequestChanges { about: "o1/2/9f86d081884c".into() };
    let talk = Talk::OpenForm {
        form,
        to: ada(),
        answer: AnswerPath::default(),
        choices: crate::domain::errand::Choices::default(),
    };
    let (_, asked) = sent(Some("session:s1"), talk).await;
    let body = "**Ada:** Reply with what should change, like this: `request changes v2: …`";
    assert_eq!(asked["activity"]["content"], json!({"type": "elicitation", "body": body}));
}

#[tokio::test]
async fn a_reaction_goes_to_a_comment_and_prompts_are_told() {
    let react = |message: &str, reaction| Talk::React { message: message.into(), reaction };
    let (what, variables) = sent(Some("session:s1"), react("c1", Reaction::Stored)).await;
    let id = own_id(&["reaction", "c1", "eyes"]);
    assert_eq!(
        (what.as_str(), variables),
        ("React", json!({"reaction": {"id": id, "commentId": "c1", "emoji": "eyes"}}))
    );
    let fake = linear(|_| Reply::conflict("Reaction", "another")).await;
    fake.linear.carry_out(&errand(Some("comment:c0"), react("c1", Reaction::Taken))).await.expect("there already");

    assert_eq!(sent(Some("session:s1"), react("activity:a1", Reaction::Stored)).await.0, "Viewer");
    let (_, told) = sent(Some("session:s1"), react("activity:a1", Reaction::Taken)).await;
    assert_eq!(told["activity"]["content"]["body"], PASSED_ON);
    let (_, pulse) = sent(Some("session:s1"), Talk::Pulse(Text::plain("Still at it"))).await;
    assert_eq!(
        (&pulse["activity"]["content"]["body"], &pulse["activity"]["ephemeral"]),
        (&json!("Still at it"), &json!(true))
    );
    assert_eq!(sent(Some("comment:c0"), Talk::Pulse(Text::plain("x"))).await.0, "Viewer");
}

#[tokio::test]
async fn a_file_is_named_where_it_was_put() {
    let file = |mime: &str| {
        Talk::File(File {
            name: "p.png".into(),
            title: "A [picture]".into(),
            mime_type: mime.into(),
            bytes: vec![1].into(),
        })
    };
    let (_, row) = sent(Some("session:s1"), file("image/png")).await;
    let expected = json!({"type": "action", "action": "File", "parameter": "A [picture]",
        "result": "![A \\[picture\\]](https://uploads.linear.app/x)"});
    assert_eq!(row["activity"]["content"], expected);
    let (_, comment) = sent(Some("comment:c0"), file("text/plain")).await;
    assert_eq!(comment["comment"]["body"], "[A \\[picture\\]](https://uploads.linear.app/x)");

    let again = Errand { unsure_since: Some(Timestamp::from_secs(1)), ..errand(Some("session:s1"), file("image/png")) };
    let fake = linear(|_| Reply::data(json!({"agentActivity": {"id": "a"}}))).await;
    fake.linear.carry_out(&again).await.expect("carried");
    assert_eq!(fake.whats(), ["Viewer", "Activity"], "it stands");
    let fake =
        linear(|asked| if asked.what == "Activity" { Reply::gone("AgentActivity") } else { Reply::done() }).await;
    fake.linear.carry_out(&again).await.expect("carried");
    assert_eq!(fake.whats(), ["Viewer", "Activity", "Upload", "store", "Say"]);
}

#[tokio::test]
async fn what_does_not_fit_is_linked_in_the_same_message() {
    let text = "word\n\n".repeat(2_000);
    let long = Message::default().with(Block::Markdown { text, file: "plan.md".into() }).tone(Tone::Final);
    let fake = linear(|_| Reply::done()).await;
    fake.linear.carry_out(&errand(Some("session:s1"), post(long))).await.expect("carried");
    assert_eq!(fake.whats(), ["Viewer", "Upload", "store", "Say"]);
    let body = last(&fake).1["activity"]["content"]["body"].as_str().expect("a body").to_owned();
    assert!(body.ends_with("_The rest is in the file_ `plan.md`\n\n[plan.md](https://uploads.linear.app/x)"), "{body}");
}

#[tokio::test]
async fn an_issue_is_taken_up_once() {
    let issue = |kind: &str, delegate: Option<&str>| {
        json!({"issue": {"state": {"type": kind}, "delegate": delegate.map(|id| json!({"id": id})), "team": {"states": {"nodes": [
            {"id": "review", "type": "started", "position": 3.5}, {"id": "doing", "type": "started", "position": 1.0}]}}}})
    };
    for (issue, change) in [
        (issue("unstarted", None), Some(json!({"stateId": "doing", "delegateId": "app-1"}))),
        (issue("triage", Some("app-1")), Some(json!({"stateId": "doing"}))),
        (issue("completed", None), Some(json!({"delegateId": "app-1"}))),
        (issue("started", Some("other")), None),
    ] {
        let fake = linear(move |asked| match asked.what.as_str() {
            "Issue" => Reply::data(issue.clone()),
            _ => Reply::data(json!({"issueUpdate": {"success": true}})),
        })
        .await;
        let take_up = Talk::TakeUp { issue: "i1".into() };
        fake.linear.carry_out(&errand(Some("session:s1"), take_up)).await.expect("carried");
        let changed = (last(&fake).0 == "TakeUp").then(|| last(&fake).1["issue"].clone());
        assert_eq!(changed, change);
    }
    let attach = |url: &str| Talk::Attach { url: url.into(), title: "PR 1".into(), subtitle: "open".into() };
    let (what, card) = sent(Some("session:s1"), attach("https://g.example/1")).await;
    let expected =
        json!({"card": {"issueId": "i1", "title": "PR 1", "subtitle": "open", "url": "https://g.example/1"}});
    assert_eq!((what.as_str(), card), ("Attach", expected));
    assert_eq!(sent(Some("session:s1"), attach("nonsense")).await.0, "Viewer");
}

#[tokio::test]
async fn a_session_is_closed_once() {
    let fake = linear(|_| Reply::conflict("AgentActivity", &own_id(&["session:s1", "close"]))).await;
    fake.linear.close_session("org", "s1", "session:s1", "Nothing *runs* here.").await.expect("said already");
    let content = json!({"type": "response", "body": "Nothing \\*runs\\* here."});
    assert_eq!(last(&fake).1["activity"]["content"], content);
}
