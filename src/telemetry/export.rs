//! Sends spans to a collector: OTLP over HTTP in JSON, which every collector takes
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>). In the background and in batches: a collector
//! that is slow or away costs spans, and nothing else.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::traces::Layer;
use crate::{http, time::Clock};

/// Spans that wait to be sent. Those beyond are lost.
const QUEUE: usize = 4096;
const BATCH: usize = 256;
/// A batch that is not full is sent after this.
const LINGER: Duration = Duration::from_secs(1);
/// Between two attempts at a batch.
const PAUSE: Duration = Duration::from_secs(1);
/// At the end, what waits has this long to get away.
const FAREWELL: Duration = Duration::from_secs(3);
/// That a collector is away is told so often.
const REMIND: Duration = Duration::from_mins(5);

/// What is to be sent, and where to.
#[derive(Debug)]
pub struct Exporter {
    address: Url,
    spans: mpsc::Receiver<Value>,
}

/// An exporter at work.
#[derive(Debug)]
pub struct Exporting {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Exporter {
    /// `endpoint` is the collector's base address, or its address for traces.
    pub(super) fn new(endpoint: &Url) -> (Layer, Self) {
        let (sender, spans) = mpsc::channel(QUEUE);
        let mut address = endpoint.clone();
        let path = endpoint.path().trim_end_matches('/');
        if !path.ends_with("/v1/traces") {
            address.set_path(&format!("{path}/v1/traces"));
        }
        (Layer::new(sender, Clock::system()), Self { address, spans })
    }

    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn start(self) -> reqwest::Result<Exporting> {
        let (client, stop) = (http::client()?, CancellationToken::new());
        let task = tokio::spawn(run(self, client, stop.clone()));
        Ok(Exporting { stop, task })
    }
}

impl Exporting {
    /// Sends what waits, if the collector takes it soon.
    pub async fn finish(self) {
        self.stop.cancel();
        let _ = timeout(FAREWELL, self.task).await;
    }
}

async fn run(exporter: Exporter, client: reqwest::Client, stop: CancellationToken) {
    let Exporter { address, mut spans } = exporter;
    let mut told: Option<Instant> = None;
    while let Some(batch) = gather(&mut spans, &stop).await {
        let lost = batch.len();
        let Err(reason) = send(&client, &address, batch, &stop).await else { continue };
        if told.is_none_or(|told| told.elapsed() >= REMIND) {
            told = Some(Instant::now());
            tracing::warn!(reason, lost, "BATON_OTLP_ENDPOINT does not take spans; they are lost until it does");
        }
    }
}

/// The next batch; none when it is over.
async fn gather(spans: &mut mpsc::Receiver<Value>, stop: &CancellationToken) -> Option<Vec<Value>> {
    let mut batch = Vec::new();
    tokio::select! {
        biased;
        () = stop.cancelled() => {
            let waits = spans.len().min(BATCH);
            return (spans.recv_many(&mut batch, waits).await > 0).then_some(batch);
        }
        first = spans.recv() => batch.push(first?),
    }
    let until = Instant::now() + LINGER;
    while batch.len() < BATCH && !stop.is_cancelled() {
        let room = BATCH - batch.len();
        tokio::select! {
            more = timeout_at(until, spans.recv_many(&mut batch, room)) => if !more.is_ok_and(|more| more > 0) { break },
            () = stop.cancelled() => {}
        }
    }
    Some(batch)
}

/// Twice at the most. The same spans have the same ids, so that a second time adds nothing.
async fn send(
    client: &reqwest::Client,
    address: &Url,
    batch: Vec<Value>,
    stop: &CancellationToken,
) -> Result<(), String> {
    let body = request(&batch);
    let attempt = async || match http::send(client.post(address.clone()).json(&body)).await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("it answers {}", answer.status().as_u16())),
        Err(error) => Err(error.without_url().to_string()),
    };
    match attempt().await {
        Err(_) if !stop.is_cancelled() => {
            sleep(PAUSE).await;
            attempt().await
        }
        answer => answer,
    }
}

fn request(spans: &[Value]) -> Value {
    let attribute = |name: &str, value: &str| json!({"key": name, "value": {"stringValue": value}});
    let baton = [attribute("service.name", "baton"), attribute("service.version", env!("CARGO_PKG_VERSION"))];
    let scope = json!({"scope": {"name": "baton"}, "spans": spans});
    json!({"resourceSpans": [{"resource": {"attributes": baton}, "scopeSpans": [scope]}]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_collectors_or_that_of_its_traces() {
        for (endpoint, address) in [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            ("https://otlp.example.com/tenant/", "https://otlp.example.com/tenant/v1/traces"),
            ("https://otlp.example.com/v1/traces", "https://otlp.example.com/v1/traces"),
        ] {
            let (_, exporter) = Exporter::new(&Url::parse(endpoint).expect("an address"));
            assert_eq!(exporter.address.as_str(), address, "{endpoint}");
        }
    }

    #[tokio::test]
    async fn what_waits_is_sent_at_the_end_and_a_collector_that_is_away_keeps_nobody() {
        let (heard, mut bodies) = mpsc::channel(10);
        let take = move |body: axum::Json<Value>| {
            let heard = heard.clone();
            async move {
                let _ = heard.send(body.0).await;
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let router = axum::Router::new().route("/v1/traces", axum::routing::post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let (sender, spans) = mpsc::channel(600);
        for number in 0..300 {
            sender.try_send(json!({"name": number})).expect("room");
        }
        let address = Url::parse(&format!("{endpoint}/v1/traces")).expect("an address");
        Exporter { address, spans }.start().expect("a client").finish().await;
        let mut sizes = Vec::new();
        while let Ok(body) = bodies.try_recv() {
            sizes.push(body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().expect("spans").len());
        }
        assert_eq!((sizes.iter().sum::<usize>(), sizes.len()), (300, 2), "{sizes:?}");

        let (sender, spans) = mpsc::channel(10);
        sender.try_send(json!({})).expect("room");
        let address = Url::parse("http://127.0.0.1:1/v1/traces").expect("an address");
        Exporter { address, spans }.start().expect("a client").finish().await;
    }
}
