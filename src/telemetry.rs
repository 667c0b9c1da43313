//! Logs, traces and metrics: what an operator sees of Baton while it runs.
//!
//! [`init`] is called once by `serve` and `dev`; `serve` may want traces as well ([`init_with_traces`]). [`Metrics`] is handed to whoever has something to
//! count; `web/metrics.rs` renders it. All metrics' names are in [`Metrics::new`], and nowhere else.

mod export;
mod traces;

use std::{io, panic, sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer, Registry as Subscriber,
    filter::{FilterExt, filter_fn},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use url::Url;

use crate::config::{LogFormat, LogSettings};
pub use export::{Exporter, Exporting};

/// Logs go to stderr from here on, in the format and with the levels that are set. A panic becomes
/// a line like any other.
pub fn init(log: &LogSettings) {
    start(log, None);
}

/// As [`init`], and spans are made for the collector at `endpoint`, where there is one; the exporter has
/// yet to be started.
pub fn init_with_traces(log: &LogSettings, endpoint: Option<&Url>) -> Option<Exporter> {
    let (layer, exporter) = endpoint.map(Exporter::new).unzip();
    start(log, layer);
    exporter
}

fn start(log: &LogSettings, traces: Option<traces::Layer>) {
    let filter = EnvFilter::new(&log.filter).and(filter_fn(keeps_secrets));
    let lines = fmt::layer().with_writer(io::stderr);
    let layer: Box<dyn Layer<Subscriber> + Send + Sync> = match log.format {
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).with_filter(filter).boxed(),
        LogFormat::Text if LogFormat::for_stderr() == LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Text => lines.with_ansi(false).with_filter(filter).boxed(),
    };
    // An error means that somebody set a subscriber before us, which then has the say.
    let traces = traces.map(|traces| traces.with_filter(filter_fn(traces::Layer::wants)));
    let _ = tracing_subscriber::registry().with(layer).with(traces).try_init();
    // The panic's own message may quote the text that it happened over.
    panic::set_hook(Box::new(tell));
}

fn tell(panic: &panic::PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    tracing::error!(location, "a task panicked");
}

/// What libraries say below `info` may hold addresses, headers and bodies, so no filter gets it.
/// Our own lines never do, at any level.
fn keeps_secrets(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || metadata.target().split("::").next() == Some("baton")
}

/// Counters, gauges and times. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    events: Family<EventLabels, Counter>,
    deliveries: Family<DeliveryLabels, Counter>,
    door_seconds: Histogram,
    delivery_seconds: Family<KindLabel, Histogram>,
    inbox_depth: Gauge,
    inbox_parked: Gauge,
    outbox_depth: Family<StateLabel, Gauge>,
    orchestrations: Family<StageLabel, Gauge>,
    mended: Family<MendedLabel, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EventLabels {
    source: &'static str,
    kind: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DeliveryLabels {
    kind: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct MendedLabel {
    kind: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StageLabel {
    stage: String,
}

impl Metrics {
    /// The list of all metrics.
    #[must_use]
    pub fn new() -> Self {
        let events = Family::default();
        let deliveries = Family::default();
        // 1 ms to 4 s: Slack waits for three.
        let door_seconds = Histogram::new(exponential_buckets(0.001, 2.0, 13));
        // 10 ms to 40 s: a request may take 20.
        let delivery_seconds: Family<KindLabel, Histogram> =
            Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.01, 2.0, 13)));
        let inbox_depth = Gauge::default();
        let inbox_parked = Gauge::default();
        let outbox_depth = Family::default();
        let orchestrations = Family::default();
        let mended = Family::default();

        let mut registry = Registry::with_prefix("baton");
        // `_total` is added to a counter's name when it is rendered.
        registry.register("events", "Events received, by what became of them", events.clone());
        registry.register("deliveries", "Attempts of deliveries, by what became of them", deliveries.clone());
        registry.register("door_seconds", "From a webhook's arrival to its answer", door_seconds.clone());
        registry.register("delivery_seconds", "How long an attempt of a delivery took", delivery_seconds.clone());
        registry.register("inbox_depth", "Events that are not decided yet", inbox_depth.clone());
        registry.register("inbox_parked", "Events that could not be decided", inbox_parked.clone());
        registry.register("outbox_depth", "Deliveries that are not done, by state", outbox_depth.clone());
        registry.register("orchestrations", "Orchestrations, by stage", orchestrations.clone());
        registry.register("mended", "What reconciling put right since the beginning, by kind", mended.clone());
        Self(Arc::new(Inner {
            registry,
            events,
            deliveries,
            door_seconds,
            delivery_seconds,
            inbox_depth,
            inbox_parked,
            outbox_depth,
            orchestrations,
            mended,
        }))
    }

    /// A webhook from `source` was stored, known already, refused, ignored or decided.
    pub fn event(&self, source: &'static str, kind: &'static str, result: &'static str) {
        self.0.events.get_or_create(&EventLabels { source, kind, result }).inc();
    }

    /// A webhook was answered after this long.
    pub fn door(&self, took: Duration) {
        self.0.door_seconds.observe(took.as_secs_f64());
    }

    /// A delivery was attempted. `kind` is the effect's word, of which there are few.
    pub fn delivery(&self, kind: &'static str, result: &'static str, took: Duration) {
        self.0.deliveries.get_or_create(&DeliveryLabels { kind, result }).inc();
        self.0.delivery_seconds.get_or_create(&KindLabel { kind }).observe(took.as_secs_f64());
    }

    pub fn set_inbox_depth(&self, undecided: u64, parked: u64) {
        self.0.inbox_depth.set(signed(undecided));
        self.0.inbox_parked.set(signed(parked));
    }

    pub fn set_outbox_depth(&self, waiting: u64, parked: u64) {
        self.0.outbox_depth.get_or_create(&StateLabel { state: "waiting" }).set(signed(waiting));
        self.0.outbox_depth.get_or_create(&StateLabel { state: "parked" }).set(signed(parked));
    }

    /// All stages at once; a stage that is not among them has none.
    pub fn set_orchestrations(&self, by_stage: &[(String, u64)]) {
        self.0.orchestrations.clear();
        for (stage, count) in by_stage {
            self.0.orchestrations.get_or_create(&StageLabel { stage: stage.clone() }).set(signed(*count));
        }
    }

    /// As the database counts them, for all replicas together and over restarts.
    pub fn set_mended(&self, by_kind: &[(String, u64)]) {
        for (kind, times) in by_kind {
            let counter = self.0.mended.get_or_create(&MendedLabel { kind: kind.clone() }).clone();
            counter.inner().store(*times, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// In the `OpenMetrics` text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.0.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_reported_is_rendered_under_its_name() {
        let metrics = Metrics::new();
        metrics.event("slack", "commands", "stored");
        metrics.event("slack", "commands", "stored");
        metrics.door(Duration::from_millis(3));
        metrics.delivery("post_board", "done", Duration::from_millis(200));
        metrics.set_inbox_depth(4, 1);
        metrics.set_outbox_depth(2, 1);
        metrics.set_mended(&[("board_shown".into(), 3)]);
        metrics.set_orchestrations(&[("planning".into(), 1), ("done".into(), 7)]);
        metrics.set_orchestrations(&[("done".into(), 8)]);
        let text = metrics.render();
        for line in [
            "baton_events_total{source=\"slack\",kind=\"commands\",result=\"stored\"} 2",
            "baton_deliveries_total{kind=\"post_board\",result=\"done\"} 1",
            "baton_door_seconds_bucket{le=\"0.004\"} 1",
            "baton_delivery_seconds_count{kind=\"post_board\"} 1",
            "baton_inbox_depth 4",
            "baton_inbox_parked 1",
            "baton_mended_total{kind=\"board_shown\"} 3",
            "baton_outbox_depth{state=\"parked\"} 1",
            "baton_orchestrations{stage=\"done\"} 8",
            "# EOF",
        ] {
            assert!(text.lines().any(|there| there == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("planning"), "a stage that is gone stays gone");
    }

    #[test]
    fn libraries_are_not_heard_below_info() {
        let subscriber = tracing_subscriber::registry().with(
            fmt::layer().with_writer(io::sink).with_filter(EnvFilter::new("trace").and(filter_fn(keeps_secrets))),
        );
        tracing::subscriber::with_default(subscriber, || {
            assert!(tracing::enabled!(target: "baton::slack", Level::TRACE));
            assert!(tracing::enabled!(target: "reqwest::connect", Level::INFO));
            assert!(!tracing::enabled!(target: "reqwest::connect", Level::DEBUG));
            assert!(!tracing::enabled!(target: "batonic", Level::DEBUG));
        });
    }

    #[test]
    fn a_panic_tells_where_it_happened_and_not_over_what() {
        let (sender, said) = std::sync::mpsc::channel::<Vec<u8>>();
        let writer = move || Said(sender.clone());
        let lines = fmt::layer().with_writer(writer).json();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            let before = panic::take_hook();
            panic::set_hook(Box::new(tell));
            let panicked = panic::catch_unwind(|| panic!("over {}", "somebody's words"));
            panic::set_hook(before);
            assert!(panicked.is_err());
        });
        let said = String::from_utf8(said.try_iter().flatten().collect()).expect("text");
        assert!(said.contains("a task panicked") && said.contains("telemetry.rs"), "{said}");
        assert!(!said.contains("words"), "{said}");
    }

    struct Said(std::sync::mpsc::Sender<Vec<u8>>);

    impl io::Write for Said {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
