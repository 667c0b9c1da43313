//! What people do by clicking: buttons and menus in messages and views, forms, shortcuts.
//!
//! Payloads: <https://docs.slack.dev/reference/interaction-payloads/>. A gesture that the person
//! could not make, because there is no such button, is an `Err` with a sentence that says so.

use serde_json::{Value, json};

use super::{
    Answer, Slack,
    deliver::Delivery,
    elements::Check,
    forms,
    reading::{Usable, usables},
    wire,
    world::{Message, View, World},
};

/// Which element is used, and how. `block_id` and `value` tell apart elements with one `action_id`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Use<'a> {
    pub action_id: &'a str,
    pub block_id: Option<&'a str>,
    pub value: Option<&'a str>,
    /// An option's value, or a list of them.
    pub selected: Option<&'a Value>,
}

impl<'a> Use<'a> {
    pub const fn of(action_id: &'a str) -> Self {
        Self { action_id, block_id: None, value: None, selected: None }
    }
}

impl Slack {
    /// Clicks the first such button of a message, ephemeral ones included.
    pub async fn click(&self, user: &str, ts: &str, action_id: &str) -> Result<Answer, String> {
        self.click_on(user, ts, Use::of(action_id)).await
    }

    /// Uses any element of a message.
    pub async fn click_on(&self, user: &str, ts: &str, wanted: Use<'_>) -> Result<Answer, String> {
        let delivery = self.write(|world| {
            let message = visible(world, user, ts)?;
            let usable = find(&message.blocks, wanted, &format!("message {ts}"))?;
            let payload = message_payload(world, user, &message, &usable, wanted.selected);
            Ok::<_, String>(Delivery::interaction(&payload, world.clock.now()))
        })?;
        Ok(self.send(delivery).await)
    }

    /// Uses an element of an open view; `values` is what has been filled in so far.
    pub async fn click_in_view(
        &self,
        user: &str,
        view_id: &str,
        wanted: Use<'_>,
        values: &Value,
    ) -> Result<Answer, String> {
        let delivery = self.write(|world| {
            let view = open_view(world, user, view_id)?;
            let blocks = view.content["blocks"].as_array().map_or(&[][..], Vec::as_slice);
            let usable = find(blocks, wanted, &format!("view {view_id}"))?;
            // Nothing is required yet: what is missing shows when the form is sent.
            let values = forms::fill(&view.content, values).unwrap_or_else(|_| forms::initial_values(&view.content));
            let mut payload = wire::interaction(world, "block_actions", user, Some(view_id));
            payload["container"] = json!({"type": "view", "view_id": view_id});
            payload["view"] = wire::view_json(world, &view, &values);
            payload["actions"] = json!([action(world, &usable, wanted.selected)]);
            Ok::<_, String>(Delivery::interaction(&payload, world.clock.now()))
        })?;
        Ok(self.send(delivery).await)
    }

    /// Types into a menu whose options the app suggests; the answer's body has them.
    pub async fn suggest(&self, user: &str, view_id: &str, action_id: &str, typed: &str) -> Result<Answer, String> {
        let delivery = self.write(|world| {
            let view = open_view(world, user, view_id)?;
            let blocks = view.content["blocks"].as_array().map_or(&[][..], Vec::as_slice);
            let usable = find(blocks, Use::of(action_id), &format!("view {view_id}"))?;
            let mut payload = wire::interaction(world, "block_suggestion", user, None);
            payload["container"] = json!({"type": "view", "view_id": view_id});
            payload["action_id"] = json!(action_id);
            payload["block_id"] = json!(usable.block_id);
            payload["value"] = json!(typed);
            payload["view"] = wire::view_json(world, &view, &forms::initial_values(&view.content));
            Ok::<_, String>(Delivery::interaction(&payload, world.clock.now()))
        })?;
        let answer = self.send(delivery).await;
        if answer.is_success() {
            let mut check = Check::default();
            check.suggested(&serde_json::from_str(&answer.body).unwrap_or(Value::Null));
            if !check.problems.is_empty() {
                self.write(|world| {
                    world.warn(format!("the options of a menu were not accepted: {:?}", check.problems));
                });
            }
        }
        Ok(answer)
    }

    /// A message shortcut, from the menu of any message that the person sees.
    pub async fn shortcut(&self, user: &str, channel: &str, ts: &str, callback_id: &str) -> Result<Answer, String> {
        let delivery = self.write(|world| {
            let message = world.message(channel, ts).cloned();
            let message = message.ok_or_else(|| format!("there is no message {ts} in {channel}"))?;
            let mut payload = wire::interaction(world, "message_action", user, None);
            payload["callback_id"] = json!(callback_id);
            payload["channel"] = channel_json(world, channel);
            payload["message_ts"] = json!(ts);
            payload["action_ts"] = json!(world.next_ts());
            payload["response_url"] = json!(world.response_url(user, channel, None, message.thread_ts.as_deref()));
            payload["message"] = wire::message_json(world, &message, true);
            Ok::<_, String>(Delivery::interaction(&payload, world.clock.now()))
        })?;
        Ok(self.send(delivery).await)
    }

    /// Sends a form; `values` as in `forms.rs`. What Baton answers happens to the view.
    pub async fn submit(&self, user: &str, view_id: &str, values: &Value) -> Result<Answer, Refused> {
        let delivery = self.write(|world| {
            let view = open_view(world, user, view_id)?;
            let values = forms::fill(&view.content, values).map_err(Refused::Incomplete)?;
            let mut payload = wire::interaction(world, "view_submission", user, Some(view_id));
            payload["view"] = wire::view_json(world, &view, &values);
            payload["response_urls"] = json!([]);
            Ok::<_, Refused>(Delivery::interaction(&payload, world.clock.now()))
        })?;
        let answer = self.send(delivery).await;
        if answer.is_success() {
            let said = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
            self.write(|world| {
                world.obey_submission(view_id, &said).map_err(|wrong| {
                    world.warn(format!("the answer to a form was not accepted: {wrong}"));
                    Refused::Impossible(wrong)
                })
            })?;
        }
        Ok(answer)
    }

    /// Closes a view without sending it. The app hears of it when it asked to (`notify_on_close`);
    /// otherwise the answer is the default one.
    pub async fn close(&self, user: &str, view_id: &str) -> Result<Answer, String> {
        let delivery = self.write(|world| {
            let view = open_view(world, user, view_id)?;
            world.close_view(view_id);
            let mut payload = wire::interaction(world, "view_closed", user, Some(view_id));
            payload["view"] = wire::view_json(world, &view, &forms::initial_values(&view.content));
            payload["is_cleared"] = json!(false);
            let wanted = view.content["notify_on_close"] == true;
            Ok::<_, String>(wanted.then(|| Delivery::interaction(&payload, world.clock.now())))
        })?;
        match delivery {
            Some(delivery) => Ok(self.send(delivery).await),
            None => Ok(Answer::default()),
        }
    }
}

/// Why a form was not sent, or its answer not obeyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    Impossible(String),
    /// Slack itself wants more of the person, by `block_id`.
    Incomplete(forms::Mistakes),
}

impl From<String> for Refused {
    fn from(sentence: String) -> Self {
        Self::Impossible(sentence)
    }
}

fn visible(world: &World, user: &str, ts: &str) -> Result<Message, String> {
    let sees = |message: &&Message| {
        message.ts == ts && !message.deleted && message.only_to.as_deref().is_none_or(|reader| reader == user)
    };
    world.messages.iter().find(sees).cloned().ok_or_else(|| format!("{user} sees no message {ts}"))
}

fn open_view(world: &World, user: &str, view_id: &str) -> Result<View, String> {
    let view = world.view(view_id).filter(|view| view.user == user).cloned();
    view.ok_or_else(|| format!("{user} has no view {view_id} open"))
}

fn find(blocks: &[Value], wanted: Use<'_>, place: &str) -> Result<Usable, String> {
    let all = usables(blocks);
    let fits = |usable: &&Usable| {
        usable.action_id() == wanted.action_id
            && wanted.block_id.is_none_or(|id| usable.block_id == id)
            && wanted.value.is_none_or(|value| usable.element["value"] == value)
    };
    all.iter().find(fits).cloned().ok_or_else(|| {
        let there: Vec<&str> = all.iter().map(Usable::action_id).collect();
        format!("{place} has no `{}` to click; it has [{}]", wanted.action_id, there.join(", "))
    })
}

/// An ephemeral's payload has no `message`: Slack does not keep it.
fn message_payload(
    world: &mut World,
    user: &str,
    message: &Message,
    usable: &Usable,
    selected: Option<&Value>,
) -> Value {
    let ephemeral = message.only_to.is_some();
    let mut payload = wire::interaction(world, "block_actions", user, None);
    payload["container"] = json!({
        "type": "message", "message_ts": message.ts, "channel_id": message.channel, "is_ephemeral": ephemeral,
    });
    if let Some(root) = &message.thread_ts {
        payload["container"]["thread_ts"] = json!(root);
    }
    payload["channel"] = channel_json(world, &message.channel);
    if !ephemeral {
        payload["message"] = wire::message_json(world, message, true);
    }
    payload["state"] = json!({"values": forms::initial_values(&json!({"blocks": message.blocks}))});
    let response_url = world.response_url(user, &message.channel, Some(&message.ts), message.thread_ts.as_deref());
    payload["response_url"] = json!(response_url);
    payload["actions"] = json!([action(world, usable, selected)]);
    payload
}

/// One entry of `actions`: the element, what was chosen, and when.
fn action(world: &mut World, usable: &Usable, selected: Option<&Value>) -> Value {
    let mut action = json!({"block_id": usable.block_id, "action_ts": world.next_ts()});
    let shown = ["type", "action_id", "text", "value", "style", "placeholder"];
    for name in shown.iter().filter(|name| usable.element.get(**name).is_some()) {
        action[*name] = usable.element[*name].clone();
    }
    let state = match (&usable.element["type"], selected) {
        (kind, Some(value)) if kind == "overflow" => {
            let options = usable.element["options"].as_array().into_iter().flatten();
            let chosen = options.into_iter().find(|option| option["value"] == *value);
            Some(json!({"selected_option": chosen}))
        }
        _ => forms::state_of(&usable.element, selected),
    };
    for (name, value) in state.as_ref().and_then(Value::as_object).into_iter().flatten() {
        action[name.as_str()] = value.clone();
    }
    action
}

fn channel_json(world: &World, id: &str) -> Value {
    let name = world.channel(id).map_or("", wire::channel_name);
    json!({"id": id, "name": name})
}
