//! The pages of an OAuth install: off to the platform, back from it, and what came of it.
//!
//! The address that a browser comes back to holds a code and a state: what became of them is told at
//! another, which holds nothing. Nothing secret is ever on a page.

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use maud::html;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use super::{
    cookies,
    html::{Nav, page},
    with_headers,
};
use crate::{
    domain::{actor::Platform, failure::Failure, text::shorten},
    installs::{Back, Installer, NotInstalled, Who, install::PATIENCE},
};

/// What came of it is told for so many seconds.
const TOLD: u64 = 60;
/// A cookie has 4 KiB at the most.
const LONGEST_NAME: usize = 200;

/// `/slack/install`, `/slack/oauth/callback` and `/slack/installed`, or Linear's, for everybody: whom
/// the platform lets in, the platform decides.
pub fn installs(installer: Installer) -> Router {
    let at = format!("/{}", installer.platform().as_str());
    let pages = Router::new()
        .route(&format!("{at}/install"), get(begin))
        .route(&format!("{at}/oauth/callback"), get(back))
        .route(&format!("{at}/installed"), get(tell));
    with_headers(pages).with_state(installer)
}

/// What came of an install. It travels in a cookie, which its browser may change: it is no more than
/// words.
#[derive(Debug, Serialize, Deserialize)]
enum Outcome {
    Installed { name: String, handle: String, lacks: Option<String> },
    Refused { status: u16, why: String },
}

async fn begin(State(installer): State<Installer>) -> Response {
    match installer.begin().await {
        Ok(begun) => {
            let cookie = Cookie::new("install", &installer).holding(begun.browser.expose_secret(), PATIENCE.as_secs());
            (private([cookie]), Redirect::to(begun.address.as_str())).into_response()
        }
        Err(why) => show(&installer, &refused(&installer, &why)),
    }
}

async fn back(State(installer): State<Installer>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let (browser, told) = (Cookie::new("install", &installer), Cookie::new("installed", &installer));
    let mut back = Back { browser: browser.of(&headers).map(Into::into), ..Back::default() };
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*name {
            _ if value.is_empty() => {}
            "state" => back.state = Some(value.into_owned().into()),
            "code" => back.code = Some(value.into_owned().into()),
            "error" => back.error = Some(value.into_owned()),
            _ => {}
        }
    }
    // A code is good once: what was begun is finished, also for a browser that does not wait.
    let finishing = installer.clone();
    let finished = tokio::spawn(async move { finishing.finish(&back).await });
    let outcome = match finished.await.unwrap_or(Err(NotInstalled::Unknown)) {
        Ok(who) => installed(who),
        Err(why) => refused(&installer, &why),
    };
    let words = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&outcome).unwrap_or_default());
    // From `…/oauth/callback`, so that it does not matter below which path a proxy has us.
    (private([browser.holding("", 0), told.holding(&words, TOLD)]), Redirect::to("../installed")).into_response()
}

async fn tell(State(installer): State<Installer>, headers: HeaderMap) -> Response {
    let words = Cookie::new("installed", &installer).of(&headers);
    let outcome = words.and_then(|words| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(words).ok()?).ok());
    let nothing = || Outcome::Refused {
        status: StatusCode::NOT_FOUND.as_u16(),
        why: "There is no install to tell of. If you came from one, your browser does not keep cookies.".to_owned(),
    };
    show(&installer, &outcome.unwrap_or_else(nothing))
}

fn show(installer: &Installer, outcome: &Outcome) -> Response {
    let (status, title, body) = match outcome {
        Outcome::Installed { name, handle, lacks } => {
            let how = match installer.platform() {
                Platform::Slack => ", after inviting it into a channel.",
                Platform::Linear => " in a comment, or delegate an issue to it.",
            };
            let body = html! {
                h1 { "Baton is installed in " (name) }
                p { "Mention @" (handle) (how) }
                @if let Some(lacks) = lacks {
                    p { (lacks) " " a href="install" { "Install it again" } }
                }
            };
            (StatusCode::OK, "Installed", body)
        }
        Outcome::Refused { status, why } => {
            let status = StatusCode::from_u16(*status).ok().filter(|status| !status.is_success());
            let body = html! {
                h1 { "Baton is not installed" }
                p { (why) }
                p { a href="install" { "Begin again" } }
            };
            (status.unwrap_or(StatusCode::BAD_REQUEST), "Not installed", body)
        }
    };
    (status, private([]), page(title, Nav::None, &body)).into_response()
}

fn installed(who: Who) -> Outcome {
    let handle = if who.handle.is_empty() { "Baton" } else { &who.handle };
    Outcome::Installed {
        name: shorten(&who.name, LONGEST_NAME),
        handle: shorten(handle, LONGEST_NAME),
        lacks: who.lacks,
    }
}

fn refused(installer: &Installer, why: &NotInstalled) -> Outcome {
    let name = installer.platform().name();
    let (status, sentence) = match why {
        NotInstalled::Unknown => (
            StatusCode::BAD_REQUEST,
            "This install was not begun in this browser, took longer than ten minutes, or was finished already."
                .to_owned(),
        ),
        NotInstalled::Denied => {
            (StatusCode::BAD_REQUEST, format!("It was not allowed in {name}. Nothing has changed."))
        }
        NotInstalled::Failed(Failure::Transient { .. }) => {
            (StatusCode::BAD_GATEWAY, format!("{name} did not answer as it should."))
        }
        NotInstalled::Failed(
            Failure::Ambiguous(problem)
            | Failure::Refused(problem)
            | Failure::Gone(problem)
            | Failure::Unauthorized(problem),
        ) => (StatusCode::BAD_GATEWAY, format!("{name} did not accept it: {}.", problem.code)),
        NotInstalled::Busy => {
            (StatusCode::SERVICE_UNAVAILABLE, "Too many installs have begun. Try again in ten minutes.".to_owned())
        }
        NotInstalled::Store(_) | NotInstalled::Seal(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "It could not be kept. The log says why.".to_owned())
        }
    };
    tracing::warn!(platform = installer.platform().as_str(), reason = %why, "an install did not come about");
    Outcome::Refused { status: status.as_u16(), why: sentence }
}

/// A cookie of one platform's installs. The platform's page leads back to us, so it has to come with
/// requests that another site began.
struct Cookie {
    name: String,
    secure: &'static str,
}

impl Cookie {
    fn new(what: &str, installer: &Installer) -> Self {
        let platform = installer.platform().as_str();
        // With the prefix no other site below our domain can set it.
        let (prefix, secure) = if installer.is_private() { ("__Host-", "; Secure") } else { ("", "") };
        Self { name: format!("{prefix}baton-{what}-{platform}"), secure }
    }

    fn holding(&self, value: &str, seconds: u64) -> String {
        let Self { name, secure } = self;
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
    }

    fn of(&self, headers: &HeaderMap) -> Option<String> {
        cookies::find(headers, &self.name).filter(|value| !value.is_empty()).map(str::to_owned)
    }
}

/// The address that a browser came back to has a code in it, and the one it is sent to a state.
fn private<const N: usize>(cookies: [String; N]) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"))]);
    for cookie in cookies {
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            headers.append(header::SET_COOKIE, cookie);
        }
    }
    headers
}

#[cfg(test)]
mod tests;
