//! `/metrics`: what was counted, with the queues as they are at this moment.

use std::time::Duration;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use super::Web;
use crate::storage::{Result, Store, inbox, mended, orchestrations, outbox};
use crate::telemetry::Metrics;

/// A scrape gets the counters in time, whatever the database does.
const PATIENCE: Duration = Duration::from_secs(2);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn page(State(web): State<Web>) -> Response {
    // Without the database the gauges stay as they were; `/readyz` tells why.
    let _ = tokio::time::timeout(PATIENCE, gauge(&web.store, &web.metrics)).await;
    ([(header::CONTENT_TYPE, OPEN_METRICS)], web.metrics.render()).into_response()
}

async fn gauge(store: &Store, metrics: &Metrics) -> Result<()> {
    let inbox = inbox::counts(store).await?;
    metrics.set_inbox_depth(inbox.undecided, inbox.parked);
    let outbox = outbox::counts(store).await?;
    metrics.set_outbox_depth(outbox.waiting, outbox.parked);
    metrics.set_orchestrations(&orchestrations::counts_by_stage(store).await?);
    metrics.set_mended(&mended::counts(store).await?);
    Ok(())
}
