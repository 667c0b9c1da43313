//! `response_url`: answering an interaction without a token, for half an hour and five times.
//! <https://docs.slack.dev/interactivity/handling-user-interaction/#message_responses>

use std::time::Duration;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Slack,
    blocks::check_message,
    people::root_of,
    world::{Author, Message, ResponseUrl, World},
};
use crate::simulator::{
    faults::Call,
    http::{Refusal, carry_out},
};

const LIVES: Duration = Duration::from_mins(30);
const USES: u32 = 5;

/// `POST /response/{id}`.
pub async fn handle(State(slack): State<Slack>, Path(id): Path<String>, body: Bytes) -> Response {
    let call = Call {
        platform: "slack",
        what: "POST /response".to_owned(),
        at: slack.inner.clock.now(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let fault = slack.inner.faults.next(call);
    let refuse = |refusal| match refusal {
        Refusal::Status(status) => (status, "error").into_response(),
        Refusal::Code(code) => (StatusCode::NOT_FOUND, code).into_response(),
    };
    carry_out(fault, refuse, || async {
        let done = slack.write(|world| respond(world, &id, &body));
        slack.deliver_later();
        match done {
            Ok(()) => "ok".into_response(),
            Err((status, code)) => (status, code).into_response(),
        }
    })
    .await
}

type Refused = (StatusCode, &'static str);

fn respond(world: &mut World, id: &str, body: &[u8]) -> Result<(), Refused> {
    let now = world.clock.now();
    let url = world.responses.get_mut(id).ok_or((StatusCode::NOT_FOUND, "invalid_url"))?;
    if now.since(url.made) > LIVES {
        return Err((StatusCode::NOT_FOUND, "expired_url"));
    }
    if url.uses >= USES {
        return Err((StatusCode::NOT_FOUND, "used_url"));
    }
    url.uses += 1;
    let url = url.clone();
    let said: Value = serde_json::from_slice(body).map_err(|_| (StatusCode::BAD_REQUEST, "invalid_payload"))?;
    if said["delete_original"] == true {
        delete_original(world, &url);
        return Ok(());
    }
    let text = said["text"].as_str().unwrap_or_default();
    let blocks = said.get("blocks").filter(|blocks| !blocks.is_null()).cloned().unwrap_or_else(|| json!([]));
    check_message(&blocks).map_err(|wrong| (StatusCode::BAD_REQUEST, wrong.code))?;
    let blocks = blocks.as_array().cloned().unwrap_or_default();
    if text.trim().is_empty() && blocks.is_empty() {
        return Err((StatusCode::INTERNAL_SERVER_ERROR, "no_text"));
    }
    if said["replace_original"] == true && replace_original(world, &url, text, &blocks) {
        return Ok(());
    }
    if url.original.is_some() && said.get("replace_original").is_none() {
        world.warn("an answer to a click does not say whether it replaces the original");
    }
    let to_all = said["response_type"] == "in_channel";
    let mut message = Message::new(&url.channel, Author::Us, text);
    message.blocks = blocks;
    message.only_to = (!to_all).then(|| url.user.clone());
    let thread = said["thread_ts"].as_str().map(str::to_owned).or_else(|| url.thread_ts.clone().filter(|_| !to_all));
    message.thread_ts = thread.map(|ts| root_of(world, &url.channel, &ts));
    world.post(message);
    Ok(())
}

/// Whether there was one to replace: a command has none.
fn replace_original(world: &mut World, url: &ResponseUrl, text: &str, blocks: &[Value]) -> bool {
    let Some(ts) = &url.original else {
        world.warn("an answer to a command asks to replace the original, which there is none of");
        return false;
    };
    if world.message(&url.channel, ts).is_some() {
        world.change(&url.channel, ts, |message| {
            text.clone_into(&mut message.text);
            message.blocks = blocks.to_vec();
        });
        return true;
    }
    let ephemeral = ephemeral(world, url, ts);
    let Some(message) = ephemeral else { return false };
    text.clone_into(&mut message.text);
    message.blocks = blocks.to_vec();
    super::wire::complete_blocks(&mut message.blocks, ts);
    message.edits += 1;
    true
}

fn delete_original(world: &mut World, url: &ResponseUrl) {
    let Some(ts) = &url.original else {
        world.warn("an answer to a command asks to delete the original, which there is none of");
        return;
    };
    if world.message(&url.channel, ts).is_some() {
        world.delete(&url.channel, ts);
    } else if let Some(message) = ephemeral(world, url, ts) {
        message.deleted = true;
    }
}

fn ephemeral<'a>(world: &'a mut World, url: &ResponseUrl, ts: &str) -> Option<&'a mut Message> {
    let own = |message: &&mut Message| message.ts == ts && message.only_to.as_deref() == Some(url.user.as_str());
    world.messages.iter_mut().find(own)
}
