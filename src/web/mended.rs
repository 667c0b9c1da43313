//! `/mended`: what reconciling found amiss and put right, newest first, and when it last looked.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use maud::{Markup, html};

use super::{Web, html};
use crate::storage::{
    Result, kept,
    mended::{self, LAST_ROUND, Mended},
};

const MOST: u32 = 200;

pub(super) async fn page(State(web): State<Web>) -> Response {
    match read(&web).await {
        Ok(page) => page.into_response(),
        Err(error) => html::unavailable(&error),
    }
}

async fn read(web: &Web) -> Result<Markup> {
    let rows = mended::newest(&web.store, MOST).await?;
    let last = kept::get(&web.store, LAST_ROUND).await?;
    let head = html! { th { "When (UTC)" } th { "What" } th { "Orchestration" } th { "In words" } };
    let body = html! {
        h1 { "Mended" }
        p {
            @match last {
                Some((_, at)) => { "Slack, Linear and Oz were last reconciled with at " (html::moment(at)) " UTC." }
                None => "Slack, Linear and Oz have not been reconciled with yet.",
            }
        }
        @if rows.is_empty() { p.empty { "None: nothing was lost." } } @else {
            (html::table(&head, &html! { @for row in &rows { (self::row(row)) } }))
        }
    };
    Ok(html::page("Mended", html::Nav::Mended, &body))
}

fn row(row: &Mended) -> Markup {
    html! {
        tr {
            td { (html::moment(row.at)) }
            td { (html::badge(&row.kind)) }
            td { @if let Some(id) = &row.orchestration { a href={ "/orchestrations/" (id) } { (id) } } }
            td.words { (row.what) }
        }
    }
}
