//! Reads a request for changes: which children of a proposal a person wants dropped, added or renamed.
//!
//! Understands clauses such as "drop web, add docs and rename api to backend"; whatever else is said
//! asks for no change.

use serde_json::Value;

use super::task::{self, Child};

/// The children after a request for changes, and what was changed in words; None when it asks for none.
#[must_use]
pub fn revise(children: &[Child], request: &str, task: &str) -> Option<(Vec<Child>, String)> {
    let task = task::plain(task);
    let mut revised = children.to_vec();
    let mut changes = Vec::new();
    let mut verb = None;
    for clause in clauses(request) {
        let (found, rest) = change(&clause);
        let inherited = found.is_none();
        verb = found.or(verb);
        match verb {
            Some(Change::Drop) => {
                revised.retain(|child| {
                    let dropped = meant(rest, children, child);
                    if dropped {
                        changes.push(format!("dropped {}", child.name));
                    }
                    !dropped
                });
            }
            Some(Change::Add) => {
                let name = bare_name(rest);
                let known = revised.iter().any(|child| child.name.eq_ignore_ascii_case(&name));
                let most_words = if inherited { 3 } else { 4 };
                if !name.is_empty() && !known && name.split_whitespace().count() <= most_words {
                    changes.push(format!("added {name}"));
                    revised.push(task::child(&task, name));
                }
            }
            Some(Change::Rename) => {
                let Some((from, to)) = split_once_ignoring_case(rest, " to ") else { continue };
                let (from, to) = (bare_name(from), bare_name(to));
                if let Some(old) = revised.iter_mut().find(|child| is_called(child, &from)) {
                    changes.push(format!("renamed {} to {to}", old.name));
                    *old = Child { name: to, ..old.clone() };
                }
                verb = None;
            }
            None => {}
        }
    }
    (!changes.is_empty() && !revised.is_empty()).then(|| (revised, changes.join(", ")))
}

/// The children of a proposal that a follow-up quotes: people have edited it.
#[must_use]
pub fn as_told(text: &str) -> Option<Vec<Child>> {
    // The form that is asked for is shown as such a block, too.
    let (_, text) = text.split_once("edited your proposal")?;
    let (_, block) = text.split_once("```baton-proposal\n")?;
    let block: Value = serde_json::from_str(block.split_once("\n```")?.0).ok()?;
    let text = |child: &Value, field: &str| child[field].as_str().map(str::to_owned);
    let child = |child: &Value| {
        Some(Child { name: text(child, "name")?, prompt: text(child, "prompt")?, returns: text(child, "returns") })
    };
    block["children"].as_array()?.iter().map(child).collect()
}

#[derive(Clone, Copy)]
enum Change {
    Drop,
    Add,
    Rename,
}

fn clauses(request: &str) -> Vec<String> {
    let mut text = request.to_owned();
    for joint in ["; ", ", ", ". ", " and ", " but "] {
        text = text.replace(joint, "\n");
    }
    text.lines().map(|line| line.trim_matches(['>', '-', '*', '"', '.', '!', ' ']).to_owned()).collect()
}

/// The change that a clause asks for, and the rest of it.
fn change(clause: &str) -> (Option<Change>, &str) {
    const POLITE: [&str; 15] = [
        "please", "also", "then", "and", "can", "could", "would", "you", "we", "let's", "lets", "instead", "just",
        "now", "do",
    ];
    let mut polite = true;
    let mut rest = clause;
    while !rest.is_empty() {
        let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
        match word.to_ascii_lowercase().as_str() {
            "drop" | "remove" | "without" | "skip" | "delete" | "omit" => return (Some(Change::Drop), after),
            "add" | "include" if polite => return (Some(Change::Add), after),
            "rename" | "call" if polite => return (Some(Change::Rename), after),
            other => polite &= POLITE.contains(&other),
        }
        rest = after;
    }
    (None, clause)
}

/// The clause names this child: its whole name, else its last part, else its number.
fn meant(clause: &str, children: &[Child], child: &Child) -> bool {
    let whole = |child: &Child| task::contains_word(clause, &child.name);
    if children.iter().any(whole) {
        return whole(child);
    }
    let last = child.name.rsplit('/').next().unwrap_or_default();
    let number = children.iter().position(|other| other == child).map(|at| (at + 1).to_string());
    task::contains_word(clause, last) || number.is_some_and(|number| task::contains_word(clause, &number))
}

fn is_called(child: &Child, name: &str) -> bool {
    child.name.eq_ignore_ascii_case(name) || child.name.rsplit('/').next().is_some_and(|l| l.eq_ignore_ascii_case(name))
}

/// "a child for the docs, please" → "docs".
fn bare_name(text: &str) -> String {
    const BEFORE: [&str; 10] =
        ["child ", "one more ", "another ", "one ", "for ", "named ", "called ", "the ", "an ", "a "];
    let mut name = text.trim();
    while let Some(rest) = BEFORE.iter().find_map(|before| name.strip_prefix(before)) {
        name = rest.trim_start();
    }
    for after in [" as well", " too", " please", "?"] {
        name = name.strip_suffix(after).unwrap_or(name);
    }
    task::tidy(name)
}

fn split_once_ignoring_case<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let at = text.to_ascii_lowercase().find(separator)?;
    Some((&text[..at], &text[at + separator.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_changes_just_what_it_says() {
        let before = task::children("One child per package in packages/api, packages/web and packages/cli");
        let after = |request: &str| {
            revise(&before, request, "task").map(|(children, _)| {
                children.into_iter().map(|child| child.name.replace("packages/", "")).collect::<Vec<_>>().join(" ")
            })
        };
        assert_eq!(after("drop web").as_deref(), Some("api cli"));
        assert_eq!(after("Please remove packages/api and the cli.").as_deref(), Some("web"));
        assert_eq!(after("Looks fine but I'd go without child 3").as_deref(), Some("api web"));
        assert_eq!(after("Could you add a child for docs?").as_deref(), Some("api web cli docs"));
        assert_eq!(after("Drop cli, add docs and examples").as_deref(), Some("api web docs examples"));
        assert_eq!(after("Rename web to Frontend").as_deref(), Some("api Frontend cli"));
        assert_eq!(after("Why three?"), None);
        assert_eq!(after("The JSON was not usable; send the whole block again."), None);
    }
}
