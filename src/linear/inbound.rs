//! What a stored webhook from Linear means, as an event of the domain.
//!
//! Pure, and total: whatever stands in a body, the worst it can become is `Ignored`. The payloads are
//! described at <https://linear.app/developers/agent-interaction> and
//! <https://linear.app/developers/webhooks>. Called by the inbox worker.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    context::{self, Context},
    envelope::{self, Kind, is_created, place_of},
    mention::{plain, words_to_us},
};
use crate::{
    domain::{
        actor::{Actor, Platform},
        conversation::Conversation,
        input::{Act, AnswerPath, Deed, Event, Session},
        issue::Issue,
        text::shorten,
    },
    door::text_at,
    time::Timestamp,
};

pub use super::envelope::{event_of, organization};

/// What an agent is given to read may have this many characters.
const LONGEST_BACKGROUND: usize = 60_000;

/// Linear's own words in the comment that it writes when an issue is delegated. They are nobody's
/// request.
const STUB: &str = "This thread is for an agent session with";

/// Who we are in an organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub organization: String,
    /// Our own user there.
    pub app_user: String,
    pub name: String,
    /// The organization's part of addresses: `linear.app/acme`.
    pub url_key: Option<String>,
}

/// Reads a stored body. `kind` is what the door called it, by Linear's name.
#[must_use]
pub fn read(kind: &str, body: &str, us: &Identity) -> Event {
    let Some(kind) = Kind::parse(kind) else { return Event::Ignored("unknown kind of body") };
    let payload = match envelope::open(body) {
        Ok(payload) => payload,
        Err(reason) => return Event::Ignored(reason),
    };
    if envelope::kind(&payload) != Some(kind) {
        return Event::Ignored("a body of another kind");
    }
    if text_at(&payload, "/organizationId") != Some(&us.organization) {
        return Event::Ignored("unknown workspace");
    }
    if let Some(reason) = envelope::irrelevance(&payload) {
        return Event::Ignored(reason);
    }
    let reader = Reader { payload: &payload, us };
    let event = match kind {
        Kind::AgentSessionEvent if is_created(reader.text("/action").unwrap_or_default()) => reader.opened(),
        Kind::AgentSessionEvent => reader.prompted(),
        Kind::Issue => reader.labelled(),
        Kind::Comment => reader.comment(),
        Kind::AppUserNotification => reader.unassigned(),
        Kind::OAuthApp => {
            Ok(Event::Uninstalled { platform: Platform::Linear, workspace: us.organization.clone(), at: reader.at() })
        }
    };
    event.unwrap_or_else(Event::Ignored)
}

type Read = Result<Event, &'static str>;

struct Reader<'a> {
    payload: &'a Value,
    us: &'a Identity,
}

impl Reader<'_> {
    /// A new session: somebody mentioned us or delegated an issue to us, or an automation did.
    fn opened(&self) -> Read {
        let actor = self.actor("/agentSession/creator", "/agentSession/creatorId")?;
        let conversation = self.in_session()?;
        let context = self.context();
        let issue = self.issue("/agentSession/issue", &context);
        let (body, message) = self.request(&context);
        let is_delegation = body.map_or(message.is_none(), is_stub);
        let said = body.filter(|body| !is_stub(body)).map(|body| words_to_us(body, self.us)).unwrap_or_default();
        // Who only says our name means the issue that it stands on.
        let text = if said.is_empty() { issue.as_ref().map(task).unwrap_or_default() } else { said };
        let session = Session {
            text,
            message: message.filter(|_| !is_delegation).map(str::to_owned),
            root: self.text("/agentSession/commentId").map(str::to_owned),
            background: self.background(&context),
            delegated: is_delegation && actor.is_person() && issue.is_some(),
            issue,
        };
        Ok(self.act(actor, conversation, Deed::Session(Box::new(session))))
    }

    fn prompted(&self) -> Read {
        let actor = self.actor("/agentActivity/user", "/agentActivity/userId")?;
        let conversation = self.in_session()?;
        // The documentation's prose has it one level higher than it is.
        let body = self.first(&["/agentActivity/content/body", "/agentActivity/body"]).unwrap_or_default();
        let text = words_to_us(body, self.us);
        if self.text("/agentActivity/signal") == Some("stop") || is_stop(&text) {
            return Ok(self.act(actor, conversation, Deed::StopControl));
        }
        if text.is_empty() {
            return Err("a prompt without words");
        }
        let activity = || self.text("/agentActivity/id").map(|id| format!("activity:{id}"));
        let message = self.text("/agentActivity/sourceCommentId").map(str::to_owned).or_else(activity);
        let message = message.ok_or("a prompt without an id")?;
        let issue = self.issue("/agentSession/issue", &Context::default());
        Ok(self.act(actor, conversation, Deed::Prompt { text, message, issue: issue.map(Box::new) }))
    }

    fn labelled(&self) -> Read {
        let actor = self.doer()?;
        let data = self.payload.get("data").ok_or("an issue without data")?;
        let ids = |value: Option<&Value>| -> Vec<String> {
            let ids = value.and_then(Value::as_array).into_iter().flatten();
            ids.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let before = ids(self.payload.pointer("/updatedFrom/labelIds"));
        let labels = data.get("labels").and_then(Value::as_array).into_iter().flatten();
        let added: Vec<String> = labels
            .filter(|label| text_at(label, "/id").is_none_or(|id| !before.iter().any(|before| before == id)))
            .filter_map(|label| text_at(label, "/name").map(str::to_owned))
            .collect();
        if added.is_empty() {
            return Err("no label was added");
        }
        let issue = self.issue("/data", &Context::default()).ok_or("an issue without an id")?;
        let conversation = Conversation::linear(&self.us.organization, &issue.id, None);
        Ok(self.act(actor, conversation, Deed::Labelled { added, issue: Box::new(issue) }))
    }

    fn comment(&self) -> Read {
        let actor = self.actor("/data/user", "/data/userId")?;
        let message = self.text("/data/id").ok_or("a comment without an id")?.to_owned();
        let issue = self.first(&["/data/issueId", "/data/issue/id"]).ok_or("a comment outside an issue")?;
        // Before the first reply a root does not say that it is one.
        let root = self.first(&["/data/parentId", "/data/parent/id"]).unwrap_or(&message);
        let conversation = Conversation::linear(&self.us.organization, issue, Some(format!("comment:{root}")));
        let text = words_to_us(self.text("/data/body").unwrap_or_default(), self.us);
        if text.is_empty() {
            return Err("a comment without words");
        }
        let deed = if self.text("/action") == Some("update") {
            Deed::Correction { text, message }
        } else {
            Deed::Remark { text, message }
        };
        Ok(self.act(actor, conversation, deed))
    }

    /// The issue was taken away from us, which stops what we do there.
    fn unassigned(&self) -> Read {
        let actor = self.actor("/notification/actor", "/notification/actorId")?;
        let issue = self.first(&["/notification/issueId", "/notification/issue/id"]).ok_or("no issue")?;
        Ok(self.act(actor, Conversation::linear(&self.us.organization, issue, None), Deed::StopControl))
    }

    /// Who did it, never ourselves: what we write would otherwise call us again. Nobody named means
    /// that an automation did.
    fn actor(&self, person: &str, id: &str) -> Result<Actor, &'static str> {
        let Some(id) = self.first(&[format!("{person}/id").as_str(), id]) else {
            return Ok(Actor::automation(Platform::Linear, &self.us.organization));
        };
        let ours = [Some(self.us.app_user.as_str()), self.text("/appUserId"), self.text("/agentSession/appUserId")];
        if ours.contains(&Some(id)) {
            return Err("our own doing");
        }
        let name = self.first(&[&format!("{person}/name"), &format!("{person}/displayName")]).map(str::to_owned);
        Ok(Actor { name, ..Actor::linear(&self.us.organization, id) })
    }

    /// Who changed an issue: a person, or an integration or another app, which count as automations.
    fn doer(&self) -> Result<Actor, &'static str> {
        let actor = self.actor("/actor", "/actor/id")?;
        match self.text("/actor/type") {
            Some("user") | None => Ok(actor),
            Some(_) => Ok(Actor::automation(Platform::Linear, &self.us.organization)),
        }
    }

    fn in_session(&self) -> Result<Conversation, &'static str> {
        let session = self.payload.get("agentSession").ok_or("no agent session")?;
        let id = text_at(session, "/id").ok_or("an agent session without an id")?;
        let place = place_of(session).ok_or("an agent session without a place")?;
        Ok(Conversation::linear(&self.us.organization, place, Some(format!("session:{id}"))))
    }

    /// The comment that opened the session: what it says, and its id. `agentSession.comment` is the
    /// thread's root; who mentions us further down said something else than that.
    fn request<'a>(&'a self, context: &'a Context) -> (Option<&'a str>, Option<&'a str>) {
        let source = self.first(&[
            "/agentSession/sourceCommentId",
            "/agentSession/sourceMetadata/agentSessionMetadata/sourceCommentId",
            "/agentSession/comment/id",
            "/agentSession/commentId",
        ]);
        let previous = self.payload.get("previousComments").and_then(Value::as_array);
        let mut comments =
            self.payload.pointer("/agentSession/comment").into_iter().chain(previous.into_iter().flatten());
        let named = comments.find(|comment| source.is_some() && text_at(comment, "/id") == source);
        let body = named.and_then(|comment| text_at(comment, "/body"));
        (body.or(context.directive.as_deref()).or(self.text("/agentSession/comment/body")), source)
    }

    fn issue(&self, pointer: &str, context: &Context) -> Option<Issue> {
        let issue = self.payload.pointer(pointer)?;
        let text = |pointer| text_at(issue, pointer).map(str::to_owned);
        let labels = issue.get("labels").and_then(Value::as_array).into_iter().flatten();
        let labels: Vec<String> = labels.filter_map(|label| text_at(label, "/name").map(str::to_owned)).collect();
        Some(Issue {
            id: text("/id")?,
            identifier: text("/identifier").unwrap_or_default(),
            title: text("/title").unwrap_or_default(),
            description: text("/description"),
            url: text("/url"),
            team: text("/team/key"),
            project: text("/project/name").or_else(|| context.project.clone()),
            labels: if labels.is_empty() { context.labels.clone() } else { labels },
        })
    }

    fn context(&self) -> Context {
        let words = [self.text("/agentSession/issue/title"), self.text("/agentSession/issue/description")];
        let words: Vec<&str> = words.into_iter().flatten().collect();
        context::read(self.text("/promptContext").unwrap_or_default(), &words)
    }

    /// What Linear gives us to read, with the guidance where the text does not have it.
    fn background(&self, context: &Context) -> Option<String> {
        let mut parts: Vec<String> =
            self.text("/promptContext").map(|text| text.trim().to_owned()).into_iter().collect();
        if !context.has_guidance {
            let rules = self.payload.get("guidance").and_then(Value::as_array).into_iter().flatten();
            parts.extend(rules.filter_map(guidance));
        }
        parts.retain(|part| !part.is_empty());
        (!parts.is_empty()).then(|| shorten(&parts.join("\n\n"), LONGEST_BACKGROUND))
    }

    /// Linear has no way to answer one person alone.
    fn act(&self, actor: Actor, conversation: Conversation, deed: Deed) -> Event {
        Event::Act(Box::new(Act { actor, conversation, deed, answer: AnswerPath::default(), at: self.at() }))
    }

    /// When it happened, however late it is told.
    fn at(&self) -> Option<Timestamp> {
        self.text("/createdAt").and_then(Timestamp::parse_rfc3339)
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        text_at(self.payload, pointer)
    }

    fn first(&self, pointers: &[&str]) -> Option<&str> {
        pointers.iter().find_map(|pointer| self.text(pointer))
    }
}

/// An issue as what is asked for.
fn task(issue: &Issue) -> String {
    let description = plain(issue.description.as_deref().unwrap_or_default());
    let description = description.trim();
    format!("{}\n\n{description}", issue.title.trim()).trim().to_owned()
}

fn guidance(rule: &Value) -> Option<String> {
    let body = text_at(rule, "/body")?.trim();
    let team = text_at(rule, "/origin/team/displayName").or(text_at(rule, "/origin/team/name"));
    Some(match team {
        Some(team) => format!("Guidance of the team {team}:\n{body}"),
        None => format!("Guidance of the workspace:\n{body}"),
    })
}

fn is_stub(body: &str) -> bool {
    body.trim_start_matches(|c: char| !c.is_alphanumeric()).starts_with(STUB)
}

/// `stop`, `Stop session.`, `stop working!`: people type it, too.
fn is_stop(text: &str) -> bool {
    let said = text.trim().trim_end_matches(['.', '!', '?']).to_lowercase();
    matches!(said.as_str(), "stop" | "stop session" | "stop working")
}

#[cfg(test)]
mod tests;
