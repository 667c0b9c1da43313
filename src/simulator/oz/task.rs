//! Reads a task as an agent would: which children it wants, and the directives in square brackets by
//! which a person steers what happens (`[fail: 2]`).
//!
//! Pure text; `script.rs` makes the agent's words of it, `revision.rs` changes what was proposed.

/// A child as the agent proposes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    pub name: String,
    pub prompt: String,
    pub returns: Option<String>,
}

/// Directives in a parent's task. Children are numbered from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// Their first run fails for good: `[fail: 2]`.
    pub fail: Vec<usize>,
    /// Their first run fails on the platform's side: `[fail: 2 retryable]`.
    pub fail_retryable: Vec<usize>,
    /// BLOCKED until they are told something: `[block: 1]`.
    pub block: Vec<usize>,
    /// Cannot be cancelled through the API: `[self-hosted: 1]`.
    pub self_hosted: Vec<usize>,
    /// Everything takes five times as long: `[slow]`.
    pub slow: bool,
    /// Children work until they are stopped: `[endless]`.
    pub endless: bool,
    /// The parent starts a child while it plans: `[breach]`.
    pub breach: bool,
    /// The first turn ends with a question: `[question]`.
    pub question: bool,
    /// The first proposal block is not usable: `[invalid]`.
    pub invalid: bool,
}

/// A list longer than this is not a list of children.
const MOST_CHILDREN: usize = 200;
/// What a task may ask for a number of.
const COUNTED: [&str; 5] = ["children", "agents", "subagents", "workers", "parts"];
/// Tags that Baton may put around a person's words.
const TAGS: [&str; 5] = ["task", "request", "changes", "reply", "message"];

/// The person's words in a prompt or a follow-up: what stands in a tag, or all of it.
#[must_use]
pub fn words(text: &str) -> &str {
    TAGS.iter().find_map(|tag| inside(text, tag)).unwrap_or(text).trim()
}

/// The task without its directives.
#[must_use]
pub fn plain(task: &str) -> String {
    let mut plain = String::new();
    let mut rest = task;
    while let Some((before, after)) = rest.split_once('[') {
        plain.push_str(before);
        match after.split_once(']') {
            Some((inner, after)) if Directives::default().take(inner) => rest = after,
            _ => {
                plain.push('[');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain.trim().to_owned()
}

#[must_use]
pub fn directives(task: &str) -> Directives {
    let mut found = Directives::default();
    for bracket in task.split('[').skip(1) {
        if let Some((inner, _)) = bracket.split_once(']') {
            found.take(inner);
        }
    }
    found
}

/// The children that a task wants: those it names, as many as it says, or three that fit its words.
#[must_use]
pub fn children(task: &str) -> Vec<Child> {
    let task = plain(task);
    let mut names = named(&task);
    if names.is_empty() {
        names = fitting(&task, counted(&task).unwrap_or(3));
    }
    names.into_iter().take(MOST_CHILDREN).map(|name| child(&task, name)).collect()
}

#[must_use]
pub fn is_question(text: &str) -> bool {
    text.lines().any(|line| line.trim_end().ends_with('?'))
}

/// An approval that tells the parent to go on by itself.
#[must_use]
pub fn is_approval(text: &str) -> bool {
    text.trim_start().get(..7).is_some_and(|start| start.eq_ignore_ascii_case("approve"))
}

/// A follow-up that brings the children's results.
#[must_use]
pub fn brings_results(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("summar") || text.contains("result")
}

/// A prompt that says that the children run elsewhere and their results will follow.
#[must_use]
pub fn stands_by(prompt: &str) -> bool {
    let around = inside(prompt, "task").map_or_else(|| prompt.to_owned(), |task| prompt.replace(task, ""));
    let around = around.to_ascii_lowercase();
    around.contains("result") && ["child", "summar"].iter().any(|word| around.contains(word))
}

/// `word` stands in `text` by itself, whatever the case.
#[must_use]
pub fn contains_word(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_ascii_lowercase(), word.to_ascii_lowercase());
    let joins = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/');
    !word.is_empty()
        && text.match_indices(&word).any(|(at, _)| {
            !text[..at].chars().next_back().is_some_and(joins)
                && !text[at + word.len()..].chars().next().is_some_and(joins)
        })
}

impl Directives {
    /// Takes what stands between two brackets; false when it is no directive.
    fn take(&mut self, inner: &str) -> bool {
        let (word, rest) = inner.split_once(':').unwrap_or((inner, ""));
        let mut numbers: Vec<usize> =
            rest.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
        let list = match word.trim().to_ascii_lowercase().as_str() {
            "fail" if rest.contains("retryable") => &mut self.fail_retryable,
            "fail" => &mut self.fail,
            "block" => &mut self.block,
            "self-hosted" => &mut self.self_hosted,
            "slow" => return set(&mut self.slow),
            "endless" => return set(&mut self.endless),
            "breach" => return set(&mut self.breach),
            "question" => return set(&mut self.question),
            "invalid" => return set(&mut self.invalid),
            _ => return false,
        };
        list.append(&mut numbers);
        true
    }
}

fn set(flag: &mut bool) -> bool {
    *flag = true;
    true
}

/// What stands between the last `<tag>` and the `</tag>` after it: an introduction may mention the tag.
fn inside<'a>(text: &'a str, tag: &str) -> Option<&'a str> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let rest = &text[text.rfind(&open)? + open.len()..];
    rest.get(..rest.find(&close)?)
}

/// A child for one part of a task.
#[must_use]
pub fn child(task: &str, name: String) -> Child {
    let prompt = format!(
        "{task}\n\nYour part is {name}. Leave everything else alone: other agents have the other parts. \
         Open one pull request and end with a short report."
    );
    Child { name, prompt, returns: Some("One pull request and a short report".into()) }
}

/// Children that the task names: a bulleted list, or a list in a sentence.
fn named(task: &str) -> Vec<String> {
    let bullets: Vec<String> = task.lines().filter_map(bullet).collect();
    if bullets.len() >= 2 {
        return bullets;
    }
    // ASCII only, so that positions in it are positions in the task.
    let lower = task.to_ascii_lowercase();
    for (marker, has_noun) in [
        ("each of ", false),
        ("children for ", false),
        ("children named ", false),
        ("children: ", false),
        (" per ", true),
        ("each ", true),
    ] {
        let Some(at) = lower.find(marker) else { continue };
        let rest = &task[at + marker.len()..];
        let items = if has_noun { after_noun(rest).map(listed).unwrap_or_default() } else { listed(rest) };
        if items.len() >= 2 {
            return items;
        }
    }
    Vec::new()
}

fn bullet(line: &str) -> Option<String> {
    let line = line.trim();
    let numbered = || line.split_once(". ").filter(|(number, _)| number.parse::<u32>().is_ok()).map(|(_, item)| item);
    let item = ["- ", "* ", "• "].iter().find_map(|dot| line.strip_prefix(dot)).or_else(numbered)?;
    let name = item.split_once(": ").map_or(item, |(name, _)| name);
    Some(tidy(name)).filter(|name| !name.is_empty() && name.chars().count() <= 80)
}

/// "package in packages/: api, web" → what follows the noun.
fn after_noun(rest: &str) -> Option<&str> {
    let sentence = rest.get(..rest.find(['\n', ';']).unwrap_or(rest.len()))?;
    [": ", " in ", " of "].iter().find_map(|link| sentence.split_once(link)).map(|(_, list)| list)
}

/// "a, b and c" → its items; ends with the one after "and".
fn listed(text: &str) -> Vec<String> {
    let mut end = text.len();
    for stop in ["\n", ";", ". ", " then ", "("] {
        end = text.find(stop).unwrap_or(text.len()).min(end);
    }
    let mut items: Vec<String> = Vec::new();
    for part in text[..end].split(',') {
        let part = part.trim();
        let last = part.strip_prefix("and ");
        let pair = part.split_once(" and ").or_else(|| part.split_once(" & "));
        let found = match (last, pair) {
            (Some(item), _) => vec![item],
            (None, Some((first, second))) => vec![first, second],
            (None, None) => vec![part],
        };
        let ends = last.is_some() || pair.is_some();
        for item in found.into_iter().map(tidy) {
            if item.is_empty() || item.split_whitespace().count() > 3 {
                return items;
            }
            if !items.iter().any(|known| known.eq_ignore_ascii_case(&item)) {
                items.push(item);
            }
        }
        if ends {
            break;
        }
    }
    items
}

/// Without the marks that people put around a name.
#[must_use]
pub fn tidy(item: &str) -> String {
    item.trim().trim_matches(['`', '"', '\'', '*', '.', '!']).trim().to_owned()
}

/// "five children", "3 agents".
fn counted(task: &str) -> Option<usize> {
    const WORDS: [&str; 12] =
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
    let lower = task.to_ascii_lowercase();
    let tokens: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    tokens.windows(2).find_map(|pair| {
        let counts = COUNTED.contains(&pair[1]);
        let number = pair[0].parse().ok().or_else(|| WORDS.iter().position(|word| *word == pair[0]).map(|at| at + 1));
        number.filter(|number| counts && (1..=MOST_CHILDREN).contains(number))
    })
}

/// So many names that fit the words of a task.
fn fitting(task: &str, count: usize) -> Vec<String> {
    const FOLDERS: [&str; 12] =
        ["api", "web", "cli", "core", "ui", "auth", "billing", "search", "worker", "mobile", "admin", "docs"];
    const REVIEWS: [&str; 6] = ["correctness", "security", "performance", "tests", "accessibility", "documentation"];
    const STAGES: [&str; 5] = ["research", "changes", "checks", "documentation", "rollout"];
    let lower = task.to_ascii_lowercase();
    let (prefix, known): (String, &[&str]) = if lower.contains("package") {
        ("packages/".into(), &FOLDERS)
    } else if lower.contains("service") {
        ("services/".into(), &FOLDERS)
    } else if lower.contains("review") || lower.contains("audit") {
        (String::new(), &REVIEWS)
    } else {
        let words = lower.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !COUNTED.contains(word));
        let longest = words.take(12).max_by_key(|word| word.len());
        (longest.filter(|word| word.len() >= 5).map(|word| format!("{word}-")).unwrap_or_default(), &STAGES)
    };
    let name = |at: usize| known.get(at).map_or_else(|| format!("part-{}", at + 1), ToString::to_string);
    (0..count).map(|at| format!("{prefix}{}", name(at))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(task: &str) -> Vec<String> {
        children(task).into_iter().map(|child| child.name).collect()
    }

    #[test]
    fn children_are_those_that_the_task_names() {
        for task in [
            "Write tests, one child per package in api, web and cli.",
            "For each of api, web, and cli, write the missing tests",
            "One agent for each package in packages/: `api`, `web` and `cli`; then stop",
            "Tidy up:\n- api: its tests\n- web\n- cli",
            "Start children for api, web and cli [slow]",
        ] {
            assert_eq!(names(task), ["api", "web", "cli"], "{task}");
        }
    }

    #[test]
    fn else_as_many_as_it_says_and_three_that_fit() {
        let example = "Migrate every test file under packages/ from Jest to Vitest, one child per package";
        assert_eq!(names(example), ["packages/api", "packages/web", "packages/cli"]);
        assert_eq!(names("Review this with two agents"), ["correctness", "security"]);
        assert_eq!(names("Improve onboarding, 7 children").len(), 7);
        assert_eq!(names("Fix it").len(), 3);
        assert!(children(example)[0].prompt.contains(example));
    }

    #[test]
    fn directives_steer_and_are_no_part_of_the_task() {
        let task = "Tidy [fail: 2] the [slow]docs [fail: 1, 3 retryable] [Self-Hosted: 1] [not one]";
        let expected = Directives {
            fail: vec![2],
            fail_retryable: vec![1, 3],
            self_hosted: vec![1],
            slow: true,
            ..Directives::default()
        };
        assert_eq!(directives(task), expected);
        assert_eq!(plain(task), "Tidy  the docs   [not one]");
    }

    #[test]
    fn the_words_of_a_person_stand_in_a_tag_or_alone() {
        assert_eq!(words("The task is in <task>. \n<task>\ndo it\n</task> Thanks?"), "do it");
        assert_eq!(words(" all of it "), "all of it");
        assert!(stands_by("You will be given the children's results. <task>x</task>"));
        assert!(!stands_by("Work. <task>show each child the results</task>"));
    }

    #[test]
    fn a_word_stands_by_itself() {
        assert!(contains_word("Baton: packages/api (o1)", "packages/API"));
        assert!(!contains_word("Baton: packages/api-docs", "packages/api"));
        assert!(!contains_word("make a part", "par"));
    }
}
