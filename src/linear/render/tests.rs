//! The same board and messages in Linear's words.

use proptest::prelude::*;

use super::*;
use crate::domain::{actor::Actor, message::ButtonStyle};

fn us() -> Us {
    Us::new(&["Baton", "baton"], Some("https://linear.app/acme/profiles/baton"))
}

fn button(press: Press, label: &str, value: &str) -> Button {
    Button { press, label: label.into(), style: ButtonStyle::Plain, value: value.into(), confirm: None }
}

fn proposal() -> Message {
    Message::default()
        .with(Block::Heading("Proposal, version 2".into()))
        .with(Block::Line(Text::plain("1 ").bold("api [x](y)").then(" → a PR")))
        .with(Block::Quote("Do **it**\n@baton, now".into()))
        .with(Block::Facts(vec![("Digest".into(), Text::default().code("9f86d081884c"))]))
        .button(button(Press::Approve, "Approve", "o1/2/9f86d081884c"))
        .button(button(Press::Edit, "Edit", "o1/2/9f86d081884c"))
        .button(button(Press::RequestChanges, "Request changes", "o1/2/9f86d081884c"))
        .button(button(Press::Reject, "Reject", "o1/2/9f86d081884c"))
        .button(button(Press::Open, "Open run", "https://oz.example/1"))
}

#[test]
fn a_proposal_reads_well_and_offers_its_decisions() {
    insta::assert_snapshot!(message(&proposal(), &us(), In::Session).body, @r"
    ### Proposal, version 2

    1 **api \[x\](y)** → a PR

    > Do \*\*it\*\*
    > baton, now

    - **Digest:** `9f86d081884c`

    [Open run](https://oz.example/1)
    ");
    let choices = choices(&proposal().buttons);
    let values: Vec<&str> = choices.iter().map(|choice| choice.value.as_str()).collect();
    assert_eq!(values, ["approve v2 9f86d081884c", "request changes v2", "reject v2"]);
    let comment = message(&proposal(), &us(), In::Comment).body;
    assert!(comment.ends_with("- `approve v2 9f86d081884c`\n- `request changes v2`\n- `reject v2`"), "{comment}");
}

#[test]
fn blocks_of_each_sort() {
    let ada = Actor { name: Some("Ada *".into()), ..Actor::linear("org", "u1") };
    let message = Message::default()
        .with(Block::Line(
            Text::default()
                .mark(Mark::Done)
                .then(" ")
                .bold("Approved")
                .then(" by ")
                .person(&ada)
                .then(" ")
                .when(Timestamp::from_secs(1_700_000_000)),
        ))
        .with(Block::List(vec![Text::plain("a\nb"), Text::default().link("PR 1", "https://x.example/1")]))
        .with(Block::Markdown { text: "## Plan\n\n![p](https://e.example/p.png)".into(), file: "plan.md".into() })
        .with(Block::Divider)
        .with(Block::Note(Text::plain("small")))
        .with(Block::Line(Text::plain(" ")))
        .button(button(Press::RetryChild, "Retry", "o1/c3"))
        .button(button(Press::Stop, "Stop", "o1"));
    insta::assert_snapshot!(without_files(&message, &us(), In::Comment), @r"
    ✅ **Approved** by Ada \* 2023-11-14 22:13 UTC

    - a b
    - [PR 1](https://x.example/1)

    ## Plan

    [p](https://e.example/p.png)

    ---

    small

    Reply `retry 3` to start it again.
    ");
    assert_eq!(super::message(&Message::default(), &us(), In::Session).body, "");
}

#[test]
fn what_is_too_long_is_an_excerpt_and_a_file() {
    let text = "A paragraph of some words.\n\n".repeat(600);
    let long = Message::default().with(Block::Markdown { text: text.clone(), file: "a/plan.md".into() });
    let rendered = message(&long, &us(), In::Session);
    assert_eq!((rendered.overflow[0].name.as_str(), &rendered.overflow[0].bytes), ("aplan.md", &text.into()));
    assert!(rendered.body.ends_with("_The rest is in the file_ `aplan.md`"));
    let told = rendered.with_files(&[("aplan.md".into(), "https://uploads.linear.app/1".into())], &us());
    assert!(told.ends_with("\n\n[aplan.md](https://uploads.linear.app/1)"));
    assert!(without_files(&long, &us(), In::Session).ends_with("_This is shortened._"));

    let lines = (0..900).fold(proposal(), |message, n| message.with(Block::Line(Text::plain(format!("line {n} xx")))));
    let rendered = message(&lines, &us(), In::Comment);
    assert!(rendered.body.chars().count() <= LONGEST_BODY && rendered.body.ends_with("- `reject v2`"));
    assert_eq!(rendered.overflow[0].name, WHOLE);
    assert!(String::from_utf8_lossy(&rendered.overflow[0].bytes).contains("line 899"));
}

#[test]
fn an_edit_says_what_was_decided_and_nothing_else() {
    let closed = Message::default()
        .with(Block::Heading("Proposal, version 2".into()))
        .with(Block::Line(Text::plain("A summary")))
        .with(Block::Line(Text::default().mark(Mark::Done).then(" ").bold("Approved").then(" by Ada")))
        .with(Block::Note(Text::plain("api, web, cli")));
    assert_eq!(headline(&closed, &us()), "**Proposal, version 2**\n\n✅ **Approved** by Ada");
    assert_eq!(headline(&Message::line("Done"), &us()), "Done");
    assert_eq!(headline(&Message::of(vec![Block::Note(Text::plain("small"))]), &us()), "small");
}

#[test]
fn a_step_has_a_parameter_in_every_case() {
    let failed = Message::default()
        .with(Block::Line(Text::default().mark(Mark::Failed).then(" Child 3 ").bold("api").then(" failed.")))
        .with(Block::Line(Text::plain("No credits.")))
        .button(button(Press::RetryChild, "Retry", "o1/c3"));
    let expected = Step {
        action: "Failed".into(),
        parameter: "Child 3 api failed.".into(),
        result: Some("No credits.\n\nReply `retry 3` to start it again.".into()),
    };
    assert_eq!(step(&failed, &us()), Some(expected));
    let opened = Text::default().mark(Mark::PullRequest).then(" api opened ").link("o/r#1", "https://g.example/1");
    let step_of = |block| step(&Message::of(vec![block]), &us());
    let shown = step_of(Block::Line(opened)).expect("a step");
    assert_eq!(
        (shown.parameter.as_str(), shown.result.as_deref()),
        ("api opened o/r#1", Some("[o/r#1](https://g.example/1)"))
    );
    assert_eq!(step_of(Block::List(vec![Text::plain("x")])).expect("a step").parameter, "Done");
    assert_eq!(step_of(Block::Line(Text::default().mark(Mark::Done))), None);
    assert_eq!(step(&Message::default(), &us()), None);
}

#[test]
fn what_is_safe_alone_is_safe_together() {
    let text = Text::plain("Look!").link("PR", "https://x.example/1").then(" linear.app/acme/").then("profiles/baton");
    assert_eq!(spans(&text, &us()), "Look\\![PR](https://x.example/1) baton");
}

#[test]
fn cuts_leave_nothing_open() {
    let fenced = cut(&format!("```rust\n{}\n```", "let x = 1;\n".repeat(200)), 500);
    assert!(fenced.ends_with("\n…\n```") && fenced.chars().count() <= 500, "{fenced}");
    let listed = cut(&format!("- words\n  ```\n{}  ```", "  code\n".repeat(200)), 300);
    assert_eq!(listed, "- words …");
    let linked = cut(&format!("{} [label](https://x.example/{})", "w".repeat(300), "y".repeat(200)), 450);
    assert!(linked.ends_with("w …"), "{linked}");
}

proptest! {
    // Each is as long as a book.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn buttons_leave_room_for_words(label in "[ -~]{0,200}", times in 0usize..200, presses in 0usize..60) {
        let value = format!("https://x.example/{}", label.repeat(times));
        let button = |press, value: &str| Button {
            press, label: label.repeat(times), style: ButtonStyle::Plain, value: value.into(), confirm: None,
        };
        let message = (0..presses).fold(Message::line("Words."), |message, number| {
            message.button(button(Press::Open, &value)).button(button(Press::RetryChild, &format!("o1/c{number}")))
        });
        let body = super::message(&message, &us(), In::Session).body;
        prop_assert!(body.starts_with("Words.") && body.chars().count() <= LONGEST_BODY, "{body}");
    }

    #[test]
    fn a_body_is_never_too_long(
        words in proptest::collection::vec("[ -~\n<>!@#&`|*_\\[\\]()é]{0,80}", 1..4), times in 1usize..400,
    ) {
        let message = words.iter().fold(proposal(), |message, words| {
            message
                .with(Block::Markdown { text: words.repeat(times), file: "x.md".into() })
                .with(Block::Quote(words.repeat(times)))
                .with(Block::Line(Text::plain(words.repeat(times / 8))))
        });
        let rendered = super::message(&message, &us(), In::Comment);
        prop_assert!(rendered.body.chars().count() <= LONGEST_BODY + 200, "{}", rendered.body.chars().count());
        prop_assert!(rendered.body.contains("`reject v2`"));
        prop_assert!(!rendered.body.to_lowercase().contains("@baton"));
    }
}
