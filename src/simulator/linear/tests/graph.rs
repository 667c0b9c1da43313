//! GraphQL as such: documents, variables, fragments, pages, filters, and everything that the schema
//! names being answered.

use super::{
    super::{ADA, API_KEY, APP_USER, ORGANIZATION, graphql::schema},
    *,
};
use schema::{Kind, named};

#[tokio::test]
async fn several_root_fields_with_aliases_fragments_variables_and_literals() {
    let stage = Stage::new().await;
    let issue = stage.linear.issue("Fix the login", "It says *no*.").await;
    let query = "
        query Look($id: String!, $no: Boolean = false) {
          me: viewer { ...who supportsAgentSessions organization { id urlKey } }
          issue(id: $id) { identifier state { name type } labels(first: 5) { nodes { name } } }
          other: issue(id: \"ENG-1\") { id title @skip(if: $no) description @include(if: $no) }
          __typename
        }
        fragment who on User { id app ... on User { name } }";
    let data = stage.data(query, json!({"id": issue})).await;
    assert_eq!(
        data,
        json!({
            "me": {"id": APP_USER, "app": true, "name": "Baton", "supportsAgentSessions": true,
                "organization": {"id": ORGANIZATION, "urlKey": "baton-demo"}},
            "issue": {"identifier": "ENG-1", "state": {"name": "Todo", "type": "unstarted"}, "labels": {"nodes": []}},
            "other": {"id": issue, "title": "Fix the login"},
            "__typename": "Query",
        })
    );
    assert!(stage.linear.objections().is_empty());
}

#[tokio::test]
async fn what_does_not_fit_the_schema_is_refused_and_noted() {
    let stage = Stage::new().await;
    let cases = [
        ("{ viewer { id ", json!({}), "Syntax Error"),
        ("{ viewer }", json!({}), "must have a selection of subfields"),
        ("{ viewer { id { id } } }", json!({}), "must not have a selection"),
        ("{ nobody { id } }", json!({}), "Cannot query field \"nobody\" on type \"Query\"."),
        ("{ viewer { shoeSize } }", json!({}), "Cannot query field \"shoeSize\" on type \"User\"."),
        ("{ issue { id } }", json!({}), "argument \"id\" of type \"String!\" is required"),
        ("{ issue(id: 7) { id } }", json!({}), "Expected value of type \"String!\", found 7."),
        ("{ issue(id: \"x\", deep: true) { id } }", json!({}), "Unknown argument \"deep\" on field \"issue\"."),
        ("query($id: String) { issue(id: $id) { id } }", json!({"id": "x"}), "used in position expecting"),
        ("query($id: String!) { issue(id: $id) { id } }", json!({}), "of required type \"String!\" was not provided"),
        ("query($id: String!) { viewer { id } }", json!({"id": "x"}), "Variable \"$id\" is never used."),
        ("{ issue(id: $id) { id } }", json!({"id": "x"}), "Variable \"$id\" is not defined."),
        ("query($id: Sting!) { issue(id: $id) { id } }", json!({"id": "x"}), "Unknown type \"Sting\"."),
        ("{ ...nothing }", json!({}), "Unknown fragment \"nothing\"."),
        ("{ viewer { id } } fragment a on User { id }", json!({}), "Fragment \"a\" is never used."),
        ("{ viewer { ...a } } fragment a on Issue { id }", json!({}), "can never be of type"),
        ("{ viewer { ...a } } fragment a on User { id ...a }", json!({}), "within itself"),
        ("{ viewer { x: id x: name } }", json!({}), "conflict because they differ"),
        ("{ teams(orderBy: \"createdAt\") { nodes { id } } }", json!({}), "Expected value of type"),
        ("query A { viewer { id } } query B { viewer { id } }", json!({}), "Must provide operation name"),
        ("{ issues(first: 200) { nodes { comments { nodes { id } } } } }", json!({}), "Query too complex"),
        (
            "mutation($i: CommentUpdateInput!) { commentUpdate(id: \"x\", input: $i) { success } }",
            json!({"i": {"body": "x", "text": "y"}}),
            "Field \"text\" is not defined by type \"CommentUpdateInput\".",
        ),
        (
            "mutation { commentUpdate(id: \"x\", input: { boddy: \"x\" }) { success } }",
            json!({}),
            "Field \"boddy\" is not defined by type \"CommentUpdateInput\".",
        ),
    ];
    for (at, (query, variables, why)) in cases.into_iter().enumerate() {
        let (status, answer) = stage.ask(query, variables).await;
        let error = &answer["errors"][0];
        assert_eq!(status, 400, "{query}");
        assert_eq!(error["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{query}");
        assert!(error["message"].as_str().expect("a message").contains(why), "{query}: {}", error["message"]);
        assert!(answer.get("data").is_none());
        assert_eq!(stage.linear.objections().len(), at + 1, "{query}");
    }
}

#[tokio::test]
async fn an_address_that_is_none_of_linears_is_noted() {
    let stage = Stage::new().await;
    let response = stage.client.post(format!("{}/v2/graphql", stage.base)).send().await.expect("an answer");
    assert_eq!(response.status(), 404);
    assert_eq!(stage.linear.objections(), ["POST /v2/graphql: there is nothing"]);
}

#[tokio::test]
async fn the_operation_is_chosen_by_its_name() {
    let stage = Stage::new().await;
    let query = "query A { viewer { id } } query B { organization { name } }";
    let (_, answer) = stage.send(ACCESS_TOKEN, &json!({"query": query, "operationName": "B"})).await;
    assert_eq!(answer["data"], json!({"organization": {"name": "Baton Demo"}}));
}

#[tokio::test]
async fn pages_come_newest_first_and_follow_one_another() {
    let stage = Stage::new().await;
    for title in ["one", "two", "three"] {
        stage.linear.issue(title, "").await;
    }
    let query = "query($after: String) { issues(first: 2, after: $after) \
                 { nodes { title } edges { cursor node { number } } pageInfo { hasNextPage endCursor } } }";
    let first = stage.data(query, json!({"after": null})).await;
    assert_eq!(first["issues"]["nodes"], json!([{"title": "three"}, {"title": "two"}]));
    assert_eq!(first["issues"]["pageInfo"]["hasNextPage"], true);
    assert_eq!(first["issues"]["edges"][0]["node"]["number"], 3);
    let after = &first["issues"]["pageInfo"]["endCursor"];
    let second = stage.data(query, json!({"after": after})).await;
    assert_eq!(second["issues"]["nodes"], json!([{"title": "one"}]));
    assert_eq!(second["issues"]["pageInfo"]["hasNextPage"], false);
    let (_, answer) = stage.ask("{ issues(first: 251) { nodes { id } } }", json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INVALID_INPUT");
}

#[tokio::test]
async fn filters_go_by_fields_and_by_what_they_lead_to() {
    let stage = Stage::new().await;
    let (first, second) = (stage.linear.issue("Login", "").await, stage.linear.issue("Logout", "").await);
    stage.linear.label(&second, "orchestrate", "ada").await.expect("a label");
    stage.linear.delegate("grace", &first).await.expect("a session");
    let team = "{ teams(filter: { key: { eq: \"ENG\" } }) { nodes { states(filter: { type: { eq: \"started\" } }, first: 9) \
                { nodes { name position } } } } }";
    let data = stage.data(team, json!({})).await;
    let states = json!([{"name": "In Review", "position": 1002.0}, {"name": "In Progress", "position": 2.0}]);
    assert_eq!(data["teams"]["nodes"], json!([{"states": {"nodes": states}}]));
    for (filter, titles) in [
        (json!({"labels": {"name": {"eq": "orchestrate"}}}), json!(["Logout"])),
        (json!({"labels": {"some": {"name": {"eqIgnoreCase": "ORCHESTRATE"}}}}), json!(["Logout"])),
        (json!({"delegate": {"id": {"eq": APP_USER}}}), json!(["Login"])),
        (json!({"delegate": {"null": true}}), json!(["Logout"])),
        (json!({"title": {"startsWith": "Log", "neq": "Login"}}), json!(["Logout"])),
        (json!({"or": [{"title": {"contains": "in"}}, {"number": {"gt": 1}}]}), json!(["Logout", "Login"])),
        (json!({"createdAt": {"gt": "2030-01-01T00:00:00Z"}}), json!([])),
    ] {
        let query = "query($f: IssueFilter) { issues(filter: $f, first: 9) { nodes { title } } }";
        let data = stage.data(query, json!({"f": filter})).await;
        let nodes = data["issues"]["nodes"].as_array().expect("a list");
        let found: Value = nodes.iter().map(|node| node["title"].clone()).collect();
        assert_eq!(found, titles, "{filter}");
    }
}

/// Of what the schema names, nothing is left without an answer.
#[tokio::test]
async fn every_field_of_the_schema_is_answered() {
    let stage = Stage::new().await;
    let issue = stage.linear.issue("Fix the login", "").await;
    let session = stage.linear.delegate("ada", &issue).await.expect("a session");
    let action = json!({"type": "action", "action": "Read", "parameter": "README", "result": "ok"});
    assert!(stage.activity(&session, action, json!({"id": UUID})).await.is_null());
    for kind in ["thought", "elicitation", "error", "response"] {
        stage.says(&session, kind, "text").await;
    }
    stage.linear.prompt("ada", &session, "go on").await.expect("an activity");
    let comment = stage.linear.comment("ada", &issue, None, "hm").await.expect("a comment");
    let data = stage
        .data(
            "mutation($issue: String!, $comment: String!) {
               attachmentCreate(input: { issueId: $issue, title: \"Run\", url: \"https://example.com/run\" }) { attachment { id } }
               reactionCreate(input: { commentId: $comment, emoji: \"eyes\" }) { reaction { id } }
               documentCreate(input: { issueId: $issue, title: \"Notes\" }) { document { id } }
               agentSessionUpdate(id: \"SESSION\", input: { externalUrls: [{ label: \"Run\", url: \"https://example.com\" }] }) { success }
             }"
            .replace("SESSION", &session)
            .as_str(),
            json!({"issue": issue, "comment": comment}),
        )
        .await;
    let ids = [
        ("agentActivity", UUID),
        ("agentSession", &session),
        ("attachment", data["attachmentCreate"]["attachment"]["id"].as_str().expect("an id")),
        ("comment", &comment),
        ("document", data["documentCreate"]["document"]["id"].as_str().expect("an id")),
        ("issue", &issue),
        ("team", "ENG"),
        ("user", ADA),
    ];
    let Some(Kind::Object(roots)) = schema::kind("Query") else { panic!("no Query") };
    for (name, root) in roots {
        let kind = named(&root.gives);
        let of_paged = |world: &str| format!("(first: 5{world})");
        let args = match name.as_str() {
            "attachmentsForURL" => of_paged(", url: \"https://example.com/run\""),
            "project" => format!("(id: \"{}\")", first(&stage, "projects").await),
            "workflowState" => format!("(id: \"{}\")", first(&stage, "workflowStates").await),
            _ if root.args.contains_key("first") => of_paged(""),
            _ => ids.iter().find(|(of, _)| of == name).map_or(String::new(), |(_, id)| format!("(id: \"{id}\")")),
        };
        let query = format!("{{ {name}{args} {} }}", everything(kind, 2));
        let (status, answer) = stage.ask(&query, json!({})).await;
        assert_eq!(status, 200, "{name}: {:#}\n{query}", answer["errors"][0]);
        assert!(!answer["data"][name].is_null(), "{name}");
    }
}

async fn first(stage: &Stage, list: &str) -> String {
    let data = stage.data(&format!("{{ {list}(first: 1) {{ nodes {{ id }} }} }}"), json!({})).await;
    data[list]["nodes"][0]["id"].as_str().expect("an id").to_owned()
}

/// A selection of all fields of a type, and of those that they lead to.
fn everything(kind: &str, depth: usize) -> String {
    match schema::kind(kind) {
        Some(Kind::Union(members)) => {
            let of_each = members.iter().enumerate().map(|(at, member)| {
                let Some(Kind::Object(fields)) = schema::kind(member) else { panic!("no {member}") };
                let fields: Vec<String> = fields.keys().map(|name| format!("m{at}{name}: {name}")).collect();
                format!("... on {member} {{ {} }}", fields.join(" "))
            });
            format!("{{ __typename {} }}", of_each.collect::<Vec<_>>().join(" "))
        }
        Some(Kind::Object(fields)) => {
            let shown = fields.iter().filter_map(|(name, field)| {
                let kind = named(&field.gives);
                let is_leaf = matches!(schema::kind(kind), Some(Kind::Scalar | Kind::Enum(_)));
                let args = if field.args.contains_key("first") { "(first: 1)" } else { "" };
                match (is_leaf, depth) {
                    (true, _) => Some(name.clone()),
                    (false, 0) => None,
                    (false, _) => Some(format!("{name}{args} {}", everything(kind, depth - 1))),
                }
            });
            let shown: Vec<String> = shown.collect();
            if shown.is_empty() { "{ __typename }".to_owned() } else { format!("{{ {} }}", shown.join(" ")) }
        }
        _ => panic!("{kind} has no fields"),
    }
}

#[tokio::test]
async fn people_ask_with_keys_of_their_own() {
    let stage = Stage::new().await;
    let request = stage.client.post(format!("{}/graphql", stage.base)).header("authorization", API_KEY);
    let answer: Value = request
        .json(&json!({"query": "{ viewer { id app isMe } }"}))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    assert_eq!(answer["data"]["viewer"], json!({"id": ADA, "app": false, "isMe": true}));
    let (status, _) = stage.send(API_KEY, &json!({"query": "{ viewer { id } }"})).await;
    assert_eq!(status, 401, "a key goes without Bearer");
}

#[tokio::test]
async fn every_answer_says_what_is_left_and_too_much_is_refused() {
    let stage = Stage::new().await;
    stage.linear.knobs(|knobs| knobs.requests_per_hour = 2);
    let request = || {
        let body = json!({"query": "{ viewer { id name } }"});
        stage.client.post(format!("{}/graphql", stage.base)).bearer_auth(ACCESS_TOKEN).json(&body).send()
    };
    let header = |response: &reqwest::Response, name: &str| -> i64 {
        response.headers()[name].to_str().expect("text").parse().expect("a number")
    };
    let response = request().await.expect("an answer");
    assert_eq!(header(&response, "X-RateLimit-Requests-Limit"), 2);
    assert_eq!(header(&response, "X-RateLimit-Requests-Remaining"), 1);
    assert_eq!(header(&response, "X-Complexity"), 2);
    assert_eq!(header(&response, "X-RateLimit-Requests-Reset"), 1_764_001_800_000);
    request().await.expect("an answer");
    let response = request().await.expect("an answer");
    assert_eq!(response.status(), 400);
    assert_eq!(header(&response, "X-RateLimit-Requests-Remaining"), 0);
    let answer: Value = response.json().await.expect("JSON");
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!((&extensions["code"], &extensions["statusCode"]), (&json!("RATELIMITED"), &json!(429)));
    assert_eq!(extensions["meta"]["rateLimitResult"]["limit"], 2);
    assert!(answer.get("data").is_none() && stage.linear.objections().is_empty());
    stage.wait(1800);
    assert_eq!(request().await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn faults_meet_the_fields_that_they_name() {
    use crate::simulator::faults::Fault;
    let stage = Stage::new().await;
    let issue = stage.linear.issue("Fix the login", "").await;
    let write = || {
        stage.ask(
            "mutation($i: CommentCreateInput!) { commentCreate(input: $i) { success } }",
            json!({"i": {"issueId": issue, "body": "Hello"}}),
        )
    };
    stage.faults.add("linear", "commentCreate", Fault::RateLimited { retry_after: Some(7) }, 1);
    stage.faults.add("linear", "commentCreate", Fault::Refuse("LOCK_TIMEOUT".into()), 1);
    stage.faults.add("linear", "commentCreate", Fault::Refuse(super::super::UNSUCCESSFUL.into()), 1);
    stage.faults.add("linear", "commentCreate", Fault::Status(503), 1);
    stage.data("{ viewer { id } }", json!({})).await;
    let code = |answer: &Value| answer["errors"][0]["extensions"]["code"].clone();
    let (status, answer) = write().await;
    assert_eq!((status, code(&answer)), (400, json!("RATELIMITED")));
    let (status, answer) = write().await;
    assert_eq!((status, code(&answer)), (200, json!("LOCK_TIMEOUT")));
    assert_eq!(write().await.1["data"]["commentCreate"]["success"], false);
    let (status, answer) = write().await;
    assert_eq!((status, code(&answer)), (503, json!("INTERNAL_SERVER_ERROR")));
    assert_eq!(write().await.1["data"]["commentCreate"]["success"], true);
    assert_eq!(stage.linear.issue_view(&issue).expect("an issue").comments.len(), 1);
}
