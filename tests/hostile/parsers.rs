//! What has to hold of every parser of outside bytes, and of every renderer of outside text, whatever
//! they are given: one function each, which panics where it does not hold.
//!
//! Called by `main.rs` with the corpora and with mutated bytes, and by the targets in `fuzz/`.

use std::fmt::Write as _;

use baton::{
    domain::{
        actor::Actor,
        edit::Draft,
        input::{Act, Deed, Event},
        message::{Block, Button, ButtonStyle, Filled, Message, Press, Span, Text, Tone},
        options, parse,
        proposal::{self, Content, Digest, Found, Proposal},
        run::{RunSettings, RunState},
        text::shorten,
    },
    linear, oz, slack,
    time::Timestamp,
};
use pulldown_cmark::{Options, Parser, Tag};
use serde_json::Value;

/// Names of the corpora and of the fuzz targets.
pub type Check = (&'static str, fn(&[u8]));
pub const ALL: [Check; 6] = [
    ("slack", slack),
    ("linear", linear),
    ("oz", oz),
    ("proposal", proposal),
    ("words", words),
    ("rendering", rendering),
];

/// What an index of either database takes.
const LONGEST_KEY: usize = 200;

/// A body at each of Slack's three addresses.
pub fn slack(bytes: &[u8]) {
    use slack::envelope::{Kind, open};
    let Ok(body) = std::str::from_utf8(bytes) else { return };
    for kind in Kind::ALL {
        match open(kind, body) {
            Ok(payload) => slack_payload(kind, &payload, body),
            Err(reason) => {
                assert_eq!(slack::inbound::read(kind.as_str(), body, &slack_us("T1")), Event::Ignored(reason));
            }
        }
    }
}

fn slack_payload(kind: slack::envelope::Kind, payload: &Value, body: &str) {
    use slack::{envelope, inbound};
    let us = slack_us(envelope::installations(payload).first().copied().unwrap_or("T1"));
    let event = inbound::read(kind.as_str(), body, &us);
    // The order of its keys, and how it is spaced, mean nothing.
    let again = match kind {
        envelope::Kind::Events => payload.to_string(),
        envelope::Kind::Interactivity => form(&[("payload", &payload.to_string())]),
        envelope::Kind::Commands => {
            let fields = payload.as_object().expect("a form is an object");
            let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
            form(&fields)
        }
    };
    assert_eq!(inbound::read(kind.as_str(), &again, &us), event);
    let dedupe = envelope::dedupe(kind, payload, "1", body);
    assert!(!dedupe.is_empty() && dedupe.len() <= LONGEST_KEY, "{dedupe}");
    let lane = envelope::lane(payload);
    assert!(!lane.is_empty() && lane.len() <= LONGEST_KEY, "{lane}");
    if envelope::irrelevance(kind, payload).is_some() {
        assert!(matches!(event, Event::Ignored(_)), "{event:?}");
    }
    let Event::Act(act) = event else { return };
    assert_eq!(act.conversation.workspace, us.workspace);
    if matches!(act.deed, Deed::Mention { .. } | Deed::Direct { .. } | Deed::Remark { .. } | Deed::Correction { .. }) {
        assert_ne!(act.actor.id, us.bot_user, "what we say ourselves");
    }
    heard(*act);
}

fn slack_us(workspace: &str) -> slack::inbound::Identity {
    slack::inbound::Identity {
        workspace: workspace.to_owned(),
        bot_user: "UBATON".into(),
        bot_id: "BBATON".into(),
        app_id: Some("ABATON".into()),
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A webhook from Linear.
pub fn linear(bytes: &[u8]) {
    use linear::{envelope, inbound};
    let Ok(body) = std::str::from_utf8(bytes) else { return };
    let Ok(mut payload) = envelope::open(body) else {
        assert_eq!(inbound::organization(body), None);
        return;
    };
    let us = inbound::Identity {
        organization: inbound::organization(body).unwrap_or_else(|| "org".into()),
        app_user: "app-1".into(),
        name: "Baton".into(),
        url_key: Some("acme".into()),
    };
    let Some(event) = inbound::event_of(&payload, Timestamp::default()) else {
        let kind = envelope::kind(&payload).map_or("Issue", envelope::Kind::as_str);
        assert!(matches!(inbound::read(kind, body, &us), Event::Ignored(_)));
        return;
    };
    for key in [&event.dedupe, &event.lane] {
        assert!(!key.is_empty() && key.len() <= LONGEST_KEY, "{key}");
    }
    let read = inbound::read(event.kind, body, &us);
    assert_eq!(inbound::read(event.kind, &event.body, &us), read);
    // An attempt to deliver it again is stamped anew.
    payload["webhookTimestamp"] = 7.into();
    let again = inbound::event_of(&payload, Timestamp::default()).expect("the same event");
    assert_eq!((again.id, again.dedupe, again.lane), (event.id, event.dedupe, event.lane));
    let Event::Act(act) = read else { return };
    assert_eq!(act.conversation.workspace, us.organization);
    assert_ne!(act.actor.id, us.app_user, "our own doing");
    heard(*act);
}

/// What the inbox worker does with what people say.
fn heard(act: Act) {
    match act.deed {
        Deed::Slash { verb, text } => {
            let _ = parse::slash(verb, &text);
            words(text.as_bytes());
        }
        Deed::Mention { text, .. }
        | Deed::Direct { text, .. }
        | Deed::Remark { text, .. }
        | Deed::Correction { text, .. }
        | Deed::Shortcut { text, .. }
        | Deed::Prompt { text, .. } => words(text.as_bytes()),
        Deed::Session(session) => {
            assert!(session.background.is_none_or(|text| shorten(&text, 60_000) == text));
            words(session.text.as_bytes());
        }
        Deed::Submitted(Filled::Edit { page, .. }) => {
            let mut draft = draft();
            let _ = draft.fill(*page);
            let (kept, dropped) = draft.parted();
            assert!(kept.len() + dropped.len() >= 3, "nothing gets lost");
            let _ = draft.page(1, true);
        }
        Deed::Pressed { .. } | Deed::Submitted(_) | Deed::StopControl | Deed::Labelled { .. } => {}
    }
}

fn draft() -> Draft {
    let children = r#"[{"name":"a","prompt":"x"},{"name":"b","prompt":"y"},{"name":"c","prompt":"z"}]"#;
    let content = Content::Children { summary: None, children: serde_json::from_str(children).unwrap() };
    let settings = RunSettings::default();
    let proposal = Proposal { version: 1, digest: Digest::of("t", &settings, &content), content, changes: None };
    Draft::of(&proposal, &settings, &Actor::slack("T1", "UADA"))
}

/// An answer of Oz's, taken for each of those that it might be.
pub fn oz(bytes: &[u8]) {
    use oz::{conversation::Conversation, wire};
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    if !value.is_object() {
        return;
    }
    // Whatever stands in an object, it can be read.
    let runs: wire::Runs = serde_json::from_value(value.clone()).expect("runs");
    for run in runs.read().0 {
        assert!(!run.run.as_str().is_empty());
        // What is kept of it comes back as it was.
        let kept = serde_json::to_string(&run).expect("JSON");
        assert_eq!(serde_json::from_str::<Value>(&kept).unwrap()["run"], run.run.as_str());
        if let RunState::Other(word) = &run.state {
            assert_eq!(RunState::from(word.clone()), run.state, "unknown words are kept");
        }
        assert!(run.session_link.is_none_or(|link| link.starts_with("http")));
        assert!(run.credits.is_none_or(|credits| !credits.is_nan()));
    }
    let run: wire::RunItem = serde_json::from_value(value.clone()).expect("a run");
    let _ = run.report();
    let talk: Conversation = serde_json::from_value(value.clone()).expect("a conversation");
    if let Some(words) = talk.last_words() {
        assert!(!words.trim().is_empty() && words.len() <= 1_000_000);
        proposal(words.as_bytes());
    }
    let did = talk.did();
    assert!(did.len() <= 100 && did.iter().all(|line| line.chars().count() <= 250 && !line.contains(char::is_control)));
    let _ = (talk.turns(), talk.was_told("Propose children."));
    let _: Vec<_> = serde_json::from_value::<wire::Environments>(value.clone()).expect("environments").read();
    let _: Vec<_> = serde_json::from_value::<wire::Models>(value.clone()).expect("models").read();
    let _: Vec<_> = serde_json::from_value::<wire::Skills>(value.clone()).expect("skills").read();
    let _: wire::Fetched = serde_json::from_value(value).expect("an artifact");
}

/// What an agent said, with a proposal in it or not.
pub fn proposal(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let around = proposal::without_block(text);
    assert_eq!(proposal::find(&around), Found::Nothing, "a block is left in {around:?}");
    let content = match proposal::find(text) {
        Found::Nothing => return,
        Found::Unusable(reason) => return assert!(!reason.is_empty()),
        Found::Proposal(content) => content,
    };
    assert_eq!(proposal::fault(content.children()), None);
    // Written by us, it is read as the same and has the same digest, in whatever order its keys stand.
    let settings = RunSettings::default();
    let digest = Digest::of("the task", &settings, &content);
    let Content::Children { summary, children } = &content else { panic!("a block has children") };
    let sorted = serde_json::json!({ "summary": summary, "children": children }).to_string();
    let mut turned = String::new();
    for child in children {
        let fields = serde_json::to_value(child).unwrap();
        let fields = fields.as_object().unwrap().iter().rev().map(|(key, value)| format!("\"{key}\": {value}"));
        let _ = write!(turned, "{{{}}},", fields.collect::<Vec<_>>().join(", "));
    }
    let summary = serde_json::to_string(summary).unwrap();
    let turned = format!("{{\"children\": [{}], \"summary\": {summary}}}", turned.trim_end_matches(','));
    for block in [sorted, turned] {
        let found = proposal::find(&format!("~~~~baton-proposal\n{block}\n~~~~"));
        let Found::Proposal(found) = found else { panic!("{found:?} of {block}") };
        assert_eq!((&found, Digest::of("the task", &settings, &found)), (&content, digest.clone()));
    }
    edited(content, &settings, digest);
}

/// Each child stands on one page of the form for editing, and what is not touched stays.
fn edited(content: Content, settings: &RunSettings, digest: Digest) {
    let children = content.children().to_vec();
    let proposal = Proposal { version: 1, digest, content, changes: None };
    let draft = Draft::of(&proposal, settings, &Actor::slack("T1", "UADA"));
    let pages = draft.page(1, true).of;
    let shown: Vec<u32> =
        (1..=pages).flat_map(|page| draft.page(page, true).children).map(|(number, _)| number).collect();
    assert_eq!(shown, (1..=u32::try_from(children.len()).unwrap()).collect::<Vec<_>>());
    assert_eq!(draft.parted(), (children, Vec::new()));
}

/// What people type.
pub fn words(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let padded = format!("  {text}\n");
    assert_eq!(parse::mention(text), parse::mention(&padded), "blanks around mean nothing");
    let (verb, rest) = parse::leading_verb(text);
    assert!(text.trim().ends_with(rest));
    for read in [parse::slash(verb, text), parse::start(verb, rest)] {
        if let baton::domain::command::Command::Wrong(sentence) = read {
            assert!(!sentence.trim().is_empty());
        }
    }
    if let Ok(ask) = parse::ask(text) {
        assert!(!ask.task.trim().is_empty() && text.contains(&ask.task));
        assert!(ask.each.len() <= 200 && ask.each.iter().all(|element| !element.trim().is_empty()));
        assert!(ask.settings.parallelism.is_none_or(|at_once| (1..=100).contains(&at_once)));
    }
    if let Some((name, prompt)) = parse::edit(text) {
        assert!(!name.is_empty() && !prompt.is_empty() && text.contains(name) && text.contains(prompt));
    }
    if let Some((press, version, digest)) = options::read_option(text) {
        assert_eq!(digest.is_some(), press == Press::Approve, "an approval names what it approves");
        assert!(version > 0 && text.contains(&version.to_string()));
    }
    if let Some((press, _, words)) = options::read_option_with_words(text) {
        assert!(press != Press::Approve && !words.is_empty());
    }
}

/// Text from outside on its way to people, or a whole message as it is kept.
pub fn rendering(bytes: &[u8]) {
    if let Ok(message) = serde_json::from_slice::<Message>(bytes) {
        slack_limits(&message, &["http", "@U", "@W", "!date^"]);
        let body = linear::render::message(&message, &linear_us(), linear::render::In::Comment).body;
        assert!(body.chars().count() <= 10_800, "{}", body.chars().count());
        return;
    }
    let text = String::from_utf8_lossy(bytes);
    for piece in slack::markdown::from_markdown(&text) {
        only_links(&piece, &["http"]);
        let cut = slack::mrkdwn::cut(&piece, 120);
        assert!(cut.chars().count() <= 120);
        only_links(&cut, &["http"]);
    }
    let _ = slack::mrkdwn::without_mention(&slack::mrkdwn::to_plain(&text), "UBATON");
    slack_limits(&everywhere(&text), &["http"]);
    linear_is_harmless(&text);
}

/// A message with the text wherever one can stand.
fn everywhere(text: &str) -> Message {
    let span = |of: fn(String) -> Span| Text(vec![of(text.to_owned())]);
    let link = Text::default().link(text, text).link("PR", text).link(text, "https://x.example");
    let message = Message::of(vec![
        Block::Heading(text.to_owned()),
        Block::Line(span(Span::Plain)),
        Block::List(vec![span(Span::Bold), span(Span::Code), link.clone()]),
        Block::Facts(vec![(text.to_owned(), span(Span::Plain)), ("Link".to_owned(), link)]),
        Block::Quote(text.to_owned()),
        Block::Markdown { text: text.to_owned(), file: text.to_owned() },
        Block::Note(span(Span::Plain)),
    ])
    .tone(Tone::Ask);
    Press::ALL.into_iter().fold(message, |message, press| {
        message.button(Button {
            press,
            label: text.to_owned(),
            style: ButtonStyle::Plain,
            value: text.to_owned(),
            confirm: Some(text.to_owned()),
        })
    })
}

/// <https://docs.slack.dev/reference/block-kit/blocks>
fn slack_limits(message: &Message, starts: &[&str]) {
    for rendered in [slack::render::message(message), slack::render::without_files(message)] {
        assert!(!rendered.text.trim().is_empty() && rendered.text.chars().count() <= 4_000);
        only_links(&rendered.text, starts);
        assert!(rendered.blocks.len() <= 50, "{}", rendered.blocks.len());
        let blocks = serde_json::to_value(&rendered.blocks).unwrap();
        let mut texts = Vec::new();
        collect(&blocks, &mut texts);
        assert!(texts.iter().map(|text| text.chars().count()).sum::<usize>() <= 11_000);
        for text in texts {
            assert!(!text.is_empty() && text.chars().count() <= 3_000);
            only_links(text, starts);
        }
    }
}

fn collect<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| match value {
            Value::String(text) if key == "text" => texts.push(text),
            other => collect(other, texts),
        }),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        _ => {}
    }
}

/// Slack reads what stands between angle brackets: links, mentions, commands.
fn only_links(mrkdwn: &str, starts: &[&str]) {
    for opened in mrkdwn.split('<').skip(1) {
        let is_ours = starts.iter().any(|start| opened.starts_with(start)) && opened.contains('>');
        assert!(is_ours, "<{opened} in {mrkdwn}");
    }
}

fn linear_us() -> linear::text::Us {
    linear::text::Us::new(&["Baton"], Some("https://linear.app/acme/profiles/baton"))
}

fn linear_is_harmless(text: &str) {
    use linear::{markdown::sanitised, render, text as safe};
    let us = linear_us();
    let body = render::message(&everywhere(text), &us, render::In::Session).body;
    assert!(body.chars().count() <= 10_800, "{}", body.chars().count());
    for written in [
        sanitised(text, &us).join("\n\n"),
        safe::escape(text, &us, safe::Addresses::Linked),
        safe::line(text, &us),
        safe::code(text, &us),
        safe::link(text, text, &us),
        body,
    ] {
        for event in Parser::new_ext(&written, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
            use pulldown_cmark::Event::{Html, InlineHtml, Start};
            let is_harmless = match &event {
                Html(_) | InlineHtml(_) | Start(Tag::Image { .. }) => false,
                Start(Tag::Link { dest_url, .. }) => {
                    let is_profile = dest_url.contains("linear.app") && dest_url.contains("/profiles/");
                    dest_url.starts_with("http") && !is_profile
                }
                _ => true,
            };
            assert!(is_harmless, "{event:?} in {written}");
        }
        nobody_is_called(&written);
    }
    let plain = safe::plain(text, &us);
    assert!(!plain.contains(['<', '>', '\n']) && !plain.contains("]("), "{plain}");
    nobody_is_called(&plain);
}

/// A mention of ourselves opens a session, which answers itself without end.
fn nobody_is_called(written: &str) {
    let small = written.to_lowercase();
    assert!(!small.contains("@baton") && !small.contains("linear.app/acme/profiles/baton"), "{written}");
}
