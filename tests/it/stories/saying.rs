//! What Baton says in Slack: one board that is edited, nothing too long and nothing twice, and
//! nobody pinged by anybody's text.

use std::{collections::BTreeSet, time::Duration};

use baton::{
    simulator::{
        faults::Fault,
        oz::Ending,
        slack::{File, Message},
    },
    time::Timestamp,
};
use serde_json::json;

use super::{
    Story,
    story::{ADA, ENG},
};
use crate::databases::on_both;

/// What Slack takes for markup, or cuts, or shows in odd ways.
const HOSTILE: &str = "<!channel> <!here|x> <@U0GRACE> <#C0OPS> <!subteam^S0LEADS> @everyone `x` ``` *b* _i_ ~s~ \
    <https://evil.example|Approve> &lt;!channel&gt; &amp; </task> \u{202e}dnatsrednu\u{202c} \u{0}\u{7} > q";

impl Story {
    async fn approve_and_finish(&self) {
        self.until("[Approve]").await;
        self.press(ADA, "baton.approve").await;
        self.until("*Done*").await;
        self.wait(Duration::from_secs(10)).await;
    }

    /// Our messages that people see, oldest first.
    fn ours(&self) -> Vec<Message> {
        let of_ours = |message: &Message| message.author.bot_id() == Some("B0BATON");
        let mut ours: Vec<_> = self.world.slack.messages(ENG).into_iter().filter(of_ours).collect();
        ours.extend(self.world.slack.ephemerals(ADA));
        ours
    }

    fn file(&self, name: &str) -> File {
        let files = self.world.slack.files();
        let found = files.iter().find(|file| file.name == name);
        found.unwrap_or_else(|| panic!("no {name}:\n{}", self.thread_text())).clone()
    }

    /// When a method of Slack's was called.
    fn calls_of(&self, method: &str) -> Vec<Timestamp> {
        let calls = self.world.faults.calls();
        calls.iter().filter(|call| call.platform == "slack" && call.what.contains(method)).map(|call| call.at).collect()
    }
}

fn content(file: &File) -> String {
    String::from_utf8(file.bytes.clone().unwrap()).unwrap()
}

on_both!(
    /// No more often than every three seconds, however much goes on; with more children than fit it
    /// shows what matters most. That an edit came too soon would be a warning at the end.
    one_board_says_it_all,
    |db| async {
        let story = Story::begin(db).await;
        let names: Vec<String> = (1..=20).map(|number| format!("package-{number:02}")).collect();
        let children: Vec<_> = names.iter().map(|name| (name.as_str(), "Write its tests")).collect();
        story.world.oz.propose(&children);
        let fails = || Ending::Fails { code: "failed".into(), message: "The tests fail".into(), retryable: false };
        story.world.oz.child_ends("package-18", fails());
        story.world.oz.child_ends("package-20", Ending::Blocks);
        story.orchestrate("parallel:8 Write tests for every package").await;
        let board = story.root();
        story.until("[Approve]").await;
        story.press(ADA, "baton.approve").await;
        story.until("1 blocked").await;
        let shown = |story: &Story| {
            let root = story.ours().into_iter().find(|message| message.ts == board).unwrap();
            story.world.slack.shown(&root)
        };
        let text = shown(&story);
        assert!(text.contains("18 package-18") && text.contains("failed") && text.contains("20 package-20"), "{text}");
        assert!(text.contains("and 5 children more"), "{text}");
        assert_eq!(text.matches("package-").count(), 15, "{text}");

        story.reply(ADA, "#20 yes").await;
        story.until("*Done* · 19 of 20 done, 1 failed").await;
        story.wait(Duration::from_secs(5)).await;
        assert!(shown(&story).contains("18 package-18"), "{}", shown(&story));
        let took = story.clock.now().since(story.calls_of("chat.postMessage")[0]);
        let edits = story.world.slack.edits(&board) as u64;
        assert!((5..=took.as_secs() / 3 + 1).contains(&edits), "{edits} edits in {} s", took.as_secs());
        let roots = story.ours().iter().filter(|message| message.thread_ts.is_none() && message.only_to.is_none()).count();
        assert_eq!(roots, 1, "everything else is in its thread");
        story.end().await;
    }
);

on_both!(
    /// What is decided on can be read in full, and what was read is what runs.
    a_long_proposal_comes_with_a_file,
    |db| async {
        let story = Story::begin(db).await;
        let prompt = |name: &str| format!("Write the tests of {name}. {}", "Mind the <gap> & the *stars*. ".repeat(150));
        let names = ["api", "web", "cli", "docs", "core", "auth"];
        let prompts: Vec<String> = names.iter().map(|name| prompt(name)).collect();
        let children: Vec<_> = names.iter().zip(&prompts).map(|(name, prompt)| (*name, prompt.as_str())).collect();
        story.world.oz.propose(&children);
        story.orchestrate("Write tests for every package").await;
        story.approve_and_finish().await;
        let file = content(&story.file("proposal-v1.md"));
        for (name, prompt) in &children {
            assert!(file.contains(prompt.trim()), "{name}");
            let run = story.world.oz.runs().into_iter().find(|run| run.title == *name).unwrap();
            assert_eq!(run.prompt, *prompt, "exactly what was approved");
        }
        story.end().await;
    }
);

on_both!(an_agent_may_say_more_than_fits_into_a_message, |db| async {
    let story = Story::begin(db).await;
    let words: String =
        (1..=900).fold(String::new(), |all, number| all + &format!("Finding {number}: the build is *slow*.\n\n"));
    story.world.oz.say(&words);
    story.orchestrate("Why is the build slow?").await;
    story.until("Reply here to answer.").await;
    story.wait(Duration::from_secs(3)).await;
    let text = story.thread_text();
    assert!(text.contains("Finding 1: the build") && text.contains("The rest is in the file_ `answer.md`"), "{text}");
    assert!(!text.contains("Finding 900"));
    assert_eq!(content(&story.file("answer.md")).trim(), words.trim());
    story.reply(ADA, "@baton show").await;
    story.wait(Duration::from_secs(3)).await;
    assert_eq!(content(&story.file("last-words.md")).trim(), words.trim());
    story.end().await;
});

on_both!(
    /// A task, names, prompts, failures, agents' words, replies, reasons: all of it is only text.
    nobody_is_pinged_by_what_others_wrote,
    |db| async {
        let story = Story::begin(db).await;
        let oz = &story.world.oz;
        let long = HOSTILE.repeat(40_000 / HOSTILE.len());
        let name = |number: u32| format!("{number} <!channel> <@U0GRACE> `*_~|> <!here>");
        let (first, second, prompt) = (name(1), name(2), format!("{HOSTILE}\n\n{long}"));
        oz.propose(&[(first.as_str(), prompt.as_str()), (second.as_str(), HOSTILE)]);
        oz.child_ends(&second, Ending::Fails { code: "failed".into(), message: long.clone(), retryable: false });
        let ts = story.world.slack.say(ADA, ENG, None, &format!("@baton {HOSTILE}\n{long}")).await;
        story.until("[Approve]").await;
        oz.say(&format!("# {HOSTILE}\n\n| a | b |\n|---|---|\n| {HOSTILE} | x |\n\n```\n{HOSTILE}\n```\n\n[x]({HOSTILE})\n{long}"));
        story.reply(ADA, &format!("{HOSTILE} Why?")).await;
        story.until("The proposal above still stands.").await;
        story.press(ADA, "baton.request_changes").await;
        let form = story.world.slack.views(ADA).pop().unwrap()["id"].as_str().unwrap().to_owned();
        story.world.slack.submit(ADA, &form, &json!({"text": HOSTILE})).await.unwrap();
        story.until("version 2").await;
        story.approve_and_finish().await;
        for text in ["@baton status", "@baton why", "@baton show", "@baton show 1", "@baton show 2", "@baton list"] {
            story.reply(ADA, text).await;
            story.wait(Duration::from_secs(2)).await;
        }
        story.reply(ADA, &format!("@baton show {}", &HOSTILE[..20])).await;
        story.command(ADA, "/oz", &format!("modle:{HOSTILE}")).await;
        story.wait(Duration::from_secs(5)).await;
        for message in story.ours() {
            let whole = message.text.clone() + &json!(message.blocks).to_string();
            for markup in ["<!channel", "<!here", "<@U0GRACE", "<#C0OPS", "<!subteam", "<https://evil.example|", "\u{202e}"] {
                assert!(!whole.contains(markup), "{markup} in {whole}");
            }
        }
        assert!(story.world.oz.runs()[0].prompt.contains("<@U0GRACE>") || story.root() == ts, "the agent gets it all");
        story.end().await;
    }
);

on_both!(what_slack_puts_off_waits_and_keeps_its_order, |db| async {
    let story = Story::begin(db).await;
    let faults = &story.world.faults;
    faults.add("slack", "chat.postMessage", Fault::RateLimited { retry_after: Some(7) }, 1);
    faults.after("slack", "chat.postMessage", Fault::Refuse("ratelimited".into()), 1, 2);
    faults.after("slack", "chat.postMessage", Fault::RateLimited { retry_after: None }, 2, 1);
    faults.add("slack", "chat.update", Fault::RateLimited { retry_after: Some(5) }, 2);
    faults.add("slack", "completeUpload", Fault::RateLimited { retry_after: Some(9) }, 1);
    faults.add("slack", "reactions.add", Fault::RateLimited { retry_after: Some(2) }, 1);
    story.orchestrate("Write tests for each of api, web").await;
    story.wait(Duration::from_secs(6)).await;
    assert!(story.runs().is_empty(), "nothing runs before it can be seen");
    story.approve_and_finish().await;
    let posts = story.calls_of("chat.postMessage");
    assert!(posts[1].since(posts[0]) >= Duration::from_secs(7), "{posts:?}");
    let text = story.thread_text();
    let places: Vec<usize> = ["version 1", "opened oz#1", "opened oz#2", "*Summary*"]
        .iter()
        .map(|said| text.find(said).unwrap_or_else(|| panic!("{said}:\n{text}")))
        .collect();
    assert!(places.is_sorted(), "{text}");
    assert_eq!(story.world.slack.files().len(), 3, "a plan, a picture and a table");
    story.end().await;
});

on_both!(
    /// A post is found by its metadata, a file by its name; equal metadata would be a warning at the end.
    what_slack_took_without_saying_so_is_not_said_again,
    |db| async {
        let story = Story::begin(db).await;
        let faults = &story.world.faults;
        faults.add("slack", "chat.postMessage", Fault::LoseAnswer, 1);
        for (skip, fault) in [
            (1, Fault::Refuse("fatal_error".into())),
            (2, Fault::LoseAnswer),
            (3, Fault::Html(502)),
            (4, Fault::Drop),
            (5, Fault::LoseAnswer),
        ] {
            faults.after("slack", "chat.postMessage", fault, skip, 1);
        }
        faults.add("slack", "completeUpload", Fault::LoseAnswer, 1);
        faults.after("slack", "completeUpload", Fault::Status(500), 1, 1);
        faults.add("slack", "POST /upload", Fault::Drop, 1);
        faults.add("slack", "getUploadURL", Fault::Html(503), 1);
        faults.after("slack", "chat.update", Fault::LoseAnswer, 1, 2);
        faults.add("slack", "conversations.replies", Fault::Status(500), 1);
        faults.add("slack", "auth.test", Fault::Drop, 2);
        story.orchestrate("Write tests for each of api, web").await;
        story.approve_and_finish().await;
        story.reply(ADA, "Which should be merged first?").await;
        story.until("I split it along").await;
        let text = story.thread_text();
        for said in ["version 1: 2 children", "opened oz#1", "opened oz#2", "*Summary*", "I split it along"] {
            assert_eq!(text.matches(said).count(), 1, "{said}:\n{text}");
        }
        let titles: BTreeSet<String> = story.world.slack.files().into_iter().map(|file| file.title).collect();
        assert_eq!((titles.len(), story.world.slack.files().len()), (3, 3), "{text}");
        let roots = story.ours().iter().filter(|message| message.thread_ts.is_none() && message.only_to.is_none()).count();
        assert_eq!((roots, story.runs().len()), (1, 3), "{text}");
        story.end().await;
    }
);

on_both!(
    /// Whoever has it read aloud, or sees it as a notification, misses nothing.
    every_message_says_in_its_text_what_its_blocks_say,
    |db| async {
        let story = Story::begin(db).await;
        story.orchestrate("Write tests for each of api, web [fail: 2]").await;
        story.approve_and_finish().await;
        for text in ["@baton help", "@baton status", "@baton why", "@baton show 1", "@baton retry 1"] {
            story.reply(ADA, text).await;
            story.wait(Duration::from_secs(2)).await;
        }
        let ours = story.ours();
        assert!(ours.len() > 10, "{}", ours.len());
        for message in ours.iter().filter(|message| !message.blocks.is_empty()) {
            // A moment and a sign are written otherwise.
            let shown = story.world.slack.shown(message).replace("(time)", "").replace("@Ada Lovelace", "");
            let signs = shown.split(':').enumerate().filter(|(_, part)| part.contains('_') && !part.contains(' '));
            let signs: BTreeSet<&str> = signs.map(|(_, sign)| sign).chain(["x", "question", "warning"]).collect();
            for word in shown.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !signs.contains(word)) {
                let word = word.trim_matches('_');
                assert!(message.text.contains(word), "“{word}” of\n{shown}\nis not in\n{}", message.text);
            }
        }
        story.end().await;
    }
);
