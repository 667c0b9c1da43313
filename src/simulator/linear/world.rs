//! The workspace itself: its [records](super::records) and how issues and comments change. What
//! happens to sessions is in [`super::sessions`].
//!
//! Plain data behind one lock. The API and the people change it; nothing in here speaks HTTP.

use std::{collections::VecDeque, fmt::Write as _, time::Duration};

use sha2::{Digest, Sha256};

pub use super::records::{
    Activity, Attachment, Author, Comment, Content, Document, Issue, Label, Link, Project, Reaction, Session, State,
    Status, Team, Upload, User,
};
use super::{ADA, APP_USER, GRACE, Knobs, LINUS, deliver, hooks, pace::Pace, tokens::Tokens};
use crate::time::{Clock, Timestamp};

/// What Linear writes at the root of a thread that a delegation opens.
pub const STUB: &str = "This thread is for an agent session with Baton.";

/// Of each team. "In Review" is started too, and is not the first of them.
const STATES: [(&str, &str, f64, &str); 6] = [
    ("Backlog", "backlog", 0.0, "#bec2c8"),
    ("Todo", "unstarted", 1.0, "#e2e2e2"),
    ("In Progress", "started", 2.0, "#f2c94c"),
    ("In Review", "started", 1002.0, "#0f783c"),
    ("Done", "completed", 3.0, "#5e6ad2"),
    ("Canceled", "canceled", 4.0, "#95a2b3"),
];

#[derive(Debug)]
pub struct World {
    pub clock: Clock,
    pub base_url: String,
    pub target: Option<String>,
    pub knobs: Knobs,
    pub users: Vec<User>,
    pub teams: Vec<Team>,
    pub states: Vec<State>,
    pub labels: Vec<Label>,
    pub projects: Vec<Project>,
    // All of these in the order of their making.
    pub issues: Vec<Issue>,
    pub comments: Vec<Comment>,
    pub sessions: Vec<Session>,
    pub activities: Vec<Activity>,
    pub attachments: Vec<Attachment>,
    pub reactions: Vec<Reaction>,
    pub documents: Vec<Document>,
    pub uploads: Vec<Upload>,
    pub tokens: Tokens,
    pub pace: Pace,
    /// Webhooks that have not been sent yet.
    pub outgoing: VecDeque<deliver::Delivery>,
    /// Those that Baton did not take, to be sent again when they are due.
    pub retries: Vec<deliver::Delivery>,
    /// Webhooks that were answered with 200.
    pub taken: usize,
    pub last_sent: Option<deliver::Sent>,
    pub objections: Vec<String>,
    minted: u64,
    last_moment: Timestamp,
}

impl World {
    pub fn new(clock: Clock) -> Self {
        let mut world = Self {
            base_url: "http://127.0.0.1:7300/simulator/linear".to_owned(),
            target: None,
            knobs: Knobs::default(),
            users: vec![
                User { id: ADA, name: "Ada Lovelace", handle: "ada", app: false },
                User { id: GRACE, name: "Grace Hopper", handle: "grace", app: false },
                User { id: LINUS, name: "Linus", handle: "linus", app: false },
                User { id: APP_USER, name: "Baton", handle: "baton", app: true },
            ],
            teams: Vec::new(),
            states: Vec::new(),
            labels: Vec::new(),
            projects: Vec::new(),
            issues: Vec::new(),
            comments: Vec::new(),
            sessions: Vec::new(),
            activities: Vec::new(),
            attachments: Vec::new(),
            reactions: Vec::new(),
            documents: Vec::new(),
            uploads: Vec::new(),
            tokens: Tokens::default(),
            pace: Pace::default(),
            outgoing: VecDeque::new(),
            retries: Vec::new(),
            taken: 0,
            last_sent: None,
            objections: Vec::new(),
            minted: 0,
            last_moment: clock.now(),
            clock,
        };
        for (key, name) in [("ENG", "Engineering"), ("OPS", "Operations")] {
            let team = world.mint();
            for (name, kind, position, color) in STATES {
                let id = world.mint();
                world.states.push(State { id, team: team.clone(), name, kind, position, color });
            }
            world.teams.push(Team { id: team, key, name, newest: 0 });
        }
        for (name, color) in [("orchestrate", "#5e6ad2"), ("Bug", "#eb5757"), ("Feature", "#bb87fc")] {
            let id = world.mint();
            world.labels.push(Label { id, name: name.to_owned(), color });
        }
        let id = world.mint();
        world.projects.push(Project { id, name: "Checkout flow", slug: "checkout-flow" });
        world
    }

    /// Makes other ids than a workspace that began before `start`, and higher numbers of issues.
    pub fn number_from(&mut self, start: Timestamp) {
        self.minted = start.as_millis().unsigned_abs();
        // One in ten seconds is more than people write. Seven digits last for three years.
        let newest = u32::try_from(start.as_secs() / 10 % 10_000_000).unwrap_or_default();
        self.teams.iter_mut().for_each(|team| team.newest = newest);
    }

    /// A new UUID of version 4; the same each time the same things happen.
    pub fn mint(&mut self) -> String {
        self.minted += 1;
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&Sha256::digest(format!("linear {}", self.minted))[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// The present, a millisecond after the moment that was asked for before: nothing is made at the
    /// same time as something else.
    pub fn moment(&mut self) -> Timestamp {
        let next = self.last_moment + Duration::from_millis(1);
        self.last_moment = self.clock.now().max(next);
        self.last_moment
    }

    pub fn object(&mut self, objection: impl Into<String>) {
        self.objections.push(objection.into());
    }

    /// By id, by handle, or as the simulated Slack calls the same person.
    pub fn user(&self, who: &str) -> Option<&User> {
        let handle = who.strip_prefix("U0").unwrap_or(who);
        self.users.iter().find(|user| user.id == who || user.handle.eq_ignore_ascii_case(handle))
    }

    pub fn name_of(&self, id: &str) -> &str {
        self.user(id).map_or("somebody", |user| user.name)
    }

    /// By id, or by key.
    pub fn team(&self, id: &str) -> Option<&Team> {
        self.teams.iter().find(|team| team.id == id || team.key == id)
    }

    pub fn state(&self, id: &str) -> Option<&State> {
        self.states.iter().find(|state| state.id == id)
    }

    pub fn label(&self, id: &str) -> Option<&Label> {
        self.labels.iter().find(|label| label.id == id)
    }

    pub fn project(&self, id: &str) -> Option<&Project> {
        self.projects.iter().find(|project| project.id == id)
    }

    /// By id, or by identifier: `ENG-1`.
    pub fn issue(&self, id: &str) -> Option<&Issue> {
        self.issues.iter().find(|issue| issue.id == id || issue.identifier == id)
    }

    pub fn comment(&self, id: &str) -> Option<&Comment> {
        self.comments.iter().find(|comment| comment.id == id)
    }

    pub fn session(&self, id: &str) -> Option<&Session> {
        self.sessions.iter().find(|session| session.id == id)
    }

    pub fn session_mut(&mut self, id: &str) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.id == id)
    }

    pub fn activity(&self, id: &str) -> Option<&Activity> {
        self.activities.iter().find(|activity| activity.id == id)
    }

    pub fn attachment(&self, id: &str) -> Option<&Attachment> {
        self.attachments.iter().find(|attachment| attachment.id == id)
    }

    pub fn document(&self, id: &str) -> Option<&Document> {
        self.documents.iter().find(|document| document.id == id)
    }

    pub fn reaction(&self, id: &str) -> Option<&Reaction> {
        self.reactions.iter().find(|reaction| reaction.id == id)
    }

    /// The session that a comment's thread belongs to: the newest, if there are several.
    pub fn session_of_thread(&self, comment: &str) -> Option<&Session> {
        let found = self.comment(comment)?;
        let root = found.parent.as_deref().unwrap_or(&found.id);
        self.sessions.iter().rev().find(|session| session.comment == root)
    }

    /// Where issues of a team begin.
    pub fn first_state(&self, team: &str) -> String {
        let mut states = self.states.iter().filter(|state| state.team == team);
        states.find(|state| state.kind == "unstarted").map(|state| state.id.clone()).unwrap_or_default()
    }

    /// Makes an issue of what `draft` fills in, in the first team unless it says so; gives its id.
    pub fn create_issue(&mut self, actor: &Author, draft: impl FnOnce(&mut Issue)) -> String {
        let (id, at) = (self.mint(), self.moment());
        let mut issue = Issue {
            id,
            team: self.teams.first().map(|team| team.id.clone()).unwrap_or_default(),
            number: 0,
            identifier: String::new(),
            title: String::new(),
            description: None,
            state: String::new(),
            labels: Vec::new(),
            assignee: None,
            delegate: None,
            project: None,
            parent: None,
            priority: 0,
            creator: actor.user().unwrap_or(ADA).to_owned(),
            created_at: at,
            updated_at: at,
            started_at: None,
            completed_at: None,
            canceled_at: None,
        };
        draft(&mut issue);
        if issue.state.is_empty() {
            issue.state = self.first_state(&issue.team);
        }
        if let Some(team) = self.teams.iter_mut().find(|team| team.id == issue.team) {
            team.newest += 1;
            issue.number = team.newest;
            issue.identifier = format!("{}-{}", team.key, team.newest);
        }
        let id = issue.id.clone();
        self.issues.push(issue);
        hooks::issue_created(self, &id, actor);
        id
    }

    /// Changes an issue, and tells the app what was before.
    pub fn change_issue(&mut self, id: &str, actor: &Author, change: impl FnOnce(&mut Issue)) {
        let Some(place) = self.issues.iter().position(|issue| issue.id == id) else { return };
        let before = self.issues[place].clone();
        change(&mut self.issues[place]);
        if self.issues[place] == before {
            return;
        }
        let at = self.moment();
        let kind = self.state(&self.issues[place].state).map_or("", |state| state.kind);
        let issue = &mut self.issues[place];
        issue.updated_at = at;
        if issue.state != before.state {
            issue.started_at = issue.started_at.or_else(|| (kind == "started").then_some(at));
            issue.completed_at = (kind == "completed").then_some(at);
            issue.canceled_at = (kind == "canceled").then_some(at);
        }
        hooks::issue_changed(self, &before, actor);
    }

    /// Writes a comment; gives its id. A mention in it has no effect here: see [`World::mentioned`].
    pub fn create_comment(&mut self, comment: Comment) -> String {
        let id = comment.id.clone();
        self.comments.push(comment);
        hooks::comment_created(self, &id);
        id
    }

    /// A comment to be filled in.
    pub fn new_comment(&mut self, author: Author, body: &str) -> Comment {
        let (id, at) = (self.mint(), self.moment());
        Comment {
            id,
            issue: None,
            document: None,
            parent: None,
            body: body.to_owned(),
            author,
            shown_as: None,
            created_at: at,
            updated_at: at,
            edited_at: None,
            activity: None,
        }
    }

    pub fn edit_comment(&mut self, id: &str, body: &str, marked: bool) {
        let at = self.moment();
        let Some(comment) = self.comments.iter_mut().find(|comment| comment.id == id) else { return };
        let before = std::mem::replace(&mut comment.body, body.to_owned());
        if before == body {
            return;
        }
        comment.updated_at = at;
        if marked {
            comment.edited_at = Some(at);
        }
        hooks::comment_changed(self, id, &before);
    }

    /// Whether a text calls for the app: by its handle, or by the address of its profile.
    pub fn mentions_app(&self, text: &str) -> bool {
        let ends = |rest: &str| rest.chars().next().is_none_or(|c| !c.is_alphanumeric() && !"_-.".contains(c));
        let by_handle = text.match_indices("@baton").any(|(at, found)| {
            let before = text[..at].chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric() && c != '\\') && ends(&text[at + found.len()..])
        });
        by_handle || text.contains(&self.profile_url("baton"))
    }

    pub fn profile_url(&self, handle: &str) -> String {
        format!("{}/{}/profiles/{handle}", self.base_url, super::ORGANIZATION_KEY)
    }

    pub fn issue_url(&self, issue: &Issue) -> String {
        let words = issue.title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).take(6);
        let slug = words.map(str::to_lowercase).collect::<Vec<_>>().join("-");
        format!("{}/{}/issue/{}/{slug}", self.base_url, super::ORGANIZATION_KEY, issue.identifier)
    }

    pub fn comment_url(&self, comment: &Comment) -> String {
        let issue = comment.issue.as_deref().and_then(|id| self.issue(id)).map(|issue| self.issue_url(issue));
        format!("{}#comment-{}", issue.unwrap_or_else(|| self.base_url.clone()), &comment.id[..8])
    }
}

/// A moment as Linear writes it, always with milliseconds.
pub fn iso(at: Timestamp) -> String {
    let mut text = Timestamp::from_secs(at.as_secs()).to_rfc3339();
    text.truncate(text.len().saturating_sub(1));
    let _ = write!(text, ".{:03}Z", at.as_millis().rem_euclid(1000));
    text
}

/// A text as Linear keeps markdown: brackets that are no link are escaped.
pub fn escaped(markdown: &str) -> String {
    let mut kept = String::new();
    let mut rest = markdown;
    while let Some(open) = rest.find('[') {
        let (before, from) = rest.split_at(open);
        kept.push_str(before);
        let close = from.find([']', '\n']).filter(|at| from[*at..].starts_with(']'));
        let is_link = close.is_some_and(|at| from[at..].starts_with("]("));
        let is_box = ["[ ]", "[x]"].iter().any(|mark| from.starts_with(mark));
        match close {
            Some(at) if !is_link && !is_box && !before.ends_with('\\') => {
                let _ = write!(kept, "\\[{}\\]", &from[1..at]);
                rest = &from[at + 1..];
            }
            _ => {
                kept.push('[');
                rest = &from[1..];
            }
        }
    }
    kept + rest
}
