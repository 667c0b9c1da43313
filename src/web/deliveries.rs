//! `/deliveries`: what is parked, with a way to send it again, and what waits; and the events that could
//! not be decided.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};

use super::{Web, html};
use crate::{
    ids::{DeliveryId, EventId},
    storage::{
        Result,
        inbox::{self, ParkedEvent},
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
    match again(&web, &id).await {
        Ok(true) => Redirect::to("/deliveries").into_response(),
        Ok(false) => html::sentence(StatusCode::CONFLICT, "Not parked", "That is not parked (any more)."),
        Err(error) => html::unavailable(&error),
    }
}

/// A delivery or an event, by its id. False when it is not parked.
async fn again(web: &Web, id: &str) -> Result<bool> {
    let (delivery, event, now) = (DeliveryId::new(id), EventId::new(id), web.clock.now());
    if outbox::retry(&web.store, &delivery, now).await? {
        tracing::info!(delivery.id = %delivery, "an operator sends a delivery again");
        return Ok(true);
    }
    let retried = inbox::retry(&web.store, &event, now).await?;
    if retried {
        tracing::info!(event.id = %event, "an operator has an event decided again");
    }
    Ok(retried)
}

/// A table of deliveries, used by an orchestration's page as well.
pub(super) fn table<'a>(rows: impl IntoIterator<Item = &'a DeliveryRow>, with_orchestration: bool) -> Markup {
    let head = html! {
        th { "Delivery" } th { "What" }
        @if with_orchestration { th { "Orchestration" } }
        th { "Decided (UTC)" } th { "State" } th { "Attempts" } th { "Reason" } th { "Next (UTC)" } th {}
    };
    html::table(&head, &html! { @for row in rows { (self::row(row, with_orchestration)) } })
}

async fn read(web: &Web) -> Result<Markup> {
    let parked = outbox::parked(&web.store, MOST).await?;
    let waiting = outbox::pending(&web.store, MOST).await?;
    let events = inbox::parked(&web.store, MOST).await?;
    let body = html! {
        h1 { "Deliveries" }
        h2 { "Parked" }
        @if parked.is_empty() { p.empty { "Nothing is parked." } } @else { (table(&parked, true)) }
        h2 { "Waiting" }
        @if waiting.is_empty() { p.empty { "None: all is said and done." } } @else { (table(&waiting, true)) }
        @if !events.is_empty() {
            h2 { "Events that could not be decided" }
            (events_table(&events))
        }
    };
    Ok(html::page("Deliveries", html::Nav::Deliveries, &body))
}

fn events_table(events: &[ParkedEvent]) -> Markup {
    let head = html! { th { "Event" } th { "What" } th { "State" } th { "Attempts" } th { "Received (UTC)" } th {} };
    let rows = html! {
        @for event in events {
            tr {
                td { code { (event.id) } }
                td { (event.source) " " (event.kind) }
                td { (html::badge("parked")) }
                td { (event.attempts) }
                td { (html::moment(event.received_at)) }
                td { form method="post" action={ "/deliveries/" (event.id) "/retry" } { button { "Decide again" } } }
            }
        }
    };
    html::table(&head, &rows)
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
            td { (html::moment(row.created_at)) }
            td { (html::badge(state)) }
            td { (row.attempts) }
            td { (row.reason()) }
            td { @if row.state == DeliveryState::Waiting { (html::moment(row.due_at)) } }
            td {
                @if row.state == DeliveryState::Parked {
                    form method="post" action={ "/deliveries/" (row.id) "/retry" } { button { "Send again" } }
                }
            }
        }
    }
}
