//! The objects of the graph, and the plain fields of each. What leads from one to another is in
//! [`super::links`].

use serde_json::{Value, json};

use crate::simulator::linear::{
    APP_USER, ORGANIZATION, ORGANIZATION_KEY, ORGANIZATION_NAME,
    hooks::{priority_label, project_url},
    world::{Author, Link, World, escaped, iso},
};
use crate::time::Timestamp;

/// Where everything that is not made in a story was made.
const EPOCH: Timestamp = Timestamp::from_secs(1_735_689_600);

/// Something with an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entity {
    Activity,
    Attachment,
    Comment,
    /// What an activity says, by the activity's id.
    Content,
    Document,
    Issue,
    Label,
    Organization,
    Project,
    Reaction,
    Session,
    State,
    Team,
    User,
}

/// An object that fields are wanted of.
#[derive(Clone, Debug)]
pub enum Node {
    Entity(Entity, String),
    /// An object that holds all it has: its type, and its fields.
    Plain(&'static str, Value),
    Page {
        of: Entity,
        ids: Vec<String>,
        info: Value,
    },
    Edge {
        of: Entity,
        id: String,
    },
    /// What a mutation answers: the entity, and that it succeeded.
    Payload {
        of: Entity,
        id: String,
    },
}

/// What a field leads to.
#[derive(Clone, Debug)]
pub enum Found {
    Nothing,
    Leaf(Value),
    One(Node),
    Many(Vec<Node>),
}

impl Found {
    pub fn entity(of: Entity, id: Option<&str>) -> Self {
        id.map_or(Self::Nothing, |id| Self::One(Node::Entity(of, id.to_owned())))
    }
}

impl Entity {
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::Activity => "AgentActivity",
            Self::Attachment => "Attachment",
            Self::Comment => "Comment",
            Self::Content => "AgentActivityContent",
            Self::Document => "Document",
            Self::Issue => "Issue",
            Self::Label => "IssueLabel",
            Self::Organization => "Organization",
            Self::Project => "Project",
            Self::Reaction => "Reaction",
            Self::Session => "AgentSession",
            Self::State => "WorkflowState",
            Self::Team => "Team",
            Self::User => "User",
        }
    }
}

impl Node {
    pub fn type_name(&self, world: &World) -> String {
        match self {
            Self::Entity(Entity::Content, id) => {
                let kind = world.activity(id).map_or("thought", |activity| activity.content.kind());
                format!("AgentActivity{}{}Content", kind[..1].to_uppercase(), &kind[1..])
            }
            Self::Entity(of, _) => of.type_name().to_owned(),
            Self::Plain(kind, _) => (*kind).to_owned(),
            Self::Payload { of, .. } => format!("{}Payload", of.type_name()),
            Self::Page { of, .. } => format!("{}Connection", of.type_name()),
            Self::Edge { of, .. } => format!("{}Edge", of.type_name()),
        }
    }

    /// The plain fields that an object has.
    pub fn fields(&self, world: &World, viewer: &str) -> Value {
        match self {
            Self::Entity(of, id) => of_entity(world, *of, id, viewer).unwrap_or(Value::Null),
            Self::Plain(_, fields) => fields.clone(),
            Self::Page { .. } => json!({}),
            Self::Edge { id, .. } => json!({"cursor": id}),
            Self::Payload { .. } => json!({"success": true, "lastSyncId": world.activities.len()}),
        }
    }
}

fn of_entity(world: &World, of: Entity, id: &str, viewer: &str) -> Option<Value> {
    match of {
        Entity::Activity => activity(world, id),
        Entity::Attachment => attachment(world, id),
        Entity::Comment => comment(world, id),
        Entity::Content => {
            let mut content = world.activity(id)?.content.json();
            if content.get("result").is_none() {
                content["result"] = Value::Null;
            }
            Some(content)
        }
        Entity::Document => document(world, id),
        Entity::Issue => issue(world, id),
        Entity::Label => world.label(id).map(|label| {
            made_at(
                EPOCH,
                EPOCH,
                json!({"id": label.id, "name": label.name, "color": label.color,
                "description": Value::Null, "isGroup": false}),
            )
        }),
        Entity::Organization => Some(made_at(
            EPOCH,
            EPOCH,
            json!({"id": ORGANIZATION, "name": ORGANIZATION_NAME,
            "urlKey": ORGANIZATION_KEY, "logoUrl": Value::Null, "userCount": world.users.len()}),
        )),
        Entity::Project => world.project(id).map(|project| {
            made_at(
                EPOCH,
                EPOCH,
                json!({"id": project.id, "name": project.name, "slugId": project.slug, "icon": Value::Null,
                "description": "", "color": "#bec2c8", "url": project_url(world, project.slug)}),
            )
        }),
        Entity::Reaction => world.reaction(id).map(|reaction| {
            made_at(reaction.created_at, reaction.created_at, json!({"id": reaction.id, "emoji": reaction.emoji}))
        }),
        Entity::Session => session(world, id),
        Entity::State => world.state(id).map(|state| {
            made_at(
                EPOCH,
                EPOCH,
                json!({"id": state.id, "name": state.name, "type": state.kind, "color": state.color,
                "position": state.position, "description": Value::Null}),
            )
        }),
        Entity::Team => world.team(id).map(|team| {
            made_at(
                EPOCH,
                EPOCH,
                json!({"id": team.id, "key": team.key, "name": team.name, "displayName": team.name,
                "color": "#5e6ad2", "description": Value::Null, "icon": Value::Null, "private": false,
                "triageEnabled": false}),
            )
        }),
        Entity::User => user(world, id, viewer),
    }
}

fn made_at(created: Timestamp, updated: Timestamp, mut fields: Value) -> Value {
    fields["createdAt"] = json!(iso(created));
    fields["updatedAt"] = json!(iso(updated));
    fields["archivedAt"] = Value::Null;
    fields
}

/// With what the filters go by: the session and the type.
fn activity(world: &World, id: &str) -> Option<Value> {
    let activity = world.activity(id)?;
    let at = activity.created_at;
    Some(made_at(
        at,
        at,
        json!({
            "id": activity.id, "ephemeral": activity.ephemeral, "signal": activity.signal,
            "signalMetadata": activity.signal_metadata, "sourceMetadata": Value::Null,
            "agentSessionId": activity.session, "type": activity.content.kind(),
        }),
    ))
}

fn attachment(world: &World, id: &str) -> Option<Value> {
    let attachment = world.attachment(id)?;
    Some(made_at(
        attachment.created_at,
        attachment.updated_at,
        json!({
            "id": attachment.id, "title": attachment.title, "subtitle": attachment.subtitle, "url": attachment.url,
            "metadata": attachment.metadata, "sourceType": attachment.source, "groupBySource": attachment.grouped,
            "source": attachment.source.map(|kind| json!({"type": kind})),
        }),
    ))
}

fn comment(world: &World, id: &str) -> Option<Value> {
    let comment = world.comment(id)?;
    Some(made_at(
        comment.created_at,
        comment.updated_at,
        json!({
            "id": comment.id, "body": comment.body, "documentContentId": comment.document,
            "editedAt": comment.edited_at.map(iso), "issueId": comment.issue, "parentId": comment.parent,
            "isArtificialAgentSessionRoot": comment.author == Author::Linear, "quotedText": Value::Null,
            "resolvedAt": Value::Null, "url": world.comment_url(comment),
        }),
    ))
}

fn document(world: &World, id: &str) -> Option<Value> {
    let document = world.document(id)?;
    let at = document.created_at;
    Some(made_at(
        at,
        at,
        json!({
            "id": document.id, "title": document.title, "content": escaped(&document.content),
            "slugId": &document.id[..8],
            "url": format!("{}/{ORGANIZATION_KEY}/document/{}", world.base_url, &document.id[..8]),
        }),
    ))
}

fn issue(world: &World, id: &str) -> Option<Value> {
    let issue = world.issue(id)?;
    Some(made_at(
        issue.created_at,
        issue.updated_at,
        json!({
            "id": issue.id, "identifier": issue.identifier, "number": issue.number, "title": issue.title,
            "description": issue.description.as_deref().map(escaped), "url": world.issue_url(issue),
            "branchName": format!("{}-work", issue.identifier.to_lowercase()), "labelIds": issue.labels,
            "previousIdentifiers": [], "priority": issue.priority, "priorityLabel": priority_label(issue.priority),
            "sortOrder": 0.0, "startedAt": issue.started_at.map(iso), "completedAt": issue.completed_at.map(iso),
            "canceledAt": issue.canceled_at.map(iso), "triagedAt": Value::Null, "trashed": Value::Null,
        }),
    ))
}

fn session(world: &World, id: &str) -> Option<Value> {
    let session = world.session(id)?;
    let issue = session.issue.as_deref().and_then(|id| world.issue(id));
    let links: Vec<Value> = session.links.iter().map(Link::json).collect();
    Some(made_at(
        session.created_at,
        session.updated_at,
        json!({
            "id": session.id, "status": session.status.as_str(), "type": "commentThread", "plan": session.plan,
            "summary": session.summary, "slugId": &session.id[..8], "startedAt": session.started_at.map(iso),
            "endedAt": session.ended_at.map(iso), "dismissedAt": Value::Null, "externalUrls": links,
            "externalLink": session.links.first().map(|link| &link.url),
            "sourceMetadata": {"type": "comment", "agentSessionMetadata": {"sourceCommentId": session.source_comment.as_ref().unwrap_or(&session.comment)}},
            "url": issue.map(|issue| format!("{}#agent-session-{}", world.issue_url(issue), &session.id[..8])),
        }),
    ))
}

fn user(world: &World, id: &str, viewer: &str) -> Option<Value> {
    let user = world.user(id)?;
    let initials: String = user.name.split(' ').filter_map(|word| word.chars().next()).collect();
    Some(made_at(
        EPOCH,
        EPOCH,
        json!({
            "id": user.id, "name": user.name, "displayName": user.handle, "email": user.email(), "active": true,
            "admin": user.handle == "ada", "app": user.app, "guest": false, "owner": user.handle == "ada",
            "avatarUrl": Value::Null, "initials": initials, "isAssignable": !user.app || world.tokens.is_assignable(),
            "isMe": user.id == viewer, "isMentionable": true,
            "supportsAgentSessions": user.id == APP_USER && world.knobs.agent_sessions, "timezone": "Europe/London",
            "url": world.profile_url(user.handle),
        }),
    ))
}
