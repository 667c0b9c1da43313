//! Buttons as Slack's action blocks.
//!
//! Pure. The `action_id`s are relied on from outside; limits are those of
//! <https://docs.slack.dev/reference/block-kit/block-elements/button-element>. Used by `render.rs`.

use slack_morphism::prelude::{
    SlackActionBlockElement, SlackActionId, SlackActionsBlock, SlackBlock, SlackBlockButtonElement,
    SlackBlockButtonStyle, SlackBlockConfirmItem, SlackBlockPlainText, SlackBlockText,
};
use url::Url;

use super::mrkdwn::{cut_plain, http_url, plain_line};
use crate::domain::message::{Button, ButtonStyle, Press};

const MOST_ROWS: usize = 10;
const MOST_BUTTONS: usize = 25;
const LONGEST_LABEL: usize = 75;
const LONGEST_VALUE: usize = 2_000;
const LONGEST_QUESTION: usize = 300;
const LONGEST_ANSWER: usize = 30;

const SURE: &str = "Are you sure?";
const CANCEL: &str = "Cancel";

/// Action blocks, each with the length of its text. Within one, an `action_id` stands once, so that
/// a second retry button opens the next.
#[must_use]
pub fn buttons(buttons: &[Button]) -> Vec<(SlackBlock, usize)> {
    let mut rows: Vec<(Vec<SlackActionBlockElement>, Vec<Press>, usize)> = Vec::new();
    for button in buttons {
        let Some(element) = element(button) else { continue };
        let length = length(button);
        match rows.last_mut() {
            Some((row, presses, text)) if row.len() < MOST_BUTTONS && !presses.contains(&button.press) => {
                row.push(element);
                presses.push(button.press);
                *text += length;
            }
            _ => rows.push((vec![element], vec![button.press], length)),
        }
    }
    rows.truncate(MOST_ROWS);
    rows.into_iter().map(|(row, _, text)| (SlackActionsBlock::new(row).into(), text)).collect()
}

/// Of all that Slack counts: the label and, where there is one, the question with its answers.
fn length(button: &Button) -> usize {
    let of = |text: &str, longest: usize| plain_line(text).chars().count().min(longest);
    let label = of(&button.label, LONGEST_LABEL);
    let question = button.confirm.as_deref().map_or(0, |question| {
        SURE.len() + of(question, LONGEST_QUESTION) + of(&button.label, LONGEST_ANSWER) + CANCEL.len()
    });
    label + question
}

/// None when Slack would not take it: a link that leads nowhere, a value that is too long.
fn element(button: &Button) -> Option<SlackActionBlockElement> {
    let label = Some(plain_line(&button.label)).filter(|label| !label.is_empty());
    let label = label.unwrap_or_else(|| button.press.as_str().to_owned());
    let question = button.confirm.as_deref().map(plain_line).filter(|question| !question.is_empty());
    let element = SlackBlockButtonElement::new(cut_plain(&label, LONGEST_LABEL).into())
        .with_action_id(SlackActionId(format!("baton.{}", button.press.as_str())))
        .opt_style(match button.style {
            ButtonStyle::Plain => None,
            ButtonStyle::Primary => Some(SlackBlockButtonStyle::Primary),
            ButtonStyle::Danger => Some(SlackBlockButtonStyle::Danger),
        })
        .opt_confirm(question.map(|question| confirm(&question, &label, button.style)));
    let element = if button.press == Press::Open {
        element.with_url(Url::parse(&http_url(&button.value)?).ok()?)
    } else {
        element.with_value(Some(&button.value).filter(|value| value.chars().count() <= LONGEST_VALUE)?.clone())
    };
    Some(element.into())
}

fn confirm(question: &str, label: &str, style: ButtonStyle) -> SlackBlockConfirmItem {
    let text = SlackBlockPlainText::new(cut_plain(question, LONGEST_QUESTION));
    SlackBlockConfirmItem::new(
        SURE.into(),
        SlackBlockText::Plain(text),
        cut_plain(label, LONGEST_ANSWER).into(),
        CANCEL.into(),
    )
    .opt_style((style == ButtonStyle::Danger).then(|| "danger".to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn button(press: Press, value: &str) -> Button {
        Button { press, label: "Do <it>".into(), style: ButtonStyle::Plain, value: value.into(), confirm: None }
    }

    fn shown(given: &[Button]) -> Value {
        serde_json::to_value(buttons(given).into_iter().map(|(block, _)| block).collect::<Vec<_>>()).expect("JSON")
    }

    #[test]
    fn a_button_and_a_link() {
        let stop = Button { confirm: Some("Really?".into()), style: ButtonStyle::Danger, ..button(Press::Stop, "o1") };
        let plain = |text: &str| json!({"type": "plain_text", "text": text});
        let expected = json!([{"type": "actions", "elements": [
            {
                "type": "button", "action_id": "baton.stop", "text": plain("Do ‹it›"), "value": "o1", "style": "danger",
                "confirm": {
                    "title": plain("Are you sure?"), "text": plain("Really?"), "confirm": plain("Do ‹it›"),
                    "deny": plain("Cancel"), "style": "danger",
                },
            },
            {"type": "button", "action_id": "baton.open", "text": plain("Do ‹it›"), "url": "https://x.example/1"},
        ]}]);
        assert_eq!(shown(&[stop, button(Press::Open, "https://x.example/1")]), expected);
    }

    #[test]
    fn equal_actions_stand_in_rows_of_their_own() {
        let retry = |value| button(Press::RetryChild, value);
        let shown = shown(&[retry("o1/c1"), retry("o1/c2"), button(Press::Stop, "o1")]);
        let rows: Vec<usize> = shown
            .as_array()
            .expect("a list")
            .iter()
            .map(|row| row["elements"].as_array().expect("a list").len())
            .collect();
        assert_eq!(rows, [1, 2]);
    }

    #[test]
    fn what_slack_would_refuse_is_left_out() {
        assert_eq!(shown(&[button(Press::Open, "javascript:x"), button(Press::Stop, &"x".repeat(2_001))]), json!([]));
    }
}
