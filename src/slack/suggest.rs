//! What a menu offers whose options are too many to be sent with its form: Slack asks for them when
//! somebody opens it or types into it, and waits three seconds
//! (<https://docs.slack.dev/reference/block-kit/block-elements/select-menu-element#external_select>).
//!
//! Asked by both ways in, `webhook.rs` and `socket.rs`; nothing is stored for it.

use serde_json::{Value, json};

use super::forms;
use crate::{
    domain::errand::Choices,
    door::text_at,
    storage::{self, Store, choices},
};

/// The answer to a `block_suggestion`.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn answer(store: &Store, payload: &Value) -> storage::Result<Value> {
    Ok(suggested(&choices::get(store).await?, payload))
}

/// Those whose name or id holds what was typed.
fn suggested(choices: &Choices, payload: &Value) -> Value {
    let offered: &[(String, String)] = match text_at(payload, "/action_id") {
        Some("environment") => &choices.environments,
        Some("model") => &choices.models,
        Some("skill") => &choices.skills,
        _ => &[],
    };
    let typed = text_at(payload, "/value").unwrap_or_default().trim().to_lowercase();
    let holds = |text: &str| text.to_lowercase().contains(&typed);
    let fitting = offered.iter().filter(|(id, name)| holds(id) || holds(name));
    json!({ "options": forms::options(fitting) })
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
            let answer = suggested(&choices, &asked);
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
        assert_eq!(suggested(&choices, &json!({"action_id": 7})), json!({"options": []}));
    }
}
