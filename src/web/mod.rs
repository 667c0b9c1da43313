//! What an operator sees: health, metrics, and pages about orchestrations, deliveries and what was mended.
//!
//! Plain HTML without a script. `app` mounts the [`router`] beside the webhooks, and has to serve
//! with connect info, because [`auth`] asks where a request comes from.

mod audit;
mod auth;
mod cookies;
mod deliveries;
pub mod door;
mod health;
pub mod html;
mod install;
pub mod listen;
mod mended;
mod metrics;
mod orchestration;
mod orchestrations;
mod tries;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use secrecy::SecretString;
use tower_http::{csrf::CsrfLayer, set_header::SetResponseHeaderLayer};
use url::Url;

pub use health::Ready;
pub use install::installs;
pub use tries::Tries;

use crate::{storage::Store, telemetry::Metrics, time::Clock};

/// A form of ours is a few fields.
const BODY: usize = 8 * 1024;

/// What every response carries: nothing is loaded from elsewhere, framed, guessed or kept.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Not `no-referrer`: browsers would then post our forms with the origin `null`.
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// What the pages are made from.
#[derive(Clone, Debug)]
pub struct Web {
    pub store: Store,
    pub metrics: Metrics,
    pub ready: Ready,
    /// Wanted by everything but health when it is set; otherwise that answers on loopback only.
    pub admin_token: Option<SecretString>,
    /// Of that token, wrong.
    pub tries: Tries,
    pub public_url: Option<Url>,
    pub clock: Clock,
}

/// `/healthz` and `/readyz` for everybody; the rest for operators.
pub fn router(web: Web) -> Router {
    let operators = Router::new()
        .route("/", get(orchestrations::page))
        .route("/orchestrations/{id}", get(orchestration::page))
        .route("/deliveries", get(deliveries::page))
        .route("/deliveries/{id}/retry", post(deliveries::retry))
        .route("/mended", get(mended::page))
        .route("/audit", get(audit::page))
        .route("/halt", post(audit::halt))
        .route("/resume", post(audit::resume))
        .route("/metrics", get(metrics::page))
        .route_layer(middleware::from_fn_with_state(web.clone(), auth::guard));
    let everybody = Router::new()
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/login", get(auth::form).post(auth::log_in))
        .route("/assets/baton.css", get(style))
        .route("/assets/baton.svg", get(icon));
    let pages = operators.merge(everybody).layer(CsrfLayer::new()).layer(DefaultBodyLimit::max(BODY));
    with_headers(pages.fallback(nowhere)).with_state(web)
}

fn with_headers<S: Clone + Send + Sync + 'static>(pages: Router<S>) -> Router<S> {
    HEADERS.into_iter().fold(pages, |pages, (name, value)| {
        pages.layer(SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value)))
    })
}

/// A page for whoever looks with a browser; a program is told the status, and no more.
async fn nowhere(method: Method, headers: HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if method != Method::GET || !accepts.contains("text/html") {
        return StatusCode::NOT_FOUND.into_response();
    }
    html::sentence(StatusCode::NOT_FOUND, "Not found", "There is no such page.")
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css")], include_str!("baton.css"))
}

async fn icon() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "image/svg+xml")], include_str!("baton.svg"))
}

#[cfg(test)]
mod tests;
