//! The fields of `Mutation` that concern issues, comments, attachments and files. Those of agent
//! sessions are in [`super::agent`].

use serde_json::{Map, Value, json};

use super::{
    agent,
    nodes::{Entity, Node},
    problem::Problem,
    rules,
};
use crate::simulator::linear::{
    APP_USER, hooks, uploads,
    world::{Attachment, Author, Document, Issue, Reaction, World},
};

pub type Args = Map<String, Value>;

/// Carries one out, and gives what it answers.
pub fn mutate(world: &mut World, viewer: &str, field: &str, args: &Args) -> Result<Node, Problem> {
    let nothing = Map::new();
    let input = args.get("input").and_then(Value::as_object).unwrap_or(&nothing);
    match field {
        "agentActivityCreate" => agent::create_activity(world, viewer, input),
        "agentSessionCreateOnComment" => agent::create_on_comment(world, viewer, input),
        "agentSessionCreateOnIssue" => agent::create_on_issue(world, viewer, input),
        "agentSessionUpdate" | "agentSessionUpdateExternalUrl" => agent::update_session(world, viewer, args, input),
        "attachmentCreate" => attach(world, viewer, input, None),
        "attachmentLinkGitHubPR" => link_pull_request(world, viewer, args),
        "attachmentLinkURL" => {
            let title = given(args, "title").or(given(args, "url")).unwrap_or_default();
            let mut input = args.clone();
            input.insert("title".to_owned(), json!(title));
            attach(world, viewer, &input, None)
        }
        "attachmentUpdate" => update_attachment(world, args, input),
        "commentCreate" => create_comment(world, viewer, input),
        "commentDelete" => delete_comment(world, viewer, args),
        "commentUpdate" => update_comment(world, viewer, args, input),
        "documentCreate" => create_document(world, viewer, input),
        "fileUpload" => uploads::announce(world, args),
        "issueAddLabel" | "issueRemoveLabel" => change_label(world, viewer, field, args),
        "issueCreate" => create_issue(world, viewer, input),
        "issueUpdate" => update_issue(world, viewer, args, input),
        "reactionCreate" => react(world, viewer, input),
        "reactionDelete" => unreact(world, viewer, args),
        _ => Err(Problem::gap(field)),
    }
}

/// A text argument that says something other than null.
pub fn given<'a>(args: &'a Args, name: &str) -> Option<&'a str> {
    args.get(name).and_then(Value::as_str)
}

/// The id that the client chose, if it has not been used, or a new one.
pub fn fresh_id(
    world: &mut World,
    input: &Args,
    entity: Entity,
    taken: impl Fn(&World, &str) -> bool,
) -> Result<String, Problem> {
    let Some(id) = given(input, "id") else { return Ok(world.mint()) };
    rules::id(id)?;
    if taken(world, id) { Err(Problem::conflict(entity.type_name(), id)) } else { Ok(id.to_owned()) }
}

pub fn issue_id(world: &World, input: &Args, name: &str) -> Result<String, Problem> {
    let found = world.issue(given(input, name).unwrap_or_default());
    found.map(|issue| issue.id.clone()).ok_or_else(|| Problem::not_found("Issue"))
}

/// `createAsUser` and `displayIconUrl`: for apps, and the picture only with the name.
fn shown_as(viewer: &str, input: &Args) -> Result<Option<String>, Problem> {
    let name = given(input, "createAsUser");
    if name.is_some() && viewer != APP_USER {
        return Err(Problem::forbidden("createAsUser is for apps"));
    }
    if given(input, "displayIconUrl").is_some() && name.is_none() {
        return Err(Problem::invalid("displayIconUrl goes with createAsUser"));
    }
    Ok(name.map(str::to_owned))
}

fn create_comment(world: &mut World, viewer: &str, input: &Args) -> Result<Node, Problem> {
    let body = rules::text(input, "body")?;
    let shown_as = shown_as(viewer, input)?;
    let parent = match given(input, "parentId") {
        Some(id) => Some(world.comment(id).cloned().ok_or_else(|| Problem::not_found("Comment"))?),
        None => None,
    };
    let issue = match (given(input, "issueId"), &parent) {
        (Some(_), _) => Some(issue_id(world, input, "issueId")?),
        (None, Some(parent)) => parent.issue.clone(),
        (None, None) => None,
    };
    let document = given(input, "documentContentId")
        .map(str::to_owned)
        .or_else(|| parent.as_ref().and_then(|parent| parent.document.clone()));
    if issue.is_none() && document.is_none() {
        return Err(Problem::invalid("a comment needs an issue, a document or a parent"));
    }
    if parent.as_ref().is_some_and(|parent| parent.issue != issue) {
        return Err(Problem::invalid("the parent is a comment of another issue"));
    }
    let id = fresh_id(world, input, Entity::Comment, |world, id| world.comment(id).is_some())?;
    let of_ours = |comment: &&crate::simulator::linear::world::Comment| {
        comment.author.user() == Some(viewer) && comment.issue == issue && comment.body.trim() == body.trim()
    };
    if world.comments.iter().rev().take(6).any(|comment| of_ours(&comment)) {
        world.object(format!("said twice in comments: {}", body.lines().next().unwrap_or_default()));
    }
    let mut comment = world.new_comment(Author::User(viewer.to_owned()), &body);
    comment.id = id;
    comment.issue = issue;
    comment.document = document;
    // Threads are one level deep.
    comment.parent = parent.map(|parent| parent.parent.unwrap_or(parent.id));
    comment.shown_as = shown_as;
    let id = world.create_comment(comment);
    if world.mentions_app(&body) {
        world.mentioned(&id);
    }
    Ok(Node::Payload { of: Entity::Comment, id })
}

fn update_comment(world: &mut World, viewer: &str, args: &Args, input: &Args) -> Result<Node, Problem> {
    let id = own_comment(world, viewer, args)?;
    if input.contains_key("body") {
        let body = rules::text(input, "body")?;
        world.edit_comment(&id, &body, args.get("skipEditedAt") != Some(&json!(true)));
    }
    Ok(Node::Payload { of: Entity::Comment, id })
}

fn delete_comment(world: &mut World, viewer: &str, args: &Args) -> Result<Node, Problem> {
    let id = own_comment(world, viewer, args)?;
    if let Some(comment) = world.comment(&id).cloned() {
        world.comments.retain(|comment| comment.id != id);
        hooks::comment_removed(world, &comment);
    }
    Ok(deleted(world, &id))
}

fn own_comment(world: &World, viewer: &str, args: &Args) -> Result<String, Problem> {
    let id = given(args, "id").unwrap_or_default();
    let comment = world.comment(id).ok_or_else(|| Problem::not_found("Comment"))?;
    if comment.author.user() == Some(viewer) {
        return Ok(comment.id.clone());
    }
    Err(Problem::forbidden("only one's own comments can be changed"))
}

fn deleted(world: &World, id: &str) -> Node {
    Node::Plain("DeletePayload", json!({"success": true, "lastSyncId": world.activities.len(), "entityId": id}))
}

/// One attachment for an address on an issue: another with the same address changes it.
fn attach(world: &mut World, viewer: &str, input: &Args, source: Option<&'static str>) -> Result<Node, Problem> {
    let issue = issue_id(world, input, "issueId")?;
    let (title, url) = (rules::text(input, "title")?, rules::text(input, "url")?);
    rules::url(&url)?;
    if let Some(icon) = given(input, "iconUrl") {
        rules::url(icon)?;
    }
    shown_as(viewer, input)?;
    let metadata = input.get("metadata").filter(|metadata| !metadata.is_null());
    metadata.map_or(Ok(()), rules::attachment_metadata)?;
    let at = world.moment();
    let standing = world.attachments.iter_mut().find(|standing| standing.issue == issue && standing.url == url);
    let id = if let Some(standing) = standing {
        standing.title = title;
        standing.subtitle = given(input, "subtitle").map(str::to_owned).or_else(|| standing.subtitle.take());
        if let Some(metadata) = metadata {
            standing.metadata = metadata.clone();
        }
        standing.updated_at = at;
        standing.id.clone()
    } else {
        let id = fresh_id(world, input, Entity::Attachment, |world, id| world.attachment(id).is_some())?;
        world.attachments.push(Attachment {
            id: id.clone(),
            issue: issue.clone(),
            title,
            subtitle: given(input, "subtitle").map(str::to_owned),
            url,
            metadata: metadata.cloned().unwrap_or_else(|| json!({})),
            source,
            grouped: input.get("groupBySource") == Some(&json!(true)),
            creator: viewer.to_owned(),
            created_at: at,
            updated_at: at,
        });
        id
    };
    if let Some(body) = given(input, "commentBody") {
        let mut comment = world.new_comment(Author::User(viewer.to_owned()), body);
        comment.issue = Some(issue);
        world.create_comment(comment);
    }
    Ok(Node::Payload { of: Entity::Attachment, id })
}

/// Wants the workspace to be connected to GitHub, and an address there.
fn link_pull_request(world: &mut World, viewer: &str, args: &Args) -> Result<Node, Problem> {
    if !world.knobs.github {
        return Err(Problem::not_enabled("The GitHub integration is not set up for this workspace."));
    }
    let url = given(args, "url").unwrap_or_default();
    let path = url.strip_prefix("https://github.com/").unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    let ["pull", number] = parts.get(2..).unwrap_or_default() else {
        return Err(Problem::not_enabled("The address is not that of a pull request on GitHub."));
    };
    let title = given(args, "title").map_or_else(|| format!("Pull request #{number}"), str::to_owned);
    let mut input = args.clone();
    input.insert("title".to_owned(), json!(title));
    attach(world, viewer, &input, Some("github"))
}

fn update_attachment(world: &mut World, args: &Args, input: &Args) -> Result<Node, Problem> {
    let id = given(args, "id").unwrap_or_default().to_owned();
    let title = rules::text(input, "title")?;
    let metadata = input.get("metadata").filter(|metadata| !metadata.is_null());
    metadata.map_or(Ok(()), rules::attachment_metadata)?;
    let at = world.moment();
    let found = world.attachments.iter_mut().find(|attachment| attachment.id == id);
    let found = found.ok_or_else(|| Problem::not_found("Attachment"))?;
    found.title = title;
    found.updated_at = at;
    if input.contains_key("subtitle") {
        found.subtitle = given(input, "subtitle").map(str::to_owned);
    }
    if let Some(metadata) = metadata {
        found.metadata = metadata.clone();
    }
    Ok(Node::Payload { of: Entity::Attachment, id })
}

fn create_document(world: &mut World, viewer: &str, input: &Args) -> Result<Node, Problem> {
    let title = rules::text(input, "title")?;
    let issue = given(input, "issueId").map(|_| issue_id(world, input, "issueId")).transpose()?;
    let project = given(input, "projectId").map(str::to_owned);
    if project.as_deref().is_some_and(|id| world.project(id).is_none()) {
        return Err(Problem::not_found("Project"));
    }
    if issue.is_none() && project.is_none() {
        return Err(Problem::invalid("a document needs an issue or a project"));
    }
    let id = fresh_id(world, input, Entity::Document, |world, id| world.document(id).is_some())?;
    let created_at = world.moment();
    let content = given(input, "content").unwrap_or_default().to_owned();
    let creator = viewer.to_owned();
    world.documents.push(Document { id: id.clone(), title, content, issue, project, creator, created_at });
    Ok(Node::Payload { of: Entity::Document, id })
}

fn create_issue(world: &mut World, viewer: &str, input: &Args) -> Result<Node, Problem> {
    let title = rules::text(input, "title")?;
    let team = world.team(given(input, "teamId").unwrap_or_default()).map(|team| team.id.clone());
    let team = team.ok_or_else(|| Problem::not_found("Team"))?;
    let id = fresh_id(world, input, Entity::Issue, |world, id| world.issue(id).is_some())?;
    let mut draft = check_issue(world, input, &team)?;
    if draft.state.is_empty() {
        draft.state = world.first_state(&team);
    }
    let description = given(input, "description").map(str::to_owned);
    let id = world.create_issue(&Author::User(viewer.to_owned()), |issue| {
        issue.id = id;
        issue.team = team;
        issue.title = title;
        issue.description = description;
        issue.state = draft.state;
        issue.labels = draft.labels.unwrap_or_default();
        issue.assignee = draft.assignee.instead_of(None);
        issue.delegate = draft.delegate.instead_of(None);
    });
    Ok(Node::Payload { of: Entity::Issue, id })
}

fn update_issue(world: &mut World, viewer: &str, args: &Args, input: &Args) -> Result<Node, Problem> {
    let id = issue_id(world, args, "id")?;
    let team = world.issue(&id).map(|issue| issue.team.clone()).unwrap_or_default();
    let change = check_issue(world, input, &team)?;
    let title = input.contains_key("title").then(|| rules::text(input, "title")).transpose()?;
    let description = input.contains_key("description").then(|| given(input, "description").map(str::to_owned));
    look_at_manners(world, viewer, &id, &change);
    let (added, removed) = (listed(input, "addedLabelIds"), listed(input, "removedLabelIds"));
    world.change_issue(&id, &Author::User(viewer.to_owned()), |issue: &mut Issue| {
        if !change.state.is_empty() {
            issue.state = change.state;
        }
        issue.title = title.unwrap_or_else(|| issue.title.clone());
        issue.description = description.unwrap_or_else(|| issue.description.clone());
        issue.assignee = change.assignee.instead_of(issue.assignee.take());
        issue.delegate = change.delegate.instead_of(issue.delegate.take());
        issue.labels = change.labels.unwrap_or_else(|| issue.labels.clone());
        issue.labels.retain(|label| !removed.contains(label) && !added.contains(label));
        issue.labels.extend(added);
    });
    Ok(Node::Payload { of: Entity::Issue, id })
}

/// Whose an issue is to be.
#[derive(Debug, Default)]
enum Holder {
    /// Nothing is said of it.
    #[default]
    Same,
    Now(Option<String>),
}

impl Holder {
    fn instead_of(self, standing: Option<String>) -> Option<String> {
        match self {
            Self::Same => standing,
            Self::Now(holder) => holder,
        }
    }
}

/// What an input wants of an issue, where it says anything.
#[derive(Debug, Default)]
struct Wanted {
    state: String,
    labels: Option<Vec<String>>,
    assignee: Holder,
    delegate: Holder,
}

fn check_issue(world: &World, input: &Args, team: &str) -> Result<Wanted, Problem> {
    let mut wanted = Wanted::default();
    if let Some(id) = given(input, "stateId") {
        let state = world.state(id).ok_or_else(|| Problem::not_found("WorkflowState"))?;
        if state.team != team {
            return Err(Problem::invalid("the state is one of another team"));
        }
        id.clone_into(&mut wanted.state);
    }
    for name in ["labelIds", "addedLabelIds", "removedLabelIds"] {
        if listed(input, name).iter().any(|id| world.label(id).is_none()) {
            return Err(Problem::not_found("IssueLabel"));
        }
    }
    wanted.labels = input.contains_key("labelIds").then(|| listed(input, "labelIds"));
    for (name, app) in [("assigneeId", false), ("delegateId", true)] {
        let Some(value) = input.get(name) else { continue };
        let user = match value.as_str() {
            None => None,
            Some(id) => {
                let user = world.users.iter().find(|user| user.id == id).ok_or_else(|| Problem::not_found("User"))?;
                if user.app != app {
                    return Err(Problem::invalid(format!("{name} cannot be this user")));
                }
                Some(id.to_owned())
            }
        };
        let slot = if app { &mut wanted.delegate } else { &mut wanted.assignee };
        *slot = Holder::Now(user);
    }
    Ok(wanted)
}

/// What an agent should leave to people. <https://linear.app/developers/agent-best-practices>
fn look_at_manners(world: &mut World, viewer: &str, id: &str, change: &Wanted) {
    let identifier = world.issue(id).map(|issue| issue.identifier.clone()).unwrap_or_default();
    if viewer != APP_USER {
        return;
    }
    if matches!(change.assignee, Holder::Now(_)) {
        world.object(format!("{identifier}: an agent changes who is responsible"));
    }
    let kind = world.state(&change.state).map_or("", |state| state.kind);
    if matches!(kind, "completed" | "canceled") {
        world.object(format!("{identifier}: an agent moves the issue to a state of type {kind}"));
    }
}

fn listed(input: &Args, name: &str) -> Vec<String> {
    let items = input.get(name).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn change_label(world: &mut World, viewer: &str, field: &str, args: &Args) -> Result<Node, Problem> {
    let id = issue_id(world, args, "id")?;
    let label = given(args, "labelId").unwrap_or_default().to_owned();
    if world.label(&label).is_none() {
        return Err(Problem::not_found("IssueLabel"));
    }
    let adds = field == "issueAddLabel";
    world.change_issue(&id, &Author::User(viewer.to_owned()), |issue| {
        issue.labels.retain(|standing| *standing != label);
        if adds {
            issue.labels.push(label);
        }
    });
    Ok(Node::Payload { of: Entity::Issue, id })
}

fn react(world: &mut World, viewer: &str, input: &Args) -> Result<Node, Problem> {
    let emoji = rules::text(input, "emoji")?;
    let issue = given(input, "issueId").map(|_| issue_id(world, input, "issueId")).transpose()?;
    let comment = given(input, "commentId").map(str::to_owned);
    if comment.as_deref().is_some_and(|id| world.comment(id).is_none()) {
        return Err(Problem::not_found("Comment"));
    }
    if issue.is_some() == comment.is_some() {
        return Err(Problem::invalid("a reaction needs either an issue or a comment"));
    }
    let id = fresh_id(world, input, Entity::Reaction, |world, id| world.reaction(id).is_some())?;
    let same = world.reactions.iter().find(|standing| {
        standing.user == viewer && standing.emoji == emoji && standing.comment == comment && standing.issue == issue
    });
    if let Some(standing) = same {
        return Err(Problem::conflict("Reaction", &standing.id));
    }
    let created_at = world.moment();
    world.reactions.push(Reaction { id: id.clone(), comment, issue, user: viewer.to_owned(), emoji, created_at });
    Ok(Node::Payload { of: Entity::Reaction, id })
}

fn unreact(world: &mut World, viewer: &str, args: &Args) -> Result<Node, Problem> {
    let id = given(args, "id").unwrap_or_default().to_owned();
    let found = world.reaction(&id).ok_or_else(|| Problem::not_found("Reaction"))?;
    if found.user != viewer {
        return Err(Problem::forbidden("only one's own reactions can be removed"));
    }
    world.reactions.retain(|reaction| reaction.id != id);
    Ok(deleted(world, &id))
}
