//! Modals and Home tabs: opening, stacking, replacing and closing them.
//! <https://docs.slack.dev/surfaces/modals/>

use std::time::Duration;

use serde_json::Value;

use super::{
    blocks::{Wrong, check_view},
    wire,
    world::{View, World},
};

/// A trigger opens a view for so long.
const TRIGGER_LIVES: Duration = Duration::from_secs(3);
/// Views of one modal at once.
const STACK: usize = 3;

impl World {
    /// Uses a trigger up: who made it, and in which view.
    pub fn use_trigger(&mut self, id: &str) -> Result<(String, Option<String>), &'static str> {
        let now = self.clock.now();
        let trigger = self.triggers.get_mut(id).ok_or("invalid_trigger_id")?;
        if trigger.used {
            return Err("exchanged_trigger_id");
        }
        if now.since(trigger.made) > TRIGGER_LIVES {
            return Err("expired_trigger_id");
        }
        trigger.used = true;
        Ok((trigger.user.clone(), trigger.view.clone()))
    }

    pub fn view(&self, id: &str) -> Option<&View> {
        self.views.iter().find(|view| view.id == id)
    }

    /// Shows a checked view to a person: on top of `below`, or as a new one.
    pub fn show_view(&mut self, user: &str, mut content: Value, below: Option<&View>) -> View {
        let id = self.next_id("V");
        complete(&mut content, &id);
        let root = below.map_or_else(|| id.clone(), |below| below.root.clone());
        let previous = below.map(|below| below.id.clone());
        let view = View { root, previous, user: user.to_owned(), version: 1, content, id };
        self.views.push(view.clone());
        view
    }

    /// Shows a checked view on top of another, as far as the stack goes.
    pub fn push_view(&mut self, below: &View, content: Value) -> Result<View, &'static str> {
        if self.views.iter().filter(|view| view.root == below.root).count() >= STACK {
            return Err("push_limit_reached");
        }
        Ok(self.show_view(&below.user, content, Some(below)))
    }

    /// Puts a checked view in the place of another; ids of blocks that stay must be given.
    pub fn replace_view(&mut self, id: &str, mut content: Value) -> Option<View> {
        let view = self.views.iter_mut().find(|view| view.id == id)?;
        complete(&mut content, id);
        view.content = content;
        view.version += 1;
        Some(view.clone())
    }

    pub fn close_view(&mut self, id: &str) {
        self.views.retain(|view| view.id != id);
    }

    pub fn close_all_views(&mut self, root: &str) {
        self.views.retain(|view| view.root != root);
    }

    /// Does what a submission's answer says. An answer that Slack would not accept is a sentence.
    /// <https://docs.slack.dev/surfaces/modals/#response_actions>
    pub fn obey_submission(&mut self, id: &str, answer: &Value) -> Result<(), String> {
        let Some(view) = self.view(id).cloned() else { return Ok(()) };
        match answer["response_action"].as_str() {
            None => self.close_view(id),
            Some("clear") => self.close_all_views(&view.root),
            Some("errors") => {
                let known = |block: &&String| {
                    let blocks = view.content["blocks"].as_array().into_iter().flatten();
                    blocks.filter(|found| found["type"] == "input").any(|found| found["block_id"] == block.as_str())
                };
                let errors = answer["errors"].as_object().filter(|errors| !errors.is_empty());
                let errors = errors.ok_or("the answer `errors` names no errors")?;
                if let Some(unknown) = errors.keys().find(|block| !known(block)) {
                    return Err(format!("the answer names `{unknown}`, which is no input block of the view"));
                }
            }
            Some("update") => {
                checked(&answer["view"])?;
                self.replace_view(id, answer["view"].clone());
            }
            Some("push") => {
                checked(&answer["view"])?;
                self.push_view(&view, answer["view"].clone())?;
            }
            Some(other) => return Err(format!("`{other}` is no response_action")),
        }
        Ok(())
    }
}

fn checked(view: &Value) -> Result<(), String> {
    check_view(view).map_err(|Wrong { code, messages }| format!("{code}: {}", messages.join("; ")))
}

fn complete(content: &mut Value, seed: &str) {
    if let Some(blocks) = content["blocks"].as_array_mut() {
        wire::complete_blocks(blocks, seed);
    }
}
