//! From what people type to a [`Command`] or an [`Ask`]. Called by the inbox worker with the text of
//! slash commands, mentions and direct messages; nothing here knows a platform.

use super::{
    command::{Ask, Command, Verb},
    effect::Slot,
    orchestration::Orchestration,
};

/// More elements than this in `each:` are a mistake.
const MOST_ELEMENTS: u32 = 200;
const MOST_AT_ONCE: u32 = 100;
const HARNESSES: [&str; 4] = ["oz", "claude", "codex", "gemini"];
const OPTIONS: [&str; 8] = ["env", "model", "harness", "host", "parallel", "max", "skill", "each"];

/// Reads what follows a slash command.
#[must_use]
pub fn slash(verb: Verb, text: &str) -> Command {
    let text = text.trim();
    match verb {
        Verb::Run if text.is_empty() => Command::Help,
        Verb::Orchestrate | Verb::Plan if text.is_empty() => Command::Blank(verb),
        Verb::Run => only_word(text).or_else(|| own_verbs(text)).unwrap_or_else(|| start(verb, text)),
        Verb::Orchestrate | Verb::Plan => only_word(text).or_else(|| verbs(text)).unwrap_or_else(|| start(verb, text)),
    }
}

/// Reads what stands beside a mention, or in a direct message: a command if it is one. None means
/// that the words are for the agent.
#[must_use]
pub fn mention(text: &str) -> Option<Command> {
    let text = text.trim();
    if text.is_empty() {
        return Some(Command::Help);
    }
    only_word(text).or_else(|| verbs(text)).or_else(|| spoken(text))
}

/// A request that begins with one of the slash commands, where those are only words.
#[must_use]
pub fn leading_verb(text: &str) -> (Verb, &str) {
    let text = text.trim();
    [Verb::Orchestrate, Verb::Plan, Verb::Run]
        .into_iter()
        .find_map(|verb| {
            let rest = text.strip_prefix(verb.command())?;
            (rest.is_empty() || rest.starts_with(char::is_whitespace)).then(|| (verb, rest.trim_start()))
        })
        .unwrap_or((Verb::Orchestrate, text))
}

/// Reads a request: options first, then the task.
#[must_use]
pub fn start(verb: Verb, text: &str) -> Command {
    match ask(text) {
        Ok(ask) => Command::Start(verb, ask),
        Err(sentence) => Command::Wrong(sentence),
    }
}

/// Options before the task, written `name:value`; a value with blanks stands in quotation marks.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn ask(text: &str) -> Result<Ask, String> {
    let mut ask = Ask::default();
    let mut rest = text.trim();
    while let Some((name, value, after)) = option(rest)? {
        set(&mut ask, name, value)?;
        rest = after;
    }
    if rest.is_empty() {
        return Err(
            "That has options but no task. Write the task after them, for example `model:auto Update the docs`.".into(),
        );
    }
    rest.clone_into(&mut ask.task);
    if !ask.each.is_empty() && !ask.task.contains("{item}") {
        return Err("With `each:` the task needs `{item}` where each element belongs, for example `each:api,web Update {item}`.".into());
    }
    Ok(ask)
}

/// Whom a reply in the thread is for: a child when it starts with its number or name, else the
/// parent. The words for it come without the address.
#[must_use]
pub fn addressee<'a>(orchestration: &Orchestration, text: &'a str) -> (Slot, &'a str) {
    let text = text.trim();
    for child in &orchestration.children {
        let number = child.number.to_string();
        let by_number = text
            .strip_prefix('#')
            .and_then(|text| text.strip_prefix(&number))
            .or_else(|| text.strip_prefix(&number).filter(|rest| rest.starts_with(':')));
        let rest = by_number.or_else(|| strip_prefix_ignoring_case(text, child.spec.name.trim()));
        let Some(rest) = rest else { continue };
        let parted = rest.starts_with(|c: char| c.is_whitespace() || matches!(c, ':' | ','));
        let words = rest.trim_start_matches([':', ',']).trim();
        if parted && !words.is_empty() {
            return (Slot::Child(child.number), words);
        }
    }
    (Slot::Parent, text)
}

/// What an `edit` is about that is not quite one: the words after it, up to the colon if there is one.
#[must_use]
pub fn nearly_edit(text: &str) -> Option<&str> {
    let rest = strip_prefix_ignoring_case(text.trim(), "edit")?.strip_prefix(char::is_whitespace)?;
    Some(rest.split_once(':').map_or(rest, |(name, _)| name).trim())
}

/// `edit NAME: …`: the name of a child and its new prompt.
#[must_use]
pub fn edit(text: &str) -> Option<(&str, &str)> {
    let rest = strip_prefix_ignoring_case(text.trim(), "edit")?;
    let (name, prompt) = rest.strip_prefix(char::is_whitespace)?.split_once(':')?;
    let (name, prompt) = (name.trim(), prompt.trim());
    (!name.is_empty() && !prompt.is_empty()).then_some((name, prompt))
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    (!prefix.is_empty() && head.eq_ignore_ascii_case(prefix)).then(|| &text[prefix.len()..])
}

fn only_word(text: &str) -> Option<Command> {
    matches!(text.to_lowercase().as_str(), "help" | "?" | "--help").then_some(Command::Help)
}

/// The verbs that commands and mentions share. A verb counts only when what follows fits it, so that
/// "stop using tabs" is a task and not a command.
fn verbs(text: &str) -> Option<Command> {
    let mut words = text.split_whitespace();
    let verb = words.next()?.to_lowercase();
    let rest: Vec<&str> = words.collect();
    match (verb.as_str(), rest.as_slice()) {
        ("status", []) => Some(Command::Status(None)),
        ("status", [id]) if looks_like_id(id) => Some(Command::Status(Some((*id).to_owned()))),
        ("list", []) => Some(Command::List),
        ("stop" | "cancel", []) => Some(Command::Stop(None)),
        ("stop" | "cancel", [id]) if looks_like_id(id) => Some(Command::Stop(Some((*id).to_owned()))),
        _ => None,
    }
}

/// The verbs of `/oz`. With one word after them nobody means a task that would cost something: it is an id,
/// even if it is none of ours.
fn own_verbs(text: &str) -> Option<Command> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [verb, word] = words[..] else { return verbs(text) };
    match (verb.to_lowercase().as_str(), word.to_lowercase().as_str()) {
        ("stop" | "cancel", "all" | "everything" | "it" | "this") => Some(Command::Stop(None)),
        ("stop" | "cancel", _) => Some(Command::Stop(Some(word.to_owned()))),
        ("status", _) => Some(Command::Status(Some(word.to_owned()))),
        ("list", "all") => Some(Command::List),
        _ => None,
    }
}

/// The verbs that only make sense in a conversation.
fn spoken(text: &str) -> Option<Command> {
    let (verb, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    match verb.to_lowercase().as_str() {
        "show" if rest.split_whitespace().count() <= 3 => {
            let (child, transcript) = match rest.strip_suffix("transcript") {
                Some(child) => (child.trim(), true),
                None => (rest, false),
            };
            Some(Command::Show { child: (!child.is_empty()).then(|| child.to_owned()), transcript })
        }
        "retry" if !rest.is_empty() && rest.split_whitespace().count() <= 3 => Some(Command::Retry(rest.to_owned())),
        "why" | "why?" if rest.is_empty() => Some(Command::Why),
        "approve" => Some(match version(rest) {
            Some(version) => Command::Approve { version },
            None => Command::Wrong(
                "To approve in words, name the version: `approve v1`. The number is on the proposal.".into(),
            ),
        }),
        _ => None,
    }
}

/// `v2`, and nothing that could be the number of a child.
fn version(word: &str) -> Option<u32> {
    let number = word.strip_prefix(['v', 'V'])?;
    let is_plain = !number.starts_with('0') && number.chars().all(|c| c.is_ascii_digit());
    number.parse().ok().filter(|_| is_plain)
}

fn looks_like_id(word: &str) -> bool {
    word.len() == 11 && word.starts_with('o') && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

type Parsed<'a> = Option<(&'static str, String, &'a str)>;

/// The option at the start of `text`, its value, and what follows. Any other word with a colon
/// (`fix: the build`, an address) belongs to the task; a near miss is asked about.
fn option(text: &str) -> Result<Parsed<'_>, String> {
    let Some((name, rest)) = text.split_once(':') else { return Ok(None) };
    let is_blank = rest.starts_with(char::is_whitespace);
    if is_blank && name.eq_ignore_ascii_case("each") && rest.contains("{item}") {
        return Err(
            "`each:` takes its elements right after the colon, for example `each:api,web Update {item}`.".into()
        );
    }
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphabetic()) || is_blank {
        return Ok(None);
    }
    let lower = name.to_lowercase();
    let Some(known) = OPTIONS.into_iter().find(|option| *option == lower) else {
        let near =
            OPTIONS.into_iter().find(|option| option.len() > 3 && strsim::damerau_levenshtein(option, &lower) == 1);
        return match near {
            Some(near) if !rest.starts_with('/') => {
                Err(format!("There is no option `{name}:`. Did you mean `{near}:`?"))
            }
            _ => Ok(None),
        };
    };
    let (value, after) = value(rest);
    if value.is_empty() {
        return Err(format!("`{known}:` needs a value right after the colon."));
    }
    Ok(Some((known, value, after.trim_start())))
}

/// The value up to the next blank outside quotation marks, straight or curly.
fn value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' | '“' | '”' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => return (value, &text[at..]),
            c => value.push(c),
        }
    }
    (value, "")
}

fn set(ask: &mut Ask, name: &str, value: String) -> Result<(), String> {
    let number = |most: u32| match value.parse::<u32>() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("`{name}:` takes a whole number from 1 to {most}.")),
    };
    match name {
        "env" => ask.settings.environment = Some(value),
        "model" => ask.settings.model = Some(value),
        "harness" => {
            let lower = value.to_lowercase();
            if !HARNESSES.contains(&lower.as_str()) {
                return Err(format!("`harness:` is one of {}.", HARNESSES.join(", ")));
            }
            ask.settings.harness = Some(lower);
        }
        "host" => ask.settings.host = Some(value),
        "skill" => ask.settings.skill = Some(value),
        "parallel" => ask.settings.parallelism = Some(number(MOST_AT_ONCE)?),
        "max" => ask.max_children = Some(number(MOST_ELEMENTS)?),
        "each" => {
            let items: Vec<String> =
                value.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect();
            let twice = items
                .iter()
                .enumerate()
                .find(|(at, item)| items[..*at].iter().any(|other| other.eq_ignore_ascii_case(item)));
            if let Some((_, item)) = twice {
                return Err(format!("`each:` names {item} twice."));
            }
            if items.is_empty() || items.len() > MOST_ELEMENTS as usize {
                return Err(format!("`each:` takes 1 to {MOST_ELEMENTS} elements, separated by commas."));
            }
            ask.each = items;
        }
        other => return Err(format!("There is no option `{other}:`.")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(text: &str) -> Ask {
        ask(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn options_come_before_the_task_and_the_task_is_left_alone() {
        let ask = ok(
            "env:abc model:auto harness:Claude parallel:4 max:9 host:“my worker” skill:org/repo:name fix: the model:bug\nnow",
        );
        assert_eq!(ask.settings.environment.as_deref(), Some("abc"));
        assert_eq!(ask.settings.harness.as_deref(), Some("claude"));
        assert_eq!(ask.settings.host.as_deref(), Some("my worker"));
        assert_eq!(ask.settings.skill.as_deref(), Some("org/repo:name"));
        assert_eq!((ask.settings.parallelism, ask.max_children), (Some(4), Some(9)));
        assert_eq!(ask.task, "fix: the model:bug\nnow");
        assert_eq!(ok("https://example.com/x is broken").task, "https://example.com/x is broken");
        assert_eq!(ok("note: buy milk").task, "note: buy milk");
    }

    #[test]
    fn each_element_is_one_child() {
        let ask = ok("each:api,\"web app\",cli Update {item}");
        assert_eq!(ask.each, ["api", "web app", "cli"]);
        for (text, reason) in [
            ("each:a,b Update", "{item}"),
            ("each:a,A Update {item}", "twice"),
            ("each:, Update {item}", "1 to 200"),
            ("each: a Update {item}", "right after the colon"),
            ("parallel:0 x", "whole number"),
            ("parallel:many x", "whole number"),
            ("harness:vim x", "one of oz"),
            ("modle:auto x", "Did you mean `model:`"),
            ("env: x", "no task"),
            ("env:x", "no task"),
        ] {
            // A blank after the colon makes it a word of the task.
            if text == "env: x" {
                assert_eq!(ok(text).task, "env: x");
                continue;
            }
            let Err(sentence) = super::ask(text) else { panic!("{text}") };
            assert!(sentence.contains(reason), "{text}: {sentence}");
        }
    }

    #[test]
    fn a_verb_counts_only_when_what_follows_fits() {
        assert_eq!(slash(Verb::Run, "status"), Command::Status(None));
        assert_eq!(slash(Verb::Run, "cancel o1a2b3c4d5e"), Command::Stop(Some("o1a2b3c4d5e".into())));
        assert!(matches!(slash(Verb::Run, "stop using tabs"), Command::Start(Verb::Run, _)));
        assert_eq!(
            slash(Verb::Run, "cancel o1a2b3c4d"),
            Command::Stop(Some("o1a2b3c4d".into())),
            "a slip costs nothing"
        );
        assert_eq!(slash(Verb::Run, "Cancel everything"), Command::Stop(None));
        assert_eq!(slash(Verb::Run, "status nope"), Command::Status(Some("nope".into())));
        assert_eq!(slash(Verb::Run, "list all"), Command::List);
        assert!(matches!(slash(Verb::Run, "list dependencies"), Command::Start(Verb::Run, _)));
        assert!(matches!(slash(Verb::Orchestrate, "status of the build"), Command::Start(Verb::Orchestrate, _)));
        assert_eq!(slash(Verb::Orchestrate, "status"), Command::Status(None), "nobody means that as a task");
        assert_eq!(slash(Verb::Orchestrate, "  "), Command::Blank(Verb::Orchestrate));
        assert_eq!(slash(Verb::Run, ""), Command::Help);
        assert_eq!(mention("Stop"), Some(Command::Stop(None)));
        assert_eq!(mention("stop it all, please"), None);
        assert_eq!(mention("show #2"), Some(Command::Show { child: Some("#2".into()), transcript: false }));
        assert_eq!(mention("show transcript"), Some(Command::Show { child: None, transcript: true }));
        assert_eq!(mention("show me how the build works and fix it"), None);
        assert_eq!(mention("approve V3"), Some(Command::Approve { version: 3 }));
        for loose in ["approve", "approve 2", "approve vv2", "approve v+2", "approve v02", "approve v2 please"] {
            assert!(matches!(mention(loose), Some(Command::Wrong(_))), "{loose}");
        }
        assert_eq!(mention("please approve"), None);
    }
}
