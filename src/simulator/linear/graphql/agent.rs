//! The fields of `Mutation` that agents have of their own: activities, sessions, their plans and links.
//! <https://linear.app/developers/agent-interaction>

use serde_json::Value;

use super::{
    mutations::{Args, fresh_id, given, issue_id},
    nodes::{Entity, Node},
    problem::Problem,
    rules,
};
use crate::simulator::linear::{
    APP_USER,
    sessions::{Beginning, Said},
    world::{Link, World},
};

/// Of a session's title.
const LONGEST_SUMMARY: usize = 255;

pub fn create_activity(world: &mut World, viewer: &str, input: &Args) -> Result<Node, Problem> {
    must_be_agent(world, viewer)?;
    let content = rules::content(input.get("content").unwrap_or(&Value::Null))?;
    let ephemeral = input.get("ephemeral") == Some(&Value::Bool(true));
    let signal = given(input, "signal");
    let signal_metadata = input.get("signalMetadata").cloned().unwrap_or(Value::Null);
    rules::signal(&content, ephemeral, signal, &signal_metadata)?;
    let session = given(input, "agentSessionId").unwrap_or_default();
    if world.session(session).is_none() {
        return Err(Problem::not_found("AgentSession"));
    }
    let id = fresh_id(world, input, Entity::Activity, |world, id| world.activity(id).is_some())?;
    let id = world.add_activity(Said {
        id: Some(id),
        session: session.to_owned(),
        user: viewer.to_owned(),
        content,
        ephemeral,
        signal: signal.map(str::to_owned),
        signal_metadata,
        source_comment: None,
    });
    Ok(Node::Payload { of: Entity::Activity, id })
}

/// Without an id of the client's: twice is two sessions.
pub fn create_on_issue(world: &mut World, viewer: &str, input: &Args) -> Result<Node, Problem> {
    must_be_agent(world, viewer)?;
    let issue = Some(issue_id(world, input, "issueId")?);
    let links = all_links(input)?;
    Ok(begin(world, Beginning { issue, by_app: true, ..Beginning::default() }, links))
}

pub fn create_on_comment(world: &mut World, viewer: &str, input: &Args) -> Result<Node, Problem> {
    must_be_agent(world, viewer)?;
    let id = given(input, "commentId").unwrap_or_default();
    let comment = world.comment(id).cloned().ok_or_else(|| Problem::not_found("Comment"))?;
    if comment.parent.is_some() {
        return Err(Problem::invalid("commentId must be a root comment"));
    }
    let links = all_links(input)?;
    let beginning = Beginning {
        issue: comment.issue,
        document: comment.document,
        comment: Some(comment.id),
        by_app: true,
        ..Beginning::default()
    };
    Ok(begin(world, beginning, links))
}

pub fn update_session(world: &mut World, viewer: &str, args: &Args, input: &Args) -> Result<Node, Problem> {
    must_be_agent(world, viewer)?;
    let id = given(args, "id").unwrap_or_default().to_owned();
    let standing = world.session(&id).ok_or_else(|| Problem::not_found("AgentSession"))?.links.clone();
    let plan = input.get("plan").filter(|plan| !plan.is_null());
    plan.map_or(Ok(()), rules::plan)?;
    let summary = input.contains_key("summary").then(|| summary(input)).transpose()?;
    let links = changed_links(&standing, input)?;
    if links.is_some() {
        world.heard(&id);
    }
    let at = world.moment();
    if let Some(session) = world.session_mut(&id) {
        session.updated_at = at;
        session.plan = plan.cloned().unwrap_or_else(|| session.plan.take());
        session.links = links.unwrap_or_else(|| std::mem::take(&mut session.links));
        session.summary = summary.unwrap_or_else(|| session.summary.take());
    }
    Ok(Node::Payload { of: Entity::Session, id })
}

fn begin(world: &mut World, beginning: Beginning, links: Vec<Link>) -> Node {
    let id = world.begin_session(beginning);
    if !links.is_empty() {
        world.heard(&id);
    }
    if let Some(session) = world.session_mut(&id) {
        session.links = links;
    }
    Node::Payload { of: Entity::Session, id }
}

fn must_be_agent(world: &World, viewer: &str) -> Result<(), Problem> {
    if viewer != APP_USER {
        return Err(Problem::forbidden("only the app that owns the session can do this"));
    }
    if !world.knobs.agent_sessions {
        return Err(Problem::not_enabled("Agent sessions are not enabled for this application."));
    }
    Ok(())
}

fn all_links(input: &Args) -> Result<Vec<Link>, Problem> {
    rules::links(input.get("externalUrls").unwrap_or(&Value::Null))
}

/// All of them anew, or some more and some fewer; nothing when nothing is said of them.
fn changed_links(standing: &[Link], input: &Args) -> Result<Option<Vec<Link>>, Problem> {
    let said = |name: &str| input.get(name).filter(|value| !value.is_null());
    if let Some(all) = said("externalUrls") {
        return rules::links(all).map(Some);
    }
    if said("addedExternalUrls").is_none() && said("removedExternalUrls").is_none() {
        return Ok(None);
    }
    let added = rules::links(said("addedExternalUrls").unwrap_or(&Value::Null))?;
    let removed: Vec<&str> =
        said("removedExternalUrls").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let stays = |link: &&Link| !removed.contains(&link.url.as_str()) && added.iter().all(|new| new.url != link.url);
    let mut links: Vec<Link> = standing.iter().filter(stays).cloned().collect();
    links.extend(added);
    Ok(Some(links))
}

fn summary(input: &Args) -> Result<Option<String>, Problem> {
    let Some(text) = given(input, "summary") else { return Ok(None) };
    let fits = (1..=LONGEST_SUMMARY).contains(&text.chars().count()) && !text.contains(['\n', '\0']);
    if fits {
        Ok(Some(text.to_owned()))
    } else {
        Err(Problem::invalid("summary must be one line of 1 to 255 characters"))
    }
}
