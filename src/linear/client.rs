//! The calls to Linear that Baton makes, one function each.
//!
//! Answers are read by structs with only the fields we use, and leniently: a post whose answer is
//! refused has still been posted. What creates something carries an id of ours, and an id that exists
//! is a success. Used by `deliver.rs` and `lookback.rs`, by `app.rs` at the start and by `baton check`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};
use url::Url;

use super::{
    exchange::Exchange,
    failure::{Again, Refusal},
    queries,
    render::{Choice, Step},
    text::Us,
    token::Tokens,
};
use crate::{
    domain::failure::{Failure, Problem},
    time::{Clock, Timestamp},
};

/// Who we are is asked again after this long: somebody may have switched agent sessions on.
const VIEWER_LASTS: Duration = Duration::from_mins(10);

/// Linear, for every workspace that its tokens are for. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Linear {
    pub(super) exchange: Arc<Exchange>,
    /// By organization, with when it was learned.
    viewers: Arc<Mutex<HashMap<String, (Viewer, Timestamp)>>>,
}

/// Who we are in an organization.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Viewer {
    pub id: String,
    pub name: String,
    /// As people mention it.
    pub display_name: Option<String>,
    /// Our profile.
    pub url: Option<String>,
    /// An app and not a person whose API key it is.
    #[serde(default)]
    pub app: bool,
    /// Without it Linear opens no sessions with us, and takes none from us.
    #[serde(default)]
    pub supports_agent_sessions: bool,
    pub organization: Organization,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    pub id: String,
    #[serde(default)]
    pub name: String,
    /// Its part of addresses: `linear.app/acme`.
    pub url_key: Option<String>,
}

impl Viewer {
    /// What must never stand in what we write.
    #[must_use]
    pub fn us(&self) -> Us {
        Us::new(&[&self.name, self.display_name.as_deref().unwrap_or_default()], self.url.as_deref())
    }
}

/// One row of a session: <https://linear.app/developers/agent-interaction>
#[derive(Clone, Debug)]
pub(super) struct Activity<'a> {
    pub session: &'a str,
    pub id: String,
    pub content: Content,
    /// Shown until the next activity.
    pub ephemeral: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Thought(String),
    Action(Step),
    Elicitation(String, Vec<Choice>),
    Response(String),
    Error(String),
}

impl Activity<'_> {
    fn input(&self) -> Value {
        let body = |kind: &str, body: &str| json!({"type": kind, "body": body});
        let content = match &self.content {
            Content::Thought(text) => body("thought", text),
            Content::Elicitation(text, _) => body("elicitation", text),
            Content::Response(text) => body("response", text),
            Content::Error(text) => body("error", text),
            Content::Action(Step { action, parameter, result: None }) => {
                json!({"type": "action", "action": action, "parameter": parameter})
            }
            Content::Action(Step { action, parameter, result: Some(result) }) => {
                json!({"type": "action", "action": action, "parameter": parameter, "result": result})
            }
        };
        let mut input = json!({"agentSessionId": self.session, "id": self.id, "content": content});
        if self.ephemeral {
            input["ephemeral"] = true.into();
        }
        if let Content::Elicitation(_, choices) = &self.content
            && !choices.is_empty()
        {
            let options: Vec<Value> =
                choices.iter().map(|choice| json!({"label": choice.label, "value": choice.value})).collect();
            input["signal"] = "select".into();
            input["signalMetadata"] = json!({"options": options});
        }
        input
    }
}

/// An issue, as far as taking it up goes.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Issue {
    pub state: State,
    pub delegate: Option<Named>,
    pub team: Team,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct State {
    #[serde(default)]
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub position: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Team {
    pub states: Page<State>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Named {
    pub id: String,
}

/// A page of a connection.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    #[serde(default = "Vec::new")]
    pub nodes: Vec<T>,
    #[serde(default)]
    pub page_info: PageInfo,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    #[serde(default)]
    pub has_next_page: bool,
    pub end_cursor: Option<String>,
}

impl PageInfo {
    /// Where the next page begins, if there is one.
    pub fn next(self) -> Option<String> {
        self.end_cursor.filter(|_| self.has_next_page)
    }
}

/// Where to put a file, and how it is called then.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    pub upload_url: String,
    pub asset_url: String,
    #[serde(default)]
    pub headers: Vec<Header>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Header {
    pub key: String,
    pub value: String,
}

impl Linear {
    /// `api_url` is `LINEAR_API_URL`, such as `https://api.linear.app`.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new(api_url: Url, tokens: Tokens, clock: Clock) -> reqwest::Result<Self> {
        let exchange = Arc::new(Exchange::new(api_url, tokens, clock)?);
        Ok(Self { exchange, viewers: Arc::default() })
    }

    /// What the app's own token may do, once there has been a request; empty where Linear does not say it.
    pub async fn scopes(&self) -> Vec<String> {
        self.exchange.scopes().await
    }

    /// Who we are, and what we can do there.
    pub async fn viewer(&self, organization: Option<&str>) -> Result<Viewer, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            viewer: Viewer,
        }
        let Answer { viewer } = self.exchange.ask(organization, &queries::VIEWER, json!({}), Again::Harmless).await?;
        let now = self.exchange.clock.now();
        let mut viewers = self.viewers.lock().unwrap_or_else(PoisonError::into_inner);
        for organization in [Some(viewer.organization.id.as_str()), organization].into_iter().flatten() {
            viewers.insert(organization.to_owned(), (viewer.clone(), now));
        }
        Ok(viewer)
    }

    /// The same, asked for once in a while.
    pub(super) async fn us_in(&self, organization: &str) -> Result<Viewer, Failure> {
        let now = self.exchange.clock.now();
        let known = self.viewers.lock().unwrap_or_else(PoisonError::into_inner).get(organization).cloned();
        match known.filter(|(_, learned)| now.since(*learned) < VIEWER_LASTS) {
            Some((viewer, _)) => Ok(viewer),
            None => self.viewer(Some(organization)).await,
        }
    }

    pub(super) async fn say(&self, organization: &str, activity: &Activity<'_>) -> Result<(), Failure> {
        let variables = json!({"activity": activity.input()});
        let said = self.change(organization, &queries::SAY, variables).await;
        once(said, &activity.id)
    }

    /// The first activity, the plan and links, and the issue's card, in one request. Only the activity
    /// decides whether it succeeds: the rest is shown again with the next change.
    pub(super) async fn open(
        &self,
        organization: &str,
        activity: &Activity<'_>,
        board: &Value,
        card: Option<&Value>,
    ) -> Result<(), Failure> {
        let mut variables = json!({"session": activity.session, "activity": activity.input(), "board": board});
        let document = match card {
            Some(card) => {
                variables["card"] = card.clone();
                &queries::OPEN_SESSION_WITH_CARD
            }
            None => &queries::OPEN_SESSION,
        };
        let Err(refusal) = self.change(organization, document, variables).await else { return Ok(()) };
        let rest = match &refusal {
            // An earlier attempt has said it; what comes after it may be missing.
            _ if refusal.is_conflict_on(&activity.id) => self.update(organization, activity.session, board, card).await,
            // Linear carries out one field after the other, up to the one that fails.
            Refusal::Failed { field: Some(field), .. } if field != "agentActivityCreate" => Err(refusal.into()),
            // Plans are a preview: when they change, the session is still answered.
            Refusal::Failed { failure: Failure::Refused(_), field: None } => {
                self.say(organization, activity).await?;
                Err(refusal.into())
            }
            Refusal::Failed { .. } | Refusal::Exists(_) => return Err(refusal.into()),
        };
        match rest {
            Err(Failure::Refused(problem) | Failure::Gone(problem)) => {
                tracing::warn!(linear.error = problem.code, "a session's plan or card could not be shown");
                Ok(())
            }
            other => other,
        }
    }

    /// The plan and the links, and the issue's card.
    pub(super) async fn update(
        &self,
        organization: &str,
        session: &str,
        board: &Value,
        card: Option<&Value>,
    ) -> Result<(), Failure> {
        let updated = match card {
            None => {
                let variables = json!({"session": session, "board": board});
                self.change(organization, &queries::UPDATE_SESSION, variables).await
            }
            Some(card) => {
                let variables = json!({"session": session, "board": board, "card": card});
                self.change(organization, &queries::UPDATE_SESSION_WITH_CARD, variables).await
            }
        };
        Ok(updated?)
    }

    /// Opens a session of ours on an issue. It takes no id: whoever is unsure looks first.
    pub(super) async fn create_session(
        &self,
        organization: &str,
        issue: &str,
        links: &Value,
    ) -> Result<String, Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            agent_session_create_on_issue: Created,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Created {
            agent_session: Named,
        }
        let variables = json!({"session": {"issueId": issue, "externalUrls": links}});
        let asked = self.exchange.ask(Some(organization), &queries::CREATE_SESSION, variables, Again::Doubles);
        let answer: Answer = asked.await?;
        Ok(answer.agent_session_create_on_issue.agent_session.id)
    }

    /// A comment on an issue, in a thread if it has a root.
    pub(super) async fn comment(
        &self,
        organization: &str,
        id: &str,
        issue: Option<&str>,
        root: Option<&str>,
        body: &str,
    ) -> Result<(), Failure> {
        let mut comment = json!({"id": id, "body": body});
        for (name, value) in [("issueId", issue), ("parentId", root)] {
            if let Some(value) = value {
                comment[name] = value.into();
            }
        }
        let created = self.change(organization, &queries::CREATE_COMMENT, json!({"comment": comment})).await;
        once(created, id)
    }

    pub(super) async fn edit_comment(&self, organization: &str, id: &str, body: &str) -> Result<(), Failure> {
        let variables = json!({"id": id, "comment": {"body": body}});
        Ok(self.change(organization, &queries::EDIT_COMMENT, variables).await?)
    }

    /// One that is there already is as good, whoever's id it has.
    pub(super) async fn react(&self, organization: &str, id: &str, comment: &str, emoji: &str) -> Result<(), Failure> {
        let variables = json!({"reaction": {"id": id, "commentId": comment, "emoji": emoji}});
        match self.change(organization, &queries::REACT, variables).await {
            Err(Refusal::Exists(_)) => Ok(()),
            other => Ok(other?),
        }
    }

    /// A card on an issue: one for each address, and a second one takes its place.
    pub(super) async fn attach(&self, organization: &str, card: &Value) -> Result<(), Failure> {
        Ok(self.change(organization, &queries::ATTACH, json!({"card": card})).await?)
    }

    pub(super) async fn place_for(
        &self,
        organization: &str,
        name: &str,
        mime_type: &str,
        size: usize,
    ) -> Result<Place, Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            file_upload: Payload,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Payload {
            upload_file: Option<Place>,
        }
        let variables = json!({"contentType": mime_type, "filename": name, "size": size});
        // A place that nothing is put in does no harm.
        let asked = self.exchange.ask(Some(organization), &queries::UPLOAD, variables, Again::Harmless);
        let answer: Answer = asked.await?;
        answer.file_upload.upload_file.ok_or_else(|| Failure::Refused(Problem::new("no_upload_place")))
    }

    /// The verified address of a member.
    pub(super) async fn address_of(&self, organization: &str, member: &str) -> Result<Option<String>, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            user: Member,
        }
        #[derive(Deserialize)]
        struct Member {
            email: Option<String>,
        }
        let asked = self.exchange.ask(Some(organization), &queries::MEMBER, json!({"id": member}), Again::Harmless);
        let answer: Answer = asked.await?;
        Ok(answer.user.email)
    }

    pub(super) async fn issue(&self, organization: &str, id: &str) -> Result<Issue, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            issue: Issue,
        }
        let asked = self.exchange.ask(Some(organization), &queries::ISSUE, json!({"id": id}), Again::Harmless);
        let answer: Answer = asked.await?;
        Ok(answer.issue)
    }

    pub(super) async fn change_issue(&self, organization: &str, id: &str, issue: &Value) -> Result<(), Failure> {
        Ok(self.change(organization, &queries::TAKE_UP, json!({"id": id, "issue": issue})).await?)
    }

    /// Whether an activity or a comment of that id stands.
    pub(super) async fn stands(&self, organization: &str, what: Kept, id: &str) -> Result<bool, Failure> {
        let document = match what {
            Kept::Activity => &queries::ACTIVITY,
            Kept::Comment => &queries::COMMENT,
        };
        let asked = self.exchange.ask(Some(organization), document, json!({"id": id}), Again::Harmless);
        let found: Result<IgnoredAny, Refusal> = asked.await;
        match found.map_err(Failure::from) {
            Ok(_) => Ok(true),
            Err(Failure::Gone(_)) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// A mutation that can be sent again.
    async fn change(&self, organization: &str, document: &queries::Document, variables: Value) -> Result<(), Refusal> {
        let asked = self.exchange.ask(Some(organization), document, variables, Again::Harmless);
        let _: IgnoredAny = asked.await?;
        Ok(())
    }
}

/// What a file is shown in, once it has been put somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Activity,
    Comment,
}

/// What exists with our id, an earlier attempt has made.
fn once(made: Result<(), Refusal>, id: &str) -> Result<(), Failure> {
    match made {
        Err(refusal) if refusal.is_conflict_on(id) => Ok(()),
        other => Ok(other?),
    }
}
