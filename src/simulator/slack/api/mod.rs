//! The Web API: one table of methods, and what comes before each of them: the fault, the token,
//! the scope, the pace, the arguments.
//!
//! Methods that this does not know answer `unknown_method`, as Slack does.
//! <https://docs.slack.dev/apis/web-api/>

mod args;
mod chat;
mod conversations;
mod files;
pub mod pace;
mod people;
mod views;

use axum::{
    Json,
    extract::{Path, RawQuery, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method as Verb, StatusCode,
    header::{AUTHORIZATION, RETRY_AFTER},
};
use serde_json::{Value, json};

use super::{Slack, blocks::Wrong, oauth, socket, world::World};
use crate::simulator::{
    faults::Call,
    http::{Refusal, carry_out},
};
use args::Args;
use pace::Tier;

/// A method: its name, the scopes of which it needs one, whether it takes a JSON body, how often it
/// may be called, and what it does.
struct Method {
    name: &'static str,
    scopes: &'static [&'static str],
    body: Body,
    tier: Tier,
    run: fn(&mut World, &Args) -> Result<Value, Problem>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    /// JSON or a form.
    Json,
    /// A form or a query only: a JSON body is not read.
    Form,
}

/// It knows the app by its secret, and no token.
const EXCHANGE: &str = "oauth.v2.access";

const HISTORY: &[&str] = &["channels:history", "groups:history", "im:history", "mpim:history"];
const READ: &[&str] = &["channels:read", "groups:read", "im:read", "mpim:read"];
const WRITE: &[&str] = &["chat:write"];

#[rustfmt::skip]
const METHODS: &[Method] = &[
    Method { name: "auth.test", scopes: &[], body: Body::Json, tier: Tier::Free, run: people::auth_test },
    Method { name: "chat.delete", scopes: WRITE, body: Body::Json, tier: Tier::PerMinute(50), run: chat::delete },
    Method { name: "chat.getPermalink", scopes: &[], body: Body::Form, tier: Tier::PerMinute(600), run: chat::permalink },
    Method { name: "chat.postEphemeral", scopes: WRITE, body: Body::Json, tier: Tier::PerMinute(100), run: chat::post_ephemeral },
    Method { name: "chat.postMessage", scopes: WRITE, body: Body::Json, tier: Tier::Post, run: chat::post_message },
    Method { name: "chat.update", scopes: WRITE, body: Body::Json, tier: Tier::PerMinute(50), run: chat::update },
    Method { name: "conversations.history", scopes: HISTORY, body: Body::Json, tier: Tier::PerMinute(50), run: conversations::history },
    Method { name: "conversations.info", scopes: READ, body: Body::Form, tier: Tier::PerMinute(50), run: conversations::info },
    Method { name: "conversations.join", scopes: &["channels:join"], body: Body::Json, tier: Tier::PerMinute(50), run: conversations::join },
    Method { name: "conversations.members", scopes: READ, body: Body::Form, tier: Tier::PerMinute(100), run: conversations::members },
    Method { name: "conversations.open", scopes: &["im:write"], body: Body::Json, tier: Tier::PerMinute(50), run: conversations::open },
    Method { name: "conversations.replies", scopes: HISTORY, body: Body::Form, tier: Tier::PerMinute(50), run: conversations::replies },
    Method { name: "files.completeUploadExternal", scopes: &["files:write"], body: Body::Json, tier: Tier::PerMinute(100), run: files::complete },
    Method { name: "files.getUploadURLExternal", scopes: &["files:write"], body: Body::Form, tier: Tier::PerMinute(100), run: files::upload_url },
    Method { name: "files.info", scopes: &["files:read"], body: Body::Form, tier: Tier::PerMinute(100), run: files::info },
    Method { name: "reactions.add", scopes: &["reactions:write"], body: Body::Json, tier: Tier::PerMinute(50), run: people::react },
    Method { name: "reactions.remove", scopes: &["reactions:write"], body: Body::Json, tier: Tier::PerMinute(20), run: people::unreact },
    Method { name: "usergroups.users.list", scopes: &["usergroups:read"], body: Body::Form, tier: Tier::PerMinute(20), run: people::group_members },
    Method { name: "users.info", scopes: &["users:read"], body: Body::Form, tier: Tier::PerMinute(100), run: people::user_info },
    Method { name: "users.lookupByEmail", scopes: &["users:read.email"], body: Body::Form, tier: Tier::PerMinute(50), run: people::user_by_email },
    Method { name: "views.open", scopes: &[], body: Body::Json, tier: Tier::PerMinute(100), run: views::open },
    Method { name: "views.publish", scopes: &[], body: Body::Json, tier: Tier::PerMinute(100), run: views::publish },
    Method { name: "views.push", scopes: &[], body: Body::Json, tier: Tier::PerMinute(100), run: views::push },
    Method { name: "views.update", scopes: &[], body: Body::Json, tier: Tier::PerMinute(100), run: views::update },
];

/// Why a method was refused: `ok: false`, in HTTP 200.
#[derive(Debug)]
pub struct Problem {
    code: String,
    /// More fields of the answer.
    fields: Value,
}

impl From<&str> for Problem {
    fn from(code: &str) -> Self {
        Self { code: code.to_owned(), fields: json!({}) }
    }
}

impl From<Wrong> for Problem {
    fn from(Wrong { code, messages }: Wrong) -> Self {
        let told: Vec<String> = messages.iter().map(|message| format!("[ERROR] {message}")).collect();
        let fields = if messages.is_empty() {
            json!({})
        } else {
            json!({"errors": messages, "response_metadata": {"messages": told}})
        };
        Self { code: code.to_owned(), fields }
    }
}

impl Problem {
    fn missing(name: &str) -> Self {
        Wrong { code: "invalid_arguments", messages: vec![format!("missing required field: {name}")] }.into()
    }

    fn into_json(mut self) -> Value {
        self.fields["ok"] = json!(false);
        self.fields["error"] = json!(self.code);
        self.fields
    }
}

/// One request, as it came.
#[derive(Debug)]
struct Request {
    method: String,
    verb: Verb,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

/// `/api/{method}`.
pub async fn handle(
    State(slack): State<Slack>,
    Path(method): Path<String>,
    verb: Verb,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = Request { method, verb, query: query.unwrap_or_default(), headers, body };
    let slack = slack.owner_of(&whose(&request));
    let said: Bytes = if request.method == EXCHANGE {
        // Secrets stay out of what stories print.
        Bytes::new()
    } else if request.body.is_empty() {
        request.query.clone().into()
    } else {
        request.body.clone()
    };
    let call = Call {
        platform: "slack",
        what: format!("{} /{}", request.verb, request.method),
        at: slack.inner.clock.now(),
        body: String::from_utf8_lossy(&said).into_owned(),
    };
    let fault = slack.inner.faults.next(call);
    carry_out(fault, refuse, || async { answer(&slack, &request) }).await
}

/// The secret by which the workspace of a request is known.
fn whose(request: &Request) -> String {
    if request.method == EXCHANGE {
        return oauth::secret(&request.body);
    }
    let header = request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    header.and_then(|header| header.strip_prefix("Bearer ")).unwrap_or_default().to_owned()
}

/// Errors that are not about the request, in the API's form.
pub fn refuse(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Code(code) => Json(Problem::from(code.as_str()).into_json()).into_response(),
        Refusal::Status(status) => {
            let code = match status {
                StatusCode::TOO_MANY_REQUESTS => "ratelimited",
                StatusCode::SERVICE_UNAVAILABLE => "service_unavailable",
                _ => "internal_error",
            };
            (status, Json(Problem::from(code).into_json())).into_response()
        }
    }
}

fn answer(slack: &Slack, request: &Request) -> Response {
    let method = METHODS.iter().find(|method| method.name == request.method);
    let (response, waiting) = slack.write(|world| {
        let response = match method {
            Some(method) => run(world, method, request),
            None if request.method == socket::OPEN => {
                let answer = socket::open(world, &whose(request));
                Json(answer.unwrap_or_else(|code| Problem::from(code).into_json())).into_response()
            }
            None if request.method == EXCHANGE => {
                let answer = oauth::access(world, &request.headers, &request.body);
                Json(answer.unwrap_or_else(|code| Problem::from(code).into_json())).into_response()
            }
            None => Json(json!({"ok": false, "error": "unknown_method", "req_method": request.method})).into_response(),
        };
        (with_scopes(world, method, response), !world.outgoing.is_empty())
    });
    if waiting {
        slack.deliver_later();
    }
    response
}

fn run(world: &mut World, method: &Method, request: &Request) -> Response {
    let args = match Args::read(request, method.body == Body::Json) {
        Ok(args) => args,
        Err(code) => return Json(Problem::from(code).into_json()).into_response(),
    };
    if args.ignored_json {
        world.warn(format!("a JSON body was sent to {}, which does not read one", method.name));
    }
    if let Err(problem) = allowed(world, method, request, &args) {
        return Json(problem.into_json()).into_response();
    }
    if world.knobs.enforce_pace {
        let (channel, now) = (args.text("channel"), world.clock.now());
        if let Err(seconds) = world.pace.admit(method.name, method.tier, channel.as_deref(), now) {
            let mut response = refuse(Refusal::Status(StatusCode::TOO_MANY_REQUESTS));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            return response;
        }
    }
    let mut body = match (method.run)(world, &args) {
        Ok(body) => body,
        Err(problem) => problem.into_json(),
    };
    if body.get("ok").is_none() {
        body["ok"] = json!(true);
    }
    if let Some(warning) = args.charset_warning {
        body["warning"] = json!(warning);
        body["response_metadata"]["warnings"] = json!([warning]);
    }
    Json(body).into_response()
}

/// The token, and what it may do.
fn allowed(world: &World, method: &Method, request: &Request, args: &Args) -> Result<(), Problem> {
    let header = request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = match header {
        Some(header) => header.strip_prefix("Bearer ").map(str::to_owned),
        None => args.form_token(),
    };
    let token = token.ok_or("not_authed")?;
    world.tokens.check(&token, world.clock.now())?;
    if world.knobs.token_revoked {
        return Err("token_revoked".into());
    }
    need_scope(world, method.scopes)
}

/// At least one of these, where any is needed.
fn need_scope(world: &World, scopes: &[&str]) -> Result<(), Problem> {
    if scopes.is_empty() || scopes.iter().any(|scope| world.knobs.scopes.contains(*scope)) {
        return Ok(());
    }
    let fields = json!({"needed": scopes.join(","), "provided": provided(world)});
    Err(Problem { code: "missing_scope".to_owned(), fields })
}

fn provided(world: &World) -> String {
    world.knobs.scopes.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}

fn with_scopes(world: &World, method: Option<&Method>, mut response: Response) -> Response {
    let accepted = method.map_or_else(String::new, |method| method.scopes.join(","));
    for (name, value) in [("x-oauth-scopes", provided(world)), ("x-accepted-oauth-scopes", accepted)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
