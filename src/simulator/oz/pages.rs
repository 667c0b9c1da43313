//! Pages for people: a run or its session, a pull request, a plan. Plain, light and dark.

use maud::{DOCTYPE, Markup, html};

use super::{
    run::{Made, Run, What},
    world::World,
};

const STYLE: &str = "
:root { color-scheme: light dark; --line: light-dark(#d9dde6, #343a4a); --soft: light-dark(#f4f6fa, #1b1f2a);
  --ink: light-dark(#1c2333, #e6e9f2); --pale: light-dark(#5b6478, #9aa3b8); --accent: light-dark(#3b5bdb, #91a7ff) }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: light-dark(#fff, #12151d);
  max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1rem; color: var(--pale); margin-top: 2rem }
a { color: var(--accent) } .pale { color: var(--pale) }
.state { border: 1px solid var(--line); border-radius: 1rem; padding: .1rem .7rem; font-size: .85rem }
.said, .told { white-space: pre-wrap; overflow-wrap: anywhere; border-radius: .6rem; padding: .7rem 1rem; margin: .6rem 0 }
.said { background: var(--soft) } .told { border: 1px solid var(--line); margin-left: 3rem }
textarea { width: 100%; box-sizing: border-box; font: inherit; padding: .6rem; border-radius: .5rem; background: var(--soft);
  color: inherit; border: 1px solid var(--line) }
button { font: inherit; padding: .4rem 1.2rem; border-radius: .5rem; border: 0; background: var(--accent); color: #fff }
img { max-width: 100%; border-radius: .6rem }
";

/// A run: state, prompt, conversation, children, artifacts. In its session one can type as well.
pub fn run(world: &World, run: &Run, in_session: bool) -> Markup {
    let base = &world.base_url;
    let children = world.runs.iter().filter(|child| child.parent.as_deref() == Some(run.id.as_str()));
    let body = html! {
        p {
            span.state { (run.state.as_str()) } " "
            @if let Some(status) = &run.status { (status.message) }
        }
        p.pale {
            @if let Some(parent) = &run.parent { a href=(format!("{base}/runs/{parent}")) { "Parent" } " · " }
            @if in_session { a href=(format!("{base}/runs/{}", run.id)) { "Run" } }
            @else if let Some(session) = &run.session { a href=(format!("{base}/sessions/{session}")) { "Session" } }
            " · started " (run.created_at)
        }
        @if children.clone().next().is_some() {
            h2 { "Children" }
            ul {
                @for child in children {
                    li { a href=(format!("{base}/runs/{}", child.id)) { (child.title) } " " span.state { (child.state.as_str()) } }
                }
            }
        }
        @if !run.artifacts.is_empty() {
            h2 { "Artifacts" }
            ul { @for artifact in &run.artifacts { li { (made(world, &artifact.uid, &artifact.made)) } } }
        }
        h2 { "Conversation" }
        @for line in &run.lines {
            @match &line.what {
                What::Told(text) => div.told { (text) },
                What::Said(text) => div.said { (text) },
                What::Did { name, .. } => p.pale { "· " (name) },
            }
        }
        @if in_session {
            form method="post" {
                textarea name="text" rows="3" required placeholder="Answer or tell the agent something" {}
                p { button { "Answer" } }
            }
        }
    };
    // A page with a form must not take away what is being typed.
    page(&run.title, run.state.is_working() && !in_session, &body)
}

pub fn pull(world: &World, number: usize, run: &Run, branch: &str) -> Markup {
    let body = html! {
        p { span.state { "Open" } " " code { (branch) } " into " code { "main" } }
        p { "All checks have passed." }
        p { a href=(format!("{}/runs/{}", world.base_url, run.id)) { "The run that opened it" } }
        h2 { "Description" }
        div.said { (run.prompt) }
    };
    page(&format!("{} #{number}", run.title), false, &body)
}

pub fn plan(title: &str, content: &str) -> Markup {
    page(title, false, &html! { div.said { (content) } })
}

pub fn nothing() -> Markup {
    page("Nothing here", false, &html! { p { "The simulated Oz forgets everything when it ends." } })
}

fn made(world: &World, uid: &str, made: &Made) -> Markup {
    let base = &world.base_url;
    let download = || super::wire::download_link(world, uid).0;
    html! {
        @match made {
            Made::Plan { document, title, .. } => a href=(format!("{base}/plans/{document}")) { "Plan: " (title) },
            Made::PullRequest { number, branch } => {
                a href=(format!("{base}/pull/{number}")) { "Pull request #" (number) } " " code { (branch) }
            },
            Made::Screenshot { description } => img src=(download()) alt=(description);,
            Made::File { filename, description, .. } => a href=(download()) title=(description) { (filename) },
        }
    }
}

fn page(title: &str, reloads: bool, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if reloads { meta http-equiv="refresh" content="2"; }
                title { (title) " · simulated Oz" }
                style { (maud::PreEscaped(STYLE)) }
            }
            body {
                p.pale { "Simulated Oz" }
                h1 { (title) }
                (body)
            }
        }
    }
}
