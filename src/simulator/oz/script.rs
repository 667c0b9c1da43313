//! What the simulated agents say: proposals with their fenced block, plans, reports, summaries.
//!
//! Pure text, decided by what `world.rs` knows at the end of a turn.

use std::fmt::Write as _;

use serde::Serialize;

use super::task::Child;

/// One child's outcome, for the summary.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub name: String,
    pub done: bool,
    /// What it ended with, when it is not done.
    pub problem: String,
    /// Addresses of its pull requests.
    pub pulls: Vec<String>,
}

#[derive(Serialize)]
struct Block<'a> {
    summary: String,
    children: Vec<Proposed<'a>>,
}

#[derive(Serialize)]
struct Proposed<'a> {
    name: &'a str,
    prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    returns: Option<&'a str>,
}

/// A proposal: two sentences and the block. `lead` is the first sentence.
#[must_use]
pub fn proposal(lead: &str, children: &[Child]) -> String {
    let block = Block {
        summary: format!("{} that do not touch each other's files", parts(children.len())),
        children: children
            .iter()
            .map(|child| Proposed { name: &child.name, prompt: &child.prompt, returns: child.returns.as_deref() })
            .collect(),
    };
    let json = serde_json::to_string_pretty(&block).unwrap_or_default();
    format!("{lead} Each child opens one pull request of its own.\n\n```baton-proposal\n{json}\n```")
}

/// How a first proposal begins.
#[must_use]
pub fn first_lead(children: &[Child]) -> String {
    format!("I looked at the repository and split this into {}.", parts(children.len()))
}

/// A proposal whose block breaks off in the middle of its JSON.
#[must_use]
pub fn unusable_proposal(children: &[Child]) -> String {
    let name = children.first().map_or("part-1", |child| child.name.as_str());
    format!(
        "{} Each child opens one pull request of its own.\n\n\
         ```baton-proposal\n{{\"summary\": \"\", \"children\": [{{\"name\": \"{name}\", \"prompt\": \n```",
        first_lead(children)
    )
}

/// The PLAN document of a proposal, in Markdown.
#[must_use]
pub fn plan(title: &str, children: &[Child]) -> String {
    let mut plan = format!("# {title}\n\n{}, side by side.\n", parts(children.len()));
    for (at, child) in children.iter().enumerate() {
        let _ = write!(plan, "\n## {}. {}\n\n{}\n", at + 1, child.name, child.prompt);
        if let Some(returns) = &child.returns {
            let _ = write!(plan, "\nReturns: {returns}.\n");
        }
    }
    plan
}

#[must_use]
pub fn question() -> String {
    "Before I plan this: may the children change shared configuration, or only files of their own part?".into()
}

/// An answer in words to a question about the proposal, or about the work.
#[must_use]
pub fn answer(children: &[Child]) -> String {
    if children.is_empty() {
        return "I looked again, and nothing there stands in the way. Tell me what to do next.".into();
    }
    let names: Vec<&str> = children.iter().map(|child| child.name.as_str()).collect();
    format!(
        "I split it along {} because these can be reviewed and merged one by one. The proposal stands as it is.",
        names.join(", ")
    )
}

#[must_use]
pub fn stand_by() -> String {
    "Understood. I have read the task and the list of parts, and will summarise once the results are here.".into()
}

/// The report of a run that did work of its own.
#[must_use]
pub fn report(name: &str, pull: usize, branch: &str) -> String {
    format!(
        "{name} is done: the change is on `{branch}`, pull request #{pull} is open and its checks pass.\n\n\
         - 12 files changed\n- 48 tests pass, none skipped\n- nothing outside this part was touched"
    )
}

/// The report that a child leaves as a file.
#[must_use]
pub fn csv(name: &str) -> String {
    // The name is text from outside: no line breaks, quotes doubled.
    let name = name.replace(['\n', '\r'], " ").replace('"', "\"\"");
    let mut csv = String::from("part,file,tests before,tests after,seconds\n");
    for (file, before, after, seconds) in
        [("src/index", 14, 14, "0.8"), ("src/server", 21, 22, "1.9"), ("src/format", 9, 12, "0.4")]
    {
        let _ = writeln!(csv, "\"{name}\",{file},{before},{after},{seconds}");
    }
    csv
}

/// A summary in Markdown that names every child.
#[must_use]
pub fn summary(outcomes: &[Outcome]) -> String {
    let done = outcomes.iter().filter(|outcome| outcome.done).count();
    let head = if done == outcomes.len() {
        format!("All {} are done.", parts(done))
    } else {
        format!("{done} of {} are done.", parts(outcomes.len()))
    };
    let mut text = format!("## Summary\n\n{head}\n");
    for outcome in outcomes {
        let _ = write!(text, "\n- **{}**: ", outcome.name);
        let links: Vec<String> = outcome.pulls.iter().map(|url| format!("[pull request]({url})")).collect();
        let _ = match (outcome.done, links.is_empty()) {
            (true, true) => write!(text, "done"),
            (true, false) => write!(text, "done, {}", links.join(", ")),
            (false, _) => write!(text, "not done ({})", outcome.problem),
        };
    }
    if done < outcomes.len() {
        text.push_str("\n\nWhat is not done can be started again without touching the rest.");
    } else {
        text.push_str("\n\nThe pull requests can be merged in any order.");
    }
    text
}

#[must_use]
pub fn acknowledgement(told: &str) -> String {
    let told: String = told.chars().take(80).collect();
    format!("Done: \u{201c}{}\u{201d}. The branch is updated and its checks pass.", told.trim())
}

fn parts(count: usize) -> String {
    if count == 1 { "1 part".into() } else { format!("{count} parts") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::proposal::{self as read, Found};

    #[test]
    fn the_block_is_what_baton_reads() {
        let children = super::super::task::children("Say \"```\" one child per part in a, b");
        let text = proposal(&first_lead(&children), &children);
        let Found::Proposal(content) = read::find(&text) else { panic!("{text}") };
        assert_eq!(content.children().len(), 2);
        assert_eq!(content.children()[1].prompt, children[1].prompt);
        assert!(matches!(read::find(&unusable_proposal(&children)), Found::Unusable(_)));
    }

    #[test]
    fn a_summary_names_every_child() {
        let outcome = |name: &str, done| Outcome {
            name: name.into(),
            done,
            problem: "FAILED".into(),
            pulls: vec!["http://pull/1".into()],
        };
        let text = summary(&[outcome("a", true), outcome("b", false)]);
        assert!(text.contains("1 of 2 parts are done"));
        assert!(text.contains("- **a**: done, [pull request](http://pull/1)\n- **b**: not done (FAILED)"));
    }
}
