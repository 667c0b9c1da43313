//! How a fault looks on the wire: connections that close, answers that never come, pages from the edge.
//!
//! Each simulated platform wraps its handling of a request in [`carry_out`], so that a fault means
//! the same on all of them; only the form of an error is the platform's own.

use std::{io, time::Duration};

use axum::{
    body::Body,
    response::{Html, IntoResponse, Response},
};
use futures_util::stream;
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};

use super::faults::Fault;

/// A request that hangs is given up after this long, so that a forgotten one ends by itself.
const LONGEST_HANG: Duration = Duration::from_mins(2);

/// An error that the platform is to answer in its own form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This HTTP status.
    Status(StatusCode),
    /// This code of the platform's own.
    Code(String),
}

/// Handles one request as `fault` wants it. `handle` is called as often as the request takes
/// effect: never, once or twice. `refuse` writes the platform's own errors.
pub async fn carry_out<F: Future<Output = Response>>(
    fault: Option<Fault>,
    refuse: impl Fn(Refusal) -> Response,
    handle: impl Fn() -> F,
) -> Response {
    let Some(fault) = fault else { return handle().await };
    match fault {
        Fault::Drop => broken_response(),
        Fault::LoseAnswer => {
            handle().await;
            broken_response()
        }
        Fault::Hang => {
            handle().await;
            tokio::time::sleep(LONGEST_HANG).await;
            broken_response()
        }
        Fault::Delay(by) => {
            let answer = handle().await;
            tokio::time::sleep(by).await;
            answer
        }
        Fault::Duplicate => {
            handle().await;
            handle().await
        }
        Fault::RateLimited { retry_after } => {
            let mut answer = refuse(Refusal::Status(StatusCode::TOO_MANY_REQUESTS));
            if let Some(seconds) = retry_after {
                answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            answer
        }
        Fault::Html(status) => edge_page(known_status(status)),
        Fault::Status(status) => refuse(Refusal::Status(known_status(status))),
        Fault::Refuse(code) => refuse(Refusal::Code(code)),
    }
}

/// An answer that is never sent: its body fails before the head has left, and the connection closes.
pub fn broken_response() -> Response {
    let failing = stream::once(async { Err::<Vec<u8>, _>(io::Error::from(io::ErrorKind::ConnectionReset)) });
    Response::new(Body::from_stream(failing))
}

/// What a load balancer in front of the platform says instead of the platform.
pub fn edge_page(status: StatusCode) -> Response {
    let reason = status.canonical_reason().unwrap_or("Error");
    let number = status.as_u16();
    let page = format!(
        "<html><head><title>{number} {reason}</title></head>\
         <body><center><h1>{number} {reason}</h1></center><hr><center>edge</center></body></html>"
    );
    (status, Html(page)).into_response()
}

/// A number that is no status is a fault of its own: 500.
fn known_status(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::Router;

    use super::*;

    /// Serves one route on loopback under `fault`; gives what a client saw and how often it took effect.
    async fn ask(fault: Option<Fault>) -> (reqwest::Result<reqwest::Response>, usize) {
        let effects = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&effects);
        let router = Router::new().fallback(move || {
            let (fault, counted) = (fault.clone(), Arc::clone(&counted));
            async move {
                let refuse = |refusal| match refusal {
                    Refusal::Status(status) => (status, "refused").into_response(),
                    Refusal::Code(code) => code.into_response(),
                };
                carry_out(fault, refuse, || async {
                    let count = counted.fetch_add(1, Ordering::SeqCst) + 1;
                    format!("effect {count}").into_response()
                })
                .await
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let client = crate::http::client().expect("a client");
        let url = format!("http://{address}/");
        let answer = client.post(url).timeout(Duration::from_millis(300)).send().await;
        server.abort();
        (answer, effects.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn a_connection_closes_without_an_answer_before_or_after_the_effect() {
        for (fault, effects) in [(Fault::Drop, 0), (Fault::LoseAnswer, 1)] {
            let (answer, seen) = ask(Some(fault)).await;
            let error = answer.expect_err("no answer");
            assert!(error.is_request() && !error.is_timeout(), "{error:?}");
            assert_eq!(seen, effects);
        }
    }

    #[tokio::test]
    async fn a_hanging_request_takes_effect_and_is_never_answered() {
        let (answer, effects) = ask(Some(Fault::Hang)).await;
        assert!(answer.expect_err("no answer").is_timeout());
        assert_eq!(effects, 1);
    }

    #[tokio::test]
    async fn answers_come_late_twice_or_as_usual() {
        for (fault, effects) in
            [(None, 1), (Some(Fault::Delay(Duration::from_millis(20))), 1), (Some(Fault::Duplicate), 2)]
        {
            let (answer, seen) = ask(fault).await;
            assert_eq!(answer.expect("an answer").text().await.expect("a body"), format!("effect {effects}"));
            assert_eq!(seen, effects);
        }
    }

    #[tokio::test]
    async fn refusals_have_no_effect() {
        for (fault, status, body) in [
            (Fault::RateLimited { retry_after: Some(7) }, 429, "refused"),
            (Fault::Html(502), 502, "<h1>502 Bad Gateway</h1>"),
            (Fault::Status(503), 503, "refused"),
            (Fault::Refuse("conflict".into()), 200, "conflict"),
        ] {
            let limited = matches!(fault, Fault::RateLimited { .. });
            let (answer, effects) = ask(Some(fault)).await;
            let answer = answer.expect("an answer");
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers().get(RETRY_AFTER).is_some_and(|seconds| seconds == "7"), limited);
            assert!(answer.text().await.expect("a body").contains(body));
            assert_eq!(effects, 0);
        }
    }
}
