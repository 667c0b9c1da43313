//! `/`: all orchestrations, the newest first.

use axum::{
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{Web, audit, html};
use crate::{
    domain::text::first_line,
    storage::{
        Result, inbox,
        orchestrations::{self, Filter, Summary},
        outbox,
    },
};

/// Enough to find what one looks for; `baton list --limit` has more.
const MOST: u32 = 200;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    /// Whatever its value: only those that have not ended.
    open: Option<String>,
}

pub(super) async fn page(State(web): State<Web>, Query(wanted): Query<Wanted>) -> Response {
    match read(&web, wanted.open.is_some()).await {
        Ok(page) => page.into_response(),
        Err(error) => html::unavailable(&error),
    }
}

async fn read(web: &Web, open_only: bool) -> Result<Markup> {
    let filter = Filter { workspace: None, place: None, open_only, limit: MOST };
    let found = orchestrations::list(&web.store, &filter).await?;
    let parked = outbox::counts(&web.store).await?.parked;
    let undecided = inbox::counts(&web.store).await?.parked;
    let switch = audit::switch(web).await?;
    let head = html! { th { "Asked (UTC)" } th { "Stage" } th { "Task" } th { "Children" } th { "By" } th { "Where" } };
    let body = html! {
        h1 { "Orchestrations" }
        (switch)
        @if parked > 0 {
            p.bad { a href="/deliveries" { (parked) @if parked == 1 { " delivery is" } @else { " deliveries are" } " parked" } }
        }
        @if undecided > 0 {
            p.bad { a href="/deliveries" { (undecided) @if undecided == 1 { " event" } @else { " events" } " could not be decided" } }
        }
        p.filter {
            a href="/" aria-current=[(!open_only).then_some("true")] { "All" }
            a href="/?open" aria-current=[open_only.then_some("true")] { "Open" }
        }
        @if found.is_empty() {
            p.empty { "There are none. Type " code { "/orchestrate" } " in Slack, or delegate an issue in Linear." }
        } @else {
            (html::table(&head, &html! { @for one in &found { (row(one)) } }))
        }
    };
    Ok(html::page("Orchestrations", html::Nav::Orchestrations, &body))
}

fn row(one: &Summary) -> Markup {
    html! {
        tr {
            td { (html::moment(one.created_at)) }
            td { (html::badge(&one.stage)) }
            td.words { a href={ "/orchestrations/" (one.id) } { (first_line(&one.task, 100)) } }
            td.short { @if one.children > 0 { (one.children_done) " of " (one.children) " done" } }
            td { (html::id(&one.asked_by)) }
            td { (html::id(&one.place)) }
        }
    }
}
