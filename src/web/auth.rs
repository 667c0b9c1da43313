//! Who may see the operator's pages.
//!
//! With an admin token: whoever shows it, as a bearer or in the login form, which hands out a cookie
//! that is derived from it and lapses. Without one: whoever is on this machine, asks this machine by
//! name or address (a page elsewhere whose name was rebound to 127.0.0.1 does not), and comes
//! through no proxy that can be told by its traces. A proxy that leaves none cannot: `app` warns.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::{
    Form,
    extract::{ConnectInfo, Query, Request, State},
    http::{Extensions, HeaderMap, HeaderName, StatusCode, Version, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use hmac::{Hmac, KeyInit, Mac};
use maud::html;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;

use super::{Web, cookies, html, tries};
use crate::time::Timestamp;

const COOKIE: &str = "baton_session";
/// A working day; then the token is asked for again.
const SESSION: Duration = Duration::from_hours(12);
/// Headers by which a proxy says that it is one; so does everything that begins with `x-forwarded-`.
const FORWARDED: [&str; 8] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-original-forwarded-for",
];

/// Lets operators through.
pub(super) async fn guard(State(web): State<Web>, request: Request, next: Next) -> Response {
    let Some(token) = &web.admin_token else {
        return if is_local(&request) { next.run(request).await } else { elsewhere() };
    };
    let (headers, now) = (request.headers(), web.clock.now());
    if has_session(token, headers, now) {
        return next.run(request).await;
    }
    if let Some(shown) = bearer(headers) {
        let place = tries::place(request.extensions(), headers);
        if let Some(wait) = web.tries.wait(place, now) {
            return too_many(wait);
        }
        if same(token.expose_secret(), shown) {
            return next.run(request).await;
        }
        web.tries.wrong(place, now);
        tracing::warn!("somebody showed a wrong admin token");
    }
    let here = request.uri().path_and_query().map_or("/", |path| path.as_str());
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], login_page(here, false)).into_response()
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    next: String,
}

pub(super) async fn form(State(web): State<Web>, Query(wanted): Query<Wanted>) -> Response {
    if web.admin_token.is_none() {
        return Redirect::to("/").into_response();
    }
    login_page(&wanted.next, false).into_response()
}

#[derive(Deserialize)]
pub(super) struct Login {
    token: SecretString,
    #[serde(default)]
    next: String,
}

pub(super) async fn log_in(
    State(web): State<Web>,
    extensions: Extensions,
    headers: HeaderMap,
    Form(login): Form<Login>,
) -> Response {
    let Some(token) = &web.admin_token else { return Redirect::to("/").into_response() };
    let (place, now) = (tries::place(&extensions, &headers), web.clock.now());
    if let Some(wait) = web.tries.wait(place, now) {
        return too_many(wait);
    }
    if !same(token.expose_secret(), login.token.expose_secret().trim()) {
        web.tries.wrong(place, now);
        tracing::warn!("somebody tried a wrong admin token");
        return (StatusCode::UNAUTHORIZED, login_page(&login.next, true)).into_response();
    }
    let session = session(token, now + SESSION);
    let cookie = cookie(&session, is_private(&headers, web.public_url.as_ref()));
    ([(header::SET_COOKIE, cookie)], Redirect::to(our_own(&login.next))).into_response()
}

/// From this machine, and about it. Without connect info nobody is.
fn is_local(request: &Request) -> bool {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let headers = request.headers();
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback())
        && host.is_some_and(names_this_machine)
        && hosts.next().is_none()
        && request.uri().authority().is_none_or(|authority| names_this_machine(authority.as_str()))
        && !headers.keys().any(is_of_a_proxy)
        // nginx speaks HTTP/1.0 to what it stands before, and adds no header unless it is told to.
        && request.version() >= Version::HTTP_11
}

fn is_of_a_proxy(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-forwarded-") || FORWARDED.contains(&name.as_str())
}

/// `localhost`, `127.0.0.1:7300`, `[::1]:7300`.
fn names_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The token that is shown, right or wrong.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (how, shown) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    how.eq_ignore_ascii_case("bearer").then(|| shown.trim())
}

fn has_session(token: &SecretString, headers: &HeaderMap, now: Timestamp) -> bool {
    cookies::all(headers, COOKIE).any(|value| is_session(token, value, now))
}

fn is_session(token: &SecretString, value: &str, now: Timestamp) -> bool {
    let Some(until) = value.split_once('.').and_then(|(until, _)| until.parse().ok()).map(Timestamp::from_secs) else {
        return false;
    };
    until > now && same(&session(token, until), value)
}

/// When it lapses, and a proof that somebody who knows the token made it.
fn session(token: &SecretString, until: Timestamp) -> String {
    let until = until.as_secs();
    // A key of any length will do.
    let proof = Hmac::<Sha256>::new_from_slice(token.expose_secret().as_bytes()).map(|mut mac| {
        mac.update(format!("baton operator until {until}").as_bytes());
        hex::encode(mac.finalize().into_bytes())
    });
    format!("{until}.{}", proof.unwrap_or_default())
}

/// Whether the browser came by https, as the proxy says or as our public address is.
fn is_private(headers: &HeaderMap, public: Option<&Url>) -> bool {
    let asked = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let by_our_name = public.is_some_and(|public| {
        let host = asked.as_ref().map(Authority::host);
        public.scheme() == "https" && host.is_some_and(|host| public.host_str() == Some(host))
    });
    by_our_name || headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https")
}

fn cookie(value: &str, private: bool) -> String {
    let secure = if private { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}", SESSION.as_secs())
}

/// Equal, in a time that tells nothing about either.
fn same(one: &str, other: &str) -> bool {
    Sha256::digest(one).ct_eq(&Sha256::digest(other)).into()
}

/// Where to go after the login: a path of ours, never another site.
fn our_own(next: &str) -> &str {
    let path = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n', '\t']);
    if path { next } else { "/" }
}

fn login_page(next: &str, wrong: bool) -> maud::Markup {
    let form = html! {
        form.login method="post" action="/login" {
            input type="hidden" name="next" value=(our_own(next));
            label for="token" { "Admin token" }
            input #token type="password" name="token" autocomplete="current-password" required autofocus;
            button { "Log in" }
            @if wrong { p.bad { "That is not the token." } }
        }
    };
    html::page("Log in", html::Nav::None, &form)
}

fn too_many(wait: Duration) -> Response {
    let seconds = wait.as_secs().max(1).to_string();
    let reason = "Too many wrong admin tokens came from there.\n";
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds)], reason).into_response()
}

fn elsewhere() -> Response {
    let reason = "The operator's pages answer on loopback only, unless BATON_ADMIN_TOKEN is set.\n";
    (StatusCode::FORBIDDEN, reason).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_by_any_of_its_names() {
        for host in ["localhost", "LOCALHOST:7300", "127.0.0.1", "127.1.2.3:1", "[::1]:7300", "[::1]"] {
            assert!(names_this_machine(host), "{host}");
        }
        for host in ["", "example.com", "localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "0.0.0.0", "::1x"]
        {
            assert!(!names_this_machine(host), "{host}");
        }
    }

    #[test]
    fn a_session_is_proven_and_lapses() {
        let token = SecretString::from("a long admin token");
        let now = Timestamp::from_secs(1_000_000);
        let good = session(&token, now + SESSION);
        assert!(is_session(&token, &good, now));
        assert!(!is_session(&token, &good, now + SESSION), "it has lapsed");
        assert!(!is_session(&SecretString::from("another token"), &good, now), "the token was replaced");
        let prolonged = good.replacen("1043200", "2043200", 1);
        assert_ne!(prolonged, good);
        assert!(!is_session(&token, &prolonged, now), "it was tampered with");
        for junk in ["", ".", "x.y", "1043200", "99999999999999999999.x", "a long admin token"] {
            assert!(!is_session(&token, junk, now), "{junk}");
        }
        assert!(!good.contains("admin token"));
    }

    #[test]
    fn after_the_login_nobody_is_sent_elsewhere() {
        assert_eq!(our_own("/orchestrations/o1?x=1"), "/orchestrations/o1?x=1");
        for next in ["", "https://example.com", "//example.com", "/\\example.com", "javascript:alert(1)", "/\n/x"] {
            assert_eq!(our_own(next), "/", "{next}");
        }
    }
}
