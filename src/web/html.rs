//! The frame of every page, and what Baton says as HTML. maud escapes all text.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};
use url::Url;

use crate::{
    domain::message::{Mark, Span, Text},
    storage::StoreError,
    time::Timestamp,
};

/// What Slack and we call somebody is seen whole, a UUID is not.
const LONGEST_ID: usize = 24;

/// Where in the pages one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nav {
    None,
    Orchestrations,
    Deliveries,
    Mended,
    Audit,
}

pub fn page(title: &str, here: Nav, body: &Markup) -> Markup {
    let current = |nav: Nav| (nav == here).then_some("page");
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Baton" }
                link rel="stylesheet" href="/assets/baton.css";
                link rel="icon" href="/assets/baton.svg";
            }
            body {
                header {
                    a.name href="/" { "Baton" }
                    @if here != Nav::None {
                        nav {
                            a href="/" aria-current=[current(Nav::Orchestrations)] { "Orchestrations" }
                            a href="/deliveries" aria-current=[current(Nav::Deliveries)] { "Deliveries" }
                            a href="/mended" aria-current=[current(Nav::Mended)] { "Mended" }
                            a href="/audit" aria-current=[current(Nav::Audit)] { "Audit log" }
                        }
                    }
                }
                main { (body) }
            }
        }
    }
}

/// A page that only says one sentence.
pub fn sentence(status: StatusCode, title: &str, sentence: &str) -> Response {
    let body = html! { h1 { (title) } p { (sentence) } };
    (status, page(title, Nav::Orchestrations, &body)).into_response()
}

/// The database could not be read.
pub fn unavailable(error: &StoreError) -> Response {
    tracing::error!(%error, "a page could not be made");
    sentence(StatusCode::SERVICE_UNAVAILABLE, "Not available", "The database did not answer. The log says why.")
}

pub fn line(text: &Text) -> Markup {
    html! { @for span in &text.0 { (self::span(span)) } }
}

/// To the second in UTC; the machine-readable form is exact.
pub fn moment(at: Timestamp) -> Markup {
    let exact = at.to_rfc3339();
    let shown = exact.get(..19).unwrap_or_default().replace('T', " ");
    html! { time datetime=(exact) title="UTC" { (shown) } }
}

/// A link, when the address is one that can be followed without harm; otherwise only its label.
pub fn link(label: &str, address: &str) -> Markup {
    let followed = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
    html! {
        @match followed {
            Some(url) => a href=(url) rel="noopener noreferrer" target="_blank" { (label) },
            None => (label),
        }
    }
}

/// A table in a box of its own, which scrolls where the page is narrower.
pub fn table(head: &Markup, rows: &Markup) -> Markup {
    html! { div.table { table { thead { tr { (head) } } tbody { (rows) } } } }
}

/// An id of a platform. Of a long one, like a UUID, the beginning, and the whole as its title.
pub fn id(id: &str) -> Markup {
    if id.chars().count() <= LONGEST_ID {
        return html! { code { (id) } };
    }
    let beginning: String = id.split('-').next().unwrap_or(id).chars().take(LONGEST_ID).collect();
    html! { code title=(id) { (beginning) "…" } }
}

/// A colour for a state's word, by what it means for the operator.
pub fn badge(word: &str) -> Markup {
    let class = match word {
        "done" | "approved" => "badge good",
        "failed" | "parked" | "refused" | "breach" | "halted" | "hangs" | "run_unknown" => "badge bad",
        "deciding" | "blocked" | "answered" => "badge ask",
        "stopped" | "rejected" | "expired" => "badge off",
        _ => "badge",
    };
    html! { span class=(class) { (word) } }
}

/// The sign of a mark.
#[must_use]
pub const fn sign(mark: Mark) -> &'static str {
    match mark {
        Mark::Waiting => "○",
        Mark::Working => "◐",
        Mark::Blocked => "⏸",
        Mark::Done => "✓",
        Mark::Failed => "✗",
        Mark::Stopped => "■",
        Mark::Question => "?",
        Mark::Warning => "!",
        Mark::PullRequest | Mark::Document | Mark::Picture => "→",
    }
}

fn span(span: &Span) -> Markup {
    html! {
        @match span {
            Span::Plain(text) => (text),
            Span::Bold(text) => strong { (text) },
            Span::Code(text) => code { (text) },
            Span::Link { label, url } => (link(label, url)),
            Span::Person(actor) => span.person title=(actor.handle()) { (actor.name.as_deref().unwrap_or(&actor.id)) },
            Span::When(at) => (moment(*at)),
            Span::Mark(mark) => span.mark { (sign(*mark)) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ids_are_cut_and_short_ones_are_not() {
        for (whole, shown) in [
            ("slack:U024BE7LHXY", "<code>slack:U024BE7LHXY</code>"),
            (
                "linear:5d1c8f0a-1111-4222-8333-444455556666",
                "<code title=\"linear:5d1c8f0a-1111-4222-8333-444455556666\">linear:5d1c8f0a…</code>",
            ),
            ("operator:command-line", "<code>operator:command-line</code>"),
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                "<code title=\"ABCDEFGHIJKLMNOPQRSTUVWXYZ\">ABCDEFGHIJKLMNOPQRSTUVWX…</code>",
            ),
        ] {
            assert_eq!(id(whole).into_string(), shown);
        }
    }

    #[test]
    fn text_from_outside_stays_text() {
        let text =
            Text::plain("<script>alert(1)</script>").link("x", "javascript:alert(1)").link("y", "https://e.com/");
        let shown = line(&text).into_string();
        assert_eq!(
            shown,
            "&lt;script&gt;alert(1)&lt;/script&gt;x\
             <a href=\"https://e.com/\" rel=\"noopener noreferrer\" target=\"_blank\">y</a>"
        );
    }
}
