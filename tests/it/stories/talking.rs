//! Talking in the thread: replies, whom they are for and when they arrive; corrections; questions
//! about what goes on; and the conversation that goes on after the end.

use std::time::Duration;

use baton::simulator::oz::RunView;
use serde_json::json;

use super::{
    Story,
    story::{ADA, ENG, GRACE, LINUS},
};
use crate::databases::on_both;

const TASK: &str = "Write tests for each of api, web";

impl Story {
    /// A proposal for two children, api and web, waits for a decision.
    async fn proposed(&self) {
        self.orchestrate(TASK).await;
        self.until("[Approve]").await;
    }

    /// Both children are at work and do not end by themselves.
    async fn at_work(&self) {
        self.proposed().await;
        self.world.oz.hold();
        self.press(ADA, "baton.approve").await;
        self.wait(Duration::from_secs(25)).await;
        assert!(self.board_text().contains("0 of 2 done, 2 at work"), "{}", self.thread_text());
    }

    async fn done(&self) {
        self.proposed().await;
        self.press(ADA, "baton.approve").await;
        self.until("*Done*").await;
        self.wait(Duration::from_secs(5)).await;
    }

    /// The root of the thread, which is the board.
    fn board_text(&self) -> String {
        let root = self.root();
        let messages = self.world.slack.messages(self.place);
        self.world.slack.shown(messages.iter().find(|message| message.ts == root).unwrap())
    }

    fn run_called(&self, title: &str) -> RunView {
        self.world.oz.runs().into_iter().find(|run| run.title == title).unwrap()
    }

    /// What a run was told after its prompt, of which `words` is a part.
    fn times_told(&self, title: &str, words: &str) -> usize {
        self.run_called(title).follow_ups.iter().filter(|text| text.contains(words)).count()
    }

    /// Names of the reactions to a message.
    fn reactions(&self, ts: &str) -> Vec<String> {
        let messages = self.world.slack.messages(self.place);
        let message = messages.into_iter().find(|message| message.ts == ts).unwrap();
        message.reactions.into_iter().map(|(name, _)| name).collect()
    }

    fn last_answer(&self, user: &str) -> String {
        self.told(user).pop().unwrap_or_default()
    }
}

on_both!(
    /// One reaction when it is stored, another when Oz has it.
    a_reply_goes_to_the_agent,
    |db| async {
        let story = Story::begin(db).await;
        story.proposed().await;
        let ts = story.world.slack.say(GRACE, ENG, Some(&story.root()), "Why these two & not <docs>?").await;
        assert_eq!(story.reactions(&ts), Vec::<String>::new());
        story.settle().await;
        assert_eq!(story.reactions(&ts), ["eyes", "white_check_mark"]);
        let told = &story.run_called(TASK).follow_ups;
        assert_eq!(told, &["Somebody in the conversation says:\n\n<message>\nWhy these two & not <docs>?\n</message>"], "as she wrote it");
        story.until("The proposal above still stands.").await;
        assert!(story.thread_text().contains("I split it along api, web"));
        story.press(ADA, "baton.approve").await;
        story.until("*Done*").await;
        story.end().await;
    }
);

on_both!(a_reply_goes_to_the_child_that_it_names, |db| async {
    let story = Story::begin(db).await;
    story.at_work().await;
    for (text, child, words) in [
        ("#2 use tabs", "web", "use tabs"),
        ("2: no semicolons", "web", "no semicolons"),
        ("API: be quick", "api", "be quick"),
        ("@baton web, mind the linter", "web", "mind the linter"),
        ("web needs a changelog too", "web", "needs a changelog too"),
        ("@baton: how long will it take", TASK, "how long will it take"),
        ("2 things matter most: speed and size", TASK, "2 things matter most"),
        ("#7 does not exist", TASK, "#7 does not exist"),
    ] {
        let ts = story.reply(ADA, text).await;
        story.wait(Duration::from_secs(10)).await;
        assert_eq!(story.times_told(child, words), 1, "{text}");
        assert_eq!(story.reactions(&ts), ["eyes", "white_check_mark"], "{text}");
    }
    let told: usize = story.world.oz.runs().iter().map(|run| run.follow_ups.len()).sum();
    assert_eq!(told, 8, "each for one");
    story.world.oz.release();
    story.until("*Done*").await;
    let text = story.thread_text();
    assert!(text.contains("*2 web* says:") || text.contains("*web* says:"), "{text}");
    story.end().await;
});

on_both!(what_is_said_while_the_agent_plans_is_held_until_it_can_hear_it, |db| async {
    let story = Story::begin(db).await;
    story.orchestrate(TASK).await;
    story.until("Planning").await;
    let first = story.reply(GRACE, "Add docs").await;
    let second = story.reply(LINUS, "Drop web").await;
    assert_eq!((story.reactions(&first), story.reactions(&second)), (vec!["eyes".into()], vec!["eyes".into()]));
    assert!(story.run_called(TASK).follow_ups.is_empty(), "it makes its proposal first");
    story.until("version 3").await;
    let told = &story.run_called(TASK).follow_ups;
    assert!(told[0].contains("Add docs") && told[1].contains("Drop web"), "in their order: {told:#?}");
    assert_eq!(story.reactions(&second), ["eyes", "white_check_mark"]);
    let text = story.thread_text();
    assert_eq!(text.matches("[Approve]").count(), 1, "only the newest version can be decided on:\n{text}");
    story.press(ADA, "baton.approve").await;
    story.until("*Done*").await;
    let mut titles: Vec<String> = story.runs().into_iter().map(|(title, _)| title).collect();
    titles.sort_unstable();
    assert_eq!(titles, [TASK, "api", "docs"]);
    story.end().await;
});

on_both!(
    /// Before it was passed on the right words are passed on; afterwards the agent is told.
    an_edited_message_is_a_correction,
    |db| async {
        let story = Story::begin(db).await;
        let slack = &story.world.slack;
        story.orchestrate(TASK).await;
        story.until("Planning").await;
        let ts = story.reply(ADA, "Please use yarn").await;
        slack.edit(ADA, ENG, &ts, "Please use npm").await.unwrap();
        story.until("[Approve]").await;
        story.wait(Duration::from_secs(10)).await;
        assert_eq!((story.times_told(TASK, "yarn"), story.times_told(TASK, "npm")), (0, 1));

        slack.edit(ADA, ENG, &ts, "Please use pnpm").await.unwrap();
        story.wait(Duration::from_secs(20)).await;
        let told = story.run_called(TASK).follow_ups;
        assert_eq!(
            told.last().unwrap(),
            "Somebody in the conversation corrected an earlier message; it now says:\n\n<message>\nPlease use pnpm\n</message>"
        );
        // Not for the agent, whatever becomes of it: a command, an old message of others, a link that unfurls.
        let status = story.reply(GRACE, "@baton status").await;
        slack.edit(GRACE, ENG, &status, "@baton why").await.unwrap();
        let lunch = story.say(LINUS, "Lunch?").await;
        slack.edit(LINUS, ENG, &lunch, "Lunch at noon?").await.unwrap();
        slack.edit(ADA, ENG, &ts, "Please use pnpm").await.unwrap();
        story.wait(Duration::from_secs(10)).await;
        assert_eq!(story.run_called(TASK).follow_ups, told);
        story.press(ADA, "baton.approve").await;
        story.until("*Done*").await;
        story.end().await;
    }
);

on_both!(the_request_itself_can_be_corrected_at_once, |db| async {
    let story = Story::begin(db).await;
    let slack = &story.world.slack;
    let ts = slack.say(ADA, ENG, None, &format!("@baton {TASK}")).await;
    slack.edit(ADA, ENG, &ts, "@baton Write tests for each of api, web, and mind the linter").await.unwrap();
    story.until("[Approve]").await;
    story.wait(Duration::from_secs(20)).await;
    assert_eq!(story.times_told(TASK, "mind the linter"), 1, "{:#?}", story.world.oz.runs());
    story.press(ADA, "baton.approve").await;
    story.until("*Done*").await;
    story.end().await;
});

on_both!(a_reply_after_the_end_goes_on_days_later_and_after_restarts, |db| async {
    let mut story = Story::begin(db).await;
    story.done().await;
    story.reply(GRACE, "Which one should be merged first?").await;
    story.until("I split it along api, web").await;
    story.wait(Duration::from_secs(5)).await;

    story.pass(Duration::from_hours(24 * 9));
    story.restart().await;
    let ts = story.reply(ADA, "Add docs").await;
    story.until("[Approve]").await;
    assert_eq!(story.reactions(&ts), ["eyes", "white_check_mark"]);
    assert!(story.thread_text().contains("version 2"), "{}", story.thread_text());
    story.restart().await;
    story.press(GRACE, "baton.reject").await;
    let form = story.world.slack.views(GRACE).pop().unwrap()["id"].as_str().unwrap().to_owned();
    story.world.slack.submit(GRACE, &form, &json!({"reason": "Next week"})).await.unwrap();
    story.until("Next week").await;
    assert_eq!(story.runs().len(), 3, "nothing more was started");
    story.end().await;
});

on_both!(
    /// What a mention asks for is answered to the one who asked.
    a_mention_in_the_thread_asks_about_it,
    |db| async {
        let story = Story::begin(db).await;
        story.proposed().await;
        for (text, answer) in [
            ("@baton status", "Waiting for a decision on version 1"),
            ("@baton why", "waits for a decision"),
            ("@baton help", "/orchestrate TASK"),
            ("@baton", "/orchestrate TASK"),
            ("@baton show 1", "no children have been started"),
            ("@baton approve", "name the version: `approve v1`"),
            ("@baton approve v2", "not the proposal that stands now"),
            ("@baton list", TASK),
            ("@baton cancel o1a2b3c4d5e", "There is no orchestration o1a2b3c4d5e in this workspace."),
        ] {
            story.reply(GRACE, text).await;
            let told = story.last_answer(GRACE);
            assert!(told.contains(answer), "{text}: {told}");
        }
        assert!(story.run_called(TASK).follow_ups.is_empty(), "the agent is not bothered");
        assert!(story.thread_text().contains("[Approve]"));

        story.reply(GRACE, "@baton approve v1").await;
        assert!(story.thread_text().contains("*Approved* by @Grace Hopper"), "{}", story.thread_text());
        story.until("*Done*").await;
        story.reply(LINUS, "@baton why").await;
        let why = story.last_answer(LINUS);
        for line in ["@Ada Lovelace asked", "was approved by @Grace Hopper", "ended well", "Policy “default”"] {
            assert!(why.contains(line), "{line}: {why}");
        }
        story.end().await;
    }
);

on_both!(
    /// Only the button, or the words with the version beside a mention, approve.
    words_that_sound_like_an_approval_are_none,
    |db| async {
        let story = Story::begin(db).await;
        story.proposed().await;
        for text in ["approve", "approve v1", "LGTM :+1:", "@baton yes, approve v1 please", "Approved."] {
            story.reply(ADA, text).await;
            story.wait(Duration::from_secs(12)).await;
        }
        assert!(story.board_text().contains("Waiting for a decision on version 1"), "{}", story.thread_text());
        assert_eq!((story.runs().len(), story.run_called(TASK).follow_ups.len()), (1, 5));
        story.press(ADA, "baton.approve").await;
        story.until("*Done*").await;
        story.end().await;
    }
);

on_both!(show_looks_inside, |db| async {
    let story = Story::begin(db).await;
    story.done().await;
    for (text, shown) in [
        ("@baton show", "*The parent run* · SUCCEEDED"),
        ("@baton show 2", "*2 web* · SUCCEEDED"),
        ("@baton show #1", "*1 api* · SUCCEEDED"),
        ("@baton show api", "48 tests pass"),
    ] {
        story.reply(GRACE, text).await;
        story.wait(Duration::from_secs(3)).await;
        let text_now = story.thread_text();
        let after = text_now.rsplit(text).next().unwrap();
        assert!(after.contains(shown) && after.contains("read_files"), "{text}:\n{after}");
    }
    let before = story.world.slack.files().len();
    story.reply(GRACE, "@baton show 2 transcript").await;
    story.reply(GRACE, "@baton show transcript").await;
    story.wait(Duration::from_secs(3)).await;
    let files = story.world.slack.files();
    assert_eq!(files.len(), before + 2);
    assert!(files[before].title.contains("Transcript of 2 web"), "{}", files[before].title);
    assert!(files[before + 1].title.contains("Transcript of The parent run"));
    assert!(files.iter().all(|file| file.bytes.as_ref().is_some_and(|bytes| !bytes.is_empty())));
    story.reply(GRACE, "@baton show docs").await;
    assert!(story.last_answer(GRACE).contains("There are: 1 api, 2 web."), "{:?}", story.told(GRACE));
    story.end().await;
});

on_both!(a_failed_child_is_started_again_when_somebody_says_so, |db| async {
    let story = Story::begin(db).await;
    story.orchestrate("Write tests for each of api, web [fail: 2]").await;
    story.until("[Approve]").await;
    story.press(ADA, "baton.approve").await;
    story.until("[Retry]").await;
    assert!(story.thread_text().contains("Setting up the environment failed"), "{}", story.thread_text());
    for (text, answer) in [
        ("@baton retry 1", "has not failed, so it is not started again"),
        ("@baton retry docs", "There is no child “docs”"),
    ] {
        story.reply(GRACE, text).await;
        assert!(story.last_answer(GRACE).contains(answer), "{text}: {}", story.last_answer(GRACE));
    }
    story.reply(GRACE, "@baton retry web").await;
    story.until("2 of 2 done").await;
    story.until("*Done*").await;
    assert_eq!(story.runs().len(), 4);
    story.end().await;
});

on_both!(who_waits_for_a_person_says_where_to_answer, |db| async {
    let story = Story::begin(db).await;
    story.world.oz.knobs(|knobs| knobs.blocked_refuses_follow_up = true);
    story.orchestrate("Write tests for each of api, web [block: 2]").await;
    story.until("[Approve]").await;
    story.press(ADA, "baton.approve").await;
    story.until("waits for a person").await;
    story.wait(Duration::from_secs(10)).await;
    let text = story.thread_text();
    assert!(text.contains("npm publish --dry-run") && text.contains("Answer it in its session."), "{text}");
    assert!(story.board_text().contains("1 blocked"), "{}", story.board_text());
    assert!(!text.contains("[Retry]"), "it has not failed");
    let said = text.matches("Answer it in its session.").count();

    let ts = story.reply(ADA, "#2 yes, go ahead").await;
    story.wait(Duration::from_secs(5)).await;
    let text = story.thread_text();
    assert_eq!(text.matches("Answer it in its session.").count(), said + 1, "{text}");
    assert_eq!(story.reactions(&ts), ["eyes"], "Oz has not taken it");

    story.press(ADA, "baton.stop").await;
    story.until("*Stopped* by").await;
    story.end().await;
});

on_both!(an_agent_that_takes_an_answer_here_goes_on, |db| async {
    let story = Story::begin(db).await;
    story.orchestrate("Write tests for each of api, web [block: 2]").await;
    story.until("[Approve]").await;
    story.press(ADA, "baton.approve").await;
    story.until("waits for a person").await;
    story.reply(ADA, "#2 yes, go ahead").await;
    story.until("*Done* · 2 of 2 done").await;
    assert_eq!(story.times_told("web", "yes, go ahead"), 1);
    story.end().await;
});

on_both!(stop_in_words_stops_and_what_is_said_meanwhile_is_answered, |db| async {
    let story = Story::begin(db).await;
    story.at_work().await;
    let slack = &story.world.slack;
    let root = story.root();
    slack.say(LINUS, ENG, Some(&root), "stop that nonsense, please").await;
    story.settle().await;
    assert!(story.board_text().contains("Running"), "a remark is no command");
    slack.say(GRACE, ENG, Some(&root), "@baton stop").await;
    slack.say(ADA, ENG, Some(&root), "and the docs?").await;
    slack.say(LINUS, ENG, Some(&root), "@baton stop").await;
    story.settle().await;
    assert!(story.last_answer(ADA).contains("Reply again"), "{:?}", story.told(ADA));
    assert!(story.last_answer(LINUS).contains("already being stopped"), "{:?}", story.told(LINUS));
    story.until("*Stopped* by @Grace Hopper").await;
    story.wait(Duration::from_secs(10)).await;
    assert!(story.runs()[1..].iter().all(|(_, state)| *state == "CANCELLED"), "{:?}", story.runs());
    story.end().await;
});

on_both!(slacks_own_stop_control_stops, |db| async {
    let story = Story::begin(db).await;
    story.at_work().await;
    let stopped = json!({"type": "agent_session_stopped", "channel": ENG, "user": GRACE, "thread_ts": story.root(),
        "streaming_message_ts": [], "event_ts": "1793610100.000100"});
    assert_eq!(story.world.slack.event(stopped).await.status, 200);
    story.until("*Stopped* by @Grace Hopper").await;
    story.wait(Duration::from_secs(5)).await;
    assert!(story.runs()[1..].iter().all(|(_, state)| *state == "CANCELLED"), "{:?}", story.runs());
    story.end().await;
});

on_both!(other_threads_are_none_of_our_business, |db| async {
    let story = Story::begin(db).await;
    story.proposed().await;
    let slack = &story.world.slack;
    let root = story.root();
    let lunch = slack.say(LINUS, ENG, None, "Lunch?").await;
    let reply = slack.say(GRACE, ENG, Some(&lunch), "At noon, api and web too").await;
    slack.edit(GRACE, ENG, &reply, "At one").await.unwrap();
    slack.delete(GRACE, ENG, &reply).await.unwrap();
    story.wait(Duration::from_secs(5)).await;
    assert!(story.run_called(TASK).follow_ups.is_empty());
    assert!(story.told(GRACE).is_empty() && story.told(LINUS).is_empty());
    // What is shown in the channel as well is a reply like any other.
    slack.broadcast(GRACE, ENG, &root, "Is that all?").await;
    story.until("The proposal above still stands.").await;
    assert_eq!(story.times_told(TASK, "Is that all?"), 1);
    story.press(ADA, "baton.approve").await;
    story.until("*Done*").await;
    story.end().await;
});

on_both!(
    /// Oz takes longer than anybody waits; the answer that comes then is heard all the same.
    a_late_answer_is_heard,
    |db| async {
        let story = Story::begin(db).await;
        story.done().await;
        story.world.oz.knobs(|knobs| knobs.stale_reads_after_follow_up = Duration::from_mins(7));
        story.reply(GRACE, "What did you change in api?").await;
        story.until("*The agent said nothing.*").await;
        story.until("I split it along").await;
        story.wait(Duration::from_secs(10)).await;
        assert_eq!(story.times_told(TASK, "What did you change"), 1);
        assert_eq!(story.runs().len(), 3);
        story.end().await;
    }
);
