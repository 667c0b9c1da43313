//! `/oauth/v2/authorize` and `oauth.v2.access`. The page where an admin chooses a workspace and allows
//! the app is left out: it is allowed at once, in the workspace that `team` names.
//! <https://docs.slack.dev/authentication/installing-with-oauth>

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::{
    APP_ID, BOT_USER, CLIENT_ID, CLIENT_SECRET, ENTERPRISE, Slack,
    tokens::{Given, LIFE},
    world::World,
};

const CALLBACK: &str = "/slack/oauth/callback";

type Form = BTreeMap<String, String>;

impl Slack {
    /// The app is removed from the workspace, and is told so: in the order in which Slack happens to say
    /// it.
    pub async fn uninstall(&self) {
        self.adjust(|world| {
            world.tokens.revoke_all();
            for event in [
                json!({"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [BOT_USER]}}),
                json!({"type": "app_uninstalled"}),
            ] {
                world.tell_app(&event);
            }
            world.installed = false;
        });
        self.deliver_outgoing().await;
    }

    /// Access tokens that rotate end before their time.
    pub fn end_tokens(&self) {
        self.adjust(|world| world.tokens.end(world.clock.now()));
    }

    /// This workspace, or the one beside it, whose secret this is.
    pub(super) fn owner_of(&self, secret: &str) -> Self {
        let beside = self.inner.beside.iter().find(|slack| slack.read(|world| world.tokens.knows(secret)));
        beside.unwrap_or(self).clone()
    }
}

/// Leads back with a code, as if an admin had allowed it.
pub async fn authorize(State(slack): State<Slack>, RawQuery(query): RawQuery) -> Response {
    let asked = parse(query.unwrap_or_default().as_bytes());
    let given = |name: &str| asked.get(name).map_or("", String::as_str);
    let beside = slack.inner.beside.iter().find(|slack| slack.read(|world| world.team.id == given("team")));
    let workspace = beside.unwrap_or(&slack);
    let (redirect, state) = (given("redirect_uri"), given("state"));
    let answer = workspace.write(|world| match check(world, &asked) {
        Ok(_) if world.knobs.deny_installs => Ok(("error", "access_denied".to_owned())),
        Ok(scopes) => Ok(("code", world.tokens.add_code(redirect, scopes, world.clock.now()))),
        Err(why) => {
            world.warn(format!("GET /oauth/v2/authorize: {why}"));
            Err(why)
        }
    });
    match answer {
        Ok((name, value)) => {
            let answer = url::form_urlencoded::Serializer::new(String::new())
                .append_pair(name, &value)
                .append_pair("state", state)
                .finish();
            (StatusCode::FOUND, [(header::LOCATION, format!("{redirect}?{answer}"))]).into_response()
        }
        Err(why) => (StatusCode::BAD_REQUEST, format!("Something went wrong: {why}\n")).into_response(),
    }
}

fn check(world: &World, asked: &Form) -> Result<BTreeSet<String>, &'static str> {
    let given = |name: &str| asked.get(name).map_or("", String::as_str);
    if given("client_id") != CLIENT_ID {
        return Err("invalid_client_id");
    }
    let ours = world.target.as_ref().map(|target| format!("{target}{CALLBACK}"));
    if ours.as_deref() != Some(given("redirect_uri")) {
        return Err("bad_redirect_uri");
    }
    if given("state").is_empty() {
        return Err("a request without state can be forged");
    }
    let scopes: BTreeSet<String> = given("scope").split(',').map(str::to_owned).collect();
    if scopes.iter().any(|scope| !world.knobs.scopes.contains(scope)) {
        return Err("invalid_scope");
    }
    Ok(scopes)
}

/// The secret in a form by which its workspace is found.
pub fn secret(body: &[u8]) -> String {
    let form = parse(body);
    form.get("code").or(form.get("refresh_token")).cloned().unwrap_or_default()
}

/// <https://docs.slack.dev/reference/methods/oauth.v2.access>; the error is Slack's code.
pub fn access(world: &mut World, headers: &HeaderMap, body: &[u8]) -> Result<Value, &'static str> {
    let is_form = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/x-www-form-urlencoded");
    if !is_form {
        return Err("invalid_post_type");
    }
    let form = parse(body);
    check_client(headers, &form)?;
    let given = |name: &str| form.get(name).map_or("", String::as_str);
    let now = world.clock.now();
    match given("grant_type") {
        "" | "authorization_code" => {
            let rotates = world.knobs.token_rotation;
            let (tokens, scopes) = world.tokens.exchange(given("code"), given("redirect_uri"), rotates, now)?;
            world.installed = true;
            world.knobs.scopes = scopes;
            Ok(answer(world, &tokens))
        }
        "refresh_token" => {
            let tokens = world.tokens.refresh(given("refresh_token"), now)?;
            Ok(answer(world, &tokens))
        }
        _ => Err("invalid_grant_type"),
    }
}

/// By Basic, or in the form.
fn check_client(headers: &HeaderMap, form: &Form) -> Result<(), &'static str> {
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let decoded = basic.and_then(|basic| String::from_utf8(STANDARD.decode(basic).ok()?).ok());
    let from_form = || Some((form.get("client_id")?.clone(), form.get("client_secret")?.clone()));
    let shown = match decoded {
        Some(pair) => pair.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned())),
        None => from_form(),
    };
    match shown {
        Some((id, _)) if id != CLIENT_ID => Err("invalid_client_id"),
        Some((_, secret)) if secret == CLIENT_SECRET => Ok(()),
        Some(_) => Err("bad_client_secret"),
        None => Err("invalid_client_id"),
    }
}

fn answer(world: &World, given: &Given) -> Value {
    let org = world.knobs.org_install;
    let scope = world.knobs.scopes.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    let mut answer = json!({
        "ok": true, "access_token": given.access, "token_type": "bot", "scope": scope, "bot_user_id": BOT_USER,
        "app_id": APP_ID, "is_enterprise_install": org, "authed_user": {"id": "U0ADA"},
        "team": if org { Value::Null } else { json!({"id": world.team.id, "name": world.team.name}) },
        "enterprise": if org { json!({"id": ENTERPRISE, "name": "Baton Org"}) } else { Value::Null },
    });
    if let Some(refresh) = &given.refresh {
        answer["refresh_token"] = json!(refresh);
        answer["expires_in"] = json!(LIFE.as_secs());
    }
    answer
}

fn parse(form: &[u8]) -> Form {
    url::form_urlencoded::parse(form).into_owned().collect()
}
