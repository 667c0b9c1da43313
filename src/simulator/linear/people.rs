//! What people do: write issues and comments, mention the app, delegate to it, answer it, stop it.
//!
//! A person goes by id, by handle, or by what the simulated Slack calls them; an issue by id or by
//! identifier. What cannot be done is refused with one sentence.

use super::{
    APP_USER, Linear, hooks,
    sessions::Beginning,
    world::{Author, Document, World},
};

/// Which option of a question: the how-manieth from 0, or a part of its label.
#[derive(Clone, Debug)]
pub enum Choice {
    Place(usize),
    Label(String),
}

impl From<usize> for Choice {
    fn from(place: usize) -> Self {
        Self::Place(place)
    }
}

impl From<&str> for Choice {
    fn from(label: &str) -> Self {
        Self::Label(label.to_owned())
    }
}

impl Linear {
    /// A new issue of Ada's in the team ENG; gives its id.
    pub async fn issue(&self, title: &str, description: &str) -> String {
        let id = self.write(|world| write_issue(world, super::ADA, None, title, description));
        self.deliver_outgoing().await;
        id
    }

    /// A new issue of a person's, in the team with that key.
    pub async fn issue_in(&self, person: &str, team: &str, title: &str, description: &str) -> Result<String, String> {
        self.act(person, |world, person| {
            let team = world.team(team).ok_or_else(|| format!("there is no team {team}"))?.id.clone();
            Ok(write_issue(world, person, Some(team), title, description))
        })
        .await
    }

    /// Puts a label on an issue; one that is not there yet is made. Gives the label's id.
    pub async fn label(&self, issue: &str, label: &str, person: &str) -> Result<String, String> {
        self.act(person, |world, person| {
            let issue = issue_of(world, issue)?;
            let known = world.labels.iter().find(|known| known.name.eq_ignore_ascii_case(label));
            let id = known.map(|known| known.id.clone());
            let id = id.unwrap_or_else(|| {
                let id = world.mint();
                world.labels.push(super::world::Label { id: id.clone(), name: label.to_owned(), color: "#95a2b3" });
                id
            });
            world.change_issue(&issue, &by(person), |issue| {
                if !issue.labels.contains(&id) {
                    issue.labels.push(id.clone());
                }
            });
            Ok(id)
        })
        .await
    }

    pub async fn unlabel(&self, issue: &str, label: &str, person: &str) -> Result<(), String> {
        self.act(person, |world, person| {
            let issue = issue_of(world, issue)?;
            let known = world.labels.iter().find(|known| known.name.eq_ignore_ascii_case(label));
            let id = known.ok_or_else(|| format!("there is no label {label}"))?.id.clone();
            world.change_issue(&issue, &by(person), |issue| issue.labels.retain(|standing| *standing != id));
            Ok(())
        })
        .await
    }

    /// Moves an issue to the state of that name.
    pub async fn move_to(&self, person: &str, issue: &str, state: &str) -> Result<(), String> {
        self.act(person, |world, person| {
            let issue = issue_of(world, issue)?;
            let team = world.issue(&issue).map(|issue| issue.team.clone()).unwrap_or_default();
            let found = world.states.iter().find(|known| known.team == team && known.name.eq_ignore_ascii_case(state));
            let id = found.ok_or_else(|| format!("there is no state {state}"))?.id.clone();
            world.change_issue(&issue, &by(person), |issue| issue.state = id);
            Ok(())
        })
        .await
    }

    /// Mentions the app in a comment of its own on an issue; gives the session that begins.
    pub async fn mention(&self, person: &str, issue: &str, text: &str) -> Result<String, String> {
        self.act(person, |world, person| {
            let issue = issue_of(world, issue)?;
            let comment = write_comment(world, person, Some(issue), None, None, &calling(world, text));
            world.mentioned(&comment).ok_or_else(|| "the app was not mentioned".to_owned())
        })
        .await
    }

    /// Mentions the app in a reply to a comment; gives the session that begins, or the thread's.
    pub async fn mention_in_thread(&self, person: &str, comment: &str, text: &str) -> Result<String, String> {
        self.act(person, |world, person| {
            let parent = world.comment(comment).cloned().ok_or_else(|| format!("there is no comment {comment}"))?;
            let root = parent.parent.clone().unwrap_or_else(|| parent.id.clone());
            let text = calling(world, text);
            let comment = write_comment(world, person, parent.issue, parent.document, Some(root), &text);
            world.mentioned(&comment).ok_or_else(|| "the app was not mentioned".to_owned())
        })
        .await
    }

    /// Mentions the app in a comment on a document, where there is no issue; gives the session.
    pub async fn mention_on_document(&self, person: &str, title: &str, text: &str) -> Result<String, String> {
        self.act(person, |world, person| {
            let (id, created_at) = (world.mint(), world.moment());
            world.documents.push(Document {
                id: id.clone(),
                title: title.to_owned(),
                content: String::new(),
                issue: None,
                project: world.projects.first().map(|project| project.id.clone()),
                creator: person.to_owned(),
                created_at,
            });
            let text = calling(world, text);
            let comment = write_comment(world, person, None, Some(id), None, &text);
            world.mentioned(&comment).ok_or_else(|| "the app was not mentioned".to_owned())
        })
        .await
    }

    /// Delegates an issue to the app: the person becomes responsible for it. Gives the session.
    pub async fn delegate(&self, person: &str, issue: &str) -> Result<String, String> {
        self.act(person, |world, person| {
            let issue = issue_of(world, issue)?;
            may_delegate(world)?;
            world.change_issue(&issue, &by(person), |issue| {
                issue.delegate = Some(APP_USER.to_owned());
                issue.assignee = Some(person.to_owned());
            });
            begin(world, issue, Some(person))
        })
        .await
    }

    /// An automation delegates an issue: nobody is responsible, and the session has no creator.
    pub async fn delegate_by_automation(&self, issue: &str) -> Result<String, String> {
        self.act(super::ADA, |world, _| {
            let issue = issue_of(world, issue)?;
            may_delegate(world)?;
            world.change_issue(&issue, &Author::Automation, |issue| issue.delegate = Some(APP_USER.to_owned()));
            begin(world, issue, None)
        })
        .await
    }

    /// Says something in a session's thread; gives the activity.
    pub async fn prompt(&self, person: &str, session: &str, text: &str) -> Result<String, String> {
        self.act(person, |world, person| say(world, person, session, text)).await
    }

    /// Chooses an option of the session's newest question: its value is said.
    pub async fn choose(&self, person: &str, session: &str, choice: impl Into<Choice>) -> Result<String, String> {
        let choice = choice.into();
        self.act(person, |world, person| {
            let value = option_value(world, session, &choice)?;
            say(world, person, session, &value)
        })
        .await
    }

    /// Presses Stop; gives the activity.
    pub async fn stop(&self, person: &str, session: &str) -> Result<String, String> {
        self.act(person, |world, person| {
            world.session(session).ok_or_else(|| format!("there is no session {session}"))?;
            Ok(world.prompt(session, person, "Stop", Some("stop"), None))
        })
        .await
    }

    /// Comments on an issue, beside all threads or in the one of `parent`. In the thread of a session
    /// the app hears of it as of a prompt. Gives the comment.
    pub async fn comment(&self, person: &str, issue: &str, parent: Option<&str>, text: &str) -> Result<String, String> {
        self.act(person, |world, person| {
            let issue = issue_of(world, issue)?;
            let root = match parent {
                Some(id) => {
                    let parent = world.comment(id).ok_or_else(|| format!("there is no comment {id}"))?;
                    Some(parent.parent.clone().unwrap_or_else(|| parent.id.clone()))
                }
                None => None,
            };
            let comment = write_comment(world, person, Some(issue), None, root, text);
            world.mentioned(&comment);
            Ok(comment)
        })
        .await
    }

    /// Changes one's own comment. The app is not prompted again.
    pub async fn edit_comment(&self, person: &str, comment: &str, text: &str) -> Result<(), String> {
        self.act(person, |world, person| {
            let found = world.comment(comment).ok_or_else(|| format!("there is no comment {comment}"))?;
            if found.author.user() != Some(person) {
                return Err("only one's own comments can be changed".to_owned());
            }
            world.edit_comment(comment, text, true);
            Ok(())
        })
        .await
    }

    /// Takes the app off an issue.
    pub async fn unassign(&self, person: &str, issue: &str) -> Result<(), String> {
        self.act(person, |world, person| {
            let issue = issue_of(world, issue)?;
            world.change_issue(&issue, &by(person), |issue| issue.delegate = None);
            Ok(())
        })
        .await
    }

    /// Removes the app from the workspace: its tokens end, and it is told.
    pub async fn revoke(&self) {
        self.write(|world| {
            world.tokens.revoke_all();
            hooks::app_revoked(world);
        });
        self.deliver_outgoing().await;
    }

    /// Does something as a person, and tells the app what came of it.
    async fn act<T>(
        &self,
        person: &str,
        what: impl FnOnce(&mut World, &'static str) -> Result<T, String>,
    ) -> Result<T, String> {
        let done = self.write(|world| {
            let user =
                world.user(person).filter(|user| !user.app).ok_or_else(|| format!("there is nobody {person}"))?;
            let id = user.id;
            what(world, id)
        })?;
        self.deliver_outgoing().await;
        Ok(done)
    }
}

fn by(person: &str) -> Author {
    Author::User(person.to_owned())
}

fn issue_of(world: &World, issue: &str) -> Result<String, String> {
    world.issue(issue).map(|issue| issue.id.clone()).ok_or_else(|| format!("there is no issue {issue}"))
}

fn write_issue(world: &mut World, person: &str, team: Option<String>, title: &str, description: &str) -> String {
    world.create_issue(&by(person), |issue| {
        title.clone_into(&mut issue.title);
        issue.description = (!description.is_empty()).then(|| description.to_owned());
        if let Some(team) = team {
            issue.team = team;
        }
    })
}

fn write_comment(
    world: &mut World,
    person: &str,
    issue: Option<String>,
    document: Option<String>,
    parent: Option<String>,
    text: &str,
) -> String {
    let mut comment = world.new_comment(by(person), text);
    comment.issue = issue;
    comment.document = document;
    comment.parent = parent;
    world.create_comment(comment)
}

/// A text that mentions the app, at its beginning if nowhere else.
fn calling(world: &World, text: &str) -> String {
    if world.mentions_app(text) { text.to_owned() } else { format!("@baton {text}") }
}

fn may_delegate(world: &World) -> Result<(), String> {
    let is_able = world.tokens.is_assignable();
    is_able.then_some(()).ok_or_else(|| "One or more app users lack the required capability.".to_owned())
}

/// Without agent sessions the app is only shown as the delegate.
fn begin(world: &mut World, issue: String, creator: Option<&str>) -> Result<String, String> {
    if !world.knobs.agent_sessions {
        return Err("the app has no agent sessions".to_owned());
    }
    let creator = creator.map(str::to_owned);
    Ok(world.begin_session(Beginning { issue: Some(issue), creator, ..Beginning::default() }))
}

fn say(world: &mut World, person: &str, session: &str, text: &str) -> Result<String, String> {
    let found = world.session(session).cloned().ok_or_else(|| format!("there is no session {session}"))?;
    let comment = write_comment(world, person, found.issue, found.document, Some(found.comment), text);
    Ok(world.prompt(session, person, text, None, Some(comment)))
}

fn option_value(world: &World, session: &str, choice: &Choice) -> Result<String, String> {
    let mut asked = world.activities.iter().rev().filter(|activity| activity.session == session);
    let options = asked.find(|activity| activity.signal.as_deref() == Some("select")).map(super::Activity::options);
    let options = options.ok_or_else(|| "nothing is offered to choose from".to_owned())?;
    let found = match choice {
        Choice::Place(place) => options.get(*place),
        Choice::Label(label) => {
            let wanted = label.to_lowercase();
            options.iter().find(|(label, value)| format!("{label} {value}").to_lowercase().contains(&wanted))
        }
    };
    let offered: Vec<&str> = options.iter().map(|(label, _)| label.as_str()).collect();
    found.map(|(_, value)| value.clone()).ok_or_else(|| format!("{choice:?} is not one of {offered:?}"))
}
