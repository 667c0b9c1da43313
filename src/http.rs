//! The one place that builds HTTP clients: time-outs on everything, no redirects followed, one
//! crypto provider. Every edge gets its client from here.

use std::{sync::Once, time::Duration};

use http::{HeaderMap, header::RETRY_AFTER};

static PROVIDER: Once = Once::new();

/// Connecting takes this long at the most.
const CONNECT: Duration = Duration::from_secs(5);
/// A whole exchange, the body included, takes this long at the most.
const EXCHANGE: Duration = Duration::from_secs(20);
/// A platform that asks us to wait longer than this is asked again after it.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// A client for one platform.
///
/// # Errors
/// When the system's certificates cannot be read.
pub fn client() -> reqwest::Result<reqwest::Client> {
    ensure_crypto_provider();
    #[expect(clippy::disallowed_methods, reason = "the one place that builds HTTP clients")]
    reqwest::Client::builder()
        .user_agent(concat!("baton/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(EXCHANGE)
        .pool_idle_timeout(Duration::from_secs(30))
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// rustls takes one provider for the process; reqwest and sqlx panic or refuse without it.
pub fn ensure_crypto_provider() {
    PROVIDER.call_once(|| {
        // An error means that someone installed one before us, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// `Retry-After` as seconds (the form that Slack, Linear and Oz send), capped at an hour.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().map(|wait| wait.min(LONGEST_RETRY_AFTER))
}
