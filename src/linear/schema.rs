//! Every document that we send fits Linear's own schema, with the shapes of the values that go with it.
//!
//! The schema is large and not ours, so that it stays out of the tree; where it does not lie beside it
//! (`../shared/facts/linear-schema.graphql`), nothing is checked, and a line says so.

use std::path::Path;

use apollo_compiler::{
    ExecutableDocument, Schema, request::coerce_variable_values, response::serde_json_bytes, validation::Valid,
};
use serde_json::{Value, json};

use super::queries::{self, Document};

/// Values as `client.rs` sends them, one or more for each document.
fn samples(document: &Document) -> Vec<Value> {
    let activity = |content: Value| json!({"agentSessionId": "s1", "id": "i1", "content": content});
    let thought = activity(json!({"type": "thought", "body": "x"}));
    let board = json!({
        "externalUrls": [{"label": "Run", "url": "https://x.example"}],
        "plan": [{"content": "1 api · done", "status": "inProgress"}],
    });
    let card = json!({"issueId": "i1", "title": "x", "subtitle": "y", "url": "https://x.example"});
    let paged = vec![json!({}), json!({"after": "cursor"}), json!({"after": null})];
    let id = || vec![json!({"id": "i1"})];
    match *document {
        queries::VIEWER => vec![json!({})],
        queries::MEMBER => id(),
        queries::SAY => {
            let mut select = activity(json!({"type": "elicitation", "body": "x"}));
            select["signal"] = "select".into();
            select["signalMetadata"] = json!({"options": [{"label": "a", "value": "b"}]});
            let mut passing = thought;
            passing["ephemeral"] = true.into();
            vec![json!({"activity": select}), json!({"activity": passing})]
        }
        queries::OPEN_SESSION => vec![json!({"session": "s1", "activity": thought, "board": board})],
        queries::OPEN_SESSION_WITH_CARD => {
            vec![json!({"session": "s1", "activity": thought, "board": board, "card": card})]
        }
        queries::UPDATE_SESSION => vec![json!({"session": "s1", "board": board})],
        queries::UPDATE_SESSION_WITH_CARD => vec![json!({"session": "s1", "board": board, "card": card})],
        queries::CREATE_SESSION => vec![json!({"session": {"issueId": "i1", "externalUrls": board["externalUrls"]}})],
        queries::CREATE_COMMENT => vec![
            json!({"comment": {"id": "c1", "body": "x", "issueId": "i1", "parentId": "c0"}}),
            json!({"comment": {"id": "c1", "body": "x"}}),
        ],
        queries::EDIT_COMMENT => vec![json!({"id": "c1", "comment": {"body": "x"}})],
        queries::REACT => vec![json!({"reaction": {"id": "r1", "commentId": "c1", "emoji": "eyes"}})],
        queries::ATTACH => vec![json!({"card": card})],
        queries::UPLOAD => vec![json!({"contentType": "text/plain", "filename": "x", "size": 7})],
        queries::TAKE_UP => vec![
            json!({"id": "i1", "issue": {"stateId": "s1", "delegateId": "u1"}}),
            json!({"id": "i1", "issue": {"stateId": "s1"}}),
        ],
        queries::NEWEST_SESSIONS | queries::SESSIONS => paged,
        queries::PROMPTS => vec![json!({"session": "s1"}), json!({"session": "s1", "after": "cursor"})],
        queries::ISSUE | queries::ACTIVITY | queries::COMMENT | queries::SESSION_THREAD | queries::COMMENT_THREAD => {
            id()
        }
        _ => Vec::new(),
    }
}

#[test]
fn every_document_is_one_operation_of_its_name_and_pages_are_bounded() {
    for document in queries::ALL {
        let operation = [format!("query {}", document.name), format!("mutation {}", document.name)];
        assert!(operation.iter().any(|operation| document.text.contains(operation)), "{}", document.name);
        assert!(!samples(document).is_empty(), "{} has no sample values", document.name);
        // Where nothing is said, Linear counts fifty of each.
        let pages = document.text.matches("nodes {").count();
        assert_eq!(document.text.matches("(first:").count(), pages, "{}", document.name);
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a check that did not take place must not look like one that did")]
fn every_document_fits_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/facts/linear-schema.graphql");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: Linear's schema is not at hand, and no document was checked against it");
        return;
    };
    let schema = read(&text);
    for document in queries::ALL {
        let name = document.name;
        let read = ExecutableDocument::parse_and_validate(&schema, document.text, format!("{name}.graphql"));
        let read = read.unwrap_or_else(|errors| panic!("{name}: {}", errors.errors));
        let operation = read.operations.get(Some(name)).unwrap_or_else(|_| panic!("{name} is not the operation"));
        for sample in samples(document) {
            let bytes = serde_json::to_vec(&sample).expect("JSON");
            let values: serde_json_bytes::Map<_, _> = serde_json::from_slice(&bytes).expect("an object");
            let coerced = coerce_variable_values(&schema, operation, &values);
            assert!(coerced.is_ok(), "{name}: {sample}: {:?}", coerced.err());
            // The compiler lets values through that the operation does not declare.
            for given in sample.as_object().expect("an object").keys() {
                assert!(operation.variables.iter().any(|variable| variable.name == given.as_str()), "{name}: {given}");
            }
        }
    }
}

fn read(text: &str) -> Valid<Schema> {
    Schema::parse_and_validate(text, "linear-schema.graphql").unwrap_or_else(|errors| panic!("{}", errors.errors))
}
