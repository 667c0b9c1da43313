//! `/audit`: who decided what, newest first; and the halt, which an operator begins and ends here.

use axum::{
    extract::{Form, Query, State},
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{Web, html};
use crate::{
    domain::text::shorten,
    storage::{
        Result,
        audit::{self, Entry},
        halt,
    },
    time::Timestamp,
};

const MOST: u32 = 200;
const WHO: &str = "operator:page";
const LONGEST_REASON: usize = 500;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    /// Rows before this one.
    before: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Why {
    #[serde(default)]
    reason: String,
}

pub(super) async fn page(State(web): State<Web>, Query(wanted): Query<Wanted>) -> Response {
    match read(&web, wanted.before).await {
        Ok(page) => page.into_response(),
        Err(error) => html::unavailable(&error),
    }
}

pub(super) async fn halt(State(web): State<Web>, Form(why): Form<Why>) -> Response {
    let reason = shorten(why.reason.trim(), LONGEST_REASON);
    match halt::begin(&web.store, WHO, &reason, web.clock.now()).await {
        Ok(_) => Redirect::to("/").into_response(),
        Err(error) => html::unavailable(&error),
    }
}

pub(super) async fn resume(State(web): State<Web>) -> Response {
    match halt::end(&web.store, WHO, web.clock.now()).await {
        Ok(_) => Redirect::to("/").into_response(),
        Err(error) => html::unavailable(&error),
    }
}

/// The halt with its button, for the first page.
pub(super) async fn switch(web: &Web) -> Result<Markup> {
    let halt = halt::standing(&web.store).await?;
    Ok(html! {
        @match halt {
            Some(halt) => {
                form.bad method="post" action="/resume" {
                    strong { "Halted" } " since " (html::moment(halt.at)) " by " code { (halt.by) }
                    @if !halt.reason.is_empty() { ": " (halt.reason) }
                    ". Nothing is launched. "
                    button { "Resume" }
                }
            }
            // Two clicks: it concerns everybody.
            None => details.halt {
                summary { "Halt all launches…" }
                form method="post" action="/halt" {
                    input name="reason" maxlength=(LONGEST_REASON) placeholder="Reason" aria-label="Reason";
                    button.danger { "Halt every launch" }
                }
            },
        }
    })
}

async fn read(web: &Web, before: Option<u64>) -> Result<Markup> {
    let entries = audit::newest(&web.store, before, MOST).await?;
    let older = entries.last().map(|entry| entry.seq).filter(|seq| *seq > 1);
    let head = html! {
        th { "Row" } th { "When (UTC)" } th { "What" } th { "By" } th { "Orchestration" } th { "Detail" } th { "Hash" }
    };
    let body = html! {
        h1 { "Audit log" }
        p { "Every row holds the hash of the row before. " code { "baton audit verify" } " checks the whole chain." }
        @if entries.is_empty() { p.empty { "Nothing has been decided yet." } } @else {
            (html::table(&head, &html! { @for entry in &entries { (row(entry)) } }))
            @if let Some(older) = older { p { a href={ "/audit?before=" (older) } { "Older" } } }
        }
    };
    Ok(html::page("Audit log", html::Nav::Audit, &body))
}

fn row(entry: &Entry) -> Markup {
    html! {
        tr {
            td { (entry.seq) }
            td { (html::moment(Timestamp::from_millis(entry.at_ms))) }
            td.short { (html::badge(&entry.kind)) @if let Some(version) = entry.version { " v" (version) } }
            td { @if let Some(actor) = &entry.actor { (html::id(actor)) } }
            td { @if let Some(id) = &entry.orchestration { a href={ "/orchestrations/" (id) } { (id) } } }
            td.words { (entry.detail) }
            td { code title=(entry.hash) { (entry.hash.get(..12).unwrap_or_default()) } }
        }
    }
}
