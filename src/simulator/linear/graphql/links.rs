//! What leads from one object of the graph to others, and into the graph: the fields of `Query`.

use serde_json::{Map, Value, json};

use super::{
    filter::page,
    nodes::{Entity, Found, Node},
    problem::Problem,
};
use crate::simulator::linear::{
    APP_USER, ORGANIZATION,
    world::{Author, Comment, World},
};

type Args = Map<String, Value>;

/// A field of `Query`.
pub fn root(world: &World, viewer: &str, field: &str, args: &Args) -> Result<Found, Problem> {
    let paged = |of: Entity, ids: Vec<String>| page(world, viewer, of, ids, args).map(Found::One);
    let id = args.get("id").and_then(Value::as_str).unwrap_or_default();
    let by_id = |of: Entity, found: Option<&String>| match found {
        Some(id) => Ok(Found::One(Node::Entity(of, id.clone()))),
        None => Err(Problem::not_found(of.type_name())),
    };
    match field {
        "viewer" => Ok(Found::entity(Entity::User, Some(viewer))),
        "organization" => Ok(Found::entity(Entity::Organization, Some(ORGANIZATION))),
        "agentActivity" => by_id(Entity::Activity, world.activity(id).map(|found| &found.id)),
        "agentSession" => by_id(Entity::Session, world.session(id).map(|found| &found.id)),
        "attachment" => by_id(Entity::Attachment, world.attachment(id).map(|found| &found.id)),
        "comment" => by_id(Entity::Comment, world.comment(id).map(|found| &found.id)),
        "document" => by_id(Entity::Document, world.document(id).map(|found| &found.id)),
        "issue" => by_id(Entity::Issue, world.issue(id).map(|found| &found.id)),
        "project" => by_id(Entity::Project, world.project(id).map(|found| &found.id)),
        "team" => by_id(Entity::Team, world.team(id).map(|found| &found.id)),
        "user" => {
            let found = if id == "me" { Some(viewer) } else { users(world).find(|found| *found == id) };
            found.map_or_else(|| Err(Problem::not_found("User")), |id| Ok(Found::entity(Entity::User, Some(id))))
        }
        "workflowState" => by_id(Entity::State, world.state(id).map(|found| &found.id)),
        "agentSessions" => paged(Entity::Session, world.sessions.iter().map(|found| found.id.clone()).collect()),
        "attachments" => paged(Entity::Attachment, world.attachments.iter().map(|found| found.id.clone()).collect()),
        "attachmentsForURL" => {
            let of_url = world.attachments.iter().filter(|found| Some(found.url.as_str()) == args["url"].as_str());
            paged(Entity::Attachment, of_url.map(|found| found.id.clone()).collect())
        }
        "comments" => paged(Entity::Comment, comments(world, |_| true)),
        "issueLabels" => paged(Entity::Label, world.labels.iter().map(|found| found.id.clone()).collect()),
        "issues" => paged(Entity::Issue, world.issues.iter().map(|found| found.id.clone()).collect()),
        "projects" => paged(Entity::Project, world.projects.iter().map(|found| found.id.clone()).collect()),
        "teams" => paged(Entity::Team, world.teams.iter().map(|found| found.id.clone()).collect()),
        "users" => paged(Entity::User, users(world).map(str::to_owned).collect()),
        "workflowStates" => paged(Entity::State, world.states.iter().map(|found| found.id.clone()).collect()),
        "rateLimitStatus" => {
            Ok(Found::One(Node::Plain("RateLimitPayload", world.pace.status(&world.knobs, world.clock.now()))))
        }
        _ => Err(Problem::gap(field)),
    }
}

/// A field of an entity that leads to other objects.
pub fn link(world: &World, viewer: &str, of: Entity, id: &str, field: &str, args: &Args) -> Result<Found, Problem> {
    let paged = |of: Entity, ids: Vec<String>| page(world, viewer, of, ids, args).map(Found::One);
    let found = match of {
        Entity::Activity => world.activity(id).map(|found| match field {
            "agentSession" => Ok(Found::entity(Entity::Session, Some(&found.session))),
            "content" => Ok(Found::entity(Entity::Content, Some(&found.id))),
            "sourceComment" => Ok(Found::entity(Entity::Comment, found.source_comment.as_deref())),
            "user" => Ok(Found::entity(Entity::User, Some(&found.user))),
            _ => Err(Problem::gap(field)),
        }),
        Entity::Attachment => world.attachment(id).map(|found| match field {
            "issue" => Ok(Found::entity(Entity::Issue, Some(&found.issue))),
            "creator" => Ok(Found::entity(Entity::User, Some(&found.creator))),
            _ => Err(Problem::gap(field)),
        }),
        Entity::Comment => world.comment(id).map(|found| of_comment(world, viewer, found, field, args)),
        Entity::Document => world.document(id).map(|found| match field {
            "comments" => paged(Entity::Comment, comments(world, |each| each.document.as_ref() == Some(&found.id))),
            "creator" => Ok(Found::entity(Entity::User, Some(&found.creator))),
            "issue" => Ok(Found::entity(Entity::Issue, found.issue.as_deref())),
            "project" => Ok(Found::entity(Entity::Project, found.project.as_deref())),
            _ => Err(Problem::gap(field)),
        }),
        Entity::Issue => Some(of_issue(world, viewer, id, field, args)),
        Entity::Reaction => world.reaction(id).map(|found| match field {
            "comment" => Ok(Found::entity(Entity::Comment, found.comment.as_deref())),
            "issue" => Ok(Found::entity(Entity::Issue, found.issue.as_deref())),
            "user" => Ok(Found::entity(Entity::User, Some(&found.user))),
            _ => Err(Problem::gap(field)),
        }),
        Entity::Session => Some(of_session(world, viewer, id, field, args)),
        Entity::State => world.state(id).map(|found| Ok(Found::entity(Entity::Team, Some(&found.team)))),
        Entity::Team => world.team(id).map(|team| match field {
            "states" => {
                let states = world.states.iter().filter(|state| state.team == team.id);
                paged(Entity::State, states.map(|state| state.id.clone()).collect())
            }
            "issues" => {
                let issues = world.issues.iter().filter(|issue| issue.team == team.id);
                paged(Entity::Issue, issues.map(|issue| issue.id.clone()).collect())
            }
            "labels" => paged(Entity::Label, Vec::new()),
            "members" => paged(Entity::User, users(world).map(str::to_owned).collect()),
            "defaultIssueState" => Ok(Found::entity(Entity::State, Some(&world.first_state(&team.id)))),
            "organization" => Ok(Found::entity(Entity::Organization, Some(ORGANIZATION))),
            "parent" => Ok(Found::Nothing),
            _ => Err(Problem::gap(field)),
        }),
        Entity::User => Some(match field {
            "organization" => Ok(Found::entity(Entity::Organization, Some(ORGANIZATION))),
            "assignedIssues" => paged(Entity::Issue, issues_with(world, |issue| issue.assignee.as_deref() == Some(id))),
            "delegatedIssues" => {
                paged(Entity::Issue, issues_with(world, |issue| issue.delegate.as_deref() == Some(id)))
            }
            _ => Err(Problem::gap(field)),
        }),
        Entity::Organization => Some(root(world, viewer, field, args)),
        Entity::Label => Some(Ok(Found::Nothing)),
        Entity::Content | Entity::Project => None,
    };
    found.unwrap_or_else(|| Err(Problem::gap(field)))
}

fn of_comment(world: &World, viewer: &str, comment: &Comment, field: &str, args: &Args) -> Result<Found, Problem> {
    let paged = |of: Entity, ids: Vec<String>| page(world, viewer, of, ids, args).map(Found::One);
    let sessions = || world.sessions.iter().filter(|session| session.comment == comment.id);
    match field {
        "agentSession" => Ok(Found::entity(Entity::Session, sessions().next_back().map(|session| session.id.as_str()))),
        "agentSessions" => paged(Entity::Session, sessions().map(|session| session.id.clone()).collect()),
        "botActor" => Ok(bot_actor(&comment.author, comment.shown_as.as_deref())),
        "children" => paged(Entity::Comment, comments(world, |each| each.parent.as_ref() == Some(&comment.id))),
        "issue" => Ok(Found::entity(Entity::Issue, comment.issue.as_deref())),
        "parent" => Ok(Found::entity(Entity::Comment, comment.parent.as_deref())),
        "reactions" => Ok(reactions(world, |reaction| reaction.comment.as_ref() == Some(&comment.id))),
        "user" => Ok(Found::entity(Entity::User, comment.author.user())),
        _ => Err(Problem::gap(field)),
    }
}

fn of_issue(world: &World, viewer: &str, id: &str, field: &str, args: &Args) -> Result<Found, Problem> {
    let Some(issue) = world.issue(id) else { return Err(Problem::not_found("Issue")) };
    let paged = |of: Entity, ids: Vec<String>| page(world, viewer, of, ids, args).map(Found::One);
    match field {
        "agentSessions" => {
            let sessions = world.sessions.iter().filter(|session| session.issue.as_ref() == Some(&issue.id));
            paged(Entity::Session, sessions.map(|session| session.id.clone()).collect())
        }
        "assignee" => Ok(Found::entity(Entity::User, issue.assignee.as_deref())),
        "attachments" => {
            let attachments = world.attachments.iter().filter(|attachment| attachment.issue == issue.id);
            paged(Entity::Attachment, attachments.map(|attachment| attachment.id.clone()).collect())
        }
        "botActor" => Ok(Found::Nothing),
        "children" => paged(Entity::Issue, issues_with(world, |each| each.parent.as_ref() == Some(&issue.id))),
        "comments" => paged(Entity::Comment, comments(world, |each| each.issue.as_ref() == Some(&issue.id))),
        "creator" => Ok(Found::entity(Entity::User, Some(&issue.creator))),
        "delegate" => Ok(Found::entity(Entity::User, issue.delegate.as_deref())),
        "labels" => paged(Entity::Label, issue.labels.clone()),
        "parent" => Ok(Found::entity(Entity::Issue, issue.parent.as_deref())),
        "project" => Ok(Found::entity(Entity::Project, issue.project.as_deref())),
        "reactions" => Ok(reactions(world, |reaction| reaction.issue.as_ref() == Some(&issue.id))),
        "state" => Ok(Found::entity(Entity::State, Some(&issue.state))),
        "subscribers" => paged(Entity::User, vec![issue.creator.clone()]),
        "team" => Ok(Found::entity(Entity::Team, Some(&issue.team))),
        _ => Err(Problem::gap(field)),
    }
}

fn of_session(world: &World, viewer: &str, id: &str, field: &str, args: &Args) -> Result<Found, Problem> {
    let Some(session) = world.session(id) else { return Err(Problem::not_found("AgentSession")) };
    match field {
        "activities" => {
            let activities =
                world.activities.iter().filter(|activity| activity.session == session.id && !activity.replaced);
            let ids = activities.map(|activity| activity.id.clone()).collect();
            page(world, viewer, Entity::Activity, ids, args).map(Found::One)
        }
        "appUser" => Ok(Found::entity(Entity::User, Some(APP_USER))),
        "comment" => Ok(Found::entity(Entity::Comment, Some(&session.comment))),
        "creator" => Ok(Found::entity(Entity::User, session.creator.as_deref())),
        "externalLinks" => {
            let links = session.links.iter().map(|link| Node::Plain("AgentSessionExternalLink", link.json()));
            Ok(Found::Many(links.collect()))
        }
        "issue" => Ok(Found::entity(Entity::Issue, session.issue.as_deref())),
        "sourceComment" => Ok(Found::entity(Entity::Comment, session.source_comment.as_deref())),
        _ => Err(Problem::gap(field)),
    }
}

fn users(world: &World) -> impl Iterator<Item = &str> {
    world.users.iter().map(|user| user.id)
}

fn comments(world: &World, wanted: impl Fn(&Comment) -> bool) -> Vec<String> {
    world.comments.iter().filter(|comment| wanted(comment)).map(|comment| comment.id.clone()).collect()
}

fn issues_with(world: &World, wanted: impl Fn(&crate::simulator::linear::world::Issue) -> bool) -> Vec<String> {
    world.issues.iter().filter(|issue| wanted(issue)).map(|issue| issue.id.clone()).collect()
}

fn reactions(world: &World, wanted: impl Fn(&crate::simulator::linear::world::Reaction) -> bool) -> Found {
    let found = world.reactions.iter().filter(|reaction| wanted(reaction));
    Found::Many(found.map(|reaction| Node::Entity(Entity::Reaction, reaction.id.clone())).collect())
}

fn bot_actor(author: &Author, shown_as: Option<&str>) -> Found {
    let (id, name) = match author {
        Author::User(id) if id == APP_USER => (APP_USER, "Baton"),
        Author::User(_) => return Found::Nothing,
        Author::Linear | Author::Automation => ("linear", "Linear"),
    };
    let fields = json!({"id": id, "name": name, "type": "app", "subType": Value::Null, "avatarUrl": Value::Null,
        "userDisplayName": shown_as});
    Found::One(Node::Plain("ActorBot", fields))
}
