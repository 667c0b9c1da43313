//! A session, or an issue, as text for snapshots: what stands in it and who said what. Addresses and
//! generated ids are replaced by names that are the same each time.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    APP_USER,
    world::{Activity, Attachment, Comment, Content, Issue, Session, World},
};
use crate::simulator::names::Names;

/// An issue as its page shows it.
#[derive(Clone, Debug)]
pub struct IssueView {
    pub id: String,
    pub identifier: String,
    pub title: String,
    pub state: &'static str,
    pub labels: Vec<String>,
    pub assignee: Option<String>,
    pub delegate: Option<String>,
    /// Oldest first, with those that Linear wrote for activities.
    pub comments: Vec<Comment>,
    pub attachments: Vec<Attachment>,
    pub sessions: Vec<String>,
}

pub fn issue_view(world: &World, issue: &Issue) -> IssueView {
    let name = |id: &Option<String>| id.as_deref().map(|id| world.name_of(id).to_owned());
    let of_issue = |comment: &&Comment| comment.issue.as_ref() == Some(&issue.id);
    IssueView {
        id: issue.id.clone(),
        identifier: issue.identifier.clone(),
        title: issue.title.clone(),
        state: world.state(&issue.state).map_or("", |state| state.name),
        labels: issue.labels.iter().filter_map(|id| world.label(id)).map(|label| label.name.clone()).collect(),
        assignee: name(&issue.assignee),
        delegate: name(&issue.delegate),
        comments: world.comments.iter().filter(of_issue).cloned().collect(),
        attachments: attachments(world, &issue.id).cloned().collect(),
        sessions: sessions(world, &issue.id).map(|session| session.id.clone()).collect(),
    }
}

/// A session with the issue that it is about.
pub fn session(world: &World, session: &Session) -> String {
    let mut text = String::new();
    match session.issue.as_deref().and_then(|id| world.issue(id)) {
        Some(issue) => write_issue(&mut text, world, issue),
        None => write_document(&mut text, world, session),
    }
    write_session(&mut text, world, session);
    named(world, &text)
}

/// An issue with all its sessions.
pub fn issue(world: &World, issue: &Issue) -> String {
    let mut text = String::new();
    write_issue(&mut text, world, issue);
    for session in sessions(world, &issue.id) {
        write_session(&mut text, world, session);
    }
    named(world, &text)
}

fn write_issue(text: &mut String, world: &World, issue: &Issue) {
    let view = issue_view(world, issue);
    let _ = writeln!(text, "{} {}", view.identifier, view.title);
    let mut facts = vec![view.state.to_owned()];
    facts.extend(view.labels.iter().map(|label| format!("label {label}")));
    facts.extend(view.assignee.iter().map(|name| format!("assigned to {name}")));
    facts.extend(view.delegate.iter().map(|name| format!("delegated to {name}")));
    let _ = writeln!(text, "({})", facts.join(" · "));
    for attachment in &view.attachments {
        let subtitle = attachment.subtitle.as_ref().map_or_else(String::new, |subtitle| format!(": {subtitle}"));
        let _ = writeln!(text, "[{}]({}){subtitle}", attachment.title, attachment.url);
    }
    write_comments(text, world, |comment| comment.issue.as_ref() == Some(&issue.id));
}

fn write_document(text: &mut String, world: &World, session: &Session) {
    let document = session.document.as_deref().and_then(|id| world.document(id));
    let _ = writeln!(text, "Document: {}", document.map_or("", |document| &document.title));
    write_comments(text, world, |comment| comment.document == session.document);
}

/// Those that no activity stands for; replies below what they reply to.
fn write_comments(text: &mut String, world: &World, wanted: impl Fn(&Comment) -> bool) {
    let is_shown = |comment: &&Comment| {
        let prompts = |activity: &Activity| activity.source_comment.as_ref() == Some(&comment.id);
        wanted(comment) && comment.activity.is_none() && !world.activities.iter().any(prompts)
    };
    for root in world.comments.iter().filter(is_shown).filter(|comment| comment.parent.is_none()) {
        write_said(text, "", &author(world, root), &root.body, marks(world, root));
        let replies = world.comments.iter().filter(is_shown).filter(|each| each.parent.as_ref() == Some(&root.id));
        for reply in replies {
            write_said(text, "  ↳ ", &author(world, reply), &reply.body, marks(world, reply));
        }
    }
}

fn author(world: &World, comment: &Comment) -> String {
    let name = comment.author.user().map_or("Linear", |id| world.name_of(id));
    comment.shown_as.as_ref().map_or_else(|| name.to_owned(), |shown| format!("{shown} (by {name})"))
}

fn marks(world: &World, comment: &Comment) -> Vec<String> {
    let mut marks = Vec::new();
    if comment.edited_at.is_some() {
        marks.push("(edited)".to_owned());
    }
    let of_comment = world.reactions.iter().filter(|reaction| reaction.comment.as_ref() == Some(&comment.id));
    marks.extend(of_comment.map(|reaction| format!(":{}: {}", reaction.emoji, world.name_of(&reaction.user))));
    marks
}

fn write_session(text: &mut String, world: &World, session: &Session) {
    let unresponsive = if session.unresponsive { ", did not respond in time" } else { "" };
    let summary = session.summary.as_ref().map_or_else(String::new, |summary| format!(" “{summary}”"));
    let _ = writeln!(text, "Session{summary}: {}{unresponsive}", session.status.as_str());
    for link in &session.links {
        let _ = writeln!(text, "  [{}]({})", link.label, link.url);
    }
    for row in session.plan.as_array().into_iter().flatten() {
        let _ = writeln!(text, "  {} {}", mark_of(row), row["content"].as_str().unwrap_or_default());
    }
    let of_session = world.activities.iter().filter(|activity| activity.session == session.id && !activity.replaced);
    for activity in of_session {
        write_activity(text, world, activity);
    }
}

fn mark_of(row: &Value) -> &'static str {
    match row["status"].as_str().unwrap_or_default() {
        "inProgress" => "[~]",
        "completed" => "[x]",
        "canceled" => "[-]",
        _ => "[ ]",
    }
}

fn write_activity(text: &mut String, world: &World, activity: &Activity) {
    let passing = if activity.ephemeral { " (ephemeral)" } else { "" };
    let mut more = Vec::new();
    let body = match &activity.content {
        Content::Action { action, parameter, result } => {
            more.extend(result.iter().map(|result| format!("→ {result}")));
            format!("{action} {parameter}").trim_end().to_owned()
        }
        Content::Thought { body }
        | Content::Elicitation { body }
        | Content::Response { body }
        | Content::Error { body }
        | Content::Prompt { body } => body.clone(),
    };
    let who = if activity.user == APP_USER {
        format!("{}{passing}", activity.content.kind())
    } else {
        world.name_of(&activity.user).to_owned()
    };
    let options = activity.options();
    if !options.is_empty() {
        more.push(options.iter().map(|(label, _)| format!("[{label}]")).collect::<Vec<_>>().join(" "));
    }
    match activity.signal.as_deref() {
        Some("auth") => more.push(format!("(auth: {})", activity.signal_metadata["url"].as_str().unwrap_or_default())),
        Some("stop") => more.push("(stop)".to_owned()),
        _ => {}
    }
    write_said(text, "  ", &who, &body, more);
}

fn write_said(text: &mut String, lead: &str, who: &str, body: &str, more: Vec<String>) {
    let mut lines = body.lines();
    let _ = writeln!(text, "{lead}{who}: {}", lines.next().unwrap_or_default());
    let indent = " ".repeat(lead.chars().count() + 2);
    for line in lines
        .map(str::to_owned)
        .chain(more.into_iter().flat_map(|more| more.lines().map(str::to_owned).collect::<Vec<_>>()))
    {
        text.push_str(format!("{indent}{line}").trim_end());
        text.push('\n');
    }
}

fn sessions<'a>(world: &'a World, issue: &'a str) -> impl Iterator<Item = &'a Session> {
    world.sessions.iter().filter(move |session| session.issue.as_deref() == Some(issue))
}

fn attachments<'a>(world: &'a World, issue: &'a str) -> impl Iterator<Item = &'a Attachment> {
    world.attachments.iter().filter(move |attachment| attachment.issue == issue)
}

fn named(world: &World, text: &str) -> String {
    let mut text = text.replace(&world.base_url, "linear:");
    if let Some(target) = &world.target {
        text = text.replace(target, "baton:");
    }
    Names::default().replace_all(&text)
}
