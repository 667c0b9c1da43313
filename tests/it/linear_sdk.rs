//! Linear's own SDK drives the simulated Linear, so that what our client is tested against is what
//! Linear's client takes for Linear. It wants Node, and the folder of `@linear/sdk` in
//! `BATON_LINEAR_SDK`; without them it is skipped, and said so.

use std::{
    io::Write as _,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use baton::{
    simulator::{
        World,
        linear::{ACCESS_TOKEN, ADA, WEBHOOK_SECRET},
    },
    time::Clock,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, process::Command, time::timeout};

const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn linears_own_sdk_takes_the_simulator_for_linear() {
    let Some(sdk) = sdk() else {
        let skipped = b"\n*** SKIPPED: Linear's own SDK. BATON_LINEAR_SDK names no folder of @linear/sdk. ***\n\n";
        let _ = std::io::stderr().write_all(skipped);
        return;
    };
    let world = World::new(&Clock::system());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let heard: Arc<Mutex<Vec<Value>>> = Arc::default();
    let router = world.router(&address, &address).merge(door(Arc::clone(&heard)));
    tokio::spawn(async move { axum::serve(listener, router).await });

    let issue = world.linear.issue("Which tests are slow?", "").await;
    let session = world.linear.mention(ADA, &issue, "which tests are slow?").await.unwrap();
    let is_session = |webhook: &Value| webhook["headers"]["linear-event"] == "AgentSessionEvent";
    let webhook = heard.lock().unwrap().iter().find(|webhook| is_session(webhook)).cloned().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let about = json!({
        "api": World::linear_api(&address), "token": ACCESS_TOKEN, "secret": WEBHOOK_SECRET,
        "webhook": webhook, "session": session, "issue": issue,
    });
    std::fs::write(file.path(), about.to_string()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/linear_sdk.mjs");
    let node = Command::new("node").arg(script).arg(sdk).arg(file.path()).stdin(Stdio::null()).output();
    let done = timeout(PATIENCE, node).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    assert!(said.contains("checks by @linear/sdk"), "{said}");
}

/// Where the webhooks go.
fn door(heard: Arc<Mutex<Vec<Value>>>) -> Router {
    let receive = move |headers: HeaderMap, body: Bytes| async move {
        let headers: serde_json::Map<String, Value> =
            headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().into())).collect();
        heard.lock().unwrap().push(json!({"headers": headers, "body": String::from_utf8_lossy(&body)}));
    };
    Router::new().route("/linear/webhooks", post(receive))
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment what there is")]
fn sdk() -> Option<String> {
    std::env::var("BATON_LINEAR_SDK").ok().filter(|folder| !folder.is_empty())
}
