//! What a menu offers whose options are too many to be sent with its form: Slack asks for them when
//! somebody opens it or types into it, and waits three seconds
//! (<https://docs.slack.dev/reference/block-kit/block-elements/select-menu-element#external_select>).
//!
//! Asked by both ways in, `webhook.rs` and `socket.rs`; nothing is stored for it.

use std::time::Duration;

use serde_json::{Value, json};

use super::forms;
use crate::{
    domain::errand::Choices,
    door::text_at,
    storage::{self, Store, StoreError, choices},
};

/// The database has so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a `block_suggestion` asks for: of which menu, and what was typed into it.
#[derive(Debug)]
pub(super) struct Asked {
    menu: String,
    typed: String,
}

impl Asked {
    pub fn of(payload: &Value) -> Self {
        let text = |at| text_at(payload, at).unwrap_or_default();
        Self { menu: text("/action_id").to_owned(), typed: text("/value").trim().to_lowercase() }
    }

    /// # Errors
    /// When the database does not answer, or not in time.
    pub async fn answer(&self, store: &Store) -> storage::Result<Value> {
        let choices = tokio::time::timeout(PATIENCE, choices::get(store)).await.unwrap_or(Err(StoreError::Slow))?;
        Ok(self.of_these(&choices))
    }

    /// Those whose name or id holds what was typed.
    fn of_these(&self, choices: &Choices) -> Value {
        let offered: &[(String, String)] = match self.menu.as_str() {
            "environment" => &choices.environments,
            "model" => &choices.models,
            "skill" => &choices.skills,
            _ => &[],
        };
        let holds = |text: &str| text.to_lowercase().contains(&self.typed);
        json!({ "options": forms::options(offered.iter().filter(|(id, name)| holds(id) || holds(name))) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_looked_for_in_names_and_ids() {
        let environments = (0..250).map(|n| (format!("id{n}"), format!("Sandbox {n}"))).collect();
        let choices = Choices { environments, models: vec![("auto".into(), "Auto".into())], skills: Vec::new() };
        let options = |action: &str, typed: &str| {
            let asked = json!({"type": "block_suggestion", "action_id": action, "value": typed});
            let answer = Asked::of(&asked).of_these(&choices);
            let options = answer["options"].as_array().expect("a list").clone();
            options.iter().map(|option| option["value"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(options("environment", "").len(), 100, "as many as Slack takes");
        assert_eq!(
            options("environment", " sandBOX 24"),
            ["id24", "id240", "id241", "id242", "id243", "id244", "id245", "id246", "id247", "id248", "id249"]
        );
        assert_eq!(options("environment", "ID249"), ["id249"]);
        assert_eq!(options("environment", "none such"), [""; 0]);
        assert_eq!(options("model", "a"), ["auto"]);
        assert_eq!(options("baton.approve", "a"), [""; 0]);
        assert_eq!(Asked::of(&json!({"action_id": 7})).of_these(&choices), json!({"options": []}));
    }
}
