//! `POST /graphql`: who asks, how much they may ask, what they ask, and the answer in Linear's form.
//! <https://linear.app/developers/graphql>

mod agent;
mod document;
mod filter;
mod links;
mod mutations;
pub mod nodes;
pub mod problem;
mod rules;
mod run;
pub mod schema;
mod values;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Linear, tokens::Bearer, world::World};
use crate::simulator::{
    faults::{Call, Fault},
    http::{Refusal, carry_out},
};
use document::Plan;
use problem::Problem;

/// A fault's code that makes every mutation of a request answer `success: false`.
pub const UNSUCCESSFUL: &str = "unsuccessful";

/// A pause that is asked for without saying how long.
const USUAL_PAUSE: u64 = 60;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    query: String,
    #[serde(default)]
    variables: Option<Map<String, Value>>,
    #[serde(default)]
    operation_name: Option<String>,
}

/// One request, as it came.
struct Request {
    plan: Result<Plan, Problem>,
    authorization: Option<String>,
}

pub async fn handle(State(linear): State<Linear>, headers: HeaderMap, body: Bytes) -> Response {
    let request = read(&headers, &body);
    let names: Vec<&str> = match &request.plan {
        Ok(plan) => plan.picks.iter().map(|pick| pick.field.as_str()).collect(),
        Err(_) => Vec::new(),
    };
    let call = Call {
        platform: "linear",
        what: format!("POST /graphql {}", names.join(" ")),
        at: linear.inner.clock.now(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let fault = linear.inner.faults.next(call);
    let pause = match &fault {
        Some(Fault::RateLimited { retry_after }) => retry_after.unwrap_or(USUAL_PAUSE),
        _ => USUAL_PAUSE,
    };
    let refuse = |refusal| refuse(&linear, &request, refusal, pause);
    carry_out(fault, refuse, || async { answer(&linear, &request) }).await
}

fn read(headers: &HeaderMap, body: &[u8]) -> Request {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let authorization = text(AUTHORIZATION).map(str::to_owned);
    let is_json = text(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
    let asked = if is_json {
        serde_json::from_slice::<Asked>(body).map_err(|error| Problem::validation(format!("the body: {error}")))
    } else {
        Err(Problem::validation("the body must be application/json"))
    };
    let plan = asked.and_then(|asked| {
        Plan::read(&asked.query, asked.operation_name.as_deref(), &asked.variables.unwrap_or_default())
    });
    Request { plan, authorization }
}

/// Errors that are not about the request, in the API's form.
fn refuse(linear: &Linear, request: &Request, refusal: Refusal, pause: u64) -> Response {
    match refusal {
        Refusal::Status(status) if status == http::StatusCode::TOO_MANY_REQUESTS => {
            let (now, knobs) = (linear.inner.clock.now(), linear.read(|world| world.knobs.clone()));
            let response = Problem::rate_limited(knobs.requests_per_hour, "requests").respond(None);
            let reset = now + std::time::Duration::from_secs(pause);
            let headers = [("x-ratelimit-requests-remaining", 0), ("x-ratelimit-requests-reset", reset.as_millis())];
            with_headers(response, &headers)
        }
        Refusal::Status(status) => Problem::of_status(status.as_u16()).respond(None),
        Refusal::Code(code) => match &request.plan {
            Ok(plan) if code == UNSUCCESSFUL => Json(json!({"data": run::unsuccessful(plan)})).into_response(),
            _ => Problem::of_code(&code).respond(None),
        },
    }
}

fn answer(linear: &Linear, request: &Request) -> Response {
    let (response, waiting) = linear.write(|world| {
        let response = admit(world, request).unwrap_or_else(|problem| refused(world, &problem, None));
        let headers = world.pace.headers(&world.knobs, world.clock.now());
        (with_headers(response, &headers), !world.outgoing.is_empty())
    });
    if waiting {
        linear.deliver_later();
    }
    response
}

fn admit(world: &mut World, request: &Request) -> Result<Response, Problem> {
    let viewer = viewer(world, request.authorization.as_deref())?;
    let now = world.clock.now();
    world.pace.admit_request(&world.knobs, now)?;
    let plan = request.plan.as_ref().map_err(Clone::clone)?;
    world.pace.admit_complexity(&world.knobs, plan.complexity, now)?;
    Ok(match run::run(world, &viewer, plan) {
        Ok(data) => Json(json!({"data": data})).into_response(),
        Err(broken) => refused(world, &broken.problem, Some(&broken.key)),
    })
}

/// Whose token it is: the app's user, or the person whose API key it is.
fn viewer(world: &mut World, authorization: Option<&str>) -> Result<String, Problem> {
    let now = world.clock.now();
    match world.tokens.bearer(authorization, now) {
        Bearer::Of(user) => Ok(user.to_owned()),
        Bearer::Ended => Err(Problem::unauthenticated()),
        Bearer::Unknown(why) => {
            world.object(format!("POST /graphql: {why}"));
            Err(Problem::unauthenticated())
        }
    }
}

fn refused(world: &mut World, problem: &Problem, key: Option<&str>) -> Response {
    if problem.malformed {
        world.object(format!("{}: {}", key.unwrap_or("POST /graphql"), problem.sentence()));
    }
    problem.respond(key)
}

fn with_headers<'a>(mut response: Response, headers: impl IntoIterator<Item = &'a (&'static str, i64)>) -> Response {
    for (name, value) in headers {
        response.headers_mut().insert(*name, HeaderValue::from(*value));
    }
    response
}
