//! The one place that builds HTTP clients and sends with them: time-outs on everything, no redirects
//! followed, one crypto provider, and no request by somebody who may not speak any more. And what
//! every edge has to know about addresses.
//!
//! Whoever works under a lease works in [`speaking_while`]. A process that was stopped and goes on
//! after its lease is anywhere in its work then, and another has taken it over: each request looks at
//! the lease before it leaves, and again whenever it gets on (while it connects, or waits).

use std::{
    future::{Future, poll_fn},
    sync::{Arc, Once},
    task::Poll,
    time::Duration,
};

use http::{HeaderMap, header::RETRY_AFTER};
use reqwest::{RequestBuilder, Response};
use url::{Host, Url};

/// Whether whoever asks may still speak.
pub type MaySpeak = Arc<dyn Fn() -> bool + Send + Sync>;

tokio::task_local! {
    /// Where it is not set, everybody may.
    static MAY_SPEAK: MaySpeak;
}

static PROVIDER: Once = Once::new();

/// Connecting takes this long at the most.
const CONNECT: Duration = Duration::from_secs(5);
/// A whole exchange, the body included, takes this long at the most.
pub const EXCHANGE: Duration = Duration::from_secs(20);
/// A platform that asks us to wait longer than this is asked again after it.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// A client for one platform.
///
/// # Errors
/// When the system's certificates cannot be read.
pub fn client() -> reqwest::Result<reqwest::Client> {
    builder().timeout(EXCHANGE).build()
}

/// A client for what begins as a request and goes on for as long as it likes, as a WebSocket does: the
/// caller bounds the beginning. HTTP/1.1 alone can do that.
///
/// # Errors
/// As [`client`].
pub fn upgrading_client() -> reqwest::Result<reqwest::Client> {
    builder().http1_only().build()
}

fn builder() -> reqwest::ClientBuilder {
    ensure_crypto_provider();
    #[expect(clippy::disallowed_methods, reason = "the one place that builds HTTP clients")]
    reqwest::Client::builder()
        .user_agent(concat!("baton/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .pool_idle_timeout(Duration::from_secs(30))
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
}

/// Does `work`, in which [`send`] sends only while `may_speak` says so. Whoever calls this drops the
/// work when it says no: a request that may not go keeps it waiting for good.
pub async fn speaking_while<T>(may_speak: MaySpeak, work: impl Future<Output = T>) -> T {
    MAY_SPEAK.scope(may_speak, work).await
}

/// Sends the request.
///
/// # Errors
/// As [`RequestBuilder::send`].
pub async fn send(request: RequestBuilder) -> reqwest::Result<Response> {
    let Ok(may_speak) = MAY_SPEAK.try_with(Arc::clone) else { return request.send().await };
    let mut exchange = None;
    let mut request = Some(request);
    poll_fn(|context| {
        if !may_speak() {
            // What has not left by now does not leave any more.
            (request, exchange) = (None, None);
        }
        if let Some(request) = request.take() {
            exchange = Some(Box::pin(request.send()));
        }
        exchange.as_mut().map_or(Poll::Pending, |exchange| exchange.as_mut().poll(context))
    })
    .await
}

/// rustls takes one provider for the process; reqwest and sqlx panic or refuse without it.
pub fn ensure_crypto_provider() {
    PROVIDER.call_once(|| {
        // An error means that someone installed one before us, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Whether the address is on this machine, as that of a simulated platform is.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The address below `base`, which has a last slash or none.
#[must_use]
pub fn below(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    // Only an address like `data:` has no path; asking that fails without being sent.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// `Retry-After` as seconds (the form that Slack, Linear and Oz send), capped at an hour.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().map(|wait| wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use axum::{Router, http::StatusCode};
    use tokio::time::timeout;

    use super::*;

    async fn serve(router: Router) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    /// Every edge has its client from here, so none of them takes a token along.
    #[tokio::test]
    async fn no_redirect_is_followed_and_so_no_token_goes_along() {
        let led_astray = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&led_astray);
        let elsewhere = serve(Router::new().fallback(move || {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::ready("")
        }))
        .await;
        for status in [301, 302, 303, 307, 308] {
            let status = StatusCode::from_u16(status).expect("a status");
            let location = [("location", elsewhere.clone())];
            let here = serve(Router::new().fallback(move || std::future::ready((status, location.clone())))).await;
            let client = client().expect("a client");
            for request in [client.get(&here), client.post(&here).body("words")] {
                let answer = request.bearer_auth("hush").send().await.expect("an answer");
                assert_eq!(answer.status(), status);
            }
        }
        assert_eq!(led_astray.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_wait_that_is_asked_for_is_bounded() {
        let wait = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().expect("a header"));
            retry_after(&headers)
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("1e300"), None);
        assert_eq!(wait("999999"), Some(LONGEST_RETRY_AFTER));
        for wrong in ["-1", "NaN", "soon", ""] {
            assert_eq!(wait(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn addresses_are_below_the_base() {
        for base in ["https://x.example", "https://x.example/", "https://x.example/a/"] {
            let base = Url::parse(base).expect("an address");
            assert!(below(&base, &["oauth", "token"]).as_str().ends_with("/oauth/token"));
        }
    }

    /// Counts what reaches it, and answers after `pause`.
    async fn counting(pause: Duration) -> (String, Arc<AtomicUsize>) {
        let reached = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&reached);
        let answer = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(pause)
        };
        (serve(Router::new().fallback(answer)).await, reached)
    }

    #[tokio::test]
    async fn whoever_may_not_speak_any_more_does_not() {
        let (address, reached) = counting(Duration::ZERO).await;
        let client = client().expect("a client");
        let may = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&may);
        let may_speak: MaySpeak = Arc::new(move || asked.load(Ordering::SeqCst));
        let ask = || speaking_while(Arc::clone(&may_speak), send(client.get(&address)));
        ask().await.expect("an answer");
        may.store(false, Ordering::SeqCst);
        assert!(timeout(Duration::from_millis(100), ask()).await.is_err(), "it waits to be dropped");
        assert_eq!(reached.load(Ordering::SeqCst), 1);
        send(client.get(&address)).await.expect("elsewhere nobody is kept from it");
    }

    #[tokio::test]
    async fn an_answer_that_comes_too_late_is_not_heard() {
        let (address, reached) = counting(Duration::from_millis(50)).await;
        let client = client().expect("a client");
        let counted = Arc::clone(&reached);
        let may_speak: MaySpeak = Arc::new(move || counted.load(Ordering::SeqCst) == 0);
        let asked = timeout(Duration::from_millis(200), speaking_while(may_speak, send(client.get(&address)))).await;
        assert!(asked.is_err(), "the leave ended while it waited");
        assert_eq!(reached.load(Ordering::SeqCst), 1);
    }
}
