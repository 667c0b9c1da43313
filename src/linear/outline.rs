//! The board as Linear shows it without words: a plan, links, and a card on the issue.
//!
//! Pure. Titles and labels may or may not be read as Markdown there, so that they hold none. Used by
//! `deliver.rs`.

use serde_json::{Value, json};

use super::text::{Us, cut_plain, http_url, plain};
use crate::domain::errand::{Outline, RowState};

const LONGEST_TITLE: usize = 200;
const LONGEST_LABEL: usize = 80;
/// The link that is Baton's own page: it becomes the issue's card.
const CARD: &str = "Baton";

/// The plan and the links, as `agentSessionUpdate` takes them: both replace what there was.
#[must_use]
pub fn board(outline: &Outline, us: &Us) -> Value {
    let rows: Vec<Value> = outline
        .rows
        .iter()
        .map(|row| {
            let status = match row.state {
                RowState::Waiting => "pending",
                RowState::Working => "inProgress",
                RowState::Done => "completed",
                RowState::Cancelled => "canceled",
            };
            json!({"content": title(&row.name, us), "status": status})
        })
        .collect();
    let mut board = json!({"externalUrls": links(outline, us)});
    if !rows.is_empty() {
        board["plan"] = rows.into();
    }
    board
}

/// Each address once: Linear takes no second one.
#[must_use]
pub fn links(outline: &Outline, us: &Us) -> Value {
    let mut links: Vec<(String, String)> = Vec::new();
    for (label, url) in &outline.links {
        let Some(url) = http_url(url, us) else { continue };
        let label = cut_plain(&plain(label, us), LONGEST_LABEL);
        if !label.is_empty() && links.iter().all(|(_, known)| *known != url) {
            links.push((label, url));
        }
    }
    links.into_iter().map(|(label, url)| json!({"label": label, "url": url})).collect()
}

/// Baton's own page on the issue.
#[must_use]
pub fn own_card(issue: Option<&str>, outline: &Outline, us: &Us) -> Option<Value> {
    let (_, url) = outline.links.iter().find(|(label, _)| label == CARD)?;
    card(issue?, url, &outline.title, &outline.state, us)
}

/// A card for an address; none when that is no plain http one.
#[must_use]
pub fn card(issue: &str, url: &str, name: &str, subtitle: &str, us: &Us) -> Option<Value> {
    let name = Some(title(name, us)).filter(|name| !name.is_empty()).unwrap_or_else(|| CARD.to_owned());
    Some(json!({"issueId": issue, "title": name, "subtitle": title(subtitle, us), "url": http_url(url, us)?}))
}

/// Text for a title, a row or a parameter.
#[must_use]
pub fn title(text: &str, us: &Us) -> String {
    cut_plain(&plain(text, us), LONGEST_TITLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::errand::Row;

    #[test]
    fn a_board_is_a_plan_with_links_that_stand_once() {
        let us = Us::new(&["Baton"], None);
        let row = |name: &str, state| Row { name: name.into(), state };
        let outline = Outline {
            title: "Migrate\n@baton [x](y)".into(),
            state: "Running".into(),
            rows: vec![
                row("1 api", RowState::Waiting),
                row("2 web", RowState::Working),
                row("3 cli", RowState::Done),
                row("4 doc", RowState::Cancelled),
            ],
            links: vec![
                ("Run".into(), "https://oz.example/1".into()),
                ("Again".into(), "https://oz.example/1".into()),
                ("Baton".into(), "https://b.example/orchestrations/o1".into()),
                ("Bad".into(), "javascript:x".into()),
            ],
            ended: false,
        };
        let expected = json!({
            "externalUrls": [
                {"label": "Run", "url": "https://oz.example/1"},
                {"label": "Baton", "url": "https://b.example/orchestrations/o1"},
            ],
            "plan": [
                {"content": "1 api", "status": "pending"}, {"content": "2 web", "status": "inProgress"},
                {"content": "3 cli", "status": "completed"}, {"content": "4 doc", "status": "canceled"},
            ],
        });
        assert_eq!(board(&outline, &us), expected);
        let card = own_card(Some("i1"), &outline, &us).expect("a card");
        let expected = json!({"issueId": "i1", "title": "Migrate baton [x] (y)", "subtitle": "Running",
            "url": "https://b.example/orchestrations/o1"});
        assert_eq!(card, expected);
        assert_eq!(own_card(None, &outline, &us), None);
        assert_eq!(board(&Outline::default(), &us), json!({"externalUrls": []}));
    }
}
