//! `/deliveries`: what is parked, with a way to send it again, and what waits.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};

use super::{Web, html};
use crate::{
    ids::DeliveryId,
    storage::{
        Result,
        outbox::{self, DeliveryRow, DeliveryState},
    },
};

const MOST: u32 = 200;

pub(super) async fn page(State(web): State<Web>) -> Response {
    match read(&web).await {
        Ok(page) => page.into_response(),
        Err(error) => html::unavailable(&error),
    }
}

pub(super) async fn retry(State(web): State<Web>, Path(id): Path<String>) -> Response {
    let id = DeliveryId::new(id);
    match outbox::retry(&web.store, &id, web.clock.now()).await {
        Ok(true) => {
            tracing::info!(delivery.id = %id, "an operator sends a delivery again");
            Redirect::to("/deliveries").into_response()
        }
        Ok(false) => html::sentence(StatusCode::CONFLICT, "Not parked", "This delivery is not parked (any more)."),
        Err(error) => html::unavailable(&error),
    }
}

/// A table of deliveries, used by an orchestration's page as well.
pub(super) fn table(rows: &[DeliveryRow], with_orchestration: bool) -> Markup {
    html! {
        table {
            thead { tr {
                th { "Delivery" } th { "What" }
                @if with_orchestration { th { "Orchestration" } }
                th { "State" } th { "Attempts" } th { "Reason" } th { "Next (UTC)" } th {}
            } }
            tbody { @for row in rows { (self::row(row, with_orchestration)) } }
        }
    }
}

async fn read(web: &Web) -> Result<Markup> {
    let parked = outbox::parked(&web.store, MOST).await?;
    let waiting = outbox::pending(&web.store, MOST).await?;
    let body = html! {
        h1 { "Deliveries" }
        h2 { "Parked" }
        @if parked.is_empty() { p.empty { "None: nothing was given up." } } @else { (table(&parked, true)) }
        h2 { "Waiting" }
        @if waiting.is_empty() { p.empty { "None: all is said and done." } } @else { (table(&waiting, true)) }
    };
    Ok(html::page("Deliveries", html::Nav::Deliveries, &body))
}

fn row(row: &DeliveryRow, with_orchestration: bool) -> Markup {
    let state = match row.state {
        DeliveryState::Waiting => "waiting",
        DeliveryState::Done => "done",
        DeliveryState::Parked => "parked",
    };
    html! {
        tr {
            td { code { (row.id) } }
            td { (row.kind) }
            @if with_orchestration {
                td { @if let Some(id) = &row.orchestration { a href={ "/orchestrations/" (id) } { (id) } } }
            }
            td { (html::badge(state)) }
            td { (row.attempts) }
            td { (row.problem.as_deref().unwrap_or_default()) }
            td { @if row.state == DeliveryState::Waiting { (html::moment(row.due_at)) } }
            td {
                @if row.state == DeliveryState::Parked {
                    form method="post" action={ "/deliveries/" (row.id) "/retry" } { button { "Send again" } }
                }
            }
        }
    }
}
