//! What a card says, and what it does not hide.

use super::*;
use crate::{
    domain::{
        actor::Platform,
        command::{Ask, Verb},
        conversation::Conversation,
        decide::{Opening, open},
        message::Span,
        orchestration::Request,
        proposal::Digest,
        route::Terms,
    },
    ids::OrchestrationId,
};

fn slack(id: &str) -> Approver {
    Approver::Member { platform: Platform::Slack, id: id.into() }
}

/// Ada and Grace have to approve; these have.
fn deciding(votes: Vec<Vote>) -> Orchestration {
    let approvers = vec![slack("UADA"), slack("UGRACE")];
    let policy = Policy { approvers, quorum: 2, escalate_to: vec![slack("ULINUS")], ..Policy::default() };
    let ask = Ask { task: "Update the docs".into(), ..Ask::default() };
    let request = Request::new(Verb::Orchestrate, ask, Actor::slack("T1", "UASKER"), Timestamp::default());
    let terms = Terms { policy, ..Terms::default() };
    let place = Conversation::slack("T1", "C1", None);
    let opening = Opening::new(OrchestrationId::from("o1"), place, request, terms);
    let (mut orchestration, _) = open(opening, Timestamp::default()).expect("it begins");
    let posted_at = Timestamp::default();
    orchestration.stage = Stage::Deciding { votes, expires_at: None, posted_at, wording: None, rest: false };
    orchestration
}

fn votes(ids: &[&str]) -> Vec<Vote> {
    ids.iter().map(|id| Vote::new(Actor::slack("T1", *id), Timestamp::default())).collect()
}

fn partly(id: &str) -> Vec<Vote> {
    votes(&[id]).into_iter().map(|vote| Vote { except: vec!["api".into()], ..vote }).collect()
}

fn child(name: &str) -> ChildSpec {
    ChildSpec { name: name.into(), prompt: format!("Do {name}."), returns: None, environment: None, model: None }
}

fn proposal(children: Vec<ChildSpec>) -> Proposal {
    let content = Content::Children { summary: None, children };
    let digest = Digest::of("Update the docs", &RunSettings::default(), &content);
    Proposal { version: 1, digest, content, changes: None }
}

fn words(message: &Message) -> String {
    let words = |block: &Block| match block {
        Block::Line(text) | Block::Note(text) => text.to_string(),
        Block::List(items) => items.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Block::Facts(facts) => {
            facts.iter().map(|(label, text)| format!("{label}: {text}")).collect::<Vec<_>>().join("\n")
        }
        Block::Heading(text) | Block::Quote(text) | Block::Markdown { text, .. } => text.clone(),
        Block::Divider => String::new(),
    };
    message.blocks.iter().map(words).collect::<Vec<_>>().join("\n")
}

/// What goes to the file where it is too long for the message.
fn file(message: &Message) -> Option<&str> {
    message.blocks.iter().find_map(|block| {
        let Block::Markdown { text, .. } = block else { return None };
        Some(text.as_str())
    })
}

#[test]
fn a_reminder_says_how_far_it_is() {
    for (votes, waits, told) in [
        (
            Vec::new(),
            "still waits for 2 approvals of Slack member UADA, Slack member UGRACE.",
            "nobody has decided so far",
        ),
        (
            partly("UADA"),
            "still waits for 2 approvals of Slack member UADA, Slack member UGRACE.",
            "nobody has approved all of it so far",
        ),
        (votes(&["UADA"]), "still waits for 1 approval of Slack member UGRACE.", "1 of 2 have approved"),
        (
            votes(&["UADA", "UGRACE"]),
            "has all approvals, but the limit of credits within 24 hours was reached. Whoever approves again \
             later starts it: Slack member UADA, Slack member UGRACE.",
            "all approvals are there, but it has not started",
        ),
    ] {
        let expected = format!(" Version 1 {waits}\n Slack member ULINUS: {told}, and this was the last reminder.");
        assert_eq!(words(&reminder(&deciding(votes), 1, true)), expected);
    }
}

#[test]
fn what_lapsed_says_how_far_it_was() {
    for (votes, expected) in [
        (Vec::new(), " Nobody decided on version 1 until "),
        (partly("UADA"), " Nobody approved all of version 1 until "),
        (votes(&["UADA"]), " Only 1 of 2 approved version 1 until "),
        (
            votes(&["UADA", "UGRACE"]),
            " Version 1 had all approvals, but the limit of credits within 24 hours was reached, and nobody \
             approved again until ",
        ),
    ] {
        let said = words(&expired(&deciding(votes), 1, Timestamp::default()));
        assert!(said.starts_with(expected) && said.ends_with(", so it lapsed. Reply here to go on."), "{said}");
    }
}

#[test]
fn a_card_with_all_approvals_says_what_holds_it_up() {
    let said = words(&standing(&deciding(votes(&["UADA", "UGRACE"])), &proposal(vec![child("api")])));
    let expected = " Approved by UADA, UGRACE · all approvals are there, but the limit of credits within 24 hours \
                    was reached. Whoever approves again later starts it.";
    assert!(said.contains(expected) && !said.contains("needed of"), "{said}");
}

/// The renderers mention those of their own platform.
#[test]
fn whoever_is_named_keeps_their_platform() {
    for (platform, name) in [(Platform::Slack, "Slack member X1"), (Platform::Linear, "Linear member X1")] {
        let text = approver(Text::default(), &Approver::Member { platform, id: "X1".into() });
        let [Span::Person(actor)] = &text.0[..] else { panic!("{text:?}") };
        assert_eq!((actor.platform, actor.id.as_str(), actor.name.as_deref()), (platform, "X1", Some(name)));
    }
}

#[test]
fn all_settings_are_shown_in_full() {
    let skill = format!("acme/skills:{}", "s".repeat(80));
    let given = RunSettings {
        environment: Some("e1".into()),
        model: Some("auto".into()),
        harness: Some("claude".into()),
        host: Some("worker-7".into()),
        skill: Some(skill.clone()),
        auth_secret: Some("CLAUDE_KEY".into()),
        parallelism: Some(2),
    };
    let shown = settings(&given);
    let expected = format!(
        "environment e1 · model auto · harness claude · host worker-7 · skill {skill} · auth secret CLAUDE_KEY · \
         2 at once"
    );
    assert_eq!(shown, expected);
}

#[test]
fn what_a_headline_leaves_out_is_in_the_file() {
    let short = ChildSpec { returns: Some(" A pull request\n".into()), model: Some("auto".into()), ..child("api") };
    assert_eq!(file(&content("Proposal".into(), &proposal(vec![short.clone()]))), None);
    for cut in [
        ChildSpec { returns: Some("r".repeat(161)), ..short.clone() },
        ChildSpec { returns: Some("A pull request\nand a report".into()), ..short.clone() },
        ChildSpec { environment: Some("e".repeat(61)), ..short.clone() },
        ChildSpec { model: Some("m".repeat(61)), ..short },
    ] {
        let message = content("Proposal".into(), &proposal(vec![child("web"), cut.clone()]));
        let file = file(&message).expect("a file");
        for value in [cut.returns, cut.environment, cut.model].into_iter().flatten() {
            assert!(file.contains(value.trim()), "{value}:\n{file}");
        }
        assert!(file.starts_with("```\n1 web\n\nDo web.\n```\n\n```\n2 api\n"), "{file}");
    }
}

#[test]
fn of_many_children_all_is_in_the_file() {
    let of = |number: u32| ChildSpec {
        returns: Some(format!("report {number}")),
        environment: Some(format!("env {number}")),
        model: Some(format!("model {number}")),
        ..child(&format!("part-{number}"))
    };
    let message = content("Proposal".into(), &proposal((1..=60).map(of).collect()));
    let said = words(&message);
    assert!(said.contains("50 part-50 → report 50") && said.contains("\nand 10 more children\n"), "{said}");
    let last = "```\n60 part-60\nenvironment: env 60\nmodel: model 60\nreturns: report 60\n\nDo part-60.\n```";
    assert!(file(&message).expect("a file").ends_with(last), "{said}");
}

#[test]
fn nothing_ends_the_code_that_it_stands_in() {
    assert_eq!(code("a"), "```\na\n```");
    assert_eq!(code("````\nb"), "`````\n````\nb\n`````");
}
