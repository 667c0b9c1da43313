//! `/orchestrations/{id}`: one orchestration in full, from the request to the last delivery.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::{Markup, html};

use super::{Web, deliveries, html};
use crate::{
    domain::{
        actor::Actor,
        artifact::Artifact,
        board,
        orchestration::{Child, Fate, Orchestration, Version},
        policy::Policy,
        proposal::{ChildSpec, Content, Proposal},
        route::Launch,
        run::RunSettings,
        text::{count, duration, first_line, list},
        words::cards,
    },
    ids::OrchestrationId,
    storage::{
        Result, orchestrations,
        outbox::{self, DeliveryRow, DeliveryState},
        trail::{self, TrailEntry},
    },
    time::Timestamp,
};

pub(super) async fn page(State(web): State<Web>, Path(id): Path<String>) -> Response {
    match read(&web, &OrchestrationId::new(id)).await {
        Ok(Some(page)) => page.into_response(),
        Ok(None) => html::sentence(StatusCode::NOT_FOUND, "Not found", "There is no such orchestration."),
        Err(error) => html::unavailable(&error),
    }
}

async fn read(web: &Web, id: &OrchestrationId) -> Result<Option<Markup>> {
    let Some(orchestration) = orchestrations::read(&web.store, id).await? else { return Ok(None) };
    let trail = trail::read(&web.store, id).await?;
    let deliveries = outbox::of(&web.store, id).await?;
    let body = body(&orchestration, &trail, &deliveries, web.clock.now());
    Ok(Some(html::page(&first_line(&orchestration.request.ask.task, 60), html::Nav::Orchestrations, &body)))
}

fn body(it: &Orchestration, trail: &[TrailEntry], deliveries: &[DeliveryRow], now: Timestamp) -> Markup {
    html! {
        h1 { (first_line(&it.request.ask.task, 140)) }
        p.state { (html::line(&board::state(it))) }
        (facts(it, now))
        h2 { "Request" }
        pre { (it.request.ask.task) }
        @if !it.versions.is_empty() || it.proposal.is_some() {
            h2 { "Proposal" }
            @if !it.versions.is_empty() { (versions(&it.versions)) }
            @if let Some(proposal) = &it.proposal { (self::proposal(proposal)) }
        }
        @if !it.children.is_empty() {
            h2 { "Children: " (board::counts(it)) }
            (children(&it.children))
        }
        @if !it.artifacts.is_empty() || !it.missing.is_empty() {
            h2 { "Artifacts" }
            ul {
                @for artifact in it.artifacts.values() { li { (self::artifact(artifact)) } }
                @for name in &it.missing { li.bad { (name) " could not be brought back" } }
            }
        }
        h2 { "Trail" }
        @if trail.is_empty() { p.empty { "Nothing was decided yet." } } @else { (self::trail(trail)) }
        h2 { "Deliveries" }
        @if deliveries.is_empty() { p.empty { "None." } } @else { (self::deliveries(deliveries)) }
    }
}

/// Those that are done are many, and seldom of interest.
fn deliveries(rows: &[DeliveryRow]) -> Markup {
    let (done, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.state == DeliveryState::Done);
    html! {
        @if !others.is_empty() { (deliveries::table(others, false)) }
        @if !done.is_empty() {
            details {
                summary { (done.len()) " done" }
                (deliveries::table(done, false))
            }
        }
    }
}

fn facts(it: &Orchestration, now: Timestamp) -> Markup {
    let request = &it.request;
    let until = if it.is_ended() { it.updated_at } else { now };
    html! {
        dl {
            dt { "Id" } dd { code { (it.id) } " " (html::badge(it.stage_word())) }
            dt { "Asked" }
            dd { code { (request.verb.command()) } " by " (person(&request.by)) ", " (html::moment(request.at)) }
            dt { "Where" }
            dd { code { (it.conversation.key().unwrap_or_else(|| it.conversation.place_key())) } }
            dt { "Age" } dd { (duration(until.since(it.created_at))) ", last changed " (html::moment(it.updated_at)) }
            dt { "Settings" } dd { (settings(&it.settings, it.max_children, it.launch)) }
            dt { "Policy" } dd { (policy(&it.policy)) }
            @if let Some(parent) = &it.parent {
                dt { "Parent run" }
                dd {
                    @match &parent.run { Some(run) => code { (run) }, None => "not started yet" }
                    " " (parent.seen.state.as_str().to_lowercase()) " "
                    @if let Some(link) = &parent.seen.link { (html::link("open", link)) }
                }
            }
            @if let Some(credits) = it.credits() { dt { "Credits" } dd { (format!("{credits:.1}")) } }
        }
    }
}

fn settings(settings: &RunSettings, max_children: Option<u32>, launch: Launch) -> String {
    let texts = [
        ("environment", &settings.environment),
        ("model", &settings.model),
        ("harness", &settings.harness),
        ("host", &settings.host),
        ("skill", &settings.skill),
        ("auth", &settings.auth_secret),
    ];
    let numbers = [("parallelism", settings.parallelism), ("at most", max_children)];
    let texts = texts.into_iter().filter_map(|(name, value)| value.as_ref().map(|value| format!("{name} {value}")));
    let numbers = numbers.into_iter().filter_map(|(name, value)| value.map(|value| format!("{name} {value}")));
    let launch = match launch {
        Launch::Exact => "exact launch",
        Launch::Agent => "agent launch",
    };
    texts.chain(numbers).chain([launch.to_owned()]).collect::<Vec<_>>().join(" · ")
}

fn policy(policy: &Policy) -> String {
    let people: Vec<String> = policy.approvers.iter().map(ToString::to_string).collect();
    let who = if people.is_empty() { "anyone in the conversation".into() } else { list(&people) };
    let own = if policy.self_approval { "" } else { ", not the one who asked" };
    let wanted = count(policy.quorum as usize, "approval", "approvals");
    format!("{}: {wanted} by {who}{own}; lapses after {}", policy.name, duration(policy.expires_after))
}

fn versions(versions: &[Version]) -> Markup {
    let head = html! { th { "Version" } th { "Digest" } th { "What became of it" } };
    let rows = html! {
        @for version in versions {
            tr {
                td { (version.version) }
                td { code title=(version.digest.as_str()) { (version.digest.short()) } }
                td { (fate(&version.fate)) }
            }
        }
    };
    html::table(&head, &rows)
}

fn fate(fate: &Fate) -> Markup {
    html! {
        @match fate {
            Fate::Standing => "waits for a decision",
            Fate::Approved { by } => {
                "approved by " @for (at, actor) in by.iter().enumerate() { @if at > 0 { ", " } (person(actor)) }
            },
            Fate::ApprovedByPolicy { policy } => { "approved by the policy " (policy) },
            Fate::Rejected { by } => { "rejected by " (person(by)) },
            Fate::ChangesRequested { by } => { "sent back for changes by " (person(by)) },
            Fate::Replaced { by } => { "replaced by version " (by) },
            Fate::Expired => "lapsed",
            Fate::Stopped { by } => { "stopped by " (person(by)) },
        }
    }
}

fn proposal(proposal: &Proposal) -> Markup {
    html! {
        p { "Version " (proposal.version) ", digest " code { (proposal.digest.as_str()) } }
        @match &proposal.content {
            Content::Words { text } => pre { (text) },
            Content::Children { summary, children } => {
                @if let Some(summary) = summary { pre { (summary) } }
                @for child in children { (self::child_spec(child)) }
            },
        }
    }
}

fn child_spec(child: &ChildSpec) -> Markup {
    let options = [("environment", &child.environment), ("model", &child.model), ("returns", &child.returns)];
    html! {
        details {
            summary { (child.name) }
            @for (label, value) in options { @if let Some(value) = value { p { (label) ": " (value) } } }
            pre { (child.prompt) }
        }
    }
}

fn children(children: &[Child]) -> Markup {
    let head = html! {
        th { "#" } th { "Child" } th { "State" } th { "Started (UTC)" } th { "Ended (UTC)" } th { "Run" } th { "Results" }
    };
    let rows = html! {
        @for child in children {
            tr {
                td { (child.number) }
                td {
                    @match &child.seen.link {
                        Some(link) => (html::link(&child.spec.name, link)),
                        None => (child.spec.name),
                    }
                    @if child.stranger { " " span.bad { "not approved" } }
                }
                td { span.mark { (html::sign(cards::mark(&child.state))) } "\u{a0}" (cards::child_state(child)) }
                td { @if let Some(at) = child.started_at { (html::moment(at)) } }
                td { @if let Some(at) = child.ended_at { (html::moment(at)) } }
                td { @if let Some(run) = &child.run { (html::id(run.as_str())) } }
                td { @for artifact in &child.artifacts { (self::artifact(artifact)) " " } }
            }
        }
    };
    html::table(&head, &rows)
}

fn artifact(artifact: &Artifact) -> Markup {
    html! {
        @match (cards::artifact_link(artifact), artifact) {
            (Some((_, link)), _) => (html::line(&crate::domain::message::Text(vec![link]))),
            (None, Artifact::Plan { title, .. }) => { "plan " (title.as_deref().unwrap_or("without a title")) },
            (None, Artifact::Screenshot { description, .. }) => {
                "screenshot " (description.as_deref().unwrap_or_default())
            },
            (None, Artifact::File { filename, .. }) => { "file " (filename) },
            (None, Artifact::PullRequest { url, .. } | Artifact::Reference { url, .. }) => (url),
        }
    }
}

fn trail(entries: &[TrailEntry]) -> Markup {
    let head = html! { th { "When (UTC)" } th { "What" } th { "Who" } };
    let rows = html! {
        @for entry in entries {
            tr {
                td { (html::moment(entry.at)) }
                td.words { (entry.what) @if let Some(detail) = &entry.detail { ": " (detail) } }
                td { @if let Some(actor) = &entry.actor { (html::id(actor)) } }
            }
        }
    };
    html::table(&head, &rows)
}

fn person(actor: &Actor) -> Markup {
    html! { span.person title=(actor.handle()) { (actor.name.as_deref().unwrap_or(&actor.id)) } }
}
