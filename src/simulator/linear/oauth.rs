//! `/oauth/authorize`, `/oauth/token` and `/oauth/revoke`. The page where an admin approves is left
//! out: it is approved at once. <https://linear.app/developers/oauth-2-0-authentication>

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    Json,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, LOCATION},
};
use serde_json::json;

use super::{CALLBACK, CLIENT_ID, CLIENT_SECRET, Linear, tokens::Code, world::World};
use crate::simulator::{
    faults::Call,
    http::{Refusal, carry_out},
};

const FORM: &str = "application/x-www-form-urlencoded";
const SCOPES: [&str; 10] = [
    "read",
    "write",
    "issues:create",
    "comments:create",
    "timeSchedule:write",
    "admin",
    "app:assignable",
    "app:mentionable",
    "customer:read",
    "initiative:read",
];

type Form = BTreeMap<String, String>;
type Refused = (StatusCode, &'static str, String);

/// Leads back with a code, as if an admin had approved.
pub async fn authorize(State(linear): State<Linear>, RawQuery(query): RawQuery) -> Response {
    let asked = parse(query.unwrap_or_default().as_bytes());
    let given = |name: &str| asked.get(name).map_or("", String::as_str);
    linear.write(|world| match check_authorization(world, &asked) {
        Ok(scopes) => {
            let code = world.tokens.add_code(Code {
                value: String::new(),
                redirect_uri: given("redirect_uri").to_owned(),
                scopes,
                challenge: asked.get("code_challenge").cloned(),
                made: world.clock.now(),
            });
            let answer = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("code", &code)
                .append_pair("state", given("state"))
                .finish();
            let joint = if given("redirect_uri").contains('?') { '&' } else { '?' };
            let back = format!("{}{joint}{answer}", given("redirect_uri"));
            (StatusCode::FOUND, [(LOCATION, back)]).into_response()
        }
        Err(why) => {
            world.object(format!("GET /oauth/authorize: {why}"));
            (StatusCode::BAD_REQUEST, format!("Invalid authorization request: {why}\n")).into_response()
        }
    })
}

pub async fn token(State(linear): State<Linear>, headers: HeaderMap, body: Bytes) -> Response {
    serve(&linear, "POST /oauth/token", &headers, &body, give_token).await
}

pub async fn revoke(State(linear): State<Linear>, headers: HeaderMap, body: Bytes) -> Response {
    serve(&linear, "POST /oauth/revoke", &headers, &body, |world, _, form| {
        let token = form.get("token").map_or("", String::as_str);
        match world.tokens.revoke(token) {
            Ok(()) => Ok(json!({"success": true})),
            Err(why) => Err((StatusCode::UNAUTHORIZED, why, String::new())),
        }
    })
    .await
}

async fn serve(
    linear: &Linear,
    what: &'static str,
    headers: &HeaderMap,
    body: &Bytes,
    run: fn(&mut World, &HeaderMap, &Form) -> Result<serde_json::Value, Refused>,
) -> Response {
    let form = parse(body);
    // Secrets stay out of what stories print.
    let told = form.get("grant_type").cloned().unwrap_or_default();
    let call = Call { platform: "linear", what: what.to_owned(), at: linear.inner.clock.now(), body: told };
    let fault = linear.inner.faults.next(call);
    let refuse = |refusal| match refusal {
        Refusal::Status(status) => (status, Json(json!({"error": "server_error"}))).into_response(),
        Refusal::Code(code) => (StatusCode::BAD_REQUEST, Json(json!({"error": code}))).into_response(),
    };
    carry_out(fault, refuse, || async {
        linear.write(|world| {
            let is_form = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(FORM.as_bytes()));
            let outcome = if is_form {
                run(world, headers, &form)
            } else {
                Err((StatusCode::BAD_REQUEST, "invalid_request", "the body must be a form".to_owned()))
            };
            match outcome {
                Ok(answer) => Json(answer).into_response(),
                Err((status, error, why)) => {
                    if error == "invalid_request" && !why.starts_with("Refresh token") {
                        world.object(format!("{what}: {why}"));
                    }
                    let body = if why.is_empty() {
                        json!({"error": error})
                    } else {
                        json!({"error": error, "error_description": why})
                    };
                    (status, Json(body)).into_response()
                }
            }
        })
    })
    .await
}

fn give_token(world: &mut World, headers: &HeaderMap, form: &Form) -> Result<serde_json::Value, Refused> {
    let bad = |error, why: &str| (StatusCode::BAD_REQUEST, error, why.to_owned());
    let given = |name: &str| form.get(name).map_or("", String::as_str);
    let grant = given("grant_type");
    check_client(headers, form, form.contains_key("code_verifier"))?;
    let now = world.clock.now();
    match grant {
        "client_credentials" => {
            if !world.knobs.client_credentials {
                return Err(bad("Error", "Client does not support the client_credentials grant type"));
            }
            let scopes = scopes(given("scope")).map_err(|why| bad("invalid_request", &why))?;
            Ok(world.tokens.client_credentials(&scopes, now))
        }
        "authorization_code" => {
            let verifier = form.get("code_verifier").map(String::as_str);
            let exchanged = world.tokens.exchange(given("code"), given("redirect_uri"), verifier, now);
            exchanged.map_err(|(error, why)| bad(error, why))
        }
        "refresh_token" => world.tokens.refresh(given("refresh_token"), now).map_err(|(error, why)| bad(error, why)),
        _ => Err(bad("invalid_request", "grant_type is missing or not known")),
    }
}

/// By Basic or in the body; with PKCE the secret may be left out.
fn check_client(headers: &HeaderMap, form: &Form, with_proof: bool) -> Result<(), Refused> {
    let wrong = || (StatusCode::UNAUTHORIZED, "invalid_client", "Client authentication failed".to_owned());
    let basic = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let (id, secret) = if let Some(basic) = basic {
        let decoded = STANDARD.decode(basic).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)?;
        let (id, secret) = decoded.split_once(':').ok_or_else(wrong)?;
        (id.to_owned(), Some(secret.to_owned()))
    } else {
        (form.get("client_id").cloned().unwrap_or_default(), form.get("client_secret").cloned())
    };
    let is_ours = id == CLIENT_ID && secret.map_or(with_proof, |secret| secret == CLIENT_SECRET);
    if is_ours { Ok(()) } else { Err(wrong()) }
}

fn check_authorization(world: &World, asked: &Form) -> Result<BTreeSet<String>, String> {
    let given = |name: &str| asked.get(name).map_or("", String::as_str);
    if given("client_id") != CLIENT_ID {
        return Err("client_id is not known".to_owned());
    }
    if given("response_type") != "code" {
        return Err("response_type must be code".to_owned());
    }
    let path = given("redirect_uri").split('?').next().unwrap_or_default();
    let known = world.target.as_ref().is_some_and(|target| path == format!("{target}{CALLBACK}"));
    if !known && !world.knobs.redirect_uris.contains(path) {
        return Err("redirect_uri is not one of the application's".to_owned());
    }
    if given("state").is_empty() {
        return Err("a request without state can be forged".to_owned());
    }
    if asked.contains_key("code_challenge") && given("code_challenge_method") != "S256" {
        return Err("code_challenge_method must be S256".to_owned());
    }
    let scopes = scopes(given("scope"))?;
    if given("actor") != "app" && scopes.iter().any(|scope| scope.starts_with("app:")) {
        return Err("scopes of an app want actor=app".to_owned());
    }
    if given("actor") == "app" && scopes.contains("admin") {
        return Err("an app cannot have the scope admin".to_owned());
    }
    Ok(scopes)
}

/// Separated by commas, or by spaces; reading is always among them.
fn scopes(text: &str) -> Result<BTreeSet<String>, String> {
    let mut scopes: BTreeSet<String> =
        text.split([',', ' ']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    if let Some(unknown) = scopes.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
        return Err(format!("the scope {unknown} is not known"));
    }
    scopes.insert("read".to_owned());
    Ok(scopes)
}

fn parse(form: &[u8]) -> Form {
    url::form_urlencoded::parse(form).into_owned().collect()
}
