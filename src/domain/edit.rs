//! A proposal being edited: the form's pages, what came back of them, and the draft that is kept
//! between two pages. Used by `decide/editing.rs`; a platform's forms show a [`Page`].

use serde::{Deserialize, Serialize};

use super::{
    actor::Actor,
    proposal::{ChildSpec, Content, Proposal},
    run::RunSettings,
};

/// A form holds so many children; Slack's has room for a hundred blocks, of which a child takes up to
/// six, and all else together up to twelve.
const PER_PAGE: usize = 14;
/// And texts of so many bytes in all: a view of more than 250,000 is refused.
const BYTES_PER_PAGE: usize = 100_000;

/// One page of the form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// From 1.
    pub number: u32,
    pub of: u32,
    /// By their numbers in the proposal, from 1.
    pub children: Vec<(u32, Entry)>,
    /// The run-wide settings, on the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<RunSettings>,
    /// The last page takes one more child.
    pub takes_more: bool,
    /// And asks what becomes of the children that are not kept: whether they are held, as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<bool>,
}

/// A child in a draft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub spec: ChildSpec,
    pub keep: bool,
}

/// What came back of a page. Of each text and choice: none where the page had no field for it, as for
/// what is too long for one, and an empty text where it was cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilledPage {
    pub number: u32,
    pub children: Vec<(u32, FilledChild)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<RunSettings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<ChildSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilledChild {
    pub keep: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// What somebody has changed so far, of one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    pub by: Actor,
    pub version: u32,
    pub entries: Vec<Entry>,
    pub settings: RunSettings,
    pub hold: bool,
}

impl Draft {
    #[must_use]
    pub fn of(proposal: &Proposal, settings: &RunSettings, by: &Actor) -> Self {
        let entry = |spec: &ChildSpec| Entry { spec: spec.clone(), keep: true };
        let entries = proposal.content.children().iter().map(entry).collect();
        Self { by: by.clone(), version: proposal.version, entries, settings: settings.clone(), hold: false }
    }

    /// The page with this number; the last one for any higher.
    #[must_use]
    pub fn page(&self, number: u32, may_hold: bool) -> Page {
        let pages = self.pages();
        let of = u32::try_from(pages.len()).unwrap_or(u32::MAX);
        let number = number.clamp(1, of);
        let children = pages.get(number as usize - 1).cloned().unwrap_or_default();
        let last = number == of;
        Page {
            number,
            of,
            children: children.into_iter().map(|at| (number_of(at), self.entries[at].clone())).collect(),
            settings: (number == 1).then(|| self.settings.clone()),
            takes_more: last,
            hold: (last && may_hold).then_some(self.hold),
        }
    }

    /// Takes over what came back of a page; true when it was the last.
    pub fn fill(&mut self, page: FilledPage) -> bool {
        let last = page.number as usize >= self.pages().len();
        for (number, filled) in page.children {
            // A form that was tampered with may name any number.
            let at = (number as usize).checked_sub(1);
            let Some(entry) = at.and_then(|at| self.entries.get_mut(at)) else { continue };
            entry.keep = filled.keep;
            if let Some(prompt) = filled.prompt.filter(|prompt| !same_text(prompt, &entry.spec.prompt)) {
                entry.spec.prompt = prompt;
            }
            take_over(&mut entry.spec.returns, filled.returns);
            take_over(&mut entry.spec.environment, filled.environment);
            take_over(&mut entry.spec.model, filled.model);
        }
        if let Some(filled) = page.settings {
            // But for the skill: it is the parent's, which has been started with it.
            take_over(&mut self.settings.environment, filled.environment);
            take_over(&mut self.settings.model, filled.model);
            take_over(&mut self.settings.harness, filled.harness);
            take_over(&mut self.settings.host, filled.host);
            take_over(&mut self.settings.auth_secret, filled.auth_secret);
            self.settings.parallelism = filled.parallelism;
        }
        if let Some(spec) = page.more {
            self.entries.push(Entry { spec, keep: true });
        }
        self.hold = page.hold.unwrap_or(self.hold);
        last
    }

    /// The children that are kept, and the others.
    #[must_use]
    pub fn parted(&self) -> (Vec<ChildSpec>, Vec<ChildSpec>) {
        let (kept, dropped): (Vec<&Entry>, Vec<&Entry>) = self.entries.iter().partition(|entry| entry.keep);
        let specs = |entries: Vec<&Entry>| entries.into_iter().map(|entry| entry.spec.clone()).collect();
        (specs(kept), specs(dropped))
    }

    /// Which entries stand on which page.
    fn pages(&self) -> Vec<Vec<usize>> {
        let mut pages: Vec<Vec<usize>> = vec![Vec::new()];
        let mut bytes = 0;
        for (at, entry) in self.entries.iter().enumerate() {
            let full = pages.last().is_some_and(|page| page.len() >= PER_PAGE || bytes > BYTES_PER_PAGE);
            if full {
                pages.push(Vec::new());
                bytes = 0;
            }
            bytes += entry.spec.prompt.len() + entry.spec.returns.as_deref().map_or(0, str::len);
            if let Some(page) = pages.last_mut() {
                page.push(at);
            }
        }
        pages
    }
}

/// What differs between two versions, a line for each, in the order of the newer one. What is gone and
/// among the `held` comes back.
#[must_use]
pub fn difference(before: (&Content, &RunSettings), after: (&Content, &RunSettings), held: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    let same = |one: &ChildSpec, other: &ChildSpec| one.name.trim().eq_ignore_ascii_case(other.name.trim());
    for child in after.0.children() {
        let name = child.name.trim();
        match before.0.children().iter().find(|old| same(old, child)) {
            None => lines.push(format!("{name}: added")),
            Some(old) if old == child => {}
            Some(old) => lines.push(format!("{name}: {}", changes(old, child).join(", "))),
        }
    }
    let gone = before.0.children().iter().filter(|old| !after.0.children().iter().any(|child| same(old, child)));
    lines.extend(gone.map(|old| {
        let is_held = held.iter().any(|name| name.eq_ignore_ascii_case(old.name.trim()));
        format!("{}: {}", old.name.trim(), if is_held { "held for later" } else { "dropped" })
    }));
    lines.extend(settings_changes(before.1, after.1));
    if let (Content::Words { text: old }, Content::Words { text }) = (before.0, after.0)
        && old != text
    {
        lines.push("the plan was changed".into());
    }
    lines
}

fn changes(old: &ChildSpec, new: &ChildSpec) -> Vec<String> {
    let mut changes = Vec::new();
    if old.prompt != new.prompt {
        changes.push("another prompt".to_owned());
    }
    if old.returns != new.returns {
        changes.push("another expected result".to_owned());
    }
    changes.extend(changed("environment", old.environment.as_deref(), new.environment.as_deref()));
    changes.extend(changed("model", old.model.as_deref(), new.model.as_deref()));
    if changes.is_empty() { vec!["another name".to_owned()] } else { changes }
}

fn settings_changes(old: &RunSettings, new: &RunSettings) -> Vec<String> {
    let number = |settings: &RunSettings| settings.parallelism.map(|at_once| at_once.to_string());
    [
        ("environment", old.environment.clone(), new.environment.clone()),
        ("model", old.model.clone(), new.model.clone()),
        ("harness", old.harness.clone(), new.harness.clone()),
        ("host", old.host.clone(), new.host.clone()),
        ("auth secret", old.auth_secret.clone(), new.auth_secret.clone()),
        ("at once", number(old), number(new)),
    ]
    .into_iter()
    .filter_map(|(what, old, new)| changed(what, old.as_deref(), new.as_deref()))
    .map(|change| format!("all: {change}"))
    .collect()
}

fn changed(what: &str, old: Option<&str>, new: Option<&str>) -> Option<String> {
    let word = |value: Option<&str>| value.unwrap_or("the default").to_owned();
    (old != new).then(|| format!("{what} {} instead of {}", word(new), word(old)))
}

/// What was filled in takes the place of `current`, unless it is the same.
fn take_over(current: &mut Option<String>, filled: Option<String>) {
    let Some(filled) = filled else { return };
    if !same_text(&filled, current.as_deref().unwrap_or_default()) {
        *current = Some(filled).filter(|filled| !filled.trim().is_empty());
    }
}

/// A form cuts blanks off at the ends, and may end its lines in another way.
fn same_text(one: &str, other: &str) -> bool {
    one.trim().lines().eq(other.trim().lines())
}

fn number_of(at: usize) -> u32 {
    u32::try_from(at + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::proposal::Digest;

    fn child(name: &str, prompt: &str) -> ChildSpec {
        ChildSpec { name: name.into(), prompt: prompt.into(), returns: None, environment: None, model: None }
    }

    fn draft(children: Vec<ChildSpec>) -> Draft {
        let content = Content::Children { summary: None, children };
        let settings = RunSettings { skill: Some("acme/x:y".into()), ..RunSettings::default() };
        let digest = Digest::of("t", &settings, &content);
        let proposal = Proposal { version: 1, digest, content, changes: None };
        Draft::of(&proposal, &settings, &Actor::slack("T", "UADA"))
    }

    fn untouched(page: &Page) -> FilledPage {
        let children = page.children.iter().map(|(number, entry)| {
            let spec = entry.spec.clone();
            let filled = FilledChild {
                keep: entry.keep,
                prompt: Some(spec.prompt.trim().to_owned()),
                returns: spec.returns,
                environment: spec.environment,
                model: spec.model,
            };
            (*number, filled)
        });
        FilledPage {
            number: page.number,
            children: children.collect(),
            settings: page.settings.clone(),
            ..FilledPage::default()
        }
    }

    #[test]
    fn what_is_not_touched_stays_to_the_last_blank() {
        let mut draft = draft(vec![child("a", " x\n"), child("b", "y")]);
        let before = draft.clone();
        let page = draft.page(1, true);
        assert_eq!((page.of, page.takes_more, page.hold), (1, true, Some(false)));
        assert!(draft.fill(untouched(&page)));
        assert_eq!(draft, before);
    }

    #[test]
    fn what_has_no_field_stays_and_what_is_emptied_is_gone() {
        let spec = ChildSpec { returns: Some("A report\nof it".into()), model: Some("m1".into()), ..child("a", "x") };
        let mut draft = draft(vec![spec.clone()]);
        draft.settings.host = Some("worker".into());
        let fill = |draft: &mut Draft, child: FilledChild, host: Option<&str>| {
            let settings = RunSettings { host: host.map(str::to_owned), ..RunSettings::default() };
            let children = vec![(1, FilledChild { keep: true, ..child })];
            draft.fill(FilledPage { number: 1, children, settings: Some(settings), ..FilledPage::default() });
        };
        let before = draft.clone();
        fill(&mut draft, FilledChild::default(), None);
        assert_eq!(draft, before);
        let retyped = FilledChild { returns: Some("A report\r\nof it".into()), ..FilledChild::default() };
        fill(&mut draft, retyped, Some("worker"));
        assert_eq!(draft, before, "lines that end in another way");
        let emptied = FilledChild { returns: Some(String::new()), model: Some(" ".into()), ..FilledChild::default() };
        fill(&mut draft, emptied, Some(""));
        assert_eq!(draft.entries[0].spec, child("a", "x"));
        assert_eq!((draft.settings.host.as_deref(), draft.settings.skill.as_deref()), (None, Some("acme/x:y")));
    }

    #[test]
    fn many_children_stand_on_pages_and_all_are_there_in_the_end() {
        let mut draft = draft((1..=40).map(|n| child(&format!("c{n}"), &"p".repeat(n * 100))).collect());
        let mut seen = Vec::new();
        for number in 1.. {
            let page = draft.page(number, false);
            assert_eq!(
                (page.number, page.settings.is_some(), page.takes_more),
                (number, number == 1, number == page.of)
            );
            seen.extend(page.children.iter().map(|(number, _)| *number));
            let mut filled = untouched(&page);
            filled.children[0].1.keep = false;
            if draft.fill(filled) {
                break;
            }
        }
        assert_eq!(seen, (1..=40).collect::<Vec<_>>());
        assert_eq!((draft.parted().0.len(), draft.parted().1.len()), (37, 3));
    }

    #[test]
    fn the_difference_names_what_changed() {
        let content = |children| Content::Children { summary: None, children };
        let before = content(vec![child("a", "x"), child("b", "y"), child("c", "z")]);
        let after = content(vec![
            child("a", "x"),
            ChildSpec { environment: Some("env".into()), ..child("b", "Y") },
            child("d", "new"),
        ]);
        let settings = RunSettings { parallelism: Some(2), ..RunSettings::default() };
        assert_eq!(
            difference((&before, &RunSettings::default()), (&after, &settings), &[]),
            [
                "b: another prompt, environment env instead of the default",
                "d: added",
                "c: dropped",
                "all: at once 2 instead of the default",
            ]
        );
    }
}
