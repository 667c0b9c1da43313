//! Issues, comments, attachments, files, and the transcript of it all.

use super::*;

#[tokio::test]
async fn an_attachment_is_one_for_its_address() {
    let stage = Stage::new().await;
    let issue = stage.linear.issue("Fix the login", "").await;
    let query = "mutation($i: AttachmentCreateInput!) { attachmentCreate(input: $i) { attachment { id title subtitle metadata } } }";
    let attach = |title: &str, more: Value| {
        let mut input = json!({"issueId": issue, "title": title, "url": "https://example.com/run"});
        for (name, value) in more.as_object().into_iter().flatten() {
            input[name] = value.clone();
        }
        stage.ask(query, json!({"i": input}))
    };
    let of = |answer: &Value| answer["data"]["attachmentCreate"]["attachment"].clone();
    let first = of(&attach("Run", json!({"id": UUID, "metadata": {"children": 3}})).await.1);
    let second = of(&attach("The run", json!({"subtitle": "2 of 3 done"})).await.1);
    assert_eq!(
        (&first["id"], second),
        (&json!(UUID), json!({"id": UUID, "title": "The run", "subtitle": "2 of 3 done", "metadata": {"children": 3}}))
    );
    let (_, answer) = attach("Run", json!({"metadata": {"nested": {}}})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INVALID_INPUT");
    assert_eq!(stage.linear.issue_view(&issue).expect("an issue").attachments.len(), 1);
}

#[tokio::test]
async fn pull_requests_are_linked_where_github_is() {
    let stage = Stage::new().await;
    let issue = stage.linear.issue("Fix the login", "").await;
    let link = |url: &str| {
        let query = "mutation($i: String!, $u: String!) { attachmentLinkGitHubPR(issueId: $i, url: $u) \
                     { attachment { title sourceType } } }";
        stage.ask(query, json!({"i": issue, "u": url}))
    };
    let (_, answer) = link("https://github.com/acme/shop/pull/7").await;
    let linked = json!({"title": "Pull request #7", "sourceType": "github"});
    assert_eq!(answer["data"]["attachmentLinkGitHubPR"]["attachment"], linked);
    assert!(link("https://example.com/pull/7").await.1["data"].is_null());
    stage.linear.knobs(|knobs| knobs.github = false);
    let (_, answer) = link("https://github.com/acme/shop/pull/8").await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FEATURE_NOT_ACCESSIBLE");
    assert!(stage.linear.objections().is_empty());
}

#[tokio::test]
async fn a_file_is_put_with_the_headers_that_were_handed_out() {
    let stage = Stage::new().await;
    let query = "mutation { fileUpload(contentType: \"text/csv\", filename: \"my report.csv\", size: 7) \
                 { success uploadFile { uploadUrl assetUrl headers { key value } } } }";
    let file = stage.data(query, json!({})).await["fileUpload"]["uploadFile"].clone();
    let asset = file["assetUrl"].as_str().expect("a URL");
    assert!(asset.ends_with("/my%20report.csv"));
    assert_eq!(stage.client.get(asset).send().await.expect("an answer").status(), 404);
    let put = |with_headers: bool, body: &'static str| {
        let mut request = stage.client.put(file["uploadUrl"].as_str().expect("a URL")).body(body);
        request = request.header("content-type", "text/csv").header("cache-control", "public, max-age=31536000");
        for header in file["headers"].as_array().into_iter().flatten().filter(|_| with_headers) {
            let (key, value) = (header["key"].as_str().expect("a key"), header["value"].as_str().expect("a value"));
            request = request.header(key, value);
        }
        request
    };
    assert_eq!(put(false, "a,b\n1,2").send().await.expect("an answer").status(), 403);
    assert_eq!(put(true, "too long by far").send().await.expect("an answer").status(), 400);
    let with_token = put(true, "a,b\n1,2").bearer_auth(ACCESS_TOKEN).send().await;
    assert_eq!(with_token.expect("an answer").status(), 400);
    assert_eq!(stage.linear.objections().len(), 3);
    assert_eq!(put(true, "a,b\n1,2").send().await.expect("an answer").status(), 200);
    let read = stage.client.get(asset).send().await.expect("an answer");
    assert_eq!(read.headers()["content-type"], "text/csv");
    assert_eq!(read.text().await.expect("a text"), "a,b\n1,2");
}

#[tokio::test]
async fn comments_and_reactions_of_the_app() {
    let stage = Stage::new().await;
    let issue = stage.linear.issue("Fix the login", "").await;
    let theirs = stage.linear.comment("ada", &issue, None, "Any news?").await.expect("a comment");
    let create = "mutation($i: CommentCreateInput!) { commentCreate(input: $i) { comment { id parentId user { name } \
                  botActor { userDisplayName } } } }";
    let input = json!({"i": {"id": UUID, "parentId": theirs, "body": "Soon.", "createAsUser": "api"}});
    let data = stage.data(create, input.clone()).await;
    assert_eq!(
        data["commentCreate"]["comment"],
        json!({"id": UUID, "parentId": theirs, "user": {"name": "Baton"}, "botActor": {"userDisplayName": "api"}})
    );
    let (_, answer) = stage.ask(create, input).await;
    assert_eq!(answer["errors"][0]["message"], "conflict on insert of Comment");
    let update = "mutation($id: String!) { commentUpdate(id: $id, input: { body: \"Now.\" }) { success } }";
    stage.data(update, json!({"id": UUID})).await;
    let (_, answer) = stage.ask(update, json!({"id": theirs})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN");
    let react = "mutation($id: String!) { reactionCreate(input: { commentId: $id, emoji: \"eyes\" }) { success } }";
    stage.data(react, json!({"id": theirs})).await;
    let (_, answer) = stage.ask(react, json!({"id": theirs})).await;
    assert_eq!(answer["errors"][0]["message"], "conflict on insert of Reaction");
    let (_, answer) = stage.ask(create, json!({"i": {"issueId": issue, "body": " "}})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INVALID_INPUT");
}

#[tokio::test]
async fn the_state_of_an_issue_follows_its_workflow() {
    let stage = Stage::new().await;
    let issue = stage.linear.issue("Fix the login", "").await;
    let query =
        "{ team(id: \"ENG\") { states(filter: { type: { eq: \"started\" } }, first: 9) { nodes { id position } } } }";
    let data = stage.data(query, json!({})).await;
    let states = data["team"]["states"]["nodes"].as_array().expect("a list").clone();
    let lowest = states.iter().min_by_key(|state| state["position"].as_f64().map(f64::to_bits)).expect("a state");
    let update = "mutation($id: String!, $s: String!) { issueUpdate(id: $id, input: { stateId: $s }) \
                  { issue { state { name } startedAt } } }";
    let data = stage.data(update, json!({"id": issue, "s": lowest["id"]})).await;
    assert_eq!(data["issueUpdate"]["issue"]["state"]["name"], "In Progress");
    assert!(data["issueUpdate"]["issue"]["startedAt"].is_string());
    let (_, answer) = stage.ask("{ team(id: \"OPS\") { states(first: 1) { nodes { id } } } }", json!({})).await;
    let other = &answer["data"]["team"]["states"]["nodes"][0]["id"];
    let (_, answer) = stage.ask(update, json!({"id": issue, "s": other})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INVALID_INPUT");
}

#[tokio::test]
async fn the_transcript_reads_the_same_each_time() {
    let mut transcripts = Vec::new();
    for _ in 0..2 {
        let stage = Stage::new().await;
        let issue = stage.linear.issue("Fix the login", "It says no.").await;
        stage.linear.label(&issue, "orchestrate", "ada").await.expect("a label");
        let remark =
            stage.linear.comment("linus", &issue, None, "It is the cookie.\nLook there.").await.expect("a comment");
        stage.linear.comment("ada", &issue, Some(&remark), "Thanks").await.expect("a comment");
        let session = stage.linear.delegate("ada", &issue).await.expect("a session");
        stage.says(&session, "thought", "Looking into it").await;
        let action = json!({"type": "action", "action": "Child agent", "parameter": "api", "result": "done\nwell"});
        stage.activity(&session, action, json!({})).await;
        let options = json!([{"label": "Approve", "value": "approve"}, {"value": "reject"}]);
        let asked = json!({"type": "elicitation", "body": "Start `4f3a2b1c-1111-4222-8333-0123456789ab`?"});
        stage.activity(&session, asked, json!({"signal": "select", "signalMetadata": {"options": options}})).await;
        stage.linear.choose("grace", &session, 0).await.expect("an option");
        stage
            .data(
                "mutation($s: String!, $i: String!, $l: String!) {
                   agentSessionUpdate(id: $s, input: { externalUrls: [{ label: \"Run\", url: $l }],
                     plan: [{ content: \"api\", status: \"completed\" }, { content: \"web\", status: \"inProgress\" }] }) { success }
                   attachmentCreate(input: { issueId: $i, title: \"Baton\", subtitle: \"1 of 2\", url: $l }) { success }
                 }",
                json!({"s": session, "i": issue, "l": format!("{}/run", stage.base)}),
            )
            .await;
        let passing = json!({"type": "thought", "body": "Waiting for web"});
        stage.activity(&session, passing, json!({"ephemeral": true})).await;
        stage.linear.stop("ada", &session).await.expect("an activity");
        transcripts.push(stage.linear.transcript(&session));
        assert_eq!(stage.linear.objections(), Vec::<String>::new());
    }
    assert_eq!(transcripts[0], transcripts[1]);
    insta::assert_snapshot!(transcripts[0], @r"
    ENG-1 Fix the login
    (Todo · label orchestrate · assigned to Ada Lovelace · delegated to Baton)
    [Baton](linear:/run): 1 of 2
    Linus: It is the cookie.
      Look there.
      ↳ Ada Lovelace: Thanks
    Linear: This thread is for an agent session with Baton.
    Session: stopping
      [Run](linear:/run)
      [x] api
      [~] web
      thought: Looking into it
      action: Child agent api
        → done
        well
      elicitation: Start `uuid-1`?
        [Approve] [reject]
      Grace Hopper: approve
      Ada Lovelace: Stop
        (stop)
    ");
}
